//! What is known of sets of relations that are joined: rows, and the ways to them.
//!
//! Whatever the enumerator asks, a set has one number of rows and one list of ways, so that a way
//! that is dearer but sorted is not lost when another pair gives the same set cheaper. Ways are
//! numbers in an arena, and become nodes of the plan only once the block is ordered.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::estimates::Known;
use super::hinted::{Hinted, penalize};
use super::planner::{Planner, Request};
use super::tree::{Part, Tree};
use crate::access::pessimistic;
use crate::fingerprint::Sum;
use crate::hint::{Set, inner_is_left};
use crate::plan::{Cost, JoinMethod, Order, OrderKey, PlanId};
use crate::query::{ColumnId, JoinKind, Scalar, ScalarId};
use lightning_db_expression::Comparison;

/// Ways that are kept for a set.
const WAYS_MAX: usize = 6;

/// A set of leaves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Leaves {
    /// Of the first 64.
    Few(u64),
    /// Of more, in words.
    Many(Box<[u64]>),
}

impl Leaves {
    fn single(leaf: usize, count: usize) -> Self {
        if count <= 64 {
            return Self::Few(1 << leaf);
        }
        let mut words = vec![0; count.div_ceil(64)];
        words[leaf / 64] = 1 << (leaf % 64);
        Self::Many(words.into())
    }

    fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Few(one), Self::Few(other)) => Self::Few(one | other),
            (Self::Many(one), Self::Many(other)) => {
                Self::Many(one.iter().zip(other).map(|(one, other)| one | other).collect())
            }
            // All sets of a block are of one form.
            (one, _) => one.clone(),
        }
    }

    fn contains(&self, leaf: usize) -> bool {
        match self {
            Self::Few(bits) => bits >> leaf & 1 == 1,
            Self::Many(words) => words[leaf / 64] >> (leaf % 64) & 1 == 1,
        }
    }
}

/// An edge: conditions that are applied where it is.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    pub(super) conditions: Vec<Condition>,
    /// What they add up to.
    pub(super) sum: Sum,
}

/// A condition of an edge.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) scalar: ScalarId,
    /// The sides of an equality, each with its leaves.
    pub(super) sides: Option<[(ScalarId, Vec<usize>); 2]>,
}

/// What is known of a set of leaves.
#[derive(Debug)]
pub(super) struct Group {
    set: Leaves,
    /// Its relations, where hints ask for them.
    pub(super) relations: Set,
    /// The leaf, if it is one alone.
    pub(super) leaf: Option<usize>,
    pub(super) known: Known,
    /// Rows to reckon with if there are more.
    pub(super) more: f64,
    pub(super) width: f64,
    /// The ways, by number; the cheapest first.
    pub(super) ways: Vec<u32>,
}

/// A way to a set.
#[derive(Debug, Clone, Copy)]
pub(super) struct JoinWay {
    pub(super) cost: Cost,
    /// Number of its order.
    pub(super) order: u32,
    pub(super) how: How,
}

/// How a way gets its rows.
#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    Leaf(PlanId),
    Join(Step),
}

/// A join of two ways.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) kind: JoinKind,
    pub(super) method: JoinMethod,
    pub(super) left: (u32, u32),
    pub(super) right: (u32, u32),
    /// Number of its list of edges.
    pub(super) edges: u32,
    /// The lookup that is the right side of a loop.
    pub(super) lookup: Option<u32>,
    /// Sides that are sorted before a merge, and the keys it goes by: its order's number.
    pub(super) sorts: (bool, bool),
    pub(super) keys: u32,
}

