//! Plans made ready to run: columns are positions, indexes are names, scalars are expressions.
//!
//! A program is made once for a plan and run any number of times, with other parameters and on
//! other snapshots, as long as the definitions of the tables stay the same.

mod access;
mod batch;
mod chain;
mod function;
mod scalar;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lightning_db_optimizer::{
    Aggregate, AggregateFunction, ColumnId, JoinKind, JoinMethod, Operator, Phase, Plan, PlanId,
    PlanNode, SetOperation, SortKey, TableId, ValueRows,
};
use lightning_db_types::ValueType;

pub(crate) use access::{
    Access, Check, Entries, First, Key, KeyScan, Part as KeyPart, Path, Place, Set,
};
pub(crate) use chain::{Chain, FRAME_MAX};
pub(crate) use function::{Asked, MemberSet, Nearest};
pub(crate) use scalar::{
    Computed, Frame, Located, Pair, Part, Question, ROW_ID, Scope, Values, located,
};
pub(crate) use window::{Window, Windows};

use crate::catalog::TableCatalog;
use crate::error::{Error, Result};

/// What the nodes of a plan do.
#[derive(Debug)]
pub(crate) struct Program {
    /// By the position of the node; `None` for nodes that nothing runs.
    pub(crate) steps: Vec<Option<Step>>,
    /// Whether each is run in batches.
    pub(crate) batched: Vec<bool>,
    /// By the position of the node: what its step is run as, with those below it, unless the rows
    /// of each are counted.
    pub(crate) chains: Vec<Option<Chain>>,
    pub(crate) root: PlanId,
    /// The tables that it reads.
    pub(crate) tables: Vec<TableId>,
    /// Types of the parameters that it uses, by number.
    pub(crate) parameters: Vec<(usize, ValueType)>,
    /// The sets of rows that conditions ask for.
    pub(crate) members: Vec<MemberSet>,
}

/// What a node does.
#[derive(Debug)]
pub(crate) enum Step {
    Access(Access),
    First(First),
    Values(ValueRows),
    Filter { input: PlanId, conditions: Vec<Computed> },
    Project { input: PlanId, columns: Vec<Computed> },
    Join(Join),
    Aggregate(Grouping),
    Set { operation: SetOperation, all: bool, left: Side, right: Side },
    Sort { input: PlanId, keys: Vec<Sorted>, sorted: usize, limit: Option<usize> },
    Limit { input: PlanId, limit: u64, offset: u64 },
    Windows(Windows),
}

/// An input and the positions of the columns that are taken of it.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) input: PlanId,
    pub(crate) columns: Vec<usize>,
}

/// A column to sort by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sorted {
    pub(crate) position: usize,
    pub(crate) descending: bool,
    pub(crate) nulls_first: bool,
}

/// Pairs of rows.
#[derive(Debug)]
pub(crate) struct Join {
    pub(crate) kind: JoinKind,
    pub(crate) method: JoinMethod,
    pub(crate) left: PlanId,
    pub(crate) right: PlanId,
    /// Columns of either side.
    pub(crate) widths: (usize, usize),
    pub(crate) left_keys: Vec<Computed>,
    pub(crate) right_keys: Vec<Computed>,
    /// Over both rows side by side.
    pub(crate) on: Vec<Computed>,
    /// The columns that `on` uses, ascending, by their positions side by side.
    pub(crate) asked: Vec<usize>,
    /// The columns that it gives, by their positions side by side: a mark stands behind the left
    /// ones.
    pub(crate) given: Vec<usize>,
}

/// One row for each group.
#[derive(Debug)]
pub(crate) struct Grouping {
    pub(crate) input: PlanId,
    /// Positions of the group columns.
    pub(crate) groups: Vec<usize>,
    pub(crate) aggregates: Vec<Aggregated>,
    /// Whether the rows of a group come together.
    pub(crate) streams: bool,
}

/// What is computed over a group.
#[derive(Debug)]
pub(crate) struct Aggregated {
    pub(crate) function: AggregateFunction,
    pub(crate) argument: Option<Computed>,
    pub(crate) distinct: bool,
    pub(crate) filter: Vec<Computed>,
}

