//! Appending to the log, group commit, and the release of old segments.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use lightning_db_types::{OpenMode, Rng, Vfs};
use parking_lot::Mutex;

use super::format::{Frame, RECORDS_AT, SegmentHeader, record_len};
use super::segment::Segment;
use super::turn::Turn;
use crate::error::{Error, Result};
use crate::planted;

/// Largest commit, in bytes: values above 1 MiB are not in the log but in blobs.
const PAYLOAD_LEN_MAX: u64 = 1 << 30;

/// The first segment is small, so that a small store is small on the disk; each next one is larger
/// by this factor, up to the segment size.
const SEGMENT_LEN_FIRST: u64 = 1 << 20;
const SEGMENT_GROWTH: u64 = 4;

/// The shared side of the log: what syncs, reads and releases it.
#[derive(Debug)]
pub(crate) struct Log {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    rng: Arc<dyn Rng>,
    segment_size: u64,
    /// Sequence number of the last appended record.
    appended: AtomicU64,
    /// Number of syncs done: commits per sync is the measure of group commit.
    syncs: AtomicU64,
    /// Syncs, and the sequence number up to which everything is on the disk.
    turn: Turn,
    /// Oldest first; the last one is being written.
    segments: Mutex<VecDeque<Arc<Segment>>>,
    /// A segment made ahead, so that no commit waits for one.
    spare: Mutex<Option<Segment>>,
    /// Capacity of the spare that is wanted; zero for none.
    spare_wanted: AtomicU64,
    spare_asked: AtomicBool,
    next_number: AtomicU64,
    poison: OnceLock<String>,
}

/// The writing side, owned by whoever holds the commit lock.
#[derive(Debug)]
pub(crate) struct LogWriter {
    segment: Arc<Segment>,
    offset: u64,
    last_seq: u64,
    /// Whether a spare was asked for since the segment was begun.
    asked: bool,
    /// Set when a new segment could not be made: its file may be there, with a header that says
    /// where the log went on, so the old segment must not grow past that point.
    must_rotate: bool,
}

impl Log {
    /// Goes on after `segments`, whose last record is `last_seq`, with a new segment.
    ///
    /// A segment is never appended to by a second process: what stands behind its last good
    /// record is unknown.
    pub(crate) fn start(
        vfs: Arc<dyn Vfs>,
        dir: &Path,
        rng: Arc<dyn Rng>,
        segment_size: u64,
        segments: VecDeque<Arc<Segment>>,
        last_seq: u64,
    ) -> Result<(Self, LogWriter)> {
        // What an ended process left in the page cache was acknowledged, and is built upon now.
        for segment in &segments {
            segment.sync(&*vfs, dir)?;
        }
        let number = segments.back().map_or(0, |last| last.header.number) + 1;
        let log = Self {
            vfs,
            dir: dir.to_owned(),
            rng,
            segment_size,
            appended: AtomicU64::new(last_seq),
            syncs: AtomicU64::new(0),
            turn: Turn::new(last_seq),
            segments: Mutex::new(segments),
            spare: Mutex::default(),
            spare_wanted: AtomicU64::new(0),
            spare_asked: AtomicBool::new(false),
            next_number: AtomicU64::new(number),
            poison: OnceLock::new(),
        };
        let segment = log.create_segment(last_seq, segment_size.min(SEGMENT_LEN_FIRST))?;
        let writer =
            LogWriter { segment, offset: RECORDS_AT, last_seq, asked: false, must_rotate: false };
        Ok((log, writer))
    }

    fn create_segment(&self, last_seq: u64, capacity: u64) -> Result<Arc<Segment>> {
        let header = self.new_header(last_seq, capacity);
        let segment = Segment::create(&*self.vfs, &self.dir, header, self.synced())?;
        Ok(self.add_segment(segment))
    }

    fn new_header(&self, prev_last_seq: u64, capacity: u64) -> SegmentHeader {
        let number = self.next_number.fetch_add(1, Ordering::AcqRel);
        SegmentHeader { number, salt: self.rng.next_u64(), prev_last_seq, capacity }
    }

    fn add_segment(&self, segment: Segment) -> Arc<Segment> {
        let segment = Arc::new(segment);
        self.segments.lock().push_back(Arc::clone(&segment));
        segment
    }

