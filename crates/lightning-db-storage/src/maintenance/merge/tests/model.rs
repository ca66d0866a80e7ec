//! Random histories: a merge in slices leaves what a whole one leaves, and readers of the present
//! and of snapshots see the same before, between and after its steps.

use std::collections::BTreeMap;

use lightning_db_types::{Clock, Rng};

use super::*;
use crate::snapshot::Snapshot;
use crate::table::RunCursor;

/// Value and expiry by key.
type State = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

/// A store with what it should hold.
struct Twin {
    store: Store,
    keyspace: Keyspace,
    options: StoreOptions,
    disk: SimVfs,
    clock: SimClock,
    state: State,
    /// Snapshots, and the state and time at which they were made.
    held: Vec<(Snapshot, State, u64)>,
}

impl Twin {
    fn new(slice_size: u64) -> Self {
        let (disk, clock) = (SimVfs::new(), SimClock::default());
        let options = options(&disk, &clock, slice_size);
        let (store, keyspace) = open(&options);
        let (state, held) = (State::new(), Vec::new());
        Self { store, keyspace, options, disk, clock, state, held }
    }

    /// Sets the filter that drops values with an odd first byte.
    fn set_filter(&self) {
        let filter: crate::MergeFilter =
            Arc::new(|_, value: &[u8]| value.first().is_none_or(|first| first % 2 == 0));
        *self.keyspace.inner.merge_filter.write() = Some(filter);
    }

    fn change(&mut self, rng: &SeededRng) {
        let key = match rng.below(20) {
            0 => Vec::new(),
            1 => vec![b'z'; 300],
            _ => format!("{:03}", rng.below(70)).into_bytes(),
        };
        match rng.below(60) {
            0 => {
                self.keyspace.clear().unwrap();
                self.state.clear();
            }
            1..15 => {
                self.keyspace.remove(&key).unwrap();
                self.state.remove(&key);
            }
            15..25 => {
                let (ttl_ms, value) = (1 + rng.below(5_000), self.value(rng));
                let ttl = Duration::from_millis(ttl_ms);
                self.keyspace.insert_with_ttl(&key, &value, ttl).unwrap();
                self.state.insert(key, (value, Some(self.clock.now_unix_ms() + ttl_ms)));
            }
            25..30 => self.clock.advance(Duration::from_millis(rng.below(1_000))),
            30 => {
                let held = (self.store.snapshot(), self.state.clone(), self.clock.now_unix_ms());
                self.held.push(held);
            }
            31 if !self.held.is_empty() => drop(self.held.remove(0)),
            _ => {
                let value = self.value(rng);
                self.keyspace.insert(&key, &value).unwrap();
                self.state.insert(key, (value, None));
            }
        }
    }

    fn value(&self, rng: &SeededRng) -> Vec<u8> {
        let len = usize::try_from(rng.below(60)).unwrap();
        let mut value = self.store.last_lsn().to_le_bytes().to_vec();
        value.resize(8 + len, b'v');
        value
    }

    /// Compares everything that readers can see with the model.
    fn check(&self, context: &str) {
        let present = live(&self.state, self.clock.now_unix_ms());
        let found: Vec<_> = self.keyspace.iter().map(Result::unwrap).collect();
        assert_same(&found, &present, context);
        let mut back: Vec<_> = self.keyspace.iter().rev().map(Result::unwrap).collect();
        back.reverse();
        assert_same(&back, &present, &format!("{context}, backward"));
        assert_eq!(self.keyspace.len().unwrap(), present.len() as u64, "{context}");
        // Cached rows would answer for the tables.
        self.keyspace.inner.rows.clear();
        for number in 0..70 {
            let key = format!("{number:03}").into_bytes();
            let found = self.keyspace.get(&key).unwrap();
            let expected = present.iter().find(|(other, _)| *other == key);
            let expected = expected.map(|(_, value)| &value[..]);
            assert_eq!(found.as_deref(), expected, "{context}, key {number}");
        }
        for (snapshot, state, now_ms) in &self.held {
            let context = format!("{context}, snapshot of {}", snapshot.lsn());
            let found: Vec<_> = snapshot.iter(&self.keyspace).map(Result::unwrap).collect();
            assert_same(&found, &live(state, *now_ms), &context);
            for (key, value) in found.iter().step_by(7) {
                let one = snapshot.get(&self.keyspace, key).unwrap();
                assert_eq!(one.as_ref(), Some(value), "{context}");
            }
        }
    }

