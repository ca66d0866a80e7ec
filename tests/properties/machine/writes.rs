//! Writes outside of transactions.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use lightning_db_storage::{Durability, Error, KeyspaceOptions, Swap};

use super::Machine;
use crate::model::{Bytes, Change, Effect};
use crate::operation::{Expected, KEYS, NAMES, ValueRecipe, Write};

/// In milliseconds.
fn millis(time_to_live: Duration) -> u64 {
    u64::try_from(time_to_live.as_millis()).unwrap()
}

impl Machine {
    /// When a value written now expires; zero for never.
    pub(super) fn expiry(&self, keyspace: usize, time_to_live: Option<Duration>) -> u64 {
        let lasts_ms = time_to_live.map(millis);
        let lasts_ms = lasts_ms.or(self.model.keyspaces[keyspace].time_to_live_ms);
        lasts_ms.map_or(0, |lasts_ms| self.now_ms() + lasts_ms)
    }

    pub(super) fn change(&self, keyspace: usize, write: &Write) -> Change {
        let effect = match write.value {
            Some(value) => Effect::Put {
                value: value.bytes(),
                expires_at_ms: self.expiry(keyspace, write.time_to_live),
            },
            None => Effect::Removed,
        };
        Change { keyspace, key: KEYS[write.key].to_vec(), effect }
    }

    /// Commits to the model; a commit that is synced takes all before it along.
    pub(super) fn committed(&mut self, changes: Vec<Change>, durability: Durability) -> u64 {
        let lsn = self.model.commit(changes);
        if durability == Durability::Sync {
            self.model.durable_lsn = lsn;
        }
        lsn
    }

    pub(super) fn write(&mut self, write: &Write, durability: Durability) {
        let (id, keyspace) = self.keyspace(write.keyspace);
        let keyspace = keyspace.with_durability(durability);
        let key = KEYS[write.key];
        let change = self.change(id, write);
        match (write.value, write.time_to_live) {
            (None, _) => keyspace.remove(key).unwrap(),
            (Some(value), None) => keyspace.insert(key, value.bytes()).unwrap(),
            (Some(value), Some(time_to_live)) => {
                keyspace.insert_with_ttl(key, value.bytes(), time_to_live).unwrap();
            }
        }
        self.committed(vec![change], durability);
    }

    pub(super) fn compare_and_swap(&mut self, write: &Write, expected: Expected) {
        let (id, keyspace) = self.keyspace(write.keyspace);
        let (key, now_ms) = (KEYS[write.key], self.now_ms());
        let current = self.model.keyspaces[id].get(key, u64::MAX, now_ms);
        let expected: Option<Bytes> = match expected {
            Expected::Current => current.clone(),
            Expected::Absent => None,
            Expected::Other => Some(Bytes::from(&b"never written"[..])),
        };
        let new = write.value.map(ValueRecipe::bytes);
        let swap = keyspace.compare_and_swap(key, expected.as_deref(), new.as_deref()).unwrap();
        if expected == current {
            assert_eq!(swap, Swap::Swapped);
            let write = Write { time_to_live: None, ..write.clone() };
            let change = self.change(id, &write);
            self.committed(vec![change], Durability::Sync);
        } else {
            let Swap::Mismatch { current: found } = swap else { panic!("swapped {current:?}") };
            assert_eq!(found.as_deref(), current.as_deref());
        }
    }

    /// A disturbed update has another commit, and a merge, come between its read and its write.
    pub(super) fn fetch_update(&mut self, write: &Write, disturbed: bool) {
        let (id, keyspace) = self.keyspace(write.keyspace);
        let (key, now_ms) = (KEYS[write.key], self.now_ms());
        let before = self.model.keyspaces[id].get(key, u64::MAX, now_ms);
        let disturbance = Write { value: None, ..write.clone() };
        let calls = Cell::new(0);
        let (store, disturbing) = (self.store().clone(), keyspace.clone());
        let found = keyspace.fetch_update(key, |current| {
            let first = calls.replace(calls.get() + 1) == 0;
            let expected = if disturbed && !first { None } else { before.as_deref() };
            assert_eq!(current, expected);
            if disturbed && first {
                disturbing.remove(key).unwrap();
                store.compact().unwrap();
            }
            write.value.map(ValueRecipe::bytes)
        });
        assert_eq!(calls.get(), if disturbed { 2 } else { 1 });
        let found = found.unwrap();
        if disturbed {
            assert_eq!(found, None);
            let change = self.change(id, &disturbance);
            self.committed(vec![change], Durability::Sync);
        } else {
            assert_eq!(found.as_deref(), before.as_deref());
        }
        let write = Write { time_to_live: None, ..write.clone() };
        let change = self.change(id, &write);
        self.committed(vec![change], Durability::Sync);
    }

