//! Answers: sets of rows, the best rows, facets.

use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap};
use std::sync::Arc;

use parking_lot::RwLockWriteGuard;
use roaring::RoaringTreemap;
use tantivy::SegmentReader;
use tantivy::query::{EnableScoring, Weight};

use super::generation::{Generation, SegmentShape, value};
use super::matcher::Matcher;
use super::memory::MemoryIndex;
use super::plan::Plan;
use super::query::TextQuery;
use super::shape::facet_path;
use super::view::{Statistics, View};
use super::{TextIndex, tantivy_error};
use crate::error::Result;
use crate::reader::Reader;
use crate::row_set::RowSet;

/// A row that was found, with its score (BM25, k1 1.2, b 0.75).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TextHit {
    /// Number of the row.
    pub row_id: u64,
    /// How well it matches: a function of the query and of the rows that the reader sees.
    pub score: f32,
}

impl Eq for TextHit {}

impl Ord for TextHit {
    /// The better row is the smaller: higher score, then lower number.
    fn cmp(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.row_id.cmp(&other.row_id))
    }
}

impl PartialOrd for TextHit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The best rows so far.
struct Best {
    /// Few are kept in order, best first: moving them costs less than a heap.
    few: Vec<TextHit>,
    /// Many are kept with the worst on top.
    many: BinaryHeap<TextHit>,
    limit: usize,
}

/// Up to so many rows are few.
const FEW: usize = 32;

impl Best {
    fn new(limit: usize) -> Self {
        let few = Vec::with_capacity(if limit <= FEW { limit + 1 } else { 0 });
        Self { few, many: BinaryHeap::new(), limit }
    }

    /// The worst row, if there are as many as are wanted.
    fn worst(&self) -> Option<&TextHit> {
        if self.few.len() + self.many.len() < self.limit {
            return None;
        }
        self.few.last().or_else(|| self.many.peek())
    }

    fn would_take(&self, hit: &TextHit) -> bool {
        self.worst().is_none_or(|worst| hit < worst)
    }

    fn offer(&mut self, hit: TextHit) {
        if !self.would_take(&hit) {
            return;
        }
        if self.limit <= FEW {
            let at = self.few.partition_point(|of| *of < hit);
            self.few.insert(at, hit);
            self.few.truncate(self.limit);
        } else if self.many.len() < self.limit {
            self.many.push(hit);
        } else if let Some(mut worst) = self.many.peek_mut() {
            *worst = hit;
        }
    }

    /// Scores up to this one are not wanted any more. Later rows of a segment have higher numbers
    /// if it is sorted: of equal scores they come behind `row_id`.
    fn threshold(&self, later: Option<u64>, slack: f32) -> f32 {
        let Some(worst) = self.worst() else { return f32::NEG_INFINITY };
        let score = worst.score / slack;
        if later.is_some_and(|row_id| worst.row_id <= row_id) { score } else { score.next_down() }
    }

    fn into_sorted(self) -> Vec<TextHit> {
        if self.limit <= FEW { self.few } else { self.many.into_sorted_vec() }
    }
}

impl TextIndex {
    /// What a reader sees. A transaction notes all rows as read: each has a part in the scores.
    pub(super) fn view<'a>(&'a self, reader: Reader<'_>) -> Result<View<'a>> {
        let snapshot = match reader {
            Reader::Snapshot(snapshot) => snapshot.clone(),
            Reader::Transaction(transaction) => {
                transaction.watch::<&[u8]>(self.rows.keyspace(), ..);
                transaction.snapshot()
            }
        };
        let lsn = snapshot.lsn();
        let mut overlay = self.overlay.read();
        let ready = !self.has_queued(lsn)
            && overlay.generation_for(lsn).is_some_and(|of| overlay.is_cut(lsn, of.applied));
        if !ready {
            drop(overlay);
            if self.needs_build(lsn) {
                self.build_for_reader()?;
            }
            let mut writing = self.overlay.write();
            writing.take_over(&mut self.queue.lock(), lsn);
            let Some(after) = writing.generation_for(lsn).map(|of| of.applied) else {
                return self.scan(reader);
            };
            if !writing.cut(&self.shape, &*self.rows, &snapshot, after)? {
                return self.scan(reader);
            }
            overlay = RwLockWriteGuard::downgrade(writing);
        }
        let Some(generation) = overlay.generation_for(lsn).map(Arc::clone) else {
            return self.scan(reader);
        };
        let changes = |after| overlay.changes(after, lsn).map(|of| (of.lsn, of.row_id));
        let mask = generation.mask(&self.schema, lsn, changes);
        let mut mask = mask.map_err(|error| self.failed(&error))?;
        let (own, own_rows) = self.own_writes(reader)?;
        if !own_rows.is_empty() {
            let more = generation.mask_more(&self.schema, &mask, &own_rows);
            mask = Arc::new(more.map_err(|error| self.failed(&error))?);
        }
        let (generation, overlay) = (Some(generation), Some(overlay));
        Ok(View { schema: &self.schema, generation, mask, overlay, lsn, own, own_rows })
    }

