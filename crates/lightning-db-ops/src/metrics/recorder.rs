//! The recorder that a service installs, and what reads it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Key, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use parking_lot::Mutex;

use super::bounded::Bounded;
use super::catalog::{Kind, Metric};
use super::exposition::{Format, open_metrics};
use super::guard::Guarded;
use super::source::Source;
use super::upkeep::Upkeep;
use crate::error::{Error, Result};

/// Bounds of the buckets of histograms, in seconds: from 1 us, as a read of an embedded database
/// takes, to 10 s.
pub const BUCKETS: [f64; 22] = [
    1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025,
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

const DROPPED: Metric = Metric {
    name: "lightningdb_metrics_dropped_series_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    help: "Handles made for series past the bound of their metric, whose labels became `other`.",
    labels: &[],
};

/// Who keeps what is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keeping {
    /// The recorder of `metrics-exporter-prometheus`: quantiles within 0.01 %, where it has them;
    /// values take memory until the next upkeep. The default without the feature `bounded`.
    #[cfg_attr(not(feature = "bounded"), default)]
    Exporter,
    /// A recorder of this crate: quantiles within 4 %; memory does not grow with what is recorded.
    /// The default with the feature `bounded`.
    #[cfg_attr(feature = "bounded", default)]
    Bounded,
}

/// How metrics are kept.
#[derive(Debug, Clone)]
#[must_use]
pub struct MetricsOptions {
    keeping: Keeping,
    buckets: Vec<f64>,
    series_max: usize,
    upkeep_interval: Duration,
    metrics: Vec<Metric>,
}

/// The metrics of a service: a recorder for the `metrics` facade, and the text to read them from.
/// Cheap to clone; its upkeep runs until the last handle is dropped.
///
/// # Examples
/// ```
/// use lightning_db_ops::metrics::{Format, Kind, Metric, MetricsOptions};
/// use metrics::Unit;
///
/// const JOBS: Metric = Metric {
///     name: "jobs_total",
///     kind: Kind::Counter,
///     unit: Unit::Count,
///     help: "Jobs, counted when they end.",
///     labels: &[("outcome", &["ok", "error"])],
/// };
/// let metrics = MetricsOptions::new().metrics(&[JOBS]).build()?;
/// let ok = metrics.with(|| metrics::counter!("jobs_total", "outcome" => "ok"));
/// ok.increment(2); // a cached handle: no look-up
/// let text = metrics.render(Format::Text);
/// assert!(text.contains("jobs_total{outcome=\"ok\"} 2"));
/// assert!(text.contains("jobs_total{outcome=\"error\"} 0"));
/// # Ok::<(), lightning_db_ops::Error>(())
/// ```
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    recorder: Arc<dyn Recorder + Send + Sync>,
    reader: Reader,
    sources: Arc<Mutex<Sources>>,
}

/// What writes the text.
enum Reader {
    Exporter(PrometheusHandle),
    Bounded(Arc<Bounded>),
}

#[derive(Default)]
struct Sources {
    by_number: BTreeMap<u64, Arc<dyn Source>>,
    next: u64,
}

/// A source that is collected until this is dropped.
#[must_use = "the source is collected until this is dropped"]
pub struct SourceRegistration {
    sources: Arc<Mutex<Sources>>,
    number: u64,
}

impl Default for MetricsOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl MetricsOptions {
    /// [`BUCKETS`], at most 2,000 series of a metric, upkeep each second.
    pub fn new() -> Self {
        Self {
            keeping: Keeping::default(),
            buckets: BUCKETS.to_vec(),
            series_max: 2_000,
            upkeep_interval: Duration::from_secs(1),
            metrics: vec![DROPPED],
        }
    }

    /// Who keeps what is recorded.
    pub fn keeping(mut self, keeping: Keeping) -> Self {
        self.keeping = keeping;
        self
    }

    /// Bounds of buckets, ascending.
    pub fn buckets(mut self, buckets: &[f64]) -> Self {
        self.buckets = buckets.to_vec();
        self
    }

    /// Most series of one metric; handles for more share one whose labels are `other`.
    pub fn series_max(mut self, count: usize) -> Self {
        self.series_max = count;
        self
    }

    /// How often recorded values are taken into histograms when nobody reads them. Between two, a
    /// recorded value takes about 16 bytes.
    pub fn upkeep_interval(mut self, interval: Duration) -> Self {
        self.upkeep_interval = interval;
        self
    }

    /// Metrics of the service, in addition to others.
    pub fn metrics(mut self, metrics: &[Metric]) -> Self {
        self.metrics.extend_from_slice(metrics);
        self
    }

