//! Randomness as a value: [`SystemRng`] differs in each run, [`SeededRng`] repeats from its seed.
//!
//! Both are `SplitMix64` over an atomic counter, so that a generator is shared without a lock: one
//! draw is one atomic addition and a few multiplications. Good for jitter, sampling, balancing and
//! tests; neither is fit for secrets.
//!
//! Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.

use std::collections::hash_map::RandomState;
use std::fmt::Debug;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of random numbers.
///
/// # Examples
/// ```
/// use lightning_db_types::{Rng, SeededRng};
/// let (one, two) = (SeededRng::new(42), SeededRng::new(42));
/// assert_eq!(one.next_u64(), two.next_u64());
/// assert!(one.below(6) < 6);
/// ```
pub trait Rng: Debug + Send + Sync {
    /// The next number, each of the 2^64 equally likely.
    fn next_u64(&self) -> u64;

    /// A number in `0..bound`; zero if `bound` is zero. The bias is below `bound / 2^64`.
    fn below(&self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        // The upper half of the product, which is below `bound` and fits.
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// True once in `n` draws on average; never if `n` is zero.
    fn one_in(&self, n: u64) -> bool {
        n > 0 && self.below(n) == 0
    }
}

impl<R: Rng + ?Sized> Rng for Arc<R> {
    fn next_u64(&self) -> u64 {
        (**self).next_u64()
    }
}

/// A generator that gives the same numbers for the same seed, on every machine.
///
/// Shared between threads, each number is drawn once, but which thread gets which is up to the
/// scheduler: a replayable run gives each thread its own.
#[derive(Debug)]
pub struct SeededRng {
    state: AtomicU64,
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl SeededRng {
    /// A generator from its seed; every seed is as good as any other.
    pub fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }
}

impl Rng for SeededRng {
    #[inline]
    fn next_u64(&self) -> u64 {
        let state = self.state.fetch_add(GOLDEN, Ordering::Relaxed).wrapping_add(GOLDEN);
        mix(state)
    }
}

fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A generator seeded by the operating system, through the keys of std's hash maps.
#[derive(Debug)]
pub struct SystemRng {
    seeded: SeededRng,
}

impl SystemRng {
    /// A generator whose numbers differ from those of any other one.
    pub fn new() -> Self {
        Self { seeded: SeededRng::new(RandomState::new().hash_one(GOLDEN)) }
    }
}

impl Default for SystemRng {
    fn default() -> Self {
        Self::new()
    }
}

impl Rng for SystemRng {
    #[inline]
    fn next_u64(&self) -> u64 {
        self.seeded.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::{Rng, SeededRng, SystemRng};

    #[test]
    fn first_numbers_are_those_of_the_published_generator() {
        let rng = SeededRng::new(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(
            drawn,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn below_stays_below_and_reaches_all() {
        let rng = SeededRng::new(1);
        let mut seen = [0_u32; 10];
        for _ in 0..10_000 {
            seen[usize::try_from(rng.below(10)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&count| (800..1_200).contains(&count)), "{seen:?}");
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
        assert!(!rng.one_in(0));
        assert!(rng.one_in(1));
    }

    #[test]
    fn two_system_generators_differ() {
        assert_ne!(SystemRng::new().next_u64(), SystemRng::default().next_u64());
    }
}