    fn has_queued(&self, lsn: u64) -> bool {
        let queue = self.queue.lock();
        queue.changes.front().is_some_and(|change| change.lsn <= lsn)
            || queue.breaks.iter().any(|at| *at <= lsn)
    }

    /// All rows as the reader sees them, cut into words now: slow, but it always is right.
    fn scan(&self, reader: Reader<'_>) -> Result<View<'_>> {
        let mut own = MemoryIndex::new(&self.shape);
        self.rows.for_each(reader, &mut |row_id, row| {
            if self.shape.definition.holds(row)? {
                own.add(&self.shape, row_id, row)?;
            }
            Ok(())
        })?;
        Ok(View {
            schema: &self.schema,
            generation: None,
            mask: Arc::default(),
            overlay: None,
            lsn: reader.lsn(),
            own: Some(own),
            own_rows: RowSet::new(),
        })
    }

    fn own_writes(&self, reader: Reader<'_>) -> Result<(Option<MemoryIndex>, RowSet)> {
        let mut rows = RowSet::new();
        let Some(transaction) = reader.transaction() else { return Ok((None, rows)) };
        let mut own = MemoryIndex::new(&self.shape);
        for (key, stored) in transaction.writes(self.rows.keyspace()) {
            let Some(row_id) = crate::row::row_id_of(key) else { continue };
            rows.insert(row_id);
            let Some(stored) = stored else { continue };
            self.rows.decode(stored, &mut |row| {
                if self.shape.definition.holds(row)? {
                    own.add(&self.shape, row_id, row)?;
                }
                Ok(())
            })?;
        }
        Ok((Some(own), rows))
    }

    /// The rows that match, exactly.
    pub(super) fn rows_of(&self, reader: Reader<'_>, query: &TextQuery) -> Result<RowSet> {
        let plan = self.shape.plan(query)?;
        if matches!(plan, Plan::Nothing) {
            return Ok(RowSet::new());
        }
        let mut view = self.view(reader)?;
        matching(&mut view, &plan).map_err(|error| self.failed(&error))
    }

    /// The best `limit` rows, best first; of equal scores, the lower row number comes first. With
    /// a filter, the best of the rows in it.
    ///
    /// Cost: blocks of postings that cannot hold a better row are not read.
    ///
    /// # Errors
    /// [`Error::Query`](crate::Error::Query); those of the store.
    pub fn search(
        &self,
        reader: Reader<'_>,
        query: &TextQuery,
        limit: usize,
        filter: Option<&RowSet>,
    ) -> Result<Vec<TextHit>> {
        let plan = self.shape.plan(query)?;
        if matches!(plan, Plan::Nothing) || limit == 0 {
            return Ok(Vec::new());
        }
        let mut view = self.view(reader)?;
        let found = best_rows(&mut view, &plan, limit, filter);
        found.map_err(|error| self.failed(&error))
    }

    /// How many rows match.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn count(&self, reader: Reader<'_>, query: &TextQuery) -> Result<u64> {
        let plan = self.shape.plan(query)?;
        if matches!(plan, Plan::Nothing) {
            return Ok(0);
        }
        let mut view = self.view(reader)?;
        let counted = (|| {
            if !view.mask.is_empty() {
                return Ok(matching(&mut view, &plan)?.len());
            }
            let mut count = view.in_memory(&plan, None)?.len() as u64;
            view.release();
            if let Some(searcher) = view.generation.as_ref().and_then(|of| of.searcher.as_ref()) {
                count += plan.to_tantivy(view.schema).count(searcher)? as u64;
            }
            Ok(count)
        })();
        counted.map_err(|error: tantivy::TantivyError| self.failed(&error))
    }

