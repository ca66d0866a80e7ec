//! What is known of a table's values: made from rows, merged, kept as bytes.

mod collect;
mod column;
mod degree;
mod digest;
mod encode;
mod group;

pub use collect::{StatisticsBuilder, StatisticsLimits};
pub use digest::StatisticsDigest;

use lightning_db_types::sketch::{Histogram, HyperLogLog};
use lightning_db_types::{Value, ValueRef};
use serde::{Deserialize, Serialize};

/// What is known of a table: counts, columns, a sample of whole rows, columns together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TableStatistics {
    /// Rows of the table.
    pub rows: u64,
    /// Whether `rows` was counted, and not extrapolated.
    pub rows_exact: bool,
    /// Pages, or blocks, that a scan of the table reads.
    pub pages: u64,
    /// Its columns, by position; may be shorter than the table has columns.
    pub columns: Vec<ColumnStatistics>,
    /// Rows drawn at random, each with all columns. Whole conjunctions are evaluated on it.
    pub sample: Vec<Vec<Value>>,
    /// Columns that are known together.
    pub groups: Vec<ColumnGroup>,
    /// Degrees of columns that are joined.
    pub joins: Vec<JoinSketch>,
}

/// What is known of a column.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ColumnStatistics {
    /// Rows where it is null.
    pub nulls: u64,
    /// Smallest value, null apart.
    pub min: Option<Value>,
    /// Largest value.
    pub max: Option<Value>,
    /// Distinct values, as a sketch that can be merged.
    pub sketch: Option<HyperLogLog>,
    /// Number of distinct values; null is none.
    pub distinct: f64,
    /// The most common values, each with its share of all rows, descending.
    pub common: Vec<(Value, f64)>,
    /// The values that are not among the common ones.
    pub histogram: Histogram,
    /// Average width in bytes.
    pub width: f64,
    /// Correlation of the column's order with that of the rows, -1 to 1.
    pub clustering: f64,
}

/// What is known of several columns together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnGroup {
    /// Positions, ascending.
    pub columns: Vec<usize>,
    /// Number of distinct combinations.
    pub distinct: f64,
    /// The most common combinations, each with its share of all rows, descending.
    pub common: Vec<(Vec<Value>, f64)>,
}

/// How often values of a column that is joined occur: rows by value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JoinSketch {
    /// The column.
    pub column: usize,
    /// Hashes of values with the number of rows that have them: a uniform sample over the values,
    /// kept by smallest hash, so that two columns' samples meet.
    pub degrees: Vec<(u64, u64)>,
    /// All values with a hash up to this are in `degrees`.
    pub hash_max: u64,
    /// All rows of values with a hash up to `row_hash_max`, each with the hash of its value: where
    /// the samples of two tables meet, conditions on both are seen together.
    pub rows: Vec<(u64, Vec<Value>)>,
    /// All rows of values with a hash up to this are in `rows`; none is if there are no rows.
    pub row_hash_max: u64,
    /// Largest number of rows of one value.
    pub degree_max: u64,
}

impl ColumnStatistics {
    /// Share of the values that are neither null nor common below a value, or at most it: by the
    /// histogram, or spread evenly between the least and the largest; `None` if there is neither.
    pub(crate) fn fraction_below(&self, value: ValueRef<'_>, or_equal: bool) -> Option<f64> {
        if self.histogram.buckets() > 0 {
            return Some(self.histogram.fraction_below(value, or_equal));
        }
        let ends = [self.min.clone()?, self.max.clone()?];
        Some(Histogram::of_sorted(&ends, 1).fraction_below(value, or_equal))
    }
}

impl TableStatistics {
    /// The column's statistics, if it has some.
    pub fn column(&self, position: usize) -> Option<&ColumnStatistics> {
        self.columns.get(position)
    }
}

#[cfg(test)]
mod tests;
