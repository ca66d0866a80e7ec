//! `import` and `export`: every format, bad rows, and back again.

use std::io::{Read, Write};

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::shell::{Shell, exists, texts};

const CSV: &str = "id,name,note\n1,Zug,\"a, \"\"b\"\"\"\n2,Basel,\"two\nlines\"\n3,\"\",\n";

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_format_and_compression_is_read() {
    let tsv = CSV.replace(',', "\t").replace("a\t", "a,");
    let lines = "{\"id\":\"1\",\"name\":\"Zug\",\"note\":\"a, \\\"b\\\"\"}\n\
                 {\"id\":\"2\",\"name\":\"Basel\",\"note\":\"two\\nlines\"}\n\
                 {\"id\":\"3\",\"name\":\"\",\"note\":\"\"}";
    let expected = [
        json!({ "id": "1", "name": "Zug", "note": "a, \"b\"" }).to_string(),
        json!({ "id": "2", "name": "Basel", "note": "two\nlines" }).to_string(),
        json!({ "id": "3", "name": "", "note": "" }).to_string(),
    ];
    for (name, text) in [("rows.csv", CSV), ("rows.tsv", &tsv), ("rows.jsonl", lines)] {
        let zstd = zstd::encode_all(text.as_bytes(), 3).unwrap();
        let files = [("", text.as_bytes().to_vec()), (".gz", gzip(text)), (".zst", zstd)];
        for (extension, bytes) in files {
            let shell = Shell::new();
            let file = shell.file(&format!("{name}{extension}"), bytes);
            let report = &shell.json(&["import", "k", &file, "--key", "id"])[0];
            assert_eq!((&report["rows"], &report["rejected"]), (&json!(3), &json!(0)), "{file}");
            let rows = shell.json(&["scan", "k"]);
            assert_eq!(
                rows.iter().map(|row| row["key"].as_str()).collect::<Vec<_>>(),
                [Some("1"), Some("2"), Some("3")]
            );
            let values: Vec<_> = rows.iter().map(|row| row["value"].as_str().unwrap()).collect();
            assert_eq!(values, expected, "{file}");
            assert!(!exists(&shell.path(&format!("{name}{extension}.rejects"))));
        }
    }
}

