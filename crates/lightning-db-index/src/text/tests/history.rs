//! Random histories: every answer, at any snapshot, is that of a search through the rows.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the numbers of these tests are small"
)]

use std::ops::Bound;
use std::sync::Arc;

use lightning_db_expression::Columns;
use lightning_db_storage::{Snapshot, StoreOptions};
use lightning_db_types::{Rng, SeededRng, SimVfs, Value};

use super::naive::Naive;
use super::{seed, text_of, two_fields};
use crate::definition::IndexDefinition;
use crate::index::IndexQuery;
use crate::reader::Reader;
use crate::row::RowStore;
use crate::row_set::RowSet;
use crate::testkit::{TestTable, sim_options};
use crate::text::query::TextQuery;

struct Dice(SeededRng);

impl Dice {
    fn below(&self, limit: u64) -> u64 {
        self.0.next_u64() % limit
    }

    fn word(&self) -> String {
        if self.below(8) == 0 {
            return ["the", "of", "running", "runs"][self.below(4) as usize].to_owned();
        }
        let letter = || ['a', 'b', 'c'][self.below(3) as usize];
        (0..=self.below(3)).map(|_| letter()).collect()
    }

    fn words(&self, limit: u64) -> String {
        let words: Vec<String> = (0..self.below(limit + 1)).map(|_| self.word()).collect();
        words.join(" ")
    }

    fn row(&self) -> Vec<Value> {
        let text = |limit| match self.below(10) {
            0 => Value::Null,
            _ => Value::from(self.words(limit).as_str()),
        };
        vec![text(12), text(4)]
    }

    fn query(&self, depth: u32) -> TextQuery {
        let field = [None, None, Some("body"), Some("title")][self.below(4) as usize];
        let field = field.map(str::to_owned);
        let kinds = if depth == 0 { 9 } else { 14 };
        match self.below(kinds) {
            0..=2 => TextQuery::Term { field, text: self.word() },
            3 => TextQuery::Phrase { field, text: self.words(3), slop: self.below(4) as u32 },
            4 => TextQuery::Phrase { field, text: self.words(3), slop: 0 },
            5 => TextQuery::Prefix { field, text: self.word() },
            6 => TextQuery::Fuzzy {
                field,
                text: self.word(),
                distance: 1 + self.below(2) as u8,
                prefix: self.below(3) == 0,
            },
            7 => {
                let pattern = ["a.*", ".b", "b*c*", "..c", "ab*.", ""][self.below(6) as usize];
                TextQuery::Regex { field, pattern: pattern.to_owned() }
            }
            8 => {
                let bound = || match self.below(3) {
                    0 => Bound::Unbounded,
                    1 => Bound::Included(self.word()),
                    _ => Bound::Excluded(self.word()),
                };
                TextQuery::Range { field, from: bound(), to: bound() }
            }
            9 => self.query(depth - 1).boost(self.below(5) as f32 / 2.0),
            _ => {
                let some = |limit| -> Vec<TextQuery> {
                    (0..self.below(limit)).map(|_| self.query(depth - 1)).collect()
                };
                TextQuery::Bool {
                    must: some(3),
                    should: some(4),
                    must_not: some(2),
                    minimum_should_match: self.below(3) as usize,
                }
            }
        }
    }
}

/// Rows of a reader's state.
fn rows_of(table: &TestTable, reader: Reader<'_>) -> Vec<(u64, Vec<Value>)> {
    let mut rows = Vec::new();
    let source: &dyn RowStore = &*table.rows;
    source
        .for_each(reader, &mut |row_id, row: &dyn Columns| {
            rows.push((row_id, (0..2).map(|at| row.column(at).to_value()).collect()));
            Ok(())
        })
        .unwrap();
    rows
}

