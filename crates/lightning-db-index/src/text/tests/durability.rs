//! What is left of the index when its process dies, and what threads see of one another.
//!
//! A folder that is copied while the store is open holds what a killed process leaves: the page
//! cache survives. That a generation is never ahead of what a power cut leaves of the store follows
//! from the sync before it is written.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use lightning_db_storage::StoreOptions;
use lightning_db_types::Value;

use super::{found, one_field, text_of, words};
use crate::reader::Reader;
use crate::testkit::TestTable;
use crate::text::{Analyzer, TextQuery};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_killed_process_loses_no_committed_row_of_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let table = TestTable::open(&StoreOptions::new(&path), one_field(Analyzer::Simple));
    for round in 0..12_u64 {
        table.set(round, words("cat"));
        if round % 3 == 1 {
            text_of(&table).flush().unwrap();
        }
        if round % 4 == 3 {
            table.remove(round - 2);
        }
        let killed = dir.path().join(format!("killed {round}"));
        copy(&path, &killed);
        let again = TestTable::open(&StoreOptions::new(&killed), one_field(Analyzer::Simple));
        assert_eq!(found(&again, "cat"), found(&table, "cat"), "{round}");
        again.assert_sound();
    }
}

#[test]
fn files_that_are_ahead_of_the_store_are_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (path, older) = (dir.path().join("store"), dir.path().join("older"));
    {
        let table = TestTable::open(&StoreOptions::new(&path), one_field(Analyzer::Simple));
        table.set(1, words("cat"));
        copy(&path, &older);
        table.set(1, words("dog"));
        text_of(&table).flush().unwrap();
    }
    copy(&path.join("text"), &older.join("text"));
    let table = TestTable::open(&StoreOptions::new(&older), one_field(Analyzer::Simple));
    assert_eq!((found(&table, "cat"), found(&table, "dog")), (vec![1], vec![]));
    table.assert_sound();
}

/// tantivy 3079: a process that dies between writing segments and naming them leaves files that
/// nobody knows. They must not be in the way of the next writer.
#[test]
fn regression_tantivy_3079_files_of_an_unfinished_commit_are_no_hindrance() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let open = || TestTable::open(&StoreOptions::new(&path), one_field(Analyzer::Simple));
    {
        let table = open();
        table.set(1, words("cat"));
        text_of(&table).flush().unwrap();
    }
    std::fs::write(path.join("text/7/0123456789abcdef0123456789abcdef.idx"), "half").unwrap();
    std::fs::write(path.join("text/7/.tantivy-writer.lock"), "").unwrap();
    let table = open();
    table.set(2, words("cat"));
    text_of(&table).flush().unwrap();
    assert_eq!(found(&table, "cat"), [1, 2]);
    table.assert_sound();
}

#[test]
fn readers_see_whole_commits_while_others_write_and_generations_come() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let table = TestTable::open(&StoreOptions::new(&path), one_field(Analyzer::Simple));
    for row_id in 0..20 {
        table.set(row_id, words(if row_id < 10 { "red" } else { "blue" }));
    }
    let done = AtomicBool::new(false);
    // Every transaction paints one row red and one blue: ten of each are seen at any time.
    let paint = |seed: u64| {
        for round in 0..150_u64 {
            let (mut transaction, at) = (table.store.transaction(), (round * 7 + seed) % 10);
            let read = transaction
                .get(crate::row::RowStore::keyspace(&*table.rows), crate::row::row_key(at))
                .unwrap()
                .unwrap();
            let row: Vec<Value> = postcard::from_bytes(&read).unwrap();
            let is_red = row[0] == Value::from("red");
            let colours = if is_red { ["blue", "red"] } else { ["red", "blue"] };
            for (row_id, colour) in [at, at + 10].into_iter().zip(colours) {
                table.change(&mut transaction, row_id, Some(&words(colour).to_vec())).unwrap();
            }
            // A conflict with the other painter changes nothing.
            let _ = transaction.commit().unwrap();
        }
    };
    let look = || {
        while !done.load(Ordering::Relaxed) {
            let snapshot = table.store.snapshot();
            let reader = Reader::Snapshot(&snapshot);
            let count = |word| text_of(&table).count(reader, &TextQuery::term(word)).unwrap();
            assert_eq!((count("red"), count("blue")), (10, 10));
            let best = text_of(&table).search(reader, &TextQuery::term("red"), 20, None).unwrap();
            assert_eq!(best.len(), 10);
        }
    };
    std::thread::scope(|scope| {
        let painters = [0, 3].map(|seed| scope.spawn(move || paint(seed)));
        scope.spawn(look);
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                text_of(&table).flush().unwrap();
            }
        });
        let painted = painters.map(std::thread::ScopedJoinHandle::join);
        done.store(true, Ordering::Relaxed);
        assert!(painted.iter().all(Result::is_ok));
    });
    table.assert_sound();
}

#[test]
fn a_store_that_may_only_be_read_is_searched_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions::new(dir.path().join("store"));
    let open = |read_only| {
        TestTable::open(&options.clone().read_only(read_only), one_field(Analyzer::Simple))
    };
    {
        let table = open(false);
        table.set(1, words("cat"));
        text_of(&table).flush().unwrap();
    }
    assert_eq!(found(&open(true), "cat"), [1]);
    {
        let table = open(false);
        table.set(2, words("cat"));
    }
    let table = open(true);
    assert_eq!(found(&table, "cat"), [1, 2]);
    table.assert_sound();
    drop(table);
    assert_eq!(found(&open(false), "cat"), [1, 2]);
}