#[test]
fn bad_rows_are_named_and_kept_and_the_rest_is_loaded() {
    let shell = Shell::new();
    let rows = b"id,name\n1,a\n2\n3,b,c\n,d\n4,\xff\n\"5,e\n6,f\n";
    let file = shell.file("rows.csv", rows);
    let outcome = shell.run(["import", "k", &file, "--key", "id"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.out.starts_with("imported 2 rows into \"k\" in "), "{outcome:?}");
    assert!(outcome.out.contains("; 5 rejected, copied to "), "{outcome:?}");
    let named: Vec<_> = outcome.err.lines().collect();
    assert_eq!(named.len(), 5);
    for (line, number) in named.iter().zip([3, 4, 5, 6, 7]) {
        assert!(line.starts_with(&format!("{file}:{number}: rejected: ")), "{line}");
    }
    let rejects = std::fs::read(shell.path("rows.csv.rejects")).unwrap();
    assert_eq!(rejects, b"2\n3,b,c\n,d\n4,\xff\n\"5,e\n");
    let keys: Vec<_> = shell.json(&["scan", "k"]).iter().map(|row| row["key"].clone()).collect();
    assert_eq!(keys, ["1", "6"]);
}

#[test]
fn bad_lines_of_json_go_to_the_file_that_was_asked_for() {
    let shell = Shell::new();
    let bad = texts(0..12, |n| format!("{{\"no\":{n}}}\n"));
    let file = shell.file("rows.jsonl.gz", gzip(&format!("{{\"id\":1}}\n{bad}[1]\n{{\"id\":2}}")));
    let rejects = shell.arg("bad.txt");
    let args = ["import", "k", &file, "--key", "id", "--rejects", &rejects, "--json", "-q"];
    let outcome = shell.run(args);
    let report: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!((&report["rows"], &report["rejected"]), (&json!(2), &json!(13)));
    assert_eq!(report["rejects"], rejects);
    assert_eq!(shell.read("bad.txt"), format!("{bad}[1]\n"));
    assert_eq!(outcome.err.lines().count(), 11, "{}", outcome.err);
    assert!(outcome.err.ends_with(": 3 more rows rejected\n"), "{}", outcome.err);
}

#[test]
fn file_that_cannot_be_loaded_makes_no_store() {
    let shell = Shell::new();
    let file = shell.file("rows.csv", "id,name\n1,a\n");
    let error = shell.fails(1, ["import", "k", &file, "--key", "ID"]);
    assert!(error.contains("there is no column \"ID\" among id, name"), "{error}");
    shell.fails(1, ["import", "k", &shell.arg("none.csv"), "--key", "id"]);
    shell.fails(1, ["import", "k", &shell.file("empty.csv", ""), "--key", "id"]);
    shell.fails(1, ["import", "k", &shell.file("no.csv.gz", "id\n1\n"), "--key", "id"]);
    assert!(!exists(&shell.path("db")));
}

#[test]
fn exported_rows_are_imported_again_as_they_were() {
    let shell = Shell::new();
    let file = shell.file("rows.csv", CSV);
    shell.ok(["import", "k", &file, "--key", "id"]);
    let before = shell.json(&["scan", "k"]);
    let names =
        ["a.csv", "a.csv.gz", "a.tsv.zst", "a.tsv", "a.jsonl", "a.jsonl.gz", "a.ndjson.zst"];
    for name in names {
        let file = shell.arg(name);
        let report = &shell.json(&["export", "k", &file])[0];
        assert_eq!(report["rows"], 3);
        assert!(!exists(&shell.path(&format!("{name}.partial"))));
        shell.ok(["import", name, &file, "--key", "id"]);
        assert_eq!(shell.json(&["scan", name]), before, "{name}");
    }
    assert_eq!(shell.read("a.csv"), CSV.replace("3,\"\",", "3,,"));
    let mut text = String::new();
    let packed = std::fs::File::open(shell.path("a.csv.gz")).unwrap();
    GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    assert_eq!(text, shell.read("a.csv"));
}

#[test]
fn numbers_keep_their_digits() {
    let shell = Shell::new();
    let row =
        "{\"id\":1,\"n\":1.10,\"big\":123456789012345678901234567890,\"x\":null,\"l\":[1, 2]}";
    let file = shell.file("rows.jsonl", row);
    shell.ok(["import", "k", &file, "--key", "id"]);
    shell.ok(["export", "k", &shell.arg("out.jsonl")]);
    assert_eq!(shell.read("out.jsonl"), format!("{row}\n"));
    shell.ok(["export", "k", &shell.arg("out.csv")]);
    let expected = "id,n,big,x,l\n1,1.10,123456789012345678901234567890,,\"[1,2]\"\n";
    assert_eq!(shell.read("out.csv"), expected);
}

#[test]
fn values_of_any_kind_are_exported_with_their_keys() {
    let shell = Shell::new();
    let mut pipe = shell.pipe(&[]);
    pipe.send(b"put a plain text\nput b {\"x\":1}\nput c {\"key\":\"other\"}\nput d \xff\n");
    assert_eq!(pipe.end().0.len(), 4);
    shell.ok(["export", "k", &shell.arg("out.jsonl")]);
    let expected = "{\"key\":\"a\",\"value\":\"plain text\"}\n\
                    {\"key\":\"b\",\"x\":1}\n\
                    {\"key\":\"c\",\"value\":\"{\\\"key\\\":\\\"other\\\"}\"}\n\
                    {\"key\":\"d\",\"value_hex\":\"ff\"}\n";
    assert_eq!(shell.read("out.jsonl"), expected);
    shell.ok(["export", "k", &shell.arg("out.csv")]);
    let expected = "key,value,x,value_hex\na,plain text,,\nb,,1,\n\
                    c,\"{\"\"key\"\":\"\"other\"\"}\",,\nd,,,ff\n";
    assert_eq!(shell.read("out.csv"), expected);
    shell.ok(["import", "again", &shell.arg("out.csv"), "--key", "key"]);
    assert_eq!(shell.ok(["scan", "again"]).lines().count(), 4);
}

#[test]
fn empty_keyspace_is_exported_as_an_empty_file() {
    let shell = Shell::new();
    shell.ok(["put", "k", "a", "1"]);
    shell.ok(["del", "k", "a"]);
    shell.ok(["export", "k", &shell.arg("out.jsonl")]);
    assert_eq!(shell.read("out.jsonl"), "");
    shell.fails(3, ["export", "other", &shell.arg("other.jsonl")]);
    assert!(!exists(&shell.path("other.jsonl")));
}
