//! Full text: the ten best rows for words, conjunctions, disjunctions, phrases and beginnings, in
//! film reviews, passages of them, and articles of an encyclopedia; and commits of one row.
//!
//! All engines cut text into runs of letters and digits in lower case. Before anything is timed,
//! all matches of every question are compared, and the scores of the best ten with tantivy's.

mod commit;
pub(crate) mod fts5;
pub(crate) mod library;

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Result, ensure};
use lightning_db_table::index::{Analyzer, IndexQuery, Reader, TextQuery};
use lightning_db_table::{ColumnDefinition, ColumnType, IndexSpec, TableDefinition, Tables, Value};

use super::Bench;
use super::contest::Contest;
use super::data::{articles, passages, texts};
use super::lightning::{LEVEL, tables, there};
use crate::comparison::OURS;
use crate::workload::Rng;
use fts5::Fts5;
use library::Library;

/// Rows that a search gives.
pub(crate) const BEST: usize = 10;
/// Letters of a beginning.
const PREFIX_LEN: usize = 3;
/// Rows of one commit of the load.
const CHUNK: usize = 1_000;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Term,
    And,
    Or,
    Phrase,
    Prefix,
}

const FORMS: [(Form, &str); 5] = [
    (Form::Term, "text_term"),
    (Form::And, "text_and"),
    (Form::Or, "text_or"),
    (Form::Phrase, "text_phrase"),
    (Form::Prefix, "text_prefix"),
];

/// A question in words that all engines cut in the same way.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub form: Form,
    pub words: Vec<String>,
}

impl Question {
    fn ours(&self) -> TextQuery {
        let terms = || self.words.iter().map(TextQuery::term);
        match self.form {
            Form::Term | Form::And => TextQuery::all(terms()),
            Form::Or => TextQuery::any(terms()),
            Form::Phrase => TextQuery::phrase(self.words.join(" "), 0),
            Form::Prefix => TextQuery::prefix(self.words.concat()),
        }
    }
}

/// Runs the group.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let reviews = texts(&bench.set("text/movie_reviews.zip")?)?;
    let short = passages(&reviews);
    searches(bench, "reviews", &reviews)?;
    searches(bench, "passages", &short)?;
    commit::run(bench, &short)?;
    let wiki = articles(&bench.set("text/tantivy-bench-wiki.json.gz")?)?;
    searches(bench, "wiki", &wiki)
}

/// Makes a table of texts with a text index that holds them all.
pub(crate) fn indexed(dir: &Path, texts: &[String], analyzer: Analyzer) -> Result<Tables> {
    let tables = tables(dir)?;
    let column = |name, of| ColumnDefinition::new(name, of);
    let definition = TableDefinition::new("texts")
        .column(column("id", ColumnType::U64))
        .column(column("body", ColumnType::Text))
        .primary_key([0]);
    tables.create_table(definition)?;
    let mut rows = (0..).zip(texts).map(|(id, text)| vec![Value::U64(id), text.as_str().into()]);
    loop {
        let chunk: Vec<Vec<Value>> = rows.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            break;
        }
        tables.insert_many("texts", chunk)?;
    }
    let spec = IndexSpec::text("by_body", analyzer).column(1);
    tables.create_index("texts", spec, &mut |_| ControlFlow::Continue(()))?;
    Ok(tables)
}

fn searches(bench: &mut Bench, corpus: &str, texts: &[String]) -> Result<()> {
    crate::progress(&format!("{corpus}: {} texts", texts.len()));
    let folder = bench.folder(corpus)?;
    let folder_of = |name: &str| {
        let path = folder.join(name);
        std::fs::create_dir(&path).map(|()| path)
    };
    let tables = indexed(&folder_of("lightning")?, texts, Analyzer::Simple)?;
    let library = Library::new(&folder_of("tantivy")?, texts, library::simple())?;
    let fts5 = Fts5::new(&folder_of("sqlite")?, texts, "unicode61 remove_diacritics 0")?;
    for (form, scenario) in FORMS {
        let questions = questions(texts, form, bench.pick(200, 500));
        compare(&tables, &library, &fts5, &questions)?;
        contest(bench, (&tables, &library, &fts5), scenario, &questions)?;
    }
    drop(library);
    tables.store().close()?;
    Ok(())
}

