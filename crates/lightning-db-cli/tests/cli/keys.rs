//! `put`, `get`, `del`, `scan`, and what is the same for all commands.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::shell::{Outcome, Shell, exists, texts};

#[test]
fn value_is_there_in_the_next_process() {
    let shell = Shell::new();
    assert_eq!(shell.ok(["put", "k", "a", "one two"]), "");
    assert_eq!(shell.ok(["get", "k", "a"]), "one two\n");
    shell.ok(["put", "k", "a", "three"]);
    assert_eq!(shell.ok(["get", "k", "a"]), "three\n");
    shell.ok(["del", "k", "a"]);
    let error = shell.fails(3, ["get", "k", "a"]);
    let expected = "error: failed to get \"a\": keyspace \"k\" has no such key\n";
    assert_eq!(error, expected);
    shell.ok(["del", "k", "a"]);
}

#[test]
fn empty_values_and_keys_are_kept() {
    let shell = Shell::new();
    shell.ok(["put", "k", "", ""]);
    assert_eq!(shell.ok(["get", "k", ""]), "\n");
    assert_eq!(shell.json(&["get", "k", ""]), [json!({ "key": "", "value": "" })]);
}

#[test]
fn reading_never_makes_a_store_or_a_keyspace() {
    let shell = Shell::new();
    for args in [&["get", "k", "a"][..], &["scan", "k"], &["del", "k", "a"], &["stats"]] {
        let error = shell.fails(3, args);
        assert!(error.starts_with("error: failed to open ") && error.contains("no store here"));
        assert!(!exists(&shell.path("db")));
    }
    shell.ok(["put", "k", "a", "1"]);
    let error = shell.fails(3, ["scan", "other"]);
    assert!(error.contains("keyspace \"other\""), "{error}");
    assert_eq!(shell.ok(["keyspaces"]), "k\n");
}

#[test]
fn folder_that_holds_no_store_is_not_found() {
    let shell = Shell::new();
    std::fs::create_dir(shell.path("db")).unwrap();
    shell.fails(3, ["get", "k", "a"]);
    shell.fails(3, ["check"]);
}

#[test]
fn json_is_lossless_and_text_is_escaped() {
    use std::os::unix::ffi::OsStringExt;
    let shell = Shell::new();
    let bytes = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    shell.ok(["put".into(), "k".into(), bytes(b"a\xff"), bytes(b"\xfe\tb")]);
    shell.ok(["put", "k", "b\t\n", "c\td\n\u{e9}"]);
    assert_eq!(shell.ok(["scan", "k"]), "a\\xff\t\\xfe\tb\nb\\x09\\x0a\tc\td\\x0a\u{e9}\n");
    let expected = [
        json!({ "key_hex": "61ff", "value_hex": "fe0962" }),
        json!({ "key": "b\t\n", "value": "c\td\n\u{e9}" }),
    ];
    assert_eq!(shell.json(&["scan", "k"]), expected);
    assert_eq!(shell.ok(["get", "k", "b\t\n"]), "c\td\n\u{e9}\n");
    assert_eq!(shell.ok(["get".into(), "k".into(), bytes(b"a\xff")]), "\\xfe\tb\n");
}

#[test]
fn writes_answer_in_json_with_their_commit() {
    let shell = Shell::new();
    let first = shell.json(&["put", "k", "a", "1"]);
    let second = shell.json(&["del", "k", "a"]);
    assert_eq!(first[0]["ok"], true);
    assert!(second[0]["lsn"].as_u64() > first[0]["lsn"].as_u64());
}

#[test]
fn scan_takes_prefix_bounds_limit_and_direction() {
    let shell = Shell::new();
    for key in ["a1", "a2", "a3", "b1", "b2"] {
        shell.ok(["put", "k", key, "v"]);
    }
    let check = |args: &[&str], expected: &[&str]| {
        let out = shell.ok(["scan", "k"].iter().chain(args));
        let keys: Vec<&str> = out.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(keys, expected, "{args:?}");
    };
    check(&[], &["a1", "a2", "a3", "b1", "b2"]);
    check(&["--prefix", "a"], &["a1", "a2", "a3"]);
    check(&["--start", "a2", "--end", "b2"], &["a2", "a3", "b1"]);
    check(&["--prefix", "a", "--start", "a2"], &["a2", "a3"]);
    check(&["--reverse", "--limit", "2"], &["b2", "b1"]);
    check(&["--prefix", "a", "--reverse", "--end", "a3"], &["a2", "a1"]);
    check(&["--limit", "0"], &[]);
    check(&["--start", "b", "--end", "a"], &[]);
    check(&["--start", "b", "--end", "a", "--reverse"], &[]);
}

#[test]
fn wrong_command_lines_end_with_2() {
    let shell = Shell::new();
    for args in [
        &["put", "k", "a"][..],
        &["fetch"],
        &["scan", "k", "--limit", "x"],
        &["put", "k", "a", "b", "--durability", "most"],
        &["import", "k", "rows.csv"],
        &["import", "k", "rows.xml", "--key", "id"],
        &["export", "k", "rows"],
    ] {
        shell.fails(2, args);
    }
    assert!(!exists(&shell.path("db")));
    let bare = Outcome::of(&mut Command::new(env!("CARGO_BIN_EXE_lightning")));
    assert_eq!(bare.code, 2, "{bare:?}");
    let help = shell.ok(["--help"]);
    assert!(help.contains("4  the store is damaged"), "{help}");
}

#[test]
fn store_is_named_by_option_environment_or_default() {
    let shell = Shell::new();
    let mut command = shell.command();
    let program = command.get_program().to_owned();
    assert_eq!(Outcome::of(command.args(["put", "k", "a", "option"])).code, 0);
    let bare = |name: Option<&str>, args: &[&str]| {
        let mut command = std::process::Command::new(&program);
        command.env_remove("LIGHTNING_DB").current_dir(shell.path("")).args(args);
        command.envs(name.map(|name| ("LIGHTNING_DB", name)));
        Outcome::of(&mut command)
    };
    assert_eq!(bare(Some("db"), &["get", "k", "a"]).out, "option\n");
    assert_eq!(bare(None, &["get", "k", "a"]).code, 3);
    assert_eq!(bare(None, &["put", "k", "a", "default"]).code, 0);
    assert!(exists(&shell.path("lightning.db")));
}

#[test]
fn every_level_keeps_what_a_finished_process_wrote() {
    let shell = Shell::new();
    for level in ["memory", "buffered", "sync"] {
        shell.ok(["--durability", level, "put", "k", level, "v"]);
    }
    assert_eq!(shell.ok(["scan", "k"]).lines().count(), 3);
}

#[test]
fn read_only_refuses_to_write() {
    let shell = Shell::new();
    assert!(shell.fails(1, ["--read-only", "put", "k", "a", "1"]).contains("read-only"));
    assert!(!exists(&shell.path("db")));
    shell.ok(["put", "k", "a", "1"]);
    assert!(shell.fails(1, ["--read-only", "del", "k", "a"]).contains("read-only"));
    assert_eq!(shell.ok(["--read-only", "get", "k", "a"]), "1\n");
}

#[test]
fn reader_that_goes_away_is_no_error() {
    let shell = Shell::new();
    let row = format!("{{\"id\":\"%\",\"v\":\"{}\"}}\n", "x".repeat(1_000));
    let rows = texts(0..300, |id| row.replace('%', &id.to_string()));
    let file = shell.file("rows.jsonl", rows);
    shell.ok(["import", "k", &file, "--key", "id"]);
    let mut command = shell.command();
    command.args(["scan", "k"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}
