//! The whole API of the store against the simplest model of it.
//!
//! | module | holds |
//! |---|---|
//! | `model` | every version of every key in a map, every commit in a list |
//! | `operation` | operations as data, and how sequences of them are drawn |
//! | `machine` | one sequence, run against both |
//! | `regressions` | sequences that failed once, written down |
//! | `seeds` | which sequences a run draws, and how to draw them again |
//! | `threads` | many threads on the real disk, for what a sequence cannot show |
//! | `generations` | a keyspace that is dropped and emptied while threads read it |
//! | `defects` | whether sequences find defects that are planted into the store |
//!
//! Sequences run on a simulated disk with a simulated clock and without threads, so that a sequence
//! is all there is to a failure. What is drawn follows from a seed, which every failure names:
//! `LIGHTNING_MODEL_START` is the first seed, zero by default and `fresh` for one that nobody has
//! tried, `LIGHTNING_MODEL_SEEDS` the number of seeds, and `PROPTEST_CASES` the number of sequences
//! of each. Failures are kept in `regressions`, in git, and run first ever after.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is not there")]

mod defects;
mod generations;
mod machine;
mod model;
mod operation;
mod regressions;
mod seeds;
mod threads;

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use proptest::prelude::*;

use machine::Machine;
use operation::{Operation, operations};

/// Planted defects are of the whole process: who plants one is alone.
static DEFECTS: RwLock<()> = RwLock::new(());

/// Held by tests of the store as it is.
fn without_defects() -> RwLockReadGuard<'static, ()> {
    DEFECTS.read().unwrap_or_else(PoisonError::into_inner)
}

/// 20 to 60 operations; a failing sequence shrinks by leaving them out one by one.
fn sequences() -> impl Strategy<Value = Vec<Option<Operation>>> {
    prop::collection::vec(prop::option::weighted(0.99, operations()), 20..60)
}

#[test]
fn a_sequence_of_operations_agrees_with_the_model() {
    let _guard = without_defects();
    seeds::for_each_sequence(0, |operations| Machine::new(64 << 20).run(operations));
}

#[test]
fn a_sequence_agrees_with_the_model_when_the_log_is_released_at_once() {
    let _guard = without_defects();
    seeds::for_each_sequence(1, |operations| Machine::new(0).run(operations));
}
