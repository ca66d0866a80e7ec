//! Statistics of a table: what is decoded can be planned with, and encoded again.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use lightning_db_fuzz::{catalog, query, sealed};
use lightning_db_optimizer::{Catalog, Error, MemoryCatalog, Optimizer, Query, TableStatistics};

thread_local! {
    static KNOWN: RefCell<(MemoryCatalog, Query, Vec<u8>)> = RefCell::new({
        let catalog = catalog();
        let table = catalog.table("one").expect("it was added");
        let known = catalog.statistics(table).expect("they were set");
        let query = query(&catalog);
        (catalog, query, known.encode().expect("they are small"))
    });
}

fuzz_target!(|input: &[u8]| {
    KNOWN.with_borrow_mut(|(catalog, query, whole)| {
        let bytes = sealed(whole, input);
        match TableStatistics::decode(&bytes) {
            Ok(known) => {
                let again = known.encode().expect("it was decoded");
                TableStatistics::decode(&again).expect("it was encoded");
                let table = catalog.table("one").expect("it was added");
                catalog.set_statistics(table, known);
                let plan = Optimizer::default().optimize(query, catalog).expect("it has a root");
                assert!(!plan.cost().total.is_nan(), "{}", plan.explain());
            }
            Err(Error::Decode { offset, .. }) => assert!(offset <= bytes.len()),
            Err(other) => panic!("{other}"),
        }
    });
});
