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

/// Rounds of the fit; it ends before when nothing moves any more.
const ROUNDS: usize = 20_000;
/// How much the values that were there before weigh against one measurement.
const PRIOR_WEIGHT: f64 = 1e-3;

/// The constants that explain measured times best: those with the least sum of squared relative
/// errors, none negative. Constants that no measurement speaks of stay as they are in `before`;
/// where measurements leave a choice, the result is near `before`.
///
/// Source: non-negative least squares by coordinate descent: V. Franc, V. Hlavac, M. Navara,
/// "Sequential coordinate-wise algorithm for the non-negative least squares problem", CAIP 2005.
/// Time: measurements times constants, and constants squared for each round.
pub fn fit(measurements: &[Measurement], before: &Constants) -> Constants {
    const COUNT: usize = Constant::COUNT;
    // The unknowns are factors on the values before, so that constants of all sizes weigh alike.
    let scale: Vec<f64> = Constant::all().map(|it| before.get(it).max(1e-3)).collect();
    let mut gram = [[0.0; COUNT]; COUNT];
    let mut target = [0.0; COUNT];
    for measurement in measurements {
        let time = measurement.nanoseconds;
        if !time.is_finite() || time <= 0.0 {
            continue;
        }
        let mut row = [0.0; COUNT];
        for work in &measurement.work {
            count(work, &mut |constant, times| {
                row[constant.index()] += times * scale[constant.index()] / time;
            });
        }
        if row.iter().any(|share| !share.is_finite()) {
            continue;
        }
        for one in 0..COUNT {
            target[one] += row[one];
            for other in 0..COUNT {
                gram[one][other] += row[one] * row[other];
            }
        }
    }
    let mut factors = [0.0; COUNT];
    for one in 0..COUNT {
        let prior = before.get(Constant::all().nth(one).unwrap_or(Constant::ScanRow)) / scale[one];
        factors[one] = prior;
        target[one] += PRIOR_WEIGHT * prior;
        gram[one][one] += PRIOR_WEIGHT;
    }
    for _ in 0..ROUNDS {
        let mut moved = 0.0_f64;
        for one in 0..COUNT {
            let mut rest = target[one];
            for other in 0..COUNT {
                rest -= gram[one][other] * factors[other];
            }
            let next = (factors[one] + rest / gram[one][one]).max(0.0);
            moved = moved.max((next - factors[one]).abs());
            factors[one] = next;
        }
        if moved < 1e-12 {
            break;
        }
    }
    let fitted = Constant::all().zip(factors.iter().zip(&scale));
    fitted.fold(before.clone(), |constants, (constant, (factor, scale))| {
        constants.with(constant, factor * scale)
    })
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
            assert!((0.98..1.02).contains(&error), "{error} for {:?}", measurement.work);
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
