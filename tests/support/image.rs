//! Whether a store holds what it must.

use std::path::Path;
use std::sync::Arc;

use lightning_db_storage::{KeyspaceOptions, Range, RecoveryReport, Store};
use lightning_db_types::{Persistence, SimClock, SimVfs};

use crate::driver::{BACKUP, Ledger, describe, options_at, store_options};
use crate::model::{Contents, History};
use crate::workload::{Op, Plan};

/// Keyspace of what the checks themselves write.
const PROBE: &str = "probe";

/// Which state of the history was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// Number of commits.
    pub commits: usize,
    /// Number of changes of the keyspaces.
    pub registries: usize,
    /// Number of commits whose changes are there: one less than `commits` where a change of a whole
    /// keyspace was cut between its record in the log and the manifest.
    pub applied: usize,
}

/// Compares everything in a store with a state of the history: by iterating, and by key.
///
/// # Errors
/// What differs.
pub fn check_contents(
    store: &Store,
    history: &History,
    commits: usize,
    registries: usize,
    now_ms: u64,
) -> Result<(), String> {
    let registry = history.registry(registries);
    let mut names = store.keyspaces();
    names.retain(|name| name != PROBE);
    if !names.iter().eq(registry.keys()) {
        return Err(format!("keyspaces {names:?} are there instead of {:?}", registry.keys()));
    }
    for (name, instance) in registry {
        let keyspace = store.open_keyspace(name).map_err(|error| describe(&error))?;
        let expected = history.contents(commits, *instance);
        compare(name, keyspace.iter(), &expected, now_ms)?;
        for (key, value) in &*expected {
            let found = keyspace.get(key).map_err(|error| describe(&error))?;
            if found.as_deref() != value.is_live(now_ms).then_some(&value.bytes[..]) {
                return Err(format!("get of {} in {name} is wrong", show(key)));
            }
        }
    }
    Ok(())
}

/// A key as text, quoted and not too long.
pub(crate) fn show(key: &[u8]) -> String {
    let text = key.escape_ascii().to_string();
    format!("{:?}", text.chars().take(60).collect::<String>())
}

/// Compares what an iterator gives with what there must be.
pub(crate) fn compare(
    name: &str,
    found: Range,
    expected: &Contents,
    now_ms: u64,
) -> Result<(), String> {
    let mut expected = expected.iter().filter(|(_, value)| value.is_live(now_ms));
    for item in found {
        let (key, value) = item.map_err(|error| describe(&error))?;
        let shown = show(&key);
        match expected.next() {
            Some((wanted, _)) if wanted[..] < key[..] => {
                return Err(format!("{} is missing in {name}", show(wanted)));
            }
            Some((wanted, _)) if wanted[..] > key[..] => {
                return Err(format!("{shown} is in {name} and must not be"));
            }
            Some((_, wanted)) if wanted.bytes[..] != value[..] => {
                let lens = (value.len(), wanted.bytes.len());
                return Err(format!("{shown} in {name} has another value, by length {lens:?}"));
            }
            Some(_) => {}
            None => return Err(format!("{shown} is in {name} and must not be")),
        }
    }
    match expected.next() {
        Some((wanted, _)) => Err(format!("{} is missing in {name}", show(wanted))),
        None => Ok(()),
    }
}

/// Opens a store that a crash left, holds it against the history, writes to it, cuts the power and
/// opens it once more. Some are first opened read-only, and a backup that is there is opened too.
///
/// # Errors
/// What is wrong with it.
pub fn check_image(
    image: &SimVfs,
    plan: &Plan,
    ledger: &Ledger,
    must_survive: usize,
) -> Result<Recovered, String> {
    let seen =
        if image.steps().is_multiple_of(5) { check_read_only(image, plan, ledger)? } else { 0 };
    check_backup(image, plan, ledger).map_err(|text| format!("the backup: {text}"))?;
    let (store, found) = open_checked(image, plan, ledger, must_survive.max(seen))?;
    check_changes(&store).map_err(|text| format!("the change feed: {text}"))?;
    let error = |error: lightning_db_storage::Error| describe(&error);
    let probe = store.keyspace(PROBE, KeyspaceOptions::new()).map_err(error)?;
    probe.insert("written", "after the crash").map_err(error)?;
    let second = image.crashed(Persistence::None, plan.seed);
    drop((probe, store));
    // The second opening must find what the first one did, and what was written then.
    let (store, report) = open(&second, plan, ledger, false)?;
    let commits = found.commits + 1;
    check_bounds(&store, &report, commits, commits)?;
    check_contents(&store, &plan.history, found.applied, found.registries, ledger.now_ms)
        .map_err(|text| format!("opened a second time: {text}"))?;
    let probe = store.open_keyspace(PROBE).map_err(error)?;
    if probe.get("written").map_err(error)?.as_deref() != Some(b"after the crash") {
        return Err("what was written after the recovery is lost".to_owned());
    }
    Ok(found)
}

