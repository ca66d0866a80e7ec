//! Bit slices: a set for each bit of a number, so that ranges and sums are worked out by set
//! operations, in as many steps as the number has bits.
//!
//! A number is its sign and its magnitude, so that small numbers have few bits, below zero too, and
//! a row costs one change for each bit that is set. The magnitude of a float is its bits without
//! the sign, which order as the floats do.
//!
//! Source: O'Neil and Quass, "Improved query performance with variant indexes", SIGMOD 1997,
//! algorithms 4.1 (sum), 4.2 (minimum) and 4.3 (range); the sign slice is ours.

use std::ops::Bound;

use lightning_db_types::{Decimal, Value, ValueType};

use super::key::{NULLS, PRESENT, SIGN, plane_set};

/// Types that are sliced, in the order of their values.
pub(super) const TYPES: [ValueType; 6] = [
    ValueType::I64,
    ValueType::U64,
    ValueType::F64,
    ValueType::Decimal,
    ValueType::Date,
    ValueType::Timestamp,
];

const F64_SIGN: u64 = 1 << 63;

/// A number that is not of this world: beyond all that are stored.
const BEYOND: u128 = u128::MAX;

/// A sign and a magnitude, as a number of a type. Zero is never below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) negative: bool,
    pub(super) magnitude: u128,
}

/// The largest stored number that is not above a value; exact if it is the value itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Floor {
    pub(super) number: Number,
    pub(super) exact: bool,
}

/// Number of magnitude slices of a type.
pub(super) fn planes_of(value_type: ValueType) -> u8 {
    match value_type {
        ValueType::Date => 32,
        ValueType::F64 => 63,
        ValueType::Decimal => 127,
        _ => 64,
    }
}

impl Number {
    fn exact(negative: bool, magnitude: impl Into<u128>) -> Floor {
        let magnitude = magnitude.into();
        Floor { number: Self { negative: negative && magnitude > 0, magnitude }, exact: true }
    }

    /// The value that a number stands for.
    pub(super) fn to_value(self, value_type: ValueType, scale: u8) -> Option<Value> {
        let signed = || {
            let magnitude = i128::try_from(self.magnitude).ok()?;
            Some(if self.negative { -magnitude } else { magnitude })
        };
        Some(match value_type {
            ValueType::I64 => Value::I64(signed()?.try_into().ok()?),
            ValueType::Timestamp => Value::Timestamp(signed()?.try_into().ok()?),
            ValueType::Date => Value::Date(signed()?.try_into().ok()?),
            ValueType::U64 => Value::U64(self.magnitude.try_into().ok()?),
            ValueType::F64 => {
                let bits = u64::try_from(self.magnitude).ok()?;
                Value::F64(f64::from_bits(if self.negative { bits | F64_SIGN } else { bits }))
            }
            ValueType::Decimal => Value::Decimal(Decimal::new(signed()?, scale).ok()?.normalized()),
            _ => return None,
        })
    }
}

/// The number of a value; `None` if its type is not sliced, or it is null. `scale` is that of
/// decimals.
pub(super) fn floor_of(value: &Value, scale: u8) -> Option<Floor> {
    Some(match value {
        Value::I64(value) | Value::Timestamp(value) => {
            Number::exact(*value < 0, value.unsigned_abs())
        }
        Value::U64(value) => Number::exact(false, *value),
        Value::Date(value) => Number::exact(*value < 0, value.unsigned_abs()),
        Value::F64(value) => {
            // One NaN, above all, and one zero.
            let bits =
                if value.is_nan() { f64::NAN.to_bits() & !F64_SIGN } else { value.to_bits() };
            Number::exact(bits & F64_SIGN != 0, bits & !F64_SIGN)
        }
        Value::Decimal(value) => decimal_floor(*value, scale),
        _ => return None,
    })
}

fn decimal_floor(value: Decimal, scale: u8) -> Floor {
    let negative = value.mantissa() < 0;
    let magnitude = value.mantissa().unsigned_abs();
    let power = |digits: u8| 10_u128.checked_pow(u32::from(digits));
    if value.scale() <= scale {
        let scaled = power(scale - value.scale()).and_then(|power| magnitude.checked_mul(power));
        // The topmost slice is left free, so that a sum of magnitudes has a sign.
        return match scaled.filter(|scaled| *scaled < 1 << 127) {
            Some(scaled) => Number::exact(negative, scaled),
            None => Floor { number: Number { negative, magnitude: BEYOND }, exact: false },
        };
    }
    let power = power(value.scale() - scale).unwrap_or(u128::MAX);
    let (whole, rest) = (magnitude / power, magnitude % power);
    if rest == 0 {
        return Number::exact(negative, whole);
    }
    let magnitude = if negative { whole + 1 } else { whole };
    Floor { number: Number { negative: negative && magnitude > 0, magnitude }, exact: false }
}

/// The sets that a row with this value is in; `None` if the value cannot be sliced.
pub(super) fn sets_of(value: &Value, scale: u8) -> Option<Vec<Vec<u8>>> {
    if value.is_null() {
        return Some(vec![NULLS.to_vec()]);
    }
    let Floor { number, exact: true } = floor_of(value, scale)? else { return None };
    let value_type = value.value_type();
    let planes = (0..planes_of(value_type)).filter(|plane| number.magnitude >> plane & 1 == 1);
    let sign = number.negative.then_some(SIGN);
    let planes = planes.chain(sign).chain([PRESENT]);
    Some(planes.map(|plane| plane_set(value_type, plane).to_vec()).collect())
}

