//! What was learned: what is decoded can be planned with, and encoded again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lightning_db_fuzz::{catalog, memory, query, sealed};
use lightning_db_optimizer::learning::Memory;
use lightning_db_optimizer::{Context, Error, MemoryCatalog, Optimizer, Query};

thread_local! {
    static KNOWN: (MemoryCatalog, Query, Vec<u8>) = {
        let catalog = catalog();
        let (query, memory) = (query(&catalog), memory(&catalog));
        (catalog, query, memory.encode().expect("it is small"))
    };
}

fuzz_target!(|input: &[u8]| {
    KNOWN.with(|(catalog, query, whole)| match Memory::decode(&sealed(whole, input)) {
        Ok(memory) => {
            let again = memory.encode().expect("it was decoded");
            Memory::decode(&again).expect("it was encoded");
            let context = Context::new(catalog).with_learned(&memory);
            let plan = Optimizer::default().optimize_with(query, &context).expect("it has a root");
            assert!(plan.cost().total.is_finite(), "{}", plan.explain());
            memory.column_groups();
        }
        Err(Error::Decode { .. }) => {}
        Err(other) => panic!("{other}"),
    });
});
