//! Past states: snapshots that connections hold, for AS OF.
//!
//! The store drops versions that nobody reads. A connection that holds a snapshot keeps what that
//! sees, with the definitions of its moment; all connections of the engine may read it by the
//! number of its last commit.

use std::sync::{Arc, Weak};

use lightning_db_query::{ResultColumn, Source};
use lightning_db_table::TableSnapshot;
use lightning_db_types::{Value, ValueType};
use parking_lot::Mutex;
use sqlparser::ast;

use crate::bind::Binder;
use crate::connection::Session;
use crate::engine::SqlEngine;
use crate::error::{Error, Result};
use crate::names::{self, unknown};
use crate::parse::AsOf;
use crate::planned::Host;
use crate::prepared::Outcome;
use crate::rows::Rows;

/// Procedures of CALL.
const PROCEDURES: [&str; 2] = ["hold_snapshot", "release_snapshot"];

/// The snapshots that connections hold. Each lives as long as its connection holds it, or a
/// statement reads it.
#[derive(Debug, Default)]
pub(crate) struct HeldSnapshots(Mutex<Vec<Weak<TableSnapshot>>>);

impl HeldSnapshots {
    fn add(&self, snapshot: &Arc<TableSnapshot>) {
        let mut held = self.0.lock();
        held.retain(|known| known.strong_count() > 0);
        held.push(Arc::downgrade(snapshot));
    }

    fn all(&self) -> Vec<Arc<TableSnapshot>> {
        self.0.lock().iter().filter_map(Weak::upgrade).collect()
    }
}

impl Host<'_> {
    /// The state that AS OF names: one that is held, or that of the newest commit.
    pub(crate) fn past(&self, as_of: AsOf, parameters: &[Value]) -> Result<Arc<TableSnapshot>> {
        let lsn = match as_of {
            AsOf::Lsn(lsn) => lsn,
            AsOf::Parameter(at) => number(parameters.get(at).unwrap_or(&Value::Null))
                .map_err(|detail| Error::Parameter { number: at + 1, detail })?,
        };
        let held = self.held().all();
        if let Some(found) = held.iter().find(|snapshot| snapshot.lsn() == lsn) {
            return Ok(Arc::clone(found));
        }
        let now = self.tables().snapshot();
        let newest = now.lsn();
        if newest == lsn {
            return Ok(Arc::new(now));
        }
        let mut held: Vec<u64> = held.iter().map(|snapshot| snapshot.lsn()).collect();
        held.sort_unstable();
        held.dedup();
        Err(Error::NotHeld { lsn, newest, held })
    }
}

fn number(value: &Value) -> Result<u64, String> {
    let number = match value {
        Value::I64(number) => u64::try_from(*number).ok(),
        Value::U64(number) => Some(*number),
        _ => None,
    };
    number.ok_or_else(|| format!("the number of a commit is expected, and {value:?} was given"))
}

/// The number of a commit as a result.
pub(crate) fn lsn(lsn: u64) -> Rows {
    let column = ResultColumn { name: "lsn".to_owned(), value_type: ValueType::U64 };
    Rows::new(Arc::from([column]), vec![vec![Value::U64(lsn)]])
}

/// Runs CALL `hold_snapshot()`, which gives the number to read it by, or CALL
/// `release_snapshot(number)`.
pub(crate) fn call(
    function: &ast::Function,
    engine: &SqlEngine,
    session: &mut Session,
    parameters: &[Value],
) -> Result<Outcome> {
    let (name, place) = names::plain(&function.name)?;
    match (&*name, arguments(function)) {
        ("hold_snapshot", []) => {
            let snapshot = Arc::new(session.snapshot(engine));
            engine.held().add(&snapshot);
            let lsn = lsn(snapshot.lsn());
            session.held.push(snapshot);
            Ok(Outcome::Rows(lsn))
        }
        ("release_snapshot", [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr))]) => {
            let snapshot = session.snapshot(engine);
            let wanted = Binder::new(Source::from(&snapshot), parameters).constant(expr)?;
            let wanted = number(&wanted).map_err(|detail| Error::invalid(detail, place))?;
            let found = session.held.iter().position(|snapshot| snapshot.lsn() == wanted);
            let found = found.ok_or_else(|| {
                let held = session.held.iter().map(|snapshot| snapshot.lsn().to_string());
                unknown("held snapshot", &wanted.to_string(), held, place)
            })?;
            session.held.remove(found);
            Ok(Outcome::Done)
        }
        ("hold_snapshot" | "release_snapshot", _) => {
            let detail = "it is hold_snapshot(), or release_snapshot(number of its commit)";
            Err(Error::invalid(detail, place))
        }
        _ => Err(unknown("procedure", &name, PROCEDURES, place)),
    }
}

fn arguments(function: &ast::Function) -> &[ast::FunctionArg] {
    match &function.args {
        ast::FunctionArguments::List(list) => &list.args,
        _ => &[],
    }
}
