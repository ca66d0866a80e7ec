//! One version of one key, in the single encoding that memtable and blocks share.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | sequence number of the commit, little-endian |
//! | 8 | 4 | key length (bits 0..=23), kind (bits 24..=27), bit 28: an expiry follows |
//! | 12 | 0 or 8 | expiry, milliseconds since the Unix epoch |
//! | .. | key length | key |
//! | .. | rest | value; for [`Kind::Blob`] a blob reference |
//!
//! The write-ahead log stores the same bytes from offset 8 on: the commit record carries the
//! number. Order: key ascending, then sequence number descending, so that the newest version comes
//! first.

use std::cmp::Ordering;
use std::iter::repeat_n;
use std::ops::Range;
use std::sync::Arc;

use crate::slice::Slice;

/// Longest key, in bytes: 64 KiB.
pub const KEY_LEN_MAX: usize = 64 << 10;
/// Longest value, in bytes: 1 GiB.
pub const VALUE_LEN_MAX: u64 = 1 << 30;

const KEY_LEN_BITS: u32 = 24;
const KEY_LEN_MASK: u32 = (1 << KEY_LEN_BITS) - 1;
const EXPIRY_BIT: u32 = 1 << 28;
const FIXED_LEN: usize = 12;
/// Bytes before the part that the write-ahead log stores.
pub(crate) const SEQ_LEN: usize = 8;

/// What a version says about its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The key has this value.
    Put = 1,
    /// The key has no value: hides older versions.
    Delete = 2,
    /// The key has a value that stands in a blob file.
    Blob = 3,
    /// In the log only: all keys of the keyspace were removed.
    Clear = 4,
    /// In the log only: sorted tables were added to the keyspace.
    Ingest = 5,
}

impl Kind {
    fn from_bits(bits: u32) -> Option<Self> {
        match bits {
            1 => Some(Self::Put),
            2 => Some(Self::Delete),
            3 => Some(Self::Blob),
            4 => Some(Self::Clear),
            5 => Some(Self::Ingest),
            _ => None,
        }
    }
}

/// A decoded version, borrowing its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryRef<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) seq: u64,
    pub(crate) kind: Kind,
    /// Milliseconds since the Unix epoch; zero means never.
    pub(crate) expires_at_ms: u64,
    pub(crate) value: &'a [u8],
}

impl<'a> EntryRef<'a> {
    /// What stands for an encoding that cannot be decoded although it was checked before.
    pub(crate) const NONE: Self =
        Self { key: &[], seq: 0, kind: Kind::Delete, expires_at_ms: 0, value: &[] };

    /// Length of the encoding, in bytes.
    pub(crate) fn encoded_len(&self) -> usize {
        let expiry = if self.expires_at_ms == 0 { 0 } else { 8 };
        FIXED_LEN + expiry + self.key.len() + self.value.len()
    }

    /// Appends the encoding, see the head of this file.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.meta().to_le_bytes());
        if self.expires_at_ms != 0 {
            out.extend_from_slice(&self.expires_at_ms.to_le_bytes());
        }
        out.extend_from_slice(self.key);
        out.extend_from_slice(self.value);
    }

    /// Encodes into a shared buffer of its own: one allocation, one copy of key and value.
    pub(crate) fn encode_shared(&self) -> Arc<[u8]> {
        let mut shared: Arc<[u8]> = repeat_n(0, self.encoded_len()).collect();
        if let Some(mut rest) = Arc::get_mut(&mut shared) {
            let mut put = |bytes: &[u8]| {
                let (head, tail) = std::mem::take(&mut rest).split_at_mut(bytes.len());
                head.copy_from_slice(bytes);
                rest = tail;
            };
            put(&self.seq.to_le_bytes());
            put(&self.meta().to_le_bytes());
            if self.expires_at_ms != 0 {
                put(&self.expires_at_ms.to_le_bytes());
            }
            put(self.key);
            put(self.value);
        }
        shared
    }

    fn meta(&self) -> u32 {
        debug_assert!(self.key.len() <= KEY_LEN_MAX);
        let key_len = u32::try_from(self.key.len()).unwrap_or(KEY_LEN_MASK);
        let expiry = if self.expires_at_ms == 0 { 0 } else { EXPIRY_BIT };
        key_len | (self.kind as u32) << KEY_LEN_BITS | expiry
    }

    /// Decodes an encoding; `None` if the bytes are none.
    #[inline]
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let seq = u64::from_le_bytes(*bytes.first_chunk()?);
        Self::decode_without_seq(seq, &bytes[SEQ_LEN..])
    }

    /// Decodes the part that the write-ahead log stores.
    #[inline]
    pub(crate) fn decode_without_seq(seq: u64, bytes: &'a [u8]) -> Option<Self> {
        let meta = u32::from_le_bytes(*bytes.first_chunk()?);
        let mut rest = &bytes[4..];
        let mut expires_at_ms = 0;
        if meta & EXPIRY_BIT != 0 {
            expires_at_ms = u64::from_le_bytes(*rest.first_chunk()?);
            rest = &rest[8..];
        }
        let (key, value) = rest.split_at_checked((meta & KEY_LEN_MASK) as usize)?;
        let kind = Kind::from_bits((meta & !EXPIRY_BIT) >> KEY_LEN_BITS)?;
        Some(Self { key, seq, kind, expires_at_ms, value })
    }

    /// Whether the version has expired at `now_ms`.
    #[inline]
    pub(crate) fn expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms != 0 && self.expires_at_ms <= now_ms
    }
}

