//! A bound on the number of series, in front of any recorder, and quick ways to their handles.

mod cache;

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit,
};

use self::cache::Handle;
use super::upkeep::Upkeep;
use crate::registry::{Registry, Series};

/// What the labels of a series become that is one too many.
pub(crate) const OVERFLOW: &str = "other";

/// Numbers of recorders, so that threads can tell their handles apart.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Makes the handles of a recorder once; past the bound new series share one, and are counted.
///
/// A thread finds a handle that it has had before among those that it remembers, without a lock.
pub(crate) struct Guarded<R> {
    inner: R,
    number: u64,
    known: Registry<Key, Handle, BuildHasherDefault<KeyHash>>,
    dropped: Counter,
    /// Goes on for as long as somebody may record.
    _upkeep: Upkeep,
}

impl<R: Recorder> Guarded<R> {
    pub(crate) fn new(inner: R, series_max: usize, dropped: Counter, upkeep: Upkeep) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { inner, number, known: Registry::new(series_max), dropped, _upkeep: upkeep }
    }

    /// The handle of a key, or that of the overflow.
    fn handle<T: Clone>(
        &self,
        key: &Key,
        find: impl Fn(&Handle) -> Option<T>,
        wrap: impl Fn(T) -> Handle,
        make: impl Fn(&Key) -> T,
    ) -> T {
        if let Some(handle) = cache::find(self.number, key, &find) {
            return handle;
        }
        let Some(handle) = self.known.handle(key, || wrap(make(key))) else {
            self.dropped.increment(1);
            return make(&overflow(key));
        };
        // A name that is of another kind is left to the recorder.
        let Some(found) = find(&handle) else { return make(key) };
        cache::remember(self.number, key, &handle);
        found
    }
}

fn overflow(key: &Key) -> Key {
    let labels: Vec<Label> =
        key.labels().map(|label| Label::new(label.key().to_owned(), OVERFLOW)).collect();
    Key::from_parts(key.name().to_owned(), labels)
}

impl Series for Key {
    fn metric(&self) -> &str {
        self.name()
    }

    fn kept(&self) -> Self {
        self.to_retained()
    }
}

/// Keys bring their hash.
#[derive(Debug, Default)]
pub(crate) struct KeyHash(u64);

impl Hasher for KeyHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }
}

impl<R: Recorder> Recorder for Guarded<R> {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        let find = |handle: &Handle| match handle {
            Handle::Counter(counter) => Some(counter.clone()),
            _ => None,
        };
        let make = |key: &Key| self.inner.register_counter(key, metadata);
        self.handle(key, find, Handle::Counter, make)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        let find = |handle: &Handle| match handle {
            Handle::Gauge(gauge) => Some(gauge.clone()),
            _ => None,
        };
        let make = |key: &Key| self.inner.register_gauge(key, metadata);
        self.handle(key, find, Handle::Gauge, make)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        let find = |handle: &Handle| match handle {
            Handle::Histogram(histogram) => Some(histogram.clone()),
            _ => None,
        };
        let make = |key: &Key| self.inner.register_histogram(key, metadata);
        self.handle(key, find, Handle::Histogram, make)
    }
}
