//! What can be wrong with a query.

use lightning_db_types::ValueType;

/// Result of building or planning a query.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong with a query, where, and what may have been meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A table that the catalog does not have.
    #[error("find table {name}{}", meant(suggestion.as_deref()))]
    UnknownTable {
        /// The name that was given.
        name: String,
        /// The nearest name there is.
        suggestion: Option<String>,
    },

    /// A column that no relation in scope has.
    #[error("find column {name}{}", meant(suggestion.as_deref()))]
    UnknownColumn {
        /// The name that was given.
        name: String,
        /// The nearest name there is.
        suggestion: Option<String>,
    },

    /// A column that several relations in scope have.
    #[error("choose between {}: {name} is ambiguous", candidates.join(", "))]
    AmbiguousColumn {
        /// The name that was given.
        name: String,
        /// The columns that have it, with their relations.
        candidates: Vec<String>,
    },

    /// A relation name that is taken.
    #[error("add relation {name}: there is one of that name; give it an alias")]
    DuplicateRelation {
        /// The name.
        name: String,
    },

    /// An operand of a type that an operation does not take.
    #[error("use {found} in {expression}: it takes {expected}")]
    Type {
        /// The operation, as text.
        expression: String,
        /// What it takes.
        expected: String,
        /// What it was given.
        found: ValueType,
    },

    /// A query whose parts do not fit together.
    #[error("build {what}: {detail}")]
    Shape {
        /// The operator.
        what: &'static str,
        /// What does not fit, and what would.
        detail: String,
    },

    /// A limit that a query exceeds.
    #[error("plan a query of {found} {what}: at most {limit} are allowed")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// How much may be.
        limit: usize,
    },

    /// Bytes that are no statistics, plan or memory of this version.
    #[error("decode {what} at byte {offset}: {detail}")]
    Decode {
        /// What was decoded.
        what: &'static str,
        /// Where.
        offset: usize,
        /// What is wrong there.
        detail: String,
    },

    /// An expression over constants that has no value.
    #[error(transparent)]
    Expression(#[from] EvaluationError),
}

/// An expression's error, kept as its text so that errors compare.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvaluationError(String);

impl From<lightning_db_expression::Error> for EvaluationError {
    fn from(error: lightning_db_expression::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<lightning_db_expression::Error> for Error {
    fn from(error: lightning_db_expression::Error) -> Self {
        Self::Expression(error.into())
    }
}

fn meant(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}
