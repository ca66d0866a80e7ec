//! Scalars of a plan, made ready to be evaluated over rows.

use std::cell::RefCell;

use lightning_db_expression::{Columns, Comparison, Expression};
use lightning_db_optimizer::{ColumnId, PlanId, Scalar, ScalarId, Subquery};
use lightning_db_types::{Value, ValueRef};

use super::Compiler;
use crate::catalog::Known;
use crate::error::{Error, Result};
use crate::search::{self, Form, Function};

/// Columns of the rows around a row stand from this position on.
const OUTER: usize = 1 << 24;
/// Parameters stand from this position on.
const PARAMETERS: usize = 2 << 24;
/// Values of the parts that are no expression stand from this position on.
const PARTS: usize = 3 << 24;
const WITHIN: usize = (1 << 24) - 1;
/// Where a row of a table has its own number.
pub(crate) const ROW_ID: usize = WITHIN;

/// Where the columns of a row stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// Columns of the row itself, each with its position there.
    pub(crate) own: &'a [(ColumnId, usize)],
    /// Columns of the rows around it, by position.
    pub(crate) outer: &'a [ColumnId],
    /// The table that the row is of, if it is one of a table.
    pub(crate) table: Option<&'a Known>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(own: &'a [(ColumnId, usize)], outer: &'a [ColumnId]) -> Self {
        Self { own, outer, table: None }
    }
}

/// A scalar over rows of known columns.
#[derive(Debug, Clone)]
pub(crate) struct Computed {
    pub(crate) expression: Expression,
    /// What is computed before, in the order of the positions.
    pub(crate) parts: Vec<Part>,
}

/// A part of a scalar that is no expression.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    Subquery {
        question: Question,
        /// The plan of the subquery.
        plan: PlanId,
        /// Positions of the columns of the row, which stand behind the outer ones for the subquery.
        captured: Vec<usize>,
    },
    /// A function of values.
    Function { function: &'static dyn Function, arguments: Vec<Computed> },
    /// Whether the row is among those that an index finds; null if the value that it has is.
    Member { value: Computed, set: usize },
    /// How well the row with a number matches what an index is asked; null if it does not.
    Score { row: Computed, set: usize },
    /// Where a text matches what an index is asked: the text, the query, and what stands around a
    /// word that matches.
    Snippet { arguments: Vec<Computed>, set: usize },
}

/// What is asked of a subquery.
#[derive(Debug, Clone)]
pub(crate) enum Question {
    /// Whether it has rows.
    Exists,
    /// The value in its only row.
    Value,
    /// Whether a comparison is true for one of its rows, or for all.
    Quantified { any: bool, comparison: Comparison, value: Box<Computed> },
}

/// The values that a scalar is evaluated over.
pub(crate) struct Frame<'a, R: ?Sized> {
    pub(crate) row: &'a R,
    pub(crate) outer: &'a [ValueRef<'a>],
    pub(crate) parameters: &'a [Value],
    pub(crate) parts: &'a [Value],
}

/// Values by position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values<'a>(pub(crate) &'a [ValueRef<'a>]);

impl Columns for Values<'_> {
    #[inline]
    fn column(&self, position: usize) -> ValueRef<'_> {
        self.0.get(position).copied().unwrap_or_default()
    }
}

/// Two rows side by side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair<'a>(pub(crate) &'a [ValueRef<'a>], pub(crate) &'a [ValueRef<'a>]);

impl Columns for Pair<'_> {
    #[inline]
    fn column(&self, position: usize) -> ValueRef<'_> {
        match position.checked_sub(self.0.len()) {
            None => self.0[position],
            Some(position) => self.1.get(position).copied().unwrap_or_default(),
        }
    }
}

/// What a position in an expression stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Located {
    /// A column of the row itself.
    Own(usize),
    /// A column of the rows around it.
    Outer(usize),
    Parameter(usize),
    /// A part that is no expression.
    Part(usize),
}

#[inline]
pub(crate) fn located(position: usize) -> Located {
    if position < OUTER {
        return Located::Own(position);
    }
    let place = position & WITHIN;
    match position & !WITHIN {
        OUTER => Located::Outer(place),
        PARAMETERS => Located::Parameter(place),
        _ => Located::Part(place),
    }
}

impl<R: Columns + ?Sized> Columns for Frame<'_, R> {
    #[inline]
    fn column(&self, position: usize) -> ValueRef<'_> {
        match located(position) {
            Located::Own(number) => self.row.column(number),
            Located::Outer(place) => self.outer.get(place).copied().unwrap_or_default(),
            Located::Parameter(number) => self.parameters.column(number),
            Located::Part(number) => self.parts.column(number),
        }
    }
}

