//! Points: where they come from, and how they are found.

use lightning_db_sql::params;
use lightning_db_sql::types::Value;

use crate::{check, check_error, database, shown};

#[test]
fn text_and_places_are_found_by_their_indexes() {
    let db = database(
        "CREATE TABLE place (id BIGINT PRIMARY KEY, at POINT, note TEXT);
         CREATE INDEX place_at ON place USING rtree (at) WITH (geometry = 'sphere');
         CREATE INDEX place_note ON place USING fulltext (note) WITH (analyzer = english);
         INSERT INTO place VALUES
             (1, point(7.45, 46.95), 'bears on the river'), (2, point(7.25, 47.14), 'watches'),
             (3, point(12.48, 41.89), 'seven hills and a river')",
    );
    check(&db, "SELECT id FROM place WHERE match(note, 'bear river') ORDER BY id", "1\n3");
    check(&db, "SELECT id FROM place WHERE match(note, '+rivers +hill') AND id > 0", "3");
    let near = "SELECT id FROM place WHERE st_dwithin(at, point(7.4, 47), 30000) ORDER BY id";
    check(&db, near, "1\n2");
    let nearest = "SELECT id FROM place ORDER BY st_distance(at, point(12, 42)) LIMIT 2";
    check(&db, nearest, "3\n1");
    let plan = shown(&db.query(&format!("EXPLAIN {nearest}"), ()).unwrap());
    assert!(plan.contains("place_at"), "{plan}");
    let within =
        "SELECT id FROM place WHERE st_within(at, 'POLYGON((7 46, 8 46, 8 47, 7 47, 7 46))')";
    check(&db, within, "1");
    let by_parameter = "SELECT id FROM place WHERE st_dwithin(at, point(?, ?), ?)";
    let rows = db.query(by_parameter, params![12.5, 41.9, 5_000]).unwrap();
    assert_eq!(shown(&rows), "3");
    let here = Value::Point { x: 7.25, y: 47.14 };
    let rows = db.query("SELECT id FROM place WHERE st_dwithin(at, $1, 10)", [here]).unwrap();
    assert_eq!(shown(&rows), "2");
}

#[test]
fn points_are_made_of_what_rows_and_parameters_say() {
    let db = database(
        "CREATE TABLE seen (id BIGINT PRIMARY KEY, lon DOUBLE PRECISION, lat NUMERIC(8, 4));
         INSERT INTO seen VALUES (1, 7.45, 46.95), (2, 7.25, 47.14), (3, NULL, 1), (4, 8, 50);
         CREATE TABLE spot (id BIGINT PRIMARY KEY, at POINT);
         CREATE INDEX spot_at ON spot USING rtree (at) WITH (geometry = 'sphere');
         INSERT INTO spot SELECT id, point(lon, lat) FROM seen;",
    );
    check(&db, "SELECT st_x(at), st_y(at) FROM spot WHERE id < 3", "7.45|46.95\n7.25|47.14");
    check(&db, "SELECT id FROM spot WHERE at IS NULL", "3");
    db.execute("UPDATE spot SET at = point(st_x(at) + 1, st_y(at)) WHERE id = 4", ()).unwrap();
    check(&db, "SELECT id FROM spot WHERE at = st_point(9, 50.0)", "4");
    // The index is searched for each row of the other table.
    let near = "SELECT s.id, p.id FROM seen s JOIN spot p \
                ON st_dwithin(p.at, point(s.lon, s.lat), 30000) ORDER BY 1, 2";
    check(&db, near, "1|1\n1|2\n2|1\n2|2");
    let statement = db.prepare("INSERT INTO spot VALUES ($1, point($2, $3))").unwrap();
    statement.execute(params![5, 10, 60.5]).unwrap();
    statement.execute(params![6, 10.25, "61"]).unwrap();
    check(&db, "SELECT st_x(at), st_y(at) FROM spot WHERE id > 4", "10.0|60.5\n10.25|61.0");
    // The text is planned once for all points, by the index.
    let near = |x: f64| format!("SELECT id FROM spot WHERE st_dwithin(at, point({x}, 60), 90000)");
    let plan = shown(&db.query(&format!("EXPLAIN {}", near(10.0)), ()).unwrap());
    assert!(plan.contains("by index spot_at"), "{plan}");
    check(&db, &near(10.0), "5");
    check(&db, &near(11.0), "5");
    check(&db, &near(-10.0), "");
    for (wrong, expected) in [
        ("point('here', 1)", "evaluate CAST('here' AS f64): \"here\" is no f64"),
        ("point(DATE '2024-01-01', 1)", "argument 1 of point may not be a date"),
        ("st_x('here')", "argument 1 of st_x may not be a text"),
        ("point(1)", "point does not take 1 arguments"),
    ] {
        let expected = format!("plan the statement at line 1, column 8: {expected}");
        check_error(&db, &format!("SELECT {wrong}"), &expected);
    }
}

#[test]
fn an_index_may_hold_the_points_of_two_columns() {
    let db = database(
        "CREATE TABLE seen (id BIGINT PRIMARY KEY, x DOUBLE PRECISION, y DOUBLE PRECISION);
         INSERT INTO seen SELECT n, n % 100, n / 100 FROM generate_series(0, 9999) g(n);
         CREATE INDEX seen_at ON seen USING rtree (point(x, y));
         ANALYZE",
    );
    let near = "SELECT id FROM seen WHERE plane_dwithin(point(x, y), point(50, 50), 1) ORDER BY id";
    let plan = shown(&db.query(&format!("EXPLAIN {near}"), ()).unwrap());
    assert!(plan.contains("seen_at"), "{plan}");
    check(&db, near, "4950\n5049\n5050\n5051\n5150");
    let nearest = "SELECT id FROM seen ORDER BY plane_distance(point(x, y), point(7.4, 3)) LIMIT 2";
    check(&db, nearest, "307\n308");
    db.execute("UPDATE seen SET x = 50.5 WHERE id = 4950", ()).unwrap();
    check(&db, near, "5049\n5050\n5051\n5150");
}
