//! What is known of the keys of an index without reading them: how many there are, how many
//! different ones in their first parts, and a sample.
//!
//! Changes add to it when they are made, so that rolled back and removed keys count until it is
//! rebuilt from the index: by upkeep once a fifth has changed, or by the first estimate after the
//! index was opened.
//!
//! Sources: Flajolet and others, "`HyperLogLog`: the analysis of a near-optimal cardinality
//! estimation algorithm", 2007, with 64-bit hashes, so that the correction for large numbers falls
//! away; Vitter, "Random sampling with a reservoir", 1985.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};

use lightning_db_storage::Slice;
use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_64;

use super::query::Target;
use crate::error::Result;

/// Registers of a counter, as a power of two: the standard error is 1.6 %.
const REGISTER_BITS: u32 = 12;
const REGISTERS: usize = 1 << REGISTER_BITS;

/// Keys in the sample.
const SAMPLE_LEN: usize = 1_024;

/// Bytes that are kept of a key.
const SAMPLED_BYTES: usize = 64;

/// Counts different keys.
#[derive(Debug)]
struct Distinct {
    registers: Box<[AtomicU8]>,
    /// Of the registers, kept up so that an estimate costs nothing.
    sums: Mutex<Sums>,
}

#[derive(Debug, Clone, Copy)]
struct Sums {
    /// Sum of two to the power of minus each register.
    inverse: f64,
    zeros: f64,
}

#[expect(clippy::cast_precision_loss, reason = "4,096 is small")]
const COUNT: f64 = REGISTERS as f64;

impl Distinct {
    fn new() -> Self {
        let registers = (0..REGISTERS).map(|_| AtomicU8::new(0)).collect();
        Self { registers, sums: Mutex::new(Sums { inverse: COUNT, zeros: COUNT }) }
    }

    fn add(&self, hash: u64) {
        let register = usize::try_from(hash >> (64 - REGISTER_BITS)).unwrap_or(0);
        let rank = (hash << REGISTER_BITS).leading_zeros().min(64 - REGISTER_BITS) + 1;
        let rank = u8::try_from(rank).unwrap_or(u8::MAX);
        let register = &self.registers[register];
        if register.load(Ordering::Relaxed) >= rank {
            return;
        }
        let mut sums = self.sums.lock();
        let before = register.load(Ordering::Relaxed);
        if before < rank {
            register.store(rank, Ordering::Relaxed);
            sums.inverse += power(rank) - power(before);
            sums.zeros -= if before == 0 { 1.0 } else { 0.0 };
        }
    }

    fn count(&self) -> f64 {
        let Sums { inverse, zeros } = *self.sums.lock();
        let raw = 0.7213 / (1.0 + 1.079 / COUNT) * COUNT * COUNT / inverse;
        let few = raw <= 2.5 * COUNT && zeros > 0.0;
        if few { COUNT * (COUNT / zeros).ln() } else { raw }
    }

    fn clear(&self) {
        let mut sums = self.sums.lock();
        self.registers.iter().for_each(|register| register.store(0, Ordering::Relaxed));
        *sums = Sums { inverse: COUNT, zeros: COUNT };
    }
}

/// Two to the power of minus `rank`.
fn power(rank: u8) -> f64 {
    f64::powi(0.5, rank.into())
}

#[derive(Debug, Default)]
struct Sample {
    keys: Vec<Box<[u8]>>,
    /// Keys that it was drawn from.
    seen: u64,
    /// The keys, sorted, as they were not long ago.
    sorted: Arc<[Box<[u8]>]>,
    /// Keys put in since.
    behind: usize,
}

#[derive(Debug)]
pub(super) struct Sketch {
    distinct: Box<[Distinct]>,
    sample: Mutex<Sample>,
    entries: AtomicI64,
    /// Entries taken out since it was rebuilt.
    removed: AtomicU64,
    changes: AtomicU64,
    ready: AtomicBool,
}

