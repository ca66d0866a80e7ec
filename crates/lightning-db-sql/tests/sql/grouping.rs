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
