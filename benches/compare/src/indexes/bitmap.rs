//! Bitmap indexes on real bitmaps, against roaring itself, and what a change costs in the log.
//!
//! Each bitmap of a set stands for a column that is true in its rows, with an index of its own.
//! Neighbours are combined; the sets that the index has decoded before are in its cache.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use lightning_db_storage::{Snapshot, Store};
use lightning_db_table::index::{
    BitmapOptions, BitmapQuery, IndexKind, IndexQuery, Reader, RowExpression, RowSet,
};
use lightning_db_table::{ColumnDefinition, ColumnType, IndexSpec, TableDefinition, Tables, Value};
use roaring::{MultiOps as _, RoaringBitmap};

use super::Bench;
use super::contest::{Contest, alone};
use super::data::texts;
use super::lightning::{LEVEL, load, single_index, store, tables};
use crate::comparison::{Metric, OURS};
use crate::workload::mix;

/// Real bitmaps, by scenario.
const SETS: [(&str, [&str; 4]); 2] = [
    ("roaring/census1881.zip", ["census_and", "census_or", "census_not", "census_or_all"]),
    (
        "roaring/wikileaks-noquotes.zip",
        ["wikileaks_and", "wikileaks_or", "wikileaks_not", "wikileaks_or_all"],
    ),
];

/// Runs the group.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    for (name, scenarios) in SETS {
        let bitmaps = read(&bench.set(name)?)?;
        algebra(bench, scenarios, &bitmaps)?;
    }
    writes(bench)
}

/// The bitmaps of a set, by the names of their files.
fn read(path: &Path) -> Result<Vec<RoaringBitmap>> {
    let bitmap = |text: String| {
        let numbers = text.split(',').map(|number| number.trim().parse::<u32>());
        let bitmap = numbers.collect::<Result<RoaringBitmap, _>>();
        bitmap.with_context(|| format!("a bitmap of {}", path.display()))
    };
    texts(path)?.into_iter().map(bitmap).collect()
}

