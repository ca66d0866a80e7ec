//! Long chains of inner joins as trees of little depth.
//!
//! The order of inner joins is chosen later anyway. Until then, a tree whose depth is the logarithm
//! of its joins keeps the rules from taking time in the square of them, and from deep recursion.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use super::tree::Rewriter;
use crate::query::{ColumnId, JoinKind, Node, NodeId, ScalarId};

pub(super) const RULE: &str = "balance joins";

/// Relations of a chain that stays as it is.
pub(super) const CHAIN_MAX: usize = 32;

/// Where the columns of a chain's relations come from: the relation, by position.
type Places = HashMap<ColumnId, usize, FixedState>;

impl Rewriter<'_> {
    pub(super) fn balance(&mut self, root: NodeId) -> NodeId {
        let order = self.query.post_order(root);
        let mut within: HashSet<NodeId, FixedState> = HashSet::default();
        for id in &order {
            if self.is_inner(*id) {
                let inputs = self.query.node(*id).inputs();
                within.extend(inputs.into_iter().filter(|input| self.is_inner(*input)));
            }
        }
        let mut made: HashMap<NodeId, NodeId, FixedState> = HashMap::default();
        for id in order {
            let inputs = self.query.node(id).inputs();
            let inputs: Vec<NodeId> =
                inputs.iter().map(|input| made.get(input).copied().unwrap_or(*input)).collect();
            let mut node = self.with_inputs(id, &inputs);
            if self.is_inner(node) && !within.contains(&id) {
                node = self.balanced(node).unwrap_or(node);
            }
            made.insert(id, node);
        }
        made.get(&root).copied().unwrap_or(root)
    }

    fn is_inner(&self, id: NodeId) -> bool {
        matches!(self.query.node(id), Node::Join { kind: JoinKind::Inner, .. })
    }

    fn balanced(&mut self, id: NodeId) -> Option<NodeId> {
        let (mut relations, mut conditions) = (Vec::new(), Vec::new());
        let mut stack = vec![id];
        while let Some(next) = stack.pop() {
            match self.query.node(next) {
                Node::Join { kind: JoinKind::Inner, left, right, on } => {
                    stack.extend([*right, *left]);
                    conditions.extend(on.iter().copied());
                }
                _ => relations.push(next),
            }
        }
        (relations.len() > self.chain_max).then_some(())?;
        let mut places = Places::default();
        for (place, relation) in relations.iter().enumerate() {
            places.extend(self.query.output(*relation).into_iter().map(|column| (column, place)));
        }
        let dependent = relations.iter().any(|relation| {
            self.query.free_columns(*relation).iter().any(|column| places.contains_key(column))
        });
        (!dependent).then_some(())?;
        let mut spans: Vec<(usize, usize, ScalarId)> = Vec::with_capacity(conditions.len());
        for condition in conditions {
            let columns = self.query.scalar_columns(condition);
            let mut at = columns.iter().filter_map(|column| places.get(column).copied());
            let first = at.next().unwrap_or(0);
            let (low, high) =
                at.fold((first, first), |(low, high), at| (low.min(at), high.max(at)));
            spans.push((low, high, condition));
        }
        self.record(RULE, id, format!("{} relations", relations.len()));
        Some(self.over(&relations, 0, spans))
    }

    /// The joins of a range of relations that starts at `first`, with the conditions in it.
    fn over(
        &mut self,
        relations: &[NodeId],
        first: usize,
        spans: Vec<(usize, usize, ScalarId)>,
    ) -> NodeId {
        if let [one] = relations {
            let conditions = spans.into_iter().map(|(_, _, condition)| condition).collect();
            return self.filtered(*one, conditions);
        }
        let half = relations.len() / 2;
        let middle = first + half;
        let (below, rest): (Vec<_>, Vec<_>) =
            spans.into_iter().partition(|(_, high, _)| *high < middle);
        let (above, across): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|(low, _, _)| *low >= middle);
        let left = self.over(&relations[..half], first, below);
        let right = self.over(&relations[half..], middle, above);
        let on = across.into_iter().map(|(_, _, condition)| condition).collect();
        self.query.add_node(Node::Join { kind: JoinKind::Inner, left, right, on })
    }
}
