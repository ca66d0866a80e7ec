//! Named cases.

use std::ops::ControlFlow;
use std::sync::Arc;

use lightning_db_storage::StoreOptions;
use lightning_db_types::{SimClock, SimVfs, Value};

use super::{asked, best, found, one_field, text_of, two_fields, words};
use crate::definition::IndexKind;
use crate::error::Error;
use crate::index::{Index, IndexQuery};
use crate::reader::Reader;
use crate::row::RowStore;
use crate::testkit::{TestTable, definition, sim_options};
use crate::text::{Analyzer, Language, SnippetOptions, TextField, TextOptions, TextQuery};

fn english(texts: &[&str]) -> TestTable {
    let table = TestTable::new(one_field(Analyzer::ENGLISH));
    for (row_id, text) in (1..).zip(texts) {
        table.set(row_id, words(text));
    }
    table
}

#[test]
fn contains_and_phrase_find_documents() {
    let table = english(&[
        "The quick brown fox jumps over the lazy dog",
        "A quick brown dog outpaces a lazy fox",
        "Nothing of interest here",
    ]);
    for flushed in [false, true] {
        assert_eq!(found(&table, "fox"), [1, 2]);
        assert_eq!(found(&table, "jumping"), [1]);
        assert_eq!(found(&table, "\"quick brown fox\""), [1]);
        assert_eq!(found(&table, "\"lazy dog\""), [1]);
        assert_eq!(found(&table, "\"fox lazy\"~2"), [2]);
        assert_eq!(found(&table, "+fox -jumps"), [2]);
        assert_eq!(found(&table, "interst~1"), [3]);
        assert_eq!(found(&table, "qui*"), [1, 2]);
        assert_eq!(found(&table, "-fox"), [3]);
        // Words left out leave their places: two words stand between these.
        assert_eq!(found(&table, "\"jumps over the lazy\""), [1]);
        assert_eq!(found(&table, "\"jumps lazy\""), [0_u64; 0]);
        if !flushed {
            assert!(text_of(&table).flush().unwrap());
        }
    }
    table.assert_sound();
}

#[test]
fn queries_without_words_match_nothing() {
    let table = english(&["the cat", "", "of the"]);
    for query in ["", "the", "+the", "\"of the\"", "the of", "\"\""] {
        assert_eq!(found(&table, query), [0_u64; 0], "{query:?}");
        assert!(best(&table, query, 5).is_empty());
    }
    // What has no words is left out of what stands beside it.
    assert_eq!(found(&table, "+the +cat"), [1]);
    assert_eq!(found(&table, "-the"), [0_u64; 0]);
    assert_eq!(found(&table, "*"), [1, 2, 3]);
}

#[test]
fn a_word_that_stands_twice_in_a_query_counts_twice() {
    let table = english(&["cat", "dog", "cat dog bird"]);
    let (once, twice) = (best(&table, "cat dog", 3), best(&table, "cat dog dog", 3));
    assert_eq!(once[1].row_id, 1);
    let near = |a: f32, b: f32| (a - b).abs() < 1e-6;
    assert!(near(once[1].score, once[2].score));
    assert_eq!((twice[0].row_id, twice[2].row_id), (2, 1));
    assert!(near(twice[0].score, 2.0 * twice[2].score));
}

#[test]
fn own_writes_are_laid_over_and_rolled_back() {
    let table = english(&["cat", "dog"]);
    text_of(&table).flush().unwrap();
    let mut transaction = table.store.transaction();
    let savepoint = transaction.savepoint();
    table.change(&mut transaction, 2, Some(&words("cat").to_vec())).unwrap();
    table.change(&mut transaction, 1, None).unwrap();
    let rows = table.index.rows(Reader::Transaction(&transaction), &asked("cat")).unwrap();
    assert_eq!(rows.iter().collect::<Vec<_>>(), [2]);
    transaction.rollback_to(savepoint).unwrap();
    let rows = table.index.rows(Reader::Transaction(&transaction), &asked("cat")).unwrap();
    assert_eq!(rows.iter().collect::<Vec<_>>(), [1]);
    drop(transaction);
    assert_eq!(found(&table, "dog"), [2]);
}

#[test]
fn a_query_in_a_transaction_conflicts_with_rows_that_came_since() {
    let table = english(&["cat"]);
    let mut transaction = table.store.transaction();
    table.index.rows(Reader::Transaction(&transaction), &asked("dog")).unwrap();
    table.set(9, words("dog"));
    table.change(&mut transaction, 5, Some(&words("bird").to_vec())).unwrap();
    assert!(!transaction.commit().unwrap().is_committed());
}

