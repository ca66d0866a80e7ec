//! `import` into tables and `export` of them: nothing that stands in a file is lost.

use std::path::Path;

use serde_json::{Value, json};

use crate::shell::{Shell, exists};

/// Types of the columns of a table.
fn types(shell: &Shell, table: &str) -> Vec<String> {
    let schema = &shell.json(&["schema", table])[0];
    let columns = schema["columns"].as_array().unwrap().iter();
    columns.map(|column| column["type"].as_str().unwrap().to_owned()).collect()
}

/// Loads a file, writes it again under the same format, and compares.
fn round_trip(name: &str, text: &str, expected: &[&str]) {
    let shell = Shell::new();
    let file = shell.file(name, text);
    shell.ok(["import", &file, "--table", "t", "-q"]);
    assert_eq!(types(&shell, "t"), expected, "{text}");
    let out = format!("out-{name}");
    shell.ok(["export", &shell.arg(&out), "--table", "t", "-q"]);
    assert_eq!(shell.read(&out), text);
}

#[test]
fn csv_comes_back_as_it_was() {
    round_trip("a.csv", "n,m\n1,\n-2,007\n,1.10\n", &["i64", "text"]);
    round_trip("b.csv", "n\n1\n-0\n2.5\n", &["f64"]);
    round_trip("c.tsv", "price\tday\n1.10\t2024-02-29\n-12\t\n", &["decimal", "date"]);
    round_trip("d.csv", "big,flag\n18446744073709551615,true\n1,false\n", &["u64", "bool"]);
    round_trip("e.csv", "t\n\"a,\"\"b\"\"\nc\"\n", &["text"]);
    let id = "0188a2b4-0000-7000-8000-00000000000a";
    round_trip("f.csv", &format!("id,at\n{id},2024-01-01T00:00:00.25Z\n"), &["uuid", "timestamp"]);
}

#[test]
fn json_lines_come_back_as_they_were() {
    let text = "{\"n\":1.10,\"s\":\"1\",\"j\":{\"a\":[1, 2.0]},\"x\":1e5}\n\
                {\"n\":2,\"s\":null,\"j\":null,\"x\":\"t\"}\n";
    round_trip("a.jsonl", text, &["decimal", "text", "json", "json"]);
}

#[test]
fn declared_nulls_are_null_and_written_so() {
    let shell = Shell::new();
    let text = "a,b\nNA,1\n,NA\n";
    let file = shell.file("a.csv", text);
    shell.ok(["import", &file, "--table", "t", "--null", "NA", "-q"]);
    assert_eq!(types(&shell, "t"), ["text", "i64"]);
    let rows = shell.json(&["rows", "t"]);
    assert_eq!(rows, [json!({ "a": null, "b": 1 }), json!({ "a": "", "b": null })]);
    let outcome = shell.run(["export", &shell.arg("out.csv"), "--table", "t"]);
    assert!(outcome.err.contains("some texts are \"\", as nulls are"), "{outcome:?}");
    shell.ok(["export", &shell.arg("out.csv"), "--table", "t", "--null", "NA", "-q"]);
    assert_eq!(shell.read("out.csv"), text);
}

