//! What a text index is made from: its fields, and how their text becomes words.

use serde::{Deserialize, Serialize};
use tantivy::tokenizer::Language as Stemming;

/// Options of a text index: one field for each part of the key, in order.
///
/// Parts for which no field is given are called by their position (`"0"`, `"1"`, ...), have the
/// boost 1 and the analyzer of the index.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[must_use = "options do nothing before the index is opened"]
pub struct TextOptions {
    pub(super) analyzer: Analyzer,
    pub(super) fields: Vec<TextField>,
}

/// One field of a text index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[must_use = "a field does nothing before it is given to `TextOptions`"]
pub struct TextField {
    pub(super) name: String,
    pub(super) boost: f32,
    pub(super) analyzer: Analyzer,
}

impl TextOptions {
    /// All fields with one analyzer.
    pub fn new(analyzer: Analyzer) -> Self {
        Self { analyzer, fields: Vec::new() }
    }

    /// The analyzer of the fields that are not described.
    pub fn analyzer(&self) -> Analyzer {
        self.analyzer
    }

    /// What queries call the field of a part of the key.
    pub fn field_name(&self, part: usize) -> String {
        self.fields.get(part).map_or_else(|| part.to_string(), |field| field.name.clone())
    }

    /// Describes the next part of the key.
    pub fn field(mut self, field: TextField) -> Self {
        self.fields.push(field);
        self
    }
}

impl TextField {
    /// A field with a name, for queries, and the boost 1.
    pub fn new(name: impl Into<String>, analyzer: Analyzer) -> Self {
        Self { name: name.into(), boost: 1.0, analyzer }
    }

    /// A factor for the scores of this field; finite, and not below zero.
    pub fn boost(mut self, factor: f32) -> Self {
        self.boost = factor;
        self
    }
}

/// How text becomes words. Words longer than 65,530 bytes are refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Analyzer {
    /// Runs of letters and digits, in lower case.
    #[default]
    Simple,
    /// What stands between white space, as it is.
    Whitespace,
    /// The whole text is one word.
    Raw,
    /// As `Simple`, then without the language's stop words, and cut to stems (Snowball).
    Language {
        /// The language.
        language: Language,
        /// Whether to leave stop words out. Arabic, Greek, Romanian, Tamil and Turkish have no
        /// list: nothing is left out there.
        stop_words: bool,
    },
    /// All runs of `min` to `max` characters, in lower case: for parts of words. Phrases and
    /// positions have no meaning here; a word of a query matches rows with all its runs.
    Ngram {
        /// Shortest run, in characters; at least 1.
        min: usize,
        /// Longest run, in characters; at most 64.
        max: usize,
    },
    /// No text but paths such as `/animals/birds`, one a line: facets, for counting. Queries that
    /// name no field pass it over.
    Facet,
}

impl Analyzer {
    /// English, without stop words.
    pub const ENGLISH: Self = Self::Language { language: Language::English, stop_words: true };
}

/// A language with a Snowball stemmer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Language {
    Arabic,
    Danish,
    Dutch,
    English,
    Finnish,
    French,
    German,
    Greek,
    Hungarian,
    Italian,
    Norwegian,
    Portuguese,
    Romanian,
    Russian,
    Spanish,
    Swedish,
    Tamil,
    Turkish,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Arabic,
        Self::Danish,
        Self::Dutch,
        Self::English,
        Self::Finnish,
        Self::French,
        Self::German,
        Self::Greek,
        Self::Hungarian,
        Self::Italian,
        Self::Norwegian,
        Self::Portuguese,
        Self::Romanian,
        Self::Russian,
        Self::Spanish,
        Self::Swedish,
        Self::Tamil,
        Self::Turkish,
    ];

    pub(super) fn stemming(self) -> Stemming {
        match self {
            Self::Arabic => Stemming::Arabic,
            Self::Danish => Stemming::Danish,
            Self::Dutch => Stemming::Dutch,
            Self::English => Stemming::English,
            Self::Finnish => Stemming::Finnish,
            Self::French => Stemming::French,
            Self::German => Stemming::German,
            Self::Greek => Stemming::Greek,
            Self::Hungarian => Stemming::Hungarian,
            Self::Italian => Stemming::Italian,
            Self::Norwegian => Stemming::Norwegian,
            Self::Portuguese => Stemming::Portuguese,
            Self::Romanian => Stemming::Romanian,
            Self::Russian => Stemming::Russian,
            Self::Spanish => Stemming::Spanish,
            Self::Swedish => Stemming::Swedish,
            Self::Tamil => Stemming::Tamil,
            Self::Turkish => Stemming::Turkish,
        }
    }
}
