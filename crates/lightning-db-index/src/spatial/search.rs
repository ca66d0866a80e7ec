//! Searches of a tree: what meets a window, what is near, what is nearest.
//!
//! They walk rstar's nodes themselves: a node that lies in the window gives all its leaves without
//! a look at them, and the search for the nearest keeps inner nodes alone in its queue.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet};

use rstar::{Envelope as _, ParentNode, RTreeNode};

use super::level::{BoxLeaf, Leaf, Level, PointLeaf, Sight, Tree};
use super::metric::Metric;
use super::place::{Envelope, Place};

/// Calls `visit` with the leaves that meet a window.
#[inline]
pub(super) fn window<L: Leaf>(tree: &Tree<L>, window: &Envelope, visit: &mut impl FnMut(&L)) {
    if tree.size() > 0 {
        within(tree.root(), window, visit);
    }
}

fn within<L: Leaf>(node: &ParentNode<L>, window: &Envelope, visit: &mut impl FnMut(&L)) {
    for child in node.children() {
        match child {
            RTreeNode::Leaf(leaf) => {
                if leaf.meets(window) {
                    visit(leaf);
                }
            }
            RTreeNode::Parent(parent) => {
                let envelope = parent.envelope();
                if window.contains_envelope(&envelope) {
                    all(parent, visit);
                } else if window.intersects(&envelope) {
                    within(parent, window, visit);
                }
            }
        }
    }
}

fn all<L: Leaf>(node: &ParentNode<L>, visit: &mut impl FnMut(&L)) {
    for child in node.children() {
        match child {
            RTreeNode::Leaf(leaf) => visit(leaf),
            RTreeNode::Parent(parent) => all(parent, visit),
        }
    }
}

/// A circle round the point that a metric measures from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circle<'a, M> {
    metric: &'a M,
    distance: f64,
    /// Ranks that are certainly inside, and those that may be.
    rank_inner: f64,
    rank_outer: f64,
}

/// Beyond the rounding between a distance and its rank.
const SLACK: f64 = 1e-12;
/// Beyond what ranks lose to underflow.
const RANK_MIN: f64 = 1e-280;

impl<'a, M: Metric> Circle<'a, M> {
    pub(super) fn new(metric: &'a M, distance: f64) -> Self {
        let rank = metric.rank_of(distance);
        let rank_inner = if rank < RANK_MIN { -1.0 } else { rank * (1.0 - SLACK) };
        Self { metric, distance, rank_inner, rank_outer: (rank * (1.0 + SLACK)).max(RANK_MIN) }
    }

    #[inline]
    pub(super) fn contains(&self, place: &Place) -> bool {
        self.metric.low(place) <= self.rank_outer
            && (self.metric.high(place) <= self.rank_inner
                || self.metric.distance(place) <= self.distance)
    }

    /// Calls `visit` with the leaves in the circle.
    pub(super) fn search<L: Leaf>(&self, tree: &Tree<L>, visit: &mut impl FnMut(&L)) {
        if tree.size() > 0 {
            self.below(tree.root(), visit);
        }
    }

    fn below<L: Leaf>(&self, node: &ParentNode<L>, visit: &mut impl FnMut(&L)) {
        for child in node.children() {
            match child {
                RTreeNode::Leaf(leaf) => {
                    if self.contains(&leaf.place()) {
                        visit(leaf);
                    }
                }
                RTreeNode::Parent(parent) => {
                    if self.metric.node(&parent.envelope()) <= self.rank_outer {
                        self.below(parent, visit);
                    }
                }
            }
        }
    }
}

/// A double in its order.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rank(f64);

impl Eq for Rank {}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// An inner node that waits in the queue, the nearest first.
struct Pending<'t> {
    rank: Rank,
    tree: u32,
    node: Node<'t>,
}

#[derive(Clone, Copy)]
enum Node<'t> {
    Points(&'t ParentNode<PointLeaf>),
    Boxes(&'t ParentNode<BoxLeaf>),
}

impl PartialEq for Pending<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Pending<'_> {}

impl PartialOrd for Pending<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pending<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.rank.cmp(&self.rank)
    }
}

/// The nearest places so far, by bounds of their ranks; their order is found at the end.
struct Best {
    count: usize,
    /// The least upper bounds, as many as places are asked for: what has a lower bound above all of
    /// them is not among the nearest.
    uppers: BinaryHeap<Rank>,
    limit: f64,
    found: Vec<(f64, u64, Place)>,
}

impl Best {
    fn new(count: usize, limit: f64) -> Self {
        let room = count.min(1024);
        Self {
            count,
            uppers: BinaryHeap::with_capacity(room + 1),
            limit,
            found: Vec::with_capacity(room * 2),
        }
    }

