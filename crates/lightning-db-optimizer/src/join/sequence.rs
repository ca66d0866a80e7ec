//! Sequences of relations in which good trees can be found: the best left-deep trees.
//!
//! Source: T. Ibaraki, T. Kameda, "On the optimal nesting order for computing n-relational joins",
//! TODS 1984; R. Krishnamurthy, H. Boral, C. Zaniolo, "Optimization of nonrecursive queries", VLDB
//! 1986 (IKKBZ). For a tree of predicates that do not depend on each other, and the rows of all
//! results as cost, the sequence of the best root is that of the best left-deep tree. In a graph
//! with cycles we take the tree of the most selective edges, as Neumann and Radke do.

use std::collections::VecDeque;

use super::JoinModel;
use super::compiled::{Compiled, Fit};
use super::components::Disjoint;
use super::set::Set;

/// An edge of the tree, with how many rows come out of the join of both.
struct Branch {
    ends: [usize; 2],
    rows: f64,
    /// Rows for each pair of rows.
    selectivity: f64,
}

/// Members that stay together: rows for each row that comes in, and what they cost for each.
#[derive(Debug, Clone, Copy)]
struct Run {
    rows: f64,
    cost: f64,
    first: usize,
    last: usize,
}

impl Run {
    /// What is gained by coming early: runs go by ascending rank.
    fn rank(&self) -> f64 {
        (self.rows - 1.0) / self.cost
    }

    /// One run after another; `next` is the member after each.
    fn then(mut self, other: Self, next: &mut [usize]) -> Self {
        next[self.last] = other.first;
        self.last = other.last;
        self.cost += self.rows * other.cost;
        self.rows *= other.rows;
        self
    }
}

/// At least so many sequences of all members as are wanted if there are, the most promising first,
/// with the number of pairs that were priced: that of the best root, those of trees with another
/// edge, those of other roots.
pub(super) fn sequences<S: Set, M: JoinModel>(
    graph: &Compiled<S>,
    leaves: &[M::Entry],
    model: &mut M,
    wanted: usize,
) -> (Vec<Vec<usize>>, usize) {
    let rows: Vec<f64> = leaves.iter().map(|entry| model.rows(entry)).collect();
    let (branches, pairs) = branches(graph, leaves, &rows, model);
    let tree = spanning(&branches, graph.count, None);
    let mut roots = by_root(&tree, &branches, &rows);
    let mut exchanged = Vec::new();
    // Without cycles there is no other edge to take.
    if graph.edges.len() >= graph.count {
        for edge in tree.iter().take(wanted.saturating_sub(1)) {
            let other = spanning(&branches, graph.count, Some(*edge));
            exchanged.extend(by_root(&other, &branches, &rows).into_iter().take(1));
        }
        exchanged.sort_by(|one, other| one.0.total_cmp(&other.0));
    }
    let others = roots.split_off(1);
    let all = roots.into_iter().chain(exchanged).chain(others);
    (all.map(|(_, sequence)| sequence).collect(), pairs)
}

/// The sequence of each root of a tree with its cost, cheapest first.
fn by_root(tree: &[usize], branches: &[Branch], rows: &[f64]) -> Vec<(f64, Vec<usize>)> {
    let mut near: Vec<Vec<(usize, f64)>> = vec![Vec::new(); rows.len()];
    for branch in tree.iter().map(|position| &branches[*position]) {
        let [one, other] = branch.ends;
        near[one].push((other, branch.rows / rows[one].max(f64::MIN_POSITIVE)));
        near[other].push((one, branch.rows / rows[other].max(f64::MIN_POSITIVE)));
    }
    let roots = (0..rows.len()).map(|root| {
        let (cost, members) = sequence(&near, root);
        (rows[root] * cost, members)
    });
    let mut roots: Vec<(f64, Vec<usize>)> = roots.collect();
    roots.sort_by(|one, other| one.0.total_cmp(&other.0));
    roots
}

/// Positions of the first branches that connect everything, without one of them.
fn spanning(branches: &[Branch], count: usize, without: Option<usize>) -> Vec<usize> {
    let mut sets = Disjoint::new(count);
    let mut tree = Vec::with_capacity(count);
    for (position, branch) in branches.iter().enumerate() {
        let [one, other] = branch.ends;
        if Some(position) != without && sets.find(one) != sets.find(other) {
            sets.join(one, other);
            tree.push(position);
        }
    }
    tree
}

