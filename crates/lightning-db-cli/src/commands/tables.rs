//! `tables` and `schema`: what tables there are, and what they are made of.

use std::fmt::Write as _;

use lightning_db::sql::files;
use lightning_db::tables::index::{Analyzer, BitmapEncoding, Geometry, IndexDefinition, IndexKind};
use lightning_db::tables::{ColumnDefinition, IndexState, Table, Tables, Value};
use lightning_db::types::ColumnOrder;
use serde_json::{Value as Json, json};

use crate::context::{self, Context};
use crate::failure::Failure;
use crate::table_text::{Align, push_table};
use crate::text;

/// Prints the tables with what they hold.
pub(crate) fn tables(context: &Context) -> Result<(), Failure> {
    let store = context.open()?;
    let Some(tables) = context.tables_of(&store)? else { return Ok(store.close()?) };
    let (shown, objects) = overview(&tables)?;
    print_all(context, &shown, &objects)?;
    drop(tables);
    Ok(store.close()?)
}

/// The tables with what they hold: as text, and an object for each.
pub(crate) fn overview(tables: &Tables) -> Result<(String, Vec<Json>), Failure> {
    let snapshot = tables.snapshot();
    let mut rows =
        vec![["table", "rows, roughly", "columns", "indexes"].map(str::to_owned).to_vec()];
    let mut objects = Vec::new();
    for name in tables.names() {
        let table = snapshot.table(&name)?;
        let count = snapshot.read(&table)?.approximate_count();
        let (columns, indexes) = (table.columns().count(), table.indexes().count());
        rows.push(vec![
            text::column(name.as_bytes()).into_owned(),
            text::number(count),
            columns.to_string(),
            indexes.to_string(),
        ]);
        objects.push(json!({
            "table": name,
            "approximate_rows": count,
            "columns": columns,
            "indexes": indexes,
        }));
    }
    let mut shown = String::new();
    if !objects.is_empty() {
        push_table(&mut shown, &[Align::Left, Align::Right, Align::Right, Align::Right], &rows);
    }
    Ok((shown, objects))
}

/// Prints columns, keys and indexes, of one table or of all.
pub(crate) fn schema(context: &Context, name: Option<&str>) -> Result<(), Failure> {
    let (store, tables) = context.open_tables()?;
    let chosen = chosen(&tables, name)?;
    let objects: Vec<Json> = chosen.iter().map(schema_json).collect();
    print_all(context, &schemas(&chosen), &objects)?;
    drop(chosen);
    drop(tables);
    Ok(store.close()?)
}

/// Columns, keys and indexes of tables, as text.
pub(crate) fn schemas(tables: &[Table]) -> String {
    let mut shown = String::new();
    for table in tables {
        if !shown.is_empty() {
            shown.push('\n');
        }
        push_schema(&mut shown, table);
    }
    shown
}

/// The table of a name, or all tables.
pub(crate) fn chosen(tables: &Tables, name: Option<&str>) -> Result<Vec<Table>, Failure> {
    match name {
        Some(name) => Ok(vec![context::table(tables, name)?]),
        None => tables.names().iter().map(|name| Ok(tables.table(name)?)).collect(),
    }
}

/// Prints one text for people, or one object a line.
pub(super) fn print_all(context: &Context, shown: &str, objects: &[Json]) -> Result<(), Failure> {
    if context.json {
        return objects.iter().try_for_each(|object| context.print("", object));
    }
    context.print(shown, &Json::Null)
}

fn push_schema(out: &mut String, table: &Table) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "table {}", table.name());
    let mut rows = Vec::new();
    for column in table.columns() {
        let mut notes = Vec::new();
        if table.primary_key().any(|key| key == column.name) {
            notes.push("primary key".to_owned());
        }
        if !column.nullable {
            notes.push("not null".to_owned());
        }
        notes.extend(column.default.as_ref().map(|value| format!("default {}", shown(value))));
        notes.extend(generated(table, column).map(|expression| format!("generated {expression}")));
        let name = text::column(column.name.as_bytes());
        rows.push(vec![
            format!("  {name}"),
            column.column_type.name().to_owned(),
            notes.join(", "),
        ]);
    }
    push_table(out, &[Align::Left; 3], &rows);
    for (index, state) in table.indexes() {
        let definition = index.definition();
        let mut line = format!("  index {}: {}", definition.name, kind(definition));
        let _ = write!(line, " on ({})", parts(table, definition));
        line.push_str(&extras(table, definition));
        if state == IndexState::Building {
            line.push_str(", being built");
        }
        out.push_str(&line);
        out.push('\n');
    }
}

