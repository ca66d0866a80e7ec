//! Tests for null of what is never null.

use lightning_db_types::Value;

use super::tree::{Columns, Rewriter};
use crate::query::{Node, NodeId, Properties, Scalar, ScalarId};

pub(super) const RULE: &str = "drop null tests";

impl Rewriter<'_> {
    pub(super) fn drop_null_tests(&mut self, root: NodeId) -> NodeId {
        self.bottom_up(root, &mut |this, id| {
            let Node::Filter { input, conditions } = this.query.node(id) else { return id };
            if !conditions.iter().any(|condition| this.has_null_test(*condition)) {
                return id;
            }
            let (input, conditions) = (*input, conditions.clone());
            let (known, given) = (this.properties(input), this.output_set(input));
            let mut made = Vec::with_capacity(conditions.len());
            for condition in &conditions {
                made.push(this.without_null_tests(*condition, &known, &given));
            }
            if made == conditions {
                return id;
            }
            let pairs = conditions.iter().zip(&made).find(|(old, new)| old != new);
            let detail = pairs.map_or(String::new(), |(old, _)| this.query.scalar_text(*old));
            this.record(RULE, id, detail);
            let node = this.query.add_node(Node::Filter { input, conditions: made });
            this.fold(node)
        })
    }

    fn has_null_test(&self, id: ScalarId) -> bool {
        let mut found = false;
        self.query.visit_scalar(id, &mut |scalar| found |= matches!(scalar, Scalar::IsNull(_)));
        found
    }

    fn without_null_tests(
        &mut self,
        id: ScalarId,
        known: &Properties,
        given: &Columns,
    ) -> ScalarId {
        let scalar = self.query.scalar(id).clone();
        if let Scalar::IsNull(one) = scalar {
            // Of columns from around nothing is known here.
            let nullable = |column| !given.contains(&column) || known.nullable.contains(&column);
            if self.query.may_be_null(one, &nullable) {
                return id;
            }
            return self.query.add_scalar(Scalar::Literal(Value::Bool(false)));
        }
        let operands = scalar.operands();
        let mut made = Vec::with_capacity(operands.len());
        for operand in &operands {
            made.push(self.without_null_tests(*operand, known, given));
        }
        if made == operands { id } else { self.query.add_scalar(scalar.with_operands(&made)) }
    }
}
