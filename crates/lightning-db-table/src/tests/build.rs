//! Building indexes while writers go on.

use std::sync::atomic::{AtomicBool, Ordering};

use lightning_db_types::{Persistence, Rng};

use super::*;
use crate::{BuildStage, Error};

fn filled(world: &World, count: i64) -> Tables {
    let tables = world.open();
    let mut definition = people();
    definition.indexes.clear();
    tables.create_table(definition).unwrap();
    let rows: Vec<_> = (0..count).map(|id| person(id, &format!("p{id}"), id % 100)).collect();
    tables.insert_many("people", rows).unwrap();
    tables
}

#[test]
fn what_is_written_during_each_stage_is_in_the_index() {
    let world = World::new();
    let tables = filled(&world, 10_000);
    let mut fresh = 100_000;
    let mut stages = Vec::new();
    let mut write = |status: BuildStatus<'_>| {
        if !stages.contains(&status.stage) {
            stages.push(status.stage);
        }
        assert!(status.done <= status.total, "{status:?}");
        // The index is not asked before it holds every row.
        let snapshot = tables.snapshot();
        let table = snapshot.table("people").unwrap();
        let asked = snapshot.read(&table).unwrap().find("by_score", &crate::kinds::equal(vec![]));
        assert!(matches!(asked, Err(Error::NotFound { .. })));
        if status.stage != BuildStage::CatchingUp {
            fresh += 1;
            tables.insert("people", person(fresh, &format!("new{fresh}"), 7)).unwrap();
            let moved = fresh % 9_000;
            tables.patch("people", &[moved.into()], [("score", 200_i64.into())]).unwrap();
            tables.delete("people", &[(moved + 500_i64).into()]).unwrap();
        }
        ControlFlow::Continue(())
    };
    let spec = IndexSpec::ordered("by_score").column(2);
    let outcome = tables.create_index("people", spec, &mut write).unwrap();
    assert!(matches!(outcome, BuildOutcome::Ready { .. }), "{outcome:?}");
    assert_eq!(stages, [BuildStage::Reading, BuildStage::Writing, BuildStage::CatchingUp]);
    assert!(!keys_of(&tables, "people", "by_score", 200_i64).is_empty());
    assert_sound(&tables);
}

