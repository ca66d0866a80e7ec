//! Tables that are measured, and the work of their indexes.

use std::error::Error;

use lightning_db_benches::mix;
use lightning_db_optimizer::Catalog as _;
use lightning_db_optimizer::Work;
use lightning_db_query::QueryEngine;
use lightning_db_storage::{Durability, StoreOptions};
use lightning_db_table::index::{
    BitmapQuery, Bounds, IndexQuery, KeyQuery, Location, RowSet, SpatialQuery,
};
use lightning_db_table::{
    ColumnDefinition, ColumnType, IndexSpec, TableDefinition, TableReader, Tables, Value,
};

use crate::queries::Queries;
use crate::{Timer, index, number};

/// Values of the column that has few.
pub(crate) const FEW: u64 = 10;
/// One row of the other table for so many of the first.
pub(crate) const OTHERS_SHARE: u64 = 10;
/// Look-ups of one run.
const LOOKUPS: u64 = 500;

type Outcome = Result<(), Box<dyn Error>>;

/// Measures tables of this many rows: one of short rows, and one of long ones.
///
/// # Errors
///
/// When a table cannot be made or read.
pub(crate) fn measure(timer: &mut Timer, rows: u64) -> Outcome {
    for text in [8_usize, 400] {
        let dir = tempfile::tempdir()?;
        let options = StoreOptions::new(dir.path()).durability(Durability::Memory);
        let (store, _) = options.open()?;
        let (tables, _) = Tables::open(&store)?;
        tables.create_table(definition())?;
        tables.create_table(other_definition())?;
        let all: Vec<u64> = (0..rows).collect();
        for part in all.chunks(5_000) {
            tables.insert_many("t", part.iter().map(|row| values(*row, rows, text)))?;
        }
        for part in all[..index(rows / OTHERS_SHARE)].chunks(5_000) {
            tables.insert_many("s", part.iter().map(|row| other_values(*row, rows)))?;
        }
        store.compact()?;
        for table in ["t", "s"] {
            tables.analyze(table)?;
        }
        let snapshot = tables.snapshot();
        let engine = QueryEngine::new(&tables);
        let catalog = engine.catalog()?;
        let pages = |table: &str| {
            let known = catalog.table(table).and_then(|id| catalog.statistics(id));
            known.map_or(1.0, |known| number(known.pages))
        };
        let (pages, other_pages) = (pages("t"), pages("s"));
        Queries { engine, snapshot: &snapshot, rows, pages, other_pages }.measure(timer)?;
        let reader = snapshot.read(&tables.table("t")?)?;
        keys(timer, &reader, rows)?;
        sets(timer, &reader, rows)?;
    }
    Ok(())
}

/// A key, a number that is indexed in four ways, few values in a bitmap index, a place, a text.
fn definition() -> TableDefinition {
    let column = |name: &str, of| ColumnDefinition::new(name, of);
    TableDefinition::new("t")
        .column(column("id", ColumnType::I64))
        .column(column("number", ColumnType::I64))
        .column(column("few", ColumnType::I64))
        .column(column("place", ColumnType::Point))
        .column(column("text", ColumnType::Text))
        .primary_key([0])
        .index(IndexSpec::ordered("ordered").column(1))
        .index(IndexSpec::hash("hashed").column(1))
        .index(IndexSpec::bitmap("bits").column(2))
        .index(IndexSpec::bloom("bloom").column(1))
        .index(IndexSpec::spatial("places").column(3))
}

/// A key, the number of a row of the first table, and a number.
fn other_definition() -> TableDefinition {
    let column = |name: &str| ColumnDefinition::new(name, ColumnType::I64);
    let columns = TableDefinition::new("s").column(column("id"));
    columns.column(column("link")).column(column("weight")).primary_key([0])
}

fn other_values(row: u64, rows: u64) -> Vec<Value> {
    // Whole numbers below the number of rows fit.
    [row, mix(row + 1) % rows, row].map(|it| Value::I64(it.cast_signed())).into()
}

fn values(row: u64, rows: u64, text: usize) -> Vec<Value> {
    let hash = mix(row);
    // Whole numbers below the number of rows fit.
    let whole = |number: u64| Value::I64(number.cast_signed());
    let (x, y) = (number(hash % 1_000), number((hash >> 20) % 1_000));
    vec![
        whole(row),
        whole(hash % rows),
        whole(hash % FEW),
        Value::Point { x, y },
        Value::from("x".repeat(text)),
    ]
}

fn keys(timer: &mut Timer, reader: &TableReader<'_>, rows: u64) -> Outcome {
    let entries = number(rows);
    let at = |place: u64| Value::I64((mix(place) % rows).cast_signed());
    let equal: Vec<IndexQuery> =
        (0..LOOKUPS).map(|place| IndexQuery::Key(KeyQuery::equal([at(place)]))).collect();
    let mut found = [0, 0];
    for (name, found) in ["ordered", "hashed"].into_iter().zip(&mut found) {
        for query in &equal {
            *found += reader.find(name, query)?.len();
        }
    }
    let count = number(LOOKUPS);
    let table_rows = entries;
    let put = |rows: u64| Work::SetCombine { rows: number(rows), table_rows };
    let entry = |rows: u64| Work::Entries { rows: number(rows), columns: 0.0 };
    let seek = vec![Work::Seek { count, entries }, entry(found[0]), put(found[0])];
    timer.time(seek, || equal.iter().filter(|it| reader.find("ordered", it).is_ok()).count());
    let seek = vec![Work::HashSeek { count }, put(found[1])];
    timer.time(seek, || equal.iter().filter(|it| reader.find("hashed", it).is_ok()).count());
    for share in [20, 2] {
        let end = Value::I64((rows / share).cast_signed());
        let range = IndexQuery::Key(KeyQuery::all().range(Value::I64(0)..end));
        let found = reader.find("ordered", &range)?.len();
        let work = vec![Work::Seek { count: 1.0, entries }, entry(found), put(found)];
        timer.time(work, || reader.find("ordered", &range).is_ok());
    }
    if let Some(bloom) = reader.index("bloom")?.as_bloom() {
        let values: Vec<Value> = (0..LOOKUPS).map(at).collect();
        let reader = reader.reader();
        timer.time(vec![Work::Bloom { count }], || {
            let asked = values.chunks(1).map(|value| bloom.may_contain(reader, value));
            asked.filter(|answer| matches!(answer, Ok(true))).count()
        });
    }
    Ok(())
}

fn sets(timer: &mut Timer, reader: &TableReader<'_>, rows: u64) -> Outcome {
    let table_rows = number(rows);
    let some: Vec<u64> = (0..rows).step_by(3).collect();
    let put = Work::SetCombine { rows: number(rows.div_ceil(3)), table_rows };
    timer.time(vec![put], || some.iter().copied().collect::<RowSet>());
    for count in [1_i64, 4] {
        let values = (0..count).map(Value::I64).collect();
        let query = IndexQuery::Bitmap(BitmapQuery::In(values));
        let sets = number(count.cast_unsigned());
        let work = vec![Work::BitmapRead { sets, table_rows }];
        timer.time(work, || reader.find("bits", &query).is_ok());
    }
    for side in [20.0, 300.0] {
        let bounds = Bounds::new(Location::new(0.0, 0.0), Location::new(side, side));
        let query = IndexQuery::Spatial(SpatialQuery::Inside(bounds));
        let found = number(reader.find("places", &query)?.len());
        let work = vec![
            Work::Spatial { rows: found, entries: table_rows },
            Work::SetCombine { rows: found, table_rows },
        ];
        timer.time(work, || reader.find("places", &query).is_ok());
    }
    Ok(())
}