/// Key of an encoding that is known to be whole: one of ours, or checked by [`EntryRef::decode`].
#[inline]
pub(crate) fn key_of(bytes: &[u8]) -> &[u8] {
    let meta = meta_of(bytes);
    let at = if meta & EXPIRY_BIT == 0 { FIXED_LEN } else { FIXED_LEN + 8 };
    bytes.get(at..at + (meta & KEY_LEN_MASK) as usize).unwrap_or_default()
}

/// Whether an encoding that is known to be whole is a version of a key. Neighbours in key order
/// differ at their ends, which are looked at first.
#[inline]
pub(crate) fn is_of_key(bytes: &[u8], key: &[u8]) -> bool {
    let own = key_of(bytes);
    own.last() == key.last() && own == key
}

/// Sequence number of an encoding that is known to be whole.
#[inline]
pub(crate) fn seq_of(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |at| u64::from_le_bytes(*at))
}

/// Whether an encoding that is known to be whole is a deletion.
pub(crate) fn is_delete(bytes: &[u8]) -> bool {
    (meta_of(bytes) & !EXPIRY_BIT) >> KEY_LEN_BITS == Kind::Delete as u32
}

/// Whether the value of an encoding that is known to be whole stands in a blob.
pub(crate) fn is_blob(bytes: &[u8]) -> bool {
    (meta_of(bytes) & !EXPIRY_BIT) >> KEY_LEN_BITS == Kind::Blob as u32
}

/// Value of an encoding that is known to be whole, or the reference to it.
#[inline]
pub(crate) fn value_of(bytes: &[u8]) -> &[u8] {
    let meta = meta_of(bytes);
    let at = if meta & EXPIRY_BIT == 0 { FIXED_LEN } else { FIXED_LEN + 8 };
    bytes.get(at + (meta & KEY_LEN_MASK) as usize..).unwrap_or_default()
}

#[inline]
fn meta_of(bytes: &[u8]) -> u32 {
    bytes
        .get(SEQ_LEN..FIXED_LEN)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |at| u32::from_le_bytes(*at))
}

/// Sets the sequence number of an encoding that nobody shares yet.
#[inline]
pub(crate) fn set_seq(encoded: &mut Arc<[u8]>, seq: u64) {
    let bytes = Arc::get_mut(encoded).and_then(|bytes| bytes.first_chunk_mut());
    debug_assert!(bytes.is_some(), "a new entry is not shared");
    if let Some(bytes) = bytes {
        *bytes = seq.to_le_bytes();
    }
}

/// Key ascending, then sequence number descending.
#[inline]
pub(crate) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    compare_at(a, key_of(b), seq_of(b))
}

/// Where an encoding stands against a key and sequence number.
#[inline]
pub(crate) fn compare_at(a: &[u8], key: &[u8], seq: u64) -> Ordering {
    key_of(a).cmp(key).then_with(|| seq.cmp(&seq_of(a)))
}

