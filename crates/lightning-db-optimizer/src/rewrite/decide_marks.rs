//! Mark joins whose mark only lets rows pass: as semi and anti joins.

use super::tree::{Columns, Rewriter};
use crate::query::{ColumnId, JoinKind, Node, NodeId, Scalar, ScalarId};

pub(super) const RULE: &str = "decide marks";

impl Rewriter<'_> {
    /// The filter without the mark join below it, if only these columns of it are wanted.
    pub(super) fn without_marks(&mut self, id: NodeId, wanted: &Columns) -> NodeId {
        let Node::Filter { input, conditions } = self.query.node(id).clone() else { return id };
        let Node::Join { kind: JoinKind::Mark(mark), left, right, on } =
            self.query.node(input).clone()
        else {
            return id;
        };
        let of_mark =
            |this: &Self, condition: ScalarId| this.query.scalar_columns(condition).contains(&mark);
        let (deciding, rest): (Vec<ScalarId>, Vec<ScalarId>) =
            conditions.into_iter().partition(|condition| of_mark(self, *condition));
        let [condition] = deciding.as_slice() else { return id };
        if wanted.contains(&mark) {
            return id;
        }
        let Some(kind) = self.decided_kind(*condition, mark, left, right, &on) else { return id };
        let node = self.query.add_node(Node::Join { kind, left, right, on });
        self.record(RULE, node, format!("a mark is a {kind} join"));
        let node = self.filtered(node, rest);
        // There may be another mark below.
        self.without_marks(node, wanted)
    }

    fn decided_kind(
        &mut self,
        condition: ScalarId,
        mark: ColumnId,
        left: NodeId,
        right: NodeId,
        on: &[ScalarId],
    ) -> Option<JoinKind> {
        match self.query.scalar(condition) {
            Scalar::Column(_) => Some(JoinKind::Semi),
            // Unknown is not false: only where nothing is unknown it comes to the same.
            Scalar::Not(one) if *self.query.scalar(*one) == Scalar::Column(mark) => {
                let (one, other) = (self.properties(left), self.properties(right));
                let nullable =
                    |column| one.nullable.contains(&column) || other.nullable.contains(&column);
                let unknown = on.iter().any(|it| self.query.may_be_null(*it, &nullable));
                (!unknown).then_some(JoinKind::Anti)
            }
            _ => None,
        }
    }
}
