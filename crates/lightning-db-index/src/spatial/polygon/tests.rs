//! Tests of polygons against what can be said without them.

use lightning_db_types::{Rng, SeededRng};

use super::*;

fn ring(vertices: &[(f64, f64)]) -> Vec<Location> {
    vertices.iter().map(|(x, y)| Location::new(*x, *y)).collect()
}

fn region(geometry: Geometry, polygon: &Polygon) -> Region {
    Region::new(geometry, polygon).unwrap()
}

fn point(x: f64, y: f64) -> Place {
    Place::Point(Location::new(x, y))
}

fn rect(min_x: f64, min_y: f64, max_x: f64, max_y: f64) -> Place {
    Place::Box(Bounds { min_x, min_y, max_x, max_y })
}

#[test]
fn boundaries_and_hole_boundaries_belong_to_it() {
    let polygon = Polygon::new(ring(&[(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]))
        .with_hole(ring(&[(4.0, 4.0), (6.0, 4.0), (6.0, 6.0), (4.0, 6.0), (4.0, 4.0)]));
    let region = region(Geometry::Plane, &polygon);
    for (x, y) in [(0.0, 0.0), (10.0, 10.0), (5.0, 0.0), (4.0, 5.0), (6.0, 6.0), (1.0, 1.0)] {
        assert!(region.contains(&point(x, y)), "{x} {y}");
    }
    for (x, y) in [(5.0, 5.0), (10.1, 5.0), (5.0, -0.1), (-1.0, 0.0), (11.0, 10.0)] {
        assert!(!region.contains(&point(x, y)), "{x} {y}");
    }
    assert!(region.contains(&rect(0.0, 0.0, 4.0, 10.0)));
    assert!(region.contains(&rect(1.0, 6.0, 9.0, 9.0)));
    assert!(!region.contains(&rect(1.0, 1.0, 9.0, 9.0)));
    assert!(!region.contains(&rect(3.0, 3.0, 5.0, 5.0)));
    assert!(!region.contains(&rect(-1.0, 1.0, 2.0, 2.0)));
    // Boxes without area: along the hole's edge, through the hole, across the boundary.
    assert!(region.contains(&rect(0.0, 4.0, 10.0, 4.0)));
    assert!(!region.contains(&rect(0.0, 5.0, 10.0, 5.0)));
    assert!(!region.contains(&rect(5.0, 0.0, 5.0, 10.0)));
    assert!(!region.contains(&rect(1.0, 1.0, 1.0, 11.0)));
    assert!((region.fill() - 0.96).abs() < 1e-12);
}

#[test]
fn vertices_on_the_ray_count_once() {
    let polygon = Polygon::new(ring(&[(0.0, 0.0), (2.0, 2.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0)]));
    let region = region(Geometry::Plane, &polygon);
    assert!(region.contains(&point(0.5, 2.0)) && region.contains(&point(2.0, 2.0)));
    assert!(!region.contains(&point(-1.0, 2.0)) && !region.contains(&point(2.0, 1.0)));
    assert!(!region.contains(&point(2.0, 0.0)) && !region.contains(&point(-1.0, 0.0)));
}

#[test]
fn nearly_collinear_points_are_decided_exactly() {
    // Along the diagonal, one step of a double off it: the naive determinant rounds to zero.
    let (a, b) = (Location::new(12.0, 12.0), Location::new(24.0, 24.0));
    let rng = SeededRng::new(5);
    for _ in 0..10_000 {
        let at = 0.5 + f64::from(u32::try_from(rng.below(1 << 20)).unwrap()) * f64::EPSILON;
        let on = Location::new(at, at);
        assert!(orientation(a, b, on) == 0.0);
        assert!(orientation(a, b, Location::new(at, at.next_up())) > 0.0);
        assert!(orientation(a, b, Location::new(at, at.next_down())) < 0.0);
    }
}

#[test]
fn polygons_over_the_antimeridian() {
    for vertices in [
        ring(&[(170.0, -10.0), (-170.0, -10.0), (-170.0, 10.0), (170.0, 10.0)]),
        ring(&[(170.0, -10.0), (190.0, -10.0), (190.0, 10.0), (170.0, 10.0)]),
        ring(&[(-190.0, -10.0), (-170.0, -10.0), (-170.0, 10.0), (-190.0, 10.0)]),
        ring(&[(-170.0, 10.0), (170.0, 10.0), (170.0, -10.0), (-170.0, -10.0)]),
    ] {
        let hole = ring(&[(179.0, -1.0), (-179.0, -1.0), (-179.0, 1.0), (179.0, 1.0)]);
        let region = region(Geometry::Sphere, &Polygon::new(vertices).with_hole(hole));
        for (x, y) in [(175.0, 0.0), (-175.0, 5.0), (-180.0, 2.0), (-170.0, 0.0), (170.0, 10.0)] {
            assert!(region.contains(&point(x, y)), "{x} {y}");
        }
        for (x, y) in [(0.0, 0.0), (169.0, 0.0), (-169.0, 0.0), (-180.0, 0.0), (179.5, 0.5)] {
            assert!(!region.contains(&point(x, y)), "{x} {y}");
        }
        assert!(region.contains(&rect(175.0, 2.0, -175.0, 8.0)));
        assert!(!region.contains(&rect(175.0, -2.0, -175.0, 8.0)));
        let around = region.bounds();
        assert!((around.min_x - 170.0).abs() < 1e-6 && (around.max_x + 170.0).abs() < 1e-6);
    }
}

#[test]
fn a_polygon_may_follow_the_edge_of_the_map() {
    let south =
        ring(&[(-180.0, -90.0), (180.0, -90.0), (180.0, -60.0), (0.0, -70.0), (-180.0, -60.0)]);
    let region = region(Geometry::Sphere, &Polygon::new(south));
    for (x, y) in [(0.0, -90.0), (-180.0, -61.0), (90.0, -80.0), (0.0, -70.0)] {
        assert!(region.contains(&point(x, y)), "{x} {y}");
    }
    assert!(!region.contains(&point(0.0, -69.0)) && !region.contains(&point(0.0, 0.0)));
}

#[test]
fn rings_without_an_area_are_refused() {
    let refused = |geometry, vertices: &[(f64, f64)]| {
        Region::new(geometry, &Polygon::new(ring(vertices))).unwrap_err()
    };
    assert!(refused(Geometry::Plane, &[]).contains("0 different"));
    let twice = [(0.0, 0.0), (0.0, 0.0), (1.0, 1.0), (0.0, 0.0)];
    assert!(refused(Geometry::Plane, &twice).contains("2 different"));
    assert!(refused(Geometry::Plane, &[(0.0, f64::NAN), (1.0, 0.0), (1.0, 1.0)]).contains("NaN"));
    let round = [(0.0, 80.0), (120.0, 80.0), (-120.0, 80.0)];
    assert!(refused(Geometry::Sphere, &round).contains("pole"));
}

#[test]
fn strips_change_nothing() {
    // A star of many edges, so that there are strips, against the rule over all edges.
    let rng = SeededRng::new(9);
    let vertices: Vec<Location> = (0..500)
        .map(|i| {
            let angle = f64::from(i) / 500.0 * std::f64::consts::TAU;
            let radius = 50.0 + f64::from(u32::try_from(rng.below(50)).unwrap());
            Location::new(radius * angle.cos(), radius * angle.sin())
        })
        .collect();
    let mut star = Ring::new(Geometry::Plane, &vertices).unwrap();
    let draw = || f64::from(u32::try_from(rng.below(4000)).unwrap()) / 20.0 - 100.0;
    let points: Vec<Location> = (0..5000).map(|_| Location::new(draw(), draw())).collect();
    let with: Vec<Side> = points.iter().map(|at| star.side(*at)).collect();
    star.strips = vec![(0..500).collect()];
    let without: Vec<Side> = points.iter().map(|at| star.side(*at)).collect();
    assert_eq!(with, without);
    assert!(with.contains(&Side::Inside) && with.contains(&Side::Outside));
}
