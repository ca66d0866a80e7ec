//! Comparisons of vectors. A comparison of what does not compare is `None`, as everywhere here.

use std::cmp::Ordering;

use lightning_db_expression::{Comparison, number};
use lightning_db_types::ValueRef;

use super::kernel::{Operand, nulls, truths};
use super::vector::{Texts, Values, Vector};

/// Values of one type by row.
pub(super) trait At {
    type Item;
    fn at(&self, row: usize) -> Self::Item;
}

impl<T: Copy> At for &[T] {
    type Item = T;
    #[inline]
    fn at(&self, row: usize) -> T {
        self[row]
    }
}

impl<'b> At for &'b Texts {
    type Item = &'b str;
    #[inline]
    fn at(&self, row: usize) -> &'b str {
        Texts::at(self, row)
    }
}

/// The same value at each row.
#[derive(Clone, Copy)]
pub(super) struct Same<T>(pub(super) T);

impl<T: Copy> At for Same<T> {
    type Item = T;
    #[inline]
    fn at(&self, _: usize) -> T {
        self.0
    }
}

/// Numbers as multiples of a power of ten.
#[derive(Clone, Copy)]
pub(super) enum Whole<'b> {
    Each(&'b [i64]),
    Same(i64),
}

/// Whole numbers and decimals of one scale; the scale of whole numbers is zero.
pub(super) fn whole<'b>(operand: &'b Operand<'_>) -> Option<(u8, Whole<'b>)> {
    Some(match operand {
        Operand::Each(vector) => match &vector.values {
            Values::I64(values) => (0, Whole::Each(values)),
            Values::Decimal(scale, values) => (*scale, Whole::Each(values)),
            _ => return None,
        },
        same => match same.same()? {
            ValueRef::I64(value) => (0, Whole::Same(value)),
            ValueRef::Decimal(value) => {
                (value.scale(), Whole::Same(i64::try_from(value.mantissa()).ok()?))
            }
            _ => return None,
        },
    })
}

/// Calls a macro body with both sides as what they are: vectors, or the same for all rows.
macro_rules! by_sides {
    ($sides:expr, $each:path, $same:path, |$left:ident, $right:ident| $body:expr) => {
        match $sides {
            ($each($left), $each($right)) => $body,
            ($each($left), $same($right)) => {
                let $right = Same($right);
                $body
            }
            ($same($left), $each($right)) => {
                let $left = Same($left);
                $body
            }
            ($same($left), $same($right)) => {
                let ($left, $right) = (Same($left), Same($right));
                $body
            }
        }
    };
}
pub(super) use by_sides;

