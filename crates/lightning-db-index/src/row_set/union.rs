//! Unions of many sets at once.
//!
//! Adding one set after the other reads and writes the growing result again and again. Here the
//! containers of all sets are brought together first, and each 65,536 rows are united once, by the
//! way that suits what is there: a lone container is copied, runs alone are merged as intervals,
//! few rows are sorted, and anything else is gathered in 8 KiB of bits.
//!
//! Source: Lemire and others, "Roaring bitmaps: implementation of an optimized software library",
//! 2018, section 5.8; the choice by chunk is ours.

use super::Rows;
use super::portable::{
    ARRAY_LEN_MAX, Container, SetWriter, array_of, runs_of, walk, words_of, write_bitmap,
};
use crate::error::Result;

/// Up to so many rows are sorted.
const SORTED_LEN_MAX: u32 = 24;
/// Up to so many runs are merged as intervals.
const INTERVALS_MAX: usize = 48;
const WORDS: usize = 1024;

/// A container of one of the sets.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    chunk: u64,
    rows: u32,
    container: Container<'a>,
    /// The next one of the same chunk, plus one.
    next: u32,
}

/// Containers of several sets, to be united.
#[derive(Debug, Default)]
pub(crate) struct Union<'a> {
    parts: Vec<Part<'a>>,
}

/// The rows that are in any of the sets.
pub(super) fn union_of(sets: &[&Rows]) -> Result<Rows> {
    let bitmaps = || sets.iter().flat_map(|set| set.parts());
    let len = bitmaps().map(|(_, bitmap)| bitmap.serialized_size()).sum();
    let mut bytes = Vec::with_capacity(len);
    let mut ends = Vec::new();
    for (high, bitmap) in bitmaps() {
        write_bitmap(bitmap, &mut bytes);
        ends.push((high, bytes.len()));
    }
    let mut union = Union::default();
    let mut start = 0;
    for (high, end) in ends {
        walk(&bytes[start..end], false, &mut |key, rows, container| {
            union.add(u64::from(high) << 16 | u64::from(key), rows, container);
        })?;
        start = end;
    }
    union.finish()
}

impl<'a> Union<'a> {
    /// Adds a container that holds rows.
    pub(crate) fn add(&mut self, chunk: u64, rows: u32, container: Container<'a>) {
        self.parts.push(Part { chunk, rows, container, next: 0 });
    }

    /// The union of all that was added.
    pub(crate) fn finish(mut self) -> Result<Rows> {
        let mut writer = SetWriter::default();
        let mut gathered = Gathered::new();
        let heads = self.link();
        let mut group = Vec::new();
        for head in heads {
            group.clear();
            let mut at = head;
            while let Some(part) = (at as usize).checked_sub(1).map(|at| self.parts[at]) {
                group.push(part);
                at = part.next;
            }
            gathered.unite(&group, &mut writer)?;
        }
        writer.finish()
    }

    /// Links the parts of each chunk; returns the first of each, by ascending chunk.
    fn link(&mut self) -> Vec<u32> {
        let chunks = || self.parts.iter().map(|part| part.chunk);
        let (Some(min), Some(max)) = (chunks().min(), chunks().max()) else { return Vec::new() };
        let place = |index: usize| u32::try_from(index + 1).unwrap_or(u32::MAX);
        let span = usize::try_from(max - min).unwrap_or(usize::MAX);
        if span < self.parts.len().saturating_mul(4).saturating_add(1024) {
            let mut heads = vec![0; span + 1];
            for (index, part) in self.parts.iter_mut().enumerate() {
                let head = &mut heads[usize::try_from(part.chunk - min).unwrap_or(span)];
                part.next = std::mem::replace(head, place(index));
            }
            heads.retain(|head| *head != 0);
            return heads;
        }
        self.parts.sort_unstable_by_key(|part| part.chunk);
        let mut heads = Vec::new();
        for index in 0..self.parts.len() {
            let same = index > 0 && self.parts[index - 1].chunk == self.parts[index].chunk;
            match heads.last_mut() {
                Some(head) if same => {
                    self.parts[index].next = std::mem::replace(head, place(index));
                }
                _ => heads.push(place(index)),
            }
        }
        heads
    }
}

/// Rows of one chunk, gathered as bits; all zero between two chunks.
struct Gathered {
    bits: Box<[u64; WORDS]>,
    bytes: Vec<u8>,
    rows: Vec<u16>,
    intervals: Vec<(u16, u16)>,
}

impl Gathered {
    fn new() -> Self {
        let bits = Box::new([0; WORDS]);
        Self { bits, bytes: Vec::new(), rows: Vec::new(), intervals: Vec::new() }
    }

