//! The joins of the TPC-H queries: tables, conditions between them, conditions on one of them.
//!
//! Aggregates that a query compares with are left out, and with them what is joined to them only.

use lightning_db_expression::Expression;
use lightning_db_types::{Decimal, Value};

use super::tpch::date;

/// How a table is joined to the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Each pair that matches.
    Inner,
    /// Rows before it stay, with nulls where there is no match.
    Left,
    /// Rows before it that have a match.
    Semi,
    /// Rows before it that have none.
    Anti,
}

/// Finds a column by its name, such as `n1.n_name`, or `n_name` where it is of one table only.
pub(crate) type Columns<'a> = &'a dyn Fn(&str) -> Expression;

/// The joins of one query.
pub(crate) struct Joins {
    /// Its name.
    pub name: &'static str,
    /// Tables, each with an alias if it has one: `nation n1`; a leading `<`, `+` or `-` makes a
    /// left, semi or anti join.
    pub tables: &'static [&'static str],
    /// Pairs of columns that are equal.
    pub equal: &'static [&'static str],
    /// The other conditions.
    pub conditions: fn(Columns<'_>) -> Vec<Expression>,
}

impl Joins {
    /// Tables with aliases and kinds.
    pub(crate) fn relations(&self) -> Vec<(Kind, &'static str, &'static str)> {
        let relation = |text: &&'static str| {
            let (kind, text) = match text.as_bytes().first() {
                Some(b'<') => (Kind::Left, &text[1..]),
                Some(b'+') => (Kind::Semi, &text[1..]),
                Some(b'-') => (Kind::Anti, &text[1..]),
                _ => (Kind::Inner, *text),
            };
            let (table, alias) = text.split_once(' ').unwrap_or((text, text));
            (kind, table, alias)
        };
        self.tables.iter().map(relation).collect()
    }
}

fn day(text: &str) -> Expression {
    // The texts stand below, and the test reads all of them.
    Expression::literal(date(text).unwrap_or_default())
}

fn hundredths(number: i128) -> Expression {
    Expression::literal(Decimal::new(number, 2).map_or(Value::Null, Value::Decimal))
}

fn within(column: Expression, from: &str, to: &str) -> Expression {
    column.clone().at_least(day(from)).and(column.less(day(to)))
}

const CODES: [&str; 7] = ["13", "31", "23", "29", "30", "18", "17"];

/// One of the three cases of query 19.
fn case(c: Columns<'_>, brand: &str, size: &str, quantity: i64, size_max: i64) -> Expression {
    let small: [&str; 4] = match size {
        "SM" => ["SM CASE", "SM BOX", "SM PACK", "SM PKG"],
        "MED" => ["MED BAG", "MED BOX", "MED PKG", "MED PACK"],
        _ => ["LG CASE", "LG BOX", "LG PACK", "LG PKG"],
    };
    Expression::And(vec![
        c("p_brand").equal(brand),
        c("p_container").is_in(small),
        c("l_quantity").between(quantity, quantity + 10),
        c("p_size").between(1_i64, size_max),
    ])
}

