//! What is held of a fraction: a middle, and how sure one is; and what a sample makes of it.

use crate::estimate::{Estimate, Source};

/// A fraction that is held to be near `point`: its logarithm is off by about `sigma`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Belief {
    /// What is expected, 0 to 1.
    pub point: f64,
    /// Standard deviation of its natural logarithm.
    pub sigma: f64,
    /// Certainly at most this, as far as is known.
    pub high: f64,
    /// Where it came from.
    pub source: Source,
}

/// How far the logarithm moves for each condition that may depend on another.
const SIGMA_DEPENDENT: f64 = 0.6;
/// The least fraction that is held possible.
const FRACTION_MIN: f64 = 1e-12;
/// Places of each kind at which the distribution is looked at.
const GRID: usize = 33;

impl Belief {
    pub(super) fn new(point: f64, sigma: f64, source: Source) -> Self {
        let point = if point.is_nan() { 1.0 } else { point.clamp(0.0, 1.0) };
        Self { point, sigma, high: 1.0, source }
    }

    /// A fraction of which nothing is known.
    pub(super) fn default(point: f64) -> Self {
        Self::new(point, 2.0, Source::Default)
    }

    /// A fraction that follows from the query alone.
    pub(super) fn certain(point: f64) -> Self {
        Self::new(point, 0.0, Source::Exact)
    }

    /// Both of two conditions, as if they were independent, and less sure for that.
    pub(super) fn and(self, other: Self) -> Self {
        let trivial = |it: &Self| it.sigma <= 0.0 && it.point >= 1.0;
        if trivial(&self) {
            return other;
        }
        if trivial(&other) {
            return self;
        }
        let variance = self.sigma.powi(2) + other.sigma.powi(2) + SIGMA_DEPENDENT.powi(2);
        let high = self.high.min(other.high);
        let source = self.source.max(other.source);
        Self { point: self.point * other.point, sigma: variance.sqrt(), high, source }
    }

    /// The fraction with bounds that hold nineteen times of twenty, after `hits` of `drawn` rows
    /// of a table of `rows` were found to be in it.
    ///
    /// The middle of the distribution that follows by Bayes' rule from what was held before: near
    /// to `hits / drawn` where many were hit, and near to `point` where the sample says little.
    pub(super) fn observed(self, hits: f64, drawn: f64, rows: f64) -> Estimate {
        let high = self.high.clamp(FRACTION_MIN, 1.0);
        let point = self.point.clamp(FRACTION_MIN, high);
        if self.sigma <= 0.0 {
            return Estimate::new(self.point, self.point, self.point, self.source);
        }
        // The nearer the sample comes to the whole table, the more it says.
        let weight = 1.0 / (1.0 - drawn / rows.max(drawn + 1.0)).max(1e-3);
        let (hit, missed) = (hits * weight, (drawn - hits) * weight);
        let (middle, wide) = (point.ln(), self.sigma + 1.5);
        let places = places(middle, self.sigma, wide, hits / drawn.max(1.0), hit, high.ln());
        let weights = places.map(|place| {
            let narrow = (-0.5 * ((place - middle) / self.sigma).powi(2)).exp() / self.sigma;
            // Now and then what was held is far off.
            let far = (-0.5 * ((place - middle) / wide).powi(2)).exp() / wide;
            let held = (0.95 * narrow + 0.05 * far).max(1e-300).ln();
            let miss = if missed > 0.0 { missed * (-place.exp()).ln_1p().max(-1e9) } else { 0.0 };
            held + hit * place + miss
        });
        let most = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights = weights.map(|weight| (weight - most).exp());
        let [low, point, high] = quantiles(&places, &weights, [0.025, 0.5, 0.975]).map(f64::exp);
        let source = if hits > 0.0 { Source::Sample } else { self.source };
        // Less than one row may well be none.
        let low = if low * rows < 1.0 { 0.0 } else { low };
        Estimate::new(point, low, high, source)
    }
}

