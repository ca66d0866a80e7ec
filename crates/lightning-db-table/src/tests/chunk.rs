//! Chunks of rows beside the rows themselves.

use std::collections::HashMap;
use std::ops::ControlFlow;

use lightning_db_types::{Decimal, Value};

use super::World;
use crate::{
    Alteration, ChunkColumn, ChunkVisitor, ColumnDefinition, ColumnType, Error, RowChunk, Segment,
    TableDefinition,
};

#[test]
fn chunks_have_the_values_of_rows_of_all_versions() {
    let tables = World::new().open();
    let mut definition = TableDefinition::new("t");
    for (number, column_type) in ColumnType::ALL.into_iter().enumerate() {
        let column = ColumnDefinition::new(format!("c{number}"), column_type);
        definition = definition.column(column.nullable());
    }
    tables.create_table(definition).unwrap();
    let given = |number: i64| -> Vec<Value> {
        let decimal = Decimal::new(i128::from(number) << (number % 80), 3).unwrap();
        let values = vec![
            Value::Bool(number % 2 == 0),
            Value::I64(-number),
            Value::U64(number.unsigned_abs()),
            Value::F64(0.5),
            Value::Decimal(decimal),
            Value::from(format!("text {number}")),
            Value::Bytes(vec![1, 2]),
            Value::Date(i32::try_from(number).unwrap() - 50),
            Value::Timestamp(number),
            Value::Uuid([3; 16]),
            Value::Point { x: 1.0, y: 2.0 },
            Value::from("[1]"),
        ];
        let nulls = |(place, value)| match i64::try_from(place) {
            Ok(place) if (number + place) % 5 == 0 => Value::Null,
            _ => value,
        };
        values.into_iter().enumerate().map(nulls).collect()
    };
    tables.insert_many("t", (1..200).map(given)).unwrap();
    let added = ColumnDefinition::new("added", ColumnType::I64).with_default(7_i64);
    tables.alter_table("t", Alteration::AddColumn(added)).unwrap();
    let more = |number: i64| [given(number), vec![Value::I64(number)]].concat();
    tables.insert_many("t", (200..300).map(more)).unwrap();
    let (table, snapshot) = (tables.table("t").unwrap(), tables.snapshot());
    let reader = snapshot.read(&table).unwrap();
    let expected: Vec<Vec<Value>> = reader.scan().map(|row| row.unwrap().values()).collect();
    let mut collected = Collected::of_columns(13);
    assert!(reader.visit_chunks(100, &mut collected).unwrap().is_continue());
    assert_eq!(collected.rows, expected);
    assert!(collected.chunks >= 4, "two of each version");
}

/// Rows, with those of segments to be taken again.
struct Collected {
    columns: usize,
    rows: Vec<Vec<Value>>,
    chunks: usize,
    /// Rows of the segments that chunks were of.
    segments: HashMap<Segment, Vec<Vec<Value>>>,
}

impl Collected {
    fn of_columns(columns: usize) -> Self {
        Self { columns, rows: Vec::new(), chunks: 0, segments: HashMap::new() }
    }
}

impl ChunkVisitor<Error> for Collected {
    fn known(&mut self, segment: Segment) -> Result<Option<ControlFlow<()>>, Error> {
        let Some(rows) = self.segments.get(&segment) else { return Ok(None) };
        self.rows.extend_from_slice(rows);
        Ok(Some(ControlFlow::Continue(())))
    }

    fn chunk(&mut self, chunk: &RowChunk<'_>) -> Result<ControlFlow<()>, Error> {
        self.chunks += 1;
        let row = |row| (0..self.columns).map(|id| at(&chunk.column(id), row)).collect();
        let rows: Vec<Vec<Value>> = (0..chunk.len()).map(row).collect();
        if let Some(segment) = chunk.segment() {
            assert!(self.segments.insert(segment, rows.clone()).is_none(), "in one chunk");
        }
        self.rows.extend(rows);
        Ok(ControlFlow::Continue(()))
    }
}

#[test]
fn segments_of_one_layout_are_chunks_of_their_own_and_can_be_passed() {
    let tables = World::new().open();
    let definition = TableDefinition::new("t").column(ColumnDefinition::new("c0", ColumnType::I64));
    tables.create_table(definition).unwrap();
    tables.insert_many("t", (0..6_000).map(|number| [Value::I64(number)])).unwrap();
    let added = ColumnDefinition::new("c1", ColumnType::I64).with_default(7_i64);
    tables.alter_table("t", Alteration::AddColumn(added)).unwrap();
    let more = |number| [Value::I64(number), Value::I64(number)];
    tables.insert_many("t", (6_000..12_000).map(more)).unwrap();
    tables.store().compact().unwrap();
    let table = tables.table("t").unwrap();
    let mut collected = Collected::of_columns(2);
    let mut scan = || {
        collected.rows.clear();
        collected.chunks = 0;
        let snapshot = tables.snapshot();
        let reader = snapshot.read(&table).unwrap();
        assert!(reader.visit_chunks(1_024, &mut collected).unwrap().is_continue());
        let expected: Vec<Vec<Value>> = reader.scan().map(|row| row.unwrap().values()).collect();
        assert_eq!(collected.rows.len(), 12_000);
        assert!(collected.rows == expected);
        (collected.chunks, collected.segments.len())
    };
    let (chunks, segments) = scan();
    assert!(segments >= 4 && chunks > segments, "{segments} of {chunks}");
    // The first ones are read again, and where one row has another layout than the next.
    let (again, _) = scan();
    assert_eq!(again, chunks - segments);
}

/// The value of a row, by the way that is fastest for its type.
fn at(column: &ChunkColumn<'_>, row: usize) -> Value {
    let stored = match column {
        ChunkColumn::Same(value) => return value.to_value(),
        ChunkColumn::Stored(stored) if stored.is_null(row) => return Value::Null,
        ChunkColumn::Stored(stored) => stored,
    };
    match (stored.column_type(), stored.decimal(row)) {
        (ColumnType::I64, _) => Value::I64(stored.bits(row).cast_signed()),
        (ColumnType::Timestamp, _) => Value::Timestamp(stored.bits(row).cast_signed()),
        (ColumnType::U64, _) => Value::U64(stored.bits(row)),
        (ColumnType::F64, _) => Value::F64(f64::from_bits(stored.bits(row))),
        (ColumnType::Date, _) => Value::Date(stored.date(row)),
        (ColumnType::Decimal, Some((mantissa, scale))) => {
            Value::Decimal(Decimal::new(mantissa.into(), scale).unwrap())
        }
        _ => stored.value(row).to_value(),
    }
}
