//! Deliberate defects of the indexes, each of which a law must find.
//!
//! A defect is planted for the whole process, so these tests are a binary of their own and take
//! turns. That the laws hold without a defect is what the other binary shows.
#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is not there")]

mod kinds;
mod laws;
mod table;

use std::collections::BTreeSet;
use std::panic::catch_unwind;

use lightning_db_index::planted::{DEFECTS, plant};

/// Each defect, and the law that finds it in a kind.
const FOUND: [(&str, &str, &str); 10] = [
    ("keep-old-key", "answers", "composite"),
    ("keep-rows-that-leave-the-condition", "answers", "partial"),
    ("share-unique-key", "conflict", "unique"),
    ("keep-old-value-in-bitmap", "answers", "bitmap"),
    ("fold-loses-chunk", "age", "bitmap"),
    ("see-places-of-later-commits", "age", "plane"),
    ("fold-drops-places-that-are-seen", "age", "plane"),
    ("find-words-of-replaced-rows", "answers", "text"),
    ("filter-forgets-keys", "answers", "bloom"),
    ("checkpoint-before-run", "resumed_build", "composite"),
];

#[test]
fn every_planted_defect_is_found() {
    let mut missed = Vec::new();
    for (defect, law, kind) in FOUND {
        let kind = kinds::KINDS.iter().find(|one| one.name == kind).unwrap();
        plant(Some(defect));
        let tried = catch_unwind(|| laws::try_on(law, kind));
        plant(None);
        if tried.is_ok() {
            missed.push(defect);
        }
    }
    assert!(missed.is_empty(), "nothing noticed {missed:?}");
}

#[test]
fn every_defect_has_a_law() {
    let found: BTreeSet<_> = FOUND.iter().map(|(defect, ..)| *defect).collect();
    assert_eq!(found, BTreeSet::from(DEFECTS));
}
