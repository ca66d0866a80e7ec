//! Bloom indexes: how many absent keys they let through against what was asked for, and how fast
//! they say so, beside the raw library.

use anyhow::{Result, anyhow, ensure};
use bloomfilter::Bloom;
use lightning_db_storage::Store;
use lightning_db_table::Value;
use lightning_db_table::index::{BloomOptions, Index, IndexKind, Reader};

use super::Bench;
use super::contest::Contest;
use super::lightning::{LEVEL, load, single_index, store, there};
use crate::comparison::{Comparison, Entry, Metric, OURS};
use crate::report::format::quantity;
use crate::stats::Sample;
use crate::workload::mix;

/// What was let through, as a part of what was asked for: 1 is as it should be.
const OF_TARGET: Metric = Metric::lower("false_positives_of_target", "");

/// Shares of absent keys that may be let through.
const RATES: [(f64, &str); 4] = [
    (0.1, "bloom_rate_0.1"),
    (0.01, "bloom_rate_0.01"),
    (0.001, "bloom_rate_0.001"),
    (0.0001, "bloom_rate_0.0001"),
];

/// Keys that are certainly absent begin here.
const ABSENT: u64 = 1 << 40;
/// The library takes two keys from the halves of its seed, which must differ.
const SEED: [u8; 32] = *b"two halves of a seed that differ";
const PROBES: u64 = 100_000;

/// The same keys in ours and in the library's.
struct Pair {
    store: Store,
    index: Index,
    peer: Bloom<u64>,
}

impl Pair {
    fn new(bench: &Bench, name: &str, keys: u64, rate: f64) -> Result<Self> {
        let store = store(&bench.folder(name)?)?;
        let options = BloomOptions { false_positive_rate: rate, expected_items: keys };
        let index = single_index(&store, 1, 1, IndexKind::Bloom(options))?;
        load(&index, (0..keys).map(|key| (key, vec![value(key)])))?;
        let items = usize::try_from(keys)?;
        let peer = Bloom::new_for_fp_rate_with_seed(items, rate, &SEED);
        let mut peer = peer.map_err(|error| anyhow!("bloomfilter: {error}"))?;
        (0..keys).for_each(|key| peer.set(&mix(key)));
        Ok(Self { store, index, peer })
    }

    fn close(self) -> Result<()> {
        drop(self.index);
        Ok(self.store.close()?)
    }
}

fn value(key: u64) -> Value {
    Value::U64(mix(key))
}

/// Runs the group.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let powers = bench.pick(3..=6, 3..=7);
    for keys in powers.map(|power| 10_u64.pow(power)) {
        for (rate, name) in RATES {
            let pair = Pair::new(bench, &format!("{name}-{keys}"), keys, rate)?;
            let comparison = rates(&pair, (keys, rate, name), bench.pick(300.0, 1_500.0))?;
            bench.add([comparison])?;
            pair.close()?;
        }
    }
    probes(bench)
}

/// Asks for every key, and for absent ones until about so many should have been let through.
fn rates(
    pair: &Pair,
    (keys, rate, name): (u64, f64, &'static str),
    wanted: f64,
) -> Result<Comparison> {
    let bloom = there(pair.index.as_bloom(), "a Bloom index")?;
    let snapshot = pair.store.snapshot();
    let reader = Reader::Snapshot(&snapshot);
    for key in 0..keys {
        ensure!(bloom.may_contain(reader, &[value(key)])?, "{name}: key {key} of {keys} is lost");
        ensure!(pair.peer.check(&mix(key)), "{name}: bloomfilter lost key {key}");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "10^3 to 10^8")]
    let probes = (wanted / rate) as u64;
    let mut through = [0_u64; 2];
    for key in ABSENT..ABSENT + probes {
        through[0] += u64::from(bloom.may_contain(reader, &[value(key)])?);
        through[1] += u64::from(pair.peer.check(&mix(key)));
    }
    let entry = |(engine, through): (&'static str, u64)| {
        let value = through as f64 / probes as f64 / rate;
        crate::progress(&format!("{name}, {keys} keys: {engine}: {} of it", quantity(value)));
        Entry { engine, weaker: false, sample: Sample { value, latency: None } }
    };
    let entries = [(OURS, through[0]), ("bloomfilter", through[1])].map(entry).to_vec();
    Ok(Comparison { case: Bench::case(name, LEVEL, keys), metric: OF_TARGET, entries })
}

fn probes(bench: &mut Bench) -> Result<()> {
    let keys = 1_000_000;
    let pair = Pair::new(bench, "probes", keys, 0.01)?;
    let bloom = there(pair.index.as_bloom(), "a Bloom index")?;
    let snapshot = pair.store.snapshot();
    let reader = Reader::Snapshot(&snapshot);
    for (name, first) in [("bloom_probe_present", 0), ("bloom_probe_absent", ABSENT)] {
        let keys: Vec<u64> = (first..first + PROBES).map(mix).collect();
        let values: Vec<[Value; 1]> = keys.iter().map(|key| [Value::U64(*key)]).collect();
        let of = |question: u64| usize::try_from(question).unwrap_or(0);
        // Which absent keys are let through differs: only those that are there are compared.
        let compared = if first == 0 { keys.len() } else { 0 };
        let case = Bench::case(name, LEVEL, 1_000_000);
        let results = Contest::new(case, keys.len())
            .compared(compared)
            .lane(OURS, |question| Ok(u64::from(bloom.may_contain(reader, &values[of(question)])?)))
            .lane("bloomfilter", |question| Ok(u64::from(pair.peer.check(&keys[of(question)]))))
            .run(bench)?;
        bench.add(results)?;
    }
    drop(snapshot);
    pair.close()
}
