//! What the test suites share: a model, seeded workloads, and checks of what survives.
//!
//! A [`Plan`] is a workload made from a seed, with the state that a store must have after each of
//! its commits. A [`Driver`] runs it on a disk and keeps a [`Ledger`] of what was acknowledged.
//! What a power cut left is held against both by [`check_image`]. Every check gives back a
//! description of what is wrong instead of panicking, so that the tests of planted defects can
//! expect it to.

mod model;
mod workload;

mod driver;
mod faults;
mod image;
mod lives;
mod sweep;
mod threads;

mod specimen;
mod traced;

pub use driver::{Driver, Failure, Ledger, describe, store_options};
pub use faults::FaultSweep;
pub use image::{Recovered, check_contents, check_image};
pub use lives::Lives;
pub use model::{Change, Contents, History, Registry, Value};
pub use specimen::{Data, Left, Outcome, Outcomes, Specimen};
pub use sweep::{POLICIES, Policy, Sweep, parallel, recover_in_steps, seeds_of};
pub use threads::Threads;
pub use traced::{CallKind, TracedCall, TracedVfs};
pub use workload::{Kinds, Op, Plan, Planned, Via};
