//! SQL from tasks of tokio: statements run on threads for what blocks, so many at a time.

use std::future::Future;
use std::sync::Arc;

use lightning_db_types::Value;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use crate::connection::{Connection, InterruptHandle};
use crate::engine::SqlEngine;
use crate::error::{Error, Result};
use crate::parameters::Parameters;
use crate::rows::Rows;

/// SQL for tasks of tokio. Cheap to clone; clones share the bound.
///
/// Each call runs on a connection of its own, on a thread of the runtime for what blocks, and waits
/// as a task until one of the bound's places is free; those who wait are served in order.
///
/// # Examples
/// ```
/// use lightning_db_sql::{AsyncSql, Connection, params};
/// # let dir = tempfile::tempdir()?;
/// let sql = AsyncSql::new(Connection::open(dir.path())?.engine().clone(), 4);
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// sql.execute("CREATE TABLE city (id BIGINT PRIMARY KEY, name TEXT NOT NULL)", ()).await?;
/// sql.execute("INSERT INTO city VALUES ($1, $2)", params![1, "Bern"]).await?;
/// let name: String = sql
///     .run(|connection| {
///         let transaction = connection.transaction()?;
///         transaction.execute("UPDATE city SET name = upper(name)", ())?;
///         let rows = transaction.query("SELECT name FROM city", ())?;
///         transaction.commit()?;
///         rows.first().expect("there is one").get("name")
///     })
///     .await?;
/// assert_eq!(name, "BERN");
/// # Ok::<(), lightning_db_sql::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct AsyncSql {
    engine: SqlEngine,
    places: Arc<Semaphore>,
}

/// Ends what a future has begun when it is dropped before its end.
struct Given<'a> {
    statement: &'a InterruptHandle,
    task: AbortHandle,
}

impl Drop for Given<'_> {
    fn drop(&mut self) {
        // Neither does anything to a task that has ended.
        self.task.abort();
        self.statement.interrupt();
    }
}

impl AsyncSql {
    /// SQL on at most so many threads at a time, at least one.
    pub fn new(engine: SqlEngine, threads: usize) -> Self {
        let places = threads.clamp(1, Semaphore::MAX_PERMITS);
        Self { engine, places: Arc::new(Semaphore::new(places)) }
    }

    /// The engine.
    pub fn engine(&self) -> &SqlEngine {
        &self.engine
    }

    /// Runs a statement; gives the number of rows that it wrote.
    ///
    /// # Errors
    /// As [`Connection::execute`].
    ///
    /// # Cancel safety
    /// As [`run`](Self::run).
    pub fn execute(
        &self,
        sql: &str,
        parameters: impl Parameters,
    ) -> impl Future<Output = Result<u64>> + Send {
        let (sql, values): (String, Vec<Value>) = (sql.to_owned(), parameters.values().into());
        let sql_of = self.clone();
        async move { sql_of.run(move |connection| connection.execute(&sql, values)).await }
    }

    /// Runs a statement; gives the rows of its result.
    ///
    /// # Errors
    /// As [`Connection::execute`].
    ///
    /// # Cancel safety
    /// As [`run`](Self::run).
    pub fn query(
        &self,
        sql: &str,
        parameters: impl Parameters,
    ) -> impl Future<Output = Result<Rows>> + Send {
        let (sql, values): (String, Vec<Value>) = (sql.to_owned(), parameters.values().into());
        let sql_of = self.clone();
        async move { sql_of.run(move |connection| connection.query(&sql, values)).await }
    }

    /// Calls `body` with a connection, on a thread on which it may block: for transactions, and for
    /// several statements. What it leaves open is rolled back.
    ///
    /// # Errors
    /// Those of `body`; [`Error::Cancelled`] if the runtime ends before it has begun.
    ///
    /// # Panics
    /// If `body` does.
    ///
    /// # Cancel safety
    /// Dropping the future before `body` has begun does nothing. Later it ends the statement that
    /// runs, as [`InterruptHandle::interrupt`] does; statements behind it run if `body` goes on.
    pub async fn run<T: Send + 'static>(
        &self,
        body: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        // The bound is never closed.
        let place = place.map_err(|_| Error::Cancelled)?;
        let mut connection = self.engine.connect();
        let statement = connection.interrupt_handle();
        let task = tokio::task::spawn_blocking(move || {
            let _place = place;
            body(&mut connection)
        });
        let given = Given { statement: &statement, task: task.abort_handle() };
        let outcome = task.await;
        drop(given);
        match outcome {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Error::Cancelled),
            },
        }
    }
}
