//! Comparing the definition in a program with the one in the store.

use lightning_db_types::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::catalog::IndexRole;
use crate::schema::{ColumnDefinition, SerialColumn, TableDefinition};
use crate::spec::IndexSpec;
use crate::table::Table;

impl Table {
    /// What the table is made from, as it is now: columns that were dropped are left out, and
    /// expressions name the others by position.
    pub fn definition(&self) -> TableDefinition {
        let schema = &self.state.schema;
        let record = &schema.record;
        let position = |id: usize| schema.live.iter().position(|live| *live == id).unwrap_or(id);
        let columns = schema.live.iter().map(|id| {
            let column = schema.column(*id).clone();
            let generated = column.generated.map(|from| from.map_columns(&position));
            ColumnDefinition { generated, ..column }
        });
        let checks = record.checks.iter().cloned().map(|mut check| {
            check.condition = check.condition.map_columns(&position);
            check
        });
        let declared = record.indexes.iter().filter(|index| index.role == IndexRole::Declared);
        let indexes = declared.map(|index| {
            let definition = index.definition.clone();
            let spec = IndexSpec {
                name: definition.name,
                parts: definition.parts,
                condition: definition.condition,
                kind: definition.kind,
            };
            spec.map_columns(&position)
        });
        TableDefinition {
            name: record.name.clone(),
            columns: columns.collect(),
            primary_key: record.primary_key.iter().map(|id| position(*id)).collect(),
            foreign_keys: record.foreign_keys.clone(),
            checks: checks.collect(),
            indexes: indexes.collect(),
            expires_at: record.expires_at.map(position),
            serial: record.serial.map(|it| SerialColumn { column: position(it.column), ..it }),
        }
    }
}

impl TableDefinition {
    /// A number for the definition: equal definitions have equal ones, on every machine.
    pub fn fingerprint(&self) -> u64 {
        // Serialising plain data into memory does not fail.
        xxh3_64(&postcard::to_stdvec(self).unwrap_or_default())
    }

    /// The first difference of a stored table from this definition. A stored table may have more
    /// indexes, and its indexes in another order.
    pub(crate) fn difference(&self, stored: &Self) -> Option<String> {
        for (at, wanted) in self.columns.iter().enumerate() {
            let name = &wanted.name;
            let Some(found) = stored.columns.get(at) else {
                return Some(format!("column {name} is not stored"));
            };
            if found.name != *name {
                return Some(format!("column {} is {name}, and stored as {}", at + 1, found.name));
            }
            if let Some(difference) = column_difference(wanted, found) {
                return Some(format!("column {name} {difference}"));
            }
        }
        if let Some(more) = stored.columns.get(self.columns.len()) {
            return Some(format!("column {} is stored, and not in the record", more.name));
        }
        if self.primary_key != stored.primary_key {
            return Some("the primary key is another".to_owned());
        }
        if self.expires_at != stored.expires_at {
            return Some("the column of expiry is another".to_owned());
        }
        if self.serial.is_some() && self.serial != stored.serial {
            return Some("the serial column is another".to_owned());
        }
        for wanted in &self.indexes {
            match stored.indexes.iter().find(|found| found.name == wanted.name) {
                None => return Some(format!("index {} is not stored", wanted.name)),
                Some(found) if found != wanted => {
                    return Some(format!("index {} is stored as another one", wanted.name));
                }
                Some(_) => {}
            }
        }
        let lists = [
            ("checks", self.checks == stored.checks),
            ("foreign keys", self.foreign_keys == stored.foreign_keys),
        ];
        lists.iter().find(|(_, same)| !same).map(|(what, _)| format!("the {what} are others"))
    }
}

fn column_difference(wanted: &ColumnDefinition, found: &ColumnDefinition) -> Option<String> {
    if wanted.column_type != found.column_type {
        let (wanted, found) = (wanted.column_type.name(), found.column_type.name());
        return Some(format!("is of type {wanted}, and stored as {found}"));
    }
    if wanted.nullable != found.nullable {
        let may = |nullable: bool| if nullable { "may" } else { "may not" };
        let (wanted, found) = (may(wanted.nullable), may(found.nullable));
        return Some(format!("{wanted} be null, and {found} as it is stored"));
    }
    if wanted.default != found.default {
        let shown = |value: &Option<Value>| {
            value.as_ref().map_or_else(|| "none".to_owned(), |value| format!("{value:?}"))
        };
        let (wanted, found) = (shown(&wanted.default), shown(&found.default));
        return Some(format!("has the default {wanted}, and {found} as it is stored"));
    }
    (wanted.generated != found.generated).then(|| "is generated from something else".to_owned())
}
