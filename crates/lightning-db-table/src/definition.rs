//! Whether a table or an index can be made as it is defined.

use std::collections::BTreeSet;

use lightning_db_index::{
    Comparison, Expression, IndexDefinition, IndexKind, KeyPart, OrderedOptions,
};
use lightning_db_types::ColumnOrder;

use crate::catalog::{ColumnRecord, IndexRecord, IndexRole, IndexState, TableRecord};
use crate::error::{Error, Result};
use crate::kinds;
use crate::schema::{ColumnDefinition, ColumnType, ForeignKey, OnDelete, TableDefinition};
use crate::spec::IndexSpec;
use crate::table::{OpenIndex, TableState};
use crate::tables::State;
use crate::values::coerce;

const NAME_LEN_MAX: usize = 128;
/// What plans call the number of a row.
pub(crate) const ROW_NUMBER: &str = "#row";
const COLUMNS_MAX: usize = 1_600;

/// Columns of a table's first version.
pub(crate) fn columns(definitions: Vec<ColumnDefinition>) -> Vec<ColumnRecord> {
    let record = |definition| ColumnRecord { definition, added_in: 0, dropped_in: None };
    definitions.into_iter().map(record).collect()
}

/// Whether the primary key needs an index: it does unless it is one whole number.
pub(crate) fn needs_primary_index(record: &TableRecord) -> bool {
    match record.primary_key[..] {
        [] => false,
        [column] => !is_whole(record.columns[column].definition.column_type),
        _ => true,
    }
}

fn is_whole(column_type: ColumnType) -> bool {
    matches!(column_type, ColumnType::I64 | ColumnType::U64)
}

/// Definition of the index by which rows that have ended are found.
pub(crate) fn expiry_index(record: &TableRecord, column: usize, id: u32) -> IndexDefinition {
    let expression = Expression::Column(column);
    let parts = vec![KeyPart { expression, order: ColumnOrder::ASCENDING }];
    let kind = IndexKind::Ordered(OrderedOptions::default());
    let condition = Some(Expression::Column(column).is_not_null());
    IndexDefinition { id, name: format!("{}.expiry", record.name), parts, condition, kind }
}

/// An index as a record holds it, before it has a number: a table may name itself by one.
fn declared(spec: &IndexSpec) -> IndexRecord {
    let IndexSpec { name, parts, condition, kind } = spec.clone();
    let definition = IndexDefinition { id: 0, name, parts, condition, kind };
    IndexRecord { definition, state: IndexState::Ready, role: IndexRole::Declared }
}

/// Checks the definition of a new table.
pub(crate) fn check(definition: &TableDefinition, state: &State) -> Result<()> {
    let name = &definition.name;
    let refuse = |detail: String| Err(Error::Definition { table: name.clone(), detail });
    if name.is_empty() || name.len() > NAME_LEN_MAX {
        return refuse(format!("a name has 1 to {NAME_LEN_MAX} bytes"));
    }
    if state.tables.contains_key(name) {
        return Err(Error::Exists { what: "table", name: name.clone() });
    }
    let count = definition.columns.len();
    if count == 0 || count > COLUMNS_MAX {
        return refuse(format!("it has {count} columns; 1 to {COLUMNS_MAX} are possible"));
    }
    let mut names = BTreeSet::new();
    for column in &definition.columns {
        if !names.insert(&column.name) {
            return refuse(format!("two columns are named {}", column.name));
        }
        check_column(name, column)?;
        if let Some(expression) = &column.generated {
            for of in expression.columns() {
                match definition.columns.get(of) {
                    Some(source) if source.generated.is_none() => {}
                    _ => {
                        let name = &column.name;
                        return refuse(format!("column {name} is generated from no plain column"));
                    }
                }
            }
        }
    }
    let record = TableRecord {
        id: 0,
        name: name.clone(),
        columns: columns(definition.columns.clone()),
        version: 0,
        primary_key: definition.primary_key.clone(),
        foreign_keys: definition.foreign_keys.clone(),
        checks: definition.checks.clone(),
        indexes: definition.indexes.iter().map(declared).collect(),
        expires_at: definition.expires_at,
        serial: definition.serial,
    };
    check_keys(&record)?;
    check_serial(&record)?;
    let mut index_names = BTreeSet::new();
    for index in &definition.indexes {
        check_index_name(state, &index.name)?;
        if !index_names.insert(&index.name) {
            return Err(Error::Exists { what: "index", name: index.name.clone() });
        }
        check_index(&record, index)?;
    }
    for check in &definition.checks {
        check_columns(&record, &check.condition)?;
    }
    definition.foreign_keys.iter().try_for_each(|key| check_foreign_key(&record, key, state))
}

