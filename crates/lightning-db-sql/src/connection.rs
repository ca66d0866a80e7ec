//! Connections: statements one after the other, in transactions of their own or in an open one.

use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use lightning_db_query::{Progress, Watch};
use lightning_db_storage::{Savepoint, Store, TransactionOptions};
use lightning_db_table::{TableSnapshot, TableTransaction, Tables};
use lightning_db_types::Value;

use crate::copy::Stream;
use crate::engine::{Lift, SqlEngine};
use crate::error::{Error, Result};
use crate::lift::lift;
use crate::parameters::Parameters;
use crate::parse;
use crate::planned::Host;
use crate::prepared::{Outcome, Prepared};
use crate::rows::Rows;
use crate::statement::Statement;

/// What runs queries.
#[cfg(feature = "vector")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Executor {
    /// The row executor, and DataFusion for what is not understood otherwise.
    #[default]
    Auto,
    /// The row executor alone.
    Rows,
    /// DataFusion alone.
    DataFusion,
}

/// What a connection remembers between statements.
pub(crate) struct Session {
    /// The transaction that BEGIN has opened.
    ///
    /// Shared with the scans of a query while one runs, and with nothing else.
    pub(crate) transaction: Option<Arc<TableTransaction>>,
    /// Why it may not write, if that is so.
    pub(crate) read_only: Option<&'static str>,
    /// The older state that it reads.
    pub(crate) past: Option<Arc<TableSnapshot>>,
    /// When it began, in microseconds since 1970.
    pub(crate) began: Option<i64>,
    /// Savepoints of it by name, the newest last.
    pub(crate) savepoints: Vec<(String, Savepoint)>,
    /// Statements that PREPARE has named.
    pub(crate) named: BTreeMap<String, Arc<Prepared>>,
    /// States that it holds for AS OF, the newest last.
    pub(crate) held: Vec<Arc<TableSnapshot>>,
    /// Isolation and durability of transactions from now on.
    pub(crate) options: TransactionOptions,
    #[cfg(feature = "vector")]
    pub(crate) executor: Executor,
}

#[cfg(feature = "vector")]
impl Session {
    /// Whether each query may run on either executor.
    pub(crate) fn is_auto(&self) -> bool {
        self.executor == Executor::Auto
    }
}

/// A connection: it runs one statement at a time, and may have a transaction open.
///
/// Outside of a transaction each statement is one: a write is one atomic commit, tried again after
/// a conflict. A statement within a transaction sees what that has written. Cheap to make; one
/// thread uses it at a time.
///
/// # Examples
/// ```
/// use lightning_db_sql::{Connection, params};
/// # let dir = tempfile::tempdir()?;
/// let connection = Connection::open(dir.path())?;
/// connection.execute("CREATE TABLE city (id BIGINT PRIMARY KEY, name TEXT NOT NULL)", ())?;
/// connection.execute("CREATE INDEX city_name ON city USING hash (name)", ())?;
/// let insert = connection.prepare("INSERT INTO city VALUES ($1, $2)")?;
/// insert.execute(params![1, "Bern"])?;
/// insert.execute(params![2, "Chur"])?;
/// let rows = connection.query("SELECT id FROM city WHERE name = ?", ["Chur"])?;
/// assert_eq!(rows.first().expect("it was inserted").get::<i64>("id")?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Connection {
    engine: SqlEngine,
    session: RefCell<Session>,
    /// Sees the statement that runs, and ends it.
    watch: Arc<Watch>,
}

/// Ends what a connection runs, from another thread; see [`Connection::interrupt_handle`].
#[derive(Debug, Clone)]
pub struct InterruptHandle(Arc<Watch>);

impl InterruptHandle {
    /// Ends the statement that runs on the connection, which fails with [`Error::Cancelled`] and
    /// changes nothing. Where none runs, nothing happens. A query on DataFusion ends with the batch
    /// that it is at; sorts and commits are not cut short.
    pub fn interrupt(&self) {
        self.0.cancel();
    }
}

