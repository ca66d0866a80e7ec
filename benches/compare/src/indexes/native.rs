//! Native kinds: a composite index that covers its query, looking a row up by a unique key, and
//! building an index over rows that are there.
//!
//! Events of many accounts are inserted in the order of time, so that those of one account are
//! scattered. Both engines have the same rows, indexes and queries.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Result, ensure};
use lightning_db_table::index::{HashOptions, IndexKind, KeyQuery, Reader};
use lightning_db_table::{
    BuildOutcome, ColumnDefinition, ColumnType, IndexSpec, TableDefinition, Tables, Value, ValueRef,
};
use rusqlite::Connection;

use super::Bench;
use super::contest::{Contest, repeated};
use super::lightning::{LEVEL, tables, there};
use super::sqlite::{open, signed};
use crate::clock::{now, process_cpu};
use crate::comparison::{Metric, OURS};
use crate::workload::{Rng, mix, touch};

/// Events of an account.
const EVENTS: u64 = 1_000;
/// Seconds between two of them.
const STEP: i64 = 10;
/// Events that a range holds.
const RANGE: u64 = 100;
/// Rows of one commit of the load.
const CHUNK: u64 = 10_000;

const CREATE: &str = "CREATE TABLE events (id INTEGER PRIMARY KEY, account INTEGER NOT NULL, \
     at INTEGER NOT NULL, amount REAL NOT NULL, email TEXT NOT NULL, note TEXT NOT NULL)";
const INSERT: &str = "INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const BUILD: &str = "CREATE INDEX by_account ON events (account, at, amount)";
const COVERING: &str =
    "SELECT id, at, amount FROM events WHERE account = ?1 AND at >= ?2 AND at < ?3 ORDER BY at";
const LOOK_UP: &str = "SELECT id, amount FROM events WHERE email = ?1";

/// One row.
struct Event {
    id: u64,
    account: i64,
    at: i64,
    amount: f64,
    email: String,
    note: String,
}

impl Event {
    fn new(id: u64, rows: u64) -> Self {
        let accounts = (rows / EVENTS).max(1);
        let amount = (mix(id) % 100_000) as f64 / 100.0;
        Self {
            id,
            account: signed(id % accounts),
            at: signed(id / accounts) * STEP,
            amount,
            email: email(id),
            note: format!("payment {:016x} for order {:016x}", mix(id ^ 1), mix(id ^ 2)),
        }
    }

    fn values(self) -> Vec<Value> {
        let Self { id, account, at, amount, email, note } = self;
        vec![
            Value::U64(id),
            Value::I64(account),
            Value::I64(at),
            Value::F64(amount),
            email.into(),
            note.into(),
        ]
    }
}

fn email(id: u64) -> String {
    format!("user{:016x}@example.org", mix(id))
}

/// Runs the group.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let rows = bench.pick(200_000, 1_000_000);
    let tables = fill_ours(&bench.folder("lightning")?, rows)?;
    let connection = fill_sqlite(&bench.folder("sqlite")?, rows)?;
    build(bench, &tables, &connection, rows)?;
    covering(bench, &tables, &connection, rows)?;
    look_ups(bench, &tables, &connection, rows)?;
    tables.store().close()?;
    Ok(())
}

fn fill_ours(dir: &Path, rows: u64) -> Result<Tables> {
    let tables = tables(dir)?;
    let column = |name, of| ColumnDefinition::new(name, of);
    let hash = IndexKind::Hash(HashOptions::new().unique());
    let definition = TableDefinition::new("events")
        .column(column("id", ColumnType::U64))
        .column(column("account", ColumnType::I64))
        .column(column("at", ColumnType::I64))
        .column(column("amount", ColumnType::F64))
        .column(column("email", ColumnType::Text))
        .column(column("note", ColumnType::Text))
        .primary_key([0])
        .index(IndexSpec::unique("by_email").column(4))
        .index(IndexSpec::new("by_email_hash", hash).column(4));
    tables.create_table(definition)?;
    for first in (0..rows).step_by(usize::try_from(CHUNK)?) {
        let chunk = first..(first + CHUNK).min(rows);
        tables.insert_many("events", chunk.map(|id| Event::new(id, rows).values()))?;
    }
    Ok(tables)
}

fn fill_sqlite(dir: &Path, rows: u64) -> Result<Connection> {
    let mut connection = open(dir)?;
    connection.execute_batch(CREATE)?;
    let transaction = connection.transaction()?;
    {
        let mut insert = transaction.prepare(INSERT)?;
        for id in 0..rows {
            let Event { id, account, at, amount, email, note } = Event::new(id, rows);
            insert.execute((signed(id), account, at, amount, email, note))?;
        }
    }
    transaction.execute_batch("CREATE UNIQUE INDEX by_email ON events (email)")?;
    transaction.commit()?;
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); ANALYZE")?;
    Ok(connection)
}

fn build(bench: &mut Bench, tables: &Tables, connection: &Connection, rows: u64) -> Result<()> {
    let case = Bench::case("composite_build", LEVEL, rows);
    let metrics = [Metric::lower("cpu_s", "s"), Metric::lower("wall_s", "s")];
    let mut built = [false; 2];
    let work = |at: usize| {
        // The index of the last round stays for what follows.
        if std::mem::replace(&mut built[at], true) {
            match at {
                0 => tables.drop_index("events", "by_account")?,
                _ => connection.execute_batch("DROP INDEX by_account")?,
            }
        }
        let (start, before) = (now(), process_cpu());
        match at {
            0 => build_ours(tables, rows)?,
            _ => connection.execute_batch(BUILD)?,
        }
        let cpu = process_cpu().saturating_sub(before);
        Ok([cpu.as_secs_f64(), start.elapsed().as_secs_f64()])
    };
    let results = repeated(bench, &case, (&[OURS, "sqlite"], metrics), work)?;
    bench.add(results)
}

