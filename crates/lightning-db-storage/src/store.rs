//! The store: opening, keyspaces, and everything that is not about one key.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lightning_db_types::{Clock, Vfs};

use crate::batch::WriteBatch;
use crate::catalog::KeyspaceRecord;
use crate::changes::ChangeReader;
use crate::commit::{Commit, CommitSubscription};
use crate::engine::{Engine, KeyspaceInner, Obsolete, OpenEngine};
use crate::error::{Error, Result};
use crate::keyspace::Keyspace;
use crate::maintenance::check::{CheckReport, Depth};
use crate::maintenance::copy::BackupReport;
use crate::maintenance::repair::RepairReport;
use crate::options::{KeyspaceOptions, Maintenance, StoreOptions};
use crate::progress::{Meter, Observer};
use crate::recovery::{self, RecoveryReport};
use crate::snapshot::Snapshot;
use crate::statistics::Statistics;
use crate::transaction::{CommitOutcome, Transaction, TransactionOptions};

const NAME_LEN_MAX: usize = 255;
/// Bytes in memtables above which a close flushes them, so that the next open need not replay them;
/// below, a small table for each close would cost more than the replay.
const REPLAY_BYTES_MAX: u64 = 4 << 20;
/// Tries of [`Store::run`].
const ATTEMPTS_MAX: u32 = 32;
/// How often a read-only open starts again when files go away under it.
const READ_ONLY_TRIES: usize = 8;

/// An open store. Handles are cheap to clone, and may be used from any thread.
///
/// The store closes when the last handle of any kind (keyspace, snapshot, iterator) is dropped;
/// [`close`](Self::close) does it at once and reports errors.
#[derive(Debug, Clone)]
pub struct Store {
    engine: Arc<OpenEngine>,
}

