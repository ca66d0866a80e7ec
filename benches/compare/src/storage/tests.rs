//! Every engine of the build goes through every scenario, small.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::*;
use crate::workload::{Key, VALUE_LEN, Values};

fn tiny_plan() -> Plan {
    Plan {
        keys: 300,
        time_min: std::time::Duration::from_micros(100),
        clocked_ops: 100,
        mixed_ops: 100,
        transactions: 5,
        batches: 2,
        large_values: 3,
        durable_time: std::time::Duration::from_millis(1),
        settle_max: std::time::Duration::ZERO,
    }
}

fn setup() -> Setup {
    Setup { level: engine::Level::Buffered, memory: 64 * MIB, value_len: VALUE_LEN }
}

#[test]
fn every_engine_plays_every_act() {
    let dir = tempfile::tempdir().unwrap();
    let selection = Selection::new(&[]).unwrap();
    let load = Load::new(tiny_plan());
    let game = Game {
        selection: &selection,
        contestants: engines::ALL,
        dir: dir.path(),
        load: &load,
        memory: 64 * MIB,
    };
    let mut failures = Vec::new();
    for act in ACTS {
        let comparisons = game.play(act, 1, &mut failures).unwrap();
        assert_eq!(failures, Vec::<String>::new());
        assert_eq!(comparisons.len(), act.steps.len());
        for comparison in comparisons {
            assert_eq!(comparison.entries.len(), engines::ALL.len(), "{comparison:?}");
            for entry in comparison.entries {
                assert!(entry.sample.value > 0.0 && entry.sample.latency.is_some());
            }
        }
    }
}

#[test]
fn reopened_store_has_what_was_filled() {
    for contestant in engines::ALL {
        let dir = tempfile::tempdir().unwrap();
        let lane = (contestant.open)(dir.path(), &setup()).unwrap();
        let time = std::time::Duration::from_mins(1);
        let fill = lane.fill(500, &Values::small(), time).unwrap();
        assert_eq!(fill.keys, 500);
        lane.flush().unwrap();
        lane.close().unwrap();
        let lane = (contestant.open)(dir.path(), &setup()).unwrap();
        let reads = lane.read_for(500, std::time::Duration::from_millis(2)).unwrap();
        assert!(reads.value > 0.0, "{}", contestant.name);
        lane.close().unwrap();
    }
}

#[test]
fn unknown_engines_are_refused_with_the_known_ones() {
    let error = engines::by_name("nosuch").unwrap_err().to_string();
    assert!(error.contains("nosuch") && error.contains("sled"), "{error}");
    for (name, reason) in engines::SKIPPED {
        let error = engines::by_name(name).unwrap_err().to_string();
        assert_eq!(error, format!("{name}: {reason}"));
    }
}

#[test]
fn every_engine_has_a_locked_version() {
    for contestant in engines::ALL {
        assert!(crate::locked_version(contestant.package).is_some(), "{}", contestant.package);
    }
}

/// A map in memory that can be told to return wrong values or to lose keys.
struct Faulty {
    map: Arc<Mutex<BTreeMap<Key, Vec<u8>>>>,
    fault: Fault,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    WrongValue,
    LostKey,
}

struct FaultySession(Faulty);

impl engine::Engine for Faulty {
    type Session = FaultySession;

    fn open(_: &Path, _: &Setup) -> Result<Self> {
        Ok(Self { map: Arc::default(), fault: Fault::None })
    }

    fn session(&self) -> Result<FaultySession> {
        Ok(FaultySession(Self { map: Arc::clone(&self.map), fault: self.fault }))
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn close(self) -> Result<()> {
        Ok(())
    }
}

impl engine::Session for FaultySession {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        let mut value = value.to_vec();
        if self.0.fault == Fault::WrongValue {
            value[99] ^= 1;
        }
        if self.0.fault != Fault::LostKey {
            self.0.map.lock().unwrap().insert(*key, value);
        }
        Ok(())
    }

    fn get_with<R>(&mut self, key: &Key, read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        Ok(self.0.map.lock().unwrap().get(key).map(|value| read(value)))
    }

    fn batch(&mut self, entries: &[(Key, &[u8])]) -> Result<()> {
        entries.iter().try_for_each(|(key, value)| self.put(key, value))
    }

    fn scan(&mut self, _: &Key, _: usize, _: impl FnMut(&[u8], &[u8])) -> Result<usize> {
        Ok(0)
    }

    fn update(&mut self, _: &[Key]) -> Result<()> {
        Ok(())
    }
}

/// The error of the step called `name` on a store with `fault`, if it fails.
fn step_on(fault: Fault, name: &str) -> Option<String> {
    let store = Faulty { map: Arc::default(), fault };
    let mut steps = ACTS.iter().flat_map(|act| act.steps);
    let step = steps.rfind(|step| step.name == name).unwrap();
    Lane::run(&store, *step, &Load::new(tiny_plan())).err().map(|error| error.to_string())
}

#[test]
fn wrong_values_and_lost_keys_are_no_result() {
    assert_eq!(step_on(Fault::None, "rand_write"), None);
    let wrong = step_on(Fault::WrongValue, "rand_write").unwrap();
    assert!(wrong.ends_with("has a wrong value"), "{wrong}");
    let lost = step_on(Fault::LostKey, "rand_write").unwrap();
    assert!(lost.ends_with("is missing"), "{lost}");
    // Nothing was written to this store before it is read.
    for name in ["rand_read", "threads_read", "threads_80_20"] {
        let unread = step_on(Fault::None, name).unwrap();
        assert!(unread.ends_with("is missing"), "{unread}");
    }
    assert!(step_on(Fault::None, "scan_100").unwrap().contains("found 0 entries"));
}

#[test]
fn an_engine_that_fails_is_noted_and_the_others_go_on() {
    let broken = Contestant {
        name: "broken",
        package: "none",
        weaker: &[],
        open: |_, _| Err(anyhow::anyhow!("cannot open")),
    };
    let contestants = [broken, engines::by_name("sled").unwrap()];
    let dir = tempfile::tempdir().unwrap();
    let selection = Selection::new(&["seq_read".to_owned()]).unwrap();
    let load = Load::new(tiny_plan());
    let game = Game {
        selection: &selection,
        contestants: &contestants,
        dir: dir.path(),
        load: &load,
        memory: 64 * MIB,
    };
    let mut failures = Vec::new();
    let comparisons = game.play(&ACTS[0], 2, &mut failures).unwrap();
    assert_eq!(failures, ["broken: open: cannot open"; 2]);
    assert_eq!(comparisons.len(), 1, "only the scenario that was asked for");
    let entries: Vec<&str> = comparisons[0].entries.iter().map(|entry| entry.engine).collect();
    assert_eq!(entries, ["sled"]);
}
