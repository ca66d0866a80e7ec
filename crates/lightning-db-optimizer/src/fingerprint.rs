//! Signatures of parts of a query: what was learned of one is looked up by the other.
//!
//! Two parts have one signature if they read the same tables under the same conditions, whatever
//! the order of joins and conditions, the names of relations, and the place of a condition on a
//! join. Constants that are compared by size count by magnitude, those that must be equal as they
//! are. Parts that differ may have one signature too, with the odds of a 64-bit hash, or as
//! relations of one table are not told apart: a signature is good for estimates alone.

use crate::query::{ColumnId, JoinKind, Node, NodeId, Origin, Query, Scalar, ScalarId, Subquery};
use lightning_db_expression::Comparison;
use lightning_db_types::Value;

/// A signature of a part of a query. The same in every process, so that it may be stored.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Signature(u64);

impl Signature {
    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

/// What a part of a query adds up to: inner joins of parts are sums of them, so that their order
/// does not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum(u64);

impl Sum {
    pub(crate) fn signature(self) -> Signature {
        Signature(mix(self.0))
    }

    /// Both of two lists of conditions.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// A join of two parts on conditions that add up to `on`.
    pub(crate) fn join(kind: JoinKind, left: Self, right: Self, on: Self) -> Self {
        let name = match kind {
            JoinKind::Inner => return Self(left.0.wrapping_add(right.0).wrapping_add(on.0)),
            JoinKind::Left => "left",
            JoinKind::Full => "full",
            JoinKind::Semi => "semi",
            JoinKind::Anti => "anti",
            JoinKind::Mark(_) => "mark",
            JoinKind::Single => "single",
        };
        Self(list(name, [left.0, right.0, on.0]))
    }
}

impl Query {
    /// The signature of a node and all that is below it. Costs a visit to each.
    pub fn signature(&self, node: NodeId) -> Signature {
        Sum(self.sum_of(node)).signature()
    }

    /// The signature that a filter with these conditions over a node has.
    pub fn signature_of_filter(&self, input: NodeId, conditions: &[ScalarId]) -> Signature {
        self.filter_sum(input, conditions).signature()
    }

    pub(crate) fn filter_sum(&self, input: NodeId, conditions: &[ScalarId]) -> Sum {
        Sum(self.sum_of(input).wrapping_add(self.all(conditions)))
    }

    pub(crate) fn conditions_sum(&self, conditions: &[ScalarId]) -> Sum {
        Sum(self.all(conditions))
    }

    fn sum_of(&self, node: NodeId) -> u64 {
        let mut sums: Vec<u64> = Vec::new();
        for id in self.post_order(node) {
            let node = self.node(id);
            let inputs = sums.split_off(sums.len() - node.each_input().count());
            sums.push(self.sum(node, &inputs));
        }
        sums.pop().unwrap_or(0)
    }

    /// What a node adds to its inputs: a sum over tables and conditions, so that their order does
    /// not count.
    fn sum(&self, node: &Node, inputs: &[u64]) -> u64 {
        let input = |position: usize| inputs.get(position).copied().unwrap_or(0);
        match node {
            Node::Scan { table, .. } => list("scan", [u64::from(table.0)]),
            Node::Values { rows, columns } => {
                list("values", [rows.known_len().unwrap_or(u64::MAX), length(columns)])
            }
            Node::Filter { conditions, .. } => input(0).wrapping_add(self.all(conditions)),
            // They give as many rows as they get.
            Node::Project { .. } | Node::Sort { .. } | Node::Window { .. } => input(0),
            Node::Join { kind, on, .. } => {
                Sum::join(*kind, Sum(input(0)), Sum(input(1)), self.conditions_sum(on)).0
            }
            Node::Aggregate { groups, .. } => {
                let groups = groups.iter().map(|column| self.column_hash(*column));
                list("aggregate", [input(0), groups.fold(0, u64::wrapping_add)])
            }
            Node::Set { operation, all, .. } => {
                let operation = text(&format!("{operation:?}"));
                list("set", [input(0), input(1), operation, u64::from(*all)])
            }
            Node::Limit { limit, offset, .. } => {
                list("limit", [input(0), limit.unwrap_or(u64::MAX), *offset])
            }
        }
    }

    /// All of some conditions, in any order.
    fn all(&self, conditions: &[ScalarId]) -> u64 {
        conditions.iter().fold(0, |sum, id| sum.wrapping_add(self.scalar_hash(*id, false)))
    }

    fn column_hash(&self, column: ColumnId) -> u64 {
        match self.column(column).origin {
            Origin::Table(table, position) => list("column", [u64::from(table.0), position as u64]),
            Origin::Computed => list("computed", [text(&self.column(column).name)]),
        }
    }

