//! Bytes of a table file: file header, block headers and footer, encoded and checked.
//!
//! All integers are little-endian. `docs/storage-format.md` shows the whole file.

use std::path::Path;

use lightning_db_types::checksum::crc32c;

use crate::entry::{KEY_LEN_MAX, VALUE_LEN_MAX};
use crate::error::{Error, Result};

/// Newest format this code reads, and the one it writes.
pub(super) const FORMAT_VERSION: u32 = 1;
/// Length of the file header, in bytes.
pub(super) const FILE_HEADER_LEN: usize = 64;
/// Length of the header of every block, in bytes.
pub(super) const BLOCK_HEADER_LEN: usize = 32;
/// Length of the footer, in bytes.
pub(super) const FOOTER_LEN: usize = 64;
/// First bytes of every block.
pub(super) const BLOCK_MAGIC: [u8; 4] = *b"LdB\xb7";

const FILE_MAGIC: [u8; 8] = *b"LDBTABLE";
const FOOTER_MAGIC: [u8; 8] = *b"LDBTBEND";
const FILE_CRC_AT: usize = 60;
const FOOTER_CRC_AT: usize = 52;
/// Where the checksummed part of a block begins: behind its magic and the checksum itself.
const BLOCK_CRC_FROM: usize = 8;
/// The longest entry, its offsets and its count, with room to spare.
const RAW_LEN_MAX: u64 = VALUE_LEN_MAX + KEY_LEN_MAX as u64 + 4096;
/// No LZ4 block grows by more than this when it is decoded.
const LZ4_RATIO_MAX: u64 = 255;

/// How blocks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Blocks are stored as they are: the fastest reads that miss the block cache.
    Off,
    /// LZ4 for each block that shrinks by at least an eighth.
    #[default]
    Lz4,
}

/// What a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockKind {
    Data = 1,
    Filter = 2,
    Index = 3,
    Properties = 4,
}

impl BlockKind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Data, Self::Filter, Self::Index, Self::Properties]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// First bytes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileHeader {
    pub(super) table_id: u64,
    pub(super) keyspace_id: u32,
    pub(super) created_unix_ms: u64,
}

impl FileHeader {
    pub(super) fn encode(&self) -> [u8; FILE_HEADER_LEN] {
        let mut bytes = [0; FILE_HEADER_LEN];
        bytes[..8].copy_from_slice(&FILE_MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.keyspace_id.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.table_id.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.created_unix_ms.to_le_bytes());
        let crc = crc32c(&bytes[..FILE_CRC_AT]);
        bytes[FILE_CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn decode(path: &Path, bytes: &[u8; FILE_HEADER_LEN]) -> Result<Self> {
        if bytes[..8] != FILE_MAGIC {
            return Err(Error::corrupt(path, 0, "the file does not begin as a table"));
        }
        if u32_at(bytes, FILE_CRC_AT) != Some(crc32c(&bytes[..FILE_CRC_AT])) {
            return Err(Error::corrupt(path, 0, "checksum of the table header is wrong"));
        }
        check_version(path, u32_at(bytes, 8).unwrap_or_default())?;
        Ok(Self {
            keyspace_id: u32_at(bytes, 12).unwrap_or_default(),
            table_id: u64_at(bytes, 16).unwrap_or_default(),
            created_unix_ms: u64_at(bytes, 24).unwrap_or_default(),
        })
    }
}

fn check_version(path: &Path, found: u32) -> Result<()> {
    if found > FORMAT_VERSION {
        let path = path.to_owned();
        return Err(Error::FormatVersion { path, found, supported: FORMAT_VERSION });
    }
    Ok(())
}

/// Where a block stands: offset of its header, and its length with the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) offset: u64,
    pub(super) len: u64,
}

impl Extent {
    pub(super) fn end(self) -> u64 {
        self.offset.saturating_add(self.len)
    }
}

/// Last bytes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) table_id: u64,
    /// Number of data blocks; the filter, index and properties blocks follow with the next numbers.
    pub(super) blocks: u32,
    pub(super) filter: Extent,
    pub(super) index: Extent,
    pub(super) properties: Extent,
}

impl Footer {
    pub(super) fn encode(&self) -> [u8; FOOTER_LEN] {
        let mut bytes = [0; FOOTER_LEN];
        bytes[..8].copy_from_slice(&self.filter.offset.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.index.offset.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.properties.offset.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.properties.end().to_le_bytes());
        bytes[32..40].copy_from_slice(&self.table_id.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.blocks.to_le_bytes());
        bytes[44..48].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        let crc = crc32c(&bytes[..FOOTER_CRC_AT]);
        bytes[FOOTER_CRC_AT..56].copy_from_slice(&crc.to_le_bytes());
        bytes[56..].copy_from_slice(&FOOTER_MAGIC);
        bytes
    }

