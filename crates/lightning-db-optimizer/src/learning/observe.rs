//! What is learned from a plan that ran.

use super::Memory;
use crate::explain::Actual;
use crate::plan::{AggregateMethod, JoinMethod, Operator, Plan, PlanId};
use crate::query::{JoinKind, SetOperation};

impl Memory {
    /// Notes what was counted when a plan ran, by node. Nodes that may have been stopped before
    /// their last row, as those below a limit, and searches that run for each row of another side
    /// tell nothing and are left out.
    pub fn observe_plan(
        &mut self,
        plan: &Plan,
        actual: impl IntoIterator<Item = (PlanId, Actual)>,
    ) {
        let ended = run_to_the_end(plan);
        for (id, actual) in actual {
            if !ended.get(id.index()).is_some_and(|ended| *ended) || actual.loops == 0 {
                continue;
            }
            let node = plan.node(id);
            let Some(part) = &node.part else { continue };
            let table = match node.operator {
                Operator::Access { table, .. } => Some(table),
                _ => None,
            };
            self.observe(part, table, actual.rows_each());
        }
    }
}

/// By position, whether a node gives all its rows each time it runs.
fn run_to_the_end(plan: &Plan) -> Vec<bool> {
    let mut ended = vec![false; plan.nodes().len()];
    // A subquery may be stopped once its first row is known.
    let nested = plan.subqueries().iter().map(|(_, id)| (*id, false));
    let mut stack: Vec<(PlanId, bool)> = nested.collect();
    stack.push((plan.root(), true));
    while let Some((id, all)) = stack.pop() {
        ended[id.index()] |= all;
        let operator = &plan.node(id).operator;
        let inputs = operator.inputs();
        let of_inputs = inputs_run_to_the_end(operator, all);
        stack.extend(inputs.into_iter().zip(of_inputs));
    }
    ended
}

/// Whether inputs, from left to right, give all their rows if an operator does or does not.
fn inputs_run_to_the_end(operator: &Operator, all: bool) -> [bool; 2] {
    match operator {
        Operator::Limit { limit, .. } => [all && limit.is_none(); 2],
        // One that is sorted in part stops where it has enough.
        Operator::Sort { sorted, limit, .. } => [*sorted == 0 || all && limit.is_none(); 2],
        Operator::Aggregate { method, groups, .. } => {
            [all || *method == AggregateMethod::Hash || groups.is_empty(); 2]
        }
        Operator::Window { .. } => [true; 2],
        Operator::Set { operation: SetOperation::Union, .. } => [all; 2],
        Operator::Set { .. } => [all, true],
        Operator::Join { kind, method, .. } => match method {
            JoinMethod::HashRight | JoinMethod::NestedLoop => [all, true],
            JoinMethod::HashLeft => [true, all],
            // A side is left where the other one ends.
            JoinMethod::Merge => match kind {
                JoinKind::Full => [all; 2],
                JoinKind::Inner | JoinKind::Semi => [false; 2],
                _ => [all, false],
            },
            JoinMethod::ForEach => [all, false],
        },
        _ => [all; 2],
    }
}
