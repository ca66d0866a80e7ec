//! The commit pipeline: one lock, five steps.
//!
//! Encoding and checksums are done before the lock, waiting for the disk after it. Under it a
//! commit gets its number, goes to the log, then to the memtables, and becomes visible: because
//! one thread does all of it, the order of the log, of the memtables, of the hooks and of
//! visibility is one.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use crate::engine::{Engine, KeyspaceInner};
use crate::entry::{self, EntryRef, KEY_LEN_MAX, Kind};
use crate::error::{Error, Result};
use crate::memtable::{ENTRY_OVERHEAD, Memtable};
use crate::options::{BUFFERED_SYNC_WITHIN, Durability, Maintenance};
use crate::planted;
use crate::statistics::CommitCounts;
use crate::view::is_value;
use crate::wal::{Frame, LogWriter, Op};

/// Values up to this length are copied into the frame; a longer one goes to the log by itself.
const COPIED_LEN_MAX: usize = 8 << 10;

thread_local! {
    /// The frame's buffer is reused: a commit allocates its entries and nothing else.
    static FRAME: RefCell<Frame> = RefCell::default();
}

/// What the commit lock guards.
#[derive(Debug, Default)]
pub(crate) struct CommitState {
    /// `None` if the store is read-only or closed.
    pub(crate) writer: Option<LogWriter>,
    /// Number of the last commit.
    pub(crate) last_seq: u64,
    /// Bytes in the active memtables.
    pub(crate) active_bytes: u64,
    /// Commits that became visible.
    pub(crate) commits: CommitCounts,
    /// When the first commit was made that no sync has covered, in stepped mode.
    unsynced_since: Option<Duration>,
}

/// A change to be committed.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) keyspace: Arc<KeyspaceInner>,
    /// Encoded, with a sequence number still to be set.
    pub(crate) encoded: Arc<[u8]>,
}

impl Change {
    /// Encodes a change, checking the limits.
    pub(crate) fn new(
        keyspace: &Arc<KeyspaceInner>,
        kind: Kind,
        key: &[u8],
        value: &[u8],
        expires_at_ms: u64,
    ) -> Result<Self> {
        if key.len() > KEY_LEN_MAX {
            return Err(Error::KeyTooLong { len: key.len(), max: KEY_LEN_MAX });
        }
        let entry = EntryRef { key, seq: 0, kind, expires_at_ms, value };
        Ok(Self { keyspace: Arc::clone(keyspace), encoded: entry.encode_shared() })
    }
}

/// A commit, as a hook sees it.
#[derive(Debug)]
pub struct Commit<'a> {
    seq: u64,
    changes: &'a [Change],
    whole: Option<WholeChange<'a>>,
}

/// A commit that changes a keyspace as a whole, and names no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WholeChange<'a> {
    /// All keys of this keyspace were removed.
    Cleared(&'a str),
    /// Sorted entries were added to this keyspace in bulk: read them from it once the commit is
    /// visible.
    Ingested(&'a str),
}

impl Commit<'_> {
    /// Its number.
    pub fn lsn(&self) -> u64 {
        self.seq
    }

    /// The change of a keyspace as a whole, if it is one; it has no other changes then.
    pub fn whole(&self) -> Option<WholeChange<'_>> {
        self.whole
    }

    /// Its changes: keyspace name, key, and the value, which is `None` if the key was removed.
    /// Values above 1 MiB are given as `None` too, with the flag set: read them from the store.
    pub fn changes(&self) -> impl Iterator<Item = CommittedChange<'_>> {
        self.changes.iter().map(|change| {
            let entry = EntryRef::decode(&change.encoded);
            let entry = entry.unwrap_or(EntryRef::NONE);
            CommittedChange {
                keyspace: &change.keyspace.name,
                key: entry.key,
                value: (entry.kind == Kind::Put).then_some(entry.value),
                in_blob: entry.kind == Kind::Blob,
            }
        })
    }
}

/// One change of a [`Commit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommittedChange<'a> {
    /// Name of the keyspace.
    pub keyspace: &'a str,
    /// The key.
    pub key: &'a [u8],
    /// The new value; `None` if the key was removed or the value is in a blob.
    pub value: Option<&'a [u8]>,
    /// Whether the value is longer than 1 MiB, and stands in a blob.
    pub in_blob: bool,
}