fn algebra(bench: &mut Bench, names: [&'static str; 4], bitmaps: &[RoaringBitmap]) -> Result<()> {
    let store = store(&bench.folder(names[0])?)?;
    let mut indexes = Vec::new();
    for (id, bitmap) in (1..).zip(bitmaps) {
        let index = single_index(&store, id, 1, IndexKind::Bitmap(BitmapOptions::default()))?;
        load(&index, bitmap.iter().map(|row| (u64::from(row), vec![Value::Bool(true)])))?;
        indexes.push(index);
    }
    let runs: Vec<RoaringBitmap> = bitmaps.iter().cloned().map(with_runs).collect();
    let part = |index| RowExpression::Index(index, IndexQuery::Bitmap(BitmapQuery::equal(true)));
    let pairs = || indexes.windows(2).map(|pair| [part(&pair[0]), part(&pair[1])]);
    let and: Vec<_> = pairs().map(RowExpression::all_of).collect();
    let or: Vec<_> = pairs().map(RowExpression::any_of).collect();
    let not: Vec<_> = pairs().map(|[left, right]| RowExpression::all_of([left, !right])).collect();
    let all = vec![RowExpression::any_of(indexes.iter().map(part))];
    let game = Game { names, store: &store, bitmaps, runs: &runs };
    game.play(bench, 0, &and, |sets, at| &sets[at] & &sets[at + 1])?;
    game.play(bench, 1, &or, |sets, at| &sets[at] | &sets[at + 1])?;
    game.play(bench, 2, &not, |sets, at| &sets[at] - &sets[at + 1])?;
    game.play(bench, 3, &all, |sets, _| sets.union())?;
    drop((and, or, not, all));
    drop(indexes);
    store.close()?;
    Ok(())
}

fn with_runs(mut bitmap: RoaringBitmap) -> RoaringBitmap {
    bitmap.optimize();
    bitmap
}

/// One set of bitmaps, as indexes and as they are.
struct Game<'a> {
    names: [&'static str; 4],
    store: &'a Store,
    bitmaps: &'a [RoaringBitmap],
    runs: &'a [RoaringBitmap],
}

impl Game<'_> {
    /// Compares what `questions` find with what `peer` makes of the bitmaps from that number on.
    fn play(
        &self,
        bench: &mut Bench,
        scenario: usize,
        questions: &[RowExpression<'_>],
        peer: fn(&[RoaringBitmap], usize) -> RoaringBitmap,
    ) -> Result<()> {
        let none = || Ok(RowSet::new());
        let ours =
            |at: usize, snapshot: &Snapshot| questions[at].rows(Reader::Snapshot(snapshot), &none);
        let snapshot = self.store.snapshot();
        for at in 0..questions.len() {
            let (found, expected) = (ours(at, &snapshot)?, peer(self.bitmaps, at));
            let same = found.iter().eq(expected.iter().map(u64::from));
            ensure!(same, "{}: pair {at} differs from roaring", self.names[scenario]);
        }
        let values = self.bitmaps.iter().map(RoaringBitmap::len).sum();
        let case = Bench::case(self.names[scenario], LEVEL, values);
        let sum = |sets: &[RoaringBitmap]| {
            (0..questions.len()).map(|at| peer(sets, at).len()).sum::<u64>()
        };
        let results = Contest::new(case, 1)
            .parts(questions.len())
            .lane(OURS, |_| {
                let snapshot = self.store.snapshot();
                (0..questions.len()).try_fold(0, |sum, at| Ok(sum + ours(at, &snapshot)?.len()))
            })
            .lane("roaring", |_| Ok(sum(self.bitmaps)))
            .lane("roaring_runs", |_| Ok(sum(self.runs)))
            .run(bench)?;
        bench.add(results)
    }
}

/// What a bit costs in the log: the same rows are inserted, one commit each, without an index and
/// with one. A row is put into two sets: that of its value, and that of all rows.
fn writes(bench: &mut Bench) -> Result<()> {
    let rows = bench.pick(10_000, 50_000);
    let mut bytes = Vec::new();
    for (name, indexed) in [("plain", false), ("indexed", true)] {
        let folder = bench.folder(name)?;
        let tables = tables(&folder)?;
        let column = |name, of| ColumnDefinition::new(name, of);
        let mut definition = TableDefinition::new("places")
            .column(column("id", ColumnType::U64))
            .column(column("country", ColumnType::Text))
            .primary_key([0]);
        if indexed {
            definition = definition.index(IndexSpec::bitmap("by_country").column(1));
        }
        tables.create_table(definition)?;
        let before = logged(&folder)?;
        for id in 0..rows {
            tables.insert("places", place(id))?;
        }
        bytes.push(logged(&folder)?.saturating_sub(before));
        if indexed {
            no_conflict(&tables, rows)?;
        }
        tables.store().close()?;
    }
    let value = bytes[1].saturating_sub(bytes[0]) as f64 / (2 * rows) as f64;
    let case = Bench::case("bitmap_write", LEVEL, rows);
    bench.add([alone(case, Metric::lower("log_bytes_per_bit", "bytes"), value)])
}

fn place(id: u64) -> Vec<Value> {
    let country = mix(id) % 200;
    vec![Value::U64(id), format!("c{country:03}").into()]
}

/// Bytes of the log that are used: its segments are made larger ahead, and filled with zeros.
fn logged(store: &Path) -> Result<u64> {
    let mut bytes = 0;
    for segment in std::fs::read_dir(store.join("wal"))? {
        let segment = std::fs::read(segment?.path())?;
        bytes += segment.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
    }
    Ok(bytes)
}

/// Two open transactions put different rows into the same set, and both are committed.
fn no_conflict(tables: &Tables, rows: u64) -> Result<()> {
    let table = tables.table("places")?;
    let mut open = [tables.transaction(), tables.transaction()];
    for (id, transaction) in (rows..).zip(&mut open) {
        transaction.insert(&table, vec![Value::U64(id), "same".into()])?;
    }
    for transaction in open {
        ensure!(transaction.commit()?.is_committed(), "different rows of one bitmap conflict");
    }
    let snapshot = tables.snapshot();
    let query = IndexQuery::Bitmap(BitmapQuery::equal("same"));
    let found = snapshot.read(&table)?.find("by_country", &query)?;
    ensure!(found.iter().eq(rows..rows + 2), "a bit was lost");
    Ok(())
}
