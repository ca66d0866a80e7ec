//! Tests of keys on chosen values; those on drawn ones are in `tests/key_order.rs`.

use super::{ColumnOrder, KeyDecoder, KeyEncoder, decode_row, encode_row, prefix_end};
use crate::error::Error;
use crate::value::{Decimal, Value, ValueRef, ValueType};

const ORDERS: [ColumnOrder; 4] = [
    ColumnOrder { descending: false, nulls_first: true },
    ColumnOrder { descending: false, nulls_first: false },
    ColumnOrder { descending: true, nulls_first: true },
    ColumnOrder { descending: true, nulls_first: false },
];

fn key_of(value: &Value, order: ColumnOrder) -> Vec<u8> {
    let mut key = Vec::new();
    KeyEncoder::new(&mut key).push(value, order);
    key
}

fn samples() -> Vec<Value> {
    let decimal = |text: &str| Value::Decimal(text.parse().unwrap());
    let long = "x".repeat(300);
    let text = ["", "a", "a\0", "a\0\0", "a\0b", "a\u{1}", "ab", "abcdefgh", "abcdefgh\0", &long];
    let mut samples = vec![
        Value::Null,
        Value::Bool(false),
        Value::Bool(true),
        decimal("-100"),
        decimal("-99.5"),
        decimal("-0.01"),
        decimal("0"),
        decimal("0.01"),
        decimal("1"),
        decimal("1.000000000000000000000000000000000001"),
        decimal("9.99"),
        decimal("10"),
        Value::Decimal(Decimal::new(10_i128.pow(38) - 1, 0).unwrap()),
        Value::Decimal(Decimal::new(1, 38).unwrap()),
        Value::Decimal(Decimal::new(1 - 10_i128.pow(38), 38).unwrap()),
        Value::Uuid([0; 16]),
        Value::Uuid([0xFF; 16]),
        Value::Point { x: 1.0, y: -1.0 },
        Value::Point { x: 1.0, y: f64::NAN },
        Value::Point { x: -1.0, y: 7.0 },
    ];
    samples.extend([i64::MIN, -256, -1, 0, 1, 255, 256, i64::MAX].map(Value::I64));
    samples.extend([i64::MIN, -1, 0, i64::MAX].map(Value::Timestamp));
    samples.extend([0, 1, 255, 256, u64::MAX].map(Value::U64));
    samples.extend([i32::MIN, -1, 0, 1, i32::MAX].map(Value::Date));
    samples.extend(
        [f64::NEG_INFINITY, -2.5, -0.0, 5e-324, 2.5, f64::INFINITY, f64::NAN].map(Value::F64),
    );
    samples.extend(text.map(Value::from));
    samples.extend(text.map(|text| Value::from(text.as_bytes())));
    samples.extend([&[0xFF][..], &[0xFF, 0], &[0, 0xFF], &[0, 1], &[1]].map(Value::from));
    samples
}

#[test]
fn keys_sort_as_values_under_each_order() {
    let samples = samples();
    for order in ORDERS {
        for left in &samples {
            for right in &samples {
                let expected = order.compare(left.into(), right.into());
                let keys = (key_of(left, order), key_of(right, order));
                assert_eq!(keys.0.cmp(&keys.1), expected, "{left:?}, {right:?}, {order:?}");
            }
        }
    }
}

