//! What was counted when a plan ran.

use std::time::Duration;

/// What was counted of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Actual {
    /// Rows that it gave, all times together.
    pub rows: u64,
    /// Times that it ran: more than once on the right side of a loop.
    pub loops: u64,
    /// Time that it took with all below it, all times together, if it was measured.
    pub time: Option<Duration>,
}

impl Actual {
    /// So many rows of one run.
    pub fn rows(rows: u64) -> Self {
        Self { rows, loops: 1, time: None }
    }

    /// Rows that it gave each time, on average.
    pub fn rows_each(&self) -> f64 {
        crate::access::as_f64(self.rows) / crate::access::as_f64(self.loops.max(1))
    }
}
