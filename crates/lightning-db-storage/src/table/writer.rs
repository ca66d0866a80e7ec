//! Writes a table file, front to back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lightning_db_types::{OpenMode, Vfs, VfsFile};
use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};

use crate::entry::EntryRef;
use crate::error::{Error, Result};

use super::block::BlockBuilder;
use super::filter::{Filter, hash_key};
use super::format::{
    BLOCK_HEADER_LEN, BlockHeader, BlockKind, Compression, Extent, FOOTER_LEN, FileHeader, Footer,
};
use super::index::IndexBuilder;
use super::meta::{Step, TableMeta, Tally};

/// Bytes collected before they go to the file.
const CHUNK_LEN: usize = 256 << 10;
/// Blocks are closed at this length at the latest.
const BLOCK_SIZE_MAX: usize = 64 << 20;

/// How a table is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableOptions {
    pub(crate) table_id: u64,
    pub(crate) keyspace_id: u32,
    /// Length at which a block is closed, in raw bytes; 16 KiB is usual. A longer entry gets a
    /// block of its own.
    pub(crate) block_size: usize,
    pub(crate) compression: Compression,
    /// Time of creation, milliseconds since the Unix epoch.
    pub(crate) created_unix_ms: u64,
}

/// A table being written. A file whose writer was dropped before `finish` is no table.
#[derive(Debug)]
pub(crate) struct TableWriter {
    file: Arc<dyn VfsFile>,
    path: PathBuf,
    options: TableOptions,
    /// Bytes not yet in the file, which begin at `flushed`.
    pending: Vec<u8>,
    flushed: u64,
    block: BlockBuilder,
    index: IndexBuilder,
    /// Lengths of a finished block whose bound waits for the next key.
    unbounded: Option<(u32, u32)>,
    /// Hashes of the distinct keys.
    hashes: Vec<u64>,
    tally: Tally,
    compressor: Compressor,
}

impl TableWriter {
    /// Makes the file.
    ///
    /// # Errors
    /// `Io`, also if the name is taken.
    pub(crate) fn create(vfs: &dyn Vfs, path: &Path, options: TableOptions) -> Result<Self> {
        let block_size = options.block_size.min(BLOCK_SIZE_MAX);
        let options = TableOptions { block_size, ..options };
        let file = vfs.open(path, OpenMode::CreateNew).map_err(Error::io("create", path))?;
        let header = FileHeader {
            table_id: options.table_id,
            keyspace_id: options.keyspace_id,
            created_unix_ms: options.created_unix_ms,
        };
        let mut pending = Vec::with_capacity(CHUNK_LEN + options.block_size * 2);
        pending.extend_from_slice(&header.encode());
        Ok(Self {
            file,
            path: path.to_owned(),
            options,
            pending,
            flushed: 0,
            block: BlockBuilder::default(),
            index: IndexBuilder::default(),
            unbounded: None,
            hashes: Vec::new(),
            tally: Tally::default(),
            compressor: Compressor::default(),
        })
    }

    /// Takes the next entry, which comes after all before it.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are no entry or do not come next: the source of a merge is damaged.
    pub(crate) fn add(&mut self, entry: &[u8]) -> Result<()> {
        let Some(decoded) = EntryRef::decode(entry) else {
            return Err(self.refuse("is none"));
        };
        let raw_len = self.block.raw_len() + entry.len() + size_of::<u32>();
        if raw_len > self.options.block_size && !self.block.is_empty() {
            self.finish_block()?;
        }
        if let Some(lens) = self.unbounded.take() {
            self.add_bound(lens, Some(decoded.key))?;
        }
        match self.tally.add(&decoded, entry.len()) {
            Step::Key => self.hashes.push(hash_key(decoded.key)),
            Step::Version => {}
            Step::OutOfOrder => return Err(self.refuse("does not come after the one before it")),
            Step::NoBlobId => return Err(self.refuse("names no blob")),
        }
        self.block.add(entry);
        Ok(())
    }

    fn refuse(&self, what: &str) -> Error {
        let detail = format!("entry {} given for this table {what}", self.tally.entries());
        Error::corrupt(&self.path, self.len(), detail)
    }

    /// About how long the file would be if it were finished now, in bytes.
    pub(crate) fn file_len_estimate(&self) -> u64 {
        let filter = self.hashes.len() * 10 / 8;
        let rest = self.block.raw_len() + self.index.raw_len() + filter + FOOTER_LEN;
        self.len() + rest as u64
    }

    /// Bytes written, flushed or not.
    fn len(&self) -> u64 {
        self.flushed + self.pending.len() as u64
    }