pub(super) struct Joiner<'p, 'a> {
    pub(super) planner: &'p Planner<'a>,
    pub(super) tree: &'p Tree,
    pub(super) share: f64,
    /// Orders of use in the block.
    pub(super) wanted: Vec<Vec<OrderKey>>,
    pub(super) edges: Vec<Edge>,
    pub(super) groups: Vec<Group>,
    pub(super) ways: Vec<JoinWay>,
    pub(super) orders: Vec<(Order, u64)>,
    pub(super) edge_lists: Vec<Box<[usize]>>,
    edge_list_numbers: HashMap<Box<[usize]>, u32, FixedState>,
    /// The order that another is once a list of edges was applied.
    pub(super) orders_after: HashMap<(u32, u32), u32, FixedState>,
    /// Keys of merges, as positions in the list of the join's keys.
    pub(super) merges: Vec<Box<[usize]>>,
    pub(super) lookups: super::methods::Lookups,
    sets: HashMap<Leaves, u32, FixedState>,
    order_numbers: HashMap<Order, u32, FixedState>,
    /// By column, the leaf that gives it.
    leaf_of: HashMap<ColumnId, usize, FixedState>,
    /// Ways that are offered go here instead, if there is a list.
    collected: Option<Vec<JoinWay>>,
}

impl<'p, 'a> Joiner<'p, 'a> {
    pub(super) fn new(
        planner: &'p Planner<'a>,
        tree: &'p Tree,
        wanted: &[Vec<OrderKey>],
        share: f64,
    ) -> Self {
        let mut joiner = Self {
            planner,
            tree,
            share,
            wanted: wanted.to_vec(),
            edges: Vec::new(),
            groups: Vec::new(),
            ways: Vec::new(),
            orders: Vec::new(),
            edge_lists: Vec::new(),
            edge_list_numbers: HashMap::default(),
            orders_after: HashMap::default(),
            merges: Vec::new(),
            lookups: super::methods::Lookups::default(),
            sets: HashMap::default(),
            order_numbers: HashMap::default(),
            leaf_of: HashMap::default(),
            collected: None,
        };
        joiner.order_number(Order::default());
        joiner.find_leaves();
        joiner.want_merges();
        joiner.add_leaves();
        joiner
    }

    /// Which leaf gives each column; for a mark, a leaf of the right side of its join.
    fn find_leaves(&mut self) {
        let mut firsts: Vec<usize> = Vec::with_capacity(self.tree.parts.len());
        for part in &self.tree.parts {
            let first = match part {
                Part::Leaf(leaf) => *leaf,
                Part::Join { kind, left, right, .. } => {
                    if let JoinKind::Mark(mark) = kind {
                        self.leaf_of.insert(*mark, firsts[*right]);
                    }
                    firsts[*left]
                }
            };
            firsts.push(first);
        }
        for (position, leaf) in self.tree.leaves.iter().enumerate() {
            for column in self.planner.query.output(leaf.node) {
                self.leaf_of.insert(column, position);
            }
        }
    }

    /// Adds the orders in which sides could be merged to the wanted ones.
    fn want_merges(&mut self) {
        let mut keys = Vec::new();
        for part in &self.tree.parts {
            let Part::Join { on, .. } = part else { continue };
            for condition in on {
                for (scalar, _) in self.condition(*condition).sides.into_iter().flatten() {
                    keys.push(vec![OrderKey::any(scalar)]);
                }
            }
        }
        for key in keys {
            // Which of them a way answers is kept in the bits of a word.
            if self.wanted.len() < 64 && !self.wanted.contains(&key) {
                self.wanted.push(key);
            }
        }
    }

    fn add_leaves(&mut self) {
        let count = self.tree.leaves.len();
        for (position, leaf) in self.tree.leaves.iter().enumerate() {
            let goal = (self.share < 1.0).then_some(self.share);
            let rows = |goal: f64| goal * self.planner.estimates.rows(leaf.node).point;
            let request =
                Request { orders: self.wanted.clone(), goal: goal.map(rows), limit: None };
            let found = self.planner.leaf(leaf, &request, None);
            let set = Leaves::single(position, count);
            let columns = self.planner.columns(found.list[0].id);
            let known = self.planner.estimates.known(leaf.node, &leaf.conditions, found.rows);
            let group = self.new_group(set, position, known, &columns);
            for way in found.list {
                let order = self.order_number(way.order);
                self.offer(group, JoinWay { cost: way.cost, order, how: How::Leaf(way.id) });
            }
        }
    }

