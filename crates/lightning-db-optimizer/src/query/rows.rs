//! Rows that no table has.

use std::sync::Arc;

use lightning_db_types::Value;

/// Rows that do not come from a table.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ValueRows {
    /// They stand in the query, each with a value for each column.
    Known(Arc<[Vec<Value>]>),
    /// Whole numbers, in one column.
    Series(Series),
    /// Whoever runs the plan gives them with each run.
    Given {
        /// How many there are about.
        expected: u64,
    },
}

/// Whole numbers that are equally far from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Series {
    start: i64,
    step: i64,
    len: u64,
}

impl Series {
    /// From one number on, in steps that are not zero, as long as the other is not passed.
    pub fn new(start: i64, end: i64, step: i64) -> Self {
        let distance = if step < 0 {
            i128::from(start) - i128::from(end)
        } else {
            i128::from(end) - i128::from(start)
        };
        let steps = distance.checked_div(i128::from(step).abs()).filter(|_| distance >= 0);
        // There are at most 2^64 numbers, which is one more than fits.
        let len = steps.map_or(0, |steps| u64::try_from(steps + 1).unwrap_or(u64::MAX));
        Self { start, step, len }
    }

    /// The numbers, in their order.
    pub fn numbers(self) -> impl Iterator<Item = i64> {
        (0..self.len).map(move |at| {
            // The result is between start and end, so that what wraps on the way comes back.
            self.start.wrapping_add(self.step.wrapping_mul(at.cast_signed()))
        })
    }

    /// How many there are.
    pub fn len(self) -> u64 {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

impl ValueRows {
    /// No rows.
    pub(crate) fn none() -> Self {
        Self::Known(Arc::from([]))
    }

    /// How many there are, if that is known.
    pub(crate) fn known_len(&self) -> Option<u64> {
        match self {
            Self::Known(rows) => Some(rows.len() as u64),
            Self::Series(series) => Some(series.len()),
            Self::Given { .. } => None,
        }
    }

    /// Whether some may be null in a column.
    pub(crate) fn may_be_null(&self, position: usize) -> bool {
        match self {
            Self::Known(rows) => rows.iter().any(|row| row[position].is_null()),
            Self::Series(_) => false,
            Self::Given { .. } => true,
        }
    }

    /// All of them, if they are known.
    #[cfg(any(test, feature = "reference"))]
    pub(crate) fn listed(&self) -> Option<Vec<Vec<Value>>> {
        match self {
            Self::Known(rows) => Some(rows.to_vec()),
            Self::Series(series) => {
                Some(series.numbers().map(|number| vec![Value::I64(number)]).collect())
            }
            Self::Given { .. } => None,
        }
    }
}

impl std::fmt::Display for ValueRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(rows) => write!(f, "{} rows", rows.len()),
            Self::Series(series) => write!(f, "{} numbers", series.len()),
            Self::Given { .. } => write!(f, "given rows"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Series;

    #[test]
    fn series_end_at_the_last_number_that_does_not_pass_the_end() {
        let numbers = |start, end, step| Series::new(start, end, step).numbers();
        assert_eq!(numbers(1, 10, 4).collect::<Vec<_>>(), [1, 5, 9]);
        assert_eq!(numbers(3, -3, -3).collect::<Vec<_>>(), [3, 0, -3]);
        assert_eq!(numbers(1, 0, 1).count(), 0);
        assert_eq!(numbers(0, 1, -1).count(), 0);
        assert!(Series::new(0, 1, 0).is_empty());
        let far = numbers(i64::MIN, i64::MAX, i64::MAX).collect::<Vec<_>>();
        assert_eq!(far, [i64::MIN, -1, i64::MAX - 1]);
        assert_eq!(Series::new(i64::MIN, i64::MAX, 1).len(), u64::MAX);
    }
}