#[test]
fn old_snapshots_are_answered_whatever_was_written_since() {
    let table = english(&["cat one"]);
    let old = table.store.snapshot();
    for round in 0..20 {
        table.set(1, words(&format!("dog {round}")));
        table.set(2 + round, words("cat"));
        text_of(&table).flush().unwrap();
        assert_eq!(table.find_at(&old, &asked("cat")).len(), 1);
        assert_eq!(found(&table, "cat").len() as u64, round + 1);
    }
    text_of(&table).rebuild().unwrap();
    assert_eq!(table.find_at(&old, &asked("one")).len(), 1);
}

#[test]
fn values_that_are_no_words_are_refused_and_nothing_is_written() {
    let table = english(&["cat"]);
    let long = "x".repeat(1 << 20);
    for value in [Value::from(long.as_str()), Value::I64(3)] {
        let refused = table.commit(2, Some(vec![value]));
        assert!(matches!(refused, Err(Error::Value { .. })), "{refused:?}");
    }
    let snapshot = table.store.snapshot();
    assert_eq!(snapshot.len(table.rows.keyspace()).unwrap(), 1);
    let refused = table.index.rows(Reader::Snapshot(&snapshot), &asked(&long));
    assert!(matches!(refused, Err(Error::Query { .. })));
    let refused = table.index.rows(Reader::Snapshot(&snapshot), &asked("nofield:cat"));
    assert!(matches!(refused, Err(Error::Query { .. })));
    for bad in [TextQuery::regex("(a"), TextQuery::fuzzy("a", 3), TextQuery::term("a").boost(-1.0)]
    {
        let refused = table.index.rows(Reader::Snapshot(&snapshot), &IndexQuery::Text(bad));
        assert!(matches!(refused, Err(Error::Query { .. })), "{refused:?}");
    }
}

#[test]
fn long_texts_large_rows_and_zero_bytes_are_indexed() {
    let table = english(&["a\0b c\0", "\0"]);
    let long = "word ".repeat(500_000) + "last";
    table.set(3, words(&long));
    for _ in 0..2 {
        assert_eq!(found(&table, "b"), [1]);
        assert_eq!(found(&table, "\"b c\""), [1]);
        assert_eq!(found(&table, "last"), [3]);
        text_of(&table).flush().unwrap();
    }
    // Two changes of a large row: the first can only be read from a snapshot between them.
    let between = table.store.snapshot();
    table.set(3, words(&(long.clone() + " final")));
    table.set(3, words(&(long + " end")));
    assert_eq!(found(&table, "final"), [0_u64; 0]);
    assert_eq!(found(&table, "end"), [3]);
    assert_eq!(table.find_at(&between, &asked("last")).len(), 1);
    table.assert_sound();
}

#[test]
fn clearing_the_rows_empties_the_index() {
    let table = english(&["cat", "dog"]);
    text_of(&table).flush().unwrap();
    let before = table.store.snapshot();
    table.rows.keyspace().clear().unwrap();
    assert_eq!(found(&table, "cat"), [0_u64; 0]);
    table.set(5, words("cat"));
    assert_eq!(found(&table, "cat"), [5]);
    assert_eq!(table.find_at(&before, &asked("cat")).iter().collect::<Vec<_>>(), [1]);
    table.assert_sound();
}

#[test]
fn facets_are_counted_below_a_path() {
    let options = TextOptions::default()
        .field(TextField::new("text", Analyzer::Simple))
        .field(TextField::new("kind", Analyzer::Facet));
    let table = TestTable::new(definition(IndexKind::Text(options), 2));
    let row = |text: &str, facets: &str| [Value::from(text), Value::from(facets)];
    table.set(1, row("owl", "/animals/birds/owls"));
    table.set(2, row("dog", "/animals/dogs\n/pets"));
    text_of(&table).flush().unwrap();
    table.set(3, row("hen", "/animals/birds"));
    let refused = table.commit(4, Some(row("x", "animals").to_vec()));
    assert!(matches!(refused, Err(Error::Value { .. })));
    let snapshot = table.store.snapshot();
    let counts = |query: TextQuery, path| {
        let reader = Reader::Snapshot(&snapshot);
        text_of(&table).facet_counts(reader, &query, path).unwrap()
    };
    let pair = |path: &str, count| (path.to_owned(), count);
    assert_eq!(counts(TextQuery::Everything, ""), [pair("/animals", 3), pair("/pets", 1)]);
    let below = [pair("/animals/birds", 2), pair("/animals/dogs", 1)];
    assert_eq!(counts(TextQuery::Everything, "/animals"), below);
    assert_eq!(counts(TextQuery::term("owl"), "/animals/birds/"), [pair("/animals/birds/owls", 1)]);
    let birds = IndexQuery::Text(TextQuery::facet("/animals/birds"));
    assert_eq!(table.find(&birds).iter().collect::<Vec<_>>(), [1, 3]);
    table.assert_sound();
}

