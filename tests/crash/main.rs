//! Crash safety on a simulated disk: power cuts at every step, of the recovery too, failing calls,
//! and flipped bits.
#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is not there")]
#![expect(clippy::print_stdout, reason = "shows how much was tried")]

mod background;
mod damage;
mod directory;
mod faults;
mod lives;
mod lost_manifest;
mod power_cut;
mod recovery;
mod regressions;
mod stepped;
