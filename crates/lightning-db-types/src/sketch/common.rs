//! Which values are frequent, and how often they were seen.
//!
//! Source: Misra, Gries, "Finding repeated elements", Science of Computer Programming 2, 1982, with
//! the purge in bulk of Anderson et al., "A high-performance algorithm for identifying frequent
//! items in data streams", IMC 2017.

use std::collections::HashMap;

use crate::value::{Value, ValueRef};

/// The most common values of many. With a capacity of `k`, each value that makes up more than
/// `2 / k` of all is there, and counts are too low by at most that share.
///
/// # Examples
/// ```
/// use lightning_db_types::ValueRef;
/// use lightning_db_types::sketch::MostCommon;
/// let mut common = MostCommon::new(8);
/// for number in 0..1_000 {
///     common.add(ValueRef::I64(if number % 2 == 0 { -1 } else { number }));
/// }
/// let (value, count) = &common.top(1)[0];
/// assert_eq!(value, &(-1_i64).into());
/// assert!((250..=500).contains(count));
/// ```
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MostCommon {
    capacity: usize,
    /// By hash of the value.
    counts: HashMap<u64, (Value, u64)>,
}

impl MostCommon {
    /// One that keeps up to `capacity` values, at least 2.
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(2), counts: HashMap::new() }
    }

    /// Takes a value. Amortised constant time; a value that is not kept yet is copied.
    pub fn add(&mut self, value: ValueRef<'_>) {
        self.add_many(value, 1);
    }

    fn add_many(&mut self, value: ValueRef<'_>, times: u64) {
        let entry = self.counts.entry(super::value_hash(value));
        entry.or_insert_with(|| (value.to_value(), 0)).1 += times;
        if self.counts.len() > self.capacity {
            self.purge();
        }
    }

    /// Counts a value that is kept already; says whether it is. For callers that cannot afford to
    /// keep new ones.
    pub fn add_known(&mut self, hash: u64) -> bool {
        let known = self.counts.get_mut(&hash);
        known.map(|(_, count)| *count += 1).is_some()
    }

    /// Takes back a value that is kept.
    pub fn remove_known(&mut self, hash: u64) {
        if let Some((_, count)) = self.counts.get_mut(&hash) {
            *count = count.saturating_sub(1);
        }
    }

    /// Adds what another has seen.
    pub fn merge(&mut self, other: &Self) {
        self.capacity = self.capacity.max(other.capacity);
        for (value, count) in other.counts.values() {
            self.add_many(value.as_value_ref(), *count);
        }
    }

    /// The `count` most common values with the times that they were seen, most common first; equal
    /// counts by value.
    pub fn top(&self, count: usize) -> Vec<(Value, u64)> {
        let mut all: Vec<_> = self.counts.values().filter(|(_, count)| *count > 0).collect();
        all.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
        all.into_iter().take(count).cloned().collect()
    }

    /// Takes the middle count from all, which removes half of them.
    fn purge(&mut self) {
        let mut counts: Vec<u64> = self.counts.values().map(|(_, count)| *count).collect();
        let middle = counts.len() / 2;
        let (_, median, _) = counts.select_nth_unstable(middle);
        let median = *median;
        self.counts.retain(|_, (_, count)| {
            *count = count.saturating_sub(median);
            *count > 0
        });
    }
}