/// Logarithms at which the distribution is looked at, ascending: near to what was held, near to
/// what the sample shows, and far from both.
fn places(middle: f64, sigma: f64, wide: f64, seen: f64, hit: f64, top: f64) -> [f64; 3 * GRID] {
    let near = |around: f64, spread: f64, place: usize| {
        around + spread * (count(place) / count(GRID - 1) * 2.0 - 1.0)
    };
    let seen_spread = 4.0 / hit.max(1.0).sqrt();
    let mut places: [f64; 3 * GRID] = std::array::from_fn(|place| {
        let place_in_part = place % GRID;
        match place / GRID {
            0 => near(middle, 4.0 * sigma, place_in_part),
            1 if seen > 0.0 => near(seen.ln(), seen_spread, place_in_part),
            _ => near(middle, 4.0 * wide, place_in_part),
        }
        .clamp(FRACTION_MIN.ln(), top)
    });
    places.sort_by(f64::total_cmp);
    places
}

/// The places below which these shares of the whole lie, ascending; the density runs straight from
/// one place to the next.
fn quantiles<const N: usize>(places: &[f64], density: &[f64], shares: [f64; N]) -> [f64; N] {
    let part = |place: usize| {
        f64::midpoint(density[place], density[place - 1]) * (places[place] - places[place - 1])
    };
    let total: f64 = (1..places.len()).map(part).sum();
    let (mut place, mut below) = (1, 0.0);
    shares.map(|share| {
        let wanted = share * total;
        while place + 1 < places.len() && below + part(place) < wanted {
            below += part(place);
            place += 1;
        }
        let within = ((wanted - below) / part(place)).clamp(0.0, 1.0);
        // Nothing has any weight where all places are one.
        let within = if within.is_nan() { 1.0 } else { within };
        places[place - 1] + within * (places[place] - places[place - 1])
    })
}

#[expect(clippy::cast_precision_loss, reason = "rows of a sample")]
fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(point: f64, sigma: f64, hits: usize, drawn: usize, expected: std::ops::Range<f64>) {
        let got =
            Belief::new(point, sigma, Source::Histogram).observed(count(hits), count(drawn), 1e9);
        assert!(expected.contains(&got.point), "{got:?} is not in {expected:?}");
        assert!(got.low <= got.point && got.point <= got.high && got.high <= 1.0, "{got:?}");
    }

    #[test]
    fn a_sample_with_hits_outweighs_what_was_held() {
        check(0.5, 1.0, 100, 1_000, 0.09..0.11);
        check(1e-6, 1.0, 40, 1_000, 0.03..0.05);
        check(0.2, 0.3, 1_000, 1_000, 0.99..1.01);
        // What was held is sure: the sample differs by chance.
        check(0.1, 0.02, 90, 1_000, 0.097..0.1);
        check(0.1, 0.02, 0, 0, 0.0999..0.1001);
    }

    #[test]
    fn a_sample_without_hits_leaves_what_was_held_if_that_is_rare() {
        check(1e-6, 0.5, 0, 1_000, 0.8e-6..1.2e-6);
        check(0.1, 1.0, 0, 4_000, 1e-5..1e-3);
    }

    #[test]
    fn a_sample_of_everything_is_believed() {
        let got = Belief::default(0.9).observed(5.0, 1_000.0, 1_000.0);
        assert!((got.point - 0.005).abs() < 2e-4, "{got:?}");
    }

    #[test]
    fn nothing_is_below_zero_above_the_bound_or_no_number() {
        for point in [0.0, 1e-300, 0.5, 1.0, f64::NAN] {
            for (hits, drawn) in [(0, 0), (0, 10), (10, 10), (1, 1_000_000)] {
                let belief = Belief { high: 0.7, ..Belief::default(point) };
                let got = belief.observed(count(hits), count(drawn), 10.0);
                assert!((0.0..=0.7 + 1e-9).contains(&got.point), "{got:?}");
                assert!(got.low.is_finite() && got.high.is_finite(), "{got:?}");
            }
        }
    }
}
