//! Keys of rows and indexes: a column that is decoded and encoded again sorts where it did.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lightning_db_types::{ColumnOrder, decode_row, encode_row};

fuzz_target!(|input: &[u8]| {
    let [shape, key @ ..] = input else { return };
    let order = ColumnOrder { descending: shape & 1 == 1, nulls_first: shape & 2 == 2 };
    let columns = vec![order; 1 + usize::from(shape >> 2 & 3)];
    let mut values = Vec::new();
    let Ok(len) = decode_row(key, &columns, &mut values) else {
        assert!(values.is_empty());
        return;
    };
    assert_eq!(values.len(), columns.len());
    let mut again = Vec::new();
    encode_row(&values, &columns, &mut again).expect("there are as many");
    let mut twice = Vec::new();
    assert_eq!(decode_row(&again, &columns, &mut twice).expect("it was encoded"), again.len());
    assert_eq!(twice, values);
    assert!(len <= key.len());
});
