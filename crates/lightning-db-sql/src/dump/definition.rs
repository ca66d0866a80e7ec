//! Definitions of tables and indexes as SQL.

use std::fmt::Write as _;

use lightning_db_expression::Expression;
use lightning_db_query::Source;
use lightning_db_table::index::IndexKind;
use lightning_db_table::{ColumnOrder, ColumnType, IndexSpec, OnDelete, TableDefinition};
use sqlparser::ast;

use crate::bind::relation_of;
use crate::define::{index as define_index, table as define_table};
use crate::error::{Error, Result};
use crate::parse;

/// A name as it is written, whatever stands in it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn is_unique(index: &IndexSpec) -> bool {
    match &index.kind {
        IndexKind::Ordered(options) => options.unique,
        IndexKind::Hash(options) => options.unique,
        _ => false,
    }
}

/// CREATE TABLE, without its indexes.
pub(super) fn table(definition: &TableDefinition, source: Source<'_>) -> Result<String> {
    let mut parts = Vec::new();
    for (position, column) in definition.columns.iter().enumerate() {
        let mut part = format!("{} {}", quoted(&column.name), type_name(column.column_type));
        if !column.nullable {
            part.push_str(" NOT NULL");
        }
        // Writing to a string cannot fail.
        if let Some(value) = &column.default {
            let _ = write!(part, " DEFAULT {}", Expression::Literal(value.clone()));
        }
        if let Some(serial) = definition.serial.filter(|serial| serial.column == position) {
            let how = if serial.always { "ALWAYS" } else { "BY DEFAULT" };
            let _ = write!(part, " GENERATED {how} AS IDENTITY");
        }
        if let Some(expression) = &column.generated {
            let text = text(expression, definition);
            let _ = write!(part, " GENERATED ALWAYS AS ({text}) STORED");
        }
        parts.push(part);
    }
    let names = |places: &[usize]| {
        let names = places.iter().map(|place| quoted(&definition.columns[*place].name));
        names.collect::<Vec<_>>().join(", ")
    };
    let listed = |names: &[String]| {
        let names = names.iter().map(|name| quoted(name));
        names.collect::<Vec<_>>().join(", ")
    };
    if !definition.primary_key.is_empty() {
        parts.push(format!("PRIMARY KEY ({})", names(&definition.primary_key)));
    }
    for check in &definition.checks {
        let (name, condition) = (quoted(&check.name), text(&check.condition, definition));
        parts.push(format!("CONSTRAINT {name} CHECK ({condition})"));
    }
    for key in &definition.foreign_keys {
        let on_delete = match key.on_delete {
            OnDelete::Restrict => "",
            OnDelete::Cascade => " ON DELETE CASCADE",
            OnDelete::SetNull => " ON DELETE SET NULL",
        };
        parts.push(format!(
            "CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({}){on_delete}",
            quoted(&key.name),
            listed(&key.columns),
            quoted(&key.table),
            listed(&key.references),
        ));
    }
    let mut made = format!("CREATE TABLE {} (\n  ", quoted(&definition.name));
    made.push_str(&parts.join(",\n  "));
    made.push_str("\n)");
    if let Some(place) = definition.expires_at {
        let _ = write!(made, " WITH (expires_at = {})", names(&[place]));
    }
    let ast::Statement::CreateTable(create) = parse::parse_one(&made)?.statement else {
        return Err(unlike("table", &definition.name));
    };
    let again = define_table::definition(&create, source)?;
    if !is_same(&again, definition) {
        return Err(unlike("table", &definition.name));
    }
    Ok(made + ";\n")
}

