//! `generate_series` in FROM: numbers or moments that are equally far from each other.

use lightning_db_expression::number;
use lightning_db_optimizer::{Series, ValueRows};
use lightning_db_types::{Value, ValueType};
use sqlparser::ast::{self, BinaryOperator, Expr, FunctionArg, FunctionArgExpr};

use super::expression::{Place, place_of};
use super::operators::arithmetic;
use super::query::Bound;
use super::scope::Scope;
use super::typed::Typed;
use super::{Binder, interval};
use crate::error::{Error, Position, Result};

/// What it is called.
pub(super) const NAME: &str = "generate_series";

/// Values of a series that is made when the statement is planned: of all but whole numbers.
const LISTED_MAX: usize = 1_000_000;

/// How far a value is from the one before.
enum Step<'e> {
    Number(Value),
    Interval(&'e ast::Interval),
}

impl Binder<'_> {
    /// The rows of a series from a value to another, which are known before the plan is made. Its
    /// column is called as the relation is.
    pub(super) fn series(
        &self,
        arguments: &[FunctionArg],
        called: &str,
        at: Option<Position>,
    ) -> Result<Bound> {
        let plain = arguments.iter().map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        });
        let (start, end, step) = match plain.collect::<Option<Vec<_>>>().as_deref() {
            Some([start, end]) => (*start, *end, None),
            Some([start, end, step]) => (*start, *end, Some(*step)),
            _ => {
                let detail = format!("{NAME} takes where it starts and stops, and perhaps a step");
                return Err(Error::invalid(detail, at));
            }
        };
        if let Some(Expr::Interval(step)) = step {
            let [start, end] = [self.moment_of(start, at)?, self.moment_of(end, at)?];
            let rows = listed(start, &end, &Step::Interval(step), at)?;
            let rows = ValueRows::Known(rows.into());
            return Ok(Bound::of_values(&[called.to_owned()], &[ValueType::Timestamp], rows));
        }
        let step = step.map_or(Ok(Value::I64(1)), |step| self.number_of(step, at))?;
        let [start, end] = [self.number_of(start, at)?, self.number_of(end, at)?];
        if let [Value::I64(start), Value::I64(end), Value::I64(step)] = [&start, &end, &step] {
            if *step == 0 {
                return Err(no_step(at));
            }
            let rows = ValueRows::Series(Series::new(*start, *end, *step));
            return Ok(Bound::of_values(&[called.to_owned()], &[ValueType::I64], rows));
        }
        let types = [&start, &end, &step].map(Value::value_type);
        let value_type =
            if types.contains(&ValueType::F64) { ValueType::F64 } else { ValueType::Decimal };
        let [start, end, step] = [start, end, step].map(|value| {
            if value.is_null() {
                return Ok(value);
            }
            Typed::value(value).cast(value_type, at)?.constant(&[], at)
        });
        let rows = listed(start?, &end?, &Step::Number(step?), at)?;
        let rows = ValueRows::Known(rows.into());
        Ok(Bound::of_values(&[called.to_owned()], &[value_type], rows))
    }

    fn number_of(&self, expr: &Expr, at: Option<Position>) -> Result<Value> {
        let value = self.known(expr)?;
        match value.value_type() {
            // A text that is given is read as a number.
            ValueType::Text => Typed::value(value).cast(ValueType::I64, at)?.constant(&[], at),
            ValueType::Null => Ok(value),
            found if number::is_number(found) => Ok(value),
            found => {
                let detail = format!("{NAME} of a {found} needs an interval as its step");
                Err(Error::invalid(detail, at))
            }
        }
    }

    fn moment_of(&self, expr: &Expr, at: Option<Position>) -> Result<Value> {
        let value = Typed::value(self.known(expr)?);
        if value.value_type == ValueType::Null {
            return Ok(Value::Null);
        }
        value.cast(ValueType::Timestamp, at)?.constant(&[], at)
    }

    /// A value that no other relation has a part in.
    fn known(&self, expr: &Expr) -> Result<Value> {
        let at = place_of(expr);
        self.expression(expr, Place::rows(&Scope::default())).map_err(|error| {
            if matches!(error, Error::Unsupported { .. }) {
                return error;
            }
            let hint = "its arguments are values, or parameters";
            Error::unsupported_hint(format!("{NAME} of this"), hint, at)
        })?;
        self.constant(expr)
    }
}

fn no_step(at: Option<Position>) -> Error {
    Error::invalid(format!("the step of {NAME} is zero"), at)
}

/// All values, each as a row.
fn listed(
    start: Value,
    end: &Value,
    step: &Step<'_>,
    at: Option<Position>,
) -> Result<Vec<Vec<Value>>> {
    let given = matches!(step, Step::Number(step) if step.is_null());
    let mut rows = Vec::new();
    if given || start.is_null() || end.is_null() {
        return Ok(rows);
    }
    let next = |value: &Value| {
        let value = Typed::value(value.clone());
        let moved = match step {
            Step::Interval(step) => interval::moved(value, 1, step, at)?,
            Step::Number(step) => {
                arithmetic(&BinaryOperator::Plus, value, Typed::value(step.clone()), at)?
            }
        };
        moved.constant(&[], at)
    };
    let order = |one: &Value, other: &Value| {
        let order = number::compare(one.as_value_ref(), other.as_value_ref());
        order.ok_or_else(|| Error::invalid(format!("{NAME} of values without an order"), at))
    };
    let direction = order(&next(&start)?, &start)?;
    if direction.is_eq() {
        return Err(no_step(at));
    }
    let mut value = start;
    while order(&value, end)? != direction {
        if rows.len() == LISTED_MAX {
            let detail = format!("{NAME} of such values has at most {LISTED_MAX} rows");
            return Err(Error::invalid(detail, at));
        }
        let following = next(&value)?;
        rows.push(vec![value]);
        value = following;
    }
    Ok(rows)
}
