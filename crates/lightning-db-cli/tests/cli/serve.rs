//! `serve-metrics`: it answers until it is ended.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::shell::Shell;

fn ask(address: &str, path: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn metrics_are_served_until_sigterm_and_the_end_is_0() {
    let shell = Shell::new();
    shell.ok(["put", "k", "key", "value"]);
    for more in [&[][..], &["--read-only"]] {
        let mut command = shell.command();
        command.args(["--json", "serve-metrics", "--listen", "127.0.0.1:0"]).args(more);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut object = || -> serde_json::Value {
            serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()
        };
        let address = object()["address"].as_str().unwrap().to_owned();
        assert!(ask(&address, "/metrics").contains("\nlightningdb_disk_usage_bytes{kind=\"log\"}"));
        assert!(ask(&address, "/readyz").starts_with("HTTP/1.1 200"));
        assert!(ask(&address, "/health").contains("\"status\":\"healthy\""));
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let report = object();
        assert_eq!(report["cause"]["signal"], "SIGTERM");
        assert_eq!(report["phase"], "complete", "{report}");
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    assert_eq!(shell.ok(["get", "k", "key"]), "value\n");
}

#[test]
fn an_address_that_others_reach_wants_a_token() {
    let shell = Shell::new();
    shell.ok(["put", "k", "key", "value"]);
    let error = shell.fails(2, ["serve-metrics", "--listen", "0.0.0.0:0"]);
    assert!(error.contains("give the endpoint a token"), "{error}");
    let lone = ["serve-metrics", "--tls-certificate", "/nonexistent"];
    assert!(shell.fails(2, lone).contains("--tls-key"));
    let wrong = [&lone[..], &["--tls-key", "/nonexistent"]].concat();
    let error = shell.fails(1, wrong);
    assert!(error.contains("read /nonexistent"), "{error}");
    assert!(shell.fails(2, ["serve-metrics", "--listen", "here"]).contains("--listen"));
    let error = Shell::new().fails(3, ["serve-metrics"]);
    assert!(error.contains("db"), "{error}");
}
