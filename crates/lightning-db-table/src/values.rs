//! Making the values of a row: what was given, defaults, generated columns, and what columns take.

use lightning_db_types::{Decimal, Value};

use crate::catalog::Schema;
use crate::error::{Error, Result, RowName};
use crate::schema::ColumnType;
use crate::table::TableState;

/// What a row can be made from: all values in the order of the columns, or some by name.
pub trait IntoRow {
    /// Calls `set` with each column that is given: by position among the table's columns, or by
    /// name.
    ///
    /// # Errors
    /// Those of `set`, which end it.
    fn for_each(self, set: &mut dyn FnMut(ColumnName<'_>, Value) -> Result<()>) -> Result<()>;
}

/// How a column is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnName<'a> {
    /// By its position among the columns of the table.
    Position(usize),
    /// By its name.
    Name(&'a str),
}

impl IntoRow for Vec<Value> {
    fn for_each(self, set: &mut dyn FnMut(ColumnName<'_>, Value) -> Result<()>) -> Result<()> {
        let mut values = self.into_iter().enumerate();
        values.try_for_each(|(position, value)| set(ColumnName::Position(position), value))
    }
}

impl<const N: usize> IntoRow for [Value; N] {
    fn for_each(self, set: &mut dyn FnMut(ColumnName<'_>, Value) -> Result<()>) -> Result<()> {
        let mut values = self.into_iter().enumerate();
        values.try_for_each(|(position, value)| set(ColumnName::Position(position), value))
    }
}

impl<const N: usize> IntoRow for [(&str, Value); N] {
    fn for_each(self, set: &mut dyn FnMut(ColumnName<'_>, Value) -> Result<()>) -> Result<()> {
        self.into_iter().try_for_each(|(name, value)| set(ColumnName::Name(name), value))
    }
}

impl IntoRow for Vec<(&str, Value)> {
    fn for_each(self, set: &mut dyn FnMut(ColumnName<'_>, Value) -> Result<()>) -> Result<()> {
        self.into_iter().try_for_each(|(name, value)| set(ColumnName::Name(name), value))
    }
}

/// What was given for a row, kept for more than one try.
#[derive(Debug, Default)]
pub(crate) struct Given {
    columns: Vec<(Option<String>, Value)>,
}

impl Given {
    pub(crate) fn new(row: impl IntoRow) -> Result<Self> {
        let mut columns: Vec<(Option<String>, Value)> = Vec::new();
        row.for_each(&mut |column, value| {
            match column {
                ColumnName::Name(name) => columns.push((Some(name.to_owned()), value)),
                ColumnName::Position(position) => {
                    while columns.len() <= position {
                        columns.push((None, Value::Null));
                    }
                    columns[position].1 = value;
                }
            }
            Ok(())
        })?;
        Ok(Self { columns })
    }
}

impl IntoRow for &Given {
    fn for_each(self, set: &mut dyn FnMut(ColumnName<'_>, Value) -> Result<()>) -> Result<()> {
        self.columns.iter().enumerate().try_for_each(|(position, (name, value))| {
            let column = match name {
                Some(name) => ColumnName::Name(name),
                None => ColumnName::Position(position),
            };
            set(column, value.clone())
        })
    }
}

/// Values by column id; dropped columns are null.
pub(crate) type Values = Vec<Value>;

/// The values of a new row: what is given, else the default, else null; and the generated ones,
/// which `number` comes before.
pub(crate) fn of_insert(
    table: &TableState,
    row: impl IntoRow,
    number: impl FnOnce(&mut Values) -> Result<()>,
) -> Result<Values> {
    let schema = &table.schema;
    let default = |id: usize| {
        let column = &schema.record.columns[id];
        let default = column.definition.default.as_ref().filter(|_| column.dropped_in.is_none());
        default.cloned().unwrap_or_default()
    };
    let mut values: Values = (0..schema.record.columns.len()).map(default).collect();
    assign(table, row, &mut values)?;
    number(&mut values)?;
    finish(table, &mut values)?;
    Ok(values)
}

/// The values of a row after some have been set.
pub(crate) fn of_patch(table: &TableState, mut old: Values, row: impl IntoRow) -> Result<Values> {
    assign(table, row, &mut old)?;
    finish(table, &mut old)?;
    Ok(old)
}

fn assign(table: &TableState, row: impl IntoRow, values: &mut Values) -> Result<()> {
    let schema = &table.schema;
    row.for_each(&mut |column, value| {
        let id = match column {
            ColumnName::Name(name) => schema.column_id(name)?,
            ColumnName::Position(at) => schema.live.get(at).copied().ok_or_else(|| {
                let name = format!("{} of {}", at + 1, table.name());
                Error::NotFound { what: "column", name }
            })?,
        };
        let definition = schema.column(id);
        if definition.generated.is_some() {
            if value.is_null() {
                return Ok(());
            }
            return Err(refuse(table, id, values, "it is generated, and cannot be set".to_owned()));
        }
        values[id] = match coerce(value, definition.column_type) {
            Ok(value) => value,
            Err(detail) => return Err(refuse(table, id, values, detail)),
        };
        Ok(())
    })
}

/// Computes the generated columns, and checks that no column is null that may not be, and the
/// constraints of the row itself.
pub(crate) fn finish(table: &TableState, values: &mut Values) -> Result<()> {
    let schema: &Schema = &table.schema;
    for id in &schema.live {
        let Some(expression) = &schema.column(*id).generated else { continue };
        let value = expression.evaluate(values).map_err(|error| error.to_string());
        values[*id] = match value.and_then(|it| coerce(it, schema.column(*id).column_type)) {
            Ok(value) => value,
            Err(detail) => return Err(refuse(table, *id, values, detail)),
        };
    }
    for id in &schema.live {
        if values[*id].is_null() && !schema.column(*id).nullable {
            return Err(refuse(table, *id, values, "it may not be null".to_owned()));
        }
    }
    for check in &schema.record.checks {
        let holds = check.condition.evaluate(values);
        let holds = holds.map_err(|error| Error::of_index(table.name())(error.into()))?;
        if holds == Value::Bool(false) {
            let (table, row) = (table.name().to_owned(), table.row_name(values, None));
            return Err(Error::Check { table, row, check: check.name.clone() });
        }
    }
    Ok(())
}

fn refuse(table: &TableState, id: usize, values: &Values, detail: String) -> Error {
    let key = &table.schema.record.primary_key;
    let known = !key.is_empty() && key.iter().all(|id| !values[*id].is_null());
    Error::Value {
        table: table.name().to_owned(),
        column: table.schema.column(id).name.clone(),
        row: if known { table.row_name(values, None) } else { RowName::New },
        detail,
    }
}

impl ColumnType {
    /// The value as a column of this type keeps it, if nothing is lost; else why not.
    ///
    /// # Errors
    /// What is wrong with the value, for a message that names the column.
    pub fn coerce(self, value: Value) -> Result<Value, String> {
        coerce(value, self)
    }
}

/// Greatest whole number up to which each is a float of its own.
const F64_WHOLE_MAX: u64 = 1 << 53;

/// The value as its column's type, if nothing is lost.
#[expect(clippy::cast_precision_loss, reason = "checked to be exact")]
pub(crate) fn coerce(value: Value, to: ColumnType) -> Result<Value, String> {
    let found = value.value_type();
    let wrong = || format!("it is of type {}, and was given a {found}", to.name());
    Ok(match (value, to) {
        (Value::Null, _) => Value::Null,
        (Value::Text(text), ColumnType::Json) => {
            let checked = serde_json::from_str::<serde::de::IgnoredAny>(&text);
            checked.map_err(|error| format!("it takes JSON: {error}"))?;
            Value::Text(text)
        }
        (value, to) if value.value_type() == to.value_type() => value,
        (Value::I64(number), ColumnType::U64) => {
            Value::U64(u64::try_from(number).map_err(|_| format!("{number} is negative"))?)
        }
        (Value::U64(number), ColumnType::I64) => {
            Value::I64(i64::try_from(number).map_err(|_| format!("{number} is too large"))?)
        }
        (Value::I64(number), ColumnType::F64) if number.unsigned_abs() <= F64_WHOLE_MAX => {
            Value::F64(number as f64)
        }
        (Value::U64(number), ColumnType::F64) if number <= F64_WHOLE_MAX => {
            Value::F64(number as f64)
        }
        (Value::I64(number), ColumnType::Decimal) => Value::Decimal(Decimal::from(number)),
        (Value::U64(number), ColumnType::Decimal) => {
            Value::Decimal(Decimal::new(i128::from(number), 0).map_err(|error| error.to_string())?)
        }
        _ => return Err(wrong()),
    })
}
