//! `keyspaces`, `stats`, `compact`, `check`, `repair`, `backup` and `restore`.

use serde_json::{Value, json};

use crate::shell::{Shell, exists, texts};

/// A store with two thousand rows, all of them in tables.
fn filled() -> Shell {
    let shell = Shell::new();
    let rows = texts(0..2_000, |id| {
        format!("{{\"id\":\"{id:05}\",\"text\":\"{:x}\"}}\n", id * 7_919_u64.pow(3))
    });
    let file = shell.file("rows.jsonl", rows);
    shell.ok(["import", "k", &file, "--key", "id", "-q"]);
    assert!(shell.ok(["compact"]).starts_with("compacted to "));
    shell
}

fn rows(shell: &Shell) -> usize {
    shell.ok(["scan", "k"]).lines().count()
}

#[test]
fn keyspaces_and_numbers_are_shown() {
    let shell = filled();
    shell.ok(["put", "another", "a", "1"]);
    assert_eq!(shell.ok(["keyspaces"]), "another\nk\n");
    let names = [json!({ "keyspace": "another" }), json!({ "keyspace": "k" })];
    assert_eq!(shell.json(&["keyspaces"]), names);

    let stats = &shell.json(&["stats"])[0];
    assert_eq!(stats["keyspaces"][1]["name"], "k");
    assert_eq!(stats["keyspaces"][1]["approximate_len"], 2_000);
    assert!(stats["disk"]["total"].as_u64() > stats["disk"]["tables"].as_u64());
    let text = shell.ok(["stats"]);
    assert!(text.contains("newest commit") && text.contains("2,000"), "{text}");
}

#[test]
fn quiet_leaves_results_only() {
    let shell = filled();
    assert_eq!(shell.ok(["compact", "-q"]), "");
    assert_eq!(shell.ok(["check", "--quiet"]), "");
    assert_eq!(shell.ok(["keyspaces", "-q"]), "k\n");
    assert_eq!(shell.json(&["check", "-q"])[0]["ok"], true);
}

#[test]
fn whole_store_passes_the_check() {
    let shell = filled();
    assert!(shell.ok(["check"]).starts_with("no damage found: checked "));
    let report = &shell.json(&["check", "--deep"])[0];
    assert_eq!((&report["ok"], &report["problems"]), (&json!(true), &json!([])));
    assert!(report["blocks"].as_u64() > Some(0));
}

#[test]
fn flipped_bit_is_found_and_the_rest_is_repaired() {
    let shell = filled();
    shell.flip_a_bit("db/tables");
    let outcome = shell.run(["check", "--deep"]);
    assert_eq!(outcome.code, 4, "{outcome:?}");
    assert!(outcome.out.starts_with("damaged: ") && outcome.out.contains(".table"), "{outcome:?}");
    assert!(outcome.err.starts_with("error: failed to find the store whole: 1 file damaged"));
    let outcome = shell.run(["check", "--deep", "--json"]);
    let report: Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!((outcome.code, &report["ok"]), (4, &json!(false)));
    assert!(report["problems"][0]["path"].as_str().unwrap().contains("tables"));
    let error = shell.fails(4, ["scan", "k"]);
    assert!(error.contains("damaged at byte"), "{error}");

    let report = &shell.json(&["repair"])[0];
    assert_eq!(report["tables_salvaged"], 1);
    assert_eq!(report["lost"][0]["keyspace"], "k");
    shell.ok(["check", "--deep"]);
    let left = rows(&shell);
    assert!(left > 0 && left < 2_000, "{left}");
    assert!(shell.ok(["repair"]).contains("nothing was lost"));
    assert_eq!(rows(&shell), left);
}

#[test]
fn damaged_manifest_is_found_and_made_again() {
    let shell = filled();
    std::fs::write(shell.path("db/manifest"), b"not a manifest").unwrap();
    assert_eq!(shell.run(["check"]).code, 4);
    shell.fails(4, ["get", "k", "00001"]);
    let text = shell.ok(["repair"]);
    assert!(text.contains("manifest was damaged"), "{text}");
    assert_eq!(rows(&shell), 2_000);
}

#[test]
fn store_in_use_is_not_repaired() {
    let shell = filled();
    let mut pipe = shell.pipe(&[]);
    pipe.ask("put a 1");
    assert!(shell.fails(1, ["repair"]).contains("in use"));
    shell.fails(1, ["compact"]);
    pipe.end();
}

#[test]
fn commands_on_a_store_that_is_not_there_end_with_3() {
    let shell = Shell::new();
    let backup = shell.arg("backup");
    for args in [
        &["keyspaces"][..],
        &["stats"],
        &["compact"],
        &["check"],
        &["repair"],
        &["backup", &backup],
        &["restore", &backup],
    ] {
        shell.fails(3, args);
        assert!(!exists(&shell.path("db")) && !exists(&shell.path("backup")), "{args:?}");
    }
}

#[test]
fn restored_backup_is_the_store_as_it_was() {
    let shell = filled();
    let backup = shell.arg("backup");
    let report = &shell.json(&["backup", &backup])[0];
    assert!(report["files_copied"].as_u64() > Some(0));
    let before = shell.ok(["scan", "k"]);
    shell.ok(["del", "k", "00001"]);
    assert!(shell.ok(["backup", &backup]).starts_with("backed up to "));
    shell.ok(["put", "k", "00001", "new"]);

    let error = shell.fails(1, ["restore", &backup]);
    assert!(error.contains("is not empty"), "{error}");
    std::fs::rename(shell.path("db"), shell.path("old")).unwrap();
    assert!(shell.ok(["restore", &backup]).starts_with("restored "));
    let after = shell.ok(["scan", "k"]);
    let expected = before.lines().filter(|line| !line.starts_with("00001\t"));
    assert!(after.lines().eq(expected), "{after}");
}

#[test]
fn backup_is_made_beside_a_writer() {
    let shell = filled();
    let mut pipe = shell.pipe(&[]);
    pipe.ask("put a 1");
    let backup = shell.arg("backup");
    let outcome = shell.run(["--read-only", "backup", &backup]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.err.contains("what is in the log alone is not copied"), "{outcome:?}");
    pipe.end();
    std::fs::rename(shell.path("db"), shell.path("old")).unwrap();
    shell.ok(["restore", &backup]);
    assert!(rows(&shell) >= 2_000);
}

#[test]
fn damaged_backup_is_not_restored() {
    let shell = filled();
    let backup = shell.arg("backup");
    shell.ok(["backup", &backup]);
    shell.flip_a_bit("backup/tables");
    std::fs::rename(shell.path("db"), shell.path("old")).unwrap();
    shell.fails(4, ["restore", &backup]);
    assert!(!exists(&shell.path("db")));
}
