//! Numbers that are not certain: with bounds, and the source they came from.

use std::fmt;

/// Where an estimate came from; later ones are less certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// It was counted.
    Exact,
    /// An index gave it.
    Index,
    /// It was seen when the same was run before.
    Learned,
    /// A sample of the table was evaluated.
    Sample,
    /// Distinct or common values of columns together.
    Group,
    /// Degrees of the join columns.
    Join,
    /// Common values and histogram of a column.
    Histogram,
    /// Number of distinct values, as if all were as common.
    Distinct,
    /// Nothing is known: a constant.
    Default,
}

/// An expected number with bounds: `low <= point <= high`, none negative, none NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// What is expected.
    pub point: f64,
    /// At least so much, as far as is known.
    pub low: f64,
    /// At most so much, as far as is known.
    pub high: f64,
    /// Where it came from.
    pub source: Source,
}

impl Estimate {
    /// A number that was counted.
    pub fn exact(number: f64) -> Self {
        Self::new(number, number, number, Source::Exact)
    }

    /// A number with bounds; what does not fit is moved: `low` counts first, then `high`.
    pub fn new(point: f64, low: f64, high: f64, source: Source) -> Self {
        // `max` gives the other operand for NaN.
        let low = low.max(0.0);
        let high = high.max(low);
        let point = if point.is_nan() { high } else { point };
        Self { point: point.clamp(low, high), low, high, source }
    }

    /// A number of which nothing is known but that it is between `0` and `high`.
    pub fn guess(point: f64, high: f64) -> Self {
        Self::new(point, 0.0, high, Source::Default)
    }

    /// Whether it was counted.
    pub fn is_exact(&self) -> bool {
        self.source == Source::Exact && self.low >= self.high
    }

    /// The product, of the less certain source.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        let source = self.source.max(other.source);
        let (low, high) = (self.low * other.low, self.high * other.high);
        Self::new(self.point * other.point, low, high, source)
    }

    /// The sum, of the less certain source.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let source = self.source.max(other.source);
        let (low, high) = (self.low + other.low, self.high + other.high);
        Self::new(self.point + other.point, low, high, source)
    }

    /// Each of the three multiplied; the source stays.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self::new(self.point * factor, self.low * factor, self.high * factor, self.source)
    }

    /// The same, with nothing above `most`.
    #[must_use]
    pub fn at_most(self, most: f64) -> Self {
        let (low, high) = (self.low.min(most), self.high.min(most));
        Self::new(self.point, low, high, self.source)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact",
            Self::Index => "index",
            Self::Learned => "learned",
            Self::Sample => "sample",
            Self::Group => "group",
            Self::Join => "join",
            Self::Histogram => "histogram",
            Self::Distinct => "distinct",
            Self::Default => "default",
        })
    }
}

/// How far an estimate is off: the larger of both ratios, each number being at least one. One is
/// perfect.
///
/// Source: G. Moerkotte, T. Neumann, G. Steidl, "Preventing bad plans by bounding the impact of
/// cardinality estimation errors", PVLDB 2009.
pub fn q_error(estimated: f64, actual: f64) -> f64 {
    let (estimated, actual) = (estimated.max(1.0), actual.max(1.0));
    (estimated / actual).max(actual / estimated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_point_lies_between_the_bounds() {
        let made = Estimate::new(9.0, 2.0, 5.0, Source::Sample);
        assert_eq!((made.point, made.low, made.high), (5.0, 2.0, 5.0));
        let made = Estimate::new(f64::NAN, -3.0, f64::NAN, Source::Sample);
        assert_eq!((made.point, made.low, made.high), (0.0, 0.0, 0.0));
        assert!(Estimate::exact(3.0).is_exact());
        assert!(!Estimate::guess(3.0, 3.0).is_exact());
    }

    #[test]
    fn an_error_is_a_ratio_of_at_least_one() {
        assert!((q_error(10.0, 1000.0) - 100.0).abs() < 1e-9);
        assert!((q_error(1000.0, 10.0) - 100.0).abs() < 1e-9);
        assert!((q_error(0.0, 0.3) - 1.0).abs() < 1e-9);
    }
}
