//! The tables that the state names: whole ones stay, damaged ones are written again.

use std::path::Path;
use std::sync::Arc;

use super::{Lost, Repair};
use crate::catalog::TableRecord;
use crate::entry::EntryRef;
use crate::error::{Error, Result};
use crate::table::{BlockCache, Table};

impl Repair<'_, '_> {
    pub(super) fn tables(&mut self) -> Result<()> {
        let cache = Arc::new(BlockCache::new(0));
        for (id, record) in self.state.tables.clone() {
            let path = self.table_path(id);
            let opened = Table::open(self.vfs, &path, record.meta.clone(), Arc::clone(&cache));
            let verified = opened.and_then(|table| table.verify(true));
            match verified.and_then(|_| self.verify_blobs(&path, &record)) {
                Ok(()) => self.report.tables_kept += 1,
                Err(error) if error.is_corruption() || error.is_missing_file() => {
                    self.salvage_table(&path, &record)?;
                }
                Err(error) => return Err(error),
            }
            self.meter.advance(record.meta.file_len)?;
        }
        Ok(())
    }

    /// Compares the blobs of a whole table with their checksums, but for those of the part that no
    /// longer counts, which may be gone.
    fn verify_blobs(&mut self, path: &Path, record: &TableRecord) -> Result<()> {
        if record.meta.blobs.is_empty() {
            return Ok(());
        }
        let vfs = self.vfs;
        Table::salvage(vfs, path, &mut |bytes| {
            let entry = EntryRef::decode(bytes).filter(|entry| *entry.key >= record.from[..]);
            entry.map_or(Ok(()), |entry| self.verify_blob(&entry))
        })
        .map(drop)
    }

    /// Writes a table again from its good blocks.
    fn salvage_table(&mut self, path: &Path, record: &TableRecord) -> Result<()> {
        let old = &record.meta;
        let keyspace = self.name_of(old.keyspace_id);
        let mut lost = |detail: String, key_after, key_before| {
            let (path, keyspace) = (path.to_owned(), keyspace.clone());
            self.report.lost.push(Lost { path, detail, keyspace, key_after, key_before });
        };
        self.state.tables.remove(&old.table_id);
        if !self.vfs.exists(path).map_err(Error::io("look at", path))? {
            let (from, to) = (old.key_min.clone(), old.key_max.clone());
            lost("the table is missing".into(), Some(from), Some(to));
            return Ok(());
        }
        let mut entries = Vec::new();
        let salvaged = Table::salvage(self.vfs, path, &mut |bytes| {
            if EntryRef::decode(bytes).is_some_and(|entry| *entry.key >= record.from[..]) {
                entries.push(bytes.to_vec());
            }
            Ok(())
        })?;
        for range in salvaged.lost {
            let detail = format!("{} bytes at {} cannot be read", range.len, range.offset);
            lost(detail, range.key_after, range.key_before);
        }
        let entries = self.without_lost_values(old.keyspace_id, entries)?;
        self.report.tables_salvaged += 1;
        self.report.entries_salvaged += entries.len() as u64;
        if !entries.is_empty() {
            let mut writer = self.begin_table(old.keyspace_id)?;
            for entry in entries {
                writer.add(&entry)?;
            }
            let mut meta = writer.finish()?;
            if old.stamp != 0 && meta.seq_max == 0 {
                meta.stamp(old.stamp);
            }
            let salvaged = TableRecord { meta, ..record.clone() };
            self.state.tables.insert(salvaged.meta.table_id, salvaged);
        }
        self.damaged.push(path.to_owned());
        Ok(())
    }

    /// Leaves out entries whose values cannot be read.
    fn without_lost_values(
        &mut self,
        keyspace_id: u32,
        entries: Vec<Vec<u8>>,
    ) -> Result<Vec<Vec<u8>>> {
        let mut kept = Vec::with_capacity(entries.len());
        for bytes in entries {
            let Some(entry) = EntryRef::decode(&bytes) else { continue };
            if self.keeps_value(keyspace_id, &entry)? {
                kept.push(bytes);
            }
        }
        Ok(kept)
    }
}
