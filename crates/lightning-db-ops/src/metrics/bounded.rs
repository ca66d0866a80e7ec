//! A recorder whose memory does not grow with what is recorded: a value is added to cells that are
//! there, and nothing is kept for later.

mod cells;
mod text;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use parking_lot::{Mutex, RwLock};

use self::cells::{Bounds, Buckets, Count, Windows};
use self::text::label_text;
use super::catalog::{Kind, Metric};
use crate::clock::{Clock, SystemClock};

/// How long a window of a summary lasts.
const WINDOW: Duration = Duration::from_secs(20);

pub(super) struct Bounded {
    bounds: Arc<Bounds>,
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
    Counter(Arc<Count>),
    Gauge(Arc<AtomicU64>),
    Histogram(Arc<Buckets>),
    Summary(Arc<Windows>),
}

impl Bounded {
    pub(super) fn new(buckets: &[f64], metrics: &[Metric]) -> Self {
        let clock = SystemClock::new();
        let declared = metrics.iter().filter(|metric| metric.kind == Kind::Histogram);
        let families = declared.map(|metric| {
            (metric.name.to_owned(), Family { has_buckets: true, ..Family::default() })
        });
        Self {
            bounds: Arc::new(Bounds::new(buckets)),
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
                Cell::Histogram(Arc::new(Buckets::new(&self.bounds)))
            } else {
                Cell::Summary(Arc::new(Windows::new()))
            }
        });
        handle.unwrap_or_else(Histogram::noop)
    }
}