/// Called for each commit, in commit order, before it becomes visible.
type CommitHook = Arc<dyn Fn(&Commit<'_>) + Send + Sync>;

/// Hooks of a store, oldest first.
#[derive(Default)]
pub(crate) struct CommitHooks {
    hooks: RwLock<Vec<(u64, CommitHook)>>,
    added: AtomicU64,
}

impl fmt::Debug for CommitHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommitHooks").field("added", &self.added).finish_non_exhaustive()
    }
}

impl CommitHooks {
    fn add(&self, hook: CommitHook) -> u64 {
        let id = self.added.fetch_add(1, Ordering::Relaxed);
        self.hooks.write().push((id, hook));
        id
    }

    fn remove(&self, id: u64) {
        let removed: Vec<_> = self.hooks.write().extract_if(.., |(of, _)| *of == id).collect();
        // Not under the lock: what a hook owns may be another subscription.
        drop(removed);
    }

    fn run(&self, commit: &Commit<'_>) {
        for (_, hook) in &*self.hooks.read() {
            hook(commit);
        }
    }
}

/// A hook that is called for each commit; dropping this takes it back. See
/// [`Store::on_commit`](crate::Store::on_commit).
#[derive(Debug)]
#[must_use = "dropping a subscription takes the hook back"]
pub struct CommitSubscription {
    hooks: Arc<CommitHooks>,
    id: u64,
    lsn: u64,
}

impl CommitSubscription {
    /// Number of the last commit before the first that the hook sees. What a snapshot taken from
    /// now on sees beyond it, the hook has seen too.
    pub fn lsn(&self) -> u64 {
        self.lsn
    }
}

impl Drop for CommitSubscription {
    fn drop(&mut self) {
        self.hooks.remove(self.id);
    }
}

impl Engine {
    /// Commits changes together; `None` if `check`, which runs under the lock, says no.
    ///
    /// Keys must not repeat within a keyspace.
    pub(crate) fn commit(
        &self,
        changes: &mut [Change],
        durability: Durability,
        check: impl FnOnce() -> Result<bool>,
    ) -> Result<Option<u64>> {
        self.check_open()?;
        let log = self.log()?;
        log.check()?;
        if changes.iter().any(|change| !entry::is_delete(&change.encoded)) {
            self.check_disk_limit()?;
        }
        self.wait_for_room()?;
        let mut frame = FRAME.take();
        frame.clear();
        let tail = fill(&mut frame, changes);
        let committed = self.commit_locked(&mut frame, tail, changes, durability, check);
        FRAME.set(frame);
        let Some(seq) = committed? else { return Ok(None) };
        if log.asks_for_spare() {
            self.work.request_spare();
        }
        if durability == Durability::Sync && !crate::wal::acknowledges_early() {
            let since = self.clock.monotonic();
            log.sync_to(seq)?;
            let waited = self.clock.monotonic().saturating_sub(since);
            self.work.counters.sync_waits.add(waited);
        }
        Ok(Some(seq))
    }

    /// The part under the lock.
    fn commit_locked(
        &self,
        frame: &mut Frame,
        tail: bool,
        changes: &mut [Change],
        durability: Durability,
        check: impl FnOnce() -> Result<bool>,
    ) -> Result<Option<u64>> {
        let log = self.log()?;
        let mut state = self.commit.lock();
        self.sync_overdue(&mut state)?;
        for change in &*changes {
            change.keyspace.check_live()?;
        }
        if !check()? {
            return Ok(None);
        }
        let reused = planted::is("reuse-sequence-number") && state.last_seq > 3;
        let seq = if reused { state.last_seq } else { state.last_seq + 1 };
        let Some(writer) = &mut state.writer else { return Err(Error::Closed) };
        let last = changes.last().filter(|_| tail);
        let tail = last.map_or(&[][..], |change| &change.encoded[entry::SEQ_LEN..]);
        writer.append(log, seq, frame, tail)?;
        state.last_seq = seq;
        for change in &mut *changes {
            entry::set_seq(&mut change.encoded, seq);
        }
        self.hooks.run(&Commit { seq, changes, whole: None });
        for change in &*changes {
            let encoded = Arc::clone(&change.encoded);
            state.active_bytes += encoded.len() as u64 + ENTRY_OVERHEAD;
            change.keyspace.view.load().active.insert(encoded);
        }
        self.publish(seq);
        *match durability {
            Durability::Memory => &mut state.commits.memory,
            Durability::Buffered => &mut state.commits.buffered,
            Durability::Sync => &mut state.commits.sync,
        } += 1;
        if durability != Durability::Memory {
            state.commits.promised_lsn = seq;
        }
        if durability == Durability::Buffered {
            self.note_unsynced(&mut state);
        }
        if state.active_bytes >= self.options.memtable_size() {
            self.freeze(&mut state);
        }
        Ok(Some(seq))
    }

