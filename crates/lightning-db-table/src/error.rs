//! What can go wrong with a table, where, and what to do about it.

use std::fmt;

/// Result of a table.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a table. Nothing has been written by the call that returns it, unless it is part of
/// a transaction that goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] lightning_db_storage::Error),

    /// An index failed, or refused a row.
    #[error("table {table}: {source}")]
    Index {
        /// Name of the table.
        table: String,
        /// What the index says.
        source: lightning_db_index::Error,
    },

    /// There is no such table, column or index.
    #[error("there is no {what} {name}")]
    NotFound {
        /// "table", "column", "index".
        what: &'static str,
        /// Its name.
        name: String,
    },

    /// There is one of this name already.
    #[error("there is a {what} {name} already")]
    Exists {
        /// "table", "column", "index".
        what: &'static str,
        /// Its name.
        name: String,
    },

    /// The columns of a table are changed by a transaction that is open, or were since this one
    /// began: try again when that has ended, in a new one.
    #[error("table {table}: its columns are changed by another transaction; try again behind it")]
    Changing {
        /// Name of the table.
        table: String,
    },

    /// A definition that cannot be.
    #[error("table {table}: {detail}")]
    Definition {
        /// Name of the table.
        table: String,
        /// What is wrong with it.
        detail: String,
    },

    /// A value that its column does not take.
    #[error("table {table}, column {column}, row {row}: {detail}")]
    Value {
        /// Name of the table.
        table: String,
        /// Name of the column.
        column: String,
        /// The row's key, as far as it is known.
        row: RowName,
        /// What is wrong with it.
        detail: String,
    },

    /// A check constraint is false for a row.
    #[error("table {table}, row {row}: check {check} does not hold")]
    Check {
        /// Name of the table.
        table: String,
        /// The row's key, as far as it is known.
        row: RowName,
        /// Name of the constraint.
        check: String,
    },

    /// A foreign key names a row that is not there, or a row that is named is to be removed.
    #[error("table {table}, row {row}: foreign key {key}: {detail}")]
    ForeignKey {
        /// Name of the table with the foreign key.
        table: String,
        /// The row's key, as far as it is known.
        row: RowName,
        /// Name of the foreign key.
        key: String,
        /// What is wrong.
        detail: String,
    },

    /// Two rows would have one primary key.
    #[error("table {table}: row {row} is there already")]
    Duplicate {
        /// Name of the table.
        table: String,
        /// The row's key.
        row: RowName,
    },

    /// Two rows would have one key in a unique index.
    #[error("table {table}, row {row}: index {index}: row {existing} has the key ({key}) already")]
    Unique {
        /// Name of the table.
        table: String,
        /// The row that was to be written.
        row: RowName,
        /// Name of the index.
        index: String,
        /// The key, as text.
        key: String,
        /// The row that has it.
        existing: RowName,
    },

    /// The definition in the program is not the one in the store.
    #[error(
        "table {table}: the record's definition differs from the stored one: {detail}; alter \
        the table, or the record"
    )]
    SchemaMismatch {
        /// Name of the table.
        table: String,
        /// The first difference.
        detail: String,
    },

    /// Stored bytes are no row of this table.
    #[error("table {table}, row {row}: damaged row: {detail}")]
    Corrupt {
        /// Name of the table.
        table: String,
        /// The row's key, as far as it is known.
        row: RowName,
        /// What was found.
        detail: String,
    },
}

/// How messages name a row: by its primary key, by its number, or not at all if it has none yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowName {
    /// The row is being inserted and has no key yet.
    New,
    /// By its number.
    Id(u64),
    /// By its primary key, as text.
    Key(String),
}

impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("new"),
            Self::Id(id) => write!(f, "#{id}"),
            Self::Key(key) => f.write_str(key),
        }
    }
}

impl Error {
    /// An index error that has no table: one of reading the catalog.
    pub(crate) fn catalog(source: lightning_db_index::Error) -> Self {
        Self::of_index("catalog")(source)
    }

    /// Names the table to which an index error belongs; a failure of the store stays one.
    pub(crate) fn of_index(table: &str) -> impl FnOnce(lightning_db_index::Error) -> Self + '_ {
        move |source| match source {
            lightning_db_index::Error::Storage(source) => Self::Storage(source),
            source => Self::Index { table: table.to_owned(), source },
        }
    }
}
