//! The TPC-H tables in both engines: amounts of money as cents and dates as days, so that every
//! column is a whole number or a text in both.

use anyhow::{Context as _, Result};
use lightning_db_optimizer::TableDefinition;
use lightning_db_sql::Connection;
use lightning_db_table::{Tables, Value};
use lightning_db_types::ValueType;
use rusqlite::types::Value as Theirs;

use crate::optimizer::tpch::{date, definitions, rows};
use crate::workload::Rng;

/// Rows of one commit of the load.
const CHUNK: usize = 1_000;
/// Different keys that are asked for.
const KEYS: usize = 1_000;
/// Tables that no statement here reads.
const LEFT_OUT: [&str; 2] = ["region", "partsupp"];

const INDEXES: &str = "CREATE INDEX orders_customer ON orders (o_custkey)";

/// Keys that are there, in an order that follows from a seed.
#[derive(Debug)]
pub(super) struct Keys {
    pub orders: Vec<i64>,
    /// Customers with orders.
    pub customers: Vec<i64>,
}

/// Makes the tables in both engines, with their indexes and statistics; gives the number of rows
/// of the largest, and keys that are there.
///
/// # Errors
///
/// When an engine refuses something.
pub(super) fn fill(
    tables: &Tables,
    ours: &Connection,
    theirs: &rusqlite::Connection,
    scale: f64,
) -> Result<(u64, Keys)> {
    let (mut largest, mut orders, mut customers) = (0, Vec::new(), Vec::new());
    for definition in definitions().iter().filter(|it| !LEFT_OUT.contains(&&*it.name)) {
        let create = create(definition);
        ours.execute_batch(&create)?;
        // `SQLite` keeps a row under its key if that is one whole number, or if it is told to.
        let is_rowid = definition.keys[0].len() == 1;
        theirs
            .execute_batch(&format!("{create}{}", if is_rowid { "" } else { " WITHOUT ROWID" }))?;
        let places = vec!["?"; definition.columns.len()].join(", ");
        let mut insert =
            theirs.prepare(&format!("INSERT INTO {} VALUES ({places})", definition.name))?;
        theirs.execute_batch("BEGIN")?;
        let (mut chunk, mut count) = (Vec::new(), 0);
        rows(&definition.name, scale, &mut |line| {
            let row = parse(definition, line)?;
            if definition.name == "orders" {
                orders.extend(whole(&row[0]));
                customers.extend(whole(&row[1]));
            }
            insert.execute(rusqlite::params_from_iter(row.iter().map(theirs_of)))?;
            chunk.push(row);
            count += 1;
            if chunk.len() == CHUNK {
                tables.insert_many(&definition.name, std::mem::take(&mut chunk))?;
            }
            Ok(())
        })?;
        tables.insert_many(&definition.name, chunk)?;
        theirs.execute_batch("COMMIT")?;
        largest = largest.max(count);
    }
    ours.execute_batch(&format!("{INDEXES}; ANALYZE"))?;
    theirs.execute_batch(&format!("{INDEXES}; ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)"))?;
    tables.store().checkpoint()?;
    let keys = Keys { orders: some(orders, 1), customers: some(customers, 2) };
    Ok((largest, keys))
}

fn whole(value: &Value) -> Option<i64> {
    if let Value::I64(number) = value { Some(*number) } else { None }
}

/// Some of these keys.
fn some(keys: Vec<i64>, seed: u64) -> Vec<i64> {
    let mut rng = Rng::new(seed);
    (0..KEYS).map(|_| keys[rng.index(keys.len())]).collect()
}

fn create(definition: &TableDefinition) -> String {
    let name = |at: &usize| definition.columns[*at].name.as_str();
    let key: Vec<&str> = definition.keys[0].iter().map(name).collect();
    let mut columns: Vec<String> = Vec::new();
    for column in &definition.columns {
        let kind = if column.value_type == ValueType::Text { "TEXT" } else { "INTEGER" };
        let is_key = key == [column.name.as_str()];
        let constraint = if is_key { "PRIMARY KEY" } else { "NOT NULL" };
        columns.push(format!("{} {kind} {constraint}", column.name));
    }
    if key.len() > 1 {
        columns.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    format!("CREATE TABLE {} ({})", definition.name, columns.join(", "))
}

/// The values of a line with bars between the columns.
fn parse(definition: &TableDefinition, line: &str) -> Result<Vec<Value>> {
    let mut fields = line.split('|');
    let row = definition.columns.iter().map(|column| {
        let field = fields.next().with_context(|| format!("no {} in {line}", column.name))?;
        Ok(match column.value_type {
            ValueType::Text => Value::from(field),
            ValueType::Decimal => Value::I64(field.replace('.', "").parse()?),
            ValueType::Date => match date(field)? {
                Value::Date(day) => Value::from(i64::from(day)),
                other => other,
            },
            _ => Value::I64(field.parse()?),
        })
    });
    row.collect()
}

fn theirs_of(value: &Value) -> Theirs {
    match value {
        Value::I64(number) => Theirs::Integer(*number),
        Value::Text(text) => Theirs::Text(text.clone()),
        _ => Theirs::Null,
    }
}
