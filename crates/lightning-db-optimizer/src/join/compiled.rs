//! A graph, or a part of one, over sets of bits.

use super::graph::{Edge, JoinGraph};
use super::set::Set;
use crate::query::JoinKind;

/// No member: a relation that is not in the part.
pub(super) const OUTSIDE: u32 = u32::MAX;

/// A graph over sets of bits.
#[derive(Debug)]
pub(super) struct Compiled<S> {
    pub(super) count: usize,
    pub(super) edges: Vec<CompiledEdge<S>>,
    /// Edges without conditions, if they may be used.
    pub(super) crosses: Vec<CompiledEdge<S>>,
    /// Members that edges between two members connect with each member.
    pub(super) near: Vec<S>,
    /// Sides of all other edges, both ways.
    pub(super) complex: Vec<(S, S)>,
    /// Whether any pair that is connected may be joined: all edges are predicates of two members.
    pub(super) plain: bool,
    /// Words of a set of edges.
    pub(super) words: usize,
}

/// An edge over sets of bits.
#[derive(Debug)]
pub(super) struct CompiledEdge<S> {
    pub(super) left: S,
    pub(super) right: S,
    pub(super) all: S,
    pub(super) kind: JoinKind,
    /// Position in the graph.
    pub(super) position: usize,
    free: bool,
    rules: Vec<(S, S)>,
}

/// How two sets are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// The first is the left side.
    AsGiven,
    /// The second is the left side.
    Exchanged,
}

impl<S: Set> CompiledEdge<S> {
    /// `None` for an edge that a member has inside, or that reaches outside of the part.
    fn new(edge: &Edge, position: usize, member: &impl Fn(usize) -> u32) -> Option<Self> {
        let set = |relations: &[usize]| {
            relations.iter().try_fold(S::EMPTY, |set, relation| match member(*relation) {
                OUTSIDE => None,
                member => Some(set | S::single(member as usize)),
            })
        };
        let (mut left, mut right) = (set(edge.left())?, set(edge.right())?);
        let all = left | right;
        if all.len() < 2 {
            return None;
        }
        // A member that stands on both sides has joined them: what is left is a predicate.
        if left.meets(right) {
            (left, right) = (all, all);
        }
        let met = |relations: &[usize]| {
            let inside = relations.iter().map(|relation| member(*relation));
            let inside = inside.filter(|member| *member != OUTSIDE);
            inside.fold(S::EMPTY, |set, member| set | S::single(member as usize))
        };
        let rules = edge.rules.iter().map(|rule| {
            // A need outside of the part is never there.
            (met(&rule.given), set(&rule.needs).unwrap_or(!S::EMPTY))
        });
        let rules = rules.filter(|(_, needs)| !needs.within(all)).collect();
        Some(Self { left, right, all, kind: edge.kind(), position, free: edge.free, rules })
    }

    fn simple(&self) -> bool {
        self.left.len() == 1 && self.right.len() == 1
    }

    /// Whether the conflict rules hold in a set.
    fn allowed(&self, set: S) -> bool {
        self.rules.iter().all(|(given, needs)| !given.meets(set) || needs.within(set))
    }

    fn fits(&self, left: S, right: S) -> bool {
        self.left.within(left) && self.right.within(right)
    }
}

impl<S: Set> Compiled<S> {
    /// A part of a graph, with some of its edges by number ([`JoinGraph::edge`]). Its members are
    /// relations, or groups of relations that are joined already: `member` gives that of a
    /// relation.
    pub(super) fn new(
        graph: &JoinGraph,
        count: usize,
        edges: &[u32],
        member: &impl Fn(usize) -> u32,
    ) -> Self {
        let all = edges.iter().map(|number| *number as usize);
        let all = all.filter_map(|number| CompiledEdge::new(graph.edge(number), number, member));
        let (edges, crosses): (Vec<CompiledEdge<S>>, Vec<CompiledEdge<S>>) =
            all.partition(|edge| edge.position < graph.edges().len());
        let mut near = vec![S::EMPTY; count];
        let mut complex = Vec::new();
        for edge in edges.iter().chain(&crosses) {
            if edge.simple() {
                let (left, right) = (edge.left.first(), edge.right.first());
                near[left] = near[left] | edge.right;
                near[right] = near[right] | edge.left;
            } else if !edge.left.meets(edge.right) {
                complex.push((edge.left, edge.right));
                complex.push((edge.right, edge.left));
            }
        }
        let plain = edges.iter().all(|edge| edge.free && edge.simple() && edge.rules.is_empty())
            && crosses.is_empty();
        let words = edges.len().div_ceil(64);
        Self { count, edges, crosses, near, complex, plain, words }
    }

    /// The whole of a graph, with cross products or without.
    pub(super) fn whole(graph: &JoinGraph, with_crosses: bool) -> Self {
        let crosses = if with_crosses { graph.crosses.len() } else { 0 };
        let number = |number: usize| u32::try_from(number).unwrap_or(OUTSIDE);
        let edges: Vec<u32> = (0..graph.edges().len() + crosses).map(number).collect();
        Self::new(graph, graph.relations(), &edges, &number)
    }

    /// All members.
    pub(super) fn all(&self) -> S {
        S::up_to(self.count - 1)
    }

    /// Adds the set of the edges that are inside of a set to the end of a list, in words.
    pub(super) fn push_inside(&self, set: S, words: &mut Vec<u64>) {
        for edges in self.edges.chunks(64) {
            let mut word = 0;
            for (bit, edge) in edges.iter().enumerate() {
                word |= u64::from(edge.all.within(set)) << bit;
            }
            words.push(word);
        }
    }

    /// Members next to a set.
    pub(super) fn around(&self, set: S) -> S {
        set.members().fold(S::EMPTY, |around, member| around | self.near[member])
    }

    /// Whether an edge connects two disjoint sets, given what is around the first.
    pub(super) fn connected(&self, around: S, one: S, other: S) -> bool {
        around.meets(other)
            || self.complex.iter().any(|(left, right)| left.within(one) && right.within(other))
    }

    /// Whether and how two disjoint sets may be joined. Each edge that gets inside, given by its
    /// position here, must be applied at this join, as it will be at no other: inner predicates
    /// together, any other operator alone.
    pub(super) fn fit(
        &self,
        one: S,
        other: S,
        applied: impl Iterator<Item = usize>,
    ) -> Option<Fit> {
        let both = one | other;
        let mut fit = None;
        let mut alone = None;
        for (count, edge) in applied.map(|edge| &self.edges[edge]).enumerate() {
            if !edge.allowed(both) || alone.is_some() {
                return None;
            }
            let (given, exchanged) = (edge.fits(one, other), edge.fits(other, one));
            if edge.kind == JoinKind::Inner {
                if given || exchanged {
                    fit = Some(Fit::AsGiven);
                } else if !edge.free {
                    return None;
                }
                continue;
            }
            if count > 0 {
                return None;
            }
            fit = match (given, exchanged) {
                (true, _) => Some(Fit::AsGiven),
                (_, true) => Some(Fit::Exchanged),
                _ => return None,
            };
            alone = Some(edge);
        }
        let crosses = |edge: &CompiledEdge<S>| {
            edge.allowed(both) && (edge.fits(one, other) || edge.fits(other, one))
        };
        fit.or_else(|| self.crosses.iter().any(crosses).then_some(Fit::AsGiven))
    }
}

/// Positions of the bits of words, ascending.
pub(super) fn bits(words: impl Iterator<Item = u64>) -> impl Iterator<Item = usize> {
    words
        .enumerate()
        .flat_map(|(position, word)| word.members().map(move |bit| 64 * position + bit))
}
