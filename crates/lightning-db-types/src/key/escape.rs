//! Bytes of any length inside a key: zero bytes are escaped, so that a zero can end them.
//!
//! A zero is written as `00 FF` and the end as `00 01`. Of two strings where one is the beginning
//! of the other, the shorter has its end mark where the longer has either a byte above zero or
//! `00 FF`: it sorts first, whatever follows. The cost is two bytes and one for each zero.

/// What ends a string.
pub(super) const END: [u8; 2] = [0x00, 0x01];

/// Second byte of an escaped zero.
const ZERO: u8 = 0xFF;

/// Appends `bytes` with zeros escaped, without the end mark.
#[inline]
pub(super) fn escape(mut bytes: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = find(bytes, 0) {
        out.extend_from_slice(&bytes[..=at]);
        out.push(ZERO);
        bytes = &bytes[at + 1..];
    }
    out.extend_from_slice(bytes);
}

/// What comes after the next escape byte.
pub(super) enum Found {
    /// The string ends; its bytes with escapes are `len` long, end mark not counted.
    End { len: usize },
    /// No escape ends so.
    BadEscape { at: usize },
    /// The bytes end first.
    Truncated,
}

/// Finds the end of an escaped string whose bytes are all combined with `mask` by exclusive or.
pub(super) fn find_end(bytes: &[u8], mask: u8) -> Found {
    let mut from = 0;
    loop {
        let Some(at) = find(&bytes[from..], mask) else {
            return Found::Truncated;
        };
        let at = from + at;
        match bytes.get(at + 1).map(|byte| byte ^ mask) {
            Some(ZERO) => from = at + 2,
            Some(byte) if byte == END[1] => return Found::End { len: at },
            Some(_) => return Found::BadEscape { at: at + 1 },
            None => return Found::Truncated,
        }
    }
}

/// The bytes of a string that [`find_end`] found whole.
pub(super) fn unescape(mut bytes: &[u8], mask: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    while let Some(at) = find(bytes, mask) {
        out.extend_from_slice(&bytes[..=at]);
        bytes = bytes.get(at + 2..).unwrap_or_default();
    }
    out.extend_from_slice(bytes);
    if mask != 0 {
        for byte in &mut out {
            *byte ^= mask;
        }
    }
    out
}

/// Index of the first byte that is `wanted`, eight at a time.
#[inline]
fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = LOW << 7;
    let (words, rest) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word) ^ (LOW * u64::from(wanted));
        // The lowest set bit marks the first byte that is zero; above it borrows may set more.
        let zeros = word.wrapping_sub(LOW) & !word & HIGH;
        if zeros != 0 {
            return Some(i * 8 + zeros.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|&byte| byte == wanted)?;
    Some(words.len() * 8 + at)
}

#[cfg(test)]
mod tests {
    use super::{END, Found, escape, find, find_end, unescape};
    use crate::rng::{Rng, SeededRng};

    #[test]
    fn find_agrees_with_a_plain_search() {
        let rng = SeededRng::new(3);
        for _ in 0..100_000 {
            let len = rng.below(40);
            let bytes: Vec<u8> = (0..len).map(|_| rng.below(4).to_le_bytes()[0] ^ 0x81).collect();
            for wanted in [0x80, 0x81, 0x01, 0x00] {
                let plain = bytes.iter().position(|&byte| byte == wanted);
                assert_eq!(find(&bytes, wanted), plain, "{wanted:#x} in {bytes:x?}");
            }
        }
        assert_eq!(find(&[1, 0, 1, 0, 0, 1, 0, 1, 0], 0), Some(1));
    }

    #[test]
    fn escaped_bytes_come_back_and_their_end_is_found() {
        for bytes in
            [&b""[..], b"a", b"\0", b"\0\0", b"a\0b", b"\0\xFF", b"\xFF\0\x01", b"abcdefgh\0"]
        {
            for mask in [0, 0xFF] {
                let mut out = Vec::new();
                escape(bytes, &mut out);
                let len = out.len();
                out.extend_from_slice(&END);
                out.extend_from_slice(b"\0more");
                for byte in &mut out {
                    *byte ^= mask;
                }
                let Found::End { len: found } = find_end(&out, mask) else {
                    panic!("no end in {out:x?}");
                };
                assert_eq!(found, len);
                assert_eq!(unescape(&out[..len], mask), bytes);
            }
        }
    }
}
