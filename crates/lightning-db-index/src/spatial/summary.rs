//! Counts for estimates: the inner nodes of a tree, each with its envelope and number of leaves.
//!
//! The nodes are a histogram that follows the data: a node of the lowest level stands for about 32
//! places, wherever they are. An estimate goes down only where the window cuts through a node, and
//! stops when more nodes are cut than it has time for; what is left counts by its area.

use rstar::{ParentNode, RTreeNode};

use super::level::{Leaf, Tree};
use super::place::Envelope;

/// Nodes that an estimate opens on each level at most: it takes less than 2 us with that.
const OPENED_MAX: usize = 4;

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// The children of a node stand together.
    nodes: Vec<Node>,
    leaves: usize,
    /// Half of the mean extent of what the leaves hold.
    margin: [f64; 2],
}

#[derive(Debug, Clone, Copy, Default)]
struct Node {
    lower: [f64; 2],
    upper: [f64; 2],
    leaves: u32,
    /// First of the inner nodes among the children; their number is zero above leaves.
    first: u32,
    inner: u32,
}

/// How many leaves meet a window.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) low: f64,
    pub(super) point: f64,
    pub(super) high: f64,
}

impl Summary {
    pub(super) fn of<L: Leaf>(tree: &Tree<L>) -> Self {
        let mut summary = Self { nodes: vec![Node::default()], ..Self::default() };
        let mut extent = [0.0; 2];
        summary.add(0, tree.root(), &mut extent);
        summary.leaves = tree.size();
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let twice = 2.0 * tree.size().max(1) as f64;
        summary.margin = extent.map(|sum| sum / twice);
        summary
    }

    fn add<L: Leaf>(&mut self, at: usize, node: &ParentNode<L>, extent: &mut [f64; 2]) {
        let first = self.nodes.len();
        let inner = node.children().iter().filter_map(|child| match child {
            RTreeNode::Parent(parent) => Some(parent),
            RTreeNode::Leaf(_) => None,
        });
        self.nodes.extend(inner.clone().map(|_| Node::default()));
        let inner_len = self.nodes.len() - first;
        let mut leaves = 0;
        for (index, parent) in (first..).zip(inner) {
            self.add(index, parent, extent);
            leaves += self.nodes[index].leaves;
        }
        if inner_len == 0 {
            for child in node.children() {
                if let RTreeNode::Leaf(leaf) = child {
                    let envelope = leaf.envelope();
                    let (lower, upper) = (envelope.lower(), envelope.upper());
                    extent[0] += upper[0] - lower[0];
                    extent[1] += upper[1] - lower[1];
                    leaves += 1;
                }
            }
        }
        let envelope = node.envelope();
        let as_u32 = |len| u32::try_from(len).unwrap_or(u32::MAX);
        self.nodes[at] = Node {
            lower: envelope.lower(),
            upper: envelope.upper(),
            leaves,
            first: as_u32(first),
            inner: as_u32(inner_len),
        };
    }

    /// How many leaves meet a window, by counts and areas.
    pub(super) fn count(&self, window: &Envelope) -> Count {
        let mut count = Count::default();
        if self.leaves == 0 {
            return count;
        }
        let grown =
            |at: [f64; 2], by: f64| [at[0] + self.margin[0] * by, at[1] + self.margin[1] * by];
        let (lower, upper) = (grown(window.lower(), -1.0), grown(window.upper(), 1.0));
        let window = (lower, upper);
        let mut cut: Vec<u32> = Vec::with_capacity(256);
        let mut next: Vec<u32> = Vec::with_capacity(256);
        if self.sort(0, window, &mut count) {
            cut.push(0);
        }
        while cut.len() <= OPENED_MAX && cut.iter().any(|at| self.nodes[*at as usize].inner > 0) {
            next.clear();
            for at in cut.drain(..) {
                let node = &self.nodes[at as usize];
                if node.inner == 0 {
                    next.push(at);
                    continue;
                }
                for child in node.first..node.first + node.inner {
                    if self.sort(child, window, &mut count) {
                        next.push(child);
                    }
                }
            }
            std::mem::swap(&mut cut, &mut next);
        }
        for at in cut {
            let node = &self.nodes[at as usize];
            count.point += f64::from(node.leaves) * share(node, window);
            count.high += f64::from(node.leaves);
        }
        count
    }

    /// Counts a node that is in the window; says whether it is cut by it.
    fn sort(&self, at: u32, (lower, upper): ([f64; 2], [f64; 2]), count: &mut Count) -> bool {
        let node = &self.nodes[at as usize];
        let apart = node.lower[0] > upper[0]
            || node.upper[0] < lower[0]
            || node.lower[1] > upper[1]
            || node.upper[1] < lower[1];
        if apart {
            return false;
        }
        let inside = node.lower[0] >= lower[0]
            && node.upper[0] <= upper[0]
            && node.lower[1] >= lower[1]
            && node.upper[1] <= upper[1];
        if inside {
            let leaves = f64::from(node.leaves);
            count.low += leaves;
            count.point += leaves;
            count.high += leaves;
        }
        !inside
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.nodes.len() * size_of::<Node>()
    }
}

/// Share of a node's area that a window covers.
fn share(node: &Node, (lower, upper): ([f64; 2], [f64; 2])) -> f64 {
    let along = |axis: usize| {
        let extent = node.upper[axis] - node.lower[axis];
        let covered = node.upper[axis].min(upper[axis]) - node.lower[axis].max(lower[axis]);
        if extent > 0.0 { (covered / extent).clamp(0.0, 1.0) } else { 1.0 }
    };
    along(0) * along(1)
}
