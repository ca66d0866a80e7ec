//! Structs as rows.

use std::fmt;
use std::marker::PhantomData;

use lightning_db_index::{IndexQuery, RowSet};
use lightning_db_types::Value;

use crate::error::{Error, Result, RowName};
use crate::field::{Field, RecordKey};
use crate::row::Row;
use crate::schema::TableDefinition;
use crate::snapshot::{TableReader, TableSnapshot};
use crate::table::Table;
use crate::tables::Tables;
use crate::transaction::TableTransaction;

/// A struct that is a row of a table. `#[derive(Record)]` writes it: see
/// [`lightning_db_derive`] for the attributes.
///
/// # Examples
/// ```
/// use lightning_db_storage::{KeyspaceOptions, Store};
/// use lightning_db_table::{Record, Tables};
///
/// #[derive(Debug, Clone, PartialEq, Record)]
/// #[record(table = "cities", index(on(country, population.desc()), include(name)))]
/// struct City {
///     #[record(key)]
///     id: u64,
///     #[record(unique)]
///     name: String,
///     country: String,
///     #[record(check = population >= 0)]
///     population: i64,
/// }
///
/// # let dir = tempfile::tempdir()?;
/// let (store, _) = Store::open(dir.path())?;
/// let (tables, _) = Tables::open(&store)?;
/// let cities = tables.typed::<City>()?;
/// let bern = City { id: 1, name: "Bern".into(), country: "CH".into(), population: 134_000 };
/// cities.insert(&bern)?;
/// assert_eq!(cities.get(&1)?, Some(bern));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Record: Sized {
    /// Primary key: the type of one field, or a tuple; `()` if there is none.
    type Key;

    /// The table that it belongs to.
    fn definition() -> TableDefinition;

    /// Its values, in the order of the columns. A generated column is null.
    fn to_values(&self) -> Vec<Value>;

    /// The values of its primary key.
    fn key_values(&self) -> Vec<Value>;

    /// The record of a row.
    ///
    /// # Errors
    /// [`Error::Value`] if a value does not fit the field.
    fn from_row(row: &Row) -> Result<Self>;
}

impl Row {
    /// A column as a field of a record, by its place among the columns of the table.
    ///
    /// # Errors
    /// [`Error::Value`] if the value does not fit the field.
    pub fn field<F: Field>(&self, position: usize) -> Result<F> {
        let value = self.at(position);
        F::from_value(value).ok_or_else(|| Error::Value {
            table: self.table_name().to_owned(),
            column: self.columns().nth(position).unwrap_or_default().to_owned(),
            row: RowName::Id(self.row_id()),
            detail: format!("{value:?} does not fit the field"),
        })
    }

    /// The row as a record.
    ///
    /// # Errors
    /// As [`Record::from_row`].
    pub fn to_record<R: Record>(&self) -> Result<R> {
        R::from_row(self)
    }
}

impl Tables {
    /// The table of a record, made if it is not there, and compared with the record's definition if
    /// it is. Indexes that the table has beyond it are no difference.
    ///
    /// # Errors
    /// [`Error::SchemaMismatch`] with the first difference; those of
    /// [`create_table`](Self::create_table).
    pub fn typed<R: Record>(&self) -> Result<TypedTable<R>> {
        let wanted = R::definition();
        let name = wanted.name.clone();
        let found = match self.table(&name) {
            Err(Error::NotFound { .. }) => match self.create_table(wanted.clone()) {
                // Another thread made it.
                Err(Error::Exists { what: "table", .. }) => self.table(&name)?,
                made => made?,
            },
            found => found?,
        };
        let stored = found.definition();
        if wanted.fingerprint() != stored.fingerprint()
            && let Some(detail) = wanted.difference(&stored)
        {
            return Err(Error::SchemaMismatch { table: name, detail });
        }
        Ok(TypedTable { tables: self.clone(), table: found, record: PhantomData })
    }
}

/// The table of a record. Cheap to clone; each write is a transaction of its own.
pub struct TypedTable<R> {
    tables: Tables,
    table: Table,
    record: PhantomData<fn() -> R>,
}

impl<R> Clone for TypedTable<R> {
    fn clone(&self) -> Self {
        Self { tables: self.tables.clone(), table: self.table.clone(), record: PhantomData }
    }
}

impl<R> fmt::Debug for TypedTable<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedTable").field(&self.table.name()).finish()
    }
}

impl<R: Record> TypedTable<R> {
    /// The table, for what is not typed.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Writes, and reads of them, within a transaction.
    pub fn within<'a>(&'a self, transaction: &'a mut TableTransaction) -> TypedTransaction<'a, R> {
        TypedTransaction { typed: self, transaction }
    }

