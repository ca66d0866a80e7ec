//! Real places against brute force, and the quality of estimates over them.

use std::io::Read;
use std::path::Path;

use super::*;

/// Longitude and latitude of the places of the repository's file.
fn cities() -> Option<Vec<Location>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/cities.csv.gz");
    let packed = std::fs::read(path).ok()?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).ok()?;
    let place = |line: &str| {
        let mut columns = line.split(',').skip(1);
        let latitude = columns.next()?.parse().ok()?;
        Some(Location::new(columns.next()?.parse().ok()?, latitude))
    };
    Some(text.lines().skip(1).filter_map(place).collect())
}

fn load_cities(geometry: Geometry) -> Option<(TestTable, Vec<Location>)> {
    let Some(cities) = cities() else {
        println!("skipped: no data");
        return None;
    };
    let table = table(geometry, 1);
    let rows: Vec<(u64, Vec<Value>)> =
        (0..).zip(&cities).map(|(row_id, at)| (row_id, point(at.x, at.y))).collect();
    load(&table, &rows);
    Some((table, cities))
}

#[test]
fn cities_are_found_as_brute_force_finds_them() {
    let rng = SeededRng::new(seed());
    for geometry in [Geometry::Plane, Geometry::Sphere] {
        let Some((table, cities)) = load_cities(geometry) else { return };
        let snapshot = table.store.snapshot();
        let reader = at_snapshot(&snapshot);
        let index = spatial(&table);
        for round in 0..30 {
            let city = cities[below(&rng, cities.len())];
            let at = if round % 3 == 0 { random_location(&rng, Geometry::Sphere) } else { city };
            let at = Location::new(place::longitude(at.x), at.y);
            let mut near: Vec<(f64, u64)> = (0..)
                .zip(&cities)
                .map(|(row_id, city)| (exact_distance(geometry, at, *city), row_id))
                .collect();
            near.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap());
            for count in [1, 10, 1000] {
                let found = index.nearest(reader, at, count).unwrap();
                let found: Vec<(f64, u64)> = found.iter().map(|n| (n.distance, n.row_id)).collect();
                assert_eq!(found, near[..count], "nearest {count} to {at:?}");
            }
            let distance = near[below(&rng, 3000)].0;
            let within = near.partition_point(|(d, _)| *d <= distance);
            let found = index.within_distance(reader, at, distance).unwrap();
            assert!(found.iter().map(|n| n.row_id).eq(near[..within].iter().map(|n| n.1)));
            if geometry == Geometry::Sphere {
                let (d, row_id) = near[500];
                let other = great_circle(at, cities[usize::try_from(row_id).unwrap()]);
                assert!((d - other).abs() <= 1e-6 * d.max(1.0), "{d} {other}");
            }
        }
    }
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn estimates_of_windows_are_close() {
    let rng = SeededRng::new(seed());
    let Some((table, cities)) = load_cities(Geometry::Sphere) else { return };
    let snapshot = table.store.snapshot();
    let reader = at_snapshot(&snapshot);
    let mut errors = Vec::new();
    for round in 0..600 {
        let centre = cities[below(&rng, cities.len())];
        let half = [0.05, 0.2, 1.0, 4.0, 15.0, 60.0][round % 6] * draw(&rng, 0.5, 1.5);
        let window = Bounds {
            min_x: centre.x - half,
            min_y: (centre.y - half).max(-90.0),
            max_x: centre.x + half,
            max_y: (centre.y + half).min(90.0),
        };
        let asked = query(SpatialQuery::Inside(window));
        let rows = table.index.rows(reader, &asked).unwrap().len() as f64;
        let estimate = table.index.estimate(reader, &asked).unwrap();
        assert!(estimate.low <= rows && rows <= estimate.high, "{rows} {estimate:?}");
        let (rows, point) = (rows.max(1.0), estimate.point.max(1.0));
        errors.push((rows / point).max(point / rows));
    }
    errors.sort_unstable_by(f64::total_cmp);
    println!("q-error: median {}, p95 {}, max {}", errors[300], errors[570], errors[599]);
    assert!(errors[300] <= 1.5 && errors[570] <= 5.0);
}
