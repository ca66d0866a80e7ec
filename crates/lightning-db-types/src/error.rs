//! What can go wrong with values and keys. Disk errors are [`std::io::Error`].

use crate::value::ValueType;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A value that cannot be, or key bytes that no value has.
///
/// Offsets are in bytes from the start of the key. None of these goes away by trying again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key ends inside a column.
    #[error("key ends at byte {len}, inside the column that begins at byte {offset}")]
    KeyTruncated {
        /// Where the column begins.
        offset: usize,
        /// Length of the key.
        len: usize,
    },

    /// A column begins with a byte that names no type under its order.
    #[error("no type has the tag {tag:#04x} found in the key at byte {offset}")]
    KeyTag {
        /// Where the tag is.
        offset: usize,
        /// The tag, with a descending column's inversion undone.
        tag: u8,
    },

    /// A text or bytes column holds an escape that is never written.
    #[error("no escape ends in the byte {byte:#04x} found in the key at byte {offset}")]
    KeyEscape {
        /// Where the byte after the escape is.
        offset: usize,
        /// The byte, with a descending column's inversion undone.
        byte: u8,
    },

    /// A text column is not UTF-8.
    #[error("text in the key at byte {offset} is not UTF-8")]
    KeyText {
        /// Where the column begins.
        offset: usize,
        /// Where in the text, and how.
        #[source]
        source: std::str::Utf8Error,
    },

    /// A column of fixed length holds bytes that no value of its type is written as.
    #[error("the key at byte {offset} holds no {value_type} that could be written")]
    KeyPayload {
        /// Where the column begins.
        offset: usize,
        /// Type that the tag names.
        value_type: ValueType,
    },

    /// More values than the key has columns.
    #[error("{values} values for a key of {columns} columns")]
    ColumnCount {
        /// Values given.
        values: usize,
        /// Columns of the key.
        columns: usize,
    },

    /// A decimal with too many digits.
    #[error("decimal mantissa {mantissa} has more than 38 digits")]
    DecimalMantissa {
        /// The mantissa asked for.
        mantissa: i128,
    },

    /// A decimal with too many digits after the point.
    #[error("decimal scale {scale} is beyond 38")]
    DecimalScale {
        /// The scale asked for.
        scale: u32,
    },

    /// Text that is no decimal of at most 38 digits.
    #[error("{text:?} is no decimal number of at most 38 digits such as -12.50")]
    DecimalText {
        /// The text, cut after 64 characters.
        text: String,
    },
}

impl Error {
    /// Whether the same call may succeed later; never, since all errors here are about the input.
    pub fn is_retryable(&self) -> bool {
        false
    }
}
