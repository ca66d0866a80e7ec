//! How many entries match, without looking for them.

use lightning_db_storage::{Keyspace, Store};

use super::ordered::OrderedIndex;
use super::query::{KeyQuery, Next, Target};
use super::sketch::Sketch;
use crate::error::Result;
use crate::estimate::Estimate;
use crate::reader::Reader;

/// Bytes of a keyspace in files.
pub(super) fn disk_bytes(store: &Store, keyspace: &Keyspace) -> u64 {
    let keyspaces = store.statistics().keyspaces;
    keyspaces.iter().find(|one| one.name == keyspace.name()).map_or(0, |one| one.table_bytes)
}

/// Keys that are looked up to be counted.
const LOOKED_UP_MAX: usize = 8;

/// A bound that a random number leaves about once in a thousand times, in standard deviations.
const DEVIATIONS: f64 = 3.3;

/// How strongly the average speaks against the sample, in sampled keys: where the sample agrees
/// with it, and where it does not.
const PRIORS: (f64, f64) = (16.0, 1.0);

/// Own writes of a transaction that are looked at one by one.
const OWN_MAX: usize = 1_024;

/// What a transaction has written to an index, which the sketch does not know of: entries that
/// match, set and removed.
#[derive(Debug, Clone, Copy, Default)]
struct Own {
    set: f64,
    removed: f64,
    /// How many more of either there may be.
    unseen: f64,
}

impl Own {
    #[expect(clippy::cast_precision_loss, reason = "counts of writes are far below 2^52")]
    fn new(reader: Reader<'_>, keyspace: &Keyspace, matches: impl Fn(&[u8]) -> bool) -> Self {
        let Some(transaction) = reader.transaction() else { return Self::default() };
        let (mut own, mut seen) = (Self::default(), 0);
        for (key, value) in transaction.writes(keyspace).take(OWN_MAX) {
            seen += 1;
            match (matches(key), value) {
                (true, Some(_)) => own.set += 1.0,
                (true, None) => own.removed += 1.0,
                (false, _) => {}
            }
        }
        if seen == OWN_MAX {
            own.unseen = (transaction.write_count() - seen) as f64;
        }
        own
    }
}

/// What an estimate is made from.
#[derive(Clone, Copy)]
pub(super) struct Basis<'a> {
    sketch: &'a Sketch,
    own: Own,
    /// At most so many entries are committed.
    most: f64,
}

impl<'a> Basis<'a> {
    /// Of a reader's own writes, those count whose keys match.
    #[expect(clippy::cast_precision_loss, reason = "counts of entries are far below 2^52")]
    pub(super) fn new(
        sketch: &'a Sketch,
        reader: Reader<'_>,
        keyspace: &Keyspace,
        matches: impl Fn(&[u8]) -> bool,
    ) -> Self {
        let entries = sketch.entries();
        let most = if sketch.is_exact() { entries } else { entries + keyspace.approximate_len() };
        Self { sketch, own: Own::new(reader, keyspace, matches), most: most as f64 }
    }
}

/// What a sample says of the number of entries.
struct Sampled<'a> {
    basis: Basis<'a>,
    /// Keys of the sample that match, and all of it.
    found: f64,
    all: f64,
    limit: Option<usize>,
}

#[expect(clippy::cast_precision_loss, reason = "counts of entries are far below 2^52")]
impl<'a> Sampled<'a> {
    fn new(basis: Basis<'a>, targets: &[Target], query: &KeyQuery) -> Self {
        let (found, all) = basis.sketch.sampled(targets);
        Self { basis, found: found as f64, all: all as f64, limit: query.limit }
    }

    fn limited(&self, low: f64, point: f64, high: f64) -> Estimate {
        let Own { set, removed, unseen } = self.basis.own;
        // An entry that is set may replace another one.
        let low = (low - removed - unseen).max(0.0);
        let (point, high) = ((point + set - removed).max(0.0), high + set + unseen);
        let limit = self.limit.map_or(f64::INFINITY, |limit| limit as f64);
        Estimate::between(low.min(limit), point.min(limit), high.min(limit))
    }

    /// By the sample, and by the average for one of equal keys if there is one.
    fn estimate(&self, average: Option<f64>) -> Estimate {
        let (entries, most) = (self.basis.sketch.entries() as f64, self.basis.most);
        let found = self.found;
        if self.all == 0.0 || self.all >= entries {
            return self.limited(0.0, found, most);
        }
        let rate = self.all / entries;
        let point = match average {
            // Few of a kind are seen by their average, many by the sample.
            Some(average) => {
                let expected = average * rate;
                let agree = (found - expected).abs() <= 2.0 * (expected + 1.0).sqrt();
                let prior = if agree { PRIORS.0 } else { PRIORS.1 };
                (prior + found) / (prior / average + rate)
            }
            // Half a key, if there is none in the sample.
            None => found.max(0.5) / rate,
        };
        let spread = DEVIATIONS * (found + 1.0).sqrt() + 3.0;
        let low = (found - spread).max(0.0) / rate;
        self.limited(low, point, ((found + spread) / rate).min(most))
    }
}

/// Of keys of a hash index that several rows may have.
#[expect(clippy::cast_precision_loss, reason = "counts of entries are far below 2^52")]
pub(super) fn hashed(basis: Basis<'_>, keys: Vec<Vec<u8>>, query: &KeyQuery) -> Estimate {
    let sketch = basis.sketch;
    let average = sketch.entries() as f64 / sketch.distinct(1) * keys.len() as f64;
    let targets: Vec<Target> = keys.into_iter().map(Target::Key).collect();
    Sampled::new(basis, &targets, query).estimate(Some(average))
}

#[expect(clippy::cast_precision_loss, reason = "counts of entries are far below 2^52")]
pub(super) fn ordered(
    index: &OrderedIndex,
    reader: Reader<'_>,
    query: &KeyQuery,
) -> Result<Estimate> {
    let targets = index.targets(query)?;
    if targets.is_empty() {
        return Ok(Estimate::exact(0));
    }
    if let Some(found) = counted(index, reader, &targets)? {
        return Ok(Estimate::exact(found.min(query.limit.unwrap_or(usize::MAX) as u64)));
    }
    let sketch = index.sketch();
    if !sketch.is_ready() {
        index.rebuild_sketch()?;
    }
    let average = (query.next == Next::Anything).then(|| {
        let parts = query.keys.first().map_or(0, Vec::len);
        sketch.entries() as f64 / sketch.distinct(parts) * targets.len() as f64
    });
    let basis = Basis::new(sketch, reader, index.keyspace(), |key| {
        targets.iter().any(|target| target.holds(key))
    });
    Ok(Sampled::new(basis, &targets, query).estimate(average))
}

/// How many of a few keys there are, if each stands for one row at most.
fn counted(index: &OrderedIndex, reader: Reader<'_>, targets: &[Target]) -> Result<Option<u64>> {
    let Reader::Snapshot(snapshot) = reader else {
        // To look a key up would note it as read, and an estimate must not make conflicts.
        return Ok(None);
    };
    if targets.len() > LOOKED_UP_MAX {
        return Ok(None);
    }
    let mut found = 0;
    for target in targets {
        let Target::Key(key) = target else { return Ok(None) };
        found += u64::from(snapshot.contains(index.keyspace(), key)?);
    }
    Ok(Some(found))
}
