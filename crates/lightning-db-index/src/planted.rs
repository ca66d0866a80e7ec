//! Deliberate defects, for the tests that prove that the suite finds them.
//!
//! Compiled away unless the feature `planted-bugs` is on, which only the test package turns on;
//! even then nothing is wrong until a test names a defect.

#[cfg(feature = "planted-bugs")]
use parking_lot::RwLock;

#[cfg(feature = "planted-bugs")]
static PLANTED: RwLock<Option<&'static str>> = RwLock::new(None);

/// Names of the defects that can be planted.
#[cfg(feature = "planted-bugs")]
pub const DEFECTS: [&str; 10] = [
    "keep-old-key",
    "keep-rows-that-leave-the-condition",
    "share-unique-key",
    "keep-old-value-in-bitmap",
    "fold-loses-chunk",
    "see-places-of-later-commits",
    "fold-drops-places-that-are-seen",
    "find-words-of-replaced-rows",
    "filter-forgets-keys",
    "checkpoint-before-run",
];

/// Plants a defect for the whole process, or removes it.
#[cfg(feature = "planted-bugs")]
pub fn plant(defect: Option<&'static str>) {
    *PLANTED.write() = defect;
}

/// Whether a defect is planted.
#[cfg(feature = "planted-bugs")]
pub(crate) fn is(defect: &str) -> bool {
    debug_assert!(DEFECTS.contains(&defect), "{defect} is not in the list");
    *PLANTED.read() == Some(defect)
}

/// Never: the feature is off.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn is(_defect: &str) -> bool {
    false
}
