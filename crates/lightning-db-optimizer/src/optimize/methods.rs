//! Methods of joining two sets, and what they cost.

use super::joiner::{Group, Joiner, Rows};
use super::ways::{How, Step};
use crate::cost::Work;
use crate::plan::{Cost, JoinMethod, OrderKey};
use crate::query::{JoinKind, ScalarId};

/// The conditions of a join by what methods make of them.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// Sides of equalities, left and right.
    pub(super) keys: Vec<(ScalarId, ScalarId)>,
    /// The wanted orders that begin with a side of a key, left and right.
    orders: (u64, u64),
    /// The conditions of these.
    pub(super) of_keys: Vec<ScalarId>,
    /// All other conditions.
    pub(super) rest: Vec<ScalarId>,
}

/// Rows of both sides and of the result.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) left: Rows,
    pub(super) right: Rows,
    pub(super) rows: Rows,
}

/// Two sides with their conditions.
pub(super) struct Pair<'c> {
    pub(super) kind: JoinKind,
    pub(super) left: u32,
    pub(super) right: u32,
    pub(super) into: u32,
    pub(super) conditions: &'c Conditions,
    /// Expected sizes, and larger ones.
    pub(super) sizes: [Sizes; 2],
    /// Number of the list of edges.
    pub(super) edges: u32,
}

