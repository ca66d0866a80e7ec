//! Numbers of different types, compared and converted exactly.

use std::cmp::Ordering;

use lightning_db_types::{Decimal, Value, ValueRef, ValueType};

/// Types whose values compare with each other by what number they are.
pub const NUMBERS: [ValueType; 4] =
    [ValueType::I64, ValueType::U64, ValueType::F64, ValueType::Decimal];

/// Whether values of this type are numbers.
pub fn is_number(value_type: ValueType) -> bool {
    NUMBERS.contains(&value_type)
}

/// A number, whole numbers of both signs in one.
#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Float(f64),
    Decimal(Decimal),
}

fn number(value: ValueRef<'_>) -> Option<Number> {
    match value {
        ValueRef::I64(value) => Some(Number::Whole(value.into())),
        ValueRef::U64(value) => Some(Number::Whole(value.into())),
        ValueRef::F64(value) => Some(Number::Float(value)),
        ValueRef::Decimal(value) => Some(Number::Decimal(value)),
        _ => None,
    }
}

/// Order of two values: of numbers by value, of others if they are of one type. Floats have the
/// total order of [`Value`]: NaN is equal to itself, and above all.
#[inline]
pub fn compare(left: ValueRef<'_>, right: ValueRef<'_>) -> Option<Ordering> {
    if left.value_type() == right.value_type() {
        return Some(left.cmp(&right));
    }
    Some(match (number(left)?, number(right)?) {
        (Number::Whole(left), Number::Whole(right)) => left.cmp(&right),
        (Number::Whole(left), Number::Float(right)) => whole_and_float(left, right),
        (Number::Float(left), Number::Whole(right)) => whole_and_float(right, left).reverse(),
        (Number::Whole(left), Number::Decimal(right)) => whole_and_decimal(left, right),
        (Number::Decimal(left), Number::Whole(right)) => whole_and_decimal(right, left).reverse(),
        (Number::Float(left), Number::Decimal(right)) => float_and_decimal(left, right),
        (Number::Decimal(left), Number::Float(right)) => float_and_decimal(right, left).reverse(),
        (left, right) => of_one_type(left, right),
    })
}

fn of_one_type(left: Number, right: Number) -> Ordering {
    match (left, right) {
        (Number::Float(left), Number::Float(right)) => {
            ValueRef::F64(left).cmp(&ValueRef::F64(right))
        }
        (Number::Decimal(left), Number::Decimal(right)) => left.cmp(&right),
        _ => Ordering::Equal,
    }
}

/// Above all whole numbers and decimals that there are, and below the bounds of `i128`.
const BEYOND: f64 = 1.1e38;

/// Whole part, if it is not too far out, and what is behind the point; both exact.
fn split(float: f64) -> Result<(i128, f64), Ordering> {
    if float.is_nan() || float >= BEYOND {
        return Err(Ordering::Greater);
    }
    if float <= -BEYOND {
        return Err(Ordering::Less);
    }
    let whole = float.trunc();
    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and below 2^127")]
    Ok((whole as i128, float - whole))
}

fn sign(float: f64) -> Ordering {
    float.partial_cmp(&0.0).unwrap_or(Ordering::Equal)
}

fn whole_and_float(left: i128, right: f64) -> Ordering {
    match split(right) {
        Err(side) => side.reverse(),
        Ok((whole, rest)) => left.cmp(&whole).then(sign(rest).reverse()),
    }
}

fn power_of_ten(exponent: u8) -> i128 {
    10_i128.pow(exponent.into())
}

fn whole_and_decimal(left: i128, right: Decimal) -> Ordering {
    let unit = power_of_ten(right.scale());
    let (whole, rest) = (right.mantissa() / unit, right.mantissa() % unit);
    left.cmp(&whole).then(0.cmp(&rest))
}

/// What is behind the points is compared bit by bit: the bits of the decimal's come by doubling.
fn float_and_decimal(left: f64, right: Decimal) -> Ordering {
    let (whole, rest) = match split(left) {
        Err(side) => return side,
        Ok(parts) => parts,
    };
    let unit = power_of_ten(right.scale());
    let (right_whole, right_rest) = (right.mantissa() / unit, right.mantissa() % unit);
    let order = whole.cmp(&right_whole);
    if order.is_ne() {
        return order;
    }
    let order = sign(rest).cmp(&right_rest.cmp(&0));
    if order.is_ne() || right_rest == 0 {
        return order;
    }
    let magnitudes = fractions(rest.abs(), right_rest.unsigned_abs(), unit.unsigned_abs());
    if right_rest < 0 { magnitudes.reverse() } else { magnitudes }
}