/// One version in a shared buffer: what readers find and cursors yield.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    buf: Arc<[u8]>,
    start: u32,
    end: u32,
}

impl Entry {
    /// Encodes into a buffer of its own.
    #[cfg(test)]
    pub(crate) fn new(entry: &EntryRef<'_>) -> Self {
        Self::whole(entry.encode_shared())
    }

    /// Takes a buffer that is one whole encoding, known to be valid.
    #[inline]
    pub(crate) fn whole(buf: Arc<[u8]>) -> Self {
        let end = buf.len();
        Self::part(buf, 0..end)
    }

    /// Takes a part of a buffer that is one whole encoding, known to be valid.
    #[inline]
    pub(crate) fn part(buf: Arc<[u8]>, range: Range<usize>) -> Self {
        let bound = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: bound(range.start), end: bound(range.end), buf }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buf[self.start as usize..self.end as usize]
    }

    /// Decodes. Entries are checked when they are made, so a failure is a broken invariant; it
    /// reads as a deletion of the empty key rather than a panic, and debug builds assert.
    #[inline]
    pub(crate) fn get(&self) -> EntryRef<'_> {
        let decoded = EntryRef::decode(self.bytes());
        debug_assert!(decoded.is_some(), "an entry holds a valid encoding");
        decoded.unwrap_or(EntryRef::NONE)
    }

    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        key_of(self.bytes())
    }

    #[inline]
    pub(crate) fn seq(&self) -> u64 {
        seq_of(self.bytes())
    }

    /// The key, copied if it is short, otherwise sharing the buffer.
    #[inline]
    pub(crate) fn key_slice(&self) -> Slice {
        let entry = self.get();
        Slice::inline(entry.key).unwrap_or_else(|| {
            let end = self.end as usize - entry.value.len();
            Slice::new(Arc::clone(&self.buf), end - entry.key.len()..end)
        })
    }

    /// The value, taking over the reference to the buffer.
    #[inline]
    pub(crate) fn into_value(self) -> Slice {
        let value_len = self.get().value.len();
        self.into_tail(value_len)
    }

    /// The bytes in a buffer of their own: the one they stand in, if it holds nothing else.
    pub(crate) fn into_whole(self) -> Arc<[u8]> {
        if self.start == 0 && self.end as usize == self.buf.len() {
            return self.buf;
        }
        self.bytes().into()
    }

    /// Its last `len` bytes, taking over the reference to the buffer.
    #[inline]
    pub(crate) fn into_tail(self, len: usize) -> Slice {
        let end = self.end as usize;
        Slice::new(self.buf, end - len..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> EntryRef<'static> {
        EntryRef { key: b"k1", seq: 7, kind: Kind::Put, expires_at_ms: 0, value: b"v" }
    }

    #[test]
    fn decoding_gives_back_what_was_encoded() {
        for entry in [
            sample(),
            EntryRef { expires_at_ms: 99, ..sample() },
            EntryRef { kind: Kind::Delete, value: b"", ..sample() },
            EntryRef { key: b"", ..sample() },
        ] {
            let owned = Entry::new(&entry);
            assert_eq!(owned.bytes().len(), entry.encoded_len());
            assert_eq!(owned.get(), entry);
            assert_eq!(owned.key_slice(), entry.key);
            assert_eq!(owned.clone().into_value(), entry.value);
        }
    }

    #[test]
    fn damaged_bytes_decode_to_nothing() {
        let bytes = Entry::new(&sample()).bytes().to_vec();
        for len in 0..13 {
            assert_eq!(EntryRef::decode(&bytes[..len]), None, "cut to {len} bytes");
        }
        let mut kind = bytes.clone();
        kind[11] = 0;
        assert_eq!(EntryRef::decode(&kind), None);
    }

    #[test]
    fn newest_version_of_a_key_comes_first() {
        let old = Entry::new(&sample());
        let new = Entry::new(&EntryRef { seq: 8, ..sample() });
        let next = Entry::new(&EntryRef { key: b"k2", seq: 1, ..sample() });
        assert_eq!(compare(new.bytes(), old.bytes()), Ordering::Less);
        assert_eq!(compare(old.bytes(), next.bytes()), Ordering::Less);
        assert_eq!(compare(old.bytes(), old.bytes()), Ordering::Equal);
    }
}
