//! What one reader sees, and the answers to its queries.

use std::collections::HashSet;
use std::sync::Arc;

use super::level::{Leaf, Level};
use super::metric::{Metric, Plane};
use super::place::{Bounds, Geometry, Location, Place};
use super::polygon::Region;
use super::search::{self, Circle, Nearest, Searched};
use super::sphere::Sphere;

/// Own changes of a transaction above which they get a tree of their own.
const BESIDE_MAX: usize = 64;

/// What a reader sees: levels with what it does not see filtered out, and places beside them.
#[derive(Debug)]
pub(super) struct View {
    pub(super) geometry: Geometry,
    pub(super) lsn: u64,
    pub(super) levels: Arc<Vec<Arc<Level>>>,
    /// Places in no level, each seen.
    pub(super) beside: Vec<(u64, Place)>,
    /// Rows of the levels that a transaction has changed or removed.
    pub(super) hidden: HashSet<u64>,
    /// The transaction's own places, if they are many.
    pub(super) own: Option<Level>,
}

impl View {
    /// Lays a transaction's own changes over what its snapshot sees.
    pub(super) fn lay_over(&mut self, own: Vec<(u64, Option<Place>)>) {
        if own.is_empty() {
            return;
        }
        self.hidden = own.iter().map(|(row_id, _)| *row_id).collect();
        let hidden = &self.hidden;
        self.beside.retain(|(row_id, _)| !hidden.contains(row_id));
        let places = own.into_iter().filter_map(|(row_id, place)| Some((row_id, place?)));
        self.beside.extend(places);
        if self.beside.len() > BESIDE_MAX {
            let versions = std::mem::take(&mut self.beside).into_iter().map(|(row_id, place)| {
                super::level::Version { row_id, place, begin: 0, end: super::level::OPEN }
            });
            self.own = Some(Level::of(versions.collect()));
        }
    }

    fn trees(&self) -> Vec<Searched<'_>> {
        let hidden = (!self.hidden.is_empty()).then_some(&self.hidden);
        let mut trees = Vec::with_capacity(self.levels.len() + 1);
        for level in &*self.levels {
            trees.push(Searched::of(level, self.lsn, hidden));
        }
        if let Some(own) = &self.own {
            trees.push(Searched::of(own, self.lsn, None));
        }
        trees
    }

    /// Calls `visit` with each place that meets a window and fulfils `matches`; a box that crosses
    /// the antimeridian may come twice.
    pub(super) fn in_window(
        &self,
        window: &Bounds,
        matches: &impl Fn(&Place) -> bool,
        visit: &mut impl FnMut(u64, &Place),
    ) {
        let (west, east) = window.pieces();
        for (row_id, place) in &self.beside {
            if place.bounds().intersects(window) && matches(place) {
                visit(*row_id, place);
            }
        }
        for searched in self.trees() {
            for piece in [Some(west), east].into_iter().flatten() {
                search::window(searched.points, &piece, &mut |leaf| {
                    pass(&searched, leaf, matches, visit);
                });
                search::window(searched.boxes, &piece, &mut |leaf| {
                    pass(&searched, leaf, matches, visit);
                });
            }
        }
    }

    /// Calls `visit` with each place within a distance; a box that crosses the antimeridian may
    /// come twice.
    pub(super) fn in_circle(
        &self,
        centre: Location,
        distance: f64,
        visit: &mut impl FnMut(u64, &Place),
    ) {
        match self.geometry {
            Geometry::Plane => self.in_circle_of(&Plane::from(centre), distance, visit),
            Geometry::Sphere => self.in_circle_of(&Sphere::from(centre), distance, visit),
        }
    }

    fn in_circle_of(
        &self,
        metric: &impl Metric,
        distance: f64,
        visit: &mut impl FnMut(u64, &Place),
    ) {
        let circle = Circle::new(metric, distance);
        for (row_id, place) in &self.beside {
            if circle.contains(place) {
                visit(*row_id, place);
            }
        }
        for searched in self.trees() {
            circle.search(searched.points, &mut |leaf| pass(&searched, leaf, &|_| true, visit));
            circle.search(searched.boxes, &mut |leaf| pass(&searched, leaf, &|_| true, visit));
        }
    }

    /// Calls `visit` with each place that lies in a polygon.
    pub(super) fn in_region(&self, region: &Region, visit: &mut impl FnMut(u64, &Place)) {
        self.in_window(&region.bounds(), &|place| region.contains(place), visit);
    }

    /// The nearest places, by distance, then by row.
    pub(super) fn nearest(
        &self,
        centre: Location,
        count: usize,
        within: f64,
        admits: &mut dyn FnMut(u64) -> bool,
    ) -> Vec<(f64, u64)> {
        let trees = self.trees();
        match self.geometry {
            Geometry::Plane => {
                let metric = &Plane::from(centre);
                Nearest { metric, count, within, admits }.search(&trees, &self.beside)
            }
            Geometry::Sphere => {
                let metric = &Sphere::from(centre);
                Nearest { metric, count, within, admits }.search(&trees, &self.beside)
            }
        }
    }

    /// The distance of a place from a point.
    pub(super) fn distance(&self, from: Location, place: &Place) -> f64 {
        match self.geometry {
            Geometry::Plane => Plane::from(from).distance(place),
            Geometry::Sphere => Sphere::from(from).distance(place),
        }
    }

    /// Calls `visit` with each place once, near ones after one another.
    pub(super) fn for_each(&self, visit: &mut impl FnMut(u64, &Place)) {
        for (row_id, place) in &self.beside {
            visit(*row_id, place);
        }
        let hides = |row_id| !self.hidden.is_empty() && self.hidden.contains(&row_id);
        for level in &*self.levels {
            for version in level.versions() {
                if version.is_seen_at(self.lsn) && !hides(version.row_id) {
                    visit(version.row_id, &version.place);
                }
            }
        }
        for version in self.own.iter().flat_map(Level::versions) {
            visit(version.row_id, &version.place);
        }
    }

    /// Whether a box may come twice.
    pub(super) fn has_boxes(&self) -> bool {
        let own = self.own.as_ref();
        self.levels.iter().map(|level| &**level).chain(own).any(|level| level.boxes.size() > 0)
    }
}

#[inline]
fn pass<L: Leaf>(
    searched: &Searched<'_>,
    leaf: &L,
    matches: &impl Fn(&Place) -> bool,
    visit: &mut impl FnMut(u64, &Place),
) {
    if !searched.sight.sees(leaf.slot()) {
        return;
    }
    if searched.hidden.is_some_and(|rows| rows.contains(&leaf.row_id())) {
        return;
    }
    let place = leaf.place();
    if matches(&place) {
        visit(leaf.row_id(), &place);
    }
}
