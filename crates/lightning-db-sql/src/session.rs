//! Statements that are about the connection: transactions, savepoints, settings.

use std::sync::Arc;

use lightning_db_query::{ResultColumn, Source};
use lightning_db_storage::{Durability, Isolation};
use lightning_db_table::{TableSnapshot, TableTransaction, Tables};
use lightning_db_types::{Clock as _, Value, ValueType};
use sqlparser::ast::{
    self, Expr, TransactionAccessMode, TransactionIsolationLevel, TransactionMode,
};

#[cfg(feature = "vector")]
use crate::connection::Executor;
use crate::connection::Session;
use crate::define::Target;
use crate::engine::SqlEngine;
use crate::error::{Error, Result};
use crate::names::{self, at, folded, unknown};
use crate::past;
use crate::rows::Rows;

/// What can be set.
const SETTINGS: &[&str] = &[
    "durability",
    #[cfg(feature = "vector")]
    "executor",
    "isolation",
];

/// Whether a statement is one of these.
pub(crate) fn is_about_session(statement: &ast::Statement) -> bool {
    matches!(
        statement,
        ast::Statement::StartTransaction { .. }
            | ast::Statement::Commit { .. }
            | ast::Statement::Rollback { .. }
            | ast::Statement::Savepoint { .. }
            | ast::Statement::ReleaseSavepoint { .. }
            | ast::Statement::Set(_)
    )
}

/// Runs a statement about the connection; a transaction that it begins reads the past state, if
/// there is one.
pub(crate) fn run(
    statement: &ast::Statement,
    past: Option<Arc<TableSnapshot>>,
    session: &mut Session,
    tables: &Tables,
) -> Result<()> {
    match statement {
        ast::Statement::StartTransaction { modes, statements, .. } => {
            if !statements.is_empty() {
                return Err(Error::unsupported("a block of statements", None));
            }
            session.begin(modes, past, tables)
        }
        ast::Statement::Commit { chain: false, .. } => session.commit(),
        ast::Statement::Rollback { chain: false, savepoint: None } => session.rollback(),
        ast::Statement::Rollback { chain: false, savepoint: Some(name) } => {
            session.rollback_to(name)
        }
        ast::Statement::Savepoint { name } => session.savepoint(folded(name)),
        ast::Statement::ReleaseSavepoint { name } => session.release(name),
        ast::Statement::Set(set) => session.set(set),
        other => Err(Error::unsupported(format!("{other}"), None)),
    }
}

/// The state that the statements of a session read: that of the open transaction, or of the newest
/// commit.
pub(crate) enum Seen<'s> {
    Transaction(&'s TableTransaction),
    Snapshot(TableSnapshot),
}

impl Seen<'_> {
    pub(crate) fn source(&self) -> Source<'_> {
        match self {
            Self::Transaction(transaction) => Source::Transaction(transaction),
            Self::Snapshot(snapshot) => Source::Snapshot(snapshot),
        }
    }
}