/// All of them.
pub(crate) const ALL: [Joins; 22] = [
    Joins {
        name: "Q1",
        tables: &["lineitem"],
        equal: &[],
        conditions: |c| vec![c("l_shipdate").at_most(day("1998-09-02"))],
    },
    Joins {
        name: "Q2",
        tables: &["part", "supplier", "partsupp", "nation", "region"],
        equal: &[
            "p_partkey ps_partkey",
            "s_suppkey ps_suppkey",
            "s_nationkey n_nationkey",
            "n_regionkey r_regionkey",
        ],
        conditions: |c| {
            vec![c("p_size").equal(15_i64), c("p_type").like("%BRASS"), c("r_name").equal("EUROPE")]
        },
    },
    Joins {
        name: "Q3",
        tables: &["customer", "orders", "lineitem"],
        equal: &["c_custkey o_custkey", "l_orderkey o_orderkey"],
        conditions: |c| {
            vec![
                c("c_mktsegment").equal("BUILDING"),
                c("o_orderdate").less(day("1995-03-15")),
                c("l_shipdate").greater(day("1995-03-15")),
            ]
        },
    },
    Joins {
        name: "Q4",
        tables: &["orders", "+lineitem"],
        equal: &["l_orderkey o_orderkey"],
        conditions: |c| {
            vec![
                within(c("o_orderdate"), "1993-07-01", "1993-10-01"),
                c("l_commitdate").less(c("l_receiptdate")),
            ]
        },
    },
    Joins {
        name: "Q5",
        tables: &["customer", "orders", "lineitem", "supplier", "nation", "region"],
        equal: &[
            "c_custkey o_custkey",
            "l_orderkey o_orderkey",
            "l_suppkey s_suppkey",
            "c_nationkey s_nationkey",
            "s_nationkey n_nationkey",
            "n_regionkey r_regionkey",
        ],
        conditions: |c| {
            vec![c("r_name").equal("ASIA"), within(c("o_orderdate"), "1994-01-01", "1995-01-01")]
        },
    },
    Joins {
        name: "Q6",
        tables: &["lineitem"],
        equal: &[],
        conditions: |c| {
            vec![
                within(c("l_shipdate"), "1994-01-01", "1995-01-01"),
                c("l_discount").between(hundredths(5), hundredths(7)),
                c("l_quantity").less(24_i64),
            ]
        },
    },
    Joins {
        name: "Q7",
        tables: &["supplier", "lineitem", "orders", "customer", "nation n1", "nation n2"],
        equal: &[
            "s_suppkey l_suppkey",
            "o_orderkey l_orderkey",
            "c_custkey o_custkey",
            "s_nationkey n1.n_nationkey",
            "c_nationkey n2.n_nationkey",
        ],
        conditions: |c| {
            let pair =
                |one: &str, other: &str| c("n1.n_name").equal(one).and(c("n2.n_name").equal(other));
            vec![
                pair("FRANCE", "GERMANY").or(pair("GERMANY", "FRANCE")),
                // What follows for each of both.
                c("n1.n_name").is_in(["FRANCE", "GERMANY"]),
                c("n2.n_name").is_in(["FRANCE", "GERMANY"]),
                c("l_shipdate").between(day("1995-01-01"), day("1996-12-31")),
            ]
        },
    },
    Joins {
        name: "Q8",
        tables: &[
            "part",
            "supplier",
            "lineitem",
            "orders",
            "customer",
            "nation n1",
            "nation n2",
            "region",
        ],
        equal: &[
            "p_partkey l_partkey",
            "s_suppkey l_suppkey",
            "l_orderkey o_orderkey",
            "o_custkey c_custkey",
            "c_nationkey n1.n_nationkey",
            "n1.n_regionkey r_regionkey",
            "s_nationkey n2.n_nationkey",
        ],
        conditions: |c| {
            vec![
                c("r_name").equal("AMERICA"),
                c("o_orderdate").between(day("1995-01-01"), day("1996-12-31")),
                c("p_type").equal("ECONOMY ANODIZED STEEL"),
            ]
        },
    },
    Joins {
        name: "Q9",
        tables: &["part", "supplier", "lineitem", "partsupp", "orders", "nation"],
        equal: &[
            "s_suppkey l_suppkey",
            "ps_suppkey l_suppkey",
            "ps_partkey l_partkey",
            "p_partkey l_partkey",
            "o_orderkey l_orderkey",
            "s_nationkey n_nationkey",
        ],
        conditions: |c| vec![c("p_name").like("%green%")],
    },
    Joins {
        name: "Q10",
        tables: &["customer", "orders", "lineitem", "nation"],
        equal: &["c_custkey o_custkey", "l_orderkey o_orderkey", "c_nationkey n_nationkey"],
        conditions: |c| {
            vec![within(c("o_orderdate"), "1993-10-01", "1994-01-01"), c("l_returnflag").equal("R")]
        },
    },
    Joins {
        name: "Q11",
        tables: &["partsupp", "supplier", "nation"],
        equal: &["ps_suppkey s_suppkey", "s_nationkey n_nationkey"],
        conditions: |c| vec![c("n_name").equal("GERMANY")],
    },
    Joins {
        name: "Q12",
        tables: &["orders", "lineitem"],
        equal: &["o_orderkey l_orderkey"],
        conditions: |c| {
            vec![
                c("l_shipmode").is_in(["MAIL", "SHIP"]),
                c("l_commitdate").less(c("l_receiptdate")),
                c("l_shipdate").less(c("l_commitdate")),
                within(c("l_receiptdate"), "1994-01-01", "1995-01-01"),
            ]
        },
    },
    Joins {
        name: "Q13",
        tables: &["customer", "<orders"],
        equal: &["c_custkey o_custkey"],
        conditions: |c| vec![c("o_comment").like("%special%requests%").negated()],
    },
    Joins {
        name: "Q14",
        tables: &["lineitem", "part"],
        equal: &["l_partkey p_partkey"],
        conditions: |c| vec![within(c("l_shipdate"), "1995-09-01", "1995-10-01")],
    },
    Joins {
        name: "Q15",
        tables: &["supplier", "lineitem"],
        equal: &["s_suppkey l_suppkey"],
        conditions: |c| vec![within(c("l_shipdate"), "1996-01-01", "1996-04-01")],
    },
    Joins {
        name: "Q16",
        tables: &["partsupp", "part", "-supplier"],
        equal: &["p_partkey ps_partkey", "ps_suppkey s_suppkey"],
        conditions: |c| {
            let sizes = [49_i64, 14, 23, 45, 19, 3, 36, 9];
            vec![
                c("p_brand").not_equal("Brand#45"),
                c("p_type").like("MEDIUM POLISHED%").negated(),
                c("p_size").is_in(sizes),
                c("s_comment").like("%Customer%Complaints%"),
            ]
        },
    },
    Joins {
        name: "Q17",
        tables: &["lineitem", "part"],
        equal: &["p_partkey l_partkey"],
        conditions: |c| vec![c("p_brand").equal("Brand#23"), c("p_container").equal("MED BOX")],
    },
    Joins {
        name: "Q18",
        tables: &["customer", "orders", "lineitem"],
        equal: &["c_custkey o_custkey", "o_orderkey l_orderkey"],
        conditions: |_| Vec::new(),
    },
    Joins {
        name: "Q19",
        tables: &["lineitem", "part"],
        equal: &["p_partkey l_partkey"],
        conditions: |c| {
            vec![
                c("l_shipmode").is_in(["AIR", "AIR REG"]),
                c("l_shipinstruct").equal("DELIVER IN PERSON"),
                Expression::Or(vec![
                    case(c, "Brand#12", "SM", 1, 5),
                    case(c, "Brand#23", "MED", 10, 10),
                    case(c, "Brand#34", "LG", 20, 15),
                ]),
            ]
        },
    },
    Joins {
        name: "Q20",
        tables: &["supplier", "nation", "partsupp", "part"],
        equal: &["s_suppkey ps_suppkey", "ps_partkey p_partkey", "s_nationkey n_nationkey"],
        conditions: |c| vec![c("p_name").like("forest%"), c("n_name").equal("CANADA")],
    },
    Joins {
        name: "Q21",
        tables: &["supplier", "lineitem l1", "orders", "nation", "+lineitem l2", "-lineitem l3"],
        equal: &[
            "s_suppkey l1.l_suppkey",
            "o_orderkey l1.l_orderkey",
            "s_nationkey n_nationkey",
            "l2.l_orderkey l1.l_orderkey",
            "l3.l_orderkey l1.l_orderkey",
        ],
        conditions: |c| {
            vec![
                c("o_orderstatus").equal("F"),
                c("l1.l_receiptdate").greater(c("l1.l_commitdate")),
                c("n_name").equal("SAUDI ARABIA"),
                c("l2.l_suppkey").not_equal(c("l1.l_suppkey")),
                c("l3.l_suppkey").not_equal(c("l1.l_suppkey")),
                c("l3.l_receiptdate").greater(c("l3.l_commitdate")),
            ]
        },
    },
    Joins {
        name: "Q22",
        tables: &["customer", "-orders"],
        equal: &["o_custkey c_custkey"],
        conditions: |c| {
            vec![
                c("c_phone").substring(1_i64, 2_i64).is_in(CODES),
                c("c_acctbal").greater(hundredths(0)),
            ]
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_literal_can_be_read() {
        for joins in &ALL {
            for condition in (joins.conditions)(&|_| Expression::column(0)) {
                condition.visit(&mut |part| {
                    let null = matches!(part, Expression::Literal(value) if value.is_null());
                    assert!(!null, "{}: {condition}", joins.name);
                });
            }
        }
    }
}
