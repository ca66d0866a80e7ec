//! What is known of a table without reading its entries.

use std::collections::BTreeSet;

use crate::entry::{EntryRef, Kind};

use super::format::{u32_at, u64_at};

/// Facts about one table: kept in the manifest, and in the properties block of the table itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableMeta {
    pub(crate) table_id: u64,
    pub(crate) keyspace_id: u32,
    /// Length of the file, in bytes.
    pub(crate) file_len: u64,
    /// Number of entries, deletions among them.
    pub(crate) entries: u64,
    /// Number of entries that are not the newest version of their key here.
    pub(crate) older: u64,
    /// Number of deletions.
    pub(crate) tombstones: u64,
    /// Number of entries with an expiry.
    pub(crate) expiring: u64,
    /// Latest expiry, milliseconds since the Unix epoch; zero if there is none.
    pub(crate) max_expires_at_ms: u64,
    /// Sum of the lengths of the encoded entries, in bytes.
    pub(crate) raw_len: u64,
    /// First key; empty for a table without entries.
    pub(crate) key_min: Vec<u8>,
    /// Last key.
    pub(crate) key_max: Vec<u8>,
    /// Lowest sequence number; zero for a table without entries.
    pub(crate) seq_min: u64,
    /// Highest sequence number.
    pub(crate) seq_max: u64,
    /// Commit that added the table, if that was a bulk ingest: its entries were written before the
    /// number was known, with zero, and read as if they had this one. Zero otherwise, and always
    /// zero in the table itself.
    pub(crate) stamp: u64,
    /// Blob files that entries refer to: ascending, each once.
    pub(crate) blobs: Vec<u64>,
}

const NUMBERS: usize = 11;
const FIXED_LEN: usize = NUMBERS * 8 + 16;

impl TableMeta {
    /// Length of the encoding, in bytes: it does not depend on `file_len`.
    pub(super) fn encoded_len(&self) -> usize {
        FIXED_LEN + self.key_min.len() + self.key_max.len() + self.blobs.len() * 8
    }

    /// Whether each entry is the one version of its key, and its value for all time.
    pub(crate) fn is_plain(&self) -> bool {
        self.older == 0 && self.tombstones == 0 && self.expiring == 0 && self.blobs.is_empty()
    }

    /// Gives all entries of a table that was written with zeros their number.
    pub(crate) fn stamp(&mut self, seq: u64) {
        debug_assert!(self.seq_max == 0, "only entries without a number can be stamped");
        (self.stamp, self.seq_min, self.seq_max) = (seq, seq, seq);
    }

    /// The facts as the table itself has them.
    pub(super) fn as_written(&self) -> Self {
        if self.stamp == 0 {
            return self.clone();
        }
        Self { stamp: 0, seq_min: 0, seq_max: 0, ..self.clone() }
    }

    /// Appends an encoding that knows its own end.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let numbers: [u64; NUMBERS] = [
            self.table_id,
            self.file_len,
            self.entries,
            self.tombstones,
            self.expiring,
            self.max_expires_at_ms,
            self.raw_len,
            self.seq_min,
            self.seq_max,
            self.stamp,
            self.older,
        ];
        for number in numbers {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let len = |len: usize| u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
        out.extend_from_slice(&self.keyspace_id.to_le_bytes());
        out.extend_from_slice(&len(self.key_min.len()));
        out.extend_from_slice(&len(self.key_max.len()));
        out.extend_from_slice(&len(self.blobs.len()));
        out.extend_from_slice(&self.key_min);
        out.extend_from_slice(&self.key_max);
        for blob in &self.blobs {
            out.extend_from_slice(&blob.to_le_bytes());
        }
    }

    /// Decodes from the front of `bytes` and moves it behind the encoding; `None` if the bytes are
    /// none.
    pub(crate) fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let (fixed, rest) = bytes.split_at_checked(FIXED_LEN)?;
        let number = |index: usize| u64_at(fixed, index * 8);
        let small = |index: usize| u32_at(fixed, NUMBERS * 8 + index * 4);
        let (key_min, rest) = rest.split_at_checked(small(1)? as usize)?;
        let (key_max, rest) = rest.split_at_checked(small(2)? as usize)?;
        let (blobs, rest) = rest.split_at_checked((small(3)? as usize).checked_mul(8)?)?;
        let meta = Self {
            table_id: number(0)?,
            file_len: number(1)?,
            entries: number(2)?,
            tombstones: number(3)?,
            expiring: number(4)?,
            max_expires_at_ms: number(5)?,
            raw_len: number(6)?,
            seq_min: number(7)?,
            seq_max: number(8)?,
            stamp: number(9)?,
            older: number(10)?,
            keyspace_id: small(0)?,
            key_min: key_min.to_vec(),
            key_max: key_max.to_vec(),
            blobs: blobs.as_chunks().0.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect(),
        };
        *bytes = rest;
        Some(meta)
    }
}

/// How an entry continues the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The first version of its key.
    Key,
    /// An older version of the key before it.
    Version,
    /// It does not come after the entry before it.
    OutOfOrder,
    /// A reference to a blob that is too short to name one.
    NoBlobId,
}

/// Counts entries in their order and knows the [`TableMeta`] of those seen.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// All but the blobs; its `key_max` is the key of the last entry.
    meta: TableMeta,
    seq_last: u64,
    blobs: BTreeSet<u64>,
}

impl Tally {
    /// Takes the next entry, of `len` encoded bytes. A refused entry is not counted.
    #[inline]
    pub(super) fn add(&mut self, entry: &EntryRef<'_>, len: usize) -> Step {
        let meta = &mut self.meta;
        let step = if meta.entries == 0 {
            meta.key_min.extend_from_slice(entry.key);
            meta.seq_min = entry.seq;
            Step::Key
        } else {
            match entry.key.cmp(&meta.key_max) {
                std::cmp::Ordering::Greater => Step::Key,
                std::cmp::Ordering::Equal if entry.seq < self.seq_last => Step::Version,
                _ => return Step::OutOfOrder,
            }
        };
        if entry.kind == Kind::Blob {
            let Some(id) = u64_at(entry.value, 0) else {
                return Step::NoBlobId;
            };
            self.blobs.insert(id);
        }
        if step == Step::Key {
            meta.key_max.clear();
            meta.key_max.extend_from_slice(entry.key);
        }
        meta.entries += 1;
        meta.older += u64::from(step == Step::Version);
        meta.raw_len += len as u64;
        meta.tombstones += u64::from(entry.kind == Kind::Delete);
        meta.expiring += u64::from(entry.expires_at_ms != 0);
        meta.max_expires_at_ms = meta.max_expires_at_ms.max(entry.expires_at_ms);
        meta.seq_min = meta.seq_min.min(entry.seq);
        meta.seq_max = meta.seq_max.max(entry.seq);
        self.seq_last = entry.seq;
        step
    }

    pub(super) fn entries(&self) -> u64 {
        self.meta.entries
    }

    /// Key and sequence number of the last entry.
    pub(super) fn last(&self) -> (&[u8], u64) {
        (&self.meta.key_max, self.seq_last)
    }

    /// The facts; those that no entry tells (ids, file length) stay zero.
    pub(super) fn into_meta(self) -> TableMeta {
        TableMeta { blobs: self.blobs.into_iter().collect(), ..self.meta }
    }
}
