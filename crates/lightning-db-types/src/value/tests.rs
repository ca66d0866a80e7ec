//! Tests of values and their order.

use super::{Decimal, Value, ValueRef, ValueType};
use std::collections::HashSet;

/// Values of all types in rising order.
fn sorted() -> Vec<Value> {
    let decimal = |mantissa, scale| Value::Decimal(Decimal::new(mantissa, scale).unwrap());
    vec![
        Value::Null,
        Value::Bool(false),
        Value::Bool(true),
        Value::I64(i64::MIN),
        Value::I64(-1),
        Value::I64(0),
        Value::I64(i64::MAX),
        Value::U64(0),
        Value::U64(u64::MAX),
        Value::F64(f64::NEG_INFINITY),
        Value::F64(-1.0),
        Value::F64(0.0),
        Value::F64(1.0),
        Value::F64(f64::NAN),
        decimal(-15, 1),
        decimal(0, 0),
        decimal(149, 2),
        decimal(15, 1),
        Value::from(""),
        Value::from("\0"),
        Value::from("a"),
        Value::from("a\0"),
        Value::from("ab"),
        Value::from("\u{e9}"),
        Value::Bytes(vec![]),
        Value::Bytes(vec![0]),
        Value::Bytes(vec![0, 0]),
        Value::Bytes(vec![1]),
        Value::Bytes(vec![255]),
        Value::Date(i32::MIN),
        Value::Date(0),
        Value::Date(i32::MAX),
        Value::Timestamp(-1),
        Value::Timestamp(0),
        Value::Uuid([0; 16]),
        Value::Uuid([255; 16]),
        Value::Point { x: -1.0, y: 5.0 },
        Value::Point { x: 0.0, y: -1.0 },
        Value::Point { x: 0.0, y: 1.0 },
        Value::Point { x: 0.0, y: f64::NAN },
    ]
}

#[test]
fn narrower_numbers_are_taken_as_they_are() {
    assert_eq!(Value::from(i8::MIN), Value::I64(-128));
    assert_eq!(Value::from(i16::MIN), Value::I64(-32_768));
    assert_eq!(Value::from(i32::MIN), Value::I64(-2_147_483_648));
    assert_eq!(Value::from(u8::MAX), Value::U64(255));
    assert_eq!(Value::from(u16::MAX), Value::U64(65_535));
    assert_eq!(Value::from(u32::MAX), Value::U64(4_294_967_295));
    assert_eq!(Value::from(0.1_f32), Value::F64(f64::from(0.1_f32)));
    assert!(matches!(ValueRef::from(7_u32), ValueRef::U64(7)));
    assert_eq!(Value::from(None::<i32>), Value::Null);
}

#[test]
fn order_is_total_over_all_types() {
    let sorted = sorted();
    for (i, left) in sorted.iter().enumerate() {
        for (j, right) in sorted.iter().enumerate() {
            assert_eq!(left.cmp(right), i.cmp(&j), "{left:?} and {right:?}");
            assert_eq!(left.as_value_ref().cmp(&right.as_value_ref()), i.cmp(&j));
            assert_eq!(left == right, i == j);
        }
    }
}

#[test]
fn equal_values_hash_alike() {
    let pairs = [
        (Value::F64(-0.0), Value::F64(0.0)),
        (Value::F64(f64::NAN), Value::F64(-f64::NAN)),
        (Value::Point { x: -0.0, y: f64::NAN }, Value::Point { x: 0.0, y: -f64::NAN }),
        ("1.50".parse::<Decimal>().unwrap().into(), "1.5".parse::<Decimal>().unwrap().into()),
    ];
    for (left, right) in pairs {
        assert_eq!(left, right);
        assert_eq!(HashSet::from([left, right]).len(), 1);
    }
    let all: HashSet<Value> = sorted().into_iter().collect();
    assert_eq!(all.len(), sorted().len());
}

#[test]
fn borrowed_form_goes_there_and_back() {
    for value in sorted() {
        let borrowed = ValueRef::from(&value);
        assert_eq!(borrowed.value_type(), value.value_type());
        assert_eq!(borrowed.is_null(), value.is_null());
        assert_eq!(Value::from(borrowed), value);
    }
    assert_eq!(Value::from(None::<i64>), Value::Null);
    assert_eq!(Value::from(Some("a")), Value::Text("a".to_owned()));
    assert_eq!(ValueRef::from(&b"a"[..]).to_value(), Value::from(&b"a"[..]));
}

#[test]
fn types_are_listed_in_their_order_with_names_of_their_own() {
    assert!(ValueType::ALL.is_sorted());
    let names: HashSet<String> = ValueType::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), ValueType::ALL.len());
    assert_eq!(format!("{:>6}|", ValueType::I64), "   i64|");
}

#[test]
fn a_value_takes_32_bytes() {
    assert_eq!(size_of::<Value>(), 32);
    assert_eq!(size_of::<ValueRef<'_>>(), 32);
}
