//! Scalars for one row, with the subqueries in them.

use std::cell::RefCell;
use std::collections::HashMap;

use foldhash::fast::FixedState;
use lightning_db_expression::{Columns, Comparison, Expression};
use lightning_db_types::{Value, ValueRef};

use super::Failure;
use super::interpret::Interpreter;
use crate::query::{ColumnId, NodeId, Scalar, ScalarId, Subquery};

/// Values of the columns of the rows around a correlated part.
pub(super) type Outer = HashMap<ColumnId, Value, FixedState>;

/// A scalar over rows of known columns. Parts that are no expression are evaluated before it, and
/// stand behind the row's own values.
pub(super) struct Compiled {
    expression: Expression,
    parts: Vec<Part>,
}

enum Part {
    External(String, Vec<Compiled>),
    Exists(NodeId),
    Value(NodeId),
    Quantified { any: bool, comparison: Comparison, value: Box<Compiled>, node: NodeId },
}

/// A row that is borrowed.
struct Row<'a>(&'a [Value]);

impl Columns for Row<'_> {
    fn column(&self, position: usize) -> ValueRef<'_> {
        self.0.column(position)
    }
}

impl Interpreter<'_> {
    pub(super) fn compile(
        &self,
        id: ScalarId,
        columns: &[ColumnId],
        outer: &Outer,
    ) -> Result<Compiled, Failure> {
        let parts = RefCell::new(Vec::new());
        let known = |id: ScalarId| match self.query.scalar(id) {
            Scalar::Column(column) => {
                let position = columns.iter().position(|known| known == column);
                position
                    .map(Expression::Column)
                    .or_else(|| outer.get(column).cloned().map(Expression::Literal))
            }
            Scalar::External { .. } | Scalar::Subquery(_) => {
                parts.borrow_mut().push(id);
                Some(Expression::Column(columns.len() + parts.borrow().len() - 1))
            }
            _ => None,
        };
        let unknown = || Failure::Unknown(self.query.scalar_text(id));
        let expression = self.query.expression_with(id, &known).ok_or_else(unknown)?;
        let parts = parts.into_inner().into_iter().map(|id| self.part(id, columns, outer));
        Ok(Compiled { expression, parts: parts.collect::<Result<_, _>>()? })
    }

    fn part(&self, id: ScalarId, columns: &[ColumnId], outer: &Outer) -> Result<Part, Failure> {
        let of = |id: ScalarId| self.compile(id, columns, outer);
        Ok(match self.query.scalar(id) {
            Scalar::External { function, arguments, .. } => {
                let arguments = arguments.iter().map(|id| of(*id)).collect::<Result<_, _>>()?;
                Part::External(function.to_string(), arguments)
            }
            Scalar::Subquery(Subquery::Exists(node)) => Part::Exists(*node),
            Scalar::Subquery(Subquery::Value(node)) => Part::Value(*node),
            Scalar::Subquery(Subquery::Any(comparison, value, node)) => {
                let (comparison, value, node) = (*comparison, Box::new(of(*value)?), *node);
                Part::Quantified { any: true, comparison, value, node }
            }
            Scalar::Subquery(Subquery::All(comparison, value, node)) => {
                let (comparison, value, node) = (*comparison, Box::new(of(*value)?), *node);
                Part::Quantified { any: false, comparison, value, node }
            }
            _ => return Err(Failure::Unknown(self.query.scalar_text(id))),
        })
    }

    /// Value of a scalar for a row.
    pub(super) fn value(
        &self,
        compiled: &Compiled,
        columns: &[ColumnId],
        row: &[Value],
        outer: &Outer,
    ) -> Result<Value, Failure> {
        if compiled.parts.is_empty() {
            return Ok(compiled.expression.evaluate(&Row(row))?);
        }
        let mut extended = row.to_vec();
        for part in &compiled.parts {
            extended.push(self.part_value(part, columns, row, outer)?);
        }
        Ok(compiled.expression.evaluate(&extended)?)
    }

    fn part_value(
        &self,
        part: &Part,
        columns: &[ColumnId],
        row: &[Value],
        outer: &Outer,
    ) -> Result<Value, Failure> {
        let inner = || {
            let mut inner = outer.clone();
            inner.extend(columns.iter().copied().zip(row.iter().cloned()));
            inner
        };
        match part {
            Part::External(function, arguments) => {
                let arguments = arguments.iter().map(|it| self.value(it, columns, row, outer));
                let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
                if arguments.iter().any(Value::is_null) {
                    return Ok(Value::Null);
                }
                let unknown = || Failure::Unknown(function.clone());
                self.source.external(function, &arguments).ok_or_else(unknown)
            }
            Part::Exists(node) => Ok(Value::Bool(!self.subquery(*node, &inner())?.is_empty())),
            Part::Value(node) => {
                let mut rows = self.subquery(*node, &inner())?;
                match rows.len() {
                    0 => Ok(Value::Null),
                    1 => Ok(rows.swap_remove(0).swap_remove(0)),
                    many => Err(Failure::ManyRows(many)),
                }
            }
            Part::Quantified { any, comparison, value, node } => {
                let value = self.value(value, columns, row, outer)?;
                let rows = self.subquery(*node, &inner())?;
                let compared = rows.into_iter().map(|mut row| {
                    Expression::Literal(value.clone())
                        .compare(*comparison, Expression::Literal(row.swap_remove(0)))
                });
                let compared = compared.collect();
                let all = if *any { Expression::Or(compared) } else { Expression::And(compared) };
                Ok(all.evaluate(&Vec::new())?)
            }
        }
    }

    /// Whether all conditions are true for a row. Each subquery is evaluated, even where an earlier
    /// condition is not true, so that one that fails fails wherever rewrites put it.
    pub(super) fn holds(
        &self,
        conditions: &[Compiled],
        columns: &[ColumnId],
        row: &[Value],
        outer: &Outer,
    ) -> Result<bool, Failure> {
        Ok(self.truth(conditions, columns, row, outer)? == Some(true))
    }

    /// Truth of all conditions together for a row.
    pub(super) fn truth(
        &self,
        conditions: &[Compiled],
        columns: &[ColumnId],
        row: &[Value],
        outer: &Outer,
    ) -> Result<Option<bool>, Failure> {
        let mut truth = Some(true);
        for condition in conditions {
            if truth == Some(false) && condition.parts.is_empty() {
                continue;
            }
            match self.value(condition, columns, row, outer)? {
                Value::Bool(true) => {}
                Value::Bool(false) => truth = Some(false),
                _ => truth = truth.filter(|truth| !truth),
            }
        }
        Ok(truth)
    }
}
