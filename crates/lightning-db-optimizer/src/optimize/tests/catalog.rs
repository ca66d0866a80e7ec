//! A shop whose tables are of known sizes, without rows.

use lightning_db_expression::Expression;
use lightning_db_types::ValueType::{Bool, Date, I64, Point, Text};
use lightning_db_types::sketch::Histogram;
use lightning_db_types::{Value, ValueType};

use crate::catalog::{ForeignKey, IndexDefinition, IndexKind, TableId};
use crate::memory::MemoryCatalog;
use crate::statistics::{ColumnStatistics, TableStatistics};

/// A column of so many distinct values, from 0 up.
fn column(rows: u64, distinct: u64) -> ColumnStatistics {
    let top = i64::try_from(distinct).unwrap() - 1;
    let even: Vec<Value> = (0..=100).map(|step| Value::I64(top * step / 100)).collect();
    ColumnStatistics {
        min: Some(Value::I64(0)),
        max: Some(Value::I64(top)),
        histogram: Histogram::of_sorted(&even, 100),
        distinct: crate::access::as_f64(distinct.min(rows)),
        width: 8.0,
        ..ColumnStatistics::default()
    }
}

fn text(distinct: u64) -> ColumnStatistics {
    let distinct = crate::access::as_f64(distinct);
    ColumnStatistics { distinct, width: 20.0, ..ColumnStatistics::default() }
}

pub(super) fn table(
    catalog: &mut MemoryCatalog,
    name: &str,
    columns: &[(&str, ValueType)],
    rows: u64,
    distinct: &[u64],
) -> TableId {
    let id = catalog.add_table(name, columns, &["id"]).unwrap();
    catalog.change(id, |definition| {
        definition.columns.iter_mut().for_each(|column| column.nullable = false);
    });
    catalog.add_index(
        id,
        IndexDefinition {
            unique: true,
            ..IndexDefinition::new(format!("{name}_key"), IndexKind::Clustered, &[0])
        },
    );
    let of = |(at, distinct): (usize, &u64)| match columns[at].1 {
        I64 | Date => column(rows, *distinct),
        _ => text(*distinct),
    };
    let columns = distinct.iter().enumerate().map(of).collect();
    let pages = rows / 50 + 1;
    let known = TableStatistics { rows, pages, columns, ..TableStatistics::default() };
    catalog.set_statistics(id, known);
    id
}

/// Customers, their orders and what was ordered, with indexes of every kind.
pub(super) fn shop() -> MemoryCatalog {
    let mut catalog = MemoryCatalog::new();
    let customer =
        [("id", I64), ("email", Text), ("city", Text), ("place", Point), ("active", Bool)];
    let customers =
        table(&mut catalog, "customer", &customer, 100_000, &[100_000, 100_000, 500, 100_000, 2]);
    let order = [("id", I64), ("customer", I64), ("day", I64), ("state", I64), ("note", Text)];
    let orders =
        table(&mut catalog, "orders", &order, 1_000_000, &[1_000_000, 90_000, 1_000, 5, 900_000]);
    let line = [("id", I64), ("orders", I64), ("product", I64), ("amount", I64)];
    let lines = table(&mut catalog, "line", &line, 4_000_000, &[4_000_000, 1_000_000, 10_000, 20]);
    let product = [("id", I64), ("name", Text), ("kind", I64)];
    table(&mut catalog, "product", &product, 10_000, &[10_000, 10_000, 40]);
    let event = [("id", I64), ("user", I64), ("kind", I64), ("size", I64)];
    let events =
        table(&mut catalog, "event", &event, 10_000_000, &[10_000_000, 2_000, 1_000, 100_000]);
    catalog.add_index(events, IndexDefinition::new("user_set", IndexKind::Bitmap, &[1]));
    catalog.add_index(events, IndexDefinition::new("kind_set", IndexKind::Bitmap, &[2]));
    let references =
        |columns: Vec<usize>, references| ForeignKey { columns, references, referenced: vec![0] };
    catalog.add_foreign_key(orders, references(vec![1], customers));
    catalog.add_foreign_key(lines, references(vec![1], orders));
    let mut by_email = IndexDefinition::new("by_email", IndexKind::Ordered, &[1]);
    by_email.unique = true;
    catalog.add_index(customers, by_email);
    let mut lower = IndexDefinition::new("by_lower_email", IndexKind::Ordered, &[1]);
    lower.parts[0].expression = Expression::column(1).lower();
    catalog.add_index(customers, lower);
    let mut near = IndexDefinition::new("near", IndexKind::Spatial, &[3]);
    near.answers = vec!["within".into()];
    near.orders = vec!["distance".into()];
    catalog.add_index(customers, near);
    catalog.add_index(customers, IndexDefinition::new("city_set", IndexKind::Bitmap, &[2]));
    catalog.add_index(orders, IndexDefinition::new("by_customer", IndexKind::Ordered, &[1, 2]));
    catalog.add_index(orders, IndexDefinition::new("by_state_day", IndexKind::Ordered, &[3, 2]));
    let mut open = IndexDefinition::new("open_by_day", IndexKind::Ordered, &[2]);
    open.condition = Some(Expression::column(3).equal(1_i64));
    open.entries = Some(200_000);
    catalog.add_index(orders, open);
    let mut notes = IndexDefinition::new("notes", IndexKind::Text, &[4]);
    notes.answers = vec!["matches".into()];
    catalog.add_index(orders, notes);
    catalog.add_index(
        lines,
        IndexDefinition {
            include: vec![3],
            ..IndexDefinition::new("by_order", IndexKind::Ordered, &[1])
        },
    );
    catalog.add_index(lines, IndexDefinition::new("by_product", IndexKind::Hash, &[2]));
    catalog
}
