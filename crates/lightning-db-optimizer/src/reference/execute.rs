//! Plans over the reference's rows: the simplest executor that does what a plan says.
//!
//! It proves plans right: indexes are searched as the plan searches them, entries hold no more than
//! the index does, sorted inputs are checked to be sorted, and workers see their share of the rows
//! alone.

mod access;
mod exchange;
mod gather;
mod join;

use std::cell::RefCell;

use lightning_db_types::Value;

use super::interpret::{Interpreter, Nested, Relation, sort};
use super::scalar::Outer;
use super::{Failure, Rows};
use crate::catalog::Catalog;
use crate::explain::Actual;
use crate::plan::{Exchange, Operator, Plan, PlanId};
use crate::query::{ColumnId, NodeId, SortKey};

/// What came of a plan.
#[derive(Debug, Clone)]
pub struct Executed {
    /// The rows.
    pub rows: Vec<Vec<Value>>,
    /// What was counted of each node that ran.
    pub actual: Vec<(PlanId, Actual)>,
}

/// Runs a plan. Subqueries in scalars run by their plans, each time that a scalar is evaluated.
///
/// # Errors
/// [`Failure`] as the query gives it, and [`Failure::Unknown`] for a plan that does not keep to
/// what it says of its rows.
pub fn execute(plan: &Plan, catalog: &dyn Catalog, source: &dyn Rows) -> Result<Executed, Failure> {
    let actual = RefCell::new(vec![Actual::default(); plan.nodes().len()]);
    let states = RefCell::default();
    let executor = Executor { plan, catalog, source, actual, states };
    let parts = executor.run(plan.root(), &Outer::default())?;
    let [rows] = <[_; 1]>::try_from(parts).map_err(|parts| {
        Failure::Unknown(format!("a plan whose root has {} workers", parts.len()))
    })?;
    let counted = executor.actual.into_inner().into_iter().enumerate();
    let ran = counted.filter(|(_, actual)| actual.loops > 0);
    Ok(Executed { rows, actual: ran.map(|(at, actual)| (PlanId::new(at), actual)).collect() })
}

/// Rows of each worker.
type Parts = Vec<Vec<Vec<Value>>>;

struct Executor<'a> {
    plan: &'a Plan,
    catalog: &'a dyn Catalog,
    source: &'a dyn Rows,
    actual: RefCell<Vec<Actual>>,
    /// Values that partial aggregates have gathered, by the number that stands in their rows.
    states: RefCell<Vec<Vec<Value>>>,
}

fn wrong(what: impl Into<String>) -> Failure {
    Failure::Unknown(what.into())
}

impl Nested for Executor<'_> {
    fn rows(&self, root: NodeId, outer: &Outer) -> Result<Vec<Vec<Value>>, Failure> {
        let plan = self.plan.subqueries().iter().find(|(node, _)| *node == root);
        let (_, id) = plan.ok_or_else(|| wrong("a subquery without a plan"))?;
        let [rows] = <[_; 1]>::try_from(self.run(*id, outer)?)
            .map_err(|_| wrong("a subquery of several workers"))?;
        Ok(rows)
    }
}

