//! `information_schema`: what the tables are, as rows that stand in the query.

use lightning_db_expression::Expression;
use lightning_db_query::QueryBuilder;
use lightning_db_table::ColumnType;
use lightning_db_types::{Value, ValueType};

use super::Binder;
use super::query::{Bound, OutputColumn};
use crate::error::{Error, Position, Result};
use crate::views;

/// Name of the schema.
pub(crate) const SCHEMA: &str = "information_schema";

/// The one catalog, and the one schema of tables.
const PLACE: [&str; 2] = ["lightning", "public"];

const TABLES: [(&str, ValueType); 4] = [
    ("table_catalog", ValueType::Text),
    ("table_schema", ValueType::Text),
    ("table_name", ValueType::Text),
    ("table_type", ValueType::Text),
];

const COLUMNS: [(&str, ValueType); 10] = [
    ("table_catalog", ValueType::Text),
    ("table_schema", ValueType::Text),
    ("table_name", ValueType::Text),
    ("column_name", ValueType::Text),
    ("ordinal_position", ValueType::I64),
    ("column_default", ValueType::Text),
    ("is_nullable", ValueType::Text),
    ("data_type", ValueType::Text),
    ("is_identity", ValueType::Text),
    ("identity_generation", ValueType::Text),
];

/// What is said of a column of a table or a view.
struct Described {
    name: String,
    default: Option<String>,
    nullable: bool,
    kind: &'static str,
    /// How the table gives its numbers, if it does.
    identity: Option<&'static str>,
}

impl Binder<'_> {
    /// The rows of a table of this schema. Views are no part of the state of the definitions, so
    /// that a plan with these rows is for one run.
    pub(super) fn information(&self, name: &str, at: Option<Position>) -> Result<Bound> {
        let (columns, rows) = match name {
            "tables" => (&TABLES[..], self.table_rows()?),
            "columns" => (&COLUMNS[..], self.column_rows()?),
            _ => {
                let hint = "there are information_schema.tables and information_schema.columns";
                return Err(Error::unsupported_hint(
                    format!("the table {SCHEMA}.{name}"),
                    hint,
                    at,
                ));
            }
        };
        self.once.set(true);
        let outputs = columns.iter().map(|(name, value_type)| OutputColumn {
            name: (*name).to_owned(),
            value_type: *value_type,
            inner: (*name).to_owned(),
        });
        let builder = QueryBuilder::rows(name, columns.iter().copied(), rows);
        Ok(Bound { builder, columns: outputs.collect() })
    }

    fn table_rows(&self) -> Result<Vec<Vec<Value>>> {
        let tables = self.source.names().into_iter().filter(|name| name != views::TABLE);
        let tables = tables.map(|name| (name, "BASE TABLE"));
        let views = views::names(self.source)?.into_iter().map(|name| (name, "VIEW"));
        let row = |(name, kind): (String, &str)| {
            let values = PLACE.into_iter().map(Value::from);
            values.chain([Value::Text(name), Value::from(kind)]).collect()
        };
        Ok(tables.chain(views).map(row).collect())
    }

    fn column_rows(&self) -> Result<Vec<Vec<Value>>> {
        let mut rows = Vec::new();
        let mut add = |table: &str, columns: Vec<Described>| {
            let word = |is: bool| Value::from(if is { "YES" } else { "NO" });
            for (number, column) in (1_i64..).zip(columns) {
                let mut row: Vec<Value> = PLACE.into_iter().map(Value::from).collect();
                row.extend([Value::from(table), Value::Text(column.name), Value::I64(number)]);
                row.extend([
                    column.default.map_or(Value::Null, Value::Text),
                    word(column.nullable),
                    Value::from(column.kind),
                    word(column.identity.is_some()),
                    column.identity.map_or(Value::Null, Value::from),
                ]);
                rows.push(row);
            }
        };
        for name in self.source.names().into_iter().filter(|name| name != views::TABLE) {
            let table = self.source.table(&name)?;
            let serial = table.serial();
            let columns = table.columns().enumerate().map(|(position, column)| Described {
                name: column.name.clone(),
                default: column.default.clone().map(|it| Expression::Literal(it).to_string()),
                nullable: column.nullable,
                kind: type_name(column.column_type),
                identity: serial
                    .filter(|serial| serial.column == position)
                    .map(|serial| if serial.always { "ALWAYS" } else { "BY DEFAULT" }),
            });
            add(&name, columns.collect());
        }
        for name in views::names(self.source)? {
            // One whose tables have gone has no columns.
            let Ok(Some(bound)) = self.view(&name, None) else { continue };
            let columns = bound.columns.into_iter().map(|column| Described {
                name: column.name,
                default: None,
                nullable: true,
                kind: value_type_name(column.value_type),
                identity: None,
            });
            add(&name, columns.collect());
        }
        Ok(rows)
    }
}

/// A type as `PostgreSQL` calls it.
fn type_name(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Json => column_type.name(),
        other => value_type_name(other.value_type()),
    }
}

fn value_type_name(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Bool => "boolean",
        ValueType::I64 => "bigint",
        ValueType::F64 => "double precision",
        ValueType::Decimal => "numeric",
        ValueType::Bytes => "bytea",
        other => other.name(),
    }
}
