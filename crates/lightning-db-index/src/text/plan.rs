//! Queries made ready: fields found, words cut, parts without words left out.

use std::ops::Bound;
use std::sync::Arc;

use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, Occur, PhraseQuery, Query,
    TermQuery,
};
use tantivy::schema::IndexRecordOption;

use super::matcher::{GatheredQuery, ManyQuery, Matcher};
use super::options::Analyzer;
use super::phrase::SlopQuery;
use super::query::TextQuery;
use super::shape::{DiskSchema, FieldNumber, Shape, TERM_LEN_MAX, facet_path};
use crate::error::{Error, Result};

/// Deepest nesting of a query.
const DEPTH_MAX: usize = 128;

/// A query ready to be run.
#[derive(Debug, Clone)]
pub(super) enum Plan {
    /// No row.
    Nothing,
    /// Every row, with the score zero.
    Everything,
    /// Rows with a word.
    Term { field: FieldNumber, term: String, weight: f32 },
    /// Rows with a phrase: two words or more, with their offsets.
    Phrase { field: FieldNumber, terms: Vec<(u32, String)>, slop: u32, weight: f32 },
    /// Rows with one of many words; all have one score.
    Many { field: FieldNumber, matcher: Arc<Matcher>, weight: f32 },
    /// Plans together. `minimum` is at least one if `must` is empty.
    Bool { must: Vec<Plan>, should: Vec<Plan>, must_not: Vec<Plan>, minimum: usize },
}

impl Shape {
    /// The error of a query.
    pub(super) fn refuse_query(&self, detail: impl Into<String>) -> Error {
        Error::Query { index: self.definition.name.clone(), detail: detail.into() }
    }

    /// Makes a query ready.
    pub(super) fn plan(&self, query: &TextQuery) -> Result<Plan> {
        Ok(self.plan_part(query, 1.0, 0)?.unwrap_or(Plan::Nothing))
    }

    fn fields_of(&self, name: Option<&String>, facets: bool) -> Result<Vec<FieldNumber>> {
        let is_facet = |at: FieldNumber| self.fields[usize::from(at)].kind == Analyzer::Facet;
        let Some(name) = name else {
            let all = (0..self.fields.len()).filter_map(|at| FieldNumber::try_from(at).ok());
            return Ok(all.filter(|at| is_facet(*at) == facets).collect());
        };
        let known = self.field_named(name);
        let at = known.ok_or_else(|| self.refuse_query(format!("it has no field {name:?}")))?;
        if is_facet(at) != facets {
            let is = if facets { "no facets" } else { "facets, no text" };
            return Err(self.refuse_query(format!("field {name:?} holds {is}")));
        }
        Ok(vec![at])
    }

    /// `None` if the query has no words.
    fn plan_part(&self, query: &TextQuery, weight: f32, depth: usize) -> Result<Option<Plan>> {
        if depth > DEPTH_MAX {
            return Err(self.refuse_query(format!("nested deeper than {DEPTH_MAX}")));
        }
        match query {
            TextQuery::Everything => Ok(Some(Plan::Everything)),
            TextQuery::Term { field, text } => {
                self.in_fields(field.as_ref(), weight, |at, weight| {
                    self.phrase(at, text, 0, weight)
                })
            }
            TextQuery::Phrase { field, text, slop } => {
                self.in_fields(field.as_ref(), weight, |at, weight| {
                    self.phrase(at, text, *slop, weight)
                })
            }
            TextQuery::Prefix { field, text } => {
                self.in_fields(field.as_ref(), weight, |at, weight| self.prefix(at, text, weight))
            }
            TextQuery::Fuzzy { field, text, distance, prefix } => {
                if !(1..=2).contains(distance) {
                    return Err(self.refuse_query(format!("distance {distance}; 1 or 2 can be")));
                }
                self.in_fields(field.as_ref(), weight, |at, weight| {
                    self.fuzzy(at, text, (*distance, *prefix), weight)
                })
            }
            TextQuery::Regex { field, pattern } => {
                let matcher = Matcher::regex(pattern).map_err(|error| {
                    self.refuse_query(format!("regular expression {pattern:?}: {error}"))
                })?;
                self.many(field.as_ref(), matcher, weight)
            }
            TextQuery::Range { field, from, to } => {
                let bytes = |bound: &Bound<String>| bound.clone().map(String::into_bytes);
                let matcher = Matcher::Range(bytes(from), bytes(to));
                self.many(field.as_ref(), matcher, weight)
            }
            TextQuery::Facet { field, path } => {
                let path = facet_path(path).map_err(|detail| self.refuse_query(detail))?;
                let matcher = Arc::new(Matcher::exact(path));
                let fields = self.fields_of(field.as_ref(), true)?;
                if fields.is_empty() {
                    return Err(self.refuse_query("it has no facets"));
                }
                let part = |field| Plan::Many { field, matcher: Arc::clone(&matcher), weight };
                Ok(Some(any(fields.into_iter().map(part).collect())))
            }
            TextQuery::Boost { query, factor } => {
                if !factor.is_finite() || *factor < 0.0 {
                    return Err(self.refuse_query(format!("boost {factor}")));
                }
                self.plan_part(query, weight * factor, depth + 1)
            }
            TextQuery::Bool { must, should, must_not, minimum_should_match } => {
                let all = |queries: &[TextQuery]| -> Result<Vec<Plan>> {
                    let plans =
                        queries.iter().map(|query| self.plan_part(query, weight, depth + 1));
                    plans.filter_map(Result::transpose).collect()
                };
                Ok(bool_of(all(must)?, all(should)?, all(must_not)?, *minimum_should_match))
            }
        }
    }