impl Executor<'_> {
    /// What evaluates scalars.
    fn interpreter(&self) -> Interpreter<'_> {
        Interpreter { query: self.plan.query(), source: self.source, nested: Some(self) }
    }

    fn run(&self, id: PlanId, outer: &Outer) -> Result<Parts, Failure> {
        let parts = self.operator(id, outer)?;
        let node = self.plan.node(id);
        let workers = match &node.operator {
            Operator::Exchange { exchange: Exchange::GatherMerge(_), .. } => 1,
            _ => node.degree as usize,
        };
        if parts.len() != workers {
            return Err(wrong(format!(
                "{} with {} parts for {workers} workers",
                node.operator.name(),
                parts.len()
            )));
        }
        for rows in &parts {
            if rows.iter().any(|row| row.len() != node.columns.len()) {
                return Err(wrong(format!("columns of {}", node.operator.name())));
            }
            self.check_order(rows, &node.columns, &node.order, &node.operator.name())?;
        }
        let actual = &mut self.actual.borrow_mut()[id.index()];
        actual.loops += 1;
        actual.rows += parts.iter().map(|rows| rows.len() as u64).sum::<u64>();
        Ok(parts)
    }

    fn check_order(
        &self,
        rows: &[Vec<Value>],
        columns: &[ColumnId],
        order: &[SortKey],
        name: &str,
    ) -> Result<(), Failure> {
        // An order by columns that are not handed on says nothing that could be looked at.
        let known = order.iter().take_while(|key| columns.contains(&key.column));
        let order: Vec<SortKey> = known.copied().collect();
        let relation = Relation { columns: columns.to_vec(), rows: Vec::new() };
        let positions = relation.order(&order)?;
        let sorted = rows.windows(2).all(|pair| sort(&positions, &pair[0], &pair[1]).is_le());
        let text = self.plan.query().order_text(&order);
        if sorted { Ok(()) } else { Err(wrong(format!("{name}, which is not sorted by {text}"))) }
    }

    /// Rows of an input, each worker's turned into others.
    fn each(
        &self,
        input: PlanId,
        outer: &Outer,
        turn: impl Fn(Relation) -> Result<Vec<Vec<Value>>, Failure>,
    ) -> Result<Parts, Failure> {
        let columns = &self.plan.node(input).columns;
        let parts = self.run(input, outer)?.into_iter();
        parts.map(|rows| turn(Relation { columns: columns.clone(), rows })).collect()
    }

    fn operator(&self, id: PlanId, outer: &Outer) -> Result<Parts, Failure> {
        let node = self.plan.node(id);
        match &node.operator {
            Operator::Access { .. } => self.access(node, outer),
            Operator::IndexAggregate { .. } => Ok(vec![vec![self.index_aggregate(node, outer)?]]),
            Operator::Values { rows } => Ok(vec![rows.listed().ok_or_else(super::given)?]),
            Operator::Filter { input, conditions } => self.each(*input, outer, |relation| {
                self.filter(relation.rows, &relation.columns, conditions, outer)
            }),
            Operator::Project { input, columns } => self.each(*input, outer, |relation| {
                let compile =
                    |(_, id): &(_, _)| self.interpreter().compile(*id, &relation.columns, outer);
                let scalars = columns.iter().map(compile).collect::<Result<Vec<_>, _>>()?;
                let turn = |row: &Vec<Value>| {
                    let value =
                        |scalar| self.interpreter().value(scalar, &relation.columns, row, outer);
                    scalars.iter().map(value).collect::<Result<Vec<_>, _>>()
                };
                relation.rows.iter().map(turn).collect()
            }),
            Operator::Join { .. } => self.join(node, outer),
            Operator::Aggregate { .. } => self.aggregate(node, outer),
            Operator::Set { .. } => self.set(node, outer),
            Operator::Sort { input, keys, sorted, limit } => {
                self.each(*input, outer, |mut relation| {
                    let order = relation.order(keys)?;
                    let sorted = &keys[..*sorted];
                    self.check_order(&relation.rows, &relation.columns, sorted, "input of Sort")?;
                    relation.rows.sort_by(|left, right| sort(&order, left, right));
                    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
                    relation.rows.truncate(limit.unwrap_or(usize::MAX));
                    Ok(relation.rows)
                })
            }
            Operator::Limit { input, limit, offset } => self.each(*input, outer, |relation| {
                let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
                let rows = relation.rows.into_iter().skip(number(*offset));
                Ok(rows.take(limit.map_or(usize::MAX, number)).collect())
            }),
            Operator::Window { input, functions } => self.each(*input, outer, |relation| {
                Ok(self.interpreter().window(relation, functions, outer)?.rows)
            }),
            Operator::Exchange { input, exchange } => {
                self.exchange(*input, exchange, node.degree as usize, outer)
            }
        }
    }

    fn filter(
        &self,
        mut rows: Vec<Vec<Value>>,
        columns: &[ColumnId],
        conditions: &[crate::query::ScalarId],
        outer: &Outer,
    ) -> Result<Vec<Vec<Value>>, Failure> {
        let compile = |id: &_| self.interpreter().compile(*id, columns, outer);
        let conditions = conditions.iter().map(compile).collect::<Result<Vec<_>, _>>()?;
        let mut failure = None;
        rows.retain(|row| match self.interpreter().holds(&conditions, columns, row, outer) {
            Ok(holds) => holds,
            Err(error) => {
                failure.get_or_insert(error);
                false
            }
        });
        failure.map_or(Ok(rows), Err)
    }
}
