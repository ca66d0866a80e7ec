//! SQL from the command line, from files and from standard input.

use crate::shell::{Shell, exists};

const CITIES: &str = "CREATE TABLE city (id BIGINT PRIMARY KEY, name TEXT NOT NULL, people BIGINT);
INSERT INTO city VALUES (1, 'Bern', 134000), (2, 'Z\u{fc}rich; old', 402000), (3, 'Chur', NULL);
";

fn cities() -> Shell {
    let shell = Shell::new();
    let file = shell.file("cities.sql", CITIES);
    let made = shell.run(["--file", &file]);
    assert_eq!((made.code, &made.out[..], &made.err[..]), (0, "", ""), "{made:?}");
    shell
}

#[test]
fn statements_of_the_command_line_give_their_rows() {
    let shell = cities();
    let query = "SELECT name, people FROM city ORDER BY id";
    let found = shell.run(["-c", query]);
    let expected =
        "name         people\nBern         134000\nZ\u{fc}rich; old  402000\nChur           NULL\n";
    assert_eq!(found.out, expected, "{found:?}");
    let csv = shell.run(["--csv", "-c", query]);
    assert_eq!(csv.out, "name,people\nBern,134000\nZ\u{fc}rich; old,402000\nChur,\n");
    let json = shell.run(["--json", "-c", "SELECT id, people FROM city WHERE id > 2"]);
    assert_eq!(json.out, "{\"id\":3,\"people\":null}\n");
    let both = shell.run(["--mode", "line", "-c", "SELECT 1 AS one; SELECT 2 AS two"]);
    assert_eq!(both.out, "one = 1\ntwo = 2\n");
}

#[test]
fn each_mode_writes_the_same_rows_in_its_own_way() {
    let shell = cities();
    let shown = |mode: &str| {
        shell.run(["--mode", mode, "-c", "SELECT name, people FROM city WHERE id <> 2"]).out
    };
    let boxed = "\u{250c}\u{2500}\u{2500}\u{2500}\u{2500}\u{2500}\u{2500}\u{252c}\u{2500}\u{2500}\
                 \u{2500}\u{2500}\u{2500}\u{2500}\u{2500}\u{2500}\u{2510}";
    let lines: Vec<String> = shown("box").lines().map(str::to_owned).collect();
    assert_eq!(lines[0], boxed);
    assert_eq!(lines[3], "\u{2502} Bern \u{2502} 134000 \u{2502}");
    assert_eq!(
        shown("markdown"),
        "| name | people |\n| ---- | -----: |\n| Bern | 134000 |\n| Chur |   NULL |\n"
    );
    let json = "[{\"name\":\"Bern\",\"people\":134000},\n{\"name\":\"Chur\",\"people\":null}]\n";
    assert_eq!(shown("json"), json);
    let insert = "INSERT INTO result (\"name\", \"people\") VALUES ('Bern', 134000);\n";
    assert_eq!(shown("insert").lines().next().unwrap(), insert.trim());
    let refused = shell.run(["--mode", "boxes", "-c", "SELECT 1"]);
    assert_eq!(refused.code, 2);
}

#[test]
fn a_statement_that_fails_ends_the_run_and_points_at_the_place() {
    let shell = cities();
    let failed = shell.run(["-c", "DELETE FROM city;\nSELECT nmae FROM city; SELECT 1"]);
    assert_eq!((failed.code, &failed.out[..]), (1, ""));
    assert!(failed.err.contains("did you mean"), "{}", failed.err);
    let last: Vec<&str> = failed.err.lines().rev().take(2).collect();
    assert_eq!(last[1].trim(), "SELECT nmae FROM city");
    assert_eq!(last[0].find('^'), last[1].find("nmae"));
    // What was done before it stays.
    assert_eq!(
        shell.run(["--csv", "-c", "SELECT count(*) FROM city"]).out.lines().nth(1),
        Some("0")
    );
}

