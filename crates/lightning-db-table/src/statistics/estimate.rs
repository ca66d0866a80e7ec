//! How many rows a predicate keeps, from statistics alone.

use lightning_db_index::{Columns, Comparison, Estimate, Expression};
use lightning_db_types::{Value, ValueRef};

use super::View;
use super::view::ColumnStatistics;
use crate::catalog::Schema;
use crate::schema::ColumnType;
use crate::values::coerce;

/// Share of rows for comparisons of which nothing is known, as System R took them.
const UNKNOWN_EQUAL: f64 = 0.1;
const UNKNOWN_RANGE: f64 = 1.0 / 3.0;

/// Shares of the rows for which a predicate is true, and for which it is unknown.
#[derive(Debug, Clone, Copy)]
struct Share {
    low: f64,
    point: f64,
    high: f64,
    unknown: f64,
}

impl Share {
    const ALL: Self = Self { low: 1.0, point: 1.0, high: 1.0, unknown: 0.0 };
    const NONE: Self = Self { low: 0.0, point: 0.0, high: 0.0, unknown: 0.0 };

    fn guess(point: f64) -> Self {
        Self { low: 0.0, point, high: 1.0, unknown: 0.0 }
    }

    fn negated(self) -> Self {
        let known = 1.0 - self.unknown;
        let turn = |share: f64| (known - share).clamp(0.0, 1.0);
        let (low, high) = (turn(self.high), turn(self.low));
        Self { low, point: turn(self.point), high, unknown: self.unknown }
    }
}

/// Reads the shares of predicates from a view.
struct Reader<'a> {
    schema: &'a Schema,
    view: &'a View,
}

/// How many of `rows` rows fulfil a predicate.
#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^52")]
pub(crate) fn estimate(
    schema: &Schema,
    view: &View,
    rows: u64,
    predicate: &Expression,
) -> Estimate {
    let share = Reader { schema, view }.share(predicate);
    let rows = rows as f64;
    Estimate::between(share.low * rows, share.point * rows, (share.high * rows).ceil())
}

