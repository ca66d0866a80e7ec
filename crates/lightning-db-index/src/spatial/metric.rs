//! Distances from a point, as a search needs them, and those of the plane.

use super::place::{Bounds, Envelope, Location, Place};

/// Distances from one point. A *rank* grows with the distance and is cheaper: a search compares
/// bounds of ranks, and only what these leave open is decided by distances.
pub(super) trait Metric {
    /// Not above the rank of any place in the envelope.
    fn node(&self, envelope: &Envelope) -> f64;

    /// Not above a point's rank.
    fn point_low(&self, at: Location) -> f64;

    /// Not below a point's rank.
    fn point_high(&self, at: Location) -> f64;

    /// Bounds of a box's rank.
    fn rect(&self, of: &Bounds) -> (f64, f64);

    /// The distance of a point.
    fn point_distance(&self, at: Location) -> f64;

    /// The distance of the nearest point of a box; zero inside it.
    fn rect_distance(&self, of: &Bounds) -> f64;

    /// The rank that goes with a distance, up to rounding.
    fn rank_of(&self, distance: f64) -> f64;

    /// Not above a place's rank.
    #[inline]
    fn low(&self, place: &Place) -> f64 {
        match place {
            Place::Point(at) => self.point_low(*at),
            Place::Box(of) => self.rect(of).0,
        }
    }

    /// Not below a place's rank.
    #[inline]
    fn high(&self, place: &Place) -> f64 {
        match place {
            Place::Point(at) => self.point_high(*at),
            Place::Box(of) => self.rect(of).1,
        }
    }

    /// The distance of a place.
    fn distance(&self, place: &Place) -> f64 {
        match place {
            Place::Point(at) => self.point_distance(*at),
            Place::Box(of) => self.rect_distance(of),
        }
    }
}

/// Distances from one point of the plane; ranks are their squares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plane {
    at: Location,
}

/// Below this a square has lost digits.
const SQUARE_MIN: f64 = 1e-290;
/// Beyond the rounding of the operations that a square takes.
const SLACK: f64 = 1e-14;

impl Plane {
    pub(super) fn from(at: Location) -> Self {
        Self { at }
    }
}

/// Length of a vector; the square where it is exact, so that equal distances are equal numbers.
pub(super) fn length(x: f64, y: f64) -> f64 {
    let square = x * x + y * y;
    if square < SQUARE_MIN { x.hypot(y) } else { square.sqrt() }
}

fn gaps(at: Location, min: [f64; 2], max: [f64; 2]) -> (f64, f64) {
    let x = (min[0] - at.x).max(at.x - max[0]).max(0.0);
    let y = (min[1] - at.y).max(at.y - max[1]).max(0.0);
    (x, y)
}

fn spread(square: f64) -> (f64, f64) {
    if square < SQUARE_MIN {
        return (0.0, SQUARE_MIN);
    }
    (square * (1.0 - SLACK), square * (1.0 + SLACK))
}

impl Metric for Plane {
    #[inline]
    fn node(&self, envelope: &Envelope) -> f64 {
        let (x, y) = gaps(self.at, envelope.lower(), envelope.upper());
        spread(x * x + y * y).0
    }

    #[inline]
    fn point_low(&self, at: Location) -> f64 {
        let (x, y) = (at.x - self.at.x, at.y - self.at.y);
        spread(x * x + y * y).0
    }

    #[inline]
    fn point_high(&self, at: Location) -> f64 {
        let (x, y) = (at.x - self.at.x, at.y - self.at.y);
        spread(x * x + y * y).1
    }

    fn rect(&self, of: &Bounds) -> (f64, f64) {
        let (x, y) = gaps(self.at, [of.min_x, of.min_y], [of.max_x, of.max_y]);
        spread(x * x + y * y)
    }

    fn point_distance(&self, at: Location) -> f64 {
        length(at.x - self.at.x, at.y - self.at.y)
    }

    fn rect_distance(&self, of: &Bounds) -> f64 {
        let (x, y) = gaps(self.at, [of.min_x, of.min_y], [of.max_x, of.max_y]);
        length(x, y)
    }

    fn rank_of(&self, distance: f64) -> f64 {
        distance * distance
    }
}