    /// Decodes the footer that stands at `offset`, and checks that its blocks fill the space before
    /// it without a gap.
    pub(super) fn decode(path: &Path, offset: u64, bytes: &[u8; FOOTER_LEN]) -> Result<Self> {
        let corrupt = |detail: &str| Err(Error::corrupt(path, offset, detail));
        if bytes[56..] != FOOTER_MAGIC {
            return corrupt("the file does not end as a table");
        }
        if u32_at(bytes, FOOTER_CRC_AT) != Some(crc32c(&bytes[..FOOTER_CRC_AT])) {
            return corrupt("checksum of the table footer is wrong");
        }
        check_version(path, u32_at(bytes, 44).unwrap_or_default())?;
        let at = |at: usize| u64_at(bytes, at).unwrap_or_default();
        let (filter, index, properties, end) = (at(0), at(8), at(16), at(24));
        let header = BLOCK_HEADER_LEN as u64;
        let follows = |from: u64, to: u64| to.checked_sub(from).is_some_and(|len| len >= header);
        let whole = filter >= FILE_HEADER_LEN as u64
            && follows(filter, index)
            && follows(index, properties)
            && follows(properties, end)
            && end == offset;
        if !whole {
            return corrupt("the table footer names blocks that cannot be");
        }
        Ok(Self {
            table_id: at(32),
            blocks: u32_at(bytes, 40).unwrap_or_default(),
            filter: Extent { offset: filter, len: index - filter },
            index: Extent { offset: index, len: properties - index },
            properties: Extent { offset: properties, len: end - properties },
        })
    }
}

/// First bytes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHeader {
    pub(super) table_id: u64,
    pub(super) number: u32,
    pub(super) stored_len: u32,
    pub(super) raw_len: u32,
    pub(super) kind: BlockKind,
    pub(super) compression: Compression,
}

impl BlockHeader {
    /// Appends the header and the stored bytes, with their checksum.
    pub(super) fn encode(&self, stored: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&BLOCK_MAGIC);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.table_id.to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.stored_len.to_le_bytes());
        out.extend_from_slice(&self.raw_len.to_le_bytes());
        out.extend_from_slice(&[self.kind as u8, self.compression as u8, 0, 0]);
        out.extend_from_slice(stored);
        let crc = crc32c(&out[start + BLOCK_CRC_FROM..]);
        out[start + 4..start + BLOCK_CRC_FROM].copy_from_slice(&crc.to_le_bytes());
    }

    /// Decodes a header; `None` if the bytes cannot be one. The checksum is not looked at.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; BLOCK_HEADER_LEN] = bytes.first_chunk()?;
        if bytes[..4] != BLOCK_MAGIC || bytes[30..] != [0; 2] {
            return None;
        }
        let header = Self {
            table_id: u64_at(bytes, 8)?,
            number: u32_at(bytes, 16)?,
            stored_len: u32_at(bytes, 20)?,
            raw_len: u32_at(bytes, 24)?,
            kind: BlockKind::from_byte(bytes[28])?,
            compression: match bytes[29] {
                0 => Compression::Off,
                1 => Compression::Lz4,
                _ => return None,
            },
        };
        let (stored, raw) = (u64::from(header.stored_len), u64::from(header.raw_len));
        let possible = match header.compression {
            Compression::Off => stored == raw,
            Compression::Lz4 => stored < raw && raw <= stored * LZ4_RATIO_MAX,
        };
        // Filters and indexes of huge tables may pass the limit of one entry: only data is bounded.
        let bounded = header.kind != BlockKind::Data || raw <= RAW_LEN_MAX;
        (possible && bounded).then_some(header)
    }

    /// Length with the header, in bytes.
    pub(super) fn len(&self) -> u64 {
        BLOCK_HEADER_LEN as u64 + u64::from(self.stored_len)
    }

    /// Whether `bytes`, a header and its stored bytes, are what was written.
    pub(super) fn checksum_holds(bytes: &[u8]) -> bool {
        let crc = bytes.get(BLOCK_CRC_FROM..).map(crc32c);
        crc.is_some() && crc == u32_at(bytes, 4)
    }
}

/// Reads the file header.
pub(super) fn read_file_header(
    file: &dyn lightning_db_types::VfsFile,
    path: &Path,
) -> Result<FileHeader> {
    let mut bytes = [0; FILE_HEADER_LEN];
    read_exact(file, path, &mut bytes, 0)?;
    FileHeader::decode(path, &bytes)
}

/// Reads the footer of a file of `file_len` bytes.
pub(super) fn read_footer(
    file: &dyn lightning_db_types::VfsFile,
    path: &Path,
    file_len: u64,
) -> Result<Footer> {
    let offset = file_len
        .checked_sub(FOOTER_LEN as u64)
        .ok_or_else(|| Error::corrupt(path, 0, format!("{file_len} bytes are no table")))?;
    let mut bytes = [0; FOOTER_LEN];
    read_exact(file, path, &mut bytes, offset)?;
    Footer::decode(path, offset, &bytes)
}

/// Reads, and tells a file that ends too early (damage) from a disk that fails.
pub(super) fn read_exact(
    file: &dyn lightning_db_types::VfsFile,
    path: &Path,
    buf: &mut [u8],
    offset: u64,
) -> Result<()> {
    file.read_exact_at(buf, offset).map_err(|error| {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            let detail = format!("the file ends within {} bytes that belong to it", buf.len());
            return Error::corrupt(path, offset, detail);
        }
        Error::io("read", path)(error)
    })
}