#[test]
fn words_are_highlighted_where_they_match() {
    let table = TestTable::new(two_fields());
    let text = "A storm is a Storm: heavy rain and heavy snow, running for days.";
    let marked = |query: &str, field: &str| -> Vec<String> {
        let query = TextQuery::parse(query).unwrap();
        let ranges = text_of(&table).highlight(&query, field, text).unwrap();
        ranges.into_iter().map(|range| text[range].to_owned()).collect()
    };
    assert_eq!(marked("storm", "body"), ["storm", "Storm"]);
    assert_eq!(marked("\"heavy snow\"", "body"), ["heavy", "snow"]);
    assert_eq!(marked("run", "title"), ["running"]);
    assert_eq!(marked("run", "body"), [""; 0]);
    assert_eq!(marked("ru* -storm", "body"), ["running"]);
    assert_eq!(marked("title:storm", "body"), [""; 0]);
    let query = TextQuery::parse("heavy snow").unwrap();
    let options = SnippetOptions::default().len(24);
    let fragments = text_of(&table).snippets(&query, "body", text, options).unwrap();
    assert_eq!(fragments.len(), 1);
    let shown = &text[fragments[0].range.clone()];
    assert!(shown.contains("heavy snow") && shown.len() <= 24, "{shown:?}");
    let none = text_of(&table).snippets(&TextQuery::term("x"), "body", text, options).unwrap();
    assert_eq!((none[0].range.clone(), none[0].highlights.len()), (0..24, 0));
}

#[test]
fn every_analyzer_can_be_made_and_odd_ones_are_refused() {
    for language in Language::ALL {
        for stop_words in [false, true] {
            let table = TestTable::new(one_field(Analyzer::Language { language, stop_words }));
            table.set(1, words("xyzzy"));
            assert_eq!(found(&table, "xyzzy"), [1], "{language:?}");
        }
    }
    let table = TestTable::new(one_field(Analyzer::Ngram { min: 2, max: 3 }));
    table.set(1, words("Thunderstorm"));
    assert_eq!(found(&table, "DERST"), [1]);
    assert_eq!(found(&table, "stormthunder"), [0_u64; 0]);
    let table = TestTable::new(one_field(Analyzer::Raw));
    table.set(1, words("New York"));
    assert_eq!(found(&table, "\"New York\""), [1]);
    assert_eq!(found(&table, "New*"), [1]);
    assert_eq!(found(&table, "York"), [0_u64; 0]);
    let options = sim_options(&Arc::new(SimVfs::new()));
    let (store, _) = options.open().unwrap();
    for bad in [
        one_field(Analyzer::Ngram { min: 0, max: 2 }),
        definition(
            IndexKind::Text(
                TextOptions::default()
                    .field(TextField::new("a", Analyzer::Raw))
                    .field(TextField::new("b", Analyzer::Raw)),
            ),
            1,
        ),
        definition(
            IndexKind::Text(
                TextOptions::default().field(TextField::new("a", Analyzer::Raw).boost(f32::NAN)),
            ),
            1,
        ),
    ] {
        let rows = Arc::clone(&table.rows) as Arc<dyn RowStore>;
        let refused = Index::open(&store, Arc::new(bad), rows);
        assert!(matches!(refused, Err(Error::Definition { .. })));
    }
}

