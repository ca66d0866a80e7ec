//! Pairs of places of two indexes.

use super::metric::length;
use super::place::{Bounds, Geometry, Place};
use super::query::distance_of;
use super::view::View;

/// When two places make a pair.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum SpatialJoin {
    /// They have a point in common.
    Intersects,
    /// They are at most so far from one another: in metres on the sphere, else in the unit of the
    /// plane.
    Near(f64),
}

/// The pairs, by the first row, then by the second.
///
/// Each place of the one is a query of the other; places that are near one another come one after
/// the other, so that the nodes they meet are in the cache.
pub(super) fn pairs(
    one: &View,
    other: &View,
    condition: SpatialJoin,
) -> Result<Vec<(u64, u64)>, String> {
    let mut pairs = Vec::new();
    match condition {
        SpatialJoin::Intersects => one.for_each(&mut |row_id, place| {
            let bounds = place.bounds();
            other.in_window(&bounds, &|_| true, &mut |found, _| pairs.push((row_id, found)));
        }),
        SpatialJoin::Near(distance) => {
            let distance = distance_of(distance)?;
            let mut refused = false;
            one.for_each(&mut |row_id, place| match place {
                Place::Point(at) => {
                    other.in_circle(*at, distance, &mut |found, _| pairs.push((row_id, found)));
                }
                Place::Box(of) if one.geometry == Geometry::Plane => {
                    near_box(other, of, distance, &mut |found| pairs.push((row_id, found)));
                }
                Place::Box(_) => refused = true,
            });
            if refused {
                return Err("the distance from a box on the sphere is only known for points: \
                            join the other way round"
                    .to_owned());
            }
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    Ok(pairs)
}

/// Places of the plane that are near a box.
fn near_box(other: &View, of: &Bounds, distance: f64, visit: &mut impl FnMut(u64)) {
    // Wider by more than what the subtraction rounds.
    let margin = distance
        + (distance + of.max_x.abs().max(of.min_x.abs())) * 1e-15
        + of.max_y.abs().max(of.min_y.abs()) * 1e-15;
    let around = Bounds {
        min_x: of.min_x - margin,
        min_y: of.min_y - margin,
        max_x: of.max_x + margin,
        max_y: of.max_y + margin,
    };
    let is_near = |place: &Place| {
        let found = place.bounds();
        let x = (found.min_x - of.max_x).max(of.min_x - found.max_x).max(0.0);
        let y = (found.min_y - of.max_y).max(of.min_y - found.max_y).max(0.0);
        length(x, y) <= distance
    };
    other.in_window(&around, &is_near, &mut |row_id, _| visit(row_id));
}
