//! Iterating over keys and values in key order.

use std::ops::{Bound, ControlFlow, RangeBounds};
use std::sync::Arc;

use arc_swap::Guard;

use crate::engine::Engine;
use crate::entry::{self, Entry, EntryRef, Kind};
use crate::error::{Error, Result};
use crate::keyspace::Keyspace;
use crate::merge::Merger;
use crate::segment::{Offer, Segment, Span};
use crate::slice::Slice;
use crate::snapshot::ReadPoint;
use crate::view::{View, is_value};

/// Owned bounds.
pub(crate) type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

pub(crate) fn bounds_of<K: AsRef<[u8]>>(range: &impl RangeBounds<K>) -> Bounds {
    let own = |bound: Bound<&K>| bound.map(|key| key.as_ref().to_vec());
    (own(range.start_bound()), own(range.end_bound()))
}

/// Bounds of all keys that start with `prefix`.
pub(crate) fn prefix_bounds(prefix: &[u8]) -> Bounds {
    // The first key behind them: the prefix without its trailing 0xff, its last byte one higher.
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return (Bound::Included(prefix.to_vec()), Bound::Excluded(end));
        }
    }
    (Bound::Included(prefix.to_vec()), Bound::Unbounded)
}

/// Whether a key lies before the end of a range.
pub(crate) fn before_end(key: &[u8], end: &Bound<Vec<u8>>) -> bool {
    match end {
        Bound::Included(end) => key <= &end[..],
        Bound::Excluded(end) => key < &end[..],
        Bound::Unbounded => true,
    }
}

/// Whether a key lies behind the start of a range.
pub(crate) fn after_start(key: &[u8], start: &Bound<Vec<u8>>) -> bool {
    match start {
        Bound::Included(start) => key >= &start[..],
        Bound::Excluded(start) => key > &start[..],
        Bound::Unbounded => true,
    }
}

/// Keys and values of a range, as one snapshot has them, ascending; [`rev`](Iterator::rev) or
/// `next_back` go down. Both ends may be taken from in turn.
///
/// An item is an error if bytes are damaged or the disk fails; the iterator then ends. Each item
/// costs two atomic increments and copies no byte. Values above 1 MiB are read when their item is.
#[derive(Debug)]
pub struct Range {
    point: Arc<ReadPoint>,
    view: Arc<View>,
    bounds: Bounds,
    floor: u64,
    /// Stands at the first version of the next key from the start, once it was asked for.
    front: Option<Merger>,
    /// Stands at the last version of the next key from the end.
    back: Option<Merger>,
    ended: bool,
    /// An error found before the first item.
    failed: Option<Error>,
    lent: Lent,
}

/// What [`Range::advance`] stands at.
#[derive(Debug, Default)]
struct Lent {
    /// Whether the front stands at a key that was given.
    is_given: bool,
    /// That key, if it may come up again.
    key: Vec<u8>,
    /// Its value, if that was in a blob.
    blob: Option<Slice>,
}

/// What an entry ends with.
#[derive(Debug, Clone, Copy)]
struct Tail {
    len: usize,
    /// Whether it is a reference to the value.
    is_blob: bool,
}

impl Range {
    pub(crate) fn new(point: Arc<ReadPoint>, keyspace: &Keyspace, bounds: Bounds) -> Self {
        let view = Guard::into_inner(keyspace.inner.view.load());
        let floor = view.floor_at(point.seq);
        let failed = keyspace.check_readable(point.seq).err();
        let (front, back, lent) = (None, None, Lent::default());
        Self { point, view, bounds, floor, front, back, ended: false, failed, lent }
    }

    /// A range of the newest commit.
    pub(crate) fn of_present(keyspace: &Keyspace, bounds: Bounds) -> Self {
        let range = Self::new(ReadPoint::new(&keyspace.engine), keyspace, bounds);
        // A keyspace that is dropped now may still be there for the newest commit.
        Self { failed: keyspace.inner.check_live().err(), ..range }
    }

