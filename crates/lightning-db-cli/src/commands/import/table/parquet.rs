//! Rows of Parquet files.

use lightning_db::sql::files::{BadRow, ParquetRows, from_text, to_text, write_json};
use lightning_db::tables::{ColumnType, Table, Tables, Value};

use super::loader::{Loader, Row};
use crate::args::Import;
use crate::commands::import::rejects::Rejected;
use crate::context::Context;
use crate::failure::Failure;
use crate::progress::Progress;

/// The columns of the file.
pub(super) fn columns(import: &Import) -> Result<Vec<(String, ColumnType)>, Failure> {
    let rows = open(import)?;
    let columns = rows.columns().iter().map(|(name, of)| match of {
        Some(of) => Ok((name.clone(), *of)),
        None => Err(Failure::Refused(format!(
            "read column {name} of {}: tables have no such values; write the file without it",
            import.file().display()
        ))),
    });
    columns.collect()
}

/// Loads all rows but those that go to the rejects.
pub(super) fn load(
    (context, import): (&Context, &Import),
    into: (&Tables, &Table),
) -> Result<(u64, Rejected), Failure> {
    let mut rows = open(import)?;
    let progress = Progress::of(context, rows.row_count());
    let mut loader = Loader::new((context, import), into, &progress);
    let names: Vec<String> = rows.columns().iter().map(|(name, _)| name.clone()).collect();
    let places: Vec<Result<usize, String>> = names.iter().map(|name| loader.place(name)).collect();
    let mut read = 0;
    while let Some(batch) = rows.next_rows()? {
        for values in batch {
            read += 1;
            let row = for_table(loader.columns(), &places, &values);
            let original = object(&names, &values).into_bytes();
            loader.take(match row {
                Ok(values) => Ok(Row { line: read, original, values }),
                Err(reason) => Err(BadRow { line: read, reason, original }),
            })?;
        }
        progress.set_position(read);
    }
    loader.finish()
}

/// Values with the places of their columns in the table.
fn for_table(
    columns: &[(String, ColumnType)],
    places: &[Result<usize, String>],
    values: &[Value],
) -> Result<Vec<(usize, Value)>, String> {
    let row = values.iter().zip(places).map(|(value, place)| {
        let at = place.clone()?;
        let (name, of) = &columns[at];
        let value = match value {
            // Columns may be given other types than the file has, such as dates that are texts.
            Value::Text(text) => from_text(text, *of),
            other if *of == ColumnType::Text => {
                Ok(to_text(other.as_value_ref()).map_or(Value::Null, |text| Value::from(&*text)))
            }
            other => Ok(other.clone()),
        };
        Ok((at, value.map_err(|reason| format!("column {name}: {reason}"))?))
    });
    row.collect()
}

/// A row as JSON, for the rejects.
fn object(names: &[String], values: &[Value]) -> String {
    let mut out = String::from("{");
    for (name, value) in names.iter().zip(values) {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&serde_json::Value::from(&**name).to_string());
        out.push(':');
        write_json(value.as_value_ref(), ColumnType::Text, &mut out);
    }
    out.push('}');
    out
}

fn open(import: &Import) -> Result<ParquetRows, Failure> {
    Ok(ParquetRows::open(&import.file().display().to_string(), None)?)
}
