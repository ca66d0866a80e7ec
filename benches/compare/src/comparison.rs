//! One measured quantity of all engines, and the row schema that every subject writes.
//!
//! A row is one line of JSON: `subject`, `scenario`, `level`, `keys`, `threads`, `metric`,
//! `unit`, `better`, `ours`, `peers` (by name), `best_peer`, `ratio`, and `p50_ns` to `p999_ns`
//! of ours where single operations were timed. A ratio is above 1 where ours is better, whichever
//! direction is better. Where some peers promise less than the level says, they are named in
//! `weaker`, and `best_peer_in_class` and `ratio_in_class` leave them out.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use crate::stats::{PERCENTILE_NAMES, Percentiles, Sample};

/// The name of the engine that all others are compared with.
pub(crate) const OURS: &str = "lightning";

/// Which direction of a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    /// More is better, such as operations per second.
    Higher,
    /// Less is better, such as a latency or a size.
    Lower,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Metric {
    /// Name in the row.
    pub name: &'static str,
    /// Unit of the value.
    pub unit: &'static str,
    /// The better direction.
    pub better: Better,
}

impl Metric {
    /// Operations per second.
    pub(crate) const OPS: Self = Self::higher("ops_per_s", "ops/s");

    /// A metric of which more is better.
    pub(crate) const fn higher(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, better: Better::Higher }
    }

    /// A metric of which less is better.
    pub(crate) const fn lower(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, better: Better::Lower }
    }
}

/// What was done, and with how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    /// The subject, such as `storage`.
    pub subject: &'static str,
    /// The scenario, such as `rand_read`.
    pub scenario: &'static str,
    /// The durability level.
    pub level: &'static str,
    /// Keys (or rows, or documents) in the store.
    pub keys: u64,
    /// Threads that worked at the same time.
    pub threads: usize,
}

/// One engine's result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Name of the engine.
    pub engine: &'static str,
    /// Whether it promises less than the level of the case.
    pub weaker: bool,
    /// Its median over the rounds.
    pub sample: Sample,
}

/// One metric of one case, over all engines that gave a result.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    /// What was done.
    pub case: Case,
    /// What was measured.
    pub metric: Metric,
    /// The results, in the order in which engines are listed.
    pub entries: Vec<Entry>,
}

impl Comparison {
    /// Our result, if we took part.
    pub(crate) fn ours(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.engine == OURS)
    }

    /// The results of the others.
    pub(crate) fn peers(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.engine != OURS)
    }

    /// The peer with the best value.
    pub(crate) fn best_peer(&self) -> Option<&Entry> {
        self.peers().max_by(|left, right| self.order(left, right))
    }

    /// The best of the peers that promise as much as the level of the case.
    pub(crate) fn best_peer_in_class(&self) -> Option<&Entry> {
        let peers = self.peers().filter(|entry| !entry.weaker);
        peers.max_by(|left, right| self.order(left, right))
    }

    /// The entry with the best value.
    pub(crate) fn best(&self) -> Option<&Entry> {
        self.entries.iter().max_by(|left, right| self.order(left, right))
    }

    fn order(&self, left: &Entry, right: &Entry) -> Ordering {
        let order = left.sample.value.total_cmp(&right.sample.value);
        if self.metric.better == Better::Higher { order } else { order.reverse() }
    }

    /// How much better ours is than `peer`: above 1 means better.
    pub(crate) fn ratio_to(&self, peer: &Entry) -> Option<f64> {
        let ours = self.ours()?.sample.value;
        ratio(self.metric.better, ours, peer.sample.value)
    }

    /// How much better ours is than the best peer.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.ratio_to(self.best_peer()?)
    }

    /// The row of this metric, and one row for each latency percentile.
    pub(crate) fn rows(&self) -> Vec<Value> {
        let mut rows = vec![self.row(self.metric.name)];
        // `load_ops_per_s` has latencies called `load_p50_ns`.
        let stem = self.metric.name.strip_suffix(Metric::OPS.name).unwrap_or("");
        for (position, name) in PERCENTILE_NAMES.into_iter().enumerate() {
            let at = |entry: &Entry| {
                let value = entry.sample.latency?.all()[position];
                Some(Entry { sample: Sample { value, latency: None }, ..*entry })
            };
            let entries: Vec<Entry> = self.entries.iter().filter_map(at).collect();
            if !entries.is_empty() {
                let metric = Metric::lower(name, "ns");
                let latencies = Self { case: self.case.clone(), metric, entries };
                rows.push(latencies.row(&format!("{stem}{name}")));
            }
        }
        rows
    }

    fn row(&self, metric: &str) -> Value {
        let peers: Map<String, Value> =
            self.peers().map(|e| (e.engine.to_owned(), number(e.sample.value))).collect();
        let ours = self.ours();
        let mut row = json!({
            "subject": self.case.subject,
            "scenario": self.case.scenario,
            "level": self.case.level,
            "keys": self.case.keys,
            "threads": self.case.threads,
            "metric": metric,
            "unit": self.metric.unit,
            "better": if self.metric.better == Better::Higher { "higher" } else { "lower" },
            "ours": ours.map(|entry| number(entry.sample.value)),
            "peers": peers,
            "best_peer": self.best_peer().map(|entry| entry.engine),
            "ratio": self.ratio().map(number),
        });
        let weaker: Vec<&str> = self.peers().filter(|e| e.weaker).map(|e| e.engine).collect();
        if !weaker.is_empty() {
            let best = self.best_peer_in_class();
            row["weaker"] = json!(weaker);
            row["best_peer_in_class"] = json!(best.map(|entry| entry.engine));
            row["ratio_in_class"] = json!(best.and_then(|best| self.ratio_to(best)).map(number));
        }
        if let Some(latency) = ours.and_then(|entry| entry.sample.latency) {
            add_percentiles(&mut row, latency);
        }
        row
    }
}

