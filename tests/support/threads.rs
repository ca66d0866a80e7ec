//! Power cuts under many threads: writers, a reader of snapshots, and the store's own threads,
//! which flush, merge, sync and make log segments.
//!
//! What each writer does follows from the seed; how the threads meet is up to the scheduler, so
//! that a seed shows a fault again only most of the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lightning_db_storage::{
    Durability, Keyspace, KeyspaceOptions, Maintenance, Result, Slice, Store,
};
use lightning_db_types::{Persistence, Rng, SeededRng, SimClock, SimVfs};

use crate::driver::{describe, store_options};
use crate::sweep::POLICIES;

const WRITERS: usize = 3;
/// Calls of each writer.
const ROUNDS: usize = 160;
const SLOTS: u64 = 24;

type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

/// A call of a writer on its keyspace.
#[derive(Debug)]
enum Call {
    Put { slot: Vec<u8>, value: Vec<u8> },
    Remove { slots: Vec<Vec<u8>> },
    Clear,
    Ingest(Contents),
}

fn slot(rng: &SeededRng) -> Vec<u8> {
    format!("slot/{:02}", rng.below(SLOTS)).into_bytes()
}

/// A value of its own for each call, that does not compress.
fn value(rng: &SeededRng) -> Vec<u8> {
    (0..=rng.below(400)).flat_map(|_| rng.next_u64().to_le_bytes()).collect()
}

/// The calls of a writer, with their levels.
fn calls(seed: u64, writer: usize) -> Vec<(Call, Durability)> {
    let rng = SeededRng::new(seed.wrapping_mul(WRITERS as u64).wrapping_add(writer as u64));
    let draw = |_| {
        let call = match rng.below(40) {
            0 => Call::Clear,
            1 => Call::Ingest((0..4).map(|_| (slot(&rng), value(&rng))).collect()),
            2..6 => Call::Remove { slots: (0..3).map(|_| slot(&rng)).collect() },
            _ => Call::Put { slot: slot(&rng), value: value(&rng) },
        };
        let whole = matches!(call, Call::Clear | Call::Ingest(_));
        let buffered = !whole && rng.one_in(3);
        (call, if buffered { Durability::Buffered } else { Durability::Sync })
    };
    (0..ROUNDS).map(draw).collect()
}

impl Call {
    /// Changes of more than one key are one commit, of which all is there or nothing.
    fn make(&self, store: &Store, keyspace: &Keyspace, level: Durability) -> Result<()> {
        match self {
            Self::Put { slot, value } => {
                let mut batch = store.batch().durability(level);
                batch.insert(keyspace, slot, value).insert(keyspace, "newest", slot);
                batch.commit().map(drop)
            }
            Self::Remove { slots } => {
                let mut batch = store.batch().durability(level);
                for slot in slots {
                    batch.remove(keyspace, slot);
                }
                batch.remove(keyspace, "newest");
                batch.commit().map(drop)
            }
            Self::Clear => keyspace.clear(),
            Self::Ingest(entries) => keyspace.ingest(entries).map(drop),
        }
    }

    fn apply(&self, contents: &mut Contents) {
        match self {
            Self::Put { slot, value } => {
                contents.insert(slot.clone(), value.clone());
                contents.insert(b"newest".to_vec(), slot.clone());
            }
            Self::Remove { slots } => {
                contents.retain(|key, _| !slots.contains(key) && key != b"newest");
            }
            Self::Clear => contents.clear(),
            Self::Ingest(entries) => {
                contents.extend(entries.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
        }
    }
}

/// How far a writer came.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Calls up to the last one that must survive a power cut.
    synced: usize,
    /// Calls that have returned.
    returned: usize,
}

/// Writes until something fails, which is nothing but the power.
fn write(store: &Store, keyspace: &Keyspace, calls: &[(Call, Durability)]) -> Progress {
    let mut progress = Progress::default();
    for (call, level) in calls {
        if call.make(store, keyspace, *level).is_err() {
            break;
        }
        progress.returned += 1;
        if *level == Durability::Sync {
            progress.synced = progress.returned;
        }
    }
    progress
}

fn contents(items: impl Iterator<Item = Result<(Slice, Slice)>>) -> Result<Contents> {
    items.map(|item| item.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
}

/// Reads snapshots, each of them twice and once through an iterator that was open all the while. An
/// error ends it: the caller knows whether there is power.
fn read(store: &Store, keyspaces: &[Keyspace], ended: &AtomicBool) -> Result<Option<u64>> {
    while !ended.load(Ordering::Acquire) {
        for keyspace in keyspaces {
            let snapshot = store.snapshot();
            let mut open = snapshot.iter(keyspace);
            let first = open.next();
            let once = contents(snapshot.iter(keyspace))?;
            std::thread::yield_now();
            let again = contents(snapshot.iter(keyspace))?;
            let held = contents(first.into_iter().chain(open))?;
            if once != again || once != held {
                return Ok(Some(snapshot.lsn()));
            }
        }
    }
    Ok(None)
}

/// Runs all threads until the writers have ended. Returns how far each came.
fn run(disk: &SimVfs, seed: u64) -> std::result::Result<Vec<Progress>, String> {
    let options = store_options(Arc::new(disk.clone()), &SimClock::default(), seed, 0);
    let mut progress = vec![Progress::default(); WRITERS];
    let Ok((store, _)) = options.maintenance(Maintenance::Background).open() else {
        return Ok(progress);
    };
    let keyspace = |writer| store.keyspace(&format!("of-{writer}"), KeyspaceOptions::new());
    let Ok(keyspaces) = (0..WRITERS).map(keyspace).collect::<Result<Vec<_>>>() else {
        return Ok(progress);
    };
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read(&store, &keyspaces, &ended));
        let writers: Vec<_> = keyspaces
            .iter()
            .enumerate()
            .map(|(writer, keyspace)| {
                let store = &store;
                scope.spawn(move || write(store, keyspace, &calls(seed, writer)))
            })
            .collect();
        for (progress, writer) in progress.iter_mut().zip(writers) {
            *progress = writer.join().unwrap_or_default();
        }
        ended.store(true, Ordering::Release);
        match reader.join() {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some(lsn))) => Err(format!("the snapshot of commit {lsn} has moved")),
            Ok(Err(_)) if disk.is_powered_off() => Ok(()),
            Ok(Err(error)) => Err(describe(&error)),
            Err(_) => Err("the reader has panicked".to_owned()),
        }
    })?;
    // One that has panicked came nowhere, too.
    if !disk.is_powered_off() && progress.iter().any(|progress| progress.returned < ROUNDS) {
        return Err(format!("a writer failed while there was power: {progress:?}"));
    }
    Ok(progress)
}

