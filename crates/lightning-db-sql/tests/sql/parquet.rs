//! COPY of Parquet: rows from files and into files.

use std::fs;
use std::path::Path;

use lightning_db_sql::{Connection, Error, params};

use crate::{Numbers, check, check_error, database, shown};

const TYPES: &str = "CREATE TABLE t (id BIGINT PRIMARY KEY, d DATE, m TIMESTAMP, f DOUBLE,
    n NUMERIC, u UUID, b BYTEA, j JSON, p BIGINT UNSIGNED, ok BOOLEAN, at POINT, s TEXT,
    twice BIGINT GENERATED ALWAYS AS (id * 2) STORED)";

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().unwrap().to_owned()
}

/// The message of an error with that of its cause, where the file stands as FILE.
fn whole(error: &Error, file: &str) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default()).replace(file, "FILE")
}

#[test]
fn every_type_comes_back_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let db = database(TYPES);
    db.execute_batch(
        "INSERT INTO t (id, d, m, f, n, u, b, j, p, ok, at, s) VALUES
             (1, '2024-02-29', '2024-02-29 12:00:00.000001', 0.1, 2.25,
              '00000000-0000-0000-0000-00000000002a', x'00ff', '{\"a\": [1, 2.50]}',
              18446744073709551615, true, point(7.5, -46), 'text'),
             (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
             (-4611686018427387904, '0001-01-01', '1969-12-31 23:59:59.999999', -1e300,
              -99999999999999999999.999999999, 'ffffffff-ffff-ffff-ffff-ffffffffffff', x'',
              '\"x\"', 0, false, point(0, 0), '')",
    )
    .unwrap();
    let all = "SELECT * FROM t ORDER BY id";
    let before = db.query(all, ()).unwrap().values().to_vec();
    let file = path(dir.path(), "t.parquet");
    assert_eq!(db.execute(&format!("COPY t TO '{file}'"), ()).unwrap(), 3);
    assert_eq!(&fs::read(&file).unwrap()[..4], b"PAR1");
    db.execute("DELETE FROM t", ()).unwrap();
    assert_eq!(db.execute(&format!("COPY t FROM '{file}'"), ()).unwrap(), 3);
    assert_eq!(db.query(all, ()).unwrap().values(), before);

    // A query, under other names, and a stream; a column of nulls has no type of its own.
    let mut out = Vec::new();
    let query = "COPY (SELECT id AS k, s || '!' AS s, NULL AS d FROM t WHERE id > 0)
                 TO STDOUT (FORMAT parquet)";
    assert_eq!(db.copy_out(query, &mut out).unwrap(), 2);
    fs::write(&file, &out).unwrap();
    db.execute_batch("CREATE TABLE other (d DATE, s TEXT, k NUMERIC)").unwrap();
    db.execute(&format!("COPY other FROM '{file}' (FORMAT parquet)"), ()).unwrap();
    check(&db, "SELECT k, s, d FROM other ORDER BY k", "1|text!|null\n2|null|null");
    let too_fine = "COPY (SELECT 0.0000000001 AS n) TO STDOUT (FORMAT parquet)";
    let error = db.copy_out(too_fine, &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("9 digits behind the point"), "{error}");
}

#[test]
fn many_rows_are_read_batch_by_batch_and_loaded_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(dir.path(), "t.parquet");
    let db = database("CREATE TABLE t (id BIGINT PRIMARY KEY, g BIGINT, s TEXT)");
    db.execute("BEGIN", ()).unwrap();
    let insert = db.prepare("INSERT INTO t VALUES ($1, $2, $3)").unwrap();
    for id in 0..5_000_i64 {
        insert.execute(params![id, id % 7, format!("row {id}")]).unwrap();
    }
    // What the transaction has written is copied with the rest.
    db.execute(&format!("COPY t TO '{file}'"), ()).unwrap();
    db.execute("ROLLBACK", ()).unwrap();
    check(&db, "SELECT count(*) FROM t", "0");

    db.execute("INSERT INTO t VALUES (4321, 0, 'here')", ()).unwrap();
    let error = db.execute(&format!("COPY t FROM '{file}'"), ()).unwrap_err();
    assert!(matches!(&error, Error::Line { line: 4_322, .. }), "{error}");
    check(&db, "SELECT count(*) FROM t", "1");
    db.execute("DELETE FROM t", ()).unwrap();
    db.execute_batch(&format!("BEGIN; COPY t (s, id) FROM '{file}'; COMMIT")).unwrap();
    check(&db, "SELECT count(*), count(g), max(s), sum(id) FROM t", "5000|0|row 999|12497500");
}

