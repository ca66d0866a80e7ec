//! Fits the constants of the optimizer's cost model in nanoseconds to this machine.
//!
//! Tables and indexes are our own: each piece of work is done by the crate that an executor would
//! call. What works on rows that have been read (hashing, sorting, merging, passing on) is a plain
//! loop over the standard library's structures, which stands for the operators of the executor.
//! Full-text search is not measured: its constants stay as shipped.
//!
//! `calibrate [--quick] [FILE]` prints the constants, and writes them to a file that
//! `Constants::parse` reads. A tenth of the measurements is kept out of the fit, and shows how far
//! the model is off on work that it has not seen.

#![expect(clippy::print_stdout, reason = "a command line tool reports on the terminal")]

mod engine;
mod memory;

use std::error::Error;
use std::time::Duration;

use lightning_db_optimizer::{
    Constant, Constants, CostModel as _, Measurement, Nanoseconds, Work, fit,
};
use lightning_db_types::{Clock as _, SystemClock};

/// Takes times; the least of several runs counts.
pub(crate) struct Timer {
    clock: SystemClock,
    runs: u32,
    measurements: Vec<Measurement>,
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
        self.measurements.push(Measurement { work, nanoseconds });
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|it| it == "--quick");
    arguments.retain(|it| it != "--quick");
    let (clock, runs) = (SystemClock::new(), if quick { 2 } else { 7 });
    let mut timer = Timer { clock, runs, measurements: Vec::new() };
    let sizes: &[u64] = if quick { &[1_000, 5_000] } else { &[2_000, 20_000, 200_000] };
    for size in sizes {
        println!("measuring with {size} rows");
        memory::measure(&mut timer, *size);
        engine::measure(&mut timer, *size)?;
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
    println!("median error on all work: a factor of {:.2}", error(measurements, &fitted));
    println!("{:<16} {:>12} {:>12}", "constant (ns)", "shipped", "here");
    for constant in Constant::all() {
        let (name, old, new) = (constant.name(), before.get(constant), fitted.get(constant));
        println!("{name:<16} {old:>12.2} {new:>12.2}");
    }
    fitted
}

/// The middle of the factors by which the model is off.
fn error(measurements: &[Measurement], constants: &Constants) -> f64 {
    let model = Nanoseconds::new(constants.clone());
    let factor = |it: &Measurement| {
        let cost: f64 = it.work.iter().map(|work| model.cost(work)).sum();
        (cost / it.nanoseconds).ln().abs().exp()
    };
    let mut factors: Vec<f64> = measurements.iter().map(factor).collect();
    factors.sort_by(f64::total_cmp);
    factors.get(factors.len() / 2).copied().unwrap_or(1.0)
}
