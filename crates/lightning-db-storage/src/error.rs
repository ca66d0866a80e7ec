//! What can go wrong, where, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Result of the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the store. Expected outcomes (a conflict, a missing key) are values, not errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk refused a call. The store stays usable unless the call was a write of the log.
    #[error("{operation} {}", path.display())]
    Io {
        /// What was being done: "read", "sync", ...
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the disk said.
        #[source]
        source: io::Error,
    },

    /// Bytes on the disk are not what was written. Nothing was returned in their place.
    #[error("read {}: damaged at byte {offset}: {detail}; run `repair` on a copy to salvage \
        the rest", path.display())]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// Where in the file, in bytes.
        offset: u64,
        /// What was found.
        detail: String,
    },

    /// Another process, or another handle in this one, has the store open.
    #[error("open {}: the store is in use by another process or handle; close it, or open \
        read-only", path.display())]
    Locked {
        /// Folder of the store.
        path: PathBuf,
    },

    /// The folder holds no store, and it may not be made: read-only, or for a check.
    #[error("open {}: no store here", path.display())]
    NotFound {
        /// Folder of the store.
        path: PathBuf,
    },

    /// The files were written by a newer version of this library.
    #[error("open {}: format version {found} is newer than {supported}, the newest this \
        library reads; update the library", path.display())]
    FormatVersion {
        /// The file that says so.
        path: PathBuf,
        /// Version in the file.
        found: u32,
        /// Newest version this library reads.
        supported: u32,
    },

    /// An earlier write or sync of the log failed, so that nothing is known about what is on the
    /// disk. Reads go on; writes are refused until the store is opened again.
    #[error(
        "write: the store is poisoned by an earlier failure ({reason}); close and open it again"
    )]
    Poisoned {
        /// The failure.
        reason: String,
    },

    /// The store was opened read-only.
    #[error("write: the store was opened read-only")]
    ReadOnly,

    /// The store was closed.
    #[error("use the store: it was closed")]
    Closed,

    /// The keyspace was dropped, by this or another handle.
    #[error("use keyspace {name:?}: it was dropped")]
    KeyspaceDropped {
        /// Name of the keyspace.
        name: String,
    },

    /// There is no keyspace of this name.
    #[error("open keyspace {name:?}: there is none of this name")]
    KeyspaceNotFound {
        /// Name of the keyspace.
        name: String,
    },

    /// A keyspace name is empty, longer than 255 bytes, or exists with other options.
    #[error("open keyspace {name:?}: {detail}")]
    KeyspaceOptions {
        /// Name of the keyspace.
        name: String,
        /// What is wrong.
        detail: String,
    },

    /// A key is longer than [`KEY_LEN_MAX`](crate::KEY_LEN_MAX).
    #[error("write: key of {len} bytes is longer than the limit of {max} bytes")]
    KeyTooLong {
        /// Length of the key, in bytes.
        len: usize,
        /// The limit, in bytes.
        max: usize,
    },

    /// A value is longer than [`VALUE_LEN_MAX`](crate::VALUE_LEN_MAX), or than what its reader
    /// gave.
    #[error("write: value of {len} bytes is longer than the limit of {max} bytes")]
    ValueTooLong {
        /// Length of the value, in bytes.
        len: u64,
        /// The limit, in bytes.
        max: u64,
    },

    /// One commit is larger than the write-ahead log takes in one record.
    #[error(
        "commit: {len} bytes are more than one commit may hold, {max}; split it, or use bulk ingest"
    )]
    CommitTooLarge {
        /// Size of the commit, in bytes.
        len: u64,
        /// The limit, in bytes.
        max: u64,
    },

    /// The store would grow past its disk limit.
    #[error(
        "write: {used} bytes are in use and the disk limit is {limit}; remove data and \
            compact, or raise the limit"
    )]
    DiskLimit {
        /// Bytes in use.
        used: u64,
        /// The limit, in bytes.
        limit: u64,
    },

    /// Entries given to bulk ingest are not in strictly ascending key order.
    #[error(
        "ingest: entry {index} does not come after the one before it; sort by key and \
            remove duplicates"
    )]
    NotSorted {
        /// Position of the entry, from zero.
        index: u64,
    },

    /// A change reader's position is no longer in the log.
    #[error(
        "read changes from {requested}: the log starts at {oldest}; read the data again and \
            go on from there, or keep more log with `change_log_limit`"
    )]
    ChangesDropped {
        /// First number asked for.
        requested: u64,
        /// Oldest number there is.
        oldest: u64,
    },

    /// Memtables are full because flushing them fails. It is tried again with the next write.
    #[error("write: memtables are full and flushing them fails; make room on the disk and retry")]
    Flush {
        /// Why the last try failed.
        #[source]
        source: std::sync::Arc<Error>,
    },

    /// `Store::run` gave up: every try ended in a conflict.
    #[error(
        "run the transaction: all {attempts} tries ended in a conflict; make it smaller, or \
            retry later"
    )]
    Contention {
        /// How many tries were made.
        attempts: u32,
    },

    /// A savepoint was rolled back or released before, or is of another transaction.
    #[error("roll back to the savepoint: it is no longer part of this transaction")]
    SavepointGone,

    /// The [`Observer`](crate::Observer) of long work asked it to end. Nothing unfinished is left.
    #[error("finish the work: it was cancelled")]
    Cancelled,

    /// An option has a value that cannot work.
    #[error("open: option {option}: {detail}")]
    InvalidOption {
        /// Name of the option.
        option: &'static str,
        /// What is wrong with it.
        detail: String,
    },
}

impl Error {
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { operation, path, source }
    }

    pub(crate) fn corrupt(path: &Path, offset: u64, detail: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), offset, detail: detail.into() }
    }

    /// Whether the same call may succeed later without anything else being changed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::Contention { .. } | Self::Flush { .. })
    }

    pub(crate) fn is_missing_file(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether bytes on the disk are damaged, so that `check` and `repair` are the way on.
    pub fn is_corruption(&self) -> bool {
        matches!(self, Self::Corrupt { .. })
    }
}
