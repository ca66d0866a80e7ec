//! Phrases with slop: which places of the words make a match, and how many there are.

use tantivy::fieldnorm::FieldNormReader;
use tantivy::postings::{Postings, SegmentPostings};
use tantivy::query::{Bm25Weight, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED, Term};

/// Number of places of a phrase: of shifts `s` such that each word has a place that is shifted by
/// `s` to `s + slop` against the phrase, the smallest by `s` itself, no place being taken twice.
///
/// `places` holds, for each word of the phrase, its offset in the phrase and the places at which
/// it stands, ascending.
pub(super) fn count_places(places: &[(u32, &[u32])], slop: u32) -> u32 {
    let mut count = 0;
    for_each_place(places, slop, &mut |_| count += 1);
    count
}

/// Calls `visit` with the places of the words, for each place of the phrase.
pub(super) fn for_each_place(places: &[(u32, &[u32])], slop: u32, visit: &mut dyn FnMut(&[u32])) {
    let shift = |offset: u32, place: u32| i64::from(place) - i64::from(offset);
    let mut shifts: Vec<i64> = places
        .iter()
        .flat_map(|(offset, at)| at.iter().map(|place| shift(*offset, *place)))
        .collect();
    shifts.sort_unstable();
    shifts.dedup();
    let mut taken = Vec::with_capacity(places.len());
    for first in shifts {
        let last = first + i64::from(slop);
        let within = |(offset, at): &(u32, &[u32])| {
            let from = at.partition_point(|place| shift(*offset, *place) < first);
            let to = at.partition_point(|place| shift(*offset, *place) <= last);
            (from, to)
        };
        let ranges: Vec<_> = places.iter().map(within).collect();
        if ranges.iter().any(|(from, to)| from == to) {
            continue;
        }
        taken.clear();
        if choose(places, &ranges, first, false, &mut taken) {
            visit(&taken);
        }
    }
}

/// Finds a place for each word that is left; one at least must have the shift `first`.
fn choose(
    places: &[(u32, &[u32])],
    ranges: &[(usize, usize)],
    first: i64,
    has_first: bool,
    taken: &mut Vec<u32>,
) -> bool {
    let word = taken.len();
    let Some((offset, at)) = places.get(word) else { return has_first };
    let (from, to) = ranges[word];
    for place in &at[from..to] {
        if taken.contains(place) {
            continue;
        }
        let is_first = i64::from(*place) - i64::from(*offset) == first;
        taken.push(*place);
        if choose(places, ranges, first, has_first || is_first, taken) {
            return true;
        }
        taken.pop();
    }
    false
}

/// A phrase with slop, for tantivy; without slop its own query is as exact, and faster.
#[derive(Debug, Clone)]
pub(super) struct SlopQuery {
    pub(super) terms: Vec<(u32, Term)>,
    pub(super) slop: u32,
}

struct SlopWeight {
    terms: Vec<(u32, Term)>,
    slop: u32,
    similarity: Option<Bm25Weight>,
}

impl Query for SlopQuery {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let similarity = match scoring {
            EnableScoring::Enabled { statistics_provider, .. } => {
                let terms: Vec<Term> = self.terms.iter().map(|(_, term)| term.clone()).collect();
                Some(Bm25Weight::for_terms(statistics_provider, &terms)?)
            }
            EnableScoring::Disabled { .. } => None,
        };
        Ok(Box::new(SlopWeight { terms: self.terms.clone(), slop: self.slop, similarity }))
    }
}

impl SlopWeight {
    fn postings(&self, reader: &SegmentReader) -> tantivy::Result<Option<Vec<SegmentPostings>>> {
        let mut all = Vec::with_capacity(self.terms.len());
        for (_, term) in &self.terms {
            let inverted = reader.inverted_index(term.field())?;
            let record = IndexRecordOption::WithFreqsAndPositions;
            let Some(postings) = inverted.read_postings(term, record)? else { return Ok(None) };
            all.push(postings);
        }
        Ok(Some(all))
    }

