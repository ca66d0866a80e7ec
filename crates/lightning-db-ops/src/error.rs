//! What can go wrong before a shutdown; what goes wrong in one is in its report.

use std::io;
use std::path::PathBuf;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option has a value that it cannot have.
    #[error("use {value} as {option}: {reason}")]
    Option {
        /// Its name.
        option: &'static str,
        /// What it was set to.
        value: String,
        /// Why that cannot be.
        reason: &'static str,
    },
    /// A component of that name is registered already.
    #[error("register {name}: a component of that name is registered already")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// Components would wait for each other.
    #[error("register {name}: it would wait for itself, through {}", through.join(", "))]
    Cycle {
        /// The component that was to be registered.
        name: String,
        /// Names of the others, each of which uses the next.
        through: Vec<String>,
    },
    /// The shutdown is over.
    #[error("register {name}: the shutdown is over")]
    Over {
        /// The component that was to be registered.
        name: String,
    },
    /// The process has a recorder of metrics already.
    #[error("install the recorder of metrics: the process has one")]
    Installed,
    /// A file could not be read or written.
    #[error("{action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A certificate or its key is of no use.
    #[error("{what} of the endpoint")]
    Tls {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A thread or a signal handler could not be set up.
    #[error("start {what}")]
    Start {
        /// What it was for.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
