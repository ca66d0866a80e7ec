//! Running a plan on a disk, and the account of what was acknowledged.

use std::sync::Arc;
use std::time::Duration;

use lightning_db_storage::{
    CommitOutcome, Durability, Error, Keyspace, KeyspaceOptions, Maintenance, Snapshot, Store,
    StoreOptions, TransactionOptions,
};
use lightning_db_types::{Clock, SeededRng, SimClock, Vfs};

use crate::image::{check_contents, compare};
use crate::model::Change;
use crate::workload::{Op, Plan, Via};

/// Folder of the store on a simulated disk.
pub(crate) const STORE: &str = "/db";
/// Folder of its backup.
pub(crate) const BACKUP: &str = "/backup";

/// Options under which a run can be replayed: small buffers, so that a short workload flushes,
/// merges and starts new log segments, and nothing that depends on threads or on time. `opening`
/// tells apart the openings of one seed.
pub fn store_options(vfs: Arc<dyn Vfs>, clock: &SimClock, seed: u64, opening: u64) -> StoreOptions {
    options_at(STORE, vfs, clock, seed, opening)
}

/// Such options for the store in another folder.
pub(crate) fn options_at(
    path: &str,
    vfs: Arc<dyn Vfs>,
    clock: &SimClock,
    seed: u64,
    opening: u64,
) -> StoreOptions {
    // Some stores keep a part of the log for change readers, most do not.
    let change_log = if seed.is_multiple_of(3) { 96 << 10 } else { 0 };
    // Some merge in many small steps, most in one.
    let merge_slice = if seed % 3 == 1 { 2 << 10 } else { 1 << 20 };
    StoreOptions::new(path)
        .vfs(vfs)
        .clock(Arc::new(clock.clone()))
        .rng(Arc::new(SeededRng::new(seed.wrapping_mul(1 << 32).wrapping_add(opening))))
        .maintenance(Maintenance::Stepped)
        .memory_limit(1 << 20)
        .block_size(1 << 10)
        .change_log_limit(change_log)
        .merge_slice_size(merge_slice)
}

/// An error with its causes.
pub fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What has been asked of a store, and what it has promised.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ledger {
    /// Calls of the plan that have returned without an error.
    pub calls: usize,
    /// Commits that must survive a power cut.
    pub synced: usize,
    /// Commits that must survive the end of the process.
    pub buffered: usize,
    /// Commits acknowledged at any level.
    pub acknowledged: usize,
    /// Commits asked for.
    pub attempted: usize,
    /// Changes of keyspaces acknowledged; all of them are durable.
    pub registries: usize,
    /// Changes of keyspaces asked for.
    pub registries_attempted: usize,
    /// Time at the last call, in milliseconds since the Unix epoch.
    pub now_ms: u64,
}

impl Ledger {
    /// The account of a store that was found in a state of the history.
    pub(crate) fn at(commits: usize, registries: usize, now_ms: u64) -> Self {
        let [synced, buffered, acknowledged, attempted] = [commits; 4];
        let [calls, registries_attempted] = [0, registries];
        Self {
            calls,
            synced,
            buffered,
            acknowledged,
            attempted,
            registries,
            registries_attempted,
            now_ms,
        }
    }
}

/// Why a run ended early.
#[derive(Debug)]
pub enum Failure {
    /// The store answered with an error.
    Refused(Error),
    /// The store did what it must not do.
    Wrong(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Wrong(text)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(error) => f.write_str(&describe(error)),
            Self::Wrong(text) => f.write_str(text),
        }
    }
}

/// A snapshot, and which state it is of.
#[derive(Debug)]
struct Held {
    snapshot: Snapshot,
    commits: usize,
    registries: usize,
    now_ms: u64,
}

/// Runs a plan.
#[derive(Debug)]
pub struct Driver<'p> {
    plan: &'p Plan,
    vfs: Arc<dyn Vfs>,
    clock: SimClock,
    verify: bool,
    opens: u64,
    held: Vec<Held>,
    store: Option<Store>,
    ledger: Ledger,
}

impl<'p> Driver<'p> {
    /// A driver for one run on a disk.
    pub fn new(plan: &'p Plan, vfs: Arc<dyn Vfs>) -> Self {
        let clock = SimClock::default();
        let ledger = Ledger { now_ms: clock.now_unix_ms(), ..Ledger::default() };
        let (held, store) = (Vec::new(), None);
        Self { plan, vfs, clock, verify: false, opens: 0, held, store, ledger }
    }