impl Sketch {
    /// One for keys of so many parts. If there are entries, it must be rebuilt.
    pub(super) fn new(parts: usize, entries: u64) -> Self {
        Self {
            distinct: (0..parts).map(|_| Distinct::new()).collect(),
            sample: Mutex::default(),
            entries: AtomicI64::new(i64::try_from(entries).unwrap_or(i64::MAX)),
            removed: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            ready: AtomicBool::new(entries == 0),
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Whether it is worth the reading of all keys to rebuild it.
    pub(super) fn is_stale(&self) -> bool {
        let changes = self.changes.load(Ordering::Relaxed);
        !self.is_ready() || changes > 1_000 + self.entries() / 5
    }

    pub(super) fn entries(&self) -> u64 {
        u64::try_from(self.entries.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// At most so many entries: those that were taken out may be back after a rollback.
    pub(super) fn entries_max(&self) -> u64 {
        self.entries() + self.removed.load(Ordering::Relaxed)
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        (self.distinct.len() * REGISTERS + 2 * SAMPLE_LEN * SAMPLED_BYTES) as u64
    }

    /// Notes that there are more entries, or fewer.
    pub(super) fn count(&self, more: i64) {
        self.entries.fetch_add(more, Ordering::Relaxed);
        if more < 0 {
            self.removed.fetch_add(more.unsigned_abs(), Ordering::Relaxed);
        }
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a key whose parts end at `ends`.
    pub(super) fn observe(&self, key: &[u8], ends: impl IntoIterator<Item = usize>) {
        let mut hash = 0;
        for (distinct, end) in self.distinct.iter().zip(ends) {
            hash = xxh3_64(key.get(..end).unwrap_or(key));
            distinct.add(hash);
        }
        let mut sample = self.sample.lock();
        sample.seen += 1;
        // The key's hash and its number draw its place: nothing else is random here.
        let drawn = xxh3_64(&(hash ^ sample.seen).to_le_bytes());
        let place = (u128::from(drawn) * u128::from(sample.seen)) >> 64;
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let kept = || key[..key.len().min(SAMPLED_BYTES)].into();
        if sample.keys.len() < SAMPLE_LEN {
            sample.keys.push(kept());
        } else if let Some(slot) = sample.keys.get_mut(place) {
            *slot = kept();
        } else {
            return;
        }
        sample.behind += 1;
    }

    /// Reads it anew from all keys.
    pub(super) fn rebuild(
        &self,
        keys: impl IntoIterator<Item = Result<Slice>>,
        ends: impl Fn(&[u8]) -> Vec<usize>,
    ) -> Result<()> {
        self.distinct.iter().for_each(Distinct::clear);
        *self.sample.lock() = Sample::default();
        self.changes.store(0, Ordering::Relaxed);
        self.removed.store(0, Ordering::Relaxed);
        let mut entries = 0;
        for key in keys {
            let key = key?;
            self.observe(&key, ends(&key));
            entries += 1;
        }
        self.entries.store(entries, Ordering::Relaxed);
        self.ready.store(true, Ordering::Release);
        Ok(())
    }

    /// Different keys of the first `parts` parts; one if these are none.
    pub(super) fn distinct(&self, parts: usize) -> f64 {
        match parts.checked_sub(1).and_then(|part| self.distinct.get(part)) {
            Some(distinct) => distinct.count().max(1.0),
            None => 1.0,
        }
    }

    /// Keys of the sample within targets, and keys in it.
    pub(super) fn sampled(&self, targets: &[Target]) -> (usize, usize) {
        let sorted = {
            let mut sample = self.sample.lock();
            if sample.behind * 16 > sample.sorted.len() {
                let mut keys = sample.keys.clone();
                keys.sort_unstable();
                sample.sorted = keys.into();
                sample.behind = 0;
            }
            Arc::clone(&sample.sorted)
        };
        let within = targets.iter().map(|target| {
            let start = sorted.partition_point(|key| **key < *target.start());
            let rest = &sorted[start..];
            rest.partition_point(|key| target.reaches(key))
        });
        (within.sum(), sorted.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_keys_are_counted_within_five_in_a_hundred() {
        for wanted in [10_u64, 1_000, 10_000, 20_000, 200_000] {
            let distinct = Distinct::new();
            for _ in 0..2 {
                (0..wanted).for_each(|key| distinct.add(xxh3_64(&key.to_le_bytes())));
            }
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let ratio = distinct.count() / wanted as f64;
            assert!((0.95..1.05).contains(&ratio), "{wanted}: {ratio}");
        }
    }

    #[test]
    fn the_sample_is_drawn_evenly() {
        let sketch = Sketch::new(1, 0);
        for key in 0..100_000_u32 {
            sketch.observe(&key.to_be_bytes(), [4]);
        }
        let end = std::ops::Bound::Excluded(25_000_u32.to_be_bytes().to_vec());
        let (found, all) = sketch.sampled(&[Target::Range((vec![0], end))]);
        assert_eq!(all, SAMPLE_LEN);
        assert!((200..312).contains(&found), "{found}");
    }
}
