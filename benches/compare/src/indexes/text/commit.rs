//! Commits of one row with its text: what the writer pays, and what all threads pay until the rows
//! are merged into the files of the index.

use std::path::Path;

use anyhow::{Result, ensure};
use lightning_db_table::index::Analyzer;
use lightning_db_table::{Tables, Value};
use rusqlite::Connection;

use super::{fts5, indexed, library};
use crate::clock::{process_cpu, settle, thread_cpu};
use crate::comparison::{Metric, OURS};
use crate::contest::repeated;
use crate::indexes::Bench;
use crate::indexes::lightning::LEVEL;
use crate::indexes::sqlite::{open, signed};

const METRICS: [Metric; 2] = [
    Metric::lower("writer_cpu_us_per_commit", "us"),
    Metric::lower("total_cpu_us_per_commit", "us"),
];
/// Commits of the library, which takes milliseconds for one.
const LIBRARY_COMMITS: usize = 50;

/// Commits each of the first passages by itself.
pub(super) fn run(bench: &mut Bench, passages: &[String]) -> Result<()> {
    let count = bench.pick(4_000, 20_000).min(passages.len());
    let texts = &passages[..count];
    let case = Bench::case("text_commit", LEVEL, count as u64);
    let mut turn = 0;
    let folder = bench.folder("commits")?;
    let work = |at: usize| {
        turn += 1;
        let dir = folder.join(turn.to_string());
        std::fs::create_dir(&dir)?;
        let spent = match at {
            0 => ours(&dir, texts),
            1 => sqlite(&dir, texts),
            _ => tantivy(&dir, &texts[..LIBRARY_COMMITS.min(count)]),
        }?;
        std::fs::remove_dir_all(&dir)?;
        Ok(spent)
    };
    let results = repeated(bench, &case, (&[OURS, "sqlite", "tantivy"], METRICS), work)?;
    bench.add(results)
}

/// Processor time of a commit in microseconds: of this thread during `commits`, and of all threads
/// until `end` is done.
fn spent<S>(
    count: usize,
    mut open: S,
    commits: impl FnOnce(&mut S) -> Result<()>,
    end: impl FnOnce(S) -> Result<()>,
) -> Result<[f64; 2]> {
    let (thread, process) = (thread_cpu(), process_cpu());
    commits(&mut open)?;
    let writer = thread_cpu().saturating_sub(thread);
    end(open)?;
    let total = process_cpu().saturating_sub(process);
    Ok([writer, total].map(|time| time.as_secs_f64() * 1e6 / count as f64))
}

fn ours(dir: &Path, texts: &[String]) -> Result<[f64; 2]> {
    let tables = indexed(dir, &[], Analyzer::Simple)?;
    let commits = |tables: &mut &Tables| {
        for (id, text) in (0..).zip(texts) {
            tables.insert("texts", vec![Value::U64(id), text.as_str().into()])?;
        }
        Ok(())
    };
    let table = tables.table("texts")?;
    let index = table.index("by_body")?;
    let end = |_: &Tables| {
        // Everything is written, and nothing that was begun is left to another thread.
        while index.statistics()?.lag > 0 {
            index.upkeep()?;
            settle(std::time::Duration::from_secs(2));
        }
        Ok(())
    };
    let spent = spent(texts.len(), &tables, commits, end)?;
    let entries = index.statistics()?.entries;
    ensure!(entries == texts.len() as u64, "the index has {entries} of {} texts", texts.len());
    tables.store().close()?;
    Ok(spent)
}

fn sqlite(dir: &Path, texts: &[String]) -> Result<[f64; 2]> {
    let connection = open(dir)?;
    connection.execute_batch("CREATE TABLE texts (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")?;
    fts5::create(&connection, "unicode61 remove_diacritics 0")?;
    let commits = |connection: &mut Connection| {
        for (id, text) in (0..).zip(texts) {
            let transaction = connection.transaction()?;
            let row = (signed(id), text);
            transaction.prepare_cached("INSERT INTO texts VALUES (?1, ?2)")?.execute(row)?;
            transaction.prepare_cached(fts5::INSERT)?.execute(row)?;
            transaction.commit()?;
        }
        Ok(())
    };
    // Its merges are part of the commits.
    spent(texts.len(), connection, commits, |_| Ok(()))
}

fn tantivy(dir: &Path, texts: &[String]) -> Result<[f64; 2]> {
    let writer = library::Writer::new(dir, library::simple())?;
    let commits = |writer: &mut library::Writer| {
        for (id, text) in (0..).zip(texts) {
            writer.add(id, text)?;
            writer.commit()?;
        }
        Ok(())
    };
    spent(texts.len(), writer, commits, library::Writer::close)
}
