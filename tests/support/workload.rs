//! Workloads from seeds, with the states that they lead to.

use std::sync::Arc;

use lightning_db_storage::Durability;
use lightning_db_types::{Clock, Rng, SeededRng, SimClock};

use crate::model::{Change, History, Value};

/// By which call a commit is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// A call of the keyspace: one change.
    Point,
    /// A batch.
    Batch,
    /// A serializable transaction that reads first.
    Transaction,
}

/// One call, or a few that belong together.
#[derive(Debug, Clone)]
pub enum Op {
    /// Makes a keyspace.
    Create(String),
    /// Drops a keyspace.
    Drop(String),
    /// Empties a keyspace.
    Clear(String),
    /// Commits changes.
    Commit {
        /// How.
        via: Via,
        /// What; of different keys.
        changes: Vec<Change>,
        /// At which level.
        level: Durability,
    },
    /// Commits a change while a transaction that read its key is open: that one must conflict.
    Conflict(Change),
    /// Adds sorted entries in bulk.
    Ingest(String, Vec<Change>),
    /// `Store::checkpoint`.
    Checkpoint,
    /// `Store::compact`.
    Compact,
    /// `Store::maintain`.
    Maintain,
    /// `Store::sync`.
    Sync,
    /// Opens a snapshot.
    Snapshot,
    /// Reads the oldest snapshot that is open, and drops it.
    Release,
    /// `Store::backup` into a folder beside the store.
    Backup,
    /// Closes the store and opens it again.
    Reopen,
    /// Lets time pass.
    Advance {
        /// How much, in milliseconds.
        millis: u64,
    },
}

impl Op {
    /// The least that survives once the call has returned.
    pub fn level(&self) -> Option<Durability> {
        match self {
            Self::Commit { level, .. } => Some(*level),
            Self::Clear(_)
            | Self::Conflict(_)
            | Self::Ingest(..)
            | Self::Checkpoint
            | Self::Compact
            | Self::Maintain
            | Self::Sync
            | Self::Backup
            | Self::Reopen => Some(Durability::Sync),
            Self::Create(_)
            | Self::Drop(_)
            | Self::Snapshot
            | Self::Release
            | Self::Advance { .. } => None,
        }
    }
}

/// A call, and where in the history it leads.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The call.
    pub op: Op,
    /// Commits once it has returned.
    pub commits: usize,
    /// Changes of the keyspaces once it has returned.
    pub registries: usize,
}

/// Which calls a workload is made of, and how often each is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Kinds {
    /// Weights, four each: insert, remove, batch, transaction; conflict, advance, clear, ingest;
    /// checkpoint, compact, maintain, sync; snapshot, reopen, keyspaces, backup.
    weights: [[u64; 4]; 4],
    /// Longest value, in bytes.
    value_len_max: u64,
}

impl Kinds {
    /// Everything but blobs.
    pub const ALL: Self = Self {
        weights: [[40, 10, 14, 10], [2, 5, 2, 2], [3, 2, 3, 3], [6, 2, 4, 1]],
        value_len_max: 24 << 10,
    };
    /// Commits of one change, and little else.
    pub const POINTS: Self = Self {
        weights: [[60, 20, 0, 0], [0, 10, 0, 0], [0, 0, 0, 5], [0, 2, 3, 0]],
        value_len_max: 12 << 10,
    };
    /// Batches, flushes and merges.
    pub const BATCHES: Self = Self {
        weights: [[10, 5, 50, 10], [0, 5, 2, 0], [8, 5, 5, 0], [2, 0, 2, 0]],
        value_len_max: 16 << 10,
    };
    /// Ingest, backups and checkpoints.
    pub const BULK: Self = Self {
        weights: [[20, 5, 10, 0], [0, 0, 2, 25], [15, 5, 0, 0], [0, 2, 0, 8]],
        value_len_max: 2 << 10,
    };
    /// Snapshots over commits, flushes and merges.
    pub const SNAPSHOTS: Self = Self {
        weights: [[30, 15, 20, 5], [0, 5, 2, 3], [6, 8, 4, 0], [20, 0, 2, 0]],
        value_len_max: 4 << 10,
    };
    /// Flushes and merges, with removals and snapshots between them.
    pub const MERGES: Self = Self {
        weights: [[15, 15, 40, 0], [0, 5, 1, 2], [20, 12, 8, 0], [4, 1, 0, 1]],
        value_len_max: 2 << 10,
    };
    /// Values in files of their own among the others.
    pub const BLOBS: Self = Self {
        weights: [[40, 10, 14, 10], [2, 5, 2, 0], [3, 6, 3, 3], [4, 2, 4, 2]],
        value_len_max: (1 << 20) + (300 << 10),
    };
}

