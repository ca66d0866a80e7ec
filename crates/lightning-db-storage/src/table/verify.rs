//! Checks a table against its own checksums, its index, its filter and what the manifest says.

use crate::entry::{self, EntryRef};
use crate::error::{Error, Result};

use super::filter::hash_key;
use super::format::read_file_header;
use super::meta::{Step, TableMeta, Tally};
use super::{Parts, Table, check_len, read_data, read_parts, read_properties};

/// Blocks that every table has besides those with data: filter, index, properties.
const PARTS: u64 = 3;

impl Table {
    /// Checks the table, reading from the file and not from memory; gives the number of blocks that
    /// were read and found whole.
    ///
    /// Without `deep`: header, footer, properties, index, filter and length of the file, and that
    /// they agree. With `deep` also every entry: that it is in order, is found by index and filter,
    /// and that all together are what the properties say.
    ///
    /// # Errors
    /// `Corrupt` with the first damage, `Io` if the file cannot be read.
    pub(crate) fn verify(&self, deep: bool) -> Result<u64> {
        let (file, path) = (&*self.file, &self.path);
        check_len(file, path, &self.meta)?;
        let (footer, parts) = read_parts(file, path, self.meta.file_len)?;
        let properties = read_properties(file, path, &footer)?;
        let written = self.meta.as_written();
        if properties != written {
            let detail = "the properties are not what the manifest says of this table";
            return Err(Error::corrupt(path, footer.properties.offset, detail));
        }
        let header = read_file_header(file, path)?;
        let (table_id, keyspace_id) = (self.meta.table_id, self.meta.keyspace_id);
        if header.table_id != table_id || header.keyspace_id != keyspace_id {
            let detail = "the table header is that of another table";
            return Err(Error::corrupt(path, 0, detail));
        }
        if !deep {
            return Ok(PARTS);
        }
        let mut tally = Tally::default();
        for number in 0..parts.index.count() {
            self.verify_block(&parts, number, &mut tally)?;
        }
        let meta =
            TableMeta { table_id, keyspace_id, file_len: self.meta.file_len, ..tally.into_meta() };
        if meta != written {
            let detail = "the entries are not what the properties say of them";
            return Err(Error::corrupt(path, footer.properties.offset, detail));
        }
        Ok(PARTS + parts.index.count() as u64)
    }

    fn verify_block(&self, parts: &Parts, number: usize, tally: &mut Tally) -> Result<()> {
        let index = &parts.index;
        let offset = index.handle(number).map_or(0, |handle| handle.extent.offset);
        let corrupt = |detail: String| Err(Error::corrupt(&self.path, offset, detail));
        let block = read_data(&*self.file, &self.path, self.meta.table_id, index, number)?;
        let (key, seq) = index.bound(number);
        if entry::compare_at(block.entry(block.count() - 1), key, seq).is_gt() {
            return corrupt(format!("block {number} goes on behind its bound in the index"));
        }
        if let Some(before) = number.checked_sub(1) {
            let (key, seq) = index.bound(before);
            if entry::compare_at(block.entry(0), key, seq).is_le() {
                return corrupt(format!("block {number} begins before its place in the index"));
            }
        }
        for at in 0..block.count() {
            let bytes = block.entry(at);
            let Some(entry) = EntryRef::decode(bytes) else {
                return corrupt(format!("entry {at} of block {number} is none"));
            };
            match tally.add(&entry, bytes.len()) {
                Step::Key if !parts.filter.may_contain(hash_key(entry.key)) => {
                    return corrupt(format!("the filter denies entry {at} of block {number}"));
                }
                Step::Key | Step::Version => {}
                Step::OutOfOrder => {
                    return corrupt(format!("entry {at} of block {number} is out of order"));
                }
                Step::NoBlobId => {
                    return corrupt(format!("entry {at} of block {number} names no blob"));
                }
            }
        }
        Ok(())
    }
}
