//! Which nodes are run in batches.
//!
//! A batch costs some allocations, which many rows share; a look-up by a key is to cost none. So
//! nodes are run in batches if they read a whole table that is not tiny, or are expected to give or
//! take many rows.

use lightning_db_optimizer::{JoinKind, JoinMethod, Operator, PlanId};

use super::{Compiler, Path, Step};

/// Rows that are many: they come in a batch at least.
const MANY_ROWS: f64 = 1_000.0;
/// Rows of a table whose columns are not worth a vector each.
const TINY_ROWS: f64 = 64.0;

impl Compiler<'_> {
    /// Whether a node is run in batches. Its inputs have been made ready.
    pub(super) fn is_batched(&self, id: PlanId, step: &Step) -> bool {
        match step {
            Step::Access(access) => {
                matches!(access.path, Path::All) && !self.is_tiny(id) || self.gives_many(id)
            }
            Step::Filter { input, .. } | Step::Project { input, .. } => self.batched[input.index()],
            Step::Join(join) => {
                let hashes = match join.method {
                    JoinMethod::HashLeft | JoinMethod::HashRight | JoinMethod::Merge => true,
                    JoinMethod::ForEach | JoinMethod::NestedLoop => false,
                };
                let of_kind = matches!(
                    join.kind,
                    JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti
                );
                hashes && of_kind && (self.is_large(join.left) || self.is_large(join.right))
            }
            Step::Aggregate(grouping) => {
                // Groups that end one by one keep no more than one of them.
                let one_by_one = grouping.streams && !grouping.groups.is_empty();
                !one_by_one && self.is_large(grouping.input)
            }
            _ => false,
        }
    }

    fn is_large(&self, input: PlanId) -> bool {
        self.batched[input.index()] || self.gives_many(input)
    }

    /// Whether a node reads a table of few rows.
    fn is_tiny(&self, id: PlanId) -> bool {
        let Operator::Access { table, .. } = &self.plan.node(id).operator else { return false };
        self.catalog.known(*table).is_some_and(|known| known.rows() <= TINY_ROWS)
    }

    fn gives_many(&self, id: PlanId) -> bool {
        self.plan.node(id).rows.point >= MANY_ROWS
    }
}
