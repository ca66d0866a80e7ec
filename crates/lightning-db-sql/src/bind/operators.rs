//! Calculations.

use lightning_db_expression::Arithmetic;
use lightning_db_expression::number::is_number;
use lightning_db_optimizer::arithmetic_type;
use lightning_db_query::build::Term;
use lightning_db_types::ValueType;
use sqlparser::ast::BinaryOperator;

use super::typed::Typed;
use crate::error::{Error, Position, Result};

pub(crate) fn arithmetic(
    op: &BinaryOperator,
    left: Typed,
    right: Typed,
    at: Option<Position>,
) -> Result<Typed> {
    let operation = match op {
        BinaryOperator::Plus => Arithmetic::Add,
        BinaryOperator::Minus => Arithmetic::Subtract,
        BinaryOperator::Multiply => Arithmetic::Multiply,
        BinaryOperator::Divide => Arithmetic::Divide,
        BinaryOperator::Modulo => Arithmetic::Remainder,
        _ => return Err(Error::unsupported(format!("the operator {op}"), at)),
    };
    let (of_left, of_right) = (left.value_type, right.value_type);
    // A text beside a moment may be one, or a number of days: it is read as what it stands beside.
    let left = left.used_as(of_right, at)?;
    let right = right.used_as(left.value_type, at)?;
    let (of_left, of_right) = match (left.value_type, right.value_type) {
        (ValueType::Null, ValueType::Null) => return Ok(super::expression::null()),
        (ValueType::Null, other) | (other, ValueType::Null) if is_number(other) => (other, other),
        (ValueType::Null, _) => (of_right, of_right),
        (_, ValueType::Null) => (of_left, of_left),
        known => known,
    };
    let value_type = arithmetic_type(operation, of_left, of_right);
    if value_type == ValueType::Null {
        let detail = format!("{op} does not take a {of_left} and a {of_right}");
        return Err(Error::invalid(detail, at));
    }
    let (left, right) = (Box::new(left.term), Box::new(right.term));
    Ok(Typed::new(Term::Arithmetic(operation, left, right), value_type))
}

pub(crate) fn negated(typed: Typed, at: Option<Position>) -> Result<Typed> {
    let value_type = match typed.value_type {
        ValueType::U64 => ValueType::I64,
        ValueType::Null => ValueType::Null,
        other if is_number(other) => other,
        other => return Err(Error::invalid(format!("- does not take a {other}"), at)),
    };
    Ok(Typed::new(Term::Negate(Box::new(typed.term)), value_type))
}
