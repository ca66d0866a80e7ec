//! Constants from measured times.

use super::nanoseconds::count;
use super::{Constant, Constants, Work};

/// Work whose time was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// The work that was done in that time.
    pub work: Vec<Work>,
    /// The time in nanoseconds.
    pub nanoseconds: f64,
}

/// Nanoseconds below which a constant is as free to move as one that is as large.
const SCALE_MIN: f64 = 10.0;
/// How often errors are weighed by what was explained last.
const WEIGHINGS: usize = 20;
/// Rounds of each; it ends before when nothing moves any more.
const ROUNDS: usize = 20_000;
/// How much the values that were there before weigh against one measurement.
const PRIOR_WEIGHT: f64 = 1e-3;

/// The constants that explain measured times best: those with the least sum of squared errors
/// beside both the measured and the explained time, so that twice as long and half as long weigh
/// alike; none is negative. Constants that no measurement speaks of stay as they are in `before`;
/// where measurements leave a choice, the result is near `before`.
///
/// Source: non-negative least squares by coordinate descent: V. Franc, V. Hlavac, M. Navara,
/// "Sequential coordinate-wise algorithm for the non-negative least squares problem", CAIP 2005.
/// Time: constants squared for each measurement and each round.
pub fn fit(measurements: &[Measurement], before: &Constants) -> Constants {
    // The unknowns are factors on the values before, so that constants of all sizes weigh alike.
    let scale = Row::from_fn(|it| before.get(it).max(SCALE_MIN));
    let shares: Vec<Row> = measurements.iter().filter_map(|it| shares(it, &scale)).collect();
    let priors = Row::from_fn(|it| before.get(it) / scale.0[it.index()]);
    let mut factors = priors;
    for _ in 0..WEIGHINGS {
        factors = solve(&shares, &factors, &priors);
    }
    Constant::all().fold(before.clone(), |constants, it| {
        constants.with(it, factors.0[it.index()] * scale.0[it.index()])
    })
}

/// A number for each constant.
#[derive(Clone, Copy)]
struct Row([f64; Constant::COUNT]);

impl Row {
    fn from_fn(mut of: impl FnMut(Constant) -> f64) -> Self {
        let mut row = [0.0; Constant::COUNT];
        Constant::all().for_each(|it| row[it.index()] = of(it));
        Self(row)
    }

    fn times(&self, other: &Self) -> f64 {
        self.0.iter().zip(&other.0).map(|(one, other)| one * other).sum()
    }
}

/// What each constant, as large as in `scale`, makes of a measured time.
fn shares(measurement: &Measurement, scale: &Row) -> Option<Row> {
    let time = measurement.nanoseconds;
    let mut row = Row::from_fn(|_| 0.0);
    for work in &measurement.work {
        count(work, &mut |constant, times| {
            row.0[constant.index()] += times * scale.0[constant.index()] / time;
        });
    }
    let is_known = time.is_finite() && time > 0.0 && row.0.iter().all(|share| share.is_finite());
    is_known.then_some(row)
}

/// The factors with which shares come nearest to one each, where an error weighs the less the more
/// the factors before explain.
fn solve(shares: &[Row], before: &Row, priors: &Row) -> Row {
    const COUNT: usize = Constant::COUNT;
    let mut gram = [[0.0; COUNT]; COUNT];
    let mut target = priors.0.map(|prior| PRIOR_WEIGHT * prior);
    for (one, of_one) in gram.iter_mut().enumerate() {
        of_one[one] = PRIOR_WEIGHT;
    }
    for row in shares {
        let weight = 1.0 / row.times(before).clamp(0.05, 20.0);
        for (one, of_one) in gram.iter_mut().enumerate() {
            target[one] += weight * row.0[one];
            for (product, share) in of_one.iter_mut().zip(&row.0) {
                *product += weight * row.0[one] * share;
            }
        }
    }
    let mut factors = *before;
    for _ in 0..ROUNDS {
        let mut moved = 0.0_f64;
        for one in 0..COUNT {
            let rest = target[one] - Row(gram[one]).times(&factors);
            let next = (factors.0[one] + rest / gram[one][one]).max(0.0);
            moved = moved.max((next - factors.0[one]).abs());
            factors.0[one] = next;
        }
        if moved < 1e-12 {
            break;
        }
    }
    factors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{CostModel, Nanoseconds};

    fn measured(model: &Nanoseconds) -> Vec<Measurement> {
        let mut measurements = Vec::new();
        for rows in [1e3, 1e4, 1e5] {
            for columns in [1.0, 4.0, 9.0] {
                let pages = rows / (20.0 * columns);
                let work = vec![Work::Scan { rows, pages, columns }, Work::Emit { rows }];
                let nanoseconds = work.iter().map(|work| model.cost(work)).sum();
                measurements.push(Measurement { work, nanoseconds });
                let work = vec![Work::Seek { count: rows, entries: rows * columns }];
                let nanoseconds = work.iter().map(|work| model.cost(work)).sum();
                measurements.push(Measurement { work, nanoseconds });
            }
            let work = vec![Work::Emit { rows }];
            let nanoseconds = model.cost(&work[0]);
            measurements.push(Measurement { work, nanoseconds });
        }
        measurements
    }

    #[test]
    fn a_model_is_found_again_from_its_times() {
        let truth = Constants::default()
            .with(Constant::ScanRow, 33.0)
            .with(Constant::ScanPage, 700.0)
            .with(Constant::Decode, 3.0)
            .with(Constant::Seek, 90.0)
            .with(Constant::SeekLevel, 70.0)
            .with(Constant::EmitRow, 1.0);
        let measurements = measured(&Nanoseconds::new(truth.clone()));
        let fitted = Nanoseconds::new(fit(&measurements, &Constants::default()));
        for measurement in &measurements {
            let cost: f64 = measurement.work.iter().map(|work| fitted.cost(work)).sum();
            let error = cost / measurement.nanoseconds;
            assert!((0.95..1.05).contains(&error), "{error} for {:?}", measurement.work);
        }
        let found = fitted.constants().get(Constant::SeekLevel);
        assert!((60.0..80.0).contains(&found), "{found}");
        let bloom = fitted.constants().get(Constant::Bloom);
        assert!((bloom - Constants::default().get(Constant::Bloom)).abs() < 1e-6, "{bloom}");
    }

    #[test]
    fn no_constant_is_negative_whatever_was_measured() {
        // Time falls as rows grow: no constant explains that.
        let measurements: Vec<_> = [(1e3, 9e9), (1e6, 1e3), (1e5, f64::NAN)]
            .map(|(rows, nanoseconds)| Measurement {
                work: vec![Work::Scan { rows, pages: 1.0, columns: 1.0 }],
                nanoseconds,
            })
            .into();
        let fitted = fit(&measurements, &Constants::default());
        assert!(Constant::all().all(|it| fitted.get(it) >= 0.0 && fitted.get(it).is_finite()));
    }
}
