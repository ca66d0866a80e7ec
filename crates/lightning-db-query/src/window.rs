//! Window functions: what they are called, and over which rows they look.

use std::fmt;

use lightning_db_optimizer::{AggregateFunction, Spread};
use lightning_db_types::ValueType;

/// A function over the rows of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowFunction {
    /// The number of the row, from 1.
    RowNumber,
    /// The number of the first row that is equal in the order.
    Rank,
    /// The number of the values in the order up to this one.
    DenseRank,
    /// Rank, from 0 to 1.
    PercentRank,
    /// Share of the rows up to the last that is equal in the order.
    CumulativeShare,
    /// Which of so many parts of about the same size the row is in, from 1.
    Tile,
    /// A value of a row before this one.
    Lag,
    /// A value of a row behind this one.
    Lead,
    /// The value of the first row of the frame.
    First,
    /// The value of the last row of the frame.
    Last,
    /// The value of a row of the frame by its number, from 1.
    Nth,
    /// An aggregate of the frame.
    Aggregate(AggregateFunction),
}

const fn spread(of: Spread) -> WindowFunction {
    WindowFunction::Aggregate(AggregateFunction::Spread(of))
}

const NAMES: [(&str, WindowFunction); 24] = [
    ("row_number", WindowFunction::RowNumber),
    ("rank", WindowFunction::Rank),
    ("dense_rank", WindowFunction::DenseRank),
    ("percent_rank", WindowFunction::PercentRank),
    ("cume_dist", WindowFunction::CumulativeShare),
    ("ntile", WindowFunction::Tile),
    ("lag", WindowFunction::Lag),
    ("lead", WindowFunction::Lead),
    ("first_value", WindowFunction::First),
    ("last_value", WindowFunction::Last),
    ("nth_value", WindowFunction::Nth),
    ("count", WindowFunction::Aggregate(AggregateFunction::Count)),
    ("sum", WindowFunction::Aggregate(AggregateFunction::Sum)),
    ("min", WindowFunction::Aggregate(AggregateFunction::Min)),
    ("max", WindowFunction::Aggregate(AggregateFunction::Max)),
    ("avg", WindowFunction::Aggregate(AggregateFunction::Average)),
    ("bool_or", WindowFunction::Aggregate(AggregateFunction::Any)),
    ("bool_and", WindowFunction::Aggregate(AggregateFunction::Every)),
    ("var_samp", spread(Spread::Variance)),
    ("variance", spread(Spread::Variance)),
    ("var_pop", spread(Spread::VarianceOfAll)),
    ("stddev_samp", spread(Spread::Deviation)),
    ("stddev", spread(Spread::Deviation)),
    ("stddev_pop", spread(Spread::DeviationOfAll)),
];

impl WindowFunction {
    /// The function of a name, as SQL has it.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }

    /// Type of its values, where its first argument has one of this type.
    pub fn value_type(self, argument: ValueType) -> ValueType {
        match self {
            Self::RowNumber | Self::Rank | Self::DenseRank | Self::Tile => ValueType::I64,
            Self::PercentRank | Self::CumulativeShare => ValueType::F64,
            Self::Lag | Self::Lead | Self::First | Self::Last | Self::Nth => argument,
            Self::Aggregate(function) => function.value_type(argument),
        }
    }

    /// How many arguments it takes: the fewest and the most.
    pub fn arguments(self) -> (usize, usize) {
        match self {
            Self::RowNumber
            | Self::Rank
            | Self::DenseRank
            | Self::PercentRank
            | Self::CumulativeShare => (0, 0),
            Self::Aggregate(AggregateFunction::Count) => (0, 1),
            Self::Tile | Self::First | Self::Last | Self::Aggregate(_) => (1, 1),
            Self::Nth => (2, 2),
            Self::Lag | Self::Lead => (1, 3),
        }
    }
}

/// The rows around a row that a function looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Whether bounds count rows; else they are of the values in the order: whole numbers, days,
    /// or microseconds.
    pub rows: bool,
    /// Where it begins.
    pub start: Bound,
    /// Where it ends.
    pub end: Bound,
}

