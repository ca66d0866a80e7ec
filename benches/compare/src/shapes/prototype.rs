//! What a prototype of a shape must do: keep versions, commit atomically, survive a reopen.
//!
//! [`Shared`] makes an engine of any prototype, so that it goes through the same scenarios as
//! everybody else. A lock around the whole store is enough, since the subject has one thread.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Result, anyhow};

use crate::storage::engine::{Engine, Level, Session, Setup, missing};
use crate::workload::{KEY_LEN, Key, bump};

/// The number of a commit, ascending. It is the version of all that the commit wrote, and a
/// snapshot sees the commits up to its own number.
pub(super) type Sequence = u64;

/// A key and its version in the order in which versions are stored: by key, newest first. Keys of
/// different lengths would need a terminator; here all have the same length.
pub(super) type Versioned = [u8; KEY_LEN + 8];

/// The place of `key` in version `sequence`.
pub(super) fn versioned(key: &Key, sequence: Sequence) -> Versioned {
    let mut versioned = [0; KEY_LEN + 8];
    versioned[..KEY_LEN].copy_from_slice(key);
    versioned[KEY_LEN..].copy_from_slice(&(!sequence).to_be_bytes());
    versioned
}

/// The key in `versioned`.
pub(super) fn key_of(versioned: &Versioned) -> Key {
    let mut key = [0; KEY_LEN];
    key.copy_from_slice(&versioned[..KEY_LEN]);
    key
}

fn sequence_of(versioned: &Versioned) -> Sequence {
    let mut inverse = [0; 8];
    inverse.copy_from_slice(&versioned[KEY_LEN..]);
    !u64::from_be_bytes(inverse)
}

/// Picks, out of versions in their stored order, the newest of each key that a snapshot sees.
#[derive(Debug)]
pub(super) struct Newest {
    snapshot: Sequence,
    last: Option<Key>,
}

impl Newest {
    /// Picks for `snapshot`.
    pub(super) const fn new(snapshot: Sequence) -> Self {
        Self { snapshot, last: None }
    }

    /// Whether `versioned` is what the snapshot sees of its key.
    pub(super) fn picks(&mut self, versioned: &Versioned) -> bool {
        let key = Some(key_of(versioned));
        if sequence_of(versioned) > self.snapshot || self.last == key {
            return false;
        }
        self.last = key;
        true
    }
}

/// A store with one writer at a time. It keeps all versions: reclaiming them is left out, since
/// the subject writes each key once.
pub(super) trait Prototype: Sized + Send + 'static {
    /// Opens the store in the existing folder `dir` with what it recovers.
    fn open(dir: &Path, memory: u64) -> Result<Self>;

    /// Writes all of `entries` or none of them as the next version.
    fn commit(&mut self, entries: &[(Key, &[u8])]) -> Result<()>;

    /// The number of the last commit.
    fn last(&self) -> Sequence;

    /// Hands what `snapshot` sees of `key` to `read`.
    fn get_at<R>(
        &mut self,
        key: &Key,
        snapshot: Sequence,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>>;

    /// Hands up to `limit` entries from `start` on, as `snapshot` sees them, to `visit`.
    fn scan_at(
        &mut self,
        start: &Key,
        limit: usize,
        snapshot: Sequence,
        visit: impl FnMut(&[u8], &[u8]),
    ) -> Result<usize>;

    /// Returns when all commits are on disk.
    fn flush(&mut self) -> Result<()>;

    /// Leaves the store so that the next open has little to do.
    fn close(&mut self) -> Result<()>;
}

/// A prototype as an engine, and as a session of it.
pub(super) struct Shared<P> {
    store: Arc<Mutex<P>>,
    level: Level,
}

impl<P> Shared<P> {
    fn lock(&self) -> Result<MutexGuard<'_, P>> {
        self.store.lock().map_err(|_| anyhow!("a thread panicked inside the store"))
    }
}

impl<P: Prototype> Engine for Shared<P> {
    type Session = Self;

    fn open(dir: &Path, setup: &Setup) -> Result<Self> {
        let store = Arc::new(Mutex::new(P::open(dir, setup.memory)?));
        Ok(Self { store, level: setup.level })
    }

    fn session(&self) -> Result<Self> {
        Ok(Self { store: Arc::clone(&self.store), level: self.level })
    }

    fn flush(&self) -> Result<()> {
        self.lock()?.flush()
    }

    fn close(self) -> Result<()> {
        self.lock()?.close()
    }
}

impl<P: Prototype> Session for Shared<P> {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        self.batch(&[(*key, value)])
    }

    fn get_with<R>(&mut self, key: &Key, read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        let mut store = self.lock()?;
        let snapshot = store.last();
        store.get_at(key, snapshot, read)
    }

    fn batch(&mut self, entries: &[(Key, &[u8])]) -> Result<()> {
        let mut store = self.lock()?;
        store.commit(entries)?;
        if self.level == Level::Sync { store.flush() } else { Ok(()) }
    }

    fn scan(
        &mut self,
        start: &Key,
        limit: usize,
        visit: impl FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        let mut store = self.lock()?;
        let snapshot = store.last();
        store.scan_at(start, limit, snapshot, visit)
    }

    fn update(&mut self, keys: &[Key]) -> Result<()> {
        // Under the lock from the first read to the commit, so it is serializable.
        let mut store = self.lock()?;
        let snapshot = store.last();
        let mut new = Vec::with_capacity(keys.len());
        for key in keys {
            let mut value = Vec::new();
            let found = store.get_at(key, snapshot, |old| bump(old, &mut value))?;
            found.ok_or_else(|| missing(key))?;
            new.push(value);
        }
        let entries: Vec<(Key, &[u8])> =
            keys.iter().copied().zip(new.iter().map(Vec::as_slice)).collect();
        store.commit(&entries)?;
        if self.level == Level::Sync { store.flush() } else { Ok(()) }
    }
}
