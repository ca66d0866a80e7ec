//! What of a build outlives the process: which rows have changed since it began, and how far it is.
//!
//! The log of a build is a keyspace of the index. Each commit that changes a row notes the row's
//! number there: a key of 8 bytes. The checkpoint stands under one other key. It is written behind
//! each sorted run, when the run is on the disk, and is itself on the disk before the build goes
//! on: with it is every commit that the run was read from. So after a crash the runs that it names
//! hold each row up to its last one, as some snapshot saw it, and a row that has changed since is
//! noted.

use lightning_db_storage::{Durability, Error as StorageError, Keyspace, Snapshot, Store};
use serde::{Deserialize, Serialize};

use crate::definition::IndexDefinition;
use crate::error::Result;
use crate::row::row_id_of;
use crate::row_set::RowSet;

const LOG: &str = "build";
const RUN_PREFIX: &str = "run/";
const CHECKPOINT: &[u8] = b"checkpoint";
const FORMAT: u8 = 2;

/// How far a build is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The last row that was read; its entry is in a run, and those of the rows before it.
    pub(crate) last_row: Option<u64>,
    /// Rows that were read.
    pub(crate) rows: u64,
    pub(crate) runs: u32,
    /// Entries in runs.
    pub(crate) entries: u64,
    /// What the kind has learned from these rows, in its own form.
    pub(crate) kept: Vec<u8>,
}

impl Checkpoint {
    /// That of a log; if there is none that can be read, nothing has been read, and the build
    /// begins anew.
    pub(crate) fn load(log: &Keyspace) -> Result<Self> {
        let bytes = log.get(CHECKPOINT)?;
        let read = match bytes.as_deref().and_then(<[u8]>::split_first) {
            Some((&FORMAT, rest)) => postcard::from_bytes(rest).ok(),
            _ => None,
        };
        Ok(read.unwrap_or_default())
    }

    /// Writes it, and returns when it is on the disk.
    pub(crate) fn save(&self, store: &Store, log: &Keyspace) -> Result<()> {
        let mut bytes = vec![FORMAT];
        // Into memory, which does not fail.
        bytes.extend(postcard::to_stdvec(self).unwrap_or_default());
        let mut batch = store.batch().durability(Durability::Sync);
        batch.insert(log, CHECKPOINT, bytes);
        batch.commit()?;
        Ok(())
    }
}

/// Name of the keyspace.
pub(crate) fn name(definition: &IndexDefinition) -> String {
    definition.keyspace_name(LOG)
}

/// Name of the keyspace of a run.
pub(crate) fn run_name(definition: &IndexDefinition, number: u32) -> String {
    definition.keyspace_name(&format!("{RUN_PREFIX}{number}"))
}

/// The rows that are noted in a log.
pub(crate) fn changed_rows(log: &Keyspace, snapshot: &Snapshot) -> Result<RowSet> {
    let mut rows = RowSet::new();
    for item in snapshot.iter(log) {
        if let Some(row_id) = row_id_of(&item?.0) {
            rows.insert(row_id);
        }
    }
    Ok(rows)
}

/// Drops the runs from a number on.
pub(crate) fn drop_runs(store: &Store, definition: &IndexDefinition, from: u32) -> Result<()> {
    let prefix = definition.keyspace_name(RUN_PREFIX);
    for name in store.keyspaces() {
        let Some(number) = name.strip_prefix(&prefix) else { continue };
        if number.parse().is_ok_and(|number: u32| number < from) {
            continue;
        }
        drop_keyspace(store, &name)?;
    }
    Ok(())
}

/// Drops the keyspaces of an index but for its log and the runs.
pub(crate) fn drop_others(store: &Store, definition: &IndexDefinition) -> Result<()> {
    let (log, run) = (name(definition), definition.keyspace_name(RUN_PREFIX));
    for name in store.keyspaces() {
        let is_own = name.starts_with(&definition.keyspace_prefix());
        if is_own && name != log && !name.starts_with(&run) {
            drop_keyspace(store, &name)?;
        }
    }
    Ok(())
}

/// Drops a keyspace, if it is there. In a store that is only read it does no harm.
pub(crate) fn drop_keyspace(store: &Store, name: &str) -> Result<()> {
    match store.drop_keyspace(name) {
        Err(StorageError::KeyspaceNotFound { .. } | StorageError::ReadOnly) => Ok(()),
        dropped => Ok(dropped?),
    }
}