fn build_ours(tables: &Tables, rows: u64) -> Result<()> {
    let spec = IndexSpec::ordered("by_account").column(1).column(2).include([3]);
    let built = tables.create_index("events", spec, &mut |_| ControlFlow::Continue(()))?;
    ensure!(built == BuildOutcome::Ready { entries: rows }, "the build gave {built:?}");
    Ok(())
}

/// An account, and the first moment of a range and the one behind it.
fn ranges(rows: u64, count: u64) -> Vec<(i64, i64, i64)> {
    let mut rng = Rng::new(rows);
    let accounts = (rows / EVENTS).max(1);
    let range = |_| {
        let first = signed(rng.below(EVENTS - RANGE + 1)) * STEP;
        (signed(rng.below(accounts)), first, first + signed(RANGE) * STEP)
    };
    (0..count).map(range).collect()
}

fn covering(bench: &mut Bench, tables: &Tables, sqlite: &Connection, rows: u64) -> Result<()> {
    let ranges = ranges(rows, 2_000);
    let table = tables.table("events")?;
    let index = there(table.index("by_account")?.as_ordered(), "an ordered index")?;
    let query = |&(account, from, to): &(i64, i64, i64)| {
        KeyQuery::equal([account]).range(Value::I64(from)..Value::I64(to))
    };
    let snapshot = tables.snapshot();
    let mut keys = Vec::new();
    for range in &ranges {
        let mut hits = index.scan(Reader::Snapshot(snapshot.snapshot()), &query(range))?;
        let (first, last) = (hits.next(), hits.next_back());
        let (first, last) = (there(first, "a first hit")??, there(last, "a last hit")??);
        keys.push((first.key().to_vec(), last.key().to_vec()));
    }
    let of = |question: u64| usize::try_from(question).unwrap_or(0);
    let mut statement = sqlite.prepare(COVERING)?;
    let case = Bench::case("covering_range_100", LEVEL, rows);
    let results = Contest::new(case, ranges.len())
        .lane(OURS, |question| {
            let snapshot = tables.snapshot();
            let (mut sum, mut amounts) = (0_u64, 0.0);
            let reader = Reader::Snapshot(snapshot.snapshot());
            let mut scan = index.scan(reader, &query(&ranges[of(question)]))?;
            while let Some(hit) = scan.lend_next()? {
                sum = sum.wrapping_add(hit.row_id());
                if let (ValueRef::F64(amount), Value::I64(at)) =
                    (hit.included(0)?, hit.key_value(1)?)
                {
                    amounts += amount;
                    black_box(at);
                }
            }
            black_box(amounts);
            Ok(sum)
        })
        .lane("raw_scan", |question| {
            let (first, last) = &keys[of(question)];
            let mut sum = 0_u64;
            let snapshot = tables.store().snapshot();
            for entry in snapshot.range(index.keyspace(), &**first..=&**last) {
                let (key, value) = entry?;
                black_box(touch(&value));
                let id = key.last_chunk::<8>().map_or(0, |id| u64::from_be_bytes(*id));
                sum = sum.wrapping_add(id);
            }
            Ok(sum)
        })
        .lane("sqlite", |question| {
            let (mut sum, mut amounts) = (0_u64, 0.0);
            let mut found = statement.query(ranges[of(question)])?;
            while let Some(row) = found.next()? {
                sum = sum.wrapping_add(row.get::<_, i64>(0)?.cast_unsigned());
                black_box(row.get::<_, i64>(1)?);
                amounts += row.get::<_, f64>(2)?;
            }
            black_box(amounts);
            Ok(sum)
        })
        .run(bench)?;
    bench.add(results)
}

fn look_ups(bench: &mut Bench, tables: &Tables, sqlite: &Connection, rows: u64) -> Result<()> {
    let mut rng = Rng::new(rows + 1);
    let emails: Vec<String> = (0..20_000).map(|_| email(rng.below(rows))).collect();
    let keys: Vec<[Value; 1]> = emails.iter().map(|email| [email.as_str().into()]).collect();
    let table = tables.table("events")?;
    let of = |question: u64| usize::try_from(question).unwrap_or(0);
    for (scenario, index) in [("unique_look_up", "by_email"), ("hash_look_up", "by_email_hash")] {
        let mut statement = sqlite.prepare(LOOK_UP)?;
        let results = Contest::new(Bench::case(scenario, LEVEL, rows), keys.len())
            .lane(OURS, |question| {
                let snapshot = tables.snapshot();
                let row = snapshot.read(&table)?.get_by(index, &keys[of(question)])?;
                let row = there(row, "a row")?;
                let ValueRef::F64(amount) = row.at(3) else { return Ok(0) };
                Ok(row.row_id() ^ amount.to_bits())
            })
            .lane("sqlite", |question| {
                Ok(statement.query_row([&emails[of(question)]], |row| {
                    let amount: f64 = row.get(1)?;
                    Ok(row.get::<_, i64>(0)?.cast_unsigned() ^ amount.to_bits())
                })?)
            })
            .run(bench)?;
        bench.add(results)?;
    }
    Ok(())
}