/// Compares one answer with the plain search.
fn compare(table: &TestTable, reader: Reader<'_>, dice: &Dice) {
    let index = text_of(table);
    let query = dice.query(2);
    let naive = Naive::new(&index.shape, rows_of(table, reader));
    let scores = naive.run(&query).unwrap_or_default();
    let wanted: RowSet = scores.keys().copied().collect();
    let found = table.index.rows(reader, &IndexQuery::Text(query.clone())).unwrap();
    assert_eq!(found, wanted, "{query:?}");
    assert_eq!(index.count(reader, &query).unwrap(), wanted.len(), "{query:?}");
    let filter: RowSet = (0..40).filter(|row| row % 3 != 0).collect();
    let filter = (dice.below(2) == 0).then_some(filter);
    let limit = 1 + dice.below(8) as usize;
    let hits = index.search(reader, &query, limit, filter.as_ref()).unwrap();
    let kept = |row: &u64| filter.as_ref().is_none_or(|filter| filter.contains(*row));
    let mut ranked: Vec<(u64, f64)> =
        scores.iter().filter(|(row, _)| kept(row)).map(|(row, score)| (*row, *score)).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    assert_eq!(hits.len(), ranked.len().min(limit), "{query:?}");
    for (hit, (_, score)) in hits.iter().zip(&ranked) {
        assert!(near(f64::from(hit.score), *score), "{hit:?} {score} {query:?}");
        let own = scores[&hit.row_id];
        assert!(kept(&hit.row_id) && near(f64::from(hit.score), own), "{hit:?} {own} {query:?}");
    }
    for pair in hits.windows(2) {
        assert!(pair[0] < pair[1], "{hits:?} {query:?}");
    }
    let estimate = table.index.estimate(reader, &IndexQuery::Text(query.clone())).unwrap();
    let count = wanted.len() as f64;
    assert!(estimate.low <= count && count <= estimate.high, "{estimate:?} {count} {query:?}");
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-5 * b.abs().max(1.0)
}

fn step(table: &TestTable, dice: &Dice, snapshots: &mut Vec<Snapshot>) {
    match dice.below(12) {
        0..=4 => {
            let row = (dice.below(5) > 0).then(|| dice.row());
            assert!(table.commit(dice.below(40), row).unwrap().is_committed());
        }
        5 => {
            let mut transaction = table.store.transaction();
            for _ in 0..=dice.below(6) {
                let row = (dice.below(4) > 0).then(|| dice.row());
                table.change(&mut transaction, dice.below(40), row.as_ref()).unwrap();
                compare(table, Reader::Transaction(&transaction), dice);
            }
            if dice.below(3) > 0 {
                assert!(transaction.commit().unwrap().is_committed());
            }
        }
        6 => drop(text_of(table).flush().unwrap()),
        7 => {
            snapshots.push(table.store.snapshot());
            if snapshots.len() > 6 {
                snapshots.remove(dice.below(6) as usize);
            }
        }
        8 if dice.below(8) == 0 => text_of(table).rebuild().unwrap(),
        _ => {
            compare(table, Reader::Snapshot(&table.store.snapshot()), dice);
            if !snapshots.is_empty() {
                let at = dice.below(snapshots.len() as u64) as usize;
                compare(table, Reader::Snapshot(&snapshots[at]), dice);
            }
        }
    }
}

fn run(options: &StoreOptions, definition: &IndexDefinition, dice: &Dice, steps: u64) {
    let mut table = TestTable::open(options, definition.clone());
    let mut snapshots = Vec::new();
    for at in 0..steps {
        step(&table, dice, &mut snapshots);
        if at % 80 == 79 {
            table.assert_sound();
            snapshots.clear();
            drop(table);
            table = TestTable::open(options, definition.clone());
        }
    }
    table.assert_sound();
}

#[test]
fn answers_are_those_of_a_search_through_the_rows() {
    let seed = seed();
    println!("LIGHTNING_SEED={seed}");
    for run_of in 0..4 {
        let dice = Dice(SeededRng::new(seed + run_of));
        run(&sim_options(&Arc::new(SimVfs::new())), &two_fields(), &dice, 400);
    }
}

#[test]
fn answers_from_files_are_those_of_a_search_through_the_rows() {
    let seed = seed();
    println!("LIGHTNING_SEED={seed}");
    let dir = tempfile::tempdir().unwrap();
    let dice = Dice(SeededRng::new(seed + 1_000));
    run(&StoreOptions::new(dir.path().join("store")), &two_fields(), &dice, 400);
}
