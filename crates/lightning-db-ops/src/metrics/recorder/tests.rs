//! What is true of any recorder behind these metrics, read from the text.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::metrics::{lint, samples};

const OPERATIONS: Metric = Metric {
    name: "operations_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    help: "Operations, counted when they end.",
    labels: &[("operation", &["get", "put"])],
};
const LEVEL: Metric = Metric {
    name: "level_bytes",
    kind: Kind::Gauge,
    unit: Unit::Bytes,
    help: "A level.",
    labels: &[],
};
const TIME: Metric = Metric {
    name: "time_seconds",
    kind: Kind::Histogram,
    unit: Unit::Seconds,
    help: "Times.",
    labels: &[],
};
const LAG: Metric = Metric {
    name: "lag_seconds",
    kind: Kind::Summary,
    unit: Unit::Seconds,
    help: "Lags.",
    labels: &[],
};

fn build(options: MetricsOptions) -> Metrics {
    options.metrics(&[OPERATIONS, LEVEL, TIME, LAG]).build().unwrap()
}

/// Options of both recorders.
fn both() -> [MetricsOptions; 2] {
    [Keeping::Exporter, Keeping::Bounded].map(|keeping| MetricsOptions::new().keeping(keeping))
}

fn value(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let found = samples(text, name).into_iter().find(|sample| {
        let have = sample.labels.iter().map(|(label, value)| (label.as_str(), value.as_str()));
        have.eq(labels.iter().copied())
    });
    found.map(|sample| sample.value)
}

#[test]
fn a_first_scrape_shows_all_known_series_at_zero() {
    for options in both() {
        let text = build(options).render(Format::Text);
        assert_eq!(lint(&text), Vec::<String>::new(), "{text}");
        assert_eq!(value(&text, "operations_total", &[("operation", "get")]), Some(0.0));
        assert_eq!(value(&text, "operations_total", &[("operation", "put")]), Some(0.0));
        assert_eq!(value(&text, "level_bytes", &[]), Some(0.0));
        assert_eq!(value(&text, "lightningdb_metrics_dropped_series_total", &[]), Some(0.0));
        assert_eq!(value(&text, "time_seconds_count", &[]), Some(0.0));
        assert_eq!(value(&text, "lag_seconds_count", &[]), Some(0.0));
        assert!(text.contains("# TYPE time_seconds histogram"), "{text}");
        assert!(text.contains("# TYPE lag_seconds summary"), "{text}");
    }
}

#[test]
fn histograms_count_from_a_microsecond_on_and_summaries_keep_quantiles() {
    for options in both() {
        let metrics = build(options);
        metrics.with(|| {
            let (time, lag) =
                (metrics::histogram!("time_seconds"), metrics::histogram!("lag_seconds"));
            for value in [0.5e-6, 1e-6, 3e-6, 0.2, 100.0] {
                time.record(value);
            }
            (1..=50).for_each(|ms| lag.record(f64::from(ms) / 1e3));
        });
        let text = metrics.render(Format::Text);
        assert_eq!(lint(&text), Vec::<String>::new(), "{text}");
        let bucket = |le: &str| value(&text, "time_seconds_bucket", &[("le", le)]);
        assert_eq!(bucket("0.000001"), Some(2.0), "{text}");
        assert_eq!(bucket("0.0000025"), Some(2.0));
        assert_eq!(bucket("0.000005"), Some(3.0));
        assert_eq!(bucket("0.25"), Some(4.0));
        assert_eq!(bucket("10"), Some(4.0));
        assert_eq!(bucket("+Inf"), Some(5.0));
        assert_eq!(samples(&text, "time_seconds_bucket").len(), BUCKETS.len() + 1);
        assert_eq!(value(&text, "lag_seconds_count", &[]), Some(50.0));
        let median = value(&text, "lag_seconds", &[("quantile", "0.5")]).unwrap();
        assert!((median - 0.025).abs() < 0.002, "{median}");
    }
}

#[test]
fn open_metrics_ends_and_names_families_without_the_suffix() {
    for options in both() {
        let text = build(options).render(Format::OpenMetrics);
        assert!(text.ends_with("# EOF\n"));
        assert!(text.contains("# TYPE operations counter\noperations_total{operation="), "{text}");
        assert!(!text.contains("\n\n"));
    }
}

#[test]
fn series_past_the_bound_share_one_and_are_counted() {
    for options in both() {
        let metrics = build(options.series_max(5));
        metrics.with(|| {
            for user in 0..100 {
                metrics::counter!("operations_total", "operation" => format!("u{user}"))
                    .increment(1);
                metrics::counter!("operations_total", "operation" => format!("u{user}"))
                    .increment(1);
            }
        });
        let text = metrics.render(Format::Text);
        assert_eq!(samples(&text, "operations_total").len(), 6);
        assert_eq!(value(&text, "operations_total", &[("operation", "u2")]), Some(2.0));
        assert_eq!(value(&text, "operations_total", &[("operation", "other")]), Some(194.0));
        assert_eq!(value(&text, "lightningdb_metrics_dropped_series_total", &[]), Some(194.0));
        assert_eq!(lint(&text), Vec::<String>::new());
    }
}

#[test]
fn sources_are_collected_until_they_are_dropped() {
    for options in both() {
        let metrics = build(options);
        let asked = Arc::new(AtomicU64::new(0));
        let source = {
            let asked = Arc::clone(&asked);
            metrics.register(move || {
                let count = asked.fetch_add(1, Ordering::Relaxed) + 1;
                metrics::counter!("operations_total", "operation" => "get").absolute(count);
            })
        };
        metrics.render(Format::Text);
        let text = metrics.render(Format::Text);
        assert_eq!(value(&text, "operations_total", &[("operation", "get")]), Some(2.0));
        drop(source);
        metrics.render(Format::Text);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}

#[test]
fn label_values_may_be_anything() {
    for options in both() {
        let metrics = build(options);
        let strange = "a\"b\\c\nd \u{e9}";
        metrics.with(|| metrics::counter!("operations_total", "operation" => strange).increment(1));
        let text = metrics.render(Format::Text);
        assert_eq!(lint(&text), Vec::<String>::new(), "{text}");
        assert_eq!(value(&text, "operations_total", &[("operation", strange)]), Some(1.0));
    }
}

#[test]
fn bad_options_are_refused() {
    let check = |options: MetricsOptions, option: &str| {
        let error = options.build().unwrap_err().to_string();
        assert!(error.contains(option), "{error}");
    };
    check(MetricsOptions::new().buckets(&[]), "buckets");
    check(MetricsOptions::new().buckets(&[1.0, 1.0]), "buckets");
    check(MetricsOptions::new().series_max(0), "series_max");
    check(MetricsOptions::new().upkeep_interval(Duration::ZERO), "upkeep_interval");
}

#[test]
fn the_recorder_of_the_process_is_installed_once() {
    let metrics = build(MetricsOptions::new());
    metrics.install().unwrap();
    assert!(matches!(metrics.install(), Err(Error::Installed)));
    metrics::counter!("operations_total", "operation" => "put").increment(3);
    let text = metrics.render(Format::Text);
    assert_eq!(value(&text, "operations_total", &[("operation", "put")]), Some(3.0));
}
