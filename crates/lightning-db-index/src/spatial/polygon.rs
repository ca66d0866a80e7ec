//! Polygons with holes, and what lies in them.
//!
//! Whether a point lies left of an edge, right of it or on it is decided exactly: in floating point
//! where the result is beyond the rounding error, and by an exact sum of products elsewhere.
//!
//! Source: Shewchuk, "Adaptive precision floating-point arithmetic and fast robust geometric
//! predicates", 1997 (the static bound and the expansion sum; the stages between are left out).

mod wkt;

use super::place::{Bounds, Geometry, Location, Place};

pub use wkt::PolygonError;

/// An area bounded by straight edges, with holes. Its boundary belongs to it, that of the holes
/// too.
///
/// A ring has at least three vertices, in either direction, and need not repeat its first vertex at
/// the end. Where a ring crosses itself, what is inside follows the even-odd rule.
///
/// On the sphere edges are straight in longitude and latitude, not great circles. An edge goes the
/// short way round: 170 to -170 crosses the antimeridian, as 170 to 190 does. Only an edge of
/// exactly 360 degrees goes all the way round, so that a polygon may follow the edge of the map.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Polygon {
    /// Vertices of the outer ring.
    pub outer: Vec<Location>,
    /// Vertices of the holes.
    pub holes: Vec<Vec<Location>>,
}

impl Polygon {
    /// A polygon without holes.
    pub fn new(outer: impl IntoIterator<Item = Location>) -> Self {
        Self { outer: outer.into_iter().collect(), holes: Vec::new() }
    }

    /// The same polygon with one more hole.
    #[must_use]
    pub fn with_hole(mut self, hole: impl IntoIterator<Item = Location>) -> Self {
        self.holes.push(hole.into_iter().collect());
        self
    }
}

/// Where a point is, seen from a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Inside,
    Outside,
    Edge,
}

/// A polygon made ready for many points.
#[derive(Debug)]
pub(super) struct Region {
    outer: Ring,
    holes: Vec<Ring>,
    geometry: Geometry,
}

/// Edges are looked up by strips of equal height, so that a point is compared with few of them.
#[derive(Debug)]
struct Ring {
    vertices: Vec<Location>,
    bounds: Bounds,
    strips: Vec<Vec<u32>>,
    strip_height: f64,
}

const TURN: f64 = 360.0;
const STRIPS_MAX: usize = 1024;

impl Region {
    pub(super) fn new(geometry: Geometry, polygon: &Polygon) -> Result<Self, String> {
        let outer = Ring::new(geometry, &polygon.outer)?;
        let mut holes = Vec::with_capacity(polygon.holes.len());
        for hole in &polygon.holes {
            let mut hole = Ring::new(geometry, hole)?;
            if geometry == Geometry::Sphere {
                // The turn on which the hole is written need not be that of the outer ring.
                hole.shift(((outer.bounds.min_x - hole.bounds.min_x) / TURN).ceil() * TURN);
            }
            holes.push(hole);
        }
        Ok(Self { outer, holes, geometry })
    }

    /// A box around it, brought into shape.
    pub(super) fn bounds(&self) -> Bounds {
        let mut bounds = self.outer.bounds;
        if self.geometry == Geometry::Plane {
            return bounds;
        }
        if bounds.min_x < -180.0 || bounds.max_x >= 180.0 {
            // Points are moved by whole turns to be compared, which rounds.
            bounds.min_x -= 1e-9;
            bounds.max_x += 1e-9;
        }
        self.geometry.bounds(bounds).unwrap_or(bounds)
    }

