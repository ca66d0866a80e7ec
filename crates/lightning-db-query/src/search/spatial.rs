//! Distances between points, and points in polygons.

use std::cell::RefCell;
use std::str::FromStr;

use lightning_db_expression::number;
use lightning_db_optimizer::build::Term;
use lightning_db_table::index::{Geometry, IndexKind, IndexQuery, Location, Polygon, SpatialQuery};
use lightning_db_types::{Value, ValueRef, ValueType};

use super::{Form, Function, refuse};
use crate::error::Result;

/// The distance of two points: metres on the sphere, where `x` is the longitude and `y` the
/// latitude, or the unit of the plane. A spatial index gives rows in its order.
pub fn distance(geometry: Geometry, from: impl Into<Term>, to: impl Into<Term>) -> Term {
    let of = of(geometry, [&SPHERE_DISTANCE, &PLANE_DISTANCE]);
    term(of, vec![from.into(), to.into()], ValueType::F64)
}

/// Whether two points are at most so far from each other.
pub fn within_distance(
    geometry: Geometry,
    from: impl Into<Term>,
    to: impl Into<Term>,
    distance: impl Into<Term>,
) -> Term {
    let of = of(geometry, [&SPHERE_DISTANCE_WITHIN, &PLANE_DISTANCE_WITHIN]);
    term(of, vec![from.into(), to.into(), distance.into()], ValueType::Bool)
}

/// Whether a point lies in a polygon, which is written as WKT: `POLYGON((x y, x y, ..), (hole))`.
pub fn within(geometry: Geometry, point: impl Into<Term>, polygon: impl Into<Term>) -> Term {
    let of = of(geometry, [&SPHERE_WITHIN, &PLANE_WITHIN]);
    term(of, vec![point.into(), polygon.into()], ValueType::Bool)
}

fn of(geometry: Geometry, [sphere, plane]: [&'static Places; 2]) -> &'static Places {
    if geometry == Geometry::Sphere { sphere } else { plane }
}

fn term(function: &Places, arguments: Vec<Term>, value_type: ValueType) -> Term {
    Term::External { function: function.name.into(), arguments, value_type }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Distance,
    DistanceWithin,
    Within,
}

/// A function of places.
#[derive(Debug)]
pub(super) struct Places {
    name: &'static str,
    geometry: Geometry,
    measure: Measure,
}

const fn places(name: &'static str, geometry: Geometry, measure: Measure) -> Places {
    Places { name, geometry, measure }
}

pub(super) static SPHERE_DISTANCE: Places =
    places("st_distance", Geometry::Sphere, Measure::Distance);
pub(super) static SPHERE_DISTANCE_WITHIN: Places =
    places("st_dwithin", Geometry::Sphere, Measure::DistanceWithin);
pub(super) static SPHERE_WITHIN: Places = places("st_within", Geometry::Sphere, Measure::Within);
pub(super) static PLANE_DISTANCE: Places =
    places("plane_distance", Geometry::Plane, Measure::Distance);
pub(super) static PLANE_DISTANCE_WITHIN: Places =
    places("plane_dwithin", Geometry::Plane, Measure::DistanceWithin);
pub(super) static PLANE_WITHIN: Places = places("plane_within", Geometry::Plane, Measure::Within);

impl Places {
    fn has_geometry_of(&self, kind: &IndexKind) -> bool {
        matches!(kind, IndexKind::Spatial(options) if options.geometry == self.geometry)
    }

    fn compute(&self, arguments: &[ValueRef<'_>]) -> Result<Value> {
        let no_place = || refuse(self, "a coordinate is outside of what the geometry has");
        let distance = |from: ValueRef<'_>, to: ValueRef<'_>| {
            self.geometry.distance(self.point(from)?, self.point(to)?).ok_or_else(no_place)
        };
        Ok(match (self.measure, arguments) {
            (Measure::Distance, [from, to]) => Value::F64(distance(*from, *to)?),
            (Measure::DistanceWithin, [from, to, most]) => {
                Value::Bool(distance(*from, *to)? <= self.length(*most)?)
            }
            (Measure::Within, [point, ValueRef::Text(polygon)]) => {
                let point = self.point(*point)?;
                let contains = with_polygon(polygon, |it| self.geometry.contains(it, point));
                let contains = contains.map_err(|error| refuse(self, &error.to_string()))?;
                Value::Bool(contains.ok_or_else(no_place)?)
            }
            _ => return Err(refuse(self, "it takes other arguments")),
        })
    }

    fn point(&self, value: ValueRef<'_>) -> Result<Location> {
        match value {
            ValueRef::Point { x, y } => Ok(Location::new(x, y)),
            other => Err(refuse(self, &format!("{} is no point", other.value_type()))),
        }
    }

    fn length(&self, value: ValueRef<'_>) -> Result<f64> {
        let length = number::nearest(value);
        let no_length = || refuse(self, &format!("{} is no distance", value.value_type()));
        let length = length.ok_or_else(no_length)?;
        if length >= 0.0 { Ok(length) } else { Err(refuse(self, "a distance is zero or more")) }
    }
}

/// Calls `then` with the polygon that a text describes. A thread keeps the one that it has read
/// last: of a query, it is the same for row after row.
fn with_polygon<T>(
    text: &str,
    then: impl FnOnce(&Polygon) -> T,
) -> std::result::Result<T, <Polygon as FromStr>::Err> {
    thread_local! {
        static LAST: RefCell<Option<(String, Polygon)>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| {
        if let Some((known, polygon)) = last
            && known == text
        {
            return Ok(then(polygon));
        }
        let (_, polygon) = last.insert((text.to_owned(), text.parse()?));
        Ok(then(polygon))
    })
}

impl Function for Places {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_answered_by(&self, kind: &IndexKind) -> bool {
        self.measure != Measure::Distance && self.has_geometry_of(kind)
    }

    fn orders(&self, kind: &IndexKind) -> bool {
        self.measure == Measure::Distance && self.has_geometry_of(kind)
    }

    fn question(
        &self,
        _kind: &IndexKind,
        _part: usize,
        given: &[Value],
    ) -> Result<Option<IndexQuery>> {
        if given.iter().any(Value::is_null) {
            return Ok(None);
        }
        Ok(Some(IndexQuery::Spatial(match (self.measure, given) {
            (Measure::DistanceWithin, [centre, distance]) => SpatialQuery::Near {
                centre: self.point(centre.as_value_ref())?,
                distance: self.length(distance.as_value_ref())?,
            },
            (Measure::Within, [Value::Text(polygon)]) => {
                let polygon = with_polygon(polygon, Polygon::clone);
                SpatialQuery::InPolygon(polygon.map_err(|error| refuse(self, &error.to_string()))?)
            }
            _ => return Err(refuse(self, "it takes other arguments")),
        })))
    }

    fn form(&self) -> Form {
        Form::Computed
    }

    fn value(&self, arguments: &[ValueRef<'_>]) -> Result<Value> {
        let is_null = arguments.iter().any(|value| value.is_null());
        if is_null { Ok(Value::Null) } else { self.compute(arguments) }
    }
}
