//! What matches is what matches in `SQLite`: the answers of its FTS5 to 1,000 questions are kept in
//! a file, see `tests/data/README.md`.

use std::io::Read as _;
use std::path::Path;

use lightning_db_types::Rng as _;

use super::*;
use crate::reader::Reader;

fn lines(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name);
    let packed = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn query(form: &str, words: &str) -> TextQuery {
    let terms = || words.split(' ').map(TextQuery::term);
    match form {
        "term" => TextQuery::term(words),
        "and" => TextQuery::all(terms()),
        "or" => TextQuery::any(terms()),
        "phrase" => TextQuery::phrase(words, 0),
        "prefix" => TextQuery::prefix(words),
        other => panic!("{other}"),
    }
}

/// From memory, from the files, and from both with changed rows between them.
#[test]
fn a_thousand_questions_match_what_they_match_in_sqlite() {
    let (reviews, questions) = (lines("reviews.txt.gz"), lines("reviews.fts5.gz"));
    assert_eq!((reviews.len(), questions.len()), (120, 1_000));
    let table = TestTable::new(one_field(Analyzer::Simple));
    for (row_id, review) in (0..).zip(&reviews) {
        table.set(row_id, words(review));
    }
    let rng = lightning_db_types::SeededRng::new(seed());
    for round in 0..3 {
        match round {
            1 => assert!(text_of(&table).flush().unwrap()),
            2 => {
                for row_id in (0..120).filter(|_| rng.one_in(3)) {
                    table.set(row_id, words("something else"));
                    table.set(row_id, words(&reviews[usize::try_from(row_id).unwrap()]));
                }
            }
            _ => {}
        }
        let snapshot = table.store.snapshot();
        for question in &questions {
            let [form, words, rows] = question.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{question}")
            };
            let query = query(form, words);
            let wanted = rows.split_whitespace().map(|row| row.parse::<u64>().unwrap());
            let wanted: Vec<u64> = wanted.collect();
            let found = table.find_at(&snapshot, &IndexQuery::Text(query.clone()));
            assert!(
                found.iter().eq(wanted.iter().copied()),
                "{form} {words}, round {round}: {found:?}, not {wanted:?}"
            );
            // The best rows are the same ones.
            let reader = Reader::Snapshot(&snapshot);
            let mut best = text_of(&table).search(reader, &query, 200, None).unwrap();
            best.sort_unstable_by_key(|hit| hit.row_id);
            assert!(best.iter().map(|hit| hit.row_id).eq(wanted), "{form} {words}, round {round}");
        }
    }
}