/// An end of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// That of the partition.
    Unbounded,
    /// This row, or the rows that are equal to it.
    Current,
    /// So many rows before this one, or values up to so much before its own.
    Before(usize),
    /// So many rows behind it, or values up to so much behind its own.
    Behind(usize),
}

impl Default for Frame {
    /// From the beginning of the partition to the last row that is equal in the order: without an
    /// order that is all of it.
    fn default() -> Self {
        Self { rows: false, start: Bound::Unbounded, end: Bound::Current }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unbounded => f.write_str("all"),
            Self::Current => f.write_str("current"),
            Self::Before(rows) => write!(f, "-{rows}"),
            Self::Behind(rows) => write!(f, "+{rows}"),
        }
    }
}

/// For plans, which take frames as texts.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", if self.rows { "rows" } else { "range" }, self.start, self.end)
    }
}

impl Frame {
    /// The frame of a text that one has made; that of no text is the default.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let bound = |text: &str| match text {
            "all" => Some(Bound::Unbounded),
            "current" => Some(Bound::Current),
            _ => match text.split_at_checked(1)? {
                ("-", rows) => rows.parse().ok().map(Bound::Before),
                ("+", rows) => rows.parse().ok().map(Bound::Behind),
                _ => None,
            },
        };
        let mut words = text.split(' ');
        let rows = words.next()? == "rows";
        Some(Self { rows, start: bound(words.next()?)?, end: bound(words.next()?)? })
    }

    /// Whether a bound is a distance between values.
    pub(crate) fn is_by_distance(self) -> bool {
        let is_distance = |bound| matches!(bound, Bound::Before(_) | Bound::Behind(_));
        !self.rows && (is_distance(self.start) || is_distance(self.end))
    }

    /// The rows of the frame of a row of a partition, where the rows that are equal to it in the
    /// order are `peers`, and bounds are no distances between values.
    pub(crate) fn of(
        self,
        row: usize,
        peers: &std::ops::Range<usize>,
        len: usize,
    ) -> std::ops::Range<usize> {
        let own = if self.rows { row..row + 1 } else { peers.clone() };
        let start = match self.start {
            Bound::Unbounded => 0,
            Bound::Current => own.start,
            Bound::Before(rows) => row.saturating_sub(rows),
            Bound::Behind(rows) => row.saturating_add(rows).min(len),
        };
        let end = match self.end {
            Bound::Unbounded => len,
            Bound::Current => own.end,
            Bound::Before(rows) => (row + 1).saturating_sub(rows),
            Bound::Behind(rows) => (row + 1).saturating_add(rows).min(len),
        };
        start..end.max(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_are_written() {
        for start in [Bound::Unbounded, Bound::Current, Bound::Before(3), Bound::Behind(12)] {
            let frame = Frame { rows: true, start, end: Bound::Unbounded };
            assert_eq!(Frame::parse(&frame.to_string()), Some(frame));
        }
        assert_eq!(Frame::parse(&Frame::default().to_string()), Some(Frame::default()));
        assert_eq!(Frame::parse(""), Some(Frame::default()));
        for text in ["rows", "rows all", "rows all x", "rows all \u{e4}"] {
            assert_eq!(Frame::parse(text), None, "{text}");
        }
    }

    #[test]
    fn frames_stay_within_the_partition() {
        let of = |start, end, row| Frame { rows: true, start, end }.of(row, &(0..0), 5);
        assert_eq!(of(Bound::Before(1), Bound::Behind(1), 0), 0..2);
        assert_eq!(of(Bound::Before(1), Bound::Behind(1), 4), 3..5);
        assert_eq!(of(Bound::Behind(1), Bound::Behind(2), 4), 5..5);
        assert_eq!(of(Bound::Before(2), Bound::Before(1), 0), 0..0);
        assert_eq!(of(Bound::Before(2), Bound::Before(1), 3), 1..3);
        assert_eq!(of(Bound::Behind(usize::MAX), Bound::Before(usize::MAX), 3), 5..5);
        let range = Frame { rows: false, start: Bound::Current, end: Bound::Unbounded };
        assert_eq!(range.of(3, &(2..4), 5), 2..5);
    }
}
