//! One bit of a file is flipped: an error, or the same data.
//!
//! Never other data or less of it with success, never a panic, and never a buffer of more than
//! twice the file: every length that is read from a file is the length of a read from it before it
//! is the length of anything else, and the disk sees those. A store that does not open any more is
//! repaired, and gives all that was not in the damaged part.

use std::path::Path;

use lightning_db_tests::{Left, Outcomes, Specimen};

fn flip(specimen: &Specimen, path: &Path, wanted: impl Fn(u64) -> bool + Sync) -> Outcomes {
    let outcomes = specimen.flip(path, wanted).unwrap_or_else(|text| panic!("{text}"));
    println!("{}: {outcomes:?}", path.display());
    outcomes
}

#[test]
fn flipped_bit_in_any_byte_of_a_closed_store_is_an_error_or_changes_nothing() {
    let specimen = Specimen::new(Left::Closed).unwrap();
    let mut kinds = Vec::new();
    for path in specimen.files() {
        let outcomes = flip(&specimen, &path, |_| true);
        kinds.push(path.extension().unwrap_or_default().to_owned());
        let noticed = outcomes.reported + outcomes.refused;
        // The directory is made again from the manifest, and the copy is for a repair only.
        let spare = ["directory.snapshot", "manifest.keyspaces"];
        let is_spare = spare.iter().any(|name| path.ends_with(name));
        assert_eq!(noticed == 0, is_spare, "{}: {outcomes:?}", path.display());
    }
    for kind in ["", "keyspaces", "snapshot", "table", "log"] {
        assert!(kinds.iter().any(|found| found == kind), "there is no {kind} among {kinds:?}");
    }
}

#[test]
fn flipped_bit_in_a_store_that_was_not_closed_is_an_error_or_changes_nothing() {
    let specimen = Specimen::new(Left::Running).unwrap();
    for path in specimen.files() {
        // Behind its records a log segment is zeros.
        flip(&specimen, &path, |at| at < 4_096 || at % 61 == 0);
    }
}

#[test]
fn flipped_bit_in_a_blob_is_an_error() {
    let specimen = Specimen::new(Left::WithBlob).unwrap();
    let files = specimen.files();
    let blob = files.iter().find(|path| path.extension().is_some_and(|kind| kind == "blob"));
    let piece = (256 << 10) + 4;
    // The head, the checksums of the pieces and their surroundings, and a sample of the rest: the
    // shortest value in a file of its own has a million bytes, and a store is opened and read for
    // each that is flipped. Every bit of a shorter file is flipped beside the code, in `blob.rs`.
    let outcomes = flip(&specimen, blob.unwrap(), |at| {
        at < 64 || (at - 32) % piece < 8 || (at - 32) % piece > piece - 4 || at % 1_009 == 0
    });
    assert!(outcomes.same == 0 && outcomes.refused == 0, "{outcomes:?}");
}