    pub(super) fn batch(&mut self, writes: &[Write], durability: Durability) {
        let mut batch = self.store().batch().durability(durability);
        let mut last = BTreeMap::new();
        for write in writes {
            let (id, keyspace) = self.keyspace(write.keyspace);
            let key = KEYS[write.key];
            match (write.value, write.time_to_live) {
                (None, _) => batch.remove(&keyspace, key),
                (Some(value), None) => batch.insert(&keyspace, key, value.bytes()),
                (Some(value), Some(time_to_live)) => {
                    batch.insert_with_ttl(&keyspace, key, value.bytes(), time_to_live)
                }
            };
            last.insert((id, write.key), self.change(id, write));
        }
        assert_eq!(batch.len(), writes.len());
        let lsn = batch.commit().unwrap();
        if !last.is_empty() {
            self.committed(last.into_values().collect(), durability);
        }
        assert_eq!(lsn, self.model.last_lsn());
    }

    pub(super) fn create_keyspace(&mut self, name: usize, time_to_live: Option<Duration>) {
        let mut options = KeyspaceOptions::new();
        if let Some(time_to_live) = time_to_live {
            options = options.time_to_live(time_to_live);
        }
        let made = self.store().keyspace(NAMES[name], options);
        if let Some(id) = self.model.find(NAMES[name]) {
            let known_ms = self.model.keyspaces[id].time_to_live_ms;
            if time_to_live.is_some() && time_to_live.map(millis) != known_ms {
                assert!(matches!(made, Err(Error::KeyspaceOptions { .. })), "{made:?}");
            } else {
                assert_eq!(made.unwrap().name(), NAMES[name]);
            }
        } else {
            self.model.create(NAMES[name], time_to_live.map(millis));
            self.handles.push(Some(made.unwrap()));
        }
    }

    pub(super) fn drop_keyspace(&mut self, name: usize) {
        let dropped = self.store().drop_keyspace(NAMES[name]);
        let Some(id) = self.model.find(NAMES[name]) else {
            assert!(matches!(dropped, Err(Error::KeyspaceNotFound { .. })), "{dropped:?}");
            return;
        };
        dropped.unwrap();
        self.model.keyspaces[id].is_live = false;
        let handle = self.handle(id);
        for refused in [handle.insert("a", "b"), handle.clear(), handle.get("a").map(|_| ())] {
            assert!(matches!(refused, Err(Error::KeyspaceDropped { .. })), "{refused:?}");
        }
    }

    pub(super) fn clear(&mut self, name: usize) {
        let (id, keyspace) = self.keyspace(name);
        keyspace.clear().unwrap();
        let change = Change { keyspace: id, key: Vec::new(), effect: Effect::Cleared };
        self.committed(vec![change], Durability::Sync);
    }

    pub(super) fn ingest(&mut self, name: usize, entries: &[(usize, ValueRecipe)]) {
        let (id, keyspace) = self.keyspace(name);
        let entries = entries.iter().map(|(key, value)| (KEYS[*key].to_vec(), value.bytes()));
        let entries: Vec<_> = entries.collect();
        if let [first, second, ..] = &entries[..] {
            let refused = keyspace.ingest([second.clone(), first.clone()]);
            assert!(matches!(refused, Err(Error::NotSorted { index: 1 })), "{refused:?}");
        }
        let report = keyspace.ingest(entries.iter().cloned()).unwrap();
        assert_eq!(report.entries, entries.len() as u64);
        let change = Change { keyspace: id, key: Vec::new(), effect: Effect::Ingested(entries) };
        let lsn = self.committed(vec![change], Durability::Sync);
        assert_eq!(report.lsn, lsn);
    }

    pub(super) fn sync(&mut self) {
        self.store().sync().unwrap();
        self.model.durable_lsn = self.model.last_lsn();
        assert_eq!(self.store().statistics().synced_lsn, self.model.durable_lsn);
    }
}
