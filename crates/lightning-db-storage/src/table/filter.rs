//! Blocked Bloom filter over the distinct keys of a table, and the hash that feeds it.
//!
//! All bits of a key lie in one 64-byte line, so that a question costs one cache miss. Ten bits per
//! key and six bits set give about 1 % false positives (the test below measures it). Source: Putze,
//! Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007, section 3.

pub(crate) const BITS_PER_KEY: u64 = 10;
const LINE_BITS: u64 = 512;
const LINE_LEN: usize = 64;
/// Each probe takes nine bits of the mixed hash: six need 54 of 64.
const PROBES: u32 = 6;
const PROBE_BITS: u32 = 9;
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

const K0: u64 = 0x2d35_8dcc_aa6c_78a5;
const K1: u64 = 0x8bb8_4b93_962e_acc9;
const K2: u64 = 0x4b33_a62e_d433_d4a3;

/// Hash of a key. It is stored in filters, so it is the same on every machine and for ever. The
/// folded multiplication and its constants are those of wyhash (Wang Yi).
#[inline]
pub(crate) fn hash_key(key: &[u8]) -> u64 {
    let mut seed = K0;
    let len = key.len();
    let (first, last) =
        if let (Some(first), Some(last)) = (key.first_chunk::<8>(), key.last_chunk::<8>()) {
            // Whole 16-byte words but for the last one, which the two words below cover again.
            let mut rest = key;
            while let Some((word, tail)) = rest.split_first_chunk::<16>() {
                if tail.is_empty() {
                    break;
                }
                seed = fold(low(word) ^ K1, high(word) ^ seed);
                rest = tail;
            }
            match key.last_chunk::<16>() {
                Some(word) => (low(word), high(word)),
                None => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            }
        } else if let (Some(first), Some(last)) = (key.first_chunk::<4>(), key.last_chunk::<4>()) {
            (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)))
        } else if let (Some(first), Some(last)) = (key.first(), key.last()) {
            (u64::from(*first) << 8 | u64::from(*last), u64::from(key[len / 2]))
        } else {
            (0, 0)
        };
    let mixed = fold(first ^ K1, last ^ seed);
    fold(mixed ^ K2, len as u64 ^ K1)
}

#[inline]
fn low(word: &[u8; 16]) -> u64 {
    word.first_chunk().map_or(0, |half| u64::from_le_bytes(*half))
}

#[inline]
fn high(word: &[u8; 16]) -> u64 {
    word.last_chunk().map_or(0, |half| u64::from_le_bytes(*half))
}

/// Both halves of the 128-bit product, which together depend on every bit of both factors.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves are what is wanted")]
    let (low, high) = (product as u64, (product >> 64) as u64);
    low ^ high
}

/// One cache line of bits.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Line([u64; LINE_LEN / 8]);

/// Answers "surely not there" or "perhaps there".
#[derive(Debug)]
pub(super) struct Filter {
    lines: Box<[Line]>,
}

impl Filter {
    /// Builds from the hashes of the distinct keys.
    pub(super) fn build(hashes: &[u64]) -> Self {
        let lines = (hashes.len() as u64 * BITS_PER_KEY).div_ceil(LINE_BITS);
        let lines = usize::try_from(lines).unwrap_or(usize::MAX);
        let mut filter = Self { lines: vec![Line([0; LINE_LEN / 8]); lines].into() };
        for hash in hashes {
            let at = filter.line(*hash);
            if let Some(line) = filter.lines.get_mut(at) {
                for bit in probes(*hash) {
                    line.0[bit / 64] |= 1 << (bit % 64);
                }
            }
        }
        filter
    }

    /// False only if no key of this hash was given to [`build`](Self::build).
    #[inline]
    pub(super) fn may_contain(&self, hash: u64) -> bool {
        let Some(line) = self.lines.get(self.line(hash)) else {
            return false;
        };
        probes(hash).all(|bit| line.0[bit / 64] & 1 << (bit % 64) != 0)
    }

    /// Line of a hash: its upper half, scaled; the lower half chooses the bits.
    #[inline]
    fn line(&self, hash: u64) -> usize {
        usize::try_from(((hash >> 32) * self.lines.len() as u64) >> 32).unwrap_or(usize::MAX)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for word in self.lines.iter().flat_map(|line| line.0) {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// Decodes the whole of `bytes`; `None` if they are no filter.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (lines, rest) = bytes.as_chunks::<LINE_LEN>();
        let line = |line: &[u8; LINE_LEN]| {
            let mut words = [0; LINE_LEN / 8];
            for (word, bytes) in words.iter_mut().zip(line.as_chunks().0) {
                *word = u64::from_le_bytes(*bytes);
            }
            Line(words)
        };
        rest.is_empty().then(|| Self { lines: lines.iter().map(line).collect() })
    }

    /// Bytes held in memory.
    pub(super) fn memory(&self) -> usize {
        self.lines.len() * LINE_LEN
    }
}

/// Bits of a hash within its line.
#[inline]
fn probes(hash: u64) -> impl Iterator<Item = usize> {
    let mixed = (hash & 0xffff_ffff).wrapping_mul(MIX);
    (1..=PROBES).map(move |probe| {
        let shifted = mixed >> (64 - PROBE_BITS * probe);
        usize::try_from(shifted & (LINE_BITS - 1)).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_of_a_key_never_changes() {
        let key: Vec<u8> = (0..100).collect();
        let lens = [0, 1, 3, 4, 7, 8, 15, 16, 17, 32, 33, 100];
        let hashes = lens.map(|len| hash_key(&key[..len]));
        assert_eq!(hashes, GOLDEN);
    }

    const GOLDEN: [u64; 12] = [
        0x62db_e5f5_0730_84d8,
        0xe4a9_7bdb_2b99_58d1,
        0x9d91_4881_e104_e04b,
        0x5584_a3e9_9d78_228f,
        0xa3c8_ad59_3ffc_53f9,
        0xe4d3_c296_a4ce_31b6,
        0x364d_f354_4316_746b,
        0x0568_5686_bf5f_0010,
        0xe0f8_202b_fde9_ba10,
        0x3f55_f763_3b13_178a,
        0x0c29_1d5c_97b0_1b17,
        0xa04f_bb6e_46c1_98d7,
    ];

    #[test]
    fn hashes_of_similar_keys_differ_in_half_of_their_bits() {
        for len in [1_usize, 3, 5, 8, 16, 20, 40] {
            for bit in 0..len * 8 {
                let key = vec![0x5a; len];
                let mut other = key.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                let differ = (hash_key(&key) ^ hash_key(&other)).count_ones();
                assert!((12..=52).contains(&differ), "len {len}, bit {bit}: {differ} bits differ");
            }
        }
    }

    #[test]
    fn filter_has_no_false_negative_and_about_one_percent_false_positives() {
        for count in [0_u64, 1, 5, 52, 1_000, 200_000] {
            let hash = |key: u64| hash_key(format!("user/{key:010}").as_bytes());
            let hashes: Vec<u64> = (0..count).map(hash).collect();
            let filter = Filter::build(&hashes);
            assert!(hashes.iter().all(|hash| filter.may_contain(*hash)));
            let mut bytes = Vec::new();
            filter.encode(&mut bytes);
            assert_eq!(bytes.len(), filter.memory());
            let filter = Filter::decode(&bytes).unwrap();
            let absent = (count..count + 100_000).filter(|key| filter.may_contain(hash(*key)));
            let wrong = absent.count();
            let limit = if count < 1_000 { 2_500 } else { 1_500 };
            assert!(wrong < limit, "{count} keys: {wrong} of 100000 are false positives");
        }
    }
}
