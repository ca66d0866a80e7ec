//! Tests of spatial indexes against brute force over the rows.

mod cities;
mod history;
mod places;
mod threads;

use std::sync::Arc;

use lightning_db_storage::Snapshot;
use lightning_db_types::{Rng, SeededRng, Value};

use super::*;
use crate::definition::IndexKind;
use crate::testkit::{TestTable, definition};

/// The seed of this run: `LIGHTNING_SEED`, or a fixed one. It is printed, so that a failure can be
/// repeated.
fn seed() -> u64 {
    let seed = std::env::var("LIGHTNING_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(20_261_124);
    println!("LIGHTNING_SEED={seed}");
    seed
}

#[expect(clippy::cast_precision_loss, reason = "random numbers")]
fn draw(rng: &SeededRng, min: f64, max: f64) -> f64 {
    min + (max - min) * (rng.below(1 << 40) as f64 / (1_u64 << 40) as f64)
}

fn below(rng: &SeededRng, len: usize) -> usize {
    usize::try_from(rng.below(len as u64)).unwrap()
}

fn table(geometry: Geometry, parts: usize) -> TestTable {
    TestTable::new(definition(IndexKind::Spatial(SpatialOptions { geometry }), parts))
}

fn spatial(table: &TestTable) -> &SpatialIndex {
    table.index.as_spatial().unwrap()
}

fn query(query: SpatialQuery) -> IndexQuery {
    IndexQuery::Spatial(query)
}

fn point(x: f64, y: f64) -> Vec<Value> {
    vec![Value::Point { x, y }]
}

/// Builds the index over many rows at once.
fn load(table: &TestTable, rows: &[(u64, Vec<Value>)]) {
    let mut batch = table.store.batch();
    let mut loader = table.index.loader().unwrap();
    let keyspace = crate::row::RowStore::keyspace(&*table.rows);
    for (row_id, row) in rows {
        batch.insert(keyspace, row_key(*row_id), postcard_row(row));
        loader.add(*row_id, row).unwrap();
    }
    batch.commit().unwrap();
    loader.finish(&mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
}

fn postcard_row(row: &Vec<Value>) -> Vec<u8> {
    postcard::to_stdvec(row).unwrap()
}

/// Distance by the textbook formula, written another way.
fn great_circle(a: Location, b: Location) -> f64 {
    let (lat_a, lat_b) = (a.y.to_radians(), b.y.to_radians());
    let half_lat = ((lat_b - lat_a) / 2.0).sin();
    let half_lon = ((b.x - a.x).to_radians() / 2.0).sin();
    let h = half_lat.powi(2) + lat_a.cos() * lat_b.cos() * half_lon.powi(2);
    2.0 * 6_371_008.8 * h.sqrt().min(1.0).asin()
}

fn flat(a: Location, b: Location) -> f64 {
    ((a.x - b.x).powi(2) + (a.y - b.y).powi(2)).sqrt()
}

/// The distance in which the nearest are ordered: the index's own for the sphere, whose last bits
/// depend on how it is written.
fn exact_distance(geometry: Geometry, from: Location, to: Location) -> f64 {
    match geometry {
        Geometry::Plane => flat(from, to),
        Geometry::Sphere => metric::Metric::point_distance(&sphere::Sphere::from(from), to),
    }
}

/// The rows of a snapshot as points.
fn points(table: &TestTable, reader: Reader<'_>) -> Vec<(u64, Location)> {
    let mut found = Vec::new();
    table.scan(reader, |row_id, row| {
        if let lightning_db_types::ValueRef::Point { x, y } = row.column(0) {
            found.push((row_id, Location::new(x, y)));
        }
        false
    });
    found
}

/// Asks all kinds of queries round a place, and compares with brute force over the rows.
fn compare(table: &TestTable, reader: Reader<'_>, rng: &SeededRng, at: Location, span: f64) {
    let index = spatial(table);
    let geometry = index.geometry();
    let rows = points(table, reader);
    let at = geometry.location(at).unwrap();
    let window = Bounds {
        min_x: at.x,
        min_y: at.y,
        max_x: at.x + draw(rng, 0.0, span),
        max_y: (at.y + draw(rng, 0.0, span)).min(90.0),
    };
    let in_window = |p: &Location| {
        let is_east = |x: f64| x >= window.min_x && x <= window.max_x;
        let turned = geometry == Geometry::Sphere && is_east(p.x + 360.0);
        (is_east(p.x) || turned) && p.y >= window.min_y && p.y <= window.max_y
    };
    check_rows(table, reader, SpatialQuery::Intersects(window), &rows, |_, p| in_window(p));
    check_rows(table, reader, SpatialQuery::Inside(window), &rows, |_, p| in_window(p));

    let corner = |x, y| Location::new(x, y);
    let polygon = Polygon::new([
        corner(window.min_x, window.min_y),
        corner(window.max_x, window.min_y),
        corner(window.min_x, window.max_y),
    ]);
    let shaped = Location::new(window.max_x - window.min_x, window.max_y - window.min_y);
    if shaped.x > 0.0 && shaped.y > 0.0 && shaped.x < 180.0 {
        let in_triangle = |_: u64, p: &Location| {
            let turned = geometry == Geometry::Sphere && p.x < window.min_x;
            let x = if turned { p.x + 360.0 } else { p.x } - window.min_x;
            let y = p.y - window.min_y;
            x >= 0.0 && y >= 0.0 && x / shaped.x + y / shaped.y <= 1.0
        };
        check_rows(table, reader, SpatialQuery::InPolygon(polygon), &rows, in_triangle);
    }

    let mut near: Vec<(f64, u64)> = Vec::new();
    near.extend(rows.iter().map(|(id, p)| (exact_distance(geometry, at, *p), *id)));
    near.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap());
    let count = below(rng, 30);
    let expected: Vec<(f64, u64)> = near.iter().take(count).copied().collect();
    let found = index.nearest(reader, at, count).unwrap();
    let found: Vec<(f64, u64)> = found.iter().map(|n| (n.distance, n.row_id)).collect();
    assert_eq!(found, expected, "nearest {count} to {at:?}");

    let is_odd = |row_id: u64| row_id % 2 == 1;
    let expected: Vec<u64> =
        near.iter().filter(|(_, id)| is_odd(*id)).take(5).map(|(_, id)| *id).collect();
    let found = index.nearest_where(reader, at, 5, is_odd).unwrap();
    assert!(found.iter().map(|n| n.row_id).eq(expected), "nearest odd to {at:?}");

    let distance = match near.get(below(rng, near.len() + 1)) {
        Some((distance, _)) if rng.one_in(2) => *distance,
        _ => draw(rng, 0.0, span) * if geometry == Geometry::Sphere { 111_000.0 } else { 1.0 },
    };
    let within: Vec<(f64, u64)> =
        near.iter().take_while(|(d, _)| *d <= distance).copied().collect();
    let found = index.within_distance(reader, at, distance).unwrap();
    let found: Vec<(f64, u64)> = found.iter().map(|n| (n.distance, n.row_id)).collect();
    assert_eq!(found, within, "within {distance} of {at:?}");
    let expected: RowSet = within.iter().map(|(_, id)| *id).collect();
    let near = query(SpatialQuery::Near { centre: at, distance });
    assert_eq!(table.index.rows(reader, &near).unwrap(), expected);
}

fn check_rows(
    table: &TestTable,
    reader: Reader<'_>,
    asked: SpatialQuery,
    rows: &[(u64, Location)],
    matches: impl Fn(u64, &Location) -> bool,
) {
    let expected: RowSet =
        rows.iter().filter(|(id, p)| matches(*id, p)).map(|(id, _)| *id).collect();
    let asked = query(asked);
    let found = table.index.rows(reader, &asked).unwrap();
    assert_eq!(found, expected, "{asked:?}");
    let estimate = table.index.estimate(reader, &asked).unwrap();
    assert!(estimate.low <= estimate.point && estimate.point <= estimate.high);
}

fn at_snapshot(snapshot: &Snapshot) -> Reader<'_> {
    Reader::Snapshot(snapshot)
}