impl Pair<'_> {
    pub(super) fn step(&self, method: JoinMethod, left: u32, right: u32) -> Step {
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
        if self.collected.is_none() {
            // The same ways of both sides make the same ways again.
            let changes = |group: u32| self.groups[group as usize].changes;
            let changes = (changes(left), changes(right));
            if self.priced.insert((left, right), changes) == Some(changes) {
                return into;
            }
        }
        // Whatever the method, both sides are read, unless one is searched, and rows are handed on.
        let (one, other) = (self.floor(left), self.floor(right));
        let emit = self.groups[into as usize].rows[0].emit;
        let hopeless = self.is_hopeless(into, one.0 + other.0 + emit, one.1 + other.1 + emit);
        let has_leaf = [left, right].iter().any(|it| self.groups[*it as usize].leaf.is_some());
        if hopeless && !has_leaf {
            return into;
        }
        let mut conditions = std::mem::take(&mut self.conditions);
        self.set_conditions(left, right, edges, &mut conditions);
        let list = self.list(edges);
        let pair = self.pair(kind, (left, right), into, &conditions, list);
        if !hopeless {
            let hashed = self.hash(&pair);
            self.merge(&pair);
            self.nested_loop(&pair, hashed);
        }
        self.for_each(&pair);
        let loops = conditions.keys.is_empty() && !hopeless;
        if kind == JoinKind::Inner && (loops || self.groups[left as usize].leaf.is_some()) {
            // Neither of these looks at the sides of keys.
            let pair = self.pair(kind, (right, left), into, &conditions, list);
            self.for_each(&pair);
            if loops {
                self.nested_loop(&pair, None);
            }
        }
        self.conditions = conditions;
        into
    }

    /// The conditions of edges, as two sides see them.
    pub(super) fn conditions(&self, left: u32, right: u32, edges: &[usize]) -> Conditions {
        let mut conditions = Conditions::default();
        self.set_conditions(left, right, edges, &mut conditions);
        conditions
    }

    fn set_conditions(&self, left: u32, right: u32, edges: &[usize], into: &mut Conditions) {
        into.keys.clear();
        into.of_keys.clear();
        into.rest.clear();
        into.orders = (0, 0);
        for condition in edges.iter().flat_map(|edge| &self.edges[*edge].conditions) {
            let key = condition.sides.as_ref().and_then(|[one, other]| {
                if self.has(left, &one.leaves) && self.has(right, &other.leaves) {
                    Some((one, other))
                } else if self.has(left, &other.leaves) && self.has(right, &one.leaves) {
                    Some((other, one))
                } else {
                    None
                }
            });
            match key {
                Some((one, other)) => {
                    into.keys.push((one.scalar, other.scalar));
                    into.of_keys.push(condition.scalar);
                    into.orders.0 |= one.orders;
                    into.orders.1 |= other.orders;
                }
                None => into.rest.push(condition.scalar),
            }
        }
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
        let sizes =
            |of: fn(&Group) -> Rows| Sizes { left: of(one), right: of(other), rows: of(both) };
        let sizes = [sizes(|it| it.rows[0]), sizes(|it| it.rows[1])];
        Pair { kind, left, right, into, conditions, sizes, edges }
    }

    fn best(&self, group: u32) -> u32 {
        self.groups[group as usize].ways.best()
    }

    pub(super) fn cost(&self, way: u32) -> Cost {
        self.ways[way as usize].cost
    }

    pub(super) fn order(&self, way: u32) -> u32 {
        self.ways[way as usize].order
    }

    pub(super) fn work(&self, work: Work) -> f64 {
        self.planner.work(work)
    }

    /// What is done with the pairs that keys leave, and with the result.
    fn rest(&self, pair: &Pair<'_>, sizes: &Sizes) -> f64 {
        let emit = sizes.rows.emit;
        if pair.conditions.rest.is_empty() {
            return emit;
        }
        let scalars = super::rows::count(pair.conditions.rest.len());
        let rows = sizes.rows.number.max(sizes.left.number.min(sizes.right.number));
        emit + self.work(Work::Evaluate { rows, scalars })
    }

    /// The cost of a join of two ways that starts after so much, and costs this much beside them,
    /// expected and with more rows; `None` if it is not worth offering.
    fn cost_of(
        &self,
        pair: &Pair<'_>,
        (left, right): (u32, u32),
        own: [f64; 2],
        start: f64,
    ) -> Option<Cost> {
        let (left, right) = (self.cost(left), self.cost(right));
        let total = left.total + right.total + own[0];
        let cost = Cost { start, total, high: (left.high + right.high + own[1]).max(total) };
        (!self.is_hopeless(pair.into, self.rank(&cost), total)).then_some(cost)
    }

    /// The order of one side's rows once they are joined.
    pub(super) fn order_after(&mut self, pair: &Pair<'_>, order: u32) -> u32 {
        if order == 0 || pair.kind != JoinKind::Inner {
            return order;
        }
        // What is true of the result depends on what was applied, and not on the sides.
        match self.orders_after.get(&(order, pair.edges)) {
            Some(known) => *known,
            None => self.new_order_after(pair, order),
        }
    }

    fn new_order_after(&mut self, pair: &Pair<'_>, order: u32) -> u32 {
        let known = &self.orders[order as usize].0;
        let mut keys = pair.conditions.keys.iter();
        let number = if keys.any(|(left, right)| known.grows_by(*left, *right)) {
            let mut known = known.clone();
            for (left, right) in &pair.conditions.keys {
                known.with_equal(*left, *right);
            }
            self.order_number(known)
        } else {
            order
        };
        self.orders_after.insert((order, pair.edges), number);
        number
    }

    /// Offers hash joins; gives what one with the right side in the table costs beside both sides,
    /// expected and with more rows.
    fn hash(&mut self, pair: &Pair<'_>) -> Option<[f64; 2]> {
        let whole = pair.conditions.keys.len() == 1 && pair.conditions.rest.is_empty();
        if pair.conditions.keys.is_empty() || (matches!(pair.kind, JoinKind::Mark(_)) && !whole) {
            return None;
        }
        let rest = pair.sizes.map(|sizes| self.rest(pair, &sizes));
        let own = |at: usize, build: Rows, probe: Rows| {
            let (build_rows, build_width) = (build.number, build.width);
            let probe = Work::HashProbe { rows: probe.number, build_rows, build_width };
            build.build + self.work(probe) + rest[at]
        };
        let of_right = [0, 1].map(|at| own(at, pair.sizes[at].right, pair.sizes[at].left));
        let of_left = [0, 1].map(|at| own(at, pair.sizes[at].left, pair.sizes[at].right));
        let right = self.best(pair.right);
        let build = pair.sizes[0].right.build;
        for left in self.groups[pair.left as usize].ways.iter() {
            let start = self.cost(left).start + self.cost(right).total + build;
            let cost = self.cost_of(pair, (left, right), of_right, start);
            let Some(cost) = cost else { continue };
            let order = if pair.kind == JoinKind::Full {
                0
            } else {
                self.order_after(pair, self.order(left))
            };
            let step = pair.step(JoinMethod::HashRight, left, right);
            self.offer(pair.into, cost, order, How::Join(step));
        }
        if matches!(pair.kind, JoinKind::Mark(_) | JoinKind::Single) {
            return Some(of_right);
        }
        let left = self.best(pair.left);
        let build = pair.sizes[0].left.build;
        let of_inner = pair.kind == JoinKind::Inner;
        let ways = self.groups[pair.right as usize].ways.iter();
        for right in ways.take(if of_inner { usize::MAX } else { 1 }) {
            let start = match pair.kind {
                // Rows without a match are known at the end.
                JoinKind::Anti => self.cost(left).total + self.cost(right).total,
                _ => self.cost(left).total + self.cost(right).start,
            };
            let cost = self.cost_of(pair, (left, right), of_left, start + build);
            let Some(cost) = cost else { continue };
            let order = if of_inner { self.order_after(pair, self.order(right)) } else { 0 };
            let step = pair.step(JoinMethod::HashLeft, left, right);
            self.offer(pair.into, cost, order, How::Join(step));
        }
        Some(of_right)
    }

    /// Puts the keys into a list in the order in which a side is sorted by them; gives whether that
    /// is descending, if it is sorted by some.
    fn sorted_keys(
        &self,
        way: u32,
        pair: &Pair<'_>,
        side: fn(&(ScalarId, ScalarId)) -> ScalarId,
        keys: &mut Vec<usize>,
    ) -> Option<bool> {
        keys.clear();
        let parts = &self.orders[self.order(way) as usize].0.parts;
        let descending = parts.first()?.descending;
        for part in parts.iter().take_while(|part| part.descending == descending) {
            let mut all = pair.conditions.keys.iter();
            match all.position(|key| part.scalars.contains(&side(key))) {
                Some(position) if !keys.contains(&position) => keys.push(position),
                _ => break,
            }
        }
        (!keys.is_empty()).then_some(descending)
    }

    fn merge(&mut self, pair: &Pair<'_>) {
        if pair.conditions.keys.is_empty()
            || matches!(pair.kind, JoinKind::Mark(_) | JoinKind::Single)
        {
            return;
        }
        let mut keys = std::mem::take(&mut self.merge_keys);
        let of_left = |key: &(ScalarId, ScalarId)| key.0;
        for left in self.groups[pair.left as usize].ways.iter() {
            if self.is_sorted(left, pair.conditions.orders.0)
                && let Some(descending) = self.sorted_keys(left, pair, of_left, &mut keys)
            {
                self.merge_with(pair, left, (&keys, descending));
            }
        }
        // A side that is not sorted is sorted, if the other one is.
        let left = self.best(pair.left);
        for right in self.groups[pair.right as usize].ways.iter() {
            if self.is_sorted(right, pair.conditions.orders.1)
                && let Some(false) = self.sorted_keys(right, pair, |key| key.1, &mut keys)
                && self.are_columns(pair, &keys, of_left)
            {
                self.offer_merge(pair, (left, right), (true, false), &keys);
            }
        }
        self.merge_keys = keys;
    }

    /// Whether a way may be sorted by keys, of which the wanted orders begin with one.
    fn is_sorted(&self, way: u32, orders: u64) -> bool {
        self.answers(self.order(way)) & orders != 0
    }

    fn are_columns(
        &self,
        pair: &Pair<'_>,
        keys: &[usize],
        side: fn(&(ScalarId, ScalarId)) -> ScalarId,
    ) -> bool {
        let is_column = |key: &usize| {
            let scalar = side(&pair.conditions.keys[*key]);
            matches!(self.planner.query.scalar(scalar), crate::query::Scalar::Column(_))
        };
        keys.iter().all(is_column)
    }

    fn merge_with(&mut self, pair: &Pair<'_>, left: u32, (keys, descending): (&[usize], bool)) {
        let mut wanted: Vec<OrderKey> = Vec::new();
        let mut merged = 0;
        for right in self.groups[pair.right as usize].ways.iter() {
            if !self.is_sorted(right, pair.conditions.orders.1) {
                continue;
            }
            if wanted.is_empty() {
                let key = |key: &usize| OrderKey {
                    descending: Some(descending),
                    ..OrderKey::any(pair.conditions.keys[*key].1)
                };
                wanted.extend(keys.iter().map(key));
            }
            let order = self.order(right);
            let sorted = self.orders[order as usize].0.satisfied(&wanted);
            if sorted > merged {
                merged = sorted;
                self.offer_merge(pair, (left, right), (false, false), &keys[..sorted]);
            }
        }
        if merged < keys.len() && !descending && self.are_columns(pair, keys, |key| key.1) {
            let right = self.best(pair.right);
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
        let of_side = |sort: bool, rows: Rows| if sort { rows.sort } else { 0.0 };
        let own = |sizes: &Sizes| {
            let before = of_side(sorts.0, sizes.left) + of_side(sorts.1, sizes.right);
            let merge = Work::Merge { rows: sizes.left.number + sizes.right.number };
            // Conditions on keys that are not merged by are evaluated on pairs.
            let rest = match pair.conditions.keys.len() - keys.len() {
                0 => 0.0,
                rest => {
                    let scalars = super::rows::count(rest);
                    self.work(Work::Evaluate { rows: sizes.rows.number, scalars })
                }
            };
            (before, before + self.work(merge) + rest + self.rest(pair, sizes))
        };
        let ((before, expected), (_, more)) = (own(&pair.sizes[0]), own(&pair.sizes[1]));
        let side = |way: u32, sort: bool| {
            if sort { self.cost(way).total } else { self.cost(way).start }
        };
        let start = side(left, sorts.0) + side(right, sorts.1) + before;
        let cost = self.cost_of(pair, (left, right), [expected, more], start);
        let Some(cost) = cost else { return };
        let order = match (pair.kind, sorts.0) {
            (JoinKind::Full, _) => 0,
            (_, false) => self.order_after(pair, self.order(left)),
            (_, true) => {
                let by = keys.iter().map(|key| pair.conditions.keys[*key].0);
                let order = self.sorted_by(left, by);
                self.order_after(pair, order)
            }
        };
        let keys = self.list(keys);
        let step = Step { sorts, keys, ..pair.step(JoinMethod::Merge, left, right) };
        self.offer(pair.into, cost, order, How::Join(step));
    }

    /// Offers to compare all pairs; not where a hash join, that costs this much beside both sides,
    /// is better for the same ways of both.
    fn nested_loop(&mut self, pair: &Pair<'_>, hashed: Option<[f64; 2]>) {
        let scalars = super::rows::count(pair.conditions.rest.len() + pair.conditions.keys.len());
        let compared = pair.sizes.map(|sizes| {
            let pairs = sizes.left.number * sizes.right.number;
            self.work(Work::NestedLoop { pairs })
        });
        let by_cost = self.collected.is_none() && self.planner.prepared.hinted.is_none();
        let hashed = hashed.filter(|_| by_cost && self.share >= 1.0);
        let is_dearer =
            |own: [f64; 2]| hashed.is_some_and(|hash| hash[0] <= own[0] && hash[1] <= own[1]);
        if is_dearer(compared) {
            return;
        }
        let own = |at: usize| {
            let sizes = &pair.sizes[at];
            let rows = sizes.left.number * sizes.right.number;
            // The pairs that a condition is false for end there.
            let scalars = scalars.min(1.0);
            compared[at] + self.work(Work::Evaluate { rows, scalars }) + sizes.rows.emit
        };
        let own = [own(0), own(1)];
        if is_dearer(own) {
            return;
        }
        let right = self.best(pair.right);
        for left in self.groups[pair.left as usize].ways.iter() {
            let start = self.cost(left).start + self.cost(right).total;
            let cost = self.cost_of(pair, (left, right), own, start);
            let Some(cost) = cost else { continue };
            let order = if pair.kind == JoinKind::Full {
                0
            } else {
                self.order_after(pair, self.order(left))
            };
            let step = pair.step(JoinMethod::NestedLoop, left, right);
            self.offer(pair.into, cost, order, How::Join(step));
        }
    }
}
