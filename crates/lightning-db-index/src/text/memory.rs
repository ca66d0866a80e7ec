//! A small inverted index in memory, with positions: for commits that are not on the disk yet, for
//! a transaction's own writes, and for snapshots that are older than what the disk has.

use lightning_db_expression::Columns;

use std::collections::BTreeMap;
use std::ops::Bound;

use super::matcher::Matcher;
use super::shape::{FieldNumber, Shape};
use crate::error::Result;

/// Number of a document in a [`MemoryIndex`], in the order in which they were added.
pub(super) type MemoryDoc = u32;

/// A document with a word: where its places are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Posting {
    pub(super) doc: MemoryDoc,
    start: u32,
    len: u32,
}

#[derive(Debug, Default)]
pub(super) struct MemoryIndex {
    /// By field number and word.
    terms: BTreeMap<Box<[u8]>, u32>,
    postings: Vec<Vec<Posting>>,
    /// Places of the words of all documents.
    places: Vec<u32>,
    rows: Vec<u64>,
    /// Words of each field, for one document after the other.
    lens: Vec<u32>,
    fields: usize,
    /// Words of the document that is being added, with their places.
    words: Vec<(u32, u32)>,
    key: Vec<u8>,
}

impl MemoryIndex {
    pub(super) fn new(shape: &Shape) -> Self {
        Self { fields: shape.fields.len(), ..Self::default() }
    }

    /// Adds a row.
    pub(super) fn add(
        &mut self,
        shape: &Shape,
        row_id: u64,
        row: &dyn Columns,
    ) -> Result<MemoryDoc> {
        let doc = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let lens_before = self.lens.len();
        self.lens.resize(lens_before + self.fields, 0);
        self.words.clear();
        let added = shape.texts(row, |field, text| {
            let mut count = 0;
            shape.words(field, text, &mut |token| {
                count += 1;
                let term = self.term_id(field, token.text.as_bytes());
                let place = u32::try_from(token.position).unwrap_or(u32::MAX);
                self.words.push((term, place));
                Ok(())
            })?;
            self.lens[lens_before + usize::from(field)] = count;
            Ok(())
        });
        if let Err(error) = added {
            self.lens.truncate(lens_before);
            return Err(error);
        }
        self.words.sort_unstable();
        for same in self.words.chunk_by(|a, b| a.0 == b.0) {
            let start = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
            self.places.extend(same.iter().map(|(_, place)| *place));
            let len = u32::try_from(same.len()).unwrap_or(u32::MAX);
            self.postings[same[0].0 as usize].push(Posting { doc, start, len });
        }
        self.rows.push(row_id);
        Ok(doc)
    }

    fn term_id(&mut self, field: FieldNumber, term: &[u8]) -> u32 {
        self.key.clear();
        self.key.push(field);
        self.key.extend_from_slice(term);
        if let Some(known) = self.terms.get(&self.key[..]) {
            return *known;
        }
        let next = u32::try_from(self.postings.len()).unwrap_or(u32::MAX);
        self.terms.insert(self.key.as_slice().into(), next);
        self.postings.push(Vec::new());
        next
    }

    /// Number of documents.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn row_id(&self, doc: MemoryDoc) -> u64 {
        self.rows[doc as usize]
    }

    /// Words of a field of a document.
    pub(super) fn field_len(&self, doc: MemoryDoc, field: FieldNumber) -> u32 {
        self.lens[doc as usize * self.fields + usize::from(field)]
    }

    /// Documents with a word, ascending.
    pub(super) fn postings(&self, field: FieldNumber, term: &str) -> &[Posting] {
        let mut key = Vec::with_capacity(term.len() + 1);
        key.push(field);
        key.extend_from_slice(term.as_bytes());
        self.terms.get(&key[..]).map_or(&[], |id| &self.postings[*id as usize])
    }

    /// Words of a field from `from` on, in order, and their postings.
    fn words_from(
        &self,
        field: FieldNumber,
        from: &[u8],
    ) -> impl Iterator<Item = (&[u8], &Vec<Posting>)> {
        let mut key = Vec::with_capacity(from.len() + 1);
        key.push(field);
        key.extend_from_slice(from);
        let range = self.terms.range::<[u8], _>((Bound::Included(&key[..]), Bound::Unbounded));
        let of_field = range.take_while(move |(key, _)| key[0] == field);
        of_field.map(|(key, id)| (&key[1..], &self.postings[*id as usize]))
    }

    /// Documents with one of many words, ascending.
    pub(super) fn with_any(&self, field: FieldNumber, matcher: &Matcher) -> Vec<MemoryDoc> {
        let mut docs = Vec::new();
        for (word, postings) in self.words_from(field, matcher.first()) {
            if matcher.matches(word) {
                docs.extend(postings.iter().map(|posting| posting.doc));
            } else if matcher.is_past(word) {
                break;
            }
        }
        docs.sort_unstable();
        docs.dedup();
        docs
    }

    /// Calls `visit` with each word of a field.
    pub(super) fn terms_of(&self, field: FieldNumber, visit: &mut dyn FnMut(&[u8])) {
        for (word, _) in self.words_from(field, &[]) {
            visit(word);
        }
    }

    /// Places of a word in a document, ascending.
    pub(super) fn places(&self, posting: Posting) -> &[u32] {
        let start = posting.start as usize;
        &self.places[start..start + posting.len as usize]
    }

    /// Documents that are seen, and their words in each field.
    pub(super) fn sums(&self, seen: &dyn Fn(MemoryDoc) -> bool) -> (u64, Vec<u64>) {
        let (mut docs, mut words) = (0, vec![0; self.fields]);
        for doc in (0..self.len()).filter(|doc| seen(*doc)) {
            docs += 1;
            let at = doc as usize * self.fields;
            for (sum, len) in words.iter_mut().zip(&self.lens[at..]) {
                *sum += u64::from(*len);
            }
        }
        (docs, words)
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> u64 {
        let terms: usize = self.terms.len() * 96;
        let postings: usize = self.postings.iter().map(|of| of.capacity() * 12).sum();
        let rest = self.places.len() * 4 + self.rows.len() * 8 + self.lens.len() * 4;
        (terms + postings + rest) as u64
    }
}

impl Posting {
    /// How often the word stands in the document.
    pub(super) fn frequency(self) -> u32 {
        self.len
    }
}
