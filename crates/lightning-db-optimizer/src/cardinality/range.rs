//! The values of one column that conditions leave: an interval, and what else must hold.

use std::cmp::Ordering;

use lightning_db_expression::number::{self, Fit};
use lightning_db_expression::{Comparison, Expression, Function};
use lightning_db_types::{Value, ValueRef, ValueType};

use super::belief::Belief;
use super::facts::number as as_number;
use crate::estimate::Source;
use crate::statistics::ColumnStatistics;

/// Share of texts that are like a pattern with something before its first fixed character.
const LIKE_SHARE: f64 = 0.05;
/// Share of values for which a condition of another form is true.
const OTHER_SHARE: f64 = 0.1;
/// Share of values on one side of a bound that is not known.
const BOUND_SHARE: f64 = 1.0 / 3.0;

/// What one condition on a column says of values that are not among the common ones.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// The value is one of these.
    OneOf(Vec<Value>),
    /// The value is none of these.
    NoneOf(Vec<Value>),
    /// The value is above this, or equal to it if so said.
    Above(Value, bool),
    /// The value is below this, or equal to it if so said.
    Below(Value, bool),
    /// The value is null.
    Null,
    /// The value is not null.
    NotNull,
    /// A text that begins so; and then, if it is not all, something else.
    Prefix(String, bool),
    /// A comparison with a value that is not known.
    Unknown(Comparison),
    /// Nothing of these; the share that such conditions have.
    Other(f64),
}

impl Shape {
    /// The shapes that an expression over the one column is, which must all hold.
    pub(super) fn of(expression: &Expression, of: ValueType) -> Vec<Self> {
        match expression {
            Expression::And(all) => all.iter().flat_map(|one| Self::of(one, of)).collect(),
            Expression::Between { value, low, high } if is_column(value) => {
                let low = Self::compared(Comparison::AtLeast, low, of);
                vec![low, Self::compared(Comparison::AtMost, high, of)]
            }
            Expression::Compare(comparison, left, right) if is_column(left) => {
                vec![Self::compared(*comparison, right, of)]
            }
            Expression::Compare(comparison, left, right) if is_column(right) => {
                vec![Self::compared(mirrored(*comparison), left, of)]
            }
            Expression::In(value, list) if is_column(value) => {
                let values = list.iter().filter_map(constant);
                vec![Self::OneOf(values.filter_map(|value| exact(&value, of)).collect())]
            }
            Expression::IsNull(value) if is_column(value) => vec![Self::Null],
            Expression::Column(_) => vec![Self::OneOf(vec![Value::Bool(true)])],
            Expression::Not(inner) => vec![Self::not(inner, of)],
            Expression::Like { value, pattern, escape } if is_column(value) => {
                vec![constant(pattern).map_or(Self::Other(LIKE_SHARE), |it| like(&it, *escape))]
            }
            Expression::Call(Function::StartsWith, arguments) => match &arguments[..] {
                [value, prefix] if is_column(value) => match constant(prefix) {
                    Some(Value::Text(prefix)) => vec![Self::Prefix(prefix, true)],
                    _ => vec![Self::Other(LIKE_SHARE)],
                },
                _ => vec![Self::Other(OTHER_SHARE)],
            },
            Expression::Or(all) => {
                let values = all.iter().map(|one| match &Self::of(one, of)[..] {
                    [Self::OneOf(values)] => Some(values.clone()),
                    _ => None,
                });
                match values.collect::<Option<Vec<_>>>() {
                    Some(lists) => vec![Self::OneOf(lists.concat())],
                    None => vec![Self::Other(BOUND_SHARE)],
                }
            }
            Expression::Compare(Comparison::Equal, ..) => vec![Self::Other(OTHER_SHARE / 10.0)],
            Expression::Compare(Comparison::NotEqual, ..) => vec![Self::Other(1.0 - OTHER_SHARE)],
            Expression::Compare(..) | Expression::Between { .. } => vec![Self::Other(BOUND_SHARE)],
            _ => vec![Self::Other(OTHER_SHARE)],
        }
    }

    fn not(inner: &Expression, of: ValueType) -> Self {
        match inner {
            Expression::Compare(comparison, left, right) => {
                let comparison = opposite(*comparison);
                let turned = Expression::Compare(comparison, left.clone(), right.clone());
                Self::of(&turned, of).pop().unwrap_or(Self::Other(OTHER_SHARE))
            }
            Expression::IsNull(value) if is_column(value) => Self::NotNull,
            Expression::Column(_) => Self::OneOf(vec![Value::Bool(false)]),
            Expression::Not(twice) => match &mut Self::of(twice, of)[..] {
                [one] => std::mem::replace(one, Self::NotNull),
                _ => Self::Other(OTHER_SHARE),
            },
            _ => match &mut Self::of(inner, of)[..] {
                [Self::OneOf(values)] => Self::NoneOf(std::mem::take(values)),
                [Self::Other(share)] => Self::Other(1.0 - *share),
                _ => Self::Other(1.0 - OTHER_SHARE),
            },
        }
    }

