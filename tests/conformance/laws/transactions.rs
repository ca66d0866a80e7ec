//! Transactions: what they see, what they leave, and when they stand against each other.

use std::collections::BTreeSet;

use lightning_db_table::index::{IndexQuery, IndexStatistics};
use lightning_db_types::Rng;

use crate::kinds::{Ask, Kind};
use crate::table::{Case, INDEX, Statement, TABLE, column, compare_one, free_row, scan};

pub(super) fn answers(kind: &Kind, seed: u64) {
    let case = Case::new(kind, seed);
    for round in 0..30 {
        let mut transaction = case.tables.transaction();
        let table = transaction.table(TABLE).unwrap();
        for _ in 0..3 {
            case.run(&case.statement(), &mut transaction);
            case.compare(&transaction.read(&table).unwrap(), 3);
        }
        assert!(transaction.commit().unwrap().is_committed());
        case.compare_now(5);
        if round % 10 == 9 {
            case.upkeep();
            case.compare_now(5);
        }
    }
    case.assert_sound();
}

pub(super) fn rollback(kind: &Kind, seed: u64) {
    let case = Case::new(kind, seed);
    case.change(30);
    for round in 0..20 {
        let before = case.tables.snapshot();
        let mut transaction = case.tables.transaction();
        let table = transaction.table(TABLE).unwrap();
        for _ in 0..=case.source.rng.below(6) {
            case.run(&case.statement(), &mut transaction);
        }
        case.compare(&transaction.read(&table).unwrap(), 2);
        if round % 2 == 0 {
            transaction.rollback();
        } else {
            drop(transaction);
        }
        let after = case.tables.snapshot();
        assert_eq!(after.lsn(), before.lsn());
        let rows =
            |snapshot: &lightning_db_table::TableSnapshot| scan(&snapshot.read(&table).unwrap());
        assert_eq!(rows(&after), rows(&before));
        case.compare_now(4);
        if round % 8 == 7 {
            case.upkeep();
            case.change(2);
        }
    }
    case.assert_sound();
}

pub(super) fn savepoint(kind: &Kind, seed: u64) {
    let case = Case::new(kind, seed);
    case.change(20);
    for _ in 0..15 {
        let mut transaction = case.tables.transaction();
        let table = transaction.table(TABLE).unwrap();
        let mut marks = Vec::new();
        for _ in 0..8 {
            match case.source.rng.below(4) {
                0 => {
                    let rows = scan(&transaction.read(&table).unwrap());
                    marks.push((transaction.savepoint(), rows));
                }
                1 if !marks.is_empty() => {
                    let (mark, rows) = marks.pop().unwrap();
                    transaction.rollback_to(mark).unwrap();
                    let reader = transaction.read(&table).unwrap();
                    assert_eq!(scan(&reader), rows);
                    case.compare(&reader, 3);
                }
                _ => drop(case.run(&case.statement(), &mut transaction)),
            }
        }
        case.compare(&transaction.read(&table).unwrap(), 2);
        assert!(transaction.commit().unwrap().is_committed());
        case.compare_now(3);
    }
    case.assert_sound();
}

pub(super) fn conflict(kind: &Kind, seed: u64) {
    let case = Case::new(kind, seed);
    case.change(20);
    for _ in 0..15 {
        let id = case.source.id();
        let (mut one, mut other) = (case.tables.transaction(), case.tables.transaction());
        assert!(case.run(&free_row(&case, id), &mut one));
        assert!(case.run(&free_row(&case, id), &mut other));
        assert!(one.commit().unwrap().is_committed());
        assert!(!other.commit().unwrap().is_committed());
        case.compare_now(3);
    }
    if kind.is_unique {
        claim_one_key(&case);
    }
    case.assert_sound();
}

/// Two transactions that give one unique key to different rows.
fn claim_one_key(case: &Case<'_>) {
    for id in 0..10 {
        let claim = |id: i64| {
            let mut row = case.row(id);
            row[column::CODE] = (-id.rem_euclid(100) - 1).into();
            row[column::ENDS] = lightning_db_table::Value::Null;
            Statement::Upsert(row)
        };
        let (mut one, mut other) = (case.tables.transaction(), case.tables.transaction());
        assert!(case.run(&claim(1_000 + id), &mut one));
        assert!(case.run(&claim(2_000 + id), &mut other));
        assert!(one.commit().unwrap().is_committed());
        assert!(!other.commit().unwrap().is_committed());
        // Tried again, it sees the row that was first.
        let mut again = case.tables.transaction();
        assert!(!case.run(&claim(2_000 + id), &mut again));
    }
}

