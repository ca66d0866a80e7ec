//! Constants of costs: what is read can be planned with, and is read again as it was.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use lightning_db_fuzz::with_query;
use lightning_db_optimizer::{Constants, Error, Nanoseconds, Optimizer, Settings};

fuzz_target!(|text: &str| {
    with_query(|catalog, query| match Constants::parse(text) {
        Ok(constants) => {
            let again = Constants::parse(&constants.to_text()).expect("it was written");
            assert_eq!(again, constants);
            let cost_model = Arc::new(Nanoseconds::new(constants));
            let settings = Settings { cost_model, ..Settings::default() };
            let plan = Optimizer::new(settings).optimize(query, catalog).expect("it has a root");
            assert!(!plan.cost().total.is_nan(), "{}", plan.explain());
        }
        Err(Error::Decode { offset, .. }) => assert!(offset <= text.len()),
        Err(other) => panic!("{other}"),
    });
});