/// CREATE INDEX.
pub(super) fn index(
    spec: &IndexSpec,
    definition: &TableDefinition,
    source: Source<'_>,
) -> Result<String> {
    let unlike = || unlike("index", &spec.name);
    let (kind, with) = kind(&spec.kind).ok_or_else(unlike)?;
    let parts = spec.parts.iter().map(|part| {
        let order = match part.order {
            ColumnOrder { descending: false, nulls_first: false } => "",
            ColumnOrder { descending: true, nulls_first: true } => " DESC",
            ColumnOrder { descending: true, nulls_first: false } => " DESC NULLS LAST",
            ColumnOrder { descending: false, nulls_first: true } => " ASC NULLS FIRST",
        };
        match &part.expression {
            Expression::Column(_) => format!("{}{order}", text(&part.expression, definition)),
            other => format!("({}){order}", text(other, definition)),
        }
    });
    let unique = if is_unique(spec) { "UNIQUE " } else { "" };
    let mut made = format!(
        "CREATE {unique}INDEX {} ON {} USING {kind} ({})",
        quoted(&spec.name),
        quoted(&definition.name),
        parts.collect::<Vec<_>>().join(", "),
    );
    if let IndexKind::Ordered(options) = &spec.kind {
        if !options.include.is_empty() {
            let include = options.include.iter().map(|column| text(column, definition));
            // Writing to a string cannot fail.
            let _ = write!(made, " INCLUDE ({})", include.collect::<Vec<_>>().join(", "));
        }
        if !options.nulls_distinct {
            made.push_str(" NULLS NOT DISTINCT");
        }
    }
    made.push_str(&with);
    if let Some(condition) = &spec.condition {
        let _ = write!(made, " WHERE {}", text(condition, definition));
    }
    let ast::Statement::CreateIndex(create) = parse::parse_one(&made)?.statement else {
        return Err(unlike());
    };
    let relation = relation_of(&definition.columns, &definition.name);
    let place = |name: &str| definition.position(name);
    let of = define_index::Of { relation, place: &place, source };
    let again = define_index::spec(&create, spec.name.clone(), &of)?;
    let shown = |spec: &IndexSpec| {
        let parts = spec.parts.iter().map(|it| (it.expression.to_string(), it.order));
        let condition = spec.condition.as_ref().map(Expression::to_string);
        (parts.collect::<Vec<_>>(), condition)
    };
    if again.kind != spec.kind || shown(&again) != shown(spec) {
        return Err(unlike());
    }
    Ok(made + ";\n")
}

fn unlike(what: &str, name: &str) -> Error {
    let hint = "it was made otherwise, with what SQL has no words for";
    Error::unsupported_hint(format!("a dump of the {what} {name}"), hint, None)
}

fn text(expression: &Expression, definition: &TableDefinition) -> String {
    let name = |place: usize| {
        definition.columns.get(place).map_or_else(String::new, |column| quoted(&column.name))
    };
    expression.display(&name).to_string()
}

/// Whether two definitions are the same but for their indexes. Numbers in expressions may be of
/// another type that compares the same.
fn is_same(one: &TableDefinition, other: &TableDefinition) -> bool {
    let columns = |of: &TableDefinition| {
        let columns = of.columns.iter().map(|column| {
            let generated = column.generated.as_ref().map(Expression::to_string);
            let (name, default) = (column.name.clone(), column.default.clone());
            (name, column.column_type, column.nullable, default, generated)
        });
        columns.collect::<Vec<_>>()
    };
    let checks = |of: &TableDefinition| {
        let checks = of.checks.iter();
        checks.map(|it| (it.name.clone(), it.condition.to_string())).collect::<Vec<_>>()
    };
    columns(one) == columns(other)
        && checks(one) == checks(other)
        && one.primary_key == other.primary_key
        && one.foreign_keys == other.foreign_keys
        && one.expires_at == other.expires_at
        && one.serial == other.serial
}

fn type_name(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Bool => "boolean",
        ColumnType::I64 => "bigint",
        ColumnType::U64 => "bigint unsigned",
        ColumnType::F64 => "double precision",
        ColumnType::Decimal => "numeric",
        ColumnType::Text => "text",
        ColumnType::Bytes => "bytea",
        ColumnType::Date => "date",
        ColumnType::Timestamp => "timestamp",
        ColumnType::Uuid => "uuid",
        ColumnType::Json => "json",
        ColumnType::Point => "point",
    }
}

/// The kind of an index, and its options.
fn kind(kind: &IndexKind) -> Option<(&'static str, String)> {
    let plain = |name| Some((name, String::new()));
    match kind {
        IndexKind::Ordered(_) => plain("btree"),
        IndexKind::Hash(_) => plain("hash"),
        IndexKind::Bitmap(_) => plain("bitmap"),
        IndexKind::Bloom(_) => plain("bloom"),
        #[cfg(feature = "spatial")]
        IndexKind::Spatial(options) => {
            let geometry = format!("{:?}", options.geometry).to_lowercase();
            Some(("rtree", format!(" WITH (geometry = {geometry})")))
        }
        #[cfg(feature = "text")]
        IndexKind::Text(options) => {
            use lightning_db_table::index::Analyzer;
            let analyzer = match options.analyzer() {
                Analyzer::Language { language, .. } => format!("{language:?}"),
                other => format!("{other:?}"),
            };
            Some(("fulltext", format!(" WITH (analyzer = {})", analyzer.to_lowercase())))
        }
        _ => None,
    }
}
