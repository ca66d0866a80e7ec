//! Hash joins of batches: one side is kept, and looked up for each row of the other.

use std::borrow::Cow;
use std::ops::ControlFlow;

use lightning_db_expression::Columns;
use lightning_db_optimizer::{JoinKind, JoinMethod, PlanId};
use lightning_db_types::ValueRef;

use super::super::kept::Charge;
use super::super::{MORE, Run};
use super::keys::{Equality, Keys, hashes};
use super::vector::{NOWHERE, Vector};
use super::{BATCH_ROWS, Batch, BatchRow, BatchSink, give};
use crate::error::{Error, Result};
use crate::program::{Computed, Join};

/// The side that is kept, by its keys.
struct Kept<'a> {
    /// Those that are given or asked for: the others stay empty.
    columns: Vec<Vector>,
    is_wanted: Vec<bool>,
    len: usize,
    keys: Keys,
    /// The first and last row of each key.
    ends: Vec<(u32, u32)>,
    /// The next row of the same key.
    next: Vec<u32>,
    charge: Charge<'a>,
    charged: usize,
}

/// A join that runs.
struct Joining<'a> {
    run: &'a Run<'a>,
    join: &'a Join,
    outer: &'a [ValueRef<'a>],
    kept: Kept<'a>,
    /// Whether the left side is kept.
    keeps_left: bool,
    /// Which kept rows have met one of the other side, where that is asked for.
    met: Vec<bool>,
}

/// Rows that have equal keys, in the order of the rows that are not kept.
#[derive(Default)]
struct Pairs {
    looked_up: Vec<u32>,
    kept: Vec<u32>,
}

impl Pairs {
    /// As many at once as a batch has: one row may have more partners than fit into memory beside
    /// copies of it.
    fn parts(&self) -> impl Iterator<Item = (&[u32], &[u32])> {
        self.looked_up.chunks(BATCH_ROWS).zip(self.kept.chunks(BATCH_ROWS))
    }
}

impl Run<'_> {
    /// The pairs of a hash join, or the rows that have a partner or none.
    pub(super) fn batch_join(
        &self,
        join: &Join,
        outer: &[ValueRef<'_>],
        sink: &mut BatchSink<'_>,
    ) -> Result<ControlFlow<()>> {
        let keeps_left = join.method == JoinMethod::HashLeft;
        let (left, right) = ((join.left, &join.left_keys), (join.right, &join.right_keys));
        let (kept, (other, other_keys)) = if keeps_left { (left, right) } else { (right, left) };
        let kept = self.keep_side(kept, wanted(join, keeps_left), outer)?;
        let met = if keeps_left && join.kind != JoinKind::Inner { kept.len } else { 0 };
        let met = vec![false; met];
        let mut joining = Joining { run: self, join, outer, kept, keeps_left, met };
        let flow = self.batches(other, outer, &mut |batch| {
            self.go_on()?;
            joining.look_up(other_keys, batch, sink)
        })?;
        if flow.is_break() || joining.met.is_empty() { Ok(flow) } else { joining.rest(sink) }
    }

    fn keep_side(
        &self,
        (input, keys): (PlanId, &Vec<Computed>),
        is_wanted: Vec<bool>,
        outer: &[ValueRef<'_>],
    ) -> Result<Kept<'_>> {
        let mut kept = Kept {
            columns: vec![Vector::default(); is_wanted.len()],
            is_wanted,
            len: 0,
            keys: Keys::new(keys.len(), Equality::OfNumbers),
            ends: Vec::new(),
            next: Vec::new(),
            charge: Charge::new(self),
            charged: 0,
        };
        self.batches(input, outer, &mut |batch| {
            self.go_on()?;
            let (key, _, failed) = self.key_of(keys, batch, outer);
            match failed {
                Some(error) => Err(error),
                None => kept.add(&key, batch).map(ControlFlow::Continue),
            }
        })
        .map(drop)?;
        Ok(kept)
    }

    /// Values of keys for the rows, or for as many as there are before one that fails.
    fn key_of<'b>(
        &self,
        keys: &[Computed],
        batch: &'b Batch<'_>,
        outer: &[ValueRef<'_>],
    ) -> (Vec<Cow<'b, Vector>>, usize, Option<Error>) {
        let key = keys.iter().map(|key| match key.position() {
            Some(position) => batch.column(position).map(Cow::Borrowed),
            None => self.vector_of(key, batch, outer).map(Cow::Owned),
        });
        if let Some(key) = key.collect::<Option<Vec<_>>>() {
            return (key, batch.rows.len(), None);
        }
        let (key, rows, failed) = self.projected_by_rows(keys, batch, outer);
        (key.into_iter().map(Cow::Owned).collect(), rows, failed)
    }
}

