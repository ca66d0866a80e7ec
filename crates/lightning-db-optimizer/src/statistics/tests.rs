//! Statistics against exact counts, and their bytes.

use lightning_db_types::{Rng as _, SeededRng, Value, ValueType};

use super::*;
use crate::catalog::{ColumnDefinition, ForeignKey, TableDefinition, TableId};
use crate::error::Error;

const SEED: u64 = 0x5EED;

fn definition(columns: &[ValueType]) -> TableDefinition {
    let column = |(place, value_type): (usize, &ValueType)| ColumnDefinition {
        name: format!("c{place}"),
        value_type: *value_type,
        nullable: true,
    };
    TableDefinition {
        name: "t".to_owned(),
        columns: columns.iter().enumerate().map(column).collect(),
        keys: vec![vec![0]],
        foreign_keys: vec![ForeignKey {
            columns: vec![1],
            references: TableId(9),
            referenced: vec![0],
        }],
        indexes: Vec::new(),
    }
}

/// A key, a skewed reference, a word of 40 with nulls, and the word's length, which follows from
/// it.
fn row(number: u64, rng: &SeededRng) -> Vec<Value> {
    let skewed = rng.below(1_000).min(rng.below(1_000));
    let word = rng.below(40);
    vec![
        Value::U64(number),
        Value::U64(skewed),
        if word == 7 { Value::Null } else { Value::from(format!("word {word}")) },
        Value::U64(word % 4),
    ]
}

fn collected(rows: std::ops::Range<u64>, rng: &SeededRng) -> StatisticsBuilder {
    use ValueType::{Text, U64};
    let mut builder = StatisticsBuilder::new(&definition(&[U64, U64, Text, U64]), SEED);
    for number in rows {
        builder.add(&row(number, rng));
    }
    builder
}

#[test]
fn counts_are_those_of_the_rows() {
    let found = collected(0..20_000, &SeededRng::new(1)).finish(77);
    assert_eq!((found.rows, found.pages, found.sample.len()), (20_000, 77, 4_096));
    assert!((found.columns[0].distinct - 20_000.0).abs() < 1e-9);
    assert!((found.columns[2].distinct - 39.0).abs() < 1e-9);
    assert!((400..600).contains(&found.columns[2].nulls), "{}", found.columns[2].nulls);
    assert_eq!(found.columns[3].common.len(), 4);
    let all: f64 = found.columns[3].common.iter().map(|(_, share)| share).sum();
    assert!((all - 1.0).abs() < 1e-9, "{all}");
    assert!(found.columns[0].clustering > 0.999 && found.columns[3].clustering.abs() < 0.1);
    assert_eq!(found.columns[0].max, Some(Value::U64(19_999)));
    assert!((6.0..7.5).contains(&found.columns[2].width), "{}", found.columns[2].width);
}

#[test]
fn columns_that_depend_on_each_other_are_found() {
    let found = collected(0..20_000, &SeededRng::new(2)).finish(1);
    assert_eq!(found.groups.len(), 1, "{:?}", found.groups);
    assert_eq!(found.groups[0].columns, [2, 3]);
    assert!((39.0..41.0).contains(&found.groups[0].distinct), "{}", found.groups[0].distinct);
}

