//! Processes of this program that measure one engine alone, so that memory and counters of the
//! operating system are its own. Each ends with one line of JSON: its metrics by name, and under
//! `latency` the percentiles of those that have some.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use crate::comparison::Metric;
use crate::stats::{PERCENTILE_NAMES, Percentiles, Sample};

/// Runs `command` and returns what it reported.
///
/// # Errors
///
/// When it cannot be started, fails, or reports nothing.
pub(crate) fn answer(command: &mut Command) -> Result<Value> {
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "its process ended with {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    match text.lines().last() {
        Some(line) => Ok(serde_json::from_str(line)?),
        None => bail!("its process reported nothing"),
    }
}

/// The value of `metric` in `report`, with its latencies; `None` where the report has none.
pub(crate) fn sample(report: &Value, metric: &Metric) -> Option<Sample> {
    let value = report[metric.name].as_f64()?;
    let latency = report["latency"][metric.name].as_array().and_then(|values| {
        let mut all = [0.0; PERCENTILE_NAMES.len()];
        for (slot, value) in all.iter_mut().zip(values) {
            *slot = value.as_f64()?;
        }
        Some(Percentiles::from(all))
    });
    Some(Sample { value, latency })
}

/// Percentiles as they stand in a report.
pub(crate) fn latencies(percentiles: Option<Percentiles>) -> Value {
    percentiles.map_or(Value::Null, |percentiles| json!(percentiles.all()))
}

/// Milliseconds with their fraction.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_from_the_report_with_their_latencies() {
        let report = json!({
            "load_ops_per_s": 5.0,
            "rss_mib": 7.0,
            "latency": { "load_ops_per_s": latencies(Some([1.0, 2.0, 3.0, 4.0, 5.0].into())) },
        });
        let loaded = sample(&report, &Metric::higher("load_ops_per_s", "ops/s")).unwrap();
        assert_eq!(loaded.value.to_bits(), 5.0_f64.to_bits());
        assert_eq!(loaded.latency, Some(Percentiles::from([1.0, 2.0, 3.0, 4.0, 5.0])));
        assert!(sample(&report, &Metric::lower("rss_mib", "MiB")).unwrap().latency.is_none());
        assert!(sample(&report, &Metric::lower("disk_mib", "MiB")).is_none());
    }

    #[test]
    fn a_process_that_fails_or_says_nothing_is_an_error() {
        let failed = answer(&mut Command::new("false")).unwrap_err().to_string();
        assert!(failed.starts_with("its process ended with"), "{failed}");
        let silent = answer(&mut Command::new("true")).unwrap_err().to_string();
        assert_eq!(silent, "its process reported nothing");
        assert_eq!(answer(Command::new("echo").arg("{\"keys\":1}")).unwrap(), json!({"keys": 1}));
    }
}