    /// Share of the box around it that it covers.
    pub(super) fn fill(&self) -> f64 {
        let Bounds { min_x, min_y, max_x, max_y } = self.outer.bounds;
        let area = self.outer.area() - self.holes.iter().map(Ring::area).sum::<f64>();
        let share = area / ((max_x - min_x) * (max_y - min_y));
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 1.0 }
    }

    /// Whether a place lies wholly in it.
    pub(super) fn contains(&self, place: &Place) -> bool {
        let mut bounds = place.bounds();
        if bounds.is_split() {
            bounds.max_x += TURN;
        }
        if self.geometry == Geometry::Plane {
            return self.contains_unrolled(place, &bounds);
        }
        let mut turn = ((self.outer.bounds.min_x - bounds.min_x) / TURN).ceil() * TURN;
        while bounds.max_x + turn <= self.outer.bounds.max_x {
            let min_x = bounds.min_x + turn;
            let max_x = bounds.max_x + turn;
            if self.contains_unrolled(place, &Bounds { min_x, max_x, ..bounds }) {
                return true;
            }
            turn += TURN;
        }
        false
    }

    fn contains_unrolled(&self, place: &Place, bounds: &Bounds) -> bool {
        let low = Location::new(bounds.min_x, bounds.min_y);
        if matches!(place, Place::Point(_)) {
            return self.contains_point(low);
        }
        let high = Location::new(bounds.max_x, bounds.max_y);
        match (low.x < high.x, low.y < high.y) {
            (false, false) => self.contains_point(low),
            (true, true) => {
                // An edge that is outside the open box leaves it whole: all of it is on one side.
                let middle =
                    Location::new(low.x + (high.x - low.x) * 0.5, low.y + (high.y - low.y) * 0.5);
                self.contains_point(middle) && !self.rings().any(|ring| ring.enters(bounds))
            }
            (wide, _) => self.contains_line(low, high, wide),
        }
    }

    fn rings(&self) -> impl Iterator<Item = &Ring> {
        std::iter::once(&self.outer).chain(&self.holes)
    }

    fn contains_point(&self, at: Location) -> bool {
        self.outer.side(at) != Side::Outside
            && self.holes.iter().all(|hole| hole.side(at) != Side::Inside)
    }

    /// Whether a line along an axis lies in it: its ends, the places where it meets an edge, and
    /// the middle of each part between them.
    #[expect(clippy::float_cmp, reason = "coordinates that were given are compared, not results")]
    fn contains_line(&self, low: Location, high: Location, wide: bool) -> bool {
        let mut cuts = if wide { vec![low.x, high.x] } else { vec![low.y, high.y] };
        let (from, to) = (cuts[0], cuts[1]);
        let axes = |at: Location| if wide { (at.x, at.y) } else { (at.y, at.x) };
        let (_, across) = axes(low);
        for ring in self.rings() {
            for (a, b) in ring.edges() {
                let ((a, a_across), (b, b_across)) = (axes(a), axes(b));
                if (a_across < across) == (b_across < across) && a_across != across {
                    continue;
                }
                let share = (across - a_across) / (b_across - a_across);
                cuts.push(if share.is_finite() { a + (b - a) * share } else { b });
                cuts.push(if a_across == across { a } else { from });
            }
        }
        cuts.retain(|cut| (from..=to).contains(cut));
        cuts.sort_unstable_by(f64::total_cmp);
        let at =
            |along| if wide { Location::new(along, across) } else { Location::new(across, along) };
        let ends = self.contains_point(low) && self.contains_point(high);
        ends && cuts.windows(2).all(|part| {
            let middle = part[0] + (part[1] - part[0]) * 0.5;
            part[0] == part[1] || self.contains_point(at(middle))
        })
    }
}

impl Ring {
    fn new(geometry: Geometry, given: &[Location]) -> Result<Self, String> {
        let mut vertices: Vec<Location> = Vec::with_capacity(given.len());
        let mut turns = 0.0;
        for (index, vertex) in given.iter().enumerate() {
            // Checks the coordinates; the turn on which a vertex is written is kept.
            geometry.location(*vertex)?;
            if geometry == Geometry::Sphere && index > 0 {
                turns += turns_between(given[index - 1].x, vertex.x);
            }
            let vertex = Location::new(vertex.x + turns * TURN, vertex.y);
            if vertices.last() != Some(&vertex) {
                vertices.push(vertex);
            }
        }
        if let (Geometry::Sphere, Some(first), Some(last)) = (geometry, given.first(), given.last())
        {
            turns += turns_between(last.x, first.x);
        }
        if turns != 0.0 {
            let detail = "a ring goes round a pole: let it follow the edge of the map there";
            return Err(detail.to_owned());
        }
        if vertices.len() > 1 && vertices.first() == vertices.last() {
            vertices.pop();
        }
        if vertices.len() < 3 {
            return Err(format!("a ring of {} different vertices has no area", vertices.len()));
        }
        let mut bounds = Place::Point(vertices[0]).bounds();
        for vertex in &vertices {
            bounds.min_x = bounds.min_x.min(vertex.x);
            bounds.min_y = bounds.min_y.min(vertex.y);
            bounds.max_x = bounds.max_x.max(vertex.x);
            bounds.max_y = bounds.max_y.max(vertex.y);
        }
        if geometry == Geometry::Sphere && bounds.max_x - bounds.min_x > TURN {
            return Err("a ring goes more than once round the Earth".to_owned());
        }
        let mut ring = Self { vertices, bounds, strips: Vec::new(), strip_height: 0.0 };
        ring.cut_strips();
        Ok(ring)
    }

    #[expect(clippy::cast_precision_loss, reason = "at most 1024 strips")]
    fn cut_strips(&mut self) {
        let count = (self.vertices.len() / 4).clamp(1, STRIPS_MAX);
        self.strip_height = (self.bounds.max_y - self.bounds.min_y) / count as f64;
        let mut strips = vec![Vec::new(); count];
        for (index, (a, b)) in (0..).zip(self.edges()) {
            let (low, high) =
                (self.strip_of(a.y.min(b.y), count), self.strip_of(a.y.max(b.y), count));
            for strip in &mut strips[low..=high] {
                strip.push(index);
            }
        }
        self.strips = strips;
    }

