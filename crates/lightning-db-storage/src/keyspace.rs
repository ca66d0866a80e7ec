//! A named, ordered map from keys to values.

use std::ops::RangeBounds;
use std::sync::Arc;
use std::time::Duration;

use crate::blob::{BLOB_LEN_MIN, BlobReader};
use crate::commit::Change;
use crate::engine::{KeyspaceInner, OpenEngine};
use crate::entry::{Entry, Kind, VALUE_LEN_MAX};
use crate::error::{Error, Result};
use crate::options::Durability;
use crate::range::{Range, bounds_of, prefix_bounds, value_of};
use crate::slice::Slice;
use crate::snapshot::ReadPoint;
use crate::view::is_value;

/// Outcome of [`Keyspace::compare_and_swap`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swap {
    /// The value was as expected, and has been replaced.
    Swapped,
    /// The value is another one.
    Mismatch {
        /// The value at the time of the comparison.
        current: Option<Slice>,
    },
}

/// A named, ordered map from keys (0 to 64 KiB) to values (0 to 1 GiB).
///
/// A handle is cheap to clone and shares the store. Reads see the newest commit; for several reads
/// of one state take a [`Snapshot`](crate::Snapshot). Writes are one commit each; for several
/// changes in one commit take a [`WriteBatch`](crate::WriteBatch) or a
/// [`Transaction`](crate::Transaction).
#[derive(Debug, Clone)]
pub struct Keyspace {
    pub(crate) engine: Arc<OpenEngine>,
    pub(crate) inner: Arc<KeyspaceInner>,
    durability: Durability,
}

