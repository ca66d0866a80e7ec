//! The 22 queries of TPC-H, and a scan of its largest table.
//!
//! The texts are those of the TPC-H specification, revision 3.0.1, section 2.4, with the values of
//! its validation queries. `DuckDB`, where it is there, takes them as they are; for `SQLite` dates,
//! functions and some names are replaced. Money is an exact decimal and a day a date, but a float
//! and a text in `SQLite`, which has neither. Answers are compared before anything is timed: texts
//! and whole numbers exactly, other numbers to six digits.

mod answers;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use lightning_db_optimizer::{ColumnDefinition, TableDefinition};
use lightning_db_sql::types::ValueType;
use lightning_db_sql::{Connection, EngineOptions, SqlEngine};
use lightning_db_table::Tables;
use rusqlite::types::Value as Theirs;

use self::answers::{Answer, Rows, agree, sorted};
use super::duckdb::{DUCKDB, Database, Loader, Wheel};
use super::{SQLITE, Scenario};
use crate::comparison::{Case, OURS};
use crate::contest::Contest;
use crate::indexes::{lightning, sqlite};
use crate::optimizer::tpch::{definitions, parse, rows};

/// Rows of one commit of the load.
const CHUNK: usize = 1_000;

/// Rows after which the load tells how far it is.
const STEP: usize = 1_000_000;

/// Memory for tables of scale 1, which hold about 1 GB as texts.
const MEMORY: f64 = (4_u64 << 30) as f64;

/// With fewer suppliers a part has one of them twice, which its key forbids.
pub(super) const SCALE_MIN: f64 = 0.01;

/// What the engines that look rows up have; `DuckDB` scans, and has neither these nor keys.
const INDEXES: &str = "CREATE INDEX orders_custkey ON orders (o_custkey); \
     CREATE INDEX lineitem_partkey ON lineitem (l_partkey); \
     CREATE INDEX lineitem_suppkey ON lineitem (l_suppkey); \
     CREATE INDEX partsupp_suppkey ON partsupp (ps_suppkey); \
     CREATE INDEX lineitem_shipdate ON lineitem (l_shipdate); \
     CREATE INDEX orders_orderdate ON orders (o_orderdate); ANALYZE";

macro_rules! queries {
    ($($number:literal)*) => { [$(include_str!(concat!("tpch/q", $number, ".sql"))),*] };
}

const QUERIES: [&str; 22] = queries!(
    "01" "02" "03" "04" "05" "06" "07" "08" "09" "10" "11"
    "12" "13" "14" "15" "16" "17" "18" "19" "20" "21" "22"
);

/// What `SQLite` writes in another way: dates, which are texts there, functions, and the names of
/// the columns of a subquery.
const AS_SQLITE: [(&str, &str); 8] = [
    ("CAST('", "'"),
    ("' AS date)", "'"),
    ("date '", "'"),
    ("extract(year FROM l_shipdate)", "CAST(strftime('%Y', l_shipdate) AS INTEGER)"),
    ("extract(year FROM o_orderdate)", "CAST(strftime('%Y', o_orderdate) AS INTEGER)"),
    ("substring(c_phone FROM 1 FOR 2)", "substr(c_phone, 1, 2)"),
    ("count(o_orderkey)\n", "count(o_orderkey) AS c_count\n"),
    (" (c_custkey,\n        c_count)", ""),
];

fn as_sqlite(query: &str) -> String {
    let replaced = |text: String, (ours, theirs): &(&str, &str)| text.replace(ours, theirs);
    AS_SQLITE.iter().fold(query.to_owned(), replaced)
}

/// Each column of each row.
const SCAN: &str = "SELECT count(l_orderkey), count(l_partkey), count(l_suppkey), \
     count(l_linenumber), count(l_quantity), count(l_extendedprice), count(l_discount), \
     count(l_tax), count(l_returnflag), count(l_linestatus), count(l_shipdate), \
     count(l_commitdate), count(l_receiptdate), count(l_shipinstruct), count(l_shipmode), \
     count(l_comment), sum(l_partkey), min(l_shipdate), max(l_tax) FROM lineitem";

