//! Decoders against bytes that are damaged, cut short, or nobody's.
//!
//! Checksums are made right again after the damage, so that what stands behind them is tried too:
//! whatever is decoded must be fit for planning. `DECODERS_SEED` runs one seed again.

use std::sync::Arc;

use crate::build::column;
use crate::learning::Memory;
use crate::types::ValueType::{I64, Text};
use crate::types::checksum::crc32c;
use crate::types::{Rng, SeededRng, Value};
use crate::{
    Actual, Catalog, Constants, Context, Error, Hints, JoinType, MemoryCatalog, Nanoseconds,
    Optimizer, Query, QueryBuilder, Settings, StatisticsBuilder, TableStatistics,
};

/// Bytes before the checksum, and with it.
const HEAD: [usize; 2] = [5, 9];

fn catalog() -> MemoryCatalog {
    let mut catalog = MemoryCatalog::new();
    let columns = [("id", I64), ("kind", I64), ("name", Text)];
    for name in ["one", "other"] {
        let table = catalog.add_table(name, &columns, &["id"]).unwrap();
        let mut made = StatisticsBuilder::new(&catalog.definition(table), 7);
        for id in 0..300_i64 {
            let name = Value::from(["ant", "bee", "cat"][usize::try_from(id % 3).unwrap()]);
            made.add(&[id.into(), (id % 40).into(), name]);
        }
        catalog.set_statistics(table, made.finish(10));
    }
    catalog
}

fn query(catalog: &MemoryCatalog) -> Query {
    let kinds = column("one.kind").less(20).and(column("one.name").equal("bee"));
    QueryBuilder::scan("one", "one")
        .join(
            JoinType::Inner,
            QueryBuilder::scan("other", "other"),
            column("one.kind").equal(column("other.kind")),
        )
        .filter(kinds)
        .select(["one.id", "other.name"])
        .build(catalog)
        .unwrap()
}

/// Damages some bytes, drops, doubles or adds some.
fn damage(bytes: &mut Vec<u8>, rng: &SeededRng) {
    let place = |bytes: &[u8]| usize::try_from(rng.below(bytes.len().max(1) as u64)).unwrap();
    for _ in 0..=rng.below(4) {
        let at = place(bytes);
        let until = (at + 1 + usize::try_from(rng.below(9)).unwrap()).min(bytes.len());
        match rng.below(6) {
            _ if bytes.is_empty() => bytes.push(0),
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][usize::try_from(rng.below(5)).unwrap()],
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..until)),
            4 => {
                let copy = bytes[at..until].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => bytes[at..until].fill(0xff),
        }
    }
}

/// Bytes with damage behind a checksum that fits, or nobody's bytes behind the head.
fn damaged(whole: &[u8], rng: &SeededRng) -> Vec<u8> {
    let mut body = whole[HEAD[1]..].to_vec();
    if rng.one_in(8) {
        body = (0..rng.below(200)).map(|_| u8::try_from(rng.below(256)).unwrap()).collect();
    } else {
        damage(&mut body, rng);
    }
    let sum = crc32c(&body).to_le_bytes();
    let mut bytes = [&whole[..HEAD[0]], &sum, &body].concat();
    if rng.one_in(10) {
        damage(&mut bytes, rng);
    }
    bytes
}

fn seeds(count: u64) -> impl Iterator<Item = u64> {
    let one = std::env::var("DECODERS_SEED").ok().and_then(|it| it.parse().ok());
    let seeds = one.map_or(0..count, |seed| seed..seed + 1);
    seeds.inspect(|seed| {
        eprintln!("DECODERS_SEED={seed} cargo test -p lightning-db-optimizer decoders");
    })
}

#[test]
fn statistics_that_are_decoded_can_be_planned_with() {
    let mut catalog = catalog();
    let query = query(&catalog);
    let table = catalog.table("one").unwrap();
    let whole = catalog.statistics(table).unwrap().encode().unwrap();
    let mut decoded = 0;
    for seed in seeds(1_500) {
        let bytes = damaged(&whole, &SeededRng::new(seed));
        match TableStatistics::decode(&bytes) {
            Ok(known) => {
                decoded += 1;
                catalog.set_statistics(table, known);
                let plan = Optimizer::default().optimize(&query, &catalog).unwrap();
                assert!(!plan.cost().total.is_nan(), "seed {seed}\n{}", plan.explain());
            }
            Err(Error::Decode { offset, .. }) => assert!(offset <= bytes.len(), "seed {seed}"),
            Err(other) => panic!("seed {seed}: {other}"),
        }
    }
    assert!(decoded > 50, "only {decoded} were decoded: nothing was planned with");
}

