//! The portable Roaring format, byte for byte: reading it with nothing trusted, and making bitmaps
//! from containers.
//!
//! Source: Roaring format specification, <https://github.com/RoaringBitmap/RoaringFormatSpec>. The
//! 64-bit form is a count, then for each upper half its number and a 32-bit bitmap.

use std::io::{Cursor, Read};

use roaring::RoaringBitmap;

use super::Rows;
use crate::error::{Error, Result};

/// Bytes of a container of bits.
pub(crate) const BITS_BYTES: usize = 8 << 10;
/// Containers of more rows than this are bits, unless they are runs.
pub(crate) const ARRAY_LEN_MAX: u32 = 4096;

const COOKIE_PLAIN: u32 = 12_346;
const COOKIE_RUNS: u16 = 12_347;
/// With runs, fewer containers than this have no offsets.
const OFFSETS_MIN: usize = 4;

/// A container of 65,536 rows, as its bytes stand in the format: numbers are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container<'a> {
    /// Rows, ascending, two bytes each.
    Array(&'a [u8]),
    /// 8 KiB, a bit for each row.
    Bits(&'a [u8]),
    /// First row, and number of rows behind it, two bytes each.
    Runs(&'a [u8]),
}

/// A pair of numbers of a run container: first and last row.
pub(crate) fn runs_of(bytes: &[u8]) -> impl Iterator<Item = (u16, u16)> + '_ {
    bytes.chunks_exact(4).map(|pair| {
        let start = u16::from_le_bytes([pair[0], pair[1]]);
        (start, start.saturating_add(u16::from_le_bytes([pair[2], pair[3]])))
    })
}

/// Rows of an array container.
pub(crate) fn array_of(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.chunks_exact(2).map(|value| u16::from_le_bytes([value[0], value[1]]))
}

/// Words of a container of bits.
pub(crate) fn words_of(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().map(|word| u64::from_le_bytes(*word))
}

impl<'a> Container<'a> {
    /// Its bytes.
    pub(crate) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Array(bytes) | Self::Bits(bytes) | Self::Runs(bytes) => bytes,
        }
    }

    /// A container of the same kind with other bytes.
    pub(crate) fn over(self, bytes: &[u8]) -> Container<'_> {
        match self {
            Self::Array(_) => Container::Array(bytes),
            Self::Bits(_) => Container::Bits(bytes),
            Self::Runs(_) => Container::Runs(bytes),
        }
    }

    /// Checks order and number of rows.
    pub(crate) fn validate(self, rows: u32) -> Result<(), &'static str> {
        let (sorted, counted) = match self {
            Self::Array(bytes) => {
                (array_of(bytes).is_sorted_by(|left, right| left < right), bytes.len() as u64 / 2)
            }
            Self::Bits(bytes) => {
                (true, words_of(bytes).map(|word| u64::from(word.count_ones())).sum())
            }
            Self::Runs(bytes) => {
                let fits = bytes.chunks_exact(4).all(|pair| {
                    let [start, more] = [[pair[0], pair[1]], [pair[2], pair[3]]];
                    u16::from_le_bytes(start).checked_add(u16::from_le_bytes(more)).is_some()
                });
                let apart = |left: &(u16, u16), right: &(u16, u16)| {
                    u32::from(left.1) + 1 < u32::from(right.0)
                };
                let sum = runs_of(bytes).map(|(first, last)| u64::from(last - first) + 1).sum();
                (fits && runs_of(bytes).is_sorted_by(apart), sum)
            }
        };
        match (sorted, counted == u64::from(rows)) {
            (false, _) => Err("rows of a container are not in order"),
            (_, false) => Err("a container does not hold as many rows as it says"),
            _ => Ok(()),
        }
    }
}

