//! Why an expression has no value.

use lightning_db_types::ValueType;

/// Result of an evaluation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an expression has no value for a row: the statement that needs it fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be computed: a division by zero, a number out of range, a text that is no date.
    #[error("evaluate {expression}: {detail}")]
    Evaluation {
        /// The expression, as text.
        expression: String,
        /// Why not.
        detail: String,
    },

    /// A function was given a value of a type that it does not take.
    #[error("evaluate {expression}: {found} is no {expected}")]
    Type {
        /// The expression, as text.
        expression: String,
        /// What it takes.
        expected: &'static str,
        /// What it was given.
        found: ValueType,
    },
}
