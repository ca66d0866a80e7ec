//! The connection pool against real servers, started on loopback by the test.
//!
//! A server whose program is not installed is skipped, with a message that says so: on Debian the
//! packages are `postgresql` and `redis-server`.
#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is not there")]
#![expect(clippy::expect_used, reason = "a test says what did not come")]

mod postgres;
mod redis;
mod server;
