//! What can go wrong with a query.

use lightning_db_types::ValueType;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a query cannot be planned or run. None of them changes anything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The query names what is not there, compares what does not compare, or is too large.
    #[error(transparent)]
    Query(#[from] lightning_db_optimizer::Error),

    /// The tables cannot be read.
    #[error(transparent)]
    Table(#[from] lightning_db_table::Error),

    /// An index cannot be read.
    #[error(transparent)]
    Index(#[from] lightning_db_table::index::Error),

    /// An expression that fails for a row: a division by zero, a number that does not fit.
    #[error(transparent)]
    Expression(#[from] lightning_db_expression::Error),

    /// A parameter without a value, or with one of another type.
    #[error("parameter {number}: {detail}")]
    Parameter {
        /// Which, counted from zero.
        number: usize,
        /// What is wrong.
        detail: String,
    },

    /// A function of an index that was given what it does not take.
    #[error("function {function}: {detail}")]
    Argument {
        /// Its name.
        function: String,
        /// What is wrong.
        detail: String,
    },

    /// A subquery for one value that has more rows.
    #[error("a subquery for one value has {rows} rows")]
    ManyRows {
        /// How many were seen.
        rows: usize,
    },

    /// A row that does not fit the tuple it is read as.
    #[error("read column {column} of a row: {detail}")]
    Row {
        /// Which column, counted from zero.
        column: usize,
        /// What does not fit.
        detail: String,
    },

    /// Something that this crate does not run.
    #[error("{what} cannot be run here: {detail}")]
    Unsupported {
        /// What.
        what: String,
        /// Why, and what to do.
        detail: String,
    },

    /// The run was cancelled by the flag that it was given.
    #[error("the query was cancelled")]
    Cancelled,

    /// What a sort, a hash table or a group keeps is more than the query may use.
    #[error(
        "the query keeps more than {limit} bytes of rows; raise the memory limit of the engine, \
         or add an index that gives the rows in order"
    )]
    Memory {
        /// The limit, in bytes.
        limit: usize,
    },
}

impl Error {
    pub(crate) fn missing(number: usize, value_type: ValueType) -> Self {
        let detail = format!("it has no value; a {value_type} is expected");
        Self::Parameter { number, detail }
    }

    pub(crate) fn unsupported(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into(), detail: detail.into() }
    }
}
