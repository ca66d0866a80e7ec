//! A search that looks at every row: the meaning of a query, as simply as it can be said.

#![expect(clippy::cast_precision_loss, reason = "the numbers of these tests are small")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use lightning_db_types::Value;
use tantivy::fieldnorm::FieldNormReader;

use crate::text::query::TextQuery;
use crate::text::shape::Shape;

/// Words of one field with their positions.
type Words = Vec<(u32, String)>;

pub(super) struct Naive<'a> {
    shape: &'a Shape,
    rows: BTreeMap<u64, Vec<Words>>,
}

type Scores = BTreeMap<u64, f64>;

impl<'a> Naive<'a> {
    pub(super) fn new(shape: &'a Shape, rows: impl IntoIterator<Item = (u64, Vec<Value>)>) -> Self {
        let rows = rows.into_iter().map(|(row_id, row)| {
            let mut fields = vec![Words::new(); shape.fields.len()];
            shape
                .texts(&row, |field, text| {
                    fields[usize::from(field)] = words(shape, field, text);
                    Ok(())
                })
                .unwrap();
            (row_id, fields)
        });
        Self { shape, rows: rows.collect() }
    }

    /// Rows that match, with their scores; `None` if the query has no words.
    pub(super) fn run(&self, query: &TextQuery) -> Option<Scores> {
        match query {
            TextQuery::Everything => Some(self.rows.keys().map(|row| (*row, 0.0)).collect()),
            TextQuery::Term { field, text } => {
                self.in_fields(field.as_ref(), |at| self.phrase(at, text, 0))
            }
            TextQuery::Phrase { field, text, slop } => {
                self.in_fields(field.as_ref(), |at| self.phrase(at, text, *slop))
            }
            TextQuery::Prefix { field, text } => self.in_fields(field.as_ref(), |at| {
                let text = text.to_lowercase();
                (!text.is_empty()).then(|| self.having(at, |word| word.starts_with(&text)))
            }),
            TextQuery::Fuzzy { field, text, distance, prefix } => {
                self.in_fields(field.as_ref(), |at| {
                    let (_, wanted) = words(self.shape, at, text).pop()?;
                    let wanted: Vec<char> = wanted.chars().collect();
                    let near = |word: &str| {
                        let word: Vec<char> = word.chars().collect();
                        let ends = if *prefix { 0 } else { word.len() };
                        (ends..=word.len())
                            .any(|end| alignment(&wanted, &word[..end]) <= usize::from(*distance))
                    };
                    Some(self.having(at, near))
                })
            }
            TextQuery::Range { field, from, to } => self.in_fields(field.as_ref(), |at| {
                let bounds = (from.as_ref().map(|s| &s[..]), to.as_ref().map(|s| &s[..]));
                Some(self.having(at, |word| within(word, bounds)))
            }),
            TextQuery::Boost { query, factor } => {
                let mut scores = self.run(query)?;
                for score in scores.values_mut() {
                    *score *= f64::from(*factor);
                }
                Some(scores)
            }
            TextQuery::Bool { must, should, must_not, minimum_should_match } => {
                self.combine([must, should, must_not], *minimum_should_match)
            }
            TextQuery::Regex { field, pattern } => self.in_fields(field.as_ref(), |at| {
                Some(self.having(at, |word| simple_regex(pattern.as_bytes(), word.as_bytes())))
            }),
            TextQuery::Facet { .. } => panic!("not here"),
        }
    }

    fn in_fields(
        &self,
        name: Option<&String>,
        run: impl Fn(u8) -> Option<Scores>,
    ) -> Option<Scores> {
        let mut any = None;
        for (at, field) in (0..).zip(&self.shape.fields) {
            if name.is_none_or(|name| *name == field.name)
                && let Some(scores) = run(at)
            {
                let sum: &mut Scores = any.get_or_insert_default();
                for (row, score) in scores {
                    *sum.entry(row).or_default() += score * f64::from(field.boost);
                }
            }
        }
        any
    }

    fn having(&self, field: u8, wanted: impl Fn(&str) -> bool) -> Scores {
        let has = |fields: &Vec<Words>| fields[usize::from(field)].iter().any(|(_, w)| wanted(w));
        self.rows.iter().filter(|(_, row)| has(row)).map(|(row, _)| (*row, 1.0)).collect()
    }

