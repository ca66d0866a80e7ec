//! Managers for connections of well-known servers.

#[cfg(feature = "tokio-postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;

#[cfg(feature = "redis")]
pub use self::redis::RedisManager;
#[cfg(feature = "tokio-postgres")]
pub use postgres::PostgresManager;
