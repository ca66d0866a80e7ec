//! What each kind of index costs beside the others: bytes written for bytes indexed, and the time
//! of an estimate.

use std::path::Path;

use anyhow::{Result, ensure};
use lightning_db_table::index::{
    Analyzer, BitmapQuery, Bounds, Expression, HashOptions, IndexKind, IndexQuery, KeyQuery,
    SpatialQuery, TextQuery,
};
use lightning_db_table::{ColumnDefinition, ColumnType, IndexSpec, TableDefinition, Tables, Value};

use super::Bench;
use super::contest::{Contest, alone};
use super::data::{passages, points, texts};
use super::lightning::{LEVEL, tables};
use crate::clock::settle;
use crate::comparison::{Metric, OURS};
use crate::process::bytes_written;
use crate::workload::mix;

/// Bytes written to the disk for a byte of the indexed values and the row's number.
const AMPLIFICATION: Metric = Metric::lower("write_amplification", "x");

/// Rows of one commit.
const CHUNK: usize = 100;
/// Countries, and values of a column in general.
const COUNTRIES: u64 = 200;
const ACCOUNTS: u64 = 1_000;
/// Bytes of a row's number.
const ROW_ID_LEN: usize = 8;

/// A kind of index over some of the columns.
struct Kind {
    scenario: &'static str,
    spec: fn() -> IndexSpec,
    columns: &'static [usize],
}

const KINDS: [Kind; 6] = [
    Kind {
        scenario: "written_native",
        spec: || IndexSpec::ordered("native").column(1).column(2),
        columns: &[1, 2],
    },
    Kind {
        scenario: "written_hash",
        spec: || IndexSpec::new("hash", IndexKind::Hash(HashOptions::new().unique())).column(3),
        columns: &[3],
    },
    Kind {
        scenario: "written_bitmap",
        spec: || IndexSpec::bitmap("bitmap").column(4),
        columns: &[4],
    },
    Kind {
        scenario: "written_spatial",
        spec: || IndexSpec::spatial("spatial").column(5).column(6),
        columns: &[5, 6],
    },
    Kind {
        scenario: "written_text",
        spec: || IndexSpec::text("text", Analyzer::Simple).column(7),
        columns: &[7],
    },
    Kind { scenario: "written_bloom", spec: || IndexSpec::bloom("bloom").column(3), columns: &[3] },
];

/// Runs the group.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let texts = passages(&texts(&bench.set("text/movie_reviews.zip")?)?);
    let rows = rows(&texts, bench.pick(20_000, 100_000))?;
    written(bench, &rows)?;
    estimates(bench, &rows)
}

fn rows(texts: &[String], count: usize) -> Result<Vec<Vec<Value>>> {
    let row = |((id, [x, y]), text): ((u64, [f64; 2]), &String)| {
        vec![
            Value::U64(id),
            Value::I64((mix(id) % ACCOUNTS).cast_signed()),
            Value::I64(id.cast_signed()),
            format!("user{:016x}@example.org", mix(id)).into(),
            format!("c{:03}", mix(id + 1) % COUNTRIES).into(),
            Value::F64(x),
            Value::F64(y),
            text.as_str().into(),
        ]
    };
    let texts = texts.iter().cycle();
    Ok((0..).zip(points(count)?).zip(texts).map(row).collect())
}

/// Makes a table with these indexes, and inserts the rows.
fn filled(dir: &Path, specs: Vec<IndexSpec>, rows: &[Vec<Value>]) -> Result<Tables> {
    let tables = tables(dir)?;
    let columns = [
        ("id", ColumnType::U64),
        ("account", ColumnType::I64),
        ("at", ColumnType::I64),
        ("email", ColumnType::Text),
        ("country", ColumnType::Text),
        ("x", ColumnType::F64),
        ("y", ColumnType::F64),
        ("body", ColumnType::Text),
    ];
    let mut definition = TableDefinition::new("rows").primary_key([0]);
    for (name, of) in columns {
        definition = definition.column(ColumnDefinition::new(name, of));
    }
    for spec in specs {
        definition = definition.index(spec);
    }
    tables.create_table(definition)?;
    for chunk in rows.chunks(CHUNK) {
        tables.insert_many("rows", chunk.iter().cloned())?;
    }
    Ok(tables)
}

