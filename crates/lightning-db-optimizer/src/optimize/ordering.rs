//! Blocks of joins as graphs, and the order that the search finds for them.

use std::collections::BTreeSet;

use super::joiner::{Joiner, number};
use super::tree::Part;
use super::uses;
use crate::error::Result;
use crate::hint::Set;
use crate::join::{
    Condition, JoinGraph, JoinModel, JoinTree, Method, Ordered, TreeId, given, order,
};
use crate::query::{JoinKind, Query, Scalar, ScalarId};

impl JoinModel for Joiner<'_, '_> {
    /// The number of a group.
    type Entry = u32;

    fn leaf(&mut self, relation: usize) -> u32 {
        number(relation)
    }

    fn join(&mut self, kind: JoinKind, left: &u32, right: &u32, edges: &[usize]) -> Option<u32> {
        Some(self.join_groups(kind, *left, *right, edges))
    }

    fn cost(&self, entry: &u32) -> f64 {
        self.ways[self.groups[*entry as usize].ways.best() as usize].rank
    }

    fn rows(&self, entry: &u32) -> f64 {
        self.groups[*entry as usize].known.rows.point
    }

    /// Both are the same group, which has the ways of both.
    fn keep(&mut self, kept: u32, _: u32) -> u32 {
        kept
    }
}

impl Joiner<'_, '_> {
    /// The group of all leaves, joined in the order that is found to be best.
    ///
    /// # Errors
    /// Those of [`JoinGraph::of_tree`] and [`order`].
    pub(super) fn ordered(&mut self) -> Result<Ordered<u32>> {
        let mut handles = Vec::new();
        let (tree, root) = self.join_tree(&mut handles);
        let graph = JoinGraph::of_tree(&tree, root)?;
        let edges = graph.edges().iter().map(|edge| {
            let on: Vec<ScalarId> = edge.conditions().iter().map(|it| handles[*it]).collect();
            self.edge(&on)
        });
        let edges = edges.collect();
        self.set_edges(edges);
        if let Some(hinted) = &self.planner.prepared.hinted {
            let leaves = &self.groups[..self.tree.leaves.len()];
            let leaves: Vec<&Set> = leaves.iter().map(|group| &group.relations).collect();
            if let Some(tree) = hinted.tree(&leaves)
                && let Some(entry) = given(&graph, self, &tree)
            {
                let pairs = tree.iter().filter(|part| part.is_none()).count();
                return Ok(Ordered { entry, pairs, method: Method::AsWritten });
            }
        }
        let budget = self.planner.settings.join_budget;
        order(&graph, self, &budget)
    }

    fn join_tree(&self, handles: &mut Vec<ScalarId>) -> (JoinTree, TreeId) {
        let mut tree = JoinTree::new();
        // Leaves are numbered as they stand, from left to right.
        let leaves: Vec<TreeId> = self.tree.leaves.iter().map(|_| tree.leaf()).collect();
        let mut made: Vec<(TreeId, std::ops::Range<usize>)> = Vec::new();
        for part in &self.tree.parts {
            let one = match part {
                Part::Leaf(leaf) => (leaves[*leaf], *leaf..*leaf + 1),
                Part::Join { kind, left, right, on } => {
                    let ((left, first), (right, last)) = (&made[*left], &made[*right]);
                    let below = first.start..last.end;
                    let conditions = on.iter().map(|id| {
                        handles.push(*id);
                        self.described(*id, handles.len() - 1, &below)
                    });
                    let conditions = conditions.collect();
                    (tree.join(*kind, *left, *right, conditions), below)
                }
            };
            made.push(one);
        }
        let root = made.last().map_or_else(|| tree.leaf(), |(root, _)| *root);
        (tree, root)
    }

    fn described(
        &self,
        scalar: ScalarId,
        handle: usize,
        below: &std::ops::Range<usize>,
    ) -> Condition {
        let query = self.planner.query;
        let mut nested = Vec::new();
        uses::subqueries(query, scalar, &mut nested);
        // What a subquery uses of the row is not looked for: perhaps of all relations.
        let relations = if nested.is_empty() {
            self.leaves_of(query.scalar_columns(scalar))
        } else {
            below.clone().collect()
        };
        let mut rejecting = BTreeSet::new();
        if nested.is_empty() {
            rejects(query, scalar, &mut rejecting);
        }
        let rejects = self.leaves_of(rejecting);
        Condition { handle, relations, rejects }
    }
}

/// Columns of which a null makes a condition not true.
fn rejects(query: &Query, condition: ScalarId, columns: &mut BTreeSet<crate::query::ColumnId>) {
    match query.scalar(condition) {
        Scalar::And(all) => all.iter().for_each(|one| rejects(query, *one, columns)),
        Scalar::Not(one) => {
            // NOT of a comparison is unknown where the comparison is.
            if matches!(query.scalar(*one), Scalar::Compare(..) | Scalar::Like { .. }) {
                rejects(query, *one, columns);
            }
        }
        Scalar::In(one, _) => strict(query, *one, columns),
        Scalar::Compare(_, left, right) => {
            strict(query, *left, columns);
            strict(query, *right, columns);
        }
        Scalar::Like { value, pattern, .. } => {
            strict(query, *value, columns);
            strict(query, *pattern, columns);
        }
        _ => strict(query, condition, columns),
    }
}

/// Columns of which a null makes a scalar null.
fn strict(query: &Query, scalar: ScalarId, columns: &mut BTreeSet<crate::query::ColumnId>) {
    match query.scalar(scalar) {
        Scalar::Column(column) => {
            columns.insert(*column);
        }
        form @ (Scalar::Arithmetic(..)
        | Scalar::Negate(_)
        | Scalar::Cast(..)
        | Scalar::External { .. }) => {
            form.operands().into_iter().for_each(|it| strict(query, it, columns));
        }
        _ => {}
    }
}
