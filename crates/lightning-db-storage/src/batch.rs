//! Several changes in one commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::commit::Change;
use crate::engine::OpenEngine;
use crate::entry::{self, Kind};
use crate::error::Result;
use crate::keyspace::Keyspace;
use crate::options::Durability;

/// Changes to any keyspaces that become durable and visible together, or not at all.
///
/// Of several changes to one key the last one counts. Dropping a batch drops its changes.
#[derive(Debug)]
#[must_use = "a batch does nothing before `commit`"]
pub struct WriteBatch {
    engine: Arc<OpenEngine>,
    changes: Vec<Change>,
    durability: Durability,
    /// First mistake of a change, given back by `commit`.
    failed: Result<()>,
}

impl WriteBatch {
    pub(crate) fn new(engine: &Arc<OpenEngine>) -> Self {
        let durability = engine.options.durability;
        Self { engine: Arc::clone(engine), changes: Vec::new(), durability, failed: Ok(()) }
    }

    /// Commits at another level than the store's.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets the value of a key. A key or value that is too long makes `commit` fail.
    pub fn insert(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> &mut Self {
        self.push(keyspace.put(key.as_ref(), value.as_ref(), None))
    }

    /// Sets the value of a key until it expires.
    pub fn insert_with_ttl(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        time_to_live: Duration,
    ) -> &mut Self {
        self.push(keyspace.put(key.as_ref(), value.as_ref(), Some(time_to_live)))
    }

    /// Removes a key.
    pub fn remove(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> &mut Self {
        self.push(Change::new(&keyspace.inner, Kind::Delete, key.as_ref(), &[], 0))
    }

    fn push(&mut self, change: Result<Change>) -> &mut Self {
        match change {
            Ok(change) => self.changes.push(change),
            Err(error) if self.failed.is_ok() => self.failed = Err(error),
            Err(_) => {}
        }
        self
    }

    /// Number of changes.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there is no change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Commits all changes together. Returns the number of the commit, or of the newest one if
    /// there was nothing to do.
    ///
    /// # Errors
    /// As [`Keyspace::insert`]; nothing is changed then.
    pub fn commit(self) -> Result<u64> {
        self.failed?;
        let mut changes = last_of_each_key(self.changes);
        if changes.is_empty() {
            return Ok(self.engine.visible());
        }
        let committed = self.engine.commit(&mut changes, self.durability, || Ok(true))?;
        Ok(committed.unwrap_or_else(|| self.engine.visible()))
    }
}

/// Drops changes that a later one replaces: within a commit a key has one version.
fn last_of_each_key(changes: Vec<Change>) -> Vec<Change> {
    if changes.len() < 2 {
        return changes;
    }
    let mut last =
        HashMap::with_capacity_and_hasher(changes.len(), foldhash::fast::RandomState::default());
    for (index, change) in changes.iter().enumerate() {
        last.insert((change.keyspace.id, entry::key_of(&change.encoded)), index);
    }
    if last.len() == changes.len() {
        drop(last);
        return changes;
    }
    let mut keep: Vec<usize> = last.into_values().collect();
    keep.sort_unstable();
    let mut keep = keep.into_iter().peekable();
    let mut kept = Vec::with_capacity(keep.len());
    for (index, change) in changes.into_iter().enumerate() {
        if keep.next_if_eq(&index).is_some() {
            kept.push(change);
        }
    }
    kept
}
