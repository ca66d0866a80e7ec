//! Deliberate defects, for the tests that prove that the suite finds them.
//!
//! Compiled away unless the feature `planted-bugs` is on, which only the test package turns on;
//! even then nothing is wrong until a test names a defect.

#[cfg(feature = "planted-bugs")]
use std::sync::RwLock;

#[cfg(feature = "planted-bugs")]
static PLANTED: RwLock<Option<&'static str>> = RwLock::new(None);

/// Names of the defects that can be planted.
#[cfg(feature = "planted-bugs")]
pub const DEFECTS: [&str; 15] = [
    "skip-log-dir-sync",
    "acknowledge-before-sync",
    "skip-table-dir-sync",
    "skip-manifest-sync",
    "drop-frozen-memtable-early",
    "reuse-sequence-number",
    "ignore-snapshots-in-merge",
    "merge-forgets-bound",
    "release-log-before-flush",
    "skip-record-checksum",
    "ignore-durable-note",
    "skip-blob-sync",
    "ignore-range-reads",
    "keep-expired",
    "drop-last-operation-of-batch",
];

/// Plants a defect for the whole process, or removes it.
#[cfg(feature = "planted-bugs")]
pub fn plant(defect: Option<&'static str>) {
    if let Ok(mut planted) = PLANTED.write() {
        *planted = defect;
    }
}

/// Whether a defect is planted.
#[cfg(feature = "planted-bugs")]
pub(crate) fn is(defect: &str) -> bool {
    debug_assert!(DEFECTS.contains(&defect), "{defect} is not in the list");
    PLANTED.read().is_ok_and(|planted| *planted == Some(defect))
}

/// Never: the feature is off.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn is(_defect: &str) -> bool {
    false
}