/// Bounds of a type as numbers; `None` if the type is not sliced.
pub(super) fn number_bounds(
    low: &Bound<Value>,
    high: &Bound<Value>,
    scale: u8,
) -> Option<(Bound<Number>, Bound<Number>)> {
    let low = match low {
        Bound::Included(value) | Bound::Excluded(value) => match (floor_of(value, scale)?, low) {
            (Floor { number, exact: true }, Bound::Included(_)) => Bound::Included(number),
            (Floor { number, .. }, _) => Bound::Excluded(number),
        },
        Bound::Unbounded => Bound::Unbounded,
    };
    let high = match high {
        Bound::Included(value) | Bound::Excluded(value) => match (floor_of(value, scale)?, high) {
            (Floor { number, exact: true }, Bound::Excluded(_)) => Bound::Excluded(number),
            (Floor { number, .. }, _) => Bound::Included(number),
        },
        Bound::Unbounded => Bound::Unbounded,
    };
    Some((low, high))
}

/// Bounds of magnitudes: at least, at most.
type Magnitudes = (u128, u128);

/// Which magnitudes of numbers at least zero, and of those below it, lie between two numbers.
pub(super) fn magnitudes_within(
    low: Bound<Number>,
    high: Bound<Number>,
) -> (Option<Magnitudes>, Option<Magnitudes>) {
    let min = match low {
        Bound::Unbounded => Some((0, true)),
        Bound::Included(low) => Some((low.magnitude, low.negative)),
        // The number behind it: further from zero if it is not below zero, nearer otherwise.
        Bound::Excluded(low) if low.negative => match low.magnitude - 1 {
            0 => Some((0, false)),
            nearer => Some((nearer, true)),
        },
        Bound::Excluded(low) => low.magnitude.checked_add(1).map(|further| (further, false)),
    };
    let max = match high {
        Bound::Unbounded => Some((BEYOND, false)),
        Bound::Included(high) => Some((high.magnitude, high.negative)),
        Bound::Excluded(high) if high.negative => {
            high.magnitude.checked_add(1).map(|further| (further, true))
        }
        Bound::Excluded(high) => match high.magnitude.checked_sub(1) {
            None => Some((1, true)),
            Some(nearer) => Some((nearer, false)),
        },
    };
    let (Some((min, min_negative)), Some((max, max_negative))) = (min, max) else {
        return (None, None);
    };
    let unbounded = matches!(low, Bound::Unbounded);
    let positive = (!max_negative).then_some((if min_negative { 0 } else { min }, max));
    let furthest = if unbounded { BEYOND } else { min };
    let negative = min_negative.then_some((if max_negative { max } else { 1 }, furthest));
    let some = |range: &Magnitudes| range.0 <= range.1;
    (positive.filter(some), negative.filter(some))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(value: i64, low: Bound<i64>, high: Bound<i64>) -> bool {
        let number = |value: i64| floor_of(&Value::I64(value), 0).unwrap().number;
        let (positive, negative) = magnitudes_within(low.map(number), high.map(number));
        let of = number(value);
        let range = if of.negative { negative } else { positive };
        range.is_some_and(|(min, max)| (min..=max).contains(&of.magnitude))
    }

    #[test]
    fn magnitudes_hold_what_the_range_holds() {
        use Bound::{Excluded, Included, Unbounded};
        use std::ops::RangeBounds as _;
        let edges = [i64::MIN, -3, -2, -1, 0, 1, 2, 3, i64::MAX];
        let bounds = || edges.iter().flat_map(|edge| [Included(*edge), Excluded(*edge)]);
        for low in bounds().chain([Unbounded]) {
            for high in bounds().chain([Unbounded]) {
                for value in edges {
                    let wanted = (low, high).contains(&value);
                    assert_eq!(holds(value, low, high), wanted, "{value} in {low:?}, {high:?}");
                }
            }
        }
    }

    #[test]
    fn decimals_are_rounded_down_to_the_scale() {
        let floor = |text: &str| {
            let floor = floor_of(&Value::Decimal(text.parse().unwrap()), 2).unwrap();
            (floor.number.negative, floor.number.magnitude, floor.exact)
        };
        assert_eq!(floor("1.5"), (false, 150, true));
        assert_eq!(floor("1.500"), (false, 150, true));
        assert_eq!(floor("1.509"), (false, 150, false));
        assert_eq!(floor("-1.509"), (true, 151, false));
        assert_eq!(floor("0.001"), (false, 0, false));
        assert_eq!(floor("-0.001"), (true, 1, false));
        let largest = "9".repeat(38);
        assert_eq!(floor(&largest), (false, BEYOND, false));
        assert_eq!(floor(&format!("-{largest}")), (true, BEYOND, false));
    }

    #[test]
    fn numbers_become_their_values_again() {
        for value in [
            Value::I64(i64::MIN),
            Value::I64(-1),
            Value::U64(u64::MAX),
            Value::F64(-0.5),
            Value::F64(f64::NAN),
            Value::F64(f64::NEG_INFINITY),
            Value::F64(-0.0),
            Value::Date(i32::MIN),
            Value::Timestamp(77),
            Value::Decimal("-12.5".parse().unwrap()),
        ] {
            let number = floor_of(&value, 3).unwrap().number;
            assert_eq!(number.to_value(value.value_type(), 3), Some(value));
        }
        assert_eq!(sets_of(&Value::from("text"), 0), None);
        assert_eq!(sets_of(&Value::Decimal("0.5".parse().unwrap()), 0), None);
        assert_eq!(sets_of(&Value::I64(-5), 0).unwrap().len(), 2 + 2);
    }
}
