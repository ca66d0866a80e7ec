//! Places of the plane and of the sphere.

use std::collections::BTreeSet;

use lightning_db_table::index::{
    Bounds, Geometry, IndexKind, IndexQuery, Location, SpatialOptions, SpatialQuery,
};
use lightning_db_table::{IndexSpec, Value};
use lightning_db_types::{Rng, SeededRng};

use super::{Ask, pick};
use crate::table::{Rows, column};

/// Longitudes and latitudes: on both sides of the antimeridian, at a pole, and at equal distances.
const LONGITUDES: [f64; 8] = [-180.0, -179.5, -60.25, 0.0, 8.5, 8.75, 120.0, 179.5];
const LATITUDES: [f64; 7] = [-90.0, -33.5, 0.0, 12.25, 46.5, 47.0, 90.0];

const EARTH_RADIUS_M: f64 = 6_371_008.8;

pub(super) fn plane(name: &str) -> IndexSpec {
    IndexSpec::spatial(name).column(column::PLACE)
}

pub(super) fn sphere(name: &str) -> IndexSpec {
    let options = SpatialOptions { geometry: Geometry::Sphere };
    IndexSpec::new(name, IndexKind::Spatial(options)).column(column::PLACE)
}

/// A place of few.
pub(crate) fn place(rng: &SeededRng) -> Value {
    let (x, y) = (LONGITUDES[pick(rng, 8)], LATITUDES[pick(rng, 7)]);
    Value::Point { x, y }
}

fn location(row: &[Value]) -> Option<Location> {
    match row[column::PLACE] {
        Value::Point { x, y } => Some(Location::new(x, y)),
        _ => None,
    }
}

fn ask_where(query: SpatialQuery, holds: impl Fn(Location) -> bool + 'static) -> Ask {
    Ask::rows_where(IndexQuery::Spatial(query), move |row| location(row).is_some_and(&holds))
}

/// The nearest rows, by distance, then by number.
fn ask_nearest(
    centre: Location,
    count: usize,
    distance: impl Fn(Location, Location) -> f64 + 'static,
) -> Ask {
    let answer = move |rows: &Rows| -> BTreeSet<u64> {
        let far = |(row_id, row): &(u64, Vec<Value>)| {
            location(row).map(|at| (distance(centre, at), *row_id))
        };
        let mut far: Vec<(f64, u64)> = rows.iter().filter_map(far).collect();
        far.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        far.into_iter().take(count).map(|(_, row_id)| row_id).collect()
    };
    let query = IndexQuery::Spatial(SpatialQuery::Nearest { centre, count });
    Ask { query, answer: Box::new(answer) }
}

fn any_location(rng: &SeededRng) -> Location {
    match place(rng) {
        Value::Point { x, y } => Location::new(x, y),
        other => unreachable!("{other:?} is no place"),
    }
}

pub(super) fn ask_plane(rng: &SeededRng) -> Ask {
    let (from, to) = (any_location(rng), any_location(rng));
    let min = Location::new(from.x.min(to.x), from.y.min(to.y));
    let max = Location::new(from.x.max(to.x), from.y.max(to.y));
    let window = Bounds::new(min, max);
    let inside =
        move |at: Location| at.x >= min.x && at.x <= max.x && at.y >= min.y && at.y <= max.y;
    let squared = |from: Location, to: Location| {
        let (x, y) = (to.x - from.x, to.y - from.y);
        x * x + y * y
    };
    match rng.below(4) {
        0 => ask_where(SpatialQuery::Intersects(window), inside),
        1 => ask_where(SpatialQuery::Inside(window), inside),
        2 => {
            // Squares of these distances are exact, and none is the square of the radius.
            let distance = [0.125, 100.125, 200.125][pick(rng, 3)];
            let near = move |at| squared(from, at) <= distance * distance;
            ask_where(SpatialQuery::Near { centre: from, distance }, near)
        }
        _ => ask_nearest(from, 1 + pick(rng, 9), squared),
    }
}

/// Metres along the great circle; -180 and 180 degrees are one longitude.
fn metres(from: Location, to: Location) -> f64 {
    let (latitude, other) = (from.y.to_radians(), to.y.to_radians());
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let h = half(to.y - from.y) + latitude.cos() * other.cos() * half(to.x - from.x);
    2.0 * EARTH_RADIUS_M * h.sqrt().min(1.0).asin()
}

pub(super) fn ask_sphere(rng: &SeededRng) -> Ask {
    let (from, to) = (any_location(rng), any_location(rng));
    let (min_y, max_y) = (from.y.min(to.y), from.y.max(to.y));
    // From west to east: across the antimeridian if the first longitude is the larger.
    let window = Bounds { min_x: from.x, max_x: to.x, min_y, max_y };
    let inside = move |at: Location| {
        let across = from.x > to.x;
        let (after, before) = (at.x >= from.x, at.x <= to.x);
        let between = if across { after || before } else { after && before };
        between && at.y >= min_y && at.y <= max_y
    };
    match rng.below(3) {
        0 => ask_where(SpatialQuery::Intersects(window), inside),
        1 => ask_where(SpatialQuery::Inside(window), inside),
        _ => {
            // No two of these places are so far apart to the metre.
            let distance = [10.5, 60_000.5, 4_000_000.5, 15_000_000.5][pick(rng, 4)];
            let near = move |at| metres(from, at) <= distance;
            ask_where(SpatialQuery::Near { centre: from, distance }, near)
        }
    }
}