#[test]
fn standard_input_is_read_line_by_line_with_commands_of_the_shell() {
    let shell = cities();
    let (other, rows) = (shell.file("more.sql", "SELECT 7 AS seven;"), shell.arg("rows.csv"));
    let input = format!(
        ".mode csv\nBEGIN;\nUPDATE city SET people = 38000\n WHERE id = 3;\nCOMMIT;\n\
         SELECT people FROM city WHERE id = 3;\n.read {other}\n.output {rows}\nSELECT 1 AS one;\n\
         .output\n.tables\n.quit\nSELECT 'never'"
    );
    let done = shell.run_with_input::<&str>([], input.as_bytes());
    assert_eq!(done.code, 0, "{done:?}");
    let lines: Vec<&str> = done.out.lines().collect();
    assert_eq!(lines[..4], ["people", "38000", "seven", "7"]);
    assert!(lines[5].starts_with("city"), "{lines:?}");
    assert_eq!(lines.len(), 6);
    assert_eq!(shell.read("rows.csv"), "one\n1\n");
    for (line, said) in [(".mod csv", "did you mean .mode"), (".timer maybe", "it takes on|off")] {
        let refused = shell.run_with_input::<&str>([], line.as_bytes());
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.err.contains(said), "{}", refused.err);
    }
}

