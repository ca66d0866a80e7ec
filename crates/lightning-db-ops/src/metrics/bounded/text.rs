//! Series as Prometheus text.

use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering;

use metrics::Key;

use super::Cell;

/// Quantiles of a summary.
const QUANTILES: [f64; 7] = [0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0];

impl Cell {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Counter(_) => "counter",
            Self::Gauge(_) => "gauge",
            Self::Histogram(_) => "histogram",
            Self::Summary(_) => "summary",
        }
    }

    pub(super) fn write(&self, text: &mut String, name: &str, labels: &str) {
        let mut line = Line { text, name, labels };
        let (count, sum) = match self {
            Self::Counter(counter) => return line.write("", None, counter.get()),
            Self::Gauge(gauge) => {
                let value = f64::from_bits(gauge.load(Ordering::Relaxed));
                return line.write("", None, value);
            }
            Self::Histogram(buckets) => {
                let mut count = 0;
                for (bound, not_above) in buckets.cumulative() {
                    line.write("_bucket", Some(("le", bound)), not_above);
                    count = not_above;
                }
                (count, buckets.sum())
            }
            Self::Summary(windows) => {
                for (share, value) in QUANTILES.into_iter().zip(windows.quantiles(QUANTILES)) {
                    line.write("", Some(("quantile", &share.to_string())), value);
                }
                (windows.count(), windows.sum())
            }
        };
        line.write("_sum", None, sum);
        line.write("_count", None, count);
    }
}

/// Lines of one series.
struct Line<'a> {
    text: &'a mut String,
    name: &'a str,
    labels: &'a str,
}

impl Line<'_> {
    fn write(&mut self, suffix: &str, label: Option<(&str, &str)>, value: impl Display) {
        let Self { text, name, labels } = self;
        text.push_str(name);
        text.push_str(suffix);
        if !labels.is_empty() || label.is_some() {
            text.push('{');
            text.push_str(labels);
            if let Some((label, value)) = label {
                let comma = if labels.is_empty() { "" } else { "," };
                for part in [comma, label, "=\"", value, "\""] {
                    text.push_str(part);
                }
            }
            text.push('}');
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, " {value}");
    }
}

/// The labels of a key between braces.
pub(super) fn label_text(key: &Key) -> String {
    let mut text = String::new();
    for label in key.labels() {
        if !text.is_empty() {
            text.push(',');
        }
        // Writing to a string cannot fail.
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
