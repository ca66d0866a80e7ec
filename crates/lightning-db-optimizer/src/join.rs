//! The order of joins: which relations are joined first, and with what.
//!
//! A [`JoinGraph`] says what connects relations, a [`JoinModel`] what joining them costs, and
//! [`order`] looks for the cheapest tree. It prices at most about as many pairs of inputs as its
//! [`Budget`] allows:
//!
//! 1. all pairs, where the budget reaches: the result is then the best tree there is without
//!    needless cross products, for every kind of join;
//! 2. all trees over a few good sequences of the relations, to about a hundred relations;
//! 3. beyond, a greedy tree whose pieces are ordered again in the ways above.
//!
//! The result depends on the graph and the model alone.

mod compiled;
mod components;
mod conflict;
mod exact;
mod given;
mod graph;
mod greedy;
mod linear;
mod local;
mod sequence;
mod set;
mod tree;

pub use conflict::{Condition, JoinTree, TreeId};
pub(crate) use given::given;
pub use graph::{Edge, JoinGraph};

use crate::error::{Error, Result};
use crate::query::JoinKind;
use compiled::Compiled;
use exact::{Listed, list};
use linear::{density, linear, pairs_max};
use set::Set;
use tree::Tree;

/// What joins cost. Entries stand for a way to make the rows of a set of relations.
pub trait JoinModel {
    /// A way to make rows, with what it costs and all that the model wants to know of it.
    type Entry: Clone;

    /// The best way to read a relation.
    fn leaf(&mut self, relation: usize) -> Self::Entry;

    /// The best way to join two inputs; `None` if the model knows none, or wants none.
    ///
    /// `edges` are positions in [`JoinGraph::edges`], ascending: the predicates of an inner join,
    /// none for a cross product, or the one operator of another kind. It is asked once for each
    /// pair of inputs: for inner and full joins the model chooses the sides, for others `left` is
    /// left.
    fn join(
        &mut self,
        kind: JoinKind,
        left: &Self::Entry,
        right: &Self::Entry,
        edges: &[usize],
    ) -> Option<Self::Entry>;

    /// What an entry costs, all of its inputs included.
    fn cost(&self, entry: &Self::Entry) -> f64;

    /// How many rows an entry gives; the same for all entries of a set of relations.
    fn rows(&self, entry: &Self::Entry) -> f64;

    /// What is kept of two ways to make the same rows: the cheaper one, the first if they cost the
    /// same. A model whose entries hold several ways, such as for different orders, puts them
    /// together here.
    fn keep(&mut self, kept: Self::Entry, other: Self::Entry) -> Self::Entry {
        if self.cost(&other) < self.cost(&kept) { other } else { kept }
    }
}

/// How much work ordering may be. Numbers are of pairs of inputs that are priced: each is one call
/// of [`JoinModel::join`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// All orders are looked at if they have at most so many pairs.
    pub exact: usize,
    /// At most so many pairs are priced in all. A tree is always found, which takes up to
    /// four pairs for each relation.
    pub pairs: usize,
}

impl Default for Budget {
    /// Exact for chains of 64 relations, cycles of 40 and cliques of 10; a tenth of a second at
    /// most with a model that takes half a microsecond a pair.
    fn default() -> Self {
        Self { exact: 50_000, pairs: 200_000 }
    }
}

/// How an order was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// All orders were looked at.
    Exact,
    /// All trees over some sequences of the relations were looked at.
    Linearised,
    /// What makes the fewest rows was joined first, and pieces of that tree were ordered again.
    Greedy,
    /// The joins are those of the tree that the graph was made from.
    AsWritten,
}

/// The best tree that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Ordered<E> {
    /// The model's entry of all relations.
    pub entry: E,
    /// Pairs that were priced.
    pub pairs: usize,
    /// How it was found.
    pub method: Method,
}

/// The cheapest tree of a graph that the budget lets it find.
///
/// # Errors
/// [`Error::Shape`] if there are no relations, and if no order of the joins is possible: a graph of
/// a tree always has one, unless the model refuses it.
pub fn order<M: JoinModel>(
    graph: &JoinGraph,
    model: &mut M,
    budget: &Budget,
) -> Result<Ordered<M::Entry>> {
    let leaves: Vec<M::Entry> = (0..graph.relations()).map(|it| model.leaf(it)).collect();
    let mut search = Search { graph, model, budget, leaves, pairs: 0 };
    let found = match graph.relations() {
        0 => None,
        1 => Some((search.leaves[0].clone(), Method::Exact)),
        _ if graph.fixed => None,
        2..=64 => search.small::<u64>(),
        65..=128 => search.small::<u128>(),
        _ => search.greedy(),
    };
    let found = found.or_else(|| Some((search.as_written()?, Method::AsWritten)));
    let Some((entry, method)) = found else {
        return Err(Error::Shape {
            what: "a join order",
            detail: format!("no order of {} relations is possible", graph.relations()),
        });
    };
    Ok(Ordered { entry, pairs: search.pairs, method })
}

