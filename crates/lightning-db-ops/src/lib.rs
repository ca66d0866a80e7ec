//! The operations kit of a service: it stops without losing a request.
//!
//! A [`Coordinator`] ends a service in phases: components *prepare* while the service goes on,
//! then no operation begins any more and what is in hand is *drained*, then everything is *shut
//! down*. Within a phase a [`Component`] goes behind those of earlier [`Priority`] and behind those
//! that use it, beside all others. There is one deadline for all of it; a component that fails,
//! panics or hangs is given up, the others go on, and what is left at the deadline is forced. The
//! [`Report`] says how each one ended, and the state file tells the next process.
//!
//! With the feature `metrics`, `metrics` keeps what a service measures and writes it as Prometheus
//! reads it; with `http` an `Endpoint` serves that, the checks of a [`Health`], and probes.
//!
//! It is not: a supervisor that starts or restarts anything, a runtime (callbacks run on a few
//! threads, or as tasks of tokio), and it knows no database.
//!
//! Drains end by events, never by polling: the last [`OperationGuard`] that is dropped wakes the
//! shutdown. Time comes from a [`Clock`].
//!
//! # Examples
//! ```
//! use lightning_db_ops::{Component, Coordinator, Phase, Priority};
//! use std::sync::mpsc;
//!
//! let coordinator = Coordinator::new()?;
//! let (stopped, order) = mpsc::channel();
//! let store = Component::new("store").priority(Priority::Critical).on_shutdown({
//!     let stopped = stopped.clone();
//!     move |_| Ok(stopped.send("store")?)
//! });
//! let server = Component::new("server")
//!     .depends_on(["store"])
//!     .on_shutdown(move |_| Ok(stopped.send("server")?));
//! let _registrations = [coordinator.register(store)?, coordinator.register(server)?];
//!
//! let request = coordinator.begin_operation("request")?;
//! coordinator.initiate(); // or `listen_for_signals`, and a SIGTERM
//! drop(request);
//!
//! let report = coordinator.wait_blocking(); // `wait().await` in async code
//! assert_eq!(report.phase, Phase::Complete);
//! assert_eq!(order.iter().collect::<Vec<_>>(), ["server", "store"]); // what uses it goes first
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! * `signals` (default): Ctrl-C and SIGTERM begin the shutdown, a second one forces it, a third
//!   aborts.
//! * `tokio`: async callbacks run as tasks of the runtime that their component was registered in.
//! * `systemd`: READY, STOPPING and STATUS for systemd.
//! * `metrics`: a recorder for the `metrics` facade and the text that Prometheus reads.
//! * `bounded`: the recorder of this crate, whose memory is bounded, where no other is asked for.
//! * `http`: an endpoint for metrics, health and probes.
//! * `tls`: the endpoint over HTTPS.
//!
//! # Invariants
//! * Phases go forward only, and one begins when the one before has ended for every component.
//! * No component is shut down while an operation is open, unless time ran out for the drain.
//! * A callback is called at most once, and nobody waits for it behind its deadline.
//! * The crate knows no other crate of ours.

mod clock;
mod error;
#[cfg(any(feature = "metrics", all(test, loom)))]
mod registry;
mod sync;

mod health;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "metrics")]
pub mod metrics;
mod shutdown;

pub use clock::{Clock, SimClock, SystemClock};
pub use error::{Error, Result};
pub use health::{CheckOptions, CheckReport, CheckResult, Health, HealthReport, Registered};
#[cfg(feature = "tls")]
pub use http::TlsIdentity;
#[cfg(feature = "http")]
pub use http::{Endpoint, EndpointOptions};
pub use shutdown::*;

/// The examples of the README, compiled and run as tests.
#[cfg(all(doctest, feature = "signals", feature = "metrics"))]
#[doc = include_str!("../README.md")]
struct Readme;