/// Each keyspace must hold what its writer had made of it by some call, not before the last one
/// that was promised.
fn check(
    image: &SimVfs,
    seed: u64,
    progress: &[Progress],
    process_only: bool,
) -> std::result::Result<(), String> {
    let options = store_options(Arc::new(image.clone()), &SimClock::default(), seed, 1);
    let (store, _) = options.open().map_err(|error| describe(&error))?;
    for (writer, progress) in progress.iter().enumerate() {
        let promised = if process_only { progress.returned } else { progress.synced };
        let Ok(keyspace) = store.open_keyspace(&format!("of-{writer}")) else {
            if promised > 0 {
                return Err(format!("the keyspace of writer {writer} is gone"));
            }
            continue;
        };
        let found = contents(keyspace.iter()).map_err(|error| describe(&error))?;
        let mut expected = Contents::new();
        let mut matches = promised == 0 && found.is_empty();
        for (at, (call, _)) in calls(seed, writer).iter().enumerate().take(progress.returned + 1) {
            call.apply(&mut expected);
            matches |= at + 1 >= promised && found == expected;
        }
        if !matches {
            return Err(format!(
                "writer {writer} was promised {promised} of {} calls, and its keyspace is in \
                 none of the states since",
                progress.returned
            ));
        }
    }
    Ok(())
}

fn cut(seed: u64, step: u64) -> std::result::Result<(), String> {
    let disk = SimVfs::with_seed(seed);
    disk.cut_at_step(step);
    let progress = run(&disk, seed)?;
    for policy in POLICIES {
        let image = disk.crashed(policy.persistence, seed ^ step << 8 ^ policy.salt);
        let process_only = matches!(policy.persistence, Persistence::All);
        check(&image, seed, &progress, process_only)
            .map_err(|text| format!("{policy:?}: {text}"))?;
    }
    Ok(())
}

/// A run of threads on a simulated disk, cut short at places spread over it.
#[derive(Debug, Clone, Copy)]
pub struct Threads {
    /// Seed of what the writers do, and of the cuts.
    pub seed: u64,
    /// Number of power cuts.
    pub cuts: u64,
}

impl Threads {
    /// Runs the threads once without a cut, then once for each cut. Returns the number of cuts.
    ///
    /// # Errors
    /// The first thing that is wrong, with how to see it again.
    pub fn run(&self) -> std::result::Result<u64, String> {
        let Self { seed, cuts } = *self;
        let whole = SimVfs::with_seed(seed);
        let all = run(&whole, seed).map_err(|text| self.failure(None, &text))?;
        check(&whole.crashed(Persistence::None, seed), seed, &all, false)
            .map_err(|text| self.failure(None, &text))?;
        let rng = SeededRng::new(seed);
        for _ in 0..cuts {
            let step = rng.below(whole.steps());
            cut(seed, step).map_err(|text| self.failure(Some(step), &text))?;
        }
        Ok(cuts)
    }

    fn failure(&self, step: Option<u64>, text: &str) -> String {
        let Self { seed, .. } = self;
        let place =
            step.map_or_else(|| "without a cut".to_owned(), |step| format!("cut at {step}"));
        format!(
            "seed {seed}, {place}: {text}\nreplay: LIGHTNING_CRASH_START={seed} \
             LIGHTNING_CRASH_SEEDS=1 cargo test -p lightning-db-tests --test crash background"
        )
    }
}
