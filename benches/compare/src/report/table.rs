//! A comparison as a table for the terminal.

use std::fmt::Write as _;

use super::format::{micros, quantity, ratio};
use crate::comparison::{Comparison, Entry, OURS};

/// A heading, one line for each engine, best first, and the verdict.
pub(crate) fn render(comparison: &Comparison) -> String {
    let case = &comparison.case;
    let mut text = String::new();
    let plural = if case.threads == 1 { "" } else { "s" };
    let _ = writeln!(
        text,
        "{}: {} keys, {} thread{plural}, {}",
        case.scenario, case.keys, case.threads, case.level
    );
    let timed = comparison.entries.iter().any(|entry| entry.sample.latency.is_some());
    let _ = write!(text, "  {:<10} {:>22}", "engine", comparison.metric.name);
    if timed {
        for name in ["P50 us", "P90", "P95", "P99", "P99.9"] {
            let _ = write!(text, " {name:>8}");
        }
    }
    let _ = writeln!(text, " {:>10}", "ours is");
    for entry in ranked(comparison) {
        let value = format!("{} {}", quantity(entry.sample.value), comparison.metric.unit);
        let _ = write!(text, "  {:<10} {value:>22}", entry.engine);
        if timed {
            for column in 0..5 {
                let cell = entry.sample.latency.map(|latency| micros(latency.all()[column]));
                let _ = write!(text, " {:>8}", cell.unwrap_or_default());
            }
        }
        let against =
            if entry.engine == OURS { String::new() } else { against(comparison, &entry) };
        let _ = writeln!(text, " {against:>10}");
    }
    if let (Some(best), Some(_)) = (comparison.best_peer(), comparison.ours()) {
        let less = if best.weaker { ", which promises less" } else { "" };
        let _ = writeln!(text, "  best peer {}{less}: {}", best.engine, ratio(comparison.ratio()));
        if let Some(best) = comparison.best_peer_in_class().filter(|_| best.weaker) {
            let _ = writeln!(
                text,
                "  best of its class {}: {}",
                best.engine,
                against(comparison, best)
            );
        }
    }
    text
}

fn against(comparison: &Comparison, entry: &Entry) -> String {
    ratio(comparison.ratio_to(entry))
}

/// The entries, best first.
fn ranked(comparison: &Comparison) -> Vec<Entry> {
    let mut rest = comparison.clone();
    let mut ranked: Vec<Entry> = Vec::new();
    while let Some(best) = rest.best().copied() {
        rest.entries.retain(|entry| entry.engine != best.engine);
        ranked.push(best);
    }
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::Metric;
    use crate::report::tests::example;

    #[test]
    fn table_ranks_engines_and_says_the_ratio_to_each() {
        let expected = concat!(
            "rand_read: 100000 keys, 2 threads, buffered\n",
            "  engine                  ops_per_s   P50 us      P90      P95      P99    P99.9",
            "    ours is\n",
            "  lightning             2.00M ops/s     0.50     0.90     1.50     20.0     3000",
            "           \n",
            "  redb                  1.00M ops/s     0.50     0.90     1.50     20.0     3000",
            "     2.00 x\n",
            "  sled                   250K ops/s     0.50     0.90     1.50     20.0     3000",
            "     8.00 x\n",
            "  best peer redb: 2.00 x\n",
        );
        assert_eq!(render(&example(Metric::OPS)), expected);
    }

    #[test]
    fn a_best_peer_that_promises_less_is_said_to() {
        let mut comparison = example(Metric::OPS);
        comparison.entries[2].weaker = true;
        let text = render(&comparison);
        assert!(text.ends_with(concat!(
            "  best peer redb, which promises less: 2.00 x\n",
            "  best of its class sled: 8.00 x\n",
        )));
    }

    #[test]
    fn where_less_is_better_the_least_comes_first() {
        let mut comparison = example(Metric::lower("rss_mib", "MiB"));
        comparison.entries.iter_mut().for_each(|entry| entry.sample.latency = None);
        let text = render(&comparison);
        let order: Vec<&str> =
            text.lines().skip(2).filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(order, ["sled", "redb", "lightning", "best"]);
        assert!(!text.contains("P50"));
        assert!(text.contains("best peer sled: 0.12 x") || text.contains("0.13 x"));
    }
}