    /// Takes the commit lock: between two commits, or one could be past its hooks and not visible.
    pub(crate) fn add_hook(
        &self,
        hook: impl Fn(&Commit<'_>) + Send + Sync + 'static,
    ) -> CommitSubscription {
        let state = self.commit.lock();
        let id = self.hooks.add(Arc::new(hook));
        CommitSubscription { hooks: Arc::clone(&self.hooks), id, lsn: state.last_seq }
    }

    /// Runs the hooks for a commit that changes a keyspace as a whole.
    pub(crate) fn run_hooks_for_whole(&self, seq: u64, whole: WholeChange<'_>) {
        self.hooks.run(&Commit { seq, changes: &[], whole: Some(whole) });
    }

    /// Takes care that a buffered commit is synced in time.
    fn note_unsynced(&self, state: &mut CommitState) {
        match self.options.maintenance {
            Maintenance::Background => self.work.request_sync(),
            Maintenance::Stepped => {
                state.unsynced_since.get_or_insert_with(|| self.clock.monotonic());
            }
        }
    }

    /// In stepped mode syncs buffered commits whose time has come: before another commit is made,
    /// since a failure must not be taken for that commit's.
    fn sync_overdue(&self, state: &mut CommitState) -> Result<()> {
        let Some(since) = state.unsynced_since else { return Ok(()) };
        if self.clock.monotonic().saturating_sub(since) < BUFFERED_SYNC_WITHIN {
            return Ok(());
        }
        state.unsynced_since = None;
        self.log()?.sync()
    }

    /// Puts empty memtables in the place of those that hold something, and queues these for a
    /// flush. Everything up to the last commit is then in frozen memtables or tables.
    pub(crate) fn freeze(&self, state: &mut CommitState) {
        let mut memtables = Vec::new();
        for keyspace in self.live_keyspaces() {
            if keyspace.view.load().active.is_empty() {
                continue;
            }
            self.update_view(&keyspace, |view| {
                memtables.push((Arc::clone(&keyspace), view.freeze(Memtable::new())));
            });
        }
        state.active_bytes = 0;
        if !memtables.is_empty() {
            self.work.push_frozen(memtables, state.last_seq);
        }
    }

    /// Reads the newest version of a key that is a value now.
    pub(crate) fn find_newest(
        &self,
        keyspace: &KeyspaceInner,
        key: &[u8],
    ) -> Result<Option<entry::Entry>> {
        let Some((found, floor)) = keyspace.find(key, || self.visible())? else { return Ok(None) };
        let value = is_value(&found.get(), floor, || self.clock.now_unix_ms());
        Ok(value.then_some(found))
    }
}

/// Writes the changes into the frame; says whether the last one is left out of it.
fn fill(frame: &mut Frame, changes: &[Change]) -> bool {
    let dropped = usize::from(planted::is("drop-last-operation-of-batch") && changes.len() > 1);
    let changes = &changes[..changes.len() - dropped];
    let mut tail: &[u8] = &[];
    for (index, change) in changes.iter().enumerate() {
        let op = Op { keyspace_id: change.keyspace.id, entry: &change.encoded[entry::SEQ_LEN..] };
        if index + 1 == changes.len() && op.entry.len() > COPIED_LEN_MAX {
            frame.push_tail(op);
            tail = op.entry;
        } else {
            frame.push(op);
        }
    }
    frame.seal(tail);
    !tail.is_empty()
}
