//! The power is cut at any step, and the manifest and its directory are gone as well.
//!
//! Tables that a merge has replaced may still be there, and such that it never finished. After a
//! repair no key is back that had been removed, and no commit is missing that was promised.

use std::path::Path;
use std::sync::Arc;

use lightning_db_storage::{Depth, KeyspaceOptions, RepairReport, Store, StoreOptions};
use lightning_db_tests::{
    Driver, Failure, Kinds, Ledger, Op, POLICIES, Plan, Policy, check_contents, describe, parallel,
    seeds_of, store_options,
};
use lightning_db_types::{Persistence, SimClock, SimVfs, Vfs};

fn text<E: std::error::Error>(error: E) -> String {
    describe(&error)
}

/// Removes files of a store that is not open.
fn lose(disk: &SimVfs, names: &[&str]) {
    for name in names {
        let path = Path::new("/db").join(name);
        if disk.exists(&path).unwrap() {
            disk.remove_file(&path).unwrap();
        }
    }
    disk.sync_dir(Path::new("/db")).unwrap();
}

fn options(disk: &SimVfs, now_ms: u64) -> StoreOptions {
    let clock = SimClock::new(now_ms);
    store_options(Arc::new(disk.clone()), &clock, 1, 1_000 + disk.steps())
}

/// Repairs a store and opens it.
fn repaired(disk: &SimVfs, now_ms: u64) -> Result<(Store, RepairReport), String> {
    let report = Store::repair(options(disk, now_ms)).map_err(text)?;
    let (store, _) = options(disk, now_ms).open().map_err(text)?;
    Ok((store, report))
}

/// Runs a plan up to a power cut.
fn cut(plan: &Plan, step: u64) -> Result<(SimVfs, Ledger), String> {
    let disk = SimVfs::with_seed(plan.seed);
    disk.cut_at_step(step);
    let mut driver = Driver::new(plan, Arc::new(disk.clone()));
    match driver.run() {
        Err(Failure::Wrong(text)) => Err(text),
        _ => Ok((disk, driver.ledger())),
    }
}

/// Whether the store is in a state of the history that begins with what was promised.
fn check_state(store: &Store, plan: &Plan, ledger: &Ledger, promised: u64) -> Result<(), String> {
    let last = store.last_lsn();
    if last < promised || last > ledger.attempted as u64 {
        let Ledger { attempted, .. } = ledger;
        return Err(format!("commit {last} is the last of {promised}..={attempted}"));
    }
    let last = usize::try_from(last).unwrap();
    let in_flight = plan.steps.get(ledger.calls).map(|planned| &planned.op);
    let is_whole = matches!(in_flight, Some(Op::Clear(_) | Op::Ingest(..)));
    // The record of such a change is in the log before the manifest makes it real.
    let first = if is_whole && last > ledger.acknowledged { last - 1 } else { last };
    let mut wrong = String::new();
    for registries in ledger.registries..=ledger.registries_attempted {
        for commits in first..=last {
            match check_contents(store, &plan.history, commits, registries, ledger.now_ms) {
                Ok(()) => return Ok(()),
                Err(text) => wrong = text,
            }
        }
    }
    Err(format!("it is not the state of commit {last}: {wrong}"))
}

/// Repairs what a power cut and the loss of the manifest have left. Says whether there was a store.
fn check_cut(
    plan: &Plan,
    (disk, ledger): &(SimVfs, Ledger),
    policy: Policy,
) -> Result<bool, String> {
    let salt = plan.seed << 8 ^ disk.steps() ^ policy.salt;
    let image = disk.crashed(policy.persistence, salt);
    if ledger.registries == 0 {
        // There may be no store yet.
        return Ok(false);
    }
    lose(&image, &["manifest", "directory.snapshot"]);
    let (store, report) = repaired(&image, ledger.now_ms)?;
    if !report.manifest_rebuilt || report.manifest_copy_lost {
        return Err(format!("{report:?}"));
    }
    if matches!(policy.persistence, Persistence::All | Persistence::None) && !report.lost.is_empty()
    {
        return Err(format!("nothing is damaged: {report:?}"));
    }
    let promised = match policy.persistence {
        Persistence::All => ledger.buffered.max(ledger.synced),
        _ => ledger.synced,
    };
    check_state(&store, plan, ledger, promised as u64)?;
    store.compact().map_err(text)?;
    check_state(&store, plan, ledger, promised as u64).map_err(|text| format!("merged: {text}"))?;
    let check = store.check(Depth::Deep).map_err(text)?;
    if check.is_ok() { Ok(true) } else { Err(format!("{:?}", check.problems)) }
}

