//! Calculations over vectors. What does not fit is `None`: the rows tell what is wrong, or that a
//! wider number is right.

use std::borrow::Cow;

use lightning_db_expression::Arithmetic;
use lightning_db_types::{Decimal, ValueRef};

use super::compare::{At, Same, Whole, by_sides, whole};
use super::kernel::{Operand, nulls};
use super::vector::{Values, Vector};

/// Puts two numbers together for each row, for the types that are calculated with most.
pub(super) fn apply(
    operation: Arithmetic,
    operands: [&Operand<'_>; 2],
    rows: &[u32],
    len: usize,
) -> Option<Vector> {
    if operands.iter().any(|side| matches!(side.same(), Some(ValueRef::Null))) {
        return Some(Vector::new(Values::Null(len)));
    }
    let nulls = nulls(operands, rows, len);
    let values = exact(operation, operands, &nulls, (rows, len))
        .or_else(|| float(operation, operands, &nulls, (rows, len)))?;
    Some(Vector::new(values).with_nulls(nulls))
}

/// A value for each row that has one; `None` if one cannot be had.
fn each<T: Copy, L: At<Item = T>, R: At<Item = T>>(
    (left, right): (L, R),
    (none, nulls): (T, &[bool]),
    (rows, len): (&[u32], usize),
    put: impl Fn(T, T) -> Option<T>,
) -> Option<Vec<T>> {
    let mut values = vec![none; len];
    for row in rows {
        let row = *row as usize;
        if !nulls.is_empty() && nulls[row] {
            continue;
        }
        values[row] = put(left.at(row), right.at(row))?;
    }
    Some(values)
}

/// Whole numbers and decimals.
fn exact(
    operation: Arithmetic,
    [left, right]: [&Operand<'_>; 2],
    nulls: &[bool],
    rows: (&[u32], usize),
) -> Option<Values> {
    let are_whole = [left, right].into_iter().all(is_whole);
    let ((left_scale, left), (right_scale, right)) = (whole(left)?, whole(right)?);
    let (scale, sides) = match operation {
        Arithmetic::Multiply => (left_scale + right_scale, (left, right)),
        Arithmetic::Add | Arithmetic::Subtract if left_scale != right_scale => {
            let scale = left_scale.max(right_scale);
            let (left, right) =
                (at_scale(left, scale - left_scale)?, at_scale(right, scale - right_scale)?);
            let values = added(operation, (left.side(), right.side()), nulls, rows)?;
            return Some(Values::Decimal(scale, values));
        }
        Arithmetic::Add | Arithmetic::Subtract => (left_scale, (left, right)),
        _ if are_whole => (0, (left, right)),
        _ => return None,
    };
    if scale > Decimal::SCALE_MAX {
        return None;
    }
    let nulls = (0, nulls);
    let values = match operation {
        Arithmetic::Add | Arithmetic::Subtract => added(operation, sides, nulls.1, rows),
        Arithmetic::Multiply => by_sides!(sides, Whole::Each, Whole::Same, |left, right| {
            each((left, right), nulls, rows, i64::checked_mul)
        }),
        Arithmetic::Divide => by_sides!(sides, Whole::Each, Whole::Same, |left, right| {
            each((left, right), nulls, rows, i64::checked_div)
        }),
        Arithmetic::Remainder => by_sides!(sides, Whole::Each, Whole::Same, |left, right| {
            each((left, right), nulls, rows, i64::checked_rem)
        }),
    }?;
    Some(if are_whole { Values::I64(values) } else { Values::Decimal(scale, values) })
}

/// Sums or differences of numbers of one scale.
fn added(
    operation: Arithmetic,
    sides: (Whole<'_>, Whole<'_>),
    nulls: &[bool],
    rows: (&[u32], usize),
) -> Option<Vec<i64>> {
    by_sides!(sides, Whole::Each, Whole::Same, |left, right| {
        match operation {
            Arithmetic::Add => each((left, right), (0, nulls), rows, i64::checked_add),
            _ => each((left, right), (0, nulls), rows, i64::checked_sub),
        }
    })
}

fn is_whole(operand: &Operand<'_>) -> bool {
    match operand {
        Operand::Each(vector) => matches!(vector.values, Values::I64(_)),
        same => matches!(same.same(), Some(ValueRef::I64(_))),
    }
}

/// Numbers with more digits behind the point.
enum Scaled<'b> {
    Each(Cow<'b, [i64]>),
    Same(i64),
}

impl Scaled<'_> {
    fn side(&self) -> Whole<'_> {
        match self {
            Self::Each(values) => Whole::Each(values),
            Self::Same(value) => Whole::Same(*value),
        }
    }
}

fn at_scale(side: Whole<'_>, digits: u8) -> Option<Scaled<'_>> {
    let unit = 10_i64.checked_pow(digits.into())?;
    Some(match side {
        Whole::Same(value) => Scaled::Same(value.checked_mul(unit)?),
        Whole::Each(values) if digits == 0 => Scaled::Each(Cow::Borrowed(values)),
        // What stands for a null or at rows that do not count may be anything.
        Whole::Each(values) => {
            let scaled = values.iter().map(|value| value.checked_mul(unit));
            Scaled::Each(scaled.collect::<Option<Vec<_>>>()?.into())
        }
    })
}

enum Floats<'b> {
    Each(&'b [f64]),
    Same(f64),
}

fn floats<'b>(operand: &'b Operand<'_>) -> Option<Floats<'b>> {
    match operand {
        Operand::Each(vector) => match &vector.values {
            Values::F64(values) => Some(Floats::Each(values)),
            _ => None,
        },
        same => match same.same()? {
            ValueRef::F64(value) => Some(Floats::Same(value)),
            _ => None,
        },
    }
}

/// Floats: a finite result of finite operands, or none.
fn float(
    operation: Arithmetic,
    [left, right]: [&Operand<'_>; 2],
    nulls: &[bool],
    rows: (&[u32], usize),
) -> Option<Values> {
    let sides = (floats(left)?, floats(right)?);
    let put = |left: f64, right: f64| {
        let result = match operation {
            Arithmetic::Add => left + right,
            Arithmetic::Subtract => left - right,
            Arithmetic::Multiply => left * right,
            Arithmetic::Divide | Arithmetic::Remainder if right == 0.0 => return None,
            Arithmetic::Divide => left / right,
            Arithmetic::Remainder => left % right,
        };
        result.is_finite().then_some(result)
    };
    let values = by_sides!(sides, Floats::Each, Floats::Same, |left, right| {
        each((left, right), (0.0, nulls), rows, put)
    })?;
    Some(Values::F64(values))
}