/// The cheaper of an entry that may be there and another.
fn better<M: JoinModel>(model: &mut M, kept: Option<M::Entry>, made: M::Entry) -> M::Entry {
    match kept {
        Some(kept) => model.keep(kept, made),
        None => made,
    }
}

/// A search under way.
struct Search<'a, M: JoinModel> {
    graph: &'a JoinGraph,
    model: &'a mut M,
    budget: &'a Budget,
    leaves: Vec<M::Entry>,
    pairs: usize,
}

impl<M: JoinModel> Search<'_, M> {
    fn left(&self) -> usize {
        self.budget.pairs.saturating_sub(self.pairs)
    }

    /// All orders if they are few enough, all trees over some sequences otherwise.
    fn small<S: Set>(&mut self) -> Option<(M::Entry, Method)> {
        let limit = self.budget.exact.min(self.budget.pairs);
        let mut graph = Compiled::<S>::whole(self.graph, false);
        let mut listed = list(&graph, limit);
        if matches!(listed, Listed::Unreachable) {
            graph = Compiled::whole(self.graph, true);
            listed = list(&graph, limit);
        }
        match listed {
            Listed::All(pairs) => {
                self.pairs += pairs.len();
                let entry = pairs.price(&graph, self.leaves.clone(), self.model)?;
                Some((entry, Method::Exact))
            }
            Listed::TooMany => {
                let pairs = pairs_max(graph.count) * density(graph.count, graph.edges.len());
                if pairs <= self.budget.pairs / 8 * 7 {
                    self.linearised::<S>()
                } else {
                    self.greedy()
                }
            }
            Listed::Unreachable => self.greedy(),
        }
    }

    /// The trees over some sequences: those of the greedy and of the written tree, and those of the
    /// best left-deep trees.
    fn linearised<S: Set>(&mut self) -> Option<(M::Entry, Method)> {
        let graph = Compiled::<S>::whole(self.graph, true);
        let tree = self.greedy_tree(self.budget.pairs / 8);
        let trees = [tree.as_ref(), self.graph.written.as_ref()];
        let mut sequences: Vec<Vec<usize>> =
            trees.iter().flatten().map(|tree| tree.leaves(graph.count)).collect();
        // More than those of the trees, and one, are tried while they are cheap.
        let most = pairs_max(graph.count);
        let wanted = (self.budget.pairs / 4 / most.max(1)).max(1);
        let (best, pairs) = sequence::sequences(&graph, &self.leaves, self.model, wanted);
        self.pairs += pairs;
        sequences.extend(best);
        let mut found = None;
        let (begun, trees) = (self.pairs, trees.iter().flatten().count());
        for (number, sequence) in sequences.iter().enumerate() {
            let cheap = self.pairs - begun + most <= self.budget.pairs / 4;
            if most > self.left() || (number > trees && !cheap) {
                break;
            }
            if sequences[..number].contains(sequence) {
                continue;
            }
            let (entry, pairs) = linear(&graph, sequence, &self.leaves, self.model);
            self.pairs += pairs;
            if let Some(entry) = entry {
                found = Some(better(self.model, found, entry));
            }
        }
        Some((found?, Method::Linearised))
    }

    fn greedy_tree(&mut self, budget: usize) -> Option<Tree> {
        let (tree, pairs) = greedy::greedy(self.graph, &self.leaves, self.model, budget);
        self.pairs += pairs;
        tree
    }

    /// The greedy tree, or the one that was written if it is better, with pieces ordered again.
    fn greedy(&mut self) -> Option<(M::Entry, Method)> {
        let tree = self.greedy_tree(self.budget.pairs / 4);
        let mut found: Option<M::Entry> = None;
        for tree in [tree.as_ref(), self.graph.written.as_ref()].into_iter().flatten() {
            let share = if found.is_none() { self.left() / 4 * 3 } else { self.left() };
            let (entry, pairs) = local::improve(self.graph, tree, &self.leaves, self.model, share);
            self.pairs += pairs;
            if let Some(entry) = entry {
                found = Some(better(self.model, found, entry));
            }
        }
        Some((found?, Method::Greedy))
    }

    /// The entry of a tree.
    fn evaluate(&mut self, tree: &Tree) -> Option<M::Entry> {
        let mut entries = self.leaves.clone();
        for join in &tree.joins {
            let (left, right) = (&entries[join.left], &entries[join.right]);
            self.pairs += 1;
            let entry = self.model.join(join.kind, left, right, &join.edges)?;
            entries.push(entry);
        }
        entries.pop()
    }

    fn as_written(&mut self) -> Option<M::Entry> {
        self.evaluate(self.graph.written.as_ref()?)
    }
}

#[cfg(test)]
mod tests;
