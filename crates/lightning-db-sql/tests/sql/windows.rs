//! Window functions on the row executor.

use crate::{Database, check, database, on_rows_alone};

fn sales() -> Database {
    database(
        "CREATE TABLE sale (id BIGINT PRIMARY KEY, land TEXT, day BIGINT, euro BIGINT);
         INSERT INTO sale VALUES (1, 'CH', 1, 10), (2, 'CH', 2, 20), (3, 'CH', 2, 30),
                                 (4, 'IT', 1, 40), (5, 'IT', 3, NULL), (6, NULL, 1, 5)",
    )
}

#[test]
fn rows_are_numbered_and_ranked() {
    let db = sales();
    let ranked = "SELECT id, row_number() OVER w, rank() OVER w, dense_rank() OVER w,
                         percent_rank() OVER w, cume_dist() OVER w
                  FROM sale WHERE land = 'CH' WINDOW w AS (ORDER BY day) ORDER BY id";
    let expected = "1|1|1|1|0.0|0.3333333333333333\n2|2|2|2|0.5|1.0\n3|3|2|2|0.5|1.0";
    check(&db, ranked, expected);
    let tiles = "SELECT id, ntile(4) OVER (ORDER BY id), ntile(100) OVER (ORDER BY id DESC)
                 FROM sale ORDER BY id";
    check(&db, tiles, "1|1|6\n2|1|5\n3|2|4\n4|2|3\n5|3|2\n6|4|1");
    let newest = "SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY land
                  ORDER BY day DESC, id DESC) AS n FROM sale) s WHERE n = 1 ORDER BY id";
    check(&db, newest, "3\n5\n6");
}

#[test]
fn values_are_taken_from_other_rows() {
    let db = sales();
    let near = "SELECT id, lag(euro) OVER w, lead(euro, 2, -1) OVER w, lag(euro, 0) OVER w
                FROM sale WINDOW w AS (PARTITION BY land ORDER BY id) ORDER BY id";
    let expected = "1|null|30|10\n2|10|-1|20\n3|20|-1|30\n4|null|-1|40\n5|40|-1|null\n6|null|-1|5";
    check(&db, near, expected);
    let framed = "SELECT id, first_value(id) OVER w, last_value(id) OVER w, nth_value(id, 2) OVER w
                  FROM sale WHERE land = 'CH'
                  WINDOW w AS (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) ORDER BY id";
    check(&db, framed, "1|1|2|2\n2|1|3|2\n3|2|3|3");
    let last = "SELECT id, last_value(id) OVER (ORDER BY day) FROM sale WHERE land = 'CH'
                ORDER BY id";
    check(&db, last, "1|1\n2|3\n3|3");
}

