//! Values above 1 MiB: each in a file of its own, in checked pieces.
//!
//! A blob is written and synced before the commit that refers to it, and read without passing
//! through the log, the memtables or the merges. Its reference is the value of its entry: id (8
//! bytes) and length (8). The file: 32 bytes of head (magic, version, id, length, CRC32C), then
//! pieces of 256 KiB, each behind its CRC32C, which covers the id and the piece's number too.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lightning_db_types::checksum::{crc32c, crc32c_append};
use lightning_db_types::{OpenMode, Vfs, VfsFile};
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::planted;
use crate::slice::Slice;

/// Values of at least this length are blobs.
pub(crate) const BLOB_LEN_MIN: u64 = 1 << 20;
const MAGIC: [u8; 8] = *b"LDBBLOB\x01";
const HEAD_LEN: u64 = 32;
const PIECE_LEN: u64 = 256 << 10;
const EXTENSION: &str = ".blob";

/// Blob files of a store.
#[derive(Debug)]
pub(crate) struct Blobs {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    bytes: AtomicU64,
    /// Ids of blobs that nothing refers to any more.
    retired: Mutex<Vec<u64>>,
}

/// Id and length of a blob, from the value of its entry.
pub(crate) fn parse_reference(value: &[u8]) -> Option<(u64, u64)> {
    let (id, len) = value.split_at_checked(8)?;
    Some((u64::from_le_bytes(id.try_into().ok()?), u64::from_le_bytes(len.try_into().ok()?)))
}

impl Blobs {
    pub(crate) fn new(vfs: Arc<dyn Vfs>, dir: PathBuf) -> Self {
        Self { vfs, dir, bytes: AtomicU64::new(0), retired: Mutex::default() }
    }

    pub(crate) fn path(&self, id: u64) -> PathBuf {
        self.dir.join(format!("{id:016x}{EXTENSION}"))
    }

    /// Ids of the files that are there.
    pub(crate) fn list(&self) -> Result<Vec<u64>> {
        let names = self.vfs.read_dir(&self.dir).map_err(Error::io("list", &self.dir))?;
        self.bytes.store(names.iter().map(|name| name.len).sum(), Ordering::Relaxed);
        let stems = names.iter().filter_map(|name| name.name.strip_suffix(EXTENSION));
        Ok(stems.filter_map(|stem| u64::from_str_radix(stem, 16).ok()).collect())
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Writes a blob, brings it to the disk, and returns its reference.
    pub(crate) fn write(&self, id: u64, len: u64, value: &mut dyn Read) -> Result<[u8; 16]> {
        let path = self.path(id);
        let written = self.write_file(&path, id, len, value);
        if written.is_err() {
            // A file that stays is removed by the next open: nothing refers to it.
            let _ = self.vfs.remove_file(&path);
        }
        written?;
        let mut reference = [0; 16];
        reference[..8].copy_from_slice(&id.to_le_bytes());
        reference[8..].copy_from_slice(&len.to_le_bytes());
        Ok(reference)
    }

    fn write_file(&self, path: &Path, id: u64, len: u64, value: &mut dyn Read) -> Result<()> {
        let file = self.vfs.open(path, OpenMode::CreateNew).map_err(Error::io("make", path))?;
        let write =
            |bytes: &[u8], at| file.write_all_at(bytes, at).map_err(Error::io("write", path));
        let mut at = HEAD_LEN;
        let mut buffer = Vec::new();
        for (number, piece_len) in pieces(len) {
            buffer.clear();
            buffer.resize(4 + piece_len, 0);
            value.read_exact(&mut buffer[4..]).map_err(Error::io("read the value for", path))?;
            let crc = piece_crc(id, number, &buffer[4..]);
            buffer[..4].copy_from_slice(&crc.to_le_bytes());
            write(&buffer, at)?;
            at += buffer.len() as u64;
        }
        write(&head(id, len), 0)?;
        if !planted::is("skip-blob-sync") {
            file.sync_all().map_err(Error::io("sync", path))?;
        }
        self.vfs.sync_dir(&self.dir).map_err(Error::io("sync folder", &self.dir))?;
        self.bytes.fetch_add(at, Ordering::Relaxed);
        Ok(())
    }

    /// Opens a blob for reading in pieces.
    pub(crate) fn open(&self, reference: &[u8]) -> Result<BlobReader> {
        let Some((id, len)) = parse_reference(reference) else {
            return Err(Error::corrupt(&self.dir, 0, "a blob reference cannot be read"));
        };
        let path = self.path(id);
        let file = self.vfs.open(&path, OpenMode::Read).map_err(Error::io("open", &path))?;
        let file_len = file.len().map_err(Error::io("measure", &path))?;
        let mut found = [0; 32];
        if file_len >= HEAD_LEN {
            file.read_exact_at(&mut found, 0).map_err(Error::io("read", &path))?;
        }
        if found != head(id, len) || file_len != file_len_of(len) {
            return Err(Error::corrupt(&path, 0, "head or length of the blob is not as written"));
        }
        Ok(BlobReader { source: Source::File { path, file, id }, len, at: 0, piece: Vec::new() })
    }

    /// Reads a whole blob.
    pub(crate) fn read(&self, reference: &[u8]) -> Result<Slice> {
        let mut reader = self.open(reference)?;
        let mut bytes = vec![0; usize::try_from(reader.len).unwrap_or(usize::MAX)];
        reader.fill(&mut bytes)?;
        Ok(Slice::from(bytes))
    }

    /// Compares every piece of a blob with its checksum, and gives `advance` the number of bytes
    /// that were compared since its last call.
    pub(crate) fn verify(
        &self,
        reference: &[u8],
        advance: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let mut reader = self.open(reference)?;
        let mut piece = vec![0; 64 << 10];
        loop {
            let taken = BlobReader::take(&mut reader, &mut piece)?;
            if taken == 0 {
                return Ok(());
            }
            advance(taken as u64)?;
        }
    }

    /// Notes that nothing refers to these blobs any more.
    pub(crate) fn retire(&self, ids: &[u64]) {
        self.retired.lock().extend_from_slice(ids);
    }

    /// Removes the files of retired blobs. Readers that have one open go on.
    pub(crate) fn remove_obsolete(&self) {
        for id in std::mem::take(&mut *self.retired.lock()) {
            let path = self.path(id);
            let len = self.vfs.open(&path, OpenMode::Read).and_then(|file| file.len());
            if self.vfs.remove_file(&path).is_ok() {
                self.bytes.fetch_sub(len.unwrap_or(0), Ordering::Relaxed);
            }
        }
    }
}

fn head(id: u64, len: u64) -> [u8; 32] {
    let mut out = [0; 32];
    out[..8].copy_from_slice(&MAGIC);
    out[8..16].copy_from_slice(&id.to_le_bytes());
    out[16..24].copy_from_slice(&len.to_le_bytes());
    let crc = crc32c(&out[..24]);
    out[24..28].copy_from_slice(&crc.to_le_bytes());
    out
}

fn file_len_of(len: u64) -> u64 {
    HEAD_LEN + len + 4 * len.div_ceil(PIECE_LEN)
}

/// Number and length of each piece.
fn pieces(len: u64) -> impl Iterator<Item = (u64, usize)> {
    let count = len.div_ceil(PIECE_LEN);
    (0..count).map(move |number| {
        let left = (len - number * PIECE_LEN).min(PIECE_LEN);
        (number, usize::try_from(left).unwrap_or(usize::MAX))
    })
}

fn piece_crc(id: u64, number: u64, piece: &[u8]) -> u32 {
    crc32c_append(crc32c_append(crc32c(&id.to_le_bytes()), &number.to_le_bytes()), piece)
}

/// Reads a value piece by piece; see [`Keyspace::get_reader`](crate::Keyspace::get_reader).
///
/// Each piece is checked before a byte of it is handed out. Damage is an
/// [`io::Error`] whose source is an [`Error`].
#[derive(Debug)]
pub struct BlobReader {
    source: Source,
    len: u64,
    at: u64,
    /// The current piece of a file, or empty.
    piece: Vec<u8>,
}

#[derive(Debug)]
enum Source {
    File { path: PathBuf, file: Arc<dyn VfsFile>, id: u64 },
    Memory(Slice),
}

impl BlobReader {
    pub(crate) fn of(value: Slice) -> Self {
        let len = value.len() as u64;
        Self { source: Source::Memory(value), len, at: 0, piece: Vec::new() }
    }

