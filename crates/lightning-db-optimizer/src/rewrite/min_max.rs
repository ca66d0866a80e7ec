//! The smallest or largest value of a column that an index has in order: its first or last entry.
//!
//! The aggregate then has one row below it, the first in the order of the column. Which index gives
//! the order, and whether it is cheaper than to look at all rows, the plan decides.

use lightning_db_expression::Expression;

use super::tree::Rewriter;
use crate::catalog::IndexKind;
use crate::query::{
    Aggregate, AggregateFunction, ColumnId, Node, NodeId, Scalar, ScalarId, SortKey,
};

pub(super) const RULE: &str = "first of an index";

impl Rewriter<'_> {
    pub(super) fn first_of_index(&mut self, root: NodeId) -> NodeId {
        self.bottom_up(root, &mut |this, id| this.with_first_row(id).unwrap_or(id))
    }

    fn with_first_row(&mut self, id: NodeId) -> Option<NodeId> {
        let Node::Aggregate { input, groups, aggregates } = self.query.node(id).clone() else {
            return None;
        };
        let [(_, aggregate)] = aggregates.as_slice() else { return None };
        let (Some(argument), None, true) =
            (aggregate.argument, aggregate.filter, groups.is_empty())
        else {
            return None;
        };
        let Scalar::Column(column) = *self.query.scalar(argument) else { return None };
        let descending = match aggregate.function {
            AggregateFunction::Min => false,
            AggregateFunction::Max => true,
            _ => return None,
        };
        let nulls_first = self.index_order(input, column, descending)?;
        let null = self.query.add_scalar(Scalar::IsNull(argument));
        let known = self.query.add_scalar(Scalar::Not(null));
        let nullable = self.properties(input).nullable.contains(&column);
        let input = self.filtered(input, if nullable { vec![known] } else { Vec::new() });
        let keys = vec![SortKey { column, descending, nulls_first }];
        let input = self.query.add_node(Node::Sort { input, keys });
        let input = self.query.add_node(Node::Limit { input, limit: Some(1), offset: 0 });
        let name = self.query.column_name(column);
        self.record(RULE, input, format!("{} by the order of {name}", aggregate.function));
        let aggregates: Vec<(ColumnId, Aggregate)> = aggregates;
        Some(self.query.add_node(Node::Aggregate { input, groups, aggregates }))
    }

    /// Where nulls stand in an index that gives the rows of a table, or those for which conditions
    /// on the column alone are true, in the order of the column, read forwards or backwards.
    fn index_order(&self, input: NodeId, column: ColumnId, descending: bool) -> Option<bool> {
        let scan = match self.query.node(input) {
            Node::Filter { input, conditions } => {
                let own = |condition: &ScalarId| self.query.scalar_columns(*condition) == [column];
                conditions.iter().all(own).then_some(*input)?
            }
            _ => input,
        };
        let Node::Scan { table, columns, .. } = self.query.node(scan) else { return None };
        let position = columns.iter().position(|known| *known == column)?;
        let definition = self.catalog.definition(*table);
        definition.indexes.iter().find_map(|index| {
            let kind = matches!(index.kind, IndexKind::Ordered | IndexKind::Clustered);
            let part = index.parts.first()?;
            let fits = kind
                && index.condition.is_none()
                && part.expression == Expression::Column(position);
            fits.then_some(part.nulls_first == (part.descending == descending))
        })
    }
}
