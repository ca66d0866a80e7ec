//! The connection pool, and sessions of this database in it.
//!
//! Everything of the crate `lightning-db-pool` is here. A [`Session`] is one user's place in a
//! store that is open already: it holds at most one transaction. [`sessions`] gives the options of
//! a pool of them, which bounds how many work at once, serves them in the order they came, answers
//! each by its deadline, rolls back what one leaves open, reports who keeps a transaction for long,
//! and ends with a drain. No session opens the store a second time: a pool is given the open one,
//! a [`Store`](crate::Store) or the `Tables` of one, and shares it.
//!
//! The end of the pool leaves the store open until [`Store::close`](crate::Store::close) is called:
//! the pool's own handles of the store may be dropped a moment after it, by one of its tasks.
//!
//! The calls of a store block. In async code a session waits its turn as a task, and works in one
//! of the runtime's blocking threads.
//!
//! # Examples
//! ```
//! use lightning_db::pool;
//! use lightning_db::{KeyspaceOptions, Store, TransactionOptions};
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("shop.db");
//!
//! let (store, _) = Store::open(path)?;
//! let stock = store.keyspace("stock", KeyspaceOptions::new())?;
//! let pool = pool::sessions(&store).max_size(4).build()?;
//!
//! let mut session = pool.get_blocking()?; // `pool.get().await` in async code
//! session.begin(TransactionOptions::default())?.insert(&stock, "apples", "7")?;
//! assert!(session.commit()?.is_committed());
//!
//! session.begin(TransactionOptions::default())?.insert(&stock, "pears", "3")?;
//! drop(session); // rolled back before the next one has it
//! assert!(!stock.contains("pears")?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod session;

pub use lightning_db_pool::*;
pub use session::{Engine, Session, SessionError, SessionManager, sessions};
