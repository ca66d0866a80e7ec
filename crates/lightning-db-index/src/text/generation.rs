//! One state of the index on the disk: what one commit of tantivy holds.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tantivy::columnar::Column;
use tantivy::index::SegmentId;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, DocId, DocSet, Opstamp, Searcher, SegmentReader, TERMINATED, Term};

use super::shape::DiskSchema;
use crate::row_set::RowSet;

/// Words whose document frequencies are remembered.
const FREQUENCIES_MAX: usize = 4_096;

/// What is known of a segment beyond what tantivy knows.
#[derive(Debug)]
pub(super) struct SegmentShape {
    /// Row number of each document.
    pub(super) rows: Column<u64>,
    lens: Vec<Column<u64>>,
    /// Whether row numbers ascend.
    pub(super) sorted: bool,
    first_row: u64,
    last_row: u64,
    /// Words of each field in documents that are not deleted.
    tokens: Vec<u64>,
    /// Average length of each field by which tantivy chose the best documents of its blocks.
    block_averages: Vec<f32>,
}

/// Which version of a segment it is: its deletes are numbered.
pub(super) type SegmentVersion = (SegmentId, Option<Opstamp>);

impl SegmentShape {
    fn new(reader: &SegmentReader, schema: &DiskSchema) -> tantivy::Result<Self> {
        let rows = reader.fast_fields().u64("row")?;
        let mut lens = Vec::with_capacity(schema.lens.len());
        for at in 0..schema.lens.len() {
            lens.push(reader.fast_fields().u64(&format!("len{at}"))?);
        }
        let mut tokens = vec![0; lens.len()];
        let (mut sorted, mut before) = (true, None);
        let (mut first_row, mut last_row) = (u64::MAX, 0);
        for doc in 0..reader.max_doc() {
            let row = value(&rows, doc);
            sorted &= before.is_none_or(|before| before < row);
            before = Some(row);
            (first_row, last_row) = (first_row.min(row), last_row.max(row));
            if !reader.is_deleted(doc) {
                for (sum, lens) in tokens.iter_mut().zip(&lens) {
                    *sum += value(lens, doc);
                }
            }
        }
        let mut block_averages = Vec::with_capacity(lens.len());
        for text in &schema.texts {
            let total = reader.inverted_index(*text)?.total_num_tokens();
            block_averages.push(ratio(total, u64::from(reader.max_doc())));
        }
        Ok(Self { rows, lens, sorted, first_row, last_row, tokens, block_averages })
    }

    /// The document of a row, if it is there and not deleted.
    fn find(
        &self,
        reader: &SegmentReader,
        schema: &DiskSchema,
        row_id: u64,
    ) -> tantivy::Result<Option<DocId>> {
        if !(self.first_row..=self.last_row).contains(&row_id) {
            return Ok(None);
        }
        if self.sorted {
            let (mut low, mut high) = (0, reader.max_doc());
            while low < high {
                let middle = low + (high - low) / 2;
                if value(&self.rows, middle) < row_id { low = middle + 1 } else { high = middle }
            }
            let found = low < reader.max_doc()
                && value(&self.rows, low) == row_id
                && !reader.is_deleted(low);
            return Ok(found.then_some(low));
        }
        let term = Term::from_field_u64(schema.row, row_id);
        let inverted = reader.inverted_index(schema.row)?;
        let Some(mut postings) = inverted.read_postings(&term, IndexRecordOption::Basic)? else {
            return Ok(None);
        };
        while postings.doc() != TERMINATED {
            if !reader.is_deleted(postings.doc()) {
                return Ok(Some(postings.doc()));
            }
            postings.advance();
        }
        Ok(None)
    }

    /// The lowest row number.
    pub(super) fn first_row(&self) -> u64 {
        self.first_row
    }

    /// By how much a bound that tantivy keeps for a block may be too low: it was chosen by the
    /// average length of the segment, and scores go by that of all rows.
    ///
    /// The part of a score that depends on a document is `tf / (tf + k)`, where `k` grows with the
    /// length of the document over the average. So of two averages the scores differ by no greater
    /// factor than the averages do.
    pub(super) fn slack(&self, averages: &[(u64, u64)]) -> f32 {
        let mut slack: f32 = 1.0;
        for ((total, count), of_blocks) in averages.iter().zip(&self.block_averages) {
            let average = ratio(*total, *count);
            if average > 0.0 && *of_blocks > 0.0 {
                slack = slack.max(average / of_blocks).max(of_blocks / average);
            }
        }
        // Sums of rounded numbers need a little more, unless the averages are the same.
        if slack > 1.0 { slack * 1.000_01 } else { slack }
    }
}

