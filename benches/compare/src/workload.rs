//! Keys and values, made from their index alone, so that every engine and every run sees the
//! same bytes in the same order.

/// Bytes of a key.
pub(crate) const KEY_LEN: usize = 16;

/// A key: 16 ASCII bytes.
pub(crate) type Key = [u8; KEY_LEN];

/// Bytes of an ordinary value.
pub(crate) const VALUE_LEN: usize = 100;

/// Bytes of a large value.
pub(crate) const LARGE_VALUE_LEN: usize = 100_000;

/// Values repeat their first half within pieces of this many bytes: half compressible at every
/// block size, as `db_bench` does at a compression ratio of 0.5.
const PIECE_LEN: usize = 100;

/// Mixes the bits of `index` (the finaliser of `SplitMix64`). It is a bijection, so distinct
/// indices give distinct keys.
#[inline]
pub(crate) const fn mix(index: u64) -> u64 {
    let mut bits = index.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The key of `index` in ascending order: 16 decimal digits.
pub(crate) fn sequential_key(index: u64) -> Key {
    let mut key = [b'0'; KEY_LEN];
    let mut rest = index;
    for digit in key.iter_mut().rev() {
        *digit = DIGITS[(rest % 10) as usize];
        rest /= 10;
    }
    key
}

/// The key of `index` in uniformly random order: 16 hex digits of its hash.
#[inline]
pub(crate) fn random_key(index: u64) -> Key {
    let mut key = [0; KEY_LEN];
    let mut rest = mix(index);
    for digit in &mut key {
        *digit = DIGITS[(rest >> 60) as usize];
        rest <<= 4;
    }
    key
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A seeded generator (`SplitMix64`): fast enough to stand inside a timed loop.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// A generator whose whole sequence follows from `seed`.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// The next 64 bits.
    #[inline]
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`, which is above zero. The bias of the multiplication is below
    /// 2^-32 for the bounds used here.
    #[inline]
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        ((self.next() as u128 * bound as u128) >> 64) as u64
    }

    /// An index into a slice of `len` items, which is not empty.
    #[expect(clippy::cast_possible_truncation, reason = "below a number that is a usize")]
    pub(crate) const fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }
}

/// Prepared values, so that making them is not part of what is timed.
#[derive(Debug)]
pub(crate) struct Values {
    bytes: Vec<u8>,
    len: usize,
    count: usize,
}

impl Values {
    /// The pool for ordinary values: 4 MB. Its length is prime, so that it meets the key counts
    /// in ever new pairs.
    pub(crate) fn small() -> Self {
        Self::new(VALUE_LEN, 40_009)
    }

    /// The pool for large values: 21 MB.
    pub(crate) fn large() -> Self {
        Self::new(LARGE_VALUE_LEN, 211)
    }

    fn new(len: usize, count: usize) -> Self {
        let mut rng = Rng::new(len as u64);
        let mut bytes = Vec::with_capacity(len * count + PIECE_LEN);
        while bytes.len() < len * count {
            let half = bytes.len()..bytes.len() + PIECE_LEN / 2;
            while bytes.len() < half.end {
                bytes.extend_from_slice(&rng.next().to_le_bytes());
            }
            bytes.truncate(half.end);
            bytes.extend_from_within(half);
        }
        bytes.truncate(len * count);
        Self { bytes, len, count }
    }

    /// The value of `index`.
    #[expect(clippy::cast_possible_truncation, reason = "below the number of values in memory")]
    #[inline]
    pub(crate) fn of(&self, index: u64) -> &[u8] {
        let start = (index % self.count as u64) as usize * self.len;
        &self.bytes[start..start + self.len]
    }
}

/// The keys of one run, made before anything is timed.
#[derive(Debug)]
pub(crate) struct Keys {
    /// Ascending.
    pub sequential: Vec<Key>,
    /// In the random order in which they are inserted.
    pub random: Vec<Key>,
    /// The random keys in a second random order, laid out in memory in the order of use, so that
    /// reading them costs the harness no cache misses.
    pub shuffled: Vec<Key>,
}

impl Keys {
    /// The first `count` keys of both kinds.
    pub(crate) fn new(count: u64) -> Self {
        let random: Vec<Key> = (0..count).map(random_key).collect();
        let mut shuffled = random.clone();
        let mut rng = Rng::new(count);
        for last in (1..shuffled.len()).rev() {
            shuffled.swap(last, rng.index(last + 1));
        }
        Self { sequential: (0..count).map(sequential_key).collect(), random, shuffled }
    }
}

/// Reads a value: one word of each cache line, which brings all of it to the processor.
#[inline]
pub(crate) fn touch(value: &[u8]) -> u64 {
    value.chunks(64).fold(0, |sum, line| {
        let word = line.first_chunk::<8>().map_or(u64::from(line[0]), |w| u64::from_le_bytes(*w));
        sum.wrapping_add(word)
    })
}

/// The change of a read-modify-write: `old` with one added to its first eight bytes.
#[inline]
pub(crate) fn bump(old: &[u8], new: &mut Vec<u8>) {
    new.clear();
    new.extend_from_slice(old);
    if let Some(head) = new.first_chunk_mut::<8>() {
        *head = u64::from_le_bytes(*head).wrapping_add(1).to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn sequential_keys_ascend_and_are_decimal() {
        assert_eq!(&sequential_key(0), b"0000000000000000");
        assert_eq!(&sequential_key(1_234_567), b"0000000001234567");
        assert!(sequential_key(9) < sequential_key(10));
    }

    #[test]
    fn random_keys_are_hex_distinct_and_repeatable() {
        let keys: BTreeSet<Key> = (0..10_000).map(random_key).collect();
        assert_eq!(keys.len(), 10_000);
        assert!(keys.iter().flatten().all(u8::is_ascii_hexdigit));
        assert_eq!(random_key(77), random_key(77));
        let expected = format!("{:016x}", mix(77));
        assert_eq!(random_key(77).as_slice(), expected.as_bytes());
    }

    #[test]
    fn random_keys_spread_evenly_over_the_first_digit() {
        let mut counts = [0_u32; 16];
        for index in 0..16_000 {
            let digit = random_key(index)[0];
            counts[DIGITS.iter().position(|d| *d == digit).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }

    #[test]
    fn shuffled_keys_are_the_random_keys_in_another_order() {
        let keys = Keys::new(1_000);
        assert_ne!(keys.random, keys.shuffled);
        let set = |keys: &[Key]| keys.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(set(&keys.random), set(&keys.shuffled));
        assert!(keys.sequential.is_sorted());
    }

    #[test]
    fn values_are_repeatable_and_half_repeated() {
        for values in [Values::small(), Values::large()] {
            let value = values.of(5);
            assert_eq!(value.len(), values.len);
            assert_eq!(value, values.of(5));
            assert_ne!(value, values.of(6));
            for piece in value.chunks(PIECE_LEN) {
                assert_eq!(piece[..50], piece[50..]);
            }
            let distinct: BTreeSet<u8> = value[..50].iter().copied().collect();
            assert!(distinct.len() > 30, "the first half is random");
        }
    }

    #[test]
    fn rng_follows_its_seed_and_keeps_its_bound() {
        let draw = |seed| {
            let mut rng = Rng::new(seed);
            (0..100).map(|_| rng.below(10)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert!(draw(3).iter().all(|n| *n < 10));
    }

    #[test]
    fn touch_reads_every_line() {
        let mut value = vec![0; 200];
        assert_eq!(touch(&value), 0);
        value[192] = 7;
        assert_eq!(touch(&value), 7);
        assert_eq!(touch(&[]), 0);
    }

    #[test]
    fn bump_adds_one_and_keeps_the_rest() {
        let mut new = Vec::new();
        bump(&[255, 0, 0, 0, 0, 0, 0, 0, 9], &mut new);
        assert_eq!(new, [0, 1, 0, 0, 0, 0, 0, 0, 9]);
        bump(b"ab", &mut new);
        assert_eq!(new, b"ab");
    }
}
