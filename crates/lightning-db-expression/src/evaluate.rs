//! Evaluation, borrowing from the row and the expression where it can.

use std::cmp::Ordering;

use lightning_db_types::{Value, ValueRef, ValueType};

use super::{Comparison, Expression, arithmetic, cast, function, like, number};
use crate::columns::Columns;
use crate::error::{Error, Result};

/// A value that is in the row or the expression, or has been made.
#[derive(Debug)]
pub enum Evaluated<'a> {
    /// It stands in the row or in the expression.
    Borrowed(ValueRef<'a>),
    /// It has been computed.
    Made(Value),
}

impl Evaluated<'_> {
    #[inline]
    /// The value, borrowed.
    pub fn as_value_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Borrowed(value) => *value,
            Self::Made(value) => value.as_value_ref(),
        }
    }

    /// The value, for keeping.
    pub fn into_value(self) -> Value {
        match self {
            Self::Borrowed(value) => value.to_value(),
            Self::Made(value) => value,
        }
    }

    fn of_truth(truth: Option<bool>) -> Self {
        Self::Borrowed(truth.map_or(ValueRef::Null, ValueRef::Bool))
    }
}

impl Expression {
    /// Its value for a row, borrowed if it stands there.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    #[inline]
    pub fn evaluated<'a>(&'a self, row: &'a dyn Columns) -> Result<Evaluated<'a>> {
        match self {
            Self::Column(position) => Ok(Evaluated::Borrowed(row.column(*position))),
            Self::Literal(value) => Ok(Evaluated::Borrowed(value.as_value_ref())),
            computed => computed.computed(row),
        }
    }

    fn computed<'a>(&'a self, row: &'a dyn Columns) -> Result<Evaluated<'a>> {
        match self {
            Self::Arithmetic(operation, left, right) => {
                let (left, right) = (left.evaluated(row)?, right.evaluated(row)?);
                let (left, right) = (left.as_value_ref(), right.as_value_ref());
                let value = arithmetic::apply(*operation, left, right);
                value.map(Evaluated::Made).map_err(|fault| fault.of(self))
            }
            Self::Negate(operand) => {
                let value = operand.evaluated(row)?;
                let value = arithmetic::negate(value.as_value_ref());
                value.map(Evaluated::Made).map_err(|fault| fault.of(self))
            }
            Self::Call(called, arguments) => function::call(self, *called, arguments, row),
            Self::Cast(operand, value_type) => {
                let value = operand.evaluated(row)?;
                if value.as_value_ref().value_type() == *value_type {
                    return Ok(value);
                }
                let value = cast::cast(value.as_value_ref(), *value_type);
                value.map(Evaluated::Made).map_err(|fault| fault.of(self))
            }
            Self::Case { branches, otherwise } => {
                for (condition, value) in branches {
                    if truth(condition, row)? == Some(true) {
                        return value.evaluated(row);
                    }
                }
                match otherwise {
                    Some(value) => value.evaluated(row),
                    None => Ok(Evaluated::Borrowed(ValueRef::Null)),
                }
            }
            predicate => truth(predicate, row).map(Evaluated::of_truth),
        }
    }
}

/// Why a value cannot be computed; the expression is added where it is known.
#[derive(Debug)]
pub(crate) enum Fault {
    Type { expected: &'static str, found: ValueType },
    Detail(String),
}

impl Fault {
    pub(crate) fn detail(detail: impl Into<String>) -> Self {
        Self::Detail(detail.into())
    }

