//! Predicate pushdown: each condition as far down as it means the same.
//!
//! A condition that may fail goes only where it is evaluated for the same rows.

use super::tree::{Columns, Rewriter, Substitution};
use crate::query::{JoinKind, Node, NodeId, ScalarId};

pub(super) const RULE: &str = "push down predicates";

impl Rewriter<'_> {
    pub(super) fn push_down(&mut self, root: NodeId) -> NodeId {
        self.sunk(root, Vec::new())
    }

    /// The tree below the conditions, with these as far down in it as they go.
    fn sunk(&mut self, id: NodeId, conditions: Vec<ScalarId>) -> NodeId {
        match self.query.node(id).clone() {
            Node::Filter { input, conditions: own } => {
                let mut all = own;
                all.extend(conditions);
                let made = self.sunk(input, all);
                // A filter from which nothing moved is as it was.
                if *self.query.node(made) == *self.query.node(id) { id } else { made }
            }
            Node::Project { input, columns } => {
                let by: Substitution = columns.iter().copied().collect();
                let below = self.substitute_all(&conditions, &by);
                self.passed(id, &conditions);
                let input = self.sunk(input, below);
                self.with_inputs(id, &[input])
            }
            Node::Sort { input, .. } => {
                self.passed(id, &conditions);
                let input = self.sunk(input, conditions);
                self.with_inputs(id, &[input])
            }
            Node::Join { kind, left, right, on } => {
                self.sunk_join(id, (kind, left, right, on), conditions)
            }
            Node::Aggregate { input, groups, .. } => {
                let groups: Columns = groups.into_iter().collect();
                let (below, above) = self.split(conditions, &groups);
                self.passed(id, &below);
                let input = self.sunk(input, below);
                let node = self.with_inputs(id, &[input]);
                self.filtered(node, above)
            }
            Node::Window { input, functions } => {
                let mut partitions = functions
                    .iter()
                    .map(|(_, it)| it.partition.iter().copied().collect::<Columns>());
                let first = partitions.next().unwrap_or_default();
                let common = partitions.fold(first, |common, it| &common & &it);
                let (below, above) = self.split(conditions, &common);
                self.passed(id, &below);
                let input = self.sunk(input, below);
                let node = self.with_inputs(id, &[input]);
                self.filtered(node, above)
            }
            Node::Set { .. } => self.sunk_set(id, conditions),
            Node::Limit { input, .. } => {
                let input = self.sunk(input, Vec::new());
                let node = self.with_inputs(id, &[input]);
                self.filtered(node, conditions)
            }
            Node::Scan { .. } | Node::Values { .. } => self.filtered(id, conditions),
        }
    }

    fn passed(&mut self, id: NodeId, conditions: &[ScalarId]) {
        for condition in conditions {
            // What is told again is left out in the end: its text is not even made.
            if self.passed.insert(*condition) {
                let text = self.query.scalar_text(*condition);
                self.record(RULE, id, text);
            }
        }
    }

    /// Conditions over these columns alone that cannot fail, and the others.
    pub(super) fn split(
        &self,
        conditions: Vec<ScalarId>,
        columns: &Columns,
    ) -> (Vec<ScalarId>, Vec<ScalarId>) {
        conditions.into_iter().partition(|condition| {
            let used = self.query.scalar_columns(*condition);
            !used.is_empty()
                && used.iter().all(|column| columns.contains(column))
                && !self.query.may_fail(*condition)
        })
    }

    fn sunk_join(
        &mut self,
        id: NodeId,
        (kind, left, right, on): (JoinKind, NodeId, NodeId, Vec<ScalarId>),
        conditions: Vec<ScalarId>,
    ) -> NodeId {
        let (left_columns, right_columns) = (self.output_set(left), self.output_set(right));
        let mut on = on;
        let mut above = conditions;
        if kind == JoinKind::Inner {
            let fails = |this: &Self, id: &ScalarId| this.query.may_fail(*id);
            let (kept, joined): (Vec<ScalarId>, Vec<ScalarId>) =
                above.into_iter().partition(|condition| fails(self, condition));
            above = kept;
            let new = joined.into_iter().filter(|condition| !on.contains(condition));
            let new: Vec<ScalarId> = new.collect();
            self.passed(id, &new);
            on.extend(new);
        }
        let (mut to_left, mut to_right) = (Vec::new(), Vec::new());
        match kind {
            JoinKind::Inner => {
                (to_left, on) = self.split(on, &left_columns);
                (to_right, on) = self.split(on, &right_columns);
            }
            JoinKind::Semi => {
                (to_left, above) = self.split(above, &left_columns);
                let from_on;
                (from_on, on) = self.split(on, &left_columns);
                to_left.extend(from_on);
                (to_right, on) = self.split(on, &right_columns);
            }
            JoinKind::Left | JoinKind::Anti | JoinKind::Single => {
                (to_left, above) = self.split(above, &left_columns);
                (to_right, on) = self.split(on, &right_columns);
            }
            JoinKind::Mark(_) => (to_left, above) = self.split(above, &left_columns),
            JoinKind::Full => {}
        }
        self.passed(id, &to_left);
        self.passed(id, &to_right);
        let (left, right) = (self.sunk(left, to_left), self.sunk(right, to_right));
        let made = Node::Join { kind, left, right, on };
        let node = if *self.query.node(id) == made { id } else { self.query.add_node(made) };
        self.filtered(node, above)
    }

    fn sunk_set(&mut self, id: NodeId, conditions: Vec<ScalarId>) -> NodeId {
        let Node::Set { operation, all, left, right, columns } = self.query.node(id).clone() else {
            return self.filtered(id, conditions);
        };
        let own: Columns = columns.iter().copied().collect();
        let (below, above) = self.split(conditions, &own);
        self.passed(id, &below);
        let mut sides = Vec::with_capacity(2);
        for (node, given) in [&left, &right] {
            let mut by = Substitution::default();
            for (column, held) in columns.iter().zip(given) {
                by.insert(*column, self.query.column_scalar(*held));
            }
            let below = self.substitute_all(&below, &by);
            sides.push((self.sunk(*node, below), given.clone()));
        }
        let (Some(right), Some(left)) = (sides.pop(), sides.pop()) else { return id };
        let made = Node::Set { operation, all, left, right, columns };
        let node = if *self.query.node(id) == made { id } else { self.query.add_node(made) };
        self.filtered(node, above)
    }
}