    /// A hash of a scalar. `by_size`: constants count by their magnitude.
    fn scalar_hash(&self, id: ScalarId, by_size: bool) -> u64 {
        let hash = |id: &ScalarId| self.scalar_hash(*id, by_size);
        let sum = |all: &[ScalarId]| all.iter().map(hash).fold(0, u64::wrapping_add);
        match self.scalar(id) {
            Scalar::Column(column) => self.column_hash(*column),
            Scalar::Literal(value) => constant(value, by_size),
            Scalar::Parameter(number, value_type) => match self.parameter(*number) {
                Some(value) => constant(value, by_size),
                None => list("parameter", [text(&format!("{value_type:?}"))]),
            },
            Scalar::Compare(comparison, left, right) => {
                let by_size = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
                let hash = |id| self.scalar_hash(id, by_size);
                let (name, sides) = match comparison {
                    Comparison::Equal => ("equal", None),
                    Comparison::NotEqual => ("not equal", None),
                    Comparison::Less => ("less", Some([*left, *right])),
                    Comparison::Greater => ("less", Some([*right, *left])),
                    Comparison::AtMost => ("at most", Some([*left, *right])),
                    Comparison::AtLeast => ("at most", Some([*right, *left])),
                };
                match sides {
                    Some(sides) => list(name, sides.map(hash)),
                    None => list(name, [hash(*left).wrapping_add(hash(*right))]),
                }
            }
            Scalar::And(all) => list("and", [sum(all)]),
            Scalar::Or(all) => list("or", [sum(all)]),
            Scalar::In(one, all) => list("in", [hash(one), sum(all)]),
            Scalar::Subquery(
                Subquery::Exists(node)
                | Subquery::Value(node)
                | Subquery::Any(_, _, node)
                | Subquery::All(_, _, node),
            ) => list("subquery", [self.signature(*node).0]),
            other => {
                let name = match other {
                    Scalar::Not(_) => text("not"),
                    Scalar::IsNull(_) => text("is null"),
                    Scalar::Negate(_) => text("negate"),
                    Scalar::Like { escape, .. } => text(&format!("like {escape:?}")),
                    Scalar::Case { .. } => text("case"),
                    Scalar::Arithmetic(operator, ..) => text(&format!("{operator:?}")),
                    Scalar::Call(function, _) => text(&format!("call {function:?}")),
                    Scalar::Cast(_, value_type) => text(&format!("cast {value_type:?}")),
                    Scalar::External { function, .. } => text(&format!("external {function}")),
                    _ => 0,
                };
                let operands = other.operands();
                operands.iter().map(hash).fold(name, |all, one| list("of", [all, one]))
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "only the magnitude counts")]
fn float(number: i128) -> f64 {
    number as f64
}

/// A constant: as it is, or by sign and magnitude to an eighth.
fn constant(value: &Value, by_size: bool) -> u64 {
    let number = match value {
        Value::I64(number) => Some(float(i128::from(*number))),
        Value::U64(number) => Some(float(i128::from(*number))),
        Value::F64(number) => Some(*number),
        _ => None,
    };
    match number.filter(|_| by_size) {
        // The sign, the exponent, and three bits of the fraction.
        Some(number) => list("about", [number.to_bits() >> 49]),
        None => list("value", [text(&format!("{value:?}"))]),
    }
}

fn length<T>(items: &[T]) -> u64 {
    items.len() as u64
}

/// Finaliser of splitmix64.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Numbers in an order under a name.
fn list(name: &str, parts: impl IntoIterator<Item = u64>) -> u64 {
    parts.into_iter().fold(text(name), |all, part| mix(all ^ mix(part)))
}

/// FNV-1a.
pub(crate) fn text(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{JoinType, QueryBuilder, Term, column};
    use crate::memory::MemoryCatalog;
    use lightning_db_types::ValueType::I64;

    fn signature(builder: &QueryBuilder) -> Signature {
        let mut catalog = MemoryCatalog::new();
        catalog.add_table("a", &[("id", I64), ("x", I64)], &["id"]).unwrap();
        catalog.add_table("b", &[("id", I64), ("y", I64)], &["id"]).unwrap();
        let query = builder.build(&catalog).unwrap();
        query.signature(query.root().unwrap())
    }

    fn joined(left: QueryBuilder, right: QueryBuilder, on: Term) -> Signature {
        signature(&left.join(JoinType::Inner, right, on))
    }

    fn scan(table: &str, alias: &str) -> QueryBuilder {
        QueryBuilder::scan(table, alias)
    }

    #[test]
    fn order_and_names_do_not_count() {
        let one = joined(scan("a", "a"), scan("b", "b"), column("a.id").equal(column("b.id")));
        let two = joined(scan("b", "r"), scan("a", "s"), column("r.id").equal(column("s.id")));
        assert_eq!(one, two);
        let cross = scan("a", "a").cross(scan("b", "b"));
        assert_eq!(one, signature(&cross.filter(column("b.id").equal(column("a.id")))));
        let other = joined(scan("a", "a"), scan("b", "b"), column("a.x").equal(column("b.id")));
        assert_ne!(one, other);
        assert_ne!(signature(&scan("a", "a")), signature(&scan("b", "a")));
    }

    #[test]
    fn kinds_of_joins_and_their_sides_count() {
        let on = || column("a.id").equal(column("b.id"));
        let left = signature(&scan("a", "a").join(JoinType::Left, scan("b", "b"), on()));
        let turned = signature(&scan("b", "b").join(JoinType::Left, scan("a", "a"), on()));
        let inner = joined(scan("a", "a"), scan("b", "b"), on());
        assert!(left != turned && left != inner && turned != inner);
    }

    #[test]
    fn constants_count_by_size_where_sizes_are_compared() {
        let less = |number: i64| signature(&scan("a", "a").filter(column("x").less(number)));
        assert_eq!(less(1_000), less(1_010));
        assert_ne!(less(1_000), less(2_000));
        let equal = |number: i64| signature(&scan("a", "a").filter(column("x").equal(number)));
        assert_ne!(equal(1_000), equal(1_010));
        assert_ne!(less(1_000), equal(1_000));
    }
}
