//! What is known of sets of relations that are joined: rows, and the ways to them.
//!
//! Whatever the enumerator asks, a set has one number of rows and one list of ways, so that a way
//! that is dearer but sorted is not lost when another pair gives the same set cheaper. Ways are
//! numbers in an arena, and become nodes of the plan only once the block is ordered.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::estimates::Known;
use super::hinted::Hinted;
use super::leaves::{LeafList, Leaves};
use super::lookups::Lookups;
use super::methods::Conditions;
use super::planner::{Planner, Request};
use super::tree::{Part, Tree};
use super::ways::{BestWays, How, JoinWay};
use crate::access::pessimistic;
use crate::cost::Work;
use crate::fingerprint::Sum;
use crate::hint::Set;
use crate::plan::{Cost, Order, OrderKey, OrderPart};
use crate::query::{ColumnId, JoinKind, Scalar, ScalarId};
use lightning_db_expression::Comparison;

/// Leaves up to which it is looked at which orders are of use to each set of them.
const USEFUL_LEAVES_MAX: usize = 128;

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
    /// The sides of an equality.
    pub(super) sides: Option<[Side; 2]>,
}

/// A side of an equality.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub(super) scalar: ScalarId,
    /// The leaves that give it.
    pub(super) leaves: LeafList,
    /// The wanted orders that begin with it, as bits; all if there is none.
    pub(super) orders: u64,
}

/// What is known of a set of leaves.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) set: Leaves,
    /// Its relations, where hints ask for them.
    pub(super) relations: Set,
    /// The leaf, if it is one alone.
    pub(super) leaf: Option<usize>,
    pub(super) known: Known,
    pub(super) width: f64,
    /// Its rows: those that are expected, and those to reckon with if there are more.
    pub(super) rows: [Rows; 2],
    /// The wanted orders that are of use for what is still to be joined, as bits.
    pub(super) useful: u64,
    /// What sorting the rows adds to what ways are compared by, and to what they cost.
    pub(super) sort: (f64, f64),
    pub(super) ways: BestWays,
    /// How often its ways have changed.
    pub(super) changes: u32,
}

/// A number of rows, and what they cost whatever they are joined with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    pub(super) number: f64,
    pub(super) width: f64,
    /// Handing them on.
    pub(super) emit: f64,
    /// Putting them into a hash table.
    pub(super) build: f64,
    /// Sorting them.
    pub(super) sort: f64,
}

pub(super) struct Joiner<'p, 'a> {
    pub(super) planner: &'p Planner<'a>,
    pub(super) tree: &'p Tree,
    pub(super) share: f64,
    /// Orders of use in the block.
    pub(super) wanted: Vec<Vec<OrderKey>>,
    /// How many of them are wanted of the block as a whole; the others are for merges.
    wanted_above: usize,
    /// Those that sorting the rows would give as well, as bits.
    pub(super) sortable: u64,
    pub(super) edges: Vec<Edge>,
    /// Whether these are all edges, so that it is known what is still to be joined.
    has_all_edges: bool,
    pub(super) groups: Vec<Group>,
    pub(super) ways: Vec<JoinWay>,
    pub(super) orders: Vec<(Order, u64)>,
    /// Lists of edges, and of keys that are merged by, as positions in the list of the join's keys.
    pub(super) lists: Vec<Box<[usize]>>,
    list_numbers: HashMap<Box<[usize]>, u32, FixedState>,
    lists_of_one: Vec<Option<u32>>,
    /// The order that another is once a list of edges was applied.
    pub(super) orders_after: HashMap<(u32, u32), u32, FixedState>,
    pub(super) lookups: Lookups,
    /// Conditions of the last pair, whose room is used again.
    pub(super) conditions: Conditions,
    /// Keys of the last merge, likewise.
    pub(super) merge_keys: Vec<usize>,
    /// Pairs that were priced, and how often the ways of both sides had changed by then.
    pub(super) priced: HashMap<(u32, u32), (u32, u32), FixedState>,
    sets: HashMap<Leaves, u32, FixedState>,
    order_numbers: HashMap<Order, u32, FixedState>,
    /// Those of rows that are sorted by one scalar, of which nothing else is known.
    orders_by_one: HashMap<ScalarId, u32, FixedState>,
    /// By column, the leaf that gives it.
    leaf_of: HashMap<ColumnId, usize, FixedState>,
    /// Ways that are offered go here instead, if there is a list.
    pub(super) collected: Option<Vec<JoinWay>>,
}