fn add_percentiles(row: &mut Value, latency: Percentiles) {
    for (name, value) in PERCENTILE_NAMES.into_iter().zip(latency.all()) {
        row[name] = number(value);
    }
}

/// How much better `ours` is than `theirs`; `None` where a zero leaves nothing to divide by.
fn ratio(better: Better, ours: f64, theirs: f64) -> Option<f64> {
    let quotient = match better {
        Better::Higher => ours / theirs,
        Better::Lower => theirs / ours,
    };
    quotient.is_finite().then_some(quotient)
}

/// A number with as many digits as a benchmark can mean.
fn number(value: f64) -> Value {
    let scale = if value.abs() < 100.0 { 1_000.0 } else { 10.0 };
    json!((value * scale).round() / scale)
}

/// The first row of a result: where, what and when.
pub(crate) fn head(subject: &str, settings: &Value) -> Value {
    let commit = std::env::var("LIGHTNING_COMMIT").unwrap_or_else(|_| "unknown".to_owned());
    let machine = std::env::var("LIGHTNING_MACHINE").unwrap_or_else(|_| crate::process::machine());
    json!({
        "subject": subject,
        "head": true,
        "machine": machine,
        "commit": commit,
        "date": crate::clock::today(),
        "settings": settings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::histogram;

    fn entry(engine: &'static str, value: f64) -> Entry {
        Entry { engine, weaker: false, sample: Sample { value, latency: None } }
    }

    fn comparison(metric: Metric, entries: Vec<Entry>) -> Comparison {
        let case = Case {
            subject: "storage",
            scenario: "rand_read",
            level: "buffered",
            keys: 1_000,
            threads: 2,
        };
        Comparison { case, metric, entries }
    }

    fn check(metric: Metric, ours: f64, peers: [f64; 2], best: &str, ratio: f64) {
        let entries = vec![entry("a", peers[0]), entry(OURS, ours), entry("b", peers[1])];
        let comparison = comparison(metric, entries);
        assert_eq!(comparison.best_peer().unwrap().engine, best);
        let got = comparison.ratio().unwrap();
        assert!((got - ratio).abs() < 1e-9, "{got} is not {ratio}");
    }

    #[test]
    fn ratio_is_above_one_where_ours_is_better() {
        check(Metric::OPS, 300.0, [100.0, 150.0], "b", 2.0);
        check(Metric::OPS, 75.0, [100.0, 150.0], "b", 0.5);
        check(Metric::lower("rss", "MiB"), 50.0, [100.0, 150.0], "a", 2.0);
        check(Metric::lower("rss", "MiB"), 200.0, [100.0, 150.0], "a", 0.5);
    }

    #[test]
    fn a_zero_gives_no_ratio() {
        assert_eq!(ratio(Better::Higher, 1.0, 0.0), None);
        assert_eq!(ratio(Better::Lower, 0.0, 1.0), None);
    }

    #[test]
    fn row_has_the_agreed_fields_in_order() {
        let entries = vec![entry(OURS, 300.04), entry("sled", 100.0), entry("redb", 1.234_56)];
        let rows = comparison(Metric::OPS, entries).rows();
        assert_eq!(rows.len(), 1);
        let expected = concat!(
            r#"{"subject":"storage","scenario":"rand_read","level":"buffered","keys":1000,"#,
            r#""threads":2,"metric":"ops_per_s","unit":"ops/s","better":"higher","ours":300.0,"#,
            r#""peers":{"sled":100.0,"redb":1.235},"best_peer":"sled","ratio":3.0}"#,
        );
        assert_eq!(rows[0].to_string(), expected);
    }

    #[test]
    fn timed_operations_add_percentiles_and_rows() {
        let mut times = histogram().unwrap();
        times.record(200).unwrap();
        let mut ours = entry(OURS, 10.0);
        ours.sample.latency = Percentiles::of(&times);
        let rows = comparison(Metric::OPS, vec![ours, entry("sled", 5.0)]).rows();
        assert_eq!(rows.len(), 1 + PERCENTILE_NAMES.len());
        assert_eq!(rows[0]["p50_ns"], 200.0);
        assert_eq!(rows[0]["p999_ns"], 200.0);
        assert_eq!(rows[4]["metric"], "p99_ns");
        assert_eq!(rows[4]["better"], "lower");
        assert_eq!(rows[4]["peers"], json!({}));
    }

    #[test]
    fn without_ours_the_row_says_null() {
        let row = comparison(Metric::OPS, vec![entry("sled", 5.0)]).rows().remove(0);
        assert_eq!(row["ours"], Value::Null);
        assert_eq!(row["ratio"], Value::Null);
        assert_eq!(row["best_peer"], "sled");
    }

    #[test]
    fn peers_that_promise_less_are_named_and_left_out_of_the_class() {
        let weaker = Entry { weaker: true, ..entry("sled", 400.0) };
        let row = comparison(Metric::OPS, vec![entry(OURS, 300.0), weaker, entry("redb", 100.0)]);
        let row = row.rows().remove(0);
        assert_eq!((&row["best_peer"], &row["ratio"]), (&json!("sled"), &json!(0.75)));
        assert_eq!(row["weaker"], json!(["sled"]));
        assert_eq!(row["best_peer_in_class"], "redb");
        assert_eq!(row["ratio_in_class"], 3.0);
    }

    #[test]
    fn head_names_machine_commit_and_date() {
        let head = head("storage", &json!({"repeats": 3}));
        for field in ["machine", "commit", "date"] {
            assert!(head[field].is_string(), "{field}");
        }
        assert_eq!(head["settings"]["repeats"], 3);
    }
}
