//! Plans run over a [`MemoryIndex`], with the scores that tantivy gives.

use std::collections::BTreeMap;

use tantivy::fieldnorm::FieldNormReader;
use tantivy::query::{Bm25StatisticsProvider, Bm25Weight};
use tantivy::{Score, Term};

use super::memory::{MemoryDoc, MemoryIndex, Posting};
use super::phrase::count_places;
use super::plan::Plan;
use super::shape::{DiskSchema, FieldNumber};

/// Documents, ascending, with their scores.
pub(super) type Scored = Vec<(MemoryDoc, Score)>;

/// What a plan is run over.
pub(super) struct Evaluation<'a> {
    pub(super) memory: &'a MemoryIndex,
    /// Whether the reader sees a document.
    pub(super) visible: &'a dyn Fn(MemoryDoc) -> bool,
    /// What scores are made from; without it all are zero.
    pub(super) scoring: Option<(&'a dyn Bm25StatisticsProvider, &'a DiskSchema)>,
}

impl Evaluation<'_> {
    /// The documents that match.
    pub(super) fn run(&self, plan: &Plan) -> tantivy::Result<Scored> {
        match plan {
            Plan::Nothing => Ok(Vec::new()),
            Plan::Everything => Ok(self.with_score((0..self.memory.len()).collect(), 0.0)),
            Plan::Term { field, term, weight } => {
                let postings = self.memory.postings(*field, term);
                if postings.is_empty() {
                    return Ok(Vec::new());
                }
                let similarity = self.similarity(*field, &[term], *weight)?;
                let seen = postings.iter().filter(|posting| (self.visible)(posting.doc));
                let scored = seen.map(|posting| {
                    let (doc, count) = (posting.doc, posting.frequency());
                    (doc, self.score(similarity.as_ref(), *field, doc, count))
                });
                Ok(scored.collect())
            }
            Plan::Phrase { field, terms, slop, weight } => {
                self.phrase(*field, terms, *slop, *weight)
            }
            Plan::Many { field, matcher, weight } => {
                Ok(self.with_score(self.memory.with_any(*field, matcher), *weight))
            }
            Plan::Bool { must, should, must_not, minimum } => {
                self.combine(must, should, must_not, *minimum)
            }
        }
    }

    fn with_score(&self, docs: Vec<MemoryDoc>, score: Score) -> Scored {
        let seen = docs.into_iter().filter(|doc| (self.visible)(*doc));
        seen.map(|doc| (doc, score)).collect()
    }

    fn similarity(
        &self,
        field: FieldNumber,
        terms: &[&String],
        weight: f32,
    ) -> tantivy::Result<Option<Bm25Weight>> {
        let Some((statistics, schema)) = self.scoring else { return Ok(None) };
        let in_field = schema.texts[usize::from(field)];
        let terms = terms.iter().map(|term| Term::from_field_text(in_field, term));
        let similarity = Bm25Weight::for_terms(statistics, &terms.collect::<Vec<_>>())?;
        Ok(Some(similarity.boost_by(weight)))
    }

    fn score(
        &self,
        similarity: Option<&Bm25Weight>,
        field: FieldNumber,
        doc: MemoryDoc,
        count: u32,
    ) -> Score {
        let Some(similarity) = similarity else { return 0.0 };
        let norm = FieldNormReader::fieldnorm_to_id(self.memory.field_len(doc, field));
        similarity.score(norm, count)
    }

    fn phrase(
        &self,
        field: FieldNumber,
        terms: &[(u32, String)],
        slop: u32,
        weight: f32,
    ) -> tantivy::Result<Scored> {
        let lists: Vec<&[Posting]> =
            terms.iter().map(|(_, term)| self.memory.postings(field, term)).collect();
        let Some(shortest) = lists.iter().min_by_key(|list| list.len()) else {
            return Ok(Vec::new());
        };
        if shortest.is_empty() {
            return Ok(Vec::new());
        }
        let words: Vec<&String> = terms.iter().map(|(_, term)| term).collect();
        let similarity = self.similarity(field, &words, weight)?;
        let mut found = Vec::new();
        for candidate in *shortest {
            let doc = candidate.doc;
            if !(self.visible)(doc) {
                continue;
            }
            let at = |list: &&[Posting]| {
                let at = list.binary_search_by_key(&doc, |posting| posting.doc).ok()?;
                Some(self.memory.places(list[at]))
            };
            let Some(places) = lists.iter().map(at).collect::<Option<Vec<_>>>() else { continue };
            let offsets = terms.iter().map(|(offset, _)| *offset);
            let count = count_places(&offsets.zip(places).collect::<Vec<_>>(), slop);
            if count > 0 {
                found.push((doc, self.score(similarity.as_ref(), field, doc, count)));
            }
        }
        Ok(found)
    }

    fn combine(
        &self,
        must: &[Plan],
        should: &[Plan],
        must_not: &[Plan],
        minimum: usize,
    ) -> tantivy::Result<Scored> {
        // For each document: how many of `must` and of `should` match, and the score so far.
        let mut matched: BTreeMap<MemoryDoc, (usize, usize, Score)> = BTreeMap::new();
        for (at, plan) in must.iter().enumerate() {
            for (doc, score) in self.run(plan)? {
                if at == 0 {
                    matched.insert(doc, (1, 0, score));
                } else if let Some((count, _, sum)) = matched.get_mut(&doc) {
                    *count += 1;
                    *sum += score;
                }
            }
            matched.retain(|_, (count, _, _)| *count == at + 1);
        }
        for plan in should {
            for (doc, score) in self.run(plan)? {
                if must.is_empty() {
                    matched.entry(doc).or_default();
                }
                if let Some((_, count, sum)) = matched.get_mut(&doc) {
                    *count += 1;
                    *sum += score;
                }
            }
        }
        matched.retain(|_, (_, count, _)| *count >= minimum);
        if !matched.is_empty() {
            for plan in must_not {
                for (doc, _) in self.run(plan)? {
                    matched.remove(&doc);
                }
            }
        }
        Ok(matched.into_iter().map(|(doc, (_, _, score))| (doc, score)).collect())
    }
}
