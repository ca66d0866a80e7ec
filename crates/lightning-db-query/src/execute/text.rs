//! What text indexes know of rows: scores and snippets.

use std::collections::HashMap;
use std::ops::ControlFlow;

use foldhash::fast::FixedState;
use lightning_db_table::TableReader;
use lightning_db_table::index::IndexQuery;
use lightning_db_types::{Value, ValueRef};

use super::Run;
use super::access::Found;
#[cfg(feature = "text")]
use super::{MORE, access::give_row};
use crate::error::{Error, Result};
use crate::program::Nearest;
#[cfg(feature = "text")]
use crate::program::Values;

/// Bytes of a text that are shown, about.
#[cfg(feature = "text")]
const SNIPPET_LEN: usize = 150;

/// Scores of all rows that match, by the numbers of the rows.
#[cfg(feature = "text")]
pub(super) fn scores(
    reader: &TableReader<'_>,
    index: &str,
    question: Option<IndexQuery>,
) -> Result<HashMap<u64, f64, FixedState>> {
    let Some(IndexQuery::Text(query)) = question else { return Ok(HashMap::default()) };
    let text = reader.index(index)?.as_text();
    let text = text.ok_or_else(|| Error::unsupported(index, "it has no scores"))?;
    let count = text.count(reader.reader(), &query).map_err(Error::Index)?;
    let hits = reader.search(index, &query, usize::try_from(count).unwrap_or(usize::MAX))?;
    Ok(hits.into_iter().map(|hit| (hit.row_id, f64::from(hit.score))).collect())
}

/// Rows that are asked for at first; each time that is not enough, more of them.
#[cfg(feature = "text")]
const BEST_FIRST: usize = 32;
#[cfg(feature = "text")]
const BEST_GROWTH: usize = 4;

impl Run<'_> {
    /// Rows that match a query, the best first.
    #[cfg(feature = "text")]
    pub(super) fn best(
        &self,
        reader: &TableReader<'_>,
        nearest: &Nearest,
        outer: &[ValueRef<'_>],
        found: &mut Found<'_>,
    ) -> Result<ControlFlow<()>> {
        let given = self.value(&nearest.by.given[0], &Values(&[]), outer)?;
        let kind = &reader.index(&nearest.index)?.definition().kind;
        let question = nearest.by.function.question(kind, nearest.by.part, &[given])?;
        let Some(IndexQuery::Text(query)) = question else { return MORE };
        // The rows that have a score are those for which a condition about the same is true.
        let asked = match &nearest.asked[..] {
            [_] => None,
            asked => Some(self.functions(reader, &nearest.index, asked, outer)?),
        };
        let (mut given, mut count) = (0, BEST_FIRST);
        loop {
            let best = reader.search(&nearest.index, &query, count)?;
            if let Some(set) = nearest.scores {
                let scores = best.iter().map(|hit| (hit.row_id, f64::from(hit.score)));
                self.know_scores(set, scores.collect());
            }
            for hit in &best[given.min(best.len())..] {
                let is_asked = asked.as_ref().is_none_or(|rows| rows.contains(hit.row_id));
                if is_asked
                    && let Some(row) = reader.get_by_id(hit.row_id)?
                    && give_row(&row, found)?.is_break()
                {
                    return Ok(ControlFlow::Break(()));
                }
            }
            if best.len() < count {
                return MORE;
            }
            (given, count) = (count, count.saturating_mul(BEST_GROWTH));
        }
    }

    /// Texts are searched with the feature `text` alone.
    #[cfg(not(feature = "text"))]
    #[expect(clippy::unused_self, reason = "it is called as the other one is")]
    pub(super) fn best(
        &self,
        _reader: &TableReader<'_>,
        nearest: &Nearest,
        _outer: &[ValueRef<'_>],
        _found: &mut Found<'_>,
    ) -> Result<ControlFlow<()>> {
        let _ = (&nearest.by, &nearest.asked);
        Err(Error::unsupported(&*nearest.index, "the feature `text` is off"))
    }
}

/// The fragment of a text that shows the most different words of a query, with a text before and
/// one behind each of them.
#[cfg(feature = "text")]
pub(super) fn snippet(
    reader: &TableReader<'_>,
    (index, part): (&str, usize),
    question: Option<IndexQuery>,
    found: &str,
    [before, behind]: [&str; 2],
) -> Result<Value> {
    use lightning_db_table::index::{IndexKind, SnippetOptions};

    let Some(IndexQuery::Text(query)) = question else { return Ok(Value::Null) };
    let index = reader.index(index)?;
    let (Some(text), IndexKind::Text(options)) = (index.as_text(), &index.definition().kind) else {
        return Ok(Value::Null);
    };
    let field = options.field_name(part);
    // A text that is short enough is shown as a whole.
    let (range, words) = if found.len() <= SNIPPET_LEN {
        let words = text.highlight(&query, &field, found).map_err(Error::Index)?;
        (0..found.len(), words)
    } else {
        let options = SnippetOptions::default().len(SNIPPET_LEN);
        let fragments = text.snippets(&query, &field, found, options).map_err(Error::Index)?;
        match fragments.into_iter().next() {
            Some(fragment) => (fragment.range, fragment.highlights),
            None => (0..0, Vec::new()),
        }
    };
    let mut shown = String::from(if range.start > 0 { ".." } else { "" });
    let mut at = range.start;
    for word in words {
        shown.push_str(&found[at..word.start]);
        at = word.end;
        shown.extend([before, &found[word], behind]);
    }
    shown.push_str(&found[at..range.end]);
    shown.push_str(if range.end < found.len() { ".." } else { "" });
    Ok(Value::from(shown))
}

/// Texts are searched with the feature `text` alone.
#[cfg(not(feature = "text"))]
pub(super) fn scores(
    _reader: &TableReader<'_>,
    index: &str,
    _question: Option<IndexQuery>,
) -> Result<HashMap<u64, f64, FixedState>> {
    Err(Error::unsupported(index, "the feature `text` is off"))
}

/// Texts are searched with the feature `text` alone.
#[cfg(not(feature = "text"))]
pub(super) fn snippet(
    _reader: &TableReader<'_>,
    (index, _part): (&str, usize),
    _question: Option<IndexQuery>,
    _found: &str,
    _marks: [&str; 2],
) -> Result<Value> {
    Err(Error::unsupported(index, "the feature `text` is off"))
}