#[test]
fn bad_rows_go_to_the_reject_file_with_their_lines() {
    let shell = Shell::new();
    let text = "id,n\n1,5\n2,\"x\ny\"\n3,7,8\n1,9\n,1\n4,6\n";
    let file = shell.file("a.csv", text);
    let args = ["import", &file, "--table", "t", "--key", "id", "--type", "n=i64"];
    let outcome = shell.run(args);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.out.contains("imported 2 rows"), "{outcome:?}");
    assert!(outcome.out.contains("4 rejected"), "{outcome:?}");
    for expected in [
        "a.csv:3: rejected: column n: \"x\\ny\" is no i64",
        "a.csv:5: rejected: the row has 3 columns, and there are 2",
        "a.csv:6: rejected: table t: row 1 is there already",
        "a.csv:7: rejected: table t, column id, row new: it may not be null",
    ] {
        assert!(outcome.err.contains(expected), "{expected}: {}", outcome.err);
    }
    let mut rejected: Vec<String> =
        shell.read("a.csv.rejects").lines().map(str::to_owned).collect();
    rejected.sort();
    assert_eq!(rejected, [",1", "1,9", "2,\"x", "3,7,8", "y\""]);
    assert_eq!(shell.ok(["rows", "t"]), "id\tn\n1\t5\n4\t6\n");

    let more = shell.file("b.csv", "id,n\n1,50\n5,\n");
    shell.ok(["import", &more, "--table", "t", "--replace", "-q"]);
    assert_eq!(shell.ok(["rows", "t"]), "id\tn\n1\t50\n4\t6\n5\t\n");
    let other = shell.file("c.jsonl", "{\"id\":6,\"m\":1}\n{\"id\":7,\"n\":1}\n");
    let outcome = shell.run(["import", &other, "--table", "t"]);
    assert!(outcome.err.contains("c.jsonl:1: rejected: table t has no column m"), "{outcome:?}");
    assert_eq!(shell.ok(["rows", "t", "--where", "id > 5"]), "id\tn\n7\t1\n");
}

#[test]
fn sample_decides_the_types_and_loses_nothing() {
    let shell = Shell::new();
    let file = shell.file("a.csv", "id,n\n1,1\n2,2\n3,x\n");
    let args = ["import", &file, "--table", "t", "--sample", "2", "--json"];
    let outcome: Value = serde_json::from_str(&shell.ok(args)).unwrap();
    assert_eq!((&outcome["rows"], &outcome["rejected"]), (&json!(2), &json!(1)));
    assert_eq!(shell.read("a.csv.rejects"), "3,x\n");
}

#[test]
fn command_line_that_cannot_work_is_refused() {
    let shell = Shell::new();
    let file = shell.file("a.csv", "id,n\n1,1\n");
    shell.fails(2, ["import", "k", &file, "--table", "t"]);
    shell.fails(2, ["import", &file, "--key", "id"]);
    shell.fails(2, ["import", "k", &file]);
    shell.fails(2, ["import", "k", &file, "--key", "id", "--sample", "3"]);
    let error = shell.fails(3, ["import", &file, "--table", "t", "--key", "di"]);
    assert!(error.contains("did you mean id?"), "{error}");
    let error = shell.fails(2, ["import", &file, "--table", "t", "--type", "n=i46"]);
    assert!(error.contains("did you mean i64?"), "{error}");
    shell.ok(["import", &file, "--table", "t", "-q"]);
    shell.fails(2, ["import", &file, "--table", "t", "--key", "id"]);
    let error = shell.fails(3, ["export", &shell.arg("o.csv"), "--table", "tt"]);
    assert!(error.contains("did you mean t?"), "{error}");
    assert!(!exists(&shell.path("o.csv")));
}

#[test]
fn cities_of_the_world_are_loaded_indexed_and_asked() {
    let shell = Shell::new();
    let cities = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/cities.csv.gz");
    let cities = cities.to_str().unwrap();
    let outcome = &shell.json(&["import", cities, "--table", "cities", "--key", "id"])[0];
    assert_eq!((&outcome["rows"], &outcome["rejected"]), (&json!(171_075), &json!(0)));
    assert_eq!(types(&shell, "cities"), ["i64", "f64", "f64", "text", "text"]);
    let query = "matches(name, 'saint*') AND near(place, 2.35, 48.86, 20000) AND cc = 'FR'";
    for (name, on, kind) in
        [("place", "lon, lat", "spatial"), ("words", "name", "text"), ("country", "cc", "bitmap")]
    {
        let made = &shell.json(&["index", "create", "cities", name, "--on", on, "--kind", kind])[0];
        let expected = if kind == "bitmap" { 251 } else { 171_075 };
        assert_eq!(made["entries"], expected, "{kind}");
    }
    let found = shell.ok(["rows", "cities", "--where", query, "--columns", "name"]);
    // The same, row by row.
    let near = "lower(name) LIKE '%saint%' AND cc = 'FR'";
    let all = shell.ok(["rows", "cities", "--where", near, "--columns", "name"]);
    let all: Vec<&str> = all.lines().collect();
    assert!(found.lines().count() > 10, "{found}");
    assert!(found.lines().all(|name| all.contains(&name)), "{found}");
    let swiss = shell.ok(["rows", "cities", "--where", "cc = 'CH'", "--count"]);
    let by_row = shell.ok(["rows", "cities", "--where", "concat(cc, '') = 'CH'", "--count"]);
    assert_eq!(swiss, by_row);
    assert!(shell.ok(["check", "--deep"]).contains("compared 171,075 rows of 1 table with 3"));
    shell.ok(["export", &shell.arg("out.csv"), "--table", "cities", "-q"]);
    let unpacked = std::fs::File::open(cities).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(unpacked), &mut text).unwrap();
    let mut expected: Vec<&str> = text.lines().collect();
    let written = shell.read("out.csv");
    let mut written: Vec<&str> = written.lines().collect();
    expected.sort_unstable();
    written.sort_unstable();
    assert!(expected == written, "the export differs from the file");
}

