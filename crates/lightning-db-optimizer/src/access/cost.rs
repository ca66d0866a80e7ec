//! What an access costs.

use super::found::Found;
use super::{Search, pessimistic};
use crate::catalog::IndexKind;
use crate::cost::Work;
use crate::estimate::Estimate;
use crate::plan::Cost;
use crate::query::ScalarId;

/// Bytes of a value of a decoded column, about.
const KEPT_VALUE_BYTES: f64 = 12.0;
/// Of the columns that can be kept, a scan finds this share: the first scan of a table finds none
/// and reads all pages, those after it read none.
const FOUND_SHARE: f64 = 0.8;
/// The first rows of a table are read by each scan.
const READ_ROWS: f64 = 2_048.0;

/// A condition is a loop over a vector where many rows are scanned, and costs such a share of what
/// it does for a row by itself.
const BATCH_CONDITION: f64 = 0.2;

/// What is read and what is left to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Entries, or rows, that are read.
    pub(super) read: Estimate,
    /// Rows that are left after what is evaluated on entries.
    pub(super) fetched: Estimate,
    /// Rows that are given.
    pub(super) rows: Estimate,
    /// Conditions that are evaluated on entries, and on rows.
    pub(super) filters: (usize, usize),
    /// Columns that are decoded.
    pub(super) columns: usize,
}

/// A number of things, exactly.
#[expect(clippy::cast_precision_loss, reason = "few")]
pub(super) fn count(things: usize) -> f64 {
    things as f64
}

