//! Connections to Redis, through the redis crate.

use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError};

use crate::manager::{Backend, Manager};

/// Makes connections to Redis. The address of a [`Backend`] is a URL, such as
/// `redis://cache1:6379/0`.
#[derive(Debug, Clone, Copy, Default)]
pub struct RedisManager;

impl Manager for RedisManager {
    type Connection = MultiplexedConnection;
    type Error = RedisError;

    async fn connect(&self, backend: &Backend) -> Result<MultiplexedConnection, RedisError> {
        let client = Client::open(&*backend.address)?;
        client.get_multiplexed_async_connection().await
    }

    async fn check(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        redis::cmd("PING").exec_async(connection).await
    }
}
