//! What the benches share: keys and values of the comparison with peers.

/// Length of a value, in bytes.
pub const VALUE_LEN: usize = 100;

/// Key `index` of the random order: 16 hexadecimal digits of its hash.
pub fn random_key(index: u64) -> [u8; 16] {
    hex(mix(index))
}

/// Key `index` of the sequential order: 16 decimal digits.
pub fn sequential_key(index: u64) -> [u8; 16] {
    let mut key = [b'0'; 16];
    let mut rest = index;
    for digit in key.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

/// A value of which half compresses away: 50 bytes of noise, 50 alike.
pub fn value(index: u64) -> [u8; VALUE_LEN] {
    let mut value = [b'v'; VALUE_LEN];
    for (at, noise) in value[..VALUE_LEN / 2].chunks_mut(8).enumerate() {
        let bytes = mix(index ^ ((at as u64 + 1) << 40)).to_le_bytes();
        noise.copy_from_slice(&bytes[..noise.len()]);
    }
    value
}

/// Finaliser of splitmix64: spreads an index over 64 bits.
pub fn mix(index: u64) -> u64 {
    let mut z = index.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn hex(number: u64) -> [u8; 16] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut key = [0; 16];
    for (byte, digits) in number.to_be_bytes().into_iter().zip(key.chunks_exact_mut(2)) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 0xf)];
    }
    key
}
