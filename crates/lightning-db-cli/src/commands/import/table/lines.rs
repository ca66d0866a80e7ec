//! Rows of CSV, TSV and JSON Lines.

use std::io::Read;

use lightning_db::sql::files::{BadRow, Cell, Nulls, Record, Records, value_of};
use lightning_db::tables::{ColumnType, Table, Tables};

use super::loader::{Loader, Row};
use crate::args::Import;
use crate::commands::import::infer::Inference;
use crate::commands::import::rejects::Rejected;
use crate::context::Context;
use crate::failure::Failure;
use crate::format::Format;
use crate::stream;

fn records<'i>(
    source: Box<dyn Read>,
    format: &Format,
    import: &'i Import,
) -> Result<Records<'i>, Failure> {
    let (file, nulls) = (import.file().display().to_string(), Nulls::Any(&import.nulls));
    Ok(Records::new(source, format.rows.clone(), &file, nulls)?)
}

/// The columns that fit the values of the file, or of its first rows.
pub(super) fn columns(
    context: &Context,
    import: &Import,
    format: &Format,
) -> Result<Vec<(String, ColumnType)>, Failure> {
    let (source, progress) = stream::open(context, import.file(), format.compression)?;
    let mut records = records(source, format, import)?;
    let mut found: Vec<Inference> = Vec::new();
    let mut rows = 0;
    while let Some(record) = records.next_record()? {
        // What is wrong with a record is said when it is to be loaded.
        let Ok(record) = record else { continue };
        found.resize(found.len().max(record.cells.len()), Inference::new());
        for (column, cell) in found.iter_mut().zip(&record.cells) {
            column.see(cell);
        }
        rows += 1;
        progress.set_rows(rows);
        if import.sample.is_some_and(|sample| rows >= sample) {
            break;
        }
    }
    let names = records.names();
    found.resize(names.len(), Inference::new());
    Ok(names.iter().cloned().zip(found.iter().map(Inference::column_type)).collect())
}

/// Loads all rows but those that go to the rejects.
pub(super) fn load(
    (context, import): (&Context, &Import),
    into: (&Tables, &Table),
    format: &Format,
) -> Result<(u64, Rejected), Failure> {
    let (source, progress) = stream::open(context, import.file(), format.compression)?;
    let mut records = records(source, format, import)?;
    let mut loader = Loader::new((context, import), into, &progress);
    // Where the columns of the file stand in the table; JSON may bring more of them later.
    let mut places: Vec<Result<usize, String>> = Vec::new();
    while let Some(record) = records.next_record()? {
        for name in &records.names()[places.len()..] {
            places.push(loader.place(name));
        }
        let row = record.and_then(|record| row(loader.columns(), &places, record));
        loader.take(row)?;
    }
    loader.finish()
}

fn row(
    columns: &[(String, ColumnType)],
    places: &[Result<usize, String>],
    record: Record,
) -> Result<Row, BadRow> {
    let Record { line, original, cells } = record;
    let mut values = Vec::with_capacity(cells.len());
    for (cell, place) in cells.iter().zip(places) {
        let value = match place {
            Ok(at) => {
                let (name, column_type) = &columns[*at];
                let value = value_of(cell, *column_type);
                value.map(|value| (*at, value)).map_err(|error| format!("column {name}: {error}"))
            }
            // A field that is not there for this row says nothing.
            Err(_) if matches!(cell, Cell::Missing | Cell::Null) => continue,
            Err(reason) => Err(reason.clone()),
        };
        match value {
            Ok(value) => values.push(value),
            Err(reason) => return Err(BadRow { line, reason, original }),
        }
    }
    Ok(Row { line, original, values })
}
