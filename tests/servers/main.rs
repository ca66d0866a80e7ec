//! The connection pool against real servers, started on loopback by the test.
//!
//! A server whose program is not installed is skipped, with a message that says so: on Debian the
//! packages are `postgresql` and `redis-server`.

mod postgres;
mod redis;
mod server;
