//! Pushing the values of outer columns down to where they are used.

use lightning_db_expression::{Comparison, Function};

use super::super::tree::{Columns, Rewriter, Substitution};
use super::dependent::{Bound, BoundColumn};
use crate::query::{
    ColumnId, JoinKind, Node, NodeId, Scalar, ScalarId, SetOperation, WindowFunction,
};

/// A tree that uses no outer columns, and the columns of it that hold their values.
type Pushed = Option<(NodeId, Bound)>;

impl Rewriter<'_> {
    /// The tree, for all values that the outer columns have in the rows of `left`, or more; `None`
    /// if it has a limit of its own for each of them.
    pub(super) fn push(&mut self, left: NodeId, id: NodeId, outer: &[ColumnId]) -> Pushed {
        let free = self.query.free_columns(id);
        if !outer.iter().any(|column| free.contains(column)) {
            return Some(self.beside_domain(left, id, outer));
        }
        match self.query.node(id).clone() {
            Node::Scan { .. } | Node::Values { .. } | Node::Limit { .. } => None,
            Node::Filter { input, conditions } => self.push_filter(left, input, &conditions, outer),
            Node::Project { input, mut columns } => {
                let (input, bound) = self.push(left, input, outer)?;
                let by = self.by_bound(&bound);
                for (_, scalar) in &mut columns {
                    *scalar = self.substitute(*scalar, &by);
                }
                for column in held(&bound, outer) {
                    if !columns.iter().any(|(known, _)| *known == column) {
                        columns.push((column, self.query.column_scalar(column)));
                    }
                }
                Some((self.query.add_node(Node::Project { input, columns }), bound))
            }
            Node::Join { kind, left: one, right: other, on } => {
                self.push_join(left, kind, one, other, on, outer)
            }
            Node::Aggregate { groups, .. } if groups.is_empty() => {
                // A row for each value, also of those that have no rows below.
                let (domain, bound) = self.domain(left, outer);
                let by = self.by_bound(&bound);
                let inner = self.substitute_below(id, &by);
                let node = self.over_scalar_aggregate(JoinKind::Inner, domain, inner, &[])?;
                Some((node, bound))
            }
            Node::Aggregate { input, mut groups, mut aggregates } => {
                let (input, bound) = self.push(left, input, outer)?;
                let by = self.by_bound(&bound);
                for (_, aggregate) in &mut aggregates {
                    let parts = aggregate.argument.iter_mut().chain(&mut aggregate.filter);
                    for part in parts {
                        *part = self.substitute(*part, &by);
                    }
                }
                for column in held(&bound, outer) {
                    if !groups.contains(&column) {
                        groups.push(column);
                    }
                }
                Some((self.query.add_node(Node::Aggregate { input, groups, aggregates }), bound))
            }
            Node::Set { operation, all, left: one, right: other, columns } => {
                self.push_set(left, operation, all, [one, other], columns, outer)
            }
            Node::Sort { input, .. } => self.push(left, input, outer),
            Node::Window { input, mut functions } => {
                let (input, bound) = self.push(left, input, outer)?;
                let by = self.by_bound(&bound);
                let held = held(&bound, outer);
                for (_, WindowFunction { arguments, partition, .. }) in &mut functions {
                    *arguments = self.substitute_all(arguments, &by);
                    let new = held.iter().filter(|column| !partition.contains(column)).copied();
                    let new: Vec<ColumnId> = new.collect();
                    partition.extend(new);
                }
                Some((self.query.add_node(Node::Window { input, functions }), bound))
            }
        }
    }

    pub(super) fn by_bound(&mut self, bound: &Bound) -> Substitution {
        bound
            .iter()
            .map(|(outer, bound)| (*outer, self.query.column_scalar(bound.column)))
            .collect()
    }

    /// The distinct values of the outer columns: of all rows of the smallest part of `left` that
    /// has them, which may be more than there are.
    fn domain(&mut self, left: NodeId, outer: &[ColumnId]) -> (NodeId, Bound) {
        let mut source = left;
        loop {
            source = match self.query.node(source) {
                Node::Sort { input, .. } | Node::Window { input, .. }
                    if self.gives(*input, outer) =>
                {
                    *input
                }
                Node::Join { kind, left, right, .. } => {
                    if *kind != JoinKind::Full && self.gives(*left, outer) {
                        *left
                    } else if *kind == JoinKind::Inner
                        && self.gives(*right, outer)
                        && self.bound_by(*left, *right).is_empty()
                    {
                        *right
                    } else {
                        break;
                    }
                }
                _ => break,
            };
        }
        let (input, columns) = self.copy(source);
        let groups: Vec<ColumnId> =
            outer.iter().map(|column| columns.get(column).copied().unwrap_or(*column)).collect();
        let mut bound = Bound::default();
        for (outer, column) in outer.iter().zip(&groups) {
            let nullable = self.may_be_null_in(source, *outer);
            bound.insert(*outer, BoundColumn { column: *column, nullable });
        }
        let aggregates = Vec::new();
        (self.query.add_node(Node::Aggregate { input, groups, aggregates }), bound)
    }

    fn gives(&self, node: NodeId, columns: &[ColumnId]) -> bool {
        let output = self.output_set(node);
        columns.iter().all(|column| output.contains(column))
    }

    fn beside_domain(&mut self, left: NodeId, id: NodeId, outer: &[ColumnId]) -> (NodeId, Bound) {
        let (domain, bound) = self.domain(left, outer);
        let (kind, on) = (JoinKind::Inner, Vec::new());
        let node = self.query.add_node(Node::Join { kind, left: domain, right: id, on });
        (node, bound)
    }

    /// A filter: an outer column that equals something of the rows below has its value there, and
    /// no domain is needed for it.
    fn push_filter(
        &mut self,
        left: NodeId,
        input: NodeId,
        conditions: &[ScalarId],
        outer: &[ColumnId],
    ) -> Pushed {
        let below = self.query.free_columns(input);
        let given = self.output_set(input);
        let mut conditions = conditions.to_vec();
        let mut computed: Vec<(ColumnId, ScalarId)> = Vec::new();
        let mut found = Bound::default();
        for column in outer.iter().filter(|column| !below.contains(column)) {
            let equal = conditions.iter().enumerate().find_map(|(at, condition)| {
                Some((at, self.equal_to(*condition, *column, &given)?))
            });
            let Some((at, scalar)) = equal else { continue };
            let null = self.query.add_scalar(Scalar::IsNull(scalar));
            conditions[at] = self.query.add_scalar(Scalar::Not(null));
            let holds = if let Scalar::Column(column) = self.query.scalar(scalar) {
                *column
            } else {
                let made = self.column_for(scalar, *column);
                computed.push((made, scalar));
                made
            };
            found.insert(*column, BoundColumn { column: holds, nullable: false });
        }
        let rest: Vec<ColumnId> =
            outer.iter().copied().filter(|column| !found.contains_key(column)).collect();
        let (mut node, mut bound) = if rest.is_empty() {
            (input, Bound::default())
        } else {
            self.push(left, input, &rest)?
        };
        if !computed.is_empty() {
            let mut columns = Vec::new();
            for column in self.query.output(node) {
                columns.push((column, self.query.column_scalar(column)));
            }
            columns.extend(computed);
            node = self.query.add_node(Node::Project { input: node, columns });
        }
        bound.extend(found);
        let by = self.by_bound(&bound);
        let conditions = self.substitute_all(&conditions, &by);
        Some((self.filtered(node, conditions), bound))
    }

    /// What of the given columns a condition says the outer column equals.
    fn equal_to(&self, condition: ScalarId, outer: ColumnId, given: &Columns) -> Option<ScalarId> {
        let Scalar::Compare(Comparison::Equal, one, other) = self.query.scalar(condition) else {
            return None;
        };
        let is_outer = |id: ScalarId| *self.query.scalar(id) == Scalar::Column(outer);
        let inner = match (is_outer(*one), is_outer(*other)) {
            (true, false) => *other,
            (false, true) => *one,
            _ => return None,
        };
        let columns = self.query.scalar_columns(inner);
        let same_type = self.query.value_type(inner) == self.query.column(outer).value_type;
        let all_given = !columns.is_empty() && columns.iter().all(|it| given.contains(it));
        (same_type && all_given && !self.query.may_fail(inner)).then_some(inner)
    }

    fn push_join(
        &mut self,
        left: NodeId,
        kind: JoinKind,
        one: NodeId,
        other: NodeId,
        on: Vec<ScalarId>,
        outer: &[ColumnId],
    ) -> Pushed {
        if !self.bound_by(one, other).is_empty() {
            return None;
        }
        let uses = |this: &Self, node: NodeId| {
            this.query.free_columns(node).iter().any(|column| outer.contains(column))
        };
        let on_uses = on.iter().any(|condition| {
            self.query.scalar_columns(*condition).iter().any(|column| outer.contains(column))
        });
        if kind == JoinKind::Full {
            return self.push_full(left, one, other, &on, outer);
        }
        if kind == JoinKind::Inner {
            if on_uses {
                let on_nothing = Node::Join { kind, left: one, right: other, on: Vec::new() };
                let input = self.query.add_node(on_nothing);
                return self.push_filter(left, input, &on, outer);
            }
            if !uses(self, one) {
                let (right, bound) = self.push(left, other, outer)?;
                let node = Node::Join { kind, left: one, right, on };
                return Some((self.query.add_node(node), bound));
            }
        }
        let (pushed, bound) = self.push(left, one, outer)?;
        let by = self.by_bound(&bound);
        let on = self.substitute_all(&on, &by);
        let right = if uses(self, other) { self.substitute_below(other, &by) } else { other };
        let columns = self.query.output(pushed);
        let node = self.joined(kind, pushed, right, on);
        if self.query.free_columns(node).iter().any(|free| columns.contains(free)) {
            return None;
        }
        Some((node, bound))
    }

    /// Both sides have the values, and a row that has no match has those of its own side.
    fn push_full(
        &mut self,
        left: NodeId,
        one: NodeId,
        other: NodeId,
        on: &[ScalarId],
        outer: &[ColumnId],
    ) -> Pushed {
        let output: Vec<ColumnId> =
            self.query.output(one).into_iter().chain(self.query.output(other)).collect();
        let (one, first) = self.push_beside(left, one, outer)?;
        let (other, second) = self.push_beside(left, other, outer)?;
        let by = self.by_bound(&first);
        let mut on = self.substitute_all(on, &by);
        let mut columns = Vec::new();
        for column in output {
            columns.push((column, self.query.column_scalar(column)));
        }
        let mut bound = Bound::default();
        for column in outer {
            let (here, there) = (first[column], second[column]);
            on.extend(self.same_value(JoinKind::Full, one, here.column, there));
            let both = [here.column, there.column].map(|it| self.query.column_scalar(it));
            let value = self.query.add_scalar(Scalar::Call(Function::Coalesce, both.to_vec()));
            let made = self.column_for(value, *column);
            columns.push((made, value));
            bound.insert(*column, BoundColumn { column: made, nullable: here.nullable });
        }
        let node = Node::Join { kind: JoinKind::Full, left: one, right: other, on };
        let input = self.query.add_node(node);
        Some((self.query.add_node(Node::Project { input, columns }), bound))
    }

    /// As `push`, where each value must be there: columns that hold it are those of a domain.
    fn push_beside(&mut self, left: NodeId, id: NodeId, outer: &[ColumnId]) -> Pushed {
        let (node, bound) = self.push(left, id, outer)?;
        // A column that is bound to one of the tree's own is given once more, under its own name.
        let mut columns = Vec::new();
        for column in self.query.output(node) {
            columns.push((column, self.query.column_scalar(column)));
        }
        let mut named = Bound::default();
        for column in outer {
            let value = self.query.column_scalar(bound[column].column);
            let made = self.column_for(value, *column);
            columns.push((made, value));
            let nullable = bound[column].nullable;
            named.insert(*column, BoundColumn { column: made, nullable });
        }
        Some((self.query.add_node(Node::Project { input: node, columns }), named))
    }

    fn push_set(
        &mut self,
        left: NodeId,
        operation: SetOperation,
        all: bool,
        sides: [(NodeId, Vec<ColumnId>); 2],
        mut columns: Vec<ColumnId>,
        outer: &[ColumnId],
    ) -> Pushed {
        let [(one, mut one_columns), (other, mut other_columns)] = sides;
        let (one, first) = self.push(left, one, outer)?;
        let (other, second) = self.push(left, other, outer)?;
        let mut bound = Bound::default();
        for column in outer {
            one_columns.push(first[column].column);
            other_columns.push(second[column].column);
            let made = self.column_like(*column);
            columns.push(made);
            let nullable = first[column].nullable || second[column].nullable;
            bound.insert(*column, BoundColumn { column: made, nullable });
        }
        let (left, right) = ((one, one_columns), (other, other_columns));
        let node = Node::Set { operation, all, left, right, columns };
        Some((self.query.add_node(node), bound))
    }
}

/// Columns that hold the values of the outer ones, each once.
fn held(bound: &Bound, outer: &[ColumnId]) -> Vec<ColumnId> {
    let mut held = Vec::with_capacity(outer.len());
    for column in outer {
        let column = bound[column].column;
        if !held.contains(&column) {
            held.push(column);
        }
    }
    held
}