/// A workload, and the history that it makes.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where it came from.
    pub seed: u64,
    /// The calls.
    pub steps: Vec<Planned>,
    /// The states that they lead to.
    pub history: History,
}

const KEYSPACES: [&str; 3] = ["accounts", "edges", "texts"];
const KEYS: u64 = 40;

impl Plan {
    /// A workload of `ops` calls, behind those that make the keyspaces.
    pub fn new(seed: u64, ops: usize, kinds: Kinds) -> Self {
        Self::after(History::default(), seed, ops, kinds, 0)
    }

    /// A workload on a store with a history; `now_ms` is the time, or zero for that of a new clock.
    pub fn after(history: History, seed: u64, ops: usize, kinds: Kinds, now_ms: u64) -> Self {
        let start_ms = SimClock::default().now_unix_ms();
        let mut generator = Generator {
            rng: SeededRng::new(seed ^ 0x4c69_6768_746e_696e),
            kinds,
            now_ms: now_ms.max(start_ms),
            snapshots: 0,
            plan: Self { seed, steps: Vec::new(), history },
        };
        for keyspace in KEYSPACES {
            if !generator.plan.history.last_registry().contains_key(keyspace) {
                generator.push(Op::Create(keyspace.to_owned()));
            }
        }
        let ops = ops + generator.plan.steps.len();
        while generator.plan.steps.len() < ops {
            let op = generator.draw();
            generator.push(op);
        }
        generator.plan
    }
}

struct Generator {
    rng: SeededRng,
    kinds: Kinds,
    now_ms: u64,
    snapshots: usize,
    plan: Plan,
}

impl Generator {
    /// Adds a call, and what it does to the history.
    fn push(&mut self, op: Op) {
        let history = &mut self.plan.history;
        match &op {
            Op::Create(keyspace) => history.create(keyspace),
            Op::Drop(keyspace) => history.drop_keyspace(keyspace),
            Op::Clear(keyspace) => history.clear(keyspace),
            Op::Commit { changes, .. } | Op::Ingest(_, changes) => history.commit(changes),
            Op::Conflict(change) => history.commit(std::slice::from_ref(change)),
            Op::Snapshot => self.snapshots += 1,
            Op::Release => self.snapshots -= 1,
            Op::Reopen => self.snapshots = 0,
            Op::Advance { millis } => self.now_ms += millis,
            Op::Checkpoint | Op::Compact | Op::Maintain | Op::Sync | Op::Backup => {}
        }
        let (commits, registries) = (history.commits(), history.registries());
        self.plan.steps.push(Planned { op, commits, registries });
    }

    fn draw(&self) -> Op {
        let weights = self.kinds.weights.as_flattened();
        let mut at = self.rng.below(weights.iter().sum());
        let kind = weights.iter().position(|weight| {
            let found = at < *weight;
            at = at.saturating_sub(*weight);
            found
        });
        match kind.unwrap_or(0) {
            0 => self.commit(Via::Point, 1, false),
            1 => self.commit(Via::Point, 1, true),
            2 => self.commit(Via::Batch, 8, false),
            3 => self.commit(Via::Transaction, 5, false),
            4 => Op::Conflict(self.change(None)),
            5 => Op::Advance { millis: self.rng.below(40_000) },
            6 => Op::Clear(self.live_keyspace()),
            7 => self.ingest(),
            8 => Op::Checkpoint,
            9 => Op::Compact,
            10 => Op::Maintain,
            11 => Op::Sync,
            12 if self.snapshots == 0 || self.snapshots < 3 && self.rng.one_in(2) => Op::Snapshot,
            12 => Op::Release,
            13 => Op::Reopen,
            14 => self.change_keyspaces(),
            _ => Op::Backup,
        }
    }

