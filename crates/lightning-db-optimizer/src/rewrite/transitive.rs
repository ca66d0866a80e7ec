//! Predicates through equivalence classes: what holds for a column holds for those that equal it.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::FixedState;
use lightning_db_expression::Comparison;

use super::tree::{Columns, Rewriter, Substitution};
use crate::query::{ColumnId, JoinKind, Node, NodeId, Scalar, ScalarId};

pub(super) const RULE: &str = "infer predicates";

/// Columns in a class, and conditions on one column each that hold for all rows.
#[derive(Debug, Clone, Default)]
struct Facts {
    classes: Vec<BTreeSet<ColumnId>>,
    conditions: Vec<(ColumnId, ScalarId)>,
}

impl Facts {
    fn equal(&mut self, one: ColumnId, other: ColumnId) {
        let (mut joined, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.classes)
            .into_iter()
            .partition(|class| class.contains(&one) || class.contains(&other));
        let mut class: BTreeSet<ColumnId> = joined.drain(..).flatten().collect();
        class.extend([one, other]);
        self.classes = rest;
        self.classes.push(class);
    }

    fn and(mut self, other: &Self) -> Self {
        for class in &other.classes {
            let mut members = class.iter();
            if let Some(first) = members.next() {
                members.for_each(|member| self.equal(*first, *member));
            }
        }
        self.conditions.extend(&other.conditions);
        self
    }

    fn only(mut self, columns: &Columns) -> Self {
        for class in &mut self.classes {
            class.retain(|column| columns.contains(column));
        }
        self.classes.retain(|class| class.len() > 1);
        self.conditions.retain(|(column, _)| columns.contains(column));
        self
    }
}

impl Rewriter<'_> {
    pub(super) fn infer(&mut self, root: NodeId) -> NodeId {
        let mut known: HashMap<NodeId, Facts, FixedState> = HashMap::default();
        self.bottom_up(root, &mut |this, id| {
            let made = this.inferred(id, &known);
            let facts = this.facts(made, &known);
            known.insert(made, facts);
            made
        })
    }

    fn learn(&self, facts: &mut Facts, conditions: &[ScalarId]) {
        for condition in conditions {
            if let Some((one, other)) = self.equality(*condition) {
                facts.equal(one, other);
                continue;
            }
            let columns = self.query.scalar_columns(*condition);
            if let [column] = columns.as_slice()
                && !self.query.may_fail(*condition)
                && self.query.subqueries(*condition).is_empty()
                && !self.is_null_test(*condition)
            {
                facts.conditions.push((*column, *condition));
            }
        }
    }

    fn is_null_test(&self, condition: ScalarId) -> bool {
        match self.query.scalar(condition) {
            Scalar::IsNull(_) => true,
            Scalar::Not(one) => matches!(self.query.scalar(*one), Scalar::IsNull(_)),
            _ => false,
        }
    }

    /// Two columns of one type that a condition says are equal.
    fn equality(&self, condition: ScalarId) -> Option<(ColumnId, ColumnId)> {
        let Scalar::Compare(Comparison::Equal, one, other) = self.query.scalar(condition) else {
            return None;
        };
        match (self.query.scalar(*one), self.query.scalar(*other)) {
            (Scalar::Column(one), Scalar::Column(other))
                if self.query.column(*one).value_type == self.query.column(*other).value_type =>
            {
                Some((*one, *other))
            }
            _ => None,
        }
    }

    /// What holds for all rows of a node, from what holds for those of its inputs.
    fn facts(&self, id: NodeId, known: &HashMap<NodeId, Facts, FixedState>) -> Facts {
        let of = |id: &NodeId| known.get(id).cloned().unwrap_or_default();
        match self.query.node(id) {
            Node::Filter { input, conditions } => {
                // A filter that was put on an input has no entry of its own.
                let mut facts = match known.get(input) {
                    Some(facts) => facts.clone(),
                    None => self.facts(*input, known),
                };
                self.learn(&mut facts, conditions);
                facts
            }
            Node::Project { input, columns } => {
                let passed = columns.iter().filter(|(column, scalar)| {
                    *self.query.scalar(*scalar) == Scalar::Column(*column)
                });
                of(input).only(&passed.map(|(column, _)| *column).collect())
            }
            Node::Sort { input, .. } | Node::Limit { input, .. } | Node::Window { input, .. } => {
                of(input)
            }
            Node::Aggregate { input, groups, .. } => {
                of(input).only(&groups.iter().copied().collect())
            }
            Node::Join { kind, left, right, on } => match kind {
                JoinKind::Inner => {
                    let mut facts = self.facts_of(*left, known).and(&self.facts_of(*right, known));
                    self.learn(&mut facts, on);
                    facts
                }
                JoinKind::Full => Facts::default(),
                _ => self.facts_of(*left, known),
            },
            Node::Scan { .. } | Node::Values { .. } | Node::Set { .. } => Facts::default(),
        }
    }

    fn facts_of(&self, id: NodeId, known: &HashMap<NodeId, Facts, FixedState>) -> Facts {
        known.get(&id).cloned().unwrap_or_else(|| self.facts(id, known))
    }

    /// A join with new conditions on its inputs.
    fn inferred(&mut self, id: NodeId, known: &HashMap<NodeId, Facts, FixedState>) -> NodeId {
        let Node::Join { kind, left, right, on } = self.query.node(id) else { return id };
        let (kind, left, right, on) = (*kind, *left, *right, on.clone());
        let (to_left, to_right) = match kind {
            JoinKind::Inner | JoinKind::Semi => (true, true),
            JoinKind::Left | JoinKind::Anti | JoinKind::Single => (false, true),
            JoinKind::Full | JoinKind::Mark(_) => return id,
        };
        let (of_left, of_right) = (self.facts_of(left, known), self.facts_of(right, known));
        let mut all = of_left.clone().and(&of_right);
        self.learn(&mut all, &on);
        let mut inputs = [left, right];
        let sides = [(0, to_left, &of_left), (1, to_right, &of_right)];
        for (side, wanted, own) in sides {
            if !wanted {
                continue;
            }
            let columns = self.output_set(inputs[side]);
            let new = self.new_conditions(&all, own, &columns);
            for condition in &new {
                let text = self.query.scalar_text(*condition);
                self.record(RULE, id, text);
            }
            inputs[side] = self.filtered(inputs[side], new);
        }
        self.with_inputs(id, &inputs)
    }

    /// Conditions on columns of one side that follow, and are not known there.
    fn new_conditions(&mut self, all: &Facts, own: &Facts, columns: &Columns) -> Vec<ScalarId> {
        let mut new: Vec<ScalarId> = Vec::new();
        for (column, condition) in &all.conditions {
            let Some(class) = all.classes.iter().find(|class| class.contains(column)) else {
                continue;
            };
            let others = class.iter().filter(|it| columns.contains(it) && *it != column);
            for other in others {
                let value = self.query.column_scalar(*other);
                let by = Substitution::from_iter([(*column, value)]);
                let condition = self.substitute(*condition, &by);
                let known = own.conditions.iter().any(|(_, known)| *known == condition);
                if !known && !new.contains(&condition) {
                    new.push(condition);
                }
            }
        }
        new
    }
}