/// Bytes that are read from the front.
struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let taken = self.at.checked_add(len).and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| self.refuse("it ends early"))?;
        self.at += len;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16> {
        self.take(2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Result<u32> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn refuse(&self, detail: &str) -> Error {
        Error::BitmapFormat { offset: self.at, detail: detail.to_owned() }
    }
}

/// Calls `visit` with each container of a 32-bit bitmap and its number of rows, by ascending
/// number of the container. Returns the length of the bitmap. Counts are not trusted: nothing is
/// allocated by them. With `strict`, rows and offsets are compared with what is there.
pub(crate) fn walk<'a>(
    bytes: &'a [u8],
    strict: bool,
    visit: &mut dyn FnMut(u16, u32, Container<'a>),
) -> Result<usize> {
    let mut input = Input { bytes, at: 0 };
    let cookie = input.u32()?;
    let (count, flags) = if cookie == COOKIE_PLAIN {
        (input.u32()? as usize, &[][..])
    } else if cookie & 0xFFFF == u32::from(COOKIE_RUNS) {
        let count = (cookie >> 16) as usize + 1;
        (count, input.take(count.div_ceil(8))?)
    } else {
        return Err(input.refuse("it is no bitmap: the first number is unknown"));
    };
    if count > 1 << 16 {
        return Err(input.refuse("more than 65,536 containers"));
    }
    let unused = flags.last().filter(|_| count % 8 != 0).map_or(0, |last| last >> (count % 8));
    if strict && unused != 0 {
        return Err(input.refuse("flags of containers that are not there"));
    }
    let has_offsets = flags.is_empty() || count >= OFFSETS_MIN;
    let heads = input.take(count * 4)?;
    let offsets = input.take(if has_offsets { count * 4 } else { 0 })?;
    let mut last = None;
    for (index, head) in heads.chunks_exact(4).enumerate() {
        let key = u16::from_le_bytes([head[0], head[1]]);
        let rows = u32::from(u16::from_le_bytes([head[2], head[3]])) + 1;
        if last.replace(key).is_some_and(|last| key <= last) {
            return Err(input.refuse("containers are not in order"));
        }
        let at = offsets.get(index * 4..index * 4 + 4);
        if strict && at.is_some_and(|at| !at.iter().copied().eq(le_offset(input.at))) {
            return Err(input.refuse("a container is not where its offset says"));
        }
        let is_runs = flags.get(index / 8).is_some_and(|flags| flags & (1 << (index % 8)) != 0);
        let container = if is_runs {
            let runs = usize::from(input.u16()?);
            Container::Runs(input.take(runs * 4)?)
        } else if rows <= ARRAY_LEN_MAX {
            Container::Array(input.take(rows as usize * 2)?)
        } else {
            Container::Bits(input.take(BITS_BYTES)?)
        };
        if strict {
            container.validate(rows).map_err(|detail| input.refuse(detail))?;
        }
        visit(key, rows, container);
    }
    Ok(input.at)
}

fn le_offset(at: usize) -> [u8; 4] {
    u32::try_from(at).unwrap_or(u32::MAX).to_le_bytes()
}

/// Reads a 32-bit bitmap from the front; returns it with its length.
fn read_bitmap(bytes: &[u8]) -> Result<(RoaringBitmap, usize)> {
    let len = walk(bytes, true, &mut |_, _, _| {})?;
    let refuse = |detail: String| Error::BitmapFormat { offset: 0, detail };
    let bitmap = RoaringBitmap::deserialize_from(&bytes[..len])
        .map_err(|error| refuse(error.to_string()))?;
    bitmap.internal_validate().map_err(|detail| refuse(detail.to_owned()))?;
    Ok((bitmap, len))
}

pub(super) fn read_32(bytes: &[u8]) -> Result<Rows> {
    let (bitmap, len) = read_bitmap(bytes)?;
    if len < bytes.len() {
        return Err(Input { bytes, at: len }.refuse("bytes behind the end"));
    }
    Ok(Rows::of_parts([(0, bitmap)]))
}

pub(super) fn read_64(bytes: &[u8]) -> Result<Rows> {
    let mut input = Input { bytes, at: 0 };
    let (low, high) = (u64::from(input.u32()?), u64::from(input.u32()?));
    let count = high << 32 | low;
    let mut parts = Vec::new();
    let mut last = None;
    for _ in 0..count {
        let key = input.u32()?;
        if last.replace(key).is_some_and(|last| key <= last) {
            return Err(input.refuse("upper halves are not in order"));
        }
        let (bitmap, len) = read_bitmap(&bytes[input.at..])?;
        if bitmap.is_empty() {
            return Err(input.refuse("an upper half without rows"));
        }
        input.at += len;
        parts.push((key, bitmap));
    }
    if input.at < bytes.len() {
        return Err(input.refuse("bytes behind the end"));
    }
    Ok(Rows::of_parts(parts))
}

/// Writes a bitmap into memory, which does not fail.
pub(crate) fn write_bitmap(bitmap: &RoaringBitmap, to: &mut Vec<u8>) {
    to.reserve(bitmap.serialized_size());
    let _infallible = bitmap.serialize_into(to);
}

/// Makes a set from containers, given by ascending number.
///
/// The bytes of the format are put together and read back, which costs a copy of them and no work
/// by the row.
#[derive(Debug, Default)]
pub(crate) struct SetWriter {
    parts: Vec<(u32, RoaringBitmap)>,
    high: u32,
    heads: Vec<Head>,
    payload: Vec<u8>,
}

#[derive(Debug)]
struct Head {
    key: u16,
    rows: u32,
    runs: bool,
    len: usize,
}

impl SetWriter {
    /// Adds container number `chunk`, which holds rows; `chunk` ascends.
    pub(crate) fn push(&mut self, chunk: u64, rows: u32, container: Container<'_>) -> Result<()> {
        let high = u32::try_from(chunk >> 16).unwrap_or(u32::MAX);
        if high != self.high {
            self.end_part()?;
            self.high = high;
        }
        let key = u16::try_from(chunk & 0xFFFF).unwrap_or(u16::MAX);
        let start = self.payload.len();
        let runs = match container {
            Container::Array(bytes) | Container::Bits(bytes) => {
                self.payload.extend_from_slice(bytes);
                false
            }
            Container::Runs(bytes) => {
                let count = u16::try_from(bytes.len() / 4).unwrap_or(u16::MAX);
                self.payload.extend_from_slice(&count.to_le_bytes());
                self.payload.extend_from_slice(bytes);
                true
            }
        };
        self.heads.push(Head { key, rows, runs, len: self.payload.len() - start });
        Ok(())
    }

    /// The set, without runs: the other containers are faster to combine.
    pub(crate) fn finish_plain(self) -> Result<Rows> {
        let mut rows = self.finish()?;
        rows.remove_runs();
        Ok(rows)
    }

    /// The set.
    pub(crate) fn finish(mut self) -> Result<Rows> {
        self.end_part()?;
        Ok(Rows::of_parts(self.parts))
    }

    fn end_part(&mut self) -> Result<()> {
        if self.heads.is_empty() {
            return Ok(());
        }
        let header = self.header();
        let read = RoaringBitmap::deserialize_from(
            Cursor::new(&header[..]).chain(Cursor::new(&self.payload[..])),
        );
        let bitmap = read.map_err(|error| Error::BitmapFormat {
            offset: header.len(),
            detail: error.to_string(),
        })?;
        self.parts.push((self.high, bitmap));
        self.heads.clear();
        self.payload.clear();
        Ok(())
    }

    fn header(&self) -> Vec<u8> {
        let count = self.heads.len();
        let runs = self.heads.iter().any(|head| head.runs);
        let mut header = Vec::with_capacity(16 + count * 9);
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        if runs {
            let cookie = u32::from(COOKIE_RUNS) | number(count.saturating_sub(1)) << 16;
            header.extend_from_slice(&cookie.to_le_bytes());
            let flags = header.len();
            header.resize(flags + count.div_ceil(8), 0);
            for (index, _) in self.heads.iter().enumerate().filter(|(_, head)| head.runs) {
                header[flags + index / 8] |= 1 << (index % 8);
            }
        } else {
            header.extend_from_slice(&COOKIE_PLAIN.to_le_bytes());
            header.extend_from_slice(&number(count).to_le_bytes());
        }
        for head in &self.heads {
            let rows = u16::try_from(head.rows.saturating_sub(1)).unwrap_or(u16::MAX);
            header.extend_from_slice(&head.key.to_le_bytes());
            header.extend_from_slice(&rows.to_le_bytes());
        }
        if !runs || count >= OFFSETS_MIN {
            let mut at = header.len() + count * 4;
            for head in &self.heads {
                header.extend_from_slice(&le_offset(at));
                at += head.len;
            }
        }
        header
    }
}
