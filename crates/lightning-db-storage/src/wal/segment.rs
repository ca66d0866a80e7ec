//! One segment file of the log.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lightning_db_types::checksum::crc32c;
use lightning_db_types::{OpenMode, Vfs, VfsFile};

use super::format::{
    COPY_AT, HEADER_LEN, MARKER_AT, MARKER_LEN, RECORD_HEADER_LEN, RECORDS_AT, RECORDS_AT_V1,
    RecordHeader, SegmentHeader, VERSION, decode_marker, encode_marker, record_len,
};
use crate::error::{Error, Result};
use crate::planted;

const EXTENSION: &str = ".log";
/// Bytes read at once.
const WINDOW: usize = 256 << 10;

/// An open segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn VfsFile>,
    /// Where its records start.
    pub(crate) records_at: u64,
    /// Sequence number of its last record, or of the last one before it while it has none.
    pub(crate) last_seq: AtomicU64,
    /// Sequence number up to which it is on the disk.
    pub(crate) synced_seq: AtomicU64,
    /// Whether its name and its length are there too.
    is_named: AtomicBool,
}

impl Segment {
    /// Makes a segment. The first sync brings it and its name to the disk, so that no commit waits
    /// for that but those that are to be there too. `synced_seq` is the commit up to which the
    /// segments before it are on the disk.
    pub(crate) fn create(
        vfs: &dyn Vfs,
        dir: &Path,
        header: SegmentHeader,
        synced_seq: u64,
    ) -> Result<Self> {
        let path = dir.join(format!("{:016x}{EXTENSION}", header.number));
        let mode = OpenMode::Mapped { len: header.capacity };
        let file = vfs.open(&path, mode).map_err(Error::io("make log segment", &path))?;
        Self::new(header, path, file).write_head(synced_seq)
    }

    /// Makes a spare part of the log.
    pub(crate) fn begin(self, prev_last_seq: u64, synced_seq: u64) -> Result<Self> {
        let header = SegmentHeader { prev_last_seq, ..self.header };
        Self::new(header, self.path, self.file).write_head(synced_seq)
    }

    fn write_head(self, synced_seq: u64) -> Result<Self> {
        self.mark_durable(synced_seq)?;
        for at in [COPY_AT, 0] {
            let written = self.file.write_all_at(&self.header.encode(), at);
            written.map_err(Error::io("write", &self.path))?;
        }
        Ok(self)
    }

    /// Opens a segment for reading. `None` if its header never reached the disk, which only
    /// happens to a segment without acknowledged records.
    pub(crate) fn open(vfs: &dyn Vfs, path: &Path) -> Result<Option<Self>> {
        let file = vfs.open(path, OpenMode::Read).map_err(Error::io("open", path))?;
        let len = file.len().map_err(Error::io("measure", path))?;
        if len == 0 {
            return Ok(None);
        }
        let cut_short = || Error::corrupt(path, len, "log segment is cut short");
        if len < RECORDS_AT_V1 {
            return Err(cut_short());
        }
        let head_at = |at| {
            let mut bytes = [0; HEADER_LEN];
            if at + HEADER_LEN as u64 <= len {
                file.read_exact_at(&mut bytes, at).map_err(Error::io("read", path))?;
            }
            Ok(bytes)
        };
        let (head, copy) = (head_at(0)?, head_at(COPY_AT)?);
        let (is_lost, has_copy) =
            (SegmentHeader::decode(&head).is_err(), SegmentHeader::decode(&copy).is_ok());
        let bytes = if is_lost && has_copy { copy } else { head };
        let header = match SegmentHeader::decode(&bytes) {
            Ok(header) if header.prev_last_seq == SegmentHeader::SPARE => return Ok(None),
            Ok(header) => header,
            // Nothing of the head was ever there: the segment was not synced. Or it was being made
            // when the power went, the process ended, or the disk refused.
            Err(_) if [head, copy] == [[0; HEADER_LEN]; 2] => return Ok(None),
            Err(_)
                if is_zero(&*file, path, RECORDS_AT_V1..COPY_AT.min(len))?
                    && is_zero(&*file, path, RECORDS_AT..len)? =>
            {
                return Ok(None);
            }
            Err(detail) => return Err(Error::corrupt(path, 0, detail)),
        };
        let version = SegmentHeader::version(&bytes);
        if version > VERSION {
            let path = path.to_owned();
            return Err(Error::FormatVersion { path, found: version, supported: VERSION });
        }
        let records_at = if version == 1 { RECORDS_AT_V1 } else { RECORDS_AT };
        if len < records_at {
            return Err(cut_short());
        }
        // A log that was closed is cut to what it holds. The durable note tells if that was more.
        let header = SegmentHeader { capacity: header.capacity.min(len), ..header };
        Ok(Some(Self { records_at, ..Self::new(header, path.to_owned(), file) }))
    }

    fn new(header: SegmentHeader, path: PathBuf, file: Arc<dyn VfsFile>) -> Self {
        let last_seq = AtomicU64::new(header.prev_last_seq);
        let synced_seq = AtomicU64::new(header.prev_last_seq);
        let (records_at, is_named) = (RECORDS_AT, AtomicBool::new(false));
        Self { header, path, file, records_at, last_seq, synced_seq, is_named }
    }

    /// Notes, without syncing, that everything up to `seq` is on the disk. The note survives the
    /// end of the process at once and a power cut with the next sync; it tells a later open that a
    /// bad record at or below it is damage and not a torn tail.
    pub(crate) fn mark_durable(&self, seq: u64) -> Result<()> {
        let slot = MARKER_AT + (seq & 1) * MARKER_LEN as u64;
        let marker = encode_marker(self.header.salt, seq);
        self.file.write_all_at(&marker, slot).map_err(Error::io("write", &self.path))
    }

