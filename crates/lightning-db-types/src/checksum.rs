//! CRC-32C (Castagnoli), the checksum of every block, record and header.
//!
//! The processor's own instruction is used where there is one. A CRC finds every burst of up to 32
//! flipped bits and misses a random change once in 2^32; it is no protection against forgery.

/// Checksum of `bytes`.
///
/// # Examples
/// ```
/// use lightning_db_types::checksum::crc32c;
/// // The check value of the CRC catalogue.
/// assert_eq!(crc32c(b"123456789"), 0xE306_9283);
/// ```
#[inline]
pub fn crc32c(bytes: &[u8]) -> u32 {
    ::crc32c::crc32c(bytes)
}

/// Checksum of some earlier bytes followed by `bytes`, where `crc` is that of the earlier ones.
///
/// # Examples
/// ```
/// use lightning_db_types::checksum::{crc32c, crc32c_append};
/// assert_eq!(crc32c_append(crc32c(b"12345"), b"6789"), crc32c(b"123456789"));
/// assert_eq!(crc32c_append(0, b"12345"), crc32c(b"12345"));
/// ```
#[inline]
pub fn crc32c_append(crc: u32, bytes: &[u8]) -> u32 {
    ::crc32c::crc32c_append(crc, bytes)
}

#[cfg(test)]
mod tests {
    use super::{crc32c, crc32c_append};

    #[test]
    fn any_split_gives_the_checksum_of_the_whole() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1_000).collect();
        let whole = crc32c(&bytes);
        for at in 0..=bytes.len() {
            assert_eq!(crc32c_append(crc32c(&bytes[..at]), &bytes[at..]), whole, "split at {at}");
        }
    }

    #[test]
    fn zeros_of_rfc_3720_match() {
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43);
        assert_eq!(crc32c(b""), 0);
    }
}
