//! Sets of values that compare with each other, as sorted intervals.

use std::cmp::Ordering;
use std::ops::Bound;

use lightning_db_types::{Value, ValueType};

use super::{Comparison, number};

type Interval = (Bound<Value>, Bound<Value>);

/// What an expression may be, where it is true that it compares so: never null.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Domain {
    /// One of the types that compare with each other.
    class: ValueType,
    /// Disjoint and ascending.
    intervals: Vec<Interval>,
}

/// All numbers are of one class.
fn class_of(value: &Value) -> ValueType {
    let value_type = value.value_type();
    if number::is_number(value_type) { ValueType::F64 } else { value_type }
}

fn order(left: &Value, right: &Value) -> Ordering {
    number::compare(left.into(), right.into()).unwrap_or(Ordering::Equal)
}

/// A place between values: before or behind one.
fn place(bound: &Bound<Value>, behind: bool) -> Option<(&Value, bool)> {
    match bound {
        Bound::Included(value) => Some((value, behind)),
        Bound::Excluded(value) => Some((value, !behind)),
        Bound::Unbounded => None,
    }
}

fn by_start(left: &Bound<Value>, right: &Bound<Value>) -> Ordering {
    match (place(left, false), place(right, false)) {
        (None, None) => Ordering::Equal,
        (None, _) => Ordering::Less,
        (_, None) => Ordering::Greater,
        (Some(left), Some(right)) => order(left.0, right.0).then(left.1.cmp(&right.1)),
    }
}

fn by_end(left: &Bound<Value>, right: &Bound<Value>) -> Ordering {
    match (place(left, true), place(right, true)) {
        (None, None) => Ordering::Equal,
        (None, _) => Ordering::Greater,
        (_, None) => Ordering::Less,
        (Some(left), Some(right)) => order(left.0, right.0).then(left.1.cmp(&right.1)),
    }
}

/// Where `start` lies as seen from `end`: before it if they have a value between them; equal if
/// they touch.
fn start_and_end(start: &Bound<Value>, end: &Bound<Value>) -> Ordering {
    match (place(start, false), place(end, true)) {
        (None, _) | (_, None) => Ordering::Less,
        (Some(start), Some(end)) => order(start.0, end.0).then(start.1.cmp(&end.1)),
    }
}

impl Domain {
    fn new(class: ValueType, intervals: impl IntoIterator<Item = Interval>) -> Self {
        let mut sorted: Vec<Interval> = intervals
            .into_iter()
            .filter(|(start, end)| start_and_end(start, end).is_lt())
            .collect();
        sorted.sort_by(|left, right| by_start(&left.0, &right.0));
        let mut intervals: Vec<Interval> = Vec::with_capacity(sorted.len());
        for (start, end) in sorted {
            match intervals.last_mut() {
                Some(last) if start_and_end(&start, &last.1).is_le() => {
                    if by_end(&last.1, &end).is_lt() {
                        last.1 = end;
                    }
                }
                _ => intervals.push((start, end)),
            }
        }
        Self { class, intervals }
    }

    /// The values for which a comparison with `value` is true; `None` if it is null.
    pub(crate) fn compared(comparison: Comparison, value: &Value) -> Option<Self> {
        if value.is_null() {
            return None;
        }
        let at = || Bound::Included(value.clone());
        let not_at = || Bound::Excluded(value.clone());
        let intervals = match comparison {
            Comparison::Equal => vec![(at(), at())],
            Comparison::NotEqual => {
                vec![(Bound::Unbounded, not_at()), (not_at(), Bound::Unbounded)]
            }
            Comparison::Less => vec![(Bound::Unbounded, not_at())],
            Comparison::AtMost => vec![(Bound::Unbounded, at())],
            Comparison::Greater => vec![(not_at(), Bound::Unbounded)],
            Comparison::AtLeast => vec![(at(), Bound::Unbounded)],
        };
        Some(Self::new(class_of(value), intervals))
    }

    /// The texts that start with a prefix.
    pub(crate) fn starting_with(prefix: &str) -> Self {
        let start = Bound::Included(Value::from(prefix));
        let end = behind(prefix).map_or(Bound::Unbounded, |end| Bound::Excluded(end.into()));
        Self::new(ValueType::Text, [(start, end)])
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }

    /// The values in both; `None` if the classes differ.
    pub(crate) fn intersection(&self, other: &Self) -> Option<Self> {
        let mut intervals = Vec::new();
        for (start, end) in &self.intervals {
            for (other_start, other_end) in &other.intervals {
                let start = if by_start(start, other_start).is_ge() { start } else { other_start };
                let end = if by_end(end, other_end).is_le() { end } else { other_end };
                intervals.push((start.clone(), end.clone()));
            }
        }
        (self.class == other.class).then(|| Self::new(self.class, intervals))
    }

    /// The values in one of both; `None` if the classes differ.
    pub(crate) fn union(self, other: Self) -> Option<Self> {
        let class = self.class;
        (class == other.class)
            .then(|| Self::new(class, self.intervals.into_iter().chain(other.intervals)))
    }

    /// Whether all values of it are in `other`.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.class == other.class
            && self.intervals.iter().all(|(start, end)| {
                other.intervals.iter().any(|(other_start, other_end)| {
                    by_start(other_start, start).is_le() && by_end(end, other_end).is_le()
                })
            })
    }
}

/// The first text behind all that start with a prefix, if there is one.
fn behind(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // A range of characters leaves the surrogates out.
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(comparison: Comparison, value: impl Into<Value>) -> Domain {
        Domain::compared(comparison, &value.into()).unwrap()
    }

    #[test]
    fn unions_join_what_touches() {
        let below = compared(Comparison::Less, 5_i64);
        let from = compared(Comparison::AtLeast, 5.0);
        let all = below.clone().union(from).unwrap();
        assert_eq!(all.intervals, [(Bound::Unbounded, Bound::Unbounded)]);
        let above = compared(Comparison::Greater, 5_i64);
        assert_eq!(below.union(above).unwrap(), compared(Comparison::NotEqual, 5_i64));
    }

    #[test]
    fn prefixes_are_ranges_of_text() {
        assert_eq!(behind("ab").as_deref(), Some("ac"));
        assert_eq!(behind("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(behind("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(behind(""), None);
        assert!(Domain::starting_with("abc").is_within(&Domain::starting_with("ab")));
        assert!(compared(Comparison::Equal, "abx").is_within(&Domain::starting_with("ab")));
        assert!(!compared(Comparison::Equal, "b").is_within(&Domain::starting_with("ab")));
        assert!(!compared(Comparison::Equal, 1_i64).is_within(&Domain::starting_with("")));
    }
}
