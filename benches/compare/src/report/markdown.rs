//! All comparisons of a run as one Markdown page.

use std::fmt::Write as _;

use serde_json::Value;

use super::format::{micros, quantity, ratio};
use crate::comparison::{Comparison, OURS};

/// A page: where and when, then one table for each number of keys and level.
pub(crate) fn render(head: &Value, comparisons: &[Comparison]) -> String {
    let field = |name: &str| head[name].as_str().unwrap_or("unknown").to_owned();
    let mut page = String::new();
    let subject = comparisons.first().map_or("results", |first| first.case.subject);
    let _ = writeln!(page, "# Compared with peers: {subject}\n");
    let _ = writeln!(page, "- machine: {}", field("machine"));
    let _ = writeln!(page, "- commit: {}", field("commit"));
    let _ = writeln!(page, "- date: {}", field("date"));
    if let Some(settings) = head["settings"].as_object() {
        for (name, value) in settings {
            let _ = writeln!(page, "- {name}: {}", plain(value));
        }
    }
    let mut rest = comparisons;
    while let Some(first) = rest.first() {
        let group = |c: &Comparison| (c.case.keys, c.case.level, c.case.scenario == "large");
        let end = rest.iter().position(|c| group(c) != group(first)).unwrap_or(rest.len());
        let (now, later) = rest.split_at(end);
        let _ = writeln!(page, "\n## {} keys, {}\n", first.case.keys, first.case.level);
        table(&mut page, now);
        rest = later;
    }
    page
}

/// A setting without the quotes of JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) => {
            let words = map.iter().map(|(name, value)| format!("{name} ({})", plain(value)));
            words.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn table(page: &mut String, comparisons: &[Comparison]) {
    let mut engines: Vec<&str> = Vec::new();
    for entry in comparisons.iter().flat_map(|comparison| &comparison.entries) {
        if !engines.contains(&entry.engine) {
            engines.push(entry.engine);
        }
    }
    let _ = write!(page, "| scenario | threads | metric |");
    for engine in &engines {
        let _ = write!(page, " {engine} |");
    }
    let _ = writeln!(page, " ratio to the best peer | P50 / P99 / P99.9 us |");
    let _ = writeln!(page, "|---|---|---|{}---|---|", "---|".repeat(engines.len()));
    for comparison in comparisons {
        let case = &comparison.case;
        let metric = &comparison.metric;
        let _ = write!(page, "| {} | {} | {} |", case.scenario, case.threads, metric.name);
        for engine in &engines {
            let entry = comparison.entries.iter().find(|entry| entry.engine == *engine);
            let value = entry.map_or_else(|| "-".to_owned(), |e| quantity(e.sample.value));
            let bold = if *engine == OURS { "**" } else { "" };
            let _ = write!(page, " {bold}{value}{bold} |");
        }
        let latency = comparison.ours().and_then(|ours| ours.sample.latency);
        let latency = latency.map_or_else(
            || "-".to_owned(),
            |latency| {
                let [p50, _, _, p99, p999] = latency.all().map(micros);
                format!("{p50} / {p99} / {p999}")
            },
        );
        let mut verdict = match comparison.best_peer() {
            Some(best) => format!("{} ({})", ratio(comparison.ratio()), best.engine),
            None => "-".to_owned(),
        };
        // Where the best peer promises less, the best that promises as much stands beside it.
        let weak = comparison.best_peer().is_some_and(|best| best.weaker);
        if let Some(best) = comparison.best_peer_in_class().filter(|_| weak) {
            let against = ratio(comparison.ratio_to(best));
            let _ = write!(verdict, ", in its class {against} ({})", best.engine);
        }
        let _ = writeln!(page, " {verdict} | {latency} |");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::comparison::Metric;
    use crate::report::tests::example;

    #[test]
    fn page_has_a_table_for_each_number_of_keys() {
        let mut more = example(Metric::OPS);
        more.case.keys = 1_000_000;
        more.entries.remove(0);
        let head = json!({"machine": "m", "settings": {"engines": {"sled": "sled 0.34.7"}}});
        let page = render(&head, &[example(Metric::OPS), more]);
        assert!(page.contains("- machine: m\n- commit: unknown\n"));
        assert!(page.contains("- engines: sled (sled 0.34.7)\n"));
        assert!(page.contains("## 100000 keys, buffered\n"));
        assert!(page.contains("| scenario | threads | metric | lightning | sled | redb |"));
        assert!(page.contains(
            "| rand_read | 2 | ops_per_s | **2.00M** | 250K | 1.00M | 2.00 x (redb) | \
             0.50 / 20.0 / 3000 |"
        ));
        assert!(page.contains("| rand_read | 2 | ops_per_s | 250K | 1.00M | - (redb) | - |"));
    }
}
