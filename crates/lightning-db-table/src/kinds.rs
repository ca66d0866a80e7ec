//! Index kinds and queries as this crate itself needs them.

use lightning_db_index::{
    BitmapQuery, Comparison, Expression, Index, IndexKind, IndexQuery, KeyQuery, OrderedOptions,
    Reader,
};
use lightning_db_types::Value;

use crate::catalog::IndexState;
use crate::table::TableState;

/// A unique index of keys in order.
pub(crate) fn unique() -> IndexKind {
    IndexKind::Ordered(OrderedOptions::new().unique())
}

/// Whether no two rows have one key.
pub(crate) fn is_unique(kind: &IndexKind) -> bool {
    matches!(kind, IndexKind::Ordered(options) if options.unique)
}

/// Rows whose key begins with these values.
pub(crate) fn equal(values: Vec<Value>) -> IndexQuery {
    IndexQuery::Key(KeyQuery::equal(values))
}

/// Rows whose key is at most a value.
pub(crate) fn at_most(value: Value) -> IndexQuery {
    IndexQuery::Key(KeyQuery::equal::<Value>([]).range(..=value))
}

/// How many rows fulfil a predicate, if a bitmap index knows it without looking at rows: one column
/// equals a value, or is null.
pub(crate) fn counted(
    table: &TableState,
    reader: Reader<'_>,
    predicate: &Expression,
) -> Option<u64> {
    // Rows that have ended are in the index until they are removed.
    if table.schema.record.expires_at.is_some() {
        return None;
    }
    let (column, query) = match predicate {
        Expression::IsNull(inner) => match &**inner {
            Expression::Column(id) => (*id, BitmapQuery::IsNull),
            _ => return None,
        },
        Expression::Compare(Comparison::Equal, left, right) => match (&**left, &**right) {
            (Expression::Column(id), Expression::Literal(value))
            | (Expression::Literal(value), Expression::Column(id))
                if !value.is_null() =>
            {
                (*id, BitmapQuery::Equal(value.clone()))
            }
            _ => return None,
        },
        _ => return None,
    };
    let of_column = |index: &&Index| {
        let definition = index.definition();
        let part = match &definition.parts[..] {
            [part] => &part.expression,
            _ => return false,
        };
        definition.condition.is_none() && matches!(part, Expression::Column(id) if *id == column)
    };
    let ready = table.indexes.iter().filter(|open| open.state == IndexState::Ready);
    let index = ready
        .map(|open| &*open.index)
        .find(|index| index.as_bitmap().is_some() && of_column(index))?;
    let estimate = index.estimate(reader, &IndexQuery::Bitmap(query)).ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count that was made a float"
    )]
    estimate.exact.then_some(estimate.point as u64)
}
