//! The recorders that take part, each with the same series.

use std::hint::black_box;
use std::time::Duration;

use anyhow::Result;
use lightning_db_ops::metrics as kit;
use metrics::{Unit, counter, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter as ClientCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram as ClientHistogram;
use prometheus_client::registry::Registry as ClientRegistry;

use super::upkeep::Upkeep;
use crate::comparison::OURS;

/// What is done again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Counts by a handle that is kept.
    Counter,
    /// Finds the counter of one of eight label values that stand in the code, and counts.
    Labelled,
    /// The same for a value that is known only when the program runs.
    LabelledValue,
    /// Records a time by a handle that is kept.
    Histogram,
}

/// Series that are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scraped {
    Counters,
    Histograms,
}

/// Does its work so many times.
pub(super) type Loop = Box<dyn FnMut(u64)>;

/// Writes all series, and says how many bytes they took.
pub(super) type Scrape = Box<dyn FnMut() -> usize>;

/// A recorder that takes part.
pub(super) struct Contender {
    pub name: &'static str,
    /// Its crate.
    pub package: &'static str,
    pub work: fn(Work) -> Result<Loop>,
    pub scrape: fn(Scraped) -> Result<Scrape>,
}

/// All recorders, in the order of the tables.
pub(super) const CONTENDERS: &[Contender] = &[
    Contender {
        name: OURS,
        package: "lightning-db-ops",
        work: |work| ours(work, kit::Keeping::Bounded),
        scrape: |scraped| ours_scrape(scraped, kit::Keeping::Bounded),
    },
    Contender {
        name: "exporter_in_kit",
        package: "metrics-exporter-prometheus",
        work: |work| ours(work, kit::Keeping::Exporter),
        scrape: |scraped| ours_scrape(scraped, kit::Keeping::Exporter),
    },
    Contender {
        name: "exporter",
        package: "metrics-exporter-prometheus",
        work: exporter,
        scrape: exporter_scrape,
    },
    Contender {
        name: "prometheus_client",
        package: "prometheus-client",
        work: client,
        scrape: client_scrape,
    },
    Contender {
        name: "prometheus",
        package: "prometheus",
        work: prometheus_crate,
        scrape: prometheus_scrape,
    },
];

/// The values of the label.
const OPERATIONS: [&str; 8] =
    ["get", "scan", "find", "query", "insert", "remove", "commit", "transaction"];
/// Series of a scrape.
const SERIES: usize = 1_000;
/// Values of each histogram of a scrape.
const RECORDED: usize = 10;

/// Times from 1 us to 8 ms, evenly among the powers of two and in no order.
fn times() -> Vec<f64> {
    let of = |number: u32| {
        let drawn = number.wrapping_mul(2_654_435_761) >> 8;
        let share = f64::from(drawn) / f64::from(1_u32 << 24);
        1e-6 * (share * 13.0).exp2()
    };
    (0..1_024).map(of).collect()
}

/// The time of a turn.
fn time(times: &[f64], turn: u64) -> f64 {
    times[usize::try_from(turn % 1_024).unwrap_or(0)]
}

/// The label value of a turn, of which the compiler knows nothing.
fn operation(turn: u64) -> &'static str {
    black_box(OPERATIONS[usize::try_from(turn % 8).unwrap_or(0)])
}

const HISTOGRAM: kit::Metric = kit::Metric {
    name: "time_seconds",
    kind: kit::Kind::Histogram,
    unit: Unit::Seconds,
    help: "Times.",
    labels: &[("number", &[])],
};

fn ours_metrics(keeping: kit::Keeping) -> Result<kit::Metrics> {
    Ok(kit::MetricsOptions::new().keeping(keeping).metrics(&[HISTOGRAM]).build()?)
}

