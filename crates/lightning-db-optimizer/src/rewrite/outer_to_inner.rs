//! Outer joins whose added nulls something above rejects: as inner joins, or left instead of full.

use super::tree::{Columns, Rewriter};
use crate::query::{JoinKind, Node, NodeId, ScalarId};

pub(super) const RULE: &str = "outer join to inner";

impl Rewriter<'_> {
    pub(super) fn outer_to_inner(&mut self, root: NodeId) -> NodeId {
        let adds_nulls = |id: &NodeId| {
            let node = self.query.node(*id);
            matches!(node, Node::Join { kind: JoinKind::Left | JoinKind::Full, .. })
        };
        if !self.query.post_order(root).iter().any(adds_nulls) {
            return root;
        }
        self.reduced(root, &Columns::default())
    }

    fn rejected(&self, conditions: &[ScalarId]) -> Columns {
        conditions.iter().flat_map(|condition| self.query.rejected_columns(*condition)).collect()
    }

    /// The tree, given that rows in which one of these columns is null do not matter.
    fn reduced(&mut self, id: NodeId, rejected: &Columns) -> NodeId {
        let node = self.query.node(id).clone();
        match &node {
            Node::Join { kind, left, right, on } => {
                return self.reduced_join(id, *kind, *left, *right, on, rejected);
            }
            Node::Filter { input, conditions } => {
                let mut below = self.rejected(conditions);
                below.extend(rejected);
                let input = self.reduced(*input, &below);
                return self.with_inputs(id, &[input]);
            }
            Node::Project { input, columns } => {
                let held = columns.iter().filter(|(column, _)| rejected.contains(column));
                let below = held.flat_map(|(_, scalar)| self.query.strict_columns(*scalar));
                let below = below.collect();
                let input = self.reduced(*input, &below);
                return self.with_inputs(id, &[input]);
            }
            _ => {}
        }
        let inputs = node.inputs();
        let made: Vec<NodeId> = inputs
            .iter()
            .enumerate()
            .map(|(side, input)| {
                let below = match &node {
                    Node::Aggregate { groups, .. } => {
                        groups.iter().copied().filter(|it| rejected.contains(it)).collect()
                    }
                    Node::Sort { .. } => rejected.clone(),
                    Node::Set { left, right, columns, .. } => {
                        let side = if side == 0 { &left.1 } else { &right.1 };
                        let pairs = columns.iter().zip(side);
                        pairs.filter(|(it, _)| rejected.contains(it)).map(|(_, it)| *it).collect()
                    }
                    // Which rows a limit or a window sees must stay.
                    _ => Columns::default(),
                };
                self.reduced(*input, &below)
            })
            .collect();
        self.with_inputs(id, &made)
    }

    fn reduced_join(
        &mut self,
        id: NodeId,
        kind: JoinKind,
        left: NodeId,
        right: NodeId,
        on: &[ScalarId],
        rejected: &Columns,
    ) -> NodeId {
        let (left_columns, right_columns) = (self.output_set(left), self.output_set(right));
        let left_needed = left_columns.iter().any(|column| rejected.contains(column));
        let right_needed = right_columns.iter().any(|column| rejected.contains(column));
        let (kind, turned) = match kind {
            JoinKind::Left if right_needed => (JoinKind::Inner, false),
            JoinKind::Full => match (left_needed, right_needed) {
                (true, true) => (JoinKind::Inner, false),
                (true, false) => (JoinKind::Left, false),
                (false, true) => (JoinKind::Left, true),
                (false, false) => (JoinKind::Full, false),
            },
            other => (other, false),
        };
        let output = self.query.output(id);
        let (left, right) = if turned { (right, left) } else { (left, right) };
        let (left_columns, right_columns) =
            if turned { (right_columns, left_columns) } else { (left_columns, right_columns) };
        let by_on = self.rejected(on);
        let matched = |columns: &Columns| -> Columns { columns & &by_on };
        let (from_left, from_right) = (&left_columns & rejected, &right_columns & rejected);
        let (left_below, right_below): (Columns, Columns) = match kind {
            JoinKind::Inner => {
                (&from_left | &matched(&left_columns), &from_right | &matched(&right_columns))
            }
            JoinKind::Semi => (&from_left | &matched(&left_columns), matched(&right_columns)),
            JoinKind::Left | JoinKind::Anti | JoinKind::Single => {
                (from_left, matched(&right_columns))
            }
            JoinKind::Mark(_) => (from_left, Columns::default()),
            JoinKind::Full => (Columns::default(), Columns::default()),
        };
        let made = (self.reduced(left, &left_below), self.reduced(right, &right_below));
        let Node::Join { kind: before, .. } = self.query.node(id).clone() else { return id };
        if kind == before {
            return self.with_inputs(id, &[made.0, made.1]);
        }
        let (left, right, on) = (made.0, made.1, on.to_vec());
        let node = self.query.add_node(Node::Join { kind, left, right, on });
        self.record(RULE, node, format!("{before} is {kind}"));
        self.exactly(node, &output)
    }
}
