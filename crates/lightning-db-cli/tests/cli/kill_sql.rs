//! A process that is killed within COPY or CREATE INDEX leaves the table as it was, or done.
//!
//! It dies with SIGKILL when it has used a drawn share of the processor time that the statement
//! takes, which Linux tells. `KILL_SEED` and `KILLS` set the moments and their number.

use std::fs;
use std::process::{Child, Stdio};
use std::thread;

use lightning_db::types::{Rng, SeededRng};

use crate::shell::{Shell, texts};

const SEED: u64 = 0x5eed;
const KILLS: u64 = 8;
/// Rows from before, and those of the file.
const ROWS: [u64; 2] = [100, 6_000];

/// Indexes, each with a question that it answers and one that is answered without it.
const INDEXES: [(&str, &str, &str); 5] = [
    ("(a, id)", "a = 7", "a + 0 = 7"),
    ("USING hash (name)", "name = 'name 70'", "name || '' = 'name 70'"),
    ("USING bitmap (a)", "a IN (3, 5)", "a + 0 IN (3, 5)"),
    ("USING rtree (at)", "plane_dwithin(at, point(5, 5), 3)", "a BETWEEN 2 AND 8"),
    ("USING fulltext (name)", "match(name, '70')", "name = 'name 70'"),
];

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |number| number.parse().unwrap())
}

/// A table with some rows, and a file with many more.
fn table() -> (Shell, String) {
    let shell = Shell::new();
    let row = |id| format!("{id},{},name {},\"({}.0,5.0)\"\n", id % 50, id % 400, id % 50);
    let some = shell.file("some.csv", texts(0..ROWS[0], row));
    let many = shell.file("many.csv", texts(ROWS[0]..ROWS[0] + ROWS[1], row));
    shell.ok([
        "-c",
        "CREATE TABLE t (id BIGINT PRIMARY KEY, a BIGINT, name TEXT, at POINT NOT NULL);
         CREATE INDEX t_name ON t (name)",
    ]);
    shell.ok(["-c", &format!("COPY t FROM '{some}'")]);
    (shell, format!("COPY t FROM '{many}'"))
}

/// Nanoseconds of the processor that the first thread has used.
fn time_of(child: &Child) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{}/schedstat", child.id())).ok()?;
    text.split(' ').next()?.parse().ok()
}

/// Runs a statement until it ends or has used so much time; gives the time, and whether it ended.
fn run_until(shell: &Shell, sql: &str, limit: u64) -> (u64, bool) {
    let mut command = shell.command();
    let mut child = command.args(["-c", sql]).stdin(Stdio::null()).spawn().unwrap();
    let mut used = 0;
    loop {
        used = time_of(&child).unwrap_or(used).max(used);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{sql}");
            return (used, true);
        }
        if used >= limit {
            child.kill().unwrap();
            child.wait().unwrap();
            return (used, false);
        }
        thread::yield_now();
    }
}

fn count(shell: &Shell, condition: &str) -> u64 {
    let sql = format!("SELECT count(*) FROM t WHERE {condition}");
    shell.ok(["--csv", "-c", &sql]).lines().nth(1).unwrap().parse().unwrap()
}

/// Kills `sql` at drawn moments; `check` is told each time whether it had ended.
fn kill(
    (shell, seed): (&Shell, u64),
    sql: impl Fn(u64) -> String,
    undo: &str,
    check: impl Fn(u64, bool),
) {
    let kills = number("KILLS", KILLS);
    let rng = SeededRng::new(seed);
    let mut killed = 0;
    for life in 0..kills {
        let (whole, _) = run_until(shell, &sql(life), u64::MAX);
        shell.ok(["-c", undo]);
        let (_, ended) = run_until(shell, &sql(life), rng.below(whole));
        killed += u64::from(!ended);
        check(life, ended);
        shell.ok(["check", "--deep"]);
        shell.ok(["-c", undo]);
    }
    assert!(killed * 2 > kills, "{killed} of {kills} were killed");
}

#[test]
fn a_killed_copy_has_loaded_all_rows_or_none() {
    let seed = number("KILL_SEED", SEED);
    println!("seed {seed}; replay with KILL_SEED={seed}");
    let (shell, copy) = table();
    let undo = format!("DELETE FROM t WHERE id >= {}", ROWS[0]);
    kill(
        (&shell, seed),
        |_| copy.clone(),
        &undo,
        |life, ended| {
            let found = count(&shell, "TRUE");
            let is_whole = found == ROWS[0] + ROWS[1] || found == ROWS[0] && !ended;
            assert!(is_whole, "life {life}: {found} rows");
            let [by_index, without] = ["name = 'name 70'", "name || '' = 'name 70'"]
                .map(|condition| count(&shell, condition));
            assert_eq!(by_index, without, "life {life}");
        },
    );
}

#[test]
fn an_index_whose_build_was_killed_is_absent_or_answers_right() {
    let seed = number("KILL_SEED", SEED);
    println!("seed {seed}; replay with KILL_SEED={seed}");
    let (shell, copy) = table();
    shell.ok(["-c", &copy]);
    let index = |life: u64| INDEXES[usize::try_from(life).unwrap() % INDEXES.len()];
    let sql = |life| format!("CREATE INDEX made ON t {}", index(life).0);
    kill((&shell, seed), sql, "DROP INDEX IF EXISTS made", |life, ended| {
        let (_, indexed, plain) = index(life);
        // Text that has no index cannot be asked; all else is answered without it.
        let is_there = shell.ok(["-c", ".schema t"]).contains("made");
        assert!(is_there || !ended, "life {life}");
        if is_there || !indexed.contains("match") {
            assert_eq!(count(&shell, indexed), count(&shell, plain), "life {life}: {indexed}");
        }
        assert_eq!(count(&shell, "TRUE"), ROWS[0] + ROWS[1]);
    });
}
