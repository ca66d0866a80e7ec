//! What recording takes from the allocator: nothing, however much is recorded and not read.
#![cfg(not(loom))]

use std::time::Duration;

use allocation_counter::measure;
use lightning_db_ops::metrics::{Format, Keeping, Labelled, Metrics, MetricsOptions};
use metrics::{Counter, Histogram, counter, histogram};

const VALUES: u32 = 1_000_000;
const OUTCOMES: &[&str] = &["ok", "error", "late"];

struct Handles {
    jobs: Counter,
    times: Histogram,
    outcomes: Labelled<Counter>,
}

impl Handles {
    fn new() -> Self {
        let outcome = |outcome| counter!("outcomes_total", "outcome" => outcome);
        Self {
            jobs: counter!("jobs_total"),
            times: histogram!("job_seconds"),
            outcomes: Labelled::new(OUTCOMES, outcome),
        }
    }

    fn record(&self, number: u32) {
        self.jobs.increment(1);
        self.times.record(f64::from(number) / 1e6);
        // The index is one of the three.
        let outcome = OUTCOMES[number as usize % OUTCOMES.len()];
        if let Some(handle) = self.outcomes.get(outcome) {
            handle.increment(1);
        }
    }
}

/// Bytes that this thread asked the allocator for while so many values were recorded.
fn taken(metrics: &Metrics) -> u64 {
    let handles = metrics.with(Handles::new);
    // The first record of a thread may make what is kept for the thread.
    handles.record(0);
    measure(|| (0..VALUES).for_each(|number| handles.record(number))).bytes_total
}

#[test]
fn recording_allocates_nothing() {
    // What is recorded stays until the end: no upkeep comes while the test runs.
    let options = || MetricsOptions::new().upkeep_interval(Duration::from_hours(1));
    let bounded = options().keeping(Keeping::Bounded).build().unwrap();
    assert_eq!(taken(&bounded), 0);
    let text = bounded.render(Format::Text);
    assert!(text.contains(&format!("jobs_total {}", VALUES + 1)), "{text}");
    // The measure sees what the other one takes.
    let exporter = options().keeping(Keeping::Exporter).build().unwrap();
    assert!(taken(&exporter) > u64::from(VALUES));
}