/// Inserts the same rows without an index and with one of each kind, until all is on the disk.
fn written(bench: &mut Bench, rows: &[Vec<Value>]) -> Result<()> {
    let Some(plain) = bytes_of(&bench.folder("plain")?, None, rows)? else {
        crate::progress("bytes written: not counted by this system");
        return Ok(());
    };
    for kind in KINDS {
        let spec = (kind.spec)();
        let written = bytes_of(&bench.folder(&spec.name.clone())?, Some(spec), rows)?.unwrap_or(0);
        let logical: usize = rows
            .iter()
            .map(|row| kind.columns.iter().map(|at| value_len(&row[*at])).sum::<usize>())
            .map(|len| len + ROW_ID_LEN)
            .sum();
        let value = (written as f64 - plain as f64) / logical as f64;
        let case = Bench::case(kind.scenario, LEVEL, rows.len() as u64);
        bench.add([alone(case, AMPLIFICATION, value)])?;
    }
    Ok(())
}

fn value_len(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        _ => 8,
    }
}

fn bytes_of(dir: &Path, spec: Option<IndexSpec>, rows: &[Vec<Value>]) -> Result<Option<u64>> {
    let before = bytes_written();
    let tables = filled(dir, spec.into_iter().collect(), rows)?;
    for (index, _) in tables.table("rows")?.indexes() {
        while index.upkeep()? {}
    }
    tables.store().checkpoint()?;
    settle(std::time::Duration::from_secs(30));
    tables.store().close()?;
    Ok(before.zip(bytes_written()).map(|(before, after)| after - before))
}

fn estimates(bench: &mut Bench, rows: &[Vec<Value>]) -> Result<()> {
    let specs = KINDS.map(|kind| (kind.spec)()).to_vec();
    let tables = filled(&bench.folder("estimates")?, specs, rows)?;
    tables.analyze("rows")?;
    let snapshot = tables.snapshot();
    let table = tables.table("rows")?;
    let reader = snapshot.read(&table)?;
    let column = |name| Ok::<_, anyhow::Error>(Expression::column(table.column_id(name)?));
    let low = Value::I64(10);
    let predicates = [
        ("estimate_equal", column("account")?.equal(7_i64)),
        ("estimate_range", column("at")?.between(100_i64, 5_000_i64)),
        ("estimate_both", column("account")?.less(50_i64).and(column("country")?.equal("c007"))),
    ];
    for (scenario, predicate) in predicates {
        let case = Bench::case(scenario, LEVEL, rows.len() as u64);
        let results = Contest::new(case, 1)
            .lane(OURS, |_| Ok(reader.estimate(&predicate).point.to_bits()))
            .run(bench)?;
        bench.add(results)?;
    }
    let window = Bounds { min_x: 0.0, min_y: 40.0, max_x: 10.0, max_y: 50.0 };
    let queries = [
        ("estimate_native", "native", IndexQuery::Key(KeyQuery::equal([7_i64]).range(low..))),
        ("estimate_bitmap", "bitmap", IndexQuery::Bitmap(BitmapQuery::equal("c007"))),
        ("estimate_spatial", "spatial", IndexQuery::Spatial(SpatialQuery::Inside(window))),
        ("estimate_text", "text", IndexQuery::Text(TextQuery::term("good"))),
    ];
    for (scenario, index, query) in queries {
        let estimate = reader.estimate_find(index, &query)?;
        let found = reader.find(index, &query)?.len() as f64;
        let holds = (estimate.low..=estimate.high).contains(&found);
        ensure!(holds, "{scenario}: {found} rows, and the estimate is {estimate:?}");
        let case = Bench::case(scenario, LEVEL, rows.len() as u64);
        let results = Contest::new(case, 1)
            .lane(OURS, |_| Ok(reader.estimate_find(index, &query)?.point.to_bits()))
            .run(bench)?;
        bench.add(results)?;
    }
    drop(snapshot);
    Ok(tables.store().close()?)
}
