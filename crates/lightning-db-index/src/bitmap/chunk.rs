//! The value of a chunk: up to 65,536 rows, in the shortest of four forms.
//!
//! ```text
//! chunk = form + flag (1 byte), count, payload
//! form  = 0   few rows:  count (1 byte, 0 to 8), varints: the first row, then distances - 1
//!       | 1   rows:      count - 1 (2 bytes), each row (2 bytes)
//!       | 2   bits:      count - 1 (2 bytes), 8 KiB
//!       | 3   runs:      count - 1 (2 bytes), first row and number of rows behind it (2 + 2 bytes)
//! flag  = 80  the set is what it was before: its changes were folded into the chunk
//! ```
//! Numbers are little-endian. Forms 1 to 3 are containers of the portable Roaring format.

use crate::row_set::portable::{ARRAY_LEN_MAX, BITS_BYTES, Container, array_of, runs_of, words_of};

const FEW: u8 = 0;
const ARRAY: u8 = 1;
const BITS: u8 = 2;
const RUNS: u8 = 3;
const FORM: u8 = 0x7F;
const FOLDED: u8 = 0x80;
const FEW_MAX: u32 = 8;
const WORDS: usize = BITS_BYTES / 8;

/// Whether a chunk's value was written by a fold.
pub(super) fn is_folded(stored: &[u8]) -> bool {
    stored.first().is_some_and(|form| form & FOLDED != 0)
}

/// Number of rows of a chunk, without looking at them.
pub(super) fn rows_of(stored: &[u8]) -> Result<u32, &'static str> {
    match stored {
        [form, count, ..] if form & FORM == FEW => Ok(u32::from(*count)),
        [_, low, high, ..] => Ok(u32::from(u16::from_le_bytes([*low, *high])) + 1),
        _ => Err("a chunk without a count"),
    }
}

/// The container of a chunk with its number of rows; few rows are written into `scratch`. Lengths
/// and counts are checked, the order of rows is not.
pub(super) fn container<'a>(
    stored: &'a [u8],
    scratch: &'a mut Vec<u8>,
) -> Result<(u32, Container<'a>), &'static str> {
    let rows = rows_of(stored)?;
    let form = stored.first().map_or(0, |form| form & FORM);
    let payload = stored.get(if form == FEW { 2 } else { 3 }..).unwrap_or_default();
    let container = match form {
        FEW => {
            unpack(payload, rows, scratch)?;
            Container::Array(scratch)
        }
        ARRAY if payload.len() == rows as usize * 2 && rows <= ARRAY_LEN_MAX => {
            Container::Array(payload)
        }
        BITS if payload.len() == BITS_BYTES && rows > ARRAY_LEN_MAX => Container::Bits(payload),
        RUNS if payload.len() % 4 == 0 => {
            let sum: u32 = runs_of(payload).map(|(first, last)| u32::from(last - first) + 1).sum();
            if sum != rows {
                return Err("a chunk of runs does not hold as many rows as it says");
            }
            Container::Runs(payload)
        }
        ARRAY | BITS => return Err("a chunk is not as long as its count says"),
        _ => return Err("a chunk of an unknown form"),
    };
    Ok((rows, container))
}

/// Writes few rows as an array.
fn unpack(packed: &[u8], rows: u32, to: &mut Vec<u8>) -> Result<(), &'static str> {
    to.clear();
    let mut bytes = packed.iter();
    let mut last: Option<u32> = None;
    for _ in 0..rows {
        let (mut gap, mut shift) = (0_u32, 0);
        loop {
            let byte = *bytes.next().ok_or("a chunk ends early")?;
            gap |= u32::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
            if shift > 14 {
                return Err("a row beyond its chunk");
            }
        }
        let row = last.map_or(gap, |last| last + 1 + gap);
        let row = u16::try_from(row).map_err(|_| "a row beyond its chunk")?;
        to.extend_from_slice(&row.to_le_bytes());
        last = Some(u32::from(row));
    }
    if bytes.next().is_some() { Err("bytes behind a chunk") } else { Ok(()) }
}

/// The value of a container that holds rows.
pub(super) fn encode(rows: u32, container: Container<'_>, folded: bool) -> Vec<u8> {
    let flag = if folded { FOLDED } else { 0 };
    if rows <= FEW_MAX {
        let mut value = vec![FEW | flag, u8::try_from(rows).unwrap_or(0)];
        let mut next = 0;
        each_row(container, &mut |row| {
            let mut gap = u32::from(row) - next;
            while gap >= 0x80 {
                value.push(u8::try_from(gap & 0x7F).unwrap_or(0) | 0x80);
                gap >>= 7;
            }
            value.push(u8::try_from(gap).unwrap_or(0));
            next = u32::from(row) + 1;
        });
        return value;
    }
    let (form, payload) = match container {
        Container::Array(payload) => (ARRAY, payload),
        Container::Bits(payload) => (BITS, payload),
        Container::Runs(payload) => (RUNS, payload),
    };
    let mut value = Vec::with_capacity(payload.len() + 3);
    value.push(form | flag);
    value.extend_from_slice(&u16::try_from(rows - 1).unwrap_or(u16::MAX).to_le_bytes());
    value.extend_from_slice(payload);
    value
}

fn each_row(container: Container<'_>, visit: &mut dyn FnMut(u16)) {
    match container {
        Container::Array(bytes) => array_of(bytes).for_each(visit),
        Container::Runs(bytes) => {
            runs_of(bytes).flat_map(|(first, last)| first..=last).for_each(visit);
        }
        Container::Bits(bytes) => {
            for (index, mut word) in words_of(bytes).enumerate() {
                while word != 0 {
                    let row = index * 64 + word.trailing_zeros() as usize;
                    visit(u16::try_from(row).unwrap_or(u16::MAX));
                    word &= word - 1;
                }
            }
        }
    }
}

