//! Great-circle distances, and bounds of them that need no trigonometry.
//!
//! The *rank* of a place is the haversine of its angular distance: it grows with the distance, and
//! polynomials bound it from both sides, so that a tree is searched and nearly all rows are decided
//! without sines. What the bounds leave open is decided by the haversine formula itself. All
//! differences of degrees are taken in one way, and rounding keeps their order, so a box is never
//! farther than a point in it.

use super::metric::Metric;
use super::place::{Bounds, Envelope, Location};

/// Mean radius of the Earth in metres (IUGG).
pub(super) const EARTH_RADIUS_M: f64 = 6_371_008.8;
/// Beyond the rounding of the few operations that a rank takes.
const SLACK: f64 = 1e-13;

/// Distances from one point of the sphere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sphere {
    at: Location,
    latitude: f64,
    cos_latitude: f64,
}

impl Sphere {
    pub(super) fn from(at: Location) -> Self {
        let latitude = at.y.to_radians();
        Self { at, latitude, cos_latitude: latitude.cos() }
    }

    /// Haversine of the distance to a point that is `longitude_gap` degrees away in longitude.
    fn haversine(&self, longitude_gap: f64, latitude: f64) -> f64 {
        let north = (0.5 * (latitude - self.at.y).to_radians()).sin();
        let east = (0.5 * longitude_gap.to_radians()).sin();
        let cos = latitude.to_radians().cos();
        north * north + self.cos_latitude * cos * east * east
    }

    fn box_rank(&self, of: &Bounds) -> f64 {
        let inside = if of.is_split() {
            self.at.x >= of.min_x || self.at.x <= of.max_x
        } else {
            self.at.x >= of.min_x && self.at.x <= of.max_x
        };
        if inside {
            return self.haversine(0.0, self.at.y.clamp(of.min_y, of.max_y));
        }
        // The nearer of the two edges, whatever the latitude.
        let gap = turn(of.min_x - self.at.x).min(turn(self.at.x - of.max_x));
        let south = self.haversine(gap, of.min_y);
        let north = self.haversine(gap, of.max_y);
        let corner = south.min(north);
        // Along a meridian the cosine of the distance is one wave: its crest may lie on the edge.
        let crest = self.latitude.sin().atan2(self.cos_latitude * gap.to_radians().cos());
        let crest = crest.to_degrees();
        if of.min_y < crest && crest < of.max_y {
            corner.min(self.haversine(gap, crest))
        } else {
            corner
        }
    }
}

impl Metric for Sphere {
    #[inline]
    fn node(&self, envelope: &Envelope) -> f64 {
        let (lower, upper) = (envelope.lower(), envelope.upper());
        let east = longitude_gap(self.at.x, lower[0], upper[0]).to_radians();
        let north = (lower[1] - self.at.y).max(self.at.y - upper[1]).max(0.0).to_radians();
        let cos = cos_low(lower[1].abs().max(upper[1].abs()).to_radians());
        let rank = haversine_low(north) + self.cos_latitude * cos * haversine_low(east);
        rank * (1.0 - SLACK)
    }

    #[inline]
    fn point_low(&self, at: Location) -> f64 {
        let east = turn(at.x - self.at.x).to_radians();
        let north = (at.y - self.at.y).abs().to_radians();
        let cos = cos_low(at.y.abs().to_radians());
        let rank = haversine_low(north) + self.cos_latitude * cos * haversine_low(east);
        rank * (1.0 - SLACK)
    }

    #[inline]
    fn point_high(&self, at: Location) -> f64 {
        let east = turn(at.x - self.at.x).to_radians();
        let north = (at.y - self.at.y).abs().to_radians();
        let cos = cos_high(at.y.abs().to_radians());
        let rank = haversine_high(north) + self.cos_latitude * cos * haversine_high(east);
        rank * (1.0 + SLACK)
    }

    fn rect(&self, of: &Bounds) -> (f64, f64) {
        let rank = self.box_rank(of);
        (rank * (1.0 - SLACK), rank * (1.0 + SLACK))
    }

    fn point_distance(&self, at: Location) -> f64 {
        distance_of(self.haversine(turn(at.x - self.at.x), at.y))
    }

    fn rect_distance(&self, of: &Bounds) -> f64 {
        distance_of(self.box_rank(of))
    }

    fn rank_of(&self, distance: f64) -> f64 {
        let angle = distance / (2.0 * EARTH_RADIUS_M);
        if angle >= std::f64::consts::FRAC_PI_2 {
            return f64::INFINITY;
        }
        angle.sin() * angle.sin()
    }
}

fn distance_of(rank: f64) -> f64 {
    2.0 * EARTH_RADIUS_M * rank.sqrt().min(1.0).asin()
}

/// The same difference of longitudes, the short way round: 0 to 180 degrees.
#[inline]
fn turn(degrees: f64) -> f64 {
    let degrees = degrees.abs();
    if degrees > 180.0 { 360.0 - degrees } else { degrees }
}

/// How far a longitude is from a range of them.
#[inline]
fn longitude_gap(at: f64, min: f64, max: f64) -> f64 {
    if at >= min && at <= max { 0.0 } else { turn(min - at).min(turn(at - max)) }
}

