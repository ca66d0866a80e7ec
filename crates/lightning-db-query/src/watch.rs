//! Runs that another thread looks at, or ends.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lightning_db_optimizer::{Access, JoinMethod, Operator, Plan, PlanId};

use crate::catalog::{Known, TableCatalog};

/// What watches a run: it ends it, and sees how far it is. It serves one run after the other.
#[derive(Debug, Default)]
pub struct Watch {
    is_cancelled: AtomicBool,
    read: AtomicU64,
    expected: AtomicU64,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Rows of tables, or of a file, that were read so far, also those that were not wanted.
    pub rows_read: u64,
    /// How many the plan expects to be read in all; a run may read more, or fewer. Zero where
    /// nothing is known.
    pub rows_expected: u64,
}

impl Watch {
    /// Ends the run: it fails within a batch of rows.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the run is to end.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    /// Forgets what was seen and asked for before.
    pub fn restart(&self) {
        self.is_cancelled.store(false, Ordering::Relaxed);
        self.read.store(0, Ordering::Relaxed);
        self.expected.store(0, Ordering::Relaxed);
    }

    /// How far the run is.
    pub fn progress(&self) -> Progress {
        let (rows_read, rows_expected) =
            (self.read.load(Ordering::Relaxed), self.expected.load(Ordering::Relaxed));
        Progress { rows_read, rows_expected }
    }

    /// Counts rows that were read. One thread does so at a time, so that it costs no more than a
    /// load and a store.
    #[inline]
    pub fn read(&self, rows: u64) {
        self.read.store(self.read.load(Ordering::Relaxed).wrapping_add(rows), Ordering::Relaxed);
    }

    /// Adds rows that are expected to be read.
    #[inline]
    pub fn expect(&self, rows: u64) {
        let expected = self.expected.load(Ordering::Relaxed).saturating_add(rows);
        self.expected.store(expected, Ordering::Relaxed);
    }
}

/// Rows of tables that a run of the plan is expected to read, but for those of subqueries that run
/// for each row.
pub(crate) fn expected_reads(plan: &Plan, catalog: &TableCatalog) -> u64 {
    let roots = plan.subqueries().iter().map(|(_, root)| *root).chain([plan.root()]);
    let mut reads = vec![0.0; plan.nodes().len()];
    let mut all = 0.0;
    for root in roots {
        // Inputs come before what reads them: plans may be deeper than a stack.
        for id in plan.below(root) {
            reads[id.index()] = reads_of(plan, catalog, id, &reads);
        }
        all += reads[root.index()];
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not exact")]
    let all = all as u64;
    all
}

/// Rows that a node reads, with what its inputs do.
fn reads_of(plan: &Plan, catalog: &TableCatalog, id: PlanId, reads: &[f64]) -> f64 {
    let node = plan.node(id);
    match &node.operator {
        Operator::Access { table, access: Access::Scan, .. } => {
            catalog.known(*table).map_or(node.rows.point, Known::rows)
        }
        Operator::Access { .. } => node.rows.point,
        Operator::Join { method: JoinMethod::ForEach, left, right, .. } => {
            reads[left.index()] + plan.node(*left).rows.point * reads[right.index()]
        }
        operator => operator.inputs().into_iter().map(|id| reads[id.index()]).sum(),
    }
}
