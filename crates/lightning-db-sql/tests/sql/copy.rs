//! COPY: rows from files and into files.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use lightning_db_sql::types::Value;
use lightning_db_sql::{Connection, CopyStream, Error};

use crate::{check, check_error, database};

const TABLE: &str = "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, at DATE, part DECIMAL,
                                     doc JSON, place POINT,
                                     twice BIGINT GENERATED ALWAYS AS (id * 2) STORED)";

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().unwrap().to_owned()
}

/// What is wrong with a file whose content is given.
fn refused(db: &Connection, dir: &Path, name: &str, content: &[u8], options: &str) -> String {
    let file = path(dir, name);
    fs::write(&file, content).unwrap();
    let error = db.execute(&format!("COPY t FROM '{file}' {options}"), ()).unwrap_err();
    assert!(matches!(error, Error::Line { .. }), "{error:?}");
    check(db, "SELECT count(*) FROM t", "0");
    error.to_string().replace(&file, "FILE")
}

#[test]
fn what_is_written_is_read_back_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let db = database(TABLE);
    db.execute_batch(
        "INSERT INTO t (id, name, at, part, doc, place) VALUES
             (1, 'a,b \"c\"', '2024-02-29', 1.10, '{\"a\": [1, 2.50]}', point(7.5, 46)),
             (2, '', NULL, NULL, NULL, NULL), (3, NULL, NULL, -0.5, '\"x\"', NULL),
             (4, 'two\nlines', NULL, NULL, '[null]', NULL), (5, 'NA', NULL, NULL, NULL, NULL)",
    )
    .unwrap();
    let all = "SELECT * FROM t ORDER BY id";
    let before = db.query(all, ()).unwrap().values().to_vec();
    for (name, options) in [
        ("a.csv", ""),
        ("b.csv", "(HEADER, NULL 'NA')"),
        ("c.csv", "(FORMAT csv, DELIMITER ';', QUOTE '''', HEADER)"),
        ("d.csv", "CSV HEADER"),
        ("e.tsv", "(HEADER)"),
        ("f.jsonl", ""),
        ("g", "WITH (FORMAT jsonl)"),
    ] {
        let file = path(dir.path(), name);
        assert_eq!(db.execute(&format!("COPY t TO '{file}' {options}"), ()).unwrap(), 5);
        db.execute("DELETE FROM t", ()).unwrap();
        let back = db.execute(&format!("COPY t FROM '{file}' {options}"), ());
        assert_eq!(back.unwrap_or_else(|error| panic!("{name}: {error}")), 5);
        assert_eq!(db.query(all, ()).unwrap().values(), before, "{name}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 7);
}

#[test]
fn queries_and_views_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let db = database(
        "CREATE TABLE n (i BIGINT PRIMARY KEY, s TEXT);
         CREATE VIEW big AS SELECT i FROM n WHERE i > 1;
         INSERT INTO n VALUES (1, 'a'), (2, 'b'), (3, NULL)",
    );
    let file = path(dir.path(), "x.csv");
    let copied = |sql: &str, parameter: Option<i64>| {
        let parameters: Vec<Value> = parameter.map(Value::I64).into_iter().collect();
        db.execute(sql, parameters).unwrap();
        fs::read_to_string(&file).unwrap()
    };
    let query = format!("COPY (SELECT s, i * 2 AS d FROM n WHERE i >= $1) TO '{file}' (HEADER)");
    assert_eq!(copied(&query, Some(2)), "s,d\nb,4\n,6\n");
    assert_eq!(copied(&format!("COPY big TO '{file}'"), None), "2\n3\n");
    assert_eq!(copied(&format!("COPY n (s, i) TO '{file}'"), None), "a,1\nb,2\n,3\n");
    let json = format!("COPY (SELECT s, i FROM n WHERE i = 3) TO '{file}' (FORMAT jsonl)");
    assert_eq!(copied(&json, None), "{\"s\":null,\"i\":3}\n");
    // A file that is there stays when the query fails.
    let failing = format!("COPY (SELECT 1 / (i - 3) FROM n) TO '{file}'");
    assert!(db.execute(&failing, ()).is_err());
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\"s\":null,\"i\":3}\n");
    let lone = "plan the statement: a null alone is an empty line, which is no row; give NULL";
    check_error(&db, &format!("COPY n (s) TO '{file}'"), lone);
    assert_eq!(copied(&format!("COPY n (s) TO '{file}' (NULL '-')"), None), "a\nb\n-\n");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn columns_are_those_of_the_list_the_header_or_the_table() {
    let db = database("CREATE TABLE n (i BIGINT PRIMARY KEY, s TEXT DEFAULT 'x')");
    let copy = |sql: &str, rows: &'static str| {
        db.execute("DELETE FROM n", ()).unwrap();
        db.copy_in(sql, Cursor::new(rows)).unwrap();
    };
    copy("COPY n FROM STDIN", "1,a\n2,\n");
    check(&db, "SELECT * FROM n ORDER BY i", "1|a\n2|null");
    copy("COPY n FROM STDIN (HEADER)", "s,i\na,1\n\"\",2\n");
    check(&db, "SELECT * FROM n ORDER BY i", "1|a\n2|");
    copy("COPY n (s, i) FROM STDIN (HEADER)", "first,second\na,1\n");
    check(&db, "SELECT * FROM n", "1|a");
    copy("COPY n (i) FROM STDIN", "7\n");
    check(&db, "SELECT * FROM n", "7|x");
    copy("COPY n FROM STDIN (FORMAT jsonl)", "{\"i\":1}\n\n{\"s\":null,\"i\":2}\n{\"i\":3}\n");
    check(&db, "SELECT * FROM n ORDER BY i", "1|x\n2|null\n3|x");
}

