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