impl Reader<'_> {
    fn share(&self, predicate: &Expression) -> Share {
        match predicate {
            Expression::Literal(Value::Bool(true)) => Share::ALL,
            Expression::Literal(_) => Share::NONE,
            Expression::And(all) => self.conjunction(all),
            Expression::Or(all) => disjunction(all.iter().map(|one| self.share(one))),
            Expression::Not(one) => self.share(one).negated(),
            Expression::IsNull(one) => match self.column(one) {
                Some((_, column)) => {
                    let point = column.null_fraction;
                    Share { low: point, point, high: point, unknown: 0.0 }
                }
                None => Share::guess(UNKNOWN_EQUAL),
            },
            Expression::Compare(comparison, left, right) => {
                self.comparison(predicate, *comparison, left, right)
            }
            Expression::In(one, list) if self.column(one).is_some() => {
                let equal = list.iter().map(|it| self.comparison(it, Comparison::Equal, one, it));
                // A row has one of the values: shares add up.
                let mut sum = Share::NONE;
                for share in equal {
                    sum.point = (sum.point + share.point).min(1.0);
                    sum.high = (sum.high + share.high).min(1.0);
                    sum.low = (sum.low + share.low).min(1.0);
                    sum.unknown = share.unknown;
                }
                sum
            }
            Expression::Between { value, low, high } => self.between(predicate, value, low, high),
            Expression::Column(_) => match self.column(predicate) {
                Some((_, column)) => equal(column, ValueRef::Bool(true)),
                None => Share::guess(0.5),
            },
            _ => self.tried(predicate, UNKNOWN_RANGE),
        }
    }

    /// Predicates on one column that bound a range together count as one; of others each next one,
    /// from the most selective on, counts less: they are seldom independent.
    fn conjunction(&self, all: &[Expression]) -> Share {
        let mut shares = [Share::ALL; 4];
        let (mut low, mut high, mut unknown) = (1.0_f64, 1.0_f64, 0.0_f64);
        let mut add = |share: Share| {
            low = (low + share.low - 1.0).max(0.0);
            high = high.min(share.high);
            unknown = unknown.max(share.unknown);
            let mut share = share;
            for place in &mut shares {
                if share.point < place.point {
                    std::mem::swap(place, &mut share);
                }
            }
        };
        for (at, one) in all.iter().enumerate() {
            if partner(all, at).is_some_and(|partner| partner < at) {
                continue;
            }
            match partner(all, at) {
                Some(partner) => add(self.range_of(one, &all[partner])),
                None => add(self.share(one)),
            }
        }
        let mut point = 1.0;
        let mut exponent = 1.0;
        for share in shares {
            point *= share.point.powf(exponent);
            exponent *= 0.5;
        }
        Share { low, point: point.clamp(low, high.max(low)), high, unknown }
    }

    fn range_of(&self, one: &Expression, other: &Expression) -> Share {
        let (first, second) = (self.share(one), self.share(other));
        // Both count the rows that are not null; what one of them leaves out the other has.
        let known = 1.0 - first.unknown;
        let cut = |first: f64, second: f64| (first + second - known).clamp(0.0, 1.0);
        Share {
            low: cut(first.low, second.low),
            point: cut(first.point, second.point),
            high: cut(first.high, second.high),
            unknown: first.unknown,
        }
    }

    fn comparison(
        &self,
        whole: &Expression,
        comparison: Comparison,
        left: &Expression,
        right: &Expression,
    ) -> Share {
        let fallback = match comparison {
            Comparison::Equal => UNKNOWN_EQUAL,
            Comparison::NotEqual => 1.0 - UNKNOWN_EQUAL,
            _ => UNKNOWN_RANGE,
        };
        let (id, column, value, comparison) = match (self.column(left), self.column(right)) {
            (Some((id, column)), None) => match right {
                Expression::Literal(value) => (id, column, value, comparison),
                _ => return Share::guess(fallback),
            },
            (None, Some((id, column))) => match left {
                Expression::Literal(value) => (id, column, value, mirrored(comparison)),
                _ => return Share::guess(fallback),
            },
            (Some((_, one)), Some((_, other))) if comparison == Comparison::Equal => {
                return Share::guess(1.0 / one.distinct.max(other.distinct));
            }
            (Some(_), Some(_)) => return Share::guess(fallback),
            (None, None) => return self.tried(whole, fallback),
        };
        if value.is_null() {
            return Share { unknown: 1.0, ..Share::NONE };
        }
        let column_type = self.schema.column(id).column_type;
        if value.value_type() == column_type.value_type() {
            return compared(column, comparison, value.as_value_ref());
        }
        match as_column_type(value, column_type) {
            Some(value) => compared(column, comparison, value.as_value_ref()),
            None => Share::guess(fallback),
        }
    }

    fn between(
        &self,
        whole: &Expression,
        value: &Expression,
        low: &Expression,
        high: &Expression,
    ) -> Share {
        if self.column(value).is_none() {
            return self.tried(whole, UNKNOWN_RANGE / 2.0);
        }
        let from = self.comparison(low, Comparison::AtLeast, value, low);
        let to = self.comparison(high, Comparison::AtMost, value, high);
        let known = 1.0 - from.unknown.max(to.unknown);
        let cut = |from: f64, to: f64| (from + to - known).clamp(0.0, 1.0);
        Share {
            low: cut(from.low, to.low),
            point: cut(from.point, to.point),
            high: cut(from.high, to.high),
            unknown: 1.0 - known,
        }
    }

    /// A predicate of another form on one column: tried on some of its values.
    #[expect(clippy::cast_precision_loss, reason = "at most 64 values")]
    fn tried(&self, predicate: &Expression, fallback: f64) -> Share {
        let columns = predicate.columns();
        let [id] = columns[..] else { return Share::guess(fallback) };
        let Some(column) = self.view.column(id) else { return Share::guess(fallback) };
        let tries = &column.some;
        if tries.is_empty() {
            return Share { unknown: column.null_fraction, ..Share::NONE };
        }
        let fits = |value: &&Value| predicate.is_true(&Only { id, value }).unwrap_or(false);
        let fitting = tries.iter().filter(fits).count() as f64;
        let filled = 1.0 - column.null_fraction;
        // As if one more value had been tried, which fitted by half: a share of zero is never sure.
        let point = (fitting + 0.5) / (tries.len() as f64 + 1.0) * filled;
        let error = 1.0 / (tries.len() as f64).sqrt();
        Share {
            low: (point - error).max(0.0),
            point,
            high: (point + error).min(filled),
            unknown: column.null_fraction,
        }
    }

    fn column(&self, expression: &Expression) -> Option<(usize, &ColumnStatistics)> {
        let Expression::Column(id) = expression else { return None };
        Some((*id, self.view.column(*id)?))
    }
}