    /// Every entry of the tables that counts, with the order of its run.
    fn entries(&self) -> Vec<(u64, Vec<u8>)> {
        let mut out = Vec::new();
        for run in &self.keyspace.inner.view.load().runs {
            let mut cursor = RunCursor::new(Arc::clone(&run.tables));
            cursor.seek_first().unwrap();
            while let Some(entry) = cursor.entry() {
                out.push((run.order, entry.to_vec()));
                cursor.next().unwrap();
            }
        }
        out
    }

    /// Opens it again after a power cut. Snapshots are gone then.
    fn crash(&mut self) {
        self.held.clear();
        self.disk = self.disk.crashed(Persistence::None, 0);
        self.options.vfs = Arc::new(self.disk.clone());
        (self.store, self.keyspace) = open(&self.options);
    }
}

fn live(state: &State, now_ms: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let live = state.iter().filter(|(_, (_, expiry))| expiry.is_none_or(|at| at > now_ms));
    live.map(|(key, (value, _))| (key.clone(), value.clone())).collect()
}

#[track_caller]
fn assert_same(found: &[(crate::Slice, crate::Slice)], expected: &[(Vec<u8>, Vec<u8>)], at: &str) {
    let found: Vec<_> = found.iter().map(|(key, value)| (&key[..], &value[..])).collect();
    let expected: Vec<_> = expected.iter().map(|(key, value)| (&key[..], &value[..])).collect();
    assert_eq!(found, expected, "{at}");
}

#[test]
fn sliced_merge_leaves_what_a_whole_one_leaves() {
    for seed in 0..60 {
        let mut twins = [1 + seed * 37, u64::MAX].map(Twin::new);
        for twin in &mut twins {
            let rng = SeededRng::new(seed);
            if seed % 3 == 0 {
                twin.set_filter();
            }
            for _ in 0..2 + rng.below(5) {
                (0..rng.below(150)).for_each(|_| twin.change(&rng));
                twin.store.checkpoint().unwrap();
            }
            begin(&twin.keyspace, 0..runs_of(&twin.keyspace));
            while advance(&twin.keyspace).unwrap() {}
            assert!(runs_of(&twin.keyspace) <= 1, "seed {seed}");
            assert!(twin.store.check(crate::Depth::Deep).unwrap().is_ok(), "seed {seed}");
        }
        let [sliced, whole] = twins.map(|twin| twin.entries());
        assert_eq!(sliced, whole, "seed {seed}");
    }
}

#[test]
fn readers_see_the_same_at_every_step_of_every_merge() {
    for seed in 0..60 {
        let rng = SeededRng::new(1_000 + seed);
        let mut twin = Twin::new(1 + rng.below(3_000));
        for round in 0..6 {
            for _ in 0..=rng.below(3) {
                (0..rng.below(100)).for_each(|_| twin.change(&rng));
                twin.store.checkpoint().unwrap();
            }
            let runs = runs_of(&twin.keyspace) as u64;
            if runs == 0 {
                continue;
            }
            let from = rng.below(runs);
            let to = from + 1 + rng.below(runs - from);
            begin(&twin.keyspace, usize::try_from(from).unwrap()..usize::try_from(to).unwrap());
            for step in 0.. {
                if !advance(&twin.keyspace).unwrap() {
                    break;
                }
                let context = format!("seed {seed}, round {round}, {from}..{to}, step {step}");
                twin.check(&context);
                match rng.below(40) {
                    // The merge goes on beside new commits, flushes and snapshots.
                    0..10 => twin.change(&rng),
                    10 => twin.store.checkpoint().unwrap(),
                    // It is cut off; what is picked next begins with a key of its own.
                    11 => twin.keyspace.engine.work.merge_turn.lock().jobs.clear(),
                    12 => twin.crash(),
                    _ => {}
                }
                twin.check(&format!("{context}, behind it"));
            }
            assert!(
                twin.store.check(crate::Depth::Deep).unwrap().is_ok(),
                "seed {seed}, round {round}"
            );
        }
        twin.store.compact().unwrap();
        twin.check(&format!("seed {seed}, compacted"));
        assert!(runs_of(&twin.keyspace) <= 1, "seed {seed}");
    }
}