/// A triangle's own edge is decided by rounding in `compare`: coordinates are drawn from few
/// values where that must not be, and from many elsewhere.
fn random_location(rng: &SeededRng, geometry: Geometry) -> Location {
    match (geometry, rng.below(8)) {
        (Geometry::Plane, 0..4) => {
            let whole = |n: u64| f64::from(u32::try_from(n).unwrap());
            Location::new(whole(rng.below(20)), whole(rng.below(20)))
        }
        (Geometry::Plane, _) => Location::new(draw(rng, -20.0, 20.0), draw(rng, -20.0, 20.0)),
        (Geometry::Sphere, 0) => Location::new(draw(rng, 179.0, 181.0), draw(rng, -3.0, 3.0)),
        (Geometry::Sphere, 1) => Location::new(draw(rng, -180.0, 180.0), draw(rng, 88.0, 90.0)),
        (Geometry::Sphere, 2) => Location::new(draw(rng, -180.0, 180.0), draw(rng, -90.0, -88.0)),
        (Geometry::Sphere, 3) => Location::new(180.0, [-90.0, 0.0, 90.0][below(rng, 3)]),
        (Geometry::Sphere, _) => Location::new(draw(rng, -180.0, 180.0), draw(rng, -90.0, 90.0)),
    }
}

fn shared<T>(of: T) -> Arc<T> {
    Arc::new(of)
}
