//! Adding sorted entries in bulk, past the log.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::writer::RunWriter;
use crate::catalog::TableRecord;
use crate::commit::{CommitState, WholeChange};
use crate::engine::{Engine, KeyspaceInner};
use crate::entry::{EntryRef, KEY_LEN_MAX, Kind};
use crate::error::{Error, Result};
use crate::keyspace::Keyspace;
use crate::table::TableMeta;
use crate::view::Run;
use crate::wal::{Frame, Op};

/// What [`Keyspace::ingest`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct IngestReport {
    /// Number of the commit.
    pub lsn: u64,
    /// Entries added.
    pub entries: u64,
}

impl Keyspace {
    /// Adds entries in strictly ascending key order, straight into tables: each is written once,
    /// and all of them appear together, or none. They replace values that the keys have.
    ///
    /// Writers go on while the tables are written, and wait for a moment while the result is put
    /// in place. Values must be shorter than 1 MiB.
    ///
    /// # Errors
    /// [`Error::NotSorted`], [`Error::KeyTooLong`], [`Error::ValueTooLong`], [`Error::Io`], and
    /// those of a write; nothing is added then.
    pub fn ingest<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<IngestReport> {
        let engine = &self.engine;
        engine.check_open()?;
        engine.log()?.check()?;
        engine.check_disk_limit()?;
        let mut writer = RunWriter::new(engine, &self.inner);
        let mut last: Option<Vec<u8>> = None;
        let mut encoded = Vec::new();
        let mut count = 0;
        for (key, value) in entries {
            let (key, value) = (key.as_ref(), value.as_ref());
            if key.len() > KEY_LEN_MAX {
                return Err(Error::KeyTooLong { len: key.len(), max: KEY_LEN_MAX });
            }
            let max = crate::blob::BLOB_LEN_MIN - 1;
            if value.len() as u64 > max {
                return Err(Error::ValueTooLong { len: value.len() as u64, max });
            }
            if last.as_deref().is_some_and(|last| key <= last) {
                return Err(Error::NotSorted { index: count });
            }
            encoded.clear();
            EntryRef { key, seq: 0, kind: Kind::Put, expires_at_ms: 0, value }.encode(&mut encoded);
            writer.add(&encoded)?;
            count += 1;
            let last = last.get_or_insert_default();
            last.clear();
            last.extend_from_slice(key);
        }
        let metas = writer.finish()?;
        let installed =
            engine.sync_tables_dir().and_then(|()| engine.install(&self.inner, metas.clone()));
        // After a failed change of the manifest, which poisons the log, it may name the tables.
        if installed.is_err() && engine.log()?.check().is_ok() {
            engine.discard_tables(&metas);
        }
        Ok(IngestReport { lsn: installed?, entries: count })
    }
}

impl Engine {
    /// Makes tables part of a keyspace as one commit.
    fn install(&self, keyspace: &Arc<KeyspaceInner>, mut metas: Vec<TableMeta>) -> Result<u64> {
        // Most of what is in memory is flushed before the lock, so that little is left under it.
        self.checkpoint()?;
        let mut state = self.commit.lock();
        keyspace.check_live()?;
        self.freeze(&mut state);
        // Memtables are looked at before tables, so nothing older may be left in them.
        while self.flush_oldest()? {}
        let seq = self.append_marker(&mut state, keyspace, Kind::Ingest)?;
        let log = self.log()?;
        log.sync_to(seq)?;
        for meta in &mut metas {
            meta.stamp(seq);
        }
        let tables = self.open_tables(&metas)?;
        let recorded = self.catalog.lock().edit(|state| {
            state.flushed_seq = seq;
            for meta in &metas {
                let table = TableRecord::whole(seq, meta.clone());
                state.tables.insert(meta.table_id, table);
            }
        });
        self.poison_on(recorded)?;
        self.update_view(keyspace, |view| {
            if !tables.is_empty() {
                view.runs.insert(0, Run::new(seq, tables));
            }
        });
        // No reader sees the commit yet, so none has been answered from an older row.
        keyspace.rows.clear();
        self.run_hooks_for_whole(seq, WholeChange::Ingested(&keyspace.name));
        self.publish(seq);
        Ok(seq)
    }

    /// Appends a commit that changes a keyspace as a whole.
    fn append_marker(
        &self,
        state: &mut CommitState,
        keyspace: &KeyspaceInner,
        kind: Kind,
    ) -> Result<u64> {
        let seq = state.last_seq + 1;
        let Some(writer) = &mut state.writer else { return Err(Error::Closed) };
        let entry = EntryRef { key: &[], seq, kind, expires_at_ms: 0, value: &[] }.encode_shared();
        let mut frame = Frame::default();
        frame.clear();
        let entry = &entry[crate::entry::SEQ_LEN..];
        frame.push(Op { keyspace_id: keyspace.id, entry });
        frame.seal(&[]);
        writer.append(self.log()?, seq, &mut frame, &[])?;
        state.last_seq = seq;
        Ok(seq)
    }

    /// Empties a keyspace: see [`Keyspace::clear`].
    pub(crate) fn clear_keyspace(&self, keyspace: &KeyspaceInner) -> Result<()> {
        self.check_open()?;
        self.log()?.check()?;
        let mut state = self.commit.lock();
        keyspace.check_live()?;
        let seq = self.append_marker(&mut state, keyspace, Kind::Clear)?;
        // The manifest must not be ahead of the log.
        self.log()?.sync_to(seq)?;
        let mut floors = read_floors(&keyspace.view.load().floors, &self.snapshots.live());
        floors.push(seq);
        let edited = self.catalog.lock().edit(|state| {
            if let Some(record) = state.keyspaces.get_mut(&keyspace.id) {
                record.floors.clone_from(&floors);
            }
        });
        self.poison_on(edited)?;
        self.update_view(keyspace, |view| view.floors = floors);
        self.run_hooks_for_whole(seq, WholeChange::Cleared(&keyspace.name));
        self.publish(seq);
        drop(state);
        self.work.request_merge();
        Ok(())
    }

    /// Lets readers see everything up to `seq`. The caller holds the commit lock.
    pub(crate) fn publish(&self, seq: u64) {
        self.visible.store(seq, Ordering::Release);
        self.published.notify();
    }
}

/// The floors that readers at `live` look at, and the last one: a reader may open between this look
/// and the publication of the next. However often a keyspace is emptied, there are as many as
/// readers, and one.
fn read_floors(floors: &[u64], live: &[u64]) -> Vec<u64> {
    let is_read = |at: usize| match floors.get(at + 1) {
        Some(next) => live.iter().any(|seq| (floors[at]..*next).contains(seq)),
        None => true,
    };
    (0..floors.len()).filter(|at| is_read(*at)).map(|at| floors[at]).collect()
}
