//! Full text.

use lightning_db_table::index::{Analyzer, IndexQuery, TextQuery};
use lightning_db_table::{IndexSpec, Value};
use lightning_db_types::{Rng, SeededRng};

use super::{Ask, pick};
use crate::table::{WORDS, column};

pub(super) fn text(name: &str) -> IndexSpec {
    IndexSpec::text(name, Analyzer::Simple).column(column::BODY)
}

pub(super) fn ask(rng: &SeededRng) -> Ask {
    let query = draw(rng, 2);
    let holds = query.clone();
    Ask::rows_where(IndexQuery::Text(query), move |row| {
        let text = match &row[column::BODY] {
            Value::Text(text) => text.to_lowercase(),
            _ => String::new(),
        };
        matches(&holds, &text.split_whitespace().collect::<Vec<_>>())
    })
}

fn draw(rng: &SeededRng, depth: u32) -> TextQuery {
    let word = || if rng.one_in(8) { "absent" } else { WORDS[pick(rng, WORDS.len())] };
    let parts = |rng: &SeededRng, at_least| -> Vec<TextQuery> {
        (0..at_least + rng.below(2)).map(|_| draw(rng, depth - 1)).collect()
    };
    match rng.below(if depth == 0 { 6 } else { 9 }) {
        0 => TextQuery::prefix(&WORDS[pick(rng, WORDS.len())][..1]),
        1 => TextQuery::phrase(format!("{} {}", word(), word()), 0),
        2..=5 => TextQuery::term(word()),
        6 => TextQuery::all(parts(rng, 1)),
        7 => TextQuery::any(parts(rng, 1)),
        _ => TextQuery::not(draw(rng, depth - 1)),
    }
}

fn matches(query: &TextQuery, words: &[&str]) -> bool {
    match query {
        TextQuery::Term { text, .. } => words.contains(&&*text.to_lowercase()),
        TextQuery::Prefix { text, .. } => {
            words.iter().any(|word| word.starts_with(&text.to_lowercase()))
        }
        TextQuery::Phrase { text, .. } => {
            let text = text.to_lowercase();
            let phrase: Vec<&str> = text.split_whitespace().collect();
            words.windows(phrase.len()).any(|window| window == phrase)
        }
        TextQuery::Bool { must, should, must_not, .. } => {
            must.iter().all(|query| matches(query, words))
                && (should.is_empty() || should.iter().any(|query| matches(query, words)))
                && !must_not.iter().any(|query| matches(query, words))
        }
        other => unreachable!("{other:?} is not drawn"),
    }
}