    /// Writes what is left and brings the file to the disk. Its name is not: the caller syncs the
    /// folder.
    ///
    /// # Errors
    /// `Io`; the file is then no table, and the caller removes it.
    pub(crate) fn finish(mut self) -> Result<TableMeta> {
        if !self.block.is_empty() {
            self.finish_block()?;
        }
        if let Some(lens) = self.unbounded.take() {
            self.add_bound(lens, None)?;
        }
        let blocks = self.index.count();
        let mut raw = Vec::new();
        Filter::build(&self.hashes).encode(&mut raw);
        let filter = self.write_block(BlockKind::Filter, blocks, &raw)?.0;
        raw.clear();
        self.index.encode(&mut raw);
        let index = self.write_block(BlockKind::Index, blocks.saturating_add(1), &raw)?.0;

        let mut meta = std::mem::take(&mut self.tally).into_meta();
        meta.table_id = self.options.table_id;
        meta.keyspace_id = self.options.keyspace_id;
        let properties_len = BLOCK_HEADER_LEN + meta.encoded_len();
        meta.file_len = index.end() + (properties_len + FOOTER_LEN) as u64;
        raw.clear();
        meta.encode(&mut raw);
        let number = blocks.saturating_add(2);
        let properties = self.write_block(BlockKind::Properties, number, &raw)?.0;

        let footer = Footer { table_id: meta.table_id, blocks, filter, index, properties };
        self.pending.extend_from_slice(&footer.encode());
        self.flush()?;
        self.file.sync_all().map_err(Error::io("sync", &self.path))?;
        Ok(meta)
    }

    fn finish_block(&mut self) -> Result<()> {
        let number = self.index.count();
        let mut block = std::mem::take(&mut self.block);
        let (_, lens) = self.write_block(BlockKind::Data, number, block.seal())?;
        block.clear();
        self.block = block;
        self.unbounded = Some(lens);
        Ok(())
    }

    /// Adds the bound of the last finished block to the index.
    fn add_bound(&mut self, lens: (u32, u32), next: Option<&[u8]>) -> Result<()> {
        if self.index.add(lens, self.tally.last(), next) {
            return Ok(());
        }
        Err(self.too_large())
    }

    fn too_large(&self) -> Error {
        let source = std::io::Error::from(std::io::ErrorKind::FileTooLarge);
        Error::io("write", &self.path)(source)
    }

    /// Writes a block; gives where it stands, and its stored and raw length.
    fn write_block(
        &mut self,
        kind: BlockKind,
        number: u32,
        raw: &[u8],
    ) -> Result<(Extent, (u32, u32))> {
        let Ok(raw_len) = u32::try_from(raw.len()) else {
            return Err(self.too_large());
        };
        // Filters are noise, and the length of the properties must be known before they are
        // written.
        let compressible = matches!(kind, BlockKind::Data | BlockKind::Index);
        let compressed = if compressible && self.options.compression == Compression::Lz4 {
            self.compressor.compress(raw)
        } else {
            None
        };
        let (compression, stored) = match compressed {
            Some(stored) => (Compression::Lz4, stored),
            None => (Compression::Off, raw),
        };
        let stored_len = u32::try_from(stored.len()).unwrap_or(raw_len);
        let table_id = self.options.table_id;
        let header = BlockHeader { table_id, number, stored_len, raw_len, kind, compression };
        let extent = Extent { offset: self.flushed + self.pending.len() as u64, len: header.len() };
        header.encode(stored, &mut self.pending);
        if self.pending.len() >= CHUNK_LEN {
            self.flush()?;
        }
        Ok((extent, (stored_len, raw_len)))
    }

    fn flush(&mut self) -> Result<()> {
        self.file
            .write_all_at(&self.pending, self.flushed)
            .map_err(Error::io("write", &self.path))?;
        self.flushed += self.pending.len() as u64;
        self.pending.clear();
        self.pending.shrink_to(CHUNK_LEN * 2);
        Ok(())
    }
}

/// Compresses block after block in the same memory.
#[derive(Default)]
struct Compressor {
    out: Vec<u8>,
    table: Option<CompressTable>,
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

impl Compressor {
    /// The compressed bytes; `None` if that does not save an eighth.
    fn compress(&mut self, raw: &[u8]) -> Option<&[u8]> {
        let len_max = get_maximum_output_size(raw.len());
        if self.out.len() < len_max || self.out.len() > (CHUNK_LEN * 2).max(len_max) {
            self.out = vec![0; len_max];
        }
        let table = self.table.get_or_insert_with(CompressTable::small);
        let len = compress_into_with_table(raw, &mut self.out, table).ok()?;
        (len <= raw.len() - raw.len() / 8).then(|| self.out.get(..len)).flatten()
    }
}
