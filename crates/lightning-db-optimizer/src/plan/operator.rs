//! What a plan's nodes do.

use std::sync::Arc;

use super::PlanId;
use super::access::{Access, BloomCheck, IndexScan};
use crate::catalog::TableId;
use crate::query::{
    Aggregate, ColumnId, JoinKind, ScalarId, SetOperation, SortKey, ValueRows, WindowFunction,
};

/// An operator of a plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Operator {
    /// Rows of a table.
    Access {
        /// The table.
        table: TableId,
        /// What the relation is called in the query.
        alias: Arc<str>,
        /// Columns of the table in the query, by position.
        relation: Vec<ColumnId>,
        /// How rows are found.
        access: Access,
        /// Filters that are asked before.
        checks: Vec<BloomCheck>,
        /// What must be true of the rows that are found.
        filter: Vec<ScalarId>,
    },
    /// One row with first and last entries of indexes.
    IndexAggregate {
        /// The table.
        table: TableId,
        /// What the relation is called in the query.
        alias: Arc<str>,
        /// Columns of the table in the query, by position.
        relation: Vec<ColumnId>,
        /// The aggregates.
        aggregates: Vec<IndexAggregate>,
    },
    /// Rows that no table has.
    Values {
        /// The rows.
        rows: ValueRows,
    },
    /// Rows for which all conditions are true.
    Filter {
        /// Rows to choose from.
        input: PlanId,
        /// The conditions.
        conditions: Vec<ScalarId>,
    },
    /// Each row turned into another.
    Project {
        /// Rows to turn.
        input: PlanId,
        /// Columns of the result, each with what it holds.
        columns: Vec<(ColumnId, ScalarId)>,
    },
    /// Pairs of rows, of which it gives the node's columns alone: those of either side that
    /// nothing above uses are left out.
    Join {
        /// Which rows are given.
        kind: JoinKind,
        /// How pairs are found.
        method: JoinMethod,
        /// The left side.
        left: PlanId,
        /// The right side.
        right: PlanId,
        /// Scalars of the left and of the right that are equal; for a merge, in its order.
        keys: Vec<(ScalarId, ScalarId)>,
        /// What else must be true of a pair.
        on: Vec<ScalarId>,
    },
    /// One row for each group.
    Aggregate {
        /// Rows to gather.
        input: PlanId,
        /// The group columns.
        groups: Vec<ColumnId>,
        /// What is computed over each group.
        aggregates: Vec<(ColumnId, Aggregate)>,
        /// How groups are found.
        method: AggregateMethod,
        /// Whether it is all of the work.
        phase: Phase,
    },
    /// Rows of two inputs put together by position.
    Set {
        /// How.
        operation: SetOperation,
        /// Whether equal rows are kept as often as they occur.
        all: bool,
        /// How equal rows are found.
        method: SetMethod,
        /// The left input, and its columns in the order of the result.
        left: (PlanId, Vec<ColumnId>),
        /// The right input, and its columns in the order of the result.
        right: (PlanId, Vec<ColumnId>),
    },
    /// The rows in an order.
    Sort {
        /// Rows to sort.
        input: PlanId,
        /// The order.
        keys: Vec<SortKey>,
        /// Rows come in the order of so many of the first keys: only rows with equal values of
        /// these are sorted together.
        sorted: usize,
        /// Only so many of the first rows are wanted.
        limit: Option<u64>,
    },
    /// Some of the first rows.
    Limit {
        /// Rows to take from.
        input: PlanId,
        /// At most so many; `None` for all.
        limit: Option<u64>,
        /// So many are left out before.
        offset: u64,
    },
    /// Each row with values that are computed over rows near it.
    Window {
        /// Rows to look at.
        input: PlanId,
        /// Columns that are added.
        functions: Vec<(ColumnId, WindowFunction)>,
    },
    /// Rows passed between workers: what is below runs in other pipelines than what is above.
    Exchange {
        /// Rows to pass.
        input: PlanId,
        /// To which workers.
        exchange: Exchange,
    },
}

