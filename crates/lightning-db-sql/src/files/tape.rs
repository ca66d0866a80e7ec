//! A source that can be read again from a mark on.

use std::io::{self, Read};

/// Bytes of one row past which it is no row: a quote was opened and never closed.
pub const ROW_LEN_MAX: usize = 16 << 20;
/// Bytes before the mark that are kept until it is worth the copy to drop them.
const DROP_LEN_MIN: usize = 256 << 10;

/// Keeps what was read since a mark. It ends early when a row is longer than [`ROW_LEN_MAX`].
pub(super) struct Tape {
    source: Box<dyn Read>,
    kept: Vec<u8>,
    /// Where in the source the kept bytes begin.
    kept_from: u64,
    /// Kept bytes that are to be read again end the tape; those before this place were read.
    next: usize,
    /// Whether it ended early.
    is_cut: bool,
    /// Whether the source has ended, and everything was read.
    is_at_end: bool,
}

impl Tape {
    pub(super) fn new(source: Box<dyn Read>) -> Self {
        Self { source, kept: Vec::new(), kept_from: 0, next: 0, is_cut: false, is_at_end: false }
    }

    /// Bytes between two places behind the mark, in bytes from the start of the source.
    pub(super) fn slice(&self, from: u64, to: u64) -> &[u8] {
        let at = |place: u64| {
            let place = usize::try_from(place.saturating_sub(self.kept_from));
            place.map_or(self.kept.len(), |place| place.min(self.kept.len()))
        };
        &self.kept[at(from)..at(to)]
    }

    /// Moves the mark forward to a place.
    pub(super) fn mark(&mut self, place: u64) {
        let dropped = usize::try_from(place.saturating_sub(self.kept_from)).unwrap_or(0);
        if dropped >= DROP_LEN_MIN {
            self.drop_front(dropped);
        }
    }

    /// Goes back to a place behind the mark: it is read next.
    pub(super) fn rewind(&mut self, place: u64) {
        let dropped = usize::try_from(place.saturating_sub(self.kept_from)).unwrap_or(0);
        self.drop_front(dropped);
        self.next = 0;
        self.is_cut = false;
        self.is_at_end = false;
    }

    /// Whether the tape ended within a row that is too long.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Whether the last read found the end of the source.
    pub(super) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    fn drop_front(&mut self, len: usize) {
        let len = len.min(self.kept.len());
        self.kept.drain(..len);
        self.kept_from += len as u64;
        self.next = self.next.saturating_sub(len);
    }
}

impl Read for Tape {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let again = &self.kept[self.next..];
        if !again.is_empty() {
            let len = again.len().min(buffer.len());
            buffer[..len].copy_from_slice(&again[..len]);
            self.next += len;
            return Ok(len);
        }
        if self.kept.len() >= ROW_LEN_MAX {
            self.is_cut = true;
            return Ok(0);
        }
        let len = self.source.read(buffer)?;
        self.is_at_end = len == 0 && !buffer.is_empty();
        self.kept.extend_from_slice(&buffer[..len]);
        self.next = self.kept.len();
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tape_is_read_again_from_where_it_was_rewound_to() {
        let mut tape = Tape::new(Box::new(&b"0123456789"[..]));
        let mut buffer = [0; 6];
        assert_eq!(tape.read(&mut buffer).unwrap(), 6);
        assert_eq!(tape.slice(2, 5), b"234");
        tape.rewind(4);
        assert_eq!(tape.read(&mut buffer).unwrap(), 2);
        assert_eq!(&buffer[..2], b"45");
        assert_eq!(tape.read(&mut buffer).unwrap(), 4);
        assert_eq!(tape.slice(4, 10), b"456789");
    }

    #[test]
    fn endless_row_is_cut() {
        let mut tape = Tape::new(Box::new(io::repeat(b'x')));
        let mut buffer = vec![0; 1 << 20];
        let reads = (0..100).take_while(|_| tape.read(&mut buffer).unwrap() > 0).count();
        assert_eq!(reads, ROW_LEN_MAX >> 20);
        assert!(tape.is_cut());
        tape.rewind(ROW_LEN_MAX as u64 - 1);
        assert!(!tape.is_cut() && tape.read(&mut buffer).unwrap() == 1);
    }
}
