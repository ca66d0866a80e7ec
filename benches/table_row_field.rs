//! How long does it take to read one field of a stored row?
//!
//! A row of twelve columns, one of each type, as a table gives it. A field is read where it stands:
//! none before it is decoded. Good: at most 10 ns for a field of fixed width, and for text what its
//! check for UTF-8 takes beyond that. `decode_row` reads all twelve into values of their own, and
//! `estimate` asks for the rows of a predicate, at most 2 us.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use lightning_db_storage::{Durability, StoreOptions};
use lightning_db_table::index::Expression;
use lightning_db_table::{ColumnDefinition, ColumnType, Row, TableDefinition, Tables, Value};

fn values(id: i64) -> Vec<Value> {
    vec![
        Value::Bool(true),
        Value::I64(id),
        Value::U64(7),
        Value::F64(0.5),
        Value::Decimal(lightning_db_table::Decimal::from(12)),
        Value::from("Bern"),
        Value::Bytes(vec![1, 2, 3]),
        Value::Date(19_000),
        Value::Timestamp(1_700_000_000_000_000),
        Value::Uuid([7; 16]),
        Value::Point { x: 7.4, y: 46.9 },
        Value::from("{\"a\": 1}"),
    ]
}

fn tables(dir: &std::path::Path) -> Result<(Tables, Row), Box<dyn std::error::Error>> {
    let (store, _) = StoreOptions::new(dir).durability(Durability::Memory).open()?;
    let (tables, _) = Tables::open(&store)?;
    let mut definition = TableDefinition::new("rows").primary_key([1]);
    for column_type in ColumnType::ALL {
        definition = definition.column(ColumnDefinition::new(column_type.name(), column_type));
    }
    tables.create_table(definition)?;
    tables.insert_many("rows", (0..10_000).map(values))?;
    let row = tables.get("rows", &[Value::I64(5)])?.ok_or("the row is gone")?;
    Ok((tables, row))
}

fn row_field(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("make a folder: {error}"));
    let (tables, row) = tables(dir.path()).unwrap_or_else(|error| panic!("fill a table: {error}"));
    let mut group = criterion.benchmark_group("table_row_field");
    for (position, column_type) in ColumnType::ALL.into_iter().enumerate() {
        group.bench_function(format!("type={}", column_type.name()), |bencher| {
            bencher.iter(|| black_box(&row).at(black_box(position)));
        });
    }
    group.bench_function("decode_row", |bencher| bencher.iter(|| black_box(&row).values()));
    let snapshot = tables.snapshot();
    let table = tables.table("rows").unwrap_or_else(|error| panic!("{error}"));
    let reader = snapshot.read(&table).unwrap_or_else(|error| panic!("{error}"));
    let column = Expression::column;
    for (name, predicate) in [
        ("equal", column(5).equal("Bern")),
        ("range", column(3).at_least(0.1).and(column(3).less(0.7))),
        ("in", column(2).is_in([1_u64, 5, 7])),
        ("or", column(2).equal(7_u64).or(column(3).less(0.7)).and(column(0).equal(true))),
    ] {
        group.bench_function(format!("estimate={name}"), |bencher| {
            bencher.iter(|| reader.estimate(black_box(&predicate)));
        });
    }
    group.finish();
}

criterion_group!(benches, row_field);
criterion_main!(benches);