/// Value of a column that every document has.
#[inline]
pub(super) fn value(column: &Column<u64>, doc: DocId) -> u64 {
    column.values.get_val(doc)
}

/// An average as tantivy computes it.
#[expect(clippy::cast_precision_loss, reason = "tantivy does the same, and must be met exactly")]
fn ratio(total: u64, count: u64) -> f32 {
    total as f32 / count as f32
}

/// Rows that have changed since, and where they stand.
#[derive(Debug, Default)]
struct Hidden {
    /// Commit of the first change, row, place in the generation.
    rows: Vec<(u64, u64, Option<DocAddress>)>,
    known: HashSet<u64>,
    /// Changes up to this commit are in.
    until: u64,
    /// The last mask that was asked for.
    last: Arc<Mask>,
}

/// Rows of a generation that a reader does not see, because they have changed.
#[derive(Debug, Clone, Default)]
pub(super) struct Mask {
    pub(super) rows: RowSet,
    /// Their documents in each segment, ascending.
    docs: Vec<Vec<DocId>>,
    /// How many documents these are.
    pub(super) count: u64,
    /// Their words, in each field.
    pub(super) tokens: Vec<u64>,
    /// Number of rows, by which a mask of one generation is known.
    len: usize,
}

/// Rows with a word; and how many of them the mask of a length hides.
type Frequency = (u64, Option<(usize, u64)>);

/// One commit of tantivy.
pub(super) struct Generation {
    pub(super) searcher: Option<Searcher>,
    /// The commit of the store up to which rows are in.
    pub(super) applied: u64,
    pub(super) segments: Vec<Arc<SegmentShape>>,
    /// Rows.
    pub(super) rows: u64,
    /// Words of each field.
    pub(super) tokens: Vec<u64>,
    hidden: Mutex<Hidden>,
    frequencies: Mutex<HashMap<Term, Frequency, RandomState>>,
}

impl std::fmt::Debug for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { applied, segments, rows, .. } = self;
        f.debug_struct("Generation")
            .field("applied", applied)
            .field("rows", rows)
            .field("segments", &segments.len())
            .finish_non_exhaustive()
    }
}

impl Generation {
    /// The generation of a table without rows.
    pub(super) fn empty(applied: u64, schema: &DiskSchema) -> Self {
        let tokens = vec![0; schema.texts.len()];
        Self {
            searcher: None,
            applied,
            segments: Vec::new(),
            rows: 0,
            tokens,
            hidden: Mutex::new(Hidden { until: applied, ..Hidden::default() }),
            frequencies: Mutex::default(),
        }
    }

    /// What a searcher sees. Segments that the generation before had are not looked at again.
    pub(super) fn new(
        searcher: Searcher,
        applied: u64,
        schema: &DiskSchema,
        before: Option<&Self>,
    ) -> tantivy::Result<Self> {
        let version = |of: &SegmentReader| (of.segment_id(), of.delete_opstamp());
        let known: HashMap<SegmentVersion, &Arc<SegmentShape>> = before
            .and_then(|of| of.searcher.as_ref().map(|searcher| (searcher, &of.segments)))
            .map(|(searcher, shapes)| {
                searcher.segment_readers().iter().map(version).zip(shapes).collect()
            })
            .unwrap_or_default();
        let mut generation = Self::empty(applied, schema);
        for reader in searcher.segment_readers() {
            let shape = match known.get(&version(reader)) {
                Some(shape) => Arc::clone(shape),
                None => Arc::new(SegmentShape::new(reader, schema)?),
            };
            generation.rows += u64::from(reader.num_docs());
            for (sum, tokens) in generation.tokens.iter_mut().zip(&shape.tokens) {
                *sum += tokens;
            }
            generation.segments.push(shape);
        }
        generation.searcher = Some(searcher);
        Ok(generation)
    }

    /// Segments with what is known of them.
    pub(super) fn readers(&self) -> impl Iterator<Item = (&SegmentReader, &Arc<SegmentShape>)> {
        let readers = self.searcher.iter().flat_map(Searcher::segment_readers);
        readers.zip(&self.segments)
    }

    /// Where a row stands.
    pub(super) fn find(
        &self,
        schema: &DiskSchema,
        row_id: u64,
    ) -> tantivy::Result<Option<DocAddress>> {
        for (ord, (reader, shape)) in (0..).zip(self.readers()) {
            if let Some(doc) = shape.find(reader, schema, row_id)? {
                return Ok(Some(DocAddress::new(ord, doc)));
            }
        }
        Ok(None)
    }

    /// Whether a row is there.
    pub(super) fn holds(&self, schema: &DiskSchema, row_id: u64) -> tantivy::Result<bool> {
        Ok(self.find(schema, row_id)?.is_some())
    }