/// What is asked of the eight tables.
pub(super) const SCENARIOS: &[Scenario<Engines>] = &[
    Scenario { name: "scan_lineitem", contest: scan },
    Scenario { name: "scan_lineitem_kept", contest: scan_kept },
    Scenario { name: "tpch_all", contest: all },
    Scenario { name: "tpch_q01", contest: query },
    Scenario { name: "tpch_q02", contest: query },
    Scenario { name: "tpch_q03", contest: query },
    Scenario { name: "tpch_q04", contest: query },
    Scenario { name: "tpch_q05", contest: query },
    Scenario { name: "tpch_q06", contest: query },
    Scenario { name: "tpch_q07", contest: query },
    Scenario { name: "tpch_q08", contest: query },
    Scenario { name: "tpch_q09", contest: query },
    Scenario { name: "tpch_q10", contest: query },
    Scenario { name: "tpch_q11", contest: query },
    Scenario { name: "tpch_q12", contest: query },
    Scenario { name: "tpch_q13", contest: query },
    Scenario { name: "tpch_q14", contest: query },
    Scenario { name: "tpch_q15", contest: query },
    Scenario { name: "tpch_q16", contest: query },
    Scenario { name: "tpch_q17", contest: query },
    Scenario { name: "tpch_q18", contest: query },
    Scenario { name: "tpch_q19", contest: query },
    Scenario { name: "tpch_q20", contest: query },
    Scenario { name: "tpch_q21", contest: query },
    Scenario { name: "tpch_q22", contest: query },
];

/// The engines over the eight tables.
pub(super) struct Engines {
    ours: Connection,
    /// The same tables, where each scan decodes what it reads.
    decoding: Connection,
    sqlite: rusqlite::Connection,
    duckdb: Option<Database>,
    /// Rows of the largest table.
    pub lineitems: usize,
    tables: Tables,
}

impl Engines {
    /// Opens the engines in an empty folder, and fills them.
    pub(super) fn new(dir: &Path, scale: f64, wheel: Option<&Wheel>) -> Result<Self> {
        ensure!(scale >= SCALE_MIN, "TPC-H needs a scale of {SCALE_MIN} at least, not {scale}");
        let folder = |name: &str| {
            let folder = dir.join(name);
            std::fs::create_dir(&folder).map(|()| folder)
        };
        let memory = memory(scale);
        let tables = lightning::tables_with(&folder("lightning-tpch")?, memory)?;
        // Rows that a query keeps, such as those of a join, have a limit of their own, and so have
        // columns that are kept between scans.
        let each = usize::try_from(memory / 4)?;
        let options =
            EngineOptions { memory_limit: each, column_cache: each, ..EngineOptions::default() };
        let decoding = EngineOptions { column_cache: 0, ..options.clone() };
        let ours = SqlEngine::with_options(&tables, options).connect();
        let decoding = SqlEngine::with_options(&tables, decoding).connect();
        let sqlite = sqlite::open_with(&folder("sqlite-tpch")?, memory)?;
        let of_duckdb = folder("duckdb-tpch")?;
        let duckdb = wheel.map(|wheel| Database::new(wheel, &of_duckdb, memory)).transpose()?;
        let mut engines = Self { ours, decoding, sqlite, duckdb, lineitems: 0, tables };
        for definition in definitions() {
            crate::progress(&format!("filling {} of TPC-H", definition.name));
            engines.lineitems = engines.fill(&definition, scale, &of_duckdb)?;
        }
        crate::progress("indexes and statistics of TPC-H");
        engines.ours.execute_batch(INDEXES)?;
        engines.tables.store().checkpoint()?;
        let finish = format!("{INDEXES}; PRAGMA wal_checkpoint(TRUNCATE)");
        engines.sqlite.execute_batch(&finish)?;
        if let Some(duckdb) = &engines.duckdb {
            duckdb.load(&["ANALYZE", "CHECKPOINT"])?;
        }
        Ok(engines)
    }

