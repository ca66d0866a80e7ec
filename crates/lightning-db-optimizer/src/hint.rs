//! What a plan should be like, said from outside, and plans that are pinned.
//!
//! A hint never changes the rows of a query. One that no plan can follow is left out, and the plan
//! says so: [`Plan::unmet`](crate::Plan::unmet).

mod check;
mod parse;
mod pin;
mod relations;

#[cfg(test)]
mod tests;

use std::fmt::{self, Display, Formatter};

use crate::plan::AggregateMethod;

pub(crate) use check::{same_names, unmet};
pub(crate) use pin::{hint_method, inner_is_left};
pub(crate) use relations::{Relations, Set};

/// Relations whose order a hint may say.
pub(crate) const RELATIONS_MAX: usize = 128;

/// Hints for one query: none by default.
///
/// As text they are a list of `order((a b) c)`, `index(a by_name)`, `scan(b)`, `hash(a b / b)`,
/// `merge(a b)`, `loop(a b)`, `each(a b / b)` and `aggregate(stream)`: see [`Hint`]. Names that are
/// not of letters, digits and `_`, `#`, `.` stand in double quotes, where `""` is a quote.
///
/// # Examples
/// ```
/// use lightning_db_optimizer::{Hint, Hints};
/// let hints: Hints = "order((c o) l) index(c by_email)".parse()?;
/// assert_eq!(hints.list().len(), 2);
/// assert_eq!(hints.to_string(), "order((c o) l) index(c by_email)");
/// # Ok::<(), lightning_db_optimizer::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    list: Vec<Hint>,
}

/// One thing that is said of a plan. Relations are named by alias; where several relations of a
/// query have one alias, `alias` means all of them, `alias#1` the first as they stand in the query.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// Relations are joined in this order: what is joined in it is joined with nothing else before.
    Order(JoinOrder),
    /// The rows of a relation are found by exactly these indexes; with none, by a scan.
    Access {
        /// The relation.
        relation: String,
        /// Names of its indexes.
        indexes: Vec<String>,
    },
    /// The join that makes exactly these relations of others is of one method.
    Join {
        /// All relations on both sides.
        relations: Vec<String>,
        /// Those of the side that is kept, in a hash table or a list, or searched for each row of
        /// the other; empty if it may be either.
        inner: Vec<String>,
        /// The method.
        method: HintMethod,
    },
    /// All aggregates with groups are of this method.
    Aggregate(AggregateMethod),
}

/// How the pairs of a join are to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HintMethod {
    /// By a hash table of the inner side.
    Hash,
    /// By merging sorted sides.
    Merge,
    /// By comparing each row of one side with each of the inner one.
    Loop,
    /// By running the inner side for each row of the other one.
    Each,
}

/// An order of joins: a tree in which each join stands after its two sides.
///
/// # Examples
/// ```
/// use lightning_db_optimizer::{Hint, JoinOrder};
/// let order = JoinOrder::relation("a").join(JoinOrder::relation("b"));
/// assert_eq!(Hint::Order(order).to_string(), "order(a b)");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinOrder {
    parts: Vec<OrderPart>,
}

/// A part of an order, behind those it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OrderPart {
    /// One relation, or several whose own order is not said.
    Relations(Vec<String>),
    /// A join of the two parts before.
    Join,
}

/// A hint that a plan does not follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The hint.
    pub hint: Hint,
    /// Why not.
    pub reason: UnmetReason,
}

/// Why a plan does not follow a hint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnmetReason {
    /// The plan reads no relation of this name: it is not in the query, or was found needless.
    #[error("the plan has no relation {0}")]
    UnknownRelation(String),
    /// The relation's table has no such index.
    #[error("{relation} has no index {index}")]
    UnknownIndex {
        /// The relation.
        relation: String,
        /// The name.
        index: String,
    },
    /// An order of more relations than are looked at.
    #[error("an order is of {limit} relations at most")]
    TooLarge {
        /// How many may be.
        limit: usize,
    },
    /// No plan of the query that was found does so: a join may have no such order or method, an
    /// index no use.
    #[error("no plan was found that does so")]
    Impossible,
}

impl Hints {
    /// Hints, in any order.
    pub fn new(list: impl IntoIterator<Item = Hint>) -> Self {
        Self { list: list.into_iter().collect() }
    }

    /// All of them.
    pub fn list(&self) -> &[Hint] {
        &self.list
    }

    /// All but those that were not met.
    pub(crate) fn without(&self, unmet: &[Unmet]) -> Self {
        let kept = |hint: &&Hint| unmet.iter().all(|it| it.hint != **hint);
        Self { list: self.list.iter().filter(kept).cloned().collect() }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl JoinOrder {
    /// One relation.
    pub fn relation(name: impl Into<String>) -> Self {
        Self::relations([name.into()])
    }

    /// Relations that are together before they are joined with others, in an order that is not
    /// said: as those of a subquery.
    pub fn relations(names: impl IntoIterator<Item = String>) -> Self {
        Self { parts: vec![OrderPart::Relations(names.into_iter().collect())] }
    }

    /// A join of both.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self.parts.push(OrderPart::Join);
        self
    }

    pub(crate) fn parts(&self) -> &[OrderPart] {
        &self.parts
    }
}

impl HintMethod {
    const ALL: [(Self, &str); 4] =
        [(Self::Hash, "hash"), (Self::Merge, "merge"), (Self::Loop, "loop"), (Self::Each, "each")];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(method, _)| *method == self).map_or("", |(_, name)| name)
    }
}

fn is_bare(name: &str) -> bool {
    let part = |char: char| char.is_alphanumeric() || matches!(char, '_' | '#' | '.');
    !name.is_empty() && name.chars().all(part)
}

fn quoted(name: &str) -> String {
    if is_bare(name) { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn names(names: &[String]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(" ")
}

impl Display for JoinOrder {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut texts: Vec<String> = Vec::new();
        for part in &self.parts {
            let text = match part {
                OrderPart::Relations(one) if one.len() == 1 => names(one),
                OrderPart::Relations(several) => format!("[{}]", names(several)),
                OrderPart::Join => {
                    let (right, left) = (texts.pop(), texts.pop());
                    format!("({} {})", left.unwrap_or_default(), right.unwrap_or_default())
                }
            };
            texts.push(text);
        }
        f.write_str(&texts.pop().unwrap_or_default())
    }
}

impl Display for Hint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(order) => {
                let text = order.to_string();
                if text.starts_with('(') {
                    write!(f, "order{text}")
                } else {
                    write!(f, "order({text})")
                }
            }
            Self::Access { relation, indexes } if indexes.is_empty() => {
                write!(f, "scan({})", quoted(relation))
            }
            Self::Access { relation, indexes } => {
                write!(f, "index({} {})", quoted(relation), names(indexes))
            }
            Self::Join { relations, inner, method } => {
                write!(f, "{}({}", method.name(), names(relations))?;
                if !inner.is_empty() {
                    write!(f, " / {}", names(inner))?;
                }
                f.write_str(")")
            }
            Self::Aggregate(AggregateMethod::Hash) => f.write_str("aggregate(hash)"),
            Self::Aggregate(AggregateMethod::Stream) => f.write_str("aggregate(stream)"),
        }
    }
}

impl Display for Hints {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.list.iter().map(Hint::to_string).collect();
        f.write_str(&texts.join(" "))
    }
}

impl Unmet {
    /// Whether it may be why others are not met.
    pub(crate) fn comes_first(&self) -> bool {
        matches!(self.hint, Hint::Order(_)) || self.reason != UnmetReason::Impossible
    }
}

impl Display for Unmet {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.hint, self.reason)
    }
}
