//! The manifest file: a head with its own checksum, and all records of the catalog.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | magic `LDBMANIF` |
//! | 8 | 4 | format version |
//! | 12 | 4 | CRC32C of bytes 0..12 and 16..64 |
//! | 16 | 8 | epoch: number of changes to the catalog |
//! | 24 | 8 | number of records |
//! | 32 | 8 | checksum of the records: CRC32C of each, mixed and added up, so in any order |
//! | 40 | 8 | length of the body |
//! | 48 | 4 | CRC32C of the body |
//! | 64 | .. | body: for each record key length, value length (4 bytes each), key, value |

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use lightning_db_types::checksum::{crc32c, crc32c_append};
use lightning_db_types::{OpenMode, Vfs};

use super::directory::Record;
use crate::error::{Error, Result};
use crate::planted;

/// Name of the manifest in the folder of the store.
pub(crate) const MANIFEST: &str = "manifest";
/// Name of its copy, written when keyspaces change and before tables are removed; see `repair`.
pub(crate) const MANIFEST_COPY: &str = "manifest.keyspaces";
const MAGIC: [u8; 8] = *b"LDBMANIF";
/// Version 1 knew no bounds of tables. It was never released, and is not read.
const VERSION: u32 = 2;
const HEAD_LEN: usize = 64;

/// What the directory is checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Head {
    pub(super) epoch: u64,
    pub(super) records: u64,
    pub(super) checksum: u64,
}

impl Head {
    pub(super) fn of(records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Self {
        Self::of_iter(records.iter().map(|(key, value)| (&key[..], &value[..])))
    }

    pub(super) fn of_iter<'a>(records: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut head = Self::default();
        for (key, value) in records {
            head.records += 1;
            let lens = [key.len().to_le_bytes(), value.len().to_le_bytes()].concat();
            let crc = crc32c_append(crc32c_append(crc32c(&lens), key), value);
            let mixed = (u64::from(crc) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            head.checksum = head.checksum.wrapping_add(mixed ^ (mixed >> 29));
        }
        head
    }
}

/// Reads the manifest: its head, and its body or what is wrong with it. `None` if there is none.
pub(super) fn read(vfs: &dyn Vfs, path: &Path) -> Result<Option<(Head, Result<Vec<Record>>)>> {
    let file = match vfs.open(path, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(Error::io("open", path))?,
    };
    let len = file.len().map_err(Error::io("measure", path))?;
    if len < HEAD_LEN as u64 {
        return Err(Error::corrupt(path, len, "manifest is cut short"));
    }
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, 0).map_err(Error::io("read", path))?;
    let (head, body) = bytes.split_at(HEAD_LEN);
    if head[..8] != MAGIC {
        return Err(Error::corrupt(path, 0, "not a manifest"));
    }
    if field::<4>(head, 12) != crc32c_append(crc32c(&head[..12]), &head[16..]).to_le_bytes() {
        return Err(Error::corrupt(path, 12, "checksum of the manifest's head does not match"));
    }
    let version = u32::from_le_bytes(field(head, 8));
    if version > VERSION {
        let path = path.to_owned();
        return Err(Error::FormatVersion { path, found: version, supported: VERSION });
    }
    if version < VERSION {
        let detail = format!("format version {version} was never released, and is not read");
        return Err(Error::corrupt(path, 8, detail));
    }
    let [epoch, records, checksum] = [16, 24, 32].map(|at| u64::from_le_bytes(field(head, at)));
    let crc = u32::from_le_bytes(field(head, 48));
    let head = Head { epoch, records, checksum };
    Ok(Some((head, decode_body(path, body, crc, head))))
}

fn decode_body(path: &Path, body: &[u8], crc: u32, head: Head) -> Result<Vec<Record>> {
    let damaged = |detail| Error::corrupt(path, HEAD_LEN as u64, detail);
    if crc32c(body) != crc {
        return Err(damaged("checksum of the manifest's records does not match"));
    }
    let mut records = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let record = take_record(&mut rest);
        records.push(record.ok_or_else(|| damaged("a record of the manifest is cut short"))?);
    }
    let found = Head::of_iter(records.iter().map(|(key, value)| (&key[..], &value[..])));
    if (Head { epoch: head.epoch, ..found }) != head {
        return Err(damaged("records of the manifest do not agree with its head"));
    }
    Ok(records)
}

fn take_record(rest: &mut &[u8]) -> Option<Record> {
    let (lens, tail) = rest.split_at_checked(8)?;
    let (key, tail) = tail.split_at_checked(u32::from_le_bytes(field(lens, 0)) as usize)?;
    let (value, tail) = tail.split_at_checked(u32::from_le_bytes(field(lens, 4)) as usize)?;
    *rest = tail;
    Some((key.to_vec(), value.to_vec()))
}

/// Writes the manifest whole and puts it in the place of the old one.
pub(super) fn write(
    vfs: &dyn Vfs,
    dir: &Path,
    name: &str,
    head: Head,
    records: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> Result<()> {
    let mut bytes = vec![0; HEAD_LEN];
    for (key, value) in records {
        for part in [key, value] {
            let len = u32::try_from(part.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&len.to_le_bytes());
        }
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
    }
    let body_len = (bytes.len() - HEAD_LEN) as u64;
    let body_crc = crc32c(&bytes[HEAD_LEN..]);
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..24].copy_from_slice(&head.epoch.to_le_bytes());
    bytes[24..32].copy_from_slice(&head.records.to_le_bytes());
    bytes[32..40].copy_from_slice(&head.checksum.to_le_bytes());
    bytes[40..48].copy_from_slice(&body_len.to_le_bytes());
    bytes[48..52].copy_from_slice(&body_crc.to_le_bytes());
    let crc = crc32c_append(crc32c(&bytes[..12]), &bytes[16..HEAD_LEN]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());

    let temporary = dir.join(format!("{name}.new"));
    match vfs.remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("remove", &temporary)(error));
        }
        _ => {}
    }
    let mode = OpenMode::CreateNew;
    let file = vfs.open(&temporary, mode).map_err(Error::io("make", &temporary))?;
    file.write_all_at(&bytes, 0).map_err(Error::io("write", &temporary))?;
    if !planted::is("skip-manifest-sync") {
        file.sync_all().map_err(Error::io("sync", &temporary))?;
    }
    let target = dir.join(name);
    vfs.rename(&temporary, &target).map_err(Error::io("rename", &temporary))?;
    vfs.sync_dir(dir).map_err(Error::io("sync folder", dir))
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}
