//! `import FILE --table NAME`: rows of a file into a table, which is made if it is not there.

use std::io::Read;

use lightning_db::Durability;
use lightning_db::sql::files::{BadRow, Cell, Nulls, Record, Records, value_of};
use lightning_db::storage::TransactionOptions;
use lightning_db::tables::{
    self, ColumnDefinition, ColumnType, Table, TableDefinition, Tables, Value,
};
use serde_json::json;

use super::infer::Inference;
use super::rejects::Rejects;
use crate::args::Import;
use crate::context::Context;
use crate::failure::Failure;
use crate::format::Format;
use crate::progress::Progress;
use crate::spelling::did_you_mean;
use crate::stream;
use crate::text;

/// Rows of one commit.
const BATCH_ROWS: usize = 1_000;

/// Loads a file into a table.
pub(super) fn run(context: &Context, import: &Import, name: &str) -> Result<(), Failure> {
    let (store, tables) = context.make_tables()?;
    let loaded = from_file(context, import, name, &tables);
    drop(tables);
    store.close()?;
    loaded
}

/// Loads a file into a table of an open store.
pub(crate) fn from_file(
    context: &Context,
    import: &Import,
    name: &str,
    tables: &Tables,
) -> Result<(), Failure> {
    let format = Format::of(import.file())?;
    let started = context.elapsed();
    let is_new = !tables.names().iter().any(|known| known == name);
    if is_new {
        let definition = infer(context, import, &format, name)?;
        tables.create_table(definition)?;
    } else if import.key.is_some() || !import.types.is_empty() {
        return Err(Failure::Usage(format!(
            "import into table {name}: it is there, so --key and --type have nothing to say"
        )));
    }
    let table = tables.table(name)?;
    let (source, progress) = stream::open(context, import.file(), format.compression)?;
    let mut records = records(source, &format, import)?;
    let mut refused = Rejects::new(import);
    let loader = Loader {
        tables,
        table: &table,
        columns: columns(&table),
        replace: import.replace,
        level: context.durability.min(Durability::Buffered),
    };
    let rows = loader.load(&mut records, &mut refused, &progress)?;
    let rejected = refused.finish()?;
    drop(progress);
    let columns = loader.columns;
    if context.durability == Durability::Sync {
        // Nothing is acknowledged before the end, so that one sync there is enough.
        tables.store().sync()?;
    }

    let time = context.elapsed().saturating_sub(started);
    let rate = text::rate(rows, time);
    let made = if is_new { "new " } else { "" };
    let rejects = rejected.path.as_ref().map_or_else(String::new, |path| {
        format!("; {} rejected, copied to {}", text::number(rejected.rows), path.display())
    });
    let summary = format!(
        "imported {} into {made}table {name} in {}, {} rows/s{rejects}\ncolumns: {}",
        text::count(rows, "row"),
        text::time(time),
        text::number(rate),
        described(&columns)
    );
    let json = json!({
        "table": name,
        "created": is_new,
        "columns": columns
            .iter()
            .map(|(name, of)| json!({ "name": name, "type": of.name() }))
            .collect::<Vec<_>>(),
        "rows": rows,
        "rejected": rejected.rows,
        "rejects": rejected.path.map(|path| path.display().to_string()),
        "seconds": time.as_secs_f64(),
        "rows_per_second": rate,
    });
    context.print_summary(&summary, &json)
}

fn records<'i>(
    source: Box<dyn Read>,
    format: &Format,
    import: &'i Import,
) -> Result<Records<'i>, Failure> {
    let (file, nulls) = (import.file().display().to_string(), Nulls::Any(&import.nulls));
    Ok(Records::new(source, format.rows.clone(), &file, nulls)?)
}

fn columns(table: &Table) -> Vec<(String, ColumnType)> {
    table.columns().map(|column| (column.name.clone(), column.column_type)).collect()
}

fn described(columns: &[(String, ColumnType)]) -> String {
    let columns = columns.iter().map(|(name, of)| format!("{name} {}", of.name()));
    columns.collect::<Vec<_>>().join(", ")
}

/// Reads the file, or its first rows, for the columns of a new table.
fn infer(
    context: &Context,
    import: &Import,
    format: &Format,
    name: &str,
) -> Result<TableDefinition, Failure> {
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
    if names.is_empty() {
        let path = import.file().display();
        return Err(Failure::Refused(format!("make table {name}: {path} has no columns")));
    }
    let key = key_columns(import, names)?;
    let mut definition = TableDefinition::new(name);
    for (at, (column, found)) in names.iter().zip(&found).enumerate() {
        let made = ColumnDefinition::new(
            column,
            declared(import, column)?.unwrap_or_else(|| found.column_type()),
        );
        definition = definition.column(if key.contains(&at) { made } else { made.nullable() });
    }
    for (column, _) in &import.types {
        if !names.contains(column) {
            return Err(no_column(import, column, names));
        }
    }
    Ok(definition.primary_key(key))
}

