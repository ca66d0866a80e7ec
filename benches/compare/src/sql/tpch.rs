//! The 22 queries of TPC-H, and a scan of its largest table.
//!
//! The texts are those of the TPC-H specification, revision 3.0.1, section 2.4, with the values of
//! its validation queries; dates, functions and some names are replaced as `SQLite` writes them.
//! Money is an exact decimal in ours and a float in `SQLite`, which has no decimals; dates are days
//! in ours and texts there. Answers are compared before anything is timed: texts and whole numbers
//! exactly, other numbers to six digits.

use std::cell::OnceCell;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use lightning_db_expression::Expression;
use lightning_db_optimizer::TableDefinition;
use lightning_db_sql::types::{Value, ValueType};
use lightning_db_sql::{Connection, SqlEngine};
use lightning_db_table::Tables;
use rusqlite::types::{Value as Theirs, ValueRef};

use super::{Both, SQLITE};
use crate::comparison::{Case, OURS};
use crate::contest::Contest;
use crate::indexes::{lightning, sqlite};
use crate::optimizer::tpch::{definitions, parse, rows};

/// Rows of one commit of the load.
const CHUNK: usize = 1_000;

/// With fewer suppliers a part has one of them twice, which its key forbids.
pub(super) const SCALE_MIN: f64 = 0.01;

/// Both engines have these.
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

/// The two engines over the eight tables; they are filled when they are first asked for.
#[derive(Default)]
pub(super) struct Filled(OnceCell<Engines>);

struct Engines {
    ours: Connection,
    theirs: rusqlite::Connection,
    lineitems: usize,
    _tables: Tables,
}

impl Engines {
    fn new(dir: &Path, scale: f64) -> Result<Self> {
        ensure!(scale >= SCALE_MIN, "TPC-H needs a scale of {SCALE_MIN} at least, not {scale}");
        crate::progress("filling the tables of TPC-H");
        let (at, of) = (dir.join("lightning-tpch"), dir.join("sqlite-tpch"));
        std::fs::create_dir(&at)?;
        std::fs::create_dir(&of)?;
        let tables = lightning::tables(&at)?;
        let (ours, theirs) = (SqlEngine::new(&tables).connect(), sqlite::open(&of)?);
        let mut lineitems = 0;
        for definition in definitions() {
            lineitems = fill(&definition, (&tables, &ours), &theirs, scale)?;
        }
        ours.execute_batch(INDEXES)?;
        theirs.execute_batch(&format!("{INDEXES}; PRAGMA wal_checkpoint(TRUNCATE)"))?;
        tables.store().checkpoint()?;
        Ok(Self { ours, theirs, lineitems, _tables: tables })
    }
}

/// Makes a table in both engines; gives the number of its rows.
fn fill(
    definition: &TableDefinition,
    (tables, ours): (&Tables, &Connection),
    theirs: &rusqlite::Connection,
    scale: f64,
) -> Result<usize> {
    let key: Vec<&str> =
        definition.keys[0].iter().map(|at| definition.columns[*at].name.as_str()).collect();
    let create = |of_type: fn(ValueType) -> &'static str| {
        let column = |it: &lightning_db_optimizer::ColumnDefinition| {
            format!("{} {} NOT NULL, ", it.name, of_type(it.value_type))
        };
        let columns: String = definition.columns.iter().map(column).collect();
        format!("CREATE TABLE {} ({columns}PRIMARY KEY ({}))", definition.name, key.join(", "))
    };
    ours.execute_batch(&create(|value_type| match value_type {
        ValueType::Decimal => "DECIMAL(15, 2)",
        ValueType::Date => "DATE",
        ValueType::Text => "TEXT",
        _ => "BIGINT",
    }))?;
    theirs.execute_batch(&create(|value_type| match value_type {
        ValueType::Decimal => "REAL",
        ValueType::Date | ValueType::Text => "TEXT",
        _ => "INTEGER",
    }))?;
    let places = vec!["?"; definition.columns.len()].join(", ");
    let mut insert =
        theirs.prepare(&format!("INSERT INTO {} VALUES ({places})", definition.name))?;
    theirs.execute_batch("BEGIN")?;
    let (mut chunk, mut count) = (Vec::new(), 0);
    rows(&definition.name, scale, &mut |line| {
        let fields = definition.columns.iter().zip(line.split('|'));
        let values = fields.map(|(column, field)| theirs_of(column.value_type, field));
        let values = values.collect::<Result<Vec<_>>>()?;
        insert.execute(rusqlite::params_from_iter(values))?;
        chunk.push(parse(definition, line)?);
        count += 1;
        if chunk.len() == CHUNK {
            tables.insert_many(&definition.name, std::mem::take(&mut chunk))?;
        }
        Ok(())
    })?;
    tables.insert_many(&definition.name, chunk)?;
    theirs.execute_batch("COMMIT")?;
    Ok(count)
}

fn theirs_of(value_type: ValueType, field: &str) -> Result<Theirs> {
    Ok(match value_type {
        ValueType::I64 => Theirs::Integer(field.parse()?),
        ValueType::Decimal => Theirs::Real(field.parse()?),
        _ => Theirs::Text(field.to_owned()),
    })
}

/// A value for comparison.
#[derive(Debug, PartialEq)]
enum Answer {
    Null,
    Text(String),
    Number(f64),
}

