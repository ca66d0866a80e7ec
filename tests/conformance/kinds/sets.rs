//! Bitmap indexes.

use lightning_db_table::index::{BitmapOptions, BitmapQuery, IndexKind, IndexQuery};
use lightning_db_table::{IndexSpec, Value};
use lightning_db_types::{Rng, SeededRng};

use super::Ask;
use super::native::{bounds, within};
use crate::table::column;

pub(super) fn values(name: &str) -> IndexSpec {
    IndexSpec::bitmap(name).column(column::NUMBER)
}

pub(super) fn slices(name: &str) -> IndexSpec {
    IndexSpec::new(name, IndexKind::Bitmap(BitmapOptions::slices())).column(column::NUMBER)
}

pub(super) fn ask(rng: &SeededRng) -> Ask {
    let query = draw(rng, 2);
    let holds = query.clone();
    Ask::rows_where(IndexQuery::Bitmap(query), move |row| matches(&holds, &row[column::NUMBER]))
}

fn draw(rng: &SeededRng, depth: u32) -> BitmapQuery {
    let number = || Value::I64(rng.below(14).cast_signed() - 5);
    let parts = |rng: &SeededRng| (0..rng.below(4)).map(|_| draw(rng, depth - 1)).collect();
    match rng.below(if depth == 0 { 6 } else { 9 }) {
        0 => BitmapQuery::All,
        1 => BitmapQuery::IsNull,
        2 => BitmapQuery::In((0..rng.below(4)).map(|_| number()).collect()),
        3 => {
            let (low, high) = bounds(rng, -5, 14);
            BitmapQuery::Range { low, high }
        }
        4 | 5 => BitmapQuery::Equal(number()),
        6 => !draw(rng, depth - 1),
        7 => BitmapQuery::And(parts(rng)),
        _ => BitmapQuery::Or(parts(rng)),
    }
}

fn matches(query: &BitmapQuery, value: &Value) -> bool {
    match query {
        BitmapQuery::All => true,
        BitmapQuery::Equal(of) => value == of,
        BitmapQuery::In(list) => list.contains(value),
        BitmapQuery::Range { low, high } => within(value, low, high),
        BitmapQuery::IsNull => value.is_null(),
        BitmapQuery::Not(inner) => !matches(inner, value),
        BitmapQuery::And(all) => all.iter().all(|one| matches(one, value)),
        BitmapQuery::Or(any) => any.iter().any(|one| matches(one, value)),
        other => unreachable!("{other:?} is not drawn"),
    }
}