impl<'p, 'a> Joiner<'p, 'a> {
    pub(super) fn new(
        planner: &'p Planner<'a>,
        tree: &'p Tree,
        wanted: &[Vec<OrderKey>],
        share: f64,
    ) -> Self {
        // Room for the groups and ways of most blocks: lists that grow are copied each time.
        let room = tree.leaves.len().min(64);
        let mut joiner = Self {
            planner,
            tree,
            share,
            wanted: wanted.to_vec(),
            wanted_above: wanted.len(),
            sortable: 0,
            edges: Vec::new(),
            has_all_edges: false,
            groups: Vec::with_capacity(16 * room),
            ways: Vec::with_capacity(64 * room),
            orders: Vec::new(),
            lists: Vec::new(),
            list_numbers: HashMap::default(),
            lists_of_one: Vec::new(),
            orders_after: HashMap::default(),
            lookups: Lookups::default(),
            conditions: Conditions::default(),
            merge_keys: Vec::new(),
            priced: HashMap::default(),
            sets: HashMap::default(),
            order_numbers: HashMap::default(),
            orders_by_one: HashMap::default(),
            leaf_of: HashMap::default(),
            collected: None,
        };
        joiner.order_number(Order::default());
        joiner.find_leaves();
        joiner.want_merges();
        // Rows that are sorted afterwards are in any order of columns. But hints, and who wants
        // only some of the rows, do not ask for costs alone.
        if joiner.share >= 1.0 && joiner.planner.prepared.hinted.is_none() {
            joiner.sortable = joiner.columns_wanted();
        }
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
                for side in self.condition(*condition).sides.into_iter().flatten() {
                    keys.push(vec![OrderKey::any(side.scalar)]);
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

    /// The wanted orders by columns alone, as bits.
    fn columns_wanted(&self) -> u64 {
        let is_column =
            |key: &OrderKey| matches!(self.planner.query.scalar(key.scalar), Scalar::Column(_));
        let wanted = self.wanted.iter().take(64).enumerate();
        let columns = wanted.filter(|(_, keys)| keys.iter().all(is_column));
        columns.fold(0, |bits, (bit, _)| bits | 1 << bit)
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
                self.offer(group, way.cost, order, How::Leaf(way.id));
            }
        }
    }

    fn new_group(&mut self, set: Leaves, leaf: usize, known: Known, columns: &[ColumnId]) -> u32 {
        let width = self.planner.estimates.width(columns);
        let below = |hinted: &Hinted| hinted.below(self.planner.query, self.tree.leaves[leaf].node);
        let relations = self.planner.prepared.hinted.as_ref().map_or_else(Set::default, below);
        self.push_group(set, relations, Some(leaf), known, width)
    }

    fn push_group(
        &mut self,
        set: Leaves,
        relations: Set,
        leaf: Option<usize>,
        known: Known,
        width: f64,
    ) -> u32 {
        let number = number(self.groups.len());
        self.sets.insert(set.clone(), number);
        let rows = [known.rows.point, pessimistic(&known.rows)].map(|rows| Rows {
            number: rows,
            width,
            emit: self.planner.work(Work::Emit { rows }),
            build: self.planner.work(Work::HashBuild { rows, width }),
            sort: self.planner.work(Work::Sort { rows, width, kept: rows }),
        });
        let [total, high] = rows.map(|rows| rows.sort);
        let sort = (self.rank(&Cost { start: 0.0, total, high: high.max(total) }), total);
        let (useful, ways, changes) = (self.useful(&set), BestWays::default(), 0);
        let group = Group { set, relations, leaf, known, width, rows, useful, sort, ways, changes };
        self.groups.push(group);
        number
    }

    /// The wanted orders that are of use to a set: those that are wanted of the whole block, and
    /// those by which it may be merged with what is not in it.
    fn useful(&self, set: &Leaves) -> u64 {
        // Of many leaves each would take long, and most of their orders are not kept apart anyway.
        if !self.has_all_edges || self.tree.leaves.len() > USEFUL_LEAVES_MAX {
            return u64::MAX;
        }
        let above = 1_u64.checked_shl(number(self.wanted_above)).map_or(u64::MAX, |bit| bit - 1);
        let sides = self.edges.iter().flat_map(|edge| &edge.conditions);
        let sides = sides.filter_map(|condition| condition.sides.as_ref());
        // Orders that are not told apart are of no use.
        let known = |side: &Side| if side.orders == u64::MAX { 0 } else { side.orders };
        sides.fold(above, |useful, [one, other]| {
            match (set.contain(&one.leaves), set.contain(&other.leaves)) {
                (true, false) => useful | known(one),
                (false, true) => useful | known(other),
                _ => useful,
            }
        })
    }

