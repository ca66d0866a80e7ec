//! Fits the constants of the optimizer's cost model in nanoseconds to this machine.
//!
//! Operators are measured as the query engine runs them: queries whose plans are hinted at, and
//! whose work is what the optimizer counts for these plans. Searches of single indexes are those
//! of the tables. Only what no query of one worker does, such as passing rows between workers, is
//! a plain loop. Full-text search is not measured: its constants stay as shipped.
//!
//! `calibrate [--quick] [FILE]` prints what was measured beside what the fitted model says of it,
//! and the constants, which it writes to a file that `Constants::parse` reads. A tenth of the
//! measurements is kept out of the fit, and shows how far the model is off on work that it has not
//! seen.

#![expect(clippy::print_stdout, reason = "a command line tool reports on the terminal")]

mod queries;
mod tables;
mod workers;

use std::error::Error;
use std::time::Duration;

use lightning_db_optimizer::{
    Constant, Constants, CostModel as _, Measurement, Nanoseconds, Work, fit,
};
use lightning_db_types::{Clock as _, SystemClock};

/// Passes over all measurements: what disturbs a machine for seconds disturbs one of them.
const PASSES: usize = 4;

/// Takes times; the least of several runs in several passes counts.
pub(crate) struct Timer {
    clock: SystemClock,
    runs: u32,
    measurements: Vec<Measurement>,
    /// Measurements of this pass.
    taken: usize,
}

impl Timer {
    /// Times work that is repeated for each run, after one run that is not timed.
    pub(crate) fn time<T>(&mut self, work: Vec<Work>, mut run: impl FnMut() -> T) {
        std::hint::black_box(run());
        let mut least = Duration::MAX;
        for _ in 0..self.runs {
            let start = self.clock.monotonic();
            std::hint::black_box(run());
            least = least.min(self.clock.monotonic().saturating_sub(start));
        }
        let nanoseconds = least.as_secs_f64() * 1e9;
        match self.measurements.get_mut(self.taken) {
            Some(known) => known.nanoseconds = known.nanoseconds.min(nanoseconds),
            None => self.measurements.push(Measurement { work, nanoseconds }),
        }
        self.taken += 1;
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of rows")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

pub(crate) fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|it| it == "--quick");
    arguments.retain(|it| it != "--quick");
    let (clock, runs) = (SystemClock::new(), if quick { 2 } else { 5 });
    let mut timer = Timer { clock, runs, measurements: Vec::new(), taken: 0 };
    let sizes: &[u64] = if quick { &[1_000, 5_000] } else { &[2_000, 20_000, 200_000] };
    for pass in 1..=if quick { 1 } else { PASSES } {
        timer.taken = 0;
        for size in sizes {
            println!("pass {pass}: measuring with {size} rows");
            workers::measure(&mut timer, *size);
            tables::measure(&mut timer, *size)?;
        }
    }
    let fitted = report(&timer.measurements);
    if let Some(file) = arguments.first() {
        std::fs::write(file, fitted.to_text())?;
        println!("written to {file}");
    }
    Ok(())
}

/// Fits the constants and prints them, with the errors on what was kept out.
fn report(measurements: &[Measurement]) -> Constants {
    let before = Constants::default();
    let is_kept = |place: usize| place % 10 == 9;
    let of = |kept: bool| -> Vec<Measurement> {
        let all = measurements.iter().enumerate().filter(|(place, _)| is_kept(*place) == kept);
        all.map(|(_, it)| it.clone()).collect()
    };
    let check = fit(&of(false), &before);
    println!("median error on unseen work: a factor of {:.2}", error(&of(true), &check));
    let fitted = fit(measurements, &before);
    println!("{:>12} {:>12}  work", "measured (ns)", "model (ns)");
    let model = Nanoseconds::new(fitted.clone());
    for it in measurements {
        println!("{:>12.0} {:>12.0}  {:?}", it.nanoseconds, cost(&model, it), it.work);
    }
    println!("median error on all work: a factor of {:.2}", error(measurements, &fitted));
    println!("{:<16} {:>12} {:>12}", "constant (ns)", "shipped", "here");
    for constant in Constant::all() {
        let (name, old, new) = (constant.name(), before.get(constant), fitted.get(constant));
        println!("{name:<16} {old:>12.2} {new:>12.2}");
    }
    fitted
}

/// What a model says of the work of a measurement.
fn cost(model: &Nanoseconds, measurement: &Measurement) -> f64 {
    measurement.work.iter().map(|work| model.cost(work)).sum()
}

/// The middle of the factors by which the model is off.
fn error(measurements: &[Measurement], constants: &Constants) -> f64 {
    let model = Nanoseconds::new(constants.clone());
    let factor = |it: &Measurement| (cost(&model, it) / it.nanoseconds).ln().abs().exp();
    let mut factors: Vec<f64> = measurements.iter().map(factor).collect();
    factors.sort_by(f64::total_cmp);
    factors.get(factors.len() / 2).copied().unwrap_or(1.0)
}
