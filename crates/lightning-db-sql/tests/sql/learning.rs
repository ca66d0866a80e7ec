//! What runs teach, and ANALYZE keeps.

use lightning_db_sql::SqlEngine;

use crate::{database, shown};

#[test]
fn analyze_keeps_what_runs_have_taught() {
    let db = database(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, tag BIGINT);
        CREATE INDEX t_tag ON t (tag);
        INSERT INTO t
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
            SELECT i, CASE WHEN i % 2 = 0 THEN 0 ELSE i END FROM n;
        ANALYZE",
    );
    let explain = "EXPLAIN SELECT id FROM t WHERE tag = $1";
    let of_tag = db.prepare("SELECT id FROM t WHERE tag = $1").unwrap();
    for _ in 0..4 {
        assert_eq!(of_tag.query([0]).unwrap().len(), 2_000);
    }
    let again = || SqlEngine::new(db.engine().tables()).connect();
    let plan = |db: &lightning_db_sql::Connection| shown(&db.query(explain, [0]).unwrap());
    assert!(plan(&db).contains("learned"), "{}", plan(&db));
    assert!(!plan(&again()).contains("learned"));
    db.execute("ANALYZE t", ()).unwrap();
    assert!(plan(&again()).contains("learned"), "{}", plan(&again()));
}