#[test]
fn merged_parts_say_what_the_whole_says() {
    let rng = SeededRng::new(3);
    let rows: Vec<Vec<Value>> = (0..30_000).map(|number| row(number, &rng)).collect();
    let mut parts: Vec<StatisticsBuilder> = (0..3).map(|_| collected(0..0, &rng)).collect();
    let mut whole = collected(0..0, &rng);
    for (number, row) in rows.iter().enumerate() {
        parts[number / 10_000].add(row);
        whole.add(row);
    }
    let mut merged = parts.remove(0);
    for part in &parts {
        merged.merge(part);
    }
    let (merged, whole) = (merged.finish(5), whole.finish(5));
    assert_eq!(merged.rows, whole.rows);
    assert_eq!(merged.joins, whole.joins);
    for (one, other) in merged.columns.iter().zip(&whole.columns) {
        assert_eq!((one.nulls, &one.min, &one.max), (other.nulls, &other.min, &other.max));
        assert_eq!((&one.sketch, &one.common), (&other.sketch, &other.common));
        assert!((one.distinct - other.distinct).abs() < 1e-9);
        assert!((one.clustering - other.clustering).abs() < 0.1, "{one:?}");
    }
    // Each part gives a third of the sample, give or take five standard deviations.
    let third = merged.sample.iter().filter(|row| row[0] < Value::U64(10_000)).count();
    assert!((1_210..1_520).contains(&third), "{third}");
}

#[test]
fn sketches_of_two_tables_keep_the_same_values() {
    let found = collected(0..50_000, &SeededRng::new(4)).finish(1);
    let key = &found.joins[0];
    assert_eq!((key.column, key.degrees.len(), key.degree_max), (0, 2_048, 1));
    assert!(key.degrees.iter().all(|(hash, degree)| *hash <= key.hash_max && *degree == 1));
    let reference = &found.joins[1];
    assert_eq!(reference.hash_max, u64::MAX);
    let rows: u64 = reference.degrees.iter().map(|(_, degree)| degree).sum();
    assert_eq!(rows, 50_000);
    assert!(reference.rows.len() <= 4_096 && !reference.rows.is_empty());
    // Of each value all rows are kept, or none is.
    for (hash, degree) in &reference.degrees {
        let kept = reference.rows.iter().filter(|(it, _)| it == hash).count() as u64;
        let expected = if *hash <= reference.row_hash_max { *degree } else { 0 };
        assert_eq!(kept, expected);
    }
}

#[test]
fn bytes_are_read_back_and_small() {
    let found = collected(0..20_000, &SeededRng::new(5)).finish(9);
    let bytes = found.encode().unwrap();
    assert_eq!(TableStatistics::decode(&bytes).unwrap(), found);
    let rows = found.sample.len() + found.joins.iter().map(|it| it.rows.len()).sum::<usize>();
    assert!(bytes.len() < rows * 24 + 60_000, "{} bytes for {rows} rows", bytes.len());
    let none = TableStatistics::default();
    assert_eq!(TableStatistics::decode(&none.encode().unwrap()).unwrap(), none);
}

#[test]
fn damaged_bytes_are_an_error_wherever_they_are() {
    let bytes = collected(0..40, &SeededRng::new(6)).finish(9).encode().unwrap();
    let check = |bytes: &[u8]| {
        let found = TableStatistics::decode(bytes);
        assert!(matches!(found, Err(Error::Decode { .. })), "{found:?}");
    };
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 1 << (place % 8);
        check(&damaged);
        check(&bytes[..place]);
    }
    let mut longer = bytes.clone();
    longer.push(0);
    check(&longer);
}

/// Bytes whose checksum fits, but which were never statistics.
#[test]
fn bytes_of_no_sense_are_an_error_or_fit_together() {
    let bytes = collected(0..40, &SeededRng::new(6)).finish(9).encode().unwrap();
    let rng = SeededRng::new(7);
    let mut errors = 0;
    for _ in 0..5_000 {
        let mut damaged = bytes.clone();
        for _ in 0..=rng.below(3) {
            let place = usize::try_from(rng.below(damaged.len() as u64 - 9)).unwrap() + 9;
            damaged[place] = rng.next_u64().to_le_bytes()[0];
        }
        let crc = lightning_db_types::checksum::crc32c(&damaged[9..]);
        damaged[5..9].copy_from_slice(&crc.to_le_bytes());
        match TableStatistics::decode(&damaged) {
            Ok(found) => drop(found.digest()),
            Err(Error::Decode { .. }) => errors += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(errors > 500, "{errors}");
}
