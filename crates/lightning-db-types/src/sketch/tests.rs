//! Sketches against exact answers.

use super::*;
use crate::rng::{Rng, SeededRng};
use crate::value::{Decimal, Value};

fn seed() -> u64 {
    let given = std::env::var("LIGHTNING_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or(7);
    println!("LIGHTNING_SEED={seed}");
    seed
}

#[test]
fn equal_values_have_equal_hashes() {
    let equal = [
        (Value::F64(0.0), Value::F64(-0.0)),
        (Value::F64(f64::NAN), Value::F64(-f64::NAN)),
        (
            Value::Decimal("1.50".parse::<Decimal>().unwrap()),
            Value::Decimal("1.5".parse::<Decimal>().unwrap()),
        ),
    ];
    for (left, right) in equal {
        assert_eq!(left, right);
        assert_eq!(value_hash(left.as_value_ref()), value_hash(right.as_value_ref()));
    }
    let (one, other) = (Value::I64(1), Value::U64(1));
    assert_ne!(value_hash(one.as_value_ref()), value_hash(other.as_value_ref()));
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn distinct_values_are_counted_within_five_standard_errors() {
    let mut distinct = HyperLogLog::new();
    assert!(distinct.estimate().abs() < f64::EPSILON);
    let mut added: u64 = 0;
    for wanted in [1, 10, 100, 1_000, 5_000, 20_000, 100_000, 1_000_000] {
        while added < wanted {
            distinct.add(value_hash(ValueRef::U64(added)));
            added += 1;
        }
        let error = (distinct.estimate() / wanted as f64 - 1.0).abs();
        assert!(error < 0.08, "{wanted}: {}", distinct.estimate());
    }
}

#[test]
fn merged_counters_have_seen_what_both_saw() {
    let (mut one, mut other, mut both) =
        (HyperLogLog::new(), HyperLogLog::new(), HyperLogLog::new());
    for number in 0..10_000 {
        let hash = value_hash(ValueRef::U64(number));
        if number % 3 == 0 {
            one.add(hash);
        } else {
            other.add(hash);
        }
        both.add(hash);
    }
    one.merge(&other);
    assert_eq!(one, both);
}

#[test]
fn every_frequent_value_is_kept_with_a_count_that_is_not_too_high() {
    let rng = SeededRng::new(seed());
    let (mut common, mut exact) = (MostCommon::new(100), std::collections::HashMap::new());
    let mut parts = [MostCommon::new(100), MostCommon::new(100)];
    for at in 0..50_000_usize {
        // Half of the draws are below 10, a quarter below 100, and so on.
        let bound = 10_u64.pow(1 + rng.next_u64().leading_zeros().min(4));
        let value = rng.below(bound);
        common.add(ValueRef::U64(value));
        parts[at % 2].add(ValueRef::U64(value));
        *exact.entry(value).or_insert(0_u64) += 1;
    }
    let [mut merged, other] = parts;
    merged.merge(&other);
    for sketch in [common, merged] {
        let top: std::collections::HashMap<Value, u64> = sketch.top(100).into_iter().collect();
        for (value, count) in &exact {
            let seen = top.get(&Value::U64(*value)).copied().unwrap_or(0);
            assert!(seen <= *count, "{value}: {seen} of {count}");
            assert!(seen + 2_000 >= *count, "{value}: {seen} of {count}");
        }
    }
}

#[test]
fn a_sample_and_a_merged_one_are_fair() {
    let rng = SeededRng::new(seed());
    let (mut small, mut low) = (0_u64, 0_u64);
    for _ in 0..400 {
        let (mut one, mut other) = (Sample::new(20), Sample::new(20));
        for number in 0..100 {
            one.offer(&rng, || number);
        }
        for number in 100..400 {
            other.offer(&rng, || number);
        }
        small += one.items().iter().filter(|number| **number < 50).count() as u64;
        one.merge(&other, &rng);
        assert_eq!((one.items().len(), one.seen()), (20, 400));
        low += one.items().iter().filter(|number| **number < 100).count() as u64;
    }
    assert!((3_600..4_400).contains(&small), "half of 8,000, and not {small}");
    assert!((1_700..2_300).contains(&low), "a quarter of 8,000, and not {low}");
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn fractions_are_right_within_a_bucket_for_any_values() {
    let rng = SeededRng::new(seed());
    for round in 0..50 {
        let count = 1 + rng.below(2_000);
        let mut values: Vec<Value> = (0..count)
            .map(|_| match round % 3 {
                0 => Value::I64(rng.below(1 << (round % 30)).cast_signed()),
                1 => Value::F64((rng.below(1_000_000) as f64).powi(3)),
                _ => Value::from(format!("{:x}", rng.below(50_000))),
            })
            .collect();
        values.sort();
        let histogram = Histogram::of_sorted(&values, 64);
        let bucket = 2.0 / histogram.buckets().max(1) as f64 + 1.0 / values.len() as f64;
        for probe in values.iter().step_by(7) {
            for or_equal in [false, true] {
                let is_below = |value: &Value| value < probe || or_equal && value == probe;
                let below = values.partition_point(is_below);
                let exact = below as f64 / values.len() as f64;
                let found = histogram.fraction_below(probe.as_value_ref(), or_equal);
                assert!((found - exact).abs() <= bucket, "{probe:?}: {found}, not {exact}");
            }
        }
    }
}

#[test]
fn merged_histograms_stand_for_both() {
    let values = |from: i64, to: i64| (from..to).map(Value::from).collect::<Vec<_>>();
    let mut histogram = Histogram::of_sorted(&values(0, 1_000), 50);
    histogram.merge(&Histogram::of_sorted(&values(1_000, 2_000), 50));
    assert_eq!(histogram.count(), 2_000);
    let half = histogram.fraction_below(ValueRef::I64(1_000), false);
    assert!((0.45..0.55).contains(&half), "{half}");
    let mut empty = Histogram::default();
    empty.merge(&Histogram::default());
    assert!(empty.fraction_below(ValueRef::I64(1), true).abs() < f64::EPSILON);
}
