//! The fields of an index, with their analyzers, and what they make of a row.

use std::collections::BTreeSet;
use std::sync::Arc;

use lightning_db_expression::{Columns, Expression};
use lightning_db_types::{Value, ValueRef};
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing,
};
use tantivy::tokenizer::{
    LowerCaser, NgramTokenizer, RawTokenizer, SimpleTokenizer, Stemmer, StopWordFilter,
    TextAnalyzer, Token, TokenizerManager, WhitespaceTokenizer,
};
use xxhash_rust::xxh3::xxh3_64;

use super::english::STOP_WORDS;
use super::options::{Analyzer, Language, TextField, TextOptions};
use crate::definition::IndexDefinition;
use crate::error::{Error, Result};

/// Raised when the same text would become other words: indexes of another version are rebuilt.
const ANALYZER_VERSION: u32 = 1;

/// Longest word, in bytes: tantivy leaves out what is longer.
pub(super) const TERM_LEN_MAX: usize = 65_530;

/// Texts up to this length have no word above [`TERM_LEN_MAX`]: lower case makes no letter more
/// than three times as long.
const TEXT_LEN_SAFE: usize = TERM_LEN_MAX / 3;

/// The most fields of an index: a term in memory carries its field in one byte.
const FIELDS_MAX: usize = 200;

/// Position of a field in its index.
pub(super) type FieldNumber = u8;

/// One field.
#[derive(Clone)]
pub(super) struct FieldShape {
    pub(super) name: String,
    pub(super) boost: f32,
    pub(super) kind: Analyzer,
    pub(super) analyzer: TextAnalyzer,
    /// Gives as many words as `analyzer`, but not their stems.
    counter: TextAnalyzer,
    /// Cuts without stop words and stems, for beginnings of words.
    plain: TextAnalyzer,
}

impl std::fmt::Debug for FieldShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, boost, kind, .. } = self;
        f.debug_struct("FieldShape")
            .field("name", name)
            .field("boost", boost)
            .field("analyzer", kind)
            .finish_non_exhaustive()
    }
}

/// All fields.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) definition: Arc<IndexDefinition>,
    pub(super) fields: Vec<FieldShape>,
    /// Of the definition and of the analyzers.
    pub(super) hash: u64,
}

/// Fields of the index on the disk: row number, then text and its length for each field.
#[derive(Debug, Clone)]
pub(super) struct DiskSchema {
    pub(super) schema: Schema,
    pub(super) row: Field,
    pub(super) texts: Vec<Field>,
    pub(super) lens: Vec<Field>,
}

fn analyzer_of(kind: Analyzer) -> std::result::Result<[TextAnalyzer; 3], String> {
    let simple = || TextAnalyzer::builder(SimpleTokenizer::default()).filter(LowerCaser);
    let same = |analyzer: TextAnalyzer| [analyzer.clone(), analyzer.clone(), analyzer];
    Ok(match kind {
        Analyzer::Simple => same(simple().build()),
        Analyzer::Whitespace => same(TextAnalyzer::from(WhitespaceTokenizer::default())),
        Analyzer::Raw | Analyzer::Facet => same(TextAnalyzer::from(RawTokenizer::default())),
        Analyzer::Language { language, stop_words } => {
            let stemmer = Stemmer::new(language.stemming());
            let stops = match language {
                Language::English => {
                    let words = STOP_WORDS.iter().map(|word| (*word).to_owned());
                    Some(StopWordFilter::remove(words))
                }
                language => StopWordFilter::new(language.stemming()),
            };
            let stops = stops.filter(|_| stop_words);
            let plain = simple().build();
            match stops {
                Some(stops) => [
                    simple().filter(stops.clone()).filter(stemmer).build(),
                    simple().filter(stops).build(),
                    plain,
                ],
                None => [simple().filter(stemmer).build(), plain.clone(), plain],
            }
        }
        Analyzer::Ngram { min, max } => {
            if min == 0 || min > max || max > 64 {
                return Err(format!("runs of {min} to {max} characters; 1 to 64 are possible"));
            }
            let ngrams = NgramTokenizer::new(min, max, false).map_err(|error| error.to_string())?;
            let [_, _, plain] = same(simple().build());
            let ngrams = TextAnalyzer::builder(ngrams).filter(LowerCaser).build();
            [ngrams.clone(), ngrams, plain]
        }
    })
}