#[test]
fn a_build_under_eight_writers_ends_with_every_row() {
    let world = World::new();
    let tables = filled(&world, 3_000);
    let (done, seed) = (AtomicBool::new(false), seed(11));
    std::thread::scope(|scope| {
        for writer in 0..8_u64 {
            let (tables, done) = (&tables, &done);
            scope.spawn(move || {
                let rng = SeededRng::new(seed + writer);
                let mut next = 1_000_000 * (i64::try_from(writer).unwrap() + 1);
                while !done.load(Ordering::Relaxed) {
                    let id = rng.below(3_000).cast_signed();
                    next += 1;
                    match rng.below(3) {
                        0 => drop(tables.delete("people", &[id.into()])),
                        1 => {
                            let _ =
                                tables.upsert("people", person(id, &format!("p{id}"), next % 90));
                        }
                        _ => drop(tables.insert("people", person(next, &format!("n{next}"), 5))),
                    }
                }
            });
        }
        for (name, spec) in [
            ("by_score", IndexSpec::ordered("by_score").column(2)),
            ("by_name", IndexSpec::unique("by_name").column(1)),
            ("bits", IndexSpec::bitmap("bits").column(2)),
            ("hashed", IndexSpec::hash("hashed").column(1)),
        ] {
            let outcome = tables.create_index("people", spec, &mut go_on).unwrap();
            assert!(matches!(outcome, BuildOutcome::Ready { .. }), "{name}: {outcome:?}");
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_sound(&tables);
}

#[test]
fn a_cancelled_build_leaves_nothing_at_any_stage() {
    let world = World::new();
    let tables = filled(&world, 9_000);
    let before = tables.store().keyspaces();
    for cut_at in 0..100_i64 {
        let mut calls = 0_i64;
        let mut cut = |status: BuildStatus<'_>| {
            if status.stage == BuildStage::Reading && calls == 0 {
                tables
                    .patch("people", &[5_i64.into()], [("score", (calls + cut_at).into())])
                    .unwrap();
            }
            calls += 1;
            if calls > cut_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let spec = IndexSpec::ordered("by_score").column(2);
        match tables.create_index("people", spec, &mut cut).unwrap() {
            BuildOutcome::Cancelled => assert_eq!(tables.store().keyspaces(), before),
            BuildOutcome::Ready { .. } if cut_at > 3 => return,
            outcome => panic!("{outcome:?} after {cut_at} calls"),
        }
    }
    panic!("the build was never let to its end");
}

#[test]
fn duplicates_of_a_unique_build_are_listed() {
    let world = World::new();
    let tables = filled(&world, 10);
    for (id, name) in [(100, "p3"), (101, "p4"), (102, "p4")] {
        tables.insert("people", person(id, name, 1)).unwrap();
    }
    let before = tables.store().keyspaces();
    let spec = || IndexSpec::unique("by_name").column(1);
    let BuildOutcome::Duplicates(found) =
        tables.create_index("people", spec(), &mut go_on).unwrap()
    else {
        panic!("no duplicates were found");
    };
    let keys: Vec<&str> = found.iter().map(|(key, _, _)| &**key).collect();
    assert!(keys.contains(&"'p3'") && keys.contains(&"'p4'"), "{keys:?}");
    assert_eq!(tables.store().keyspaces(), before);
    for id in [100_i64, 101, 102] {
        tables.delete("people", &[id.into()]).unwrap();
    }
    // One that comes during the build is found as well.
    let mut twice = |status: BuildStatus<'_>| {
        if status.stage == BuildStage::Reading {
            tables.insert("people", person(200, "p7", 1)).unwrap();
        }
        ControlFlow::Continue(())
    };
    let outcome = tables.create_index("people", spec(), &mut twice).unwrap();
    assert!(matches!(&outcome, BuildOutcome::Duplicates(found) if found.len() == 1), "{outcome:?}");
    tables.delete("people", &[200_i64.into()]).unwrap();
    build(&tables, "people", spec());
    assert_sound(&tables);
}

#[test]
fn keys_that_change_hands_during_a_unique_build_are_no_duplicates() {
    for deferrable in [false, true] {
        let world = World::new();
        let tables = filled(&world, 10);
        let mut swap = |status: BuildStatus<'_>| {
            if status.stage == BuildStage::Reading && status.done == 0 {
                for (id, name) in [(3_i64, "between"), (4, "p3"), (3, "p4")] {
                    tables.patch("people", &[id.into()], [("name", name.into())]).unwrap();
                }
            }
            ControlFlow::Continue(())
        };
        let spec = IndexSpec::unique("by_name").column(1);
        let spec = if deferrable { spec.deferrable() } else { spec };
        let outcome = tables.create_index("people", spec, &mut swap).unwrap();
        assert!(matches!(outcome, BuildOutcome::Ready { .. }), "{outcome:?}");
        assert_eq!(keys_of(&tables, "people", "by_name", "p4"), [Value::I64(3)]);
        assert_sound(&tables);
    }
}

#[test]
fn a_build_that_a_crash_cut_short_is_finished() {
    let world = World::new();
    let tables = filled(&world, 5_000);
    let mut image = None;
    let mut keep = |status: BuildStatus<'_>| {
        if status.stage == BuildStage::Reading && image.is_none() {
            tables.store().sync().unwrap();
            image = Some(world.vfs.crashed(Persistence::All, 0));
        }
        ControlFlow::Continue(())
    };
    let spec = IndexSpec::ordered("by_score").column(2);
    tables.create_index("people", spec, &mut keep).unwrap();
    let world = World { vfs: Arc::new(image.unwrap()), clock: world.clock.clone() };
    let (tables, report) = Tables::open(&world.store()).unwrap();
    assert_eq!(report.unfinished_indexes, ["by_score"]);
    tables.insert("people", person(9_000, "late", 3)).unwrap();
    let outcomes = tables.finish_builds(&mut go_on).unwrap();
    assert!(matches!(outcomes[..], [BuildOutcome::Ready { .. }]), "{outcomes:?}");
    assert_eq!(keys_of(&tables, "people", "by_score", 3_i64).len(), 51);
    assert_sound(&tables);
}
