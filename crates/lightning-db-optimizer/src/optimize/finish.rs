//! The nodes of a plan, out of all that were looked at.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::hinted::is_penalty;
use super::planner::Planner;
use crate::plan::{Operator, Part, Phase, Plan, PlanId, PlanNode, Rejected};
use crate::query::Query;

/// The plan with this root: what it does not use is left out.
pub(super) fn finish(planner: &Planner<'_>, root: PlanId) -> Plan {
    let all = planner.nodes.take().into_iter().map(Some).collect();
    let mut kept = Kept { all, nodes: Vec::new(), places: HashMap::default() };
    let subqueries = planner.subqueries.iter().map(|(node, id)| (*node, kept.keep(*id))).collect();
    let root = kept.keep(root);
    for node in &mut kept.nodes {
        node.part = node.part.take().or_else(|| part(planner, node));
        let hinted = |other: &&mut Rejected| other.cost.is_some_and(is_penalty);
        for other in node.rejected.iter_mut().filter(hinted) {
            (other.cost, other.reason) = (None, "a hint speaks against it".to_owned());
        }
    }
    Plan {
        // It is the planner's own: whoever made that puts it here.
        query: Query::new(),
        nodes: kept.nodes,
        root,
        subqueries,
        applied: Vec::new(),
        unmet: Vec::new(),
        unit: planner.settings.cost_model.unit(),
        version: planner.catalog.version(),
    }
}

/// What part of the query the rows of a node are that no block of joins has made.
fn part(planner: &Planner<'_>, node: &PlanNode) -> Option<Part> {
    let whole = match node.operator {
        Operator::Filter { .. } | Operator::Set { .. } => true,
        Operator::Aggregate { phase, .. } => phase == Phase::Complete,
        _ => false,
    };
    let id = node.node.filter(|_| whole)?;
    let by_statistics = planner.estimates.rows_by_statistics(id);
    Some(Part { signature: planner.query.signature(id), by_statistics, columns: Vec::new() })
}

struct Kept {
    /// Those that are not kept yet.
    all: Vec<Option<PlanNode>>,
    nodes: Vec<PlanNode>,
    places: HashMap<PlanId, PlanId, FixedState>,
}

impl Kept {
    /// Keeps a node and what is below it, inputs first.
    fn keep(&mut self, root: PlanId) -> PlanId {
        let mut stack = vec![root];
        let mut order = Vec::new();
        while let Some(id) = stack.pop() {
            if let Some(node) = &self.all[id.index()] {
                order.push(id);
                stack.extend(node.operator.inputs());
            }
        }
        for id in order.into_iter().rev() {
            let Some(mut node) = self.all[id.index()].take() else { continue };
            node.operator.change_inputs(|input| *input = self.places[input]);
            self.places.insert(id, PlanId::new(self.nodes.len()));
            self.nodes.push(node);
        }
        self.places[&root]
    }
}
