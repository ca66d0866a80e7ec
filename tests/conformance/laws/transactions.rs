//! Transactions: what they see, what they leave, and when they stand against each other.

use std::collections::BTreeSet;

use lightning_db_types::Rng;

use crate::kinds::Kind;
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