    /// Highest durable note that can be read.
    pub(crate) fn durable_seq(&self) -> Result<u64> {
        let mut bytes = [0; 2 * MARKER_LEN];
        self.file.read_exact_at(&mut bytes, MARKER_AT).map_err(Error::io("read", &self.path))?;
        let markers = bytes.chunks_exact(MARKER_LEN);
        Ok(markers.filter_map(|bytes| decode_marker(self.header.salt, bytes)).max().unwrap_or(0))
    }

    /// Syncs what was appended when the call began, and the name in `dir`, its folder.
    pub(crate) fn sync(&self, vfs: &dyn Vfs, dir: &Path) -> Result<()> {
        let upto = self.last_seq.load(Ordering::Acquire);
        if self.synced_seq.load(Ordering::Acquire) < upto {
            self.file.sync_data().map_err(Error::io("sync", &self.path))?;
            if !self.is_named.load(Ordering::Acquire) {
                if !planted::is("skip-log-dir-sync") {
                    vfs.sync_dir(dir).map_err(Error::io("sync folder", dir))?;
                }
                self.is_named.store(true, Ordering::Release);
            }
            self.synced_seq.fetch_max(upto, Ordering::AcqRel);
        }
        Ok(())
    }
}

/// Segments of a folder, oldest first.
pub(crate) fn list_segments(vfs: &dyn Vfs, dir: &Path) -> Result<Vec<PathBuf>> {
    let names = vfs.read_dir(dir).map_err(Error::io("list", dir))?;
    let segments = names.into_iter().filter(|entry| entry.name.ends_with(EXTENSION));
    Ok(segments.map(|entry| dir.join(entry.name)).collect())
}

fn is_zero(file: &dyn VfsFile, path: &Path, range: Range<u64>) -> Result<bool> {
    let mut window = vec![0; WINDOW];
    let mut at = range.start;
    while at < range.end {
        let take = usize::try_from(range.end - at).unwrap_or(WINDOW).min(WINDOW);
        file.read_exact_at(&mut window[..take], at).map_err(Error::io("read", path))?;
        if window[..take].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += take as u64;
    }
    Ok(true)
}

/// What stands at a place of the log.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// A whole record with a good checksum.
    Record {
        /// Sequence number of the commit.
        seq: u64,
        /// Number of operations.
        ops: u32,
        /// The operations.
        payload: &'a [u8],
    },
    /// No record: the end, or damage.
    End {
        /// Where, in bytes from the start of the file.
        offset: u64,
        /// Whether bytes stand here that are not a record.
        garbage: bool,
    },
}

/// Reads the records of a segment one after the other.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    pub(crate) segment: Arc<Segment>,
    offset: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl SegmentReader {
    pub(crate) fn new(segment: Arc<Segment>) -> Self {
        let offset = segment.records_at;
        Self { segment, offset, window: Vec::new(), window_at: 0 }
    }

    /// Bytes of records read so far, headers included.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on at `offset`, where a record may start.
    pub(crate) fn jump_within(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// Forgets what was read ahead: the segment may have grown.
    pub(crate) fn refresh(&mut self) {
        self.window.clear();
    }

    /// Reads the next record; stays in place at the end.
    pub(crate) fn step(&mut self) -> Result<Step<'_>> {
        let offset = self.offset;
        let capacity = self.segment.header.capacity;
        let header_len = RECORD_HEADER_LEN as u64;
        if offset + header_len > capacity {
            return Ok(Step::End { offset, garbage: false });
        }
        self.fill(offset, RECORD_HEADER_LEN)?;
        let mut head = [0; RECORD_HEADER_LEN];
        head.copy_from_slice(self.view(offset, RECORD_HEADER_LEN));
        let garbage = head != [0; RECORD_HEADER_LEN];
        let Some(header) = RecordHeader::decode(self.segment.header.salt, &head) else {
            return Ok(Step::End { offset, garbage });
        };
        let payload_at = offset + header_len;
        let payload_len = header.payload_len as usize;
        if payload_at + u64::from(header.payload_len) > capacity {
            return Ok(Step::End { offset, garbage });
        }
        self.fill(payload_at, payload_len)?;
        let whole = crc32c(self.view(payload_at, payload_len)) == header.payload_crc;
        if !whole && !planted::is("skip-record-checksum") {
            return Ok(Step::End { offset, garbage });
        }
        self.offset = offset + record_len(u64::from(header.payload_len));
        let payload = self.view(payload_at, payload_len);
        Ok(Step::Record { seq: header.seq, ops: header.ops, payload })
    }

    /// Makes sure that the window covers `len` bytes from `at` on.
    fn fill(&mut self, at: u64, len: usize) -> Result<()> {
        let have = self.window_at..self.window_at + self.window.len() as u64;
        if have.contains(&at) && at + len as u64 <= have.end || len == 0 {
            return Ok(());
        }
        let left = self.segment.header.capacity - at;
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(WINDOW.max(len));
        self.window.resize(take, 0);
        self.window_at = at;
        let read = self.segment.file.read_exact_at(&mut self.window, at);
        if read.is_err() {
            self.window.clear();
        }
        read.map_err(Error::io("read", &self.segment.path))
    }

    fn view(&self, at: u64, len: usize) -> &[u8] {
        let from = usize::try_from(at.saturating_sub(self.window_at)).unwrap_or(usize::MAX);
        self.window.get(from..from.saturating_add(len)).unwrap_or_default()
    }
}