    pub(crate) fn of(self, expression: &Expression) -> Error {
        let expression = expression.to_string();
        match self {
            Self::Type { expected, found } => Error::Type { expression, expected, found },
            Self::Detail(detail) => Error::Evaluation { expression, detail },
        }
    }
}

/// Order of two values that are not null.
pub(crate) fn compare(left: ValueRef<'_>, right: ValueRef<'_>) -> Result<Ordering, Fault> {
    let found = right.value_type();
    number::compare(left, right).ok_or(Fault::Type { expected: left.value_type().name(), found })
}

/// The same, unknown if one is null.
fn compare_or_null(
    expression: &Expression,
    left: ValueRef<'_>,
    right: ValueRef<'_>,
) -> Result<Option<Ordering>> {
    if left.is_null() || right.is_null() {
        return Ok(None);
    }
    compare(left, right).map(Some).map_err(|fault| fault.of(expression))
}

impl Comparison {
    /// Whether it holds for values in this order.
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

pub(crate) fn truth(expression: &Expression, row: &dyn Columns) -> Result<Option<bool>> {
    match expression {
        Expression::Compare(comparison, left, right) => {
            let (left, right) = (left.evaluated(row)?, right.evaluated(row)?);
            let order = compare_or_null(expression, left.as_value_ref(), right.as_value_ref())?;
            Ok(order.map(|order| comparison.holds(order)))
        }
        Expression::And(all) => gather(all, row, false),
        Expression::Or(all) => gather(all, row, true),
        Expression::Not(operand) => Ok(truth(operand, row)?.map(|truth| !truth)),
        Expression::IsNull(operand) => Ok(Some(operand.evaluated(row)?.as_value_ref().is_null())),
        Expression::In(operand, list) => is_in(expression, operand, list, row),
        Expression::Between { value, low, high } => {
            let value = value.evaluated(row)?;
            let value = value.as_value_ref();
            let low = low.evaluated(row)?;
            let above = compare_or_null(expression, value, low.as_value_ref())?;
            let above = above.map(Ordering::is_ge);
            if above == Some(false) {
                return Ok(above);
            }
            let high = high.evaluated(row)?;
            let below = compare_or_null(expression, value, high.as_value_ref())?;
            let below = below.map(Ordering::is_le);
            Ok(if above.is_none() && below == Some(true) { None } else { below })
        }
        Expression::Like { value, pattern, escape } => {
            let (value, pattern) = (value.evaluated(row)?, pattern.evaluated(row)?);
            let operands = (value.as_value_ref(), pattern.as_value_ref());
            let (value, pattern) = match operands {
                (ValueRef::Null, _) | (_, ValueRef::Null) => return Ok(None),
                (ValueRef::Text(value), ValueRef::Text(pattern)) => (value, pattern),
                (ValueRef::Text(_), other) | (other, _) => {
                    let found = other.value_type();
                    return Err(Fault::Type { expected: "text", found }.of(expression));
                }
            };
            let found = like::matches(value, pattern, *escape);
            found.map(Some).map_err(|fault| fault.of(expression))
        }
        value => match value.evaluated(row)?.as_value_ref() {
            ValueRef::Null => Ok(None),
            ValueRef::Bool(truth) => Ok(Some(truth)),
            other => {
                let found = other.value_type();
                Err(Fault::Type { expected: "bool", found }.of(expression))
            }
        },
    }
}

/// `And` and `Or`: the first operand with the truth that decides ends it.
fn gather(all: &[Expression], row: &dyn Columns, decides: bool) -> Result<Option<bool>> {
    let mut gathered = Some(!decides);
    for operand in all {
        match truth(operand, row)? {
            Some(truth) if truth == decides => return Ok(Some(decides)),
            Some(_) => {}
            None => gathered = None,
        }
    }
    Ok(gathered)
}

fn is_in(
    expression: &Expression,
    operand: &Expression,
    list: &[Expression],
    row: &dyn Columns,
) -> Result<Option<bool>> {
    let value = operand.evaluated(row)?;
    let mut found = Some(false);
    for item in list {
        let item = item.evaluated(row)?;
        match compare_or_null(expression, value.as_value_ref(), item.as_value_ref())? {
            Some(Ordering::Equal) => return Ok(Some(true)),
            Some(_) => {}
            None => found = None,
        }
    }
    Ok(found)
}
