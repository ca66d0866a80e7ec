//! Rows in order.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use lightning_db_optimizer::PlanId;
use lightning_db_types::{Value, ValueRef};

use super::kept::Kept;
use super::{MORE, Run, Sink, with_values};
use crate::error::Result;
use crate::program::Sorted;

impl Run<'_> {
    pub(super) fn sort(
        &self,
        input: PlanId,
        keys: &[Sorted],
        (sorted, limit): (usize, Option<usize>),
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        let most = limit.unwrap_or(usize::MAX);
        let mut kept = Kept::new(self);
        let mut left = most;
        let mut flow = ControlFlow::Continue(());
        if most == 0 {
            return MORE;
        }
        self.read(input, outer, &mut |row| {
            // Rows of an input that is sorted by the first keys come in runs, which are given one
            // by one.
            let ends = sorted > 0
                && kept.first().is_some_and(|first| {
                    let first: Vec<ValueRef<'_>> = first.iter().map(Value::as_value_ref).collect();
                    compare(&keys[..sorted], &first, row).is_ne()
                });
            if ends {
                flow = give(&mut kept, keys, &mut left, sink)?;
                if flow.is_break() || left == 0 {
                    return Ok(ControlFlow::Break(()));
                }
            }
            kept.push(row)?;
            // Twice as many as are wanted, so that each cut costs less than the rows before it.
            if limit.is_some() && kept.len() >= left.saturating_mul(2).max(64) {
                kept.sort_by(|one, other| compare_rows(keys, one, other));
                kept.truncate(left);
            }
            MORE
        })?;
        if flow.is_break() || left == 0 {
            return Ok(flow);
        }
        give(&mut kept, keys, &mut left, sink)
    }
}

/// Gives rows in order, at most so many, and forgets them.
fn give(
    kept: &mut Kept<'_>,
    keys: &[Sorted],
    left: &mut usize,
    sink: &mut Sink<'_>,
) -> Result<ControlFlow<()>> {
    kept.sort_by(|one, other| compare_rows(keys, one, other));
    for row in kept.rows().iter().take(*left) {
        *left -= 1;
        if with_values(row.len(), |position| row[position].as_value_ref(), &mut *sink)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    kept.clear();
    MORE
}

fn compare_one(key: &Sorted, left: ValueRef<'_>, right: ValueRef<'_>) -> Ordering {
    match (left.is_null(), right.is_null()) {
        (false, false) if key.descending => right.cmp(&left),
        (false, false) => left.cmp(&right),
        (left, right) if key.nulls_first => right.cmp(&left),
        (left, right) => left.cmp(&right),
    }
}

/// Order of two rows.
fn compare(keys: &[Sorted], left: &[ValueRef<'_>], right: &[ValueRef<'_>]) -> Ordering {
    let orders = keys.iter().map(|key| compare_one(key, left[key.position], right[key.position]));
    orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

pub(super) fn compare_rows(keys: &[Sorted], left: &[Value], right: &[Value]) -> Ordering {
    let orders = keys.iter().map(|key| {
        compare_one(key, left[key.position].as_value_ref(), right[key.position].as_value_ref())
    });
    orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}