/// Compares `float`, which is in `0..1`, with `rest / unit`.
fn fractions(mut float: f64, mut rest: u128, unit: u128) -> Ordering {
    loop {
        if rest == 0 || float == 0.0 {
            return sign(float).cmp(&rest.cmp(&0));
        }
        // Doubling a float, and taking one from what is in 1..2, are exact.
        float *= 2.0;
        rest *= 2;
        let (left, right) = (float >= 1.0, rest >= unit);
        if left != right {
            return left.cmp(&right);
        }
        if left {
            float -= 1.0;
            rest -= unit;
        }
    }
}

/// A number as a value of another type.
#[derive(Debug, Clone, PartialEq)]
pub enum Fit {
    /// The same number.
    Exact(Value),
    /// There is none: the largest below and the smallest above, if there are any.
    Between(Option<Value>, Option<Value>),
}

impl Fit {
    /// The same number, if there is one.
    pub fn exact(self) -> Option<Value> {
        match self {
            Self::Exact(value) => Some(value),
            Self::Between(..) => None,
        }
    }
}

/// A number as one of another numeric type; `None` if one of the types is no number.
pub fn fit(value: ValueRef<'_>, value_type: ValueType) -> Option<Fit> {
    let from = number(value)?;
    if value.value_type() == value_type {
        return Some(Fit::Exact(value.to_value()));
    }
    match value_type {
        ValueType::I64 => Some(fit_whole(from, &Value::I64(i64::MIN), &Value::I64(i64::MAX))),
        ValueType::U64 => Some(fit_whole(from, &Value::U64(0), &Value::U64(u64::MAX))),
        ValueType::F64 => Some(fit_float(value, from)),
        ValueType::Decimal => Some(fit_decimal(from)),
        _ => None,
    }
}

/// The same number as another type, if there is one.
pub fn convert(value: ValueRef<'_>, value_type: ValueType) -> Option<Value> {
    fit(value, value_type)?.exact()
}

/// The nearest double; `None` for what is no number.
#[expect(clippy::cast_precision_loss, reason = "whole numbers above 2^53 are rounded to doubles")]
pub fn nearest(value: ValueRef<'_>) -> Option<f64> {
    match value {
        ValueRef::I64(value) => Some(value as f64),
        ValueRef::U64(value) => Some(value as f64),
        ValueRef::F64(value) => Some(value),
        ValueRef::Decimal(value) => Some(value.to_f64()),
        _ => None,
    }
}

fn fit_whole(from: Number, min: &Value, max: &Value) -> Fit {
    // The largest whole number that is not above, and whether it is the number.
    let (floor, exact) = match from {
        Number::Whole(whole) => (whole, true),
        Number::Float(float) => match split(float) {
            Err(Ordering::Less) => (i128::MIN, false),
            Err(_) => (i128::MAX, false),
            Ok((whole, rest)) => (whole - i128::from(rest < 0.0), rest == 0.0),
        },
        Number::Decimal(decimal) => {
            let unit = power_of_ten(decimal.scale());
            let mantissa = decimal.mantissa();
            (mantissa.div_euclid(unit), mantissa.rem_euclid(unit) == 0)
        }
    };
    let make = |whole: i128| match min {
        Value::I64(_) => i64::try_from(whole).ok().map(Value::I64),
        _ => u64::try_from(whole).ok().map(Value::U64),
    };
    let bound = |value: &Value| match number(value.as_value_ref()) {
        Some(Number::Whole(whole)) => whole,
        _ => 0,
    };
    match make(floor) {
        Some(value) if exact => Fit::Exact(value),
        Some(value) => Fit::Between(Some(value), make(floor + 1)),
        None if floor > bound(max) => Fit::Between(Some(max.clone()), None),
        None => Fit::Between(None, make(floor.saturating_add(1)).or_else(|| Some(min.clone()))),
    }
}

