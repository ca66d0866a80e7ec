//! The text index against plain searches of the rows: over histories, crashes and real texts.

mod durability;
mod faults;
mod fts5;
mod history;
mod naive;
mod quality;
mod scenarios;

use lightning_db_types::Value;

use super::{Analyzer, TextField, TextHit, TextIndex, TextOptions, TextQuery};
use crate::definition::{IndexDefinition, IndexKind};
use crate::index::IndexQuery;
use crate::testkit::{TestTable, definition};

/// Two fields: plain words, and English with twice the weight.
fn two_fields() -> IndexDefinition {
    let options = TextOptions::default()
        .field(TextField::new("body", Analyzer::Simple))
        .field(TextField::new("title", Analyzer::ENGLISH).boost(2.0));
    definition(IndexKind::Text(options), 2)
}

fn one_field(analyzer: Analyzer) -> IndexDefinition {
    let options = TextOptions::default().field(TextField::new("text", analyzer));
    definition(IndexKind::Text(options), 1)
}

fn text_of(table: &TestTable) -> &TextIndex {
    table.index.as_text().unwrap()
}

fn asked(text: &str) -> IndexQuery {
    IndexQuery::Text(TextQuery::parse(text).unwrap())
}

fn found(table: &TestTable, text: &str) -> Vec<u64> {
    table.find(&asked(text)).iter().collect()
}

fn best(table: &TestTable, text: &str, limit: usize) -> Vec<TextHit> {
    let snapshot = table.store.snapshot();
    let query = TextQuery::parse(text).unwrap();
    let reader = crate::reader::Reader::Snapshot(&snapshot);
    text_of(table).search(reader, &query, limit, None).unwrap()
}

fn words(text: &str) -> [Value; 1] {
    [Value::from(text)]
}

/// Seed of a run: fixed, or given by `LIGHTNING_SEED`.
fn seed() -> u64 {
    std::env::var("LIGHTNING_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(7)
}