    /// Length of the value, in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the value holds no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn fill(&mut self, mut out: &mut [u8]) -> Result<()> {
        while !out.is_empty() {
            let take = self.take(out)?;
            out = &mut out[take..];
        }
        Ok(())
    }

    /// Copies what the current piece still has.
    fn take(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.at == self.len {
            return Ok(0);
        }
        let (piece, from) = match &self.source {
            Source::Memory(value) => (&value[..], usize::try_from(self.at).unwrap_or(0)),
            Source::File { path, file, id } => {
                let (number, from) = (self.at / PIECE_LEN, self.at % PIECE_LEN);
                if from == 0 || self.piece.is_empty() {
                    self.piece = read_piece(&**file, path, *id, number, self.len)?;
                }
                (&self.piece[4..], usize::try_from(from).unwrap_or(0))
            }
        };
        let rest = &piece[from..];
        let take = rest.len().min(out.len());
        out[..take].copy_from_slice(&rest[..take]);
        self.at += take as u64;
        Ok(take)
    }
}

fn read_piece(file: &dyn VfsFile, path: &Path, id: u64, number: u64, len: u64) -> Result<Vec<u8>> {
    let piece_len = (len - number * PIECE_LEN).min(PIECE_LEN);
    let mut piece = vec![0; 4 + usize::try_from(piece_len).unwrap_or(0)];
    let at = HEAD_LEN + number * (PIECE_LEN + 4);
    file.read_exact_at(&mut piece, at).map_err(Error::io("read", path))?;
    let crc = piece_crc(id, number, &piece[4..]);
    if piece[..4] != crc.to_le_bytes() {
        return Err(Error::corrupt(path, at, format!("checksum of piece {number} does not match")));
    }
    Ok(piece)
}

impl Read for BlobReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.take(out).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use lightning_db_types::SimVfs;

    use super::*;

    #[test]
    fn flipped_bit_anywhere_in_a_blob_is_found() {
        let disk = SimVfs::new();
        disk.create_dir_all(Path::new("/blobs")).unwrap();
        let blobs = Blobs::new(Arc::new(disk.clone()), PathBuf::from("/blobs"));
        let value: Vec<u8> = (0..3_000_u32).map(|at| (at % 251) as u8).collect();
        let reference = blobs.write(7, value.len() as u64, &mut &value[..]).unwrap();
        blobs.verify(&reference, &mut |_| Ok(())).unwrap();
        let path = blobs.path(7);
        let bytes = disk.file_bytes(&path).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            disk.set_file_bytes(&path, &damaged).unwrap();
            let verified = blobs.verify(&reference, &mut |_| Ok(()));
            assert!(verified.is_err_and(|error| error.is_corruption()), "bit {bit}");
        }
    }
}
