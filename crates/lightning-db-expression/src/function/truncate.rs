//! Numbers and quotients cut behind a digit.

use lightning_db_types::{Decimal, Value, ValueRef};

use super::super::arithmetic;
use super::super::evaluate::Fault;
use super::super::expression::Arithmetic;

/// The number without what is behind `digits` behind the point, or before it if they are negative.
pub(super) fn truncate(value: ValueRef<'_>, digits: i64) -> Result<Value, Fault> {
    let before = || u32::try_from(digits.min(0).unsigned_abs()).unwrap_or(u32::MAX);
    match value {
        ValueRef::I64(value) => {
            Ok(Value::I64(10_i64.checked_pow(before()).map_or(0, |unit| value - value % unit)))
        }
        ValueRef::U64(value) => {
            Ok(Value::U64(10_u64.checked_pow(before()).map_or(0, |unit| value - value % unit)))
        }
        ValueRef::Decimal(value) => decimal(value, digits),
        ValueRef::F64(value) => Ok(Value::F64(float(value, digits))),
        other => Err(Fault::Type { expected: "number", found: other.value_type() }),
    }
}

fn decimal(value: Decimal, digits: i64) -> Result<Value, Fault> {
    let kept = u8::try_from(digits.max(0)).unwrap_or(u8::MAX).min(value.scale());
    let cut = value.mantissa() / 10_i128.pow((value.scale() - kept).into());
    let before = u32::try_from(digits.min(0).unsigned_abs()).unwrap_or(u32::MAX);
    let cut = 10_i128.checked_pow(before).map_or(0, |unit| cut - cut % unit);
    arithmetic::decimal(cut, kept)
}

/// Cuts the shortest text of the float: what is written as 0.3 is a bit less, and stays 0.3.
fn float(value: f64, digits: i64) -> f64 {
    if !value.is_finite() {
        return value;
    }
    let Ok(digits) = usize::try_from(digits) else {
        let unit = 10_f64.powi(i32::try_from(digits.unsigned_abs()).unwrap_or(i32::MAX));
        return if unit.is_infinite() { 0.0 } else { (value / unit).trunc() * unit };
    };
    let text = value.to_string();
    let end =
        text.find('.').map_or(text.len(), |point| point.saturating_add(1).saturating_add(digits));
    text.get(..end).map_or(value, |kept| kept.parse().unwrap_or(value))
}

/// The quotient without what is behind its point.
pub(super) fn quotient(left: ValueRef<'_>, right: ValueRef<'_>) -> Result<Value, Fault> {
    let divided = || arithmetic::apply(Arithmetic::Divide, left, right);
    match (left, right) {
        (ValueRef::I64(_) | ValueRef::U64(_), ValueRef::I64(_) | ValueRef::U64(_)) => divided(),
        (ValueRef::F64(_), _) | (_, ValueRef::F64(_)) => match divided()? {
            Value::F64(quotient) => Ok(Value::F64(quotient.trunc())),
            other => Ok(other),
        },
        _ => {
            // Dividing decimals rounds: their digits are divided, behind points at one place.
            let (left, right) = (arithmetic::to_decimal(left)?, arithmetic::to_decimal(right)?);
            let scale = left.scale().max(right.scale());
            let digits = |value: Decimal| {
                let unit = 10_i128.pow((scale - value.scale()).into());
                value.mantissa().checked_mul(unit).ok_or_else(arithmetic::overflow)
            };
            let (left, right) = (digits(left)?, digits(right)?);
            let quotient = left.checked_div(right).ok_or_else(arithmetic::by_zero)?;
            arithmetic::decimal(quotient, 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use lightning_db_types::Value;

    use super::{quotient, truncate};

    fn decimal(text: &str) -> Value {
        Value::Decimal(text.parse().unwrap())
    }

    #[test]
    fn numbers_are_cut_and_keep_their_type() {
        let check = |value: Value, digits: i64, expected: Value| {
            let found = truncate((&value).into(), digits).unwrap();
            let types = (found.value_type(), expected.value_type());
            assert_eq!((found, types.0), (expected, types.1), "{value:?} {digits}");
        };
        check(decimal("42.4382"), 2, decimal("42.43"));
        check(decimal("-42.4382"), 2, decimal("-42.43"));
        check(decimal("42.4382"), 9, decimal("42.4382"));
        check(decimal("1259.9"), -2, decimal("1200"));
        check(decimal("1259.9"), -99, decimal("0"));
        check(Value::I64(-1_259), -2, Value::I64(-1_200));
        check(Value::I64(i64::MIN), i64::MIN, Value::I64(0));
        check(Value::U64(u64::MAX), 2, Value::U64(u64::MAX));
        check(Value::U64(1_259), -3, Value::U64(1_000));
        check(Value::F64(0.3), 1, Value::F64(0.3));
        check(Value::F64(-2.789), 2, Value::F64(-2.78));
        check(Value::F64(1e300), 5, Value::F64(1e300));
        check(Value::F64(5e-324), 400, Value::F64(5e-324));
        check(Value::F64(5e-324), 10, Value::F64(0.0));
        check(Value::F64(1.5), i64::MAX, Value::F64(1.5));
        check(Value::F64(1_259.5), -2, Value::F64(1_200.0));
        check(Value::F64(1_259.5), i64::MIN, Value::F64(0.0));
        check(Value::F64(f64::INFINITY), -1, Value::F64(f64::INFINITY));
        assert!(truncate((&Value::from("1")).into(), 0).is_err());
    }

    #[test]
    fn quotients_are_cut_and_never_rounded() {
        let check = |left: Value, right: Value, expected: Value| {
            let found = quotient((&left).into(), (&right).into()).unwrap();
            assert_eq!(found, expected, "{left:?} {right:?}");
        };
        check(Value::I64(-7), Value::I64(2), Value::I64(-3));
        check(Value::U64(7), Value::U64(2), Value::U64(3));
        check(decimal("9.9999999"), decimal("10"), decimal("0"));
        check(decimal("-7.5"), Value::I64(2), decimal("-3"));
        check(
            decimal("99999999999999999999999999999999999999"),
            Value::I64(1),
            decimal("99999999999999999999999999999999999999"),
        );
        check(Value::F64(-7.5), decimal("2"), Value::F64(-3.0));
        for zero in [Value::I64(0), decimal("0.0"), Value::F64(0.0)] {
            assert!(quotient((&decimal("1")).into(), (&zero).into()).is_err(), "{zero:?}");
        }
        assert!(quotient((&Value::I64(i64::MIN)).into(), (&Value::I64(-1)).into()).is_err());
        let (large, small) = (decimal("99999999999999999999999999999999999999"), decimal("0.01"));
        assert!(quotient((&large).into(), (&small).into()).is_err());
    }
}
