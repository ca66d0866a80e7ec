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
mod writer;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::engine::{Engine, KeyspaceInner};
use crate::error::{Error, Result};
use crate::memtable::Memtable;
use crate::options::{BUFFERED_SYNC_WITHIN, Maintenance};
use crate::wal::Log;

/// Frozen memtables at which writers wait for a flush. With the active ones they are a third of the
/// memory limit.
const FROZEN_MAX: usize = 4;
/// Frozen memtables at which a writer gives way before each commit, so that the flush catches up
/// and nobody waits long.
const FROZEN_SLOW: usize = FROZEN_MAX - 1;
/// How long a failed flush rests before it is tried again without being asked.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often merges look for expired entries without being asked.
const MERGE_LOOK_EVERY: Duration = Duration::from_secs(5);

/// Memtables of all keyspaces that were frozen together: they hold everything between two commits.
#[derive(Debug)]
pub(crate) struct FrozenSet {
    pub(crate) memtables: Vec<(Arc<KeyspaceInner>, Arc<Memtable>)>,
    pub(crate) last_seq: u64,
}

/// What is to be done, and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Work {
    queue: Mutex<Queue>,
    /// Something was queued, or the store closes.
    queued: Condvar,
    /// A flush or merge ended.
    done: Condvar,
    sync_wanted: AtomicBool,
    /// One flush at a time: they are in commit order.
    pub(crate) flush_turn: Mutex<()>,
    /// One merge at a time.
    pub(crate) merge_turn: Mutex<()>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    pub(crate) counters: Counters,
}

#[derive(Debug, Default)]
struct Queue {
    /// Oldest first.
    frozen: VecDeque<Arc<FrozenSet>>,
    wanted: Wanted,
    closing: bool,
    /// Why the last flush failed.
    flush_failed: Option<Arc<Error>>,
}

/// What threads were asked for.
#[derive(Debug, Default)]
struct Wanted {
    merge: bool,
    sync: bool,
    spare: bool,
}

