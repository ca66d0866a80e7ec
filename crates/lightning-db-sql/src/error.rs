//! What can be wrong with a statement, and where in its text.

use std::fmt;

use lightning_db_types::ValueType;

/// Result of a statement.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A place in the text of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, counted from one.
    pub line: u64,
    /// Character of the line, counted from one.
    pub column: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a statement cannot be read, planned or run. A statement that fails has changed nothing; the
/// transaction that it is part of goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no SQL.
    #[error("read the statement{}: {detail}", at_text(*at))]
    Syntax {
        /// What was found, and what was expected.
        detail: String,
        /// Where, as far as it is known.
        at: Option<Position>,
    },

    /// A table, column, index or savepoint that is not there.
    #[error("find {what} {name}{}{}", at_text(*at), meant(suggestion.as_deref()))]
    Unknown {
        /// "table", "column", "index", "savepoint".
        what: &'static str,
        /// Its name.
        name: String,
        /// The nearest name there is.
        suggestion: Option<String>,
        /// Where it stands.
        at: Option<Position>,
    },

    /// A statement whose parts do not fit together: types that do not compare, a column that is
    /// neither grouped nor aggregated, a row with too many values.
    #[error("plan the statement{}: {detail}", at_text(*at))]
    Invalid {
        /// What does not fit, and what would.
        detail: String,
        /// Where, as far as it is known.
        at: Option<Position>,
    },

    /// SQL that is not run here.
    #[error("run {what}{}: it is not supported{}", at_text(*at), hint_text(hint))]
    Unsupported {
        /// What.
        what: String,
        /// What to do instead; may be empty.
        hint: String,
        /// Where it stands.
        at: Option<Position>,
    },

    /// A parameter without a value, or with one that cannot be used where it stands.
    #[error("use parameter ${number}: {detail}")]
    Parameter {
        /// Which, counted from one.
        number: usize,
        /// What is wrong.
        detail: String,
    },

    /// A statement that does not fit the state of the transaction.
    #[error("{what}: {detail}")]
    Transaction {
        /// The statement.
        what: &'static str,
        /// What is in the way.
        detail: &'static str,
    },

    /// A state of the past that is not held, or one that is not there yet.
    #[error("read the state as of commit {lsn}: {}", not_held(*newest, *lsn, held))]
    NotHeld {
        /// The number behind AS OF.
        lsn: u64,
        /// That of the newest commit.
        newest: u64,
        /// Those whose states are held, ascending.
        held: Vec<u64>,
    },

    /// Another commit stands against that of the transaction, which has ended without a change.
    #[error("commit: another commit stands against it; run the transaction again")]
    Conflict,

    /// The statement was cancelled, by [`InterruptHandle`](crate::InterruptHandle), and has changed
    /// nothing.
    #[error("run the statement: it was cancelled")]
    Cancelled,

    /// The connection is being used by a call that has not returned.
    #[error("use the connection: a statement of it is running; a visitor may not use it")]
    Busy,

    /// A column of a result that is not there, or is of another type than was asked for.
    #[error("read column {column} of the result: {detail}")]
    Result {
        /// Its name or position.
        column: String,
        /// What is wrong.
        detail: String,
    },

    /// A file that cannot be opened, read or written.
    #[error("{operation} {path}")]
    File {
        /// "open", "read", "make", "write", "name".
        operation: &'static str,
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },

    /// A line of a file that cannot be loaded.
    #[error("load line {line} of {path}: {detail}")]
    Line {
        /// The file.
        path: String,
        /// The line that the row begins with, counted from one.
        line: u64,
        /// What is wrong with it, and the column where that is known.
        detail: String,
    },

    /// DataFusion does not plan or run the query.
    #[cfg(feature = "vector")]
    #[error("run the query on DataFusion: {detail}")]
    Vector {
        /// What it says.
        detail: String,
    },

    /// Planning or running the query failed.
    #[error(transparent)]
    Query(Box<lightning_db_query::Error>),

    /// The tables refuse it, or cannot be read.
    #[error(transparent)]
    Table(Box<lightning_db_table::Error>),

    /// An expression that fails: a division by zero, a number that does not fit.
    #[error(transparent)]
    Expression(#[from] lightning_db_expression::Error),
}

