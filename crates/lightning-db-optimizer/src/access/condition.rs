//! What a condition says of a part of a key.

use lightning_db_expression::Comparison;
use lightning_db_types::Value;

use super::Relation;
use crate::plan::{KeyBound, KeyPart};
use crate::query::{Query, Scalar, ScalarId};

/// What a condition says of a scalar.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Says {
    pub(super) part: KeyPart,
    /// Whether it says no more than that.
    pub(super) exact: bool,
}

fn exactly(part: KeyPart) -> Says {
    Says { part, exact: true }
}

fn compared(comparison: Comparison, value: ScalarId) -> Option<Says> {
    let bound = |included| Some(KeyBound { value, included });
    let part = match comparison {
        Comparison::Equal => KeyPart::Equal(value),
        Comparison::NotEqual => return None,
        Comparison::Less => KeyPart::Range { low: None, high: bound(false) },
        Comparison::AtMost => KeyPart::Range { low: None, high: bound(true) },
        Comparison::Greater => KeyPart::Range { low: bound(false), high: None },
        Comparison::AtLeast => KeyPart::Range { low: bound(true), high: None },
    };
    Some(exactly(part))
}

fn exchanged(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::AtMost => Comparison::AtLeast,
        Comparison::Greater => Comparison::Less,
        Comparison::AtLeast => Comparison::AtMost,
        same => same,
    }
}

/// What is before the first wildcard of a pattern, and whether only `%` is behind it.
fn prefix(pattern: &str, escape: Option<char>) -> Option<(String, bool)> {
    let mut prefix = String::new();
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        match char {
            char if Some(char) == escape => prefix.push(chars.next()?),
            '%' => return Some((prefix, chars.next().is_none())),
            '_' => return Some((prefix, false)),
            char => prefix.push(char),
        }
    }
    Some((prefix, false))
}

/// What a condition says of a scalar over a relation; `None` if nothing that a key has a form for.
pub(super) fn says(
    query: &Query,
    relation: &Relation,
    of: ScalarId,
    condition: ScalarId,
) -> Option<Says> {
    let fixed = |scalar: ScalarId| relation.is_fixed(query, scalar);
    match query.scalar(condition) {
        Scalar::Compare(comparison, left, right) if *left == of && fixed(*right) => {
            compared(*comparison, *right)
        }
        Scalar::Compare(comparison, left, right) if *right == of && fixed(*left) => {
            compared(exchanged(*comparison), *left)
        }
        Scalar::In(one, list) if *one == of && list.iter().all(|it| fixed(*it)) => {
            Some(exactly(KeyPart::In(list.clone())))
        }
        Scalar::IsNull(one) if *one == of => Some(exactly(KeyPart::Null)),
        Scalar::Not(inner) if *query.scalar(*inner) == Scalar::IsNull(of) => {
            Some(exactly(KeyPart::Range { low: None, high: None }))
        }
        Scalar::Like { value, pattern, escape } if *value == of => {
            let Scalar::Literal(Value::Text(text)) = query.scalar(*pattern) else { return None };
            let (prefix, exact) = prefix(text, *escape)?;
            if prefix.is_empty() {
                return None;
            }
            Some(Says { part: KeyPart::StartsWith(prefix), exact })
        }
        _ => None,
    }
}

/// What is wanted of a part of a key, of all conditions together, with those that it answers and
/// those that it only uses.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) part: Option<KeyPart>,
    pub(super) exact: Vec<ScalarId>,
    pub(super) used: Vec<ScalarId>,
}

impl Wanted {
    pub(super) fn new(
        query: &Query,
        relation: &Relation,
        of: ScalarId,
        conditions: &[ScalarId],
    ) -> Self {
        let mut wanted = Self::default();
        for condition in conditions {
            let Some(says) = says(query, relation, of, *condition) else { continue };
            wanted.add(*condition, says);
        }
        wanted
    }

    /// The more a part is fixed, the better: what says less is left to be evaluated on rows.
    fn add(&mut self, condition: ScalarId, says: Says) {
        let strength = |part: &KeyPart| match part {
            KeyPart::Equal(_) | KeyPart::Null => 4,
            KeyPart::In(_) => 3,
            KeyPart::StartsWith(_) => 2,
            KeyPart::Range { low: None, high: None } => 0,
            KeyPart::Range { .. } | KeyPart::Any => 1,
        };
        match (&mut self.part, says.part) {
            (Some(KeyPart::Range { low, high }), KeyPart::Range { low: more, high: other })
                if (low.is_none() || more.is_none()) && (high.is_none() || other.is_none()) =>
            {
                *low = low.or(more);
                *high = high.or(other);
            }
            (Some(known), part) if strength(known) >= strength(&part) => return,
            (known, part) => {
                *known = Some(part);
                self.exact.clear();
                self.used.clear();
            }
        }
        self.used.push(condition);
        if says.exact {
            self.exact.push(condition);
        }
    }
}
