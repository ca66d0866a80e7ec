//! What recording takes from the allocator: nothing, however much is recorded and not read.
//!
//! The one test of this file: the allocator counts what all threads of the process do.
#![cfg(not(loom))]

use std::time::Duration;

use lightning_db_ops::metrics::{Format, Keeping, Labelled, Metrics, MetricsOptions};
use metrics::{Counter, Histogram, counter, histogram};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

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

/// Bytes that the allocator had given out at most while so many values were recorded, beyond what
/// it had before.
fn grown(metrics: &Metrics) -> usize {
    let handles = metrics.with(Handles::new);
    // The first record of a thread may make what is kept for the thread.
    handles.record(0);
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    (0..VALUES).for_each(|number| handles.record(number));
    MEMORY.peak_usage().saturating_sub(before)
}

#[test]
fn recording_allocates_nothing() {
    // No upkeep comes while the test runs, which it would be counted with.
    let options = || MetricsOptions::new().upkeep_interval(Duration::from_hours(1));
    let bounded = options().keeping(Keeping::Bounded).build().unwrap();
    assert_eq!(grown(&bounded), 0);
    let text = bounded.render(Format::Text);
    assert!(text.contains(&format!("jobs_total {}", VALUES + 1)), "{text}");
    // The measure sees what the other one takes.
    let exporter = options().keeping(Keeping::Exporter).build().unwrap();
    assert!(grown(&exporter) > VALUES as usize);
}