    /// Drops one, if there are more than one, or makes one that is missing.
    fn change_keyspaces(&self) -> Op {
        let there = self.plan.history.last_registry();
        let missing = KEYSPACES.into_iter().find(|name| !there.contains_key(*name));
        match missing {
            Some(missing) => Op::Create(missing.to_owned()),
            None => Op::Drop(self.live_keyspace()),
        }
    }

    fn live_keyspace(&self) -> String {
        let there = self.plan.history.last_registry();
        let at = self.below(there.len());
        there.keys().nth(at).cloned().unwrap_or_default()
    }

    fn below(&self, bound: usize) -> usize {
        usize::try_from(self.rng.below(bound as u64)).unwrap_or(0)
    }

    fn key(&self) -> Vec<u8> {
        match self.rng.below(40) {
            // The shortest key, and a long one.
            0 => Vec::new(),
            1 => vec![b'z'; 700],
            _ => format!("key-{:03}", self.rng.below(KEYS)).into_bytes(),
        }
    }

    fn value(&self) -> Value {
        let len = match self.rng.below(20) {
            0..14 => self.rng.below(200),
            14..18 => self.rng.below(2_000),
            _ => self.rng.below(self.kinds.value_len_max),
        };
        let ttl = self.rng.one_in(6).then(|| self.now_ms + 1 + self.rng.below(60_000));
        // Ingest and transactions have calls with a time to live of their own, or none.
        Value { bytes: self.bytes(len), expires_at_ms: ttl }
    }

    /// Bytes that differ from those of every other value, and that compress like text.
    fn bytes(&self, len: u64) -> Arc<[u8]> {
        let mut bytes = Vec::new();
        let mut word = [0; 8];
        while (bytes.len() as u64) < len {
            if bytes.len() % 64 == 0 {
                word = self.rng.next_u64().to_le_bytes();
            }
            bytes.extend_from_slice(&word);
        }
        bytes.truncate(usize::try_from(len).unwrap_or(0));
        Arc::from(bytes)
    }

    fn change(&self, remove: Option<bool>) -> Change {
        let (keyspace, mut key) = (self.live_keyspace(), self.key());
        let remove = remove.unwrap_or_else(|| self.rng.one_in(4));
        if remove {
            // Mostly a key that is there.
            let contents = self.plan.history.last_contents(&keyspace);
            if let Some(there) = contents.keys().nth(self.below(contents.len() + 1)) {
                key.clone_from(there);
            }
        }
        Change { keyspace, key, value: (!remove).then(|| self.value()) }
    }

    fn commit(&self, via: Via, changes_max: usize, remove: bool) -> Op {
        let count = 1 + self.below(changes_max);
        let mut changes: Vec<Change> = Vec::new();
        for _ in 0..count {
            let change = self.change(if remove { Some(true) } else { None });
            let taken =
                |other: &Change| other.keyspace == change.keyspace && other.key == change.key;
            if !changes.iter().any(taken) {
                changes.push(change);
            }
        }
        let level = match self.rng.below(10) {
            0..5 => Durability::Sync,
            5..8 => Durability::Buffered,
            _ => Durability::Memory,
        };
        Op::Commit { via, changes, level }
    }

    fn ingest(&self) -> Op {
        let keyspace = self.live_keyspace();
        let mut keys: Vec<Vec<u8>> = (0..=self.below(30)).map(|_| self.key()).collect();
        keys.sort();
        keys.dedup();
        let entry = |key| {
            let value = Value { expires_at_ms: None, bytes: self.bytes(self.rng.below(300)) };
            Change { keyspace: keyspace.clone(), key, value: Some(value) }
        };
        Op::Ingest(keyspace.clone(), keys.into_iter().map(entry).collect())
    }
}