/// The type that was given for a column.
fn declared(import: &Import, column: &str) -> Result<Option<ColumnType>, Failure> {
    let Some((_, wanted)) = import.types.iter().find(|(name, _)| name == column) else {
        return Ok(None);
    };
    let found = ColumnType::ALL.iter().find(|of| of.name() == wanted);
    found.map(|of| Some(*of)).ok_or_else(|| {
        let names = ColumnType::ALL.map(ColumnType::name);
        let meant = did_you_mean(wanted, names);
        Failure::Usage(format!(
            "give column {column} the type {wanted}{meant}: there are {}",
            names.join(", ")
        ))
    })
}

fn key_columns(import: &Import, names: &[String]) -> Result<Vec<usize>, Failure> {
    let Some(key) = &import.key else { return Ok(Vec::new()) };
    let find = |column: &str| {
        let found = names.iter().position(|name| name == column);
        found.ok_or_else(|| no_column(import, column, names))
    };
    key.split(',').map(|column| find(column.trim())).collect()
}

fn no_column(import: &Import, column: &str, names: &[String]) -> Failure {
    let meant = did_you_mean(column, names.iter().map(String::as_str));
    let (path, names) = (import.file().display(), names.join(", "));
    Failure::NotFound(format!("find column {column}: {path} has {names}{meant}"))
}

/// A row that is to be loaded.
struct Row {
    line: u64,
    original: Vec<u8>,
    values: Vec<(usize, Value)>,
}

/// Commits rows in batches.
struct Loader<'a> {
    tables: &'a Tables,
    table: &'a Table,
    columns: Vec<(String, ColumnType)>,
    /// Whether a row takes the place of one with its key.
    replace: bool,
    level: Durability,
}

impl Loader<'_> {
    /// Loads all rows but those that go to the rejects; gives their number.
    fn load(
        &self,
        records: &mut Records<'_>,
        rejects: &mut Rejects,
        progress: &Progress,
    ) -> Result<u64, Failure> {
        let mut loaded = 0;
        let mut batch = Vec::new();
        // Where the columns of the file stand in the table; JSON may bring more of them later.
        let mut places: Vec<Result<usize, String>> = Vec::new();
        loop {
            let record = records.next_record()?;
            let is_end = record.is_none();
            for name in &records.names()[places.len()..] {
                places.push(self.place(name));
            }
            match record.map(|record| record.and_then(|record| self.row(&places, record))) {
                Some(Ok(row)) => batch.push(row),
                Some(Err(bad)) => rejects.add(&bad, progress)?,
                None => {}
            }
            if is_end || batch.len() >= BATCH_ROWS {
                let rejected = self.commit(&batch)?;
                loaded += (batch.len() - rejected.len()) as u64;
                for bad in rejected {
                    rejects.add(&bad, progress)?;
                }
                batch.clear();
                progress.set_rows(loaded);
            }
            if is_end {
                return Ok(loaded);
            }
        }
    }

    fn place(&self, name: &str) -> Result<usize, String> {
        let names = || self.columns.iter().map(|(known, _)| known.as_str());
        let found = names().position(|known| known == name);
        found.ok_or_else(|| {
            let (table, meant) = (self.table.name(), did_you_mean(name, names()));
            format!("table {table} has no column {name}{meant}")
        })
    }

    fn row(&self, places: &[Result<usize, String>], record: Record) -> Result<Row, BadRow> {
        let Record { line, original, cells } = record;
        let mut values = Vec::with_capacity(cells.len());
        for (cell, place) in cells.iter().zip(places) {
            let value = match place {
                Ok(at) => {
                    let (name, column_type) = &self.columns[*at];
                    let value = value_of(cell, *column_type);
                    value
                        .map(|value| (*at, value))
                        .map_err(|error| format!("column {name}: {error}"))
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

    /// Commits rows, but those that the table refuses.
    fn commit(&self, batch: &[Row]) -> Result<Vec<BadRow>, Failure> {
        let durability = Some(self.level);
        let options = TransactionOptions { durability, ..TransactionOptions::default() };
        let rejected = self.tables.run_with(options, |transaction| {
            let mut rejected = Vec::new();
            for row in batch {
                let values = row.values.iter();
                let values: Vec<(&str, Value)> =
                    values.map(|(at, value)| (&*self.columns[*at].0, value.clone())).collect();
                let written = if self.replace {
                    transaction.upsert(self.table, values)
                } else {
                    transaction.insert(self.table, values)
                };
                match written {
                    Ok(_) => {}
                    Err(error) if is_refusal(&error) => rejected.push(BadRow {
                        line: row.line,
                        reason: error.to_string(),
                        original: row.original.clone(),
                    }),
                    Err(error) => return Err(error),
                }
            }
            Ok(rejected)
        });
        Ok(rejected?)
    }
}

/// Whether the row is to blame.
fn is_refusal(error: &tables::Error) -> bool {
    matches!(
        error,
        tables::Error::Value { .. }
            | tables::Error::Check { .. }
            | tables::Error::ForeignKey { .. }
            | tables::Error::Duplicate { .. }
            | tables::Error::Unique { .. }
            | tables::Error::Index { .. }
    )
}
