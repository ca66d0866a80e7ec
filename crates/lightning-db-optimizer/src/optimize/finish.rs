//! The nodes of a plan, out of all that were looked at.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::planner::Planner;
use crate::plan::{Plan, PlanId, PlanNode};

/// The plan with this root: what it does not use is left out.
pub(super) fn finish(planner: Planner<'_>, root: PlanId) -> Plan {
    let nodes = planner.nodes.into_inner();
    let mut kept = Kept { all: nodes, nodes: Vec::new(), places: HashMap::default() };
    let subqueries = planner.subqueries.iter().map(|(node, id)| (*node, kept.keep(*id))).collect();
    let root = kept.keep(root);
    Plan {
        query: planner.query.clone(),
        nodes: kept.nodes,
        root,
        subqueries,
        applied: Vec::new(),
        unit: planner.settings.cost_model.unit(),
        version: planner.catalog.version(),
    }
}

struct Kept {
    all: Vec<PlanNode>,
    nodes: Vec<PlanNode>,
    places: HashMap<PlanId, PlanId, FixedState>,
}

impl Kept {
    /// Copies a node and what is below it, inputs first.
    fn keep(&mut self, root: PlanId) -> PlanId {
        let mut stack = vec![root];
        let mut order = Vec::new();
        while let Some(id) = stack.pop() {
            order.push(id);
            stack.extend(self.all[id.index()].operator.inputs());
        }
        for id in order.into_iter().rev() {
            if self.places.contains_key(&id) {
                continue;
            }
            let mut node = self.all[id.index()].clone();
            node.operator.change_inputs(|input| *input = self.places[input]);
            self.places.insert(id, PlanId::new(self.nodes.len()));
            self.nodes.push(node);
        }
        self.places[&root]
    }
}