impl Answer {
    #[expect(clippy::cast_precision_loss, reason = "counts and keys are below 2^53")]
    fn of_ours(value: &Value) -> Result<Self> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::I64(number) => Self::Number(*number as f64),
            Value::F64(number) => Self::Number(*number),
            Value::Decimal(number) => Self::Number(number.to_string().parse()?),
            Value::Text(text) => Self::Text(text.clone()),
            Value::Date(_) => {
                let day = Box::new(Expression::Literal(value.clone()));
                Self::of_ours(&Expression::Cast(day, ValueType::Text).evaluate(&Vec::new())?)?
            }
            other => anyhow::bail!("{other:?} is in an answer"),
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "counts and keys are below 2^53")]
    fn of_theirs(value: ValueRef<'_>) -> Result<Self> {
        Ok(match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Number(number as f64),
            ValueRef::Real(number) => Self::Number(number),
            ValueRef::Text(text) => Self::Text(String::from_utf8(text.to_vec())?),
            ValueRef::Blob(_) => anyhow::bail!("a blob is in an answer"),
        })
    }

    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => {
                (one - other).abs() <= 1e-6 * one.abs().max(other.abs()).max(1.0)
            }
            _ => self == other,
        }
    }
}

impl Engines {
    fn ours(&self, text: &str) -> Result<Vec<Vec<Answer>>> {
        let rows = self.ours.query(text, ())?;
        let rows = rows.values().iter().map(|row| row.iter().map(Answer::of_ours).collect());
        rows.collect()
    }

    fn theirs(&self, text: &str) -> Result<Vec<Vec<Answer>>> {
        let mut statement = self.theirs.prepare(text)?;
        let width = statement.column_count();
        let mut rows = statement.query([])?;
        let mut answers = Vec::new();
        while let Some(row) = rows.next()? {
            let answer = (0..width).map(|at| Answer::of_theirs(row.get_ref(at)?));
            answers.push(answer.collect::<Result<_>>()?);
        }
        Ok(answers)
    }

    /// Asks both once.
    fn agree(&self, (ours, theirs): (&str, &str)) -> Result<()> {
        let (mut ours, mut theirs) = (self.ours(ours)?, self.theirs(theirs)?);
        let key = |row: &Vec<Answer>| format!("{row:.0?}");
        ours.sort_by_cached_key(key);
        theirs.sort_by_cached_key(key);
        let is_like = |(one, other): (&Vec<Answer>, &Vec<Answer>)| {
            one.len() == other.len() && one.iter().zip(other).all(|(one, it)| one.is_like(it))
        };
        let same = ours.len() == theirs.len() && ours.iter().zip(&theirs).all(is_like);
        let shown = |rows: &[Vec<Answer>]| format!("{:?}", &rows[..rows.len().min(2)]);
        ensure!(same, "ours says {}, {SQLITE} says {}", shown(&ours), shown(&theirs));
        Ok(())
    }

    /// All rows of a query, which are counted.
    fn count_ours(&self, text: &str) -> Result<u64> {
        Ok(self.ours.query(text, ())?.values().len() as u64)
    }

    fn count_theirs(&self, text: &str) -> Result<u64> {
        let mut statement = self.theirs.prepare(text)?;
        let width = statement.column_count();
        let (mut rows, mut count) = (statement.query([])?, 0);
        while let Some(row) = rows.next()? {
            (0..width).try_for_each(|at| row.get_ref(at).map(drop))?;
            count += 1;
        }
        Ok(count)
    }
}

fn engines(both: &Both) -> Result<&Engines> {
    let Filled(cell) = &both.tpch;
    if cell.get().is_none() {
        let filled = Engines::new(&both.dir, both.scale)?;
        return Ok(cell.get_or_init(|| filled));
    }
    cell.get().context("the tables are filled")
}

fn contest<'a>(
    engines: &'a Engines,
    case: Case,
    queries: &'static [&'static str],
) -> Result<Contest<'a>> {
    let of_theirs: Vec<String> = queries.iter().map(|query| as_sqlite(query)).collect();
    for (ours, theirs) in queries.iter().zip(&of_theirs) {
        engines.agree((ours, theirs)).with_context(|| (*ours).to_owned())?;
    }
    Ok(Contest::new(case, 1)
        .lane(OURS, |_| queries.iter().map(|ours| engines.count_ours(ours)).sum())
        .lane(SQLITE, move |_| of_theirs.iter().map(|it| engines.count_theirs(it)).sum()))
}

/// One of the queries, from its text: the number is at the end of the scenario's name.
pub(super) fn query(both: &Both, case: Case) -> Result<Contest<'_>> {
    let number = case.scenario.rsplit('q').next().context("a number")?;
    let number: usize = number.parse()?;
    let query = QUERIES.get(number - 1..number).context("a query")?;
    contest(engines(both)?, case, query)
}

/// All queries, one after the other: that is one operation.
pub(super) fn all(both: &Both, case: Case) -> Result<Contest<'_>> {
    contest(engines(both)?, case, &QUERIES)
}

/// Rows of the largest table, of which each column is decoded.
pub(super) fn scan(both: &Both, case: Case) -> Result<Contest<'_>> {
    let engines = engines(both)?;
    Ok(contest(engines, case, &[SCAN])?.parts(engines.lineitems))
}