    /// Makes a table in each engine; gives the number of its rows.
    fn fill(&self, definition: &TableDefinition, scale: f64, dir: &Path) -> Result<usize> {
        let name = definition.name.as_str();
        self.ours.execute_batch(&create(definition, true, of_dates))?;
        self.sqlite.execute_batch(&create(definition, true, of_texts))?;
        let mut loader = None;
        if let Some(duckdb) = &self.duckdb {
            duckdb.load(&[&create(definition, false, of_dates)])?;
            loader = Some(duckdb.loader(name, dir)?);
        }
        let places = vec!["?"; definition.columns.len()].join(", ");
        let mut insert = self.sqlite.prepare(&format!("INSERT INTO {name} VALUES ({places})"))?;
        self.sqlite.execute_batch("BEGIN")?;
        let (mut chunk, mut count) = (Vec::new(), 0_usize);
        rows(name, scale, &mut |line| {
            let fields = definition.columns.iter().zip(line.split('|'));
            let values = fields.map(|(column, field)| theirs_of(column.value_type, field));
            let values = values.collect::<Result<Vec<_>>>()?;
            insert.execute(rusqlite::params_from_iter(values))?;
            if let Some(loader) = &mut loader {
                loader.add(line)?;
            }
            chunk.push(parse(definition, line)?);
            count += 1;
            if chunk.len() == CHUNK {
                self.tables.insert_many(name, std::mem::take(&mut chunk))?;
            }
            if count.is_multiple_of(STEP) {
                crate::progress(&format!("{name}: {} million rows", count / STEP));
            }
            Ok(())
        })?;
        self.tables.insert_many(name, chunk)?;
        self.sqlite.execute_batch("COMMIT")?;
        loader.map(Loader::finish).transpose()?;
        Ok(count)
    }
}

/// Bytes for caches and write buffers of each engine: tables of this scale fit in.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
fn memory(scale: f64) -> u64 {
    lightning::MEMORY.max((scale * MEMORY) as u64)
}

/// The statement that makes a table, with its key where the engine is to have it.
fn create(
    definition: &TableDefinition,
    with_key: bool,
    of_type: fn(ValueType) -> &'static str,
) -> String {
    let column = |it: &ColumnDefinition| format!("{} {} NOT NULL", it.name, of_type(it.value_type));
    let mut parts: Vec<String> = definition.columns.iter().map(column).collect();
    if with_key {
        let name = |at: &usize| definition.columns[*at].name.as_str();
        let key: Vec<&str> = definition.keys[0].iter().map(name).collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    format!("CREATE TABLE {} ({})", definition.name, parts.join(", "))
}

fn of_dates(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Decimal => "DECIMAL(15, 2)",
        ValueType::Date => "DATE",
        ValueType::Text => "TEXT",
        _ => "BIGINT",
    }
}

/// Types of `SQLite`, which has texts for dates.
fn of_texts(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Decimal => "REAL",
        ValueType::Date | ValueType::Text => "TEXT",
        _ => "INTEGER",
    }
}

fn theirs_of(value_type: ValueType, field: &str) -> Result<Theirs> {
    Ok(match value_type {
        ValueType::I64 => Theirs::Integer(field.parse()?),
        ValueType::Decimal => Theirs::Real(field.parse()?),
        _ => Theirs::Text(field.to_owned()),
    })
}

/// A query as each dialect has it.
struct Query {
    text: &'static str,
    of_sqlite: String,
}

impl Engines {
    fn ask_ours(&self, text: &str) -> Result<Rows> {
        let rows = self.ours.query(text, ())?;
        let rows = rows.values().iter().map(|row| row.iter().map(Answer::of_ours).collect());
        rows.collect()
    }