fn sweep(ops: usize, kinds: Kinds, stride: u64) -> u64 {
    // A repair also takes in what lies behind a gap in the log, which other policies leave.
    let policies = POLICIES.iter().filter(|policy| {
        matches!(policy.persistence, Persistence::All | Persistence::None | Persistence::Prefix)
    });
    let policies: Vec<Policy> = policies.copied().collect();
    let mut repairs = 0;
    for seed in seeds_of(1) {
        let plan = Plan::new(seed, ops, kinds);
        let disk = SimVfs::with_seed(seed);
        Driver::new(&plan, Arc::new(disk.clone())).run().unwrap();
        let steps = disk.steps();
        let outcome = parallel(0..steps.div_ceil(stride), |job| {
            let step = job * stride;
            let failure = |text: String| {
                format!(
                    "seed {seed}, power cut at step {step}, manifest lost: {text}\nreplay: \
                     LIGHTNING_CRASH_START={seed} LIGHTNING_CRASH_SEEDS=1 \
                     cargo test -p lightning-db-tests --test crash lost_manifest"
                )
            };
            let found = cut(&plan, step).map_err(failure)?;
            let mut count = 0;
            for policy in &policies {
                let text = |text| failure(format!("{policy:?}: {text}"));
                count += u64::from(check_cut(&plan, &found, *policy).map_err(text)?);
            }
            Ok(count)
        });
        repairs += outcome.unwrap_or_else(|text| panic!("{text}"));
    }
    repairs
}

#[test]
fn lost_manifest_after_a_power_cut_brings_no_removed_key_back() {
    println!("{} repairs", sweep(120, Kinds::BATCHES, 2));
}

#[test]
fn lost_manifest_after_a_power_cut_in_any_call_loses_nothing_promised() {
    println!("{} repairs", sweep(120, Kinds::ALL, 3));
    println!("{} repairs", sweep(60, Kinds::BULK, 2));
}

/// A store whose keyspace had removals, merges, and commits in the log.
fn closed_store() -> SimVfs {
    let disk = SimVfs::new();
    let (store, _) = options(&disk, 0).open().unwrap();
    let cities = store.keyspace("cities", KeyspaceOptions::new()).unwrap();
    for (key, value) in [("andorra", "Vila"), ("atlantis", "Poseidonis"), ("malta", "Mdina")] {
        cities.insert(key, value).unwrap();
    }
    store.checkpoint().unwrap();
    cities.remove("atlantis").unwrap();
    cities.insert("malta", "Valletta").unwrap();
    store.compact().unwrap();
    cities.insert("andorra", "la Vella").unwrap();
    store.checkpoint().unwrap();
    cities.insert("monaco", "Monaco").unwrap();
    store.close().unwrap();
    disk
}

#[test]
fn store_without_manifest_and_copy_is_made_again_from_its_tables() {
    let disk = closed_store();
    lose(&disk, &["manifest", "manifest.keyspaces", "directory.snapshot"]);
    let (store, report) = repaired(&disk, 0).unwrap();
    assert!(report.manifest_rebuilt && report.manifest_copy_lost, "{report:?}");
    assert_eq!(store.keyspaces(), ["recovered-1"]);
    let cities = store.open_keyspace("recovered-1").unwrap();
    let found: Vec<_> = cities.iter().map(Result::unwrap).collect();
    let shown: Vec<_> = found.iter().map(|(key, value)| (&key[..], &value[..])).collect();
    let expected = [("andorra", "la Vella"), ("malta", "Valletta"), ("monaco", "Monaco")];
    assert_eq!(shown, expected.map(|(key, value)| (key.as_bytes(), value.as_bytes())));
}

#[test]
fn second_repair_finds_the_same_and_keeps_what_the_first_one_put_aside() {
    let disk = closed_store();
    for aside in ["/db/lost+found/manifest", "/db/lost+found/manifest.2"] {
        let (manifest, copy) = (Path::new("/db/manifest"), Path::new("/db/manifest.keyspaces"));
        for path in [manifest, copy] {
            let bytes = disk.file_bytes(path).unwrap();
            disk.set_file_bytes(path, &vec![0xa5; bytes.len()]).unwrap();
        }
        let (store, report) = repaired(&disk, 0).unwrap();
        assert!(report.manifest_copy_lost, "{report:?}");
        assert_eq!(report.set_aside, [Path::new(aside)]);
        assert_eq!(store.keyspaces(), ["recovered-1"]);
        store.close().unwrap();
    }
}

#[test]
fn cancelled_repair_changes_nothing() {
    let disk = closed_store();
    lose(&disk, &["manifest", "directory.snapshot"]);
    let before = disk.files();
    let mut calls = 0;
    let cancelled = Store::repair_with(options(&disk, 0), &mut |_| {
        calls += 1;
        if calls == 2 {
            std::ops::ControlFlow::Break(())
        } else {
            std::ops::ControlFlow::Continue(())
        }
    });
    assert!(matches!(cancelled, Err(lightning_db_storage::Error::Cancelled)), "{cancelled:?}");
    assert_eq!(disk.files(), before);
    let (store, report) = repaired(&disk, 0).unwrap();
    assert!(report.lost.is_empty(), "{report:?}");
    let cities = store.open_keyspace("cities").unwrap();
    assert_eq!(cities.get("andorra").unwrap().as_deref(), Some(&b"la Vella"[..]));
}
