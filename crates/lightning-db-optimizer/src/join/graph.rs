//! Relations and what connects them.

use super::components::components;
use super::tree::Tree;
use crate::error::{Error, Result};
use crate::query::JoinKind;

/// What joins relations: a predicate or an operator, with the relations that must be there on each
/// side before it can be applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    kind: JoinKind,
    left: Vec<usize>,
    right: Vec<usize>,
    conditions: Vec<usize>,
    pub(super) rules: Vec<Rule>,
    pub(super) free: bool,
}

/// A conflict rule: where one of the first relations is, the others must be too.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    pub(super) given: Vec<usize>,
    pub(super) needs: Vec<usize>,
}

impl Edge {
    /// An edge. Inner edges are predicates, one each; other edges are whole operators, which keep
    /// rows of the left side. Sides are numbers of relations; handles of conditions mean something
    /// to the caller alone.
    pub fn new(kind: JoinKind, left: &[usize], right: &[usize], conditions: &[usize]) -> Self {
        Self {
            kind,
            left: sorted(left),
            right: sorted(right),
            conditions: conditions.to_vec(),
            rules: Vec::new(),
            free: kind == JoinKind::Inner,
        }
    }

    /// Which rows the join gives.
    pub fn kind(&self) -> JoinKind {
        self.kind
    }

    /// Relations that must be on the left side: ascending, at least one.
    pub fn left(&self) -> &[usize] {
        &self.left
    }

    /// Relations that must be on the right side: ascending, at least one.
    pub fn right(&self) -> &[usize] {
        &self.right
    }

    /// Handles of the conditions, as they were given.
    pub fn conditions(&self) -> &[usize] {
        &self.conditions
    }

    /// All relations of both sides.
    pub(super) fn relations(&self) -> impl Iterator<Item = usize> + '_ {
        self.left.iter().chain(&self.right).copied()
    }
}

/// Relations with the edges between them: what [`order`](super::order) works on.
#[derive(Debug, Clone)]
pub struct JoinGraph {
    relations: usize,
    edges: Vec<Edge>,
    /// Edges without conditions, which allow cross products where there is no other way.
    pub(super) crosses: Vec<Edge>,
    /// The tree that the graph was made from, if it was.
    pub(super) written: Option<Tree>,
    /// Whether no order but the written one may be taken.
    pub(super) fixed: bool,
}

impl JoinGraph {
    /// A graph of edges that are complete as they stand: an edge that is not inner may be applied
    /// wherever its sides are there. For operators that conflict with each other there is
    /// [`of_tree`](Self::of_tree).
    ///
    /// # Errors
    /// [`Error::Shape`] for an edge with an empty side, with a relation on both sides, or with one
    /// that there is not.
    pub fn new(relations: usize, edges: Vec<Edge>) -> Result<Self> {
        for (position, edge) in edges.iter().enumerate() {
            check(relations, position, edge)?;
        }
        let crosses = crosses(relations, &edges);
        Ok(Self { relations, edges, crosses, written: None, fixed: false })
    }

    /// A graph of edges that were made from a tree. `products` are its joins without conditions;
    /// `fixed` says that the edges do not tell all conflicts.
    pub(super) fn from_tree(
        relations: usize,
        written: Tree,
        edges: Vec<Edge>,
        products: Vec<Edge>,
        fixed: bool,
    ) -> Self {
        let inner = written.joins.iter().all(|join| join.kind == JoinKind::Inner);
        let crosses = if inner { crosses(relations, &edges) } else { products };
        Self { relations, edges, crosses, written: Some(written), fixed }
    }

    /// Number of relations.
    pub fn relations(&self) -> usize {
        self.relations
    }

    /// An edge by number: the edges, then those that allow cross products.
    pub(super) fn edge(&self, number: usize) -> &Edge {
        self.edges.get(number).unwrap_or_else(|| &self.crosses[number - self.edges.len()])
    }

    /// Numbers of the edges of each relation.
    pub(super) fn leaving(&self) -> Vec<Vec<u32>> {
        let mut leaving = vec![Vec::new(); self.relations];
        for (number, edge) in self.edges.iter().chain(&self.crosses).enumerate() {
            for relation in edge.relations() {
                leaving[relation].push(u32::try_from(number).unwrap_or(u32::MAX));
            }
        }
        leaving
    }

    /// The edges, in the order in which they were made. Models are told positions in it.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }
}

/// Ascending, each once.
fn sorted(relations: &[usize]) -> Vec<usize> {
    let mut sorted = relations.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

fn check(relations: usize, position: usize, edge: &Edge) -> Result<()> {
    let shape = |detail: String| Err(Error::Shape { what: "a join graph", detail });
    if edge.left.is_empty() || edge.right.is_empty() {
        return shape(format!("edge {position} has an empty side; conditions of one are filters"));
    }
    for relation in edge.relations() {
        if relation >= relations {
            return shape(format!("edge {position} is of relation {relation} of {relations}"));
        }
        if edge.left.contains(&relation) && edge.right.contains(&relation) {
            return shape(format!("edge {position} has relation {relation} on both sides"));
        }
    }
    Ok(())
}

/// Up to so many components are joined in any order; more, one after the other.
const COMPONENTS_PAIRED: usize = 8;

/// Edges that join the parts of a graph that nothing else joins.
fn crosses(relations: usize, edges: &[Edge]) -> Vec<Edge> {
    let parts = components(relations, edges);
    let mut crosses = Vec::new();
    for (position, part) in parts.iter().enumerate() {
        let others = parts.len().min(if parts.len() <= COMPONENTS_PAIRED {
            parts.len()
        } else {
            position + 2
        });
        for other in &parts[(position + 1).min(others)..others] {
            crosses.push(Edge::new(JoinKind::Inner, part, other, &[]));
        }
    }
    crosses
}
