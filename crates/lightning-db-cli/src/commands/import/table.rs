//! `import FILE --table NAME`: rows of a file into a table, which is made if it is not there.

mod lines;
mod loader;
#[cfg(feature = "vector")]
mod parquet;

use lightning_db::Durability;
use lightning_db::tables::{ColumnDefinition, ColumnType, Table, TableDefinition, Tables};
use serde_json::json;

use super::rejects::Rejected;
use crate::args::Import;
use crate::context::Context;
use crate::failure::Failure;
#[cfg(feature = "vector")]
use crate::format;
use crate::format::Format;
use crate::spelling::did_you_mean;
use crate::text;

/// Loads a file into a table.
pub(super) fn run(context: &Context, import: &Import, name: &str) -> Result<(), Failure> {
    let (store, tables) = context.make_tables()?;
    let loaded = from_file(context, import, name, &tables);
    drop(tables);
    store.close()?;
    loaded
}

/// What the file holds.
enum Source {
    Lines(Format),
    #[cfg(feature = "vector")]
    Parquet,
}

impl Source {
    fn of(import: &Import) -> Result<Self, Failure> {
        #[cfg(feature = "vector")]
        if format::is_parquet(import.file()) {
            return Ok(Self::Parquet);
        }
        Format::of(import.file()).map(Self::Lines)
    }

    /// Reads the file, or its first rows, for the columns of a new table.
    fn columns(
        &self,
        context: &Context,
        import: &Import,
    ) -> Result<Vec<(String, ColumnType)>, Failure> {
        match self {
            Self::Lines(format) => lines::columns(context, import, format),
            #[cfg(feature = "vector")]
            Self::Parquet => parquet::columns(import),
        }
    }

    /// Loads all rows but those that go to the rejects.
    fn load(
        &self,
        on: (&Context, &Import),
        into: (&Tables, &Table),
    ) -> Result<(u64, Rejected), Failure> {
        match self {
            Self::Lines(format) => lines::load(on, into, format),
            #[cfg(feature = "vector")]
            Self::Parquet => parquet::load(on, into),
        }
    }
}

/// Loads a file into a table of an open store.
pub(crate) fn from_file(
    context: &Context,
    import: &Import,
    name: &str,
    tables: &Tables,
) -> Result<(), Failure> {
    let source = Source::of(import)?;
    let started = context.elapsed();
    let is_new = !tables.names().iter().any(|known| known == name);
    if is_new {
        let found = source.columns(context, import)?;
        tables.create_table(definition(import, name, &found)?)?;
    } else if import.key.is_some() || !import.types.is_empty() {
        return Err(Failure::Usage(format!(
            "import into table {name}: it is there, so --key and --type have nothing to say"
        )));
    }
    let table = tables.table(name)?;
    let (rows, rejected) = source.load((context, import), (tables, &table))?;
    let columns = columns(&table);
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

fn columns(table: &Table) -> Vec<(String, ColumnType)> {
    table.columns().map(|column| (column.name.clone(), column.column_type)).collect()
}

fn described(columns: &[(String, ColumnType)]) -> String {
    let columns = columns.iter().map(|(name, of)| format!("{name} {}", of.name()));
    columns.collect::<Vec<_>>().join(", ")
}

/// A new table for columns of these types, unless others were given for them.
fn definition(
    import: &Import,
    name: &str,
    found: &[(String, ColumnType)],
) -> Result<TableDefinition, Failure> {
    let names: Vec<String> = found.iter().map(|(column, _)| column.clone()).collect();
    if names.is_empty() {
        let path = import.file().display();
        return Err(Failure::Refused(format!("make table {name}: {path} has no columns")));
    }
    let key = key_columns(import, &names)?;
    let mut definition = TableDefinition::new(name);
    for (at, (column, found)) in found.iter().enumerate() {
        let made = ColumnDefinition::new(column, declared(import, column)?.unwrap_or(*found));
        definition = definition.column(if key.contains(&at) { made } else { made.nullable() });
    }
    for (column, _) in &import.types {
        if !names.contains(column) {
            return Err(no_column(import, column, &names));
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
