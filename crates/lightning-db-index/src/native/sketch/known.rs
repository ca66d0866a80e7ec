//! Keys counted, their different first parts counted, and a sample of them.
//!
//! Sources: Flajolet and others, "`HyperLogLog`: the analysis of a near-optimal cardinality
//! estimation algorithm", 2007, with 64-bit hashes, so that the correction for large numbers falls
//! away; Vitter, "Random sampling with a reservoir", 1985.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

/// Registers of a counter, as a power of two: the standard error is 1.6 %.
const REGISTER_BITS: u32 = 12;
const REGISTERS: usize = 1 << REGISTER_BITS;

/// Keys in the sample.
pub(super) const SAMPLE_LEN: usize = 1_024;

/// Bytes that are kept of a key.
const SAMPLED_BYTES: usize = 64;

/// Counts different keys.
#[derive(Debug)]
struct Distinct {
    registers: Box<[u8]>,
    /// Sum of two to the power of minus each register, kept up so that an estimate costs nothing.
    inverse: f64,
    /// Registers that are zero.
    zeros: f64,
}

#[expect(clippy::cast_precision_loss, reason = "4,096 is small")]
const COUNT: f64 = REGISTERS as f64;

impl Distinct {
    fn new() -> Self {
        Self { registers: vec![0; REGISTERS].into(), inverse: COUNT, zeros: COUNT }
    }

    fn add(&mut self, hash: u64) {
        let register = usize::try_from(hash >> (64 - REGISTER_BITS)).unwrap_or(0);
        let rank = (hash << REGISTER_BITS).leading_zeros().min(64 - REGISTER_BITS) + 1;
        self.raise(register, u8::try_from(rank).unwrap_or(u8::MAX));
    }

    fn raise(&mut self, register: usize, rank: u8) {
        let before = std::mem::replace(&mut self.registers[register], rank);
        if before >= rank {
            self.registers[register] = before;
            return;
        }
        self.inverse += power(rank) - power(before);
        self.zeros -= if before == 0 { 1.0 } else { 0.0 };
    }

    fn count(&self) -> f64 {
        let raw = 0.7213 / (1.0 + 1.079 / COUNT) * COUNT * COUNT / self.inverse;
        let few = raw <= 2.5 * COUNT && self.zeros > 0.0;
        if few { COUNT * (COUNT / self.zeros).ln() } else { raw }
    }

    fn merge(&mut self, other: &Self) {
        for (register, rank) in other.registers.iter().enumerate() {
            self.raise(register, *rank);
        }
    }
}

/// Two to the power of minus `rank`.
fn power(rank: u8) -> f64 {
    f64::powi(0.5, rank.into())
}