    /// The recorder, with a thread for its upkeep.
    ///
    /// # Errors
    /// [`Error::Option`], [`Error::Start`].
    pub fn build(self) -> Result<Metrics> {
        let refuse = |option, value, reason| Err(Error::Option { option, value, reason });
        let is_ascending = self.buckets.windows(2).all(|pair| pair[0] < pair[1]);
        if self.buckets.is_empty() || !is_ascending {
            let value = format!("{:?}", self.buckets);
            return refuse("buckets", value, "they are to ascend, and there is to be one");
        }
        if self.series_max == 0 {
            return refuse("series_max", "0".to_owned(), "no metric could have a series");
        }
        if self.upkeep_interval.is_zero() {
            return refuse("upkeep_interval", "0".to_owned(), "it would do nothing else");
        }
        let (recorder, reader) = match self.keeping {
            Keeping::Exporter => {
                let recorder = self.exporter()?;
                let reader = Reader::Exporter(recorder.handle());
                let handle = recorder.handle();
                (self.guard(recorder, move || handle.run_upkeep())?, reader)
            }
            Keeping::Bounded => {
                let bounded = Arc::new(Bounded::new(&self.buckets, &self.metrics));
                let reader = Reader::Bounded(Arc::clone(&bounded));
                let turning = Arc::clone(&bounded);
                (self.guard(bounded, move || turning.turn())?, reader)
            }
        };
        for metric in &self.metrics {
            metric.declare(&*recorder);
        }
        Ok(Metrics(Arc::new(Inner { recorder, reader, sources: Arc::default() })))
    }

    /// Puts the guard and the upkeep in front of a recorder.
    fn guard<R: Recorder + Send + Sync + 'static>(
        &self,
        recorder: R,
        upkeep: impl Fn() + Send + 'static,
    ) -> Result<Arc<dyn Recorder + Send + Sync>> {
        let dropped = recorder.register_counter(&Key::from_static_name(DROPPED.name), &PLACE);
        let upkeep = Upkeep::start(upkeep, self.upkeep_interval)?;
        Ok(Arc::new(Guarded::new(recorder, self.series_max, dropped, upkeep)))
    }

    fn exporter(&self) -> Result<PrometheusRecorder> {
        let mut builder = PrometheusBuilder::new();
        for metric in self.metrics.iter().filter(|metric| metric.kind == Kind::Histogram) {
            // Never for all of them: what is no histogram by name stays a summary.
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), &self.buckets)
                .map_err(|_| Error::Option {
                    option: "buckets",
                    value: format!("{:?}", self.buckets),
                    reason: "the recorder refuses them",
                })?;
        }
        Ok(builder.build_recorder())
    }
}

const PLACE: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

impl Metrics {
    /// Makes this the recorder of the whole process: what other crates tell the `metrics` facade
    /// comes here too. It stays for good, and its upkeep with it.
    ///
    /// # Errors
    /// [`Error::Installed`] if the process has a recorder.
    pub fn install(&self) -> Result<()> {
        let recorder = Arc::clone(&self.0.recorder);
        metrics::set_global_recorder(recorder).map_err(|_| Error::Installed)
    }

    /// Runs `body` with this as the recorder of its thread: handles that it makes are of this one,
    /// whatever the process has installed.
    pub fn with<T>(&self, body: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(&*self.0.recorder, body)
    }

    /// Adds a part that is asked to bring its metrics up to date before they are read.
    pub fn register(&self, source: impl Source + 'static) -> SourceRegistration {
        let mut sources = self.0.sources.lock();
        sources.next += 1;
        let number = sources.next;
        sources.by_number.insert(number, Arc::new(source));
        drop(sources);
        SourceRegistration { sources: Arc::clone(&self.0.sources), number }
    }

    /// All metrics as text, up to date.
    pub fn render(&self, format: Format) -> String {
        let sources: Vec<_> = self.0.sources.lock().by_number.values().cloned().collect();
        self.with(|| sources.iter().for_each(|source| source.collect()));
        let text = match &self.0.reader {
            Reader::Exporter(handle) => handle.render(),
            Reader::Bounded(bounded) => bounded.render(),
        };
        match format {
            Format::Text => text,
            Format::OpenMetrics => open_metrics(&text),
        }
    }
}

impl Drop for SourceRegistration {
    fn drop(&mut self) {
        let source = self.sources.lock().by_number.remove(&self.number);
        // It may own anything: dropped without the lock.
        drop(source);
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.0.sources.lock().by_number.len();
        f.debug_struct("Metrics").field("sources", &sources).finish_non_exhaustive()
    }
}

impl fmt::Debug for SourceRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceRegistration").field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
