//! Orders that keep a line: dynamic programming over the intervals of a sequence of relations.
//!
//! Source: T. Neumann, B. Radke, "Adaptive optimization of very large join queries", SIGMOD 2018:
//! the best bushy tree whose leaves stand in a given order takes `n^3 / 6` pairs, and a good order
//! comes from the best left-deep tree. Besides that one we try the order of the greedy tree, and of
//! the tree as written: the result is never worse than these trees.

use super::compiled::{Compiled, Fit, bits};
use super::exact::applied;
use super::set::Set;
use super::{JoinModel, better};
use crate::query::JoinKind;

/// Most pairs that a sequence of so many members may have.
pub(super) fn pairs_max(count: usize) -> usize {
    count.saturating_mul(count).saturating_mul(count) / 6
}

/// How many times as long as a pair of a tree a pair takes where there are so many edges: most of
/// them are applied in many pairs.
pub(super) fn density(count: usize, edges: usize) -> usize {
    1 + edges / (2 * count.max(1))
}

/// Intervals of a sequence: the sets, and what the search needs of them.
struct Intervals<S> {
    count: usize,
    sets: Vec<S>,
    around: Vec<S>,
    inside: Vec<u64>,
}

impl<S: Set> Intervals<S> {
    fn new(graph: &Compiled<S>, sequence: &[usize]) -> Self {
        let count = sequence.len();
        let mut made = Self { count, sets: Vec::new(), around: Vec::new(), inside: Vec::new() };
        for from in 0..count {
            let (mut set, mut around) = (S::EMPTY, S::EMPTY);
            for (to, member) in sequence.iter().enumerate() {
                if to >= from {
                    set = set | S::single(*member);
                    around = around | graph.near[*member];
                }
                made.sets.push(set);
                made.around.push(around);
                graph.push_inside(set, &mut made.inside);
            }
        }
        made
    }

    /// Number of the interval of these places, both included.
    fn number(&self, from: usize, to: usize) -> usize {
        from * self.count + to
    }
}

/// The cheapest entry of all trees whose leaves stand in a sequence, with the number of pairs that
/// were priced.
pub(super) fn linear<S: Set, M: JoinModel>(
    graph: &Compiled<S>,
    sequence: &[usize],
    leaves: &[M::Entry],
    model: &mut M,
) -> (Option<M::Entry>, usize) {
    let count = sequence.len();
    let intervals = Intervals::new(graph, sequence);
    let mut entries: Vec<Option<M::Entry>> = Vec::new();
    entries.resize_with(count * count, || None);
    for (place, member) in sequence.iter().enumerate() {
        entries[intervals.number(place, place)] = Some(leaves[*member].clone());
    }
    let mut pairs = 0;
    let (mut edges, mut splits) = (Vec::new(), Vec::new());
    for length in 1..count {
        for from in 0..count - length {
            let to = from + length;
            let mut best = None;
            splits.clear();
            for middle in from..to {
                let numbers = (intervals.number(from, middle), intervals.number(middle + 1, to));
                if let (Some(left), Some(right)) = (&entries[numbers.0], &entries[numbers.1]) {
                    splits.push((model.cost(left) + model.cost(right), numbers));
                }
            }
            // Behind a cheap one, a model sees soon that a dear one comes to nothing.
            splits.sort_by(|one, other| one.0.total_cmp(&other.0));
            for (_, (one, other)) in &splits {
                let (one, other) = (*one, *other);
                let (Some(left), Some(right)) = (&entries[one], &entries[other]) else { continue };
                let both = intervals.number(from, to);
                let Some((kind, fit)) = join(graph, &intervals, [one, other, both], &mut edges)
                else {
                    continue;
                };
                let (left, right) = if fit == Fit::AsGiven { (left, right) } else { (right, left) };
                pairs += 1;
                if let Some(made) = model.join(kind, left, right, &edges) {
                    best = Some(better(model, best, made));
                }
            }
            entries[intervals.number(from, to)] = best;
        }
    }
    (entries.swap_remove(intervals.number(0, count - 1)), pairs)
}

/// Whether and how two intervals are joined; the edges that are applied go to `edges`.
fn join<S: Set>(
    graph: &Compiled<S>,
    intervals: &Intervals<S>,
    numbers: [usize; 3],
    edges: &mut Vec<usize>,
) -> Option<(JoinKind, Fit)> {
    let [one, other, _] = numbers;
    let (left, right) = (intervals.sets[one], intervals.sets[other]);
    if !graph.connected(intervals.around[one], left, right) {
        return None;
    }
    let at = |number: usize| &intervals.inside[number * graph.words..][..graph.words];
    let [one, other, both] = numbers.map(at);
    let mut fit = Fit::AsGiven;
    if !graph.plain {
        fit = graph.fit(left, right, bits(applied(one, other, both)))?;
    }
    let mut kind = JoinKind::Inner;
    edges.clear();
    for edge in bits(applied(one, other, both)) {
        kind = graph.edges[edge].kind;
        edges.push(graph.edges[edge].position);
    }
    Some((kind, fit))
}
