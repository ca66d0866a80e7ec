//! Statistics over repeats and over single operations.

use anyhow::Result;
use hdrhistogram::Histogram;

/// The middle of `values`; for an even count the mean of the two middle ones; `None` for none.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        len if len % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// Names of the percentiles, as they stand in a row, in the order of [`Percentiles::all`].
pub(crate) const PERCENTILE_NAMES: [&str; 5] = ["p50_ns", "p90_ns", "p95_ns", "p99_ns", "p999_ns"];

/// Latencies of single operations in nanoseconds: P50, P90, P95, P99 and P99.9.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Percentiles([f64; 5]);

impl Percentiles {
    /// The percentiles of `histogram`; `None` when nothing was recorded.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64;
        let percentiles = [0.5, 0.9, 0.95, 0.99, 0.999].map(at);
        (!histogram.is_empty()).then_some(Self(percentiles))
    }

    /// P50 to P99.9 in the order of [`PERCENTILE_NAMES`].
    pub(crate) const fn all(&self) -> [f64; 5] {
        self.0
    }

    /// The median of each percentile over several repeats; `None` for none.
    pub(crate) fn median(repeats: &[Self]) -> Option<Self> {
        let mut middle = [0.0; 5];
        for (position, slot) in middle.iter_mut().enumerate() {
            let values: Vec<f64> = repeats.iter().map(|repeat| repeat.0[position]).collect();
            *slot = median(&values)?;
        }
        Some(Self(middle))
    }
}

impl From<[f64; 5]> for Percentiles {
    fn from(all: [f64; 5]) -> Self {
        Self(all)
    }
}

/// A histogram from 1 ns to 10 minutes with three significant digits (about 0.3 MB).
///
/// # Errors
///
/// Does not happen with these bounds.
pub(crate) fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 600_000_000_000, 3)?)
}

/// What one engine did in one scenario of one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// The measured value in the unit of the metric.
    pub value: f64,
    /// Latencies, where single operations were timed.
    pub latency: Option<Percentiles>,
}

impl Sample {
    /// The median of the values and of each percentile; `None` for no repeats.
    pub(crate) fn median(repeats: &[Self]) -> Option<Self> {
        let values: Vec<f64> = repeats.iter().map(|sample| sample.value).collect();
        let latencies: Vec<Percentiles> = repeats.iter().filter_map(|s| s.latency).collect();
        Some(Self { value: median(&values)?, latency: Percentiles::median(&latencies) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_takes_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
    }

    #[test]
    fn percentiles_come_from_the_recorded_latencies() {
        let mut histogram = histogram().unwrap();
        assert_eq!(Percentiles::of(&histogram), None);
        for latency in 1..=1_000 {
            histogram.record(latency).unwrap();
        }
        let percentiles = Percentiles::of(&histogram).unwrap();
        assert_eq!(percentiles, Percentiles([500.0, 900.0, 950.0, 990.0, 999.0]));
    }

    #[test]
    fn repeats_are_reduced_one_by_one() {
        let sample = |value, p| Sample { value, latency: Some(Percentiles([p; 5])) };
        let middle = Sample::median(&[sample(1.0, 30.0), sample(5.0, 10.0), sample(3.0, 20.0)]);
        let middle = middle.unwrap();
        assert_eq!(middle.value.to_bits(), 3.0_f64.to_bits());
        assert_eq!(middle.latency, Some(Percentiles([20.0; 5])));
        assert!(Sample::median(&[]).is_none());
    }
}
