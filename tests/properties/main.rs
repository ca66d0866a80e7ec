//! The whole API of the store against the simplest model of it.
//!
//! | module | holds |
//! |---|---|
//! | `model` | every version of every key in a map, every commit in a list |
//! | `operation` | operations as data, and how sequences of them are drawn |
//! | `machine` | one sequence, run against both |
//! | `regressions` | sequences that failed once, written down |
//! | `threads` | many threads on the real disk, for what a sequence cannot show |
//! | `defects` | whether sequences find defects that are planted into the store |
//!
//! Sequences run on a simulated disk with a simulated clock and without threads, so that a sequence
//! is all there is to a failure. `PROPTEST_CASES=100000` runs more of them. Failures are kept in
//! `regressions`, in git, and run first ever after.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is not there")]

mod defects;
mod machine;
mod model;
mod operation;
mod regressions;
mod threads;

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use machine::Machine;
use operation::{Operation, operations};

/// Planted defects are of the whole process: who plants one is alone.
static DEFECTS: RwLock<()> = RwLock::new(());

/// Held by tests of the store as it is.
fn without_defects() -> RwLockReadGuard<'static, ()> {
    DEFECTS.read().unwrap_or_else(PoisonError::into_inner)
}

/// Sequences in a run, over both tests.
const SEQUENCES: u32 = 10_000;

const REGRESSIONS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/properties/regressions/machine.txt");

fn half_of_the_sequences() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(SEQUENCES).div_ceil(2),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS))),
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    }
}

/// 20 to 60 operations; a failing sequence shrinks by leaving them out one by one.
fn sequences() -> impl Strategy<Value = Vec<Option<Operation>>> {
    prop::collection::vec(prop::option::weighted(0.99, operations()), 20..60)
}

proptest! {
    #![proptest_config(half_of_the_sequences())]

    #[test]
    fn a_sequence_of_operations_agrees_with_the_model(
        operations in sequences(),
    ) {
        let _guard = without_defects();
        Machine::new(64 << 20).run(operations.into_iter().flatten());
    }

    #[test]
    fn a_sequence_agrees_with_the_model_when_the_log_is_released_at_once(
        operations in sequences(),
    ) {
        let _guard = without_defects();
        Machine::new(0).run(operations.into_iter().flatten());
    }
}
