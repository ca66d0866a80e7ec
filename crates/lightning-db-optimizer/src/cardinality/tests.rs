//! Estimates over small tables whose statistics are written by hand.

use std::sync::Arc;

use lightning_db_expression::Comparison;
use lightning_db_types::sketch::Histogram;
use lightning_db_types::{Value, ValueType};

use super::*;
use crate::catalog::{ColumnDefinition, ForeignKey, TableDefinition, TableId};
use crate::query::{Aggregate, AggregateFunction, Column, Node, Origin, Scalar};
use crate::statistics::{ColumnStatistics, StatisticsBuilder, TableStatistics};

/// Customers, and orders that refer to them.
#[derive(Debug)]
struct Shop {
    tables: Vec<(Arc<TableDefinition>, Option<Arc<TableStatistics>>)>,
}

impl Catalog for Shop {
    fn table(&self, name: &str) -> Option<TableId> {
        let place = self.tables.iter().position(|(it, _)| it.name == name)?;
        Some(TableId(u32::try_from(place).unwrap()))
    }

    fn table_names(&self) -> Vec<String> {
        self.tables.iter().map(|(it, _)| it.name.clone()).collect()
    }

    fn definition(&self, table: TableId) -> Arc<TableDefinition> {
        Arc::clone(&self.tables[table.0 as usize].0)
    }

    fn statistics(&self, table: TableId) -> Option<Arc<TableStatistics>> {
        self.tables[table.0 as usize].1.clone()
    }

    fn version(&self) -> u64 {
        1
    }
}

fn definition(name: &str, columns: &[&str], foreign_keys: Vec<ForeignKey>) -> TableDefinition {
    let column = |name: &&str| ColumnDefinition {
        name: (*name).to_owned(),
        value_type: ValueType::I64,
        nullable: true,
    };
    TableDefinition {
        name: name.to_owned(),
        columns: columns.iter().map(column).collect(),
        keys: vec![vec![0]],
        foreign_keys,
        indexes: Vec::new(),
    }
}

/// Values from zero to `distinct`, each as often.
fn even(rows: u64, distinct: i64) -> ColumnStatistics {
    let values: Vec<Value> = (0..distinct).map(Value::from).collect();
    ColumnStatistics {
        nulls: rows / 10_000,
        min: values.first().cloned(),
        max: values.last().cloned(),
        distinct: f64::from(i32::try_from(distinct).unwrap()),
        histogram: Histogram::of_sorted(&values, 100),
        width: 8.0,
        ..ColumnStatistics::default()
    }
}

/// 1,000 customers of 50 cities, and 10,000 orders, a tenth of each customer's being open.
fn shop() -> Shop {
    let customers = TableStatistics {
        rows: 1_000,
        rows_exact: true,
        pages: 10,
        columns: vec![even(1_000, 1_000), even(1_000, 50)],
        ..TableStatistics::default()
    };
    let state = ColumnStatistics {
        common: vec![(Value::from(0_i64), 0.9), (Value::from(1_i64), 0.1)],
        distinct: 2.0,
        ..even(0, 2)
    };
    let orders = TableStatistics {
        rows: 10_000,
        rows_exact: true,
        pages: 100,
        columns: vec![even(10_000, 10_000), even(0, 1_000), state],
        ..TableStatistics::default()
    };
    let refers = ForeignKey { columns: vec![1], references: TableId(0), referenced: vec![0] };
    Shop {
        tables: vec![
            (Arc::new(definition("customer", &["id", "city"], vec![])), Some(Arc::new(customers))),
            (
                Arc::new(definition("order", &["id", "customer", "state"], vec![refers])),
                Some(Arc::new(orders)),
            ),
        ],
    }
}

/// A query over scans, by hand.
struct Made {
    query: Query,
    columns: Vec<ColumnId>,
}

impl Made {
    fn new() -> Self {
        Self { query: Query::new(), columns: Vec::new() }
    }

