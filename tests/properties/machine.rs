//! One sequence of operations, run against the store and the model.

mod lifecycle;
mod reads;
mod transactions;
mod writes;

use std::sync::Arc;

use lightning_db_storage::{
    Depth, Keyspace, KeyspaceOptions, Maintenance, Snapshot, Store, StoreOptions,
};
use lightning_db_types::{Clock, SeededRng, SimClock, SimVfs};

use crate::model::Model;
use crate::operation::{NAMES, Operation};
use reads::{Begun, UP};
use transactions::Open;

const PATH: &str = "/store";

/// A snapshot and what it must show.
struct Pinned {
    snapshot: Snapshot,
    lsn: u64,
    now_ms: u64,
    /// Keyspaces that were there when it was made.
    keyspaces: Vec<usize>,
}

/// The store, the model, and all handles that a sequence holds.
pub(crate) struct Machine {
    disk: SimVfs,
    clock: SimClock,
    change_log_limit: u64,
    model: Model,
    /// `None` only while it is opened again: the old one must be gone first.
    store: Option<Store>,
    /// Handles by the model's number of their keyspace; those of dropped ones stay until the store
    /// is opened again.
    handles: Vec<Option<Keyspace>>,
    snapshots: Vec<Pinned>,
    iterators: Vec<Begun>,
    transactions: [Option<Open>; 2],
    /// Whether the log goes back to the first commit.
    log_is_whole: bool,
    backups: u32,
}

impl Machine {
    pub(crate) fn new(change_log_limit: u64) -> Self {
        let (disk, clock) = (SimVfs::new(), SimClock::default());
        let (store, report) = options(&disk, &clock, PATH, change_log_limit).open().unwrap();
        assert!(report.created);
        Self {
            disk,
            clock,
            change_log_limit,
            model: Model::default(),
            store: Some(store),
            handles: Vec::new(),
            snapshots: Vec::new(),
            iterators: Vec::new(),
            transactions: [None, None],
            log_is_whole: change_log_limit > 0,
            backups: 0,
        }
    }

    /// Runs a sequence and compares everything at its end.
    pub(crate) fn run(mut self, operations: impl Iterator<Item = Operation>) {
        for operation in operations {
            self.step(&operation);
            assert_eq!(self.store().last_lsn(), self.model.last_lsn(), "after {operation:?}");
        }
        for which in 0..self.snapshots.len() {
            self.check_snapshot(which);
        }
        while !self.iterators.is_empty() {
            self.step_iterator(0, UP);
        }
        self.check_all();
        self.reopen(true);
    }

    fn step(&mut self, operation: &Operation) {
        match operation {
            Operation::Write(write, durability) => self.write(write, *durability),
            Operation::CompareAndSwap { write, expected } => {
                self.compare_and_swap(write, *expected);
            }
            Operation::FetchUpdate { write, disturbed } => self.fetch_update(write, *disturbed),
            Operation::Batch(writes, durability) => self.batch(writes, *durability),
            Operation::Transaction { slot, isolation, step } => {
                self.transaction(*slot, *isolation, step);
            }
            Operation::OpenSnapshot => self.open_snapshot(),
            Operation::ReadSnapshot { which, keyspace, key, bounds, walk } => {
                self.read_snapshot(*which, *keyspace, *key, bounds, *walk);
            }
            Operation::DropSnapshot(which) => {
                if !self.snapshots.is_empty() {
                    self.snapshots.swap_remove(which % self.snapshots.len());
                }
            }
            Operation::OpenIterator { keyspace, bounds, of_snapshot } => {
                self.open_iterator(*keyspace, bounds, *of_snapshot);
            }
            Operation::StepIterator { which, walk } => self.step_iterator(*which, *walk),
            Operation::Get { keyspace, key } => self.get(*keyspace, *key),
            Operation::Range { keyspace, bounds, walk } => self.range(*keyspace, bounds, *walk),
            Operation::Prefix { keyspace, prefix, walk } => {
                self.prefix(*keyspace, *prefix, *walk);
            }
            Operation::Sizes { keyspace } => self.sizes(*keyspace),
            Operation::CreateKeyspace { keyspace, time_to_live } => {
                self.create_keyspace(*keyspace, *time_to_live);
            }
            Operation::DropKeyspace { keyspace } => self.drop_keyspace(*keyspace),
            Operation::Clear { keyspace } => self.clear(*keyspace),
            Operation::Ingest { keyspace, entries } => self.ingest(*keyspace, entries),
            Operation::Advance(by) => self.clock.advance(*by),
            Operation::Sync => self.sync(),
            Operation::Checkpoint => self.store().checkpoint().unwrap(),
            Operation::Compact => self.store().compact().unwrap(),
            Operation::Maintain => self.store().maintain().unwrap(),
            Operation::Changes { from } => self.check_changes(*from),
            Operation::Check => {
                let report = self.store().check(Depth::Deep).unwrap();
                assert!(report.problems.is_empty(), "{report:?}");
            }
            Operation::OpenBeside => self.open_beside(),
            Operation::Backup => self.backup(),
            Operation::Reopen { close } => self.reopen(*close),
            Operation::Crash(persistence, seed) => self.crash(*persistence, *seed),
        }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn now_ms(&self) -> u64 {
        self.clock.now_unix_ms()
    }

    /// The keyspace of a name, made if it is not there.
    fn keyspace(&mut self, name: usize) -> (usize, Keyspace) {
        if let Some(id) = self.model.find(NAMES[name]) {
            return (id, self.handle(id));
        }
        let keyspace = self.store().keyspace(NAMES[name], KeyspaceOptions::new()).unwrap();
        let id = self.model.create(NAMES[name], None);
        self.handles.push(Some(keyspace.clone()));
        (id, keyspace)
    }

    fn handle(&self, id: usize) -> Keyspace {
        self.handles[id].clone().unwrap()
    }
}

/// Options of a run without threads, small enough that a few values fill a memtable.
fn options(disk: &SimVfs, clock: &SimClock, path: &str, change_log_limit: u64) -> StoreOptions {
    StoreOptions::new(path)
        .memory_limit(1 << 20)
        .block_size(1 << 10)
        .change_log_limit(change_log_limit)
        .maintenance(Maintenance::Stepped)
        .vfs(Arc::new(disk.clone()))
        .clock(Arc::new(clock.clone()))
        .rng(Arc::new(SeededRng::new(7)))
}
