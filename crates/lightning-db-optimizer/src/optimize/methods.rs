//! Methods of joining two sets, and what they cost.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::joiner::{How, JoinWay, Joiner, Step, number};
use super::planner::Request;
use crate::cost::Work;
use crate::estimate::Estimate;
use crate::plan::{Access, Cost, JoinMethod, Operator, Order, OrderKey, PlanId};
use crate::query::{JoinKind, ScalarId};

/// A search in a relation for each row of another side.
#[derive(Debug, Clone)]
pub(super) struct Lookup {
    pub(super) id: PlanId,
    cost: Cost,
    rows: Estimate,
    /// Conditions that the search takes care of.
    pub(super) used: Vec<ScalarId>,
}

/// Searches that were looked for, by leaf and conditions.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    known: HashMap<(usize, Vec<ScalarId>), Option<u32>, FixedState>,
    pub(super) list: Vec<Lookup>,
}

/// The conditions of a join by what methods make of them.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// Sides of equalities, left and right.
    pub(super) keys: Vec<(ScalarId, ScalarId)>,
    /// The conditions of these.
    pub(super) of_keys: Vec<ScalarId>,
    /// All other conditions.
    pub(super) rest: Vec<ScalarId>,
}

/// Rows of both sides and of the result, expected and more.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    left: f64,
    right: f64,
    rows: f64,
    left_width: f64,
    right_width: f64,
}

/// Two sides with their conditions.
struct Pair<'c> {
    kind: JoinKind,
    left: u32,
    right: u32,
    into: u32,
    conditions: &'c Conditions,
    expected: Sizes,
    more: Sizes,
    edges: u32,
}

impl Pair<'_> {
    fn step(&self, method: JoinMethod, left: u32, right: u32) -> Step {
        Step {
            kind: self.kind,
            method,
            left: (self.left, left),
            right: (self.right, right),
            edges: self.edges,
            lookup: None,
            sorts: (false, false),
            keys: 0,
        }
    }
}

impl Joiner<'_, '_> {
    /// Joins two groups in every way; gives the group of both.
    pub(super) fn join_groups(
        &mut self,
        kind: JoinKind,
        left: u32,
        right: u32,
        edges: &[usize],
    ) -> u32 {
        let into = self.joined(kind, left, right, edges);
        let conditions = self.conditions(left, right, edges);
        let list = self.edge_list(edges);
        let pair = self.pair(kind, (left, right), into, &conditions, list);
        self.hash(&pair);
        self.merge(&pair);
        self.nested_loop(&pair);
        self.for_each(&pair);
        if kind == JoinKind::Inner {
            let turned = Conditions {
                keys: conditions.keys.iter().map(|(one, other)| (*other, *one)).collect(),
                of_keys: conditions.of_keys.clone(),
                rest: conditions.rest.clone(),
            };
            let pair = self.pair(kind, (right, left), into, &turned, list);
            self.for_each(&pair);
            if turned.keys.is_empty() {
                self.nested_loop(&pair);
            }
        }
        into
    }

    /// The conditions of edges, as two sides see them.
    pub(super) fn conditions(&self, left: u32, right: u32, edges: &[usize]) -> Conditions {
        let mut conditions = Conditions::default();
        for condition in edges.iter().flat_map(|edge| &self.edges[*edge].conditions) {
            let key = condition.sides.as_ref().and_then(|[one, other]| {
                if self.has(left, &one.1) && self.has(right, &other.1) {
                    Some((one.0, other.0))
                } else if self.has(left, &other.1) && self.has(right, &one.1) {
                    Some((other.0, one.0))
                } else {
                    None
                }
            });
            match key {
                Some(key) => {
                    conditions.keys.push(key);
                    conditions.of_keys.push(condition.scalar);
                }
                None => conditions.rest.push(condition.scalar),
            }
        }
        conditions
    }