    fn new_group(&mut self, set: Leaves, leaf: usize, known: Known, columns: &[ColumnId]) -> u32 {
        let width = self.planner.estimates.width(columns);
        let (more, ways) = (pessimistic(&known.rows), Vec::new());
        let below = |hinted: &Hinted| hinted.below(self.planner.query, self.tree.leaves[leaf].node);
        let relations = self.planner.prepared.hinted.as_ref().map_or_else(Set::default, below);
        self.push_group(Group { set, relations, leaf: Some(leaf), known, more, width, ways })
    }

    fn push_group(&mut self, group: Group) -> u32 {
        let number = number(self.groups.len());
        self.sets.insert(group.set.clone(), number);
        self.groups.push(group);
        number
    }

    /// The leaves that give some columns, ascending.
    pub(super) fn leaves_of(&self, columns: impl IntoIterator<Item = ColumnId>) -> Vec<usize> {
        let mut leaves: Vec<usize> =
            columns.into_iter().filter_map(|it| self.leaf_of.get(&it).copied()).collect();
        leaves.sort_unstable();
        leaves.dedup();
        leaves
    }

    /// A condition with its sides, if it is an equality of leaves.
    pub(super) fn condition(&self, scalar: ScalarId) -> Condition {
        let query = self.planner.query;
        let leaves = |side: ScalarId| {
            let columns = query.scalar_columns(side);
            let leaves = self.leaves_of(columns.iter().copied());
            (!leaves.is_empty() && columns.iter().all(|it| self.leaf_of.contains_key(it)))
                .then_some((side, leaves))
        };
        let sides = match query.scalar(scalar) {
            Scalar::Compare(Comparison::Equal, left, right) => {
                let mut nested = Vec::new();
                super::uses::subqueries(query, scalar, &mut nested);
                match (leaves(*left), leaves(*right), nested.is_empty()) {
                    (Some(left), Some(right), true) => Some([left, right]),
                    _ => None,
                }
            }
            _ => None,
        };
        Condition { scalar, sides }
    }

    /// An edge of conditions.
    pub(super) fn edge(&self, on: &[ScalarId]) -> Edge {
        let conditions = on.iter().map(|it| self.condition(*it)).collect();
        Edge { conditions, sum: self.planner.query.conditions_sum(on) }
    }

    /// Number of a list of edges.
    pub(super) fn edge_list(&mut self, edges: &[usize]) -> u32 {
        if let Some(known) = self.edge_list_numbers.get(edges) {
            return *known;
        }
        let number = number(self.edge_lists.len());
        self.edge_lists.push(edges.into());
        self.edge_list_numbers.insert(edges.into(), number);
        number
    }

    /// Number of an order.
    pub(super) fn order_number(&mut self, order: Order) -> u32 {
        if let Some(known) = self.order_numbers.get(&order) {
            return *known;
        }
        let mut answers = 0;
        for (bit, wanted) in self.wanted.iter().enumerate().take(64) {
            answers |= u64::from(order.satisfied(wanted) == wanted.len()) << bit;
        }
        let number = number(self.orders.len());
        self.orders.push((order.clone(), answers));
        self.order_numbers.insert(order, number);
        number
    }

    pub(super) fn rank(&self, cost: &Cost) -> f64 {
        self.planner.rank(cost, self.share)
    }

    /// Whether a hint speaks against a way.
    fn is_refused(&self, group: u32, way: &JoinWay) -> bool {
        let (Some(hinted), How::Join(step)) = (&self.planner.prepared.hinted, way.how) else {
            return false;
        };
        let relations = |group: u32| &self.groups[group as usize].relations;
        let (left, right) = (relations(step.left.0), relations(step.right.0));
        let inner = inner_is_left(step.method).map(|is| if is { left } else { right });
        hinted.refuses_pair(left, right)
            || hinted.refuses_method(relations(group), step.method, inner)
    }

