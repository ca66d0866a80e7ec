//! Hints, which pins are as well: what is read can be planned with, and is read again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lightning_db_fuzz::with_query;
use lightning_db_optimizer::{Context, Hints, Optimizer};

fuzz_target!(|text: &str| {
    let Ok(hints) = text.parse::<Hints>() else { return };
    assert_eq!(hints.to_string().parse::<Hints>().expect("it was written"), hints);
    with_query(|catalog, query| {
        let context = Context::new(catalog).with_hints(&hints);
        let plan = Optimizer::default().optimize_with(query, &context).expect("it has a root");
        assert!(plan.unmet().len() <= hints.list().len());
        assert!(!plan.explain().json().is_empty());
    });
});
