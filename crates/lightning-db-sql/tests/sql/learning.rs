//! What runs teach, and ANALYZE keeps.

use lightning_db_sql::SqlEngine;

use crate::{database, shown};

#[test]
fn analyze_keeps_what_runs_have_taught() {
    // The columns are alike, of which statistics know nothing.
    let db = database(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, tag BIGINT, kind BIGINT);
        CREATE INDEX t_tag ON t (tag);
        INSERT INTO t
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
            SELECT i, i % 40, i % 40 FROM n;
        ANALYZE",
    );
    let explain = "EXPLAIN SELECT id FROM t WHERE tag = $1 AND kind = $2";
    let both = db.prepare("SELECT id FROM t WHERE tag = $1 AND kind = $2").unwrap();
    for _ in 0..4 {
        assert_eq!(both.query([7, 7]).unwrap().len(), 100);
    }
    let again = || SqlEngine::new(db.engine().tables()).connect();
    let plan = |db: &lightning_db_sql::Connection| shown(&db.query(explain, [7, 7]).unwrap());
    assert!(plan(&db).contains("learned"), "{}", plan(&db));
    assert!(!plan(&again()).contains("learned"));
    db.execute("ANALYZE t", ()).unwrap();
    assert!(plan(&again()).contains("learned"), "{}", plan(&again()));
}
