//! Ranked search of texts: `score()` and `snippet()`.

use lightning_db_sql::{Connection, params};

use crate::{Database, check, check_error, database, shown};

fn documents() -> Database {
    database(
        "CREATE TABLE doc (id TEXT PRIMARY KEY, title TEXT, body TEXT);
         CREATE INDEX doc_body ON doc USING fulltext (title, body) WITH (analyzer = english);
         INSERT INTO doc VALUES
             ('a', 'storms', 'A storm over the sea, and another storm behind it'),
             ('b', 'sea', 'The sea is calm today and nothing stirs in the harbour at all'),
             ('c', 'sea and storm', 'Storms and storms and storms'),
             ('d', NULL, NULL), ('e', 'nothing', 'no such word')",
    )
}

/// Names and scores of the rows of a query.
fn scores(db: &Connection, sql: &str) -> Vec<(String, f64)> {
    let rows = db.query(sql, ()).unwrap();
    rows.iter().map(|row| (row.get(0).unwrap(), row.get(1).unwrap())).collect()
}

#[test]
fn the_best_come_first_with_what_matches_in_them() {
    let db = documents();
    let best =
        "SELECT id, score() AS s FROM doc WHERE match(body, 'storm') ORDER BY s DESC LIMIT 10";
    let found = scores(&db, best);
    assert_eq!(found.iter().map(|(id, _)| &**id).collect::<Vec<_>>(), ["c", "a"]);
    assert!(found[0].1 > found[1].1 && found[1].1 > 0.0, "{found:?}");

    // By the name of the function, with another condition, a parameter and through a join.
    let joined = "SELECT d.id, snippet(d.body) FROM doc d JOIN doc e ON e.id = d.id
                  WHERE match(d.body, $1) AND e.title <> 'x' ORDER BY score() DESC, d.id";
    let rows = db.query(joined, params!["storm"]).unwrap();
    let expected = "c|<b>Storms</b> and <b>storms</b> and <b>storms</b>\n\
                    a|A <b>storm</b> over the sea, and another <b>storm</b> behind it";
    assert_eq!(shown(&rows), expected);
    let marked = "SELECT snippet(title, '[', ']') FROM doc WHERE match(body, 'sea') ORDER BY id";
    check(&db, marked, "storms\n[sea]");
    check(&db, "SELECT id FROM doc WHERE match(body, 'storm') AND score() > 100", "");
    let most = "SELECT max(score()) > min(score()) FROM doc WHERE match(body, 'storm')";
    check(&db, most, "true");
    db.execute("INSERT INTO doc VALUES ('long', 'x', $1)", ["word ".repeat(200) + "whale"])
        .unwrap();
    let cut = "SELECT snippet(body) FROM doc WHERE match(body, 'whale')";
    let shown = shown(&db.query(cut, ()).unwrap());
    assert!(shown.starts_with("..word ") && shown.ends_with(" <b>whale</b>"), "{shown}");
    assert!(shown.len() < 170, "{shown}");
}

#[test]
fn the_index_gives_the_best_and_no_more() {
    let db = documents();
    let words = ["storm", "sea", "wind", "calm", "rain"];
    for id in 0..300_usize {
        let text: Vec<&str> = (0..3 + id % 7).map(|at| words[(id * 7 + at * at) % 5]).collect();
        let row = params![format!("d{id:03}"), format!("t{}", id % 3), text.join(" ")];
        db.execute("INSERT INTO doc VALUES ($1, $2, $3)", row).unwrap();
    }
    for (condition, order, is_by_index) in [
        ("match(body, 'storm sea')", "ORDER BY score() DESC LIMIT 5", true),
        ("match(body, 'storm sea') AND title <> 't1'", "ORDER BY s DESC LIMIT 3 OFFSET 2", true),
        ("match(body, 'storm') AND match(title, 't2')", "ORDER BY score(body) DESC LIMIT 4", true),
        ("match(body, '+storm -sea')", "ORDER BY score() DESC NULLS LAST LIMIT 40", true),
        ("match(body, 'storm')", "ORDER BY score() LIMIT 5", false),
        ("match(body, 'none')", "ORDER BY score() DESC LIMIT 5", true),
    ] {
        let of = if condition.contains("title,") { "body" } else { "" };
        let all = format!("SELECT id, score({of}) AS s FROM doc WHERE {condition}");
        let sql = format!("{all} {order}");
        let mut expected = scores(&db, &all);
        expected.sort_by(|one, other| other.1.total_cmp(&one.1));
        if !order.contains("DESC") {
            expected.reverse();
        }
        let skipped = if order.contains("OFFSET") { 2 } else { 0 };
        let found = scores(&db, &sql);
        let of_expected: Vec<f64> =
            expected.iter().skip(skipped).take(found.len()).map(|it| it.1).collect();
        let of_found: Vec<f64> = found.iter().map(|it| it.1).collect();
        assert_eq!(of_found, of_expected, "{sql}");
        let plan = shown(&db.query(&format!("EXPLAIN {sql}"), ()).unwrap());
        assert_eq!(plan.contains("best by score("), is_by_index, "{plan}");
    }
}

