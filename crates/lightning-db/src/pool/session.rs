//! Sessions of an open store.

use std::fmt;

use lightning_db_pool::{Backend, Manager, Pool, PoolOptions};
use lightning_db_storage::{CommitOutcome, Store, Transaction, TransactionOptions};
#[cfg(feature = "tables")]
use lightning_db_table::{TableTransaction, Tables};

/// What sessions are of: a [`Store`], or the `Tables` of one. Nothing else implements it.
pub trait Engine: sealed::Sealed + Clone + fmt::Debug + Send + Sync + 'static {
    /// Its transactions.
    type Transaction: fmt::Debug + Send + 'static;
    /// Why it does not do something.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The store beneath.
    fn store(&self) -> &Store;

    /// Begins a transaction.
    fn begin(&self, options: TransactionOptions) -> Self::Transaction;

    /// Commits a transaction.
    ///
    /// # Errors
    /// Those of the transaction's `commit`.
    fn commit(transaction: Self::Transaction) -> Result<CommitOutcome, Self::Error>;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for lightning_db_storage::Store {}
    #[cfg(feature = "tables")]
    impl Sealed for lightning_db_table::Tables {}
}

impl Engine for Store {
    type Transaction = Transaction;
    type Error = lightning_db_storage::Error;

    fn store(&self) -> &Store {
        self
    }

    fn begin(&self, options: TransactionOptions) -> Transaction {
        self.transaction_with(options)
    }

    fn commit(transaction: Transaction) -> Result<CommitOutcome, Self::Error> {
        transaction.commit()
    }
}

#[cfg(feature = "tables")]
impl Engine for Tables {
    type Transaction = TableTransaction;
    type Error = lightning_db_table::Error;

    fn store(&self) -> &Store {
        Self::store(self)
    }

    fn begin(&self, options: TransactionOptions) -> TableTransaction {
        self.transaction_with(options)
    }

    fn commit(transaction: TableTransaction) -> Result<CommitOutcome, Self::Error> {
        transaction.commit()
    }
}

/// Why a session does not do something.
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionError<E> {
    /// A transaction is open already: a session has one at a time.
    TransactionOpen,
    /// There is no transaction to commit.
    NoTransaction,
    /// The store or the tables refuse.
    Engine(E),
}

impl<E: fmt::Display> fmt::Display for SessionError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TransactionOpen => {
                f.write_str("begin a transaction: one is open, commit it or roll it back first")
            }
            Self::NoTransaction => f.write_str("commit: no transaction was begun"),
            Self::Engine(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error> std::error::Error for SessionError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::TransactionOpen | Self::NoTransaction => None,
            Self::Engine(error) => error.source(),
        }
    }
}

/// One user's place in an open store, with at most one transaction.
#[derive(Debug)]
pub struct Session<E: Engine = Store> {
    engine: E,
    transaction: Option<E::Transaction>,
}

impl<E: Engine> Session<E> {
    /// What it is a session of, for reads and for statements that are transactions of their own.
    pub fn engine(&self) -> &E {
        &self.engine
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// [`SessionError::TransactionOpen`].
    pub fn begin(
        &mut self,
        options: TransactionOptions,
    ) -> Result<&mut E::Transaction, SessionError<E::Error>> {
        match &mut self.transaction {
            Some(_) => Err(SessionError::TransactionOpen),
            none => Ok(none.insert(self.engine.begin(options))),
        }
    }

    /// The transaction, if one is open.
    pub fn transaction(&mut self) -> Option<&mut E::Transaction> {
        self.transaction.as_mut()
    }

    /// Commits the transaction, unless another commit stands against it. It is over either way.
    ///
    /// # Errors
    /// [`SessionError::NoTransaction`]; those of the transaction's `commit`, as
    /// [`SessionError::Engine`].
    pub fn commit(&mut self) -> Result<CommitOutcome, SessionError<E::Error>> {
        let transaction = self.transaction.take().ok_or(SessionError::NoTransaction)?;
        E::commit(transaction).map_err(SessionError::Engine)
    }

    /// Drops the transaction and its writes; says whether there was one.
    pub fn rollback(&mut self) -> bool {
        self.transaction.take().is_some()
    }
}

/// Makes sessions of one open store for a [`Pool`].
///
/// A session that is given back with an open transaction is rolled back before it is given out
/// again. While the store is closed, or poisoned by a failed write, no session is made, and those
/// that come back are closed: callers get the store's error as the cause of theirs.
#[derive(Debug, Clone)]
pub struct SessionManager<E: Engine = Store> {
    engine: E,
}

impl<E: Engine> SessionManager<E> {
    /// A manager of sessions of an open store, or of its tables.
    pub fn new(engine: &E) -> Self {
        Self { engine: engine.clone() }
    }
}

impl<E: Engine> Manager for SessionManager<E> {
    type Connection = Session<E>;
    type Error = lightning_db_storage::Error;

    async fn connect(&self, _: &Backend) -> Result<Session<E>, Self::Error> {
        self.engine.store().health()?;
        Ok(Session { engine: self.engine.clone(), transaction: None })
    }

    async fn check(&self, _: &mut Session<E>) -> Result<(), Self::Error> {
        self.engine.store().health()
    }

    fn is_broken(&self, _: &Session<E>) -> bool {
        self.engine.store().health().is_err()
    }

    fn needs_reset(&self, session: &Session<E>) -> bool {
        session.transaction.is_some()
    }

    async fn reset(&self, session: &mut Session<E>) -> Result<(), Self::Error> {
        session.rollback();
        Ok(())
    }
}

/// Options of a pool of sessions: of an open store, or of its tables. Its one backend is named by
/// the store's folder. Sessions cost next to nothing while they are idle, so they are kept, and
/// have no end of life.
pub fn sessions<E: Engine>(engine: &E) -> PoolOptions<SessionManager<E>> {
    let backend = Backend::new(engine.store().path().display().to_string());
    Pool::builder(SessionManager::new(engine))
        .backend(backend)
        .idle_timeout(None)
        .max_lifetime(None)
}