    /// Counts the items without handing them out.
    pub(crate) fn count_values(mut self) -> Result<u64> {
        let mut count = 0;
        while self.next_with(|_, _, _| ())?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// Goes to the next key from the start, and says whether there is one: [`current`] then lends
    /// it with its value. Nothing is counted and no byte copied, which makes this the fastest way
    /// over many entries. It may be called in turn with the other ways.
    ///
    /// [`current`]: Self::current
    ///
    /// # Errors
    /// As an item: the range then ends.
    #[inline]
    pub fn advance(&mut self) -> Result<bool> {
        if !self.is_ready()? {
            return Ok(false);
        }
        let found = self.find_front();
        self.ended = !matches!(found, Ok(true));
        found
    }

    /// Calls `visit` with each key that is left from the start, and its value, until it breaks;
    /// what it broke at is [`current`](Self::current). It goes over the entries of a block in one
    /// loop, where nothing newer lies between them, and is the fastest way over many.
    ///
    /// # Errors
    /// As an item: the range then ends.
    pub fn visit(
        &mut self,
        visit: &mut impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        loop {
            if self.visit_block(visit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if !self.advance()? {
                return Ok(ControlFlow::Continue(()));
            }
            if let Some((key, value)) = self.current()
                && visit(key, value).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    /// Visits what is left of the block that the front stands in, up to what needs a closer look.
    pub(crate) fn visit_block(
        &mut self,
        visit: &mut impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        if !self.is_ready()? {
            return Ok(ControlFlow::Continue(()));
        }
        let Self { front: Some(merger), back: None, point, bounds, floor, lent, .. } = self else {
            return Ok(ControlFlow::Continue(()));
        };
        let Some(cursor) = merger.alone() else { return Ok(ControlFlow::Continue(())) };
        let Some((block, from)) = cursor.block() else { return Ok(ControlFlow::Continue(())) };
        let last = block.count() - 1;
        let is_whole = before_end(entry::key_of(block.entry(last)), &bounds.1);
        let mut stop = None;
        for at in from..=last {
            let entry = EntryRef::decode(block.entry(at));
            let plain = entry.filter(|entry| {
                entry.kind != Kind::Blob && (is_whole || before_end(entry.key, &bounds.1))
            });
            let Some(entry) = plain else {
                stop = Some((at, ControlFlow::Continue(())));
                break;
            };
            if entry.seq <= point.seq
                && is_value(&entry, *floor, || point.now_ms)
                && visit(entry.key, entry.value).is_break()
            {
                stop = Some((at, ControlFlow::Break(())));
                break;
            }
        }
        cursor.go_to(stop.map_or(last, |(at, _)| at));
        let Some((_, flow)) = stop else {
            let passed = merger.step();
            self.ended = passed.is_err();
            return passed.map(ControlFlow::Continue);
        };
        if flow.is_break() {
            lent.key.clear();
            lent.key.extend_from_slice(merger.entry().map(entry::key_of).unwrap_or_default());
            (lent.is_given, lent.blob) = (true, None);
        }
        Ok(flow)
    }

    /// Passes over segments that are not wanted; gives the one that is to be read next, if there
    /// is one.
    pub(crate) fn offer(
        &mut self,
        take: &mut dyn FnMut(Segment) -> Offer,
    ) -> Result<ControlFlow<(), Option<Span>>> {
        let Self { front: Some(merger), back: None, point, bounds, floor, .. } = self else {
            return Ok(ControlFlow::Continue(None));
        };
        if bounds.1 != Bound::Unbounded {
            return Ok(ControlFlow::Continue(None));
        }
        let offered = merger.offer((point.seq, *floor), take);
        self.ended = offered.is_err();
        offered
    }

    /// Gives nothing more.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.lent.is_given = false;
    }

    /// Table, by its number in the cache, and block that the front stands in.
    pub(crate) fn place(&self) -> Option<(u64, usize)> {
        self.front.as_ref()?.block_place()
    }

    /// The key that [`advance`](Self::advance) went to, and its value; `None` if it found none, or
    /// another key was asked for since.
    #[inline]
    pub fn current(&self) -> Option<(&[u8], &[u8])> {
        if !self.lent.is_given {
            return None;
        }
        let entry = EntryRef::decode(self.front.as_ref()?.entry()?)?;
        Some((entry.key, self.lent.blob.as_deref().unwrap_or(entry.value)))
    }

    /// Whether there may be another key: the front then stands behind what was given.
    #[inline]
    pub(crate) fn is_ready(&mut self) -> Result<bool> {
        if let Some(error) = self.failed.take() {
            self.ended = true;
            return Err(error);
        }
        if self.ended {
            self.lent.is_given = false;
            return Ok(false);
        }
        if self.front.is_none() {
            let started = self.start_front();
            self.ended = started.is_err();
            self.front = Some(started?);
        }
        if self.lent.is_given {
            let passed = self.pass_given();
            self.ended = passed.is_err();
            passed?;
        }
        Ok(true)
    }

    /// Goes behind the key that was lent, and its older versions.
    #[inline]
    fn pass_given(&mut self) -> Result<()> {
        self.lent.is_given = false;
        match &mut self.front {
            Some(merger) => pass(merger, &self.lent.key),
            None => Ok(()),
        }
    }

    /// Makes something of the next key and its entry.
    #[inline]
    fn next_with<T>(&mut self, take: impl Fn(Slice, Entry, Tail) -> T) -> Result<Option<T>> {
        if !self.is_ready()? {
            return Ok(None);
        }
        let found = self.advance_front(take);
        self.ended = !matches!(found, Ok(Some(_)));
        found
    }

    /// The same from the end.
    pub(crate) fn next_entry_back(&mut self) -> Result<Option<Entry>> {
        if let Some(error) = self.failed.take() {
            self.ended = true;
            return Err(error);
        }
        if self.ended {
            return Ok(None);
        }
        if self.lent.is_given {
            let passed = self.pass_given();
            self.ended = passed.is_err();
            passed?;
        }
        let found = self.advance_back();
        self.ended = !matches!(found, Ok(Some(_)));
        found
    }

    #[inline]
    fn advance_front<T>(&mut self, take: impl Fn(Slice, Entry, Tail) -> T) -> Result<Option<T>> {
        let Self { front: Some(merger), back, point, bounds, floor, .. } = self else {
            return Ok(None);
        };
        loop {
            let Some(bytes) = merger.entry() else { return Ok(None) };
            let Some(entry) = EntryRef::decode(bytes) else { return Ok(None) };
            // What lies behind the other end was given from there.
            let crossed =
                |back: &Merger| back.entry().is_none_or(|last| entry.key > entry::key_of(last));
            if back.as_ref().is_some_and(crossed) || !before_end(entry.key, &bounds.1) {
                return Ok(None);
            }
            if entry.seq > point.seq {
                merger.step()?;
                continue;
            }
            let value = is_value(&entry, *floor, || point.now_ms);
            let tail = Tail { len: entry.value.len(), is_blob: entry.kind == Kind::Blob };
            let Some(found) = merger.to_entry() else { return Ok(None) };
            let key = Slice::inline(entry.key).unwrap_or_else(|| found.key_slice());
            merger.step()?;
            // Older versions of the key are passed now, so that the merger stands at the next one.
            while merger.repeats()
                && merger.entry().is_some_and(|older| entry::is_of_key(older, &key))
            {
                merger.step()?;
            }
            if value {
                return Ok(Some(take(key, found, tail)));
            }
        }
    }

    /// Goes to the version that is the value of the next key.
    #[inline]
    fn find_front(&mut self) -> Result<bool> {
        let Self { front: Some(merger), back, point, bounds, floor, lent, .. } = self else {
            return Ok(false);
        };
        loop {
            let Some(entry) = merger.entry().and_then(EntryRef::decode) else { return Ok(false) };
            // As in `advance_front`.
            let crossed =
                |back: &Merger| back.entry().is_none_or(|last| entry.key > entry::key_of(last));
            if back.as_ref().is_some_and(crossed) || !before_end(entry.key, &bounds.1) {
                return Ok(false);
            }
            if entry.seq > point.seq {
                merger.step()?;
                continue;
            }
            if merger.repeats() {
                lent.key.clear();
                lent.key.extend_from_slice(entry.key);
            }
            if !is_value(&entry, *floor, || point.now_ms) {
                pass(merger, &lent.key)?;
                continue;
            }
            lent.blob = match entry.kind {
                Kind::Blob => Some(point.engine.blobs.read(entry.value)?),
                _ => None,
            };
            lent.is_given = true;
            return Ok(true);
        }
    }

    fn start_front(&self) -> Result<Merger> {
        let mut merger = self.view.merger();
        match &self.bounds.0 {
            Bound::Unbounded => merger.seek_first()?,
            Bound::Included(start) => merger.seek(start, u64::MAX)?,
            Bound::Excluded(start) => merger.seek(&[&start[..], &[0]].concat(), u64::MAX)?,
        }
        Ok(merger)
    }

    fn advance_back(&mut self) -> Result<Option<Entry>> {
        let mut merger = match self.back.take() {
            Some(merger) => merger,
            None => self.start_back()?,
        };
        let found = self.next_back_from(&mut merger);
        self.back = Some(merger);
        found
    }

    fn next_back_from(&self, merger: &mut Merger) -> Result<Option<Entry>> {
        loop {
            // Versions of a key come oldest first: the last one within the snapshot counts.
            let Some(first) = merger.to_entry() else { return Ok(None) };
            let key = first.key();
            let crossed =
                |front: &Merger| front.entry().is_none_or(|next| key < entry::key_of(next));
            if self.front.as_ref().is_some_and(crossed) || !after_start(key, &self.bounds.0) {
                return Ok(None);
            }
            let mut newest = (first.seq() <= self.point.seq).then(|| first.clone());
            merger.step()?;
            while let Some(bytes) = merger.entry().filter(|bytes| entry::key_of(bytes) == key) {
                if entry::seq_of(bytes) <= self.point.seq {
                    newest = merger.to_entry();
                }
                merger.step()?;
            }
            if let Some(found) = newest.filter(|found| self.is_value(&found.get())) {
                return Ok(Some(found));
            }
        }
    }

    fn start_back(&self) -> Result<Merger> {
        let mut merger = self.view.merger();
        match &self.bounds.1 {
            Bound::Unbounded => merger.seek_last()?,
            Bound::Excluded(end) => merger.seek_back(end, u64::MAX)?,
            Bound::Included(end) => merger.seek_back(&[&end[..], &[0]].concat(), u64::MAX)?,
        }
        Ok(merger)
    }

    #[inline]
    fn is_value(&self, entry: &EntryRef<'_>) -> bool {
        is_value(entry, self.floor, || self.point.now_ms)
    }

    fn item(&self, entry: Entry) -> Result<(Slice, Slice)> {
        Ok((entry.key_slice(), value_of(&self.point.engine, entry)?))
    }
}

/// Goes behind an entry, and behind the older versions of its key, where there may be some.
#[inline]
fn pass(merger: &mut Merger, key: &[u8]) -> Result<()> {
    merger.step()?;
    while merger.repeats() && merger.entry().is_some_and(|older| entry::is_of_key(older, key)) {
        merger.step()?;
    }
    Ok(())
}

/// The value of an entry, read from its blob if it has one.
#[inline]
pub(crate) fn value_of(engine: &Engine, entry: Entry) -> Result<Slice> {
    let decoded = entry.get();
    if decoded.kind == Kind::Blob {
        return engine.blobs.read(decoded.value);
    }
    Ok(entry.into_value())
}

impl Iterator for Range {
    type Item = Result<(Slice, Slice)>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.next_with(|key, entry, tail| (key, entry.into_tail(tail.len), tail.is_blob)) {
            Ok(Some((key, value, false))) => Some(Ok((key, value))),
            Ok(Some((key, reference, true))) => {
                let value = self.point.engine.blobs.read(&reference);
                self.ended |= value.is_err();
                Some(value.map(|value| (key, value)))
            }
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl DoubleEndedIterator for Range {
    fn next_back(&mut self) -> Option<Self::Item> {
        let entry = self.next_entry_back().transpose()?;
        Some(entry.and_then(|entry| self.item(entry)).inspect_err(|_| self.ended = true))
    }
}

impl std::iter::FusedIterator for Range {}
