//! The operations kit, and this database wired into it.
//!
//! Everything of the crate `lightning-db-ops` is here. With the feature `monitoring` a `Service`
//! takes an open store into a shutdown coordinator, gives it metrics ([`METRICS`]) and health
//! checks, and serves them over HTTP: see `Service`.

pub use lightning_db_ops::*;

#[cfg(feature = "monitoring")]
mod checks;
#[cfg(feature = "monitoring")]
mod errors;
#[cfg(feature = "monitoring")]
mod meters;
#[cfg(feature = "monitoring")]
mod names;
#[cfg(feature = "monitoring")]
mod replica;
#[cfg(feature = "monitoring")]
mod service;
#[cfg(feature = "monitoring")]
mod sources;

#[cfg(feature = "monitoring")]
pub use errors::ErrorType;
#[cfg(feature = "monitoring")]
pub use meters::{Meters, Operation};
#[cfg(feature = "monitoring")]
pub use names::METRICS;
#[cfg(feature = "monitoring")]
pub use replica::Replica;
#[cfg(feature = "monitoring")]
pub use service::{Service, ServiceOptions};
