//! What the pool knows of connections: how to make, check, reset and close them.

use std::future::Future;

/// How connections of one kind are made and looked after.
///
/// The pool runs these futures in tasks that own the connection, so that a caller who gives up
/// waiting ends none of them. Each is bounded by a time limit of the pool.
pub trait Manager: Send + Sync + 'static {
    /// A connection.
    type Connection: Send + 'static;
    /// Why one cannot be made, or is of no use.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Makes a connection to a backend.
    fn connect(
        &self,
        backend: &Backend,
    ) -> impl Future<Output = Result<Self::Connection, Self::Error>> + Send;

    /// Asks a connection whether it works, by a round trip.
    fn check(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Whether a connection is known to be of no use, without a round trip. Asked when it is given
    /// back.
    fn is_broken(&self, connection: &Self::Connection) -> bool {
        let _ = connection;
        false
    }

    /// Whether a connection that is given back has state that the next user must not see.
    fn needs_reset(&self, connection: &Self::Connection) -> bool {
        let _ = connection;
        false
    }

    /// Removes that state; called if [`needs_reset`](Self::needs_reset) says so.
    fn reset(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = connection;
        std::future::ready(Ok(()))
    }

    /// Ends a connection.
    fn close(&self, connection: Self::Connection) -> impl Future<Output = ()> + Send {
        drop(connection);
        std::future::ready(())
    }
}

/// A place that connections go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Name, for people and labels.
    pub name: String,
    /// Where it is, as the manager reads it.
    pub address: String,
    /// Share of connections under [`Strategy::Weighted`](crate::Strategy::Weighted); at least 1.
    pub weight: u32,
    /// Zone it is in; see [`PoolOptions::zone`](crate::PoolOptions::zone).
    pub zone: Option<String>,
}

impl Backend {
    /// A backend of weight 1 whose name is its address.
    pub fn new(address: impl Into<String>) -> Self {
        let address = address.into();
        Self { name: address.clone(), address, weight: 1, zone: None }
    }

    /// Sets the weight.
    #[must_use]
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// Sets the zone.
    #[must_use]
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }
}
