//! Orders of rows: what is wanted, and what rows have.

use crate::query::{ColumnId, Query, Scalar, ScalarId, SortKey};

/// A scalar that rows should be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct OrderKey {
    pub(crate) scalar: ScalarId,
    /// `None` if either will do.
    pub(crate) descending: Option<bool>,
    /// `None` if either will do.
    pub(crate) nulls_first: Option<bool>,
}

impl OrderKey {
    /// Rows with equal values together, in either direction.
    pub(crate) fn any(scalar: ScalarId) -> Self {
        Self { scalar, descending: None, nulls_first: None }
    }
}

/// What rows are sorted by, where all earlier parts are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct OrderPart {
    /// Scalars with equal values in each row.
    pub(crate) scalars: Vec<ScalarId>,
    pub(crate) descending: bool,
    /// `None` if there are no nulls.
    pub(crate) nulls_first: Option<bool>,
}

/// The order that rows have.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Order {
    pub(crate) parts: Vec<OrderPart>,
    /// Scalars with one value in all rows.
    pub(crate) constants: Vec<ScalarId>,
}

impl OrderPart {
    fn answers(&self, key: OrderKey) -> bool {
        self.scalars.contains(&key.scalar)
            && key.descending.is_none_or(|descending| self.descending == descending)
            && (self.nulls_first.is_none()
                || key.nulls_first.is_none()
                || self.nulls_first == key.nulls_first)
    }
}

impl Order {
    /// How many of the first wanted keys the rows are sorted by.
    pub(crate) fn satisfied(&self, wanted: &[OrderKey]) -> usize {
        let mut parts = self.parts.iter().peekable();
        let mut done = 0;
        for (position, key) in wanted.iter().enumerate() {
            let known = self.constants.contains(&key.scalar)
                || wanted[..position].iter().any(|earlier| earlier.scalar == key.scalar);
            if !known && parts.next_if(|part| part.answers(*key)).is_none() {
                break;
            }
            done = position + 1;
        }
        done
    }

    /// Whether rows with equal values of these come together.
    pub(crate) fn groups(&self, groups: &[ScalarId]) -> bool {
        let mut left: Vec<ScalarId> =
            groups.iter().copied().filter(|group| !self.constants.contains(group)).collect();
        for part in &self.parts {
            let before = left.len();
            left.retain(|group| !part.scalars.contains(group));
            if left.is_empty() {
                return true;
            }
            // A part that is no group splits groups apart.
            if left.len() == before && !part.scalars.iter().any(|it| groups.contains(it)) {
                return false;
            }
        }
        left.is_empty()
    }

    /// The keys that are columns, up to the first that is none; of equal ones those that are among
    /// the rows' columns, if there are such.
    pub(crate) fn sort_keys(&self, query: &Query, columns: &[ColumnId]) -> Vec<SortKey> {
        let key = |part: &OrderPart| {
            let all = part.scalars.iter().filter_map(|id| match query.scalar(*id) {
                Scalar::Column(column) => Some(*column),
                _ => None,
            });
            let column = all.clone().find(|it| columns.contains(it)).or_else(|| all.clone().next());
            let nulls_first = part.nulls_first.unwrap_or(part.descending);
            column.map(|column| SortKey { column, descending: part.descending, nulls_first })
        };
        self.parts.iter().map_while(key).collect()
    }

    /// Whether it says more where two scalars are equal; see [`with_equal`](Self::with_equal).
    pub(crate) fn grows_by(&self, one: ScalarId, other: ScalarId) -> bool {
        let has_one = |list: &[ScalarId]| list.contains(&one) != list.contains(&other);
        has_one(&self.constants) || self.parts.iter().any(|part| has_one(&part.scalars))
    }

    /// The same order of rows in which more scalars are known to be equal.
    pub(crate) fn with_equal(&mut self, one: ScalarId, other: ScalarId) {
        for part in &mut self.parts {
            match (part.scalars.contains(&one), part.scalars.contains(&other)) {
                (true, false) => part.scalars.push(other),
                (false, true) => part.scalars.push(one),
                _ => {}
            }
        }
        match (self.constants.contains(&one), self.constants.contains(&other)) {
            (true, false) => self.constants.push(other),
            (false, true) => self.constants.push(one),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Query;
    use lightning_db_types::Value;

    fn scalars() -> Vec<ScalarId> {
        let mut query = Query::new();
        (0..4).map(|number| query.add_scalar(Scalar::Literal(Value::I64(number)))).collect()
    }

    fn part(scalar: ScalarId) -> OrderPart {
        OrderPart { scalars: vec![scalar], descending: false, nulls_first: Some(true) }
    }

    fn key(scalar: ScalarId) -> OrderKey {
        OrderKey { scalar, descending: Some(false), nulls_first: Some(true) }
    }

    #[test]
    fn constants_count_in_any_order() {
        let [a, b, c, d] = scalars()[..] else { unreachable!() };
        let order = Order { parts: vec![part(b), part(c)], constants: vec![a] };
        assert_eq!(order.satisfied(&[key(a), key(b), key(c)]), 3);
        assert_eq!(order.satisfied(&[key(b), key(a), key(b), key(d)]), 3);
        assert_eq!(order.satisfied(&[key(c)]), 0);
        let last = OrderKey { nulls_first: Some(false), ..key(b) };
        assert_eq!(order.satisfied(&[last]), 0);
    }

    #[test]
    fn groups_come_together_in_any_order_of_the_groups() {
        let [a, b, c, d] = scalars()[..] else { unreachable!() };
        let order = Order { parts: vec![part(b), part(c)], constants: vec![a] };
        assert!(order.groups(&[c, b]));
        assert!(order.groups(&[b, a]));
        assert!(!order.groups(&[c]));
        assert!(!order.groups(&[b, c, d]));
        let mut order = order;
        order.with_equal(c, d);
        assert!(order.groups(&[b, d]));
    }
}