    /// How many of the rows that match stand at or below each facet right below `path` (`""` for
    /// the top), in the order of the paths; facets without such rows are left out.
    ///
    /// # Errors
    /// As [`search`](Self::search); [`Error::Query`](crate::Error::Query) if the path is none.
    pub fn facet_counts(
        &self,
        reader: Reader<'_>,
        query: &TextQuery,
        path: &str,
    ) -> Result<Vec<(String, u64)>> {
        let path = match path {
            "" | "/" => "",
            path => facet_path(path).map_err(|detail| self.shape.refuse_query(detail))?,
        };
        let found = self.rows_of(reader, query)?;
        let below = format!("{path}/");
        let is_child = |term: &str| !term[below.len()..].contains('/');
        let prefix = Matcher::prefix(&below);
        let mut children = BTreeSet::new();
        let view = self.view(reader)?;
        for field in self.facet_fields() {
            view.terms_in_memory(field, &mut |term| {
                if let Ok(term) = std::str::from_utf8(term)
                    && term.starts_with(&below)
                    && is_child(term)
                {
                    children.insert(term.to_owned());
                }
            });
            if let Some(generation) = &view.generation {
                let text = self.schema.texts[usize::from(field)];
                for (segment, _) in generation.readers() {
                    let inverted = segment.inverted_index(text).map_err(|e| self.failed(&e))?;
                    let of =
                        prefix.words_in(inverted.terms()).map_err(|e| self.failed(&e.into()))?;
                    children.extend(of.into_iter().filter(|term| is_child(term)));
                }
            }
        }
        drop(view);
        let mut counts = Vec::new();
        for child in children {
            let mut rows = self.rows_of(reader, &TextQuery::facet(child.clone()))?;
            rows &= &found;
            if !rows.is_empty() {
                counts.push((child, rows.len()));
            }
        }
        Ok(counts)
    }

    /// What makes up the score of a row: each part of the query that matches, with its share.
    /// `None` if the row does not match.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn explain(
        &self,
        reader: Reader<'_>,
        query: &TextQuery,
        row_id: u64,
    ) -> Result<Option<Vec<(String, f32)>>> {
        let plan = self.shape.plan(query)?;
        let mut alone = MemoryIndex::new(&self.shape);
        self.rows.get(reader, row_id, &mut |row| {
            if self.shape.definition.holds(row)? {
                alone.add(&self.shape, row_id, row)?;
            }
            Ok(())
        })?;
        let view = self.view(reader)?;
        let statistics = Statistics::new(&view);
        let scoring = Some((&statistics as _, &self.schema));
        let one = super::evaluate::Evaluation { memory: &alone, visible: &|_| true, scoring };
        let run = |plan: &Plan| one.run(plan).map_err(|error| self.failed(&error));
        if run(&plan)?.is_empty() {
            return Ok(None);
        }
        let mut leaves = Vec::new();
        plan.leaves(&mut |leaf| leaves.push(leaf));
        let mut parts = Vec::new();
        for leaf in leaves {
            if let Some((_, score)) = run(leaf)?.first() {
                parts.push((self.describe(leaf), *score));
            }
        }
        Ok(Some(parts))
    }

    fn describe(&self, leaf: &Plan) -> String {
        let name = |field: &u8| &self.shape.fields[usize::from(*field)].name;
        match leaf {
            Plan::Term { field, term, .. } => format!("{}:{term}", name(field)),
            Plan::Phrase { field, terms, slop, .. } => {
                let words: Vec<&str> = terms.iter().map(|(_, term)| term.as_str()).collect();
                format!("{}:\"{}\"~{slop}", name(field), words.join(" "))
            }
            Plan::Many { field, matcher, .. } => format!("{}:{matcher:?}", name(field)),
            Plan::Nothing | Plan::Everything | Plan::Bool { .. } => String::new(),
        }
    }

    pub(super) fn failed(&self, error: &tantivy::TantivyError) -> crate::error::Error {
        tantivy_error(&self.shape.definition, &self.failure, error)
    }
}