/// Sees how far the statement is that a connection runs, from another thread; see
/// [`Connection::progress_handle`].
#[derive(Debug, Clone)]
pub struct ProgressHandle(Arc<Watch>);

impl ProgressHandle {
    /// Rows of tables that the statement has read, and how many its plan expects. Where none runs,
    /// those of the last one.
    pub fn progress(&self) -> Progress {
        self.0.progress()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// Opens the store in a folder, and a connection to its tables.
    ///
    /// # Errors
    /// Those of the store and the tables.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let (store, _) = Store::open(path).map_err(lightning_db_table::Error::from)?;
        let (tables, _) = Tables::open(&store)?;
        Ok(SqlEngine::new(&tables).connect())
    }

    pub(crate) fn new(engine: SqlEngine) -> Self {
        let options = TransactionOptions::default();
        let session = Session {
            transaction: None,
            read_only: None,
            past: None,
            began: None,
            savepoints: Vec::new(),
            named: BTreeMap::new(),
            held: Vec::new(),
            options,
            #[cfg(feature = "vector")]
            executor: Executor::default(),
        };
        Self { engine, session: RefCell::new(session), watch: Arc::default() }
    }

    /// The engine, which other connections share.
    pub fn engine(&self) -> &SqlEngine {
        &self.engine
    }

    /// Runs a statement; gives the number of rows that it wrote.
    ///
    /// # Errors
    /// All of [`Error`]; nothing is changed then.
    pub fn execute(&self, sql: &str, parameters: impl Parameters) -> Result<u64> {
        Ok(self.run(sql, parameters)?.count())
    }

