//! Reads what can still be read of a damaged table.
//!
//! With an intact index every block is tried where the index says it is. Without one the file is
//! searched for blocks: each says which table it belongs to and which number it has. Bytes of a
//! value that look like a block (a table stored as a value, say) are told apart by that, by the
//! order of keys, and by the header of the block around them; only if all agree are they taken.

use std::path::Path;

use lightning_db_types::{OpenMode, Vfs, VfsFile};

use crate::entry::{self, Entry};
use crate::error::{Error, Result};

use super::block::{Block, decompress};
use super::format::{
    BLOCK_HEADER_LEN, BLOCK_MAGIC, BlockHeader, BlockKind, FILE_HEADER_LEN, read_exact,
    read_file_header, read_footer,
};
use super::index::Index;
use super::meta::TableMeta;
use super::{Table, read_data, read_parts, read_properties};

/// Bytes searched at a time for the next block.
const WINDOW_LEN: usize = 64 << 10;

/// A part of the file whose entries are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LostRange {
    /// Where it begins in the file.
    pub(crate) offset: u64,
    /// Its length in bytes; zero if the file ends and it is not known what followed.
    pub(crate) len: u64,
    /// Last key read before it: lost keys do not come before this one. `None`: the table began.
    pub(crate) key_after: Option<Vec<u8>>,
    /// First key read after it: lost keys do not come after this one. `None`: the table ended.
    pub(crate) key_before: Option<Vec<u8>>,
}

/// What was read of a damaged table, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Salvage {
    /// Data blocks read.
    pub(crate) blocks_read: u64,
    /// Data blocks lost; at least so many if the file does not tell how many there were.
    pub(crate) blocks_lost: u64,
    /// Entries given to the sink.
    pub(crate) entries: u64,
    /// The lost parts, in file order.
    pub(crate) lost: Vec<LostRange>,
    /// The facts about the table as it was, if they could be read.
    pub(crate) meta: Option<TableMeta>,
    /// Its keyspace, if its head or the facts tell.
    pub(crate) keyspace_id: Option<u32>,
    /// Whether something was found of what stands behind the entries. Without it the file was most
    /// likely not written to its end, and nothing ever referred to it.
    pub(crate) is_finished: bool,
}

/// Takes an encoded entry.
type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

impl Table {
    /// Reads every block that is whole and gives its entries to `sink`, in file order.
    ///
    /// # Errors
    /// `Io` if the file cannot be opened, `FormatVersion` if it is newer than this code, and what
    /// `sink` answers. Damage is no error here.
    pub(crate) fn salvage(vfs: &dyn Vfs, path: &Path, sink: &mut Sink<'_>) -> Result<Salvage> {
        let file = vfs.open(path, OpenMode::Read).map_err(Error::io("open", path))?;
        let file = &*file;
        let len = file.len().map_err(Error::io("read", path))?;
        let header = match read_file_header(file, path) {
            Err(error @ Error::FormatVersion { .. }) => return Err(error),
            header => header.ok(),
        };
        let keyspace_id = header.as_ref().map(|header| header.keyspace_id);
        let mut reader = Reader::new(sink);
        if let Ok((footer, parts)) = read_parts(file, path, len) {
            reader.result.is_finished = true;
            reader.result.meta = read_properties(file, path, &footer).ok();
            reader.result.keyspace_id =
                keyspace_id.or(reader.result.meta.as_ref().map(|meta| meta.keyspace_id));
            reader.read_indexed(file, path, footer.table_id, &parts.index)?;
            return Ok(reader.result);
        }
        let footer_id = read_footer(file, path, len).ok().map(|footer| footer.table_id);
        let table_id = header.map(|header| header.table_id).or(footer_id);
        Scan { file, path, len, table_id, next: 0, total: None, bytes: Vec::new() }
            .run(&mut reader)?;
        let result = &mut reader.result;
        result.is_finished |= footer_id.is_some();
        result.keyspace_id = keyspace_id.or(result.meta.as_ref().map(|meta| meta.keyspace_id));
        Ok(reader.result)
    }
}

/// Gives the entries of good blocks to the sink, and keeps the account.
struct Reader<'a> {
    sink: &'a mut Sink<'a>,
    result: Salvage,
    /// Last entry of the last good block.
    last: Option<Entry>,
    /// Begin of the lost part that no good block has ended yet.
    gap: Option<u64>,
}

impl<'a> Reader<'a> {
    fn new<'b: 'a>(sink: &'a mut Sink<'b>) -> Self {
        Self { sink, result: Salvage::default(), last: None, gap: None }
    }

    fn read_indexed(
        &mut self,
        file: &dyn VfsFile,
        path: &Path,
        table_id: u64,
        index: &Index,
    ) -> Result<()> {
        for number in 0..index.count() {
            let offset = index.handle(number).map_or(0, |handle| handle.extent.offset);
            let block = read_data(file, path, table_id, index, number).ok();
            match block.filter(|block| self.follows(block)) {
                Some(block) => self.take(offset, &block)?,
                None => self.lose(offset, 1),
            }
        }
        self.close_gap(index.end(), None);
        Ok(())
    }

    /// Whether the entries of a block come after those read so far, and in order.
    fn follows(&self, block: &Block) -> bool {
        let first = block.entry(0);
        let after =
            self.last.as_ref().is_none_or(|last| entry::compare(last.bytes(), first).is_lt());
        after
            && (1..block.count())
                .all(|at| entry::compare(block.entry(at - 1), block.entry(at)).is_lt())
    }

    fn take(&mut self, offset: u64, block: &Block) -> Result<()> {
        self.close_gap(offset, Some(entry::key_of(block.entry(0))));
        for at in 0..block.count() {
            (self.sink)(block.entry(at))?;
        }
        let at = block.count() - 1;
        self.last = Some(block.shared(block.offset(at), block.offset(at + 1)));
        self.result.blocks_read += 1;
        self.result.entries += block.count() as u64;
        Ok(())
    }