/// A chunk that is being changed.
#[derive(Debug)]
pub(super) struct Chunk {
    bits: Box<[u64; WORDS]>,
    bytes: Vec<u8>,
}

impl Chunk {
    pub(super) fn new() -> Self {
        Self { bits: Box::new([0; WORDS]), bytes: Vec::new() }
    }

    /// Takes the rows of a container in place of its own.
    pub(super) fn set(&mut self, container: Option<Container<'_>>) {
        self.bits.fill(0);
        match container {
            Some(Container::Bits(bytes)) => {
                self.bits.iter_mut().zip(words_of(bytes)).for_each(|(word, bits)| *word = bits);
            }
            Some(container) => self.add(container),
            None => {}
        }
    }

    /// Adds the rows of a container.
    pub(super) fn add(&mut self, container: Container<'_>) {
        each_row(container, &mut |row| self.change(row, true));
    }

    pub(super) fn change(&mut self, row: u16, add: bool) {
        let (word, bit) = (&mut self.bits[usize::from(row >> 6)], 1 << (row & 63));
        if add {
            *word |= bit;
        } else {
            *word &= !bit;
        }
    }

    /// Its rows as the shortest container, with their number.
    pub(super) fn container(&mut self) -> (u32, Container<'_>) {
        let rows: u32 = self.bits.iter().map(|word| word.count_ones()).sum();
        let mut runs = 0;
        let mut carry = 0;
        for word in &*self.bits {
            // A run starts where a bit is set and the one below it is not.
            runs += (word & !(word << 1 | carry)).count_ones() as usize;
            carry = word >> 63;
        }
        let plain = if rows <= ARRAY_LEN_MAX { rows as usize * 2 } else { BITS_BYTES };
        self.bytes.clear();
        if rows > FEW_MAX && runs * 4 + 2 < plain {
            self.push_runs();
            return (rows, Container::Runs(&self.bytes));
        }
        if rows <= ARRAY_LEN_MAX {
            for (index, word) in self.bits.iter().enumerate() {
                let mut word = *word;
                while word != 0 {
                    let row = index * 64 + word.trailing_zeros() as usize;
                    let row = u16::try_from(row).unwrap_or(u16::MAX);
                    self.bytes.extend_from_slice(&row.to_le_bytes());
                    word &= word - 1;
                }
            }
            return (rows, Container::Array(&self.bytes));
        }
        self.bytes.extend(self.bits.iter().flat_map(|word| word.to_le_bytes()));
        (rows, Container::Bits(&self.bytes))
    }

    fn push_runs(&mut self) {
        let is_set = |row: u32| self.bits[(row >> 6) as usize] >> (row & 63) & 1 == 1;
        let mut row = 0;
        while row < 1 << 16 {
            let word = self.bits[(row >> 6) as usize] >> (row & 63);
            if word == 0 {
                row = (row | 63) + 1;
                continue;
            }
            let first = row + word.trailing_zeros();
            let mut last = first;
            while last < 0xFFFF && is_set(last + 1) {
                last += 1;
            }
            let number = |number: u32| u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes();
            self.bytes.extend_from_slice(&number(first));
            self.bytes.extend_from_slice(&number(last - first));
            row = last + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &(impl Iterator<Item = u16> + Clone), form: u8) {
        let mut chunk = Chunk::new();
        rows.clone().for_each(|row| chunk.change(row, true));
        let (count, container) = chunk.container();
        container.validate(count).unwrap();
        let stored = encode(count, container, true);
        assert_eq!(stored[0], form | FOLDED);
        assert!(is_folded(&stored));
        assert_eq!(rows_of(&stored), Ok(count));
        let mut scratch = Vec::new();
        let (again, read) = super::container(&stored, &mut scratch).unwrap();
        let mut found = Vec::new();
        each_row(read, &mut |row| found.push(row));
        assert_eq!(again as usize, found.len());
        assert!(rows.clone().eq(found.iter().copied()));
        let mut copy = Chunk::new();
        copy.set(Some(read));
        assert_eq!(copy.container().0, count);
    }

    #[test]
    fn chunks_of_all_forms_come_back() {
        check(&(std::iter::empty()), FEW);
        check(&([0, 1, 127, 128, 40_000, 65_535].into_iter()), FEW);
        check(&((0..1000).map(|row| row * 60)), ARRAY);
        check(&((0..65_535).step_by(2)), BITS);
        check(&(100..60_000), RUNS);
        check(&((0..=u16::MAX).filter(|row| row % 100 != 0)), RUNS);
        check(&(0..=u16::MAX), RUNS);
    }

    #[test]
    fn damaged_chunks_are_refused() {
        let mut scratch = Vec::new();
        for stored in [
            &[][..],
            &[FEW],
            &[FEW, 2, 0],
            &[FEW, 1, 0x80, 0x80, 0x80, 1],
            &[FEW, 1, 0, 0],
            &[FEW, 2, 0xFF, 0xFF, 3, 0],
            &[ARRAY, 1, 0, 5, 0],
            &[BITS, 1, 0, 5, 0],
            &[RUNS, 1, 0, 5, 0, 0, 0],
            &[RUNS, 1, 0, 5],
            &[9, 0, 0],
        ] {
            assert!(container(stored, &mut scratch).is_err(), "{stored:?}");
        }
    }
}
