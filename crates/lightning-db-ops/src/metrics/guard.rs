//! A bound on the number of series, in front of any recorder.

use std::collections::{HashMap, HashSet};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit,
};
use parking_lot::Mutex;

use super::upkeep::Upkeep;

/// What the labels of a series become that is one too many.
pub(crate) const OVERFLOW: &str = "other";

/// Counts series by metric; past the bound new ones share one series, and are counted. Looked at
/// when a handle is made, never when one is used.
pub(crate) struct Guarded<R> {
    inner: R,
    series_max: usize,
    known: Mutex<HashMap<String, HashSet<Key>>>,
    dropped: Counter,
    /// Goes on for as long as somebody may record.
    _upkeep: Upkeep,
}

impl<R: Recorder> Guarded<R> {
    pub(crate) fn new(inner: R, series_max: usize, dropped: Counter, upkeep: Upkeep) -> Self {
        Self { inner, series_max, known: Mutex::default(), dropped, _upkeep: upkeep }
    }

    /// The key itself, or the one of the overflow.
    fn admit(&self, key: &Key) -> Key {
        let mut known = self.known.lock();
        let series = match known.get_mut(key.name()) {
            Some(series) => series,
            None => known.entry(key.name().to_owned()).or_default(),
        };
        if series.contains(key) {
            return key.clone();
        }
        if series.len() < self.series_max {
            series.insert(key.clone());
            return key.clone();
        }
        drop(known);
        self.dropped.increment(1);
        let labels: Vec<Label> =
            key.labels().map(|label| Label::new(label.key().to_owned(), OVERFLOW)).collect();
        Key::from_parts(key.name().to_owned(), labels)
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
        self.inner.register_counter(&self.admit(key), metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.inner.register_gauge(&self.admit(key), metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.inner.register_histogram(&self.admit(key), metadata)
    }
}