    /// The strip of a latitude within the bounds. It grows with the latitude, whatever is rounded.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    fn strip_of(&self, y: f64, count: usize) -> usize {
        let strip = (y - self.bounds.min_y) / self.strip_height;
        if strip >= 0.0 { (strip as usize).min(count - 1) } else { 0 }
    }

    fn shift(&mut self, by: f64) {
        for vertex in &mut self.vertices {
            vertex.x += by;
        }
        self.bounds.min_x += by;
        self.bounds.max_x += by;
    }

    fn edge(&self, index: usize) -> (Location, Location) {
        let next = if index + 1 == self.vertices.len() { 0 } else { index + 1 };
        (self.vertices[index], self.vertices[next])
    }

    fn edges(&self) -> impl Iterator<Item = (Location, Location)> + '_ {
        (0..self.vertices.len()).map(|index| self.edge(index))
    }

    fn area(&self) -> f64 {
        let origin = self.vertices[0];
        let twice: f64 = self
            .edges()
            .map(|(a, b)| (a.x - origin.x) * (b.y - origin.y) - (b.x - origin.x) * (a.y - origin.y))
            .sum();
        0.5 * twice.abs()
    }

    fn side(&self, at: Location) -> Side {
        let Bounds { min_x, min_y, max_x, max_y } = self.bounds;
        if at.x < min_x || at.x > max_x || at.y < min_y || at.y > max_y {
            return Side::Outside;
        }
        let mut inside = false;
        for &index in &self.strips[self.strip_of(at.y, self.strips.len())] {
            let (a, b) = self.edge(index as usize);
            if at.y < a.y.min(b.y) || at.y > a.y.max(b.y) || at.x > a.x.max(b.x) {
                continue;
            }
            // Edges wholly to the right are crossed by a ray to the right, or not met at all.
            let straddles = (a.y > at.y) != (b.y > at.y);
            if at.x < a.x.min(b.x) {
                inside ^= straddles;
                continue;
            }
            let turn = orientation(a, b, at);
            if turn == 0.0 {
                return Side::Edge;
            }
            if straddles && (turn > 0.0) == (b.y > a.y) {
                inside = !inside;
            }
        }
        if inside { Side::Inside } else { Side::Outside }
    }

    /// Whether an edge has a point strictly inside a box. Two convex sets are apart if a line along
    /// an edge of one parts them: the axes and the edge itself are all there are.
    fn enters(&self, of: &Bounds) -> bool {
        self.edges().any(|(a, b)| {
            let apart = a.x.max(b.x) <= of.min_x
                || a.x.min(b.x) >= of.max_x
                || a.y.max(b.y) <= of.min_y
                || a.y.min(b.y) >= of.max_y;
            let corners = [
                Location::new(of.min_x, of.min_y),
                Location::new(of.min_x, of.max_y),
                Location::new(of.max_x, of.min_y),
                Location::new(of.max_x, of.max_y),
            ];
            let turns = corners.map(|corner| orientation(a, b, corner));
            !apart && turns.iter().any(|turn| *turn > 0.0) && turns.iter().any(|turn| *turn < 0.0)
        })
    }
}

/// Turns to add to a longitude so that the way to it from the last one is the short one. A way of
/// exactly one turn is left as it is written.
fn turns_between(last: f64, next: f64) -> f64 {
    let step = next - last;
    if step.abs() == TURN || step.abs() <= TURN * 0.5 { 0.0 } else { -(step / TURN).round() }
}

/// Positive if `c` is to the left of the line from `a` to `b`, negative to the right, zero on it.
fn orientation(a: Location, b: Location, c: Location) -> f64 {
    /// (3 + 16e) e, where e is half the distance of 1 to the next double.
    const ERROR_BOUND: f64 = 3.330_669_073_875_471_6e-16;
    let left = (a.x - c.x) * (b.y - c.y);
    let right = (a.y - c.y) * (b.x - c.x);
    let determinant = left - right;
    if determinant.abs() > ERROR_BOUND * (left.abs() + right.abs()) {
        return determinant;
    }
    exact_orientation(a, b, c)
}

#[cold]
fn exact_orientation(a: Location, b: Location, c: Location) -> f64 {
    let products = [(a.x, b.y), (-a.y, b.x), (b.x, c.y), (-b.y, c.x), (c.x, a.y), (-c.y, a.x)];
    // Parts that do not overlap, from small to large; their sum is the determinant, exactly.
    let mut parts = [0.0; 12];
    let mut len = 0;
    for (x, y) in products {
        let high = x * y;
        let low = x.mul_add(y, -high);
        for mut carry in [low, high] {
            for part in &mut parts[..len] {
                let sum = carry + *part;
                let of_part = sum - carry;
                *part = (carry - (sum - of_part)) + (*part - of_part);
                carry = sum;
            }
            parts[len] = carry;
            len += 1;
        }
    }
    parts.iter().rev().copied().find(|part| *part != 0.0).unwrap_or(0.0)
}

#[cfg(test)]
mod tests;