    /// A part in each of its fields, joined by "or".
    fn in_fields(
        &self,
        name: Option<&String>,
        weight: f32,
        part: impl Fn(FieldNumber, f32) -> Result<Option<Plan>>,
    ) -> Result<Option<Plan>> {
        let mut plans = Vec::new();
        for at in self.fields_of(name, false)? {
            plans.extend(part(at, weight * self.fields[usize::from(at)].boost)?);
        }
        Ok((!plans.is_empty()).then(|| any(plans)))
    }

    fn many(&self, name: Option<&String>, matcher: Matcher, weight: f32) -> Result<Option<Plan>> {
        let matcher = Arc::new(matcher);
        self.in_fields(name, weight, |field, weight| {
            Ok(Some(Plan::Many { field, matcher: Arc::clone(&matcher), weight }))
        })
    }

    /// Words of a text with their positions; all must be short enough to be found.
    fn cut(&self, field: FieldNumber, text: &str) -> Result<Vec<(u32, String)>> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let kind = self.fields[usize::from(field)].kind;
        if matches!(kind, Analyzer::Simple | Analyzer::Whitespace)
            && (1..=TERM_LEN_MAX).contains(&text.len())
            && text.bytes().all(plain)
        {
            // The word is itself, and most are: this saves a stream.
            return Ok(vec![(0, text.to_owned())]);
        }
        let mut terms = Vec::new();
        self.words(field, text, &mut |token| {
            let len = token.text.len();
            if len > TERM_LEN_MAX {
                let detail = format!("a word of {len} bytes; at most {TERM_LEN_MAX}");
                return Err(self.refuse_query(detail));
            }
            terms.push((u32::try_from(token.position).unwrap_or(u32::MAX), token.text.clone()));
            Ok(())
        })?;
        Ok(terms)
    }

    fn phrase(
        &self,
        field: FieldNumber,
        text: &str,
        slop: u32,
        weight: f32,
    ) -> Result<Option<Plan>> {
        let mut terms = self.cut(field, text)?;
        if matches!(self.fields[usize::from(field)].kind, Analyzer::Ngram { .. }) {
            terms.sort_unstable();
            terms.dedup();
            let term = |(_, term)| Plan::Term { field, term, weight };
            return Ok(bool_of(terms.into_iter().map(term).collect(), Vec::new(), Vec::new(), 0));
        }
        let start = terms.first().map_or(0, |(at, _)| *at);
        for (at, _) in &mut terms {
            *at -= start;
        }
        Ok(match terms.len() {
            0 => None,
            1 => terms.pop().map(|(_, term)| Plan::Term { field, term, weight }),
            _ => Some(Plan::Phrase { field, terms, slop, weight }),
        })
    }

    fn prefix(&self, field: FieldNumber, text: &str, weight: f32) -> Result<Option<Plan>> {
        let kind = self.fields[usize::from(field)].kind;
        let mut words = match kind {
            // White space belongs to the word.
            Analyzer::Raw => vec![text.to_owned()],
            _ => self.plain_words(field, text),
        };
        let Some(last) = words.pop() else { return Ok(None) };
        if last.len() > TERM_LEN_MAX {
            let len = last.len();
            return Err(self.refuse_query(format!("a word of {len} bytes; at most {TERM_LEN_MAX}")));
        }
        let matcher = Arc::new(Matcher::prefix(&last));
        let mut must = Vec::new();
        for word in words {
            must.extend(self.phrase(field, &word, 0, weight)?);
        }
        must.push(Plan::Many { field, matcher, weight });
        Ok(bool_of(must, Vec::new(), Vec::new(), 0))
    }

    fn fuzzy(
        &self,
        field: FieldNumber,
        text: &str,
        (distance, prefix): (u8, bool),
        weight: f32,
    ) -> Result<Option<Plan>> {
        let mut must = Vec::new();
        for (_, word) in self.cut(field, text)? {
            // The automaton of a longer word would have a state for each character and edit.
            if word.chars().count() > 255 {
                return Err(
                    self.refuse_query("a near word is looked for by at most 255 characters")
                );
            }
            let matcher = Matcher::fuzzy(&word, distance, prefix);
            let matcher = Arc::new(matcher.map_err(|error| self.refuse_query(error.to_string()))?);
            must.push(Plan::Many { field, matcher, weight });
        }
        Ok(bool_of(must, Vec::new(), Vec::new(), 0))
    }
}

/// Plans joined by "or".
fn any(mut plans: Vec<Plan>) -> Plan {
    if plans.len() == 1 {
        return plans.remove(0);
    }
    let (must, must_not) = (Vec::new(), Vec::new());
    Plan::Bool { must, should: plans, must_not, minimum: 1 }
}

