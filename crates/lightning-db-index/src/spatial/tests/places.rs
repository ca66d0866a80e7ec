//! Single cases: shapes of keys, bad input, edges, poles, ties, boxes, joins.

use super::*;
use crate::definition::IndexDefinition;

fn rows_of(table: &TestTable, asked: SpatialQuery) -> Vec<u64> {
    table.find(&query(asked)).iter().collect()
}

fn window(min_x: f64, min_y: f64, max_x: f64, max_y: f64) -> Bounds {
    Bounds { min_x, min_y, max_x, max_y }
}

fn nearest_ids(table: &TestTable, x: f64, y: f64, count: usize) -> Vec<u64> {
    let snapshot = table.store.snapshot();
    let near = spatial(table).nearest(at_snapshot(&snapshot), Location::new(x, y), count);
    near.unwrap().iter().map(|n| n.row_id).collect()
}

#[test]
fn a_window_finds_new_york_of_five_cities() {
    let table = table(Geometry::Sphere, 2);
    for (row_id, lat, lon) in [
        (0, 40.7128, -74.0060),
        (1, 34.0522, -118.2437),
        (2, 51.5074, -0.1278),
        (3, 35.6762, 139.6503),
        (4, -33.8688, 151.2093),
    ] {
        table.set(row_id, [Value::F64(lon), Value::F64(lat)]);
    }
    let found = rows_of(&table, SpatialQuery::Intersects(window(-75.0, 40.0, -73.0, 41.0)));
    assert_eq!(found, [0]);
    assert_eq!(nearest_ids(&table, -0.1, 51.5, 2), [2, 0]);
    table.assert_sound();
}

#[test]
fn keys_have_one_two_or_four_parts() {
    for parts in [3, 5] {
        let kind = IndexKind::Spatial(SpatialOptions::default());
        let table = table(Geometry::Plane, 1);
        let rows: Arc<dyn RowStore> = Arc::clone(&table.rows) as _;
        let opened = crate::Index::open(&table.store, shared(definition(kind, parts)), rows);
        assert!(matches!(opened, Err(Error::Definition { .. })));
    }
    let table = table(Geometry::Plane, 2);
    table.set(1, [Value::I64(3), Value::U64(4)]);
    table.set(2, [Value::F64(3.5), Value::Null]);
    table.set(3, [Value::Null, Value::Null]);
    let decimal = lightning_db_types::Decimal::new(425, 2).unwrap();
    table.set(4, [Value::Decimal(decimal), Value::F64(4.0)]);
    let found = rows_of(&table, SpatialQuery::Inside(window(3.0, 4.0, 4.25, 4.0)));
    assert_eq!(found, [1, 4]);
    table.assert_sound();
}

#[test]
fn bad_places_are_refused_and_nothing_is_written() {
    let value = |geometry, parts, row: Vec<Value>| {
        let table = table(geometry, parts);
        let mut transaction = table.store.transaction();
        let refused = table.change(&mut transaction, 1, Some(&row)).unwrap_err();
        assert!(matches!(refused, Error::Value { .. }), "{refused}");
        assert_eq!(transaction.writes(&spatial(&table).entries).count(), 0);
        let mut loader = table.index.loader().unwrap();
        assert!(matches!(loader.add(1, &row), Err(Error::Value { .. })));
    };
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for geometry in [Geometry::Plane, Geometry::Sphere] {
            value(geometry, 1, point(bad, 1.0));
            value(geometry, 1, point(1.0, bad));
            value(geometry, 2, vec![Value::F64(bad), Value::F64(0.0)]);
        }
    }
    value(Geometry::Sphere, 1, point(0.0, 90.000_001));
    value(Geometry::Sphere, 1, point(0.0, -91.0));
    value(Geometry::Plane, 1, point(1e151, 0.0));
    value(Geometry::Plane, 1, vec![Value::from("here")]);
    value(Geometry::Plane, 2, vec![Value::F64(0.0), Value::from("1")]);
    let numbers = |numbers: [f64; 4]| numbers.map(Value::F64).to_vec();
    value(Geometry::Plane, 4, numbers([1.0, 0.0, 0.0, 1.0]));
    value(Geometry::Plane, 4, numbers([0.0, 1.0, 1.0, 0.0]));
    value(Geometry::Sphere, 4, numbers([0.0, 1.0, 1.0, 0.0]));
}

