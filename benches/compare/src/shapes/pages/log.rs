//! The log in front of the pages: one buffered write for each commit, so a killed process loses
//! nothing.
//!
//! A record, little-endian: length of the body (4 bytes), CRC-32 of the body (4), and the body:
//! sequence (8), then for each entry key (16), length of the value (4), value. A record that is
//! short or does not match its checksum ends the log.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::shapes::prototype::Sequence;
use crate::workload::Key;

const HEAD_LEN: usize = 8;

/// An open log.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    len: u64,
    record: Vec<u8>,
}

impl Log {
    /// Opens the log at `path`, hands every entry of its whole records to `replay`, and cuts off
    /// what follows them.
    pub(super) fn open(
        path: &Path,
        mut replay: impl FnMut(Sequence, &Key, &[u8]) -> Result<()>,
    ) -> Result<Self> {
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut rest = bytes.as_slice();
        while let Some((body, tail)) = next_record(rest) {
            replay_body(body, &mut replay)?;
            rest = tail;
        }
        let len = (bytes.len() - rest.len()) as u64;
        file.set_len(len)?;
        file.seek(SeekFrom::Start(len))?;
        Ok(Self { file, len, record: Vec::new() })
    }

    /// Appends one commit.
    pub(super) fn append(&mut self, sequence: Sequence, entries: &[(Key, &[u8])]) -> Result<()> {
        let record = &mut self.record;
        record.clear();
        record.extend_from_slice(&[0; HEAD_LEN]);
        record.extend_from_slice(&sequence.to_le_bytes());
        for (key, value) in entries {
            record.extend_from_slice(key);
            record.extend_from_slice(&u32::try_from(value.len())?.to_le_bytes());
            record.extend_from_slice(value);
        }
        let body = u32::try_from(record.len() - HEAD_LEN)?;
        let crc = crc32fast::hash(&record[HEAD_LEN..]);
        record[..4].copy_from_slice(&body.to_le_bytes());
        record[4..HEAD_LEN].copy_from_slice(&crc.to_le_bytes());
        self.file.write_all(record)?;
        self.len += record.len() as u64;
        Ok(())
    }

    /// Bytes of all records.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Forgets all records. What they say must be in sled's files.
    pub(super) fn clear(&mut self) -> Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.len = 0;
        Ok(())
    }

    /// Returns when all records are on disk.
    pub(super) fn sync(&self) -> Result<()> {
        Ok(self.file.sync_data()?)
    }
}

/// The body of the first record of `bytes`, and what follows it. Zeros, which a file system may
/// leave after a power loss, are no record.
fn next_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (crc, rest) = rest.split_first_chunk()?;
    let (body, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    let is_whole = !body.is_empty() && crc32fast::hash(body) == u32::from_le_bytes(*crc);
    is_whole.then_some((body, rest))
}

fn replay_body(
    body: &[u8],
    replay: &mut impl FnMut(Sequence, &Key, &[u8]) -> Result<()>,
) -> Result<()> {
    let (sequence, mut rest) = body.split_first_chunk().context("a record has no sequence")?;
    while !rest.is_empty() {
        let (key, tail) = rest.split_first_chunk().context("a record ends in a key")?;
        let (len, tail) = tail.split_first_chunk().context("a record ends in a length")?;
        let len = u32::from_le_bytes(*len) as usize;
        let (value, tail) = tail.split_at_checked(len).context("a record ends in a value")?;
        replay(Sequence::from_le_bytes(*sequence), key, value)?;
        rest = tail;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::sequential_key;

    fn replayed(path: &Path) -> (Log, Vec<(Sequence, Vec<u8>)>) {
        let mut found = Vec::new();
        let log = Log::open(path, |sequence, _, value| {
            found.push((sequence, value.to_vec()));
            Ok(())
        });
        (log.unwrap(), found)
    }

    #[test]
    fn a_torn_record_is_cut_off_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let (mut log, found) = replayed(&path);
        assert!(found.is_empty());
        log.append(1, &[(sequential_key(1), b"one")]).unwrap();
        let whole = log.len();
        log.append(2, &[(sequential_key(1), b"two"), (sequential_key(2), b"more")]).unwrap();
        log.file.set_len(log.len() - 1).unwrap();
        let (mut log, found) = replayed(&path);
        assert_eq!((found, log.len()), (vec![(1, b"one".to_vec())], whole));
        log.append(3, &[(sequential_key(3), b"three")]).unwrap();
        assert_eq!(replayed(&path).1, [(1, b"one".to_vec()), (3, b"three".to_vec())]);
        log.clear().unwrap();
        log.append(4, &[(sequential_key(4), b"four")]).unwrap();
        assert_eq!(replayed(&path).1, [(4, b"four".to_vec())]);
    }
}