fn ours(work: Work, keeping: kit::Keeping) -> Result<Loop> {
    let metrics = ours_metrics(keeping)?;
    if work == Work::LabelledValue {
        let make = |value| counter!("operations_total", "operation" => value);
        let handles = metrics.with(|| kit::Labelled::new(&OPERATIONS, make));
        return Ok(Box::new(move |count| {
            for turn in 0..count {
                if let Some(counter) = handles.get(operation(turn)) {
                    counter.increment(1);
                }
            }
            // The upkeep goes on for as long as it counts.
            black_box(&metrics);
        }));
    }
    let mut inner = metrics.with(|| facade(work));
    Ok(Box::new(move |count| metrics.with(|| inner(count))))
}

fn ours_scrape(scraped: Scraped, keeping: kit::Keeping) -> Result<Scrape> {
    let metrics = ours_metrics(keeping)?;
    metrics.with(|| facade_series(scraped));
    Ok(Box::new(move || metrics.render(kit::Format::Text).len()))
}

/// What any recorder behind the facade does; it is the one of the thread.
fn facade(work: Work) -> Loop {
    match work {
        Work::Counter => {
            let counter = counter!("operations_total", "operation" => "get");
            Box::new(move |count| (0..count).for_each(|_| black_box(&counter).increment(1)))
        }
        Work::Labelled => Box::new(|count| (0..count).for_each(count_literal)),
        Work::LabelledValue => Box::new(|count| {
            for turn in 0..count {
                counter!("operations_total", "operation" => operation(turn)).increment(1);
            }
        }),
        Work::Histogram => {
            let (histogram, times) = (histogram!("time_seconds", "number" => "0"), times());
            Box::new(move |count| {
                (0..count).for_each(|turn| black_box(&histogram).record(time(&times, turn)));
            })
        }
    }
}

/// As code does it that names its labels where it counts.
fn count_literal(turn: u64) {
    let counter = match turn % 8 {
        0 => counter!("operations_total", "operation" => "get"),
        1 => counter!("operations_total", "operation" => "scan"),
        2 => counter!("operations_total", "operation" => "find"),
        3 => counter!("operations_total", "operation" => "query"),
        4 => counter!("operations_total", "operation" => "insert"),
        5 => counter!("operations_total", "operation" => "remove"),
        6 => counter!("operations_total", "operation" => "commit"),
        _ => counter!("operations_total", "operation" => "transaction"),
    };
    counter.increment(1);
}

fn facade_series(scraped: Scraped) {
    let times = times();
    for number in 0..SERIES {
        let number = number.to_string();
        match scraped {
            Scraped::Counters => counter!("operations_total", "number" => number).increment(1),
            Scraped::Histograms => {
                let histogram = histogram!("time_seconds", "number" => number);
                times.iter().take(RECORDED).for_each(|time| histogram.record(*time));
            }
        }
    }
}

/// The recorder of `metrics-exporter-prometheus` by itself, with an upkeep each second.
struct Exporter {
    recorder: metrics_exporter_prometheus::PrometheusRecorder,
    handle: PrometheusHandle,
    _upkeep: Upkeep,
}

