//! The logic tests of `SQLite`: statements with the answers that other databases gave to them.
//!
//! A part of them stands in `tests/data/sqllogictest`, with a list of the records that fail, which
//! may only shrink. `SQL_LOGIC_TESTS=FOLDER cargo test -p lightning-db-sql --test sql
//! every_logic_test -- --ignored --nocapture` runs all files of a folder and tells what fails.

mod script;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use lightning_db_sql::{Connection, Outcome};
use md5::{Digest as _, Md5};
use script::{Expected, Record, Sort, records};

use crate::database;

/// Records that fail, as `FILE:LINE` with the reason behind it.
const KNOWN: &str = include_str!("../../../../tests/data/sqllogictest/known-failures.txt");

/// What became of the records of a file.
#[derive(Default)]
struct Report {
    passed: usize,
    /// Queries that DataFusion has answered as well.
    on_both: usize,
    /// Lines and reasons.
    failed: Vec<(usize, String)>,
}

fn run(text: &str) -> Report {
    let db = database("");
    let mut report = Report::default();
    for Record { line, sql, expected } in records(text) {
        let outcome = match (db.run(&sql, ()), expected) {
            (Ok(_), Expected::Done) | (Err(_), Expected::Error) => Ok(()),
            (Ok(_), Expected::Error) => Err("an error is expected".to_owned()),
            (Err(error), _) => Err(error.to_string()),
            (Ok(outcome), Expected::Rows { types, sort, values }) => {
                compare(outcome, &types, sort, &values).and_then(|()| {
                    let Some(outcome) = on_datafusion(&db, &sql) else { return Ok(()) };
                    report.on_both += 1;
                    let same = compare(outcome, &types, sort, &values);
                    same.map_err(|reason| format!("on DataFusion {reason}"))
                })
            }
        };
        match outcome {
            Ok(()) => report.passed += 1,
            Err(reason) => report.failed.push((line, format!("{reason}: {sql}"))),
        }
    }
    report
}

/// What DataFusion gives, if it runs the query.
fn on_datafusion(db: &Connection, sql: &str) -> Option<Outcome> {
    if !cfg!(feature = "vector") {
        return None;
    }
    db.execute("SET executor = datafusion", ()).unwrap();
    let outcome = db.run(sql, ());
    db.execute("SET executor = auto", ()).unwrap();
    outcome.ok()
}

fn compare(outcome: Outcome, types: &str, sort: Sort, expected: &[String]) -> Result<(), String> {
    let rows = outcome.into_rows();
    if rows.columns().len() != types.len() {
        return Err(format!("{} columns, and {} expected", rows.columns().len(), types.len()));
    }
    let shown = |row: &Vec<lightning_db_sql::types::Value>| {
        let shown = row.iter().zip(types.chars());
        shown.map(|(value, wanted)| script::shown(value, wanted)).collect::<Vec<String>>()
    };
    let mut rows: Vec<Vec<String>> = rows.values().iter().map(shown).collect();
    if sort == Sort::Rows {
        rows.sort();
    }
    let mut values: Vec<String> = rows.into_iter().flatten().collect();
    if sort == Sort::Values {
        values.sort();
    }
    if let [hash] = expected
        && let Some((count, hash)) = hash.split_once(" values hashing to ")
    {
        let mut digest = Md5::new();
        for value in &values {
            digest.update(format!("{value}\n"));
        }
        let bytes: [u8; 16] = digest.finalize().into();
        let found = format!("{:032x}", u128::from_be_bytes(bytes));
        if count == values.len().to_string() && hash == found {
            return Ok(());
        }
        return Err(format!("{} values, and {count} others expected", values.len()));
    }
    if values == expected {
        return Ok(());
    }
    Err(format!("{values:?}, and {expected:?} expected"))
}

/// The files of a folder and those below it, with their names in it.
fn files(dir: &Path) -> Vec<(String, PathBuf)> {
    let (mut found, mut pending) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(dir).unwrap().display().to_string();
            if path.is_dir() {
                pending.push(path);
            } else {
                let name = name.strip_suffix(".gz").unwrap_or(&name);
                if Path::new(name).extension().is_some_and(|end| end == "test") {
                    found.push((name.to_owned(), path));
                }
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    if path.extension().is_none_or(|end| end != "gz") {
        return String::from_utf8(bytes).unwrap();
    }
    let mut text = String::new();
    GzDecoder::new(&*bytes).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn logic_tests_fail_where_it_is_known_and_nowhere_else() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/sqllogictest");
    let mut known: BTreeSet<&str> =
        KNOWN.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let (mut passed, mut on_both, mut new) = (0, 0, Vec::new());
    for (name, path) in files(&dir) {
        let report = run(&read(&path));
        passed += report.passed;
        on_both += report.on_both;
        for (line, reason) in report.failed {
            if !known.remove(&*format!("{name}:{line}")) {
                new.push(format!("{name}:{line} {reason}"));
            }
        }
    }
    assert!(new.is_empty(), "{} fail:\n{}", new.len(), new.join("\n"));
    assert!(known.is_empty(), "these pass: take them off the list: {known:?}");
    assert!(passed > 2_500, "{passed}");
    assert!(on_both > 1_500 || !cfg!(feature = "vector"), "{on_both}");
}

#[test]
#[ignore = "needs a folder of tests, named by SQL_LOGIC_TESTS"]
fn every_logic_test_of_a_folder() {
    let Some(dir) = std::env::var_os("SQL_LOGIC_TESTS") else {
        println!("skipped: no data: SQL_LOGIC_TESTS names no folder");
        return;
    };
    let (mut passed, mut failed) = (0, 0);
    for (name, path) in files(Path::new(&dir)) {
        let report = run(&read(&path));
        println!("{name}: {} pass, {} fail", report.passed, report.failed.len());
        for (line, reason) in &report.failed {
            println!("{name}:{line} {reason}");
        }
        passed += report.passed;
        failed += report.failed.len();
    }
    println!("{passed} pass, {failed} fail");
    assert!(passed > 0, "no test was found");
}