/// Counted since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Flushes done.
    pub(crate) flushes: AtomicU64,
    /// Merges done.
    pub(crate) merges: AtomicU64,
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
    /// Asks for a sync of buffered commits. Costs one load while one is already wanted.
    #[inline]
    pub(crate) fn request_sync(&self) {
        if !self.sync_wanted.load(Ordering::Relaxed)
            && !self.sync_wanted.swap(true, Ordering::AcqRel)
        {
            self.queue.lock().wanted.sync = true;
            self.queued.notify_all();
        }
    }

    /// Asks for a log segment to be made ahead.
    pub(crate) fn request_spare(&self) {
        self.queue.lock().wanted.spare = true;
        self.queued.notify_all();
    }

    pub(crate) fn push_frozen(
        &self,
        memtables: Vec<(Arc<KeyspaceInner>, Arc<Memtable>)>,
        last_seq: u64,
    ) {
        self.queue.lock().frozen.push_back(Arc::new(FrozenSet { memtables, last_seq }));
        self.queued.notify_all();
    }

    pub(crate) fn request_merge(&self) {
        self.queue.lock().wanted.merge = true;
        self.queued.notify_all();
    }

    pub(crate) fn oldest_frozen(&self) -> Option<Arc<FrozenSet>> {
        self.queue.lock().frozen.front().map(Arc::clone)
    }

    /// Last commit of the newest frozen memtables.
    pub(crate) fn newest_frozen(&self) -> Option<u64> {
        self.queue.lock().frozen.back().map(|set| set.last_seq)
    }

    pub(crate) fn frozen_bytes(&self) -> u64 {
        let queue = self.queue.lock();
        let memtables = queue.frozen.iter().flat_map(|set| &set.memtables);
        memtables.map(|(_, memtable)| memtable.bytes()).sum()
    }

    pub(crate) fn pop_frozen(&self) {
        let mut queue = self.queue.lock();
        queue.frozen.pop_front();
        queue.flush_failed = None;
        drop(queue);
        self.done.notify_all();
    }

    fn note_failure(&self, error: Error) {
        self.queue.lock().flush_failed = Some(Arc::new(error));
        self.done.notify_all();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.queue.lock().closing
    }

    /// Tells the threads to end and waits for them.
    pub(crate) fn stop(&self) {
        self.queue.lock().closing = true;
        self.queued.notify_all();
        self.done.notify_all();
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
        // In a statement of its own: within the match the lock would be held through its arms, and
        // waiting for a flush takes it again.
        let frozen = self.work.queue.lock().frozen.len();
        match frozen {
            ..FROZEN_SLOW => Ok(()),
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
        if self.options.maintenance == Maintenance::Stepped {
            while self.flush_oldest()? {}
            return Ok(());
        }
        let started = self.clock.monotonic();
        let mut queue = self.work.queue.lock();
        while queue.frozen.len() >= FROZEN_MAX {
            if queue.closing {
                return Err(Error::Closed);
            }
            if let Some(source) = &queue.flush_failed {
                let source = Arc::clone(source);
                drop(queue);
                self.work.queued.notify_all();
                return Err(Error::Flush { source });
            }
            self.work.done.wait(&mut queue);
        }
        drop(queue);
        let waited = self.clock.monotonic().saturating_sub(started);
        let waited_ns = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        let counters = &self.work.counters;
        counters.stalls.fetch_add(1, Ordering::Relaxed);
        counters.stall_ns.fetch_add(waited_ns, Ordering::Relaxed);
        counters.stall_ns_max.fetch_max(waited_ns, Ordering::Relaxed);
        Ok(())
    }

    /// Called after a commit that froze the memtables.
    pub(crate) fn memtable_frozen(&self) -> Result<()> {
        if self.options.maintenance == Maintenance::Background {
            return Ok(());
        }
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
    loop {
        {
            let mut queue = work.queue.lock();
            while queue.frozen.is_empty() && !queue.closing {
                work.queued.wait(&mut queue);
            }
            if queue.flush_failed.is_some() && !queue.closing {
                work.queued.wait_for(&mut queue, RETRY_AFTER);
            }
            if queue.closing {
                return;
            }
        }
        let Some(engine) = engine.upgrade() else { return };
        match engine.flush_oldest() {
            Ok(_) => work.request_merge(),
            Err(error) => work.note_failure(error),
        }
    }
}

fn merge_loop(work: &Work, engine: &Weak<Engine>) {
    loop {
        {
            let mut queue = work.queue.lock();
            if !queue.wanted.merge && !queue.closing {
                work.queued.wait_for(&mut queue, MERGE_LOOK_EVERY);
            }
            if queue.closing {
                return;
            }
            queue.wanted.merge = false;
        }
        let Some(engine) = engine.upgrade() else { return };
        // A failed merge leaves everything as it was; the next look tries again.
        while engine.merge_step().unwrap_or(false) && !work.is_closing() {}
        engine.remove_obsolete();
    }
}

fn spare_loop(work: &Work, engine: &Weak<Engine>) {
    loop {
        {
            let mut queue = work.queue.lock();
            while !queue.wanted.spare && !queue.closing {
                work.queued.wait(&mut queue);
            }
            if queue.closing {
                return;
            }
            queue.wanted.spare = false;
        }
        let Some(engine) = engine.upgrade() else { return };
        // Without a spare the commit that needs a segment makes it, and reports a failure.
        let _ = engine.log().and_then(Log::prepare_spare);
    }
}

fn sync_loop(work: &Work, engine: &Weak<Engine>) {
    loop {
        {
            let mut queue = work.queue.lock();
            while !queue.wanted.sync && !queue.closing {
                work.queued.wait(&mut queue);
            }
            // Commits gather meanwhile, so that one sync serves many; closing cuts the wait short.
            let gather = BUFFERED_SYNC_WITHIN / 2;
            while !queue.closing && !work.queued.wait_for(&mut queue, gather).timed_out() {}
            if queue.closing {
                return;
            }
            queue.wanted.sync = false;
        }
        work.sync_wanted.store(false, Ordering::Release);
        let Some(engine) = engine.upgrade() else { return };
        // A failure has poisoned the log, and the next write says so.
        let _ = engine.log().and_then(Log::sync);
    }
}