impl Shape {
    pub(super) fn new(definition: &Arc<IndexDefinition>, options: &TextOptions) -> Result<Self> {
        let parts = definition.parts.len();
        if options.fields.len() > parts {
            let count = options.fields.len();
            return Err(definition.refuse(format!("{count} fields for {parts} columns")));
        }
        if parts > FIELDS_MAX {
            return Err(definition.refuse(format!("{parts} columns; at most {FIELDS_MAX}")));
        }
        let mut names = BTreeSet::new();
        let mut fields = Vec::with_capacity(parts);
        for part in 0..parts {
            let unnamed = || TextField::new(options.field_name(part), options.analyzer);
            let TextField { name, boost, analyzer: kind } =
                options.fields.get(part).cloned().unwrap_or_else(unnamed);
            if name.is_empty() || !names.insert(name.clone()) {
                return Err(definition.refuse(format!("field name {name:?} is empty or not new")));
            }
            if !boost.is_finite() || boost < 0.0 {
                return Err(definition.refuse(format!("boost {boost} of field {name}")));
            }
            let [analyzer, counter, plain] = analyzer_of(kind).map_err(|detail| {
                definition.refuse(format!("analyzer of field {name}: {detail}"))
            })?;
            fields.push(FieldShape { name, boost, kind, analyzer, counter, plain });
        }
        let hash = hash_of(definition)?;
        Ok(Self { definition: Arc::clone(definition), fields, hash })
    }

    /// A field by its name.
    pub(super) fn field_named(&self, name: &str) -> Option<FieldNumber> {
        let at = self.fields.iter().position(|field| field.name == name)?;
        FieldNumber::try_from(at).ok()
    }

    pub(super) fn disk_schema(&self) -> DiskSchema {
        let mut builder = Schema::builder();
        let row = builder.add_u64_field("row", NumericOptions::from(FAST | INDEXED));
        let (mut texts, mut lens) = (Vec::new(), Vec::new());
        for (at, field) in self.fields.iter().enumerate() {
            let is_facet = field.kind == Analyzer::Facet;
            let record = if is_facet {
                IndexRecordOption::Basic
            } else {
                IndexRecordOption::WithFreqsAndPositions
            };
            let indexing = TextFieldIndexing::default()
                .set_tokenizer(&tokenizer_name(at))
                .set_fieldnorms(!is_facet)
                .set_index_option(record);
            let options = tantivy::schema::TextOptions::default().set_indexing_options(indexing);
            texts.push(builder.add_text_field(&format!("text{at}"), options));
            lens.push(builder.add_u64_field(&format!("len{at}"), FAST));
        }
        DiskSchema { schema: builder.build(), row, texts, lens }
    }

    pub(super) fn register(&self, tokenizers: &TokenizerManager) {
        for (at, field) in self.fields.iter().enumerate() {
            tokenizers.register(&tokenizer_name(at), field.analyzer.clone());
        }
    }

    fn bad_value(&self, detail: String) -> Error {
        Error::Value { index: self.definition.name.clone(), detail }
    }

    /// Calls `visit` with the text of each field that a row has.
    pub(super) fn texts(
        &self,
        row: &dyn Columns,
        mut visit: impl FnMut(FieldNumber, &str) -> Result<()>,
    ) -> Result<()> {
        for (number, part) in (0..).zip(&self.definition.parts) {
            let held;
            let value = match &part.expression {
                Expression::Column(position) => row.column(*position),
                expression => {
                    held = expression.evaluate(row)?;
                    held.as_value_ref()
                }
            };
            match value {
                ValueRef::Null => {}
                ValueRef::Text(text) => visit(number, text)?,
                other => {
                    let field = &self.fields[usize::from(number)].name;
                    let of = other.to_value();
                    return Err(self.bad_value(format!("field {field}: {} is no text", name(&of))));
                }
            }
        }
        Ok(())
    }

