//! One suite for every kind of index: a kind is one line in `kinds.rs`, and each law holds of it.
//!
//! Each answer is compared with a scan of the table in the same state, and each expectation with
//! the number of rows that the scan found.
#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is not there")]

mod kinds;
mod laws;
mod model;
mod table;

use kinds::{KINDS, Kind};
use laws::try_on;

/// Tries a law on every kind, or on the one that is asked for.
fn try_on_all(law: &str) {
    let only = std::env::var("LIGHTNING_INDEX_KIND").ok();
    let wanted = |kind: &&Kind| only.as_deref().is_none_or(|only| only == kind.name);
    for kind in KINDS.iter().filter(wanted) {
        try_on(law, kind);
    }
}

/// Inside a transaction, its own changes are in the answers; outside, those that are committed.
#[test]
fn answers() {
    try_on_all("answers");
}

/// A transaction that is given up leaves nothing, in answers, expectations and entries.
#[test]
fn rollback() {
    try_on_all("rollback");
}

/// What lies behind a savepoint is taken back, what lies before it stays.
#[test]
fn savepoint() {
    try_on_all("savepoint");
}

/// Of two transactions that change one row, one is made.
#[test]
fn conflict() {
    try_on_all("conflict");
}

/// A transaction is not made if another one has changed what the index answered it.
#[test]
fn phantom() {
    try_on_all("phantom");
}

/// Transactions that change different rows are all made.
#[test]
fn independent() {
    try_on_all("independent");
}

/// What is never committed leaves statistics and expectations as they were.
#[test]
fn no_trace() {
    try_on_all("no_trace");
}

/// A snapshot answers the same however old it is, over flushes, merges, folds and a reopening of
/// its index by others.
#[test]
fn age() {
    try_on_all("age");
}

/// After a power cut at any step, rows and entries are in step, and the index answers.
#[test]
fn crash() {
    try_on_all("crash");
}

/// An index that is built while eight threads write has every row, also after a power cut.
#[test]
fn build_under_writers() {
    try_on_all("build_under_writers");
}

/// A build that is told to end leaves nothing.
#[test]
fn cancelled_build() {
    try_on_all("cancelled_build");
}

/// A build that a power cut ends goes on where it was, and has every row in the end.
#[test]
fn resumed_build() {
    try_on_all("resumed_build");
}

/// An entry that is not what was written is found, or does no harm; what is found is repaired.
#[test]
fn damage() {
    try_on_all("damage");
}

/// Rows that have changed behind the back of the index are found, and the index is repaired.
#[test]
fn drift() {
    try_on_all("drift");
}

/// An index that is dropped goes on for readers from before, and for nobody else.
#[test]
fn drop_while_reading() {
    try_on_all("drop_while_reading");
}

/// Statistics move with the rows.
#[test]
fn statistics() {
    try_on_all("statistics");
}