    fn scan(&mut self, shop: &Shop, table: u32) -> NodeId {
        let definition = shop.definition(TableId(table));
        let columns: Vec<ColumnId> = (0..definition.columns.len())
            .map(|position| {
                self.query.add_column(Column {
                    name: definition.columns[position].name.as_str().into(),
                    relation: None,
                    value_type: ValueType::I64,
                    nullable: true,
                    origin: Origin::Table(TableId(table), position),
                })
            })
            .collect();
        self.columns.extend(&columns);
        let alias = definition.name.as_str().into();
        self.query.add_node(Node::Scan { table: TableId(table), alias, columns })
    }

    fn compare(&mut self, comparison: Comparison, column: usize, value: i64) -> ScalarId {
        let column = self.query.add_scalar(Scalar::Column(self.columns[column]));
        let value = self.query.add_scalar(Scalar::Literal(value.into()));
        self.query.add_scalar(Scalar::Compare(comparison, column, value))
    }

    fn equal(&mut self, left: usize, right: usize) -> ScalarId {
        let [left, right] =
            [left, right].map(|it| self.query.add_scalar(Scalar::Column(self.columns[it])));
        self.query.add_scalar(Scalar::Compare(Comparison::Equal, left, right))
    }

    fn filter(&mut self, input: NodeId, conditions: Vec<ScalarId>) -> NodeId {
        self.query.add_node(Node::Filter { input, conditions })
    }
}

fn near(found: Estimate, expected: f64) {
    let error = crate::q_error(found.point, expected);
    assert!(error < 1.1, "{found:?} is not near {expected}");
    assert!(found.low <= expected && expected <= found.high, "{found:?} excludes {expected}");
}

#[test]
fn one_column_goes_by_common_values_histogram_and_distinct_values() {
    let shop = shop();
    let mut made = Made::new();
    let scan = made.scan(&shop, 1);
    let mut check = |comparison, column, value, expected: f64| {
        let condition = made.compare(comparison, column, value);
        let cardinality = Cardinality::new(&made.query, &shop, None);
        near(cardinality.selectivity(scan, &[condition]).scaled(1e4), expected);
    };
    check(Comparison::Equal, 2, 1, 1_000.0);
    check(Comparison::NotEqual, 2, 1, 9_000.0);
    check(Comparison::Equal, 1, 77, 10.0);
    check(Comparison::Less, 1, 250, 2_500.0);
    check(Comparison::AtLeast, 1, 900, 1_000.0);
    check(Comparison::Equal, 0, 5, 1.0);
    check(Comparison::Equal, 2, 5, 0.0);
    check(Comparison::Less, 0, -1, 0.0);
}

#[test]
fn bounds_on_one_column_are_one_interval() {
    let shop = shop();
    let mut made = Made::new();
    let scan = made.scan(&shop, 1);
    let low = made.compare(Comparison::AtLeast, 1, 400);
    let high = made.compare(Comparison::Less, 1, 500);
    let filter = made.filter(scan, vec![low, high]);
    near(Cardinality::new(&made.query, &shop, None).rows(filter), 1_000.0);
}

/// Orders of customers of one city, joined in each way.
fn joined(kind: JoinKind) -> Estimate {
    let shop = shop();
    let mut made = Made::new();
    let (customer, order) = (made.scan(&shop, 0), made.scan(&shop, 1));
    let city = made.compare(Comparison::Equal, 1, 7);
    let customer = made.filter(customer, vec![city]);
    let on = made.equal(3, 0);
    let join = Node::Join { kind, left: order, right: customer, on: vec![on] };
    let join = made.query.add_node(join);
    made.query.set_root(join);
    Cardinality::new(&made.query, &shop, None).rows(join)
}

#[test]
fn joins_on_a_foreign_key_keep_the_share_of_the_keys() {
    near(joined(JoinKind::Inner), 200.0);
    near(joined(JoinKind::Semi), 200.0);
    near(joined(JoinKind::Anti), 9_800.0);
    near(joined(JoinKind::Left), 10_000.0);
    near(joined(JoinKind::Single), 10_000.0);
    near(joined(JoinKind::Full), 10_000.0);
}