    fn pair<'c>(
        &self,
        kind: JoinKind,
        (left, right): (u32, u32),
        into: u32,
        conditions: &'c Conditions,
        edges: u32,
    ) -> Pair<'c> {
        let [one, other, both] = [left, right, into].map(|group| &self.groups[group as usize]);
        let (left_width, right_width) = (one.width, other.width);
        let expected = Sizes {
            left: one.known.rows.point,
            right: other.known.rows.point,
            rows: both.known.rows.point,
            left_width,
            right_width,
        };
        let more =
            Sizes { left: one.more, right: other.more, rows: both.more, left_width, right_width };
        Pair { kind, left, right, into, conditions, expected, more, edges }
    }

    fn best(&self, group: u32) -> u32 {
        self.groups[group as usize].ways[0]
    }

    fn cost(&self, way: u32) -> Cost {
        self.ways[way as usize].cost
    }

    fn order(&self, way: u32) -> u32 {
        self.ways[way as usize].order
    }

    fn work(&self, work: Work) -> f64 {
        self.planner.work(work)
    }

    /// What is done with the pairs that keys leave, and with the result.
    fn rest(&self, pair: &Pair<'_>, sizes: &Sizes) -> f64 {
        let scalars = super::rows::count(pair.conditions.rest.len());
        let emit = self.work(Work::Emit { rows: sizes.rows });
        if pair.conditions.rest.is_empty() {
            return emit;
        }
        let rows = sizes.rows.max(sizes.left.min(sizes.right));
        emit + self.work(Work::Evaluate { rows, scalars })
    }

    /// Offers a join that costs this much beside both sides, of which so much comes before its
    /// first row.
    fn offer_join(&mut self, pair: &Pair<'_>, step: Step, order: u32, own: [f64; 3], start: f64) {
        let (left, right) = (self.cost(step.left.1), self.cost(step.right.1));
        let [before, expected, more] = own;
        let total = left.total + right.total + expected;
        let cost =
            Cost { start: start + before, total, high: (left.high + right.high + more).max(total) };
        self.offer(pair.into, JoinWay { cost, order, how: How::Join(step) });
    }

    /// The order of one side's rows once they are joined.
    fn order_after(&mut self, pair: &Pair<'_>, order: u32) -> u32 {
        if order == 0 || pair.kind != JoinKind::Inner {
            return order;
        }
        // What is true of the result depends on what was applied, and not on the sides.
        if let Some(known) = self.orders_after.get(&(order, pair.edges)) {
            return *known;
        }
        let mut known = self.orders[order as usize].0.clone();
        for (left, right) in &pair.conditions.keys {
            known.with_equal(*left, *right);
        }
        let number = self.order_number(known);
        self.orders_after.insert((order, pair.edges), number);
        number
    }

    fn hash(&mut self, pair: &Pair<'_>) {
        let whole = pair.conditions.keys.len() == 1 && pair.conditions.rest.is_empty();
        if pair.conditions.keys.is_empty() || (matches!(pair.kind, JoinKind::Mark(_)) && !whole) {
            return;
        }
        let build_right = |sizes: &Sizes| {
            let (rows, width) = (sizes.right, sizes.right_width);
            let build = self.work(Work::HashBuild { rows, width });
            let (build_rows, build_width) = (rows, width);
            let probe = Work::HashProbe { rows: sizes.left, build_rows, build_width };
            (build, build + self.work(probe) + self.rest(pair, sizes))
        };
        let ((build, expected), (_, more)) = (build_right(&pair.expected), build_right(&pair.more));
        let right = self.best(pair.right);
        for left in self.groups[pair.left as usize].ways.clone() {
            let order = if pair.kind == JoinKind::Full {
                0
            } else {
                self.order_after(pair, self.order(left))
            };
            let step = pair.step(JoinMethod::HashRight, left, right);
            let start = self.cost(left).start + self.cost(right).total;
            self.offer_join(pair, step, order, [build, expected, more], start);
        }
        if matches!(pair.kind, JoinKind::Mark(_) | JoinKind::Single) {
            return;
        }
        let build_left = |sizes: &Sizes| {
            let (rows, width) = (sizes.left, sizes.left_width);
            let build = self.work(Work::HashBuild { rows, width });
            let (build_rows, build_width) = (rows, width);
            let probe = Work::HashProbe { rows: sizes.right, build_rows, build_width };
            (build, build + self.work(probe) + self.rest(pair, sizes))
        };
        let ((build, expected), (_, more)) = (build_left(&pair.expected), build_left(&pair.more));
        let left = self.best(pair.left);
        let ways = match pair.kind {
            JoinKind::Inner => self.groups[pair.right as usize].ways.clone(),
            _ => vec![right],
        };
        for right in ways {
            let order = match pair.kind {
                JoinKind::Inner => self.order_after(pair, self.order(right)),
                _ => 0,
            };
            let step = pair.step(JoinMethod::HashLeft, left, right);
            let start = match pair.kind {
                // Rows without a match are known at the end.
                JoinKind::Anti => self.cost(left).total + self.cost(right).total,
                _ => self.cost(left).total + self.cost(right).start,
            };
            self.offer_join(pair, step, order, [build, expected, more], start);
        }
    }

    /// Keys in the order in which a side is sorted by them, and whether that is descending.
    fn sorted_keys(&self, order: u32, side: &[ScalarId]) -> Option<(Vec<usize>, bool)> {
        let parts = &self.orders[order as usize].0.parts;
        let descending = parts.first()?.descending;
        let mut keys = Vec::new();
        for part in parts.iter().take_while(|part| part.descending == descending) {
            let same = |key: &ScalarId| part.scalars.contains(key);
            match side.iter().position(same) {
                Some(position) if !keys.contains(&position) => keys.push(position),
                _ => break,
            }
        }
        (!keys.is_empty()).then_some((keys, descending))
    }

    fn merge(&mut self, pair: &Pair<'_>) {
        if pair.conditions.keys.is_empty()
            || matches!(pair.kind, JoinKind::Mark(_) | JoinKind::Single)
        {
            return;
        }
        let (left_keys, right_keys): (Vec<ScalarId>, Vec<ScalarId>) =
            pair.conditions.keys.iter().copied().unzip();
        let left_ways = self.groups[pair.left as usize].ways.clone();
        let right_ways = self.groups[pair.right as usize].ways.clone();
        for left in &left_ways {
            let Some((keys, descending)) = self.sorted_keys(self.order(*left), &left_keys) else {
                continue;
            };
            self.merge_with(pair, *left, &right_ways, (&keys, descending), &right_keys);
        }
        // A side that is not sorted is sorted, if the other one is.
        let left = self.best(pair.left);
        for right in &right_ways {
            let found = self.sorted_keys(self.order(*right), &right_keys);
            let Some((keys, false)) = found else { continue };
            if self.are_columns(&left_keys, &keys) {
                self.offer_merge(pair, (left, *right), (true, false), &keys);
            }
        }
    }

    fn are_columns(&self, side: &[ScalarId], keys: &[usize]) -> bool {
        let is_column = |key: &usize| {
            matches!(self.planner.query.scalar(side[*key]), crate::query::Scalar::Column(_))
        };
        keys.iter().all(is_column)
    }

    fn merge_with(
        &mut self,
        pair: &Pair<'_>,
        left: u32,
        right_ways: &[u32],
        (keys, descending): (&[usize], bool),
        right_keys: &[ScalarId],
    ) {
        let wanted: Vec<OrderKey> = keys
            .iter()
            .map(|key| OrderKey {
                scalar: right_keys[*key],
                descending: Some(descending),
                nulls_first: None,
            })
            .collect();
        let mut merged = 0;
        for right in right_ways {
            let order = self.order(*right);
            let sorted = self.orders[order as usize].0.satisfied(&wanted);
            if sorted > merged {
                merged = sorted;
                self.offer_merge(pair, (left, *right), (false, false), &keys[..sorted]);
            }
        }
        if merged < keys.len() && !descending && self.are_columns(right_keys, keys) {
            let right = right_ways[0];
            self.offer_merge(pair, (left, right), (false, true), keys);
        }
    }

    fn offer_merge(
        &mut self,
        pair: &Pair<'_>,
        (left, right): (u32, u32),
        sorts: (bool, bool),
        keys: &[usize],
    ) {
        let of_side = |sort: bool, rows: f64, width: f64| {
            if sort { self.work(Work::Sort { rows, width, kept: rows }) } else { 0.0 }
        };
        let own = |sizes: &Sizes| {
            let before = of_side(sorts.0, sizes.left, sizes.left_width)
                + of_side(sorts.1, sizes.right, sizes.right_width);
            let merge = Work::Merge { rows: sizes.left + sizes.right };
            // Conditions on keys that are not merged by are evaluated on pairs.
            let rest = pair.conditions.keys.len() - keys.len();
            let scalars = super::rows::count(rest);
            let rest = self.work(Work::Evaluate { rows: sizes.rows, scalars });
            (before, before + self.work(merge) + rest + self.rest(pair, sizes))
        };
        let ((before, expected), (_, more)) = (own(&pair.expected), own(&pair.more));
        let side = |way: u32, sort: bool| {
            if sort { self.cost(way).total } else { self.cost(way).start }
        };
        let start = side(left, sorts.0) + side(right, sorts.1);
        let order = match (pair.kind, sorts.0) {
            (JoinKind::Full, _) => 0,
            (_, false) => self.order_after(pair, self.order(left)),
            (_, true) => {
                let parts = keys.iter().map(|key| crate::plan::OrderPart {
                    scalars: vec![pair.conditions.keys[*key].0],
                    descending: false,
                    nulls_first: Some(false),
                });
                let constants = self.orders[self.order(left) as usize].0.constants.clone();
                let order = self.order_number(Order { parts: parts.collect(), constants });
                self.order_after(pair, order)
            }
        };
        self.merges.push(keys.into());
        let keys = number(self.merges.len() - 1);
        let step = Step { sorts, keys, ..pair.step(JoinMethod::Merge, left, right) };
        self.offer_join(pair, step, order, [before, expected, more], start);
    }

    fn nested_loop(&mut self, pair: &Pair<'_>) {
        let scalars = super::rows::count(pair.conditions.rest.len() + pair.conditions.keys.len());
        let own = |sizes: &Sizes| {
            let pairs = sizes.left * sizes.right;
            // The pairs that a condition is false for end there.
            self.work(Work::NestedLoop { pairs })
                + self.work(Work::Evaluate { rows: pairs, scalars: scalars.min(1.0) })
                + self.work(Work::Emit { rows: sizes.rows })
        };
        let (expected, more) = (own(&pair.expected), own(&pair.more));
        let right = self.best(pair.right);
        for left in self.groups[pair.left as usize].ways.clone() {
            let order = if pair.kind == JoinKind::Full {
                0
            } else {
                self.order_after(pair, self.order(left))
            };
            let step = pair.step(JoinMethod::NestedLoop, left, right);
            let start = self.cost(left).start + self.cost(right).total;
            self.offer_join(pair, step, order, [0.0, expected, more], start);
        }
    }

    /// A search in an index of the right side for each row of the left.
    fn for_each(&mut self, pair: &Pair<'_>) {
        if matches!(pair.kind, JoinKind::Full | JoinKind::Mark(_)) {
            return;
        }
        let Some(leaf) = self.groups[pair.right as usize].leaf else { return };
        let Some(number) = self.lookup(leaf, pair.conditions) else { return };
        let lookup = &self.lookups.list[number as usize];
        let (each, rows_expected) = (lookup.cost, lookup.rows.point.max(1e-6));
        let first = matches!(pair.kind, JoinKind::Semi | JoinKind::Anti);
        let left_over = pair.conditions.keys.len() + pair.conditions.rest.len() - lookup.used.len();
        let scalars = super::rows::count(left_over);
        let own = |sizes: &Sizes, rows: f64| {
            // More rows of a search cost as the expected ones do, its start apart.
            let grown = rows / rows_expected;
            let total = each.start + (each.total - each.start) * grown;
            // The first match is enough to know that there is one.
            let share = if first { 1.0 / rows.max(1.0) } else { 1.0 };
            let one = each.start + (total - each.start) * share;
            let pairs = sizes.left * rows * share;
            sizes.left * one
                + self.work(Work::Evaluate { rows: pairs, scalars })
                + self.work(Work::Emit { rows: sizes.rows })
        };
        let expected = own(&pair.expected, rows_expected);
        // What there is more is the result's: each search has its share of it.
        let rows_more = (pair.more.rows / pair.more.left.max(1.0)).max(rows_expected);
        let more = own(&pair.more, rows_more);
        let right = self.best(pair.right);
        for left in self.groups[pair.left as usize].ways.clone() {
            let order = self.order_after(pair, self.order(left));
            let step = pair.step(JoinMethod::ForEach, left, right);
            let step = Step { lookup: Some(number), ..step };
            let (start, cost) = (self.cost(left).start + each.start, self.cost(left));
            let total = cost.total + expected;
            let high = (cost.high + more).max(total);
            let cost = Cost { start, total, high };
            self.offer(pair.into, JoinWay { cost, order, how: How::Join(step) });
        }
    }

    /// The search in a leaf for values of the other side, if an index has one.
    fn lookup(&mut self, leaf: usize, conditions: &Conditions) -> Option<u32> {
        let tree_leaf = &self.tree.leaves[leaf];
        let relation = self.planner.prepared.relations.get(&tree_leaf.node)?;
        let all = conditions.of_keys.iter().chain(&conditions.rest).copied();
        let used: Vec<ScalarId> =
            all.filter(|id| relation.helps(self.planner.query, *id)).collect();
        if used.is_empty() {
            return None;
        }
        let key = (leaf, used);
        if let Some(known) = self.lookups.known.get(&key) {
            return *known;
        }
        let used = key.1.clone();
        let together = [&tree_leaf.conditions[..], &used].concat();
        let ways = self.planner.relation(relation, &together, &Request::default(), None);
        let way = &ways.list[0];
        let by_index = matches!(
            self.planner.nodes.borrow()[way.id.index()].operator,
            Operator::Access { access: Access::Index(_) | Access::Sets(_), .. }
        );
        let found = by_index.then(|| {
            let lookup = Lookup { id: way.id, cost: way.cost, rows: ways.rows, used };
            self.lookups.list.push(lookup);
            number(self.lookups.list.len() - 1)
        });
        self.lookups.known.insert(key, found);
        found
    }
}