#[test]
fn memories_that_are_decoded_can_be_planned_with() {
    let catalog = catalog();
    let query = query(&catalog);
    let mut memory = Memory::new(100);
    let plan = Optimizer::default().optimize(&query, &catalog).unwrap();
    for _ in 0..4 {
        let counted = plan.nodes().iter().enumerate();
        let counted = counted.map(|(at, _)| (plan.below(plan.root())[at], Actual::rows(5)));
        memory.observe_plan(&plan, counted);
    }
    assert!(memory.len() > 1);
    let whole = memory.encode().unwrap();
    let mut decoded = 0;
    for seed in seeds(3_000) {
        let bytes = damaged(&whole, &SeededRng::new(seed));
        match Memory::decode(&bytes) {
            Ok(memory) => {
                decoded += 1;
                let context = Context::new(&catalog).with_learned(&memory);
                let plan = Optimizer::default().optimize_with(&query, &context).unwrap();
                assert!(plan.cost().total.is_finite(), "seed {seed}\n{}", plan.explain());
                memory.column_groups();
            }
            Err(Error::Decode { .. }) => {}
            Err(other) => panic!("seed {seed}: {other}"),
        }
    }
    assert!(decoded > 50, "only {decoded} were decoded: nothing was planned with");
}

#[test]
fn constants_that_are_read_can_be_planned_with() {
    let catalog = catalog();
    let query = query(&catalog);
    let whole = Constants::default().to_text();
    let mut read = 0;
    for seed in seeds(3_000) {
        let rng = SeededRng::new(seed);
        let mut bytes = whole.clone().into_bytes();
        damage(&mut bytes, &rng);
        if rng.one_in(3) {
            let numbers = ["1e308", "-0", "5e-324", "inf", "NaN", "-1", "1_0", ""];
            let number = numbers[usize::try_from(rng.below(8)).unwrap()];
            bytes.extend_from_slice(format!("\nseek {number}\n").as_bytes());
        }
        let text = String::from_utf8_lossy(&bytes);
        match Constants::parse(&text) {
            Ok(constants) => {
                read += 1;
                let model = Arc::new(Nanoseconds::new(constants.clone()));
                let settings = Settings { cost_model: model, ..Settings::default() };
                let plan = Optimizer::new(settings).optimize(&query, &catalog).unwrap();
                assert!(!plan.cost().total.is_nan(), "seed {seed}\n{}", plan.explain());
                assert_eq!(Constants::parse(&constants.to_text()).unwrap(), constants);
            }
            Err(Error::Decode { offset, .. }) => assert!(offset <= text.len(), "seed {seed}"),
            Err(other) => panic!("seed {seed}: {other}"),
        }
    }
    assert!(read > 50, "only {read} were read: nothing was planned with");
}

#[test]
fn hints_that_are_read_can_be_planned_with() {
    let catalog = catalog();
    let query = query(&catalog);
    let words = [
        "order",
        "(",
        ")",
        "[",
        "]",
        "one",
        "other",
        "\"o\"\"x\"",
        "hash",
        "merge",
        "loop",
        "each",
        "index",
        "scan",
        "aggregate",
        "stream",
        "/",
        " ",
        "key",
        "one#2",
        "\"",
        "\u{e9}",
    ];
    let mut read = 0;
    for seed in seeds(3_000) {
        let rng = SeededRng::new(seed);
        let mut text = match rng.below(3) {
            0 => "order(one other) hash(one other / one)".to_owned(),
            1 => "each(one other / other) scan(one) index(other key)".to_owned(),
            _ => String::new(),
        };
        for _ in 0..rng.below(6) {
            let word = words[usize::try_from(rng.below(words.len() as u64)).unwrap()];
            let places: Vec<usize> =
                (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect();
            text.insert_str(places[usize::try_from(rng.below(places.len() as u64)).unwrap()], word);
        }
        let Ok(hints) = text.parse::<Hints>() else { continue };
        read += 1;
        assert_eq!(hints.to_string().parse::<Hints>().unwrap(), hints, "seed {seed}: {text}");
        let context = Context::new(&catalog).with_hints(&hints);
        let plan = Optimizer::default().optimize_with(&query, &context).unwrap();
        assert!(plan.unmet().len() <= hints.list().len(), "seed {seed}: {text}");
    }
    assert!(read > 300, "only {read} were read");
}