#[test]
fn groups_of_filtered_rows_are_fewer() {
    let shop = shop();
    let mut made = Made::new();
    let scan = made.scan(&shop, 1);
    let open = made.compare(Comparison::Equal, 2, 1);
    let filter = made.filter(scan, vec![open]);
    let groups = vec![made.columns[1]];
    let node = Node::Aggregate { input: filter, groups, aggregates: Vec::new() };
    let groups = made.query.add_node(node);
    let cardinality = Cardinality::new(&made.query, &shop, None);
    // Of ten orders of each of 1,000 customers a tenth is open: 1 - 0.9^10 of them have one.
    near(cardinality.rows(groups), 651.0);
    let one = cardinality.distinct(&[made.columns[2]], Estimate::exact(1_000.0));
    near(one, 1.0);
}

#[test]
fn equal_conditions_of_one_class_count_once() {
    let shop = shop();
    let mut made = Made::new();
    let [one, two, three] = [1, 1, 1].map(|table| made.scan(&shop, table));
    let edges = [made.equal(1, 4), made.equal(4, 7), made.equal(1, 7)];
    let join = |made: &mut Made, left, right, on: &[ScalarId]| {
        let on = on.to_vec();
        made.query.add_node(Node::Join { kind: JoinKind::Inner, left, right, on })
    };
    let both = join(&mut made, one, two, &edges[..1]);
    let all = join(&mut made, both, three, &edges[1..]);
    made.query.set_root(all);
    let cardinality = Cardinality::new(&made.query, &shop, None);
    near(cardinality.rows(both), 1e5);
    near(cardinality.rows(all), 1e6);
    assert!((cardinality.edge_selectivity(edges[0]) - 1e-3).abs() < 1e-9);
}

/// Orders of days, and two lines of each a few days later.
fn dependent() -> Shop {
    let refers = ForeignKey { columns: vec![1], references: TableId(0), referenced: vec![0] };
    let orders = definition("orders", &["id", "day"], vec![]);
    let lines = definition("lines", &["id", "orders", "day"], vec![refers]);
    let (mut of_orders, mut of_lines) =
        (StatisticsBuilder::new(&orders, 1), StatisticsBuilder::new(&lines, 2));
    for id in 0..5_000_i64 {
        let day = id * 7_919 % 1_000;
        of_orders.add(&[id, day].map(Value::from));
        for line in [0, 1] {
            of_lines.add(&[2 * id + line, id, day + 5 * line].map(Value::from));
        }
    }
    let known = |made: StatisticsBuilder| Some(Arc::new(made.finish(10)));
    Shop { tables: vec![(Arc::new(orders), known(of_orders)), (Arc::new(lines), known(of_lines))] }
}

#[test]
fn conditions_that_depend_on_each_other_across_a_join_are_seen_together() {
    let shop = dependent();
    let check = |kind, comparison, expected: f64| {
        let mut made = Made::new();
        let (orders, lines) = (made.scan(&shop, 0), made.scan(&shop, 1));
        let early = made.compare(Comparison::Less, 1, 500);
        let orders = made.filter(orders, vec![early]);
        let lines_day = made.compare(comparison, 4, 500);
        let lines = made.filter(lines, vec![lines_day]);
        let on = made.equal(0, 3);
        let join = Node::Join { kind, left: orders, right: lines, on: vec![on] };
        let join = made.query.add_node(join);
        made.query.set_root(join);
        let found = Cardinality::new(&made.query, &shop, None).rows(join);
        let error = crate::q_error(found.point, expected);
        assert!(error < 1.8, "{kind:?}: {found:?} is not near {expected}");
    };
    // Of 2,500 early orders all first lines are early, and all second ones but those of 5 days.
    check(JoinKind::Inner, Comparison::Less, 4_975.0);
    check(JoinKind::Semi, Comparison::Less, 2_500.0);
    // Independent conditions would leave 2,500 pairs.
    check(JoinKind::Inner, Comparison::AtLeast, 25.0);
    check(JoinKind::Anti, Comparison::AtLeast, 2_475.0);
}

