//! Opening again, power cuts, the change feed, and backups.

use lightning_db_storage::{ChangeKind, Durability, Error, KeyChange, KeyspaceOptions};
use lightning_db_types::Persistence;

use super::reads::{EVERYTHING, UP, check_walk};
use super::{Machine, PATH, options};
use crate::model::{Change, Effect};
use crate::operation::NAMES;

/// Values of this length or more are not in the log.
const LARGE: usize = 1 << 20;

impl Machine {
    fn drop_handles(&mut self) {
        self.snapshots.clear();
        self.iterators.clear();
        self.transactions = [None, None];
        self.handles.iter_mut().for_each(|handle| *handle = None);
    }

    /// Opens the store; returns the number of its newest commit.
    fn open(&mut self) -> u64 {
        let (store, report) =
            options(&self.disk, &self.clock, PATH, self.change_log_limit).open().unwrap();
        assert!(!report.created);
        self.store = Some(store);
        for (id, keyspace) in self.model.live() {
            self.handles[id] = Some(self.store().open_keyspace(keyspace.name).unwrap());
        }
        report.last_lsn
    }

    pub(super) fn reopen(&mut self, close: bool) {
        let leftover = self.handles.iter().flatten().next().cloned();
        self.drop_handles();
        let old = self.store.take().unwrap();
        if close {
            old.close().unwrap();
            if let Some(leftover) = leftover {
                let refused = leftover.insert("a", "b");
                assert!(
                    matches!(refused, Err(Error::Closed | Error::KeyspaceDropped { .. })),
                    "{refused:?}"
                );
            }
        } else {
            drop(leftover);
        }
        drop(old);
        let last_lsn = self.open();
        assert_eq!(last_lsn, self.model.last_lsn(), "opened again, closed first: {close}");
        self.model.durable_lsn = last_lsn;
        self.check_all();
    }

    /// The power goes; with [`Persistence::All`] only the process ends.
    pub(super) fn crash(&mut self, persistence: Persistence, seed: u64) {
        let synced = self.store().statistics().synced_lsn;
        assert!(synced >= self.model.durable_lsn, "{synced} is synced");
        self.disk.power_cut(persistence, seed);
        self.drop_handles();
        drop(self.store.take());
        let last_lsn = self.open();
        if persistence == Persistence::All {
            assert_eq!(last_lsn, self.model.last_lsn(), "a killed process loses nothing");
        }
        assert!(last_lsn >= synced, "{last_lsn} commits are left of {synced} synced ones");
        self.model.truncate(last_lsn);
        self.model.durable_lsn = last_lsn;
        self.log_is_whole = false;
        self.check_all();
    }

    /// Reads the log from a commit on and compares all of it.
    pub(super) fn check_changes(&self, from: u64) {
        let oldest = self.store().statistics().oldest_change_lsn;
        assert!(!self.log_is_whole || oldest == 1, "the log starts at {oldest}");
        let reader = self.store().changes(from);
        let first = from.max(1);
        if first < oldest {
            let expected = (first, oldest);
            let Err(Error::ChangesDropped { requested, oldest }) = reader else {
                panic!("{reader:?} goes on from {first}, behind {oldest}");
            };
            assert_eq!((requested, oldest), expected);
            return self.check_changes(oldest);
        }
        let mut reader = reader.unwrap();
        for lsn in first..=self.model.last_lsn() {
            let found = reader.next_change().unwrap().unwrap();
            assert_eq!(found.lsn, lsn);
            self.check_commit(&found.changes, self.model.commit_at(lsn));
        }
        assert_eq!(reader.next_change().unwrap(), None);
        assert_eq!(reader.next_lsn(), first.max(self.model.last_lsn() + 1));
    }

    fn check_commit(&self, found: &[KeyChange], expected: &[Change]) {
        let mut found: Vec<_> = found.iter().collect();
        let mut expected: Vec<_> = expected.iter().collect();
        let name = |change: &Change| {
            let keyspace = &self.model.keyspaces[change.keyspace];
            keyspace.is_live.then_some(keyspace.name)
        };
        found.sort_by_key(|change| (change.keyspace.clone(), change.key.to_vec()));
        expected.sort_by_key(|change| (name(change), change.key.clone()));
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found.keyspace.as_deref(), name(expected));
            assert_eq!(found.key, expected.key);
            // Two dropped keyspaces have no names to tell their changes of one key apart.
            if found.keyspace.is_some() {
                check_kind(&found.kind, &expected.effect);
            }
        }
    }

    /// Opens the store once more, for reading only: that shows one commit, no older than the last
    /// synced one.
    pub(super) fn open_beside(&self) {
        let synced = self.store().statistics().synced_lsn;
        let options = options(&self.disk, &self.clock, PATH, self.change_log_limit);
        let (beside, report) = options.read_only(true).open().unwrap();
        let lsn = report.last_lsn;
        assert!((synced..=self.model.last_lsn()).contains(&lsn), "{lsn}, and {synced} is synced");
        for (_, model) in self.model.live() {
            let keyspace = beside.open_keyspace(model.name).unwrap();
            check_walk(keyspace.iter(), model.range(&EVERYTHING, lsn, self.now_ms()), UP);
            assert!(matches!(keyspace.insert("a", "b"), Err(Error::ReadOnly)));
        }
    }

    /// Copies the store, and sees whether the copy is the same and can be written to.
    pub(super) fn backup(&mut self) {
        self.backups += 1;
        // Every other time it is the folder of the backup before.
        let path = format!("/backup/{}", self.backups / 2);
        let report = self.store().backup(&path).unwrap();
        assert!(report.lsn <= self.model.last_lsn(), "{report:?}");
        self.model.durable_lsn = self.model.last_lsn();
        let open = || options(&self.disk, &self.clock, &path, 0).open().unwrap().0;
        for _ in 0..2 {
            let copy = open();
            for (_, model) in self.model.live() {
                let keyspace = copy.open_keyspace(model.name).unwrap();
                let expected = model.range(&EVERYTHING, u64::MAX, self.now_ms());
                check_walk(keyspace.iter(), expected, UP);
            }
        }
        let copy = open();
        let keyspace = copy.keyspace(NAMES[0], KeyspaceOptions::new()).unwrap();
        keyspace.with_durability(Durability::Sync).insert("new", "of the copy").unwrap();
        // A time to live of zero has it expire at once.
        let lasts = self.model.find(NAMES[0]).map(|id| self.model.keyspaces[id].time_to_live_ms);
        if lasts.flatten() != Some(0) {
            assert_eq!(keyspace.get("new").unwrap().as_deref(), Some(&b"of the copy"[..]));
        }
        keyspace.remove("new").unwrap();
    }
}

fn check_kind(found: &ChangeKind, expected: &Effect) {
    match (found, expected) {
        (ChangeKind::Inserted { value, expires_at_ms }, Effect::Put { value: wanted, .. }) => {
            assert!(*value == *wanted, "value in the log");
            let Effect::Put { expires_at_ms: wanted_ms, .. } = expected else { unreachable!() };
            assert_eq!(expires_at_ms.unwrap_or(0), *wanted_ms);
        }
        (ChangeKind::InsertedLarge { len }, Effect::Put { value, .. }) => {
            assert!(value.len() >= LARGE && *len == value.len() as u64);
        }
        (ChangeKind::Removed, Effect::Removed)
        | (ChangeKind::Cleared, Effect::Cleared)
        | (ChangeKind::Ingested, Effect::Ingested(_)) => {}
        _ => panic!("{found:?} in the log, {expected:?} was done"),
    }
}
