//! Queries, each in a transaction that stays open, as a service holds one for a request.

use std::ops::ControlFlow;

use anyhow::Result;
use lightning_db_sql::types::{Value, ValueRef};
use lightning_db_sql::{Connection, Parameters, Rows, Statement};
use rusqlite::types::ValueRef as Theirs;

use super::{Both, SQLITE};
use crate::comparison::{Case, OURS};
use crate::contest::Contest;

const KEY: &str =
    "SELECT o_custkey, o_totalprice, o_orderdate, o_clerk FROM orders WHERE o_orderkey = ";
const SECONDARY: &str =
    "SELECT o_orderkey, o_totalprice, o_orderdate FROM orders WHERE o_custkey = $1";
const RANGE: &str = "SELECT o_orderkey, o_custkey, o_totalprice, o_clerk FROM orders \
     WHERE o_orderkey >= $1 AND o_orderkey < $2 ORDER BY o_orderkey";
const TWO: &str = "SELECT o_orderdate, o_totalprice, c_name, c_acctbal FROM orders \
     JOIN customer ON c_custkey = o_custkey WHERE o_orderkey = $1";
const SIX: &str = "SELECT o_orderkey, l_linenumber, l_extendedprice, p_name, s_name, n_name \
     FROM customer JOIN orders ON o_custkey = c_custkey \
     JOIN lineitem ON l_orderkey = o_orderkey JOIN part ON p_partkey = l_partkey \
     JOIN supplier ON s_suppkey = l_suppkey JOIN nation ON n_nationkey = s_nationkey \
     WHERE c_custkey = $1";

/// Keys that the orders of a range are spread over: eight of each 32 are there.
const RANGE_WIDTH: i64 = 400;

/// A number that stands for rows in any order: the sum of what stands for each.
#[derive(Default)]
struct Digest(u64);

impl Digest {
    /// Goes on behind a value of a row, which begins with zero.
    fn step(row: u64, value: u64) -> u64 {
        row.rotate_left(7).wrapping_add(value).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn ours(&mut self, row: &[ValueRef<'_>]) {
        let values = row.iter().map(|value| match value {
            ValueRef::I64(number) => number.cast_unsigned(),
            ValueRef::Text(text) => of_text(text.as_bytes()),
            _ => 0,
        });
        self.0 = self.0.wrapping_add(values.fold(0, Self::step));
    }

    fn theirs(&mut self, row: &rusqlite::Row<'_>, width: usize) -> Result<()> {
        let mut digest = 0;
        for at in 0..width {
            let value = match row.get_ref(at)? {
                Theirs::Integer(number) => number.cast_unsigned(),
                Theirs::Text(text) => of_text(text),
                _ => 0,
            };
            digest = Self::step(digest, value);
        }
        self.0 = self.0.wrapping_add(digest);
        Ok(())
    }

    /// All rows of a statement of ours.
    fn of_ours(statement: &Statement<'_>, parameters: impl Parameters) -> Result<u64> {
        let mut digest = Self::default();
        statement.for_each(parameters, |row| {
            digest.ours(row);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(digest.0)
    }

    /// All rows that a query of ours has given.
    fn of_rows(rows: &Rows) -> u64 {
        let mut digest = Self::default();
        for row in rows.values() {
            let row: Vec<ValueRef<'_>> = row.iter().map(Value::as_value_ref).collect();
            digest.ours(&row);
        }
        digest.0
    }

    /// All rows of a statement of `SQLite`.
    fn of_theirs(
        statement: &mut rusqlite::Statement<'_>,
        parameters: impl rusqlite::Params,
    ) -> Result<u64> {
        let (mut digest, width) = (Self::default(), statement.column_count());
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            digest.theirs(row, width)?;
        }
        Ok(digest.0)
    }
}

/// Length, first and last byte: what tells texts apart here, at no cost.
fn of_text(text: &[u8]) -> u64 {
    let byte = |byte: Option<&u8>| byte.map_or(0, |byte| u64::from(*byte));
    text.len() as u64 | byte(text.first()) << 16 | byte(text.last()) << 24
}

/// A transaction of ours that ends with it.
struct Open<'a>(&'a Connection);

impl<'a> Open<'a> {
    fn new(connection: &'a Connection) -> Result<Self> {
        connection.execute("BEGIN", ())?;
        Ok(Self(connection))
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        // It has only read: there is nothing to be taken back.
        let _ = self.0.execute("ROLLBACK", ());
    }
}

/// A statement that is prepared once by each, with the parameters of each question.
fn prepared<'a, const N: usize>(
    both: &'a Both,
    case: Case,
    text: &str,
    questions: Vec<[i64; N]>,
) -> Result<Contest<'a>> {
    let (ours, theirs) = (Open::new(&both.ours)?, both.theirs.unchecked_transaction()?);
    let statement = both.ours.prepare(text)?;
    let mut peer = both.theirs.prepare(text)?;
    let (len, other) = (questions.len(), questions.clone());
    let at = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(Contest::new(case, len)
        .lane(OURS, move |number| {
            let _open = &ours;
            Digest::of_ours(&statement, questions[at(number)])
        })
        .lane(SQLITE, move |number| {
            let _open = &theirs;
            Digest::of_theirs(&mut peer, rusqlite::params_from_iter(other[at(number)]))
        }))
}