/// How the pairs of a join are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JoinMethod {
    /// The right side is put into a hash table, in which the rows of the left are looked up.
    HashRight,
    /// The left side is put into a hash table, in which the rows of the right are looked up.
    HashLeft,
    /// Both sides are sorted by the keys, ascending or descending; nulls may stand at either end.
    Merge,
    /// The right side is kept, and compared with each row of the left.
    NestedLoop,
    /// The right side runs for each row of the left, whose columns it uses.
    ForEach,
}

/// How groups are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AggregateMethod {
    /// In a hash table.
    Hash,
    /// Rows of a group come together.
    Stream,
}

/// What part of an aggregate is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// All of it.
    Complete,
    /// What each worker can say of its rows, in a form that the final phase understands.
    Partial,
    /// The results of the partial phase put together.
    Final,
}

/// How equal rows are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetMethod {
    /// Not at all: one input after the other.
    Append,
    /// In a hash table.
    Hash,
}

/// An aggregate that an index answers by one entry.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexAggregate {
    /// The column it gives.
    pub column: ColumnId,
    /// What it answers: the smallest or largest of a column.
    pub aggregate: Aggregate,
    /// The search: the first entry, in its order, is the answer; null if there is none.
    pub scan: IndexScan,
}

/// To which workers rows are passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchange {
    /// From one worker to several, as they ask.
    Local,
    /// To the worker that the columns' values choose.
    Hash(Vec<ColumnId>),
    /// To each worker.
    Broadcast,
    /// From several workers to one, merged in this order; with no keys, as they come.
    GatherMerge(Vec<SortKey>),
}

impl Operator {
    /// The nodes whose rows it reads, from left to right.
    pub fn inputs(&self) -> Vec<PlanId> {
        match self {
            Self::Access { .. } | Self::IndexAggregate { .. } | Self::Values { .. } => Vec::new(),
            Self::Filter { input, .. }
            | Self::Project { input, .. }
            | Self::Aggregate { input, .. }
            | Self::Sort { input, .. }
            | Self::Limit { input, .. }
            | Self::Window { input, .. }
            | Self::Exchange { input, .. } => vec![*input],
            Self::Join { left, right, .. } => vec![*left, *right],
            Self::Set { left, right, .. } => vec![left.0, right.0],
        }
    }

    /// Calls `change` with each input, from left to right.
    pub(crate) fn change_inputs(&mut self, mut change: impl FnMut(&mut PlanId)) {
        match self {
            Self::Access { .. } | Self::IndexAggregate { .. } | Self::Values { .. } => {}
            Self::Filter { input, .. }
            | Self::Project { input, .. }
            | Self::Aggregate { input, .. }
            | Self::Sort { input, .. }
            | Self::Limit { input, .. }
            | Self::Window { input, .. }
            | Self::Exchange { input, .. } => change(input),
            Self::Join { left, right, .. } => {
                change(left);
                change(right);
            }
            Self::Set { left, right, .. } => {
                change(&mut left.0);
                change(&mut right.0);
            }
        }
    }

    /// The scalars that it evaluates for rows, those of keys and index searches not among them.
    pub fn scalars(&self) -> Vec<ScalarId> {
        match self {
            Self::Access { filter, .. } => filter.clone(),
            Self::Filter { conditions, .. } => conditions.clone(),
            Self::Project { columns, .. } => columns.iter().map(|(_, scalar)| *scalar).collect(),
            Self::Join { on, .. } => on.clone(),
            Self::Aggregate { aggregates, .. } => {
                let used = aggregates.iter().flat_map(|(_, it)| [it.argument, it.filter]);
                used.flatten().collect()
            }
            Self::Window { functions, .. } => {
                functions.iter().flat_map(|(_, it)| it.arguments.clone()).collect()
            }
            Self::IndexAggregate { .. }
            | Self::Values { .. }
            | Self::Set { .. }
            | Self::Sort { .. }
            | Self::Limit { .. }
            | Self::Exchange { .. } => Vec::new(),
        }
    }
}
