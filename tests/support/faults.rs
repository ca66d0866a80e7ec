//! One failing call after the other.

use std::path::Path;
use std::sync::Arc;

use lightning_db_storage::{Depth, Error, KeyspaceOptions, Store};
use lightning_db_types::{Fault, Persistence, SimClock, SimVfs};

use crate::driver::{Driver, Failure, Ledger, describe, store_options};
use crate::image::{check_contents, check_image};
use crate::sweep::parallel;
use crate::traced::{CallKind, TracedCall, TracedVfs};
use crate::workload::{Kinds, Plan};

/// How a call fails.
pub(crate) const FAULTS: [Fault; 3] = [Fault::Eio, Fault::Enospc, Fault::ShortWrite];

/// What of the disk of a failed run is looked at.
const AFTERWARDS: [Persistence; 3] = [Persistence::All, Persistence::None, Persistence::Random];

/// Calls from the mapping of a new log segment to the end of its head.
const SEGMENT_CALLS: usize = 4;

/// One workload, each of whose calls of the disk fails once.
#[derive(Debug, Clone, Copy)]
pub struct FaultSweep {
    /// Seed of the workload.
    pub seed: u64,
    /// Calls of the workload.
    pub ops: usize,
    /// Which calls.
    pub kinds: Kinds,
}

impl FaultSweep {
    /// Runs the workload once for each call of the disk and each fault. Returns the number of runs.
    ///
    /// # Errors
    /// The first thing that is wrong, with the seed and the call.
    pub fn run(&self) -> Result<u64, String> {
        let plan = Plan::new(self.seed, self.ops, self.kinds);
        let disk = SimVfs::with_seed(self.seed);
        let traced = TracedVfs::new(Arc::new(disk.clone()));
        let mut driver = Driver::new(&plan, Arc::new(traced.clone()));
        driver.run().map_err(|failure| format!("without a fault: {failure}"))?;
        let calls = traced.calls();
        if calls.len() as u64 != disk.calls() {
            return Err(format!("{} calls noted and {} counted", calls.len(), disk.calls()));
        }
        parallel(0..calls.len() as u64, |at| {
            for fault in FAULTS {
                check_fault(&plan, &calls, at, fault).map_err(|text| {
                    let call = &calls[usize::try_from(at).unwrap_or(0)];
                    format!("seed {}, {fault:?} at disk call {at}, {call:?}: {text}", self.seed)
                })?;
            }
            Ok(FAULTS.len() as u64)
        })
    }
}

/// Runs the plan with one failing call.
fn check_fault(plan: &Plan, calls: &[TracedCall], at: u64, fault: Fault) -> Result<(), String> {
    let disk = SimVfs::with_seed(plan.seed);
    disk.fail_at(at, fault);
    let mut driver = Driver::new(plan, Arc::new(disk.clone()));
    let outcome = driver.run();
    let ledger = driver.ledger();
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    // Before anything is written to the store that has met the fault.
    let images = AFTERWARDS.map(|persistence| disk.crashed(persistence, plan.seed + at as u64));
    match outcome {
        Ok(()) if !is_tolerable(&calls[at]) => return Err("no call of the store failed".into()),
        Ok(()) => {}
        Err(Failure::Wrong(text)) => return Err(text),
        Err(Failure::Refused(error @ Error::Io { .. })) => {
            if let Some(store) = driver.store() {
                check_refused(&disk, store, plan, &ledger, must_poison(calls, at))
                    .map_err(|text| format!("after {:?}: {text}", describe(&error)))?;
            }
        }
        Err(Failure::Refused(error)) => {
            return Err(format!("the error is not that of the disk: {}", describe(&error)));
        }
    }
    for image in images {
        check_image(&image, plan, &ledger, ledger.synced)?;
    }
    Ok(())
}

