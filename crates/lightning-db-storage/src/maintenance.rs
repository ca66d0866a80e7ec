//! Work behind the commits: flushing memtables, merging runs, syncing buffered commits.
//!
//! Four threads, each with one kind of work, so that a long merge never keeps a flush waiting: one
//! turns frozen memtables into tables, one merges runs of tables, one brings buffered commits to
//! the disk, one makes log segments ahead. In stepped mode there are no threads, and the caller
//! does the same steps.

pub(crate) mod check;
pub(crate) mod copy;
pub(crate) mod flush;
pub(crate) mod ingest;
pub(crate) mod merge;
pub(crate) mod repair;
mod retain;
mod work;
mod writer;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use crate::engine::{Engine, KeyspaceInner};
use crate::error::{Error, Result};
use crate::memtable::Memtable;
use crate::options::{BUFFERED_SYNC_WITHIN, Maintenance};
use crate::times::TimeCounters;
use crate::wal::Log;
pub(crate) use work::Work;

/// Frozen memtables at which writers wait for a flush. With the active ones they are a third of the
/// memory limit.
const FROZEN_MAX: usize = 4;
/// Frozen memtables at which a writer gives way before each commit, so that the flush catches up
/// and nobody waits long.
const FROZEN_SLOW: usize = FROZEN_MAX - 1;

/// Memtables of all keyspaces that were frozen together: they hold everything between two commits.
#[derive(Debug)]
pub(crate) struct FrozenSet {
    pub(crate) memtables: Vec<(Arc<KeyspaceInner>, Arc<Memtable>)>,
    pub(crate) last_seq: u64,
}

/// Counted since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Flushes done.
    pub(crate) flushes: AtomicU64,
    /// How long commits waited for a sync.
    pub(crate) sync_waits: TimeCounters,
    /// Merges done.
    pub(crate) merges: AtomicU64,
    /// Steps of merges done.
    pub(crate) merge_steps: AtomicU64,
    /// How long these took.
    pub(crate) merge_step_times: TimeCounters,
    /// Bytes of entries that steps of merges have read.
    pub(crate) merge_bytes: AtomicU64,
    /// Bytes of tables that merges under way have still to read.
    pub(crate) merge_bytes_left: AtomicU64,
    /// Bytes of tables written by flushes.
    pub(crate) flushed_bytes: AtomicU64,
    /// Bytes of tables written by flushes and merges.
    pub(crate) table_bytes_written: AtomicU64,
    /// Commits made while writers are slowed down.
    pub(crate) paced: AtomicU64,
    /// Writers that waited for a flush.
    pub(crate) stalls: AtomicU64,
    /// Time that they waited, in nanoseconds.
    pub(crate) stall_ns: AtomicU64,
    /// Longest such wait, in nanoseconds.
    pub(crate) stall_ns_max: AtomicU64,
}

impl Work {
    pub(crate) fn push_frozen(
        &self,
        memtables: Vec<(Arc<KeyspaceInner>, Arc<Memtable>)>,
        last_seq: u64,
    ) {
        self.push(FrozenSet { memtables, last_seq });
    }

    /// Last commit of the newest frozen memtables.
    pub(crate) fn newest_frozen(&self) -> Option<u64> {
        self.with_frozen(|frozen| frozen.back().map(|set| set.last_seq))
    }

    pub(crate) fn frozen_bytes(&self) -> u64 {
        self.with_frozen(|frozen| {
            let memtables = frozen.iter().flat_map(|set| &set.memtables);
            memtables.map(|(_, memtable)| memtable.bytes()).sum()
        })
    }

    /// Tells the threads to end and waits for them.
    pub(crate) fn stop(&self) {
        self.close();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            // The last handle may be dropped by one of the threads themselves.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Engine {
    /// Waits until the memtables have room for another commit.
    pub(crate) fn wait_for_room(&self) -> Result<()> {
        match self.work.frozen_len() {
            0 => Ok(()),
            // Before the commit is made, so that a failure is not taken for the commit's.
            _ if self.options.maintenance == Maintenance::Stepped => self.flush_and_merge(),
            1..FROZEN_SLOW => Ok(()),
            FROZEN_SLOW => {
                self.work.counters.paced.fetch_add(1, Ordering::Relaxed);
                std::thread::yield_now();
                Ok(())
            }
            _ => self.wait_for_flush(),
        }
    }

    #[cold]
    fn wait_for_flush(&self) -> Result<()> {
        let started = self.clock.monotonic();
        self.work.wait_for_flush(FROZEN_MAX)?;
        let waited = self.clock.monotonic().saturating_sub(started);
        let waited_ns = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        let counters = &self.work.counters;
        counters.stalls.fetch_add(1, Ordering::Relaxed);
        counters.stall_ns.fetch_add(waited_ns, Ordering::Relaxed);
        counters.stall_ns_max.fetch_max(waited_ns, Ordering::Relaxed);
        Ok(())
    }

    /// In stepped mode, does what the threads do otherwise.
    pub(crate) fn flush_and_merge(&self) -> Result<()> {
        while self.flush_oldest()? {}
        while self.merge_step()? {}
        Ok(())
    }

    /// Starts the threads. They hold the engine weakly and end when it goes.
    pub(crate) fn start_threads(self: &Arc<Self>) -> Result<()> {
        if self.options.maintenance == Maintenance::Stepped {
            return Ok(());
        }
        let jobs: [(&str, Job); 4] = [
            ("flush", flush_loop),
            ("merge", merge_loop),
            ("sync", sync_loop),
            ("log", spare_loop),
        ];
        for (name, job) in jobs {
            let (work, engine) = (Arc::clone(&self.work), Arc::downgrade(self));
            let thread = std::thread::Builder::new().name(format!("lightning-{name}"));
            let thread = thread.spawn(move || job(&work, &engine));
            let thread = thread.map_err(Error::io("start a thread for", &self.path))?;
            self.work.threads.lock().push(thread);
        }
        Ok(())
    }
}

type Job = fn(&Work, &Weak<Engine>);

fn flush_loop(work: &Work, engine: &Weak<Engine>) {
    while work.next_flush() {
        let Some(engine) = engine.upgrade() else { return };
        match engine.flush_oldest() {
            Ok(_) => work.request_merge(),
            Err(error) => work.note_failure(error),
        }
    }
}

fn merge_loop(work: &Work, engine: &Weak<Engine>) {
    while work.next_merge() {
        let Some(engine) = engine.upgrade() else { return };
        // A failed merge leaves everything as it was; the next look tries again.
        while engine.merge_step().unwrap_or(false) && !work.is_closing() {}
        // Files that could not be removed are tried again.
        let _ = engine.remove_obsolete();
    }
}

fn spare_loop(work: &Work, engine: &Weak<Engine>) {
    while work.next_spare() {
        let Some(engine) = engine.upgrade() else { return };
        // Without a spare the commit that needs a segment makes it, and reports a failure.
        let _ = engine.log().and_then(Log::prepare_spare);
    }
}

fn sync_loop(work: &Work, engine: &Weak<Engine>) {
    while work.next_sync(BUFFERED_SYNC_WITHIN / 2) {
        let Some(engine) = engine.upgrade() else { return };
        // A failure has poisoned the log, and the next write says so.
        let _ = engine.log().and_then(Log::sync);
    }
}