fn one_each(keys: &[i64]) -> Vec<[i64; 1]> {
    keys.iter().map(|key| [*key]).collect()
}

/// A look-up by the primary key.
pub(super) fn key_prepared(both: &Both, case: Case) -> Result<Contest<'_>> {
    prepared(both, case, &format!("{KEY}$1"), one_each(&both.keys.orders))
}

/// The same from texts that differ in the key: `SQLite` parses, plans and runs each.
pub(super) fn key_from_text(both: &Both, case: Case) -> Result<Contest<'_>> {
    let (ours, theirs) = (Open::new(&both.ours)?, both.theirs.unchecked_transaction()?);
    let texts: Vec<String> = both.keys.orders.iter().map(|key| format!("{KEY}{key}")).collect();
    let (len, other) = (texts.len(), texts.clone());
    let at = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(Contest::new(case, len)
        .lane(OURS, move |number| Ok(Digest::of_rows(&ours.0.query(&texts[at(number)], ())?)))
        .lane(SQLITE, move |number| {
            Digest::of_theirs(&mut theirs.prepare(&other[at(number)])?, [])
        }))
}

/// The same from one text and a parameter: both find the statement by its text.
pub(super) fn key_from_same_text(both: &Both, case: Case) -> Result<Contest<'_>> {
    let (ours, theirs) = (Open::new(&both.ours)?, both.theirs.unchecked_transaction()?);
    let text = format!("{KEY}$1");
    let (keys, other) = (&both.keys.orders, text.clone());
    let at = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(Contest::new(case, keys.len())
        .lane(OURS, move |number| Ok(Digest::of_rows(&ours.0.query(&text, [keys[at(number)]])?)))
        .lane(SQLITE, move |number| {
            Digest::of_theirs(&mut *theirs.prepare_cached(&other)?, [keys[at(number)]])
        }))
}

/// About ten rows by a secondary index.
pub(super) fn secondary(both: &Both, case: Case) -> Result<Contest<'_>> {
    prepared(both, case, SECONDARY, one_each(&both.keys.customers))
}

/// About a hundred rows by a range of the primary key.
pub(super) fn range(both: &Both, case: Case) -> Result<Contest<'_>> {
    let ranges = both.keys.orders.iter().map(|key| [*key, *key + RANGE_WIDTH]);
    prepared(both, case, RANGE, ranges.collect())
}

/// A row and the one that it refers to.
pub(super) fn join_of_two(both: &Both, case: Case) -> Result<Contest<'_>> {
    prepared(both, case, TWO, one_each(&both.keys.orders))
}

/// All that a customer has ordered, with parts, suppliers and their nations.
pub(super) fn join_of_six(both: &Both, case: Case) -> Result<Contest<'_>> {
    prepared(both, case, SIX, one_each(&both.keys.customers))
}
