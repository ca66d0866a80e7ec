//! The directory in sled 0.34.7: the one place of the crate that names it.
//!
//! sled is good at this: small, ordered, atomic, concurrent. It is not asked for durability, which
//! its `flush` (`sync_file_range`) cannot give, nor for damage detection: its files are opened only
//! if their seal, written at the last clean close, still matches every byte. A process that ended
//! without closing leaves no seal, and the directory is made again from the manifest.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lightning_db_types::checksum::{crc32c, crc32c_append};
use sled::{Config, Db, Mode};

use super::directory::{Directory, Record};
use super::directory_path;

const SEAL: &str = "directory.seal";
/// Pages that sled may cache: the directory is small, and is read at open only.
const CACHE_BYTES: u64 = 1 << 20;
const SEGMENT_BYTES: usize = 64 << 10;

/// See the head of this file.
pub(super) struct SledDirectory {
    path: PathBuf,
    seal: PathBuf,
    db: Option<Db>,
}

impl std::fmt::Debug for SledDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SledDirectory").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SledDirectory {
    pub(super) fn new(store: &Path) -> Self {
        Self { path: directory_path(store), seal: store.join(SEAL), db: None }
    }

    fn open(&self) -> sled::Result<Db> {
        Config::new()
            .path(&self.path)
            .mode(Mode::LowSpace)
            .cache_capacity(CACHE_BYTES)
            .segment_size(SEGMENT_BYTES)
            .flush_every_ms(None)
            .open()
    }

    /// Checks the seal and takes it away: from here on the files change.
    fn break_seal(&self) -> Result<(), String> {
        let seal = fs::read(&self.seal).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "the store was not closed cleanly".to_owned(),
            _ => error.to_string(),
        })?;
        fs::remove_file(&self.seal).map_err(|error| error.to_string())?;
        let found = checksum_of(&self.path).map_err(|error| error.to_string())?;
        if seal == found.to_le_bytes() { Ok(()) } else { Err("its files have changed".into()) }
    }
}

/// Checksum over names and bytes of all files of a folder.
fn checksum_of(dir: &Path) -> io::Result<u32> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        paths.push(entry?.path());
    }
    paths.sort();
    let mut crc = crc32c(&[]);
    for path in paths {
        crc = crc32c_append(crc, path.file_name().unwrap_or_default().as_encoded_bytes());
        if path.is_dir() {
            crc = crc32c_append(crc, &checksum_of(&path)?.to_le_bytes());
        } else {
            crc = crc32c_append(crc, &fs::read(path)?);
        }
    }
    Ok(crc)
}

impl Directory for SledDirectory {
    fn load(&mut self) -> Result<Vec<Record>, String> {
        self.break_seal()?;
        let db = self.open().map_err(|error| error.to_string())?;
        let records = db.iter().map(|item| item.map(|(key, value)| (key.to_vec(), value.to_vec())));
        let records = records.collect::<sled::Result<_>>().map_err(|error| error.to_string())?;
        self.db = Some(db);
        Ok(records)
    }

    fn reset(&mut self) {
        self.db = None;
        let _ = fs::remove_file(&self.seal);
        let _ = fs::remove_dir_all(&self.path);
        self.db = self.open().ok();
    }

    fn apply(&mut self, edit: Vec<(Vec<u8>, Option<Vec<u8>>)>) {
        let Some(db) = &self.db else { return };
        let mut batch = sled::Batch::default();
        for (key, value) in edit {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        if db.apply_batch(batch).is_err() {
            // It no longer agrees with the manifest: without a seal it will be made again.
            self.db = None;
        }
    }

    fn close(&mut self) {
        let Some(db) = self.db.take() else { return };
        let flushed = db.flush().is_ok();
        drop(db);
        if !flushed {
            return;
        }
        if let Ok(crc) = checksum_of(&self.path) {
            // A seal that is not written costs a rebuild at the next open.
            let _ = fs::write(&self.seal, crc.to_le_bytes());
        }
    }
}
