//! Rows that match a query, and the set that is made of them.

use roaring::{RoaringBitmap, RoaringTreemap};

use super::place::Place;
use super::query::Prepared;
use super::view::View;
use crate::row_set::RowSet;

/// The rows that match, each once.
pub(super) fn rows(view: &View, query: &Prepared) -> Vec<u64> {
    let mut rows = Vec::new();
    let mut push = |row_id: u64, _: &Place| rows.push(row_id);
    match query {
        Prepared::Intersects(window) => view.in_window(window, &|_| true, &mut push),
        Prepared::Inside(window) => {
            view.in_window(window, &|place| is_inside(place, window), &mut push);
        }
        Prepared::Covers(window) => {
            let covers = |place: &Place| place.bounds().contains(window);
            view.in_window(window, &covers, &mut push);
        }
        Prepared::InRegion(region) => view.in_region(region, &mut push),
        Prepared::Near { centre, distance } => view.in_circle(*centre, *distance, &mut push),
        Prepared::Nearest { centre, count } => {
            let near = view.nearest(*centre, *count, f64::INFINITY, &mut |_| true);
            rows = near.into_iter().map(|(_, row_id)| row_id).collect();
        }
    }
    if view.has_boxes() {
        rows.sort_unstable();
        rows.dedup();
    }
    rows
}

#[inline]
fn is_inside(place: &Place, window: &super::place::Bounds) -> bool {
    // A point that meets the window is inside.
    matches!(place, Place::Point(_)) || window.contains(&place.bounds())
}

/// Words of a bit set for each row in it, up to which setting bits costs less than sorting.
const WORDS_PER_ROW: u64 = 4;

/// A set of rows given in any order.
pub(super) fn row_set(mut rows: Vec<u64>) -> RowSet {
    let (Some(&first), Some(&last)) = (rows.iter().min(), rows.iter().max()) else {
        return RowSet::new();
    };
    let is_one_bitmap = first >> 32 == last >> 32;
    let first = first & !u64::from(u16::MAX);
    if !is_one_bitmap || rows.len() < 64 || (last - first) / 64 > rows.len() as u64 * WORDS_PER_ROW
    {
        rows.sort_unstable();
        return rows.into_iter().collect();
    }
    #[expect(clippy::cast_possible_truncation, reason = "the span is below 2^32")]
    let span = (last - first + 1) as usize;
    let mut bits = vec![0_u8; span.div_ceil(8)];
    for row_id in rows {
        #[expect(clippy::cast_possible_truncation, reason = "the span is below 2^32")]
        let at = (row_id - first) as usize;
        bits[at / 8] |= 1 << (at % 8);
    }
    #[expect(clippy::cast_possible_truncation, reason = "the halves of a row number")]
    let (high, low) = ((first >> 32) as u32, first as u32);
    let bitmap = RoaringBitmap::from_lsb0_bytes(low, &bits);
    RoaringTreemap::from_bitmaps([(high, bitmap)]).into()
}

#[cfg(test)]
mod tests {
    use lightning_db_types::{Rng, SeededRng};

    use super::*;

    #[test]
    fn sets_hold_the_rows_whatever_their_spread() {
        let rng = SeededRng::new(3);
        for (len, spread, base) in [
            (0, 1, 0),
            (1, 1, 77),
            (500, 1000, 0),
            (30_000, 1_000_000, 123_456),
            (5000, 100_000, (7 << 32) + 99_000),
            (5000, 20_000, (1 << 32) - 10_000),
            (300, u64::MAX, 0),
        ] {
            let rows: Vec<u64> = (0..len).map(|_| base + rng.below(spread)).collect();
            let expected: RowSet = rows.iter().copied().collect();
            assert_eq!(row_set(rows), expected);
        }
    }
}
