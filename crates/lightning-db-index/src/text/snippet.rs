//! Where a query matches in a text: highlights, and the fragments that show the most of them.

use std::collections::BTreeSet;
use std::ops::Range;

use super::TextIndex;
use super::phrase::for_each_place;
use super::plan::Plan;
use super::query::TextQuery;
use super::shape::FieldNumber;
use crate::error::Result;

/// How [`TextIndex::snippets`] cuts a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "options do nothing before `TextIndex::snippets`"]
pub struct SnippetOptions {
    fragments: usize,
    len: usize,
}

impl Default for SnippetOptions {
    /// One fragment of at most 150 bytes.
    fn default() -> Self {
        Self { fragments: 1, len: 150 }
    }
}

impl SnippetOptions {
    /// At most so many fragments.
    pub fn fragments(mut self, count: usize) -> Self {
        self.fragments = count;
        self
    }

    /// At most so many bytes each, unless a single word is longer.
    pub fn len(mut self, bytes: usize) -> Self {
        self.len = bytes;
        self
    }
}

/// A part of a text with the words that match.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fragment {
    /// Its bytes in the text.
    pub range: Range<usize>,
    /// Bytes of the words that match, in the whole text; ascending, within the fragment, none
    /// overlapping another.
    pub highlights: Vec<Range<usize>>,
}

/// A word of a text.
struct Word {
    text: String,
    place: u32,
    range: Range<usize>,
}

impl TextIndex {
    /// Bytes of the words of `text` for which a row with this text in the field would match the
    /// query; of phrases, only where the whole phrase stands. Ascending.
    ///
    /// # Errors
    /// [`Error::Query`](crate::Error::Query), also if there is no such field.
    pub fn highlight(
        &self,
        query: &TextQuery,
        field: &str,
        text: &str,
    ) -> Result<Vec<Range<usize>>> {
        let words = self.words_of(field, text)?;
        let plan = self.shape.plan(query)?;
        let number = self.shape.field_named(field).unwrap_or_default();
        Ok(matches(&plan, number, &words).into_iter().map(|at| words[at].range.clone()).collect())
    }

    /// The fragments of `text` that show the most different words of the query, in the order of the
    /// text. If nothing matches, its beginning, without highlights.
    ///
    /// # Errors
    /// As [`highlight`](Self::highlight).
    pub fn snippets(
        &self,
        query: &TextQuery,
        field: &str,
        text: &str,
        options: SnippetOptions,
    ) -> Result<Vec<Fragment>> {
        let words = self.words_of(field, text)?;
        let plan = self.shape.plan(query)?;
        let number = self.shape.field_named(field).unwrap_or_default();
        let found: Vec<usize> = matches(&plan, number, &words).into_iter().collect();
        let mut fragments: Vec<Fragment> = Vec::new();
        let mut candidates: Vec<(usize, usize, usize)> = Vec::new();
        for (at, first) in found.iter().enumerate() {
            let start = words[*first].range.start;
            let within = |at: &&usize| words[**at].range.end <= start + options.len;
            let count = found[at..].iter().take_while(within).count().max(1);
            let of = found[at..at + count].iter().map(|at| words[*at].text.as_str());
            candidates.push((of.collect::<BTreeSet<_>>().len(), at, count));
        }
        // The most different words first; of these, the earliest.
        candidates.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        for (_, at, count) in candidates {
            if fragments.len() == options.fragments {
                break;
            }
            let highlights: Vec<_> =
                found[at..at + count].iter().map(|at| words[*at].range.clone()).collect();
            let range = widen(text, &words, &highlights, options.len);
            let overlaps = |of: &Fragment| range.start < of.range.end && of.range.start < range.end;
            if !fragments.iter().any(overlaps) {
                fragments.push(Fragment { range, highlights });
            }
        }
        if fragments.is_empty() && options.fragments > 0 {
            let end = floor_boundary(text, options.len);
            fragments.push(Fragment { range: 0..end, highlights: Vec::new() });
        }
        fragments.sort_by_key(|of| of.range.start);
        Ok(fragments)
    }

    fn words_of(&self, field: &str, text: &str) -> Result<Vec<Word>> {
        let number = self.shape.field_named(field);
        let number =
            number.ok_or_else(|| self.shape.refuse_query(format!("it has no field {field:?}")))?;
        let mut words = Vec::new();
        self.shape.words(number, text, &mut |token| {
            words.push(Word {
                text: token.text.clone(),
                place: u32::try_from(token.position).unwrap_or(u32::MAX),
                range: token.offset_from..token.offset_to,
            });
            Ok(())
        })?;
        Ok(words)
    }
}

/// Which of the words match a part of the plan.
fn matches(plan: &Plan, number: FieldNumber, words: &[Word]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    plan.leaves(&mut |leaf| match leaf {
        Plan::Term { field, term, .. } if *field == number => {
            found.extend((0..words.len()).filter(|at| words[*at].text == *term));
        }
        Plan::Many { field, matcher, .. } if *field == number => {
            let matching = |at: &usize| matcher.matches(words[*at].text.as_bytes());
            found.extend((0..words.len()).filter(matching));
        }
        Plan::Phrase { field, terms, slop, .. } if *field == number => {
            let places: Vec<Vec<u32>> = terms
                .iter()
                .map(|(_, term)| {
                    let same = words.iter().filter(|word| word.text == *term);
                    same.map(|word| word.place).collect()
                })
                .collect();
            let offsets = terms.iter().map(|(offset, _)| *offset);
            let lists: Vec<_> = offsets.zip(places.iter().map(Vec::as_slice)).collect();
            for_each_place(&lists, *slop, &mut |taken| {
                for place in taken {
                    found.extend(words.binary_search_by_key(place, |word| word.place));
                }
            });
        }
        _ => {}
    });
    found
}

/// The words around highlights, as far as there is room on both sides.
fn widen(text: &str, words: &[Word], highlights: &[Range<usize>], len: usize) -> Range<usize> {
    let (Some(first), Some(last)) = (highlights.first(), highlights.last()) else { return 0..0 };
    let (mut start, mut end) = (first.start, last.end);
    let mut before = words.partition_point(|word| word.range.start < start);
    let mut after = words.partition_point(|word| word.range.start < end);
    loop {
        let mut grown = false;
        if before > 0 && end - words[before - 1].range.start <= len {
            before -= 1;
            start = start.min(words[before].range.start);
            grown = true;
        }
        if let Some(word) = words.get(after)
            && word.range.end.saturating_sub(start) <= len
        {
            end = end.max(word.range.end);
            after += 1;
            grown = true;
        }
        if !grown {
            break;
        }
    }
    debug_assert!(text.is_char_boundary(start) && text.is_char_boundary(end));
    start..end
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
