//! What can go wrong, and the exit code that says so.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use lightning_db::{Error, sql, tables};

/// The exit codes, as `--help` shows them. They do not change.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  error
  2  the command line is wrong
  3  not found: no such store, keyspace, key, table, column or index
  4  the store is damaged, or an index does not agree with its rows";

/// Why a command ended early. Messages fit behind "failed to".
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The store says no.
    #[error(transparent)]
    Store(#[from] Error),

    /// The tables of the store say no.
    #[error(transparent)]
    Tables(tables::Error),

    /// What serves the store says no.
    #[error(transparent)]
    Service(#[from] lightning_db::ops::Error),

    /// A statement fails; its text is shown with the place.
    #[error("{0}")]
    Sql(String),

    /// A name that is not there.
    #[error("{0}")]
    NotFound(String),

    /// Rows with equal keys, where an index was to be unique.
    #[error("make index {index} unique: {keys}, listed above, have more than one row")]
    Duplicates {
        /// Name of the index.
        index: String,
        /// How many keys.
        keys: String,
    },

    /// A file other than the store's.
    #[error("{operation} {}", path.display())]
    File {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },

    /// Results could not be printed.
    #[error("write to standard output")]
    Output(#[source] io::Error),

    /// The input of `pipe` failed.
    #[error("read standard input")]
    Input(#[source] io::Error),

    /// A key without a value.
    #[error("get {key:?}: keyspace {keyspace:?} has no such key")]
    KeyNotFound {
        /// The keyspace.
        keyspace: String,
        /// The key, as text.
        key: String,
    },

    /// Arguments that cannot work together, or name something that nothing is known about.
    #[error("{0}")]
    Usage(String),

    /// A file or folder is not what the command needs.
    #[error("{0}")]
    Refused(String),

    /// A check that found damage.
    #[error("find the store whole: {0}; run `lightning repair` on a copy")]
    Damaged(String),
}

impl Failure {
    /// For `map_err` on what an index says.
    pub(crate) fn index(error: tables::index::Error) -> Self {
        match error {
            tables::index::Error::Storage(error) => Self::Store(error),
            error => Self::Refused(format!("ask the index: {error}")),
        }
    }

    /// For `map_err` on a file's operation.
    pub(crate) fn file(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { operation, path, source }
    }

    /// What a statement says, with the place in its text.
    pub(crate) fn of_statement(error: sql::Error, text: &str) -> Self {
        match error {
            sql::Error::File { .. } => error.into(),
            error => Self::Sql(error.shown_in(text)),
        }
    }

    /// The exit code, as [`EXIT_CODES`] has it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Service(lightning_db::ops::Error::Option { .. }) => 2,
            Self::KeyNotFound { .. }
            | Self::NotFound(_)
            | Self::Tables(tables::Error::NotFound { .. })
            | Self::Store(Error::NotFound { .. } | Error::KeyspaceNotFound { .. }) => 3,
            Self::Damaged(_) | Self::Tables(tables::Error::Corrupt { .. }) => 4,
            Self::Store(error) if is_corruption(error) => 4,
            _ => 1,
        }
    }

    /// Whether nobody reads the output any more.
    pub(crate) fn is_closed_output(&self) -> bool {
        matches!(self, Self::Output(source) if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The message with all its causes, as one line; that of a statement has its text below.
    pub(crate) fn to_line(&self) -> String {
        let text = self.to_string();
        // What was done comes first in most messages, in others what it was done with.
        let is_of = ["table ", "the "].into_iter().any(|lead| text.starts_with(lead));
        let lead = if is_of { "" } else { "failed to " };
        let mut line = format!("error: {lead}{text}");
        if let Self::Sql(_) = self {
            return line;
        }
        let mut cause = self.source();
        while let Some(error) = cause {
            line.push_str(": caused by ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        // A cause of several lines would look like several messages.
        line.replace('\n', " ")
    }
}

/// A failure of the store stays one.
impl From<tables::Error> for Failure {
    fn from(error: tables::Error) -> Self {
        match error {
            tables::Error::Storage(error) => Self::Store(error),
            error => Self::Tables(error),
        }
    }
}

/// A file that fails is told as one of this program's own.
impl From<sql::Error> for Failure {
    fn from(error: sql::Error) -> Self {
        match error {
            sql::Error::File { operation, path, source } => {
                Self::File { operation, path: PathBuf::from(path), source }
            }
            sql::Error::Line { .. } => Self::Refused(error.to_string()),
            error => Self::Sql(error.to_string()),
        }
    }
}

/// Whether damage is the cause, also of a flush that fails.
fn is_corruption(error: &Error) -> bool {
    match error {
        Error::Flush { source } => is_corruption(source),
        error => error.is_corruption(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_names_every_cause() {
        let source = io::Error::new(io::ErrorKind::PermissionDenied, "not\nyours");
        let failure = Failure::file("read", Path::new("/a"))(source);
        assert_eq!(failure.to_line(), "error: failed to read /a: caused by not yours");
        assert_eq!(failure.exit_code(), 1);
    }

    #[test]
    fn exit_codes_are_those_of_the_help() {
        let path = PathBuf::from("/a");
        assert_eq!(Failure::from(Error::NotFound { path: path.clone() }).exit_code(), 3);
        let corrupt = Error::Corrupt { path, offset: 7, detail: "bad".to_owned() };
        assert_eq!(Failure::from(corrupt).exit_code(), 4);
        let missing = tables::Error::NotFound { what: "table", name: "x".to_owned() };
        assert_eq!(Failure::from(missing).exit_code(), 3);
        assert_eq!(Failure::Usage("x".to_owned()).exit_code(), 2);
        assert_eq!(Failure::from(Error::ReadOnly).exit_code(), 1);
    }

    #[test]
    fn only_a_reader_that_went_away_is_no_failure() {
        assert!(Failure::Output(io::ErrorKind::BrokenPipe.into()).is_closed_output());
        assert!(!Failure::Output(io::ErrorKind::StorageFull.into()).is_closed_output());
        assert!(!Failure::Input(io::ErrorKind::BrokenPipe.into()).is_closed_output());
    }
}
