//! Snapshots, however old.

use std::collections::BTreeSet;

use lightning_db_table::TableSnapshot;
use lightning_db_types::Rng;

use crate::kinds::{Ask, Kind};
use crate::table::{Case, INDEX, Rows, TABLE, compare_one, scan};

/// A snapshot with what it answered when it was young.
struct Kept {
    snapshot: TableSnapshot,
    rows: Rows,
    asks: Vec<(Ask, BTreeSet<u64>)>,
}

impl Kept {
    fn new(case: &Case<'_>) -> Self {
        let snapshot = case.tables.snapshot();
        let table = snapshot.table(TABLE).unwrap();
        let reader = snapshot.read(&table).unwrap();
        let rows = scan(&reader);
        let asks = (0..8).map(|_| {
            let ask = case.ask();
            compare_one(case.kind, &reader, (&rows, true), &ask);
            let found = reader.find(INDEX, &ask.query).unwrap().iter().collect();
            (ask, found)
        });
        let asks = asks.collect();
        Self { snapshot, rows, asks }
    }

    fn compare(&self, case: &Case<'_>) {
        let table = self.snapshot.table(TABLE).unwrap();
        let reader = self.snapshot.read(&table).unwrap();
        assert_eq!(scan(&reader), self.rows);
        for (ask, answer) in &self.asks {
            let found: BTreeSet<u64> = reader.find(INDEX, &ask.query).unwrap().iter().collect();
            assert_eq!(&found, answer, "{}: {:?}", case.kind.name, ask.query);
        }
        case.compare(&reader, 2);
    }
}

pub(super) fn age(kind: &Kind, seed: u64) {
    let case = Case::new(kind, seed);
    let mut kept = Vec::new();
    for round in 0..24 {
        kept.push(Kept::new(&case));
        case.change(8);
        match round % 6 {
            1 => case.upkeep(),
            2 => case.tables.store().checkpoint().unwrap(),
            3 => case.tables.store().compact().unwrap(),
            5 => {
                let at = crate::kinds::pick(&case.source.rng, kept.len());
                drop(kept.swap_remove(at));
            }
            _ => {}
        }
        if case.source.rng.one_in(3) {
            for kept in &kept {
                kept.compare(&case);
            }
        }
        case.compare_now(2);
    }
    case.upkeep();
    case.tables.store().compact().unwrap();
    for kept in &kept {
        kept.compare(&case);
    }
    case.assert_sound();
}
