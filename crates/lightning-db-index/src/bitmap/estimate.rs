//! How many rows a query gives, without a look if somebody has asked before.
//!
//! An estimate of a value is its count, which is in memory. Of ranges, and of slices, it takes set
//! operations to count; so what was found is remembered, and holds, a little wider with every
//! change of the index, until a hundredth of the rows may have changed.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};

use lightning_db_types::Value;
use parking_lot::Mutex;

use super::query::borrowed;
use super::{BitmapEncoding, BitmapIndex, BitmapQuery};
use crate::error::Result;
use crate::estimate::Estimate;
use crate::reader::Reader;

/// Sets of a range that an estimate counts.
const SETS_COUNTED_MAX: usize = 32;
/// Queries that are remembered.
const REMEMBERED_MAX: usize = 1024;
/// Changes after which an estimate is worked out again, as a share of it, and at least.
const STALE: (f64, f64) = (0.01, 8.0);

/// Estimates that were worked out.
#[derive(Debug, Default)]
pub(super) struct Estimates {
    known: Mutex<HashMap<BitmapQuery, Known, foldhash::fast::RandomState>>,
    /// Changes of rows in sets.
    changes: AtomicU64,
    /// The newest commit that made some.
    changed_at: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    lsn: u64,
    changes: u64,
    estimate: Estimate,
}

impl Estimates {
    /// Notes changes of a commit, before it is visible.
    pub(super) fn note(&self, lsn: u64, changes: u64) {
        // In this order: who sees the count sees the commit, see `insert`.
        self.changed_at.store(lsn, Ordering::SeqCst);
        self.changes.fetch_add(changes, Ordering::SeqCst);
    }

    /// Forgets everything: all sets may have changed.
    pub(super) fn clear(&self, lsn: u64) {
        self.changed_at.store(lsn, Ordering::SeqCst);
        self.known.lock().clear();
    }

    fn get(&self, query: &BitmapQuery, lsn: u64) -> Option<Estimate> {
        let known = *self.known.lock().get(query)?;
        if lsn < known.lsn {
            return None;
        }
        let Known { estimate, changes, .. } = known;
        let since = self.changes.load(Ordering::SeqCst) - changes;
        if since == 0 {
            return Some(estimate);
        }
        let since = Estimate::exact(since).point;
        let Estimate { low, point, high, .. } = estimate;
        let fresh = since <= (point * STALE.0).max(STALE.1);
        fresh.then(|| Estimate::between(low - since, point, high + since))
    }

    /// Remembers an estimate for a snapshot, with the number of changes before it was worked out.
    fn insert(&self, query: &BitmapQuery, lsn: u64, changes: u64, estimate: Estimate) {
        // A change that the snapshot does not see may be among those counted.
        if self.changed_at.load(Ordering::SeqCst) > lsn {
            return;
        }
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(query.clone(), Known { lsn, changes, estimate });
    }
}

impl BitmapIndex {
    pub(super) fn estimate_of(&self, reader: Reader<'_>, query: &BitmapQuery) -> Result<Estimate> {
        if let Reader::Transaction(transaction) = reader {
            // Own changes are left out: an estimate must not make a transaction conflict.
            let snapshot = transaction.snapshot();
            let of = self.estimate_of(Reader::Snapshot(&snapshot), query)?;
            let own = transaction.writes(&self.keyspace).count();
            if own == 0 {
                return Ok(of);
            }
            let own = u32::try_from(own).map_or(f64::MAX, f64::from);
            return Ok(Estimate::between(of.low - own, of.point, of.high + own));
        }
        if matches!((query, self.encoding), (BitmapQuery::Equal(_), BitmapEncoding::Values)) {
            return Ok(Estimate::exact(self.select(reader, query)?.len()));
        }
        let remembered = &self.shared.estimates;
        if let Some(known) = remembered.get(query, reader.lsn()) {
            return Ok(known);
        }
        let changes = remembered.changes.load(Ordering::SeqCst);
        let found = self.work_out(reader, query)?;
        remembered.insert(query, reader.lsn(), changes, found);
        Ok(found)
    }

    /// An estimate for a snapshot, by looking at the sets.
    fn work_out(&self, reader: Reader<'_>, query: &BitmapQuery) -> Result<Estimate> {
        let all = |reader| self.all(reader).map(|rows| Estimate::exact(rows.len()));
        match query {
            BitmapQuery::And(parts) => {
                let of: Result<Vec<_>> =
                    parts.iter().map(|query| self.work_out(reader, query)).collect();
                Ok(conjunction(all(reader)?, &of?))
            }
            BitmapQuery::Or(parts) => {
                let of: Result<Vec<_>> =
                    parts.iter().map(|query| self.work_out(reader, query)).collect();
                Ok(disjunction(all(reader)?, &of?))
            }
            BitmapQuery::Not(inner) => Ok(complement(all(reader)?, self.work_out(reader, inner)?)),
            BitmapQuery::Range { low, high } if self.encoding == BitmapEncoding::Values => {
                self.estimate_range(reader, low, high)
            }
            _ => Ok(Estimate::exact(self.select(reader, query)?.len())),
        }
    }

    fn estimate_range(
        &self,
        reader: Reader<'_>,
        low: &Bound<Value>,
        high: &Bound<Value>,
    ) -> Result<Estimate> {
        let (mut rows, mut sets, mut ended) = (0, 0, true);
        for range in self.ranges(low, high)? {
            self.each_set(reader, borrowed(&range), &mut |set| {
                ended = sets < SETS_COUNTED_MAX;
                if ended {
                    rows += self.set(reader, set)?.len();
                    sets += 1;
                }
                Ok(ended)
            })?;
        }
        let counted = Estimate::exact(rows);
        if ended {
            return Ok(counted);
        }
        let all = Estimate::exact(self.all(reader)?.len());
        Ok(Estimate::between(counted.low, f64::midpoint(counted.low, all.high) / 1.5, all.high))
    }
}

/// How many rows are in all of several sets, if these have nothing to do with each other.
fn conjunction(all: Estimate, parts: &[Estimate]) -> Estimate {
    let Some(first) = parts.first() else { return all };
    if parts.len() == 1 {
        return *first;
    }
    let high = parts.iter().map(|part| part.high).fold(all.high, f64::min);
    let outside: f64 = parts.iter().map(|part| all.high - part.low).sum();
    let share = |part: &Estimate| if all.point > 0.0 { part.point / all.point } else { 0.0 };
    let point = all.point * parts.iter().map(share).product::<f64>();
    Estimate::between(all.low - outside, point, high)
}

/// How many rows are in any of several sets, if these have nothing to do with each other.
fn disjunction(all: Estimate, parts: &[Estimate]) -> Estimate {
    if let [only] = parts {
        return *only;
    }
    let low = parts.iter().map(|part| part.low).fold(0.0, f64::max);
    let high = parts.iter().map(|part| part.high).sum::<f64>().min(all.high);
    let outside =
        |part: &Estimate| if all.point > 0.0 { 1.0 - part.point / all.point } else { 1.0 };
    let point = all.point * (1.0 - parts.iter().map(outside).product::<f64>());
    Estimate::between(low, point, high)
}

/// How many rows are not in a set.
fn complement(all: Estimate, part: Estimate) -> Estimate {
    if all.exact && part.exact {
        let point = (all.point - part.point).max(0.0);
        return Estimate { point, low: point, high: point, exact: true };
    }
    Estimate::between(all.low - part.high, all.point - part.point, all.high - part.low)
}
