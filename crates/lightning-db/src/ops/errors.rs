//! What kind of error it is, by a bounded number of names.

use lightning_db_storage::Error;

/// An error that has one of the kinds that are counted apart.
pub trait ErrorType {
    /// The kind, as the label `error_type` of `lightningdb_errors_total` has it; one that is not
    /// among its values counts as `other`.
    fn error_type(&self) -> &'static str;
}

impl ErrorType for Error {
    fn error_type(&self) -> &'static str {
        match self {
            Self::Io { .. } | Self::Flush { .. } => "io",
            Self::Corrupt { .. } | Self::FormatVersion { .. } => "corrupt",
            Self::Poisoned { .. } => "poisoned",
            Self::Closed => "closed",
            Self::ReadOnly => "read_only",
            Self::KeyTooLong { .. }
            | Self::ValueTooLong { .. }
            | Self::CommitTooLarge { .. }
            | Self::DiskLimit { .. } => "limit",
            Self::Contention { .. } | Self::Locked { .. } => "contention",
            Self::NotFound { .. }
            | Self::KeyspaceNotFound { .. }
            | Self::KeyspaceDropped { .. }
            | Self::ChangesDropped { .. } => "not_found",
            Self::KeyspaceOptions { .. }
            | Self::NotSorted { .. }
            | Self::SavepointGone
            | Self::InvalidOption { .. } => "argument",
            Self::Cancelled => "cancelled",
            _ => "other",
        }
    }
}

#[cfg(feature = "tables")]
impl ErrorType for lightning_db_table::Error {
    fn error_type(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.error_type(),
            Self::NotFound { .. } => "not_found",
            Self::Exists { .. } | Self::Definition { .. } => "argument",
            _ => "other",
        }
    }
}

#[cfg(feature = "query")]
impl ErrorType for lightning_db_query::Error {
    fn error_type(&self) -> &'static str {
        match self {
            Self::Table(error) => error.error_type(),
            Self::Memory { .. } => "limit",
            Self::Index(_) => "other",
            _ => "argument",
        }
    }
}

#[cfg(feature = "sql")]
impl ErrorType for lightning_db_sql::Error {
    fn error_type(&self) -> &'static str {
        match self {
            Self::Query(error) => error.error_type(),
            Self::Table(error) => error.error_type(),
            Self::Conflict | Self::Busy => "contention",
            Self::Unknown { .. } => "not_found",
            _ => "argument",
        }
    }
}