impl Program {
    /// Makes a plan ready.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for what only the SQL crate runs.
    pub(crate) fn new(plan: &Plan, catalog: &TableCatalog) -> Result<Self> {
        let nodes = plan.nodes().len();
        let mut compiler = Compiler {
            plan,
            catalog,
            steps: (0..nodes).map(|_| None).collect(),
            batched: vec![false; nodes],
            chains: (0..nodes).map(|_| None).collect(),
            tables: Vec::new(),
            parameters: BTreeMap::new(),
            members: Vec::new(),
        };
        compiler.tree(plan.root(), &[])?;
        let Compiler { steps, batched, chains, tables, parameters, members, .. } = compiler;
        let parameters = parameters.into_iter().collect();
        Ok(Self { steps, batched, chains, root: plan.root(), tables, parameters, members })
    }

    /// Whether a node is run in batches.
    pub(crate) fn is_batched(&self, id: PlanId) -> bool {
        self.batched.get(id.index()).copied().unwrap_or(false)
    }

    pub(crate) fn chain(&self, id: PlanId) -> Option<&Chain> {
        self.chains.get(id.index()).and_then(Option::as_ref)
    }

    pub(crate) fn step(&self, id: PlanId) -> Result<&Step> {
        let step = self.steps.get(id.index()).and_then(Option::as_ref);
        step.ok_or_else(|| Error::unsupported("a node", "it was not made ready"))
    }
}

pub(super) struct Compiler<'a> {
    plan: &'a Plan,
    catalog: &'a TableCatalog,
    steps: Vec<Option<Step>>,
    batched: Vec<bool>,
    chains: Vec<Option<Chain>>,
    tables: Vec<TableId>,
    parameters: BTreeMap<usize, ValueType>,
    members: Vec<MemberSet>,
}

/// Columns with their positions.
fn numbered(columns: &[ColumnId]) -> Vec<(ColumnId, usize)> {
    columns.iter().copied().zip(0..).collect()
}

fn missing() -> Error {
    Error::unsupported("a column", "its input does not give it")
}