impl Keyspace {
    pub(crate) fn new(engine: &Arc<OpenEngine>, inner: Arc<KeyspaceInner>) -> Self {
        let durability = engine.options.durability;
        Self { engine: Arc::clone(engine), inner, durability }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// A handle to the same keyspace whose writes are of another durability level.
    #[must_use]
    pub fn with_durability(&self, durability: Durability) -> Self {
        Self { durability, ..self.clone() }
    }

    /// Value of a key, newest commit. Shares the value's buffer: no byte is copied.
    ///
    /// Cost of a hit in memory: two cache misses, one shard read lock, one atomic increment
    /// (docs/read-path.md).
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Io`], [`Error::KeyspaceDropped`].
    #[inline]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Slice>> {
        let key = key.as_ref();
        loop {
            let Some(entry) = self.find(key)? else { return Ok(None) };
            let (seq, is_blob) = (entry.seq(), entry.get().kind == Kind::Blob);
            match value_of(&self.engine, entry) {
                // A merge took the blob away after a newer commit: look again.
                Err(error) if is_blob && error.is_missing_file() && self.replaced(key, seq)? => {}
                value => return value.map(Some),
            }
        }
    }

    /// Whether the version of a key is no longer its newest.
    fn replaced(&self, key: &[u8], seq: u64) -> Result<bool> {
        Ok(self.find(key)?.is_none_or(|newest| newest.seq() != seq))
    }

    /// Calls `read` with the value of a key; `None` if it has none. No lock is held meanwhile.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[inline]
    pub fn get_with<T>(
        &self,
        key: impl AsRef<[u8]>,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>> {
        let key = key.as_ref();
        let Some(entry) = self.find(key)? else { return Ok(None) };
        let decoded = entry.get();
        if decoded.kind == Kind::Blob {
            return Ok(self.get(key)?.map(|value| read(&value)));
        }
        Ok(Some(read(decoded.value)))
    }

    /// Whether a key has a value.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn contains(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.find(key.as_ref())?.is_some())
    }

    /// Reads a value piece by piece: for values too large to hold, or of which a part is wanted.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_reader(&self, key: impl AsRef<[u8]>) -> Result<Option<BlobReader>> {
        let key = key.as_ref();
        loop {
            let Some(entry) = self.find(key)? else { return Ok(None) };
            let decoded = entry.get();
            if decoded.kind != Kind::Blob {
                return Ok(Some(BlobReader::of(entry.into_value())));
            }
            match self.engine.blobs.open(decoded.value) {
                // As in `get`.
                Err(error) if error.is_missing_file() && self.replaced(key, decoded.seq)? => {}
                reader => return reader.map(Some),
            }
        }
    }

    #[inline]
    fn find(&self, key: &[u8]) -> Result<Option<Entry>> {
        self.inner.check_live()?;
        self.engine.find_newest(&self.inner, key)
    }

    /// Fails if the keyspace was dropped at or before a reader's snapshot.
    pub(crate) fn check_readable(&self, seq: u64) -> Result<()> {
        if self.inner.dropped_at.load(std::sync::atomic::Ordering::Acquire) <= seq {
            return Err(Error::KeyspaceDropped { name: self.inner.name.clone() });
        }
        Ok(())
    }

    /// The version that is a key's value for a reader.
    pub(crate) fn find_at(&self, point: &ReadPoint, key: &[u8]) -> Result<Option<Entry>> {
        self.check_readable(point.seq)?;
        let Some((found, floor)) = self.inner.find(key, || point.seq)? else { return Ok(None) };
        Ok(is_value(&found.get(), floor, || point.now_ms).then_some(found))
    }

    pub(crate) fn read_at(&self, point: &ReadPoint, key: &[u8]) -> Result<Option<Slice>> {
        self.check_readable(point.seq)?;
        let Some((found, floor)) = self.inner.find(key, || point.seq)? else { return Ok(None) };
        let entry = found.get();
        if !is_value(&entry, floor, || point.now_ms) {
            return Ok(None);
        }
        if entry.kind == Kind::Blob {
            return self.engine.blobs.read(entry.value).map(Some);
        }
        let len = entry.value.len();
        Ok(Some(found.into_tail(len)))
    }

    /// First key and its value.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn first(&self) -> Result<Option<(Slice, Slice)>> {
        self.iter().next().transpose()
    }

    /// Last key and its value.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn last(&self) -> Result<Option<(Slice, Slice)>> {
        self.iter().next_back().transpose()
    }

    /// Keys and values within bounds, in key order, from both ends, of the state at this call.
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Range {
        Range::of_present(self, bounds_of(&range))
    }

    /// Keys and values whose keys start with `prefix`.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Range {
        Range::of_present(self, prefix_bounds(prefix.as_ref()))
    }

    /// All keys and values.
    pub fn iter(&self) -> Range {
        self.range::<&[u8]>(..)
    }

    /// Number of keys, exactly, by counting them: reads every block of the keyspace.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn len(&self) -> Result<u64> {
        self.iter().count_values()
    }

    /// Whether there is no key.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.first()?.is_none())
    }

    /// Number of keys, at once and roughly: counts replaced and expired versions until a merge has
    /// dropped them, keys that stand in several runs once for each, and while a merge is under way
    /// the keys of one table of each of its runs twice.
    pub fn approximate_len(&self) -> u64 {
        self.inner.view.load().approximate_len()
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    /// [`Error::KeyTooLong`], [`Error::ValueTooLong`], [`Error::Poisoned`], [`Error::DiskLimit`],
    /// [`Error::Io`], [`Error::KeyspaceDropped`], [`Error::ReadOnly`], [`Error::Closed`].
    pub fn insert(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        let change = self.put(key.as_ref(), value.as_ref(), None)?;
        self.commit_one(change)
    }

    /// Sets the value of a key until it expires: it is invisible from then on, and its space comes
    /// back with a merge.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn insert_with_ttl(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        time_to_live: Duration,
    ) -> Result<()> {
        let change = self.put(key.as_ref(), value.as_ref(), Some(time_to_live))?;
        self.commit_one(change)
    }

    /// Sets the value of a key to the next `len` bytes of `value`. Above 1 MiB the bytes go to a
    /// file of their own, synced before the commit, and are never held in memory as a whole.
    ///
    /// # Errors
    /// As [`insert`](Self::insert), and [`Error::Io`] if `value` fails or ends early.
    pub fn insert_reader(
        &self,
        key: impl AsRef<[u8]>,
        len: u64,
        value: &mut dyn std::io::Read,
    ) -> Result<()> {
        if len < BLOB_LEN_MIN {
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
            let path = &self.engine.path;
            value.read_exact(&mut bytes).map_err(Error::io("read the value for", path))?;
            return self.insert(key, bytes);
        }
        let change = self.put_blob(key.as_ref(), len, value, self.expiry(None))?;
        self.commit_one(change)
    }

    /// Removes a key; fine if it has no value.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Result<()> {
        let change = Change::new(&self.inner, Kind::Delete, key.as_ref(), &[], 0)?;
        self.commit_one(change)
    }

    /// Replaces the value of a key if it is as expected; `None` stands for no value.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn compare_and_swap(
        &self,
        key: impl AsRef<[u8]>,
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<Swap> {
        let key = key.as_ref();
        loop {
            let (point, current) = self.current(key)?;
            if current.as_deref() != expected {
                return Ok(Swap::Mismatch { current });
            }
            if self.replace_unchanged(key, point.seq, new)? {
                return Ok(Swap::Swapped);
            }
        }
    }

    /// Replaces the value of a key by what `update` makes of it, and returns the value before.
    /// `update` is called again if another commit comes between.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn fetch_update<V: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        mut update: impl FnMut(Option<&[u8]>) -> Option<V>,
    ) -> Result<Option<Slice>> {
        let key = key.as_ref();
        loop {
            let (point, current) = self.current(key)?;
            let new = update(current.as_deref());
            if self.replace_unchanged(key, point.seq, new.as_ref().map(AsRef::as_ref))? {
                return Ok(current);
            }
        }
    }

    /// A reader and the key's value for it. The reader keeps merges from taking the numbers of
    /// later versions away, by which `replace_unchanged` sees that the key has changed.
    fn current(&self, key: &[u8]) -> Result<(Arc<ReadPoint>, Option<Slice>)> {
        let point = ReadPoint::new(&self.engine);
        self.inner.check_live()?;
        let value = self.read_at(&point, key)?;
        Ok((point, value))
    }

    /// Commits a new value unless the key has changed since `seq`.
    fn replace_unchanged(&self, key: &[u8], seq: u64, new: Option<&[u8]>) -> Result<bool> {
        let change = match new {
            Some(value) => self.put(key, value, None)?,
            None => Change::new(&self.inner, Kind::Delete, key, &[], 0)?,
        };
        let unchanged = || Ok(!self.inner.view.load().changed_since(key, seq)?);
        let committed = self.engine.commit(&mut [change], self.durability, unchanged)?;
        Ok(committed.is_some())
    }

    /// A change that sets a value: inline, or in a blob if it is longer than 1 MiB.
    pub(crate) fn put(
        &self,
        key: &[u8],
        value: &[u8],
        time_to_live: Option<Duration>,
    ) -> Result<Change> {
        let expires_at_ms = self.expiry(time_to_live);
        let len = value.len() as u64;
        if len >= BLOB_LEN_MIN {
            return self.put_blob(key, len, &mut &*value, expires_at_ms);
        }
        Change::new(&self.inner, Kind::Put, key, value, expires_at_ms)
    }

    fn put_blob(
        &self,
        key: &[u8],
        len: u64,
        value: &mut dyn std::io::Read,
        expires_at_ms: u64,
    ) -> Result<Change> {
        if len > VALUE_LEN_MAX {
            return Err(Error::ValueTooLong { len, max: VALUE_LEN_MAX });
        }
        self.engine.check_open()?;
        self.engine.log()?.check()?;
        let id = self.engine.catalog.lock().take_blob_id()?;
        let reference = self.engine.blobs.write(id, len, value)?;
        Change::new(&self.inner, Kind::Blob, key, &reference, expires_at_ms)
    }

    fn expiry(&self, time_to_live: Option<Duration>) -> u64 {
        let Some(ttl) = time_to_live.or(self.inner.time_to_live) else { return 0 };
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        self.engine.clock.now_unix_ms().saturating_add(millis).max(1)
    }

    fn commit_one(&self, change: Change) -> Result<()> {
        self.engine.commit(&mut [change], self.durability, || Ok(true)).map(|_| ())
    }

    /// Removes all keys, in one commit and in constant time: the files go, snapshots that are open
    /// still see them.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn clear(&self) -> Result<()> {
        self.engine.clear_keyspace(&self.inner)
    }
}

impl IntoIterator for &Keyspace {
    type Item = Result<(Slice, Slice)>;
    type IntoIter = Range;

    fn into_iter(self) -> Range {
        self.iter()
    }
}
