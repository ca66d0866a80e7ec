//! Which sequences a run draws, and how to draw them again.

use std::ops::Range;

use lightning_db_types::{Rng, SystemRng};
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed, TestRunner};

use crate::operation::Operation;
use crate::sequences;

/// Sequences of one seed, over both tests.
const SEQUENCES: u32 = 10_000;

const REGRESSIONS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/properties/regressions/machine.txt");

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// The seeds of this run: one that is the same in every run, unless others are asked for.
fn seeds() -> Range<u64> {
    let asked = std::env::var("LIGHTNING_MODEL_START").unwrap_or_default();
    let fresh = || SystemRng::new().next_u64() >> 32;
    let start = if asked == "fresh" { fresh() } else { asked.parse().unwrap_or(0) };
    start..start.saturating_add(number("LIGHTNING_MODEL_SEEDS").unwrap_or(1))
}

/// Runs half of the sequences of each seed: `half` is zero or one.
#[expect(clippy::print_stdout, reason = "a run that hangs or is killed has named its seed")]
pub(crate) fn for_each_sequence(half: u64, run: impl Fn(std::vec::IntoIter<Operation>)) {
    let cases: u32 = number("PROPTEST_CASES").unwrap_or(SEQUENCES);
    for seed in seeds() {
        println!("seed {seed}");
        let config = Config {
            cases: cases.div_ceil(2),
            rng_seed: RngSeed::Fixed(2 * seed + half),
            failure_persistence: Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS))),
            max_shrink_iters: 20_000,
            ..Config::default()
        };
        let outcome = TestRunner::new(config).run(&sequences(), |operations| {
            let operations: Vec<_> = operations.into_iter().flatten().collect();
            run(operations.into_iter());
            Ok(())
        });
        if let Err(failure) = outcome {
            panic!(
                "seed {seed}: {failure}\nreplay: LIGHTNING_MODEL_START={seed} \
                 PROPTEST_CASES={cases} cargo test -p lightning-db-tests --test properties \
                 a_sequence"
            );
        }
    }
}
