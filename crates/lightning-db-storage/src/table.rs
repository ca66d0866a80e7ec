//! Immutable sorted tables: the files that hold what left the memtable.
//!
//! A table is written once ([`TableWriter`]), read by point ([`Table::get`]) and in order
//! ([`RunCursor`]), and removed when a merge has replaced it. Every byte of the file is under a
//! checksum, and every block says which table and place it belongs to, so that damage, a lost write
//! and a misplaced write are all errors, and intact blocks can be salvaged without the index.

mod block;
mod cache;
mod cursor;
mod filter;
mod format;
mod index;
mod meta;
mod portion;
mod recent;
mod salvage;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use lightning_db_types::{OpenMode, Vfs, VfsFile};

use crate::entry::{self, Entry};
use crate::error::{Error, Result};

use self::block::{Expected, read_block};
use self::cache::TableBlocks;
use self::filter::Filter;
use self::format::{BLOCK_HEADER_LEN, BlockKind, Extent, Footer, read_footer};
use self::index::Index;

pub(crate) use self::block::Block;
pub(crate) use self::cache::BlockCache;
pub(crate) use self::cursor::RunCursor;
pub(crate) use self::filter::{BITS_PER_KEY as FILTER_BITS_PER_KEY, hash_key};
pub use self::format::Compression;
pub(crate) use self::meta::TableMeta;
pub(crate) use self::portion::Portion;
pub(crate) use self::recent::Hint;
pub(crate) use self::writer::{TableOptions, TableWriter};

/// An open table.
#[derive(Debug)]
pub(crate) struct Table {
    file: Arc<dyn VfsFile>,
    path: PathBuf,
    meta: TableMeta,
    cache: Arc<BlockCache>,
    /// Number of this table in the cache.
    owner: u64,
    loaded: OnceLock<Loaded>,
}

/// What is held from the first use on.
#[derive(Debug)]
struct Loaded {
    parts: Parts,
    blocks: TableBlocks,
}

/// What a table says of its blocks.
#[derive(Debug)]
struct Parts {
    filter: Filter,
    index: Index,
}

impl Table {
    /// Opens the file. Only its length is checked: the rest is read when it is needed.
    ///
    /// # Errors
    /// `Io` if the file is not there, `Corrupt` if it is not as long as `meta` says.
    pub(crate) fn open(
        vfs: &dyn Vfs,
        path: &Path,
        meta: TableMeta,
        cache: Arc<BlockCache>,
    ) -> Result<Self> {
        let file = vfs.open(path, OpenMode::Read).map_err(Error::io("open", path))?;
        check_len(&*file, path, &meta)?;
        let owner = cache.owner();
        let path = path.to_owned();
        Ok(Self { file, path, meta, cache, owner, loaded: OnceLock::new() })
    }

    /// Reads the facts about a table from its file alone.
    pub(crate) fn read_meta(vfs: &dyn Vfs, path: &Path) -> Result<TableMeta> {
        let file = vfs.open(path, OpenMode::Read).map_err(Error::io("open", path))?;
        let len = file.len().map_err(Error::io("read", path))?;
        let footer = read_footer(&*file, path, len)?;
        let meta = read_properties(&*file, path, &footer)?;
        check_len(&*file, path, &meta)?;
        Ok(meta)
    }