impl Store {
    /// Opens the store in a folder with default options, making it if it is not there.
    ///
    /// # Errors
    /// As [`StoreOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<(Self, RecoveryReport)> {
        StoreOptions::new(path).open()
    }

    pub(crate) fn open_with(options: &StoreOptions) -> Result<(Self, RecoveryReport)> {
        let mut tries = if options.read_only { READ_ONLY_TRIES } else { 1 };
        loop {
            tries -= 1;
            match recovery::open(options.clone()) {
                // The writer replaced files while they were being opened.
                Err(error) if error.is_missing_file() && tries > 0 => {}
                opened => return opened.map(|(engine, report)| (Self { engine }, report)),
            }
        }
    }

    /// Folder of the store.
    pub fn path(&self) -> &Path {
        &self.engine.path
    }

    /// Who flushes and merges.
    pub fn maintenance(&self) -> Maintenance {
        self.engine.options.maintenance
    }

    /// The disk that the store is on, for files that belong to it but are not its own: each in a
    /// folder of its maker, below [`path`](Self::path).
    pub fn vfs(&self) -> &Arc<dyn Vfs> {
        &self.engine.options.vfs
    }

    /// The time that the store goes by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.engine.options.clock
    }

    /// Opens a keyspace, making it if it is not there; it is on the disk when this returns.
    ///
    /// # Errors
    /// [`Error::KeyspaceOptions`] if the name is empty or longer than 255 bytes, or if the keyspace
    /// is there with other options; those of a write.
    pub fn keyspace(&self, name: &str, options: KeyspaceOptions) -> Result<Keyspace> {
        self.engine.check_open()?;
        let refuse = |detail: String| Error::KeyspaceOptions { name: name.to_owned(), detail };
        if name.is_empty() || name.len() > NAME_LEN_MAX {
            return Err(refuse(format!("a name has 1 to {NAME_LEN_MAX} bytes")));
        }
        // The catalog's lock makes two callers of one name get one keyspace.
        let mut catalog = self.engine.catalog.lock();
        let known = self.engine.keyspaces.read().by_name.get(name).map(Arc::clone);
        let inner = if let Some(inner) = known {
            if options.compression.is_some_and(|wanted| wanted != inner.compression) {
                return Err(refuse(format!("its compression is {:?}", inner.compression)));
            }
            if options.time_to_live.is_some() && options.time_to_live != inner.time_to_live {
                return Err(refuse(format!("its time to live is {:?}", inner.time_to_live)));
            }
            inner
        } else {
            self.engine.log()?.check()?;
            let record = KeyspaceRecord {
                name: name.to_owned(),
                compression: options.compression.unwrap_or(self.engine.options.compression),
                time_to_live: options.time_to_live,
                floors: Vec::new(),
            };
            let id = catalog.state().next_keyspace_id;
            let edited = catalog.edit(|state| {
                state.next_keyspace_id += 1;
                state.keyspaces.insert(id, record.clone());
            });
            self.engine.poison_on(edited)?;
            let view = KeyspaceInner::empty_view(Vec::new());
            let inner = Arc::new(KeyspaceInner::new(id, &record, view, &self.engine.rows));
            self.engine.keyspaces.write().insert(Arc::clone(&inner));
            inner
        };
        drop(catalog);
        if let Some(filter) = options.merge_filter {
            *inner.merge_filter.write() = Some(filter);
        }
        Ok(Keyspace::new(&self.engine, inner))
    }

    /// Opens a keyspace that is there.
    ///
    /// # Errors
    /// [`Error::KeyspaceNotFound`].
    pub fn open_keyspace(&self, name: &str) -> Result<Keyspace> {
        self.engine.check_open()?;
        let inner = self.engine.keyspaces.read().by_name.get(name).map(Arc::clone);
        let inner = inner.ok_or_else(|| Error::KeyspaceNotFound { name: name.to_owned() })?;
        Ok(Keyspace::new(&self.engine, inner))
    }

    /// Names of all keyspaces, in order.
    pub fn keyspaces(&self) -> Vec<String> {
        self.engine.keyspaces.read().by_name.keys().cloned().collect()
    }

    /// Drops a keyspace. Snapshots that are open still read it through handles that are open; its
    /// space comes back when the last of these is gone.
    ///
    /// # Errors
    /// [`Error::KeyspaceNotFound`], and those of a write.
    pub fn drop_keyspace(&self, name: &str) -> Result<()> {
        self.engine.check_open()?;
        self.engine.log()?.check()?;
        let keyspace = self.open_keyspace(name)?;
        self.engine.drop_keyspace(&keyspace.inner)
    }

    /// An empty batch.
    pub fn batch(&self) -> WriteBatch {
        WriteBatch::new(&self.engine)
    }

    /// The state of all keyspaces now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(&self.engine)
    }

    /// A serializable transaction at the store's durability level.
    pub fn transaction(&self) -> Transaction {
        self.transaction_with(TransactionOptions::default())
    }

    /// A transaction.
    pub fn transaction_with(&self, options: TransactionOptions) -> Transaction {
        Transaction::new(&self.engine, options)
    }

    /// Runs `body` in a serializable transaction and commits it; after a conflict, runs it again on
    /// a new snapshot, up to 32 times, waiting a random time that doubles from 10 us to 10 ms.
    ///
    /// # Errors
    /// Those of `body`, which end it without a commit; [`Error::Contention`] if every try ended in
    /// a conflict; those of a commit.
    pub fn run<T>(&self, body: impl FnMut(&mut Transaction) -> Result<T>) -> Result<T> {
        self.run_with(TransactionOptions::default(), body)
    }

    /// [`run`](Self::run) with options.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_with<T>(
        &self,
        options: TransactionOptions,
        mut body: impl FnMut(&mut Transaction) -> Result<T>,
    ) -> Result<T> {
        for attempt in 0..ATTEMPTS_MAX {
            let mut transaction = self.transaction_with(options);
            let value = body(&mut transaction)?;
            if transaction.commit()?.is_committed() {
                return Ok(value);
            }
            self.back_off(attempt);
        }
        Err(Error::Contention { attempts: ATTEMPTS_MAX })
    }

    /// Waits before a transaction is tried again after its conflict number `attempt`, counted from
    /// zero: a random time that doubles from 10 us to 10 ms. For callers with a loop of their own.
    pub fn back_off(&self, attempt: u32) {
        let limit_us = 10_u64 << attempt.min(10);
        let wait_us = self.engine.rng.next_u64() % limit_us;
        // Parking may end early, which only makes the next try come sooner.
        std::thread::park_timeout(std::time::Duration::from_micros(wait_us));
    }

    /// Committed changes from the commit `from_lsn` on, in order; to go on where a reader stopped,
    /// give it its last number plus one.
    ///
    /// # Errors
    /// [`Error::ChangesDropped`] if the log no longer goes back so far; [`Error::ReadOnly`].
    pub fn changes(&self, from_lsn: u64) -> Result<ChangeReader> {
        ChangeReader::new(&self.engine, from_lsn)
    }

    /// Calls `hook` for each commit, in commit order, before the commit is visible, until the
    /// subscription is dropped. The commit lock is held meanwhile: a hook must be short, and must
    /// neither write to this store nor drop a subscription, and a handle of the store that it owns
    /// keeps the store open. Clearing a keyspace and bulk ingest are commits too, see
    /// [`Commit::whole`].
    pub fn on_commit(
        &self,
        hook: impl Fn(&Commit<'_>) + Send + Sync + 'static,
    ) -> CommitSubscription {
        self.engine.add_hook(hook)
    }

    /// Number of the newest commit; zero before the first.
    pub fn last_lsn(&self) -> u64 {
        self.engine.visible()
    }

    /// Number of the oldest commit whose state somebody reads, or may read from now on: the newest
    /// one if no snapshot and no transaction is open. It never goes back.
    pub fn oldest_reader_lsn(&self) -> u64 {
        self.engine.snapshots.oldest_lsn(&self.engine.visible)
    }

    /// Whether the store works: it is open, and takes commits unless it was opened read-only. Reads
    /// two atomics, so that a pool or a health check may ask often.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Poisoned`].
    pub fn health(&self) -> Result<()> {
        self.engine.check_open()?;
        match self.engine.log.get() {
            Some(log) => log.check(),
            None => Ok(()),
        }
    }

    /// Brings every commit made so far to the disk, of whatever level it is.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Io`], [`Error::ReadOnly`].
    pub fn sync(&self) -> Result<()> {
        self.engine.check_open()?;
        self.engine.log()?.sync()
    }

    /// Brings every commit made so far into tables, so that the next open replays nothing.
    ///
    /// # Errors
    /// As [`sync`](Self::sync).
    pub fn checkpoint(&self) -> Result<()> {
        self.engine.checkpoint()
    }

    /// Checkpoints, and merges each keyspace into one run: dropped versions give back their space,
    /// unless a snapshot still sees them. Tables that have nothing to give back, and no keys among
    /// those of others, stay as they are.
    ///
    /// # Errors
    /// As [`sync`](Self::sync), [`Error::Corrupt`].
    pub fn compact(&self) -> Result<()> {
        self.engine.compact(&mut Meter::unobserved())
    }

    /// [`compact`](Self::compact) with reports of how far it has come. What was merged before it
    /// was cancelled stays merged.
    ///
    /// # Errors
    /// As [`compact`](Self::compact); [`Error::Cancelled`].
    pub fn compact_with(&self, observer: &mut Observer<'_>) -> Result<()> {
        self.engine.compact(&mut Meter::new(observer))
    }

    /// In stepped mode does what the threads would do otherwise: flushes, merges that are due, and
    /// the sync of buffered commits.
    ///
    /// # Errors
    /// As [`compact`](Self::compact).
    pub fn maintain(&self) -> Result<()> {
        self.engine.check_open()?;
        while self.engine.flush_oldest()? {}
        while self.engine.merge_step()? {}
        self.engine.remove_obsolete()?;
        self.engine.log()?.sync()
    }

    /// Copies the store into a folder while writers go on. If the folder holds an earlier backup of
    /// this store, only tables that are new are copied. The copy is a store of its own, and ends at
    /// the commit that the report names: of a read-only store, the last one that is in tables.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] if the folder holds something else; [`Error::Io`]. What was copied
    /// is removed then; an earlier backup stays.
    pub fn backup(&self, dir: impl AsRef<Path>) -> Result<BackupReport> {
        self.engine.backup(dir.as_ref(), &mut Meter::unobserved())
    }

    /// [`backup`](Self::backup) under an observer: stages
    /// [`Flush`](crate::Stage::Flush), [`Copy`](crate::Stage::Copy).
    ///
    /// # Errors
    /// As [`backup`](Self::backup); [`Error::Cancelled`].
    pub fn backup_with(
        &self,
        dir: impl AsRef<Path>,
        observer: &mut Observer<'_>,
    ) -> Result<BackupReport> {
        self.engine.backup(dir.as_ref(), &mut Meter::new(observer))
    }

    /// Compares every file with its checksums.
    ///
    /// # Errors
    /// Only what keeps the check itself from going on; damage is in the report.
    pub fn check(&self, depth: Depth) -> Result<CheckReport> {
        self.engine.check(depth, &mut Meter::unobserved())
    }

    /// [`check`](Self::check) under an observer: stage [`Check`](crate::Stage::Check).
    ///
    /// # Errors
    /// As [`check`](Self::check); [`Error::Cancelled`].
    pub fn check_with(&self, depth: Depth, observer: &mut Observer<'_>) -> Result<CheckReport> {
        self.engine.check(depth, &mut Meter::new(observer))
    }

    /// Salvages what can be read of a damaged store that is not open, and makes it open again.
    /// Damaged files are kept in the folder `lost+found`; the report lists what was lost.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::NotFound`], [`Error::Io`]; the store is as it was then.
    pub fn repair(options: StoreOptions) -> Result<RepairReport> {
        crate::maintenance::repair::repair(options, &mut Meter::unobserved())
    }

    /// [`repair`](Self::repair) under an observer: stage [`Salvage`](crate::Stage::Salvage).
    ///
    /// # Errors
    /// As [`repair`](Self::repair); [`Error::Cancelled`].
    pub fn repair_with(options: StoreOptions, observer: &mut Observer<'_>) -> Result<RepairReport> {
        crate::maintenance::repair::repair(options, &mut Meter::new(observer))
    }

    /// What the store holds and does, in numbers.
    pub fn statistics(&self) -> Statistics {
        Statistics::of(&self.engine)
    }

    /// Closes the store: ends the threads, syncs everything, releases the lock. Handles that are
    /// left get [`Error::Closed`] from their next write.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Io`]; the store is closed all the same.
    pub fn close(&self) -> Result<()> {
        self.engine.close()
    }
}