    /// Documents with the phrase, ascending, and their scores.
    fn matches(
        &self,
        reader: &SegmentReader,
        boost: Score,
    ) -> tantivy::Result<Vec<(DocId, Score)>> {
        let mut found = Vec::new();
        let Some(mut postings) = self.postings(reader)? else { return Ok(found) };
        let similarity = self.similarity.as_ref().map(|weight| weight.boost_by(boost));
        let norms = match self.terms.first() {
            Some((_, term)) => reader.fieldnorms_readers().get_field(term.field())?,
            None => None,
        };
        let norms = norms.unwrap_or_else(|| FieldNormReader::constant(reader.max_doc(), 1));
        let mut places = vec![Vec::new(); postings.len()];
        let mut doc = 0;
        'documents: while doc != TERMINATED {
            for one in &mut postings {
                let at = if one.doc() < doc { one.seek(doc) } else { one.doc() };
                if at > doc {
                    doc = at;
                    continue 'documents;
                }
            }
            for (one, places) in postings.iter_mut().zip(&mut places) {
                one.positions_with_offset(0, places);
            }
            let offsets = self.terms.iter().map(|(offset, _)| *offset);
            let words: Vec<(u32, &[u32])> = offsets.zip(places.iter().map(Vec::as_slice)).collect();
            let count = count_places(&words, self.slop);
            if count > 0 {
                let score = similarity
                    .as_ref()
                    .map_or(0.0, |weight| weight.score(norms.fieldnorm_id(doc), count));
                found.push((doc, score));
            }
            doc += 1;
        }
        Ok(found)
    }
}

impl Weight for SlopWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(Box::new(Listed { found: self.matches(reader, boost)?, at: 0 }))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let found = self.matches(reader, 1.0)?;
        let at = found.binary_search_by_key(&doc, |(doc, _)| *doc);
        let score = at.ok().and_then(|at| found.get(at)).map_or(0.0, |(_, score)| *score);
        Ok(Explanation::new("phrase with slop", score))
    }
}

/// Documents in a list.
struct Listed {
    found: Vec<(DocId, Score)>,
    at: usize,
}

impl DocSet for Listed {
    fn advance(&mut self) -> DocId {
        self.at += 1;
        self.doc()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        let rest = self.found.get(self.at..).unwrap_or_default();
        self.at += rest.partition_point(|(doc, _)| *doc < target);
        self.doc()
    }

    fn doc(&self) -> DocId {
        self.found.get(self.at).map_or(TERMINATED, |(doc, _)| *doc)
    }

    fn size_hint(&self) -> u32 {
        u32::try_from(self.found.len()).unwrap_or(u32::MAX)
    }
}

impl Scorer for Listed {
    fn score(&mut self) -> Score {
        self.found.get(self.at).map_or(0.0, |(_, score)| *score)
    }
}

#[cfg(test)]
mod tests {
    use super::count_places;

    #[test]
    fn shifts_of_the_words_may_differ_by_the_slop() {
        let count = |a: &[u32], b: &[u32], slop| count_places(&[(0, a), (1, b)], slop);
        assert_eq!(count(&[3], &[4], 0), 1);
        assert_eq!(count(&[3], &[5], 0), 0);
        assert_eq!(count(&[3], &[5], 1), 1);
        // Exchanged words are two apart.
        assert_eq!(count(&[4], &[3], 1), 0);
        assert_eq!(count(&[4], &[3], 2), 1);
        assert_eq!(count(&[0, 10], &[1, 11], 0), 2);
        assert_eq!(count(&[], &[1], 5), 0);
    }

    #[test]
    fn one_place_is_not_taken_for_two_words() {
        let once: (u32, &[u32]) = (0, &[7]);
        assert_eq!(count_places(&[once, (1, &[7])], 3), 0);
        assert_eq!(count_places(&[(0, &[7, 9]), (1, &[7, 9])], 1), 1);
    }
}
