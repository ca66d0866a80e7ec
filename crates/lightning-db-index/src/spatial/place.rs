//! Places: points and boxes, how coordinates are brought into shape, and how entries look.
//!
//! On the sphere a longitude lies in `-180..180`. A box whose least longitude is above its greatest
//! one crosses the antimeridian; it is searched as two pieces that end there.

use lightning_db_expression::number::nearest;
use lightning_db_types::Value;
use rstar::AABB;
use serde::{Deserialize, Serialize};

use super::metric::{Metric, Plane};
use super::polygon::{Polygon, Region};
use super::sphere::Sphere;

/// Greatest coordinate of the plane, either way: squares of differences stay finite.
const PLANE_MAX: f64 = 1e150;
const HALF_TURN: f64 = 180.0;
const TURN: f64 = 360.0;
const LATITUDE_MAX: f64 = 90.0;

/// What coordinates mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Geometry {
    /// A plane: distances are in the unit of the coordinates, which are at most 1e150 either way.
    #[default]
    Plane,
    /// The Earth as a sphere of radius 6,371,008.8 m: `x` is the longitude and `y` the latitude,
    /// both in degrees, and distances are in metres along great circles.
    Sphere,
}

/// A point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// First coordinate, or longitude in degrees.
    pub x: f64,
    /// Second coordinate, or latitude in degrees.
    pub y: f64,
}

impl Location {
    /// The point with these coordinates: longitude, then latitude.
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }
}

/// A box along the axes, its edges included.
///
/// On the sphere a box with `min_x > max_x` crosses the antimeridian, and one that is 360 degrees
/// wide or more goes all the way round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// Least first coordinate, or the western edge.
    pub min_x: f64,
    /// Least second coordinate, or the southern edge.
    pub min_y: f64,
    /// Greatest first coordinate, or the eastern edge.
    pub max_x: f64,
    /// Greatest second coordinate, or the northern edge.
    pub max_y: f64,
}

impl Bounds {
    /// The box between two corners: the lower left (south-western) and the upper right one.
    pub fn new(min: Location, max: Location) -> Self {
        Self { min_x: min.x, min_y: min.y, max_x: max.x, max_y: max.y }
    }

    pub(super) fn is_split(&self) -> bool {
        self.min_x > self.max_x
    }

    /// The pieces between the antimeridian and itself, from west to east.
    pub(super) fn pieces(&self) -> (Envelope, Option<Envelope>) {
        let piece = |min, max| AABB::from_bounds([min, self.min_y], [max, self.max_y]);
        if self.is_split() {
            (piece(self.min_x, HALF_TURN), Some(piece(-HALF_TURN, self.max_x)))
        } else {
            (piece(self.min_x, self.max_x), None)
        }
    }

    /// Whether a box lies in this one, edges included.
    pub(super) fn contains(&self, other: &Self) -> bool {
        if other.min_y < self.min_y || other.max_y > self.max_y {
            return false;
        }
        match (self.is_split(), other.is_split()) {
            (false, false) | (true, true) => self.min_x <= other.min_x && other.max_x <= self.max_x,
            (true, false) => self.min_x <= other.min_x || other.max_x <= self.max_x,
            (false, true) => self.max_x - self.min_x >= TURN,
        }
    }

    /// Whether the boxes have a point in common.
    pub(super) fn intersects(&self, other: &Self) -> bool {
        if other.min_y > self.max_y || other.max_y < self.min_y {
            return false;
        }
        match (self.is_split(), other.is_split()) {
            (false, false) => self.min_x <= other.max_x && other.min_x <= self.max_x,
            (true, true) => true,
            _ => self.min_x <= other.max_x || other.min_x <= self.max_x,
        }
    }
}

pub(super) type Envelope = AABB<[f64; 2]>;

/// What stands in the index for a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place {
    Point(Location),
    Box(Bounds),
}

impl Place {
    pub(super) fn bounds(&self) -> Bounds {
        match *self {
            Self::Point(Location { x, y }) => Bounds { min_x: x, min_y: y, max_x: x, max_y: y },
            Self::Box(bounds) => bounds,
        }
    }

