//! Building an index while others write.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use lightning_db_table::{BuildOutcome, BuildStage, BuildStatus, Error, Tables, TablesOptions};
use lightning_db_types::{Persistence, SimVfs};

use crate::kinds::Kind;
use crate::table::{Case, INDEX, Source, TABLE, World, go_on};

const WRITERS: u64 = 8;

/// Writes until it is told to stop. Each writer has keys and unique codes of its own, so that a
/// build finds no duplicates.
fn write(tables: &Tables, writer: u64, seed: u64, stop: &AtomicBool) {
    let source = Source { ids: 40, ..Source::new(seed ^ writer << 32) };
    while !stop.load(Ordering::Relaxed) {
        let statement = source.statement(1 << 52).of_writer(writer.cast_signed());
        let outcome = tables.run(|transaction| statement.run(transaction));
        match outcome {
            Ok(done) => assert!(done, "{statement:?}"),
            Err(Error::Storage(lightning_db_storage::Error::Contention { .. })) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// A table with rows of all writers.
fn filled(kind: &Kind, seed: u64) -> Case<'_> {
    let case = Case::without_index(kind, seed);
    for writer in 0..WRITERS {
        let source = Source { ids: 40, ..Source::new(seed ^ writer << 16) };
        let mut transaction = case.tables.transaction();
        for _ in 0..60 {
            let statement = source.statement(1 << 52).of_writer(writer.cast_signed());
            assert!(case.run(&statement, &mut transaction));
        }
        assert!(transaction.commit().unwrap().is_committed());
    }
    case
}

pub(super) fn build_under_writers(kind: &Kind, seed: u64) {
    let case = filled(kind, seed);
    let stop = AtomicBool::new(false);
    let mut images: Vec<SimVfs> = Vec::new();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (tables, stop) = (&case.tables, &stop);
            scope.spawn(move || write(tables, writer, seed, stop));
        }
        // A power cut at each report, of which some are looked at.
        let mut keep = |status: BuildStatus<'_>| {
            let all = [Persistence::None, Persistence::All, Persistence::Random];
            if status.stage != BuildStage::CatchingUp || images.len() < 9 {
                let persistence = all[images.len() % all.len()];
                images.push(case.world.vfs.crashed(persistence, images.len() as u64));
            }
            ControlFlow::Continue(())
        };
        let outcome = case.tables.create_index(TABLE, (kind.make)(INDEX), &mut keep);
        stop.store(true, Ordering::Relaxed);
        let outcome = outcome.unwrap();
        assert!(matches!(outcome, BuildOutcome::Ready { .. }), "{}: {outcome:?}", kind.name);
    });
    case.assert_sound();
    case.compare_now(20);
    assert!(images.len() > 1, "the build has not reported");
    for (at, image) in images.into_iter().enumerate() {
        let case = Case::reopened(kind, case.world.on(image), seed);
        let outcomes = case.tables.finish_builds(&mut go_on).unwrap();
        assert!(
            outcomes.iter().all(|outcome| matches!(outcome, BuildOutcome::Ready { .. })),
            "{}, cut {at}: {outcomes:?}",
            kind.name
        );
        case.assert_sound_after(&format!("cut {at}"));
        case.compare_now(5);
        case.change(2);
        case.assert_sound();
    }
}

/// A build that is told to end leaves nothing, at whichever report.
pub(super) fn cancelled_build(kind: &Kind, seed: u64) {
    let case = filled(kind, seed);
    let before = case.tables.store().keyspaces();
    for cut_at in 0.. {
        let mut calls = 0;
        let mut cut = |_: BuildStatus<'_>| {
            calls += 1;
            if calls > cut_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        match case.tables.create_index(TABLE, (kind.make)(INDEX), &mut cut).unwrap() {
            BuildOutcome::Cancelled => {
                assert_eq!(case.tables.store().keyspaces(), before, "{}", kind.name);
                assert!(case.tables.table(TABLE).unwrap().index(INDEX).is_err());
            }
            BuildOutcome::Ready { .. } => break,
            outcome @ BuildOutcome::Duplicates(_) => panic!("{outcome:?}"),
        }
    }
    case.compare_now(5);
    case.assert_sound();
}

/// Bytes of memory with which a build of these few rows writes several runs.
const SMALL: usize = 1_200;

fn open_small(world: &World) -> Tables {
    let options = TablesOptions::default().build_memory(SMALL);
    Tables::open_with(&world.store(), options).unwrap().0
}

/// A build that a power cut ends goes on behind its last checkpoint, or begins anew, and has every
/// row then: wherever it is cut, with changes of rows before and behind what it has read.
pub(super) fn resumed_build(kind: &Kind, seed: u64) {
    let case = filled(kind, seed);
    case.tables.store().sync().unwrap();
    let (mut step, mut resumes, mut resumed_at) = (0, false, 0);
    loop {
        let world = case.world.on(case.world.vfs.crashed(Persistence::All, 0));
        let tables = open_small(&world);
        world.vfs.cut_at_step(world.vfs.steps() + step);
        let source = Source { ids: 40, ..Source::new(seed ^ step << 40) };
        let change = |tables: &Tables, writer: u64| {
            let statement = source.statement(1 << 52).of_writer(writer.cast_signed());
            tables.run(|transaction| statement.run(transaction))
        };
        let mut beside = |_: BuildStatus<'_>| {
            // Without power it fails, as does the build.
            let _ = change(&tables, step % WRITERS);
            ControlFlow::Continue(())
        };
        let outcome = tables.create_index(TABLE, (kind.make)(INDEX), &mut beside);
        if !world.vfs.is_powered_off() {
            assert!(matches!(outcome, Ok(BuildOutcome::Ready { .. })), "{}", kind.name);
            break;
        }
        drop(tables);
        let persistence = [Persistence::None, Persistence::All, Persistence::Random]
            [usize::try_from(step % 3).unwrap()];
        let world = world.on(world.vfs.crashed(persistence, step));
        let tables = open_small(&world);
        resumes |= tables.table(TABLE).unwrap().indexes().any(|(index, _)| index.keeps_log());
        assert!(change(&tables, (step + 1) % WRITERS).unwrap(), "{}", kind.name);
        let mut watch = |status: BuildStatus<'_>| {
            if status.stage == BuildStage::Reading {
                resumed_at = status.done.max(resumed_at);
            }
            go_on(status)
        };
        let outcomes = tables.finish_builds(&mut watch).unwrap();
        let context = format!("{}, seed {seed}, cut at {step}, {persistence:?}", kind.name);
        assert!(
            outcomes.iter().all(|outcome| matches!(outcome, BuildOutcome::Ready { .. })),
            "{context}: {outcomes:?}"
        );
        let left = tables.store().keyspaces();
        assert!(!left.iter().any(|name| name.contains("/run/")), "{context}: {left:?}");
        let case = Case { kind, world, tables, source };
        case.assert_sound_after(&context);
        if !outcomes.is_empty() {
            case.compare_now(3);
        }
        step += if resumes { 13 } else { 61 };
    }
    assert!(!resumes || resumed_at > 0, "{}: no build went on", kind.name);
}