fn fit_float(value: ValueRef<'_>, from: Number) -> Fit {
    let nearest = match from {
        #[expect(clippy::cast_precision_loss, reason = "what is lost is looked at below")]
        Number::Whole(whole) => whole as f64,
        Number::Float(float) => float,
        Number::Decimal(decimal) => decimal.to_f64(),
    };
    let float = |float| Some(Value::F64(float));
    match compare(ValueRef::F64(nearest), value) {
        Some(Ordering::Less) => Fit::Between(float(nearest), float(nearest.next_up())),
        Some(Ordering::Greater) => Fit::Between(float(nearest.next_down()), float(nearest)),
        _ => Fit::Exact(Value::F64(nearest)),
    }
}

/// Digits of the longest decimal.
const DIGITS_MAX: usize = Decimal::SCALE_MAX as usize;

fn largest_decimal(sign: i128) -> Option<Value> {
    let mantissa = sign * (10_i128.pow(38) - 1);
    Decimal::new(mantissa, 0).ok().map(Value::Decimal)
}

fn fit_decimal(from: Number) -> Fit {
    let float = match from {
        Number::Whole(whole) => {
            return Decimal::new(whole, 0)
                .map_or(Fit::Between(None, None), |decimal| Fit::Exact(Value::Decimal(decimal)));
        }
        Number::Decimal(decimal) => return Fit::Exact(Value::Decimal(decimal)),
        Number::Float(float) => float,
    };
    let negative = float < 0.0;
    let beyond = || {
        if negative {
            Fit::Between(None, largest_decimal(-1))
        } else {
            Fit::Between(largest_decimal(1), None)
        }
    };
    if !float.is_finite() {
        return beyond();
    }
    // All digits of the float: the smallest one has 1,074 behind the point.
    let text = format!("{:.1074}", float.abs());
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.trim_start_matches('0');
    let scale = DIGITS_MAX.saturating_sub(whole.len());
    if whole.len() > DIGITS_MAX {
        return beyond();
    }
    let (kept, cut) = rest.split_at(scale.min(rest.len()));
    let mantissa: i128 = format!("0{whole}{kept}").parse().unwrap_or(0);
    let scale = u8::try_from(scale).unwrap_or(0);
    let decimal = |mantissa: i128| {
        let signed = if negative { -mantissa } else { mantissa };
        Decimal::new(signed, scale)
            .or_else(|_| Decimal::new(signed / 10, scale.saturating_sub(1)))
            .ok()
            .map(|decimal| Value::Decimal(decimal.normalized()))
    };
    let inner = decimal(mantissa);
    if cut.bytes().all(|byte| byte == b'0') {
        return inner.map_or(Fit::Between(None, None), Fit::Exact);
    }
    let outer = decimal(mantissa + 1);
    if negative { Fit::Between(outer, inner) } else { Fit::Between(inner, outer) }
}

