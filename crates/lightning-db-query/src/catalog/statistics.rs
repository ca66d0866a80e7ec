//! What a table knows of its values, in the optimizer's form.

use lightning_db_optimizer::{ColumnStatistics, TableStatistics};
use lightning_db_table::{Table, TableReader};
use lightning_db_types::{Value, ValueType};

use crate::error::Result;

/// Bytes of a block of rows.
const PAGE_BYTES: f64 = 4096.0;
/// Bytes of a row besides its values.
const ROW_BYTES: f64 = 24.0;

/// The statistics of a table.
pub(super) fn of(
    table: &Table,
    reader: &TableReader<'_>,
    names: &[String],
) -> Result<TableStatistics> {
    let rows = reader.approximate_count();
    let key = table.key_column();
    let types: Vec<ValueType> =
        table.columns().map(|column| column.column_type.value_type()).collect();
    let mut columns = Vec::with_capacity(names.len());
    for (place, name) in names.iter().enumerate() {
        let known = reader.column_statistics(name)?;
        columns.push(known.map_or_else(ColumnStatistics::default, |known| {
            column(known, rows, types[place], key == Some(place))
        }));
    }
    let width: f64 = columns.iter().map(|column| column.width).sum::<f64>() + ROW_BYTES;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of pages, which is rounded up"
    )]
    let pages = (as_f64(rows) * width / PAGE_BYTES).ceil() as u64;
    Ok(TableStatistics { rows, rows_exact: true, pages, columns, ..TableStatistics::default() })
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows need not be exact")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

fn column(
    known: lightning_db_table::ColumnStatistics,
    rows: u64,
    value_type: ValueType,
    is_key: bool,
) -> ColumnStatistics {
    let mut common = known.common;
    common.sort_by(|left, right| right.1.total_cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    let width = width_of(value_type, &known.some);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of the rows"
    )]
    let nulls = (known.null_fraction * as_f64(rows)).round() as u64;
    ColumnStatistics {
        nulls,
        // The sample's ends are not those of the table.
        min: None,
        max: None,
        sketch: None,
        distinct: known.distinct,
        common,
        histogram: known.histogram,
        width,
        clustering: if is_key { 1.0 } else { 0.0 },
    }
}

/// Average bytes of a value in a row.
fn width_of(value_type: ValueType, some: &[Value]) -> f64 {
    let bytes = |value: &Value| match value {
        Value::Text(text) => text.len() as u64 + 4,
        Value::Bytes(bytes) => bytes.len() as u64 + 4,
        _ => 0,
    };
    match value_type {
        ValueType::Text | ValueType::Bytes if some.is_empty() => 16.0,
        ValueType::Text | ValueType::Bytes => {
            as_f64(some.iter().map(bytes).sum()) / as_f64(some.len() as u64)
        }
        ValueType::Null | ValueType::Bool => 1.0,
        ValueType::Date => 4.0,
        ValueType::I64 | ValueType::U64 | ValueType::F64 | ValueType::Timestamp => 8.0,
        ValueType::Decimal | ValueType::Uuid | ValueType::Point => 16.0,
    }
}