    /// Runs a statement; gives the rows of its result, which is empty for one that has none.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub fn query(&self, sql: &str, parameters: impl Parameters) -> Result<Rows> {
        Ok(self.run(sql, parameters)?.into_rows())
    }

    /// Runs a statement, whatever it gives.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub fn run(&self, sql: &str, parameters: impl Parameters) -> Result<Outcome> {
        parameters.with(|values| {
            if values.is_empty()
                && let Some(outcome) = self.run_lifted(sql)
            {
                return outcome;
            }
            let prepared = self.engine.prepared(sql)?;
            self.run_prepared(&prepared, values)
        })
    }

    /// Runs a text by the plan for all that differ from it in their values alone, where the values
    /// make no other plan better. What fails so is run by itself, for its own error, but for what
    /// was cancelled.
    fn run_lifted(&self, sql: &str) -> Option<Result<Outcome>> {
        if self.engine.is_cached(sql) {
            return None;
        }
        let lifted = lift(sql)?;
        let run = |prepared: &Arc<Prepared>| match self.run_prepared(prepared, &lifted.values) {
            Err(error) if !matches!(error, Error::Cancelled) => None,
            outcome => Some(outcome),
        };
        if let Some(known) = self.engine.lifted(&lifted) {
            return match known {
                Lift::Together(known) => run(&known),
                Lift::Alone => None,
            };
        }
        let parsed = parse::parse_one(&lifted.text).ok();
        let prepared = parsed.map(|parsed| Arc::new(Prepared::new(parsed)));
        let outcome = prepared.as_ref().and_then(run);
        let good = prepared.filter(|it| matches!(outcome, Some(Ok(_))) && it.finds_by_key());
        self.engine.remember(lifted, good.map_or(Lift::Alone, Lift::Together));
        outcome
    }

    /// Runs a query on DataFusion, whatever it is, and gives its rows as Arrow batches of up to
    /// 8,192 rows. Decimals have nine digits behind the point there, an average of whole numbers is
    /// a double, and a sum that does not fit wraps.
    ///
    /// # Errors
    /// [`Error::Vector`](Error::Vector); [`Error::Unsupported`] for what is no query.
    #[cfg(feature = "vector")]
    pub fn query_arrow(
        &self,
        sql: &str,
        parameters: impl Parameters,
    ) -> Result<Vec<datafusion::arrow::array::RecordBatch>> {
        let prepared = self.engine.prepared(sql)?;
        prepared.batches(self.host(), &*self.begin()?, &parameters.values())
    }

    /// Runs COPY .. FROM STDIN with the rows of a reader; gives their number.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); [`Error::Conflict`] where another commit stands against it,
    /// since the rows cannot be read again.
    ///
    /// # Examples
    /// ```
    /// # use lightning_db_sql::Connection;
    /// # let dir = tempfile::tempdir()?;
    /// let db = Connection::open(dir.path())?;
    /// db.execute("CREATE TABLE city (id BIGINT PRIMARY KEY, name TEXT)", ())?;
    /// let rows = std::io::Cursor::new("id,name\n1,Bern\n2,\n");
    /// assert_eq!(db.copy_in("COPY city FROM STDIN (HEADER)", rows)?, 2);
    ///
    /// let mut out = Vec::new();
    /// db.copy_out("COPY city TO STDOUT (FORMAT jsonl)", &mut out)?;
    /// assert_eq!(out, b"{\"id\":1,\"name\":\"Bern\"}\n{\"id\":2,\"name\":null}\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn copy_in(&self, sql: &str, rows: impl Read + 'static) -> Result<u64> {
        let prepared = self.engine.prepared(sql)?;
        let stream = Stream::Input(Box::new(rows));
        Ok(prepared.copy(self.host(), &mut *self.begin()?, &[], stream)?.count())
    }

    /// Runs COPY .. TO STDOUT into a writer; gives the number of rows.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); what was written before is not taken back.
    pub fn copy_out(&self, sql: &str, output: &mut dyn Write) -> Result<u64> {
        let prepared = self.engine.prepared(sql)?;
        let stream = Stream::Output(output);
        Ok(prepared.copy(self.host(), &mut *self.begin()?, &[], stream)?.count())
    }

    /// Writes all tables and views, or one table, as SQL that makes them anew: definitions, rows
    /// as COPY from the lines below it, as `lightning` reads them, and indexes. All are of one
    /// state: that of the open transaction, or of the newest commit.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for what was made otherwise and SQL cannot say, such as the boost of
    /// a field of text; [`Error::File`] for the output.
    pub fn dump(&self, table: Option<&str>, output: &mut dyn Write) -> Result<()> {
        let session = self.begin()?;
        let seen = session.seen(&self.engine);
        crate::dump::write(seen.source(), table, output)
    }

    /// Prepares a statement, to be run any number of times.
    ///
    /// # Errors
    /// [`Error::Syntax`]; names and types are looked at when it first runs, with the types of the
    /// parameters.
    pub fn prepare(&self, sql: &str) -> Result<Statement<'_>> {
        Ok(Statement::new(self, self.engine.prepared(sql)?))
    }

    /// Runs the statements of a text one after the other, up to the first that fails.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); statements before the one that fails stay done, unless they
    /// are part of a transaction.
    pub fn execute_batch(&self, sql: &str) -> Result<()> {
        for parsed in parse::parse(sql)? {
            self.run_prepared(&Arc::new(Prepared::new(parsed)), &[])?;
        }
        Ok(())
    }

    /// Begins a transaction, which is rolled back unless it is committed.
    ///
    /// # Errors
    /// [`Error::Transaction`] if one is open.
    pub fn transaction(&mut self) -> Result<Transaction<'_>> {
        self.execute("BEGIN", ())?;
        Ok(Transaction { connection: self, is_open: true })
    }

    /// What ends statements of this connection from another thread, such as that of a signal.
    ///
    /// # Examples
    /// ```
    /// # use lightning_db_sql::{Connection, Error};
    /// # let dir = tempfile::tempdir()?;
    /// # let connection = Connection::open(dir.path())?;
    /// connection.execute_batch(
    ///     "CREATE TABLE n (i BIGINT PRIMARY KEY); INSERT INTO n VALUES (1), (2), (3)",
    /// )?;
    /// let (handle, mut seen) = (connection.interrupt_handle(), 0);
    /// let outcome = connection.prepare("SELECT i FROM n")?.for_each((), |_| {
    ///     seen += 1;
    ///     handle.interrupt();
    ///     Ok(std::ops::ControlFlow::Continue(()))
    /// });
    /// assert!(matches!(outcome, Err(Error::Cancelled)));
    /// assert_eq!(seen, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle(Arc::clone(&self.watch))
    }

    /// What sees how far a statement of this connection is, from another thread, such as one that
    /// draws a bar.
    ///
    /// # Examples
    /// ```
    /// # use lightning_db_sql::Connection;
    /// # let dir = tempfile::tempdir()?;
    /// # let connection = Connection::open(dir.path())?;
    /// connection.execute_batch(
    ///     "CREATE TABLE n (i BIGINT PRIMARY KEY); INSERT INTO n VALUES (1), (2), (3)",
    /// )?;
    /// let handle = connection.progress_handle();
    /// connection.query("SELECT count(*) FROM n WHERE i % 2 = 0", ())?;
    /// assert_eq!(handle.progress().rows_read, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn progress_handle(&self) -> ProgressHandle {
        ProgressHandle(Arc::clone(&self.watch))
    }

    /// Whether a transaction is open.
    pub fn is_in_transaction(&self) -> bool {
        self.session.try_borrow().is_ok_and(|session| session.transaction.is_some())
    }

    pub(crate) fn run_prepared(
        &self,
        prepared: &Arc<Prepared>,
        parameters: &[Value],
    ) -> Result<Outcome> {
        prepared.run(self.host(), &mut *self.begin()?, parameters)
    }

    pub(crate) fn host(&self) -> Host<'_> {
        Host { engine: &self.engine, watch: &self.watch }
    }

    /// Begins a statement: what was to end the one before it does not end this one.
    pub(crate) fn begin(&self) -> Result<RefMut<'_, Session>> {
        let session = self.session.try_borrow_mut().map_err(|_| Error::Busy)?;
        self.watch.restart();
        Ok(session)
    }
}

