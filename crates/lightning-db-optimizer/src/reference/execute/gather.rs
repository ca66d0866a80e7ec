//! Aggregates in one phase or two, and sets.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;
use lightning_db_types::Value;

use super::{Executor, Parts, wrong};
use crate::plan::{AggregateMethod, Operator, Phase, PlanNode};
use crate::query::{Aggregate, ColumnId};
use crate::reference::Failure;
use crate::reference::aggregate::{fold, grouped};
use crate::reference::interpret::{Relation, put_together};
use crate::reference::scalar::Outer;

type Row = Vec<Value>;

impl Executor<'_> {
    pub(super) fn aggregate(&self, node: &PlanNode, outer: &Outer) -> Result<Parts, Failure> {
        let Operator::Aggregate { input, groups, aggregates, method, phase } = &node.operator
        else {
            return Err(wrong("an aggregate that is none"));
        };
        let workers = self.plan.node(*input).degree;
        if *phase == Phase::Complete && groups.is_empty() && workers > 1 {
            return Err(wrong("an aggregate of all rows by several workers"));
        }
        self.each(*input, outer, |relation| {
            let positions = relation.positions(groups)?;
            if *method == AggregateMethod::Stream {
                check_together(&relation.rows, &positions)?;
            }
            let mut all = grouped(&relation.rows, &positions);
            let alone = groups.is_empty() && all.is_empty();
            if alone && *phase != Phase::Partial {
                all.push((Vec::new(), Vec::new()));
            }
            let mut rows = Vec::new();
            for (mut row, members) in all {
                for (column, aggregate) in aggregates {
                    let value = match phase {
                        Phase::Complete => {
                            folded(aggregate, self.values(aggregate, &relation, &members, outer)?)?
                        }
                        Phase::Partial => {
                            let values = self.values(aggregate, &relation, &members, outer)?;
                            self.keep(values)
                        }
                        Phase::Final => {
                            folded(aggregate, self.kept(*column, &relation, &members)?)?
                        }
                    };
                    row.push(value);
                }
                rows.push(row);
            }
            Ok(rows)
        })
    }

    /// Values of an aggregate's argument in some rows, nulls left out.
    fn values(
        &self,
        aggregate: &Aggregate,
        input: &Relation,
        members: &[usize],
        outer: &Outer,
    ) -> Result<Row, Failure> {
        let compile = |id| self.interpreter().compile(id, &input.columns, outer);
        let filter = aggregate.filter.into_iter().map(compile).collect::<Result<Vec<_>, _>>()?;
        let argument = aggregate.argument.map(compile).transpose()?;
        let mut values = Vec::new();
        for member in members {
            let row = &input.rows[*member];
            if !self.interpreter().holds(&filter, &input.columns, row, outer)? {
                continue;
            }
            let value = match &argument {
                Some(argument) => self.interpreter().value(argument, &input.columns, row, outer)?,
                None => Value::Bool(true),
            };
            if !value.is_null() {
                values.push(value);
            }
        }
        Ok(values)
    }

    fn keep(&self, values: Row) -> Value {
        let mut states = self.states.borrow_mut();
        states.push(values);
        Value::U64(states.len() as u64 - 1)
    }

    fn kept(&self, column: ColumnId, input: &Relation, members: &[usize]) -> Result<Row, Failure> {
        let position = input.positions(&[column])?[0];
        let states = self.states.borrow();
        let mut values = Vec::new();
        for member in members {
            let Value::U64(state) = input.rows[*member][position] else {
                return Err(wrong("a final phase over rows of no partial one"));
            };
            values.extend(states[usize::try_from(state).unwrap_or(0)].iter().cloned());
        }
        Ok(values)
    }

    pub(super) fn set(&self, node: &PlanNode, outer: &Outer) -> Result<Parts, Failure> {
        let Operator::Set { operation, all, left, right, .. } = &node.operator else {
            return Err(wrong("a set that is none"));
        };
        let side = |(input, columns): &(_, Vec<ColumnId>)| {
            self.each(*input, outer, |relation| {
                let positions = relation.positions(columns)?;
                let turn = |row: &Row| positions.iter().map(|at| row[*at].clone()).collect();
                Ok(relation.rows.iter().map(turn).collect())
            })
        };
        let (lefts, rights) = (side(left)?, side(right)?);
        if lefts.len() != rights.len() {
            return Err(wrong("a set of sides with different workers"));
        }
        let both = lefts.into_iter().zip(rights);
        Ok(both.map(|(left, right)| put_together(*operation, *all, left, right)).collect())
    }
}

fn folded(aggregate: &Aggregate, mut values: Row) -> Result<Value, Failure> {
    if aggregate.distinct {
        let mut seen: HashSet<Value, FixedState> = HashSet::default();
        values.retain(|value| seen.insert(value.clone()));
    }
    fold(aggregate.function, values)
}

/// # Errors
/// [`Failure::Unknown`] if rows of a group stand apart.
fn check_together(rows: &[Row], positions: &[usize]) -> Result<(), Failure> {
    let mut last: HashMap<Row, usize, FixedState> = HashMap::default();
    for (at, row) in rows.iter().enumerate() {
        let key: Row = positions.iter().map(|position| row[*position].clone()).collect();
        if last.insert(key, at).is_some_and(|before| before + 1 != at) {
            return Err(wrong("a stream aggregate over rows whose groups stand apart"));
        }
    }
    Ok(())
}
