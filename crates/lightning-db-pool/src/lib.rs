//! A fair, cancel-safe connection pool over any manager and several backends.
//!
//! A [`Pool`] keeps connections that a [`Manager`] makes, and gives each to one user at a time.
//! Callers are served in the order they came; a connection that comes back goes straight to the
//! first of them. A caller who gives up loses nothing for the others: checks and connects run in
//! tasks that own the connection, and go on. Several [`Backend`]s are balanced by a [`Strategy`],
//! left alone after errors, and tried again later.
//!
//! It is not: a driver, a proxy, a retry of queries. It knows no database; managers for
//! `tokio-postgres` and `redis` stand behind features.
//!
//! Everything happens under one short lock. Time, timers and tasks come from a [`Runtime`]:
//! tokio's, a few threads, or a simulated one that replays a seed.
//!
//! # Examples
//! ```
//! use lightning_db_pool::{Backend, Manager, Pool};
//! use std::net::TcpStream;
//! # use std::io;
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let address = listener.local_addr()?.to_string();
//!
//! struct Tcp;
//!
//! impl Manager for Tcp {
//!     type Connection = TcpStream;
//!     type Error = io::Error;
//!
//!     async fn connect(&self, backend: &Backend) -> io::Result<TcpStream> {
//!         TcpStream::connect(&backend.address)
//!     }
//!
//!     async fn check(&self, connection: &mut TcpStream) -> io::Result<()> {
//!         connection.take_error().and_then(|error| error.map_or(Ok(()), Err))
//!     }
//! }
//!
//! let pool = Pool::builder(Tcp).backend(Backend::new(address)).max_size(8).build()?;
//! let connection = pool.get_blocking()?; // `pool.get().await` in async code
//! assert_eq!(pool.statistics().in_use, 1);
//! drop(connection);
//! assert_eq!(pool.statistics().idle, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! * `tokio` (default): tasks and timers of tokio.
//! * `metrics`: counters, gauges and histograms through the `metrics` facade.
//! * `tokio-postgres`, `redis`: managers of such connections.
//!
//! # Invariants
//! * There are never more connections than `max_size`, those being made and closed included.
//! * A connection that comes back while someone waits is never taken by one who came later.
//! * Every caller is answered by its deadline.
//! * A dropped [`Get`] neither loses a place in the pool nor closes a connection that works.

mod error;

mod hooks;
mod manager;
mod options;
mod statistics;

mod runtime;
mod state;
mod sync;

mod connection;
mod get;
#[cfg(feature = "metrics")]
mod meters;
mod pool;
mod shared;

#[cfg(any(feature = "tokio-postgres", feature = "redis"))]
pub mod managers;

#[cfg(test)]
mod tests;

pub use connection::PooledConnection;
pub use error::{Cause, Error, Result};
pub use get::Get;
pub use hooks::{CloseReason, ConnectionInfo, Hooks, Leak};
pub use manager::{Backend, Manager};
pub use options::{BreakerOptions, PoolOptions, RetryOptions, Strategy};
pub use pool::{CloseReport, Pool};
#[cfg(feature = "tokio")]
pub use runtime::TokioRuntime;
pub use runtime::{BoxFuture, Runtime, SimRuntime, ThreadRuntime};
pub use state::Priority;
pub use statistics::{BackendStatistics, Circuit, Counts, Histogram, Statistics};