    fn offer(&mut self, (low, high): (f64, f64), row_id: u64, place: Place) {
        let is_known = |(_, known, _): &(f64, u64, Place)| *known == row_id;
        if place.bounds().is_split() && self.found.iter().any(is_known) {
            return;
        }
        self.found.push((low, row_id, place));
        self.uppers.push(Rank(high));
        if self.uppers.len() > self.count {
            self.uppers.pop();
        }
        if self.uppers.len() == self.count
            && let Some(Rank(worst)) = self.uppers.peek()
        {
            self.limit = self.limit.min(worst * (1.0 + SLACK));
        }
        if self.found.len() > 64 && self.found.len() > self.count.saturating_mul(4) {
            let limit = self.limit;
            self.found.retain(|(low, ..)| *low <= limit);
        }
    }
}

/// What a search for the nearest places goes through.
pub(super) struct Nearest<'v, M> {
    pub(super) metric: &'v M,
    pub(super) count: usize,
    /// Greatest distance.
    pub(super) within: f64,
    /// Whether a row may be among the results.
    pub(super) admits: &'v mut dyn FnMut(u64) -> bool,
}

/// Trees of one level, with what of them the reader sees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Searched<'v> {
    pub(super) points: &'v Tree<PointLeaf>,
    pub(super) boxes: &'v Tree<BoxLeaf>,
    pub(super) sight: Sight<'v>,
    /// Rows of the level that are not to be seen.
    pub(super) hidden: Option<&'v HashSet<u64>>,
}

impl<'v> Searched<'v> {
    pub(super) fn of(level: &'v Level, lsn: u64, hidden: Option<&'v HashSet<u64>>) -> Self {
        let Level { points, boxes, .. } = level;
        Self { points, boxes, sight: level.sight(lsn), hidden }
    }
}

impl<M: Metric> Nearest<'_, M> {
    /// The nearest places by distance, then by row: of the trees, and of those given beside them.
    pub(super) fn search(
        mut self,
        trees: &[Searched<'_>],
        beside: &[(u64, Place)],
    ) -> Vec<(f64, u64)> {
        if self.count == 0 {
            return Vec::new();
        }
        let rank_max = self.metric.rank_of(self.within) * (1.0 + SLACK);
        let mut best = Best::new(self.count, rank_max.max(RANK_MIN));
        let mut queue = BinaryHeap::with_capacity(64);
        for (row_id, place) in beside {
            self.consider(*row_id, place, || true, &mut best);
        }
        for (tree, searched) in (0..).zip(trees) {
            if searched.points.size() > 0 {
                let root = searched.points.root();
                let rank = Rank(self.metric.node(&root.envelope()));
                queue.push(Pending { rank, tree, node: Node::Points(root) });
            }
            if searched.boxes.size() > 0 {
                let root = searched.boxes.root();
                let rank = Rank(self.metric.node(&root.envelope()));
                queue.push(Pending { rank, tree, node: Node::Boxes(root) });
            }
        }
        while let Some(Pending { rank, tree, node }) = queue.pop() {
            if rank.0 > best.limit {
                break;
            }
            let searched = &trees[tree as usize];
            match node {
                Node::Points(node) => self.open(node, searched, &mut best, |rank, node| {
                    queue.push(Pending { rank, tree, node: Node::Points(node) });
                }),
                Node::Boxes(node) => self.open(node, searched, &mut best, |rank, node| {
                    queue.push(Pending { rank, tree, node: Node::Boxes(node) });
                }),
            }
        }
        self.order(best)
    }

    fn open<'t, L: Leaf>(
        &mut self,
        node: &'t ParentNode<L>,
        searched: &Searched<'_>,
        best: &mut Best,
        mut push: impl FnMut(Rank, &'t ParentNode<L>),
    ) {
        for child in node.children() {
            match child {
                RTreeNode::Parent(parent) => {
                    let rank = self.metric.node(&parent.envelope());
                    if rank <= best.limit {
                        push(Rank(rank), parent);
                    }
                }
                RTreeNode::Leaf(leaf) => {
                    let seen = || {
                        searched.sight.sees(leaf.slot())
                            && searched.hidden.is_none_or(|rows| !rows.contains(&leaf.row_id()))
                    };
                    self.consider(leaf.row_id(), &leaf.place(), seen, best);
                }
            }
        }
    }

    #[inline]
    fn consider(
        &mut self,
        row_id: u64,
        place: &Place,
        seen: impl FnOnce() -> bool,
        best: &mut Best,
    ) {
        let low = self.metric.low(place);
        if low <= best.limit && seen() && (self.admits)(row_id) {
            best.offer((low, self.metric.high(place)), row_id, *place);
        }
    }

    fn order(&self, best: Best) -> Vec<(f64, u64)> {
        let Best { limit, found, .. } = best;
        let near = found.iter().filter(|(low, ..)| *low <= limit);
        let near = near.map(|(_, row_id, place)| (self.metric.distance(place), *row_id));
        let mut near: Vec<(f64, u64)> =
            near.filter(|(distance, _)| *distance <= self.within).collect();
        near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        near.truncate(self.count);
        near
    }
}
