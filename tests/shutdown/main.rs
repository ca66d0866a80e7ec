//! Real processes that get real signals.
#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is not there")]

mod process;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

use process::Child;

const RUNS: u64 = 50;
const CLIENTS: u64 = 4;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn sigterm_under_load_loses_no_acknowledged_request() {
    let start = number("LIGHTNING_SIGTERM_START").unwrap_or(0);
    let runs = number("LIGHTNING_SIGTERM_RUNS").unwrap_or(RUNS);
    let dir = tempfile::tempdir().unwrap();
    let (state, journal) = (dir.path().join("state.json"), dir.path().join("journal"));
    for run in start..start + runs {
        let mut child = Child::start("serve", &[&state, &journal]);
        let address = child.line();
        let previous = (run > start).then(|| child.line());
        assert!(previous.is_none_or(|line| line == "previous clean: true"), "run {run}");
        let answered = AtomicU64::new(0);
        // Requests before the signal, so that each run is hit somewhere else.
        let signal_at = run.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54;
        let acknowledged: BTreeSet<u64> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let (address, answered, child) = (&address, &answered, &child);
                    let requests = (0..).map(move |count| count * CLIENTS + client);
                    scope.spawn(move || {
                        let mut acknowledged = Vec::new();
                        ask(address, requests, |request| {
                            acknowledged.push(request);
                            if answered.fetch_add(1, Ordering::Relaxed) == signal_at {
                                child.terminate();
                            }
                        });
                        acknowledged
                    })
                })
                .collect();
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        });
        let (status, report) = child.end();
        assert_eq!(status.code(), Some(0), "run {run}: {report}");
        assert_eq!(report["cause"]["signal"], "SIGTERM");
        let taken = std::fs::read_to_string(&journal).unwrap();
        let taken: BTreeSet<u64> = taken.lines().map(|line| line.parse().unwrap()).collect();
        let lost: Vec<_> = acknowledged.difference(&taken).collect();
        assert!(lost.is_empty(), "LIGHTNING_SIGTERM_START={run} lost {lost:?}");
        assert!(acknowledged.len() as u64 > signal_at, "run {run}");
    }
}

/// Sends requests one by one until the server answers no more.
fn ask(address: &str, requests: impl Iterator<Item = u64>, mut on_answer: impl FnMut(u64)) {
    let Ok(mut socket) = TcpStream::connect(address) else { return };
    socket.set_nodelay(true).unwrap();
    let mut answers = BufReader::new(socket.try_clone().unwrap());
    for request in requests {
        if writeln!(socket, "{request}").is_err() {
            return;
        }
        let mut answer = String::new();
        if !answers.read_line(&mut answer).is_ok_and(|len| len > 0) || !answer.ends_with('\n') {
            return;
        }
        assert_eq!(answer.trim(), request.to_string());
        on_answer(request);
    }
}

#[test]
fn the_second_signal_forces() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Child::start("hang-in-drain", &[&dir.path().join("state")]);
    assert_eq!(child.line(), "running");
    child.terminate();
    assert_eq!(child.line(), "drain");
    child.terminate();
    assert_eq!(child.line(), "force");
    let (status, report) = child.end();
    assert_eq!(status.code(), Some(3));
    assert_eq!(report["forced"], true);
    assert_eq!(report["phase"], "failed");
    assert_eq!(report["components"][0]["stages"][0]["outcome"], "timed_out");
    assert_eq!(report["components"][0]["stages"][1]["outcome"], "ok");
}

#[test]
fn the_third_signal_aborts_and_the_next_start_knows() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let mut child = Child::start("hang-in-force", &[&state]);
    assert_eq!(child.line(), "running");
    child.terminate();
    assert_eq!(child.line(), "drain");
    child.terminate();
    assert_eq!(child.line(), "force");
    child.terminate();
    assert!(child.is_aborted());
    let mut child = Child::start("hang-in-drain", &[&state]);
    assert_eq!(child.line(), "running");
    assert_eq!(child.line(), "previous clean: false");
}
