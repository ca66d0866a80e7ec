//! Tests of decimals.

use super::{Decimal, Scientific};
use crate::error::Error;
use crate::rng::{Rng, SeededRng};
use std::cmp::Ordering;
use std::collections::HashSet;

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn numbers_sort_by_value_whatever_their_scale() {
    let nines = "9".repeat(38);
    let tiny = format!("0.{}1", "0".repeat(37));
    let sorted = [
        &*format!("-{nines}"),
        "-100",
        "-99.99",
        "-1.000001",
        "-1",
        "-0.5",
        &*format!("-{tiny}"),
        "0",
        &*tiny,
        "0.09",
        "0.1",
        "0.11",
        "0.9",
        "1",
        "1.01",
        "9.99",
        "10",
        "10.1",
        &*nines,
    ];
    for (i, left) in sorted.iter().enumerate() {
        for (j, right) in sorted.iter().enumerate() {
            assert_eq!(decimal(left).cmp(&decimal(right)), i.cmp(&j), "{left} and {right}");
        }
    }
}

#[test]
fn equal_numbers_are_one_value() {
    let same = ["12.5", "12.50", "12.5000000000", "+12.5", "012.5"];
    let set: HashSet<Decimal> = same.iter().map(|text| decimal(text)).collect();
    assert_eq!(set.len(), 1);
    let zeros: HashSet<Decimal> = ["0", "-0", "0.000"].iter().map(|text| decimal(text)).collect();
    assert_eq!(zeros.len(), 1);
    assert_eq!(decimal("12.500").normalized().to_string(), "12.5");
    assert_eq!(decimal("1200").normalized().to_string(), "1200");
}

#[test]
fn text_round_trips_with_its_scale() {
    for text in ["0", "0.00", "-0.01", "1", "-12.50", "123456789012345678901234567890.12345678"] {
        assert_eq!(decimal(text).to_string(), text);
    }
    assert_eq!(format!("{:>8}|{:?}", decimal("-1.5"), decimal("2")), "    -1.5|Decimal(2)");
}

#[test]
fn what_is_no_decimal_is_refused() {
    let long = "1".repeat(39);
    let deep = format!("0.{}", "0".repeat(39));
    let odd = ["", "-", ".", ".5", "5.", "1.2.3", "1e5", "--1", " 1", "1 ", "nan", "\u{661}"];
    for text in odd.into_iter().chain([&*long, &*deep, &*"9".repeat(10_000)]) {
        assert!(matches!(text.parse::<Decimal>(), Err(Error::DecimalText { .. })), "{text:?}");
    }
    let limit = 10_i128.pow(38);
    for mantissa in [limit, -limit, i128::MAX, i128::MIN] {
        assert_eq!(Decimal::new(mantissa, 0), Err(Error::DecimalMantissa { mantissa }));
    }
    assert_eq!(Decimal::new(1, 39), Err(Error::DecimalScale { scale: 39 }));
    Decimal::new(limit - 1, 38).unwrap();
    Decimal::new(1 - limit, 38).unwrap();
}

#[test]
fn order_agrees_with_floats_where_those_are_exact() {
    let rng = SeededRng::new(11);
    let draw = || {
        let mantissa = i128::from(rng.below(2_000)) - 1_000;
        let scale = u8::try_from(rng.below(4)).unwrap();
        // Thousandths below a million are told apart by floats.
        let float = f64::from(i32::try_from(mantissa).unwrap()) / 10_f64.powi(scale.into());
        (Decimal::new(mantissa, scale).unwrap(), float)
    };
    for _ in 0..100_000 {
        let ((left, left_float), (right, right_float)) = (draw(), draw());
        assert_eq!(left.cmp(&right), left_float.total_cmp(&right_float), "{left} and {right}");
    }
}

#[test]
fn scientific_form_goes_there_and_back() {
    let rng = SeededRng::new(12);
    for _ in 0..100_000 {
        let wide = (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
        let mantissa = wide.cast_signed() >> rng.below(127);
        let Ok(number) = Decimal::new(mantissa, u8::try_from(rng.below(39)).unwrap()) else {
            continue;
        };
        let back = number.scientific().to_decimal().unwrap();
        assert_eq!((back.mantissa(), back.scale()), {
            let normalized = number.normalized();
            (normalized.mantissa(), normalized.scale())
        });
    }
    let digits = 10_u128.pow(37);
    for (sign, exponent, digits) in [
        (Ordering::Equal, 1, 0),
        (Ordering::Equal, 0, 1),
        (Ordering::Greater, 0, digits),
        (Ordering::Greater, 77, digits),
        (Ordering::Greater, 5, digits - 1),
        (Ordering::Greater, 5, digits * 10),
        // Digits beyond a scale of 38.
        (Ordering::Less, 1, digits + 1),
    ] {
        assert_eq!(Scientific { sign, exponent, digits }.to_decimal(), None);
    }
}

#[test]
fn the_nearest_double_is_that_of_the_text() {
    let mut mantissa = 1_i128;
    for round in 0..4_000_u32 {
        // Mantissas of all lengths, around what is exact.
        mantissa = (mantissa.wrapping_mul(6_364_136_223_846_793_005) + 1) % 10_i128.pow(38);
        let cut = mantissa / 10_i128.pow(round % 38);
        for near in [cut, -cut, (1 << 53) + cut % 3 - 1] {
            let decimal = Decimal::new(near, u8::try_from(round % 39).unwrap()).unwrap();
            let expected: f64 = decimal.to_string().parse().unwrap();
            assert_eq!(decimal.to_f64().to_bits(), expected.to_bits(), "{decimal}");
        }
    }
}