#[cfg(not(feature = "vector"))]
#[test]
fn parquet_needs_a_feature() {
    let shell = Shell::new();
    shell.ok(["import", &shell.file("a.csv", "n\n1\n"), "--table", "t", "-q"]);
    let file = shell.file("a.parquet", "");
    for what in ["import", "export"] {
        let outcome = shell.run([what, &*file, "--table", "t"]);
        assert_eq!(outcome.code, 2, "{outcome:?}");
        assert!(outcome.err.contains("--features vector"), "{outcome:?}");
    }
}

#[cfg(feature = "vector")]
#[test]
fn parquet_comes_back_as_it_was() {
    let shell = Shell::new();
    let text = "id,name,big,flag,day,at,price,x\n\
                1,Bern,18446744073709551615,true,2024-02-29,2024-01-01T00:00:00.25Z,1.25,0.5\n\
                2,,,,,,,\n";
    let file = shell.file("a.csv", text);
    shell.ok(["import", &file, "--table", "t", "--key", "id", "--null", "", "-q"]);
    let parquet = shell.arg("a.parquet");
    shell.ok(["export", &parquet, "--table", "t", "-q"]);
    shell.ok(["import", &parquet, "--table", "u", "--key", "id", "-q"]);
    assert_eq!(types(&shell, "u"), types(&shell, "t"));
    assert_eq!(shell.json(&["rows", "u"]), shell.json(&["rows", "t"]));
    let outcome = shell.run(["import", &parquet, "--table", "u"]);
    assert!(outcome.out.contains("imported 0 rows") && outcome.out.contains("2 rejected"));
    assert!(outcome.err.contains("a.parquet:1: rejected: table u: row 1 is there already"));
    assert!(shell.read("a.parquet.rejects").starts_with("{\"id\":1,\"name\":\"Bern\","));
    let types = ["--type", "id=text", "--type", "day=text"];
    let out = shell.ok(["import", &parquet, "--table", "v"].into_iter().chain(types));
    assert!(out.contains("imported 2 rows"), "{out}");
    let row = &shell.json(&["rows", "v"])[0];
    assert_eq!((&row["id"], &row["day"]), (&json!("1"), &json!("2024-02-29")));
    let outcome = shell.run(["import", "keys", &parquet, "--key", "id"]);
    assert_eq!(outcome.code, 2, "{outcome:?}");
    assert!(outcome.err.contains("give one with --table"), "{outcome:?}");
    let broken = shell.file("b.parquet", "PAR1 and no more");
    let outcome = shell.run(["import", &broken, "--table", "w"]);
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.err.contains("b.parquet"), "{outcome:?}");
}

#[cfg(feature = "vector")]
#[test]
fn the_prompt_loads_and_writes_parquet() {
    let shell = Shell::new();
    let (made, parquet) = (shell.file("a.csv", "n\n1\n2\n"), shell.arg("a.parquet"));
    let script = format!(
        ".import {made} t\n.export t {parquet}\n.import {parquet} u\n.mode csv\n\
         SELECT sum(n) AS n FROM u;\n"
    );
    let file = shell.file("a.sql", &script);
    let out = shell.ok(["-f", &file]);
    assert!(out.ends_with("n\n3\n"), "{out}");
}
