//! Committed changes in order, read back from the log.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Engine, OpenEngine};
use crate::entry::{EntryRef, Kind};
use crate::error::{Error, Result};
use crate::slice::Slice;
use crate::wal::{Ops, Segment, SegmentReader, Step};

/// One commit of the change feed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangeSet {
    /// Number of the commit.
    pub lsn: u64,
    /// Its changes; of different keys, but for [`ChangeKind::Cleared`] and
    /// [`ChangeKind::Ingested`].
    pub changes: Vec<KeyChange>,
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyChange {
    /// Name of the keyspace; `None` if it has been dropped since.
    pub keyspace: Option<String>,
    /// The key; empty for a change of the whole keyspace.
    pub key: Slice,
    /// What happened.
    pub kind: ChangeKind,
}

/// What happened to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// It has this value.
    Inserted {
        /// The value.
        value: Slice,
        /// When it expires, in milliseconds since the Unix epoch.
        expires_at_ms: Option<u64>,
    },
    /// It has a value of more than 1 MiB, which the log does not hold: read it from the keyspace.
    InsertedLarge {
        /// Length of the value, in bytes.
        len: u64,
    },
    /// It was removed.
    Removed,
    /// All keys of the keyspace were removed.
    Cleared,
    /// Sorted entries were added by bulk ingest, which bypasses the log: read the keyspace.
    Ingested,
}

/// Reads committed changes, oldest first; see [`Store::changes`](crate::Store::changes).
///
/// Reads the log's files and holds no lock, so a slow reader never keeps a writer waiting. When the
/// log has moved past a reader that fell behind, it gets [`Error::ChangesDropped`].
#[derive(Debug)]
pub struct ChangeReader {
    engine: Arc<OpenEngine>,
    next_seq: u64,
    reader: Option<SegmentReader>,
}

impl ChangeReader {
    pub(crate) fn new(engine: &Arc<OpenEngine>, from_lsn: u64) -> Result<Self> {
        let next_seq = from_lsn.max(1);
        let reader = Self { engine: Arc::clone(engine), next_seq, reader: None };
        reader.check_kept(engine.log()?.oldest_seq())?;
        Ok(reader)
    }

    fn check_kept(&self, oldest: u64) -> Result<()> {
        if self.next_seq < oldest {
            return Err(Error::ChangesDropped { requested: self.next_seq, oldest });
        }
        Ok(())
    }

    /// Number of the commit that the next call gives, if it is there by then.
    pub fn next_lsn(&self) -> u64 {
        self.next_seq
    }

    /// The next commit; `None` if there is none yet. A commit of any durability level is given as
    /// soon as it is visible.
    ///
    /// # Errors
    /// [`Error::ChangesDropped`], [`Error::Corrupt`], [`Error::Io`], [`Error::Closed`].
    pub fn next_change(&mut self) -> Result<Option<ChangeSet>> {
        self.engine.check_open()?;
        if self.next_seq > self.engine.visible() {
            return Ok(None);
        }
        loop {
            let mut reader = match self.reader.take() {
                Some(reader) => reader,
                None => SegmentReader::new(self.segment_of_next()?),
            };
            match self.read(&mut reader)? {
                Some(found) => {
                    self.next_seq = found.lsn + 1;
                    self.reader = Some(reader);
                    return Ok(Some(found));
                }
                // The commit is in a later segment; if it is in none, the log has a gap.
                None if self.is_last(&reader.segment)? => {
                    let detail = format!("commit {} is not in the log", self.next_seq);
                    return Err(Error::corrupt(&reader.segment.path, reader.offset(), detail));
                }
                None => {}
            }
        }
    }

    /// Waits for a commit that this reader has not given yet; says whether there is one.
    pub fn wait(&self, timeout: Duration) -> bool {
        let Engine { published, visible, clock, .. } = &**self.engine;
        published.wait_past(visible, self.next_seq, timeout, || clock.monotonic())
    }

    fn is_last(&self, segment: &Arc<Segment>) -> Result<bool> {
        Ok(Arc::ptr_eq(segment, &self.segment_of_next()?))
    }

    /// The segment that holds the next commit.
    fn segment_of_next(&self) -> Result<Arc<Segment>> {
        let log = self.engine.log()?;
        self.check_kept(log.oldest_seq())?;
        let segments = log.segments();
        let holds = |segment: &&Arc<Segment>| segment.header.prev_last_seq < self.next_seq;
        let found = segments.iter().rev().find(holds).map(Arc::clone);
        found.ok_or(Error::ChangesDropped { requested: self.next_seq, oldest: log.oldest_seq() })
    }

    /// Reads forward to the next commit; `None` at the end of the segment.
    fn read(&self, reader: &mut SegmentReader) -> Result<Option<ChangeSet>> {
        let mut refreshed = false;
        loop {
            match reader.step()? {
                Step::Record { seq, payload, .. } if seq == self.next_seq => {
                    return self.decode(seq, Ops(payload)).map(Some);
                }
                Step::Record { seq, .. } if seq > self.next_seq => return Ok(None),
                Step::Record { .. } => {}
                // What was read ahead may be older than the record that stands there now.
                Step::End { .. } if !refreshed => {
                    reader.refresh();
                    refreshed = true;
                }
                Step::End { .. } => return Ok(None),
            }
        }
    }

    fn decode(&self, seq: u64, ops: Ops<'_>) -> Result<ChangeSet> {
        let keyspaces = self.engine.keyspaces.read();
        let mut changes = Vec::new();
        for op in ops {
            let entry = op.and_then(|op| Some((op, EntryRef::decode_without_seq(seq, op.entry)?)));
            let Some((op, entry)) = entry else {
                let detail = format!("commit {seq} cannot be read");
                return Err(Error::corrupt(&self.engine.path, 0, detail));
            };
            let keyspace = keyspaces.by_id.get(&op.keyspace_id);
            let kind = match entry.kind {
                Kind::Put => ChangeKind::Inserted {
                    value: Slice::from(entry.value),
                    expires_at_ms: (entry.expires_at_ms != 0).then_some(entry.expires_at_ms),
                },
                Kind::Blob => ChangeKind::InsertedLarge {
                    len: crate::blob::parse_reference(entry.value).map_or(0, |(_, len)| len),
                },
                Kind::Delete => ChangeKind::Removed,
                Kind::Clear => ChangeKind::Cleared,
                Kind::Ingest => ChangeKind::Ingested,
            };
            let keyspace = keyspace.map(|keyspace| keyspace.name.clone());
            changes.push(KeyChange { keyspace, key: Slice::from(entry.key), kind });
        }
        Ok(ChangeSet { lsn: seq, changes })
    }
}
