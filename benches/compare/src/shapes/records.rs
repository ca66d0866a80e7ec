//! A record per key and version in sled 0.34.7: the shape that costs the least code.
//!
//! sled's own log is the only log, so a killed process loses what sled has not written yet, up to
//! 500 ms of commits. A commit of several entries is one batch of sled, which is atomic.

use std::path::Path;

use anyhow::{Context as _, Result};
use sled::{Batch, Config, Db, IVec, Mode, Tree};

use super::prototype::{Newest, Prototype, Sequence, Versioned, key_of, versioned};
use crate::workload::Key;

/// Sequences are reserved on disk in groups of this many, so that a reopened store goes on above
/// all that it ever gave out without writing a counter for each commit.
const LEASE: Sequence = 1 << 16;

const SEQUENCE: &str = "sequence";

pub(super) struct Records {
    db: Db,
    meta: Tree,
    last: Sequence,
    leased: Sequence,
}

impl Prototype for Records {
    fn open(dir: &Path, memory: u64) -> Result<Self> {
        let config = Config::new().path(dir).cache_capacity(memory);
        let db = config.mode(Mode::HighThroughput).open()?;
        let meta = db.open_tree("meta")?;
        let leased = read_sequence(&meta)?;
        Ok(Self { db, meta, last: leased, leased })
    }

    fn commit(&mut self, entries: &[(Key, &[u8])]) -> Result<()> {
        let sequence = self.last + 1;
        if sequence > self.leased {
            self.leased += LEASE;
            write_sequence(&self.meta, self.leased)?;
        }
        if let [(key, value)] = entries {
            self.db.insert(versioned(key, sequence), *value)?;
        } else {
            let mut batch = Batch::default();
            for (key, value) in entries {
                batch.insert(&versioned(key, sequence), *value);
            }
            self.db.apply_batch(batch)?;
        }
        self.last = sequence;
        Ok(())
    }

    fn last(&self) -> Sequence {
        self.last
    }

    fn get_at<R>(
        &mut self,
        key: &Key,
        snapshot: Sequence,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>> {
        // The newest version that the snapshot sees is the first one of this range.
        let versions = versioned(key, snapshot)..=versioned(key, 0);
        match self.db.range(versions).next() {
            Some(entry) => Ok(Some(read(&entry?.1))),
            None => Ok(None),
        }
    }

    fn scan_at(
        &mut self,
        start: &Key,
        limit: usize,
        snapshot: Sequence,
        mut visit: impl FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        let mut newest = Newest::new(snapshot);
        let mut count = 0;
        let mut entries = self.db.range(versioned(start, Sequence::MAX)..);
        while count < limit {
            let Some(entry) = entries.next() else {
                break;
            };
            let (stored, value) = entry?;
            let stored = stored_key(&stored)?;
            if newest.picks(&stored) {
                visit(&key_of(&stored), &value);
                count += 1;
            }
        }
        Ok(count)
    }

    fn flush(&mut self) -> Result<()> {
        self.db.flush()?;
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        self.flush()
    }
}

fn stored_key(bytes: &IVec) -> Result<Versioned> {
    bytes.as_ref().try_into().context("a stored key has a wrong length")
}

/// The sequence in `meta`, zero in a new store.
pub(super) fn read_sequence(meta: &Tree) -> Result<Sequence> {
    let Some(bytes) = meta.get(SEQUENCE)? else {
        return Ok(0);
    };
    let bytes = bytes.as_ref().try_into().context("the sequence has a wrong length")?;
    Ok(Sequence::from_le_bytes(bytes))
}

/// Writes the sequence in `meta`.
pub(super) fn write_sequence(meta: &Tree, sequence: Sequence) -> Result<()> {
    meta.insert(SEQUENCE, &sequence.to_le_bytes())?;
    Ok(())
}