/// Two tables of 1,000 rows whose first columns are known by their least and largest values alone.
fn known_by_ends(one: (i64, i64), other: (i64, i64)) -> Shop {
    let table = |name: &str, (min, max): (i64, i64)| {
        let column = ColumnStatistics {
            min: Some(min.into()),
            max: Some(max.into()),
            distinct: 1_000.0,
            ..ColumnStatistics::default()
        };
        let known =
            TableStatistics { rows: 1_000, columns: vec![column], ..TableStatistics::default() };
        let mut definition = definition(name, &["id"], vec![]);
        definition.keys.clear();
        (Arc::new(definition), Some(Arc::new(known)))
    };
    Shop { tables: vec![table("one", one), table("other", other)] }
}

#[test]
fn groups_with_a_count_or_sum_go_by_how_groups_spread() {
    let shop = shop();
    let groups = |function, argument: Option<usize>, comparison, value: i64| {
        let mut made = Made::new();
        let input = made.scan(&shop, 1);
        let argument = argument.map(|at| made.query.add_scalar(Scalar::Column(made.columns[at])));
        let made_of = Aggregate { function, argument, distinct: false, filter: None };
        let column = made.query.add_column(Column {
            name: "made".into(),
            relation: None,
            value_type: ValueType::I64,
            nullable: false,
            origin: Origin::Computed,
        });
        let groups = vec![made.columns[1]];
        let aggregates = vec![(column, made_of)];
        let grouped = made.query.add_node(Node::Aggregate { input, groups, aggregates });
        made.columns.push(column);
        let condition = made.compare(comparison, 3, value);
        let filtered = made.filter(grouped, vec![condition]);
        Cardinality::new(&made.query, &shop, None).rows(filtered).point
    };
    let near = |found: f64, expected: f64| {
        assert!(crate::q_error(found, expected) < 1.2, "{found} is not near {expected}");
    };
    // 1,000 customers of 10 orders each, with a deviation of 3.2; a tenth of the orders are open.
    near(groups(AggregateFunction::Count, None, Comparison::Greater, 10), 500.0);
    near(groups(AggregateFunction::Count, None, Comparison::AtLeast, 13), 171.0);
    near(groups(AggregateFunction::Count, None, Comparison::Less, 13), 829.0);
    near(groups(AggregateFunction::Count, None, Comparison::Greater, 1_000), 1.0);
    near(groups(AggregateFunction::Sum, Some(2), Comparison::Greater, 2), 159.0);
    // Nothing is known of the smallest.
    near(groups(AggregateFunction::Min, Some(2), Comparison::Greater, 2), 333.0);
}

#[test]
fn values_spread_evenly_between_ends_where_there_is_no_histogram() {
    let rows = |one, other| {
        let shop = known_by_ends(one, other);
        let mut made = Made::new();
        let (left, right) = (made.scan(&shop, 0), made.scan(&shop, 1));
        let on = vec![made.equal(0, 1)];
        let join = Node::Join { kind: JoinKind::Inner, left, right, on };
        let join = made.query.add_node(join);
        made.query.set_root(join);
        Cardinality::new(&made.query, &shop, None).rows(join).point
    };
    let near = |found: f64, expected: f64| {
        assert!(crate::q_error(found, expected) < 1.05, "{found} is not near {expected}");
    };
    near(rows((0, 999), (0, 999)), 1_000.0);
    near(rows((0, 999), (500, 1_499)), 500.0);
    near(rows((0, 999), (2_000, 2_999)), 0.0);
    let shop = known_by_ends((0, 1_000), (0, 1_000));
    let mut made = Made::new();
    let scan = made.scan(&shop, 0);
    let tenth = made.compare(Comparison::Less, 0, 100);
    let cardinality = Cardinality::new(&made.query, &shop, None);
    near(cardinality.selectivity(scan, &[tenth]).point * 1_000.0, 100.0);
}
