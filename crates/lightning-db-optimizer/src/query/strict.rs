//! What nulls make of scalars.

use std::collections::BTreeSet;

use lightning_db_expression::Function;

use super::{ColumnId, Query, Scalar, ScalarId, Subquery};

impl Query {
    /// Columns each of which makes the scalar null where it is null.
    pub fn strict_columns(&self, id: ScalarId) -> BTreeSet<ColumnId> {
        match self.scalar(id) {
            Scalar::Column(column) => BTreeSet::from([*column]),
            Scalar::Compare(..)
            | Scalar::Arithmetic(..)
            | Scalar::Negate(_)
            | Scalar::Not(_)
            | Scalar::Like { .. }
            | Scalar::Cast(..)
            | Scalar::External { .. } => self.union(&self.scalar(id).operands()),
            // A side that decides leaves nothing unknown, so all must be null.
            Scalar::And(all) | Scalar::Or(all) => common(all, &|id| self.strict_columns(id)),
            Scalar::Call(function, all) if !function.is_strict() => {
                common(all, &|id| self.strict_columns(id))
            }
            Scalar::Call(_, all) => self.union(all),
            Scalar::In(one, list) if !list.is_empty() => self.strict_columns(*one),
            Scalar::In(..)
            | Scalar::Literal(_)
            | Scalar::Parameter(..)
            | Scalar::IsNull(_)
            | Scalar::Case { .. }
            | Scalar::Subquery(_) => BTreeSet::new(),
        }
    }

    /// Columns each of which keeps the condition from being true where it is null.
    pub fn rejected_columns(&self, id: ScalarId) -> BTreeSet<ColumnId> {
        match self.scalar(id) {
            Scalar::And(all) => {
                all.iter().flat_map(|condition| self.rejected_columns(*condition)).collect()
            }
            Scalar::Or(all) => common(all, &|id| self.rejected_columns(id)),
            Scalar::Not(one) => match self.scalar(*one) {
                Scalar::IsNull(value) => self.strict_columns(*value),
                _ => self.strict_columns(*one),
            },
            Scalar::Subquery(Subquery::Any(_, value, _)) => self.strict_columns(*value),
            _ => self.strict_columns(id),
        }
    }

    fn union(&self, all: &[ScalarId]) -> BTreeSet<ColumnId> {
        all.iter().flat_map(|operand| self.strict_columns(*operand)).collect()
    }

    /// Whether a scalar may fail for some values, so that it must not be evaluated for rows for
    /// which the query does not evaluate it. Sums and products that do not fit are not counted:
    /// whoever has numbers that large sees the error sooner.
    pub fn may_fail(&self, id: ScalarId) -> bool {
        use lightning_db_expression::Arithmetic::{Divide, Remainder};
        let scalar = self.scalar(id);
        let own = match scalar {
            Scalar::Arithmetic(Divide | Remainder, _, by) => {
                !matches!(self.scalar(*by), Scalar::Literal(value) if is_number_but_zero(value))
            }
            Scalar::Cast(one, to) => {
                let from = self.value_type(*one);
                from != *to && from != lightning_db_types::ValueType::Null
            }
            Scalar::Call(function, _) => call_may_fail(*function),
            Scalar::Subquery(Subquery::Value(_)) => true,
            _ => false,
        };
        let mut fails = own;
        scalar.each_operand(&mut |operand| fails = fails || self.may_fail(operand));
        fails
    }
}

fn call_may_fail(function: Function) -> bool {
    matches!(
        function,
        Function::Substring
            | Function::JsonExtract
            | Function::Round
            | Function::Math(_)
            | Function::Quotient
            | Function::Replace
            | Function::PadStart
            | Function::PadEnd
            | Function::Repeat
            | Function::SplitPart
            | Function::Character
            | Function::Overlay
    )
}

fn common(all: &[ScalarId], of: &dyn Fn(ScalarId) -> BTreeSet<ColumnId>) -> BTreeSet<ColumnId> {
    let mut sets = all.iter().map(|operand| of(*operand));
    let first = sets.next().unwrap_or_default();
    sets.fold(first, |common, set| common.intersection(&set).copied().collect())
}

fn is_number_but_zero(value: &lightning_db_types::Value) -> bool {
    use lightning_db_types::Value;
    match value {
        Value::I64(number) => *number != 0,
        Value::U64(number) => *number != 0,
        Value::F64(number) => *number != 0.0,
        Value::Decimal(number) => number.mantissa() != 0,
        _ => false,
    }
}