    /// Keeps a way unless another is as good in every respect.
    pub(super) fn offer(&mut self, group: u32, mut way: JoinWay) {
        if self.is_refused(group, &way) {
            penalize(&mut way.cost);
        }
        if let Some(collected) = &mut self.collected {
            collected.push(way);
            return;
        }
        let rank = self.rank(&way.cost);
        let answers = self.orders[way.order as usize].1;
        let as_good = |rank: f64, cost: &Cost, by: f64, than: &Cost, answers: u64, wanted: u64| {
            rank <= by && cost.total <= than.total && answers & wanted == wanted
        };
        let known = |number: u32| {
            let way = &self.ways[number as usize];
            (self.planner.rank(&way.cost, self.share), way.cost, self.orders[way.order as usize].1)
        };
        let list = &self.groups[group as usize].ways;
        let dominated = list.iter().any(|other| {
            let (by, cost, has) = known(*other);
            as_good(by, &cost, rank, &way.cost, has, answers)
        });
        if dominated {
            return;
        }
        let mut kept: Vec<u32> = Vec::with_capacity(list.len() + 1);
        let mut place = None;
        for other in list {
            let (by, cost, has) = known(*other);
            if as_good(rank, &way.cost, by, &cost, answers, has) {
                continue;
            }
            if place.is_none() && by > rank {
                place = Some(kept.len());
            }
            kept.push(*other);
        }
        let place = place.unwrap_or(kept.len());
        if place < WAYS_MAX {
            kept.insert(place, number(self.ways.len()));
            self.ways.push(way);
        }
        kept.truncate(WAYS_MAX);
        self.groups[group as usize].ways = kept;
    }

    /// All that a step could be, the cheapest first.
    pub(super) fn all_methods(&mut self, step: &Step, edges: &[usize]) -> Vec<JoinWay> {
        self.collected = Some(Vec::new());
        self.join_groups(step.kind, step.left.0, step.right.0, edges);
        let mut all = self.collected.take().unwrap_or_default();
        all.sort_by(|left, right| left.cost.total.total_cmp(&right.cost.total));
        all
    }

    /// The group of both sides of a step.
    pub(super) fn group_of(&mut self, step: &Step) -> u32 {
        self.joined(step.kind, step.left.0, step.right.0, &[])
    }

    /// Whether all of these leaves are in a group.
    pub(super) fn has(&self, group: u32, leaves: &[usize]) -> bool {
        leaves.iter().all(|leaf| self.groups[group as usize].set.contains(*leaf))
    }

    /// The set of two groups that are joined on edges.
    pub(super) fn joined(&mut self, kind: JoinKind, left: u32, right: u32, edges: &[usize]) -> u32 {
        let (one, other) = (&self.groups[left as usize], &self.groups[right as usize]);
        let set = one.set.union(&other.set);
        if let Some(known) = self.sets.get(&set) {
            return *known;
        }
        let edges = || edges.iter().map(|edge| &self.edges[*edge]);
        let on: Vec<ScalarId> =
            edges().flat_map(|edge| edge.conditions.iter().map(|it| it.scalar)).collect();
        let of_edges = edges().fold(Sum::default(), |sum, edge| sum.plus(edge.sum));
        let sum = Sum::join(kind, one.known.sum, other.known.sum, of_edges);
        let known = self.planner.estimates.joined(kind, [&one.known, &other.known], &on, sum);
        let width = match kind {
            JoinKind::Semi | JoinKind::Anti => one.width,
            JoinKind::Mark(_) => one.width + 1.0,
            _ => one.width + other.width,
        };
        let mut relations = one.relations.clone();
        relations.extend(&other.relations);
        let (leaf, more, ways) = (None, pessimistic(&known.rows), Vec::new());
        self.push_group(Group { set, relations, leaf, known, more, width, ways })
    }

    /// Joins as the query has them.
    pub(super) fn in_order_written(&mut self, tree: &Tree) -> u32 {
        let mut made: Vec<u32> = Vec::with_capacity(tree.parts.len());
        for part in &tree.parts {
            let group = match part {
                Part::Leaf(leaf) => number(*leaf),
                Part::Join { kind, left, right, on } => {
                    let edge = self.edge(on);
                    self.edges.push(edge);
                    let edges = [self.edges.len() - 1];
                    self.join_groups(*kind, made[*left], made[*right], &edges)
                }
            };
            made.push(group);
        }
        made.last().copied().unwrap_or(0)
    }
}

pub(super) fn number(position: usize) -> u32 {
    // More than 2^32 do not fit into memory.
    u32::try_from(position).unwrap_or(u32::MAX)
}
