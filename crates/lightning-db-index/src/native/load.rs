//! Building an index in bulk: entries are gathered, sorted, and written once.
//!
//! They are gathered in memory up to a budget. Beyond it they go to sorted runs, which are merged
//! at the end.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::loader::{Loaded, Loading, Resumed};
use crate::row_set::RowSet;
use crate::runs::{Place, Runs, ingest};

/// Duplicates that are listed.
const DUPLICATES_MAX: usize = 100;

/// Bytes of entries in memory, whatever the options say: places in them have 32 bits.
const MEMORY_MAX: usize = 1 << 31;

/// What entries of one key mean in a unique index.
pub(super) struct Unique<'a> {
    /// Whether the rows of two values have the same key.
    pub(super) same: &'a dyn Fn(&[u8], &[u8]) -> bool,
    /// The key of an entry, for people.
    pub(super) text: &'a dyn Fn(&[u8], &[u8]) -> String,
    /// Whether entries of one key become one, their values behind each other.
    pub(super) joined: bool,
}

/// What is done with sorted entries.
pub(super) struct Writer<'a> {
    /// Number of the row that an entry is of.
    pub(super) row_of: &'a dyn Fn(&[u8], &[u8]) -> u64,
    /// If two rows may not have one key.
    pub(super) unique: Option<Unique<'a>>,
    pub(super) progress: &'a mut dyn FnMut(u64, u64) -> ControlFlow<()>,
}

/// Where an entry is in the arena, with the bytes of its key by which most are told apart.
#[derive(Clone, Copy)]
struct Spot {
    head: u64,
    at: u32,
}

/// Entries in memory: lengths of key and value, 4 bytes each, then both.
#[derive(Default)]
struct Arena {
    bytes: Vec<u8>,
    spots: Vec<Spot>,
    /// Length of what all keys begin with.
    common: Option<usize>,
}

impl Arena {
    fn push(&mut self, key: &[u8], value: &[u8]) {
        let common = match self.spots.first() {
            None => key.len(),
            Some(first) => {
                let first = self.entry(first.at).0;
                let limit = self.common.unwrap_or(first.len()).min(key.len());
                if first[..limit] == key[..limit] {
                    limit
                } else {
                    first.iter().zip(key).take_while(|(left, right)| left == right).count()
                }
            }
        };
        self.common = Some(common);
        let at = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.spots.push(Spot { head: 0, at });
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        self.bytes.extend_from_slice(&len(key));
        self.bytes.extend_from_slice(&len(value));
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
    }

    #[inline]
    fn entry(&self, at: u32) -> (&[u8], &[u8]) {
        let bytes = &self.bytes[at as usize..];
        let len = |from: usize| {
            let len: [u8; 4] = bytes[from..from + 4].try_into().unwrap_or_default();
            u32::from_le_bytes(len) as usize
        };
        let (key, value) = (len(0), len(4));
        bytes[8..8 + key + value].split_at(key)
    }

    fn sort(&mut self) {
        let common = self.common.unwrap_or(0);
        let mut spots = std::mem::take(&mut self.spots);
        for spot in &mut spots {
            let key = self.entry(spot.at).0;
            let mut head = [0; 8];
            let behind = &key[common.min(key.len())..];
            let len = behind.len().min(8);
            head[..len].copy_from_slice(&behind[..len]);
            spot.head = u64::from_be_bytes(head);
        }
        spots.sort_unstable_by(|left, right| {
            let heads = left.head.cmp(&right.head);
            heads.then_with(|| self.entry(left.at).0.cmp(self.entry(right.at).0))
        });
        self.spots = spots;
    }

    fn iter(&self) -> impl Iterator<Item = Result<(&[u8], &[u8])>> {
        self.spots.iter().map(|spot| Ok(self.entry(spot.at)))
    }
}

/// Gathers entries in any order.
pub(super) struct Sorter<'a> {
    place: Place<'a>,
    arena: Arena,
    runs: Runs<'a>,
    /// What is kept with each run.
    keep: Box<dyn Fn() -> Vec<u8> + 'a>,
}

impl<'a> Sorter<'a> {
    /// With what is kept with each run, to be asked for by [`kept`](Self::kept) after a crash.
    pub(super) fn new(
        place: Place<'a>,
        loading: Loading,
        keep: impl Fn() -> Vec<u8> + 'a,
    ) -> Result<Self> {
        let runs = Runs::open(place.store, place.definition, loading)?;
        if runs.is_again() {
            place.keyspace.clear()?;
        }
        Ok(Self { place, arena: Arena::default(), runs, keep: Box::new(keep) })
    }

    /// What an earlier try has kept, as far as its runs are used.
    pub(super) fn kept(&self) -> &[u8] {
        self.runs.kept()
    }

    pub(super) fn resumed(&self) -> Option<Resumed> {
        self.runs.resumed()
    }

    pub(super) fn leave_out(&mut self, rows: &RowSet) {
        self.runs.leave_out(rows);
    }

    /// Adds the entry of a row.
    pub(super) fn push(&mut self, row_id: u64, key: &[u8], value: &[u8]) -> Result<()> {
        let spots = self.arena.spots.len() * size_of::<Spot>();
        let bytes = self.arena.bytes.len() + key.len() + value.len() + spots;
        if bytes > self.runs.budget().min(MEMORY_MAX) && !self.arena.spots.is_empty() {
            self.spill()?;
        }
        self.arena.push(key, value);
        self.pass(row_id);
        Ok(())
    }