impl Session {
    pub(crate) fn seen(&self, engine: &SqlEngine) -> Seen<'_> {
        match (&self.past, &self.transaction) {
            (Some(past), _) => Seen::Snapshot(TableSnapshot::clone(past)),
            (None, Some(transaction)) => Seen::Transaction(transaction),
            (None, None) => Seen::Snapshot(engine.tables().snapshot()),
        }
    }

    /// The same as a snapshot: without what the open transaction has written.
    pub(crate) fn snapshot(&self, engine: &SqlEngine) -> TableSnapshot {
        match (&self.past, &self.transaction) {
            (Some(past), _) => TableSnapshot::clone(past),
            (None, Some(transaction)) => transaction.snapshot(),
            (None, None) => engine.tables().snapshot(),
        }
    }

    /// The moment that `now()` means: when the transaction began, which may be the statement's own.
    pub(crate) fn moment(&self, engine: &SqlEngine) -> Value {
        let began = self.began.filter(|_| self.transaction.is_some());
        Value::Timestamp(began.unwrap_or_else(|| now(engine.tables())))
    }

    fn begin(
        &mut self,
        modes: &[TransactionMode],
        past: Option<Arc<TableSnapshot>>,
        tables: &Tables,
    ) -> Result<()> {
        if self.transaction.is_some() {
            let detail = "a transaction is open; use SAVEPOINT within it";
            return Err(Error::Transaction { what: "BEGIN", detail });
        }
        let mut options = self.options;
        let mut read_only = past.as_ref().map(|_| "the transaction reads an older state");
        for mode in modes {
            match mode {
                TransactionMode::IsolationLevel(level) => options.isolation = isolation(*level)?,
                TransactionMode::AccessMode(TransactionAccessMode::ReadOnly) => {
                    read_only = read_only.or(Some("the transaction is READ ONLY"));
                }
                TransactionMode::AccessMode(TransactionAccessMode::ReadWrite) if past.is_some() => {
                    let detail = "an older state is read, and not written";
                    return Err(Error::Transaction { what: "BEGIN READ WRITE AS OF", detail });
                }
                TransactionMode::AccessMode(TransactionAccessMode::ReadWrite) => read_only = None,
            }
        }
        (self.read_only, self.past) = (read_only, past);
        self.began = Some(now(tables));
        self.transaction = Some(Arc::new(tables.transaction_with(options)));
        Ok(())
    }

    /// Refuses to write in a transaction that only reads.
    pub(crate) fn check_writes(&self) -> Result<()> {
        let refused = |detail| Err(Error::Transaction { what: "write", detail });
        self.read_only.filter(|_| self.transaction.is_some()).map_or(Ok(()), refused)
    }

    /// The open transaction, to write in it.
    pub(crate) fn writable(&mut self) -> Result<Option<&mut TableTransaction>> {
        self.check_writes()?;
        self.open()
    }

    /// The open transaction, which nothing else uses between two statements.
    fn open(&mut self) -> Result<Option<&mut TableTransaction>> {
        match &mut self.transaction {
            None => Ok(None),
            Some(transaction) => Arc::get_mut(transaction).map(Some).ok_or(Error::Busy),
        }
    }

    /// Where definitions go.
    pub(crate) fn target<'a>(&'a mut self, tables: &'a Tables) -> Result<Target<'a>> {
        Ok(self.writable()?.map_or(Target::Commits(tables), Target::Transaction))
    }

    fn commit(&mut self) -> Result<()> {
        let transaction = self.end().ok_or_else(|| none_open("COMMIT"))?;
        let transaction = Arc::into_inner(transaction).ok_or(Error::Busy)?;
        if transaction.commit()?.is_committed() { Ok(()) } else { Err(Error::Conflict) }
    }

    fn rollback(&mut self) -> Result<()> {
        self.end().map(drop).ok_or_else(|| none_open("ROLLBACK"))
    }

    /// Ends the open transaction for the session; gives it.
    fn end(&mut self) -> Option<Arc<TableTransaction>> {
        self.savepoints.clear();
        (self.read_only, self.past) = (None, None);
        self.transaction.take()
    }

    fn savepoint(&mut self, name: String) -> Result<()> {
        let transaction = self.open()?.ok_or_else(|| none_open("SAVEPOINT"))?;
        let savepoint = transaction.savepoint();
        self.savepoints.push((name, savepoint));
        Ok(())
    }

    /// Position of the newest savepoint of a name.
    fn find(&self, name: &ast::Ident, what: &'static str) -> Result<usize> {
        if self.transaction.is_none() {
            return Err(none_open(what));
        }
        let wanted = folded(name);
        let found = self.savepoints.iter().rposition(|(known, _)| *known == wanted);
        let known = self.savepoints.iter().map(|(known, _)| known);
        found.ok_or_else(|| unknown("savepoint", &wanted, known, at(name)))
    }

    /// Takes back what was written behind a savepoint, which stays.
    fn rollback_to(&mut self, name: &ast::Ident) -> Result<()> {
        let found = self.find(name, "ROLLBACK TO")?;
        self.savepoints.truncate(found + 1);
        let savepoint = self.savepoints[found].1;
        if let Some(transaction) = self.open()? {
            transaction.rollback_to(savepoint)?;
        }
        Ok(())
    }

    fn release(&mut self, name: &ast::Ident) -> Result<()> {
        let found = self.find(name, "RELEASE")?;
        let released = self.savepoints[found].1;
        self.savepoints.truncate(found);
        if let Some(transaction) = self.open()? {
            transaction.release(released)?;
        }
        Ok(())
    }

    /// The value of a setting, or the number of the commit that is seen, as SHOW gives it.
    pub(crate) fn show(&self, engine: &SqlEngine, variable: &[ast::Ident]) -> Result<Rows> {
        let name = variable.iter().map(folded).collect::<Vec<_>>().join(" ");
        if name == "lsn" {
            return Ok(past::lsn(self.snapshot(engine).lsn()));
        }
        let value = match name.as_str() {
            "durability" => match self.options.durability {
                Some(Durability::Sync) => "sync",
                Some(Durability::Buffered) => "buffered",
                Some(Durability::Memory) => "memory",
                None => "default",
            },
            "isolation" | "transaction isolation level" => match self.options.isolation {
                Isolation::Serializable => "serializable",
                Isolation::Snapshot => "snapshot",
            },
            #[cfg(feature = "vector")]
            "executor" => match self.executor {
                Executor::Auto => "auto",
                Executor::Rows => "rows",
                Executor::DataFusion => "datafusion",
            },
            _ => {
                let place = variable.first().and_then(at);
                return Err(unknown("setting", &name, SETTINGS, place));
            }
        };
        let column = ResultColumn { name, value_type: ValueType::Text };
        Ok(Rows::new(Arc::from([column]), vec![vec![Value::from(value)]]))
    }

    fn set(&mut self, set: &ast::Set) -> Result<()> {
        let ast::Set::SingleAssignment { variable, values, scope: None, hivevar: false } = set
        else {
            return Err(Error::unsupported(format!("{set}"), None));
        };
        let (name, place) = names::plain(variable)?;
        let word = match &values[..] {
            [Expr::Identifier(word)] => folded(word),
            [Expr::Value(value)] => value.value.to_string().trim_matches('\'').to_lowercase(),
            _ => return Err(Error::unsupported(format!("{set}"), place)),
        };
        match name.as_str() {
            "durability" => {
                self.options.durability = match word.as_str() {
                    "sync" => Some(Durability::Sync),
                    "buffered" => Some(Durability::Buffered),
                    "memory" => Some(Durability::Memory),
                    "default" => None,
                    _ => {
                        let known = ["sync", "buffered", "memory", "default"];
                        return Err(unknown("durability", &word, known, place));
                    }
                };
            }
            "isolation" => {
                self.options.isolation = match word.as_str() {
                    "serializable" => Isolation::Serializable,
                    "snapshot" => Isolation::Snapshot,
                    _ => {
                        let known = ["serializable", "snapshot"];
                        return Err(unknown("isolation", &word, known, place));
                    }
                };
            }
            #[cfg(feature = "vector")]
            "executor" => {
                self.executor = match word.as_str() {
                    "auto" => Executor::Auto,
                    "rows" => Executor::Rows,
                    "datafusion" => Executor::DataFusion,
                    _ => {
                        let known = ["auto", "rows", "datafusion"];
                        return Err(unknown("executor", &word, known, place));
                    }
                };
            }
            _ => return Err(unknown("setting", &name, SETTINGS, place)),
        }
        Ok(())
    }
}

/// Microseconds since 1970.
fn now(tables: &Tables) -> i64 {
    let millis = tables.store().clock().now_unix_ms();
    i64::try_from(millis).unwrap_or(i64::MAX).saturating_mul(1_000)
}

fn isolation(level: TransactionIsolationLevel) -> Result<Isolation> {
    match level {
        TransactionIsolationLevel::Serializable => Ok(Isolation::Serializable),
        TransactionIsolationLevel::RepeatableRead | TransactionIsolationLevel::Snapshot => {
            Ok(Isolation::Snapshot)
        }
        TransactionIsolationLevel::ReadUncommitted | TransactionIsolationLevel::ReadCommitted => {
            let hint = "REPEATABLE READ and SERIALIZABLE are there, and give more";
            Err(Error::unsupported_hint(format!("ISOLATION LEVEL {level}"), hint, None))
        }
    }
}

fn none_open(what: &'static str) -> Error {
    Error::Transaction { what, detail: "no transaction is open; BEGIN opens one" }
}