/// One value for all that are equal: a whole number as `i64` or else `u64`, any other as a decimal
/// or else a float. Keys that are hashed are made of these.
pub fn canonical(value: ValueRef<'_>) -> Option<Value> {
    let value_type = value.value_type();
    if !is_number(value_type) || value_type == ValueType::I64 {
        return None;
    }
    [ValueType::I64, ValueType::U64, ValueType::Decimal]
        .into_iter()
        .find_map(|wanted| convert(value, wanted))
        .filter(|found| found.value_type() != value_type || value_type == ValueType::Decimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Value {
        Value::Decimal(text.parse().unwrap())
    }

    fn samples() -> Vec<Value> {
        let mut samples = vec![
            Value::U64(u64::MAX),
            Value::U64(1 << 63),
            Value::I64(i64::MIN),
            Value::I64(i64::MAX),
            decimal("0.1"),
            decimal("-0.1"),
            decimal("0.1000000000000000055511151231257827"),
            decimal("0.10000000000000000555111512312578270212"),
            decimal("99999999999999999999999999999999999999"),
            decimal("-99999999999999999999999999999999999999"),
            decimal("0.00000000000000000000000000000000000001"),
            decimal("9223372036854775807.5"),
            decimal("18446744073709551615.5"),
        ];
        for whole in [-3_i64, -1, 0, 1, 2, 3, 1 << 53, (1 << 53) + 1] {
            samples.push(Value::I64(whole));
            samples.push(Value::Decimal(whole.into()));
            samples.extend(u64::try_from(whole).map(Value::U64));
        }
        for float in [
            f64::NEG_INFINITY,
            -1e300,
            -2.5,
            -0.1,
            -0.0,
            5e-324,
            1e-40,
            0.1,
            0.5,
            2.5,
            1e38,
            1e39,
            9_223_372_036_854_775_808.0,
            18_446_744_073_709_551_616.0,
            9_007_199_254_740_992.0,
            f64::INFINITY,
            f64::NAN,
        ] {
            samples.push(Value::F64(float));
        }
        samples
    }

    #[test]
    fn numbers_of_all_types_have_one_order() {
        let samples = samples();
        let order = |left: &Value, right: &Value| compare(left.into(), right.into()).unwrap();
        for a in &samples {
            for b in &samples {
                assert_eq!(order(a, b), order(b, a).reverse(), "{a:?} {b:?}");
                for c in &samples {
                    if order(a, b).is_le() && order(b, c).is_le() {
                        assert!(order(a, c).is_le(), "{a:?} {b:?} {c:?}");
                    }
                }
            }
        }
        let check = |left: Value, right: Value, expected| {
            assert_eq!(order(&left, &right), expected, "{left:?} {right:?}");
        };
        check(Value::I64((1 << 53) + 1), Value::F64(9_007_199_254_740_992.0), Ordering::Greater);
        check(Value::F64(0.1), decimal("0.1"), Ordering::Greater);
        check(Value::F64(-0.1), decimal("-0.1"), Ordering::Less);
        check(Value::F64(0.5), decimal("0.50"), Ordering::Equal);
        check(Value::U64(u64::MAX), Value::I64(-1), Ordering::Greater);
        check(Value::F64(5e-324), decimal("0"), Ordering::Greater);
        check(Value::F64(f64::NAN), Value::U64(u64::MAX), Ordering::Greater);
        assert_eq!(compare(ValueRef::Text("1"), ValueRef::I64(1)), None);
    }

    #[test]
    fn a_number_fits_exactly_or_between_neighbours() {
        for value in samples() {
            for value_type in NUMBERS {
                match fit((&value).into(), value_type).unwrap() {
                    Fit::Exact(same) => {
                        assert_eq!(same.value_type(), value_type);
                        let order = compare((&same).into(), (&value).into());
                        assert_eq!(order, Some(Ordering::Equal), "{value:?} {same:?}");
                    }
                    Fit::Between(below, above) => {
                        let order = |side: &Value| compare(side.into(), (&value).into()).unwrap();
                        assert!(below.is_some() || above.is_some(), "{value:?} {value_type}");
                        assert!(below.iter().all(|below| order(below).is_lt()), "{value:?}");
                        assert!(above.iter().all(|above| order(above).is_gt()), "{value:?}");
                    }
                }
            }
        }
        let fit = |value: Value, value_type| fit((&value).into(), value_type).unwrap();
        let between = |low: i64, high: i64| Fit::Between(Some(low.into()), Some(high.into()));
        assert_eq!(fit(Value::F64(2.5), ValueType::I64), between(2, 3));
        assert_eq!(fit(Value::F64(-2.5), ValueType::I64), between(-3, -2));
        assert_eq!(fit(decimal("-2.5"), ValueType::I64), between(-3, -2));
        assert_eq!(fit(Value::F64(-2.5), ValueType::U64), Fit::Between(None, Some(Value::U64(0))));
        assert_eq!(fit(Value::F64(-0.5), ValueType::U64), Fit::Between(None, Some(Value::U64(0))));
    }

    #[test]
    fn equal_numbers_have_one_canonical_form() {
        let samples = samples();
        let form = |value: &Value| canonical(value.into()).unwrap_or_else(|| value.clone());
        for left in &samples {
            for right in &samples {
                let equal = compare(left.into(), right.into()) == Some(Ordering::Equal);
                assert_eq!(form(left) == form(right), equal, "{left:?} {right:?}");
            }
        }
        assert_eq!(canonical(ValueRef::Text("1")), None);
    }
}
