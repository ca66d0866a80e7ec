//! What a service measures, declared once: the names, help and units come from here.

use std::fmt::Write as _;

use metrics::{Key, Label, Level, Metadata, Recorder, SharedString, Unit};

/// How a metric is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number that only grows.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// Counts of values in buckets.
    Histogram,
    /// Quantiles of the values of the last minute.
    Summary,
}

/// One metric, with all its labels.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name, with the unit and, for a counter, `_total`.
    pub name: &'static str,
    /// How it is kept.
    pub kind: Kind,
    /// Its unit.
    pub unit: Unit,
    /// What it counts, and when.
    pub help: &'static str,
    /// Names of its labels, with the values that are known. Series of known values are there from
    /// the start; a label without any gets its values as they come, within the guard's bound.
    pub labels: &'static [(&'static str, &'static [&'static str])],
}

const PLACE: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

impl Metric {
    /// Tells a recorder of the metric, and makes the series whose labels are all known.
    pub(crate) fn declare(&self, recorder: &dyn Recorder) {
        let (name, help) = (SharedString::const_str(self.name), SharedString::const_str(self.help));
        match self.kind {
            Kind::Counter => recorder.describe_counter(name.into(), Some(self.unit), help),
            Kind::Gauge => recorder.describe_gauge(name.into(), Some(self.unit), help),
            Kind::Histogram | Kind::Summary => {
                recorder.describe_histogram(name.into(), Some(self.unit), help);
            }
        }
        for labels in self.known_series() {
            let key = Key::from_parts(self.name, labels);
            match self.kind {
                Kind::Counter => recorder.register_counter(&key, &PLACE).increment(0),
                Kind::Gauge => recorder.register_gauge(&key, &PLACE).set(0.0),
                Kind::Histogram | Kind::Summary => {
                    drop(recorder.register_histogram(&key, &PLACE));
                }
            }
        }
    }

    /// Labels of the series that are known: all combinations, none if a label has no known value.
    fn known_series(&self) -> Vec<Vec<Label>> {
        let mut series = vec![Vec::new()];
        for (name, values) in self.labels {
            let longer = series.iter().flat_map(|labels: &Vec<Label>| {
                values.iter().map(move |value| {
                    let mut labels = labels.clone();
                    labels.push(Label::from_static_parts(name, value));
                    labels
                })
            });
            series = longer.collect();
        }
        series
    }
}

/// A page that lists metrics, as Markdown.
pub fn reference(metrics: &[Metric]) -> String {
    let mut page = String::from("| metric | kind | labels | what it says |\n|---|---|---|---|\n");
    for Metric { name, kind, help, labels, .. } in metrics {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
        };
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, values)| match values {
                [] => format!("`{label}`"),
                values => format!("`{label}`: {}", values.join(", ")),
            })
            .collect();
        // Writing to a string cannot fail.
        let _ = writeln!(page, "| `{name}` | {kind} | {} | {help} |", labels.join("; "));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_series_are_all_combinations_of_known_values() {
        let mut metric = Metric {
            name: "m_total",
            kind: Kind::Counter,
            unit: Unit::Count,
            help: "Things, counted when they happen.",
            labels: &[("a", &["1", "2"]), ("b", &["x", "y", "z"])],
        };
        assert_eq!(metric.known_series().len(), 6);
        metric.labels = &[("a", &["1", "2"]), ("free", &[])];
        assert!(metric.known_series().is_empty());
        metric.labels = &[];
        assert_eq!(metric.known_series(), [vec![]]);
        let page = reference(&[metric]);
        let row = "| `m_total` | counter |  | Things, counted when they happen. |";
        assert_eq!(page.lines().last(), Some(row));
    }
}