    /// Reads of a snapshot.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the table was not there.
    pub fn at<'a>(&self, snapshot: &'a TableSnapshot) -> Result<TypedReader<'a, R>> {
        Ok(TypedReader { reader: snapshot.read(&self.table)?, record: PhantomData })
    }

    /// Adds a record; gives the number of its row.
    ///
    /// # Errors
    /// As [`TableTransaction::insert`].
    pub fn insert(&self, record: &R) -> Result<u64> {
        self.tables.run(|transaction| self.within(transaction).insert(record))
    }

    /// Adds records in one commit: all, or none.
    ///
    /// # Errors
    /// As [`TableTransaction::insert`].
    pub fn insert_many(&self, records: &[R]) -> Result<()> {
        self.tables.run(|transaction| {
            let mut typed = self.within(transaction);
            records.iter().try_for_each(|record| typed.insert(record).map(drop))
        })
    }

    /// Adds a record, or replaces the one with its primary key.
    ///
    /// # Errors
    /// As [`TableTransaction::upsert`].
    pub fn upsert(&self, record: &R) -> Result<u64> {
        self.tables.run(|transaction| self.within(transaction).upsert(record))
    }

    /// Replaces the record with this one's primary key; says whether there was one.
    ///
    /// # Errors
    /// As [`TableTransaction::update`].
    pub fn update(&self, record: &R) -> Result<bool> {
        self.tables.run(|transaction| self.within(transaction).update(record))
    }

    /// The records that an index gives for a query, by ascending row number.
    ///
    /// # Errors
    /// As [`TableReader::find`].
    pub fn find(&self, index: &str, query: &IndexQuery) -> Result<Vec<R>> {
        let snapshot = self.tables.snapshot();
        let reader = self.at(&snapshot)?;
        let rows = reader.rows(index, query)?;
        reader.fetch(&rows).collect()
    }

    /// All records, by ascending row number.
    ///
    /// # Errors
    /// Those of the store.
    pub fn all(&self) -> Result<Vec<R>> {
        self.at(&self.tables.snapshot())?.scan().collect()
    }
}

impl<R: Record<Key: RecordKey>> TypedTable<R> {
    /// The record with a primary key.
    ///
    /// # Errors
    /// As [`TableReader::get`].
    pub fn get(&self, key: &<R::Key as RecordKey>::Borrowed) -> Result<Option<R>> {
        self.at(&self.tables.snapshot())?.get(key)
    }

    /// Removes the record with a primary key; says whether there was one.
    ///
    /// # Errors
    /// As [`TableTransaction::delete`].
    pub fn delete(&self, key: &<R::Key as RecordKey>::Borrowed) -> Result<bool> {
        self.tables.run(|transaction| self.within(transaction).delete(key))
    }
}

/// Records within a transaction; see [`TypedTable::within`].
#[derive(Debug)]
pub struct TypedTransaction<'a, R> {
    typed: &'a TypedTable<R>,
    transaction: &'a mut TableTransaction,
}

impl<R: Record> TypedTransaction<'_, R> {
    /// Adds a record; gives the number of its row.
    ///
    /// # Errors
    /// As [`TableTransaction::insert`].
    pub fn insert(&mut self, record: &R) -> Result<u64> {
        self.transaction.insert(&self.typed.table, record.to_values())
    }

    /// Adds a record, or replaces the one with its primary key.
    ///
    /// # Errors
    /// As [`TableTransaction::upsert`].
    pub fn upsert(&mut self, record: &R) -> Result<u64> {
        self.transaction.upsert(&self.typed.table, record.to_values())
    }

    /// Replaces the record with this one's primary key; says whether there was one.
    ///
    /// # Errors
    /// As [`TableTransaction::update`].
    pub fn update(&mut self, record: &R) -> Result<bool> {
        self.transaction.update(&self.typed.table, &record.key_values(), record.to_values())
    }

    /// Reads, the transaction's own writes among them.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the table is not there for this transaction.
    pub fn reader(&self) -> Result<TypedReader<'_, R>> {
        Ok(TypedReader { reader: self.transaction.read(&self.typed.table)?, record: PhantomData })
    }
}

impl<R: Record<Key: RecordKey>> TypedTransaction<'_, R> {
    /// The record with a primary key.
    ///
    /// # Errors
    /// As [`TableReader::get`].
    pub fn get(&self, key: &<R::Key as RecordKey>::Borrowed) -> Result<Option<R>> {
        self.reader()?.get(key)
    }

    /// Removes the record with a primary key; says whether there was one.
    ///
    /// # Errors
    /// As [`TableTransaction::delete`].
    pub fn delete(&mut self, key: &<R::Key as RecordKey>::Borrowed) -> Result<bool> {
        self.transaction.delete(&self.typed.table, &<R::Key as RecordKey>::values(key))
    }
}

/// Records of a snapshot or a transaction.
#[derive(Debug)]
pub struct TypedReader<'a, R> {
    reader: TableReader<'a>,
    record: PhantomData<fn() -> R>,
}

impl<'a, R: Record> TypedReader<'a, R> {
    /// Reads that are not typed.
    pub fn untyped(&self) -> TableReader<'a> {
        self.reader
    }

    /// Numbers of the rows that an index gives for a query.
    ///
    /// # Errors
    /// As [`TableReader::find`].
    pub fn rows(&self, index: &str, query: &IndexQuery) -> Result<RowSet> {
        self.reader.find(index, query)
    }

    /// The records of a set of rows, by ascending row number.
    pub fn fetch<'r>(&self, rows: &'r RowSet) -> impl Iterator<Item = Result<R>> + use<'a, 'r, R> {
        self.reader.fetch(rows).map(|row| row.and_then(|row| R::from_row(&row)))
    }

    /// All records, by ascending row number.
    pub fn scan(&self) -> impl Iterator<Item = Result<R>> + use<'a, R> {
        self.reader.scan().map(|row| row.and_then(|row| R::from_row(&row)))
    }
}

impl<R: Record<Key: RecordKey>> TypedReader<'_, R> {
    /// The record with a primary key.
    ///
    /// # Errors
    /// As [`TableReader::get`].
    pub fn get(&self, key: &<R::Key as RecordKey>::Borrowed) -> Result<Option<R>> {
        let row = self.reader.get(&<R::Key as RecordKey>::values(key))?;
        row.map(|row| R::from_row(&row)).transpose()
    }
}
