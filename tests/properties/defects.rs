//! Whether sequences find what is wrong: each defect is planted and must be found.

use std::sync::PoisonError;

use lightning_db_storage::planted;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRng, TestRunner};

use crate::machine::Machine;
use crate::{DEFECTS, sequences};

/// Sequences in which a defect must show.
const SEQUENCES_MAX: u32 = 2_000;

/// The defects that a sequence can show: the others need a power cut between two steps of one call,
/// or a changed byte, and are for the crash suite.
const FOUND_BY_SEQUENCES: [&str; 6] = [
    "ignore-range-reads",
    "ignore-snapshots-in-merge",
    "keep-expired",
    "drop-last-operation-of-batch",
    "reuse-sequence-number",
    "acknowledge-before-sync",
];

/// Whether a sequence fails while a defect is planted.
fn is_found(defect: &'static str) -> bool {
    let config = Config {
        cases: SEQUENCES_MAX,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    planted::plant(Some(defect));
    let outcome = TestRunner::new_with_rng(config, rng).run(&sequences(), |operations| {
        let run = || Machine::new(0).run(operations.into_iter().flatten());
        // The panic's own message goes to the captured output, where only a failing test shows it.
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
            .map_err(|_| TestCaseError::fail("found"))
    });
    planted::plant(None);
    matches!(outcome, Err(TestError::Fail(..)))
}

#[test]
fn sequences_find_planted_defects() {
    let _guard = DEFECTS.write().unwrap_or_else(PoisonError::into_inner);
    let missed: Vec<_> =
        FOUND_BY_SEQUENCES.into_iter().filter(|defect| !is_found(defect)).collect();
    assert!(missed.is_empty(), "{missed:?} were planted, and nobody noticed");
}