    fn ask_sqlite(&self, text: &str) -> Result<Rows> {
        let mut statement = self.sqlite.prepare(text)?;
        let width = statement.column_count();
        let mut rows = statement.query([])?;
        let mut answers = Vec::new();
        while let Some(row) = rows.next()? {
            let answer = (0..width).map(|at| Answer::of_sqlite(row.get_ref(at)?));
            answers.push(answer.collect::<Result<_>>()?);
        }
        Ok(answers)
    }

    /// Asks all engines once.
    fn agree(&self, query: &Query) -> Result<()> {
        let ours = sorted(self.ask_ours(query.text).context(OURS)?);
        let theirs = sorted(self.ask_sqlite(&query.of_sqlite).context(SQLITE)?);
        agree(&ours, (SQLITE, &theirs))?;
        let Some(duckdb) = &self.duckdb else { return Ok(()) };
        let rows = duckdb.ask(query.text)?;
        let row = |row: &serde_json::Value| {
            let row = row.as_array().context("a row is a list")?;
            row.iter().map(Answer::of_json).collect()
        };
        let theirs = sorted(rows.iter().map(row).collect::<Result<_>>()?);
        agree(&ours, (DUCKDB, &theirs))
    }

    fn count_sqlite(&self, text: &str) -> Result<u64> {
        let mut statement = self.sqlite.prepare(text)?;
        let width = statement.column_count();
        let (mut rows, mut count) = (statement.query([])?, 0);
        while let Some(row) = rows.next()? {
            (0..width).try_for_each(|at| row.get_ref(at).map(drop))?;
            count += 1;
        }
        Ok(count)
    }
}

/// All rows of a query, which are counted.
fn count_ours(ours: &Connection, text: &str) -> Result<u64> {
    Ok(ours.query(text, ())?.values().len() as u64)
}

/// Compares the answers to queries, which are one operation together, and are asked of this
/// connection of ours.
fn contest<'a>(
    engines: &'a Engines,
    ours: &'a Connection,
    case: Case,
    texts: &'static [&'static str],
) -> Result<Contest<'a>> {
    let query = |text: &&'static str| Query { text, of_sqlite: as_sqlite(text) };
    let queries: Vec<Query> = texts.iter().map(query).collect();
    for query in &queries {
        engines.agree(query).with_context(|| query.text.to_owned())?;
    }
    let contest = Contest::new(case, 1)
        // They have just been, with all their values.
        .compared(0)
        .lane(OURS, |_| texts.iter().map(|text| count_ours(ours, text)).sum())
        .lane(SQLITE, move |_| queries.iter().map(|it| engines.count_sqlite(&it.of_sqlite)).sum());
    Ok(match &engines.duckdb {
        None => contest,
        Some(duckdb) => contest.lane_elsewhere(DUCKDB, |_| duckdb.run(texts), || duckdb.cpu()),
    })
}

/// One of the queries, from its text: the number is at the end of the scenario's name.
fn query(engines: &Engines, case: Case) -> Result<Contest<'_>> {
    let number = case.scenario.rsplit('q').next().context("a number")?;
    let number: usize = number.parse()?;
    contest(engines, &engines.ours, case, QUERIES.get(number - 1..number).context("a query")?)
}

/// All queries, one after the other: that is one operation.
fn all(engines: &Engines, case: Case) -> Result<Contest<'_>> {
    contest(engines, &engines.ours, case, &QUERIES)
}

/// Rows of the largest table, of which each column is decoded.
fn scan(engines: &Engines, case: Case) -> Result<Contest<'_>> {
    Ok(contest(engines, &engines.decoding, case, &[SCAN])?.parts(engines.lineitems))
}

/// The same where columns are kept from scan to scan, which is what engines do unless told
/// otherwise.
fn scan_kept(engines: &Engines, case: Case) -> Result<Contest<'_>> {
    Ok(contest(engines, &engines.ours, case, &[SCAN])?.parts(engines.lineitems))
}
