//! What is asked of a text index.

use std::ops::Bound;

/// A query. Words pass through the analyzer of the field in which they are looked for.
///
/// A part whose text has no words (it is empty, or all are stop words) is left out of the query it
/// stands in; a query of which nothing is left matches no row. Without a field, a part is looked
/// for in all fields but facets, and the scores of the fields add up.
///
/// # Examples
/// ```
/// use lightning_db_index::TextQuery;
/// let query = TextQuery::parse("+lightning storm* -\"heavy rain\"~2 title:thunder^3")?;
/// let same = TextQuery::Bool {
///     must: vec![TextQuery::term("lightning")],
///     should: vec![
///         TextQuery::prefix("storm"),
///         TextQuery::term("thunder").in_field("title").boost(3.0),
///     ],
///     must_not: vec![TextQuery::phrase("heavy rain", 2)],
///     minimum_should_match: 0,
/// };
/// assert_eq!(query, same);
/// # Ok::<(), lightning_db_index::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TextQuery {
    /// Every row of the index. Its score is zero.
    Everything,
    /// A word. A text of several words is a phrase.
    Term {
        /// Field; `None` for all.
        field: Option<String>,
        /// The word.
        text: String,
    },
    /// Words that stand together, in order.
    ///
    /// With a slop, each word may have moved: a match is a choice of one place for each word such
    /// that the shifts against the phrase differ by at most the slop. So `a b` with slop 1 matches
    /// "a x b", and with slop 2 also "b a". This is Lucene's rule.
    Phrase {
        /// Field; `None` for all.
        field: Option<String>,
        /// The words.
        text: String,
        /// By how much the shifts of the words may differ.
        slop: u32,
    },
    /// Words with a beginning. It is put in lower case as the field does, but keeps its ending.
    Prefix {
        /// Field; `None` for all.
        field: Option<String>,
        /// The beginning.
        text: String,
    },
    /// Words that differ by at most `distance` edits: a character put in, left out, replaced, or
    /// two neighbours exchanged (optimal string alignment distance).
    Fuzzy {
        /// Field; `None` for all.
        field: Option<String>,
        /// The word.
        text: String,
        /// Edits; 1 or 2.
        distance: u8,
        /// Whether it is enough that the word begins with something so near.
        prefix: bool,
    },
    /// Words that match a regular expression as a whole. It does not pass through the analyzer.
    Regex {
        /// Field; `None` for all.
        field: Option<String>,
        /// The expression, in the syntax of the crate `regex`, without `^`, `$` and `\b`.
        pattern: String,
    },
    /// Words between bounds, in the order of their bytes. The bounds do not pass through the
    /// analyzer.
    Range {
        /// Field; `None` for all.
        field: Option<String>,
        /// Lower bound.
        from: Bound<String>,
        /// Upper bound.
        to: Bound<String>,
    },
    /// Rows at a facet path or below it.
    Facet {
        /// Field; `None` for all facet fields.
        field: Option<String>,
        /// The path, such as `/animals/birds`.
        path: String,
    },
    /// Queries together. A row matches if it matches all of `must`, none of `must_not`, and at
    /// least `minimum_should_match` of `should`: one, if that is zero and `must` is empty. Without
    /// `must` and `should`, every row matches that `must_not` does not take out.
    ///
    /// The score is the sum over those of `must` and `should` that match: a query that stands
    /// there twice counts twice.
    Bool {
        /// All of these.
        must: Vec<TextQuery>,
        /// Some of these.
        should: Vec<TextQuery>,
        /// None of these.
        must_not: Vec<TextQuery>,
        /// How many of `should` at least; at most as many as are left of them.
        minimum_should_match: usize,
    },
    /// A query whose score is multiplied.
    Boost {
        /// The query.
        query: Box<TextQuery>,
        /// The factor; finite, and not below zero.
        factor: f32,
    },
}

impl TextQuery {
    /// A word.
    pub fn term(text: impl Into<String>) -> Self {
        Self::Term { field: None, text: text.into() }
    }

    /// Words that stand together.
    pub fn phrase(text: impl Into<String>, slop: u32) -> Self {
        Self::Phrase { field: None, text: text.into(), slop }
    }

    /// Words with a beginning.
    pub fn prefix(text: impl Into<String>) -> Self {
        Self::Prefix { field: None, text: text.into() }
    }

    /// Words that differ by at most `distance` edits.
    pub fn fuzzy(text: impl Into<String>, distance: u8) -> Self {
        Self::Fuzzy { field: None, text: text.into(), distance, prefix: false }
    }

    /// Words that match a regular expression.
    pub fn regex(pattern: impl Into<String>) -> Self {
        Self::Regex { field: None, pattern: pattern.into() }
    }

    /// Rows at a facet path or below it.
    pub fn facet(path: impl Into<String>) -> Self {
        Self::Facet { field: None, path: path.into() }
    }

    /// Rows that match all of the queries.
    pub fn all(queries: impl IntoIterator<Item = Self>) -> Self {
        let must = queries.into_iter().collect();
        Self::Bool { must, should: Vec::new(), must_not: Vec::new(), minimum_should_match: 0 }
    }

    /// Rows that match one of the queries.
    pub fn any(queries: impl IntoIterator<Item = Self>) -> Self {
        let should = queries.into_iter().collect();
        Self::Bool { must: Vec::new(), should, must_not: Vec::new(), minimum_should_match: 0 }
    }

    /// Rows that do not match the query.
    #[expect(clippy::should_implement_trait, reason = "it stands beside `all` and `any`")]
    pub fn not(query: Self) -> Self {
        let (must, should) = (Vec::new(), Vec::new());
        Self::Bool { must, should, must_not: vec![query], minimum_should_match: 0 }
    }

    /// The query with its score multiplied.
    #[must_use]
    pub fn boost(self, factor: f32) -> Self {
        Self::Boost { query: Box::new(self), factor }
    }

    /// The query in one field, but for parts that name one.
    #[must_use]
    pub fn in_field(mut self, name: &str) -> Self {
        self.restrict(name);
        self
    }

    fn restrict(&mut self, name: &str) {
        match self {
            Self::Everything => {}
            Self::Term { field, .. }
            | Self::Phrase { field, .. }
            | Self::Prefix { field, .. }
            | Self::Fuzzy { field, .. }
            | Self::Regex { field, .. }
            | Self::Range { field, .. }
            | Self::Facet { field, .. } => {
                field.get_or_insert_with(|| name.to_owned());
            }
            Self::Bool { must, should, must_not, .. } => {
                for query in must.iter_mut().chain(should).chain(must_not) {
                    query.restrict(name);
                }
            }
            Self::Boost { query, .. } => query.restrict(name),
        }
    }
}
