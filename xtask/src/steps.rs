//! The steps of a long run: what each one came to, and the time it took.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// How a step ended when it did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It ran and passed.
    Done,
    /// It could not run on this machine, for this reason.
    Skipped(String),
}

/// The steps that were run so far, in order.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: &'static str,
    time: Duration,
    verdict: String,
}

impl Steps {
    /// Runs one step, prints its name before and its time after, and keeps both for the table.
    ///
    /// # Errors
    ///
    /// The error of the step, with the step's name and how to repeat it alone.
    pub(crate) fn run(
        &mut self,
        name: &'static str,
        step: impl FnOnce() -> Result<Outcome>,
    ) -> Result<()> {
        println!("\n== {name}");
        let start = now();
        let result = step();
        let time = now().duration_since(start);
        let verdict = match &result {
            Ok(Outcome::Done) => "passed".to_owned(),
            Ok(Outcome::Skipped(reason)) => format!("skipped: {reason}"),
            Err(_) => "FAILED".to_owned(),
        };
        println!("== {name}: {verdict} ({})", seconds(time));
        self.rows.push(Row { name, time, verdict });
        result.map(drop).with_context(|| {
            format!("step `{name}` failed; `cargo xtask {name}` repeats this step alone")
        })
    }

    /// One line for each step, and one for the sum.
    pub(crate) fn table(&self) -> String {
        let total: Duration = self.rows.iter().map(|row| row.time).sum();
        let mut table = format!("{:<10} {:>10}  result\n", "step", "time");
        for row in &self.rows {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{:<10} {:>10}  {}", row.name, seconds(row.time), row.verdict);
        }
        let _ = writeln!(table, "{:<10} {:>10}", "total", seconds(total));
        table
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the time of a build step is shown to a person and never replayed"
)]
fn now() -> Instant {
    Instant::now()
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_lists_each_step_with_its_verdict() {
        let mut steps = Steps::default();
        steps.run("fmt", || Ok(Outcome::Done)).unwrap();
        steps.run("deny", || Ok(Outcome::Skipped("no cargo-deny".to_owned()))).unwrap();
        steps.rows[0].time = Duration::from_millis(1500);
        steps.rows[1].time = Duration::from_millis(500);
        let table = steps.table();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[1], "fmt             1.5 s  passed");
        assert_eq!(lines[2], "deny            0.5 s  skipped: no cargo-deny");
        assert_eq!(lines[3], "total           2.0 s");
    }

    #[test]
    fn failed_step_is_in_the_table_and_its_error_names_the_command() {
        let mut steps = Steps::default();
        let error = steps.run("lint", || Err(anyhow::anyhow!("cargo clippy exited"))).unwrap_err();
        assert!(steps.table().contains("FAILED"));
        let text = format!("{error:#}");
        assert!(
            text.contains("cargo xtask lint") && text.contains("cargo clippy exited"),
            "{text}"
        );
    }
}