/// The rows that match a plan.
pub(super) fn matching(view: &mut View<'_>, plan: &Plan) -> tantivy::Result<RowSet> {
    let in_memory = view.in_memory(plan, None)?;
    view.release();
    let mut rows = match &view.generation {
        Some(generation) => on_disk(generation, view, plan)?,
        None => RowSet::new(),
    };
    rows -= &view.mask.rows;
    for (row_id, _) in in_memory {
        rows.insert(row_id);
    }
    Ok(rows)
}

fn on_disk(generation: &Generation, view: &View<'_>, plan: &Plan) -> tantivy::Result<RowSet> {
    let Some(searcher) = &generation.searcher else { return Ok(RowSet::new()) };
    let query = plan.to_tantivy(view.schema);
    let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
    let mut all = RoaringTreemap::new();
    let mut rows = Vec::new();
    for (reader, segment) in generation.readers() {
        rows.clear();
        let alive = reader.alive_bitset();
        weight.for_each_no_score(reader, &mut |docs| {
            let seen = docs.iter().filter(|doc| alive.is_none_or(|alive| alive.is_alive(**doc)));
            rows.extend(seen.map(|doc| value(&segment.rows, *doc)));
        })?;
        if !segment.sorted {
            rows.sort_unstable();
        }
        match RoaringTreemap::from_sorted_iter(rows.iter().copied()) {
            Ok(of) if all.is_empty() => all = of,
            Ok(of) => all |= of,
            Err(_) => all.extend(rows.iter().copied()),
        }
    }
    Ok(all.into())
}

fn best_rows(
    view: &mut View<'_>,
    plan: &Plan,
    limit: usize,
    filter: Option<&RowSet>,
) -> tantivy::Result<Vec<TextHit>> {
    let wanted = |row_id| filter.is_none_or(|filter| filter.contains(row_id));
    let mut best = Best::new(limit);
    let (weight, averages) = {
        let statistics = Statistics::new(view);
        if statistics.rows() == 0 {
            return Ok(Vec::new());
        }
        for (row_id, score) in view.in_memory(plan, Some(&statistics))? {
            if wanted(row_id) {
                best.offer(TextHit { row_id, score });
            }
        }
        let searcher = view.generation.as_ref().and_then(|of| of.searcher.as_ref());
        let weight = match searcher {
            Some(searcher) => {
                let query = plan.to_top_query(view.schema);
                Some(query.weight(EnableScoring::enabled_from_statistics_provider(
                    &statistics,
                    searcher,
                ))?)
            }
            None => None,
        };
        (weight, statistics.averages())
    };
    view.release();
    if let (Some(generation), Some(weight)) = (&view.generation, weight) {
        let by_blocks = plan.is_of_terms();
        let hidden = |row_id| !view.mask.is_empty() && view.mask.rows.contains(row_id);
        let wanted = |row_id| !hidden(row_id) && wanted(row_id);
        for (reader, segment) in generation.readers() {
            let slack = if by_blocks { segment.slack(&averages) } else { 1.0 };
            best_of_segment(&*weight, (reader, segment), slack, &wanted, &mut best)?;
        }
    }
    Ok(best.into_sorted())
}

fn best_of_segment(
    weight: &dyn Weight,
    (reader, segment): (&SegmentReader, &SegmentShape),
    slack: f32,
    wanted: &dyn Fn(u64) -> bool,
    best: &mut Best,
) -> tantivy::Result<()> {
    let alive = reader.alive_bitset();
    let first = segment.sorted.then(|| segment.first_row().saturating_sub(1));
    let mut threshold = best.threshold(first, slack);
    weight.for_each_pruning(threshold, reader, &mut |doc, score| {
        let too_low = best.worst().is_some_and(|worst| score < worst.score);
        if too_low || alive.is_some_and(|alive| !alive.is_alive(doc)) {
            return threshold;
        }
        let row_id = value(&segment.rows, doc);
        let hit = TextHit { row_id, score };
        if best.would_take(&hit) && wanted(row_id) {
            best.offer(hit);
            threshold = best.threshold(segment.sorted.then_some(row_id), slack);
        }
        threshold
    })
}