    pub(crate) fn meta(&self) -> &TableMeta {
        &self.meta
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The newest version of the key with a number of at most `seq_max`. `key_hash` is
    /// [`hash_key`] of the key.
    ///
    /// # Errors
    /// `Corrupt` or `Io` if what is needed cannot be read.
    pub(crate) fn get(&self, key: &[u8], key_hash: u64, seq_max: u64) -> Result<Option<Entry>> {
        if seq_max < self.meta.seq_min {
            return Ok(None);
        }
        let loaded = self.loaded()?;
        let Parts { filter, index } = &loaded.parts;
        if !filter.may_contain(key_hash) {
            return Ok(None);
        }
        let number = index.find(key, seq_max);
        if number == index.count() {
            return Ok(None);
        }
        let block = self.block(loaded, number, true)?;
        let at = block.lower_bound(key, seq_max);
        let (start, end) = (block.offset(at), block.offset(at + 1));
        let found = at < block.count() && entry::key_of(block.bytes(start, end)) == key;
        let found = found.then(|| block.shared(start, end));
        self.remember(block);
        Ok(found)
    }

    /// Bytes of index and filter held in memory; zero before the first use.
    pub(crate) fn memory(&self) -> usize {
        self.loaded.get().map_or(0, |Loaded { parts, blocks }| {
            parts.filter.memory() + parts.index.memory() + blocks.memory()
        })
    }

    /// Index, filter and places of blocks. Two threads that come first may both read them; one copy
    /// is kept.
    #[inline]
    fn loaded(&self) -> Result<&Loaded> {
        match self.loaded.get() {
            Some(loaded) => Ok(loaded),
            None => self.load(),
        }
    }

    #[inline]
    fn index(&self) -> Result<&Index> {
        Ok(&self.loaded()?.parts.index)
    }

    #[cold]
    fn load(&self) -> Result<&Loaded> {
        let (footer, parts) = read_parts(&*self.file, &self.path, self.meta.file_len)?;
        if footer.table_id != self.meta.table_id {
            let detail = format!("table {} stands here", footer.table_id);
            return Err(Error::corrupt(&self.path, 0, detail));
        }
        let blocks = TableBlocks::new(&self.cache, parts.index.count());
        Ok(self.loaded.get_or_init(|| Loaded { parts, blocks }))
    }

    /// A data block, from the cache or the file. Without `fill` the cache is neither counted nor
    /// changed.
    #[inline]
    fn block(&self, loaded: &Loaded, number: usize, fill: bool) -> Result<Arc<Block>> {
        let blocks = &loaded.blocks;
        let cached = if fill { blocks.get(number) } else { blocks.peek(number) };
        match cached {
            Some(block) => Ok(block),
            None => self.load_block(loaded, number, fill),
        }
    }

    /// Reads a block, and puts it into the cache if that is to be filled.
    #[cold]
    fn load_block(&self, loaded: &Loaded, number: usize, fill: bool) -> Result<Arc<Block>> {
        let mut block =
            read_data(&*self.file, &self.path, self.meta.table_id, &loaded.parts.index, number)?;
        if self.meta.stamp != 0 {
            block.stamp(self.meta.stamp);
        }
        let block = Arc::new(block);
        if fill {
            loaded.blocks.insert(number, &block);
        }
        Ok(block)
    }
}

fn check_len(file: &dyn VfsFile, path: &Path, meta: &TableMeta) -> Result<()> {
    let len = file.len().map_err(Error::io("read", path))?;
    if len == meta.file_len {
        return Ok(());
    }
    let detail = format!("the table has {len} bytes and was written with {}", meta.file_len);
    Err(Error::corrupt(path, len.min(meta.file_len), detail))
}

/// Reads data block `number` of a table whose index is known.
fn read_data(
    file: &dyn VfsFile,
    path: &Path,
    table_id: u64,
    index: &Index,
    number: usize,
) -> Result<Block> {
    let missing = || Error::corrupt(path, 0, "the index names no such block");
    let handle = index.handle(number).ok_or_else(missing)?;
    let number = u32::try_from(number).map_err(|_| missing())?;
    let (extent, kind, plain) = (handle.extent, BlockKind::Data, Some(handle.plain));
    let buf = read_block(file, path, &Expected { table_id, number, kind, extent, plain })?;
    Block::new(buf).map_err(|detail| Error::corrupt(path, extent.offset, detail))
}

/// Reads footer, filter and index, and checks that they agree.
fn read_parts(file: &dyn VfsFile, path: &Path, file_len: u64) -> Result<(Footer, Parts)> {
    let footer = read_footer(file, path, file_len)?;
    let corrupt = |extent: Extent, detail: &str| Error::corrupt(path, extent.offset, detail);
    let raw = read_part(file, path, &footer, BlockKind::Filter)?;
    let filter = Filter::decode(&raw[BLOCK_HEADER_LEN..])
        .ok_or_else(|| corrupt(footer.filter, "the filter has an impossible length"))?;
    let raw = read_part(file, path, &footer, BlockKind::Index)?;
    let index = Index::decode(&raw[BLOCK_HEADER_LEN..])
        .ok_or_else(|| corrupt(footer.index, "the index is not one"))?;
    if index.count() != footer.blocks as usize || index.end() != footer.filter.offset {
        return Err(corrupt(footer.index, "index and footer do not agree on the blocks"));
    }
    Ok((footer, Parts { filter, index }))
}

/// Reads one of the three blocks that the footer names; the block header stands first.
fn read_part(
    file: &dyn VfsFile,
    path: &Path,
    footer: &Footer,
    kind: BlockKind,
) -> Result<Arc<[u8]>> {
    let (extent, after) = match kind {
        BlockKind::Data | BlockKind::Filter => (footer.filter, 0),
        BlockKind::Index => (footer.index, 1),
        BlockKind::Properties => (footer.properties, 2),
    };
    let number = footer.blocks.saturating_add(after);
    let table_id = footer.table_id;
    read_block(file, path, &Expected { table_id, number, kind, extent, plain: None })
}

fn read_properties(file: &dyn VfsFile, path: &Path, footer: &Footer) -> Result<TableMeta> {
    let raw = read_part(file, path, footer, BlockKind::Properties)?;
    let mut rest = &raw[BLOCK_HEADER_LEN..];
    TableMeta::decode(&mut rest)
        .filter(|meta| rest.is_empty() && meta.table_id == footer.table_id)
        .ok_or_else(|| {
            let detail = "the properties are not those of the table";
            Error::corrupt(path, footer.properties.offset, detail)
        })
}
