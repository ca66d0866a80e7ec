//! Failing calls and power cuts under the files of a text index.
//!
//! Each call that reaches a file of the index fails once; the power is cut at each step among them.
//! Whatever happens, the index answers as the rows do, and is sound when it is looked through; a
//! call that does not succeed says what the disk said.

mod disk;

use std::sync::Arc;

use lightning_db_storage::Error as StorageError;
use lightning_db_types::{Fault, Persistence, SimVfs, ValueRef, Vfs};

use self::disk::{Harm, HarmedText};
use super::{found, one_field, seed, text_of, words};
use crate::error::{Error, Result};
use crate::reader::Reader;
use crate::testkit::{TestTable, sim_options};
use crate::text::Analyzer;

/// A run takes every so many calls, from one on that the seed says: as many runs with seeds that
/// follow each other take every call.
const STRIDE: usize = 7;

fn harmed_calls() -> impl Iterator<Item = u64> {
    (seed() % STRIDE as u64..).step_by(STRIDE)
}

fn open(disk: &SimVfs, vfs: Arc<dyn Vfs>) -> Result<TestTable> {
    let options = sim_options(&Arc::new(disk.clone())).vfs(vfs);
    TestTable::try_open(&options, one_field(Analyzer::Simple))
}

/// Rows that hold a word, as a scan finds them.
fn scanned(table: &TestTable, word: &str) -> Vec<u64> {
    let snapshot = table.store.snapshot();
    let rows = table.scan(Reader::Snapshot(&snapshot), |_, row| {
        matches!(row.column(0), ValueRef::Text(text) if text.split(' ').any(|other| other == word))
    });
    rows.iter().collect()
}

fn assert_right(table: &TestTable, told: &str) {
    for word in ["cat", "dog", "old", "new"] {
        assert_eq!(found(table, word), scanned(table, word), "{told}: {word}");
    }
}

/// Passes on what a call of the index says; but for a failure of the disk, which is noted.
fn tolerate<T>(result: Result<T>, failures: &mut u32) -> Result<()> {
    match result {
        Err(Error::Storage(StorageError::Io { .. })) => *failures += 1,
        other => drop(other?),
    }
    Ok(())
}

/// Changes of rows, generations, merges, and a build; counts calls of the index that failed.
fn work(table: &TestTable, told: &str) -> Result<u32> {
    let mut failures = 0;
    for round in 0..5_u64 {
        for row_id in round * 2..round * 2 + 3 {
            let text = if row_id % 3 == 0 { "cat old" } else { "dog old" };
            let _ = table.commit(row_id, Some(words(text).to_vec()))?;
        }
        let _ = table.commit(round, Some(words("cat new").to_vec()))?;
        if round == 3 {
            let _ = table.commit(0, None)?;
        }
        tolerate(text_of(table).flush(), &mut failures)?;
        assert_right(table, told);
    }
    tolerate(text_of(table).rebuild(), &mut failures)?;
    let _ = table.commit(1, Some(words("dog new").to_vec()))?;
    tolerate(text_of(table).flush(), &mut failures)?;
    assert_right(table, told);
    Ok(failures)
}

/// Harms the call of index `at` of the index's files, works, opens again; says whether there was
/// such a call, and how many calls of the index failed.
fn fail_once(at: u64, fault: Fault) -> (bool, u32) {
    let told = format!("{fault:?} at call {at} of the index");
    let disk = SimVfs::with_seed(at);
    let harmed = HarmedText::new(&disk, at, Harm::Fault(fault));
    let vfs: Arc<dyn Vfs> = Arc::new(harmed.clone());
    let table = open(&disk, Arc::clone(&vfs)).unwrap();
    let failures = work(&table, &told).unwrap_or_else(|error| panic!("{told}: {error:?}"));
    assert!(failures <= 1, "{told}: {failures} calls failed");
    drop(table);
    let again = open(&disk, vfs).unwrap();
    assert_right(&again, &told);
    let struck = harmed.is_done();
    harmed.disarm();
    disk.clear_faults();
    text_of(&again).flush().unwrap();
    assert_right(&again, &told);
    again.assert_sound();
    (struck, failures)
}

#[test]
fn every_call_of_the_files_fails_once() {
    // The ways take turns over the calls.
    let fault = |at: u64| match at % 3 {
        0 => Fault::Eio,
        1 => Fault::Enospc,
        _ => Fault::ShortWrite,
    };
    let mut failed = 0;
    let calls = harmed_calls().map(|at| fail_once(at, fault(at))).take_while(|(struck, _)| *struck);
    let calls = calls.map(|(_, failures)| failed += failures as usize).count();
    // Most failures show; a file that could not be removed is removed another time.
    assert!(
        calls > 200 / STRIDE && failed > 100 / STRIDE,
        "{failed} of {calls} failures were told"
    );
}

/// Changes, generations and a build, until a change of a row fails.
fn work_until_cut(table: &TestTable) {
    for round in 0..5_u64 {
        for row_id in [round, round + 1, 2 * round] {
            let text = if row_id % 2 == 0 { "cat old" } else { "dog new" };
            if table.commit(row_id, Some(words(text).to_vec())).is_err() {
                return;
            }
        }
        let built =
            if round == 4 { text_of(table).rebuild() } else { text_of(table).flush().map(drop) };
        // The next commit finds the power off.
        drop(built);
    }
}

/// Works until the power is cut at the step of index `at`; says whether there was such a step.
fn cut_once(at: u64, persistence: Persistence) -> bool {
    let seed = seed().wrapping_add(at);
    let told =
        format!("cut at step {at}, {persistence:?}; replay with LIGHTNING_SEED={}", self::seed());
    let disk = SimVfs::with_seed(seed);
    let harmed = HarmedText::new(&disk, at, Harm::Cut);
    if let Ok(table) = open(&disk, Arc::new(harmed.clone())) {
        work_until_cut(&table);
    }
    disk.power_cut(persistence, seed);
    let table = open(&disk, Arc::new(disk.clone())).unwrap();
    assert_right(&table, &told);
    table.assert_sound();
    table.set(20, words("cat dog"));
    text_of(&table).flush().unwrap();
    assert_right(&table, &told);
    table.assert_sound();
    harmed.is_done()
}

#[test]
fn the_power_is_cut_at_every_step_of_the_files() {
    let persistence = |at: u64| match at % 4 {
        0 => Persistence::None,
        1 => Persistence::All,
        _ => Persistence::Random,
    };
    let steps = harmed_calls().take_while(|at| cut_once(*at, persistence(*at))).count();
    assert!(steps > 100 / STRIDE, "{steps}");
}