    fn unite(&mut self, group: &[Part<'_>], writer: &mut SetWriter) -> Result<()> {
        let Some(first) = group.first() else { return Ok(()) };
        if let [only] = group {
            return writer.push(only.chunk, only.rows, only.container);
        }
        let rows = group.iter().fold(0_u32, |sum, part| sum.saturating_add(part.rows));
        let runs = group.iter().try_fold(0, |sum, part| match part.container {
            Container::Runs(bytes) => Some(sum + bytes.len() / 4),
            _ => None,
        });
        if runs.is_some_and(|runs| runs <= INTERVALS_MAX) {
            return self.merge_intervals(group, writer);
        }
        if rows <= SORTED_LEN_MAX {
            return self.sort(group, writer);
        }
        let (mut from, mut to) = (WORDS, 0);
        for part in group {
            let (first, last) = self.gather(part.container);
            (from, to) = (from.min(first), to.max(last + 1));
        }
        let touched = self.bits.get_mut(from..to).unwrap_or_default();
        let rows: u32 = touched.iter().map(|word| word.count_ones()).sum();
        self.bytes.clear();
        if rows <= ARRAY_LEN_MAX {
            self.bytes.reserve(rows as usize * 2);
            for (index, word) in touched.iter().enumerate() {
                let base = u16::try_from((from + index) * 64).unwrap_or(u16::MAX);
                let mut word = *word;
                while word != 0 {
                    let row = base | u16::try_from(word.trailing_zeros()).unwrap_or(0);
                    self.bytes.extend_from_slice(&row.to_le_bytes());
                    word &= word - 1;
                }
            }
            touched.fill(0);
            return writer.push(first.chunk, rows, Container::Array(&self.bytes));
        }
        self.bytes.extend(self.bits.iter().flat_map(|word| word.to_le_bytes()));
        self.bits.fill(0);
        writer.push(first.chunk, rows, Container::Bits(&self.bytes))
    }

    /// Sets the bits of a container; returns its first and last word.
    fn gather(&mut self, container: Container<'_>) -> (usize, usize) {
        match container {
            Container::Array(bytes) => {
                for row in array_of(bytes) {
                    self.bits[usize::from(row >> 6)] |= 1 << (row & 63);
                }
                let mut rows = array_of(bytes).map(|row| usize::from(row >> 6));
                let first = rows.next().unwrap_or(0);
                let last = bytes.last_chunk().map_or(0, |last| u16::from_le_bytes(*last));
                (first, usize::from(last >> 6))
            }
            Container::Bits(bytes) => {
                for (word, more) in self.bits.iter_mut().zip(words_of(bytes)) {
                    *word |= more;
                }
                (0, WORDS - 1)
            }
            Container::Runs(bytes) => {
                let (mut from, mut to) = (WORDS - 1, 0);
                for (first, last) in runs_of(bytes) {
                    let (low, high) = (usize::from(first >> 6), usize::from(last >> 6));
                    let (begin, end) = (u64::MAX << (first & 63), u64::MAX >> (63 - (last & 63)));
                    if low == high {
                        self.bits[low] |= begin & end;
                    } else {
                        self.bits[low] |= begin;
                        self.bits[low + 1..high].fill(u64::MAX);
                        self.bits[high] |= end;
                    }
                    (from, to) = (from.min(low), to.max(high));
                }
                (from, to)
            }
        }
    }

    fn merge_intervals(&mut self, group: &[Part<'_>], writer: &mut SetWriter) -> Result<()> {
        self.intervals.clear();
        for part in group {
            if let Container::Runs(bytes) = part.container {
                self.intervals.extend(runs_of(bytes));
            }
        }
        self.intervals.sort_unstable();
        self.intervals.dedup_by(|next, kept| {
            let joined = u32::from(next.0) <= u32::from(kept.1) + 1;
            if joined {
                kept.1 = kept.1.max(next.1);
            }
            joined
        });
        self.bytes.clear();
        let mut rows = 0;
        for (first, last) in &self.intervals {
            rows += u32::from(last - first) + 1;
            self.bytes.extend_from_slice(&first.to_le_bytes());
            self.bytes.extend_from_slice(&(last - first).to_le_bytes());
        }
        writer.push(group[0].chunk, rows, Container::Runs(&self.bytes))
    }

    fn sort(&mut self, group: &[Part<'_>], writer: &mut SetWriter) -> Result<()> {
        self.rows.clear();
        for part in group {
            match part.container {
                Container::Array(bytes) => self.rows.extend(array_of(bytes)),
                Container::Runs(bytes) => {
                    self.rows.extend(runs_of(bytes).flat_map(|(first, last)| first..=last));
                }
                Container::Bits(_) => {}
            }
        }
        self.rows.sort_unstable();
        self.rows.dedup();
        self.bytes.clear();
        self.bytes.extend(self.rows.iter().flat_map(|row| row.to_le_bytes()));
        let rows = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        writer.push(group[0].chunk, rows, Container::Array(&self.bytes))
    }
}