/// The edges between members by selectivity, then the others, of whose selectivity nothing is
/// known.
fn branches<S: Set, M: JoinModel>(
    graph: &Compiled<S>,
    leaves: &[M::Entry],
    rows: &[f64],
    model: &mut M,
) -> (Vec<Branch>, usize) {
    let mut all = Vec::new();
    let mut pairs = 0;
    for one in 0..graph.count {
        for other in graph.near[one].members().filter(|other| *other > one) {
            let both = S::single(one) | S::single(other);
            let inside = |edge: &usize| graph.edges[*edge].all.within(both);
            let edges: Vec<usize> = (0..graph.edges.len()).filter(inside).collect();
            let fit = graph.fit(S::single(one), S::single(other), edges.iter().copied());
            let Some(fit) = fit else { continue };
            let (left, right) = if fit == Fit::AsGiven { (one, other) } else { (other, one) };
            let kind =
                edges.first().map_or(crate::query::JoinKind::Inner, |it| graph.edges[*it].kind);
            let positions: Vec<usize> = edges.iter().map(|it| graph.edges[*it].position).collect();
            pairs += 1;
            if let Some(entry) = model.join(kind, &leaves[left], &leaves[right], &positions) {
                let made = model.rows(&entry);
                let selectivity = made / (rows[one] * rows[other]).max(f64::MIN_POSITIVE);
                all.push(Branch { ends: [one, other], rows: made, selectivity });
            }
        }
    }
    all.sort_by(|one, other| one.selectivity.total_cmp(&other.selectivity));
    let more = graph.edges.iter().chain(&graph.crosses).map(|edge| {
        let ends = [edge.left.first(), edge.right.last()];
        Branch { ends, rows: rows[ends[0]].max(rows[ends[1]]), selectivity: 1.0 }
    });
    all.extend(more);
    all.extend((1..graph.count).map(|member| {
        let ends = [0, member];
        Branch { ends, rows: rows[0].max(rows[member]), selectivity: 1.0 }
    }));
    (all, pairs)
}

/// The best sequence that begins with a root, each member after the one that leads to it, with
/// what it costs for each row of the root.
fn sequence(near: &[Vec<(usize, f64)>], root: usize) -> (f64, Vec<usize>) {
    // Members from the root outwards, each with what leads to it.
    let mut order = vec![(root, root, 1.0)];
    let mut position = 0;
    while position < order.len() {
        let (member, parent, _) = order[position];
        let next = near[member].iter().filter(|(other, _)| *other != parent);
        order.extend(next.map(|(other, factor)| (*other, member, *factor)));
        position += 1;
    }
    let mut next = vec![usize::MAX; near.len()];
    // Runs after each member, and whether they are of several members.
    let mut below: Vec<(VecDeque<Run>, bool)> = vec![(VecDeque::new(), false); near.len()];
    for (member, parent, factor) in order.into_iter().skip(1).rev() {
        let mut runs = sorted(std::mem::take(&mut below[member]));
        let mut run = Run { rows: factor, cost: factor, first: member, last: member };
        // A member that should come after what it leads to stays together with it.
        while runs.front().is_some_and(|after| run.rank() > after.rank()) {
            run = runs.pop_front().map_or(run, |after| run.then(after, &mut next));
        }
        runs.push_front(run);
        let (beside, several) = &mut below[parent];
        if beside.is_empty() {
            *beside = runs;
        } else {
            beside.extend(runs);
            *several = true;
        }
    }
    let start = Run { rows: 1.0, cost: 0.0, first: root, last: root };
    let all = sorted(std::mem::take(&mut below[root]));
    let all = all.into_iter().fold(start, |all, run| all.then(run, &mut next));
    let mut members = vec![root];
    while let Some(member) = members.last().map(|last| next[*last]).filter(|it| *it < near.len()) {
        members.push(member);
    }
    (all.cost, members)
}

fn sorted((mut runs, several): (VecDeque<Run>, bool)) -> VecDeque<Run> {
    if several {
        runs.make_contiguous().sort_by(|one, other| one.rank().total_cmp(&other.rank()));
    }
    runs
}