#[test]
fn bad_queries_are_refused() {
    let table = table(Geometry::Sphere, 1);
    let snapshot = table.store.snapshot();
    let centre = Location::new(0.0, 0.0);
    for bad in [
        SpatialQuery::Intersects(window(0.0, 1.0, 1.0, 0.0)),
        SpatialQuery::Inside(window(f64::NAN, 0.0, 1.0, 1.0)),
        SpatialQuery::Near { centre, distance: -1.0 },
        SpatialQuery::Near { centre, distance: f64::NAN },
        SpatialQuery::Nearest { centre: Location::new(0.0, 100.0), count: 1 },
        SpatialQuery::InPolygon(Polygon::new([centre])),
    ] {
        let bad = query(bad);
        let refused = table.index.rows(at_snapshot(&snapshot), &bad);
        assert!(matches!(refused, Err(Error::Query { .. })), "{bad:?}");
        assert!(table.index.estimate(at_snapshot(&snapshot), &bad).is_err());
    }
    let nowhere = Location::new(f64::NAN, 0.0);
    assert!(spatial(&table).nearest(at_snapshot(&snapshot), nowhere, 1).is_err());
    let all = SpatialQuery::Near { centre, distance: f64::INFINITY };
    assert_eq!(rows_of(&table, all), [0; 0]);
}

#[test]
fn windows_over_the_antimeridian() {
    let table = table(Geometry::Sphere, 1);
    for (row_id, lon) in [(1, 179.5), (2, -179.5), (3, 180.0), (4, -180.0), (5, 0.0), (6, 539.0)] {
        table.set(row_id, point(lon, 0.0));
    }
    for (min_x, max_x, expected) in [
        (179.0, -179.0, &[1, 2, 3, 4, 6][..]),
        (179.0, 181.0, &[1, 2, 3, 4, 6]),
        (-181.0, -179.0, &[1, 2, 3, 4, 6]),
        (179.2, 180.0, &[1, 3, 4]),
        (-180.0, -179.9, &[3, 4]),
        (-180.0, 180.0, &[1, 2, 3, 4, 5, 6]),
        (10.0, 5.0, &[1, 2, 3, 4, 5, 6]),
        (10.0, -10.0, &[1, 2, 3, 4, 6]),
    ] {
        let bounds = window(min_x, -1.0, max_x, 1.0);
        assert_eq!(rows_of(&table, SpatialQuery::Intersects(bounds)), expected, "{bounds:?}");
    }
    assert_eq!(nearest_ids(&table, 179.9, 0.0, 5), [3, 4, 1, 2, 6]);
    assert_eq!(nearest_ids(&table, -179.9, 0.0, 5), [3, 4, 2, 1, 6]);
}

#[test]
fn at_a_pole_all_longitudes_are_one() {
    let table = table(Geometry::Sphere, 1);
    for row_id in 0..36_u32 {
        table.set(u64::from(row_id), point(f64::from(row_id) * 10.0 - 180.0, 89.9));
    }
    table.set(100, point(45.0, 90.0));
    table.set(101, point(-120.0, 90.0));
    let near = nearest_ids(&table, 10.0, 90.0, 38);
    assert_eq!(near[..2], [100, 101]);
    assert_eq!(near.len(), 38);
    // From a point beside the pole the other side is as near as it looks on a globe.
    assert_eq!(nearest_ids(&table, 0.0, 89.95, 3), [18, 100, 101]);
    let centre = Location::new(0.0, 89.95);
    let across = SpatialQuery::Near { centre, distance: 16_700.0 };
    assert_eq!(rows_of(&table, across).len(), 38);
}

#[test]
fn ties_come_by_row() {
    for geometry in [Geometry::Plane, Geometry::Sphere] {
        let table = table(geometry, 1);
        for (row_id, (x, y)) in
            [(9, (0.0, 1.0)), (3, (1.0, 0.0)), (7, (0.0, -1.0)), (5, (-1.0, 0.0)), (4, (1.0, 0.0))]
        {
            table.set(row_id, point(x, y));
        }
        table.set(1, point(2.0, 0.0));
        let snapshot = table.store.snapshot();
        let near = spatial(&table).nearest(at_snapshot(&snapshot), Location::default(), 6);
        let near = near.unwrap();
        let mut ordered: Vec<(f64, u64)> = near.iter().map(|n| (n.distance, n.row_id)).collect();
        ordered.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap());
        assert!(near.iter().map(|n| n.row_id).eq(ordered.iter().map(|(_, row_id)| *row_id)));
        assert_eq!(near[5].row_id, 1);
        let all = spatial(&table).nearest(at_snapshot(&snapshot), Location::default(), usize::MAX);
        assert_eq!(all.unwrap(), near);
        if geometry == Geometry::Plane {
            assert!(near[..5].iter().map(|n| n.row_id).eq([3, 4, 5, 7, 9]));
        }
    }
}

