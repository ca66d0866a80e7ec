//! A shared, immutable run of bytes.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Keys and values as the store hands them out: a view into a shared buffer, or the bytes
/// themselves if they are few.
///
/// Cloning costs at most one atomic increment and allocates nothing. A slice of more than
/// [`Slice::INLINE_LEN_MAX`] bytes keeps its whole buffer alive: a memtable entry, or one decoded
/// block (16 KiB by default); copy it with `to_vec` to keep a small value for long.
#[derive(Clone)]
pub struct Slice(Repr);

#[derive(Clone)]
enum Repr {
    /// Copying so few bytes is cheaper than counting a reference.
    Inline {
        len: u8,
        bytes: [u8; Slice::INLINE_LEN_MAX],
    },
    Shared {
        buf: Arc<[u8]>,
        start: u32,
        end: u32,
    },
}

impl Slice {
    /// Slices of keys up to this length hold the bytes themselves.
    pub const INLINE_LEN_MAX: usize = 30;

    /// Views `range` of `buf`. Buffers are below 4 GiB: the largest value is 1 GiB.
    pub(crate) fn new(buf: Arc<[u8]>, range: Range<usize>) -> Self {
        debug_assert!(range.start <= range.end && range.end <= buf.len());
        let bound = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self(Repr::Shared { start: bound(range.start), end: bound(range.end), buf })
    }

    /// Holds the bytes themselves; `None` if they are too many.
    #[inline]
    pub(crate) fn inline(from: &[u8]) -> Option<Self> {
        let len = u8::try_from(from.len()).ok()?;
        let mut bytes = [0; Self::INLINE_LEN_MAX];
        // Most keys have 16 bytes, and copying a known number of them is two instructions.
        if let Some(from) = from.first_chunk::<16>().filter(|_| len == 16) {
            bytes[..16].copy_from_slice(from);
        } else {
            bytes.get_mut(..from.len())?.copy_from_slice(from);
        }
        Some(Self(Repr::Inline { len, bytes }))
    }
}

impl Deref for Slice {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Repr::Shared { buf, start, end } => &buf[*start as usize..*end as usize],
        }
    }
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Borrow<[u8]> for Slice {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl From<Arc<[u8]>> for Slice {
    fn from(buf: Arc<[u8]>) -> Self {
        let end = buf.len();
        Self::new(buf, 0..end)
    }
}

impl From<Vec<u8>> for Slice {
    fn from(bytes: Vec<u8>) -> Self {
        Arc::<[u8]>::from(bytes).into()
    }
}

impl From<&[u8]> for Slice {
    fn from(bytes: &[u8]) -> Self {
        Self::inline(bytes).unwrap_or_else(|| Arc::<[u8]>::from(bytes).into())
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Slice {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl Eq for Slice {}

impl PartialOrd for Slice {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Slice {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self[..].cmp(&other[..])
    }
}

impl Hash for Slice {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self[..].hash(state);
    }
}

impl fmt::Debug for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_bytes_read_the_same() {
        let whole: Vec<u8> = (0..100).collect();
        for len in [0, 1, 15, 16, 17, Slice::INLINE_LEN_MAX, Slice::INLINE_LEN_MAX + 1, 90] {
            let part = &whole[5..5 + len];
            assert_eq!(Slice::from(part), part);
            assert_eq!(Slice::new(Arc::from(&whole[..]), 5..5 + len), part);
            assert_eq!(Slice::inline(part).is_some(), len <= Slice::INLINE_LEN_MAX);
        }
        assert_eq!(format!("{:?}", Slice::from(&b"a\x00"[..])), "b\"a\\x00\"");
    }

    #[test]
    fn empty_slices_are_equal() {
        assert_eq!(Slice::from(vec![]), Slice::new(Arc::from(&b"abc"[..]), 3..3));
    }
}