    /// The rows that changed up to a commit; `changes` gives those above a commit, in order.
    pub(super) fn mask<I: Iterator<Item = (u64, u64)>>(
        &self,
        schema: &DiskSchema,
        until: u64,
        changes: impl FnOnce(u64) -> I,
    ) -> tantivy::Result<Arc<Mask>> {
        let mut hidden = self.hidden.lock();
        if hidden.until < until {
            let after = hidden.until;
            for (lsn, row_id) in changes(after) {
                if hidden.known.insert(row_id) {
                    let place = self.find(schema, row_id)?;
                    hidden.rows.push((lsn, row_id, place));
                }
            }
            hidden.until = until;
        }
        let len = hidden.rows.partition_point(|(lsn, _, _)| *lsn <= until);
        if hidden.last.len != len {
            let mut mask = self.no_mask();
            for (_, row_id, place) in &hidden.rows[..len] {
                self.hide(&mut mask, *row_id, *place);
            }
            mask.docs.iter_mut().for_each(|docs| docs.sort_unstable());
            mask.len = len;
            hidden.last = Arc::new(mask);
        } else if len == 0 && hidden.last.docs.len() != self.segments.len() {
            hidden.last = Arc::new(self.no_mask());
        }
        Ok(Arc::clone(&hidden.last))
    }

    fn no_mask(&self) -> Mask {
        let docs = vec![Vec::new(); self.segments.len()];
        Mask { docs, tokens: vec![0; self.tokens.len()], ..Mask::default() }
    }

    fn hide(&self, mask: &mut Mask, row_id: u64, place: Option<DocAddress>) {
        mask.rows.insert(row_id);
        let Some(DocAddress { segment_ord, doc_id }) = place else { return };
        let segment = &self.segments[segment_ord as usize];
        mask.docs[segment_ord as usize].push(doc_id);
        mask.count += 1;
        for (sum, lens) in mask.tokens.iter_mut().zip(&segment.lens) {
            *sum += value(lens, doc_id);
        }
    }

    /// A mask with more rows.
    pub(super) fn mask_more(
        &self,
        schema: &DiskSchema,
        mask: &Mask,
        rows: &RowSet,
    ) -> tantivy::Result<Mask> {
        let mut more = mask.clone();
        // It is no longer the mask of its length.
        more.len = usize::MAX;
        for row_id in rows.iter().filter(|row_id| !mask.rows.contains(*row_id)) {
            let place = self.find(schema, row_id)?;
            self.hide(&mut more, row_id, place);
        }
        more.docs.iter_mut().for_each(|docs| docs.sort_unstable());
        Ok(more)
    }

    /// Rows with a word that a mask leaves.
    pub(super) fn frequency(&self, term: &Term, mask: &Mask) -> tantivy::Result<u64> {
        let known = self.frequencies.lock().get(term).copied();
        let (all, before) = match known {
            Some(known) => known,
            None => (self.count_rows(term)?, None),
        };
        let hidden = match before {
            _ if mask.count == 0 => 0,
            Some((len, hidden)) if len == mask.len => hidden,
            _ => self.count_hidden(term, mask)?,
        };
        let of_mask = (mask.count > 0 && mask.len != usize::MAX).then_some((mask.len, hidden));
        let of_mask = of_mask.or(before);
        if known != Some((all, of_mask)) {
            let mut frequencies = self.frequencies.lock();
            if frequencies.len() >= FREQUENCIES_MAX {
                frequencies.clear();
            }
            frequencies.insert(term.clone(), (all, of_mask));
        }
        Ok(all.saturating_sub(hidden))
    }

    fn count_rows(&self, term: &Term) -> tantivy::Result<u64> {
        let mut count = 0;
        for (reader, _) in self.readers() {
            let inverted = reader.inverted_index(term.field())?;
            let alive = reader.alive_bitset();
            count += u64::from(match alive {
                None => inverted.doc_freq(term)?,
                Some(alive) => inverted
                    .read_postings(term, IndexRecordOption::Basic)?
                    .map_or(0, |postings| postings.doc_freq_given_deletes(alive)),
            });
        }
        Ok(count)
    }

    fn count_hidden(&self, term: &Term, mask: &Mask) -> tantivy::Result<u64> {
        let mut count = 0;
        for ((reader, _), docs) in self.readers().zip(&mask.docs) {
            if docs.is_empty() {
                continue;
            }
            let inverted = reader.inverted_index(term.field())?;
            let Some(mut postings) = inverted.read_postings(term, IndexRecordOption::Basic)? else {
                continue;
            };
            for doc in docs {
                let at = if postings.doc() < *doc { postings.seek(*doc) } else { postings.doc() };
                count += u64::from(at == *doc);
            }
        }
        Ok(count)
    }
}

impl Mask {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