/// Not above `sin(x / 2)^2`, and growing, for 0 to pi: the series of the cosine alternates.
#[inline]
fn haversine_low(x: f64) -> f64 {
    if x > 1.0 {
        return (0.5 * x).sin().powi(2);
    }
    let q = 0.25 * x * x;
    q * (1.0 - q * (1.0 / 3.0))
}

/// Not below `sin(x / 2)^2`.
#[inline]
fn haversine_high(x: f64) -> f64 {
    if x > 1.0 {
        return (0.5 * x).sin().powi(2);
    }
    let q = 0.25 * x * x;
    q * (1.0 - q * (1.0 / 3.0) * (1.0 - q * (2.0 / 15.0)))
}

/// Not above the cosine, for 0 to a quarter turn.
#[inline]
fn cos_low(x: f64) -> f64 {
    let u = x * x;
    (1.0 - u * (0.5 - u * (1.0 / 24.0 - u * (1.0 / 720.0)))).max(0.0)
}

/// Not below the cosine, for 0 to a quarter turn.
#[inline]
fn cos_high(x: f64) -> f64 {
    let u = x * x;
    1.0 - u * (0.5 - u * (1.0 / 24.0 - u * (1.0 / 720.0 - u * (1.0 / 40320.0))))
}

#[cfg(test)]
mod tests {
    use lightning_db_types::{Rng, SeededRng};
    use rstar::AABB;

    use super::*;

    #[expect(clippy::cast_precision_loss, reason = "random numbers")]
    fn draw(rng: &SeededRng, min: f64, max: f64) -> f64 {
        min + (max - min) * (rng.below(1 << 40) as f64 / (1_u64 << 40) as f64)
    }

    #[test]
    fn known_distances() {
        let check = |a: (f64, f64), b: (f64, f64), metres: f64| {
            let from = Sphere::from(Location::new(a.0, a.1));
            let found = from.point_distance(Location::new(b.0, b.1));
            assert!((found - metres).abs() < 1.0, "{found} instead of {metres}");
        };
        // New York to London, over the antimeridian, pole to pole, the same pole twice.
        check((-74.006, 40.7128), (-0.1278, 51.5074), 5_570_229.9);
        check((179.0, 0.0), (-179.0, 0.0), 222_390.2);
        check((0.0, 90.0), (77.0, -90.0), std::f64::consts::PI * EARTH_RADIUS_M);
        check((0.0, 90.0), (120.0, 90.0), 0.0);
    }

    #[test]
    fn bounds_hold_on_all_scales() {
        let rng = SeededRng::new(11);
        for round in 0..200_000 {
            let span = [360.0, 10.0, 0.1, 1e-5][round % 4];
            let at = Location::new(draw(&rng, -180.0, 180.0), draw(&rng, -90.0, 90.0));
            let from = Sphere::from(at);
            let x = super::super::place::longitude(at.x + draw(&rng, -span, span));
            let y = (at.y + draw(&rng, -span, span)).clamp(-90.0, 90.0);
            let exact = from.haversine(turn(x - at.x), y);
            let place = Location::new(x, y);
            let (low, high) = (from.point_low(place), from.point_high(place));
            assert!(low <= exact && exact <= high, "{at:?} {x} {y}: {low} {exact} {high}");
            let wide = draw(&rng, 0.0, span);
            let box_around = Bounds {
                min_x: (x - wide).max(-180.0),
                min_y: (y - wide).max(-90.0),
                max_x: (x + wide).min(180.0),
                max_y: (y + wide).min(90.0),
            };
            let envelope = AABB::from_bounds(
                [box_around.min_x, box_around.min_y],
                [box_around.max_x, box_around.max_y],
            );
            let node = from.node(&envelope);
            assert!(node <= exact && node <= from.box_rank(&box_around), "{at:?} {box_around:?}");
        }
    }

    #[test]
    fn distance_to_a_box_is_that_to_its_nearest_point() {
        let rng = SeededRng::new(12);
        for _ in 0..300 {
            let at = Location::new(draw(&rng, -180.0, 180.0), draw(&rng, -90.0, 90.0));
            let south = draw(&rng, -90.0, 90.0);
            let of = Bounds {
                min_x: draw(&rng, -180.0, 180.0),
                min_y: south,
                max_x: draw(&rng, -180.0, 180.0),
                max_y: draw(&rng, south, 90.0),
            };
            let from = Sphere::from(at);
            let found = from.rect_distance(&of);
            let width = (of.max_x - of.min_x).rem_euclid(360.0);
            let mut nearest = f64::INFINITY;
            for i in 0..=300 {
                for j in 0..=100 {
                    let x = of.min_x + width * f64::from(i) / 300.0;
                    let y = of.min_y + (of.max_y - of.min_y) * f64::from(j) / 100.0;
                    let x = super::super::place::longitude(x);
                    nearest = nearest.min(from.point_distance(Location::new(x, y)));
                }
            }
            // Grid points are in the box, and one is within a cell of the nearest point.
            assert!(found <= nearest + 1e-3, "{at:?} {of:?}: {found} {nearest}");
            assert!(nearest - found < 150_000.0, "{at:?} {of:?}: {found} {nearest}");
        }
    }
}