#[test]
fn the_store_may_be_named_in_front_and_is_not_changed_when_that_is_forbidden() {
    let shell = cities();
    let store = shell.arg("db");
    let found = shell.run([&store[..], "--csv", "-c", "SELECT count(*) AS n FROM city"]);
    assert_eq!(found.out, "n\n3\n", "{found:?}");
    let misspelled = shell.run(["tabels"]);
    assert_eq!(misspelled.code, 2, "{misspelled:?}");
    assert!(misspelled.err.contains("did you mean tables?"), "{}", misspelled.err);
    assert!(!exists(&shell.path("tabels")));
    let refused = shell.run(["--read-only", "-c", "DELETE FROM city"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_eq!(
        shell.run(["--csv", "-c", "SELECT count(*) FROM city"]).out.lines().nth(1),
        Some("3")
    );
    let itself = shell.file("loop.sql", "SELECT 1;\n.read loop.sql\n");
    let looped = shell.run(["-f", &itself]);
    assert!(looped.err.contains("read from itself"), "{looped:?}");
}

#[test]
fn plans_are_shown_line_by_line() {
    let shell = cities();
    let shown = shell.run(["-c", "EXPLAIN SELECT name FROM city WHERE id = 2"]);
    assert!(shown.out.contains("by index key (= 2)"), "{}", shown.out);
    assert!(!shown.out.contains("plan\n"), "{}", shown.out);
}

#[test]
fn tables_are_imported_and_exported_without_leaving_the_shell() {
    let shell = cities();
    let (rows, copy) = (shell.arg("rows.csv"), shell.arg("copy.csv"));
    let input = format!(
        "BEGIN;\nINSERT INTO city VALUES (4, 'Genf', 200000);\nCOMMIT;\n.export city {rows}\n\
         .import {rows} town\n.export town {copy}\nSELECT count(*) AS rows FROM town;\n"
    );
    let done = shell.run_with_input(["--mode", "csv"], input.as_bytes());
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.ends_with("rows\n4\n"), "{done:?}");
    assert_eq!(shell.read("rows.csv"), shell.read("copy.csv"));
    let failed = shell.run_with_input([] as [&str; 0], b".import rows.csv\n");
    assert!(failed.err.contains("FILE TABLE"), "{failed:?}");
}

#[test]
fn copy_reads_and_writes_files_and_the_streams_of_the_shell() {
    let shell = cities();
    let file = shell.arg("city.csv");
    let copied = shell.run(["-c", &format!("COPY city TO '{file}' (HEADER)")]);
    assert_eq!(copied.code, 0, "{copied:?}");
    let rows = "id,name,people\n1,Bern,134000\n2,Z\u{fc}rich; old,402000\n3,Chur,\n";
    assert_eq!(shell.read("city.csv"), rows);
    let out = shell.run(["-c", "COPY city (id, people) TO STDOUT (DELIMITER ';')"]);
    assert_eq!(out.out, "1;134000\n2;402000\n3;\n");

    // Rows stand below the statement in a script, and are all of the input for an argument.
    let script = "DELETE FROM city;\nCOPY city FROM STDIN (HEADER);\nid,name\n7,Biel\n8,\"a\n;b\"\n\
                  \\.\nSELECT count(*) AS n FROM city;\n";
    let loaded = shell.run_with_input(["--csv"], script.as_bytes());
    assert_eq!((loaded.code, &loaded.out[..]), (0, "n\n2\n"), "{loaded:?}");
    let loaded = shell.run_with_input(["-c", "COPY city FROM STDIN"], b"9,Thun,1\n");
    assert_eq!(loaded.code, 0, "{loaded:?}");
    let found = shell.run(["--csv", "-c", "SELECT id, name FROM city ORDER BY id"]);
    assert_eq!(found.out, "id,name\n7,Biel\n8,\"a\n;b\"\n9,Thun\n");

    let twice = shell.run(["-c", &format!("COPY city FROM '{}'", shell.file("x.csv", "9,a,1\n"))]);
    assert_eq!(twice.code, 1);
    assert!(twice.err.contains("load line 1 of "), "{}", twice.err);
    let missing = shell.run(["-c", "COPY city FROM 'none.csv'"]);
    assert!(missing.err.starts_with("error: failed to open none.csv: caused by "), "{missing:?}");
}

const MANY: &str = "CREATE TABLE region (code TEXT PRIMARY KEY, up TEXT REFERENCES region (code));
INSERT INTO region VALUES ('z', NULL), ('a', 'z'), ('m', 'a');
CREATE TABLE \"odd name\" (
    id BIGINT UNSIGNED PRIMARY KEY, region TEXT REFERENCES region ON DELETE SET NULL,
    part NUMERIC(10, 2) DEFAULT 1.50, weight DOUBLE PRECISION DEFAULT -0.5,
    day DATE DEFAULT '2024-02-29',
    seen TIMESTAMP, ident UUID, doc JSON, place POINT, raw BYTEA, note VARCHAR(20) DEFAULT 'it''s',
    yes BOOLEAN NOT NULL DEFAULT true, \"Up\" TEXT GENERATED ALWAYS AS (upper(note)) STORED,
    CONSTRAINT heavy CHECK (weight > -10 AND (part <> 3 OR note LIKE 'a%')), UNIQUE (ident)
) WITH (expires_at = seen);
CREATE UNIQUE INDEX o8 ON \"odd name\" (raw) NULLS NOT DISTINCT;
CREATE INDEX o1 ON \"odd name\" (region DESC, id) INCLUDE (note) WHERE yes;
CREATE INDEX o2 ON \"odd name\" (lower(note) NULLS FIRST);
CREATE INDEX o3 ON \"odd name\" USING hash (region);
CREATE INDEX o4 ON \"odd name\" USING bitmap (yes);
CREATE INDEX o5 ON \"odd name\" USING bloom (note);
CREATE INDEX o6 ON \"odd name\" USING rtree (place) WITH (geometry = 'sphere');
CREATE INDEX o7 ON \"odd name\" USING fulltext (note, \"Up\") WITH (analyzer = english);
INSERT INTO \"odd name\" (id, region, part, weight, seen, ident, doc, place, raw, note) VALUES
    (18446744073709551615, 'm', 2.25, 0.1, '2124-02-29 12:00:00.5',
     '00000000-0000-0000-0000-00000000000a', '{\"a\": [1, 2.50]}', point(7.5, -0.25), x'00ff', 'a
\\.
b'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE plain (n BIGINT);
INSERT INTO plain VALUES (1), (1), (NULL);
CREATE TABLE given (id INTEGER PRIMARY KEY, a TEXT);
CREATE TABLE numbered (a TEXT, n BIGINT GENERATED ALWAYS AS IDENTITY);
INSERT INTO given (a) VALUES ('x'), ('y');
INSERT INTO numbered (a) VALUES ('x'), ('y'), ('z');
CREATE VIEW b AS SELECT n FROM plain WHERE n = 1;
CREATE VIEW a (m) AS SELECT n + 1 FROM b;
";

#[test]
fn a_dump_makes_the_same_tables_anew() {
    let shell = Shell::new();
    let made = shell.run(["-f", &shell.file("many.sql", MANY)]);
    assert_eq!(made.code, 0, "{made:?}");
    let dump = shell.ok(["-c", ".dump"]);
    let again = Shell::new();
    let loaded = again.run_with_input([""; 0], dump.as_bytes());
    assert_eq!((loaded.code, &loaded.out[..], &loaded.err[..]), (0, "", ""), "{dump}");
    assert_eq!(again.ok(["-c", ".dump"]), dump);
    for table in ["odd name", "region", "plain", "given", "numbered"] {
        assert_eq!(again.ok(["schema", table]), shell.ok(["schema", table]));
        let rows = format!("SELECT * FROM \"{table}\" ORDER BY 1");
        assert_eq!(again.ok(["--csv", "-c", &rows]), shell.ok(["--csv", "-c", &rows]));
    }
    assert_eq!(again.ok(["--csv", "-c", "SELECT * FROM a"]), "m\n2\n2\n");
    // Numbers go on behind those that were loaded.
    for (table, number) in [("given", "id = 3"), ("numbered", "n > 3")] {
        let sql = format!("INSERT INTO {table} (a) VALUES ('w') RETURNING {number} AS follows");
        assert_eq!(again.ok(["--csv", "-c", &sql]), "follows\ntrue\n");
    }
    let refused = again.run(["-c", "INSERT INTO \"odd name\" (id, part) VALUES (9, 1.234)"]);
    assert!(refused.err.contains("odd name_part_precision"), "{refused:?}");

    let one = shell.ok(["-c", ".dump plain"]);
    let rows = "COPY \"plain\" (\"n\") FROM STDIN (NULL '\\N');\n1\n1\n\\N\n\\.\n";
    assert_eq!(one, format!("CREATE TABLE \"plain\" (\n  \"n\" bigint\n);\n{rows}"));
    let to_file = shell.run(["-c", &format!(".output {}\n.dump plain", shell.arg("plain.sql"))]);
    assert_eq!((to_file.code, shell.read("plain.sql")), (0, one), "{to_file:?}");
    let missing = shell.run(["-c", ".dump none"]);
    assert_eq!((missing.code, &missing.out[..]), (1, ""), "{missing:?}");
}

#[test]
fn bytes_that_are_no_text_end_the_run_with_an_error() {
    let shell = cities();
    for input in
        [&b"SELECT 1;\nSELECT '\xff\xfe';\nDELETE FROM city;\n"[..], b"\xc3(; DELETE FROM city;"]
    {
        let outcome = shell.run_with_input(["--csv"], input);
        assert_eq!(outcome.code, 1, "{outcome:?}");
        assert!(outcome.err.contains("UTF-8"), "{outcome:?}");
    }
    let file = shell.file("rows.csv", b"7,Bern,1\n8,\xff,2\n");
    let outcome = shell.run(["-c", &format!("COPY city FROM '{file}'")]);
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.err.contains("line 2") && outcome.err.contains("UTF-8"), "{outcome:?}");
    assert_eq!(shell.ok(["--csv", "-c", "SELECT count(*) FROM city"]), "count\n3\n");
}

#[test]
fn the_shell_explains_and_checks() {
    let shell = cities();
    let explained = shell.ok(["-c", ".explain SELECT name FROM city WHERE id = 1"]);
    assert!(explained.contains("city"), "{explained}");
    assert!(shell.ok(["-c", ".check"]).starts_with("no damage found: checked "));
    let wrong = shell.run(["-c", ".pager maybe"]);
    assert!(wrong.err.contains(".pager: it takes on|off"), "{wrong:?}");
}
