//! Sets of words: beginnings, ranges, near words, regular expressions.

use std::ops::Bound;
use std::sync::Arc;

use tantivy::postings::TermInfo;
use tantivy::query::{
    BitSetDocSet, ConstScorer, DfaWrapper, EnableScoring, Explanation, FuzzyTermQuery, Query,
    Scorer, Weight,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::termdict::TermDictionary;
use tantivy::{BitSet, DocId, InvertedIndexReader, Score, SegmentReader, Term};
use tantivy_fst::{Automaton, Regex};

/// A set of words.
pub(super) enum Matcher {
    /// Words between bounds.
    Range(Bound<Vec<u8>>, Bound<Vec<u8>>),
    /// Words that differ by few edits.
    Fuzzy(DfaWrapper),
    /// Words that begin with something so near.
    FuzzyPrefix(Beginning<DfaWrapper>),
    /// Words that match an expression.
    Regex(Regex),
}

impl std::fmt::Debug for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Range(from, to) => f.debug_tuple("Range").field(from).field(to).finish(),
            Self::Fuzzy(_) | Self::FuzzyPrefix(_) => f.debug_tuple("Fuzzy").finish_non_exhaustive(),
            Self::Regex(_) => f.debug_tuple("Regex").finish_non_exhaustive(),
        }
    }
}

/// Accepts what begins with something that the automaton accepts.
pub(super) struct Beginning<A>(A);

impl<A: Automaton> Automaton for Beginning<A> {
    /// `None` once a beginning was accepted.
    type State = Option<A::State>;

    fn start(&self) -> Self::State {
        Some(self.0.start()).filter(|state| !self.0.is_match(state))
    }

    fn is_match(&self, state: &Self::State) -> bool {
        state.is_none()
    }

    fn can_match(&self, state: &Self::State) -> bool {
        state.as_ref().is_none_or(|state| self.0.can_match(state))
    }

    fn will_always_match(&self, state: &Self::State) -> bool {
        state.is_none()
    }

    fn accept(&self, state: &Self::State, byte: u8) -> Self::State {
        let next = self.0.accept(state.as_ref()?, byte);
        Some(next).filter(|state| !self.0.is_match(state))
    }
}

fn accepts<A: Automaton>(automaton: &A, term: &[u8]) -> bool {
    let mut state = automaton.start();
    for byte in term {
        if !automaton.can_match(&state) {
            return false;
        }
        state = automaton.accept(&state, *byte);
    }
    automaton.is_match(&state)
}

/// The first word behind all that begin with `prefix`.
fn end_of_prefix(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

impl Matcher {
    pub(super) fn prefix(prefix: &str) -> Self {
        let from = Bound::Included(prefix.as_bytes().to_vec());
        Self::Range(from, end_of_prefix(prefix.as_bytes()))
    }

    pub(super) fn exact(term: &str) -> Self {
        let bound = Bound::Included(term.as_bytes().to_vec());
        Self::Range(bound.clone(), bound)
    }

    pub(super) fn fuzzy(term: &str, distance: u8, prefix: bool) -> tantivy::Result<Self> {
        let term = Term::from_field_text(Field::from_field_id(0), term);
        let dfa = FuzzyTermQuery::new(term, distance, true).automaton()?;
        // The prefix automaton of tantivy misses words where the last edit is an exchange.
        Ok(if prefix { Self::FuzzyPrefix(Beginning(dfa)) } else { Self::Fuzzy(dfa) })
    }

    pub(super) fn regex(pattern: &str) -> Result<Self, String> {
        Regex::new(pattern).map(Self::Regex).map_err(|error| error.to_string())
    }

    /// Words before this one are not in the set.
    pub(super) fn first(&self) -> &[u8] {
        match self {
            Self::Range(Bound::Included(from) | Bound::Excluded(from), _) => from,
            _ => &[],
        }
    }

    /// Whether no word from this one on is in the set.
    pub(super) fn is_past(&self, term: &[u8]) -> bool {
        match self {
            Self::Range(_, Bound::Included(to)) => term > &to[..],
            Self::Range(_, Bound::Excluded(to)) => term >= &to[..],
            _ => false,
        }
    }

    pub(super) fn matches(&self, term: &[u8]) -> bool {
        match self {
            Self::Range(from, to) => {
                let after = match from {
                    Bound::Included(from) => term >= &from[..],
                    Bound::Excluded(from) => term > &from[..],
                    Bound::Unbounded => true,
                };
                let before = match to {
                    Bound::Included(to) => term <= &to[..],
                    Bound::Excluded(to) => term < &to[..],
                    Bound::Unbounded => true,
                };
                after && before
            }
            Self::Fuzzy(dfa) => accepts(dfa, term),
            Self::FuzzyPrefix(dfa) => accepts(dfa, term),
            Self::Regex(regex) => accepts(regex, term),
        }
    }

    /// The words of the set that are in a dictionary.
    pub(super) fn words_in(&self, terms: &TermDictionary) -> std::io::Result<Vec<String>> {
        let Self::Range(Bound::Included(from), _) = self else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        let mut stream = terms.range().ge(from).into_stream()?;
        while stream.advance() && self.matches(stream.key()) {
            found.extend(std::str::from_utf8(stream.key()).map(str::to_owned));
        }
        Ok(found)
    }

    /// Where the words of the set stand in a dictionary.
    pub(super) fn terms_in(&self, terms: &TermDictionary) -> std::io::Result<Vec<TermInfo>> {
        let mut found = Vec::new();
        match self {
            Self::Range(from, to) => {
                let mut range = terms.range();
                range = match from {
                    Bound::Included(from) => range.ge(from),
                    Bound::Excluded(from) => range.gt(from),
                    Bound::Unbounded => range,
                };
                range = match to {
                    Bound::Included(to) => range.le(to),
                    Bound::Excluded(to) => range.lt(to),
                    Bound::Unbounded => range,
                };
                let mut stream = range.into_stream()?;
                while stream.advance() {
                    found.push(stream.value().clone());
                }
            }
            Self::Fuzzy(dfa) => search(terms, dfa, &mut found)?,
            Self::FuzzyPrefix(dfa) => search(terms, dfa, &mut found)?,
            Self::Regex(regex) => search(terms, regex, &mut found)?,
        }
        Ok(found)
    }
}

fn search<'a, A: Automaton>(
    terms: &'a TermDictionary,
    automaton: &'a A,
    found: &mut Vec<TermInfo>,
) -> std::io::Result<()>
where
    A::State: Clone,
{
    let mut stream = terms.search(automaton).into_stream()?;
    while stream.advance() {
        found.push(stream.value().clone());
    }
    Ok(())
}

