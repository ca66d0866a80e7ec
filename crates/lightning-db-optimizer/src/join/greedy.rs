//! An order for any number of relations: join what makes the fewest rows, again and again.
//!
//! Source: L. Fegaras, "A new heuristic for optimizing large queries", DEXA 1998 (GOO). We keep the
//! candidates in a heap whose numbers may be out of date, and look again at those that come up, a
//! bounded number of times for each join: the work stays within the budget.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::JoinModel;
use super::components::Disjoint;
use super::graph::{Edge, JoinGraph};
use super::tree::{Tree, TreeJoin};
use crate::query::JoinKind;

/// A candidate: rows at the time it was looked at, and the two groups.
type Candidate = Reverse<(Rows, usize, usize)>;

/// Rows in an order.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rows(f64);

impl Eq for Rows {}

impl PartialOrd for Rows {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rows {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

struct Greedy<'a, M: JoinModel> {
    graph: &'a JoinGraph,
    model: &'a mut M,
    sets: Disjoint,
    /// For the number that stands for a set: the node that it is now, if it is any.
    nodes: Vec<usize>,
    /// For nodes: what they cost and give; the edges that leave them. Empty for what was joined.
    entries: Vec<Option<M::Entry>>,
    leaving: Vec<Vec<u32>>,
    /// For edges: whether the join that they make was looked at.
    seen: Vec<bool>,
    /// For nodes: a relation in each.
    within: Vec<usize>,
    heap: BinaryHeap<Candidate>,
    tree: Tree,
    pairs: usize,
}

/// A join that is possible.
struct Possible {
    kind: JoinKind,
    exchanged: bool,
    edges: Vec<usize>,
}

/// A tree for a graph, with the number of pairs that were priced; `None` if it got stuck, which
/// only graphs with other than inner edges do. At most about `budget` pairs are priced, but at
/// least one for each join.
pub(super) fn greedy<M: JoinModel>(
    graph: &JoinGraph,
    leaves: &[M::Entry],
    model: &mut M,
    budget: usize,
) -> (Option<Tree>, usize) {
    let relations = graph.relations();
    let mut state = Greedy {
        graph,
        model,
        sets: Disjoint::new(relations),
        nodes: (0..relations).collect(),
        entries: leaves.iter().cloned().map(Some).collect(),
        leaving: graph.leaving(),
        seen: vec![false; graph.edges().len() + graph.crosses.len()],
        within: (0..relations).collect(),
        heap: BinaryHeap::new(),
        tree: Tree::default(),
        pairs: 0,
    };
    let looks = budget.saturating_sub(relations);
    state.look_at_edges(looks / 2);
    let done = (1..relations).all(|joined| {
        let left = looks.saturating_sub(state.pairs) / (relations - joined);
        state.join_next(left.max(1))
    });
    let (tree, pairs) = (state.tree, state.pairs);
    (done.then_some(tree), pairs)
}

impl<'a, M: JoinModel> Greedy<'a, M> {
    fn edge(&self, number: usize) -> &'a Edge {
        self.graph.edge(number)
    }

    fn node_of(&mut self, relation: usize) -> usize {
        let root = self.sets.find(relation);
        self.nodes[root]
    }

    /// The node that holds all of these, if one does.
    fn common(&mut self, relations: &[usize]) -> Option<usize> {
        let root = self.sets.common(relations.iter().copied())?;
        Some(self.nodes[root])
    }

    /// Looks at each edge of two relations, so many at most: the first ones of all relations come
    /// before the second ones.
    fn look_at_edges(&mut self, limit: usize) {
        let rounds = self.leaving.iter().map(Vec::len).max().unwrap_or(0);
        for round in 0..rounds {
            for relation in 0..self.leaving.len() {
                if self.pairs >= limit && round > 0 {
                    return;
                }
                if let Some(position) = self.leaving[relation].get(round).copied() {
                    self.look_at(position as usize);
                }
            }
        }
    }

    /// Looks at the join that an edge makes, once, as soon as it makes one.
    fn look_at(&mut self, position: usize) {
        let edge = self.edge(position);
        if self.seen[position] {
            return;
        }
        if let (Some(one), Some(other)) = (self.common(edge.left()), self.common(edge.right()))
            && one != other
        {
            self.seen[position] = true;
            self.look(one.min(other), one.max(other));
        }
    }

    /// Prices a join of two nodes, and makes it a candidate.
    fn look(&mut self, one: usize, other: usize) {
        if let Some((_, entry)) = self.price(one, other) {
            let rows = Rows(self.model.rows(&entry));
            self.heap.push(Reverse((rows, one, other)));
        }
    }

    fn price(&mut self, one: usize, other: usize) -> Option<(Possible, M::Entry)> {
        let possible = self.possible(one, other)?;
        let (left, right) = if possible.exchanged { (other, one) } else { (one, other) };
        let (Some(left), Some(right)) = (&self.entries[left], &self.entries[right]) else {
            return None;
        };
        self.pairs += 1;
        let entry = self.model.join(possible.kind, left, right, &possible.edges)?;
        Some((possible, entry))
    }

    /// Whether two nodes may be joined: the rules of [`super::compiled::Compiled::fit`].
    fn possible(&mut self, one: usize, other: usize) -> Option<Possible> {
        let few = if self.leaving[one].len() <= self.leaving[other].len() { one } else { other };
        let leaving = std::mem::take(&mut self.leaving[few]);
        let result = self.possible_by(one, other, &leaving);
        self.leaving[few] = leaving;
        result
    }

