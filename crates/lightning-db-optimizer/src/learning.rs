//! What was seen when queries ran: corrections of estimates, and plans that turned out slower.
//!
//! Source: M. Stillger, G. Lohman, V. Markl, M. Kandil, "LEO - DB2's learning optimizer", VLDB
//! 2001, for corrections by what was seen; plans that are changed by it are on probation, as in the
//! automatic plan correction of SQL Server. Results never depend on it: it changes estimates, and
//! estimates change plans.

mod feedback;
mod memory;
mod observe;
mod trial;

#[cfg(test)]
mod tests;

pub use feedback::Feedback;
pub use memory::{GroupProposal, Memory};
pub use trial::{Trials, Verdict};