impl Exporter {
    fn new() -> Result<Self> {
        let name = Matcher::Full("time_seconds".to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(name, &kit::BUCKETS)?;
        let recorder = builder.build_recorder();
        let (handle, kept) = (recorder.handle(), recorder.handle());
        let upkeep = Upkeep::start(Duration::from_secs(1), move || kept.run_upkeep());
        Ok(Self { recorder, handle, _upkeep: upkeep })
    }
}

fn exporter(work: Work) -> Result<Loop> {
    let exporter = Exporter::new()?;
    let mut inner = metrics::with_local_recorder(&exporter.recorder, || facade(work));
    Ok(Box::new(move |count| {
        metrics::with_local_recorder(&exporter.recorder, || inner(count));
    }))
}

fn exporter_scrape(scraped: Scraped) -> Result<Scrape> {
    let exporter = Exporter::new()?;
    metrics::with_local_recorder(&exporter.recorder, || facade_series(scraped));
    Ok(Box::new(move || exporter.handle.render().len()))
}

type ClientLabels = [(&'static str, &'static str); 1];

fn client(work: Work) -> Result<Loop> {
    let family = Family::<ClientLabels, ClientCounter>::default();
    Ok(match work {
        Work::Counter => {
            let counter = ClientCounter::clone(&family.get_or_create(&[("operation", "get")]));
            Box::new(move |count| {
                (0..count).for_each(|_| {
                    black_box(&counter).inc();
                });
            })
        }
        Work::Labelled | Work::LabelledValue => Box::new(move |count| {
            (0..count).for_each(|turn| {
                family.get_or_create(&[("operation", operation(turn))]).inc();
            });
        }),
        Work::Histogram => {
            let (histogram, times) = (ClientHistogram::new(kit::BUCKETS), times());
            Box::new(move |count| {
                (0..count).for_each(|turn| black_box(&histogram).observe(time(&times, turn)));
            })
        }
    })
}

fn client_scrape(scraped: Scraped) -> Result<Scrape> {
    let mut registry = ClientRegistry::default();
    let times = times();
    let labels = |number: usize| [("number", number.to_string())];
    match scraped {
        Scraped::Counters => {
            let family = Family::<[(&'static str, String); 1], ClientCounter>::default();
            for number in 0..SERIES {
                family.get_or_create(&labels(number)).inc();
            }
            registry.register("operations", "Operations", family);
        }
        Scraped::Histograms => {
            let make: fn() -> ClientHistogram = || ClientHistogram::new(kit::BUCKETS);
            let family =
                Family::<[(&'static str, String); 1], ClientHistogram, _>::new_with_constructor(
                    make,
                );
            for number in 0..SERIES {
                let histogram = family.get_or_create(&labels(number));
                times.iter().take(RECORDED).for_each(|time| histogram.observe(*time));
            }
            registry.register("time_seconds", "Times", family);
        }
    }
    Ok(Box::new(move || {
        let mut text = String::new();
        encode(&mut text, &registry).map_or(0, |()| text.len())
    }))
}

fn prometheus_crate(work: Work) -> Result<Loop> {
    let options = prometheus::Opts::new("operations_total", "Operations.");
    let counters = prometheus::IntCounterVec::new(options, &["operation"])?;
    Ok(match work {
        Work::Counter => {
            let counter = counters.with_label_values(&["get"]);
            Box::new(move |count| (0..count).for_each(|_| black_box(&counter).inc()))
        }
        Work::Labelled | Work::LabelledValue => Box::new(move |count| {
            (0..count).for_each(|turn| counters.with_label_values(&[operation(turn)]).inc());
        }),
        Work::Histogram => {
            let options = prometheus::HistogramOpts::new("time_seconds", "Times.");
            let options = options.buckets(kit::BUCKETS.to_vec());
            let (histogram, times) = (prometheus::Histogram::with_opts(options)?, times());
            Box::new(move |count| {
                (0..count).for_each(|turn| black_box(&histogram).observe(time(&times, turn)));
            })
        }
    })
}

fn prometheus_scrape(scraped: Scraped) -> Result<Scrape> {
    let registry = prometheus::Registry::new();
    let times = times();
    match scraped {
        Scraped::Counters => {
            let options = prometheus::Opts::new("operations_total", "Operations.");
            let counters = prometheus::IntCounterVec::new(options, &["number"])?;
            for number in 0..SERIES {
                counters.with_label_values(&[number.to_string()]).inc();
            }
            registry.register(Box::new(counters))?;
        }
        Scraped::Histograms => {
            let options = prometheus::HistogramOpts::new("time_seconds", "Times.");
            let options = options.buckets(kit::BUCKETS.to_vec());
            let histograms = prometheus::HistogramVec::new(options, &["number"])?;
            for number in 0..SERIES {
                let histogram = histograms.with_label_values(&[number.to_string()]);
                times.iter().take(RECORDED).for_each(|time| histogram.observe(*time));
            }
            registry.register(Box::new(histograms))?;
        }
    }
    let encoder = prometheus::TextEncoder::new();
    Ok(Box::new(move || encoder.encode_to_string(&registry.gather()).map_or(0, |it| it.len())))
}
