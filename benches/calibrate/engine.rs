//! Work on tables and indexes.

use std::error::Error;
use std::hint::black_box;

use lightning_db_benches::mix;
use lightning_db_optimizer::Work;
use lightning_db_storage::{Durability, StoreOptions};
use lightning_db_table::index::{
    BitmapQuery, Bounds, IndexQuery, KeyQuery, Location, RowSet, SpatialQuery,
};
use lightning_db_table::{
    ColumnDefinition, ColumnType, IndexSpec, TableDefinition, TableReader, Tables, Value,
};

use crate::Timer;
use crate::memory::number;

/// Bytes that a block of rows is taken to hold.
const BLOCK_BYTES: u64 = 16 << 10;
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
        let all: Vec<u64> = (0..rows).collect();
        for part in all.chunks(5_000) {
            tables.insert_many("t", part.iter().map(|row| values(*row, rows, text)))?;
        }
        store.compact()?;
        let snapshot = tables.snapshot();
        let reader = snapshot.read(&tables.table("t")?)?;
        let pages = number((rows * (60 + text as u64)).div_ceil(BLOCK_BYTES));
        scans(timer, &reader, rows, pages)?;
        fetches(timer, &reader, rows, pages)?;
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

fn values(row: u64, rows: u64, text: usize) -> Vec<Value> {
    let hash = mix(row);
    // Whole numbers below the number of rows fit.
    let whole = |number: u64| Value::I64(number.cast_signed());
    let (x, y) = (number(hash % 1_000), number((hash >> 20) % 1_000));
    vec![
        whole(row),
        whole(hash % rows),
        whole(hash % 10),
        Value::Point { x, y },
        Value::from("x".repeat(text)),
    ]
}

fn scans(timer: &mut Timer, reader: &TableReader<'_>, rows: u64, pages: f64) -> Outcome {
    for columns in [0_usize, 1, 5] {
        let work = vec![
            Work::Scan { rows: number(rows), pages, columns: number(columns as u64) },
            Work::Emit { rows: number(rows) },
        ];
        timer.time(work, || {
            for row in reader.scan().flatten() {
                for column in 0..columns {
                    black_box(row.at(column));
                }
            }
        });
    }
    if reader.count()? != rows {
        return Err(format!("the table has not {rows} rows").into());
    }
    Ok(())
}

fn fetches(timer: &mut Timer, reader: &TableReader<'_>, rows: u64, pages: f64) -> Outcome {
    let all: Vec<u64> =
        reader.find("bits", &IndexQuery::Bitmap(BitmapQuery::All))?.iter().collect();
    for share in [50_u64, 5] {
        let wanted = rows / share;
        let scattered: Vec<u64> = (0..wanted).map(|at| all[index(mix(at) % rows)]).collect();
        let fetch = |clustering| Work::Fetch {
            rows: number(wanted),
            table_rows: number(rows),
            pages,
            clustering,
            columns: 1.0,
        };
        timer.time(vec![fetch(0.0)], || {
            let found = scattered.iter().filter_map(|id| reader.get_by_id(*id).ok().flatten());
            found.filter(|row| row.at(1).is_null()).count()
        });
        let mut near = RowSet::new();
        for id in all.iter().take(index(wanted)) {
            near.insert(*id);
        }
        timer.time(vec![fetch(1.0)], || {
            let found = reader.fetch(&near).flatten();
            found.filter(|row| row.at(1).is_null()).count()
        });
    }
    Ok(())
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
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
    let put = |rows: u64| Work::SetCombine { rows: number(rows) };
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
            Work::SetCombine { rows: found },
        ];
        timer.time(work, || reader.find("places", &query).is_ok());
    }
    Ok(())
}