#[test]
fn scores_are_those_of_the_column_that_is_searched() {
    let db = documents();
    let both = "SELECT id, score(title), score(body) FROM doc
                WHERE match(title, 'sea') AND match(body, 'storm')";
    let rows = db.query(both, ()).unwrap();
    let (title, body) = (rows.values()[0][1].clone(), rows.values()[0][2].clone());
    assert_ne!(title, body);
    let alone = "SELECT score() FROM doc WHERE match(title, 'sea') AND id = 'c'";
    assert_eq!(db.query(alone, ()).unwrap().values()[0][0], title);
    let named = "plan the statement at line 1, column 8: name a column of one match in WHERE: \
                 score(column)";
    let unnamed = "SELECT score() FROM doc WHERE match(title, 'sea') AND match(body, 'storm')";
    check_error(&db, unnamed, named);
}

#[test]
fn a_transaction_ranks_what_it_has_written() {
    let db = documents();
    db.execute("BEGIN", ()).unwrap();
    db.execute("INSERT INTO doc VALUES ('f', 'x', 'storm')", ()).unwrap();
    let found =
        scores(&db, "SELECT id, score() AS s FROM doc WHERE match(body, 'storm') ORDER BY s");
    assert_eq!(found.len(), 3);
    assert!(found.iter().any(|(id, score)| id == "f" && *score > 0.0), "{found:?}");
    db.execute("ROLLBACK", ()).unwrap();
}

#[test]
fn the_number_of_a_row_is_seen_nowhere() {
    let db = documents();
    check(&db, "SELECT count(*) FROM (SELECT * FROM doc) d", "5");
    assert_eq!(db.query("SELECT * FROM doc", ()).unwrap().columns().len(), 3);
    check(&db, "SELECT id FROM doc INTERSECT SELECT id FROM doc WHERE id = 'b'", "b");
    assert!(db.query("SELECT \"#row\" FROM doc", ()).is_err());
    for sql in [
        "CREATE TABLE t (\"#row\" BIGINT)",
        "ALTER TABLE doc ADD COLUMN \"#row\" BIGINT",
        "ALTER TABLE doc RENAME COLUMN title TO \"#row\"",
    ] {
        let error = db.execute(sql, ()).unwrap_err().to_string();
        assert!(error.contains("the column #row is the number of a row"), "{sql}: {error}");
    }
}

#[test]
fn where_there_is_no_search_there_is_no_score() {
    let db = documents();
    for (sql, expected) in [
        ("SELECT score() FROM doc", "score needs match(column, query) in WHERE"),
        ("SELECT score() FROM doc WHERE NOT match(body, 'x')", "score needs match(column, query)"),
        ("SELECT snippet() FROM doc WHERE match(body, 'x')", "snippet takes a column"),
        ("SELECT snippet(1) FROM doc WHERE match(body, 'x')", "snippet is of a column"),
        ("SELECT score(id) FROM doc WHERE match(body, 'x')", "name a column of one match"),
        ("SELECT snippet(id) FROM doc WHERE match(body, 'x')", "that has a text index"),
        ("SELECT score() FROM doc WHERE match(body, 'x') GROUP BY id", "score of groups"),
        ("SELECT score(body, 1) FROM doc WHERE match(body, 'x')", "score takes a column"),
    ] {
        let error = db.query(sql, ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{sql}: {error}");
    }
}