    /// A driver that goes on where a power cut ended the run before.
    pub(crate) fn resumed(plan: &'p Plan, vfs: Arc<dyn Vfs>, ledger: Ledger) -> Self {
        let mut driver = Self::new(plan, vfs);
        if ledger.now_ms > 0 {
            driver.clock = SimClock::new(ledger.now_ms);
            driver.ledger = ledger;
        }
        driver
    }

    /// Compares the store with the model after each call, and each snapshot when it is dropped.
    #[must_use]
    pub fn verified(mut self) -> Self {
        self.verify = true;
        self
    }

    /// What was asked and acknowledged so far.
    pub fn ledger(&self) -> Ledger {
        self.ledger
    }

    /// The store, if it was opened.
    pub fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    /// Opens the store and makes all calls, up to the first that fails.
    ///
    /// # Errors
    /// What ended the run.
    pub fn run(&mut self) -> Result<(), Failure> {
        self.open()?;
        for at in 0..self.plan.steps.len() {
            self.step(at).map_err(|failure| match failure {
                Failure::Wrong(text) => Failure::Wrong(format!("call {at}: {text}")),
                refused @ Failure::Refused(_) => refused,
            })?;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), Failure> {
        self.opens += 1;
        let vfs = Arc::clone(&self.vfs);
        let (store, _) = store_options(vfs, &self.clock, self.plan.seed, self.opens).open()?;
        self.store = Some(store);
        Ok(())
    }

    fn step(&mut self, at: usize) -> Result<(), Failure> {
        let planned = &self.plan.steps[at];
        self.ledger.attempted = planned.commits;
        self.ledger.registries_attempted = planned.registries;
        self.call(&planned.op)?;
        let ledger = &mut self.ledger;
        ledger.calls = at + 1;
        ledger.acknowledged = planned.commits;
        ledger.registries = planned.registries;
        ledger.now_ms = self.clock.now_unix_ms();
        let level = planned.op.level();
        if level >= Some(Durability::Buffered) {
            ledger.buffered = planned.commits;
        }
        if level == Some(Durability::Sync) {
            ledger.synced = planned.commits;
        }
        if self.verify {
            self.check_live()?;
        }
        Ok(())
    }

    /// Compares the open store with the model.
    fn check_live(&self) -> Result<(), Failure> {
        let Ledger { acknowledged, registries, now_ms, .. } = self.ledger;
        let store = self.open_store()?;
        if store.last_lsn() != acknowledged as u64 {
            let text =
                format!("{acknowledged} commits were made and the last is {}", store.last_lsn());
            return Err(Failure::Wrong(text));
        }
        check_contents(store, &self.plan.history, acknowledged, registries, now_ms)?;
        Ok(())
    }

    fn open_store(&self) -> Result<&Store, Failure> {
        self.store.as_ref().ok_or_else(|| Failure::Wrong("the store is not open".to_owned()))
    }

    fn call(&mut self, op: &Op) -> Result<(), Failure> {
        let store = self.open_store()?;
        match op {
            Op::Create(name) => drop(store.keyspace(name, KeyspaceOptions::new())?),
            Op::Drop(name) => store.drop_keyspace(name)?,
            Op::Clear(name) => store.open_keyspace(name)?.clear()?,
            Op::Commit { via: Via::Point, changes, level } => self.point(changes, *level)?,
            Op::Commit { via: Via::Batch, changes, level } => self.batch(changes, *level)?,
            Op::Commit { via: Via::Transaction, changes, level } => {
                self.transaction(changes, *level)?;
            }
            Op::Conflict(change) => self.conflict(change)?,
            Op::Ingest(name, entries) => {
                let entries = entries
                    .iter()
                    .filter_map(|entry| Some((&entry.key[..], &entry.value.as_ref()?.bytes[..])));
                store.open_keyspace(name)?.ingest(entries)?;
            }
            Op::Checkpoint => store.checkpoint()?,
            Op::Compact => store.compact()?,
            Op::Maintain => store.maintain()?,
            Op::Sync => store.sync()?,
            Op::Backup => drop(store.backup(BACKUP)?),
            Op::Snapshot => {
                let Ledger { acknowledged: commits, registries, now_ms, .. } = self.ledger;
                let held = Held { snapshot: store.snapshot(), commits, registries, now_ms };
                self.held.push(held);
            }
            Op::Release => self.release()?,
            Op::Reopen => {
                self.held.clear();
                if let Some(store) = self.store.take() {
                    store.close()?;
                }
                self.open()?;
            }
            Op::Advance { millis } => self.clock.advance(Duration::from_millis(*millis)),
        }
        Ok(())
    }

    fn ttl_of(&self, expires_at_ms: u64) -> Duration {
        Duration::from_millis(expires_at_ms.saturating_sub(self.clock.now_unix_ms()))
    }

    fn keyspace(&self, name: &str) -> Result<Keyspace, Failure> {
        Ok(self.open_store()?.open_keyspace(name)?)
    }

    fn point(&self, changes: &[Change], level: Durability) -> Result<(), Failure> {
        for change in changes {
            let keyspace = self.keyspace(&change.keyspace)?.with_durability(level);
            match &change.value {
                None => keyspace.remove(&change.key)?,
                Some(value) => match value.expires_at_ms {
                    None => keyspace.insert(&change.key, &value.bytes)?,
                    Some(at) => {
                        keyspace.insert_with_ttl(&change.key, &value.bytes, self.ttl_of(at))?;
                    }
                },
            }
        }
        Ok(())
    }

    fn batch(&self, changes: &[Change], level: Durability) -> Result<(), Failure> {
        let mut batch = self.open_store()?.batch().durability(level);
        for change in changes {
            let keyspace = self.keyspace(&change.keyspace)?;
            match &change.value {
                None => batch.remove(&keyspace, &change.key),
                Some(value) => match value.expires_at_ms {
                    None => batch.insert(&keyspace, &change.key, &value.bytes),
                    Some(at) => {
                        let ttl = self.ttl_of(at);
                        batch.insert_with_ttl(&keyspace, &change.key, &value.bytes, ttl)
                    }
                },
            };
        }
        batch.commit()?;
        Ok(())
    }

    fn transaction(&self, changes: &[Change], level: Durability) -> Result<(), Failure> {
        let options =
            TransactionOptions { durability: Some(level), ..TransactionOptions::default() };
        let mut transaction = self.open_store()?.transaction_with(options);
        for change in changes {
            let keyspace = self.keyspace(&change.keyspace)?;
            transaction.get(&keyspace, &change.key)?;
            match &change.value {
                None => transaction.remove(&keyspace, &change.key)?,
                Some(value) => match value.expires_at_ms {
                    None => transaction.insert(&keyspace, &change.key, &value.bytes)?,
                    Some(at) => {
                        let ttl = self.ttl_of(at);
                        transaction.insert_with_ttl(&keyspace, &change.key, &value.bytes, ttl)?;
                    }
                },
            }
        }
        match transaction.commit()? {
            CommitOutcome::Committed { .. } => Ok(()),
            CommitOutcome::Conflict => {
                Err(Failure::Wrong("a conflict where nothing came between".to_owned()))
            }
        }
    }

    fn conflict(&self, change: &Change) -> Result<(), Failure> {
        let keyspace = self.keyspace(&change.keyspace)?;
        let mut transaction = self.open_store()?.transaction();
        transaction.get(&keyspace, &change.key)?;
        self.point(std::slice::from_ref(change), Durability::Sync)?;
        transaction.insert(&keyspace, "never", "seen")?;
        match transaction.commit()? {
            CommitOutcome::Conflict => Ok(()),
            CommitOutcome::Committed { .. } => {
                Err(Failure::Wrong("no conflict where a read key has changed".to_owned()))
            }
        }
    }

    fn release(&mut self) -> Result<(), Failure> {
        if self.held.is_empty() {
            return Ok(());
        }
        let held = self.held.remove(0);
        if !self.verify {
            return Ok(());
        }
        let history = &self.plan.history;
        let now = history.registry(self.ledger.registries);
        for (name, instance) in history.registry(held.registries) {
            if now.get(name) == Some(instance) {
                let keyspace = self.keyspace(name)?;
                let found = held.snapshot.iter(&keyspace);
                let expected = history.contents(held.commits, *instance);
                compare(name, found, &expected, held.now_ms)
                    .map_err(|text| format!("snapshot of commit {}: {text}", held.commits))?;
            }
        }
        Ok(())
    }
}