impl Engine {
    /// Removes a keyspace.
    fn drop_keyspace(&self, keyspace: &KeyspaceInner) -> Result<()> {
        let obsolete: Vec<_> = {
            let state = self.commit.lock();
            keyspace.check_live()?;
            let mut catalog = self.catalog.lock();
            let edited = catalog.edit(|state| {
                state.keyspaces.remove(&keyspace.id);
                state.tables.retain(|_, table| table.meta.keyspace_id != keyspace.id);
            });
            self.poison_on(edited)?;
            keyspace.dropped_at.store(state.last_seq + 1, Ordering::Release);
            self.keyspaces.write().remove(keyspace);
            let view = keyspace.view.load();
            let tables = view.runs.iter().flat_map(|run| run.tables.iter());
            tables.map(Obsolete::dropped).collect()
        };
        self.obsolete.lock().extend(obsolete);
        self.remove_obsolete()
    }

    /// Ends the threads, syncs, and releases the lock. Only the first call does something.
    pub(crate) fn close(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        let replay_bytes = self.commit.lock().active_bytes + self.work.frozen_bytes();
        if replay_bytes > REPLAY_BYTES_MAX {
            // The next open is then quick. A failure leaves the commits in the log.
            let _ = self.checkpoint();
        }
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.work.stop();
        let ended = self.end_log();
        let removed = self.remove_obsolete();
        self.catalog.lock().close();
        *self.lock.lock() = None;
        ended.and(removed)
    }

    fn end_log(&self) -> Result<()> {
        let Some(log) = self.log.get() else { return Ok(()) };
        log.check()?;
        let mut state = self.commit.lock();
        match state.writer.take() {
            Some(writer) => writer.close(log),
            None => Ok(()),
        }
    }
}

/// The outcome of a transaction as a `Result`, for callers to whom a conflict is an error.
impl CommitOutcome {
    /// The commit's number.
    ///
    /// # Errors
    /// [`Error::Contention`] after a conflict.
    pub fn into_result(self) -> Result<u64> {
        match self {
            Self::Committed { lsn } => Ok(lsn),
            Self::Conflict => Err(Error::Contention { attempts: 1 }),
        }
    }
}

#[cfg(test)]
mod tests;
