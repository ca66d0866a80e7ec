//! Which versions a flush or merge keeps.

use crate::entry::{EntryRef, Kind};
use crate::options::MergeFilter;
use crate::planted;

/// What to do with a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Keep it as it is.
    Keep,
    /// Keep it with sequence number zero: no reader is older, and zeros compress.
    KeepSettled,
    /// Keep a deletion in its place: it expired, or the merge filter dropped it.
    KeepDeleted,
    /// Drop it.
    Drop,
}

/// Judges versions in entry order, keyspace by keyspace.
pub(super) struct Retain {
    /// Snapshots that are open, ascending.
    snapshots: Vec<u64>,
    /// Nothing older than the result exists, so deletions have nothing left to hide.
    bottom: bool,
    /// Commit that last emptied the keyspace, or zero.
    floor: u64,
    now_ms: u64,
    filter: Option<MergeFilter>,
    key: Vec<u8>,
    /// Sequence number of the next newer version of the key; `None` before its newest.
    newer_seq: Option<u64>,
    /// Blobs of versions that were dropped.
    pub(super) dropped_blobs: Vec<u64>,
}

impl Retain {
    pub(super) fn new(
        snapshots: Vec<u64>,
        bottom: bool,
        floor: u64,
        now_ms: u64,
        filter: Option<MergeFilter>,
    ) -> Self {
        let snapshots =
            if planted::is("ignore-snapshots-in-merge") { Vec::new() } else { snapshots };
        Self {
            snapshots,
            bottom,
            floor,
            now_ms,
            filter,
            key: Vec::new(),
            newer_seq: None,
            dropped_blobs: Vec::new(),
        }
    }

    /// Whether a version of this key was the last one judged.
    pub(super) fn is_within(&self, key: &[u8]) -> bool {
        self.newer_seq.is_some() && key == self.key
    }

    /// Judges the next version.
    pub(super) fn judge(&mut self, entry: &EntryRef<'_>) -> Verdict {
        if self.newer_seq.is_none() || entry.key != self.key {
            self.key.clear();
            self.key.extend_from_slice(entry.key);
            self.newer_seq = None;
        }
        let verdict = self.verdict(entry);
        self.newer_seq = Some(entry.seq);
        let gone = matches!(verdict, Verdict::Drop | Verdict::KeepDeleted);
        if gone && entry.kind == Kind::Blob {
            self.dropped_blobs.extend(crate::blob::parse_reference(entry.value).map(|(id, _)| id));
        }
        verdict
    }

    fn verdict(&self, entry: &EntryRef<'_>) -> Verdict {
        let older = self.snapshots.first().is_some_and(|oldest| *oldest < entry.seq);
        // A reader between this version and the next newer one sees this one.
        if let Some(newer) = self.newer_seq {
            let at = self.snapshots.partition_point(|snapshot| *snapshot < entry.seq);
            let seen = self.snapshots.get(at).is_some_and(|snapshot| *snapshot < newer);
            if !seen {
                return Verdict::Drop;
            }
        }
        if entry.seq < self.floor
            && self.snapshots.first().is_none_or(|oldest| *oldest >= self.floor)
        {
            return Verdict::Drop;
        }
        let seen = self.snapshots.last().is_some_and(|newest| *newest >= entry.seq);
        let removed = entry.kind == Kind::Delete
            || !seen && (entry.expired(self.now_ms) || self.filtered(entry));
        match (removed, self.bottom && !older) {
            (true, true) => Verdict::Drop,
            (true, false) if entry.kind == Kind::Delete => Verdict::Keep,
            (true, false) => Verdict::KeepDeleted,
            (false, true) if self.newer_seq.is_none() && self.floor == 0 => Verdict::KeepSettled,
            (false, _) => Verdict::Keep,
        }
    }

    fn filtered(&self, entry: &EntryRef<'_>) -> bool {
        let filter = self.filter.as_ref().filter(|_| entry.kind == Kind::Put);
        filter.is_some_and(|keep| !keep(entry.key, entry.value))
    }
}

#[cfg(all(test, loom))]
mod models;