    /// Notes that a row was read.
    pub(super) fn pass(&mut self, row_id: u64) {
        self.runs.pass(row_id);
    }

    /// Writes what is in memory as a run. Entries with one key would be one entry there, so each
    /// key gets its number behind it.
    fn spill(&mut self) -> Result<()> {
        let mut arena = std::mem::take(&mut self.arena);
        arena.sort();
        let entries = arena.spots.iter().zip(self.runs.entries()..).map(|(spot, number)| {
            let (key, value) = arena.entry(spot.at);
            ([key, &number.to_be_bytes()].concat(), value)
        });
        // Two keys of which one begins with the other could change places through the number, but
        // no key of an index begins with another but for an equal one.
        self.runs.write(entries, (self.keep)())
    }

    /// Writes the entries into the index.
    pub(super) fn finish(mut self, writer: &mut Writer<'_>) -> Result<Loaded> {
        let place = self.place;
        if self.runs.is_empty() {
            self.arena.sort();
            let total = self.arena.spots.len() as u64;
            let all = || self.arena.iter();
            return write(place, all, (self.runs.left_out(), total), writer);
        }
        let spilled = if self.arena.spots.is_empty() { Ok(()) } else { self.spill() };
        let (left_out, total) = (self.runs.left_out(), self.runs.entries());
        let runs = || {
            self.runs.merge().map(|entry| {
                let (key, value) = entry?;
                let without_number = key.len().saturating_sub(8);
                Ok((key[..without_number].to_vec(), value))
            })
        };
        let written = spilled.and_then(|()| write(place, runs, (left_out, total), writer));
        let ended = self.runs.end();
        let loaded = written?;
        ended?;
        Ok(loaded)
    }
}

fn write<K: AsRef<[u8]>, V: AsRef<[u8]>, I: Iterator<Item = Result<(K, V)>>>(
    place: Place<'_>,
    all: impl Fn() -> I,
    (left_out, total): (&RowSet, u64),
    writer: &mut Writer<'_>,
) -> Result<Loaded> {
    let row_of = writer.row_of;
    let entries = || {
        all().filter(move |entry| match entry {
            Ok((key, value)) if !left_out.is_empty() => {
                !left_out.contains(row_of(key.as_ref(), value.as_ref()))
            }
            _ => true,
        })
    };
    if let Some(unique) = &writer.unique {
        let duplicates = duplicates(entries(), unique, row_of)?;
        if !duplicates.is_empty() {
            return Ok(Loaded { entries: 0, duplicates });
        }
    }
    if writer.unique.as_ref().is_some_and(|unique| unique.joined) {
        let joined = Joined { entries: entries(), next: None };
        return ingest(place, joined, total, writer.progress);
    }
    ingest(place, entries(), total, writer.progress)
}

/// Entries of one key as one.
struct Joined<I> {
    entries: I,
    next: Option<(Vec<u8>, Vec<u8>)>,
}

impl<K: AsRef<[u8]>, V: AsRef<[u8]>, I: Iterator<Item = Result<(K, V)>>> Iterator for Joined<I> {
    type Item = Result<(Vec<u8>, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.entries.next() {
                None => return self.next.take().map(Ok),
                Some(Err(error)) => return Some(Err(error)),
                Some(Ok((key, value))) => match &mut self.next {
                    Some((last, joined)) if last == key.as_ref() => {
                        joined.extend_from_slice(value.as_ref());
                    }
                    next => {
                        let entry = (key.as_ref().to_vec(), value.as_ref().to_vec());
                        if let Some(done) = next.replace(entry) {
                            return Some(Ok(done));
                        }
                    }
                },
            }
        }
    }
}

/// Keys that several rows have, the first ones, each with two of its rows.
fn duplicates<K: AsRef<[u8]>, V: AsRef<[u8]>>(
    entries: impl Iterator<Item = Result<(K, V)>>,
    unique: &Unique<'_>,
    row_of: &dyn Fn(&[u8], &[u8]) -> u64,
) -> Result<Vec<(String, u64, u64)>> {
    let mut found: Vec<(String, u64, u64)> = Vec::new();
    // Different keys under the encoded one, and whether a second row of each was found.
    let mut group: Vec<(K, V, bool)> = Vec::new();
    for entry in entries {
        let (key, value) = entry?;
        if group.first().is_some_and(|(last, ..)| last.as_ref() != key.as_ref()) {
            group.clear();
        }
        let equal =
            |(_, before, _): &&mut (K, V, bool)| (unique.same)(before.as_ref(), value.as_ref());
        let Some((_, before, listed)) = group.iter_mut().find(equal) else {
            group.push((key, value, false));
            continue;
        };
        if !std::mem::replace(listed, true) {
            let row_of = |value: &V| row_of(key.as_ref(), value.as_ref());
            let (one, other) = (row_of(&*before), row_of(&value));
            let text = (unique.text)(key.as_ref(), value.as_ref());
            found.push((text, one.min(other), one.max(other)));
            if found.len() == DUPLICATES_MAX {
                break;
            }
        }
    }
    Ok(found)
}
