//! Join sketches: how many rows have each of some values, chosen by hash.

use std::collections::BTreeMap;

use lightning_db_types::Value;
use lightning_db_types::sketch::value_hash;

use super::column::number;
use super::{ColumnStatistics, JoinSketch};

/// Counts rows by value, for the values with the smallest hashes, and keeps the rows of fewer.
#[derive(Debug)]
pub(super) struct DegreeBuilder {
    column: usize,
    values_max: usize,
    rows_max: usize,
    degrees: BTreeMap<u64, u64>,
    /// No value above it is counted.
    hash_max: u64,
    rows: BTreeMap<u64, Vec<Vec<Value>>>,
    row_count: usize,
    row_hash_max: u64,
}

impl DegreeBuilder {
    pub(super) fn new(column: usize, values_max: usize, rows_max: usize) -> Self {
        Self {
            column,
            values_max: values_max.max(1),
            rows_max: rows_max.max(1),
            degrees: BTreeMap::new(),
            hash_max: u64::MAX,
            rows: BTreeMap::new(),
            row_count: 0,
            row_hash_max: u64::MAX,
        }
    }

    pub(super) fn add(&mut self, row: &[Value]) {
        let Some(value) = row.get(self.column).filter(|value| !value.is_null()) else { return };
        let hash = value_hash(value.as_value_ref());
        if hash <= self.hash_max {
            *self.degrees.entry(hash).or_default() += 1;
            self.shrink_degrees();
        }
        if hash <= self.row_hash_max {
            self.rows.entry(hash).or_default().push(row.to_vec());
            self.row_count += 1;
            self.shrink_rows();
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.hash_max = self.hash_max.min(other.hash_max);
        for (hash, degree) in &other.degrees {
            *self.degrees.entry(*hash).or_default() += degree;
        }
        self.shrink_degrees();
        self.row_hash_max = self.row_hash_max.min(other.row_hash_max);
        for (hash, rows) in &other.rows {
            self.rows.entry(*hash).or_default().extend(rows.iter().cloned());
            self.row_count += rows.len();
        }
        self.shrink_rows();
    }

    /// Drops the largest hashes until there is room; a value that was dropped never comes back.
    fn shrink_degrees(&mut self) {
        while let Some((last, _)) = self.degrees.last_key_value()
            && (*last > self.hash_max || self.degrees.len() > self.values_max)
        {
            self.hash_max = self.hash_max.min(last.saturating_sub(1));
            self.degrees.pop_last();
        }
    }

    fn shrink_rows(&mut self) {
        while let Some((last, _)) = self.rows.last_key_value()
            && (*last > self.row_hash_max || self.row_count > self.rows_max)
        {
            self.row_hash_max = self.row_hash_max.min(last.saturating_sub(1));
            self.row_count -= self.rows.pop_last().map_or(0, |(_, rows)| rows.len());
        }
    }

    pub(super) fn finish(&self, columns: &[ColumnStatistics], rows: u64) -> JoinSketch {
        let seen = self.degrees.values().copied().max().unwrap_or(0);
        let common = columns.get(self.column).and_then(|it| it.common.first());
        let common = common.map_or(0.0, |(_, share)| share * number(rows));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let common = common.round() as u64;
        let kept = self.rows.iter();
        let kept = kept.flat_map(|(hash, rows)| rows.iter().map(|row| (*hash, row.clone())));
        JoinSketch {
            column: self.column,
            degrees: self.degrees.iter().map(|(hash, degree)| (*hash, *degree)).collect(),
            hash_max: self.hash_max,
            rows: kept.collect(),
            row_hash_max: self.row_hash_max,
            degree_max: seen.max(common),
        }
    }
}