/// What must hold of a store that has met a fault and is still open.
fn check_refused(
    disk: &SimVfs,
    store: &Store,
    plan: &Plan,
    ledger: &Ledger,
    poisons: Option<bool>,
) -> Result<(), String> {
    let (commits, registries) = find_state(store, plan, ledger)?;
    let probe = store.keyspace("probe", KeyspaceOptions::new());
    let wrote = probe.and_then(|probe| probe.insert("key", "value"));
    let is_poisoned = matches!(store.health(), Err(Error::Poisoned { .. }));
    if is_poisoned != matches!(wrote, Err(Error::Poisoned { .. })) {
        return Err(format!("the health is {:?} after the write {wrote:?}", store.health()));
    }
    match (wrote, poisons) {
        (Err(Error::Poisoned { .. }), None | Some(true)) => return Ok(()),
        (Ok(()), Some(true)) => return Err("the store takes writes, and must be poisoned".into()),
        (Ok(()), None | Some(false)) => {}
        (Err(error), _) => return Err(format!("the next write: {}", describe(&error))),
    }
    // What failed succeeds now, and nothing is there twice or gone.
    store.compact().map_err(|error| format!("compact: {}", describe(&error)))?;
    let check = |store: &Store| {
        check_contents(store, &plan.history, commits, registries, ledger.now_ms)?;
        let report = store.check(Depth::Deep).map_err(|error| describe(&error))?;
        if report.is_ok() { Ok(()) } else { Err(format!("{:?}", report.problems)) }
    };
    check(store).map_err(|text| format!("after it was done again: {text}"))?;
    let image = disk.crashed(Persistence::None, plan.seed);
    let clock = SimClock::new(ledger.now_ms);
    let opened = store_options(Arc::new(image), &clock, plan.seed, 1_000).open();
    let (store, _) = opened.map_err(|error| describe(&error))?;
    check(&store).map_err(|text| format!("opened after it was done again: {text}"))
}

/// The state that an open store is in after a call that failed: that before it, or behind it.
fn find_state(store: &Store, plan: &Plan, ledger: &Ledger) -> Result<(usize, usize), String> {
    let mut wrong = String::new();
    for registries in ledger.registries..=ledger.registries_attempted {
        for commits in ledger.acknowledged..=ledger.attempted {
            match check_contents(store, &plan.history, commits, registries, ledger.now_ms) {
                Ok(()) => return Ok((commits, registries)),
                Err(text) => wrong = text,
            }
        }
    }
    Err(wrong)
}

/// Whether a store that has met a failure of this call knows nothing about its log or manifest.
/// `None` for the manifest's copy: it is written for a change, which then poisons, or before files
/// are removed, which then waits.
fn must_poison(calls: &[TracedCall], at: usize) -> Option<bool> {
    let call = &calls[at];
    let recent = &calls[(at + 1).saturating_sub(SEGMENT_CALLS)..=at];
    let makes_segment =
        call.kind == CallKind::Write && recent.iter().any(|call| call.kind == CallKind::Map);
    let in_log = call.path.starts_with("/db/wal");
    let writes_log =
        in_log && matches!(call.kind, CallKind::Write | CallKind::Sync | CallKind::SyncDir);
    // The folder is synced behind the rename.
    let syncs_name = call.path == Path::new("/db") && call.kind == CallKind::SyncDir;
    let written = if syncs_name { &calls[at.saturating_sub(1)].path } else { &call.path };
    if written == Path::new("/db/manifest.keyspaces.new") {
        return None;
    }
    let writes_manifest = written == Path::new("/db/manifest.new") || syncs_name;
    Some(writes_log && !makes_segment || writes_manifest)
}

/// Whether the store may go on as if the call had not failed.
fn is_tolerable(call: &TracedCall) -> bool {
    // Each open checks the directory, and makes it again from the manifest.
    call.path == Path::new("/db/directory.snapshot")
        // A file that stays is removed by the next open.
        || call.kind == CallKind::Remove
            && (call.path.starts_with("/db/tables") || call.path.starts_with("/db/blobs"))
        // An older copy that cannot be read is copied again.
        || matches!(call.kind, CallKind::Open | CallKind::Look | CallKind::Read)
            && call.path.starts_with("/backup")
}