#[test]
fn what_is_wrong_is_named_and_nothing_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let db = database(TABLE);
    let check = |content: &[u8], options: &str, expected: &str| {
        let found = refused(&db, dir.path(), "t.csv", content, options);
        assert_eq!(found, expected);
    };
    let header = "(HEADER)";
    check(b"id,name\n1,a\nx,b\n", header, "load line 3 of FILE: column id: \"x\" is no i64");
    check(
        b"id,at\n1,2023-02-29\n",
        header,
        "load line 2 of FILE: column at: \"2023-02-29\" is no date",
    );
    check(
        b"id,nmae\n1,a\n",
        header,
        "load line 2 of FILE: t has no column nmae; did you mean name?",
    );
    check(b"id,twice\n1,2\n", header, "load line 2 of FILE: t has no column twice");
    check(b"id,id\n1,2\n", header, "load line 1 of FILE: the header has the column \"id\" twice");
    check(b"", header, "load line 1 of FILE: the file is empty, and needs a header");
    check(
        b"id,name\n1,a\n2\n",
        header,
        "load line 3 of FILE: the row has 1 columns, and there are 2",
    );
    check(
        b"id,name\n1,a\n2,b,c\n",
        header,
        "load line 3 of FILE: the row has 3 columns, and there are 2",
    );
    check(
        b"id,name\n1,\xff\n",
        header,
        "load line 2 of FILE: column \"name\" is not UTF-8: invalid utf-8 sequence of 1 bytes \
         from index 0",
    );
    check(b"id,name\n1,\"a\nb\n", header, "load line 2 of FILE: a quote is not closed");
    check(b"id\n1\n1\n", header, "load line 3 of FILE: table t: row 1 is there already");
    check(b"id,name\n\"\",a\n", header, "load line 2 of FILE: column id: \"\" is no i64");
    check(
        b"id,doc\n1,{\n",
        header,
        "load line 2 of FILE: table t, column doc, row 1: it takes JSON: EOF while parsing an \
         object at line 1 column 1",
    );
    check(b"1\n", "", "load line 1 of FILE: the row has 1 columns, and there are 6");
    let lines = "(FORMAT jsonl)";
    check(b"{\"id\":1}\n{\"id\":2,\"x\":null}\n", lines, "load line 2 of FILE: t has no column x");
    let found = refused(&db, dir.path(), "t.csv", b"{\"id\":1}\n[1]\n", lines);
    assert!(found.starts_with("load line 2 of FILE: not a JSON object: "), "{found}");
    let deep = [b"{\"id\":1,\"doc\":".to_vec(), vec![b'['; 100_000]].concat();
    let found = refused(&db, dir.path(), "t.csv", &deep, lines);
    assert!(found.starts_with("load line 1 of FILE: not a JSON object: "), "{found}");
    let huge = [b"id,name\n1,\"".to_vec(), vec![b'x'; 17 << 20]].concat();
    let found = refused(&db, dir.path(), "t.csv", &huge, header);
    assert_eq!(found, "load line 2 of FILE: longer than 16777216 bytes, or a quote is not closed");
}

