//! The raw library: tantivy with the same words, positions and scores, in one segment.

use std::ops::Bound;
use std::path::Path;

use anyhow::{Context as _, Result};
use tantivy::collector::{DocSetCollector, TopDocs};
use tantivy::query::{BooleanQuery, PhraseQuery, Query, RangeQuery, TermQuery};
use tantivy::schema::{FAST, Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{
    Language, LowerCaser, SimpleTokenizer, Stemmer, StopWordFilter, TextAnalyzer,
};
use tantivy::{DocAddress, Index, IndexWriter, Searcher, TantivyDocument, Term};

use super::{BEST, Form, Question};

/// Bytes that a writer may use.
const WRITER_BYTES: usize = 64 << 20;

/// Runs of letters and digits in lower case.
pub(crate) fn simple() -> TextAnalyzer {
    TextAnalyzer::builder(SimpleTokenizer::default()).filter(LowerCaser).build()
}

/// The same without stop words, cut to English stems.
pub(crate) fn english() -> Result<TextAnalyzer> {
    let stop = StopWordFilter::new(Language::English).context("no English stop words")?;
    let words = TextAnalyzer::builder(SimpleTokenizer::default()).filter(LowerCaser).filter(stop);
    Ok(words.filter(Stemmer::new(Language::English)).build())
}

/// An index of the library.
pub(crate) struct Library {
    searcher: Searcher,
    body: Field,
    analyzer: TextAnalyzer,
    /// Numbers of the rows, by segment.
    ids: Vec<tantivy::columnar::Column<u64>>,
}

/// An index of the library that is open for writing.
pub(super) struct Writer {
    inner: IndexWriter,
    index: Index,
    fields: (Field, Field),
}

impl Writer {
    pub(super) fn new(dir: &Path, analyzer: TextAnalyzer) -> Result<Self> {
        let mut schema = Schema::builder();
        let indexing = TextFieldIndexing::default()
            .set_tokenizer("words")
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let options = TextOptions::default().set_indexing_options(indexing);
        let body = schema.add_text_field("body", options);
        let id = schema.add_u64_field("id", FAST);
        let index = Index::create_in_dir(dir, schema.build())?;
        index.tokenizers().register("words", analyzer);
        let writer = index.writer_with_num_threads(1, WRITER_BYTES)?;
        Ok(Self { inner: writer, index, fields: (body, id) })
    }

    pub(super) fn add(&mut self, id: u64, text: &str) -> Result<()> {
        let mut document = TantivyDocument::new();
        document.add_text(self.fields.0, text);
        document.add_u64(self.fields.1, id);
        self.inner.add_document(document)?;
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        self.inner.commit()?;
        Ok(())
    }

    /// Waits for the merges that are under way.
    pub(super) fn close(self) -> Result<()> {
        Ok(self.inner.wait_merging_threads()?)
    }
}

impl Library {
    /// Indexes `texts`, numbered from zero.
    ///
    /// # Errors
    ///
    /// Those of the library.
    pub(crate) fn new(dir: &Path, texts: &[String], analyzer: TextAnalyzer) -> Result<Self> {
        let mut open = Writer::new(dir, analyzer.clone())?;
        for (id, text) in (0..).zip(texts) {
            open.add(id, text)?;
        }
        open.commit()?;
        let segments = open.index.searchable_segment_ids()?;
        if segments.len() > 1 {
            open.inner.merge(&segments).wait()?;
        }
        let Writer { inner, index, fields: (body, _) } = open;
        inner.wait_merging_threads()?;
        let searcher = index.reader()?.searcher();
        let column = |segment: &tantivy::SegmentReader| segment.fast_fields().u64("id");
        let ids = searcher.segment_readers().iter().map(column).collect::<Result<_, _>>()?;
        Ok(Self { searcher, body, analyzer, ids })
    }

    /// Number of texts.
    pub(crate) fn len(&self) -> u64 {
        self.searcher.num_docs()
    }

    fn id(&self, at: DocAddress) -> u64 {
        let column = &self.ids[at.segment_ord as usize];
        column.first(at.doc_id).unwrap_or(u64::MAX)
    }

    fn query(&self, question: &Question) -> Result<Box<dyn Query>> {
        let term = |word: &String| Term::from_field_text(self.body, word);
        let words = question.words.iter().map(term);
        let frequencies = |term| -> Box<dyn Query> {
            Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs))
        };
        Ok(match question.form {
            Form::Phrase => Box::new(PhraseQuery::new(words.collect())),
            Form::Prefix => {
                // The words of a range: an automaton would be built for each question.
                let first = question.words.concat();
                let mut behind = first.clone().into_bytes();
                let last = behind.last_mut().context("no letters")?;
                *last += 1;
                let behind = String::from_utf8(behind)?;
                let [first, behind] =
                    [first, behind].map(|word| Term::from_field_text(self.body, &word));
                Box::new(RangeQuery::new(Bound::Included(first), Bound::Excluded(behind)))
            }
            Form::Or => Box::new(BooleanQuery::union(words.map(frequencies).collect())),
            Form::Term => words.map(frequencies).next().context("no word")?,
            Form::And => Box::new(BooleanQuery::intersection(words.map(frequencies).collect())),
        })
    }

    fn search(&self, query: &dyn Query, limit: usize) -> Result<Vec<(f32, u64)>> {
        let best = self.searcher.search(query, &TopDocs::with_limit(limit).order_by_score())?;
        Ok(best.into_iter().map(|(score, at)| (score, self.id(at))).collect())
    }

    /// The best rows, best first.
    ///
    /// # Errors
    ///
    /// Those of the library.
    pub(crate) fn best(&self, question: &Question) -> Result<Vec<(f32, u64)>> {
        self.search(&*self.query(question)?, BEST)
    }

    /// Their scores.
    pub(super) fn scores(&self, question: &Question) -> Result<Vec<f32>> {
        Ok(self.best(question)?.into_iter().map(|(score, _)| score).collect())
    }

    /// All rows that match, by number.
    pub(super) fn matches(&self, question: &Question) -> Result<Vec<u64>> {
        let found = self.searcher.search(&*self.query(question)?, &DocSetCollector)?;
        let mut ids: Vec<u64> = found.into_iter().map(|at| self.id(at)).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// The best rows for any of the words of `text`, each as often as it stands there.
    ///
    /// # Errors
    ///
    /// Those of the library.
    pub(crate) fn any_word(&self, text: &str, limit: usize) -> Result<Vec<u64>> {
        let mut analyzer = self.analyzer.clone();
        let mut parts: Vec<Box<dyn Query>> = Vec::new();
        analyzer.token_stream(text).process(&mut |token| {
            let term = Term::from_field_text(self.body, &token.text);
            parts.push(Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)));
        });
        let best = self.search(&BooleanQuery::union(parts), limit)?;
        Ok(best.into_iter().map(|(_, id)| id).collect())
    }
}
