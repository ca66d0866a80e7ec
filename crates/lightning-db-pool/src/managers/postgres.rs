//! Connections to [PostgreSQL](https://www.postgresql.org), through `tokio-postgres`.

use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, Error, NoTls, Socket};

use crate::manager::{Backend, Manager};

/// Makes connections to a `PostgreSQL` server. The address of a [`Backend`] is a connection string,
/// such as `host=db1 user=app dbname=shop`.
#[derive(Debug, Clone)]
pub struct PostgresManager<T = NoTls> {
    tls: T,
}

impl PostgresManager<NoTls> {
    /// Connections without TLS.
    pub fn new() -> Self {
        Self { tls: NoTls }
    }
}

impl Default for PostgresManager<NoTls> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> PostgresManager<T> {
    /// Connections whose TLS `tls` makes.
    pub fn with_tls(tls: T) -> Self {
        Self { tls }
    }
}

impl<T> Manager for PostgresManager<T>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    type Connection = Client;
    type Error = Error;

    async fn connect(&self, backend: &Backend) -> Result<Client, Error> {
        let config: Config = backend.address.parse()?;
        let (client, connection) = config.connect(self.tls.clone()).await?;
        // The socket's own task ends with its client; its errors come out of the client's calls.
        tokio::spawn(connection);
        Ok(client)
    }

    async fn check(&self, connection: &mut Client) -> Result<(), Error> {
        connection.batch_execute("").await
    }

    fn is_broken(&self, connection: &Client) -> bool {
        connection.is_closed()
    }
}
