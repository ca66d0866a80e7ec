//! Writers, readers and folds at the same time.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Each row moves along a line of its own; a reader must find every row exactly once, at the place
/// that its snapshot says.
#[test]
fn readers_are_exact_under_four_writers() {
    let seed = seed();
    let table = table(Geometry::Plane, 1);
    for row_id in 0..64_u32 {
        table.set(u64::from(row_id), point(f64::from(row_id), 0.0));
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (table, rng) = (&table, SeededRng::new(seed + writer));
                scope.spawn(move || {
                    for step in 0..800_u32 {
                        let row_id = rng.below(16) * 4 + writer;
                        let x = f64::from(u32::try_from(row_id).unwrap());
                        let at = point(x, f64::from(step));
                        assert!(table.commit(row_id, Some(at)).unwrap().is_committed());
                    }
                })
            })
            .collect();
        for reader in 0..2 {
            let (table, done) = (&table, &done);
            let rng = SeededRng::new(seed + 100 + reader);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let snapshot = table.store.snapshot();
                    let reader = at_snapshot(&snapshot);
                    let rows = points(table, reader);
                    let found = spatial(table).nearest(reader, Location::default(), 100).unwrap();
                    assert_eq!(found.len(), 64);
                    let mut expected: Vec<(f64, u64)> = Vec::new();
                    expected
                        .extend(rows.iter().map(|(id, p)| (flat(*p, Location::default()), *id)));
                    expected.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap());
                    assert!(found.iter().map(|n| n.row_id).eq(expected.iter().map(|n| n.1)));
                    let at = Location::new(draw(&rng, 0.0, 60.0), 0.0);
                    compare(table, reader, &rng, at, 40.0);
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                table.index.upkeep().unwrap();
                std::thread::yield_now();
            }
        });
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    table.assert_sound();
}
