//! A Bloom filter that grows: when a block is full, a larger and stricter one is put beside it.
//!
//! Source: Almeida and others, "Scalable Bloom filters", 2007. Each block is a [`Bloom`] of the
//! `bloomfilter` crate, fed with 64-bit hashes of our own, since those of the standard library are
//! not the same everywhere. The crate hashes with the two halves of a seed and steps by the second
//! hash: with equal halves all steps of a key are one, and it lets through many times more than it
//! should. So seeds are drawn here, and their halves differ.

use bloomfilter::Bloom;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Each block takes so many times more keys than the one before it.
const GROWTH: u64 = 2;
/// Each block lets through so much less than the one before it.
const TIGHTENING: f64 = 0.5;
/// Length of what a [`Bloom`] writes before its bits.
const HEADER_LEN: usize = 45;

/// One filter of fixed size.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) bloom: Bloom<u64>,
    /// Keys that were put in and not there before.
    pub(super) items: u64,
    /// Keys for which it was made: it is half full then.
    pub(super) capacity: u64,
    /// Share of absent keys that it is to let through when it is full.
    pub(super) rate: f64,
}

/// A filter of one or more blocks.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    pub(super) blocks: Vec<Block>,
    /// Makes the seeds of two indexes, and of two filters of one index, differ.
    pub(super) salt: u64,
}

/// A seed whose halves differ.
fn draw_seed(salt: u64, block: u64) -> [u8; 32] {
    let mut seed = [0; 32];
    let mut draw = 0;
    loop {
        for part in seed.chunks_exact_mut(8) {
            draw += 1;
            part.copy_from_slice(
                &xxh3_64_with_seed(&block.to_le_bytes(), salt ^ draw).to_le_bytes(),
            );
        }
        if is_sound_seed(&seed) {
            return seed;
        }
    }
}

/// Whether the halves of a seed differ.
pub(super) fn is_sound_seed(seed: &[u8; 32]) -> bool {
    seed[..16] != seed[16..]
}

/// Bytes of the bits of a block.
pub(super) fn block_len(capacity: u64, rate: f64) -> usize {
    let capacity = usize::try_from(capacity.max(1)).unwrap_or(usize::MAX);
    Bloom::<u64>::compute_bitmap_size(capacity, rate).max(8)
}

impl Block {
    fn new(capacity: u64, rate: f64, seed: &[u8; 32]) -> Option<Self> {
        let capacity = capacity.max(1);
        let keys = usize::try_from(capacity).ok()?;
        let bloom = Bloom::new_with_seed(block_len(capacity, rate), keys, seed).ok()?;
        Some(Self { bloom, items: 0, capacity, rate })
    }

    /// Bits that are set.
    pub(super) fn ones(&self) -> u64 {
        let bits = self.bloom.as_slice().get(HEADER_LEN..).unwrap_or_default();
        let (words, rest) = bits.as_chunks::<8>();
        let words = words.iter().map(|word| u64::from(u64::from_le_bytes(*word).count_ones()));
        let rest = rest.iter().map(|byte| u64::from(byte.count_ones()));
        words.sum::<u64>() + rest.sum::<u64>()
    }

    /// Share of bits that are set.
    pub(super) fn fill(&self) -> f64 {
        share(self.ones(), self.bloom.len())
    }

    /// Number of keys that make so many bits be set.
    pub(super) fn items_of(&self, ones: u64) -> f64 {
        let (bits, hashes) = (float(self.bloom.len()), f64::from(self.hashes()));
        -bits / hashes * (1.0 - share(ones, self.bloom.len())).ln()
    }