#[test]
fn boxes_on_both_geometries_against_brute_force() {
    let rng = SeededRng::new(seed());
    for geometry in [Geometry::Plane, Geometry::Sphere] {
        let table = table(geometry, 4);
        let mut boxes = Vec::new();
        for row_id in 0..400 {
            let x = draw(&rng, -180.0, 180.0);
            let y = draw(&rng, -90.0, 80.0);
            let wide = if rng.one_in(20) { 400.0 } else { draw(&rng, 0.0, 40.0) };
            let of = window(x, y, x + wide, y + draw(&rng, 0.0, 10.0));
            let corners = [of.min_x, of.min_y, of.max_x, of.max_y];
            table.set(row_id, corners.map(Value::F64));
            boxes.push((row_id, geometry.bounds(of).unwrap()));
        }
        table.assert_sound();
        let snapshot = table.store.snapshot();
        let reader = at_snapshot(&snapshot);
        for _ in 0..200 {
            let (x, y) = (draw(&rng, -180.0, 180.0), draw(&rng, -90.0, 50.0));
            let of = window(x, y, x + draw(&rng, 0.0, 80.0), y + draw(&rng, 0.0, 40.0));
            let shaped = geometry.bounds(of).unwrap();
            let expect = |asked: SpatialQuery, matches: &dyn Fn(&Bounds) -> bool| {
                let expected: Vec<u64> =
                    boxes.iter().filter(|(_, b)| matches(b)).map(|(id, _)| *id).collect();
                assert_eq!(rows_of(&table, asked), expected);
            };
            expect(SpatialQuery::Intersects(of), &|b| b.intersects(&shaped));
            expect(SpatialQuery::Inside(of), &|b| shaped.contains(b));
            expect(SpatialQuery::Covers(of), &|b| b.contains(&shaped));
            let at = Location::new(x, y);
            let distance = |b: &Bounds| match geometry {
                Geometry::Plane => metric::Metric::rect_distance(&metric::Plane::from(at), b),
                Geometry::Sphere => metric::Metric::rect_distance(&sphere::Sphere::from(at), b),
            };
            let mut near: Vec<(f64, u64)> = Vec::new();
            near.extend(boxes.iter().map(|(id, b)| (distance(b), *id)));
            near.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap());
            let found = spatial(&table).nearest(reader, at, 12).unwrap();
            let found: Vec<(f64, u64)> = found.iter().map(|n| (n.distance, n.row_id)).collect();
            assert_eq!(found, near[..12]);
            let within = near[40].0;
            near.truncate(near.partition_point(|(distance, _)| *distance <= within));
            let found = spatial(&table).within_distance(reader, at, within).unwrap();
            let found: Vec<(f64, u64)> = found.iter().map(|n| (n.distance, n.row_id)).collect();
            assert_eq!(found, near);
        }
    }
}

#[test]
fn joins_give_each_pair_once() {
    let rng = SeededRng::new(seed());
    for geometry in [Geometry::Plane, Geometry::Sphere] {
        let table = table(geometry, 1);
        let mut places = Vec::new();
        for row_id in 0..300 {
            let at = random_location(&rng, geometry);
            table.set(row_id, point(at.x, at.y));
            places.push((row_id, geometry.location(at).unwrap()));
        }
        let snapshot = table.store.snapshot();
        let reader = at_snapshot(&snapshot);
        let index = spatial(&table);
        let distance = if geometry == Geometry::Plane { 2.0 } else { 500_000.0 };
        let found = index.join(reader, index, SpatialJoin::Near(distance)).unwrap();
        let mut expected = Vec::new();
        let mut same = Vec::new();
        for (one, a) in &places {
            for (other, b) in &places {
                if exact_distance(geometry, *a, *b) <= distance {
                    expected.push((*one, *other));
                }
                if a == b {
                    same.push((*one, *other));
                }
            }
        }
        assert_eq!(found, expected);
        assert_eq!(index.join(reader, index, SpatialJoin::Intersects).unwrap(), same);
    }
}

#[test]
fn joins_of_boxes() {
    let table = table(Geometry::Plane, 4);
    let boxes = [[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 2.0, 2.0], [5.0, 1.0, 6.0, 2.0]];
    for (row_id, of) in (0..).zip(boxes) {
        table.set(row_id, of.map(Value::F64));
    }
    let snapshot = table.store.snapshot();
    let (reader, index) = (at_snapshot(&snapshot), spatial(&table));
    let met = index.join(reader, index, SpatialJoin::Intersects).unwrap();
    assert_eq!(met, [(0, 0), (0, 1), (1, 0), (1, 1), (2, 2)]);
    let near = index.join(reader, index, SpatialJoin::Near(3.0)).unwrap();
    assert_eq!(near, [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 1), (2, 2)]);
    let sphere = super::table(Geometry::Sphere, 4);
    assert!(index.join(reader, spatial(&sphere), SpatialJoin::Intersects).is_err());
    sphere.set(1, [0.0, 0.0, 1.0, 1.0].map(Value::F64));
    let snapshot = sphere.store.snapshot();
    let (reader, index) = (at_snapshot(&snapshot), spatial(&sphere));
    let refused = index.join(reader, index, SpatialJoin::Near(1.0));
    assert!(matches!(refused, Err(Error::Query { .. })));
}

