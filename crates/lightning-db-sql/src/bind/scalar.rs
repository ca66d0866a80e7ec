//! Functions whose arguments take one type, or stand in an order of their own.

use lightning_db_expression::{DatePart, Function, MathFunction};
use lightning_db_query::build::{Term, call};
use lightning_db_types::{Value, ValueType};
use sqlparser::ast::BinaryOperator;

use super::function::{fixed, plain};
use super::operators::arithmetic;
use super::typed::{Typed, compared, unified};
use crate::error::{Error, Position, Result};

/// The function of a name, if it is one of these.
pub(super) fn function(
    name: &str,
    arguments: &[Typed],
    at: Option<Position>,
) -> Result<Option<Typed>> {
    let arguments = || arguments.to_vec();
    Ok(Some(match name {
        "coalesce" | "ifnull" => chosen(Function::Coalesce, arguments(), at)?,
        "greatest" => chosen(Function::Greatest, arguments(), at)?,
        "least" => chosen(Function::Least, arguments(), at)?,
        "nullif" => {
            let [left, right] = fixed(name, arguments(), at)?;
            let value_type = left.value_type;
            let (left, right) = compared(left, right, at)?;
            Typed::new(call(Function::NullIf, [left.term, right.term]), value_type)
        }
        "mod" => {
            let [left, right] = fixed(name, arguments(), at)?;
            arithmetic(&BinaryOperator::Modulo, left, right, at)?
        }
        "log" if arguments().len() == 2 => {
            let [base, number] = fixed(name, arguments(), at)?;
            let natural = Function::Math(MathFunction::NaturalLogarithm);
            let of = |number| plain(name, natural, vec![number], at);
            arithmetic(&BinaryOperator::Divide, of(number)?, of(base)?, at)?
        }
        "strpos" | "instr" => plain(name, Function::Position, arguments(), at)?,
        "date_trunc" => {
            let [unit, moment] = fixed(name, arguments(), at)?;
            let Term::Literal(Value::Text(unit)) = &unit.term else {
                return Err(Error::unsupported("date_trunc to a unit that is computed", at));
            };
            truncated(&unit.to_lowercase(), moment, at)?
        }
        _ => return Ok(None),
    }))
}

/// One of the arguments, which are made of one type.
fn chosen(function: Function, arguments: Vec<Typed>, at: Option<Position>) -> Result<Typed> {
    if arguments.is_empty() {
        return Err(Error::invalid(format!("{} takes arguments", function.name()), at));
    }
    let (terms, value_type) = unified(arguments, at)?;
    Ok(Typed::new(call(function, terms), value_type))
}

/// The beginning of the unit that a moment is in.
fn truncated(unit: &str, moment: Typed, at: Option<Position>) -> Result<Typed> {
    let part = match unit {
        "year" => DatePart::Year,
        "quarter" => DatePart::Quarter,
        "month" => DatePart::Month,
        "week" => DatePart::Weekday,
        "day" => DatePart::Day,
        "hour" => DatePart::Hour,
        "minute" => DatePart::Minute,
        "second" => DatePart::Second,
        _ => {
            let hint = "there are year, quarter, month, week, day, hour, minute, second";
            return Err(Error::unsupported_hint(format!("date_trunc to {unit}"), hint, at));
        }
    };
    let moment = moment.used_as(ValueType::Timestamp, at)?;
    match moment.value_type {
        ValueType::Date | ValueType::Timestamp | ValueType::Null => {
            let begin = call(Function::DateTruncate(part), [moment.term]);
            Ok(Typed::new(begin, ValueType::Timestamp))
        }
        found => Err(Error::invalid(format!("a {found} has no {unit}"), at)),
    }
}
