//! What alternatives over both sides of a join say of one side: if each of them has a condition on
//! the side alone, then one of these holds for every row of it that is joined.
//!
//! `(a.x = 1 AND b.y = 2) OR (a.x = 3 AND b.y = 4)` stays where it is, and only the rows of `a`
//! of which `a.x = 1 OR a.x = 3` come to it.

use super::tree::{Columns, Rewriter};
use crate::query::{JoinKind, Node, NodeId, Scalar, ScalarId};

pub(super) const RULE: &str = "restrict by alternatives";

/// More alternatives take longer to evaluate than they save.
const ALTERNATIVES_MAX: usize = 32;

impl Rewriter<'_> {
    pub(super) fn restrict(&mut self, root: NodeId) -> NodeId {
        self.bottom_up(root, &mut |this, id| this.restricted(id))
    }

    /// A join with what its alternatives say of its inputs put before these.
    fn restricted(&mut self, id: NodeId) -> NodeId {
        let Node::Join { kind, left, right, on } = self.query.node(id) else { return id };
        let (kind, mut inputs, on) = (*kind, [*left, *right], on.clone());
        let sides = match kind {
            JoinKind::Inner | JoinKind::Semi => [true, true],
            JoinKind::Left | JoinKind::Anti | JoinKind::Single => [false, true],
            JoinKind::Full | JoinKind::Mark(_) => return id,
        };
        for condition in on {
            let Scalar::Or(cases) = self.query.scalar(condition) else { continue };
            if cases.len() > ALTERNATIVES_MAX {
                continue;
            }
            let cases = cases.clone();
            for (input, is_wanted) in inputs.iter_mut().zip(sides) {
                let columns = self.output_set(*input);
                let implied = if is_wanted { self.implied(&cases, &columns) } else { None };
                // Once is enough: from then on it is pushed down and folded, and not to be
                // recognised.
                let Some(implied) = implied.filter(|implied| self.restrictions.insert(*implied))
                else {
                    continue;
                };
                let text = self.query.scalar_text(implied);
                self.record(RULE, id, text);
                *input = self.filtered(*input, vec![implied]);
            }
        }
        self.with_inputs(id, &inputs)
    }

    /// What holds for these columns if one of the cases does.
    fn implied(&mut self, cases: &[ScalarId], columns: &Columns) -> Option<ScalarId> {
        let mut alternatives = Vec::with_capacity(cases.len());
        for case in cases {
            let all = match self.query.scalar(*case) {
                Scalar::And(all) => all.clone(),
                _ => vec![*case],
            };
            let alternative = match *self.split(all, columns).0 {
                [] => return None,
                [one] => one,
                ref own => self.query.add_scalar(Scalar::And(own.to_vec())),
            };
            if !alternatives.contains(&alternative) {
                alternatives.push(alternative);
            }
        }
        match *alternatives {
            [one] => Some(one),
            _ => Some(self.query.add_scalar(Scalar::Or(alternatives))),
        }
    }
}