/// Documents with one of the words, for tantivy; all have one score.
#[derive(Debug, Clone)]
pub(super) struct ManyQuery {
    pub(super) field: Field,
    pub(super) matcher: Arc<Matcher>,
}

impl Query for ManyQuery {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(ManyWeight(self.clone())))
    }
}

struct ManyWeight(ManyQuery);

impl ManyWeight {
    fn documents(&self, reader: &SegmentReader) -> tantivy::Result<BitSet> {
        let mut documents = BitSet::with_max_value(reader.max_doc());
        let inverted = reader.inverted_index(self.0.field)?;
        for term in self.0.matcher.terms_in(inverted.terms())? {
            add_documents(&inverted, &term, &mut documents)?;
        }
        Ok(documents)
    }
}

fn add_documents(
    inverted: &InvertedIndexReader,
    term: &TermInfo,
    documents: &mut BitSet,
) -> std::io::Result<()> {
    let record = IndexRecordOption::Basic;
    let mut postings = inverted.read_block_postings_from_terminfo(term, record)?;
    loop {
        let docs = postings.docs();
        if docs.is_empty() {
            return Ok(());
        }
        for doc in docs {
            documents.insert(*doc);
        }
        postings.advance();
    }
}

impl Weight for ManyWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let documents = BitSetDocSet::from(self.documents(reader)?);
        Ok(Box::new(ConstScorer::new(documents, boost)))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let score = if self.documents(reader)?.contains(doc) { 1.0 } else { 0.0 };
        Ok(Explanation::new("one of many words", score))
    }
}

/// Documents of a query, gathered before the first is asked for.
///
/// tantivy asks the scorers of clauses that must not match for documents before their own first
/// one, which those of phrases and intersections answer with a panic in debug builds.
#[derive(Debug)]
pub(super) struct GatheredQuery(pub(super) Box<dyn Query>);

impl Clone for GatheredQuery {
    fn clone(&self) -> Self {
        Self(self.0.box_clone())
    }
}

impl Query for GatheredQuery {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let without = match scoring.searcher() {
            Some(searcher) => EnableScoring::disabled_from_searcher(searcher),
            None => EnableScoring::disabled_from_schema(scoring.schema()),
        };
        Ok(Box::new(GatheredWeight(self.0.weight(without)?)))
    }
}

struct GatheredWeight(Box<dyn Weight>);

impl Weight for GatheredWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let mut documents = BitSet::with_max_value(reader.max_doc());
        self.0.for_each_no_score(reader, &mut |docs| {
            for doc in docs {
                documents.insert(*doc);
            }
        })?;
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(documents), boost)))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        self.0.explain(reader, doc)
    }
}