impl From<lightning_db_query::Error> for Error {
    fn from(error: lightning_db_query::Error) -> Self {
        match error {
            lightning_db_query::Error::Cancelled => Self::Cancelled,
            error => Self::Query(Box::new(error)),
        }
    }
}

impl From<lightning_db_table::Error> for Error {
    fn from(error: lightning_db_table::Error) -> Self {
        Self::Table(Box::new(error))
    }
}

impl Error {
    pub(crate) fn invalid(detail: impl Into<String>, at: Option<Position>) -> Self {
        Self::Invalid { detail: detail.into(), at }
    }

    pub(crate) fn unsupported(what: impl Into<String>, at: Option<Position>) -> Self {
        Self::Unsupported { what: what.into(), hint: String::new(), at }
    }

    pub(crate) fn unsupported_hint(
        what: impl Into<String>,
        hint: impl Into<String>,
        at: Option<Position>,
    ) -> Self {
        Self::Unsupported { what: what.into(), hint: hint.into(), at }
    }

    pub(crate) fn types(left: ValueType, right: ValueType, at: Option<Position>) -> Self {
        Self::invalid(format!("a {left} and a {right} do not compare; cast one of them"), at)
    }

    /// The same error at a place, unless it has one.
    pub(crate) fn or_at(mut self, place: Option<Position>) -> Self {
        if let Self::Syntax { at, .. }
        | Self::Unknown { at, .. }
        | Self::Invalid { at, .. }
        | Self::Unsupported { at, .. } = &mut self
        {
            *at = at.or(place);
        }
        self
    }

    /// Where in the text the mistake is, as far as it is known.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Syntax { at, .. }
            | Self::Unknown { at, .. }
            | Self::Invalid { at, .. }
            | Self::Unsupported { at, .. } => *at,
            _ => None,
        }
    }

    /// Whether the same may work when it is tried again.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Conflict => true,
            Self::Table(error) => match &**error {
                lightning_db_table::Error::Storage(error) => error.is_retryable(),
                _ => false,
            },
            _ => false,
        }
    }

    /// The message, with the line of the text that it is about and a mark below the place.
    pub fn shown_in(&self, text: &str) -> String {
        let Some(at) = self.position() else { return self.to_string() };
        let (line, column) = (at.line.saturating_sub(1), at.column.saturating_sub(1));
        let line = usize::try_from(line).ok().and_then(|line| text.lines().nth(line));
        let Some(line) = line else { return self.to_string() };
        let column = usize::try_from(column).unwrap_or(usize::MAX).min(line.chars().count());
        // A long line is cut, so that the mark stands near the mistake.
        let first = column.saturating_sub(EXCERPT / 2);
        let excerpt: String = line.chars().skip(first).take(EXCERPT).collect();
        format!("{self}\n  {excerpt}\n  {:>width$}", "^", width = column - first + 1)
    }
}

/// Characters of a line that are shown.
const EXCERPT: usize = 100;

fn at_text(at: Option<Position>) -> String {
    at.map_or_else(String::new, |at| format!(" at {at}"))
}

fn not_held(newest: u64, lsn: u64, held: &[u64]) -> String {
    if lsn > newest {
        return format!("the newest commit is {newest}");
    }
    let held: Vec<String> = held.iter().map(u64::to_string).collect();
    let held = if held.is_empty() { "none".to_owned() } else { held.join(", ") };
    format!("it is not held, held are: {held}; CALL hold_snapshot() holds the state of now")
}

fn meant(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

fn hint_text(hint: &str) -> String {
    if hint.is_empty() { String::new() } else { format!("; {hint}") }
}