    /// Whether a row can be indexed, at little cost: short texts are not cut into words.
    pub(super) fn validate(&self, row: &dyn Columns) -> Result<()> {
        self.texts(row, |number, text| {
            let field = &self.fields[usize::from(number)];
            if field.kind == Analyzer::Facet {
                facet_terms(text).map(drop).map_err(|detail| self.bad_value(detail))
            } else if text.len() > TEXT_LEN_SAFE {
                self.words(number, text, &mut |token| self.check_len(field, token))
            } else {
                Ok(())
            }
        })
    }

    fn check_len(&self, field: &FieldShape, token: &Token) -> Result<()> {
        if token.text.len() <= TERM_LEN_MAX {
            return Ok(());
        }
        let (len, field) = (token.text.len(), &field.name);
        let detail = format!("field {field}: a word of {len} bytes; at most {TERM_LEN_MAX}");
        Err(self.bad_value(detail))
    }

    /// Calls `visit` with the words of a text.
    pub(super) fn words(
        &self,
        number: FieldNumber,
        text: &str,
        visit: &mut dyn FnMut(&Token) -> Result<()>,
    ) -> Result<()> {
        let field = &self.fields[usize::from(number)];
        if field.kind == Analyzer::Facet {
            for term in facet_terms(text).map_err(|detail| self.bad_value(detail))? {
                visit(&Token { text: term, position: 0, ..Token::default() })?;
            }
            return Ok(());
        }
        stream(&field.analyzer, text, visit)
    }

    /// Words of a text without stop words taken out or stems cut.
    pub(super) fn plain_words(&self, number: FieldNumber, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        let field = &self.fields[usize::from(number)];
        // The visitor cannot fail.
        let _ = stream(&field.plain, text, &mut |token| {
            words.push(token.text.clone());
            Ok(())
        });
        words
    }

    /// How many words [`words`](Self::words) gives.
    pub(super) fn count_words(&self, number: FieldNumber, text: &str) -> u64 {
        let field = &self.fields[usize::from(number)];
        if field.kind == Analyzer::Facet {
            return facet_terms(text).map_or(0, |terms| terms.len() as u64);
        }
        let mut analyzer = field.counter.clone();
        let mut stream = analyzer.token_stream(text);
        let mut count = 0;
        while stream.advance() {
            count += 1;
        }
        count
    }
}

fn stream(
    analyzer: &TextAnalyzer,
    text: &str,
    visit: &mut dyn FnMut(&Token) -> Result<()>,
) -> Result<()> {
    let mut analyzer = analyzer.clone();
    let mut stream = analyzer.token_stream(text);
    while stream.advance() {
        visit(stream.token())?;
    }
    Ok(())
}

fn tokenizer_name(field: usize) -> String {
    format!("lightning{field}")
}

fn name(value: &Value) -> &'static str {
    value.value_type().name()
}

/// The words of facet paths, one a line: each path and all above it.
pub(super) fn facet_terms(text: &str) -> std::result::Result<BTreeSet<String>, String> {
    let mut terms = BTreeSet::new();
    for path in text.lines().map(str::trim).filter(|path| !path.is_empty()) {
        let path = facet_path(path)?;
        for (at, _) in path.match_indices('/').skip(1) {
            terms.insert(path[..at].to_owned());
        }
        terms.insert(path.to_owned());
    }
    Ok(terms)
}

/// A facet path without a slash at its end.
pub(super) fn facet_path(path: &str) -> std::result::Result<&str, String> {
    let shown = || path.chars().take(40).collect::<String>();
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    if !trimmed.starts_with('/') || trimmed.contains("//") {
        return Err(format!("{:?} is no facet path such as \"/a/b\"", shown()));
    }
    if trimmed.len() > TERM_LEN_MAX {
        let len = trimmed.len();
        return Err(format!("a facet path of {len} bytes; at most {TERM_LEN_MAX}"));
    }
    Ok(trimmed)
}

fn hash_of(definition: &IndexDefinition) -> Result<u64> {
    let IndexDefinition { id, parts, condition, kind, .. } = definition;
    let of = (ANALYZER_VERSION, id, parts, condition, kind);
    let bytes = postcard::to_stdvec(&of)
        .map_err(|error| definition.refuse(format!("it cannot be encoded: {error}")))?;
    Ok(xxh3_64(&bytes))
}
