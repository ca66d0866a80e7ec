//! How many places match, from the counts of the trees.

use std::sync::Arc;

use super::level::Level;
use super::place::{Bounds, Envelope, Geometry, Location};
use super::query::Prepared;
use super::sphere::EARTH_RADIUS_M;
use super::summary::Count;
use crate::estimate::Estimate;

/// An estimate from levels, of which `waiting` changes are not known yet.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn estimate(
    geometry: Geometry,
    levels: &[Arc<Level>],
    waiting: usize,
    query: &Prepared,
) -> Estimate {
    let (window, fill, certain) = match query {
        Prepared::Intersects(window) => (*window, 1.0, true),
        Prepared::Inside(window) => (*window, 1.0, points_only(levels)),
        Prepared::Covers(window) => (*window, if points_only(levels) { 0.0 } else { 0.5 }, false),
        Prepared::InRegion(region) => (region.bounds(), region.fill(), false),
        Prepared::Near { centre, distance } => {
            (around(geometry, *centre, *distance), std::f64::consts::FRAC_PI_4, false)
        }
        Prepared::Nearest { count, .. } => return nearest(levels, waiting, *count),
    };
    let waiting = waiting as f64;
    let mut sum = Count { low: -waiting, point: 0.0, high: waiting };
    for level in levels {
        let count = count(level, &window);
        let ended = level.ended_len() as f64;
        let counts = 1.0 - ended / (level.len().max(1) as f64);
        sum.low += (count.low - ended).max(0.0);
        sum.point += count.point * counts;
        sum.high += count.high;
    }
    let low = if certain { sum.low } else { 0.0 };
    Estimate::between(low, sum.point * fill, sum.high)
}

fn points_only(levels: &[Arc<Level>]) -> bool {
    levels.iter().all(|level| level.boxes.size() == 0)
}

fn count(level: &Level, window: &Bounds) -> Count {
    let (west, east) = window.pieces();
    let mut sum = Count::default();
    let mut add = |piece: &Envelope| {
        for summary in &level.summaries {
            let count = summary.count(piece);
            sum.low += count.low;
            sum.point += count.point;
            sum.high += count.high;
        }
    };
    add(&west);
    if let Some(east) = &east {
        add(east);
    }
    sum
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn nearest(levels: &[Arc<Level>], waiting: usize, count: usize) -> Estimate {
    let counting = levels.iter().map(|level| level.len() - level.ended_len());
    let places = counting.sum::<usize>();
    let least = places.saturating_sub(waiting).min(count) as f64;
    Estimate::between(least, places.min(count) as f64, (places + waiting).min(count) as f64)
}

/// A box around a circle.
fn around(geometry: Geometry, centre: Location, distance: f64) -> Bounds {
    let Location { x, y } = centre;
    if geometry == Geometry::Plane {
        return Bounds {
            min_x: x - distance,
            min_y: y - distance,
            max_x: x + distance,
            max_y: y + distance,
        };
    }
    let angle = distance / EARTH_RADIUS_M;
    let degrees = angle.to_degrees();
    let (min_y, max_y) = ((y - degrees).max(-90.0), (y + degrees).min(90.0));
    // The meridians that touch the circle; there are none if a pole is in it.
    let east = (angle.sin() / y.to_radians().cos()).asin().to_degrees();
    let has_pole = y + degrees >= 90.0 || y - degrees <= -90.0;
    let east = if has_pole || east.is_nan() { 180.0 } else { east };
    let bounds = Bounds { min_x: x - east, min_y, max_x: x + east, max_y };
    geometry.bounds(bounds).unwrap_or(bounds)
}
