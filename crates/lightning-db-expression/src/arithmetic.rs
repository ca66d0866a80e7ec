//! Calculations; what does not fit is an error, never another number.

use std::cmp::Ordering;

use lightning_db_types::{Decimal, Value, ValueRef, ValueType};

use super::date::MICROS_A_DAY;
use super::evaluate::Fault;
use super::{Arithmetic, number};

pub(crate) fn overflow() -> Fault {
    Fault::detail("the result does not fit")
}

pub(crate) fn by_zero() -> Fault {
    Fault::detail("division by zero")
}

fn not_a_number(value: ValueRef<'_>) -> Fault {
    Fault::Type { expected: "number", found: value.value_type() }
}

pub(crate) fn negate(value: ValueRef<'_>) -> Result<Value, Fault> {
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::I64(value) => value.checked_neg().map(Value::I64).ok_or_else(overflow),
        ValueRef::U64(value) => {
            i64::try_from(-i128::from(value)).map(Value::I64).map_err(|_| overflow())
        }
        ValueRef::F64(value) => Ok(Value::F64(-value)),
        ValueRef::Decimal(value) => decimal(-value.mantissa(), value.scale()),
        other => Err(not_a_number(other)),
    }
}

pub(crate) fn decimal(mantissa: i128, scale: u8) -> Result<Value, Fault> {
    Decimal::new(mantissa, scale).map(Value::Decimal).map_err(|_| overflow())
}

pub(crate) fn apply(
    operation: Arithmetic,
    left: ValueRef<'_>,
    right: ValueRef<'_>,
) -> Result<Value, Fault> {
    use ValueRef::{Date, Decimal as Exact, F64, I64, Null, Timestamp, U64};
    match (left, right) {
        (Null, _) | (_, Null) => Ok(Value::Null),
        (I64(left), I64(right)) => signed(whole(operation, left.into(), right.into())?),
        (U64(left), U64(right)) => {
            let result = whole(operation, left.into(), right.into())?;
            u64::try_from(result).map(Value::U64).map_err(|_| overflow())
        }
        (I64(left), U64(right)) => signed(whole(operation, left.into(), right.into())?),
        (U64(left), I64(right)) => signed(whole(operation, left.into(), right.into())?),
        (F64(_) | Exact(_) | I64(_) | U64(_), F64(_)) | (F64(_), Exact(_) | I64(_) | U64(_)) => {
            float(operation, to_float(left)?, to_float(right)?)
        }
        (Exact(_) | I64(_) | U64(_), Exact(_)) | (Exact(_), I64(_) | U64(_)) => {
            exact(operation, to_decimal(left)?, to_decimal(right)?)
        }
        (Date(_) | Timestamp(_), _) => moment(operation, left, right),
        (other, I64(_) | U64(_) | F64(_) | Exact(_)) | (_, other) => Err(not_a_number(other)),
    }
}

fn signed(result: i128) -> Result<Value, Fault> {
    i64::try_from(result).map(Value::I64).map_err(|_| overflow())
}

/// Operands are of 64 bits, so nothing overflows but the result.
fn whole(operation: Arithmetic, left: i128, right: i128) -> Result<i128, Fault> {
    if right == 0 && matches!(operation, Arithmetic::Divide | Arithmetic::Remainder) {
        return Err(by_zero());
    }
    let result = match operation {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide => left.checked_div(right),
        Arithmetic::Remainder => left.checked_rem(right),
    };
    result.ok_or_else(overflow)
}

pub(crate) fn to_float(value: ValueRef<'_>) -> Result<f64, Fault> {
    number::nearest(value).ok_or_else(|| not_a_number(value))
}

pub(crate) fn to_decimal(value: ValueRef<'_>) -> Result<Decimal, Fault> {
    match value {
        ValueRef::I64(value) => Ok(value.into()),
        ValueRef::U64(value) => Decimal::new(value.into(), 0).map_err(|_| overflow()),
        ValueRef::Decimal(value) => Ok(value),
        other => Err(not_a_number(other)),
    }
}

fn float(operation: Arithmetic, left: f64, right: f64) -> Result<Value, Fault> {
    if right == 0.0 && matches!(operation, Arithmetic::Divide | Arithmetic::Remainder) {
        return Err(by_zero());
    }
    let result = match operation {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
        Arithmetic::Remainder => left % right,
    };
    if result.is_infinite() && left.is_finite() && right.is_finite() {
        return Err(overflow());
    }
    Ok(Value::F64(result))
}

/// Digits behind the point that a quotient has, if its operands have not more.
const QUOTIENT_SCALE_MIN: u8 = 6;

fn exact(operation: Arithmetic, left: Decimal, right: Decimal) -> Result<Value, Fault> {
    match operation {
        Arithmetic::Multiply => {
            // All digits of both behind the point, or as few as there can be.
            let product = |left: Decimal, right: Decimal| {
                let mantissa =
                    left.mantissa().checked_mul(right.mantissa()).ok_or_else(overflow)?;
                decimal(mantissa, left.scale() + right.scale())
            };
            product(left, right).or_else(|_| product(left.normalized(), right.normalized()))
        }
        Arithmetic::Divide => quotient(left, right),
        Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Remainder => {
            let scale = left.scale().max(right.scale());
            let at_scale = |value: Decimal| {
                let factor = 10_i128.pow((scale - value.scale()).into());
                value.mantissa().checked_mul(factor).ok_or_else(overflow)
            };
            decimal(whole(operation, at_scale(left)?, at_scale(right)?)?, scale)
        }
    }
}

