//! Entries that are not what was written: a check finds them, or they do no harm; a repair ends it.

use std::collections::BTreeSet;

use lightning_db_storage::Keyspace;
use lightning_db_table::{BuildOutcome, TableProblem, Tables};
use lightning_db_types::{Persistence, Rng};

use crate::kinds::{Kind, pick};
use crate::table::{Case, INDEX, TABLE, World, go_on};

/// Entries of each keyspace that are damaged.
const ENTRIES: usize = 12;

/// What is done to an entry.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Remove,
    FlipValue,
    FlipKey,
    /// The entry of another key.
    Replace,
}

const ALL: [Damage; 4] = [Damage::Remove, Damage::FlipValue, Damage::FlipKey, Damage::Replace];

/// Keyspaces of the index.
fn keyspaces(tables: &Tables) -> Vec<Keyspace> {
    let table = tables.table(TABLE).unwrap();
    let prefix = table.index(INDEX).unwrap().definition().keyspace_prefix();
    let names = tables.store().keyspaces().into_iter();
    let of_index = names.filter(|name| name.starts_with(&prefix));
    of_index.map(|name| tables.store().open_keyspace(&name).unwrap()).collect()
}

fn flipped(bytes: &[u8], case: &Case<'_>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    match bytes.len() {
        0 => bytes.push(1),
        len => bytes[pick(&case.source.rng, len)] ^= 1 << case.source.rng.below(8),
    }
    bytes
}

/// Damages one entry; false if it is as it was.
fn plant(case: &Case<'_>, keyspace: &Keyspace, damage: Damage) -> bool {
    let entries: Vec<_> = keyspace.iter().map(Result::unwrap).collect();
    if entries.is_empty() {
        return false;
    }
    let (key, value) = &entries[pick(&case.source.rng, entries.len())];
    let (_, other) = &entries[pick(&case.source.rng, entries.len())];
    match damage {
        Damage::Remove => keyspace.remove(key).unwrap(),
        Damage::FlipValue => keyspace.insert(key, flipped(value, case)).unwrap(),
        Damage::FlipKey => {
            keyspace.remove(key).unwrap();
            keyspace.insert(flipped(key, case), value).unwrap();
        }
        Damage::Replace if **other == **value => return false,
        Damage::Replace => keyspace.insert(key, other).unwrap(),
    }
    true
}

/// A damage is found, or nobody notices it; what is found is repaired.
fn judge(case: &Case<'_>, context: &str) -> bool {
    let report = case.tables.check().unwrap();
    let found = !report.is_clean();
    if found {
        // The table has an index of its own for rows that end.
        let name = |problem: &TableProblem| match problem {
            TableProblem::Index { index, .. } => index.clone(),
            other => panic!("{context}: {other:?}"),
        };
        let damaged: BTreeSet<String> = report.problems.iter().map(name).collect();
        for index in damaged {
            let outcome = case.tables.repair_index(TABLE, &index, &mut go_on).unwrap();
            assert!(matches!(outcome, BuildOutcome::Ready { .. }), "{context}: {outcome:?}");
        }
        let report = case.tables.check().unwrap();
        assert!(report.is_clean(), "{context}, repaired: {:#?}", report.problems);
    }
    case.compare_now(12);
    found
}

/// A world that holds what is in the store now, in files.
fn copy(case: &Case<'_>) -> World {
    case.tables.store().sync().unwrap();
    case.world.on(case.world.vfs.crashed(Persistence::All, 0))
}

/// Damage of entries, looked at while the index is open, and after the next open.
pub(super) fn damage(kind: &Kind, seed: u64) {
    let case = Case::new(kind, seed);
    case.change(40);
    case.upkeep();
    case.change(4);
    let (mut planted, mut found) = (0, 0);
    for damage in ALL {
        for round in 0..ENTRIES {
            let case = Case::reopened(kind, copy(&case), seed.wrapping_add(round as u64));
            for keyspace in keyspaces(&case.tables) {
                if plant(&case, &keyspace, damage) {
                    planted += 1;
                    let context = format!("{}: {damage:?} in {}", kind.name, keyspace.name());
                    let world = copy(&case);
                    let live = judge(&case, &context);
                    let again = Case::reopened(kind, world, seed);
                    found += u32::from(judge(&again, &format!("{context}, reopened")) || live);
                }
            }
        }
    }
    assert!(planted == 0 || found > 0, "{}: {planted} planted, none found", kind.name);
}

/// Rows that are changed behind the back of the index are found, by number, and repaired.
pub(super) fn drift(kind: &Kind, seed: u64) {
    let case = Case::new(kind, seed);
    case.change(40);
    case.upkeep();
    let rows = case.tables.store().keyspaces().into_iter();
    let rows = rows.filter(|name| name.starts_with("table/")).collect::<Vec<_>>();
    assert_eq!(rows.len(), 1);
    let rows = case.tables.store().open_keyspace(&rows[0]).unwrap();
    let older: Vec<_> = rows.iter().map(Result::unwrap).collect();
    case.change(40);
    for _ in 0..10 {
        // A row is gone, or is as it was long ago.
        let (key, value) = &older[pick(&case.source.rng, older.len())];
        if kind.is_unique || case.source.rng.one_in(2) {
            rows.remove(key).unwrap();
        } else {
            rows.insert(key, value).unwrap();
        }
        let report = case.tables.check().unwrap();
        if report.is_clean() {
            case.compare_now(10);
        }
    }
    drop(rows);
    let again = Case::reopened(kind, copy(&case), seed);
    let _repaired = judge(&again, kind.name);
    again.change(4);
    again.assert_sound();
}