/// Checks a column by itself.
pub(crate) fn check_column(table: &str, column: &ColumnDefinition) -> Result<()> {
    let refuse = |detail: String| Err(Error::Definition { table: table.to_owned(), detail });
    let name = &column.name;
    if name.is_empty() || name.len() > NAME_LEN_MAX {
        return refuse(format!("a column's name has 1 to {NAME_LEN_MAX} bytes"));
    }
    if name == ROW_NUMBER {
        return refuse(format!("the column {name} is the number of a row"));
    }
    match &column.default {
        Some(_) if column.generated.is_some() => {
            refuse(format!("column {name} is generated, and has a default"))
        }
        Some(value) if value.is_null() && !column.nullable => {
            refuse(format!("the default of column {name} is null, which it does not take"))
        }
        Some(value)
            if !value.is_null() && value.value_type() != column.column_type.value_type() =>
        {
            let found = value.value_type();
            refuse(format!("the default of column {name} is a {found}"))
        }
        Some(value) => match coerce(value.clone(), column.column_type) {
            Ok(_) => Ok(()),
            Err(detail) => refuse(format!("the default of column {name}: {detail}")),
        },
        None => Ok(()),
    }
}

/// Checks the primary key and the column of expiry.
fn check_keys(record: &TableRecord) -> Result<()> {
    let refuse = |detail: String| Err(Error::Definition { table: record.name.clone(), detail });
    let mut seen = BTreeSet::new();
    for position in &record.primary_key {
        let Some(column) = record.columns.get(*position) else {
            return refuse(format!("the primary key names column {position}, which is not there"));
        };
        let name = &column.definition.name;
        if column.definition.nullable {
            return refuse(format!("column {name} of the primary key may be null"));
        }
        if !seen.insert(position) {
            return refuse(format!("column {name} stands twice in the primary key"));
        }
    }
    match record.expires_at.map(|position| record.columns.get(position)) {
        None => Ok(()),
        Some(Some(column)) if column.definition.column_type == ColumnType::Timestamp => Ok(()),
        Some(_) => refuse("the column of expiry is no timestamp".to_owned()),
    }
}

/// Checks the column whose numbers the table gives.
fn check_serial(record: &TableRecord) -> Result<()> {
    let Some(serial) = record.serial else { return Ok(()) };
    let refuse = |detail: String| Err(Error::Definition { table: record.name.clone(), detail });
    match record.columns.get(serial.column).map(|column| &column.definition) {
        None => refuse(format!("its serial column {} is not there", serial.column)),
        Some(column) if !is_whole(column.column_type) => {
            refuse(format!("the serial column {} is of no whole numbers", column.name))
        }
        Some(column) if column.default.is_some() || column.generated.is_some() => {
            refuse(format!("the serial column {} has a default or is generated", column.name))
        }
        Some(_) => Ok(()),
    }
}

/// Checks that all columns of an expression are there.
pub(crate) fn check_columns(record: &TableRecord, expression: &Expression) -> Result<()> {
    for position in expression.columns() {
        let column = record.columns.get(position);
        if column.is_none_or(|column| column.dropped_in.is_some()) {
            let detail = format!("{expression} names column {position}, which is not there");
            return Err(Error::Definition { table: record.name.clone(), detail });
        }
    }
    Ok(())
}

/// Checks that no table has an index of this name.
pub(crate) fn check_index_name(state: &State, name: &str) -> Result<()> {
    let indexes = state.tables.values().flat_map(|table| &table.indexes);
    if indexes.into_iter().any(|open| open.index.definition().name == name) {
        return Err(Error::Exists { what: "index", name: name.to_owned() });
    }
    Ok(())
}

/// Checks the columns of an index.
pub(crate) fn check_index(record: &TableRecord, index: &IndexSpec) -> Result<()> {
    if index.name.is_empty() || index.name.len() > NAME_LEN_MAX {
        let detail = format!("an index's name has 1 to {NAME_LEN_MAX} bytes");
        return Err(Error::Definition { table: record.name.clone(), detail });
    }
    index.expressions().try_for_each(|expression| check_columns(record, expression))
}