    fn phrase(&self, field: u8, text: &str, slop: u32) -> Option<Scores> {
        let phrase = words(self.shape, field, text);
        let start = phrase.first()?.0;
        let at = usize::from(field);
        let count = |fields: &Vec<Words>| {
            let mut shifts = BTreeSet::new();
            let row = &fields[at];
            assign(&phrase, row, &mut Vec::new(), &mut |places: &[u32]| {
                let of = places.iter().zip(&phrase);
                let of: Vec<i64> =
                    of.map(|(p, (o, _))| i64::from(*p) - i64::from(o - start)).collect();
                let (min, max) = (of.iter().min().unwrap(), of.iter().max().unwrap());
                if max - min <= i64::from(slop) {
                    shifts.insert(*min);
                }
            });
            shifts.len()
        };
        let total = self.rows.len() as f64;
        let len = |fields: &Vec<Words>| fields[at].len();
        let average = self.rows.values().map(len).sum::<usize>() as f64 / total;
        let idf = |word: &String| {
            let has = |fields: &&Vec<Words>| fields[at].iter().any(|(_, of)| of == word);
            let n = self.rows.values().filter(has).count() as f64;
            (1.0 + (total - n + 0.5) / (n + 0.5)).ln()
        };
        let idf: f64 = phrase.iter().map(|(_, word)| idf(word)).sum();
        let scored = self.rows.iter().filter_map(|(row, fields)| {
            let count = count(fields) as f64;
            // Lengths are kept in one byte.
            let norm = FieldNormReader::fieldnorm_to_id(u32::try_from(len(fields)).unwrap());
            let len = f64::from(FieldNormReader::id_to_fieldnorm(norm));
            let score = idf * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * len / average));
            (count > 0.0).then_some((*row, score))
        });
        Some(scored.collect())
    }

    fn combine(&self, [must, should, not]: [&Vec<TextQuery>; 3], minimum: usize) -> Option<Scores> {
        let run = |of: &Vec<TextQuery>| of.iter().filter_map(|q| self.run(q)).collect::<Vec<_>>();
        let (must, should, not) = (run(must), run(should), run(not));
        if must.is_empty() && should.is_empty() && not.is_empty() {
            return None;
        }
        let mut minimum = minimum.min(should.len());
        if must.is_empty() && !should.is_empty() {
            minimum = minimum.max(1);
        }
        let mut scores = Scores::new();
        for row in self.rows.keys() {
            let matched = should.iter().filter(|of| of.contains_key(row)).count();
            if must.iter().all(|of| of.contains_key(row))
                && !not.iter().any(|of| of.contains_key(row))
                && matched >= minimum
            {
                let parts = must.iter().chain(&should).filter_map(|of| of.get(row));
                scores.insert(*row, parts.sum());
            }
        }
        Some(scores)
    }
}

fn words(shape: &Shape, field: u8, text: &str) -> Words {
    let mut words = Words::new();
    shape
        .words(field, text, &mut |token| {
            words.push((u32::try_from(token.position).unwrap(), token.text.clone()));
            Ok(())
        })
        .unwrap();
    words
}

/// Every choice of a different place for each word of the phrase.
fn assign(phrase: &Words, row: &Words, taken: &mut Vec<u32>, visit: &mut dyn FnMut(&[u32])) {
    let Some((_, word)) = phrase.get(taken.len()) else { return visit(taken) };
    for (place, of) in row {
        if of == word && !taken.contains(place) {
            taken.push(*place);
            assign(phrase, row, taken, visit);
            taken.pop();
        }
    }
}

/// Optimal string alignment distance.
fn alignment(a: &[char], b: &[char]) -> usize {
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(table[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    table[a.len()][b.len()]
}

fn within(word: &str, (from, to): (Bound<&str>, Bound<&str>)) -> bool {
    let after = match from {
        Bound::Included(from) => word >= from,
        Bound::Excluded(from) => word > from,
        Bound::Unbounded => true,
    };
    let before = match to {
        Bound::Included(to) => word <= to,
        Bound::Excluded(to) => word < to,
        Bound::Unbounded => true,
    };
    after && before
}

/// Characters, `.`, and `*` behind one of them.
fn simple_regex(pattern: &[u8], word: &[u8]) -> bool {
    let Some(first) = pattern.first() else { return word.is_empty() };
    let one = word.first().is_some_and(|c| *first == b'.' || c == first);
    if pattern.get(1) == Some(&b'*') {
        return simple_regex(&pattern[2..], word) || (one && simple_regex(pattern, &word[1..]));
    }
    one && simple_regex(&pattern[1..], &word[1..])
}
