//! A recorder whose memory does not grow with what is recorded: a value is added to cells that are
//! there, and nothing is kept for later.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use parking_lot::{Mutex, RwLock};

use super::catalog::{Kind, Metric};
use crate::clock::{Clock, SystemClock};

/// Quantiles of a summary.
const QUANTILES: [f64; 7] = [0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0];
/// A summary looks back over so many windows of this length.
const WINDOWS: usize = 3;
const WINDOW: Duration = Duration::from_secs(20);
/// Steps of a summary: 16 for each power of two from 2^-32 to 2^32.
const STEP_BITS: u32 = 4;
const STEPS: usize = 64 << STEP_BITS;
const FIRST_STEP: u64 = (1_023 - 32) << STEP_BITS;

pub(super) struct Bounded {
    buckets: Arc<[f64]>,
    families: RwLock<BTreeMap<String, Family>>,
    clock: SystemClock,
    turned_at: Mutex<Duration>,
}

#[derive(Default)]
struct Family {
    help: String,
    /// Whether it was declared to be a histogram, and is no summary.
    has_buckets: bool,
    /// By their labels, as they are written.
    series: BTreeMap<String, Cell>,
}

enum Cell {
    Counter(Arc<AtomicU64>),
    Gauge(Arc<AtomicU64>),
    Histogram(Arc<Buckets>),
    Summary(Arc<Windows>),
}

/// Counts by bucket, and the sum.
struct Buckets {
    bounds: Arc<[f64]>,
    counts: Box<[AtomicU64]>,
    sum: Sum,
}

/// Counts by step for each window, 24 KiB together; count and sum of all time.
struct Windows {
    counts: [Box<[AtomicU64]>; WINDOWS],
    current: AtomicUsize,
    count: AtomicU64,
    sum: Sum,
}

/// A sum of floats.
#[derive(Default)]
struct Sum(AtomicU64);

impl Sum {
    fn add(&self, value: f64) {
        let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
        // The closure always gives a value.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

impl Bounded {
    pub(super) fn new(buckets: &[f64], metrics: &[Metric]) -> Self {
        let clock = SystemClock::new();
        let declared = metrics.iter().filter(|metric| metric.kind == Kind::Histogram);
        let families = declared.map(|metric| {
            (metric.name.to_owned(), Family { has_buckets: true, ..Family::default() })
        });
        Self {
            buckets: buckets.into(),
            families: RwLock::new(families.collect()),
            turned_at: Mutex::new(clock.now()),
            clock,
        }
    }

    /// Begins new windows of the summaries when it is time.
    pub(super) fn turn(&self) {
        let now = self.clock.now();
        let mut turned_at = self.turned_at.lock();
        if now.saturating_sub(*turned_at) < WINDOW {
            return;
        }
        *turned_at = now;
        for family in self.families.read().values() {
            for cell in family.series.values() {
                if let Cell::Summary(windows) = cell {
                    windows.turn();
                }
            }
        }
    }

    pub(super) fn render(&self) -> String {
        let families = self.families.read();
        let mut text = String::new();
        for (name, family) in families.iter().filter(|(_, family)| !family.series.is_empty()) {
            let kind = family.series.values().next().map_or("", Cell::kind);
            // Writing to a string cannot fail, here and below.
            let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
            for (labels, cell) in &family.series {
                cell.write(&mut text, name, labels);
            }
            text.push('\n');
        }
        text
    }

    /// A handle of a key's cell, made if it is not there; `None` if the name is of another kind.
    fn handle<T>(
        &self,
        key: &Key,
        find: impl Fn(&Cell) -> Option<T>,
        make: impl FnOnce(&Family) -> Cell,
    ) -> Option<T> {
        let labels = label_text(key);
        if let Some(cell) =
            self.families.read().get(key.name()).and_then(|it| it.series.get(&labels))
        {
            return find(cell);
        }
        let mut families = self.families.write();
        let family = families.entry(key.name().to_owned()).or_default();
        let new = make(family);
        let kind = family.series.values().next().map(Cell::kind);
        if kind.is_some_and(|kind| kind != new.kind()) {
            return None;
        }
        find(family.series.entry(labels).or_insert(new))
    }

    fn describe(&self, key: &KeyName, help: &SharedString) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.families.write().entry(key.as_str().to_owned()).or_default().help = help;
    }
}

impl Recorder for Bounded {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(&key, &description);
    }