    fn compared(comparison: Comparison, with: &Expression, of: ValueType) -> Self {
        let Some(value) = constant(with) else { return Self::Unknown(comparison) };
        if value.is_null() {
            return Self::OneOf(Vec::new());
        }
        let fitted = match number::fit(value.as_value_ref(), of) {
            Some(Fit::Exact(value)) => value,
            Some(Fit::Between(below, above)) => {
                // No value of the column's type equals it: the bound moves to the next one.
                let all = Self::NotNull;
                let none = Self::OneOf(Vec::new());
                return match comparison {
                    Comparison::Equal => none,
                    Comparison::NotEqual => all,
                    Comparison::Less | Comparison::AtMost => {
                        below.map_or(none, |it| Self::Below(it, true))
                    }
                    Comparison::Greater | Comparison::AtLeast => {
                        above.map_or(none, |it| Self::Above(it, true))
                    }
                };
            }
            None => value,
        };
        match comparison {
            Comparison::Equal => Self::OneOf(vec![fitted]),
            Comparison::NotEqual => Self::NoneOf(vec![fitted]),
            Comparison::Less => Self::Below(fitted, false),
            Comparison::AtMost => Self::Below(fitted, true),
            Comparison::Greater => Self::Above(fitted, false),
            Comparison::AtLeast => Self::Above(fitted, true),
        }
    }
}

/// What the shapes together leave of the values that are neither null nor common.
#[derive(Debug, Clone, Default)]
pub(super) struct Rest {
    low: Option<(Value, bool)>,
    high: Option<(Value, bool)>,
    values: Option<Vec<Value>>,
    without: Vec<Value>,
    /// Product of shares of conditions of other forms, and how far its logarithm may be off.
    share: f64,
    variance: f64,
    /// Whether the conditions are true of null.
    pub null: bool,
}

impl Rest {
    pub(super) fn new(shapes: &[Shape]) -> Self {
        let mut rest = Self { share: 1.0, null: true, ..Self::default() };
        for shape in shapes {
            rest.null &= matches!(shape, Shape::Null);
            rest.add(shape);
        }
        rest
    }

    fn add(&mut self, wanted: &Shape) {
        match wanted {
            Shape::OneOf(values) => {
                let kept =
                    |value: &&Value| self.values.as_ref().is_none_or(|it| it.contains(value));
                let mut kept: Vec<Value> = values.iter().filter(kept).cloned().collect();
                kept.sort();
                kept.dedup();
                self.values = Some(kept);
            }
            Shape::NoneOf(values) => self.without.extend(values.iter().cloned()),
            Shape::Above(value, equal) => self.above(value.clone(), *equal),
            Shape::Below(value, equal) => self.below(value.clone(), *equal),
            Shape::Null => self.values = Some(Vec::new()),
            Shape::NotNull | Shape::Unknown(Comparison::NotEqual) => {}
            Shape::Prefix(prefix, whole) => {
                self.above(Value::from(prefix.as_str()), true);
                if let Some(end) = behind(prefix) {
                    self.below(Value::from(end), false);
                }
                if !whole {
                    self.other(0.5, 1.0);
                }
            }
            Shape::Unknown(Comparison::Equal) => self.other(OTHER_SHARE / 10.0, 2.0),
            Shape::Unknown(_) => self.other(BOUND_SHARE, 1.0),
            Shape::Other(share) => self.other(*share, if *share > 0.5 { 0.3 } else { 2.0 }),
        }
    }

    fn other(&mut self, share: f64, sigma: f64) {
        self.share *= share;
        self.variance += sigma * sigma;
    }

    fn above(&mut self, value: Value, equal: bool) {
        let tighter = self.low.as_ref().is_none_or(|(low, was_equal)| match value.cmp(low) {
            Ordering::Greater => true,
            Ordering::Equal => *was_equal && !equal,
            Ordering::Less => false,
        });
        if tighter {
            self.low = Some((value, equal));
        }
    }

    fn below(&mut self, value: Value, equal: bool) {
        let tighter = self.high.as_ref().is_none_or(|(high, was_equal)| match value.cmp(high) {
            Ordering::Less => true,
            Ordering::Equal => *was_equal && !equal,
            Ordering::Greater => false,
        });
        if tighter {
            self.high = Some((value, equal));
        }
    }

    /// Whether a value lies in the interval and is not left out.
    fn takes(&self, value: &Value) -> bool {
        let above = self.low.as_ref().is_none_or(|(low, equal)| match value.cmp(low) {
            Ordering::Greater => true,
            Ordering::Equal => *equal,
            Ordering::Less => false,
        });
        let below = self.high.as_ref().is_none_or(|(high, equal)| match value.cmp(high) {
            Ordering::Less => true,
            Ordering::Equal => *equal,
            Ordering::Greater => false,
        });
        above && below && !self.without.contains(value)
    }

