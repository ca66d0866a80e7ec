//! GROUPING SETS, ROLLUP and CUBE.

use crate::{Database, check, check_error, database};

fn sales() -> Database {
    database(
        "CREATE TABLE sale (id BIGINT PRIMARY KEY, year BIGINT, land TEXT, euro BIGINT);
         INSERT INTO sale VALUES (1, 2023, 'CH', 10), (2, 2023, 'IT', 20), (3, 2024, 'CH', 30),
                                 (4, 2024, NULL, 40)",
    )
}

#[test]
fn a_rollup_has_the_sums_of_its_sums() {
    let db = sales();
    let rollup = "SELECT year, land, sum(euro) AS euro, grouping(year, land) AS g FROM sale
                  GROUP BY ROLLUP (year, land) ORDER BY g, year, land";
    let expected = "2023|CH|10|0\n2023|IT|20|0\n2024|CH|30|0\n2024|null|40|0\n\
                    2023|null|30|1\n2024|null|70|1\nnull|null|100|3";
    check(&db, rollup, expected);
    let having = "SELECT year AS y, sum(euro) FROM sale WHERE land IS NOT NULL GROUP BY ROLLUP (1)
                  HAVING sum(euro) >= 30 ORDER BY 2 DESC, y LIMIT 2";
    check(&db, having, "null|60\n2023|30");
    check(&db, "SELECT count(*) FROM sale WHERE id > 9 GROUP BY ROLLUP (year)", "0");
}

#[test]
fn sets_are_those_that_are_named() {
    let db = sales();
    let sets = "SELECT year, land, count(*) FROM sale GROUP BY GROUPING SETS ((year), (land), ())
                ORDER BY grouping(year), 1, 2";
    let own = "plan the statement at line 2, column 26: the rows of a set operation are sorted by \
               their own columns";
    check_error(&db, sets, own);
    let sets = "SELECT year, land, count(*) AS n, grouping(year) AS g FROM sale
                GROUP BY GROUPING SETS ((year), (land), ()) ORDER BY g, year, n, land";
    let expected = "2023|null|2|0\n2024|null|2|0\nnull|IT|1|1\nnull|null|1|1\nnull|CH|2|1\n\
                    null|null|4|1";
    check(&db, sets, expected);
    let cube = "SELECT count(*) FROM (SELECT year, upper(land) FROM sale
                GROUP BY CUBE (year, upper(land))) c";
    check(&db, cube, "10");
    let crossed = "SELECT year, land, sum(euro) FROM sale GROUP BY year, ROLLUP (land)
                   ORDER BY year, 3";
    check(
        &db,
        crossed,
        "2023|CH|10\n2023|IT|20\n2023|null|30\n2024|CH|30\n2024|null|40\n2024|null|70",
    );
    check(
        &db,
        "SELECT DISTINCT year IS NULL FROM sale GROUP BY CUBE (year, land) ORDER BY 1",
        "false\ntrue",
    );
    check(&db, "SELECT 1 FROM sale GROUP BY GROUPING SETS ((), ())", "1\n1");
}

#[test]
fn spreads_are_measured_as_far_as_there_are_values() {
    let db = sales();
    let all = "SELECT var_pop(euro), stddev_pop(euro), variance(euro), stddev(euro) FROM sale
               WHERE id IN (1, 3)";
    check(&db, all, "100.0|10.0|200.0|14.142135623730951");
    let few = "SELECT year, stddev_pop(euro), var_samp(DISTINCT euro), stddev_samp(euro) FROM sale
               WHERE id < 4 GROUP BY year ORDER BY year";
    check(&db, few, "2023|5.0|50.0|7.0710678118654755\n2024|0.0|null|null");
    check(&db, "SELECT var_pop(euro), stddev(euro) FROM sale WHERE id > 9", "null|null");
    let filter = "SELECT var_pop(euro / 10.0) FILTER (WHERE id <> 2) FROM sale WHERE id < 4";
    check(&db, filter, "1.0");
    let running = "SELECT id, var_pop(euro) OVER (ORDER BY id) FROM sale ORDER BY id";
    check(&db, running, "1|0.0\n2|25.0\n3|66.66666666666667\n4|125.0");
    // Far from zero, squares would leave nothing of the differences.
    let far = "SELECT var_pop(1e9 + euro) FROM sale WHERE id < 3";
    check(&db, far, "25.0");
    check_error(
        &db,
        "SELECT stddev(land) FROM sale",
        "plan the statement at line 1, column 15: stddev_samp does not take a text",
    );
}

#[test]
fn what_is_no_group_is_told() {
    let db = sales();
    for (sql, expected) in [
        ("SELECT euro FROM sale GROUP BY ROLLUP (year)", "must stand in GROUP BY"),
        ("SELECT grouping(euro) FROM sale GROUP BY ROLLUP (year)", "must stand in GROUP BY"),
        ("SELECT grouping(count(*)) FROM sale GROUP BY ROLLUP (year)", "not in GROUP BY"),
        ("SELECT grouping(year) FROM sale", "in a query with groups"),
        (
            "SELECT 1 FROM sale GROUP BY CUBE (id, year, land, euro), CUBE (id, year, land, euro)",
            "more than 128 grouping sets",
        ),
    ] {
        let error = db.query(sql, ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{sql}: {error}");
    }
}