impl Search<'_> {
    /// Scalars that are evaluated for these conditions, those that take long counted several times.
    pub(super) fn evaluations(&self, conditions: &[ScalarId]) -> usize {
        conditions.iter().map(|id| self.query.evaluations(*id)).sum()
    }

    fn work(&self, work: Work) -> f64 {
        self.model.cost(&work)
    }

    /// The cost of an access whose first row comes after `start`, and that costs this much for
    /// expected and for more rows.
    fn cost(&self, start: f64, load: &Load, of: impl Fn(&[f64; 3]) -> f64) -> Cost {
        self.cost_with(start, load, 1.0, of)
    }

    /// The same, where a condition on what is read costs such a share of what it does elsewhere.
    fn cost_with(
        &self,
        start: f64,
        load: &Load,
        condition: f64,
        of: impl Fn(&[f64; 3]) -> f64,
    ) -> Cost {
        let each = |of_one: fn(&Estimate) -> f64| {
            [of_one(&load.read), of_one(&load.fetched), of_one(&load.rows)]
        };
        let last = |numbers: &[f64; 3]| {
            let scalars = count(load.filters.0) * condition;
            let filters = Work::Evaluate { rows: numbers[0], scalars };
            let later = Work::Evaluate { rows: numbers[1], scalars: count(load.filters.1) };
            let emit = Work::Emit { rows: numbers[2] };
            of(numbers) + self.work(filters) + self.work(later) + self.work(emit)
        };
        let total = start + last(&each(|it| it.point));
        let high = start + last(&each(pessimistic));
        Cost { start, total, high: high.max(total) }
    }

    pub(super) fn scan_cost(&self, load: &Load) -> Cost {
        let rows = self.relation.rows.max(1.0);
        let bytes = rows * count(load.columns).max(1.0) * KEPT_VALUE_BYTES;
        let can_be_kept = (self.column_cache / bytes).min(1.0) * (1.0 - READ_ROWS / rows).max(0.0);
        let condition = if rows > READ_ROWS { BATCH_CONDITION } else { 1.0 };
        self.scan_share(load, 1.0 - FOUND_SHARE * can_be_kept, condition)
    }

    /// The cost of a scan that reads and decodes such a share of what it needs, and to which a
    /// condition costs such a share of what it does elsewhere.
    fn scan_share(&self, load: &Load, share: f64, condition: f64) -> Cost {
        let (rows, pages) = (self.relation.rows, self.relation.pages * share);
        let columns = count(load.columns) * share;
        self.cost_with(0.0, load, condition, |_| self.work(Work::Scan { rows, pages, columns }))
    }

    /// The cost of one search in an index that is no bitmap.
    pub(super) fn index_cost(&self, found: &Found, load: &Load) -> Cost {
        let columns = count(load.columns);
        let fetches = !found.scan.covering && found.kind != IndexKind::Clustered;
        let fetch = |rows: f64| if fetches { self.fetch(found, rows, columns) } else { 0.0 };
        let decoded = if fetches { count(load.filters.0) } else { columns };
        let entries = |rows: f64| self.work(Work::Entries { rows, columns: decoded });
        let seek = self.work(match found.kind {
            IndexKind::Hash => Work::HashSeek { count: found.seeks },
            _ => Work::Seek { count: found.seeks, entries: found.size },
        });
        match found.kind {
            // In order, row by row.
            IndexKind::Clustered if found.scan.key.is_empty() => self.scan_share(load, 1.0, 1.0),
            // A row by its key is found as one by its number is: nothing is stepped through.
            IndexKind::Clustered if found.is_unique(self.relation.index(found.scan.index)) => {
                self.cost(0.0, load, |numbers| self.fetch_rows(numbers[0], 0.0, false, columns))
            }
            IndexKind::Spatial | IndexKind::Text => {
                let search = self.search(found, 0.0);
                self.cost(search, load, |numbers| {
                    self.search(found, numbers[0]) - search + fetch(numbers[1])
                })
            }
            _ => self.cost(seek, load, |numbers| entries(numbers[0]) + fetch(numbers[1])),
        }
    }

    fn search(&self, found: &Found, rows: f64) -> f64 {
        let entries = found.size;
        self.work(match found.kind {
            IndexKind::Spatial => Work::Spatial { rows, entries },
            _ => Work::Text { rows, entries },
        })
    }

    fn fetch(&self, found: &Found, rows: f64, columns: f64) -> f64 {
        let index = self.relation.index(found.scan.index);
        let first = match index.parts.first().map(|part| &part.expression) {
            Some(lightning_db_expression::Expression::Column(position)) => Some(*position),
            _ => None,
        };
        let statistics = self.relation.statistics.as_ref();
        let known = first.and_then(|at| statistics?.column(at));
        let clustering = known.map_or(0.0, |column| column.clustering.abs());
        // Searches of places and texts give sets of rows, in the order of the rows, unless the
        // nearest or best come first.
        let sorted = matches!(found.kind, IndexKind::Spatial | IndexKind::Text)
            && found.scan.nearest.is_none();
        self.fetch_rows(rows, clustering, sorted, columns)
    }

    fn fetch_rows(&self, rows: f64, clustering: f64, sorted: bool, columns: f64) -> f64 {
        let (table_rows, pages) = (self.relation.rows, self.relation.pages);
        self.work(Work::Fetch { rows, table_rows, pages, clustering, sorted, columns })
    }

    /// The cost of making one index's set of rows.
    pub(super) fn set_cost(&self, found: &Found) -> f64 {
        let rows = found.entries.point;
        let search = match found.kind {
            IndexKind::Bitmap => {
                return self
                    .work(Work::BitmapRead { sets: found.seeks, table_rows: self.relation.rows });
            }
            IndexKind::Spatial | IndexKind::Text => self.search(found, rows),
            IndexKind::Hash => {
                let seek = self.work(Work::HashSeek { count: found.seeks });
                seek + self.work(Work::Entries { rows, columns: 0.0 })
            }
            _ => {
                let seek = Work::Seek { count: found.seeks, entries: found.size };
                self.work(seek) + self.work(Work::Entries { rows, columns: 0.0 })
            }
        };
        search + self.work(Work::SetCombine { rows, table_rows: self.relation.rows })
    }

    /// The cost of rows whose set costs this much. Sets come in the order of the rows, so that no
    /// page is read twice; rows of which nothing is needed are not fetched.
    pub(super) fn sets_cost(&self, sets: f64, load: &Load) -> Cost {
        let nothing = load.columns == 0 && load.filters.1 == 0;
        self.cost(sets, load, |numbers| {
            if nothing { 0.0 } else { self.fetch_rows(numbers[1], 0.0, true, count(load.columns)) }
        })
    }

    /// How much of the work a Bloom filter leaves, and what it costs, if it is worth asking.
    pub(super) fn bloom_cost(&self, present: f64, cost: Cost) -> Option<Cost> {
        let question = self.work(Work::Bloom { count: 1.0 });
        let with = Cost {
            start: question + present * cost.start,
            total: question + present * cost.total,
            high: question + cost.high,
        };
        (with.total < cost.total).then_some(with)
    }
}
