//! Two transactions that may overlap.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::rc::Rc;

use lightning_db_storage::{
    CommitOutcome, Durability, Error, Isolation, Savepoint, Transaction, TransactionOptions,
};

use super::Machine;
use super::reads::check_walk;
use crate::model::{Bounds, Bytes, Change, Effect, within};
use crate::operation::{KEYS, TransactionStep, Walk, Write};

type Writes = BTreeMap<(usize, Vec<u8>), Effect>;

/// A transaction and all that decides how it ends.
pub(super) struct Open {
    transaction: Transaction,
    isolation: Isolation,
    lsn: u64,
    now_ms: u64,
    writes: Writes,
    savepoints: Vec<(Savepoint, Writes)>,
    gone: Vec<Savepoint>,
    keys_read: BTreeSet<(usize, Vec<u8>)>,
    ranges_read: Vec<(usize, Bounds)>,
}

/// What a transaction reads where it wrote.
fn own_value(effect: &Effect) -> Option<Bytes> {
    match effect {
        Effect::Put { value, .. } => Some(Rc::clone(value)),
        _ => None,
    }
}

impl Machine {
    pub(super) fn transaction(
        &mut self,
        slot: usize,
        isolation: Isolation,
        step: &TransactionStep,
    ) {
        let mut open = self.transactions[slot].take().unwrap_or_else(|| self.begin(isolation));
        match step {
            TransactionStep::Get { keyspace, key } => self.read_key(&mut open, *keyspace, *key),
            TransactionStep::Range { keyspace, bounds, walk } => {
                self.read_range(&mut open, *keyspace, bounds, *walk);
            }
            TransactionStep::Write(write) => self.write_within(&mut open, write),
            TransactionStep::Savepoint => {
                let savepoint = open.transaction.savepoint();
                open.savepoints.push((savepoint, open.writes.clone()));
            }
            TransactionStep::RollbackTo(which) => roll_back(&mut open, *which),
            TransactionStep::Commit => return self.commit(open),
            TransactionStep::Drop => return open.transaction.rollback(),
        }
        self.transactions[slot] = Some(open);
    }

    fn begin(&self, isolation: Isolation) -> Open {
        let options = TransactionOptions { isolation, durability: None };
        let transaction = self.store().transaction_with(options);
        let (lsn, now_ms) = (self.model.last_lsn(), self.now_ms());
        assert_eq!(transaction.lsn(), lsn);
        Open {
            transaction,
            isolation,
            lsn,
            now_ms,
            writes: Writes::new(),
            savepoints: Vec::new(),
            gone: Vec::new(),
            keys_read: BTreeSet::new(),
            ranges_read: Vec::new(),
        }
    }

    fn read_key(&mut self, open: &mut Open, name: usize, key: usize) {
        let (id, keyspace) = self.keyspace(name);
        let place = (id, KEYS[key].to_vec());
        let expected = if let Some(own) = open.writes.get(&place) {
            own_value(own)
        } else {
            open.keys_read.insert(place);
            self.model.keyspaces[id].get(KEYS[key], open.lsn, open.now_ms)
        };
        let found = open.transaction.get(&keyspace, KEYS[key]).unwrap();
        assert!(found.as_deref() == expected.as_deref(), "{found:?}, not {expected:?}");
    }

    fn read_range(&mut self, open: &mut Open, name: usize, bounds: &Bounds, walk: Walk) {
        let (id, keyspace) = self.keyspace(name);
        let snapshot = self.model.keyspaces[id].range(bounds, open.lsn, open.now_ms);
        let mut merged: BTreeMap<Vec<u8>, Bytes> = snapshot.into_iter().collect();
        for ((of, key), effect) in &open.writes {
            if *of == id && within(key, bounds) {
                match own_value(effect) {
                    Some(value) => merged.insert(key.clone(), value),
                    None => merged.remove(key),
                };
            }
        }
        let range = open.transaction.range(&keyspace, bounds.clone());
        let reached = check_walk(range, merged.into_iter().collect(), walk);
        if reached.whole {
            open.ranges_read.push((id, bounds.clone()));
            return;
        }
        let front = reached.front.map(|key| (bounds.0.clone(), Bound::Included(key)));
        let back = reached.back.map(|key| (Bound::Included(key), bounds.1.clone()));
        open.ranges_read.extend(front.into_iter().chain(back).map(|part| (id, part)));
    }

    fn write_within(&mut self, open: &mut Open, write: &Write) {
        let (id, keyspace) = self.keyspace(write.keyspace);
        let (key, transaction) = (KEYS[write.key], &mut open.transaction);
        let Change { effect, .. } = self.change(id, write);
        match (write.value, write.time_to_live) {
            (None, _) => transaction.remove(&keyspace, key).unwrap(),
            (Some(value), None) => transaction.insert(&keyspace, key, value.bytes()).unwrap(),
            (Some(value), Some(time_to_live)) => {
                transaction.insert_with_ttl(&keyspace, key, value.bytes(), time_to_live).unwrap();
            }
        }
        open.writes.insert((id, key.to_vec()), effect);
    }

    /// Whether a commit since the transaction's snapshot stands against it.
    fn conflicts(&self, open: &Open) -> bool {
        let changed =
            |(id, key): &(usize, Vec<u8>)| self.model.keyspaces[*id].changed_since(key, open.lsn);
        match open.isolation {
            Isolation::Snapshot => open.writes.keys().any(changed),
            Isolation::Serializable => {
                open.keys_read.iter().any(changed)
                    || open.ranges_read.iter().any(|(id, part)| {
                        self.model.keyspaces[*id].range_changed_since(part, open.lsn)
                    })
            }
        }
    }

    fn commit(&mut self, open: Open) {
        let conflicts = self.conflicts(&open);
        let outcome = open.transaction.commit();
        let mut written = open.writes.keys().map(|(id, _)| &self.model.keyspaces[*id]);
        if written.any(|keyspace| !keyspace.is_live) {
            assert!(matches!(outcome, Err(Error::KeyspaceDropped { .. })), "{outcome:?}");
            return;
        }
        let outcome = outcome.unwrap();
        if open.writes.is_empty() {
            assert_eq!(outcome, CommitOutcome::Committed { lsn: self.model.last_lsn() });
        } else if conflicts {
            assert_eq!(outcome, CommitOutcome::Conflict);
        } else {
            let change = |((keyspace, key), effect)| Change { keyspace, key, effect };
            let changes = open.writes.into_iter().map(change).collect();
            let lsn = self.committed(changes, Durability::Sync);
            assert_eq!(outcome, CommitOutcome::Committed { lsn });
        }
    }
}

fn roll_back(open: &mut Open, which: usize) {
    if let Some(at) = which.checked_rem(open.savepoints.len()) {
        open.transaction.rollback_to(open.savepoints[at].0).unwrap();
        open.writes.clone_from(&open.savepoints[at].1);
        let gone = open.savepoints.drain(at + 1..).map(|(savepoint, _)| savepoint);
        open.gone.extend(gone);
    }
    for gone in &open.gone {
        let refused = open.transaction.rollback_to(*gone);
        assert!(matches!(refused, Err(Error::SavepointGone)), "{refused:?}");
    }
}
