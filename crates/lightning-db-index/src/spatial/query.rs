//! What can be asked, and how it is made ready.

use super::place::{Bounds, Geometry, Location};
use super::polygon::{Polygon, Region};

/// A question about places. Edges belong to what they bound.
///
/// Windows and polygons compare coordinates: at a pole, where all longitudes are one point, the one
/// that was given counts. Distances know that point for what it is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SpatialQuery {
    /// Places that have a point in common with the box.
    Intersects(Bounds),
    /// Places that lie wholly in the box.
    Inside(Bounds),
    /// Places that the box lies in wholly.
    Covers(Bounds),
    /// Places that lie wholly in the polygon.
    InPolygon(Polygon),
    /// Places at most so far from a point: in metres on the sphere, else in the unit of the plane.
    Near {
        /// The point.
        centre: Location,
        /// The distance, zero or more.
        distance: f64,
    },
    /// The places nearest to a point. Of those that are equally far, those with lower row numbers.
    Nearest {
        /// The point.
        centre: Location,
        /// How many.
        count: usize,
    },
}

/// A query whose coordinates are in shape.
#[derive(Debug)]
pub(super) enum Prepared {
    Intersects(Bounds),
    Inside(Bounds),
    Covers(Bounds),
    InRegion(Region),
    Near { centre: Location, distance: f64 },
    Nearest { centre: Location, count: usize },
}

impl Prepared {
    pub(super) fn new(geometry: Geometry, query: &SpatialQuery) -> Result<Self, String> {
        Ok(match query {
            SpatialQuery::Intersects(of) => Self::Intersects(geometry.bounds(*of)?),
            SpatialQuery::Inside(of) => Self::Inside(geometry.bounds(*of)?),
            SpatialQuery::Covers(of) => Self::Covers(geometry.bounds(*of)?),
            SpatialQuery::InPolygon(polygon) => Self::InRegion(Region::new(geometry, polygon)?),
            SpatialQuery::Near { centre, distance } => {
                let distance = distance_of(*distance)?;
                Self::Near { centre: geometry.location(*centre)?, distance }
            }
            SpatialQuery::Nearest { centre, count } => {
                Self::Nearest { centre: geometry.location(*centre)?, count: *count }
            }
        })
    }
}

/// A distance, if it is one.
pub(super) fn distance_of(distance: f64) -> Result<f64, String> {
    if distance >= 0.0 { Ok(distance) } else { Err(format!("{distance} is no distance")) }
}