/// Long division, rounded half away from zero at the last digit.
fn quotient(left: Decimal, right: Decimal) -> Result<Value, Fault> {
    let divisor = right.mantissa().unsigned_abs();
    if divisor == 0 {
        return Err(by_zero());
    }
    let scale = left.scale().max(right.scale()).max(QUOTIENT_SCALE_MIN);
    let dividend = left.mantissa().unsigned_abs();
    let (mut result, mut rest) = (dividend / divisor, dividend % divisor);
    for _ in 0..scale + right.scale() - left.scale() {
        rest = rest.checked_mul(10).ok_or_else(overflow)?;
        result = result.checked_mul(10).ok_or_else(overflow)? + rest / divisor;
        rest %= divisor;
    }
    if rest >= divisor - rest {
        result += 1;
    }
    let result = i128::try_from(result).map_err(|_| overflow())?;
    let sign = left.mantissa().signum() * right.mantissa().signum();
    decimal(sign * result, scale)
}

/// Days and moments, moved and subtracted.
fn moment(operation: Arithmetic, left: ValueRef<'_>, right: ValueRef<'_>) -> Result<Value, Fault> {
    let by = |right: ValueRef<'_>| match (operation, right) {
        (Arithmetic::Add, ValueRef::I64(by)) => Ok(i128::from(by)),
        (Arithmetic::Subtract, ValueRef::I64(by)) => Ok(-i128::from(by)),
        (Arithmetic::Add | Arithmetic::Subtract, other) => {
            Err(Fault::Type { expected: ValueType::I64.name(), found: other.value_type() })
        }
        _ => Err(not_a_number(left)),
    };
    match (left, right) {
        (ValueRef::Date(left), ValueRef::Date(right)) if operation == Arithmetic::Subtract => {
            Ok(Value::I64(i64::from(left) - i64::from(right)))
        }
        (ValueRef::Timestamp(left), ValueRef::Timestamp(right))
            if operation == Arithmetic::Subtract =>
        {
            signed(i128::from(left) - i128::from(right))
        }
        (ValueRef::Date(day), right) => {
            let moved = i128::from(day) + by(right)?;
            i32::try_from(moved).map(Value::Date).map_err(|_| overflow())
        }
        (ValueRef::Timestamp(micros), right) => {
            let moved = i128::from(micros) + by(right)?;
            i64::try_from(moved).map(Value::Timestamp).map_err(|_| overflow())
        }
        (other, _) => Err(not_a_number(other)),
    }
}

/// The number rounded to `digits` behind the point, half away from zero; negative `digits` round
/// before the point.
pub(crate) fn round(value: ValueRef<'_>, digits: i64) -> Result<Value, Fault> {
    let before = || u32::try_from(digits.min(0).unsigned_abs()).unwrap_or(u32::MAX);
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::I64(value) => signed(round_at(value.into(), before())),
        ValueRef::U64(value) => {
            let rounded = round_at(value.into(), before());
            u64::try_from(rounded).map(Value::U64).map_err(|_| overflow())
        }
        ValueRef::Decimal(value) => {
            let scale = i64::from(value.scale());
            if digits >= scale {
                return Ok(Value::Decimal(value));
            }
            let place = u32::try_from(scale.saturating_sub(digits)).unwrap_or(u32::MAX);
            decimal(round_at(value.mantissa(), place), value.scale())
                .map(|rounded| at_scale(&rounded, digits.max(0)))
        }
        ValueRef::F64(value) => Ok(Value::F64(round_float(value, digits))),
        other => Err(not_a_number(other)),
    }
}

/// A decimal whose digits behind `scale` are zeros, without them.
fn at_scale(value: &Value, scale: i64) -> Value {
    let Value::Decimal(decimal) = value else { return value.clone() };
    let wanted = u8::try_from(scale).unwrap_or(Decimal::SCALE_MAX).min(decimal.scale());
    let unit = 10_i128.pow((decimal.scale() - wanted).into());
    Decimal::new(decimal.mantissa() / unit, wanted).map_or_else(|_| value.clone(), Value::Decimal)
}

fn round_at(value: i128, place: u32) -> i128 {
    let Some(unit) = 10_i128.checked_pow(place) else { return 0 };
    let (kept, rest) = (value / unit, (value % unit).unsigned_abs());
    let up = rest >= unit.unsigned_abs() - rest && rest > 0;
    (kept + if up { value.signum() } else { 0 }).checked_mul(unit).unwrap_or(0)
}

/// Rounds the float that is there: the one nearest to `2.675` is below it, and gives `2.67`.
fn round_float(value: f64, digits: i64) -> f64 {
    let Ok(digits) = usize::try_from(digits) else {
        let unit = 10_f64.powi(i32::try_from(digits.unsigned_abs()).unwrap_or(i32::MAX));
        return if unit.is_infinite() { 0.0 } else { (value / unit).round() * unit };
    };
    if !value.is_finite() || digits > 1_074 {
        return value;
    }
    // Formatting is exact, but rounds ties to the even digit, so these are rounded as decimals.
    let one_more: Option<Decimal> = format!("{value:.0$}", digits + 1).parse().ok();
    let tie = one_more.filter(|tie| {
        let same = number::compare(ValueRef::F64(value), ValueRef::Decimal(*tie));
        tie.mantissa() % 10 != 0 && same == Some(Ordering::Equal)
    });
    let shown = match tie {
        Some(tie) => Decimal::new(round_at(tie.mantissa(), 1), tie.scale())
            .map_or_else(|_| String::new(), |rounded| rounded.to_string()),
        None => format!("{value:.digits$}"),
    };
    shown.parse().unwrap_or(value)
}

/// Whole days of a moment, and what is left of it.
pub(crate) fn day_of(micros: i64) -> (i64, i64) {
    (micros.div_euclid(MICROS_A_DAY), micros.rem_euclid(MICROS_A_DAY))
}