impl Compiler<'_> {
    pub(super) fn scalars(&mut self, ids: &[ScalarId], scope: Scope<'_>) -> Result<Vec<Computed>> {
        ids.iter().map(|id| self.scalar(*id, scope)).collect()
    }

    /// Makes a scalar ready, and the subqueries in it.
    pub(super) fn scalar(&mut self, id: ScalarId, scope: Scope<'_>) -> Result<Computed> {
        let query = self.plan.query();
        let (parts, parameters) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        let known = |id: ScalarId| match query.scalar(id) {
            Scalar::Column(column) => {
                let own = scope.own.iter().find(|(known, _)| known == column);
                let outer = || scope.outer.iter().rposition(|known| known == column);
                own.map(|(_, position)| *position)
                    .or_else(|| outer().map(|position| OUTER + position))
                    .map(Expression::Column)
            }
            Scalar::Parameter(number, value_type) => {
                parameters.borrow_mut().push((*number, *value_type));
                Some(Expression::Column(PARAMETERS + number))
            }
            Scalar::Subquery(_) | Scalar::External { .. } => {
                parts.borrow_mut().push(id);
                Some(Expression::Column(PARTS + parts.borrow().len() - 1))
            }
            _ => None,
        };
        let Some(expression) = query.expression_with(id, &known) else {
            let detail = "no index answers it at this place, and rows do not";
            return Err(Error::unsupported(query.scalar_text(id), detail));
        };
        self.parameters.extend(parameters.into_inner());
        let parts = parts.into_inner();
        let parts = parts.into_iter().map(|id| self.part(id, scope)).collect::<Result<_>>()?;
        Ok(Computed { expression, parts })
    }

    fn part(&mut self, id: ScalarId, scope: Scope<'_>) -> Result<Part> {
        match self.plan.query().scalar(id) {
            Scalar::Subquery(subquery) => self.subquery(id, subquery, scope),
            Scalar::External { function, arguments, .. } => {
                self.function(search::named(function)?, arguments, scope)
            }
            _ => Err(Error::unsupported(self.plan.query().scalar_text(id), "it is no value")),
        }
    }

    fn subquery(&mut self, id: ScalarId, subquery: &Subquery, scope: Scope<'_>) -> Result<Part> {
        let question = match subquery {
            Subquery::Exists(_) => Question::Exists,
            Subquery::Value(_) => Question::Value,
            Subquery::Any(comparison, value, _) | Subquery::All(comparison, value, _) => {
                let any = matches!(subquery, Subquery::Any(..));
                let value = Box::new(self.scalar(*value, scope)?);
                Question::Quantified { any, comparison: *comparison, value }
            }
        };
        let node = subquery.node();
        let Some((_, plan)) = self.plan.subqueries().iter().find(|(known, _)| *known == node)
        else {
            return Err(Error::unsupported(self.plan.query().scalar_text(id), "it has no plan"));
        };
        let inside = scope.own.iter().map(|(column, _)| *column);
        let outer: Vec<ColumnId> = scope.outer.iter().copied().chain(inside).collect();
        self.tree(*plan, &outer)?;
        let captured = scope.own.iter().map(|(_, position)| *position).collect();
        Ok(Part::Subquery { question, plan: *plan, captured })
    }

    /// A function at a place where no index is searched for it.
    fn function(
        &mut self,
        function: &'static dyn Function,
        arguments: &[ScalarId],
        scope: Scope<'_>,
    ) -> Result<Part> {
        match function.form() {
            Form::Computed => {
                let arguments = self.scalars(arguments, scope)?;
                return Ok(Part::Function { function, arguments });
            }
            Form::Member => {}
            Form::Score | Form::Snippet => return self.of_text(function, arguments, scope),
        }
        let nowhere = || {
            let detail = "an index must have the column, and the values must be fixed; it may be \
                          a condition on a table, alone or with others";
            Error::unsupported(format!("function {}", function.name()), detail)
        };
        let (Some(known), Some((first, _))) = (scope.table, arguments.split_first()) else {
            return Err(nowhere());
        };
        let (index, part) = self.answering(function, *first, known, scope).ok_or_else(nowhere)?;
        let value = self.scalar(*first, scope)?;
        let asked = self.asked(function, part, arguments, Scope::new(&[], &[]))?;
        let set = self.member_set(known, index, asked);
        Ok(Part::Member { value, set })
    }
}

impl Computed {
    /// Calls `visit` with each column of the row itself that it is computed from.
    pub(crate) fn each_column(&self, visit: &mut dyn FnMut(usize)) {
        self.expression.visit(&mut |part| {
            if let Expression::Column(position) = part
                && let Located::Own(number) = located(*position)
            {
                visit(number);
            }
        });
        for part in &self.parts {
            match part {
                Part::Subquery { question, captured, .. } => {
                    for number in captured {
                        visit(*number);
                    }
                    if let Question::Quantified { value, .. } = question {
                        value.each_column(visit);
                    }
                }
                Part::Member { value, .. } => {
                    visit(ROW_ID);
                    value.each_column(visit);
                }
                Part::Score { row: one, .. } => one.each_column(visit),
                Part::Function { arguments, .. } | Part::Snippet { arguments, .. } => {
                    for argument in arguments {
                        argument.each_column(visit);
                    }
                }
            }
        }
    }

    /// Whether it is an expression, without parts that are none.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.parts.is_empty()
    }

    /// The value, if it is no more than a column of the rows around or a parameter.
    #[inline]
    pub(crate) fn given<'v>(
        &self,
        outer: &'v [ValueRef<'_>],
        parameters: &'v [Value],
    ) -> Option<ValueRef<'v>> {
        let Expression::Column(position) = self.expression else { return None };
        match located(position) {
            Located::Outer(place) => outer.get(place).copied(),
            Located::Parameter(number) => parameters.get(number).map(Value::as_value_ref),
            Located::Own(_) | Located::Part(_) => None,
        }
    }

    /// Where the value stands in the row itself, if that is all there is to it.
    pub(crate) fn position(&self) -> Option<usize> {
        match self.expression {
            Expression::Column(position) if position < OUTER => Some(position),
            _ => None,
        }
    }
}