    /// Share of the values that are neither null nor common, given how many distinct ones of them
    /// there are, and how many rows have them.
    pub(super) fn share(&self, of: &ColumnStatistics, distinct: f64, rows: f64) -> Belief {
        let outside = |value: &Value| {
            of.min.as_ref().is_some_and(|min| value < min)
                || of.max.as_ref().is_some_and(|max| value > max)
        };
        let each = 1.0 / distinct.max(1.0);
        if let Some(values) = &self.values {
            let is_rest = |value: &&Value| {
                self.takes(value) && !of.common.iter().any(|(common, _)| common == *value)
            };
            let rest: Vec<&Value> = values.iter().filter(is_rest).collect();
            let inside = as_number(rest.iter().filter(|value| !outside(value)).count() as u64);
            // A value beyond those that were seen may have come since.
            let beyond = as_number(rest.len() as u64) - inside;
            let share = inside * each + beyond * (0.1 / rows.max(1.0)).min(each);
            let even = if rows > 1.5 * distinct { 0.5 } else { 0.1 };
            return self.belief(share.min(1.0), even, Source::Distinct);
        }
        let width = 1.0 / as_number(of.histogram.buckets().max(1) as u64);
        let mut share = self.interval(of);
        let removed = self.without.iter().filter(|value| !outside(value)).count();
        share *= (1.0 - as_number(removed as u64) * each).max(0.0);
        let bounded = self.low.is_some() || self.high.is_some();
        let sigma = if bounded { (0.02 + 0.3 * width / share.max(1e-9)).min(1.5) } else { 0.02 };
        let source = if of.histogram.buckets() > 0 { Source::Histogram } else { Source::Default };
        let sigma = if source == Source::Default && bounded { 1.0 } else { sigma };
        // Within one bucket at least one value may well be.
        let floor = if bounded && share > 0.0 { (each * 0.5).min(width) } else { 0.0 };
        self.belief(share.max(floor), sigma, source)
    }

    fn belief(&self, share: f64, sigma: f64, source: Source) -> Belief {
        let sigma = (sigma * sigma + self.variance).sqrt();
        let source = if self.variance > 0.5 { Source::Default } else { source };
        Belief::new(share * self.share, sigma, source)
    }

    fn interval(&self, of: &ColumnStatistics) -> f64 {
        let below = |value: ValueRef<'_>, equal| of.fraction_below(value, equal);
        let high = self.high.as_ref().map(|(it, equal)| below(it.as_value_ref(), *equal));
        let low = self.low.as_ref().map(|(it, equal)| below(it.as_value_ref(), !*equal));
        match (low, high) {
            (None, None) => 1.0,
            (Some(None), Some(None)) => BOUND_SHARE * BOUND_SHARE,
            (Some(None), None) | (None, Some(None)) => BOUND_SHARE,
            (low, high) => (high.flatten().unwrap_or(1.0) - low.flatten().unwrap_or(0.0)).max(0.0),
        }
    }
}

fn is_column(expression: &Expression) -> bool {
    matches!(expression, Expression::Column(_))
}

/// The value of an expression that needs no row.
pub(super) fn constant(expression: &Expression) -> Option<Value> {
    if !expression.columns().is_empty() {
        return None;
    }
    let none: &[Value] = &[];
    expression.evaluate(&none.to_vec()).ok()
}

/// The value as one of the column's type, if there is one that is equal.
fn exact(value: &Value, of: ValueType) -> Option<Value> {
    if value.is_null() {
        return None;
    }
    match number::fit(value.as_value_ref(), of) {
        Some(fit) => fit.exact(),
        None => Some(value.clone()),
    }
}

pub(super) fn mirrored(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::AtMost => Comparison::AtLeast,
        Comparison::Greater => Comparison::Less,
        Comparison::AtLeast => Comparison::AtMost,
        Comparison::Equal | Comparison::NotEqual => comparison,
    }
}

fn opposite(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Equal => Comparison::NotEqual,
        Comparison::NotEqual => Comparison::Equal,
        Comparison::Less => Comparison::AtLeast,
        Comparison::AtMost => Comparison::Greater,
        Comparison::Greater => Comparison::AtMost,
        Comparison::AtLeast => Comparison::Less,
    }
}

fn like(pattern: &Value, escape: Option<char>) -> Shape {
    let Value::Text(pattern) = pattern else { return Shape::Other(LIKE_SHARE) };
    let special = |char: char| char == '%' || char == '_' || Some(char) == escape;
    let (prefix, rest) = pattern.split_at(pattern.find(special).unwrap_or(pattern.len()));
    match (prefix.is_empty(), rest) {
        (_, "") => Shape::OneOf(vec![Value::from(prefix)]),
        (true, "%") => Shape::NotNull,
        (true, _) => Shape::Other(LIKE_SHARE),
        (false, rest) => Shape::Prefix(prefix.to_owned(), rest == "%"),
    }
}

/// The first text behind all that begin so.
fn behind(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}
