//! Limits, and the sorts below them, before what keeps their rows: projections, the left sides of
//! joins that lose no row, both sides of a union.

use super::tree::{Columns, Rewriter};
use crate::query::{JoinKind, Node, NodeId, SetOperation, SortKey};

pub(super) const RULE: &str = "push down limits";

impl Rewriter<'_> {
    pub(super) fn push_limits(&mut self, root: NodeId) -> NodeId {
        // From the root down: what a limit passes may be the next one's input.
        let mut node = root;
        for _ in 0..LEVELS_MAX {
            let made = self.bottom_up(node, &mut |this, id| this.pushed_limit(id));
            if made == node {
                break;
            }
            node = made;
        }
        node
    }

    fn pushed_limit(&mut self, id: NodeId) -> NodeId {
        let Node::Limit { input, limit, offset } = self.query.node(id).clone() else { return id };
        let Some(limit) = limit else {
            return if offset == 0 { input } else { id };
        };
        if limit == 0 {
            self.record(RULE, id, "no row is wanted");
            return self.empty(id);
        }
        match self.query.node(input).clone() {
            Node::Project { input: below, columns } => {
                self.record(RULE, id, "before a projection");
                let below =
                    self.query.add_node(Node::Limit { input: below, limit: Some(limit), offset });
                self.query.add_node(Node::Project { input: below, columns })
            }
            Node::Limit { input: below, limit: inner, offset: skipped } => {
                let left = inner.map(|inner| inner.saturating_sub(offset));
                let limit = Some(left.map_or(limit, |left| left.min(limit)));
                let offset = skipped.saturating_add(offset);
                self.record(RULE, id, "two limits are one");
                self.query.add_node(Node::Limit { input: below, limit, offset })
            }
            _ => {
                let most = limit.saturating_add(offset);
                match self.at_most(input, most, None) {
                    Some(made) => self.with_inputs(id, &[made]),
                    None => id,
                }
            }
        }
    }

    /// The node with inputs of at most so many first rows; `None` if that changes the first rows,
    /// or nothing.
    fn at_most(&mut self, id: NodeId, most: u64, order: Option<&[SortKey]>) -> Option<NodeId> {
        match self.query.node(id).clone() {
            Node::Sort { input, keys } if order.is_none() => {
                let made = match self.query.node(input).clone() {
                    // Equal columns pass through a projection, others are computed after it.
                    Node::Project { input: below, columns } => {
                        let passed: Columns = self.passed_through(&columns);
                        keys.iter().all(|key| passed.contains(&key.column)).then_some(())?;
                        let below = self.first_rows(below, most, Some(&keys))?;
                        self.record(RULE, id, "a sort before a projection");
                        self.query.add_node(Node::Project { input: below, columns })
                    }
                    _ => self.at_most(input, most, Some(&keys))?,
                };
                Some(self.query.add_node(Node::Sort { input: made, keys }))
            }
            Node::Join {
                kind: JoinKind::Left | JoinKind::Mark(_) | JoinKind::Single,
                left,
                right,
                ..
            } => {
                let own = self.output_set(left);
                let fits = order.is_none_or(|keys| keys.iter().all(|it| own.contains(&it.column)));
                fits.then_some(())?;
                let left = self.first_rows(left, most, order)?;
                self.record(RULE, id, "before a join that keeps each left row");
                Some(self.with_inputs(id, &[left, right]))
            }
            Node::Set { operation: SetOperation::Union, all: true, left, right, columns } => {
                let order_of = |side: &[crate::query::ColumnId]| {
                    order.map(|keys| {
                        let turn = |key: &SortKey| {
                            let at = columns.iter().position(|it| *it == key.column);
                            SortKey { column: at.map_or(key.column, |at| side[at]), ..*key }
                        };
                        keys.iter().map(turn).collect::<Vec<_>>()
                    })
                };
                let (one, other) = (order_of(&left.1), order_of(&right.1));
                let one = self.first_rows(left.0, most, one.as_deref());
                let other = self.first_rows(right.0, most, other.as_deref());
                if one.is_none() && other.is_none() {
                    return None;
                }
                self.record(RULE, id, "before both sides of a union");
                let left = (one.unwrap_or(left.0), left.1);
                let right = (other.unwrap_or(right.0), right.1);
                let operation = SetOperation::Union;
                Some(self.query.add_node(Node::Set { operation, all: true, left, right, columns }))
            }
            _ => None,
        }
    }

    /// At most so many first rows of a node; `None` if it has no more anyway.
    fn first_rows(&mut self, id: NodeId, most: u64, order: Option<&[SortKey]>) -> Option<NodeId> {
        let mut below = id;
        loop {
            below = match self.query.node(below) {
                Node::Project { input, .. } | Node::Sort { input, .. } => *input,
                Node::Limit { limit: Some(known), .. } if *known <= most => return None,
                Node::Values { rows, .. } if rows.known_len().is_some_and(|len| len <= most) => {
                    return None;
                }
                _ => break,
            };
        }
        if self.properties(id).is_single() {
            return None;
        }
        let input = match order {
            Some(keys) => self.query.add_node(Node::Sort { input: id, keys: keys.to_vec() }),
            None => id,
        };
        Some(self.query.add_node(Node::Limit { input, limit: Some(most), offset: 0 }))
    }

    fn passed_through(
        &self,
        columns: &[(crate::query::ColumnId, crate::query::ScalarId)],
    ) -> Columns {
        let passed = columns.iter().filter(|(column, scalar)| {
            *self.query.scalar(*scalar) == crate::query::Scalar::Column(*column)
        });
        passed.map(|(column, _)| *column).collect()
    }
}

/// Levels of operators that a limit passes, at most.
const LEVELS_MAX: usize = 8;