    fn describe_gauge(&self, key: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(&key, &description);
    }

    fn describe_histogram(&self, key: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(&key, &description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let find = |cell: &Cell| match cell {
            Cell::Counter(counter) => Some(Counter::from_arc(Arc::clone(counter))),
            _ => None,
        };
        let handle = self.handle(key, find, |_| Cell::Counter(Arc::default()));
        handle.unwrap_or_else(Counter::noop)
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let find = |cell: &Cell| match cell {
            Cell::Gauge(gauge) => Some(Gauge::from_arc(Arc::clone(gauge))),
            _ => None,
        };
        let handle = self.handle(key, find, |_| Cell::Gauge(Arc::default()));
        handle.unwrap_or_else(Gauge::noop)
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let find = |cell: &Cell| match cell {
            Cell::Histogram(buckets) => Some(Histogram::from_arc(Arc::clone(buckets))),
            Cell::Summary(windows) => Some(Histogram::from_arc(Arc::clone(windows))),
            _ => None,
        };
        let handle = self.handle(key, find, |family| {
            if family.has_buckets {
                Cell::Histogram(Arc::new(Buckets::new(&self.buckets)))
            } else {
                Cell::Summary(Arc::new(Windows::new()))
            }
        });
        handle.unwrap_or_else(Histogram::noop)
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        self.add(value, 1, value);
    }

    #[expect(clippy::cast_precision_loss, reason = "the sum is a float")]
    fn record_many(&self, value: f64, count: usize) {
        self.add(value, count as u64, value * count as f64);
    }
}

impl HistogramFn for Windows {
    fn record(&self, value: f64) {
        self.add(value, 1, value);
    }

    #[expect(clippy::cast_precision_loss, reason = "the sum is a float")]
    fn record_many(&self, value: f64, count: usize) {
        self.add(value, count as u64, value * count as f64);
    }
}

impl Buckets {
    fn new(bounds: &Arc<[f64]>) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds: Arc::clone(bounds), counts, sum: Sum::default() }
    }

    fn add(&self, value: f64, count: u64, sum: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(count, Ordering::Relaxed);
        self.sum.add(sum);
    }
}

impl Windows {
    fn new() -> Self {
        let window = || (0..STEPS).map(|_| AtomicU64::new(0)).collect();
        let counts = [window(), window(), window()];
        let (current, count) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { counts, current, count, sum: Sum::default() }
    }

    fn add(&self, value: f64, count: u64, sum: f64) {
        let window = &self.counts[self.current.load(Ordering::Relaxed)];
        window[step(value)].fetch_add(count, Ordering::Relaxed);
        self.count.fetch_add(count, Ordering::Relaxed);
        self.sum.add(sum);
    }

    fn turn(&self) {
        let next = (self.current.load(Ordering::Relaxed) + 1) % WINDOWS;
        self.counts[next].iter().for_each(|count| count.store(0, Ordering::Relaxed));
        self.current.store(next, Ordering::Relaxed);
    }

    /// The value below which this share of those in the windows lies, within a sixteenth; zero if
    /// there is none.
    #[expect(clippy::cast_precision_loss, reason = "a rank need not be exact beyond 2^52")]
    fn quantile(&self, share: f64) -> f64 {
        let of_step = |step: usize| -> u64 {
            self.counts.iter().map(|window| window[step].load(Ordering::Relaxed)).sum()
        };
        let counts: Vec<u64> = (0..STEPS).map(of_step).collect();
        let rank = share * counts.iter().sum::<u64>() as f64;
        let mut seen = 0;
        let held = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let found = held.into_iter().find(|(_, count)| {
            seen += **count;
            seen as f64 >= rank
        });
        found.map_or(0.0, |(step, _)| middle(step))
    }
}