    /// Sets the edges of the block, all of them.
    pub(super) fn set_edges(&mut self, edges: Vec<Edge>) {
        self.edges = edges;
        self.has_all_edges = true;
        for group in 0..self.groups.len() {
            self.groups[group].useful = self.useful(&self.groups[group].set);
        }
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
    fn condition(&self, scalar: ScalarId) -> Condition {
        let query = self.planner.query;
        let side = |side: ScalarId| {
            let columns = query.scalar_columns(side);
            let leaves = self.leaves_of(columns.iter().copied());
            if leaves.is_empty() || !columns.iter().all(|it| self.leaf_of.contains_key(it)) {
                return None;
            }
            let key = [OrderKey::any(side)];
            let wanted = self.wanted.iter().take(64).position(|wanted| **wanted == key);
            let orders = wanted.map_or(u64::MAX, |bit| 1 << bit);
            Some(Side { scalar: side, leaves: leaves.into(), orders })
        };
        let sides = match query.scalar(scalar) {
            Scalar::Compare(Comparison::Equal, left, right) => {
                let mut nested = Vec::new();
                super::uses::subqueries(query, scalar, &mut nested);
                match (side(*left), side(*right), nested.is_empty()) {
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

    /// Number of a list.
    pub(super) fn list(&mut self, list: &[usize]) -> u32 {
        // Most lists are of one.
        if let [one] = list
            && let Some(Some(known)) = self.lists_of_one.get(*one)
        {
            return *known;
        }
        if let Some(known) = self.list_numbers.get(list) {
            return *known;
        }
        let number = number(self.lists.len());
        self.lists.push(list.into());
        self.list_numbers.insert(list.into(), number);
        if let [one] = list {
            self.lists_of_one.resize(self.lists_of_one.len().max(one + 1), None);
            self.lists_of_one[*one] = Some(number);
        }
        number
    }

    /// Number of an order.
    pub(super) fn order_number(&mut self, order: Order) -> u32 {
        // Scalars that are equal may stand in any order: it depends on what was joined first.
        let mut sorted = order.clone();
        sorted.parts.iter_mut().for_each(|part| part.scalars.sort_unstable());
        sorted.constants.sort_unstable();
        if let Some(known) = self.order_numbers.get(&sorted) {
            return *known;
        }
        let mut answers = 0;
        for (bit, wanted) in self.wanted.iter().enumerate().take(64) {
            answers |= u64::from(order.satisfied(wanted) == wanted.len()) << bit;
        }
        let number = number(self.orders.len());
        self.orders.push((order, answers));
        self.order_numbers.insert(sorted, number);
        number
    }

    /// Number of the order of a way once it is sorted by some scalars.
    pub(super) fn sorted_by(
        &mut self,
        way: u32,
        mut by: impl ExactSizeIterator<Item = ScalarId>,
    ) -> u32 {
        let constants = &self.orders[self.order(way) as usize].0.constants;
        let part = |scalar: ScalarId| OrderPart {
            scalars: vec![scalar],
            descending: false,
            nulls_first: Some(false),
        };
        if by.len() > 1 || !constants.is_empty() {
            let constants = constants.clone();
            return self.order_number(Order { parts: by.map(part).collect(), constants });
        }
        let Some(one) = by.next() else { return 0 };
        if let Some(known) = self.orders_by_one.get(&one) {
            return *known;
        }
        let number = self.order_number(Order { parts: vec![part(one)], constants: Vec::new() });
        self.orders_by_one.insert(one, number);
        number
    }

    /// The group of both sides of a step.
    pub(super) fn group_of(&mut self, step: &super::ways::Step) -> u32 {
        self.joined(step.kind, step.left.0, step.right.0, &[])
    }

    /// Whether all of these leaves are in a group.
    #[inline]
    pub(super) fn has(&self, group: u32, leaves: &LeafList) -> bool {
        self.groups[group as usize].set.contain(leaves)
    }

    /// The set of two groups that are joined on edges.
    pub(super) fn joined(&mut self, kind: JoinKind, left: u32, right: u32, edges: &[usize]) -> u32 {
        let (one, other) = (&self.groups[left as usize], &self.groups[right as usize]);
        let set = one.set.union(&other.set, self.tree.leaves.len());
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
        self.push_group(set, relations, None, known, width)
    }

    /// Joins as the query has them.
    pub(super) fn in_order_written(&mut self, tree: &Tree) -> u32 {
        self.has_all_edges = false;
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
