//! Types of scalars, and whether they may be null.

use lightning_db_expression::number::is_number;
use lightning_db_expression::{Arithmetic, Function};
use lightning_db_types::ValueType;

use super::{AggregateFunction, ColumnId, Query, Scalar, ScalarId, Subquery};

impl Query {
    /// Type of a scalar's values; `Null` if it is not known before a row is seen.
    pub fn value_type(&self, id: ScalarId) -> ValueType {
        match self.scalar(id) {
            Scalar::Column(column) => self.column(*column).value_type,
            Scalar::Literal(value) => value.value_type(),
            Scalar::Parameter(_, value_type)
            | Scalar::Cast(_, value_type)
            | Scalar::External { value_type, .. } => *value_type,
            Scalar::Compare(..)
            | Scalar::And(_)
            | Scalar::Or(_)
            | Scalar::Not(_)
            | Scalar::IsNull(_)
            | Scalar::In(..)
            | Scalar::Like { .. }
            | Scalar::Subquery(Subquery::Exists(_) | Subquery::Any(..) | Subquery::All(..)) => {
                ValueType::Bool
            }
            Scalar::Arithmetic(operation, left, right) => {
                arithmetic_type(*operation, self.value_type(*left), self.value_type(*right))
            }
            Scalar::Negate(one) => match self.value_type(*one) {
                ValueType::U64 => ValueType::I64,
                other => other,
            },
            Scalar::Call(function, arguments) => self.call_type(*function, arguments),
            Scalar::Case { branches, otherwise } => {
                let values = branches.iter().map(|(_, value)| *value).chain(*otherwise);
                self.first_type(values)
            }
            Scalar::Subquery(Subquery::Value(node)) => self
                .output(*node)
                .first()
                .map_or(ValueType::Null, |column| self.column(*column).value_type),
        }
    }

    fn first_type(&self, values: impl IntoIterator<Item = ScalarId>) -> ValueType {
        let mut types = values.into_iter().map(|value| self.value_type(value));
        types.find(|found| *found != ValueType::Null).unwrap_or(ValueType::Null)
    }

    fn call_type(&self, function: Function, arguments: &[ScalarId]) -> ValueType {
        if let Some(known) = function.value_type() {
            return known;
        }
        match function {
            Function::Quotient => match arguments {
                [left, right] => {
                    let (left, right) = (self.value_type(*left), self.value_type(*right));
                    arithmetic_type(Arithmetic::Divide, left, right)
                }
                _ => ValueType::Null,
            },
            Function::Abs
            | Function::Round
            | Function::Floor
            | Function::Ceiling
            | Function::Truncate
            | Function::Sign
            | Function::NullIf => self.first_type(arguments.first().copied()),
            Function::Coalesce | Function::Greatest | Function::Least => {
                self.first_type(arguments.iter().copied())
            }
            // What stands in a JSON text has the type that it has there.
            _ => ValueType::Null,
        }
    }

    /// Whether a scalar may be null, where `nullable` says which columns may be.
    pub fn may_be_null(&self, id: ScalarId, nullable: &dyn Fn(ColumnId) -> bool) -> bool {
        let of = |id: &ScalarId| self.may_be_null(*id, nullable);
        match self.scalar(id) {
            Scalar::Column(column) => nullable(*column),
            Scalar::Literal(value) => value.is_null(),
            Scalar::IsNull(_) | Scalar::Subquery(Subquery::Exists(_)) => false,
            Scalar::Parameter(..)
            | Scalar::External { .. }
            | Scalar::Subquery(_)
            | Scalar::Call(Function::JsonExtract | Function::NullIf, _) => true,
            Scalar::Call(Function::Coalesce, arguments) => arguments.iter().all(of),
            Scalar::Case { branches, otherwise } => {
                let otherwise = otherwise.as_ref().is_none_or(of);
                otherwise || branches.iter().any(|(_, value)| of(value))
            }
            other => other.operands().iter().any(of),
        }
    }
}

/// Type of a calculation; `Null` if that of an operand is not known, or if they do not fit.
pub fn arithmetic_type(operation: Arithmetic, left: ValueType, right: ValueType) -> ValueType {
    use ValueType::{Date, Decimal, F64, I64, Null, Timestamp, U64};
    let moved = matches!(operation, Arithmetic::Add | Arithmetic::Subtract);
    match (left, right) {
        (Date, Date) | (Timestamp, Timestamp) if operation == Arithmetic::Subtract => I64,
        (Date | Timestamp, I64 | U64) if moved => left,
        (left, right) if !is_number(left) || !is_number(right) => Null,
        (F64, _) | (_, F64) => F64,
        (Decimal, _) | (_, Decimal) => Decimal,
        (U64, U64) => U64,
        _ => I64,
    }
}

impl AggregateFunction {
    /// Type of the aggregate over values of a type: an average of whole numbers is a decimal.
    pub fn value_type(self, argument: ValueType) -> ValueType {
        match (self, argument) {
            (Self::Count, _) => ValueType::I64,
            (Self::Any | Self::Every, _) => ValueType::Bool,
            (Self::Spread(_), _) => ValueType::F64,
            (Self::Average, ValueType::I64 | ValueType::U64) => ValueType::Decimal,
            (Self::Sum | Self::Average | Self::Min | Self::Max, argument) => argument,
        }
    }
}
