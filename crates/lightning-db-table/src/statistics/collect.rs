//! Sketches of a table's columns, and how changes of rows get into them.

use lightning_db_storage::Slice;
use lightning_db_types::sketch::{HyperLogLog, MostCommon, Sample, value_hash};
use lightning_db_types::{Rng, Value};
use serde::{Deserialize, Serialize};

use super::kept;
use crate::catalog::Schema;
use crate::row::RowView;

/// Values of a column that are sampled by commits.
const SAMPLE: usize = 1_024;
/// Values of a column that an analysis samples.
const ANALYSIS_SAMPLE: usize = 4_096;
/// Values of a column among which an analysis looks for common ones.
const COMMON: usize = 512;

/// A row that a commit changed, as it was stored before and after.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) row_id: u64,
    pub(crate) old: Option<Slice>,
    pub(crate) new: Option<Slice>,
}

/// What was seen of a table.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Collected {
    pub(crate) rows: u64,
    /// Rows that were removed while `rows` was zero: of a part that is merged later.
    removed: u64,
    /// By column id.
    pub(crate) columns: Vec<Column>,
}

/// What was seen of a column.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) nulls: u64,
    nulls_removed: u64,
    pub(crate) distinct: HyperLogLog,
    /// Empty before the first analysis.
    pub(crate) common: MostCommon,
    /// Values that `common` has seen.
    pub(crate) common_of: u64,
    pub(crate) sample: Sample<Value>,
}

impl Column {
    fn new(sample: usize, common: usize) -> Self {
        Self {
            nulls: 0,
            nulls_removed: 0,
            distinct: HyperLogLog::new(),
            common: MostCommon::new(common),
            common_of: 0,
            sample: Sample::new(sample),
        }
    }

    fn add_null(&mut self) {
        self.nulls += 1;
    }

    fn remove_null(&mut self) {
        match self.nulls {
            0 => self.nulls_removed += 1,
            _ => self.nulls -= 1,
        }
    }
}

impl Collected {
    fn column(&mut self, id: usize, sample: usize) -> &mut Column {
        while self.columns.len() <= id {
            self.columns.push(Column::new(sample, COMMON));
        }
        &mut self.columns[id]
    }

    /// Takes a change of a row. What cannot be decoded counts as a row and no more: reading it
    /// says what is wrong.
    pub(crate) fn apply(&mut self, schema: &Schema, change: &Change, rng: &dyn Rng) {
        let view = |stored| RowView::new(schema, change.row_id, stored).ok();
        match (&change.old, &change.new) {
            (None, Some(_)) => self.rows += 1,
            (Some(_), None) if self.rows == 0 => self.removed += 1,
            (Some(_), None) => self.rows -= 1,
            _ => {}
        }
        let old = change.old.as_deref().and_then(view);
        let new = change.new.as_deref().and_then(view);
        for id in &schema.live {
            let column = self.column(*id, SAMPLE);
            let before = old.as_ref().map(|row| row.value(*id));
            let after = new.as_ref().map(|row| row.value(*id));
            if before == after {
                continue;
            }
            match before {
                Some(value) if value.is_null() => column.remove_null(),
                Some(value) => column.common.remove_known(value_hash(value)),
                None => {}
            }
            match after {
                Some(value) if value.is_null() => column.add_null(),
                Some(value) => {
                    let hash = value_hash(value);
                    column.distinct.add(hash);
                    column.common.add_known(hash);
                    column.sample.offer(rng, || kept(value));
                }
                None => {}
            }
        }
    }

    /// Takes a row of an analysis.
    pub(crate) fn analyze(&mut self, schema: &Schema, row: &RowView<'_>, rng: &dyn Rng) {
        self.rows += 1;
        for id in &schema.live {
            let column = self.column(*id, ANALYSIS_SAMPLE);
            let value = row.value(*id);
            if value.is_null() {
                column.add_null();
                continue;
            }
            column.distinct.add(value_hash(value));
            column.common.add(value);
            column.common_of += 1;
            column.sample.offer(rng, || kept(value));
        }
    }

    /// Adds what another has seen.
    pub(crate) fn merge(&mut self, other: &Self, rng: &dyn Rng) {
        self.rows = (self.rows + other.rows).saturating_sub(other.removed);
        for (id, theirs) in other.columns.iter().enumerate() {
            let own = self.column(id, ANALYSIS_SAMPLE);
            own.nulls = (own.nulls + theirs.nulls).saturating_sub(theirs.nulls_removed);
            own.distinct.merge(&theirs.distinct);
            own.sample.merge(&theirs.sample, rng);
        }
    }
}
