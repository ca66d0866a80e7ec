//! Sequences of relations in which good trees can be found: the best left-deep trees.
//!
//! Source: T. Ibaraki, T. Kameda, "On the optimal nesting order for computing n-relational joins",
//! TODS 1984; R. Krishnamurthy, H. Boral, C. Zaniolo, "Optimization of nonrecursive queries", VLDB
//! 1986 (IKKBZ). For a tree of predicates that do not depend on each other, and the rows of all
//! results as cost, the sequence of the best root is that of the best left-deep tree. In a graph
//! with cycles we take the tree of the most selective edges, as Neumann and Radke do.

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
#[derive(Debug, Clone)]
struct Run {
    members: Vec<usize>,
    rows: f64,
    cost: f64,
}

impl Run {
    /// What is gained by coming early: runs go by ascending rank.
    fn rank(&self) -> f64 {
        (self.rows - 1.0) / self.cost
    }

    fn then(mut self, next: Self) -> Self {
        self.cost += self.rows * next.cost;
        self.rows *= next.rows;
        self.members.extend(next.members);
        self
    }
}

/// Sequences of all members, one for each root, the best first; with the number of pairs that were
/// priced.
pub(super) fn sequences<S: Set, M: JoinModel>(
    graph: &Compiled<S>,
    leaves: &[M::Entry],
    model: &mut M,
) -> (Vec<Vec<usize>>, usize) {
    let rows: Vec<f64> = leaves.iter().map(|entry| model.rows(entry)).collect();
    let (branches, pairs) = branches(graph, leaves, &rows, model);
    let mut near: Vec<Vec<(usize, f64)>> = vec![Vec::new(); graph.count];
    for branch in &branches {
        let [one, other] = branch.ends;
        near[one].push((other, branch.rows / rows[one].max(f64::MIN_POSITIVE)));
        near[other].push((one, branch.rows / rows[other].max(f64::MIN_POSITIVE)));
    }
    let mut found: Vec<(f64, Vec<usize>)> = (0..graph.count)
        .map(|root| {
            let run = sequence(&near, root);
            (rows[root] * run.cost, run.members)
        })
        .collect();
    found.sort_by(|one, other| one.0.total_cmp(&other.0));
    (found.into_iter().map(|(_, sequence)| sequence).collect(), pairs)
}

/// A spanning tree: the edges between members by selectivity, then the others, of whose selectivity
/// nothing is known.
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
    let mut sets = Disjoint::new(graph.count);
    all.retain(|branch| {
        let [one, other] = branch.ends;
        let apart = sets.find(one) != sets.find(other);
        sets.join(one, other);
        apart
    });
    (all, pairs)
}

/// The best sequence that begins with a root, each member after the one that leads to it.
fn sequence(near: &[Vec<(usize, f64)>], root: usize) -> Run {
    // Members from the root outwards, each with what leads to it.
    let mut order = vec![(root, root, 1.0)];
    let mut position = 0;
    while position < order.len() {
        let (member, parent, _) = order[position];
        let next = near[member].iter().filter(|(other, _)| *other != parent);
        order.extend(next.map(|(other, factor)| (*other, member, *factor)));
        position += 1;
    }
    let mut below: Vec<Vec<Run>> = vec![Vec::new(); near.len()];
    for (member, parent, factor) in order.into_iter().skip(1).rev() {
        let mut runs = sorted(std::mem::take(&mut below[member])).into_iter().peekable();
        let mut first = Run { members: vec![member], rows: factor, cost: factor };
        // A member that should come after what it leads to stays together with it.
        while let Some(next) = runs.next_if(|next| first.rank() > next.rank()) {
            first = first.then(next);
        }
        below[parent].push(first);
        below[parent].extend(runs);
    }
    let start = Run { members: vec![root], rows: 1.0, cost: 0.0 };
    sorted(std::mem::take(&mut below[root])).into_iter().fold(start, Run::then)
}

fn sorted(mut runs: Vec<Run>) -> Vec<Run> {
    runs.sort_by(|one, other| one.rank().total_cmp(&other.rank()));
    runs
}