/// A number below a bound, drawn by what is given: nothing else is random here.
fn draw(from: u64, bound: u64) -> u64 {
    let drawn = xxh3_64(&from.to_le_bytes());
    u64::try_from((u128::from(drawn) * u128::from(bound)) >> 64).unwrap_or(0)
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

impl Sample {
    /// Takes a key, or not.
    fn offer(&mut self, hash: u64, key: &[u8]) {
        self.seen += 1;
        let place = usize::try_from(draw(hash ^ self.seen, self.seen)).unwrap_or(usize::MAX);
        if self.keys.len() < SAMPLE_LEN {
            self.keys.push(key.into());
        } else if let Some(slot) = self.keys.get_mut(place) {
            *slot = key.into();
        } else {
            return;
        }
        self.behind += 1;
    }

    /// Becomes a sample of what both were drawn from.
    fn merge(&mut self, other: &Self) {
        let mut sides =
            [(std::mem::take(&mut self.keys), self.seen), (other.keys.clone(), other.seen)];
        self.seen += other.seen;
        while self.keys.len() < SAMPLE_LEN {
            let left = sides[0].1 + sides[1].1;
            let drawn = left.wrapping_mul(SAMPLE_LEN as u64) ^ self.keys.len() as u64;
            let wanted = usize::from(draw(drawn, left) >= sides[0].1);
            let side = if sides[wanted].0.is_empty() { 1 - wanted } else { wanted };
            let (keys, seen) = &mut sides[side];
            if keys.is_empty() {
                break;
            }
            let at = usize::try_from(draw(!drawn, keys.len() as u64)).unwrap_or(0);
            self.keys.push(keys.swap_remove(at));
            *seen = seen.saturating_sub(1);
        }
        self.behind = self.keys.len();
    }

    fn sorted(&mut self) -> Arc<[Box<[u8]>]> {
        if self.behind * 16 > self.sorted.len() {
            let mut keys = self.keys.clone();
            keys.sort_unstable();
            self.sorted = keys.into();
            self.behind = 0;
        }
        Arc::clone(&self.sorted)
    }
}

/// What is kept of a key until it counts.
#[derive(Debug)]
pub(in crate::native) struct Observed {
    /// Of its first part, of its first two, and so on.
    hashes: Box<[u64]>,
    start: Box<[u8]>,
}

impl Observed {
    /// Of a key whose parts end at `ends`.
    pub(in crate::native) fn new(key: &[u8], ends: impl IntoIterator<Item = usize>) -> Self {
        let hashes = ends.into_iter().map(|end| hash_of(key, end)).collect();
        Self { hashes, start: start(key).into() }
    }
}

fn hash_of(key: &[u8], end: usize) -> u64 {
    xxh3_64(key.get(..end).unwrap_or(key))
}

fn start(key: &[u8]) -> &[u8] {
    &key[..key.len().min(SAMPLED_BYTES)]
}

/// What is known of the keys of an index.
#[derive(Debug)]
pub(in crate::native) struct Known {
    distinct: Box<[Distinct]>,
    sample: Sample,
    /// Entries; of changes alone, how many more.
    pub(super) entries: i64,
}

impl Known {
    /// Of no keys; they have so many parts.
    pub(in crate::native) fn new(parts: usize) -> Self {
        let distinct = (0..parts).map(|_| Distinct::new()).collect();
        Self { distinct, sample: Sample::default(), entries: 0 }
    }

    /// Adds a key whose parts end at `ends` to all but the count.
    pub(in crate::native) fn observe(&mut self, key: &[u8], ends: impl IntoIterator<Item = usize>) {
        let mut hash = 0;
        for (distinct, end) in self.distinct.iter_mut().zip(ends) {
            hash = hash_of(key, end);
            distinct.add(hash);
        }
        self.sample.offer(hash, start(key));
    }

    /// Adds a change: so many entries more, and what was kept of a key.
    pub(super) fn apply(&mut self, more: i64, observed: Option<&Observed>) {
        self.entries += more;
        let Some(Observed { hashes, start }) = observed else { return };
        for (distinct, hash) in self.distinct.iter_mut().zip(hashes) {
            distinct.add(*hash);
        }
        self.sample.offer(hashes.last().copied().unwrap_or(0), start);
    }

    /// Adds what another one knows of other keys.
    pub(super) fn merge(&mut self, other: &Self) {
        self.entries += other.entries;
        for (own, others) in self.distinct.iter_mut().zip(&other.distinct) {
            own.merge(others);
        }
        self.sample.merge(&other.sample);
    }

    /// Different keys of the first `parts` parts; one if these are none.
    pub(super) fn distinct(&self, parts: usize) -> f64 {
        match parts.checked_sub(1).and_then(|part| self.distinct.get(part)) {
            Some(distinct) => distinct.count().max(1.0),
            None => 1.0,
        }
    }

    /// The sample, sorted.
    pub(super) fn sorted(&mut self) -> Arc<[Box<[u8]>]> {
        self.sample.sorted()
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        (self.distinct.len() * REGISTERS + 2 * SAMPLE_LEN * SAMPLED_BYTES) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(keys: impl IntoIterator<Item = u32>) -> Known {
        let mut known = Known::new(1);
        for key in keys {
            known.observe(&key.to_be_bytes(), [4]);
            known.entries += 1;
        }
        known
    }

    #[test]
    fn different_keys_are_counted_within_five_in_a_hundred() {
        for wanted in [10_u32, 1_000, 10_000, 20_000, 200_000] {
            let counted = known((0..2).flat_map(|_| 0..wanted)).distinct(1);
            let ratio = counted / f64::from(wanted);
            assert!((0.95..1.05).contains(&ratio), "{wanted}: {ratio}");
        }
    }

    fn below(known: &mut Known, end: u32) -> usize {
        known.sorted().partition_point(|key| **key < end.to_be_bytes()[..])
    }

    #[test]
    fn the_sample_is_drawn_evenly() {
        let mut known = known(0..100_000);
        assert_eq!(known.sorted().len(), SAMPLE_LEN);
        let found = below(&mut known, 25_000);
        assert!((200..312).contains(&found), "{found}");
    }

    /// What both were drawn from is in the sample by its share, however few of it were drawn.
    #[test]
    fn merged_samples_are_drawn_evenly() {
        for split in [100_u32, 1_000, 5_000, 50_000, 90_000, 99_500] {
            let mut both = known(0..split);
            both.merge(&known(split..100_000));
            assert_eq!((both.entries, both.sorted().len()), (100_000, SAMPLE_LEN));
            let wanted = f64::from(split) / 100_000.0 * 1_024.0;
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let off = (below(&mut both, split) as f64 - wanted).abs();
            assert!(off <= 4.0 * wanted.sqrt().max(1.0), "{split}: {off} off {wanted}");
            let distinct = both.distinct(1);
            assert!((95_000.0..105_000.0).contains(&distinct), "{distinct}");
        }
        let mut few = known(0..10);
        few.merge(&known(10..30));
        assert_eq!(few.sorted().len(), 30);
    }
}
