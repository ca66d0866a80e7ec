//! Random queries and writes over random rows: both engines give the same.
//!
//! `SQL_SEED` and `SQL_QUERIES` choose the seed and the number of queries. Values are compared as
//! numbers or texts: an average of whole numbers is a decimal here and a double there.

mod maker;
mod write;

use anyhow::{Context as _, Result};
use lightning_db_sql::Connection;
use lightning_db_sql::types::Value;
use rusqlite::types::ValueRef;

use maker::Maker;

/// Queries of a database, before a new one is made.
const QUERIES: usize = 100;
/// One in so many statements writes.
const WRITES: usize = 6;

/// A number or a text as both engines mean it; doubles to six digits behind the point.
fn number(value: f64) -> String {
    format!("{:.6}", value + 0.0).replace("-0.000000", "0.000000")
}

fn shown(value: &Value) -> Result<String> {
    Ok(match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => number(f64::from(u8::from(*truth))),
        Value::I64(value) => number(*value as f64),
        Value::F64(value) => number(*value),
        Value::Decimal(value) => number(value.to_string().parse()?),
        Value::Text(text) => format!("'{text}'"),
        other => format!("{other:?}"),
    })
}

fn ours(db: &Connection, sql: &str) -> Result<Vec<String>> {
    let rows = db.query(sql, ())?;
    let row = |row: &Vec<Value>| Ok(row.iter().map(shown).collect::<Result<Vec<_>>>()?.join("|"));
    rows.values().iter().map(row).collect()
}

fn theirs(db: &rusqlite::Connection, sql: &str) -> Result<Vec<String>> {
    let mut statement = db.prepare(sql)?;
    let width = statement.column_count();
    let (mut found, mut rows) = (Vec::new(), statement.query([])?);
    while let Some(row) = rows.next()? {
        let value = |at| {
            Ok(match row.get_ref(at)? {
                ValueRef::Null => "null".to_owned(),
                ValueRef::Integer(value) => number(value as f64),
                ValueRef::Real(value) => number(value),
                ValueRef::Text(text) => format!("'{}'", std::str::from_utf8(text)?),
                ValueRef::Blob(bytes) => format!("{bytes:?}"),
            })
        };
        found.push((0..width).map(value).collect::<Result<Vec<_>>>()?.join("|"));
    }
    Ok(found)
}

/// What a query gives in both engines, sorted where it is in no order.
fn both(
    (db, peer): (&Connection, &rusqlite::Connection),
    (sql, is_ordered): (&str, bool),
) -> Result<[Vec<String>; 2]> {
    let mut found = [ours(db, sql).context("lightning")?, theirs(peer, sql).context("sqlite")?];
    if !is_ordered {
        for rows in &mut found {
            rows.sort();
        }
    }
    Ok(found)
}

/// Writes in both engines; gives what differs then, which is nothing.
fn written(
    (db, peer): (&Connection, &rusqlite::Connection),
    (sql, table): (&str, &str),
) -> Result<Option<String>> {
    let ours = db.execute(sql, ()).context("lightning")?;
    let theirs = peer.execute(sql, []).context("sqlite")? as u64;
    let all = format!("SELECT * FROM {table} ORDER BY id");
    let [rows, others] = both((db, peer), (&all, true))?;
    if (ours, &rows) == (theirs, &others) {
        return Ok(None);
    }
    let only = rows.iter().zip(&others).find(|(one, other)| one != other);
    Ok(Some(format!("{ours} rows written, and {theirs} in SQLite; first {only:?}")))
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn random_queries_agree() {
    let seed = from_environment("SQL_SEED").unwrap_or(7);
    let queries = from_environment("SQL_QUERIES").unwrap_or(2_000);
    println!(
        "seed {seed}; replay: SQL_SEED={seed} SQL_QUERIES={queries} cargo test --manifest-path \
         benches/compare/Cargo.toml random_queries"
    );
    let mut maker = Maker::new(seed);
    let (mut wrong, mut with_rows, mut asked) = (Vec::new(), 0, 0);
    while asked < queries {
        let dir = tempfile::tempdir().unwrap();
        let db = Connection::open(dir.path()).unwrap();
        let peer = rusqlite::Connection::open_in_memory().unwrap();
        peer.execute_batch("PRAGMA case_sensitive_like = ON").unwrap();
        let statements = maker.tables();
        db.execute_batch(&statements).unwrap();
        peer.execute_batch(&statements.replace(" USING btree", "")).unwrap();
        for _ in 0..QUERIES.min(usize::try_from(queries - asked).unwrap()) {
            asked += 1;
            if maker.index(WRITES) == 0 {
                let (sql, table) = maker.write();
                let outcome = written((&db, &peer), (&sql, table));
                match outcome.unwrap_or_else(|error| Some(format!("{error:#}"))) {
                    None => continue,
                    // From here on the tables are not the same.
                    Some(how) => wrong.push(format!("write {asked}: {sql}\n  {how}")),
                }
                break;
            }
            let (sql, is_ordered) = maker.query();
            match both((&db, &peer), (&sql, is_ordered)) {
                Ok([ours, theirs]) if ours == theirs => with_rows += u64::from(!ours.is_empty()),
                Ok([ours, theirs]) => {
                    let only = |of: &[String], other: &[String]| {
                        let only = of.iter().filter(|row| !other.contains(row)).take(5);
                        only.cloned().collect::<Vec<_>>()
                    };
                    wrong.push(format!(
                        "query {asked}: {sql}\n  {} rows and {} in SQLite; ours alone {:?}, theirs \
                         alone {:?}",
                        ours.len(),
                        theirs.len(),
                        only(&ours, &theirs),
                        only(&theirs, &ours),
                    ));
                }
                Err(error) => wrong.push(format!("query {asked}: {sql}\n  {error:#}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(with_rows * 3 > asked, "{with_rows} of {asked} queries gave rows");
}