fn schema_json(table: &Table) -> Json {
    let columns = table.columns().map(|column| {
        json!({
            "name": column.name,
            "type": column.column_type.name(),
            "nullable": column.nullable,
            "default": column.default.as_ref().map(shown),
            "generated": generated(table, column),
        })
    });
    let indexes = table.indexes().map(|(index, state)| {
        let definition = index.definition();
        json!({
            "name": definition.name,
            "kind": kind(definition),
            "on": parts(table, definition),
            "include": included(table, definition),
            "condition": condition(table, definition),
            "building": state == IndexState::Building,
        })
    });
    json!({
        "table": table.name(),
        "columns": columns.collect::<Vec<_>>(),
        "primary_key": table.primary_key().collect::<Vec<_>>(),
        "indexes": indexes.collect::<Vec<_>>(),
    })
}

fn shown(value: &Value) -> String {
    files::to_text(value.as_value_ref()).unwrap_or_else(|| "null".to_owned())
}

fn generated(table: &Table, column: &ColumnDefinition) -> Option<String> {
    let name = |id: usize| column_name(table, id);
    column.generated.as_ref().map(|expression| expression.display(&name).to_string())
}

fn column_name(table: &Table, id: usize) -> String {
    let mut names = table.columns().map(|column| &column.name);
    let found = names.find(|name| table.column_id(name).ok() == Some(id));
    found.cloned().unwrap_or_else(|| format!("${id}"))
}

/// Kind of an index, with what matters of its options.
pub(super) fn kind(definition: &IndexDefinition) -> String {
    match &definition.kind {
        IndexKind::Ordered(options) if options.unique => {
            let nulls = if options.nulls_distinct { "" } else { ", nulls not distinct" };
            let deferred = if options.deferrable { ", deferrable" } else { "" };
            format!("unique{nulls}{deferred}")
        }
        IndexKind::Ordered(_) => "ordered".to_owned(),
        IndexKind::Hash(options) if options.unique => "unique hash".to_owned(),
        IndexKind::Hash(_) => "hash".to_owned(),
        IndexKind::Bitmap(options) => match options.encoding {
            BitmapEncoding::Slices { .. } => "bitmap, slices".to_owned(),
            _ => "bitmap".to_owned(),
        },
        IndexKind::Bloom(_) => "bloom".to_owned(),
        IndexKind::Spatial(options) => match options.geometry {
            Geometry::Plane => "spatial, plane".to_owned(),
            _ => "spatial".to_owned(),
        },
        IndexKind::Text(options) => match options.analyzer() {
            Analyzer::Language { language, .. } => {
                format!("text, {}", format!("{language:?}").to_lowercase())
            }
            other => format!("text, {}", format!("{other:?}").to_lowercase()),
        },
        _ => "of a later version".to_owned(),
    }
}

/// Parts of the key of an index, as they are written to make it.
pub(super) fn parts(table: &Table, definition: &IndexDefinition) -> String {
    let name = |id: usize| column_name(table, id);
    let parts = definition.parts.iter().map(|part| {
        let order = match part.order {
            ColumnOrder::ASCENDING => "",
            ColumnOrder::DESCENDING => " DESC",
            ColumnOrder { descending: true, .. } => " DESC NULLS FIRST",
            ColumnOrder { descending: false, .. } => " NULLS LAST",
        };
        format!("{}{order}", part.expression.display(&name))
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn included(table: &Table, definition: &IndexDefinition) -> Vec<String> {
    let name = |id: usize| column_name(table, id);
    match &definition.kind {
        IndexKind::Ordered(options) => {
            options.include.iter().map(|stored| stored.display(&name).to_string()).collect()
        }
        _ => Vec::new(),
    }
}

fn condition(table: &Table, definition: &IndexDefinition) -> Option<String> {
    let name = |id: usize| column_name(table, id);
    definition.condition.as_ref().map(|condition| condition.display(&name).to_string())
}

/// What an index stores beside its key, and which rows it holds.
pub(super) fn extras(table: &Table, definition: &IndexDefinition) -> String {
    let mut extras = String::new();
    let included = included(table, definition);
    if !included.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(extras, " include ({})", included.join(", "));
    }
    if let Some(condition) = condition(table, definition) {
        let _ = write!(extras, " where {condition}");
    }
    extras
}