fn check_foreign_key(record: &TableRecord, key: &ForeignKey, state: &State) -> Result<()> {
    let refuse = |detail: String| {
        let detail = format!("foreign key {}: {detail}", key.name);
        Err(Error::Definition { table: record.name.clone(), detail })
    };
    if key.columns.is_empty() || key.columns.len() != key.references.len() {
        return refuse("it has not as many columns as it references".to_owned());
    }
    // A table may reference itself.
    let itself = (key.table == record.name).then_some(record);
    let referenced = match itself {
        Some(record) => record,
        None => &state.table(&key.table)?.schema.record,
    };
    let find = |record: &TableRecord, name: &String| {
        let there =
            |column: &&ColumnRecord| column.dropped_in.is_none() && column.definition.name == *name;
        record.columns.iter().find(there).map(|column| column.definition.clone())
    };
    for (own, other) in key.columns.iter().zip(&key.references) {
        let (Some(own), Some(other)) = (find(record, own), find(referenced, other)) else {
            return refuse(format!("there is no column {own}, or no {}.{other}", key.table));
        };
        if referenced.expires_at.is_some() && key.on_delete == OnDelete::Restrict {
            return refuse(format!("rows of {} end by themselves, which it forbids", key.table));
        }
        if own.column_type != other.column_type {
            return refuse(format!("{} and {} are of different types", own.name, other.name));
        }
        if key.on_delete == OnDelete::SetNull && !own.nullable {
            return refuse(format!("column {} cannot become null", own.name));
        }
    }
    if !names_one_row(referenced, &key.references) {
        let (table, columns) = (&key.table, key.references.join(", "));
        return refuse(format!("{table} ({columns}) is no primary key and no unique index"));
    }
    Ok(())
}

/// Whether columns name at most one row: the primary key, or a unique index without a condition.
fn names_one_row(record: &TableRecord, columns: &[String]) -> bool {
    let ids = |name: &String| {
        record
            .columns
            .iter()
            .position(|column| column.dropped_in.is_none() && column.definition.name == *name)
    };
    let Some(ids) = columns.iter().map(ids).collect::<Option<Vec<usize>>>() else { return false };
    if record.primary_key == ids {
        return true;
    }
    record.indexes.iter().any(|index| is_unique_over(&index.definition, &ids))
}

/// Whether an index is unique over exactly these columns, in this order, for every row.
pub(crate) fn is_unique_over(definition: &IndexDefinition, columns: &[usize]) -> bool {
    let unique = kinds::is_unique(&definition.kind);
    let is_column = |(part, column): (&KeyPart, &usize)| match part.expression {
        Expression::Column(id) => id == *column,
        _ => false,
    };
    unique
        && definition.condition.is_none()
        && definition.parts.len() == columns.len()
        && definition.parts.iter().zip(columns).all(is_column)
}

/// Checks that no other table has a foreign key to this one.
pub(crate) fn check_unreferenced(state: &State, name: &str) -> Result<()> {
    for other in state.tables.values().filter(|other| other.name() != name) {
        for key in &other.schema.record.foreign_keys {
            if key.table == name {
                let detail = format!("foreign key {}.{} names it", other.name(), key.name);
                return Err(Error::Definition { table: name.to_owned(), detail });
            }
        }
    }
    Ok(())
}

/// Checks that nothing needs an index: neither the primary key, nor the expiry, nor a foreign key.
pub(crate) fn check_index_is_free(state: &State, table: &str, name: &str) -> Result<()> {
    let own = state.table(table)?;
    let found = own.indexes.iter().find(|open| open.index.definition().name == name);
    let Some(found) = found else {
        return Err(Error::NotFound { what: "index", name: name.to_owned() });
    };
    let refuse = |detail: String| {
        Err(Error::Definition {
            table: table.to_owned(),
            detail: format!("index {name}: {detail}"),
        })
    };
    if found.role != IndexRole::Declared {
        return refuse("the table itself needs it".to_owned());
    }
    for other in state.tables.values() {
        for key in other.schema.record.foreign_keys.iter().filter(|key| key.table == table) {
            let ids = key.references.iter().map(|column| own.schema.column_id(column));
            let ids = ids.collect::<Result<Vec<usize>>>()?;
            let is_primary = own.schema.record.primary_key == ids;
            if !is_primary && is_unique_over(found.index.definition(), &ids) {
                return refuse(format!("foreign key {}.{} needs it", other.name(), key.name));
            }
        }
    }
    Ok(())
}

/// Whether a predicate is an equality of a primary key or unique index of one column.
pub(crate) fn names_at_most_one(table: &TableState, predicate: &Expression) -> bool {
    let Expression::Compare(Comparison::Equal, left, right) = predicate else { return false };
    let column = match (&**left, &**right) {
        (Expression::Column(id), Expression::Literal(_))
        | (Expression::Literal(_), Expression::Column(id)) => *id,
        _ => return false,
    };
    let is_key = table.schema.record.primary_key == [column];
    let unique = |open: &OpenIndex| {
        open.state == IndexState::Ready && is_unique_over(open.index.definition(), &[column])
    };
    is_key || table.indexes.iter().any(|open| unique(open))
}