/// The step of a value: its exponent and the first bits of its fraction.
fn step(value: f64) -> usize {
    if value.is_nan() || value <= 0.0 {
        return 0;
    }
    let bits = value.to_bits() >> (52 - STEP_BITS);
    usize::try_from(bits.saturating_sub(FIRST_STEP)).unwrap_or(STEPS).min(STEPS - 1)
}

fn middle(step: usize) -> f64 {
    let bits = (FIRST_STEP + step as u64) << (52 - STEP_BITS);
    f64::from_bits(bits + (1 << (51 - STEP_BITS)))
}

impl Cell {
    fn kind(&self) -> &'static str {
        match self {
            Self::Counter(_) => "counter",
            Self::Gauge(_) => "gauge",
            Self::Histogram(_) => "histogram",
            Self::Summary(_) => "summary",
        }
    }

    fn write(&self, text: &mut String, name: &str, labels: &str) {
        let braces = |labels: &str| match labels {
            "" => String::new(),
            labels => format!("{{{labels}}}"),
        };
        let with = |label: &str, value: &dyn std::fmt::Display| match labels {
            "" => format!("{{{label}=\"{value}\"}}"),
            labels => format!("{{{labels},{label}=\"{value}\"}}"),
        };
        let labels = braces(labels);
        let (count, sum) = match self {
            Self::Counter(counter) => {
                let _ = writeln!(text, "{name}{labels} {}", counter.load(Ordering::Relaxed));
                return;
            }
            Self::Gauge(gauge) => {
                let value = f64::from_bits(gauge.load(Ordering::Relaxed));
                let _ = writeln!(text, "{name}{labels} {value}");
                return;
            }
            Self::Histogram(buckets) => {
                let mut all = 0;
                for (bucket, count) in buckets.counts.iter().enumerate() {
                    all += count.load(Ordering::Relaxed);
                    let labels = match buckets.bounds.get(bucket) {
                        Some(bound) => with("le", bound),
                        None => with("le", &"+Inf"),
                    };
                    let _ = writeln!(text, "{name}_bucket{labels} {all}");
                }
                (all, buckets.sum.get())
            }
            Self::Summary(windows) => {
                for share in QUANTILES {
                    let labels = with("quantile", &share);
                    let _ = writeln!(text, "{name}{labels} {}", windows.quantile(share));
                }
                (windows.count.load(Ordering::Relaxed), windows.sum.get())
            }
        };
        let _ = writeln!(text, "{name}_sum{labels} {sum}\n{name}_count{labels} {count}");
    }
}

fn label_text(key: &Key) -> String {
    let mut text = String::new();
    for label in key.labels() {
        if !text.is_empty() {
            text.push(',');
        }
        let _ = write!(text, "{}=\"", label.key());
        for character in label.value().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_near_its_values() {
        let mut value = 1e-9;
        while value < 1e9 {
            let near = middle(step(value));
            assert!((near / value - 1.0).abs() < 0.04, "{value}: {near}");
            value *= 1.01;
        }
        for odd in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300, 1e-300] {
            assert!(step(odd) < STEPS, "{odd}");
        }
    }

    #[test]
    fn a_summary_forgets_windows_and_keeps_count_and_sum() {
        let windows = Windows::new();
        windows.record_many(8.0, 100);
        assert!((windows.quantile(0.5) - 8.0).abs() < 0.3);
        for _ in 0..WINDOWS {
            windows.turn();
        }
        assert_eq!(windows.quantile(0.5).to_bits(), 0.0_f64.to_bits());
        windows.record(2.0);
        assert!((windows.quantile(0.999) - 2.0).abs() < 0.1);
        assert_eq!(windows.count.load(Ordering::Relaxed), 101);
        assert!((windows.sum.get() - 802.0).abs() < 1e-9);
    }
}
