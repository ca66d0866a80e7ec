//! `pipe`: one answer for each line, and what an answer is worth.

use serde_json::json;

use crate::shell::{Shell, parse_lines, texts};

#[test]
fn each_line_gets_its_answer_at_once() {
    let shell = Shell::new();
    let mut pipe = shell.pipe(&[]);
    assert_eq!(pipe.ask("put a one two "), "ok 1");
    assert_eq!(pipe.ask("get a"), "ok 2 one two ");
    assert_eq!(pipe.ask("get b"), "none 3");
    assert_eq!(pipe.ask("del a"), "ok 4");
    assert_eq!(pipe.ask("del a"), "ok 5");
    assert_eq!(pipe.ask("get a"), "none 6");
    assert_eq!(pipe.ask("put e "), "ok 7");
    assert_eq!(pipe.ask("get e"), "ok 8 ");
    let (answers, code) = pipe.end();
    assert_eq!((answers.len(), code), (0, 0));
}

#[test]
fn malformed_lines_are_answered_and_the_run_goes_on() {
    let shell = Shell::new();
    let mut pipe = shell.pipe(&[]);
    for (index, line) in ["", "put", "put a", "get", "get a b", "del", "take a"].iter().enumerate()
    {
        let answer = pipe.ask(line);
        assert!(answer.starts_with(&format!("error {}: ", index + 1)), "{line:?}: {answer}");
    }
    let key = "k".repeat(70_000);
    let answer = pipe.ask(&format!("put {key} v"));
    assert!(answer.starts_with("error 8: failed to write: key of 70000 bytes"), "{answer}");
    assert_eq!(pipe.ask("put a b"), "ok 9");
    assert_eq!(pipe.end().1, 0);
    assert_eq!(shell.ok(["get", "k", "a"]), "b\n");
}

#[test]
fn lines_that_come_together_are_answered_in_order() {
    for level in ["memory", "buffered", "sync"] {
        let shell = Shell::new();
        let mut pipe = shell.pipe(&["--durability", level]);
        let lines = texts(1..2_001, |n| format!("put {n:05} v{n}\nget {n:05}\n"));
        // The last line has no end.
        pipe.send(format!("{lines}get 00001").as_bytes());
        let (answers, code) = pipe.end();
        assert_eq!((answers.len(), code), (4_001, 0));
        for n in 1..=2_000_usize {
            assert_eq!(answers[2 * n - 2], format!("ok {}", 2 * n - 1));
            assert_eq!(answers[2 * n - 1], format!("ok {} v{n}", 2 * n));
        }
        assert_eq!(answers[4_000], "ok 4001 v1");
    }
}

#[test]
fn acknowledged_lines_survive_a_killed_process() {
    for level in ["buffered", "sync"] {
        let shell = Shell::new();
        let mut pipe = shell.pipe(&["--durability", level]);
        let lines = texts(0..500, |n| format!("put {n:03} v\n"));
        pipe.send(lines.as_bytes());
        for n in 1..=500 {
            assert_eq!(pipe.answer(), format!("ok {n}"));
        }
        pipe.kill();
        assert_eq!(shell.ok(["scan", "k"]).lines().count(), 500, "{level}");
    }
}

#[test]
fn store_in_use_is_refused_and_read_only_works_beside_it() {
    let shell = Shell::new();
    let mut pipe = shell.pipe(&[]);
    assert_eq!(pipe.ask("put a 1"), "ok 1");
    let error = shell.fails(1, ["get", "k", "a"]);
    assert!(error.contains("in use by another process"), "{error}");
    shell.fails(1, ["put", "k", "a", "2"]);
    assert_eq!(shell.ok(["--read-only", "get", "k", "a"]), "1\n");
    assert_eq!(pipe.ask("put a 2"), "ok 2");
    assert_eq!(shell.ok(["--read-only", "scan", "k"]), "a\t2\n");
    pipe.end();
    assert_eq!(shell.ok(["get", "k", "a"]), "2\n");
}

#[test]
fn answers_in_json_are_objects() {
    let shell = Shell::new();
    let mut pipe = shell.pipe(&["--json"]);
    pipe.send(b"put a \xff\nget a\nget b\nput c d\nget c\nnothing\n");
    let (answers, _) = pipe.end();
    let answers = parse_lines(&answers.join("\n"));
    assert_eq!(answers[0], json!({ "line": 1, "answer": "ok" }));
    assert_eq!(answers[1], json!({ "line": 2, "answer": "ok", "value_hex": "ff" }));
    assert_eq!(answers[2], json!({ "line": 3, "answer": "none" }));
    assert_eq!(answers[4], json!({ "line": 5, "answer": "ok", "value": "d" }));
    assert_eq!((&answers[5]["line"], &answers[5]["answer"]), (&json!(6), &json!("error")));
}