pub(super) fn phantom(kind: &Kind, seed: u64) {
    let case = Case::new(kind, seed);
    case.change(20);
    let mut met = 0;
    for round in 0.. {
        if met == 5 && round >= 40 {
            break;
        }
        assert!(round < 5_000, "only {met} answers have changed");
        let ask = case.ask();
        let mut reading = case.tables.transaction();
        let table = reading.table(TABLE).unwrap();
        let reader = reading.read(&table).unwrap();
        let before: BTreeSet<u64> = reader.find(INDEX, &ask.query).unwrap().iter().collect();
        let mut changing = case.tables.transaction();
        case.run(&case.statement(), &mut changing);
        assert!(changing.commit().unwrap().is_committed());
        let snapshot = case.tables.snapshot();
        let now = snapshot.read(&table).unwrap();
        compare_one(kind, &now, (&scan(&now), true), &ask);
        let after: BTreeSet<u64> = now.find(INDEX, &ask.query).unwrap().iter().collect();
        // The row that it writes is one that nobody else touches.
        assert!(case.run(&free_row(&case, 1_000), &mut reading));
        let committed = reading.commit().unwrap().is_committed();
        if before != after {
            met = 5.min(met + 1);
            assert!(!committed, "{}: {:?} was {before:?}, is {after:?}", kind.name, ask.query);
        }
    }
    case.assert_sound();
}

pub(super) fn independent(kind: &Kind, seed: u64) {
    let case = Case::new(kind, seed);
    for round in 0..10 {
        let mut open: Vec<_> = (0..6).map(|_| case.tables.transaction()).collect();
        for (at, transaction) in (0..).zip(&mut open) {
            let id = 6 * case.source.id() + at;
            assert!(case.run(&free_row(&case, id), transaction));
        }
        for transaction in open {
            let outcome = transaction.commit().unwrap();
            assert!(outcome.is_committed(), "{}, round {round}", kind.name);
        }
        case.compare_now(3);
    }
    case.assert_sound();
}

/// What an index says of itself, without what depends on files and buffers.
fn numbers(case: &Case<'_>) -> IndexStatistics {
    let table = case.tables.table(TABLE).unwrap();
    let mut numbers = table.index(INDEX).unwrap().statistics().unwrap();
    (numbers.memory_bytes, numbers.disk_bytes) = (0, 0);
    numbers
}

/// Statements that are never committed, by a rollback, a savepoint or a conflict, change neither
/// statistics nor expectations: they are those of a table where nobody has tried them.
pub(super) fn no_trace(kind: &Kind, seed: u64) {
    let (case, plain) = (Case::new(kind, seed), Case::new(kind, seed));
    let run = |case: &Case<'_>, statements: &[Statement]| {
        let mut transaction = case.tables.transaction();
        for statement in statements {
            case.run(statement, &mut transaction);
        }
        transaction
    };
    // Types of values are remembered once they are seen, committed or not, as it only costs a look
    // in vain: both have seen all of them.
    let mut all_types: Vec<Statement> = (0..60).map(|id| free_row(&case, id)).collect();
    all_types.push(Statement::Patch(0, column::CODE, lightning_db_table::Value::Null));
    for case in [&case, &plain] {
        assert!(run(case, &all_types).commit().unwrap().is_committed());
    }
    for round in 0..24 {
        let mut kept = vec![case.statement(), free_row(&case, case.source.id())];
        let mut tried: Vec<Statement> = (0..4).map(|_| case.statement()).collect();
        let committed = match round % 3 {
            0 => {
                run(&case, &tried).rollback();
                run(&case, &kept)
            }
            1 => {
                let mut transaction = run(&case, &kept[..1]);
                let savepoint = transaction.savepoint();
                for statement in &tried {
                    case.run(statement, &mut transaction);
                }
                transaction.rollback_to(savepoint).unwrap();
                case.run(&kept[1], &mut transaction);
                transaction
            }
            _ => {
                // Both write one row.
                tried.push(free_row(&case, 5_000));
                kept.push(free_row(&case, 5_000));
                let (late, first) = (run(&case, &tried), run(&case, &kept));
                assert!(first.commit().unwrap().is_committed());
                assert!(!late.commit().unwrap().is_committed());
                case.tables.transaction()
            }
        };
        assert!(committed.commit().unwrap().is_committed());
        assert!(run(&plain, &kept).commit().unwrap().is_committed());
        assert_eq!(numbers(&case), numbers(&plain), "{}, round {round}", kind.name);
        let expected = |case: &Case<'_>, query: &IndexQuery| {
            let snapshot = case.tables.snapshot();
            let table = snapshot.table(TABLE).unwrap();
            let reader = snapshot.read(&table).unwrap();
            let rows = reader.approximate_count();
            (reader.estimate_find(INDEX, query).unwrap(), rows)
        };
        for _ in 0..8 {
            let Ask { query, .. } = case.ask();
            let (found, wanted) = (expected(&case, &query), expected(&plain, &query));
            assert_eq!(found, wanted, "{}, round {round}: {query:?}", kind.name);
        }
        if round % 8 == 7 {
            case.upkeep();
            plain.upkeep();
        }
    }
    case.compare_now(5);
    case.assert_sound();
}