    /// Value of an entry: coordinates as little-endian doubles, two of a point and four of a box.
    pub(super) fn encode(&self) -> Vec<u8> {
        match *self {
            Self::Point(at) => [at.x, at.y].iter().flat_map(|c| c.to_le_bytes()).collect(),
            Self::Box(Bounds { min_x, min_y, max_x, max_y }) => {
                [min_x, min_y, max_x, max_y].iter().flat_map(|c| c.to_le_bytes()).collect()
            }
        }
    }

    /// Reads an entry; `None` if it is none, or holds what [`Geometry`] would not let in.
    pub(super) fn decode(geometry: Geometry, bytes: &[u8]) -> Option<Self> {
        let (numbers, []) = bytes.as_chunks::<8>() else { return None };
        match *numbers {
            [x, y] => {
                let at = Location::new(f64::from_le_bytes(x), f64::from_le_bytes(y));
                geometry.location(at).ok().filter(|shaped| *shaped == at).map(Self::Point)
            }
            [min_x, min_y, max_x, max_y] => {
                let [min_x, min_y, max_x, max_y] =
                    [min_x, min_y, max_x, max_y].map(f64::from_le_bytes);
                let bounds = Bounds { min_x, min_y, max_x, max_y };
                geometry.bounds(bounds).ok().filter(|shaped| *shaped == bounds).map(Self::Box)
            }
            _ => None,
        }
    }
}

impl Geometry {
    /// The distance of two points, as indexes order rows by it; `None` if one is no point of this
    /// geometry.
    pub fn distance(self, from: Location, to: Location) -> Option<f64> {
        let (from, to) = (self.location(from).ok()?, self.location(to).ok()?);
        Some(match self {
            Self::Plane => Plane::from(from).point_distance(to),
            Self::Sphere => Sphere::from(from).point_distance(to),
        })
    }

    /// Whether a point lies in a polygon or on its boundary; `None` if one of them is none of this
    /// geometry.
    pub fn contains(self, polygon: &Polygon, point: Location) -> Option<bool> {
        let place = Place::Point(self.location(point).ok()?);
        Region::new(self, polygon).ok().map(|region| region.contains(&place))
    }

    /// A point with its coordinates brought into shape, or what is wrong with them.
    pub(super) fn location(self, at: Location) -> Result<Location, String> {
        Ok(Location { x: self.x(at.x)?, y: self.y(at.y)? })
    }

    /// A box with its coordinates brought into shape, or what is wrong with it.
    pub(super) fn bounds(self, of: Bounds) -> Result<Bounds, String> {
        let Bounds { min_x, min_y, max_x, max_y } = of;
        let shaped = Bounds {
            min_x: self.x(min_x)?,
            min_y: self.y(min_y)?,
            max_x: self.x(max_x)?,
            max_y: self.y(max_y)?,
        };
        if min_y > max_y {
            return Err(format!("the box is inverted: y from {min_y} to {max_y}"));
        }
        match self {
            Self::Plane if min_x > max_x => {
                Err(format!("the box is inverted: x from {min_x} to {max_x}"))
            }
            Self::Sphere if max_x - min_x >= TURN => {
                Ok(Bounds { min_x: -HALF_TURN, max_x: HALF_TURN, ..shaped })
            }
            _ => Ok(shaped),
        }
    }

    fn x(self, x: f64) -> Result<f64, String> {
        match self {
            Self::Plane => plane("x", x),
            Self::Sphere if x.is_finite() => Ok(longitude(x)),
            Self::Sphere => Err(format!("the longitude {x} is no number of degrees")),
        }
    }

    fn y(self, y: f64) -> Result<f64, String> {
        match self {
            Self::Plane => plane("y", y),
            // Adding zero makes one zero of the two.
            Self::Sphere if y.abs() <= LATITUDE_MAX => Ok(y + 0.0),
            Self::Sphere => Err(format!("the latitude {y} is not in -90 to 90 degrees")),
        }
    }