    fn possible_by(&mut self, one: usize, other: usize, leaving: &[u32]) -> Option<Possible> {
        let (mut kind, mut exchanged, mut crossed) = (JoinKind::Inner, false, false);
        let (mut edges, mut fits) = (Vec::new(), false);
        for position in leaving.iter().map(|position| *position as usize) {
            let edge = self.edge(position);
            // Edges that a node has inside are not taken off its list at once.
            if self.sets.common(edge.relations()).is_some() {
                continue;
            }
            let real = position < self.graph.edges().len();
            if !edge.relations().all(|relation| {
                let node = self.node_of(relation);
                node == one || node == other
            }) {
                continue;
            }
            let sides = (self.common(edge.left()), self.common(edge.right()));
            let given = sides == (Some(one), Some(other));
            let turned = sides == (Some(other), Some(one));
            let allowed = self.allowed(edge, one, other);
            if !real {
                crossed |= allowed && (given || turned);
                continue;
            }
            let alone = edge.kind() != JoinKind::Inner;
            if !allowed
                || (alone && !(edges.is_empty() && (given || turned)))
                || kind != JoinKind::Inner
                || !(given || turned || edge.free)
            {
                return None;
            }
            if alone {
                (kind, exchanged) = (edge.kind(), turned);
            }
            fits |= given || turned;
            edges.push(position);
        }
        edges.sort_unstable();
        (fits || crossed).then_some(Possible { kind, exchanged, edges })
    }

    fn allowed(&mut self, edge: &Edge, one: usize, other: usize) -> bool {
        edge.rules.iter().all(|rule| {
            let mut inside = |relation: &usize| {
                let node = self.node_of(*relation);
                node == one || node == other
            };
            !rule.given.iter().any(&mut inside) || rule.needs.iter().all(inside)
        })
    }

    /// Joins the best of the candidates, of which so many are looked at again.
    fn join_next(&mut self, looks: usize) -> bool {
        let mut best: Option<(Rows, usize, usize, Possible, M::Entry)> = None;
        let mut looked = BTreeSet::new();
        while let Some(Reverse((rows, one, other))) = self.heap.pop() {
            let (one, other) = (self.now(one), self.now(other));
            if one == other {
                continue;
            }
            if best.as_ref().is_some_and(|best| best.0 <= rows || looked.len() >= looks) {
                self.heap.push(Reverse((rows, one, other)));
                break;
            }
            if !looked.insert((one.min(other), one.max(other))) {
                continue;
            }
            let Some((possible, entry)) = self.price(one, other) else { continue };
            let rows = Rows(self.model.rows(&entry));
            let worse = match &mut best {
                Some(best) if best.0 <= rows => Some((rows, one, other)),
                best => best
                    .replace((rows, one, other, possible, entry))
                    .map(|(rows, one, other, ..)| (rows, one, other)),
            };
            self.heap.extend(worse.map(Reverse));
        }
        let found = best.map(|(_, one, other, possible, entry)| (one, other, possible, entry));
        match found.or_else(|| self.any_pair()) {
            Some((one, other, possible, entry)) => {
                let brought = self.merge(one, other, possible, entry);
                for position in brought.into_iter().take(looks) {
                    self.look_at(position as usize);
                }
                true
            }
            None => false,
        }
    }

    /// The node that a node has become part of.
    fn now(&mut self, node: usize) -> usize {
        self.node_of(self.within[node])
    }

    /// A pair that is possible, when no candidate is left: hyperedges become possible late.
    fn any_pair(&mut self) -> Option<(usize, usize, Possible, M::Entry)> {
        let edges = self.graph.edges().len() + self.graph.crosses.len();
        for position in 0..edges {
            let edge = self.edge(position);
            let (one, other) = (self.common(edge.left()), self.common(edge.right()));
            if let (Some(one), Some(other)) = (one, other)
                && one != other
                && let Some((possible, entry)) = self.price(one, other)
            {
                return Some((one, other, possible, entry));
            }
        }
        None
    }

    /// Makes two nodes one; gives the edges that the one with fewer brought.
    fn merge(&mut self, one: usize, other: usize, possible: Possible, entry: M::Entry) -> Vec<u32> {
        let (few, many) = if self.leaving[one].len() <= self.leaving[other].len() {
            (one, other)
        } else {
            (other, one)
        };
        let mut brought = std::mem::take(&mut self.leaving[few]);
        let mut all = std::mem::take(&mut self.leaving[many]);
        // The other side has the edges of both already.
        let new = brought.iter().copied().filter(|position| {
            self.edge(*position as usize).relations().all(|it| self.node_of(it) != many)
        });
        let new: Vec<u32> = new.collect();
        all.extend(new);
        self.leaving.push(all);
        let node = self.entries.len();
        let root = self.sets.join(self.within[one], self.within[other]);
        self.nodes[root] = node;
        self.within.push(self.within[one]);
        self.entries.push(Some(entry));
        (self.entries[one], self.entries[other]) = (None, None);
        brought.retain(|position| {
            let edge = self.edge(*position as usize);
            self.sets.common(edge.relations()).is_none()
        });
        let (left, right) = if possible.exchanged { (other, one) } else { (one, other) };
        self.tree.joins.push(TreeJoin { kind: possible.kind, left, right, edges: possible.edges });
        brought
    }
}