/// Questions whose words stand in one text, so that most have an answer: the more often a word
/// stands in the texts, the more often it is asked for.
fn questions(texts: &[String], form: Form, count: usize) -> Vec<Question> {
    let mut rng = Rng::new(form as u64 + 1);
    let mut questions = Vec::new();
    while questions.len() < count {
        let text = &texts[rng.index(texts.len())];
        let tokens: Vec<&str> =
            text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        if tokens.len() < 2 {
            continue;
        }
        let first = rng.index(tokens.len() - 1);
        let second = if form == Form::Phrase { first + 1 } else { rng.index(tokens.len()) };
        let mut words = vec![tokens[first].to_lowercase(), tokens[second].to_lowercase()];
        if matches!(form, Form::Term | Form::Prefix) {
            words.truncate(1);
        }
        let plain = |word: &String| word.len() >= PREFIX_LEN && word.is_ascii();
        if !words.iter().all(plain) || (form != Form::Phrase && words.get(1) == words.first()) {
            continue;
        }
        if form == Form::Prefix {
            words[0].truncate(PREFIX_LEN);
        }
        questions.push(Question { form, words });
    }
    questions
}

/// Compares all matches, and the best scores with those of the library.
fn compare(tables: &Tables, library: &Library, fts5: &Fts5, questions: &[Question]) -> Result<()> {
    let snapshot = tables.snapshot();
    let table = tables.table("texts")?;
    let reader = snapshot.read(&table)?;
    let text = there(table.index("by_body")?.as_text(), "a text index")?;
    for question in questions {
        let query = question.ours();
        let found: Vec<u64> =
            reader.find("by_body", &IndexQuery::Text(query.clone()))?.iter().collect();
        let tantivy = library.matches(question)?;
        ensure!(found == tantivy, "{question:?}: tantivy finds other rows");
        let sqlite = fts5.matches(question)?;
        ensure!(found == sqlite, "{question:?}: FTS5 finds other rows");
        let best = text.search(reader.reader(), &query, BEST, None)?;
        let scores = library.scores(question)?;
        let close = |(ours, theirs): (f32, &f32)| (ours - theirs).abs() <= theirs.abs() * 1e-3;
        let same =
            best.len() == scores.len() && best.iter().map(|hit| hit.score).zip(&scores).all(close);
        ensure!(same, "{question:?}: {best:?} have not the scores {scores:?}");
    }
    Ok(())
}

fn contest(
    bench: &mut Bench,
    (tables, library, fts5): (&Tables, &Library, &Fts5),
    scenario: &'static str,
    questions: &[Question],
) -> Result<()> {
    let of = |question: u64| usize::try_from(question).unwrap_or(0);
    let table = tables.table("texts")?;
    let text = there(table.index("by_body")?.as_text(), "a text index")?;
    let ours: Vec<TextQuery> = questions.iter().map(Question::ours).collect();
    let expressions: Vec<String> = questions.iter().map(fts5::expression).collect();
    let mut statement = fts5.search()?;
    let case = Bench::case(scenario, LEVEL, library.len());
    // Rows of equal scores may stand in any order at the end of the ten: their number is compared.
    let results = Contest::new(case, questions.len())
        .lane(OURS, |question| {
            let snapshot = tables.store().snapshot();
            let reader = Reader::Snapshot(&snapshot);
            Ok(text.search(reader, &ours[of(question)], BEST, None)?.len() as u64)
        })
        .lane("tantivy", |question| Ok(library.best(&questions[of(question)])?.len() as u64))
        .lane("sqlite", |question| {
            let mut rows = statement.query([&expressions[of(question)]])?;
            let mut count = 0;
            while let Some(row) = rows.next()? {
                std::hint::black_box(row.get::<_, i64>(0)?);
                count += 1;
            }
            Ok(count)
        })
        .run(bench)?;
    bench.add(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_made_of_the_texts() {
        let texts = ["The quick brown fox, of course, jumps".to_owned(), "a".to_owned()];
        for (form, _) in FORMS {
            let asked = questions(&texts, form, 20);
            assert_eq!(asked.len(), 20);
            let words = if matches!(form, Form::Term | Form::Prefix) { 1 } else { 2 };
            let text = texts[0].to_lowercase();
            for question in asked {
                assert_eq!(question.words.len(), words, "{question:?}");
                assert!(question.words.iter().all(|word| text.contains(word.as_str())));
            }
        }
    }

    #[test]
    fn engines_agree_on_a_few_texts() {
        let dir = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let texts: Vec<String> = (0..50)
            .map(|n| format!("row number {n} of the {} kind, even {}", n % 7, n % 2))
            .collect();
        let tables = indexed(&folder("ours"), &texts, Analyzer::Simple).unwrap();
        let library = Library::new(&folder("library"), &texts, library::simple()).unwrap();
        let fts5 = Fts5::new(&folder("fts5"), &texts, "unicode61").unwrap();
        for (form, _) in FORMS {
            compare(&tables, &library, &fts5, &questions(&texts, form, 10)).unwrap();
        }
    }
}