    /// Whether a segment should be made ahead; says so once for each.
    #[inline]
    pub(crate) fn asks_for_spare(&self) -> bool {
        self.spare_asked.load(Ordering::Relaxed) && self.spare_asked.swap(false, Ordering::AcqRel)
    }

    /// Makes the segment that was asked for. A failure is no harm: the commit that needs one makes
    /// it then, and reports why it cannot.
    pub(crate) fn prepare_spare(&self) -> Result<()> {
        let capacity = self.spare_wanted.swap(0, Ordering::AcqRel);
        if capacity == 0 {
            return Ok(());
        }
        let header = self.new_header(SegmentHeader::SPARE, capacity);
        let spare = Segment::create(&*self.vfs, &self.dir, header, 0)?;
        let unused = self.spare.lock().replace(spare);
        unused.map_or(Ok(()), |unused| self.remove_spare(unused))
    }

    /// The spare, if it can hold a record of `len` bytes and comes after segment `number`.
    fn take_spare(&self, number: u64, len: u64) -> Result<Option<Segment>> {
        let Some(spare) = self.spare.lock().take() else { return Ok(None) };
        let fits = spare.header.capacity >= RECORDS_AT + len;
        if fits && spare.header.number > number {
            return Ok(Some(spare));
        }
        self.remove_spare(spare)?;
        Ok(None)
    }

    fn remove_spare(&self, Segment { path, file, .. }: Segment) -> Result<()> {
        drop(file);
        self.vfs.remove_file(&path).map_err(Error::io("remove", &path))
    }

    /// Fails if an earlier failure left the log in an unknown state.
    pub(crate) fn check(&self) -> Result<()> {
        match self.poison.get() {
            None => Ok(()),
            Some(reason) => Err(Error::Poisoned { reason: reason.clone() }),
        }
    }

    /// Refuses all later writes.
    pub(crate) fn poison(&self, cause: &Error) {
        let source = std::error::Error::source(cause);
        let detail = source.map_or_else(String::new, |source| format!(": {source}"));
        let _ = self.poison.set(format!("{cause}{detail}"));
    }

    /// Returns when everything up to `seq` is on the disk. Concurrent callers share syncs.
    pub(crate) fn sync_to(&self, seq: u64) -> Result<()> {
        let (check, fail) = (|| self.check(), |cause: &Error| self.poison(cause));
        self.turn.reach(seq, check, || self.sync_appended(), fail)
    }

    /// Syncs all segments; returns the number of the last record that was there before.
    fn sync_appended(&self) -> Result<u64> {
        let upto = self.appended.load(Ordering::Acquire);
        let segments: Vec<_> = self.segments.lock().iter().map(Arc::clone).collect();
        for segment in &segments {
            segment.sync(&*self.vfs, &self.dir)?;
        }
        self.syncs.fetch_add(1, Ordering::Relaxed);
        if let Some(last) = segments.last() {
            last.mark_durable(upto)?;
        }
        Ok(upto)
    }

    /// Syncs everything that has been appended.
    pub(crate) fn sync(&self) -> Result<()> {
        self.check()?;
        self.sync_to(self.appended())
    }

    pub(crate) fn appended(&self) -> u64 {
        self.appended.load(Ordering::Acquire)
    }