impl Kept<'_> {
    fn add(&mut self, key: &[Cow<'_, Vector>], batch: &Batch<'_>) -> Result<()> {
        let columns = self.columns.iter_mut().zip(&batch.columns).zip(&self.is_wanted);
        for ((column, vector), _) in columns.filter(|(_, is_wanted)| **is_wanted) {
            column.append(vector, batch.rows);
        }
        let key: Vec<&Vector> = key.iter().map(|vector| &**vector).collect();
        for (row, hash) in batch.rows.iter().zip(hashes(&key, batch.rows)) {
            let number = u32::try_from(self.len).unwrap_or(NOWHERE);
            self.len += 1;
            self.next.push(NOWHERE);
            // What equals nothing is not to be found.
            if key.iter().any(|vector| vector.is_null(*row as usize)) {
                continue;
            }
            let found = self.keys.find_or_insert(hash, &key, *row as usize) as usize;
            match self.ends.get_mut(found) {
                None => self.ends.push((number, number)),
                Some((_, last)) => {
                    self.next[*last as usize] = number;
                    *last = number;
                }
            }
        }
        let columns: usize = self.columns.iter().map(Vector::bytes).sum();
        let bytes = columns + self.keys.bytes() + 8 * self.ends.len() + 4 * self.next.len();
        self.charge.add(bytes.saturating_sub(self.charged))?;
        self.charged = bytes.max(self.charged);
        Ok(())
    }
}

impl Joining<'_> {
    /// Gives what the join makes of a batch of the other side.
    fn look_up(
        &mut self,
        keys: &[Computed],
        batch: &Batch<'_>,
        sink: &mut BatchSink<'_>,
    ) -> Result<ControlFlow<()>> {
        let (key, rows, failed) = self.run.key_of(keys, batch, self.outer);
        let rows = &batch.rows[..rows];
        let key: Vec<&Vector> = key.iter().map(|vector| &**vector).collect();
        let has_nulls = key.iter().any(|vector| vector.has_nulls());
        let (mut pairs, mut begun) = (Pairs::default(), 0);
        for (number, (row, hash)) in rows.iter().zip(hashes(&key, rows)).enumerate() {
            let at = *row as usize;
            if has_nulls && key.iter().any(|vector| vector.is_null(at)) {
                continue;
            }
            let Some(found) = self.kept.keys.find(hash, &key, at) else { continue };
            let mut kept = self.kept.ends[found as usize].0;
            while kept != NOWHERE {
                pairs.looked_up.push(*row);
                pairs.kept.push(kept);
                kept = self.kept.next[kept as usize];
            }
            if pairs.kept.len() >= BATCH_ROWS {
                let these = &rows[begun..=number];
                begun = number + 1;
                if self.give_pairs(&pairs, these, batch, sink)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                pairs = Pairs::default();
            }
        }
        let flow = self.give_pairs(&pairs, &rows[begun..], batch, sink)?;
        if flow.is_break() { Ok(flow) } else { failed.map_or(Ok(flow), Err) }
    }

    /// Gives what comes of rows and all their pairs.
    fn give_pairs(
        &mut self,
        pairs: &Pairs,
        rows: &[u32],
        batch: &Batch<'_>,
        sink: &mut BatchSink<'_>,
    ) -> Result<ControlFlow<()>> {
        self.run.go_on()?;
        let (held, failed) = self.held(pairs, batch);
        let all =
            Pairs { looked_up: pick(&pairs.looked_up, &held), kept: pick(&pairs.kept, &held) };
        if !self.met.is_empty() {
            all.kept.iter().for_each(|row| self.met[*row as usize] = true);
        }
        // Where a pair has failed, nothing is known of its row, nor of those behind.
        let known = failed.as_ref().map_or(rows.len(), |(row, _)| {
            rows.iter().position(|known| known == row).unwrap_or(rows.len())
        });
        let failed = failed.map(|(_, error)| error);
        match (self.join.kind, self.keeps_left) {
            (JoinKind::Semi | JoinKind::Anti, true) => failed.map_or(MORE, Err),
            (JoinKind::Semi | JoinKind::Anti, false) => {
                let wanted = self.join.kind == JoinKind::Semi;
                let mut matched = vec![false; batch.len];
                all.looked_up.iter().for_each(|row| matched[*row as usize] = true);
                let mut these = rows[..known].to_vec();
                these.retain(|row| matched[*row as usize] == wanted);
                let columns = self.join.given.iter().map(|place| batch.columns[*place]).collect();
                let ids = None;
                give(&Batch { columns, ids, rows: &these, len: batch.len }, failed, sink)
            }
            (JoinKind::Left, false) => {
                self.give_joined(&with_alone(&all, &rows[..known]), batch, failed, sink)
            }
            _ => self.give_joined(&all, batch, failed, sink),
        }
    }

    /// Numbers of the pairs that fulfil what is asked of them; or of as many as there are before
    /// one for which that fails, and its row of the other side.
    fn held(&self, pairs: &Pairs, batch: &Batch<'_>) -> (Vec<u32>, Option<(u32, Error)>) {
        let all: Vec<u32> = (0..u32::try_from(pairs.kept.len()).unwrap_or(NOWHERE)).collect();
        if self.join.on.is_empty() || all.is_empty() {
            return (all, None);
        }
        let first_only =
            !self.keeps_left && matches!(self.join.kind, JoinKind::Semi | JoinKind::Anti);
        let (mut held, mut last) = (Vec::new(), None);
        for (these, numbers) in pairs.parts().zip(all.chunks(BATCH_ROWS)) {
            let asked = &self.join.asked[..];
            let vectors = self.joined(asked, these, batch);
            let (rows, columns) = (&all[..numbers.len()], vectors.iter().collect());
            let joined = Batch { columns, ids: Some(asked), rows, len: rows.len() };
            if let Some(places) = self.run.narrowed(&self.join.on, &joined, self.outer) {
                last = places.last().map(|place| these.0[*place as usize]).or(last);
                held.extend(pick(numbers, &places));
                continue;
            }
            for (place, row) in these.0.iter().enumerate() {
                // One match says all.
                if first_only && last == Some(*row) {
                    continue;
                }
                let values: &dyn Columns = &BatchRow(&joined, place);
                match self.run.holds(&self.join.on, values, self.outer) {
                    Ok(true) => {
                        held.push(numbers[place]);
                        last = Some(*row);
                    }
                    Ok(false) => {}
                    Err(error) => return (held, Some((*row, error))),
                }
            }
        }
        (held, None)
    }

    /// Some columns of pairs, by their positions side by side.
    fn joined(
        &self,
        positions: &[usize],
        (looked_up, kept): (&[u32], &[u32]),
        batch: &Batch<'_>,
    ) -> Vec<Vector> {
        let lefts = self.join.widths.0;
        let one = |position: &usize| {
            let (is_left, place) = match position.checked_sub(lefts) {
                None => (true, *position),
                Some(place) => (false, place),
            };
            if is_left == self.keeps_left {
                self.kept.columns[place].gathered(kept)
            } else {
                batch.columns[place].gathered(looked_up)
            }
        };
        positions.iter().map(one).collect()
    }

    fn give_joined(
        &self,
        pairs: &Pairs,
        batch: &Batch<'_>,
        failed: Option<Error>,
        sink: &mut BatchSink<'_>,
    ) -> Result<ControlFlow<()>> {
        for these in pairs.parts() {
            let vectors = self.joined(&self.join.given, these, batch);
            let rows: Vec<u32> = (0..u32::try_from(these.0.len()).unwrap_or(NOWHERE)).collect();
            let columns = vectors.iter().collect();
            let joined = Batch { columns, ids: None, rows: &rows, len: rows.len() };
            if give(&joined, None, sink)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        failed.map_or(MORE, Err)
    }

    /// Gives the rows of a kept left side that have met a partner, or none.
    fn rest(&self, sink: &mut BatchSink<'_>) -> Result<ControlFlow<()>> {
        let wanted = self.join.kind == JoinKind::Semi;
        let met = self.met.iter().zip(0_u32..).filter(|(met, _)| **met == wanted);
        let rows: Vec<u32> = met.map(|(_, row)| row).collect();
        for rows in rows.chunks(BATCH_ROWS) {
            let nowhere = vec![NOWHERE; rows.len()];
            let vectors = self.join.given.iter().map(|place| match self.kept.columns.get(*place) {
                Some(vector) => vector.gathered(rows),
                None => Vector::default().gathered(&nowhere),
            });
            let vectors: Vec<Vector> = vectors.collect();
            let rows: Vec<u32> = (0..u32::try_from(rows.len()).unwrap_or(NOWHERE)).collect();
            let columns = vectors.iter().collect();
            let batch = Batch { columns, ids: None, rows: &rows, len: rows.len() };
            let flow = give(&batch, None, sink)?;
            if flow.is_break() {
                return Ok(flow);
            }
        }
        MORE
    }
}