fn open(
    image: &SimVfs,
    plan: &Plan,
    ledger: &Ledger,
    read_only: bool,
) -> Result<(Store, RecoveryReport), String> {
    let clock = SimClock::new(ledger.now_ms);
    let opening = 1_000 + image.steps();
    let options = store_options(Arc::new(image.clone()), &clock, plan.seed, opening);
    let opened = options.read_only(read_only).open();
    opened.map_err(|error| format!("it does not open: {}", describe(&error)))
}

/// Opens a store and finds the state of the history that it is in.
pub(crate) fn open_checked(
    image: &SimVfs,
    plan: &Plan,
    ledger: &Ledger,
    must_survive: usize,
) -> Result<(Store, Recovered), String> {
    let (store, report) = open(image, plan, ledger, false)?;
    let last = check_bounds(&store, &report, must_survive, ledger.attempted)?;
    let found = find_state(&store, plan, ledger, last, ledger.registries)?;
    Ok((store, found))
}

/// Opens a store for reading only, which shows a state of the history and changes nothing. Returns
/// its last commit, which an opening for writing must find too.
fn check_read_only(image: &SimVfs, plan: &Plan, ledger: &Ledger) -> Result<usize, String> {
    if ledger.registries == 0 {
        // There may be no store yet.
        return Ok(0);
    }
    let steps = image.steps();
    let (store, report) = open(image, plan, ledger, true)?;
    let last = check_bounds(&store, &report, 0, ledger.attempted)?;
    find_state(&store, plan, ledger, last, ledger.registries)
        .map_err(|text| format!("read-only: {text}"))?;
    drop(store);
    if image.steps() != steps {
        return Err("a store that was opened read-only has changed the disk".to_owned());
    }
    Ok(last)
}

/// The change feed must give every commit from the oldest that the log still has to the last.
fn check_changes(store: &Store) -> Result<(), String> {
    let mut next = store.statistics().oldest_change_lsn.max(1);
    let mut reader = store.changes(next).map_err(|error| describe(&error))?;
    while let Some(found) = reader.next_change().map_err(|error| describe(&error))? {
        if found.lsn != next {
            return Err(format!("commit {} follows {}", found.lsn, next - 1));
        }
        next += 1;
    }
    let last = store.last_lsn();
    if next > last { Ok(()) } else { Err(format!("it ends before {next}, and {last} is the last")) }
}

/// A backup that was cut is the state of some commit, whole, or nothing yet.
fn check_backup(image: &SimVfs, plan: &Plan, ledger: &Ledger) -> Result<(), String> {
    if image.file_bytes(&Path::new(BACKUP).join("manifest")).is_err() {
        return Ok(());
    }
    let clock = SimClock::new(ledger.now_ms);
    let copy = image.crashed(Persistence::All, 0);
    let options = options_at(BACKUP, Arc::new(copy), &clock, plan.seed, 1_000);
    let (store, report) = options.open().map_err(|error| describe(&error))?;
    let last = check_bounds(&store, &report, 0, ledger.attempted)?;
    find_state(&store, plan, ledger, last, 0).map(drop)
}

/// Finds the state of the history that a store is in, whose last commit is known.
fn find_state(
    store: &Store,
    plan: &Plan,
    ledger: &Ledger,
    last: usize,
    registries_min: usize,
) -> Result<Recovered, String> {
    let applied = applied_candidates(plan, ledger, last);
    let mut wrong = String::new();
    for registries in registries_min..=ledger.registries_attempted {
        for applied in applied.clone() {
            match check_contents(store, &plan.history, applied, registries, ledger.now_ms) {
                Ok(()) => return Ok(Recovered { commits: last, registries, applied }),
                Err(text) => wrong = format!("it is not the state of commit {last}: {text}"),
            }
        }
    }
    Err(wrong)
}

/// The number of the last commit must lie between what was promised and what was asked for.
fn check_bounds(
    store: &Store,
    report: &RecoveryReport,
    must_survive: usize,
    attempted: usize,
) -> Result<usize, String> {
    let last = usize::try_from(report.last_lsn).unwrap_or(usize::MAX);
    if store.last_lsn() != report.last_lsn {
        return Err(format!("the report says {last}, the store {}", store.last_lsn()));
    }
    if last < must_survive {
        return Err(format!(
            "commit {must_survive} was promised, and {last} is the last one there"
        ));
    }
    if last > attempted {
        return Err(format!("commit {last} is there, and {attempted} was the last one tried"));
    }
    Ok(last)
}

/// States that the number of the last commit may stand for.
fn applied_candidates(
    plan: &Plan,
    ledger: &Ledger,
    last: usize,
) -> std::ops::RangeInclusive<usize> {
    let in_flight = plan.steps.get(ledger.calls).map(|planned| &planned.op);
    let whole_keyspace = matches!(in_flight, Some(Op::Clear(_) | Op::Ingest(..)));
    // The record of such a change is in the log before the manifest makes it real.
    if whole_keyspace && last > ledger.acknowledged { last - 1..=last } else { last..=last }
}
