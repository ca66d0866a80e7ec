//! Projections of projections as one, and projections that change nothing as none.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::tree::{Rewriter, Substitution};
use crate::query::{ColumnId, Node, NodeId, Scalar, ScalarId};

pub(super) const RULE: &str = "merge projections";

impl Rewriter<'_> {
    pub(super) fn merge_projects(&mut self, root: NodeId) -> NodeId {
        self.bottom_up(root, &mut |this, id| this.merged(id))
    }

    fn merged(&mut self, id: NodeId) -> NodeId {
        let Node::Project { input, columns } = self.query.node(id) else { return id };
        let (input, columns) = (*input, columns.clone());
        let passes = columns
            .iter()
            .all(|(column, scalar)| *self.query.scalar(*scalar) == Scalar::Column(*column));
        let output: Vec<ColumnId> = columns.iter().map(|(column, _)| *column).collect();
        if passes && self.query.output(input) == output {
            return input;
        }
        let Node::Project { input: below, columns: inner } = self.query.node(input).clone() else {
            return id;
        };
        if !self.computes_once(&columns, &inner) {
            return id;
        }
        let by: Substitution = inner.into_iter().collect();
        let mut made = Vec::with_capacity(columns.len());
        for (column, scalar) in columns {
            made.push((column, self.substitute(scalar, &by)));
        }
        let node = self.query.add_node(Node::Project { input: below, columns: made });
        self.record(RULE, node, "two are one");
        self.merged(node)
    }

    /// Whether nothing that the lower projection computes would be computed twice, or in a branch
    /// that need not be taken.
    fn computes_once(
        &self,
        columns: &[(ColumnId, ScalarId)],
        inner: &[(ColumnId, ScalarId)],
    ) -> bool {
        let mut used: HashMap<ColumnId, usize, FixedState> = HashMap::default();
        for (_, scalar) in columns {
            self.query.visit_scalar(*scalar, &mut |scalar| {
                if let Scalar::Column(column) = scalar {
                    *used.entry(*column).or_default() += 1;
                }
            });
        }
        inner.iter().all(|(column, scalar)| {
            let plain = matches!(
                self.query.scalar(*scalar),
                Scalar::Column(_) | Scalar::Literal(_) | Scalar::Parameter(..)
            );
            plain || used.get(column).is_none_or(|times| *times <= 1)
        })
    }
}