#[test]
fn what_is_wrong_is_named_and_nothing_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(dir.path(), "t.parquet");
    let db = database(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, s TEXT NOT NULL); CREATE TABLE n (i TEXT)",
    );
    db.execute(&format!("COPY (SELECT 7 AS id, 'x' AS text) TO '{file}'"), ()).unwrap();
    let refused = |sql: &str| {
        let error = db.execute(&sql.replace("FILE", &file), ()).unwrap_err();
        assert!(matches!(error, Error::Line { .. } | Error::File { .. }), "{error:?}");
        check(&db, "SELECT count(*) FROM t", "0");
        whole(&error, &file)
    };
    assert_eq!(refused("COPY t FROM 'FILE'"), "load line 1 of FILE: t has no column text");
    assert_eq!(refused("COPY t (id, s) FROM 'FILE'"), "read FILE: it has no column s");
    let null = refused("COPY t (id) FROM 'FILE'");
    assert!(null.starts_with("load line 1 of FILE: "), "{null}");
    db.execute(&format!("COPY (SELECT 'a' AS id, 'x' AS s) TO '{file}'"), ()).unwrap();
    let mistyped = refused("COPY t FROM 'FILE'");
    assert!(mistyped.starts_with("load line 1 of FILE: ") && mistyped.contains("id"), "{mistyped}");
    fs::write(&file, "id,s\n1,a\n").unwrap();
    assert!(refused("COPY t FROM 'FILE'").starts_with("read FILE: "));
    fs::write(&file, "").unwrap();
    assert!(refused("COPY t FROM 'FILE'").starts_with("read FILE: "));
    fs::remove_file(&file).unwrap();
    assert!(refused("COPY t FROM 'FILE'").starts_with("open FILE: "));

    check_error(
        &db,
        "COPY t FROM 'x.parquet' (HEADER)",
        "plan the statement: DELIMITER, QUOTE, ESCAPE, HEADER and NULL are for csv, \
         not for parquet",
    );
    let rows = std::io::Cursor::new("");
    let error = db.copy_in("COPY t FROM STDIN (FORMAT parquet)", rows).unwrap_err();
    assert!(error.to_string().contains("name a file"), "{error}");
}

#[test]
fn damaged_files_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(dir.path(), "t.parquet");
    let db = database("CREATE TABLE t (id BIGINT PRIMARY KEY, s TEXT)");
    let made = "COPY (SELECT 1 AS id, 'one' AS s UNION ALL SELECT 2, 'two') TO 'FILE'";
    db.execute(&made.replace("FILE", &file), ()).unwrap();
    let whole = fs::read(&file).unwrap();
    let load = |db: &Connection, bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let loaded = db.execute(&format!("COPY t FROM '{file}'"), ());
        if let Err(error) = &loaded {
            assert!(matches!(error, Error::Line { .. } | Error::File { .. }), "{error:?}");
            assert_eq!(shown(&db.query("SELECT count(*) FROM t", ()).unwrap()), "0");
        }
        db.execute("DELETE FROM t", ()).unwrap();
        loaded.is_ok()
    };
    assert!(load(&db, &whole));
    for len in 0..whole.len() {
        assert!(!load(&db, &whole[..len]), "cut to {len} bytes");
    }
    // Bits that change may be of no consequence, and may change values; nothing panics.
    let mut numbers = Numbers(7);
    for _ in 0..200 {
        let mut damaged = whole.clone();
        damaged[numbers.below(whole.len())] ^= 1 << numbers.below(8);
        load(&db, &damaged);
    }
}