    pub(super) fn hashes(&self) -> u32 {
        self.bloom.number_of_hash_functions()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of bits are far below 2^52")]
fn float(number: u64) -> f64 {
    number as f64
}

fn share(part: u64, all: u64) -> f64 {
    float(part) / float(all.max(1))
}

impl Filter {
    /// An empty filter for so many keys.
    pub(super) fn new(capacity: u64, rate: f64, salt: u64) -> Self {
        let block = Block::new(capacity, rate, &draw_seed(salt, 0));
        Self { blocks: block.into_iter().collect(), salt }
    }

    /// Puts a key in.
    pub(super) fn insert(&mut self, hash: u64) {
        let Some((last, earlier)) = self.blocks.split_last_mut() else { return };
        if earlier.iter().any(|block| block.bloom.check(&hash)) {
            return;
        }
        if last.bloom.check_and_set(&hash) {
            return;
        }
        last.items += 1;
        if last.items >= last.capacity {
            let (capacity, rate) = (last.capacity.saturating_mul(GROWTH), last.rate * TIGHTENING);
            let seed = draw_seed(self.salt, self.blocks.len() as u64);
            self.blocks.extend(Block::new(capacity, rate, &seed));
        }
    }

    /// False if the key was certainly not put in.
    pub(super) fn may_contain(&self, hash: u64) -> bool {
        self.blocks.iter().any(|block| block.bloom.check(&hash))
    }

    /// Keys that were put in, each once, roughly.
    pub(super) fn items(&self) -> u64 {
        self.blocks.iter().map(|block| block.items).sum()
    }

    /// Bytes of all blocks.
    pub(super) fn bytes(&self) -> u64 {
        self.blocks.iter().map(|block| block.bloom.len() / 8).sum()
    }

    /// Share of absent keys that it lets through, as its fill makes expect.
    pub(super) fn false_positive_rate(&self) -> f64 {
        let passes = |block: &Block| 1.0 - block.fill().powf(f64::from(block.hashes()));
        1.0 - self.blocks.iter().map(passes).product::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lightning_db_types::{Rng, SeededRng};

    fn key(family: u64, index: u64) -> u64 {
        let bytes = match family {
            0 => index.to_be_bytes().to_vec(),
            1 => format!("user-{index}@example.org").into_bytes(),
            _ => (index << 32).to_le_bytes().to_vec(),
        };
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }

    /// Measured rate, over so many filters of different seed.
    fn measure(items: u64, rate: f64, filters: u64, probes: u64) -> (f64, f64) {
        let (mut passed, mut expected) = (0_u64, 0.0);
        for salt in 0..filters {
            let family = salt % 3;
            let mut filter = Filter::new(items, rate, 77 + salt);
            (0..items).for_each(|index| filter.insert(key(family, index)));
            assert!((0..items).all(|index| filter.may_contain(key(family, index))));
            filter.blocks.truncate(1);
            expected += filter.false_positive_rate() / float(filters);
            let absent = items..items + probes;
            passed += absent.filter(|index| filter.may_contain(key(family, *index))).count() as u64;
        }
        (float(passed) / float(filters * probes), expected)
    }

    #[test]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "600 / rate fits")]
    fn as_many_pass_as_theory_says() {
        for (items, filters) in [(1_000, 12), (10_000, 4), (100_000, 2), (1_000_000, 1)] {
            for rate in [1e-1, 1e-2, 1e-3, 1e-4] {
                if items == 1_000_000 && rate < 1e-3 {
                    // It takes too long here.
                    continue;
                }
                // About 600 are to pass, give or take 25.
                let probes = (600.0 / rate) as u64 / filters;
                let (measured, expected) = measure(items, rate, filters, probes);
                let (to_rate, to_fill) = (measured / rate, measured / expected);
                println!(
                    "{items} keys at {rate}: {to_rate:.3} of the rate, {to_fill:.3} of the fill's"
                );
                assert!((0.85..1.1).contains(&to_rate), "{items} at {rate}: {measured}");
                assert!((0.9..1.1).contains(&to_fill), "{items} at {rate}: {measured}, {expected}");
            }
        }
    }

    #[test]
    fn growth_forgets_nothing_and_stays_below_twice_the_rate() {
        let mut filter = Filter::new(1_000, 0.01, 5);
        for index in 0..50_000 {
            filter.insert(key(1, index));
        }
        assert!(filter.blocks.len() >= 5);
        assert!((0..50_000).all(|index| filter.may_contain(key(1, index))));
        let absent = 50_000..250_000_u64;
        let passed = absent.filter(|index| filter.may_contain(key(1, *index))).count();
        let measured = float(passed as u64) / 200_000.0;
        assert!(measured < 0.02, "{measured}");
        assert!((measured / filter.false_positive_rate() - 1.0).abs() < 0.1, "{measured}");
    }

    #[test]
    fn seeds_have_two_different_halves() {
        let rng = SeededRng::new(3);
        for _ in 0..1_000 {
            assert!(is_sound_seed(&draw_seed(rng.next_u64(), rng.below(9))));
        }
        assert!(!is_sound_seed(&[7; 32]) && !is_sound_seed(&[0; 32]));
    }

    /// The trap of the library that `is_sound_seed` keeps us from: see the module's head.
    #[test]
    fn equal_halves_of_a_seed_would_let_several_times_more_through() {
        let rate = |seed: &[u8; 32]| {
            let mut block = Block::new(20_000, 0.001, seed).unwrap();
            (0..20_000).for_each(|index| block.bloom.set(&key(0, index)));
            let absent = 20_000..220_000_u64;
            absent.filter(|index| block.bloom.check(&key(0, *index))).count()
        };
        assert!(rate(&[7; 32]) > 4 * rate(&draw_seed(1, 0)));
    }
}