#[test]
fn files_that_are_none_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let db = database("CREATE TABLE n (i BIGINT PRIMARY KEY); INSERT INTO n VALUES (1)");
    let folder = path(dir.path(), "folder");
    fs::create_dir(&folder).unwrap();
    for (sql, operation) in [
        (format!("COPY n FROM '{folder}'"), "read"),
        (format!("COPY n TO '{folder}'"), "make"),
        (format!("COPY n FROM '{folder}/none'"), "open"),
        (format!("COPY n TO '{folder}/none/x'"), "make"),
        ("COPY n TO ''".to_owned(), "make"),
        ("COPY n FROM ''".to_owned(), "open"),
    ] {
        let error = db.execute(&sql, ()).unwrap_err();
        let Error::File { operation: found, .. } = error else { panic!("{sql}: {error:?}") };
        assert_eq!(found, operation, "{sql}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn options_that_cannot_be_are_refused() {
    let db = database("CREATE TABLE n (i BIGINT PRIMARY KEY)");
    if !cfg!(feature = "vector") {
        let refused = "run COPY of Parquet: it is not supported; build with the feature vector, \
                       or copy csv or jsonl";
        check_error(&db, "COPY n TO 'x' (FORMAT parquet)", refused);
        check_error(&db, "COPY n FROM 'x.parquet'", refused);
    }
    for (sql, expected) in [
        ("COPY n TO 'x' (FORMAT parquet, HEADER)", "are for csv, not for parquet"),
        ("COPY n TO 'x' (FORMAT jsnol)", "find format jsnol at line 1, column 23; did you mean"),
        ("COPY n TO 'x' (HEADER, HEADER FALSE)", "HEADER is given twice"),
        ("COPY n TO 'x' (FORMAT jsonl, HEADER)", "are for csv, not for jsonl"),
        ("COPY n TO 'x' (DELIMITER '\"')", "DELIMITER and QUOTE are the same"),
        ("COPY n TO 'x' (DELIMITER ',,')", "Expect a char"),
        ("COPY n TO 'x' (NULL 'a,b')", "NULL has DELIMITER, QUOTE or the end of a line in it"),
        ("COPY n TO 'x' (ESCAPE '\\')", "an ESCAPE that is not QUOTE"),
        ("COPY n TO 'x' (DELIMITER '\n')", "is no ASCII character within a line"),
        ("COPY n TO 'x' (ENCODING 'latin1')", "COPY with ENCODING 'latin1'"),
        ("COPY n TO PROGRAM 'cat'", "COPY with PROGRAM"),
        ("COPY n FROM STDIN", "run it through Connection::copy_in"),
        ("COPY n TO STDOUT", "run it through Connection::copy_out"),
        ("COPY m FROM 'x'", "find table m at line 1, column 6"),
        ("COPY n (j) FROM 'x'", "find column j at line 1, column 9"),
        ("COPY n (i, i) FROM 'x'", "column i is named twice"),
        ("COPY m TO 'x'", "find table m"),
    ] {
        let error = db.execute(sql, ()).unwrap_err().to_string();
        let error = error.replace("expect a char", "Expect a char");
        assert!(error.contains(expected), "{sql}: {error}");
    }
    let behind = "COPY n FROM STDIN; 1\t2\n";
    assert!(matches!(db.copy_in(behind, Cursor::new("")), Err(Error::Unsupported { .. })));
    assert!(matches!(db.copy_in("SELECT 1", Cursor::new("")), Err(Error::Invalid { .. })));
    assert_eq!(
        db.prepare("COPY n FROM STDIN").unwrap().copies(),
        Some(CopyStream::In { quote: Some(b'"') })
    );
    let lines = db.prepare("COPY n FROM STDIN (FORMAT jsonl)").unwrap();
    assert_eq!(lines.copies(), Some(CopyStream::In { quote: None }));
    assert_eq!(db.prepare("COPY n TO 'STDOUT'").unwrap().copies(), None);
}

#[test]
fn copy_is_part_of_a_transaction() {
    let db = database("CREATE TABLE n (i BIGINT PRIMARY KEY)");
    db.execute_batch("BEGIN; INSERT INTO n VALUES (1)").unwrap();
    let error = db.copy_in("COPY n FROM STDIN", Cursor::new("2\n3\n1\n")).unwrap_err();
    assert_eq!(error.to_string(), "load line 3 of STDIN: table n: row 1 is there already");
    check(&db, "SELECT i FROM n", "1");
    assert_eq!(db.copy_in("COPY n FROM STDIN", Cursor::new("2\n3\n")).unwrap(), 2);
    let mut out = Vec::new();
    assert_eq!(db.copy_out("COPY n TO STDOUT", &mut out).unwrap(), 3);
    assert_eq!(out, b"1\n2\n3\n");
    db.execute("ROLLBACK", ()).unwrap();
    check(&db, "SELECT count(*) FROM n", "0");
}

/// A reader that commits a row of its own through another connection before it ends.
struct Rival(Connection, Cursor<&'static str>);

impl std::io::Read for Rival {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = self.1.read(buffer)?;
        if len == 0 {
            // The second time it is there already.
            let _ = self.0.execute("INSERT INTO n VALUES (2)", ());
        }
        Ok(len)
    }
}

#[test]
fn rows_that_cannot_be_read_again_end_in_a_conflict() {
    let db = database("CREATE TABLE n (i BIGINT PRIMARY KEY)");
    let rival = Rival(db.engine().connect(), Cursor::new("1\n2\n"));
    assert!(matches!(db.copy_in("COPY n FROM STDIN", rival), Err(Error::Conflict)));
    check(&db, "SELECT i FROM n", "2");
}