/// A transaction of a connection; see [`Connection::transaction`]. Dropping it rolls it back.
///
/// # Examples
/// ```
/// # use lightning_db_sql::{Connection, params};
/// # let dir = tempfile::tempdir()?;
/// let mut connection = Connection::open(dir.path())?;
/// connection.execute("CREATE TABLE account (id BIGINT PRIMARY KEY, euro BIGINT)", ())?;
/// let transaction = connection.transaction()?;
/// transaction.execute("INSERT INTO account VALUES (1, 100), (2, 0)", ())?;
/// transaction.execute("UPDATE account SET euro = euro - $1 WHERE id = 1", [30])?;
/// transaction.execute("UPDATE account SET euro = euro + $1 WHERE id = 2", [30])?;
/// transaction.commit()?;
/// let rows = connection.query("SELECT euro FROM account ORDER BY id", ())?;
/// assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Result<Vec<i64>, _>>()?, [70, 30]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Transaction<'a> {
    connection: &'a Connection,
    is_open: bool,
}

impl Transaction<'_> {
    /// Commits.
    ///
    /// # Errors
    /// [`Error::Conflict`] if another commit stands against it; those of the store. The
    /// transaction has ended without a change then.
    pub fn commit(mut self) -> Result<()> {
        self.is_open = false;
        self.connection.execute("COMMIT", ()).map(drop)
    }

    /// Takes all of it back.
    ///
    /// # Errors
    /// [`Error::Transaction`] if a statement has ended it before.
    pub fn rollback(mut self) -> Result<()> {
        self.is_open = false;
        self.connection.execute("ROLLBACK", ()).map(drop)
    }
}

impl std::ops::Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.is_open && self.connection.is_in_transaction() {
            // There is nothing to be taken back if it has ended before.
            let _ = self.connection.execute("ROLLBACK", ());
        }
    }
}
