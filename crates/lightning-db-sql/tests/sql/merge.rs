//! MERGE: a table is changed by what it has in common with a source.

use lightning_db_sql::params;

use crate::{check, check_error, database, shown};

const STOCK: &str = "CREATE TABLE stock (item TEXT PRIMARY KEY, count BIGINT NOT NULL, at TEXT);
     CREATE TABLE delivery (item TEXT, count BIGINT);
     INSERT INTO stock VALUES ('nut', 10, 'a'), ('bolt', 3, 'b'), ('pin', 7, 'c');
     INSERT INTO delivery VALUES ('nut', 5), ('bolt', -3), ('ring', 8), ('oil', 0)";

#[test]
fn rows_are_changed_removed_and_added_in_one_commit() {
    let db = database(STOCK);
    let before = db.engine().tables().store().snapshot().lsn();
    let rows = db.query(
        "MERGE INTO stock s USING delivery d ON s.item = d.item
         WHEN MATCHED AND s.count + d.count = 0 THEN DELETE
         WHEN MATCHED THEN UPDATE SET count = s.count + d.count, at = s.at || '+'
         WHEN NOT MATCHED AND d.count > 0 THEN INSERT (item, count) VALUES (d.item, d.count)
         RETURNING item, count",
        (),
    );
    let mut rows: Vec<String> = shown(&rows.unwrap()).lines().map(str::to_owned).collect();
    rows.sort();
    assert_eq!(rows, ["bolt|3", "nut|15", "ring|8"]);
    assert_eq!(db.engine().tables().store().snapshot().lsn(), before + 1);
    check(&db, "SELECT * FROM stock ORDER BY item", "nut|15|a+\npin|7|c\nring|8|null");
}

#[test]
fn sources_are_queries_and_parameters_too() {
    let db = database(STOCK);
    let merge = "MERGE INTO stock USING (VALUES ($1, $2)) AS new (item, n) ON stock.item = new.item
                 WHEN MATCHED THEN UPDATE SET count = n
                 WHEN NOT MATCHED THEN INSERT VALUES (new.item, n, DEFAULT)";
    let statement = db.prepare(merge).unwrap();
    assert_eq!(statement.execute(params!["nut", 1]).unwrap(), 1);
    assert_eq!(statement.execute(params!["gear", 2]).unwrap(), 1);
    check(&db, "SELECT item, count FROM stock ORDER BY 1", "bolt|3\ngear|2\nnut|1\npin|7");
    let by_source = "MERGE INTO stock s USING (SELECT item FROM delivery WHERE count > 0) d
                     ON s.item = d.item
                     WHEN NOT MATCHED BY SOURCE AND s.count > 5 THEN UPDATE SET at = 'old'
                     WHEN NOT MATCHED BY SOURCE THEN DELETE";
    assert_eq!(db.execute(by_source, ()).unwrap(), 3);
    check(&db, "SELECT item, at FROM stock ORDER BY 1", "nut|a\npin|old");
    let plan = shown(&db.query(&format!("EXPLAIN {by_source}"), ()).unwrap());
    assert!(plan.starts_with("Merge into stock\n"), "{plan}");
}

#[test]
fn a_merge_that_fails_changes_nothing() {
    let db = database(STOCK);
    db.execute("INSERT INTO delivery VALUES ('nut', 1)", ()).unwrap();
    let twice = "MERGE INTO stock s USING delivery d ON s.item = d.item
                 WHEN MATCHED THEN UPDATE SET count = d.count
                 WHEN NOT MATCHED THEN INSERT VALUES (d.item, d.count, NULL)";
    let message = "plan the statement: a row of stock is matched by several rows of the source";
    check_error(&db, twice, message);
    db.execute("BEGIN", ()).unwrap();
    check_error(&db, twice, message);
    check(&db, "SELECT sum(count) FROM stock", "20");
    db.execute("COMMIT", ()).unwrap();
    check(&db, "SELECT sum(count), count(*) FROM stock", "20|3");
    // The same new key twice is one too many as well.
    db.execute("INSERT INTO delivery VALUES ('ring', 1)", ()).unwrap();
    let added = "MERGE INTO stock s USING delivery d ON s.item = d.item
                 WHEN NOT MATCHED THEN INSERT VALUES (d.item, d.count, NULL)";
    assert!(db.execute(added, ()).unwrap_err().to_string().contains("ring"));
    check(&db, "SELECT count(*) FROM stock", "3");
    let beyond = "MERGE INTO stock s USING delivery d ON s.item = d.item WHEN NOT MATCHED THEN \
                  INSERT VALUES (s.item, 1, NULL)";
    let error = db.execute(beyond, ()).unwrap_err().to_string();
    assert!(error.starts_with("find column s.item at line 1, column 93"), "{error}");
}

#[test]
fn a_table_without_a_key_takes_a_merge() {
    let db = database(STOCK);
    db.execute("INSERT INTO delivery VALUES ('nut', 6), ('pin', 1)", ()).unwrap();
    let merge = "MERGE INTO delivery d USING stock s ON s.item = d.item
                 WHEN MATCHED AND d.count < 0 THEN DELETE
                 WHEN MATCHED THEN UPDATE SET count = d.count * 10
                 WHEN NOT MATCHED BY SOURCE AND d.count = 0 THEN DELETE";
    assert_eq!(db.execute(merge, ()).unwrap(), 5);
    check(&db, "SELECT * FROM delivery ORDER BY 1, 2", "nut|50\nnut|60\npin|10\nring|8");
}
