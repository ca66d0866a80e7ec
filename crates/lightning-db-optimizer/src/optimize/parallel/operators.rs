//! Operators over the rows of several workers.

use super::Sharer;
use crate::access::as_f64;
use crate::plan::{AggregateMethod, Exchange, JoinMethod, Operator, Phase, PlanId, PlanNode};
use crate::query::{Aggregate, ColumnId, JoinKind, SortKey};

/// Partial aggregates pay if they leave less than this share of the rows.
const PARTIAL_SHARE: f64 = 0.5;

/// Columns of both sides that are equal.
pub(super) type Keys = Option<(Vec<ColumnId>, Vec<ColumnId>)>;

impl Sharer<'_> {
    /// A join over sides that are shared or not.
    pub(super) fn join(
        &mut self,
        id: PlanId,
        (kind, method): (JoinKind, JoinMethod),
        keys: Keys,
        inputs: &[PlanId],
    ) -> PlanId {
        let node = self.plan.node(id).clone();
        let heavy = self.plan.own_cost(id) >= self.model.worker_cost_min();
        match (method, inputs) {
            (JoinMethod::ForEach, [left]) => {
                let Operator::Join { right, .. } = node.operator else { return *left };
                let right = self.copy(right);
                let left = if heavy { self.spread(*left) } else { *left };
                let degree = self.node(left).degree;
                self.finish(node, &[left, right], degree)
            }
            (JoinMethod::HashRight | JoinMethod::NestedLoop, [left, right])
                if kind != JoinKind::Full =>
            {
                self.probe(node, (*left, *right), heavy, (kind, method), keys)
            }
            (JoinMethod::HashLeft, [left, right]) if kind == JoinKind::Inner => {
                let right = if heavy { self.spread(*right) } else { *right };
                if self.is_shared(right) {
                    let left = self.handed_to_all(*left);
                    return self.finish(node, &[left, right], self.degree);
                }
                let left = self.gathered(*left);
                self.finish(node, &[left, right], 1)
            }
            (JoinMethod::HashRight | JoinMethod::HashLeft, [left, right])
                if node.order.is_empty() =>
            {
                self.both_partitioned(node, (*left, *right), keys)
            }
            _ => {
                let inputs: Vec<PlanId> = inputs.iter().map(|it| self.gathered(*it)).collect();
                self.finish(node, &inputs, 1)
            }
        }
    }

    /// A join whose left rows are looked up one after the other: the right side is handed to all,
    /// or both are partitioned where that moves fewer rows.
    fn probe(
        &mut self,
        node: PlanNode,
        (left, right): (PlanId, PlanId),
        heavy: bool,
        (kind, method): (JoinKind, JoinMethod),
        keys: Keys,
    ) -> PlanId {
        let left = if heavy { self.spread(left) } else { left };
        if !self.is_shared(left) {
            let right = self.gathered(right);
            return self.finish(node, &[left, right], 1);
        }
        let (probed, built) = (self.node(left).rows.point, self.node(right).rows.point);
        let fewer = probed + built < built * f64::from(self.degree);
        // A mark depends on all nulls of the right side.
        let may = method == JoinMethod::HashRight && !matches!(kind, JoinKind::Mark(_));
        if may && fewer && keys.is_some() && node.order.is_empty() {
            return self.both_partitioned(node, (left, right), keys);
        }
        let right = self.handed_to_all(right);
        self.finish(node, &[left, right], self.degree)
    }

    /// A join both of whose sides are partitioned by its keys, if one is shared.
    fn both_partitioned(
        &mut self,
        node: PlanNode,
        (left, right): (PlanId, PlanId),
        keys: Keys,
    ) -> PlanId {
        match keys {
            Some((by, with)) if self.is_shared(left) || self.is_shared(right) => {
                let left = self.partitioned(left, &by);
                let right = self.partitioned(right, &with);
                self.finish(node, &[left, right], self.degree)
            }
            _ => {
                let (left, right) = (self.gathered(left), self.gathered(right));
                self.finish(node, &[left, right], 1)
            }
        }
    }

    /// Rows of one worker for all workers to take from.
    fn spread(&mut self, input: PlanId) -> PlanId {
        if self.is_shared(input) {
            return input;
        }
        let rows = self.node(input).rows;
        self.exchange(input, Exchange::Local, rows, self.degree)
    }

    /// An aggregate over the rows of several workers.
    pub(super) fn aggregate(
        &mut self,
        node: PlanNode,
        groups: &[ColumnId],
        aggregates: &[(ColumnId, Aggregate)],
        input: PlanId,
    ) -> PlanId {
        let Operator::Aggregate { method, .. } = node.operator else { return input };
        let distinct = aggregates.iter().any(|(_, aggregate)| aggregate.distinct);
        // Rows that come in order are merged, so that the groups stay in order.
        let in_order = method == AggregateMethod::Stream;
        let (rows, made) = (self.node(input).rows, node.rows.point * f64::from(self.degree));
        let reduces = made < rows.point * PARTIAL_SHARE;
        if distinct || !(reduces || groups.is_empty()) {
            if in_order {
                let input = self.gathered(input);
                return self.finish(node, &[input], 1);
            }
            let input = self.partitioned(input, groups);
            return self.finish(node, &[input], self.degree);
        }
        let mut partial = node.clone();
        set_phase(&mut partial, Phase::Partial);
        partial.rows = node.rows.scaled(f64::from(self.degree)).at_most(rows.high);
        (partial.node, partial.part) = (None, None);
        partial.rejected = Vec::new();
        let partial = self.finish(partial, &[input], self.degree);
        let passed = self.node(partial).rows;
        let passed = if in_order {
            self.gathered(partial)
        } else {
            self.exchange(partial, Exchange::Hash(groups.to_vec()), passed, self.degree)
        };
        let degree = self.node(passed).degree;
        let mut last = node;
        set_phase(&mut last, Phase::Final);
        if let Operator::Aggregate { input, .. } = &mut last.operator {
            *input = passed;
        }
        // What the final phase adds is small beside what the partial one has done.
        let own = as_f64(u64::from(self.degree)) * last.rows.point;
        let work = crate::cost::Work::HashAggregate {
            rows: own,
            groups: last.rows.point,
            aggregates: as_f64(aggregates.len() as u64),
        };
        let below = self.node(passed).cost;
        last.cost = crate::optimize::rows::plus(
            below,
            below.total - below.start,
            self.model.cost(&work),
            self.model.cost(&work),
        );
        last.degree = degree;
        self.push(last)
    }

    /// Each worker sorts its rows; the results are merged.
    pub(super) fn sort(
        &mut self,
        mut node: PlanNode,
        keys: Vec<SortKey>,
        limit: Option<u64>,
        input: PlanId,
    ) -> PlanId {
        if let Some(limit) = limit {
            // Each worker has its own first rows.
            let most = as_f64(limit) * f64::from(self.degree);
            node.rows = self.node(input).rows.at_most(most);
        }
        let sorted = self.finish(node, &[input], self.degree);
        let rows = self.node(sorted).rows;
        self.exchange(sorted, Exchange::GatherMerge(keys), rows, 1)
    }

    /// Two inputs put together, by all workers if one of them is shared.
    pub(super) fn set(
        &mut self,
        node: PlanNode,
        append: bool,
        [left, right]: [(PlanId, Vec<ColumnId>); 2],
    ) -> PlanId {
        if !self.is_shared(left.0) && !self.is_shared(right.0) {
            return self.finish(node, &[left.0, right.0], 1);
        }
        let inputs = if append {
            [self.spread(left.0), self.spread(right.0)]
        } else {
            [self.partitioned(left.0, &left.1), self.partitioned(right.0, &right.1)]
        };
        self.finish(node, &inputs, self.degree)
    }
}

fn set_phase(node: &mut PlanNode, wanted: Phase) {
    if let Operator::Aggregate { phase, .. } = &mut node.operator {
        *phase = wanted;
    }
}
