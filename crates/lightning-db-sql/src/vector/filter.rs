//! Filters of DataFusion as conditions of ours, which indexes know how to answer.

use datafusion::arrow::datatypes::{DataType, Schema, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};
use lightning_db_expression::Comparison;
use lightning_db_query::build::{Term, column, literal};
use lightning_db_types::{Decimal, Value};

/// What the table is called in a condition.
pub(super) const TABLE: &str = "t";

/// A filter over columns of a table as a condition; `None` if it is not understood.
///
/// What is understood compares columns with values of their own type, for which both executors
/// have the same order.
pub(super) fn term(filter: &Expr, schema: &Schema) -> Option<Term> {
    let inner = |filter: &Expr| term(filter, schema);
    Some(match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            inner(left)?.and(inner(right)?)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            inner(left)?.or(inner(right)?)
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => compared(left, *op, right, schema)?,
        Expr::Not(negated) => inner(negated)?.not(),
        Expr::IsNull(of) => of_column(of, schema)?.0.is_null(),
        Expr::IsNotNull(of) => of_column(of, schema)?.0.is_null().not(),
        Expr::Between(Between { expr, negated, low, high }) => {
            let (column, data_type) = of_column(expr, schema)?;
            let within = column.between(value(low, data_type)?, value(high, data_type)?);
            if *negated { within.not() } else { within }
        }
        Expr::InList(InList { expr, list, negated }) => {
            let (column, data_type) = of_column(expr, schema)?;
            let list = list.iter().map(|item| value(item, data_type));
            let within = column.is_in(list.collect::<Option<Vec<_>>>()?);
            if *negated { within.not() } else { within }
        }
        _ => return None,
    })
}

/// A column beside a value.
fn compared(left: &Expr, operator: Operator, right: &Expr, schema: &Schema) -> Option<Term> {
    if let Some((column, data_type)) = of_column(left, schema) {
        let comparison = comparison(operator)?;
        let value = value(right, data_type)?;
        return Some(Term::Compare(comparison, Box::new(column), Box::new(value)));
    }
    matches!(right, Expr::Column(_))
        .then(|| compared(right, operator.swap()?, left, schema))
        .flatten()
}

fn comparison(operator: Operator) -> Option<Comparison> {
    Some(match operator {
        Operator::Eq => Comparison::Equal,
        Operator::NotEq => Comparison::NotEqual,
        Operator::Lt => Comparison::Less,
        Operator::LtEq => Comparison::AtMost,
        Operator::Gt => Comparison::Greater,
        Operator::GtEq => Comparison::AtLeast,
        _ => return None,
    })
}

/// A column of the table, and its type.
fn of_column<'s>(expr: &Expr, schema: &'s Schema) -> Option<(Term, &'s DataType)> {
    let Expr::Column(named) = expr else { return None };
    let (_, field) = schema.column_with_name(&named.name)?;
    Some((column(format!("{TABLE}.{}", named.name)), field.data_type()))
}

/// A value of a column's type.
fn value(expr: &Expr, data_type: &DataType) -> Option<Term> {
    let Expr::Literal(scalar, _) = expr else { return None };
    let value = match (data_type, scalar) {
        (DataType::Boolean, ScalarValue::Boolean(Some(truth))) => Value::Bool(*truth),
        (DataType::Int64, ScalarValue::Int64(Some(number))) => Value::I64(*number),
        (DataType::UInt64, ScalarValue::UInt64(Some(number))) => Value::U64(*number),
        (DataType::Utf8, ScalarValue::Utf8(Some(text))) => Value::from(&**text),
        (DataType::Binary, ScalarValue::Binary(Some(bytes))) => Value::Bytes(bytes.clone()),
        (DataType::Date32, ScalarValue::Date32(Some(day))) => Value::Date(*day),
        (
            DataType::Timestamp(TimeUnit::Microsecond, None),
            ScalarValue::TimestampMicrosecond(Some(micros), None),
        ) => Value::Timestamp(*micros),
        (DataType::Decimal128(..), ScalarValue::Decimal128(Some(digits), _, scale)) => {
            Value::Decimal(Decimal::new(*digits, u8::try_from(*scale).ok()?).ok()?)
        }
        (DataType::FixedSizeBinary(16), ScalarValue::FixedSizeBinary(16, Some(bytes))) => {
            Value::Uuid(bytes.as_slice().try_into().ok()?)
        }
        // Doubles have another order there: a zero with a sign is below the one without.
        _ => return None,
    };
    Some(literal(value))
}
