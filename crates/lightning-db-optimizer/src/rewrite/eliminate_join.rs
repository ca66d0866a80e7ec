//! Join elimination: a join that neither adds nor loses rows, and whose other side nothing uses.

use lightning_db_expression::Comparison;

use super::tree::{Columns, Rewriter};
use crate::query::{ColumnId, ColumnSet, JoinKind, Node, NodeId, Origin, Scalar, ScalarId};

pub(super) const RULE: &str = "eliminate joins";

impl Rewriter<'_> {
    /// The node without the join that it is, if only these columns of it are wanted.
    pub(super) fn without_join(&mut self, id: NodeId, wanted: &Columns) -> NodeId {
        let mut id = id;
        while let Some(made) = self.eliminated(id, wanted) {
            id = made;
        }
        id
    }

    fn eliminated(&mut self, id: NodeId, wanted: &Columns) -> Option<NodeId> {
        let Node::Join { kind, left, right, on } = self.query.node(id).clone() else { return None };
        match kind {
            JoinKind::Mark(mark) if !wanted.contains(&mark) => {
                self.record(RULE, left, "a mark is not used");
                Some(left)
            }
            JoinKind::Left | JoinKind::Single if self.matches_once(left, right, &on) => {
                if self.unused(right, wanted) {
                    self.record(RULE, left, "each row has at most one match, which is not used");
                    return Some(left);
                }
                (kind == JoinKind::Single).then_some(())?;
                let node = Node::Join { kind: JoinKind::Left, left, right, on };
                let node = self.query.add_node(node);
                self.record(RULE, node, "each row has at most one match: a left join");
                Some(node)
            }
            JoinKind::Inner => self
                .by_reference(left, right, &on, wanted)
                .or_else(|| self.by_reference(right, left, &on, wanted)),
            JoinKind::Semi => self
                .by_reference(left, right, &on, wanted)
                .or_else(|| self.as_pairs(left, right, on)),
            _ => None,
        }
    }

    /// A semi join whose left rows have at most one match as an inner join, which may begin at
    /// either side. Nothing asks for the columns that it gives besides.
    fn as_pairs(&mut self, left: NodeId, right: NodeId, on: Vec<ScalarId>) -> Option<NodeId> {
        self.matches_once(left, right, &on).then_some(())?;
        let node = Node::Join { kind: JoinKind::Inner, left, right, on };
        let node = self.query.add_node(node);
        self.record(RULE, node, "each row has at most one match: an inner join");
        Some(node)
    }

    fn unused(&self, node: NodeId, wanted: &Columns) -> bool {
        !self.query.output(node).iter().any(|column| wanted.contains(column))
    }

    /// Whether each left row has at most one match.
    fn matches_once(&mut self, left: NodeId, right: NodeId, on: &[ScalarId]) -> bool {
        let columns: ColumnSet = self.query.output(left).into_iter().collect();
        let own = self.output_set(right);
        let found = self.properties(right);
        let mut fixed = ColumnSet::new();
        for condition in on {
            let Scalar::Compare(Comparison::Equal, one, other) = self.query.scalar(*condition)
            else {
                continue;
            };
            for (one, other) in [(one, other), (other, one)] {
                let Scalar::Column(column) = self.query.scalar(*one) else { continue };
                let given = self.query.scalar_columns(*other);
                let same_type = self.query.value_type(*one) == self.query.value_type(*other);
                let from_left = given.iter().all(|column| columns.contains(column));
                if own.contains(column) && same_type && from_left {
                    fixed.insert(*column);
                }
            }
        }
        found.is_key(&fixed)
    }

    /// A side whose every row refers to one row of the other, a whole table: it is the join, and
    /// its columns stand for those they refer to.
    fn by_reference(
        &mut self,
        side: NodeId,
        table: NodeId,
        on: &[ScalarId],
        wanted: &Columns,
    ) -> Option<NodeId> {
        let Node::Scan { table: target, columns, .. } = self.query.node(table).clone() else {
            return None;
        };
        let own = self.output_set(side);
        let mut pairs: Vec<(ColumnId, usize)> = Vec::new();
        for condition in on {
            let Scalar::Compare(Comparison::Equal, one, other) = self.query.scalar(*condition)
            else {
                return None;
            };
            let (Scalar::Column(one), Scalar::Column(other)) =
                (self.query.scalar(*one), self.query.scalar(*other))
            else {
                return None;
            };
            let (from, to) = if own.contains(one) { (one, other) } else { (other, one) };
            let position = columns.iter().position(|column| column == to)?;
            let types = [from, to].map(|column| self.query.column(*column).value_type);
            if !own.contains(from) || types[0] != types[1] {
                return None;
            }
            pairs.push((*from, position));
        }
        self.refers(&pairs, target).then_some(())?;
        let unused = columns.iter().enumerate().all(|(position, column)| {
            !wanted.contains(column) || pairs.iter().any(|(_, it)| *it == position)
        });
        unused.then_some(())?;
        let mut conditions = Vec::new();
        let nullable = self.properties(side);
        let mut made = Vec::new();
        for column in self.query.output(side) {
            made.push((column, self.query.column_scalar(column)));
        }
        for (from, position) in &pairs {
            let value = self.query.column_scalar(*from);
            if nullable.nullable.contains(from) {
                let null = self.query.add_scalar(Scalar::IsNull(value));
                conditions.push(self.query.add_scalar(Scalar::Not(null)));
            }
            if wanted.contains(&columns[*position]) {
                made.push((columns[*position], value));
            }
        }
        let node = self.filtered(side, conditions);
        let node = if made.len() > own.len() {
            self.query.add_node(Node::Project { input: node, columns: made })
        } else {
            node
        };
        let name = self.catalog.definition(target).name.clone();
        self.record(RULE, node, format!("each row refers to one of {name}"));
        Some(node)
    }

    /// Whether the columns are a reference to the positions of the table, no more and no fewer.
    fn refers(&self, pairs: &[(ColumnId, usize)], target: crate::catalog::TableId) -> bool {
        let mut origins = Vec::with_capacity(pairs.len());
        for (column, position) in pairs {
            let Origin::Table(table, at) = self.query.column(*column).origin else { return false };
            origins.push((table, at, *position));
        }
        let Some((table, ..)) = origins.first().copied() else { return false };
        if origins.iter().any(|(other, ..)| *other != table) || !self.of_one_scan(pairs) {
            return false;
        }
        let definition = self.catalog.definition(table);
        definition.foreign_keys.iter().any(|key| {
            let parts = || key.columns.iter().zip(&key.referenced);
            let holds = |at: &usize, to: &usize| {
                origins.iter().any(|(_, own, other)| own == at && other == to)
            };
            key.references == target
                && key.columns.len() == origins.len()
                && parts().all(|(at, to)| holds(at, to))
        })
    }

    /// Whether the columns are of one scan, and so of one row of its table: columns that several
    /// scans of one table give need not belong together.
    fn of_one_scan(&self, pairs: &[(ColumnId, usize)]) -> bool {
        let relation = |column: ColumnId| &self.query.column(column).relation;
        let positions = pairs.iter().map(|(column, _)| {
            let Origin::Table(_, at) = self.query.column(*column).origin else { return None };
            column.index().checked_sub(at)
        });
        let positions: Option<Vec<usize>> = positions.collect();
        let same_start = positions.is_some_and(|all| all.windows(2).all(|pair| pair[0] == pair[1]));
        same_start && pairs.windows(2).all(|pair| relation(pair[0].0) == relation(pair[1].0))
    }
}
