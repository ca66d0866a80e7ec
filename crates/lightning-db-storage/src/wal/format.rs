//! Bytes of the log; docs/storage-format.md has the tables.

use lightning_db_types::checksum::{crc32c, crc32c_append};

/// First bytes of a segment.
pub(super) const MAGIC: [u8; 8] = *b"LDBWAL\x00\x01";
/// Version written, and the newest that is read.
pub(super) const VERSION: u32 = 2;
/// Length of the segment header, in the first sector.
pub(super) const HEADER_LEN: usize = 64;
/// Where the durable markers stand: in a sector of their own, so that writing them cannot tear
/// the header.
pub(super) const MARKER_AT: u64 = 512;
/// Length of one of the two markers.
pub(super) const MARKER_LEN: usize = 32;
/// Where the header stands a second time: in a page of its own, so that a disk that loses one of
/// them does not make a synced segment look like one that never was.
pub(super) const COPY_AT: u64 = 4096;
/// Where records start.
pub(super) const RECORDS_AT: u64 = COPY_AT + 512;
/// Where they start in version 1, which has no copy of the header.
pub(super) const RECORDS_AT_V1: u64 = 1024;
/// Length of a record's header.
pub(crate) const RECORD_HEADER_LEN: usize = 24;
/// Length of an operation's header.
const OP_HEADER_LEN: usize = 8;
/// Records start at multiples of this.
const ALIGN: u64 = 8;

/// What the head of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Position in the log; grows by at least one.
    pub(crate) number: u64,
    /// Random number that every checksum of the segment covers, so that bytes of an earlier life
    /// of the file are never taken for records.
    pub(crate) salt: u64,
    /// Sequence number of the last record before this segment.
    pub(crate) prev_last_seq: u64,
    /// Length of the file.
    pub(crate) capacity: u64,
}

impl SegmentHeader {
    /// Stands in `prev_last_seq` while the segment is a spare, not yet part of the log.
    pub(super) const SPARE: u64 = u64::MAX;

    pub(super) fn encode(&self) -> [u8; HEADER_LEN] {
        self.encode_as(VERSION)
    }

    pub(super) fn encode_as(&self, version: u32) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&version.to_le_bytes());
        out[16..24].copy_from_slice(&self.number.to_le_bytes());
        out[24..32].copy_from_slice(&self.salt.to_le_bytes());
        out[32..40].copy_from_slice(&self.prev_last_seq.to_le_bytes());
        out[40..48].copy_from_slice(&self.capacity.to_le_bytes());
        let crc = crc32c_append(crc32c(&out[..12]), &out[16..]);
        out[12..16].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Decodes; the error says what is wrong.
    pub(super) fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, String> {
        if bytes[..8] != MAGIC {
            return Err("not the head of a log segment".into());
        }
        let crc = crc32c_append(crc32c(&bytes[..12]), &bytes[16..]);
        if u32_at(bytes, 12) != crc {
            return Err("checksum of the segment header does not match".into());
        }
        Ok(Self {
            number: u64_at(bytes, 16),
            salt: u64_at(bytes, 24),
            prev_last_seq: u64_at(bytes, 32),
            capacity: u64_at(bytes, 40),
        })
    }

    /// Version in the header, whose checksum has been seen to match.
    pub(super) fn version(bytes: &[u8; HEADER_LEN]) -> u32 {
        u32_at(bytes, 8)
    }
}

/// A durable marker: everything up to `seq` has been synced.
pub(super) fn encode_marker(salt: u64, seq: u64) -> [u8; MARKER_LEN] {
    let mut out = [0; MARKER_LEN];
    out[..8].copy_from_slice(&seq.to_le_bytes());
    let crc = crc32c_append(crc32c(&salt.to_le_bytes()), &out[..8]);
    out[8..12].copy_from_slice(&crc.to_le_bytes());
    out
}

pub(super) fn decode_marker(salt: u64, bytes: &[u8]) -> Option<u64> {
    let seq = u64::from_le_bytes(*bytes.first_chunk()?);
    let crc = crc32c_append(crc32c(&salt.to_le_bytes()), bytes.get(..8)?);
    (bytes.get(8..12)? == crc.to_le_bytes()).then_some(seq)
}

/// What the head of a record says.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordHeader {
    pub(super) payload_len: u32,
    pub(super) seq: u64,
    pub(super) payload_crc: u32,
    pub(super) ops: u32,
}

