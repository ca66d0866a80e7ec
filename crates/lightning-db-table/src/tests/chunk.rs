//! Chunks of rows beside the rows themselves.

use std::ops::ControlFlow;

use lightning_db_types::{Decimal, Value};

use super::World;
use crate::{
    Alteration, ChunkColumn, ColumnDefinition, ColumnType, Error, RowChunk, TableDefinition,
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
    let (mut rows, mut chunks) = (Vec::new(), 0);
    let visit = &mut |chunk: &RowChunk<'_>| {
        chunks += 1;
        for row in 0..chunk.len() {
            rows.push((0..13).map(|id| at(&chunk.column(id), row)).collect::<Vec<_>>());
        }
        Ok::<_, Error>(ControlFlow::Continue(()))
    };
    assert!(reader.visit_chunks(100, visit).unwrap().is_continue());
    assert_eq!(rows, expected);
    assert!(chunks >= 4, "two of each version");
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
