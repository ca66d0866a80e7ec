//! The engines that take part. Each file names the settings that stand for each durability level.

#[cfg(feature = "lightning")]
mod lightning;

mod fjall;
mod lmdb;
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod sled;
mod sqlite;

use std::path::Path;

use anyhow::{Result, bail};

use super::engine::{Level, Setup};
use super::lane::{Lane, open};

/// An engine that can take part.
#[derive(Clone, Copy)]
pub(crate) struct Contestant {
    /// Name in rows, and for `--engines`.
    pub name: &'static str,
    /// Its package in the lock file, for the version in the head row.
    pub package: &'static str,
    /// Levels at which a commit survives less than the level says: see the file of the engine.
    pub weaker: &'static [Level],
    /// Opens a store.
    pub open: fn(&Path, &Setup) -> Result<Box<dyn Lane>>,
}

impl std::fmt::Debug for Contestant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contestant").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All engines of this build, ours first.
pub(crate) const ALL: &[Contestant] = &[
    #[cfg(feature = "lightning")]
    Contestant {
        name: crate::comparison::OURS,
        package: "lightning-db-storage",
        weaker: &[],
        open: open::<lightning::Lightning>,
    },
    Contestant {
        name: "sled",
        package: "sled",
        weaker: &[Level::Buffered, Level::Sync],
        open: open::<sled::Sled>,
    },
    Contestant {
        name: "redb",
        package: "redb",
        weaker: &[Level::Buffered],
        open: open::<redb::Redb>,
    },
    Contestant { name: "fjall", package: "fjall", weaker: &[], open: open::<fjall::Fjall> },
    Contestant { name: "lmdb", package: "heed", weaker: &[], open: open::<lmdb::Lmdb> },
    #[cfg(feature = "rocksdb")]
    Contestant { name: "rocksdb", package: "rocksdb", weaker: &[], open: open::<rocksdb::RocksDb> },
    Contestant { name: "sqlite", package: "rusqlite", weaker: &[], open: open::<sqlite::Sqlite> },
];

/// Engines that this build lacks, each with the reason.
pub(crate) const SKIPPED: &[(&str, &str)] = &[
    #[cfg(not(feature = "lightning"))]
    (crate::comparison::OURS, "skipped, built without it"),
    #[cfg(not(feature = "rocksdb"))]
    ("rocksdb", "skipped, library not installed"),
];

/// The engine called `name`.
///
/// # Errors
///
/// When this build has none of that name.
pub(crate) fn by_name(name: &str) -> Result<Contestant> {
    if let Some((name, reason)) = SKIPPED.iter().find(|(skipped, _)| *skipped == name) {
        bail!("{name}: {reason}");
    }
    match ALL.iter().find(|contestant| contestant.name == name) {
        Some(contestant) => Ok(*contestant),
        None => bail!("unknown engine {name}, this build has {}", names().join(", ")),
    }
}

/// The names of all engines of this build.
pub(crate) fn names() -> Vec<&'static str> {
    ALL.iter().map(|contestant| contestant.name).collect()
}
