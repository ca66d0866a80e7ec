//! The directory in memory, kept as one file beside the manifest: the twin of sled for disks that
//! sled cannot reach, simulated ones above all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lightning_db_types::checksum::crc32c;
use lightning_db_types::{OpenMode, Vfs};

use super::directory::{Directory, Record};

const FILE: &str = "directory.snapshot";

/// See the head of this file. Written on close only, and never synced: like sled after a crash, it
/// may be lost or stale.
#[derive(Debug)]
pub(super) struct MemoryDirectory {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    records: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl MemoryDirectory {
    pub(super) fn new(vfs: Arc<dyn Vfs>, store: &Path) -> Self {
        Self { vfs, path: store.join(FILE), records: BTreeMap::new() }
    }

    fn read(&self) -> Result<Vec<Record>, String> {
        let text = |error: std::io::Error| error.to_string();
        let file = self.vfs.open(&self.path, OpenMode::Read).map_err(text)?;
        let len = usize::try_from(file.len().map_err(text)?).map_err(|_| "too long")?;
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, 0).map_err(text)?;
        let (crc, mut rest) = bytes.split_first_chunk().ok_or("cut short")?;
        if u32::from_le_bytes(*crc) != crc32c(rest) {
            return Err("checksum does not match".into());
        }
        let mut records = Vec::new();
        while !rest.is_empty() {
            let key = take(&mut rest).ok_or("cut short")?;
            let value = take(&mut rest).ok_or("cut short")?;
            records.push((key, value));
        }
        Ok(records)
    }
}

fn take(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (taken, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    *bytes = rest;
    Some(taken.to_vec())
}

impl Directory for MemoryDirectory {
    fn load(&mut self) -> Result<Vec<Record>, String> {
        let records = self.read()?;
        self.records = records.iter().cloned().collect();
        // What follows changes the records, so the file must not be trusted until the next close.
        let _ = self.vfs.remove_file(&self.path);
        Ok(records)
    }

    fn reset(&mut self) {
        self.records.clear();
        let _ = self.vfs.remove_file(&self.path);
    }

    fn apply(&mut self, edit: Vec<(Vec<u8>, Option<Vec<u8>>)>) {
        for (key, value) in edit {
            match value {
                Some(value) => self.records.insert(key, value),
                None => self.records.remove(&key),
            };
        }
    }

    fn close(&mut self) {
        let mut bytes = Vec::new();
        for part in self.records.iter().flat_map(|(key, value)| [key, value]) {
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(0).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        let crc = crc32c(&bytes);
        let _ = self.vfs.remove_file(&self.path);
        if let Ok(file) = self.vfs.open(&self.path, OpenMode::CreateNew) {
            // A failure leaves a file whose checksum does not match: the next load says so.
            let _ = file.write_all_at(&bytes, 4);
            let _ = file.write_all_at(&crc.to_le_bytes(), 0);
        }
    }
}
