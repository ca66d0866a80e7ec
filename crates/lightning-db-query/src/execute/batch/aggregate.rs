//! Groups of batches, and what is computed over them.

use std::borrow::Cow;
use std::ops::ControlFlow;

use lightning_db_types::{Value, ValueRef};

use super::super::aggregate::State;
use super::super::kept::Charge;
use super::super::{MORE, Run};
use super::keys::{Equality, Keys, hashes};
use super::state::{Accumulator, Refused};
use super::vector::Vector;
use super::{BATCH_ROWS, Batch, BatchRow, BatchSink, give};
use crate::error::Result;
use crate::program::Grouping;

/// What is known of all groups so far.
struct Groups<'a> {
    run: &'a Run<'a>,
    grouping: &'a Grouping,
    outer: &'a [ValueRef<'a>],
    /// Of groups by columns.
    keys: Keys,
    accumulators: Vec<Accumulator<'a>>,
    charge: Charge<'a>,
    /// Bytes of keys that are counted.
    charged: usize,
}

/// What is added for a batch: the rows that an aggregate counts, and their values.
type Addition<'b> = (Cow<'b, [u32]>, Option<Cow<'b, Vector>>);

impl Run<'_> {
    /// One row for each group, in the order in which they came.
    pub(super) fn batch_aggregate(
        &self,
        grouping: &Grouping,
        outer: &[ValueRef<'_>],
        sink: &mut BatchSink<'_>,
    ) -> Result<ControlFlow<()>> {
        let mut groups = Groups::new(self, grouping, outer)?;
        self.batches(grouping.input, outer, &mut |batch| {
            self.go_on()?;
            groups.add(batch)?;
            MORE
        })
        .map(drop)?;
        groups.give(sink)
    }
}

impl<'a> Groups<'a> {
    fn new(run: &'a Run<'_>, grouping: &'a Grouping, outer: &'a [ValueRef<'_>]) -> Result<Self> {
        let keys = Keys::new(grouping.groups.len(), Equality::OfValues);
        let accumulators = grouping.aggregates.iter().map(Accumulator::new).collect();
        let charge = Charge::new(run);
        let mut groups = Self { run, grouping, outer, keys, accumulators, charge, charged: 0 };
        if grouping.groups.is_empty() {
            // All rows are one group, also if there are none.
            groups.grow(1)?;
        }
        Ok(groups)
    }

    /// Makes room for so many groups.
    fn grow(&mut self, groups: usize) -> Result<()> {
        let each = size_of::<State>() * self.accumulators.len();
        let bytes = self.keys.bytes() + each * groups;
        self.charge.add(bytes.saturating_sub(self.charged))?;
        self.charged = bytes.max(self.charged);
        self.accumulators.iter_mut().for_each(|accumulator| accumulator.grow(groups));
        Ok(())
    }

    fn add(&mut self, batch: &Batch<'_>) -> Result<()> {
        let groups = self.groups_of(batch)?;
        let additions = self.accumulators.iter().map(|it| self.addition(it, batch));
        let Some(additions) = additions.collect::<Option<Vec<_>>>() else {
            return self.add_by_rows(batch, &groups);
        };
        // Of several that fail, the one that would have come first.
        let mut failed: Option<Refused> = None;
        for (accumulator, (rows, vector)) in self.accumulators.iter_mut().zip(additions) {
            let added = accumulator.add(&mut self.charge, vector.as_deref(), (&rows, &groups));
            if let Err((row, error)) = added
                && failed.as_ref().is_none_or(|(first, _)| row < *first)
            {
                failed = Some((row, error));
            }
        }
        failed.map_or(Ok(()), |(_, error)| Err(*error))
    }

    /// The group of each row.
    fn groups_of(&mut self, batch: &Batch<'_>) -> Result<Vec<u32>> {
        let mut groups = vec![0; batch.len];
        if self.grouping.groups.is_empty() {
            return Ok(groups);
        }
        let key = self.grouping.groups.iter().filter_map(|place| batch.column(*place));
        let key: Vec<&Vector> = key.collect();
        let known = self.keys.len();
        for (row, hash) in batch.rows.iter().zip(hashes(&key, batch.rows)) {
            groups[*row as usize] = self.keys.find_or_insert(hash, &key, *row as usize);
        }
        if self.keys.len() > known {
            self.grow(self.keys.len())?;
        }
        Ok(groups)
    }

    fn addition<'b>(
        &self,
        accumulator: &Accumulator<'_>,
        batch: &'b Batch<'_>,
    ) -> Option<Addition<'b>> {
        let aggregated = accumulator.aggregated();
        let rows = match &aggregated.filter[..] {
            [] => Cow::Borrowed(batch.rows),
            filter => self.run.narrowed(filter, batch, self.outer)?.into(),
        };
        let Some(argument) = &aggregated.argument else { return Some((rows, None)) };
        let vector = match argument.position() {
            Some(position) => Cow::Borrowed(batch.column(position)?),
            None => {
                Cow::Owned(self.run.vector_of(argument, &batch.with_rows(&rows), self.outer)?)
            }
        };
        Some((rows, Some(vector)))
    }

    /// Row by row, in each the aggregates in their order.
    fn add_by_rows(&mut self, batch: &Batch<'_>, groups: &[u32]) -> Result<()> {
        self.accumulators.iter_mut().for_each(Accumulator::become_states);
        for row in batch.rows {
            let at = *row as usize;
            let values = BatchRow(batch, at);
            for accumulator in &mut self.accumulators {
                let aggregated = accumulator.aggregated();
                if !self.run.holds(&aggregated.filter, &values, self.outer)? {
                    continue;
                }
                let value = match &aggregated.argument {
                    None => Value::Bool(true),
                    Some(argument) => self.run.value(argument, &values, self.outer)?,
                };
                if !value.is_null() {
                    accumulator.add_value(&mut self.charge, groups[at] as usize, value)?;
                }
            }
        }
        Ok(())
    }

    fn give(self, sink: &mut BatchSink<'_>) -> Result<ControlFlow<()>> {
        let count = if self.grouping.groups.is_empty() { 1 } else { self.keys.len() };
        let all: Vec<u32> = (0..u32::try_from(count).unwrap_or(u32::MAX)).collect();
        for groups in all.chunks(BATCH_ROWS) {
            let mut vectors: Vec<Vector> =
                self.keys.columns.iter().map(|column| column.gathered(groups)).collect();
            let keys = vectors.len();
            vectors.resize_with(keys + self.accumulators.len(), Vector::default);
            let (mut rows, mut failed) = (0, None);
            'groups: for group in groups {
                for (accumulator, vector) in self.accumulators.iter().zip(&mut vectors[keys..]) {
                    match accumulator.result(*group as usize) {
                        Ok(value) => vector.push(value.as_value_ref()),
                        Err(error) => {
                            failed = Some(error);
                            break 'groups;
                        }
                    }
                }
                rows += 1;
            }
            let batch = Batch {
                columns: vectors.iter().collect(),
                ids: None,
                rows: &all[..rows],
                len: groups.len(),
            };
            let flow = give(&batch, failed, sink)?;
            if flow.is_break() {
                return Ok(flow);
            }
        }
        MORE
    }
}
