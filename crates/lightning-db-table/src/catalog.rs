//! What tables there are: records in a keyspace of the store, one for each table.
//!
//! A record is replaced by the commit that changes the table, so that a snapshot sees the tables
//! and columns of its time. The newest state is kept decoded; a reader of an older one decodes the
//! records that it sees.

use std::collections::BTreeMap;
use std::sync::Arc;

use lightning_db_index::{IndexDefinition, Reader};
use lightning_db_storage::Keyspace;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::schema::{Check, ColumnDefinition, ColumnType, ForeignKey, SerialColumn};

/// Name of the catalog's keyspace.
pub(crate) const KEYSPACE: &str = "catalog";
const TABLE_PREFIX: &[u8] = b"table/";
/// Key of the number that the next table or index gets.
pub(crate) const NEXT_ID_KEY: &[u8] = b"next-id";
const FORMAT: u8 = 2;
/// The same without the serial column.
const FORMAT_1: u8 = 1;

/// What the catalog says of one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TableRecord {
    /// Number of the table; never used again.
    pub(crate) id: u32,
    pub(crate) name: String,
    /// By column id: columns that were dropped stay, so that ids never change their meaning.
    pub(crate) columns: Vec<ColumnRecord>,
    /// Version with which rows are written now; each added or dropped column makes a new one.
    pub(crate) version: u16,
    /// Ids of the columns of the primary key.
    pub(crate) primary_key: Vec<usize>,
    pub(crate) foreign_keys: Vec<ForeignKey>,
    pub(crate) checks: Vec<Check>,
    pub(crate) indexes: Vec<IndexRecord>,
    /// Id of the column that says when a row ends.
    pub(crate) expires_at: Option<usize>,
    /// The column whose numbers the table gives, by id.
    pub(crate) serial: Option<SerialColumn>,
}

/// A column, and the versions that have it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ColumnRecord {
    pub(crate) definition: ColumnDefinition,
    /// First version whose rows hold it. Rows of earlier ones have the default.
    pub(crate) added_in: u16,
    /// First version whose rows no longer hold it.
    pub(crate) dropped_in: Option<u16>,
}

/// An index, and whether it may be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct IndexRecord {
    pub(crate) definition: IndexDefinition,
    pub(crate) state: IndexState,
    pub(crate) role: IndexRole,
}

/// Who wanted an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum IndexRole {
    /// The user.
    Declared,
    /// The table, for its primary key.
    Primary,
    /// The table, to find the rows that have ended.
    Expiry,
}

/// State of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndexState {
    /// Every commit maintains it, and the rows from before are being added: nobody reads it.
    Building,
    /// It holds every row.
    Ready,
}

/// A table's record, made ready for use.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) record: TableRecord,
    /// By version.
    layouts: Vec<Layout>,
    /// Ids of the columns that are there, in order.
    pub(crate) live: Vec<usize>,
}

impl Schema {
    pub(crate) fn new(record: TableRecord) -> Self {
        let stored_in = |version: u16| -> Vec<Option<ColumnType>> {
            let stored = |column: &ColumnRecord| {
                let dropped = column.dropped_in.is_some_and(|dropped| dropped <= version);
                let stored = column.added_in <= version && !dropped;
                stored.then_some(column.definition.column_type)
            };
            record.columns.iter().map(stored).collect()
        };
        let layouts = (0..=record.version).map(|version| Layout::new(version, &stored_in(version)));
        let layouts = layouts.collect();
        let live = record.columns.iter().enumerate();
        let live = live.filter(|(_, column)| column.dropped_in.is_none()).map(|(id, _)| id);
        Self { layouts, live: live.collect(), record }
    }

    /// Layout of the rows that are written now.
    pub(crate) fn layout(&self) -> Option<&Layout> {
        self.layouts.last()
    }

    /// Layout of the rows of a version.
    pub(crate) fn layout_of(&self, version: u16) -> Option<&Layout> {
        self.layouts.get(usize::from(version))
    }

    /// Id of a column that is there.
    pub(crate) fn column_id(&self, name: &str) -> Result<usize> {
        let named = |id: &&usize| self.record.columns[**id].definition.name == name;
        self.live.iter().find(named).copied().ok_or_else(|| Error::NotFound {
            what: "column",
            name: format!("{}.{name}", self.record.name),
        })
    }

    pub(crate) fn column(&self, id: usize) -> &ColumnDefinition {
        &self.record.columns[id].definition
    }
}

/// All tables of one state, by name.
pub(crate) type Schemas = BTreeMap<String, Arc<Schema>>;

/// Key of a table's record.
pub(crate) fn table_key(id: u32) -> Vec<u8> {
    [TABLE_PREFIX, &id.to_be_bytes()].concat()
}

/// Encodes a record.
pub(crate) fn encode(record: &TableRecord) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    // Serialising plain data into memory does not fail.
    bytes.extend(postcard::to_stdvec(record).unwrap_or_default());
    bytes
}

fn decode(bytes: &[u8]) -> Result<TableRecord, String> {
    let read = |bytes: &[u8]| postcard::from_bytes(bytes).map_err(|error| error.to_string());
    match bytes.split_first() {
        Some((&FORMAT, rest)) => read(rest),
        // What is not there is written as one zero.
        Some((&FORMAT_1, rest)) => read(&[rest, &[0]].concat()),
        Some((format, _)) => Err(format!("format {format} is unknown; update the library")),
        None => Err("it is empty".to_owned()),
    }
}

/// Reads all tables of a reader's state.
pub(crate) fn load(reader: Reader<'_>, catalog: &Keyspace) -> Result<Schemas> {
    let mut schemas = Schemas::new();
    for item in reader.prefix(catalog, TABLE_PREFIX) {
        let (key, bytes) = item.map_err(Error::catalog)?;
        let record = decode(&bytes).map_err(|detail| Error::Definition {
            table: String::from_utf8_lossy(&key).into_owned(),
            detail: format!("the catalog's record cannot be read: {detail}"),
        })?;
        schemas.insert(record.name.clone(), Arc::new(Schema::new(record)));
    }
    Ok(schemas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_the_first_format_are_read() {
        let record = TableRecord {
            id: 7,
            name: "t".to_owned(),
            columns: crate::definition::columns(vec![ColumnDefinition::new("a", ColumnType::I64)]),
            version: 0,
            primary_key: vec![0],
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            indexes: Vec::new(),
            expires_at: None,
            serial: None,
        };
        let mut bytes = encode(&record);
        assert_eq!(decode(&bytes).unwrap(), record);
        bytes[0] = FORMAT_1;
        assert_eq!(bytes.pop(), Some(0));
        assert_eq!(decode(&bytes).unwrap(), record);
        bytes[0] = 3;
        assert_eq!(decode(&bytes).unwrap_err(), "format 3 is unknown; update the library");
    }
}
