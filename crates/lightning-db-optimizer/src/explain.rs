//! Plans for people and for programs: text, JSON, and the dot language of Graphviz.
//!
//! Each shows the same: every operator with its estimate, its bounds and their source, its cost,
//! what it was chosen over, and, where a run was counted, what there really was.

mod actual;
mod dot;
mod json;
mod text;

#[cfg(test)]
mod tests;

pub use actual::Actual;

use std::collections::BTreeMap;

use crate::estimate::q_error;
use crate::plan::{Plan, PlanId};

/// From this on, the estimate of a node is marked as bad.
const MARK: f64 = 10.0;

/// A plan with what is to be shown of it.
///
/// `Display` writes a tree as text, one operator a line.
#[derive(Debug, Clone)]
pub struct Explain<'a> {
    plan: &'a Plan,
    actual: BTreeMap<PlanId, Actual>,
    rejected: bool,
    costs: bool,
}

impl Plan {
    /// The plan, to be shown.
    pub fn explain(&self) -> Explain<'_> {
        Explain { plan: self, actual: BTreeMap::new(), rejected: false, costs: true }
    }
}

impl Explain<'_> {
    /// Shows what was counted when the plan ran, by node; nodes that are not there did not run.
    #[must_use]
    pub fn with_actual(mut self, actual: impl IntoIterator<Item = (PlanId, Actual)>) -> Self {
        self.actual.extend(actual);
        self
    }

    /// Shows the ways that were not taken in the text; the other formats always have them.
    #[must_use]
    pub fn with_rejected(mut self) -> Self {
        self.rejected = true;
        self
    }

    /// Leaves estimates and costs out of the text: what is left changes only with the plan.
    #[must_use]
    pub fn without_costs(mut self) -> Self {
        self.costs = false;
        self
    }

    /// How far the estimate of a node is from the rows that there were each time it ran.
    pub fn q_error(&self, id: PlanId) -> Option<f64> {
        let actual = self.actual.get(&id)?;
        Some(q_error(self.plan.node(id).rows.point, actual.rows_each()))
    }

    /// The largest error of all nodes, if some ran.
    pub fn q_error_max(&self) -> Option<f64> {
        let errors = self.actual.keys().filter_map(|id| self.q_error(*id));
        errors.max_by(f64::total_cmp)
    }

    /// The plan's nodes as they are shown, each before its inputs, with its depth; then those of
    /// subqueries.
    fn lines(&self) -> Vec<(Option<usize>, PlanId, usize)> {
        let mut lines = Vec::new();
        let nested = self.plan.subqueries().iter().map(|(node, id)| (Some(node.index()), *id));
        for (subquery, root) in std::iter::once((None, self.plan.root())).chain(nested) {
            let mut stack = vec![(subquery, root, 0)];
            while let Some((subquery, id, depth)) = stack.pop() {
                lines.push((subquery, id, depth));
                let inputs = self.plan.node(id).operator.inputs();
                stack.extend(inputs.into_iter().rev().map(|input| (None, input, depth + 1)));
            }
        }
        lines
    }
}
