//! Whether statistics have moved so far that plans may be bad.

use super::TableStatistics;
use super::column::number;

/// Statistics in coarse numbers: logarithms to base two, in eighths. Small enough to be kept beside
/// each plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StatisticsDigest {
    levels: Vec<u16>,
}

/// Levels that a number may move: one doubling.
const LEVELS_MAX: u16 = 8;

impl StatisticsDigest {
    /// Whether nothing has more than doubled or halved between the two: plans that were made with
    /// one are as good with the other.
    pub fn is_near(&self, other: &Self) -> bool {
        self.levels.len() == other.levels.len()
            && self
                .levels
                .iter()
                .zip(&other.levels)
                .all(|(one, other)| one.abs_diff(*other) <= LEVELS_MAX)
    }
}

impl TableStatistics {
    /// Rows, pages, and of each column distinct values, nulls and the share of the most common
    /// value, coarsely.
    ///
    /// # Examples
    /// ```
    /// use lightning_db_optimizer::TableStatistics;
    /// let of = |rows| TableStatistics { rows, ..TableStatistics::default() }.digest();
    /// assert!(of(10_000).is_near(&of(15_000)));
    /// assert!(!of(10_000).is_near(&of(30_000)));
    /// ```
    pub fn digest(&self) -> StatisticsDigest {
        // Shares are of a thousand, so that a few rows of many do not count.
        let share = |part: f64| level(part * 1_000.0);
        let rows = number(self.rows).max(1.0);
        let mut levels = vec![level(rows), level(number(self.pages))];
        for column in &self.columns {
            levels.push(level(column.distinct));
            levels.push(share(number(column.nulls) / rows));
            levels.push(share(column.common.first().map_or(0.0, |(_, share)| *share)));
        }
        StatisticsDigest { levels }
    }
}

/// Number of eighths of doublings from one to a number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 64 * 8")]
fn level(number: f64) -> u16 {
    (number.max(1.0).log2().clamp(0.0, 1_000.0) * f64::from(LEVELS_MAX)).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::ColumnStatistics;

    fn of(rows: u64, distinct: f64, nulls: u64) -> StatisticsDigest {
        let columns = vec![ColumnStatistics { nulls, distinct, ..ColumnStatistics::default() }];
        TableStatistics { rows, columns, ..TableStatistics::default() }.digest()
    }

    #[test]
    fn small_drift_keeps_it_and_large_drift_does_not() {
        let before = of(1_000_000, 500.0, 0);
        assert!(before.is_near(&of(1_900_000, 900.0, 1_000)));
        assert!(before.is_near(&of(600_000, 300.0, 0)));
        assert!(!before.is_near(&of(2_200_000, 500.0, 0)));
        assert!(!before.is_near(&of(1_000_000, 1_200.0, 0)));
        assert!(!before.is_near(&of(1_000_000, 500.0, 100_000)));
        assert!(!before.is_near(&TableStatistics::default().digest()));
    }
}