/// `None` if nothing is left.
fn bool_of(
    mut must: Vec<Plan>,
    mut should: Vec<Plan>,
    must_not: Vec<Plan>,
    minimum: usize,
) -> Option<Plan> {
    let mut minimum = minimum.min(should.len());
    if must.is_empty() && should.is_empty() {
        if must_not.is_empty() {
            return None;
        }
        must.push(Plan::Everything);
    }
    if must.is_empty() {
        minimum = minimum.max(1);
    }
    if minimum <= 1 {
        add_up(&mut should);
    }
    add_up(&mut must);
    if must_not.is_empty() && should.len() + must.len() == 1 {
        return must.pop().or_else(|| should.pop());
    }
    Some(Plan::Bool { must, should, must_not, minimum })
}

/// A word that stands there n times counts n times, at the cost of one.
fn add_up(plans: &mut Vec<Plan>) {
    let mut kept: Vec<Plan> = Vec::with_capacity(plans.len());
    for plan in plans.drain(..) {
        let same = kept.iter_mut().find_map(|other| match (other, &plan) {
            (
                Plan::Term { field, term, weight },
                Plan::Term { field: other_field, term: other_term, weight: more },
            ) if field == other_field && term == other_term => Some((weight, *more)),
            _ => None,
        });
        match same {
            Some((weight, more)) => *weight += more,
            None => kept.push(plan),
        }
    }
    *plans = kept;
}

impl Plan {
    /// The plan as tantivy takes it.
    pub(super) fn to_tantivy(&self, schema: &DiskSchema) -> Box<dyn Query> {
        let in_field = |field: &FieldNumber| schema.texts[usize::from(*field)];
        let term_in = |field, term: &str| Term::from_field_text(in_field(field), term);
        match self {
            Self::Nothing => Box::new(EmptyQuery),
            Self::Everything => Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0)),
            Self::Term { field, term, weight } => {
                let record = IndexRecordOption::WithFreqs;
                let query = TermQuery::new(term_in(field, term), record);
                boosted(Box::new(query), *weight)
            }
            Self::Phrase { field, terms, slop: 0, weight } => {
                let terms = terms.iter().map(|(at, term)| (*at as usize, term_in(field, term)));
                boosted(Box::new(PhraseQuery::new_with_offset(terms.collect())), *weight)
            }
            Self::Phrase { field, terms, slop, weight } => {
                let terms = terms.iter().map(|(at, term)| (*at, term_in(field, term))).collect();
                boosted(Box::new(SlopQuery { terms, slop: *slop }), *weight)
            }
            Self::Many { field, matcher, weight } => {
                let matcher = Arc::clone(matcher);
                boosted(Box::new(ManyQuery { field: in_field(field), matcher }), *weight)
            }
            Self::Bool { must, should, must_not, minimum } => {
                let clauses = |plans: &[Self], occur: Occur| {
                    let queries = plans.iter().map(|plan| (occur, plan.to_tantivy(schema)));
                    queries.collect::<Vec<_>>()
                };
                let mut all = clauses(must, Occur::Must);
                all.extend(clauses(should, Occur::Should));
                all.extend(must_not.iter().map(|plan| {
                    let query = plan.to_tantivy(schema);
                    let query: Box<dyn Query> = match plan {
                        Self::Term { .. } | Self::Many { .. } => query,
                        _ => Box::new(GatheredQuery(query)),
                    };
                    (Occur::MustNot, query)
                }));
                Box::new(BooleanQuery::with_minimum_required_clauses(all, *minimum))
            }
        }
    }

    /// The plan as tantivy takes it at the top: a single word with a weight stays one that is
    /// searched by blocks.
    pub(super) fn to_top_query(&self, schema: &DiskSchema) -> Box<dyn Query> {
        let query = self.to_tantivy(schema);
        match self {
            Self::Term { weight, .. } if !is_one(*weight) => {
                Box::new(BooleanQuery::new(vec![(Occur::Should, query)]))
            }
            _ => query,
        }
    }

    /// Whether tantivy may search it by blocks, passing over those whose bounds are too low.
    pub(super) fn is_of_terms(&self) -> bool {
        match self {
            Self::Bool { must, should, must_not, .. } => {
                must_not.is_empty() && must.iter().chain(should).all(Self::is_of_terms)
            }
            Self::Term { .. } => true,
            _ => false,
        }
    }

    /// Calls `visit` with each part that looks for words; those that must not match are not given.
    pub(super) fn leaves<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        match self {
            Self::Bool { must, should, .. } => {
                for plan in must.iter().chain(should) {
                    plan.leaves(visit);
                }
            }
            Self::Nothing | Self::Everything => {}
            leaf => visit(leaf),
        }
    }
}

fn boosted(query: Box<dyn Query>, weight: f32) -> Box<dyn Query> {
    if is_one(weight) { query } else { Box::new(BoostQuery::new(query, weight)) }
}

#[expect(clippy::float_cmp, reason = "only a weight of exactly one changes nothing")]
fn is_one(weight: f32) -> bool {
    weight == 1.0
}
