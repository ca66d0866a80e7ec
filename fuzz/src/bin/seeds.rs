//! Writes what the fuzzer begins with: `corpus/TARGET/seed`, one whole input for each target.

use std::fs;
use std::path::Path;

use lightning_db_fuzz::{body, catalog, memory};
use lightning_db_optimizer::{Catalog, Constants};
use lightning_db_types::{ColumnOrder, Value, encode_row};

fn main() -> std::io::Result<()> {
    let catalog = catalog();
    let known = catalog.table("one").and_then(|table| catalog.statistics(table));
    let statistics = known.expect("it was set").encode().expect("they are small");
    let memory = memory(&catalog).encode().expect("it is small");
    let constants = Constants::default().to_text();
    let hints = "order(one other) hash(one other / one) index(one key) scan(other) \
                 aggregate(hash) each(one other / other) merge(one other) loop(one other / one)";
    let order = ColumnOrder { descending: false, nulls_first: false };
    let values = [Value::I64(-7), Value::from("a\0b"), Value::F64(0.5), Value::Null];
    let mut key = vec![3 << 2];
    encode_row(&values, &[order; 4], &mut key).expect("there are as many");
    let seeds: [(&str, &[u8]); 5] = [
        ("statistics", body(&statistics)),
        ("memory", body(&memory)),
        ("constants", constants.as_bytes()),
        ("hints", hints.as_bytes()),
        ("keys", &key),
    ];
    for (target, seed) in seeds {
        let folder = Path::new("corpus").join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("seed"), seed)?;
    }
    Ok(())
}