/// rstar issue 256: bulk loads of some sizes put leaves on different levels, and a later insert
/// panicked. 0.14 has repaired it; levels of these sizes are built, folded and searched here.
#[test]
fn regression_rstar_256() {
    for size in (25..=27).chain(97..=111) {
        let table = table(Geometry::Plane, 1);
        let rows: Vec<(u64, Vec<Value>)> = (0..size)
            .map(|i: u32| (u64::from(i), point(f64::from(i * 7 % 13), f64::from(i * 5 % 11))))
            .collect();
        load(&table, &rows);
        let everything = SpatialQuery::Inside(window(-1.0, -1.0, 20.0, 20.0));
        assert_eq!(rows_of(&table, everything.clone()).len(), size as usize);
        for row_id in 1000..1200 {
            table.set(row_id, point(3.0, 4.0));
        }
        while table.index.upkeep().unwrap() {}
        assert_eq!(rows_of(&table, everything).len(), size as usize + 200);
        assert_eq!(nearest_ids(&table, 0.0, 0.0, 1000).len(), size as usize + 200);
        table.assert_sound();
    }
}

#[test]
fn a_cancelled_load_leaves_nothing() {
    let table = table(Geometry::Plane, 1);
    for stop_at in [0, 4096] {
        let mut loader = table.index.loader().unwrap();
        for row_id in 0..10_000 {
            loader.add(row_id, &point(1.0, 2.0)).unwrap();
        }
        let ended = loader.finish(&mut |done, total| {
            assert_eq!(total, 10_000);
            if done >= stop_at {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue(())
            }
        });
        assert!(matches!(ended, Err(Error::Cancelled { .. })));
        assert_eq!(spatial(&table).entries.len().unwrap(), 0);
    }
    table.assert_sound();
}

#[test]
fn a_partial_index_follows_its_condition() {
    let kind = IndexKind::Spatial(SpatialOptions::default());
    let condition = Some(crate::Expression::Column(1));
    let table = TestTable::new(IndexDefinition { condition, ..definition(kind, 1) });
    let row = |x, held| vec![Value::Point { x, y: 0.0 }, Value::Bool(held)];
    table.set(1, row(1.0, true));
    table.set(2, row(f64::NAN, false));
    assert_eq!(nearest_ids(&table, 0.0, 0.0, 9), [1]);
    table.set(2, row(0.5, true));
    table.set(1, row(1.0, false));
    assert_eq!(nearest_ids(&table, 0.0, 0.0, 9), [2]);
    table.assert_sound();
}

#[test]
fn a_check_names_what_is_wrong() {
    let table = table(Geometry::Plane, 1);
    for row_id in 0..10_u32 {
        table.set(u64::from(row_id), point(f64::from(row_id), 0.0));
    }
    table.assert_sound();
    let entries = &spatial(&table).entries;
    entries.remove(row_key(3)).unwrap();
    entries.insert(row_key(5), Place::Point(Location::new(9.0, 9.0)).encode()).unwrap();
    entries.insert(row_key(77), Place::Point(Location::new(1.0, 1.0)).encode()).unwrap();
    let found = table.index.check(&table.store.snapshot()).unwrap();
    assert!(matches!(
        found[..],
        [
            Problem::Missing { row_id: 3, .. },
            Problem::Missing { row_id: 5, .. },
            Problem::Extra { row_id: 77, .. }
        ]
    ));
    entries.insert(row_key(4), b"short").unwrap();
    let found = table.index.check(&table.store.snapshot());
    assert!(format!("{found:?}").contains("no place"), "{found:?}");
}

#[test]
fn statistics_count_places() {
    let table = table(Geometry::Plane, 1);
    for row_id in 0..200 {
        table.set(row_id, point(1.0, 1.0));
    }
    table.remove(7);
    table.set(8, point(1.0, 1.0));
    let statistics = table.index.statistics().unwrap();
    assert_eq!((statistics.entries, statistics.unchanged, statistics.lag), (199, 1, 0));
    assert!(statistics.memory_bytes > 200 * 32);
}