    pub(crate) fn synced(&self) -> u64 {
        self.turn.done()
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// All segments, oldest first.
    pub(crate) fn segments(&self) -> Vec<Arc<Segment>> {
        self.segments.lock().iter().map(Arc::clone).collect()
    }

    /// Sequence number of the oldest record that is still in the log.
    pub(crate) fn oldest_seq(&self) -> u64 {
        self.segments.lock().front().map_or(0, |oldest| oldest.header.prev_last_seq + 1)
    }

    /// Bytes of all segments.
    pub(crate) fn len(&self) -> u64 {
        self.segments.lock().iter().map(|segment| segment.header.capacity).sum()
    }

    /// Removes segments whose records are all in tables, oldest first, while the log is longer
    /// than `keep`.
    pub(crate) fn release(&self, flushed_seq: u64, keep: u64) -> Result<()> {
        let mut segments = self.segments.lock();
        let mut len: u64 = segments.iter().map(|segment| segment.header.capacity).sum();
        while segments.len() > 1 && len > keep {
            let Some(oldest) = segments.front() else { break };
            if oldest.last_seq.load(Ordering::Acquire) > flushed_seq {
                break;
            }
            let path = &oldest.path;
            self.vfs.remove_file(path).map_err(Error::io("remove", path))?;
            len -= oldest.header.capacity;
            segments.pop_front();
        }
        Ok(())
    }
}

impl LogWriter {
    /// Appends a commit: one copy into the mapped segment, no system call unless it is full.
    ///
    /// # Errors
    /// A segment that cannot be made leaves the log as it was; a failed write poisons it.
    pub(crate) fn append(
        &mut self,
        log: &Log,
        seq: u64,
        frame: &mut Frame,
        tail: &[u8],
    ) -> Result<()> {
        let payload_len = frame.payload_len();
        if payload_len > PAYLOAD_LEN_MAX {
            return Err(Error::CommitTooLarge { len: payload_len, max: PAYLOAD_LEN_MAX });
        }
        let len = record_len(payload_len);
        if self.must_rotate || self.offset + len > self.segment.header.capacity {
            self.rotate(log, len)?;
        }
        if !self.asked && self.offset > self.segment.header.capacity / 2 {
            self.asked = true;
            log.spare_wanted.store(self.next_capacity(log), Ordering::Relaxed);
            log.spare_asked.store(true, Ordering::Release);
        }
        let salt = self.segment.header.salt;
        frame.finish(salt, seq);
        let outcome = self.write(frame, tail);
        if let Err(cause) = &outcome {
            log.poison(cause);
        }
        outcome?;
        self.offset += len;
        self.last_seq = seq;
        self.segment.last_seq.store(seq, Ordering::Release);
        log.appended.store(seq, Ordering::Release);
        Ok(())
    }

    fn write(&self, frame: &Frame, tail: &[u8]) -> Result<()> {
        let Segment { file, path, .. } = &*self.segment;
        if !tail.is_empty() {
            let at = self.offset + frame.bytes.len() as u64;
            file.write_all_at(tail, at).map_err(Error::io("write", path))?;
        }
        file.write_all_at(&frame.bytes, self.offset).map_err(Error::io("write", path))
    }

    /// Ends the log: everything is synced, and the last segment is cut to what it holds, unless a
    /// change reader is still mapping it.
    pub(crate) fn close(self, log: &Log) -> Result<()> {
        log.sync()?;
        let Self { segment, offset, .. } = self;
        let vfs = &*log.vfs;
        if let Some(spare) = log.spare.lock().take() {
            log.remove_spare(spare)?;
        }
        log.segments.lock().pop_back();
        let Some(Segment { path, file, .. }) = Arc::into_inner(segment) else {
            return Ok(());
        };
        drop(file);
        if offset == RECORDS_AT {
            return vfs.remove_file(&path).map_err(Error::io("remove", &path));
        }
        let file = vfs.open(&path, OpenMode::Write).map_err(Error::io("open", &path))?;
        // With the durable note, which tells an open that what is cut away holds nothing.
        file.sync_data().map_err(Error::io("sync", &path))?;
        file.set_len(offset).map_err(Error::io("cut", &path))
    }

    fn rotate(&mut self, log: &Log, len: u64) -> Result<()> {
        self.must_rotate = true;
        let spare = log.take_spare(self.segment.header.number, len)?;
        self.segment = if let Some(spare) = spare {
            log.add_segment(spare.begin(self.last_seq, log.synced())?)
        } else {
            let capacity = self.next_capacity(log).max(RECORDS_AT + len);
            log.create_segment(self.last_seq, capacity)?
        };
        self.offset = RECORDS_AT;
        self.asked = false;
        self.must_rotate = false;
        Ok(())
    }

    fn next_capacity(&self, log: &Log) -> u64 {
        (self.segment.header.capacity * SEGMENT_GROWTH).min(log.segment_size)
    }
}

/// Whether an acknowledgement may be given before its sync: a planted defect, never otherwise.
pub(crate) fn acknowledges_early() -> bool {
    planted::is("acknowledge-before-sync")
}
