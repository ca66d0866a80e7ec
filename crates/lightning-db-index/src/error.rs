//! What can go wrong with an index, where, and what to do about it.

/// Result of an index.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of an index. Nothing has been written by the call that returns it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] lightning_db_storage::Error),

    /// Two rows would have one key in a unique index.
    #[error("index {index}: row {existing} has the key ({key}) already")]
    Unique {
        /// Name of the index.
        index: String,
        /// The key, as text.
        key: String,
        /// The row that has it.
        existing: u64,
    },

    /// A definition that cannot be.
    #[error("index {index}: {detail}")]
    Definition {
        /// Name of the index.
        index: String,
        /// What is wrong with it.
        detail: String,
    },

    /// A value that an index cannot hold, such as a coordinate that is no number.
    #[error("index {index}: {detail}")]
    Value {
        /// Name of the index.
        index: String,
        /// What is wrong with it.
        detail: String,
    },

    /// A query that this index cannot answer, or that cannot be read.
    #[error("index {index}: {detail}")]
    Query {
        /// Name of the index.
        index: String,
        /// What is wrong with it.
        detail: String,
    },

    /// An expression has no value for a row: the statement that needs it fails.
    #[error(transparent)]
    Expression(#[from] lightning_db_expression::Error),

    /// An entry of an index is not what was written.
    #[error("index {index}: damaged entry: {detail}; rebuild the index")]
    Corrupt {
        /// Name of the index.
        index: String,
        /// What was found.
        detail: String,
    },

    /// Bytes that are no bitmap in the portable Roaring format.
    #[error("read a bitmap at byte {offset}: {detail}")]
    BitmapFormat {
        /// Where.
        offset: usize,
        /// What is wrong there.
        detail: String,
    },

    /// Work that was told to end.
    #[error("index {index}: cancelled; nothing was changed")]
    Cancelled {
        /// Name of the index.
        index: String,
    },
}