/// Position of the predicate that bounds the same column from the other side.
fn partner(all: &[Expression], at: usize) -> Option<usize> {
    let (column, is_low) = bound(&all[at])?;
    all.iter().position(|other| {
        bound(other).is_some_and(|(of, other_is_low)| of == column && other_is_low != is_low)
    })
}

fn disjunction(all: impl Iterator<Item = Share>) -> Share {
    let mut none = 1.0;
    let (mut low, mut high, mut unknown) = (0.0_f64, 0.0_f64, 0.0_f64);
    for share in all {
        none *= 1.0 - share.point;
        low = low.max(share.low);
        high = (high + share.high).min(1.0);
        unknown = unknown.max(share.unknown);
    }
    Share { low, point: (1.0 - none).clamp(low, high.max(low)), high, unknown }
}

/// A row of which one column is known.
struct Only<'a> {
    id: usize,
    value: &'a Value,
}

impl Columns for Only<'_> {
    fn column(&self, position: usize) -> ValueRef<'_> {
        if position == self.id { self.value.as_value_ref() } else { ValueRef::Null }
    }
}

fn compared(column: &ColumnStatistics, comparison: Comparison, value: ValueRef<'_>) -> Share {
    let range = |point: f64| {
        let filled = 1.0 - column.null_fraction;
        let point = point.clamp(0.0, filled);
        let error = column.range_error();
        Share {
            low: (point - error).max(0.0),
            point,
            high: (point + error).min(filled),
            unknown: column.null_fraction,
        }
    };
    let filled = 1.0 - column.null_fraction;
    match comparison {
        Comparison::Equal => equal(column, value),
        Comparison::NotEqual => equal(column, value).negated(),
        Comparison::Less => range(column.below(value, false)),
        Comparison::AtMost => range(column.below(value, true)),
        Comparison::Greater => range(filled - column.below(value, true)),
        Comparison::AtLeast => range(filled - column.below(value, false)),
    }
}

fn equal(column: &ColumnStatistics, value: ValueRef<'_>) -> Share {
    let (point, high) = column.equal(value);
    Share { low: 0.0, point, high, unknown: column.null_fraction }
}

fn mirrored(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::AtMost => Comparison::AtLeast,
        Comparison::Greater => Comparison::Less,
        Comparison::AtLeast => Comparison::AtMost,
        same => same,
    }
}

/// The column that a predicate bounds, and whether from below.
fn bound(predicate: &Expression) -> Option<(usize, bool)> {
    let Expression::Compare(comparison, left, right) = predicate else { return None };
    let (column, comparison) = match (&**left, &**right) {
        (Expression::Column(id), Expression::Literal(_)) => (*id, *comparison),
        (Expression::Literal(_), Expression::Column(id)) => (*id, mirrored(*comparison)),
        _ => return None,
    };
    match comparison {
        Comparison::Greater | Comparison::AtLeast => Some((column, true)),
        Comparison::Less | Comparison::AtMost => Some((column, false)),
        Comparison::Equal | Comparison::NotEqual => None,
    }
}

/// A literal as a value of the column's type; for a range the nearest will do.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, which gives the nearest value"
)]
fn as_column_type(value: &Value, column_type: ColumnType) -> Option<Value> {
    match (value, column_type) {
        (Value::F64(number), ColumnType::I64) => Some(Value::I64(number.round() as i64)),
        (Value::F64(number), ColumnType::U64) if *number >= 0.0 => {
            Some(Value::U64(number.round() as u64))
        }
        _ => coerce(value.clone(), column_type).ok(),
    }
}