    fn lose(&mut self, offset: u64, blocks: u64) {
        self.gap.get_or_insert(offset);
        self.result.blocks_lost += blocks;
    }

    /// Ends the lost part, if there is one, at `end`.
    fn close_gap(&mut self, end: u64, key_before: Option<&[u8]>) {
        if let Some(offset) = self.gap.take() {
            self.result.lost.push(LostRange {
                offset,
                len: end.saturating_sub(offset),
                key_after: self.last.as_ref().map(|last| last.key().to_vec()),
                key_before: key_before.map(<[u8]>::to_vec),
            });
        }
    }
}

/// Searches a file for blocks.
struct Scan<'a> {
    file: &'a dyn VfsFile,
    path: &'a Path,
    len: u64,
    table_id: Option<u64>,
    /// Number of the data block that comes next.
    next: u32,
    /// Number of data blocks there were, once a block behind them tells.
    total: Option<u32>,
    /// The block being looked at.
    bytes: Vec<u8>,
}

impl Scan<'_> {
    fn run(mut self, reader: &mut Reader<'_>) -> Result<()> {
        let mut offset = (FILE_HEADER_LEN as u64).min(self.len);
        // Where bytes begin that no block explains.
        let mut unexplained = None;
        while offset < self.len {
            let Some(header) = self.block_at(offset) else {
                unexplained.get_or_insert(offset);
                offset = self.skip(offset);
                continue;
            };
            let gap = unexplained.take().unwrap_or(offset);
            self.take_block(reader, &header, gap, offset)?;
            offset += header.len();
        }
        let end = unexplained.unwrap_or(self.len);
        if self.total.is_none_or(|total| total > self.next) {
            let blocks = self.total.map_or(1, |total| total - self.next);
            reader.lose(end, u64::from(blocks));
        }
        reader.close_gap(self.len, None);
        Ok(())
    }

    /// Takes a whole block at `offset`, before which bytes from `gap` on are unexplained.
    fn take_block(
        &mut self,
        reader: &mut Reader<'_>,
        header: &BlockHeader,
        gap: u64,
        offset: u64,
    ) -> Result<()> {
        self.table_id.get_or_insert(header.table_id);
        let data_blocks = match header.kind {
            BlockKind::Data | BlockKind::Filter => header.number,
            BlockKind::Index => header.number.saturating_sub(1),
            BlockKind::Properties => header.number.saturating_sub(2),
        };
        if data_blocks > self.next {
            reader.lose(gap, u64::from(data_blocks - self.next));
        }
        self.next = self.next.max(data_blocks);
        if header.kind != BlockKind::Data {
            self.total = Some(data_blocks);
            reader.result.is_finished = true;
            reader.close_gap(offset, None);
            if header.kind == BlockKind::Properties
                && let Ok(raw) = decompress(header, &self.bytes)
            {
                reader.result.meta = TableMeta::decode(&mut &raw[BLOCK_HEADER_LEN..]);
            }
            return Ok(());
        }
        self.next = header.number.saturating_add(1);
        let block = decompress(header, &self.bytes).and_then(Block::new).ok();
        if let Some(block) = block.filter(|block| reader.follows(block)) {
            return reader.take(offset, &block);
        }
        reader.lose(offset, 1);
        Ok(())
    }

    /// Reads the block at `offset` into `bytes`, if a whole one of this table stands there that can
    /// come next.
    fn block_at(&mut self, offset: u64) -> Option<BlockHeader> {
        let header = self.header_at(offset)?;
        self.bytes.clear();
        self.bytes.resize(usize::try_from(header.len()).ok()?, 0);
        read_exact(self.file, self.path, &mut self.bytes, offset).ok()?;
        BlockHeader::checksum_holds(&self.bytes).then_some(header)
    }

    fn header_at(&self, offset: u64) -> Option<BlockHeader> {
        let mut bytes = [0; BLOCK_HEADER_LEN];
        read_exact(self.file, self.path, &mut bytes, offset).ok()?;
        let header = BlockHeader::decode(&bytes)?;
        let fits = offset.checked_add(header.len()).is_some_and(|end| end <= self.len);
        let ours = self.table_id.is_none_or(|id| id == header.table_id);
        (fits && ours && header.number >= self.next).then_some(header)
    }

    /// Where to look next when no whole block stands at `offset`.
    fn skip(&mut self, offset: u64) -> u64 {
        // If the header is fine and a whole block follows where it says, only what lies between is
        // damaged: it must not be searched, for a value in it may hold what looks like a block.
        if let Some(header) = self.header_at(offset) {
            let next = offset + header.len();
            if self.block_at(next).is_some() {
                return next;
            }
        }
        self.find_magic(offset + 1)
    }

    /// Offset of the next bytes from `offset` on that begin as a block does; else the end.
    fn find_magic(&self, mut offset: u64) -> u64 {
        let mut window = vec![0; WINDOW_LEN];
        let overlap = BLOCK_MAGIC.len() as u64 - 1;
        while offset + overlap < self.len {
            let left = usize::try_from(self.len - offset).unwrap_or(WINDOW_LEN);
            window.truncate(left);
            // A part that the disk cannot read is passed over.
            if read_exact(self.file, self.path, &mut window, offset).is_ok() {
                let mut places = window.windows(BLOCK_MAGIC.len());
                if let Some(at) = places.position(|bytes| bytes == BLOCK_MAGIC) {
                    return offset + at as u64;
                }
            }
            offset += window.len() as u64 - overlap;
        }
        self.len
    }
}
