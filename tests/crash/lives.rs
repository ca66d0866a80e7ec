//! One store that is never closed: a workload, a power cut, the next workload on what is left.

use lightning_db_tests::{Lives, parallel, seeds_of};

fn live(seeds: u64, faults: bool) {
    let life = |seed| Lives { seed, lives: 50, ops: 150, faults }.run();
    let cuts = parallel(seeds_of(seeds), life).unwrap_or_else(|text| panic!("{text}"));
    println!("{cuts} lives");
}

#[test]
fn store_of_many_lives_keeps_every_promise_of_each() {
    live(40, false);
}

#[test]
fn store_of_many_lives_on_a_failing_disk_keeps_every_promise_of_each() {
    live(40, true);
}
