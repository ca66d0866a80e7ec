//! A process that is killed under load has kept every `ok` that it printed.
//!
//! One store lives through all kills. Each life writes lines as fast as it can; when it has
//! answered a drawn number of them it is killed with SIGKILL, mid-flight; the answers that were
//! still in the pipe count too. This shows what the death of a process leaves, not what a power cut
//! does: that is the simulated disk's part.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::thread;

use lightning_db::storage::Depth;
use lightning_db::types::{Rng, SeededRng};
use lightning_db::{Durability, StoreOptions};

use crate::shell::Shell;

const KILLS: u64 = 200;
const SEED: u64 = 0x5eed;
/// Lines of one life above those that it is let answer.
const LINES_AHEAD: u64 = 5_000;

#[test]
fn every_ok_of_200_killed_processes_is_there() {
    let seed = std::env::var("KILL_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    println!("seed {seed}; replay with KILL_SEED={seed}");
    let rng = SeededRng::new(seed);
    let shell = Shell::new();
    let mut acknowledged = BTreeMap::new();
    for life in 0..KILLS {
        let level = if rng.one_in(4) { "sync" } else { "buffered" };
        let answers_wanted = 1 + rng.below(if level == "sync" { 400 } else { 3_000 });
        live(&shell, life, level, answers_wanted, &mut acknowledged);
        if life % 20 == 19 {
            check(&shell, &acknowledged, life);
        }
    }
}

/// Line `n` of a life: keys of earlier lives are overwritten and removed too.
fn line(life: u64, n: u64) -> (String, Option<String>) {
    let key = format!("key{:05}", (n * 7_919 + life * 13) % 5_000);
    let value = (n % 5 != 4).then(|| format!("life {life} line {n} {}", "x".repeat(100)));
    (key, value)
}

fn live(
    shell: &Shell,
    life: u64,
    level: &str,
    answers_wanted: u64,
    acknowledged: &mut BTreeMap<String, Written>,
) {
    let mut pipe = shell.pipe(&["--durability", level]);
    let mut input = pipe.take_input();
    let lines = answers_wanted + LINES_AHEAD;
    let writer = thread::spawn(move || {
        for n in 0..lines {
            let (key, value) = line(life, n);
            let text = value.map_or(format!("del {key}\n"), |value| format!("put {key} {value}\n"));
            // The pipe breaks when its reader is killed.
            if input.write_all(text.as_bytes()).is_err() {
                return;
            }
        }
    });
    let mut answered = 0;
    while answered < answers_wanted {
        assert_eq!(pipe.answer(), format!("ok {}", answered + 1), "life {life}");
        answered += 1;
    }
    let mut rest = pipe.kill_and_take_output();
    writer.join().unwrap();
    // What was printed before the end counts; the last line may be cut short.
    let mut text = String::new();
    while rest.read_line(&mut text).unwrap() > 0 && text.ends_with('\n') {
        answered += 1;
        assert_eq!(text, format!("ok {answered}\n"), "life {life}");
        text.clear();
    }
    for n in 0..lines {
        let (key, value) = line(life, n);
        let written = acknowledged.entry(key).or_default();
        if n < answered {
            *written = Written { kept: value, later: Vec::new() };
        } else {
            // Committed or not: both are right.
            written.later.push((life, n));
        }
    }
}

/// What is known of a key: its last acknowledged value, and lines behind it, by life and number, of
/// which nothing is known.
#[derive(Debug, Default)]
struct Written {
    kept: Option<String>,
    later: Vec<(u64, u64)>,
}

fn check(shell: &Shell, acknowledged: &BTreeMap<String, Written>, life: u64) {
    let options = StoreOptions::new(shell.path("db")).durability(Durability::Sync);
    let (store, _) = options.open().unwrap();
    let keyspace = store.open_keyspace("k").unwrap();
    for (key, written) in acknowledged {
        let found = keyspace.get(key).unwrap();
        let found = found.map(|value| String::from_utf8(value.to_vec()).unwrap());
        let later = |&(life, n): &(u64, u64)| line(life, n).1 == found;
        let known = found == written.kept || written.later.iter().any(later);
        assert!(known, "after life {life} key {key} is {found:?}, not {written:?}");
    }
    assert!(store.check(Depth::Deep).unwrap().is_ok());
}
