//! Sorts, top rows, and limits.

use super::planner::{Draft, Planner, Request, Way, Ways, share};
use super::rows::plus;
use crate::access::pessimistic;
use crate::cost::Work;
use crate::estimate::Estimate;
use crate::plan::{Cost, Operator, Order, OrderKey, OrderPart};
use crate::query::{NodeId, SortKey};

impl Planner<'_> {
    pub(super) fn order_keys(&self, keys: &[SortKey]) -> Vec<OrderKey> {
        let key = |key: &SortKey| OrderKey {
            scalar: self.scalar(key.column),
            descending: Some(key.descending),
            nulls_first: Some(key.nulls_first),
        };
        keys.iter().map(key).collect()
    }

    pub(super) fn sort(
        &self,
        node: NodeId,
        input: NodeId,
        keys: &[SortKey],
        request: &Request,
    ) -> Ways {
        let wanted = self.order_keys(keys);
        let goal = request.goal;
        let input = self.plan(input, &Request { orders: vec![wanted.clone()], goal, limit: None });
        let mut list = Vec::new();
        for way in &input.list {
            let sorted = way.order.satisfied(&wanted);
            if sorted >= keys.len() {
                list.push(way.clone());
            } else {
                let kept = request.limit;
                list.push(self.sorted(input.rows, way, keys, sorted, kept, Some(node)));
            }
        }
        let best = self.cheapest(&list, share(goal, &input.rows)).clone();
        self.note_sorts(&best, &list, keys);
        let rows = self.limited(input.rows, request.limit, &best);
        Ways { rows, list: vec![best] }
    }

    /// What a top keeps is all that it gives.
    fn limited(&self, rows: Estimate, limit: Option<u64>, way: &Way) -> Estimate {
        let is_top = matches!(
            self.nodes.borrow()[way.id.index()].operator,
            Operator::Sort { limit: Some(_), .. }
        );
        match limit {
            Some(limit) if is_top => rows.at_most(crate::access::as_f64(limit)),
            _ => rows,
        }
    }

    /// Keeps the dearer ways to the order with the one that was chosen.
    fn note_sorts(&self, best: &Way, list: &[Way], keys: &[SortKey]) {
        let mut nodes = self.nodes.borrow_mut();
        let others = list.iter().filter(|way| way.id != best.id);
        let rejected: Vec<_> = others
            .map(|way| {
                let node = &nodes[way.id.index()];
                let (input, how) = match &node.operator {
                    Operator::Sort { input, .. } => (*input, "sorted"),
                    _ => (way.id, "in its order"),
                };
                let what = nodes[input.index()].operator.detail(self.query);
                crate::plan::Rejected {
                    what: format!("{what}, {how} by {}", self.query.order_text(keys)),
                    cost: Some(way.cost.total),
                    reason: "costs more for the rows that are wanted".to_owned(),
                }
            })
            .collect();
        nodes[best.id.index()].rejected.extend(rejected);
    }

    /// A way with a sort on top, of whose keys so many are sorted already.
    pub(super) fn sorted(
        &self,
        rows: Estimate,
        way: &Way,
        keys: &[SortKey],
        sorted: usize,
        limit: Option<u64>,
        node: Option<NodeId>,
    ) -> Way {
        let columns = self.columns(way.id);
        let width = self.estimates.width(&columns);
        let cost = self.sort_cost(way.cost, &rows, width, limit, sorted > 0);
        let part = |key: &SortKey| OrderPart {
            scalars: vec![self.scalar(key.column)],
            descending: key.descending,
            nulls_first: Some(key.nulls_first),
        };
        let parts = keys.iter().map(part).collect();
        let rows = match limit {
            Some(limit) => rows.at_most(crate::access::as_f64(limit)),
            None => rows,
        };
        self.add(Draft {
            operator: Operator::Sort { input: way.id, keys: keys.to_vec(), sorted, limit },
            columns,
            rows,
            cost,
            order: Order { parts, constants: way.order.constants.clone() },
            node,
            part: None,
            rejected: Vec::new(),
        })
    }

    /// The cost of rows once they are sorted. Rows that are sorted by some keys are sorted in many
    /// small runs, the first of which is enough to start.
    pub(super) fn sort_cost(
        &self,
        input: Cost,
        rows: &Estimate,
        width: f64,
        limit: Option<u64>,
        in_runs: bool,
    ) -> Cost {
        let kept = limit.map_or(f64::INFINITY, crate::access::as_f64);
        let own = |rows: f64| {
            let run = if in_runs { rows.sqrt().max(1.0) } else { rows };
            let kept = kept.min(run);
            self.work(Work::Sort { rows, width, kept })
                + self.work(Work::Emit { rows: kept.min(rows) })
        };
        let (expected, more) = (own(rows.point), own(pessimistic(rows)));
        let share = if in_runs { 1.0 / rows.point.sqrt().max(1.0) } else { 1.0 };
        let start = (input.total - input.start + expected) * share;
        plus(input, start, expected, more)
    }

    pub(super) fn limit(
        &self,
        node: NodeId,
        input: NodeId,
        limit: Option<u64>,
        offset: u64,
        request: &Request,
    ) -> Ways {
        let last = limit.map(|limit| limit.saturating_add(offset));
        let limit_of_all = match (last, request.limit) {
            (Some(last), Some(outer)) => Some(last.min(outer.saturating_add(offset))),
            (last, outer) => last.or(outer.map(|outer| outer.saturating_add(offset))),
        };
        let goal = limit_of_all.map(crate::access::as_f64);
        let inner = Request { orders: request.orders.clone(), goal, limit: limit_of_all };
        let input = self.plan(input, &inner);
        let best = self.cheapest(&input.list, share(goal, &input.rows));
        let rows = self.estimates.rows(node);
        let cost = limited_cost(best.cost, &input.rows, goal);
        let way = self.add(Draft {
            operator: Operator::Limit { input: best.id, limit, offset },
            columns: self.columns(best.id),
            rows,
            cost,
            order: best.order.clone(),
            node: Some(node),
            part: None,
            rejected: Vec::new(),
        });
        Ways { rows, list: vec![way] }
    }
}

/// What the first rows cost. If there are fewer than expected, more of the input is read.
fn limited_cost(cost: Cost, rows: &Estimate, goal: Option<f64>) -> Cost {
    let Some(goal) = goal else { return cost };
    let of = |total: f64, rows: f64| {
        cost.start + (total - cost.start) * (goal / rows.max(1e-9)).min(1.0)
    };
    let few = (rows.point.max(1e-9) * rows.low.max(1e-9)).sqrt().min(rows.point);
    let total = of(cost.total, rows.point);
    Cost { start: cost.start, total, high: of(cost.high, few).max(total) }
}