#[test]
fn files_are_used_again_replayed_and_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions::new(dir.path().join("store"));
    let one = one_field(Analyzer::Simple);
    let rows_on_disk = |table: &TestTable| table.index.statistics().unwrap().entries;
    {
        let table = TestTable::open(&options, one.clone());
        table.set(1, words("cat"));
        table.set(2, words("dog"));
        assert!(text_of(&table).flush().unwrap());
        table.set(3, words("cat"));
        assert_eq!(found(&table, "cat"), [1, 3]);
    }
    {
        // Commits behind the files come from the log.
        let table = TestTable::open(&options, one.clone());
        assert_eq!(rows_on_disk(&table), 2);
        assert_eq!(found(&table, "cat"), [1, 3]);
        table.remove(1);
        table.assert_sound();
    }
    {
        // Another analyzer: the files are of no use.
        let table = TestTable::open(&options, one_field(Analyzer::Whitespace));
        assert_eq!(rows_on_disk(&table), 0);
        assert_eq!(found(&table, "cat"), [3]);
        assert_eq!(rows_on_disk(&table), 2);
    }
    let folder = dir.path().join("store/text/7");
    std::fs::write(folder.join("meta.json"), "{ damaged").unwrap();
    {
        let table = TestTable::open(&options, one_field(Analyzer::Whitespace));
        assert_eq!(found(&table, "cat"), [3]);
        table.assert_sound();
    }
    let (store, _) = options.clone().open().unwrap();
    Index::drop(&store, &one).unwrap();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn a_damaged_segment_is_found_and_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions::new(dir.path().join("store"));
    let table = TestTable::open(&options, one_field(Analyzer::Simple));
    table.set(1, words("cat"));
    text_of(&table).flush().unwrap();
    table.assert_sound();
    let folder = dir.path().join("store/text/7");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let term = files.filter(|path| path.extension().is_some_and(|of| of == "pos"));
    let term = term.collect::<Vec<_>>().remove(0);
    let mut bytes = std::fs::read(&term).unwrap();
    bytes[0] ^= 0xff;
    std::fs::write(&term, bytes).unwrap();
    let problems = table.index.check(&table.store.snapshot()).unwrap();
    assert!(problems.iter().any(|of| format!("{of:?}").contains("checksum")), "{problems:?}");
    text_of(&table).rebuild().unwrap();
    table.assert_sound();
    assert_eq!(found(&table, "cat"), [1]);
}

/// tantivy 2932: a commit of the engine for each row left 2,000 segments. Upkeep writes when enough
/// waits, and merges as it goes.
#[test]
fn regression_tantivy_2932_upkeep_after_every_row_keeps_few_segments() {
    let clock = Arc::new(SimClock::default());
    let options = sim_options(&Arc::new(SimVfs::new())).clock(Arc::clone(&clock) as _);
    let table = TestTable::open(&options, one_field(Analyzer::Simple));
    let index = text_of(&table);
    assert!(!index.keep_up().unwrap());
    for row_id in 0..100 {
        table.set(row_id, words("cat"));
        assert!(!index.keep_up().unwrap());
        clock.advance(std::time::Duration::from_secs(2));
        assert!(index.keep_up().unwrap());
        let overlay = index.overlay.read();
        let segments = overlay.generations.last().unwrap().segments.len();
        assert!(segments <= 12, "{segments}");
    }
    assert!(index.keep_up().unwrap(), "the writer goes when nothing waits");
    assert!(!index.keep_up().unwrap());
    let snapshot = table.store.snapshot();
    let query = TextQuery::term("cat");
    assert_eq!(index.count(Reader::Snapshot(&snapshot), &query).unwrap(), 100);
    assert_eq!(index.overlay.read().generations.len(), 1);
}

#[test]
fn a_build_in_bulk_tells_its_progress_and_can_be_ended() {
    let table = english(&["cat", "dog", "cat"]);
    text_of(&table).flush().unwrap();
    let mut loader = table.index.loader().unwrap();
    loader.add(1, &words("cat").to_vec()).unwrap();
    let ended = loader.finish(&mut |_, _| ControlFlow::Break(()));
    assert!(matches!(ended, Err(Error::Cancelled { .. })));
    assert_eq!(found(&table, "cat"), [1, 3]);
    table.set(4, words("cat"));
    text_of(&table).flush().unwrap();
    assert_eq!(found(&table, "cat"), [1, 3, 4]);
    let mut seen = Vec::new();
    let done = table.index.loader().unwrap().finish(&mut |done, all| {
        seen.push((done, all));
        ControlFlow::Continue(())
    });
    assert_eq!(done.unwrap().entries, 4);
    assert_eq!(seen.last(), Some(&(4, 4)));
    table.assert_sound();
}

#[test]
fn a_score_is_explained_by_its_parts() {
    let table = english(&["cat dog", "cat"]);
    let snapshot = table.store.snapshot();
    let reader = Reader::Snapshot(&snapshot);
    let query = TextQuery::parse("cat dog").unwrap();
    let parts = text_of(&table).explain(reader, &query, 1).unwrap().unwrap();
    assert_eq!(
        parts.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["text:cat", "text:dog"]
    );
    let sum: f32 = parts.iter().map(|(_, score)| score).sum();
    assert!((sum - best(&table, "cat dog", 1)[0].score).abs() < 1e-6);
    assert!(text_of(&table).explain(reader, &query, 9).unwrap().is_none());
}