    /// The place that the key parts of a row give; `None` if one is null.
    pub(super) fn place(self, parts: &[Value]) -> Result<Option<Place>, String> {
        if parts.iter().any(Value::is_null) {
            return Ok(None);
        }
        Ok(Some(match parts {
            [Value::Point { x, y }] => Place::Point(self.location(Location::new(*x, *y))?),
            [other] => return Err(format!("{} is no point", other.value_type())),
            [x, y] => Place::Point(self.location(Location::new(number(x)?, number(y)?))?),
            [min_x, min_y, max_x, max_y] => Place::Box(self.bounds(Bounds {
                min_x: number(min_x)?,
                min_y: number(min_y)?,
                max_x: number(max_x)?,
                max_y: number(max_y)?,
            })?),
            _ => return Err(format!("{} values make no place", parts.len())),
        }))
    }
}

fn plane(name: &str, value: f64) -> Result<f64, String> {
    if value.abs() <= PLANE_MAX {
        Ok(value + 0.0)
    } else {
        Err(format!("the coordinate {name} = {value} is not within 1e150 of zero"))
    }
}

/// The same longitude in `-180..180`. One that is there already is not touched, so nothing is
/// rounded without need.
pub(super) fn longitude(degrees: f64) -> f64 {
    if (-HALF_TURN..HALF_TURN).contains(&degrees) {
        return degrees + 0.0;
    }
    // The remainder is exact, and so is the turn taken off.
    let within = degrees % TURN;
    let within = if within >= HALF_TURN {
        within - TURN
    } else if within < -HALF_TURN {
        within + TURN
    } else {
        within
    };
    if within >= HALF_TURN { -HALF_TURN } else { within + 0.0 }
}

fn number(value: &Value) -> Result<f64, String> {
    nearest(value.as_value_ref()).ok_or_else(|| format!("{} is no number", value.value_type()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longitudes_come_into_range_exactly() {
        for (given, expected) in [
            (0.0, 0.0),
            (-180.0, -180.0),
            (180.0, -180.0),
            (540.0, -180.0),
            (-540.0, -180.0),
            (190.0, -170.0),
            (-190.0, 170.0),
            (179.999, 179.999),
            (725.5, 5.5),
            (-0.0, 0.0),
        ] {
            assert_eq!(longitude(given).to_bits(), f64::to_bits(expected), "{given}");
        }
        let below = -180.0_f64.next_up();
        assert!((-180.0..180.0).contains(&longitude(below)));
        assert!((-180.0..180.0).contains(&longitude((-180.0_f64).next_down())));
    }

    #[test]
    fn entries_are_read_back_and_others_refused() {
        let point = Place::Point(Location::new(-73.9, 40.7));
        let bounds = Bounds { min_x: 170.0, min_y: -10.0, max_x: -170.0, max_y: 10.0 };
        for place in [point, Place::Box(bounds)] {
            let bytes = place.encode();
            assert_eq!(Place::decode(Geometry::Sphere, &bytes), Some(place));
            assert_eq!(Place::decode(Geometry::Sphere, &bytes[1..]), None);
        }
        assert_eq!(Place::decode(Geometry::Plane, &Place::Box(bounds).encode()), None);
        let nan = Place::Point(Location::new(f64::NAN, 0.0)).encode();
        assert_eq!(Place::decode(Geometry::Plane, &nan), None);
        let north = Place::Point(Location::new(0.0, 91.0)).encode();
        assert_eq!(Place::decode(Geometry::Sphere, &north), None);
    }

    #[test]
    fn boxes_on_the_sphere_are_compared_round_the_antimeridian() {
        let lon = |min_x, max_x| {
            let bounds = Bounds { min_x, min_y: 0.0, max_x, max_y: 1.0 };
            Geometry::Sphere.bounds(bounds).unwrap()
        };
        let pacific = lon(170.0, 190.0);
        assert!(pacific.is_split());
        assert!(pacific.contains(&lon(175.0, -175.0)) && pacific.contains(&lon(172.0, 173.0)));
        assert!(pacific.contains(&lon(-180.0, -179.0)) && pacific.contains(&lon(175.0, 180.0)));
        assert!(!pacific.contains(&lon(169.0, 175.0)) && !pacific.contains(&lon(0.0, 1.0)));
        assert!(pacific.intersects(&lon(160.0, 170.0)) && !pacific.intersects(&lon(0.0, 169.0)));
        assert!(lon(-180.0, 180.0).contains(&pacific) && !lon(-180.0, 179.0).contains(&pacific));
        assert!(lon(170.0, 180.0).intersects(&lon(-180.0, -170.0)));
    }
}