/// Truth of a comparison for each row.
pub(super) fn compared(
    comparison: Comparison,
    operands: [&Operand<'_>; 2],
    rows: &[u32],
    len: usize,
) -> Option<Vector> {
    let [left, right] = operands;
    if [left, right].iter().any(|side| matches!(side.same(), Some(ValueRef::Null))) {
        return Some(Vector::new(Values::Null(len)));
    }
    let found = numbers(comparison, operands, rows, len)
        .or_else(|| same_types(comparison, operands, rows, len));
    if let Some(found) = found {
        return Some(found.with_nulls(nulls(operands, rows, len)));
    }
    let mut vector = Vector::default();
    for row in rows {
        let row = *row as usize;
        let (left, right) = (left.at(row), right.at(row));
        let truth = if left.is_null() || right.is_null() {
            ValueRef::Null
        } else {
            ValueRef::Bool(comparison.holds(number::compare(left, right)?))
        };
        vector.put(row, truth);
    }
    Some(vector)
}

/// Which orders a comparison holds for: one bit each, from less to greater.
fn mask(comparison: Comparison) -> u8 {
    let bit = |order, bit| if comparison.holds(order) { bit } else { 0 };
    bit(Ordering::Less, 1) | bit(Ordering::Equal, 2) | bit(Ordering::Greater, 4)
}

fn ordered<T: Ord, L: At<Item = T>, R: At<Item = T>>(
    comparison: Comparison,
    (left, right): (L, R),
    rows: &[u32],
    len: usize,
) -> Vector {
    let mask = mask(comparison);
    truths(rows, len, |row| {
        let order = left.at(row).cmp(&right.at(row));
        mask & (1 << (order as i8 + 1)) != 0
    })
}

/// Whole numbers and decimals, at one scale.
fn numbers(
    comparison: Comparison,
    [left, right]: [&Operand<'_>; 2],
    rows: &[u32],
    len: usize,
) -> Option<Vector> {
    let ((left_scale, left), (right_scale, right)) = (whole(left)?, whole(right)?);
    let scale = left_scale.max(right_scale);
    let (left_unit, right_unit) = (unit(scale - left_scale)?, unit(scale - right_scale)?);
    let at_scale = |side, by: i128| match side {
        Whole::Same(value) => i64::try_from(i128::from(value) * by).ok().map(Whole::Same),
        each if by == 1 => Some(each),
        Whole::Each(_) => None,
    };
    if let Some(sides) = at_scale(left, left_unit).zip(at_scale(right, right_unit)) {
        return Some(by_sides!(sides, Whole::Each, Whole::Same, |left, right| {
            ordered(comparison, (left, right), rows, len)
        }));
    }
    let mask = mask(comparison);
    Some(by_sides!((left, right), Whole::Each, Whole::Same, |left, right| {
        truths(rows, len, |row| {
            let left = i128::from(left.at(row)) * left_unit;
            let order = left.cmp(&(i128::from(right.at(row)) * right_unit));
            mask & (1 << (order as i8 + 1)) != 0
        })
    }))
}

/// Ten to the power of a difference of scales, if 64 bits times that fit into 128.
fn unit(difference: u8) -> Option<i128> {
    (difference <= 19).then(|| 10_i128.pow(difference.into()))
}

/// Values that are of one type.
fn same_types(
    comparison: Comparison,
    [left, right]: [&Operand<'_>; 2],
    rows: &[u32],
    len: usize,
) -> Option<Vector> {
    macro_rules! typed {
        ($(($values:path, $value:path, $each:expr)),*) => {
            match (left, right) {
                $((Operand::Each(left), Operand::Each(right))
                    if matches!((&left.values, &right.values), ($values(_), $values(_))) =>
                {
                    let ($values(left), $values(right)) = (&left.values, &right.values) else {
                        return None;
                    };
                    ordered(comparison, ($each(left), $each(right)), rows, len)
                })*
                $((Operand::Each(left), right)
                    if matches!((&left.values, right.same()), ($values(_), Some($value(_)))) =>
                {
                    let ($values(left), Some($value(right))) = (&left.values, right.same()) else {
                        return None;
                    };
                    ordered(comparison, ($each(left), Same(right)), rows, len)
                })*
                $((left, Operand::Each(right))
                    if matches!((left.same(), &right.values), (Some($value(_)), $values(_))) =>
                {
                    let (Some($value(left)), $values(right)) = (left.same(), &right.values) else {
                        return None;
                    };
                    ordered(comparison, (Same(left), $each(right)), rows, len)
                })*
                _ => return None,
            }
        };
    }
    Some(typed!(
        (Values::Date, ValueRef::Date, Vec::as_slice),
        (Values::Text, ValueRef::Text, std::convert::identity),
        (Values::Timestamp, ValueRef::Timestamp, Vec::as_slice),
        (Values::U64, ValueRef::U64, Vec::as_slice),
        (Values::Bool, ValueRef::Bool, Vec::as_slice)
    ))
}

/// Whether a value is equal to one of a few that are the same for all rows; `None` for values that
/// are not all of one type.
pub(super) fn among(
    operand: &Operand<'_>,
    list: &[Operand<'_>],
    rows: &[u32],
    len: usize,
) -> Option<Vector> {
    let Operand::Each(vector) = operand else { return None };
    let found = match &vector.values {
        Values::I64(values) => {
            let list = all_same(
                list,
                |value| if let ValueRef::I64(it) = value { Some(it) } else { None },
            )?;
            truths(rows, len, |row| list.contains(&values[row]))
        }
        Values::Date(values) => {
            let list =
                all_same(
                    list,
                    |value| if let ValueRef::Date(it) = value { Some(it) } else { None },
                )?;
            truths(rows, len, |row| list.contains(&values[row]))
        }
        Values::Text(texts) => {
            let list =
                all_same(
                    list,
                    |value| if let ValueRef::Text(it) = value { Some(it) } else { None },
                )?;
            truths(rows, len, |row| list.contains(&texts.at(row)))
        }
        _ => return None,
    };
    Some(found.with_nulls(nulls([operand, operand], rows, len)))
}

fn all_same<'b, T>(
    list: &'b [Operand<'_>],
    of: impl Fn(ValueRef<'b>) -> Option<T>,
) -> Option<Vec<T>> {
    list.iter().map(|item| of(item.same()?)).collect()
}