impl Compiler<'_> {
    /// Makes a plan or that of a subquery ready. `outer` are the columns of the rows around it.
    fn tree(&mut self, root: PlanId, outer: &[ColumnId]) -> Result<()> {
        self.step(root, outer)?;
        self.chains(root, outer)
    }

    /// What a node reads from, each with the columns of the rows around it.
    fn inputs(&self, id: PlanId, outer: &[ColumnId]) -> Vec<(PlanId, Vec<ColumnId>)> {
        let operator = &self.plan.node(id).operator;
        let around = |input: PlanId| match operator {
            // The right side of such a join sees the row of the left one.
            Operator::Join { method: JoinMethod::ForEach, left, right, .. } if *right == input => {
                [outer, &self.plan.node(*left).columns].concat()
            }
            _ => outer.to_vec(),
        };
        operator.inputs().into_iter().map(|input| (input, around(input))).collect()
    }

    /// Makes a node ready, and those that it reads from.
    fn step(&mut self, id: PlanId, outer: &[ColumnId]) -> Result<()> {
        let plan = self.plan;
        let node = plan.node(id);
        for (input, outer) in self.inputs(id, outer) {
            self.step(input, &outer)?;
        }
        let columns = |input: PlanId| numbered(&plan.node(input).columns);
        let step = match &node.operator {
            Operator::Access { .. } => Step::Access(self.access(node, outer)?),
            Operator::IndexAggregate { .. } => Step::First(self.first(node, outer)?),
            Operator::Values { rows } => Step::Values(rows.clone()),
            Operator::Filter { input, conditions } => {
                let own = columns(*input);
                let conditions = self.scalars(conditions, Scope::new(&own, outer))?;
                Step::Filter { input: *input, conditions }
            }
            Operator::Project { input, columns: projected } => {
                let own = columns(*input);
                let scope = Scope::new(&own, outer);
                let columns = projected.iter().map(|(_, scalar)| self.scalar(*scalar, scope));
                Step::Project { input: *input, columns: columns.collect::<Result<_>>()? }
            }
            Operator::Join { .. } => Step::Join(self.join(node, outer)?),
            Operator::Aggregate { .. } => Step::Aggregate(self.grouping(&node.operator, outer)?),
            Operator::Set { operation, all, left, right, .. } => {
                let (operation, all) = (*operation, *all);
                let (left, right) = (self.side(left)?, self.side(right)?);
                Step::Set { operation, all, left, right }
            }
            Operator::Sort { input, keys, sorted, limit } => Step::Sort {
                input: *input,
                keys: self.sorted(*input, keys)?,
                sorted: *sorted,
                limit: limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            },
            Operator::Limit { input, limit, offset } => {
                Step::Limit { input: *input, limit: limit.unwrap_or(u64::MAX), offset: *offset }
            }
            Operator::Window { .. } => Step::Windows(self.windows(&node.operator, outer)?),
            Operator::Exchange { .. } => {
                return Err(Error::unsupported("an exchange", "plan for one worker"));
            }
        };
        self.batched[id.index()] = self.is_batched(id, &step);
        self.steps[id.index()] = Some(step);
        Ok(())
    }

    fn position(&self, input: PlanId, column: ColumnId) -> Result<usize> {
        let columns = &self.plan.node(input).columns;
        let position = columns.iter().position(|known| *known == column);
        position.ok_or_else(missing)
    }

    fn side(&self, (input, columns): &(PlanId, Vec<ColumnId>)) -> Result<Side> {
        let columns = columns.iter().map(|column| self.position(*input, *column));
        Ok(Side { input: *input, columns: columns.collect::<Result<_>>()? })
    }

    fn sorted(&self, input: PlanId, keys: &[SortKey]) -> Result<Vec<Sorted>> {
        let one = |key: &SortKey| {
            Ok(Sorted {
                position: self.position(input, key.column)?,
                descending: key.descending,
                nulls_first: key.nulls_first,
            })
        };
        keys.iter().map(one).collect()
    }

    fn join(&mut self, node: &PlanNode, outer: &[ColumnId]) -> Result<Join> {
        let Operator::Join { kind, method, left, right, keys, on } = &node.operator else {
            return Err(Error::unsupported("a join", "it is none"));
        };
        let columns = |input: PlanId| &self.plan.node(input).columns[..];
        let (lefts, rights) = (columns(*left), columns(*right));
        let widths = (lefts.len(), rights.len());
        let (of_left, of_right) = (numbered(lefts), numbered(rights));
        let both = numbered(&[lefts, rights].concat());
        let (mut left_keys, mut right_keys) = (Vec::new(), Vec::new());
        for (of_one, of_other) in keys {
            left_keys.push(self.scalar(*of_one, Scope::new(&of_left, outer))?);
            right_keys.push(self.scalar(*of_other, Scope::new(&of_right, outer))?);
        }
        let on = self.scalars(on, Scope::new(&both, outer))?;
        let mut asked = BTreeSet::new();
        for condition in &on {
            condition.each_column(&mut |number| asked.extend([number]));
        }
        let given = node.columns.iter().map(|column| match kind {
            JoinKind::Mark(mark) if mark == column => Ok(widths.0),
            _ => both
                .iter()
                .find(|(known, _)| known == column)
                .map(|(_, position)| *position)
                .ok_or_else(missing),
        });
        Ok(Join {
            kind: *kind,
            method: *method,
            left: *left,
            right: *right,
            widths,
            left_keys,
            right_keys,
            on,
            asked: asked.into_iter().collect(),
            given: given.collect::<Result<_>>()?,
        })
    }

    fn grouping(&mut self, operator: &Operator, outer: &[ColumnId]) -> Result<Grouping> {
        let Operator::Aggregate { input, groups, aggregates, method, phase } = operator else {
            return Err(Error::unsupported("an aggregate", "it is none"));
        };
        if *phase != Phase::Complete {
            return Err(Error::unsupported("a partial aggregate", "plan for one worker"));
        }
        let own = numbered(&self.plan.node(*input).columns);
        let scope = Scope::new(&own, outer);
        let mut made = Vec::with_capacity(aggregates.len());
        for (_, Aggregate { function, argument, distinct, filter }) in aggregates {
            made.push(Aggregated {
                function: *function,
                argument: argument.map(|id| self.scalar(id, scope)).transpose()?,
                distinct: *distinct,
                filter: filter.iter().map(|id| self.scalar(*id, scope)).collect::<Result<_>>()?,
            });
        }
        let groups = groups.iter().map(|column| self.position(*input, *column));
        Ok(Grouping {
            input: *input,
            groups: groups.collect::<Result<_>>()?,
            aggregates: made,
            streams: *method == lightning_db_optimizer::AggregateMethod::Stream,
        })
    }

    /// The place of a table among those that the program reads.
    fn table(&mut self, table: TableId) -> usize {
        let known = self.tables.iter().position(|known| *known == table);
        known.unwrap_or_else(|| {
            self.tables.push(table);
            self.tables.len() - 1
        })
    }

    fn name(text: &str) -> Arc<str> {
        Arc::from(text)
    }
}