/// Which columns of the kept side are given or asked for.
fn wanted(join: &Join, keeps_left: bool) -> Vec<bool> {
    let (first, width) = if keeps_left { (0, join.widths.0) } else { join.widths };
    let mut is_wanted = vec![false; width];
    for position in join.given.iter().chain(&join.asked) {
        if let Some(is_wanted) = position.checked_sub(first).and_then(|it| is_wanted.get_mut(it)) {
            *is_wanted = true;
        }
    }
    is_wanted
}

fn pick(rows: &[u32], numbers: &[u32]) -> Vec<u32> {
    numbers.iter().map(|number| rows[*number as usize]).collect()
}

/// Pairs, and each row without one by itself, in the order of the rows.
fn with_alone(pairs: &Pairs, rows: &[u32]) -> Pairs {
    let mut all = Pairs::default();
    let mut next = 0;
    for row in rows {
        let begun = next;
        while pairs.looked_up.get(next) == Some(row) {
            next += 1;
        }
        if begun == next {
            all.looked_up.push(*row);
            all.kept.push(NOWHERE);
        }
        all.looked_up.extend(&pairs.looked_up[begun..next]);
        all.kept.extend(&pairs.kept[begun..next]);
    }
    // Those of a row behind, of which not all are known.
    all.looked_up.extend(&pairs.looked_up[next..]);
    all.kept.extend(&pairs.kept[next..]);
    all
}