#[test]
fn whatever_follows_a_column_does_not_change_its_order() {
    let samples = samples();
    let ends: [&[u8]; 4] = [&[], &[0], &[0xFF, 0xFF, 0xFF], &[0x01]];
    for order in ORDERS {
        for left in &samples {
            for right in samples.iter().filter(|&right| right != left) {
                let expected = order.compare(left.into(), right.into());
                for (left_end, right_end) in ends.iter().zip(ends.iter().rev()) {
                    let left_key = [&key_of(left, order), *left_end].concat();
                    let right_key = [&key_of(right, order), *right_end].concat();
                    assert_eq!(
                        left_key.cmp(&right_key),
                        expected,
                        "{left:?}, {right:?}, {order:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn keys_go_there_and_back_and_leave_the_rest() {
    for order in ORDERS {
        for value in samples() {
            let mut key = key_of(&value, order);
            let len = key.len();
            key.extend_from_slice(b"\0\xFFrest");
            let mut decoder = KeyDecoder::new(&key);
            assert_eq!(decoder.column(order).unwrap(), value, "{order:?}");
            assert_eq!((decoder.offset(), decoder.rest()), (len, &b"\0\xFFrest"[..]));
            let mut skipper = KeyDecoder::new(&key);
            assert_eq!(skipper.skip(order).unwrap(), value.value_type());
            assert_eq!(skipper.offset(), len);
        }
    }
}

#[test]
fn nulls_stand_where_the_order_says() {
    let value = Value::from(1_i64);
    for order in ORDERS {
        let (null, other) = (key_of(&Value::Null, order), key_of(&value, order));
        assert_eq!(null < other, order.nulls_first, "{order:?}");
    }
    assert_eq!(ColumnOrder::default(), ColumnOrder::ASCENDING);
    assert_eq!(ColumnOrder::ASCENDING.with_nulls_last(), ORDERS[1]);
    assert_eq!(ColumnOrder::DESCENDING.with_nulls_first(), ORDERS[2]);
}

#[test]
fn the_bytes_on_disk_are_fixed() {
    let check = |value: Value, order, expected: &str| {
        let hex: Vec<String> = key_of(&value, order).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex.join(""), expected, "{value:?} {order:?}");
    };
    let (asc, desc) = (ColumnOrder::ASCENDING, ColumnOrder::DESCENDING);
    check(Value::Null, asc, "01");
    check(Value::Null, desc, "fe");
    check(Value::Bool(true), asc, "1101");
    check(Value::I64(-1), asc, "127fffffffffffffff");
    check(Value::I64(-1), desc, "ed8000000000000000");
    check(Value::U64(258), asc, "130000000000000102");
    check(Value::F64(1.0), asc, "14bff0000000000000");
    check(Value::F64(-1.0), asc, "14400fffffffffffff");
    check(Value::Decimal(Decimal::ZERO), asc, &format!("1501{}", "00".repeat(17)));
    // Ten to the power of 37, and its complement.
    check(Value::from(Decimal::from(1)), asc, "1502270785ee10d5da46d900f436a000000000");
    check(Value::from(Decimal::from(-1)), asc, "1500d8f87a11ef2a25b926ff0bc95fffffffff");
    check(Value::from("a\0b"), asc, "166100ff620001");
    check(Value::from("a"), desc, "e99efffe");
    check(Value::from(&b"\xFF"[..]), asc, "17ff0001");
    check(Value::Date(0), asc, "1880000000");
    check(Value::Timestamp(0), asc, "198000000000000000");
    check(Value::Uuid([7; 16]), asc, &format!("1a{}", "07".repeat(16)));
    check(Value::Point { x: 0.0, y: 0.0 }, asc, "1b80000000000000008000000000000000");
}

#[test]
fn a_text_prefix_covers_the_texts_that_begin_so_and_no_others() {
    let texts = ["", "a", "ab", "ab\0", "ab\0c", "abc", "ac", "b", "\0", "\0a"];
    for order in ORDERS {
        for prefix in ["", "a", "ab", "ab\0", "\0"] {
            let (mut low, mut low_bytes) = (Vec::new(), Vec::new());
            KeyEncoder::new(&mut low).push_text_prefix(prefix, order);
            KeyEncoder::new(&mut low_bytes).push_bytes_prefix(prefix.as_bytes(), order);
            let mut high = low.clone();
            assert!(prefix_end(&mut high));
            for text in texts {
                let key = key_of(&text.into(), order);
                assert_eq!(key.starts_with(&low), text.starts_with(prefix), "{text:?} {prefix:?}");
                assert_eq!((&low..&high).contains(&&key), text.starts_with(prefix));
                let key = key_of(&text.as_bytes().into(), order);
                assert_eq!(key.starts_with(&low_bytes), text.starts_with(prefix));
            }
        }
    }
}

#[test]
fn the_first_columns_of_a_row_are_a_prefix_of_its_key() {
    let columns = [ColumnOrder::ASCENDING, ColumnOrder::DESCENDING, ColumnOrder::ASCENDING];
    let row = [ValueRef::Text("a"), ValueRef::I64(1), ValueRef::Bytes(b"z")];
    let mut whole = Vec::new();
    encode_row(&row, &columns, &mut whole).unwrap();
    for count in 0..3 {
        let mut prefix = Vec::new();
        encode_row(&row[..count], &columns, &mut prefix).unwrap();
        assert!(whole.starts_with(&prefix) && prefix < whole);
    }
    let mut key = b"kept".to_vec();
    let error = encode_row(&row, &columns[..2], &mut key).unwrap_err();
    assert_eq!(error, Error::ColumnCount { values: 3, columns: 2 });
    assert_eq!(error.to_string(), "3 values for a key of 2 columns");
    assert_eq!(key, b"kept");
}

#[test]
fn the_end_of_a_prefix_is_above_all_its_keys() {
    let check = |prefix: &[u8], expected: Option<&[u8]>| {
        let mut end = prefix.to_vec();
        assert_eq!(prefix_end(&mut end).then_some(&end[..]), expected);
    };
    check(b"", None);
    check(b"\xFF\xFF", None);
    check(b"a", Some(b"b"));
    check(b"a\xFF\xFF", Some(b"b"));
    check(b"\0", Some(b"\x01"));
}

#[test]
fn every_truncation_is_an_error_and_leaves_the_values_alone() {
    for order in ORDERS {
        for value in samples() {
            let key = key_of(&value, order);
            for len in 0..key.len() {
                let mut values = vec![Value::Null];
                let error = decode_row(&key[..len], &[order], &mut values).unwrap_err();
                assert_eq!(error, Error::KeyTruncated { offset: 0, len }, "{value:?} cut at {len}");
                assert_eq!(values.len(), 1);
            }
        }
    }
}

#[test]
fn damage_is_named_and_placed() {
    let check = |key: &[u8], expected: Error| {
        let mut key_and_more = b"\x01".to_vec();
        key_and_more.extend_from_slice(key);
        let mut decoder = KeyDecoder::new(&key_and_more);
        assert_eq!(decoder.column(ColumnOrder::ASCENDING).unwrap(), Value::Null);
        assert_eq!(decoder.column(ColumnOrder::ASCENDING).unwrap_err(), expected);
        assert_eq!(decoder.offset(), 1, "the decoder stays where it was");
    };
    let payload = |value_type| Error::KeyPayload { offset: 1, value_type };
    for tag in [0x00, 0x02, 0x10, 0x1C, 0xFE, 0xFF] {
        check(&[tag], Error::KeyTag { offset: 1, tag });
    }
    check(&[0x11, 2], payload(ValueType::Bool));
    check(b"\x16ab\0\x02", Error::KeyEscape { offset: 5, byte: 2 });
    check(b"\x17\0\0\0\x01", Error::KeyEscape { offset: 3, byte: 0 });
    check(&[&[0x14][..], &[0xFF; 8]].concat(), payload(ValueType::F64));
    check(&[&[0x1B][..], &[0xFF; 16]].concat(), payload(ValueType::Point));
    check(&[&[0x15, 3][..], &[0; 17]].concat(), payload(ValueType::Decimal));
    check(&[&[0x15, 2][..], &[0; 17]].concat(), payload(ValueType::Decimal));
    let mut decoder = KeyDecoder::new(b"\x16\xC3\x28\0\x01");
    let error = decoder.column(ColumnOrder::ASCENDING).unwrap_err();
    assert!(matches!(error, Error::KeyText { offset: 0, .. }), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    assert!(!error.is_retryable());
    assert_eq!(decoder.skip(ColumnOrder::ASCENDING).unwrap(), ValueType::Text);
}