#[test]
fn aggregates_run_over_frames() {
    let db = sales();
    let running = "SELECT id, sum(euro) OVER (ORDER BY day, id ROWS UNBOUNDED PRECEDING),
                          sum(euro) OVER (ORDER BY day), count(*) OVER (),
                          avg(euro) OVER (PARTITION BY land), max(euro) OVER (ORDER BY id
                          ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
                   FROM sale ORDER BY id";
    let expected = "1|10|55|6|20|40\n2|75|105|6|20|40\n3|105|105|6|20|40\n4|50|55|6|40|40\n\
                    5|105|105|6|40|5\n6|55|55|6|5|5";
    check(&db, running, expected);
    let moving = "SELECT id, sum(euro) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING),
                         count(*) FILTER (WHERE land = 'CH') OVER (ORDER BY id), count(euro) OVER ()
                  FROM sale ORDER BY id";
    let expected = "1|null|1|5\n2|10|2|5\n3|20|3|5\n4|30|3|5\n5|40|3|5\n6|null|3|5";
    check(&db, moving, expected);
    let of_groups = "SELECT land, sum(euro), rank() OVER (ORDER BY sum(euro) DESC),
                            sum(sum(euro)) OVER () FROM sale GROUP BY land ORDER BY land";
    check(&db, of_groups, "CH|60|1|105\nIT|40|2|105\nnull|5|3|105");
    check(&db, "SELECT DISTINCT count(*) OVER (PARTITION BY land) FROM sale ORDER BY 1", "1\n2\n3");
    check(
        &db,
        "SELECT id FROM sale ORDER BY sum(euro) OVER (PARTITION BY land) DESC, id LIMIT 2",
        "1\n2",
    );
    check(&db, "SELECT sum(euro) OVER () FROM sale WHERE id > 99", "");
    let shares = "SELECT id, 100 * euro / sum(euro) OVER (PARTITION BY land) FROM sale
                  WHERE id < 3 ORDER BY id";
    check(&db, shares, "1|33\n2|66");
}

#[test]
fn frames_by_distances_between_values() {
    let db = database(
        "CREATE TABLE m (id BIGINT PRIMARY KEY, at BIGINT, day DATE, moment TIMESTAMP);
         INSERT INTO m VALUES
             (1, 10, '2024-02-27', '2024-02-27 12:00:00'),
             (2, 11, '2024-02-28', '2024-02-27 12:00:30'),
             (3, 11, '2024-02-28', '2024-02-27 12:01:00'),
             (4, 14, '2024-03-01', '2024-02-27 13:00:00'),
             (5, NULL, NULL, NULL), (6, NULL, NULL, NULL)",
    );
    for (frame, expected) in [
        ("at RANGE 1 PRECEDING", "1,3,3,1,2,2"),
        ("at RANGE BETWEEN 1 PRECEDING AND 3 FOLLOWING", "3,4,4,1,2,2"),
        ("at DESC RANGE 1 PRECEDING", "3,2,2,1,2,2"),
        ("at DESC NULLS FIRST RANGE BETWEEN UNBOUNDED PRECEDING AND 3 FOLLOWING", "6,6,6,5,2,2"),
        ("at NULLS FIRST RANGE BETWEEN 4 PRECEDING AND 1 PRECEDING", "0,1,1,3,2,2"),
        ("at RANGE BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING", "5,3,3,2,2,2"),
        ("day RANGE INTERVAL '2' DAY PRECEDING", "1,3,3,3,2,2"),
        ("moment RANGE BETWEEN INTERVAL '30 seconds' PRECEDING AND CURRENT ROW", "1,2,2,1,2,2"),
    ] {
        let sql = format!("SELECT count(*) OVER (ORDER BY {frame}) FROM m ORDER BY id");
        let rows = db.query(&sql, ()).unwrap_or_else(|error| panic!("{}", error.shown_in(&sql)));
        assert_eq!(crate::shown(&rows).replace('\n', ","), expected, "{frame}");
    }
}

#[test]
fn what_cannot_be_is_told() {
    let db = sales();
    on_rows_alone(&db);
    for (sql, expected) in [
        ("SELECT id FROM sale WHERE row_number() OVER () = 1", "stands in the select list"),
        ("SELECT sum(rank() OVER ()) OVER () FROM sale", "stands in the select list"),
        ("SELECT land FROM sale GROUP BY land HAVING rank() OVER () = 1", "stands in the select"),
        ("SELECT ntile(0) OVER () FROM sale", "it takes a number above zero"),
        ("SELECT ntile() OVER () FROM sale", "ntile takes 1 to 1 arguments, and 0 are given"),
        ("SELECT sum(land) OVER () FROM sale", "sum does not take a text"),
        ("SELECT rank() OVER v FROM sale WINDOW w AS ()", "find window v at line 1, column 20"),
        ("SELECT rank() OVER (w) FROM sale WINDOW w AS ()", "a window of a window"),
        ("SELECT sum(DISTINCT id) OVER () FROM sale", "sum with clauses over a window"),
        (
            "SELECT sum(id) OVER (ORDER BY land RANGE 1 PRECEDING) FROM sale",
            "RANGE by this distance",
        ),
        (
            "SELECT sum(id) OVER (ORDER BY DATE '2024-01-01' RANGE INTERVAL '1' MONTH PRECEDING) \
             FROM sale",
            "there are whole numbers, and INTERVAL of days",
        ),
        (
            "SELECT sum(id) OVER (ORDER BY id, day RANGE 1 PRECEDING) FROM sale",
            "one value in ORDER",
        ),
        ("SELECT sum(id) OVER (ORDER BY id RANGE -1 PRECEDING) FROM sale", "so many rows"),
        ("SELECT sum(id) OVER (ORDER BY id GROUPS 1 PRECEDING) FROM sale", "a frame of GROUPS"),
        (
            "SELECT sum(id) OVER (ROWS BETWEEN -1 PRECEDING AND CURRENT ROW) FROM sale",
            "so many rows",
        ),
        ("SELECT sum((SELECT 1)) OVER () FROM sale", "a subquery in a window"),
        ("SELECT lower('x') OVER () FROM sale", "lower over a window"),
        ("SELECT lag(id) IGNORE NULLS OVER () FROM sale", "lag with clauses"),
        ("SELECT sum(euro) OVER (ORDER BY missing) FROM sale", "find column missing"),
    ] {
        let error = db.query(sql, ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{sql}: {error}");
    }
}
