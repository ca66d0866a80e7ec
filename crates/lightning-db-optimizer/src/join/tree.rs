//! A tree of joins that was chosen, or that was written.

use crate::query::JoinKind;

/// A tree of joins. Numbers below that of relations are relations, the others joins.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tree {
    /// Joins, inputs first.
    pub(super) joins: Vec<TreeJoin>,
}

/// A join of a tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TreeJoin {
    pub(super) kind: JoinKind,
    pub(super) left: usize,
    pub(super) right: usize,
    /// Positions of the edges that are applied, ascending.
    pub(super) edges: Vec<usize>,
}

impl Tree {
    /// Relations from left to right.
    pub(super) fn leaves(&self, relations: usize) -> Vec<usize> {
        let mut leaves = Vec::with_capacity(relations);
        let mut open = vec![(relations + self.joins.len()).saturating_sub(1)];
        while let Some(node) = open.pop() {
            match node.checked_sub(relations) {
                Some(join) => open.extend([self.joins[join].right, self.joins[join].left]),
                None => leaves.push(node),
            }
        }
        leaves
    }
}