impl RecordHeader {
    pub(super) fn encode(&self, salt: u64) -> [u8; RECORD_HEADER_LEN] {
        let mut out = [0; RECORD_HEADER_LEN];
        out[4..8].copy_from_slice(&self.payload_len.to_le_bytes());
        out[8..16].copy_from_slice(&self.seq.to_le_bytes());
        out[16..20].copy_from_slice(&self.payload_crc.to_le_bytes());
        out[20..24].copy_from_slice(&self.ops.to_le_bytes());
        let crc = Self::crc(salt, &out);
        out[..4].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(super) fn decode(salt: u64, bytes: &[u8; RECORD_HEADER_LEN]) -> Option<Self> {
        let header = Self {
            payload_len: u32_at(bytes, 4),
            seq: u64_at(bytes, 8),
            payload_crc: u32_at(bytes, 16),
            ops: u32_at(bytes, 20),
        };
        (u32_at(bytes, 0) == Self::crc(salt, bytes) && header.payload_len > 0).then_some(header)
    }

    /// Starts from the salt, so that it is covered without a pass over its bytes.
    #[inline]
    fn crc(salt: u64, bytes: &[u8; RECORD_HEADER_LEN]) -> u32 {
        crc32c_append(fold(salt), &bytes[4..])
    }
}

/// Both halves of a salt in one.
fn fold(salt: u64) -> u32 {
    let (high, low) = (salt >> 32, salt & u64::from(u32::MAX));
    u32::try_from(high ^ low).unwrap_or_default()
}

/// Length of a record with its padding.
pub(super) fn record_len(payload_len: u64) -> u64 {
    (RECORD_HEADER_LEN as u64 + payload_len).next_multiple_of(ALIGN)
}

/// One operation of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Op<'a> {
    /// Keyspace that it changes.
    pub(crate) keyspace_id: u32,
    /// The entry from its sequence number on, see `entry.rs`.
    pub(crate) entry: &'a [u8],
}

/// Iterates over the operations of a payload; ends early, and says so, at bytes that are none.
#[derive(Debug)]
pub(crate) struct Ops<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Ops<'a> {
    type Item = Option<Op<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let op = (|| {
            let (head, rest) = self.0.split_at_checked(OP_HEADER_LEN)?;
            let (entry, rest) = rest.split_at_checked(u32_at(head, 4) as usize)?;
            self.0 = rest;
            Some(Op { keyspace_id: u32_at(head, 0), entry })
        })();
        if op.is_none() {
            self.0 = &[];
        }
        Some(op)
    }
}

/// A record being put together outside the commit lock: header space, then operations.
///
/// The last operation may be left in the caller's buffer (`tail`), so that a large value is copied
/// once, straight into the log.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pub(super) bytes: Vec<u8>,
    ops: u32,
    crc: u32,
    tail_len: usize,
}

impl Frame {
    /// Empties the frame, keeping its buffer.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.resize(RECORD_HEADER_LEN, 0);
        (self.ops, self.crc, self.tail_len) = (0, 0, 0);
    }

    /// Adds an operation.
    pub(crate) fn push(&mut self, op: Op<'_>) {
        self.push_header(op);
        self.bytes.extend_from_slice(op.entry);
    }

    /// Adds the last operation without copying its entry, which `append` then needs.
    pub(crate) fn push_tail(&mut self, op: Op<'_>) {
        self.push_header(op);
        self.tail_len = op.entry.len();
    }

    fn push_header(&mut self, op: Op<'_>) {
        self.ops += 1;
        let len = u32::try_from(op.entry.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&op.keyspace_id.to_le_bytes());
        self.bytes.extend_from_slice(&len.to_le_bytes());
    }

    /// Closes the frame: after this only the header is missing. `tail` is the entry given to
    /// `push_tail`, or empty.
    pub(crate) fn seal(&mut self, tail: &[u8]) {
        debug_assert_eq!(tail.len(), self.tail_len);
        self.crc = crc32c_append(crc32c(&self.bytes[RECORD_HEADER_LEN..]), tail);
    }

    /// Length of the payload, in bytes.
    pub(crate) fn payload_len(&self) -> u64 {
        (self.bytes.len() - RECORD_HEADER_LEN + self.tail_len) as u64
    }

    /// Writes the header, now that the sequence number is known.
    pub(super) fn finish(&mut self, salt: u64, seq: u64) {
        let header = RecordHeader {
            payload_len: u32::try_from(self.payload_len()).unwrap_or(u32::MAX),
            seq,
            payload_crc: self.crc,
            ops: self.ops,
        };
        self.bytes[..RECORD_HEADER_LEN].copy_from_slice(&header.encode(salt));
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |chunk| u64::from_le_bytes(*chunk))
}
