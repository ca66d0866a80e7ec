//! Rules for the text that a service exposes: those of the format, and those of Prometheus for
//! names. For tests of whoever adds a metric.

use std::collections::{BTreeMap, BTreeSet};

/// Names and values, in order.
type Labels = Vec<(String, String)>;

/// One value of an exposition.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Sample {
    /// The name before the labels.
    pub name: String,
    /// The labels, in order.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

#[derive(Debug, Default)]
struct Family {
    kind: String,
    has_help: bool,
    samples: Vec<Sample>,
}

/// What is wrong with a text of [`Format::Text`](super::Format::Text), one line each; nothing is
/// how it should be.
pub fn lint(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
            let family = families.entry(name.to_owned()).or_default();
            if family.has_help {
                problems.push(format!("{name}: a second HELP"));
            }
            family.has_help = !help.is_empty();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, ""));
            let family = families.entry(name.to_owned()).or_default();
            if !family.kind.is_empty() {
                problems.push(format!("{name}: a second TYPE"));
            }
            kind.clone_into(&mut family.kind);
            name.clone_into(&mut current);
        } else {
            match parse(line) {
                Some(sample) => match families.get_mut(&current) {
                    Some(family) if belongs(&sample.name, &current, &family.kind) => {
                        family.samples.push(sample);
                    }
                    _ => problems.push(format!("{}: it stands under {current}", sample.name)),
                },
                None => problems.push(format!("not a sample: {line}")),
            }
        }
    }
    for (name, family) in &families {
        family.check(name, &mut problems);
    }
    problems
}

/// All samples of a text whose name is this one.
pub fn samples(text: &str, name: &str) -> Vec<Sample> {
    let lines = text.lines().filter(|line| line.starts_with(name));
    lines.filter_map(parse).filter(|sample| sample.name == name).collect()
}

fn belongs(name: &str, family: &str, kind: &str) -> bool {
    let suffix = name.strip_prefix(family);
    match kind {
        "histogram" => matches!(suffix, Some("_bucket" | "_sum" | "_count")),
        "summary" => matches!(suffix, Some("" | "_sum" | "_count")),
        _ => suffix == Some(""),
    }
}

/// `name{label="value",..} value`
fn parse(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.push((label.to_owned(), value));
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = match rest.strip_prefix(' ')? {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse().ok()?,
    };
    let is_name = |name: &str, others: &str| {
        let is_legal = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
        name.chars().all(is_legal) && name.starts_with(|c: char| !c.is_ascii_digit())
    };
    let are_names = is_name(name, "_:") && labels.iter().all(|(label, _)| is_name(label, "_"));
    are_names.then(|| Sample { name: name.to_owned(), labels, value })
}

/// The text up to the closing quote, and what stands behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other @ ('\\' | '"') => other,
                _ => return None,
            }),
            other => value.push(other),
        }
    }
    None
}

impl Family {
    fn check(&self, name: &str, problems: &mut Vec<String>) {
        let mut report = |problem: &str| problems.push(format!("{name}: {problem}"));
        if !self.has_help {
            report("no HELP");
        }
        match self.kind.as_str() {
            "counter" if !name.ends_with("_total") => report("a counter ends in _total"),
            "gauge" | "histogram" | "summary" if name.ends_with("_total") => {
                report("only a counter ends in _total");
            }
            "counter" | "gauge" | "histogram" | "summary" => {}
            _ => report("no TYPE"),
        }
        for unit in ["_ms", "_us", "_ns", "_milliseconds", "_microseconds", "_kb", "_mb", "_secs"] {
            if name.trim_end_matches("_total").ends_with(unit) {
                report("units are seconds and bytes");
            }
        }
        let mut seen = BTreeSet::new();
        for sample in &self.samples {
            if !seen.insert((&sample.name, &sample.labels)) {
                report("a series stands there twice");
            }
            if self.kind == "counter" && (sample.value < 0.0 || sample.value.is_nan()) {
                report("a counter is not negative");
            }
        }
        if self.kind == "histogram" {
            self.check_buckets(name, problems);
        }
    }

    /// Buckets ascend, hold what those before them hold, and the last holds all.
    fn check_buckets(&self, name: &str, problems: &mut Vec<String>) {
        let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        for sample in self.samples.iter().filter(|it| it.name.ends_with("_bucket")) {
            let mut labels = sample.labels.clone();
            let bound = labels.iter().position(|(label, _)| label == "le");
            let bound = bound.map(|at| labels.remove(at).1);
            let bound = match bound.as_deref() {
                Some("+Inf") => f64::INFINITY,
                bound => bound.and_then(|it| it.parse().ok()).unwrap_or(f64::NAN),
            };
            series.entry(labels).or_default().push((bound, sample.value));
        }
        for (labels, buckets) in series {
            let is_ascending = buckets.windows(2).all(|it| it[0].0 < it[1].0 && it[0].1 <= it[1].1);
            let count = self
                .samples
                .iter()
                .find(|it| it.labels == labels && it.name.strip_suffix("_count") == Some(name));
            let last = buckets.last().filter(|(bound, _)| bound.is_infinite());
            if !is_ascending || last.map(|(_, all)| *all) != count.map(|it| it.value) {
                problems.push(format!("{name}: its buckets do not add up: {buckets:?}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(lint(text), expected, "{text}");
    }

    #[test]
    fn a_text_in_order_has_no_problems() {
        check(
            "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"q\\\"\\\\\\n\"} 3\n\n\
             # HELP h_seconds H.\n# TYPE h_seconds histogram\nh_seconds_bucket{le=\"0.5\"} 1\n\
             h_seconds_bucket{le=\"+Inf\"} 2\nh_seconds_sum 9\nh_seconds_count 2\n",
            &[],
        );
    }

    #[test]
    fn each_fault_is_found() {
        check("# TYPE a_total counter\na_total 1\n", &["a_total: no HELP"]);
        check("# HELP a A.\n# TYPE a counter\n", &["a: a counter ends in _total"]);
        check(
            "# HELP a_total A.\n# TYPE a_total gauge\n",
            &["a_total: only a counter ends in _total"],
        );
        check("# HELP a_ms A.\n# TYPE a_ms gauge\n", &["a_ms: units are seconds and bytes"]);
        check(
            "# HELP a A.\n# TYPE a gauge\na 1\na 2\nb 1\na{1=\"\"} 3\n",
            &[
                "b: it stands under a",
                "not a sample: a{1=\"\"} 3",
                "a: a series stands there twice",
            ],
        );
        let buckets = "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 3\n";
        check(
            &format!("{buckets}h_bucket{{le=\"+Inf\"}} 2\nh_count 2\n"),
            &["h: its buckets do not add up: [(1.0, 3.0), (inf, 2.0)]"],
        );
        check(&format!("{buckets}h_count 3\n"), &["h: its buckets do not add up: [(1.0, 3.0)]"]);
        check("# HELP a A.\na 1\n", &["a: it stands under ", "a: no TYPE"]);
    }
}
