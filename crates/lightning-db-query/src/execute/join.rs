//! Joins: one side is looked up, or run, for each row of the other.

use std::ops::ControlFlow;

use lightning_db_expression::number;
use lightning_db_optimizer::{JoinKind, JoinMethod, PlanId};
use lightning_db_types::{Value, ValueRef};

use super::kept::{Kept, Row, bytes_of};
use super::keys::{KeyTable, canonical};
use super::{MORE, Run, Sink, with_around, with_values};
use crate::error::{Error, Result};
use crate::program::{Computed, Join, Pair, Values};

/// One side of a join, by its keys.
struct Table<'a> {
    rows: Kept<'a>,
    positions: KeyTable,
    /// Keys that were seen, each with the rows that have it.
    keys: Vec<(Row, Vec<u32>)>,
    /// Keys with a null, which equal nothing.
    unknown: Vec<Row>,
}

/// Rows of a kept side that a row may match.
enum Matches<'t> {
    All,
    These(&'t [u32]),
    /// None is known to: a null might be equal.
    Unknown,
}

/// Takes a row of the right side; says whether more are wanted, and whether it matches.
type Matcher<'s> = dyn FnMut(&[ValueRef<'_>]) -> Result<(ControlFlow<()>, bool)> + 's;

impl Table<'_> {
    /// The rows with a key, or whether there is an unknown pair where that is asked for.
    fn matches(&self, key: &mut [Value], asks_unknown: bool) -> Matches<'_> {
        if canonical(key).is_none() {
            for value in key.iter_mut() {
                if let Some(same) = number::canonical(value.as_value_ref()) {
                    *value = same;
                }
            }
            let known = self.keys.iter().map(|(other, _)| other);
            let mut others = known.chain(&self.unknown);
            let unknown = asks_unknown && others.any(|other| agree(key, other));
            return if unknown { Matches::Unknown } else { Matches::These(&[]) };
        }
        let found = with_values(
            key.len(),
            |place| key[place].as_value_ref(),
            |key| self.positions.find(key, |at| &self.keys[at].0),
        );
        match found {
            Some(found) => Matches::These(&self.keys[found].1),
            None if asks_unknown && self.unknown.iter().any(|other| agree(key, other)) => {
                Matches::Unknown
            }
            None => Matches::These(&[]),
        }
    }
}

impl Run<'_> {
    pub(super) fn join(
        &self,
        join: &Join,
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        match join.method {
            JoinMethod::ForEach => self.node(join.left, outer, &mut |left| {
                self.one(join, left, (outer, false), sink, |pair| {
                    with_around(outer, left, |inner| {
                        self.node(join.right, inner, &mut |right| Ok(pair(right)?.0)).map(drop)
                    })
                })
            }),
            JoinMethod::NestedLoop => {
                let right = self.kept(join.right, outer)?;
                self.looked_up(join, &right, outer, sink, |_| Ok(Matches::All))
            }
            JoinMethod::HashLeft if !matches!(join.kind, JoinKind::Mark(_)) => {
                self.hash_left(join, outer, sink)
            }
            JoinMethod::HashRight | JoinMethod::HashLeft | JoinMethod::Merge => {
                let right = self.table(join.right, &join.right_keys, outer)?;
                self.looked_up(join, &right.rows, outer, sink, |left| {
                    let mut key = self.key(&join.left_keys, left, outer)?;
                    Ok(right.matches(&mut key, matches!(join.kind, JoinKind::Mark(_))))
                })
            }
        }
    }

    fn kept(&self, input: PlanId, outer: &[ValueRef<'_>]) -> Result<Kept<'_>> {
        let mut rows = Kept::new(self);
        self.read(input, outer, &mut |row| rows.push(row).map(ControlFlow::Continue))?;
        Ok(rows)
    }

    fn key(
        &self,
        keys: &[Computed],
        row: &[ValueRef<'_>],
        outer: &[ValueRef<'_>],
    ) -> Result<Vec<Value>> {
        let value = |key: &Computed| match key.position() {
            Some(position) => Ok(row[position].to_value()),
            None => self.value(key, &Values(row), outer),
        };
        keys.iter().map(value).collect()
    }

    fn table(&self, input: PlanId, keys: &[Computed], outer: &[ValueRef<'_>]) -> Result<Table<'_>> {
        let mut table = Table {
            rows: Kept::new(self),
            positions: KeyTable::default(),
            keys: Vec::new(),
            unknown: Vec::new(),
        };
        self.read(input, outer, &mut |row| {
            let mut key = self.key(keys, row, outer)?;
            let at = u32::try_from(table.rows.len()).unwrap_or(u32::MAX);
            table.rows.push(row)?;
            let Some(known) = canonical(&mut key) else {
                self.keep(bytes_of(&key))?;
                table.unknown.push(key.into());
                return MORE;
            };
            let next = table.keys.len();
            let (positions, all) = (&mut table.positions, &table.keys);
            let found = with_values(
                known.len(),
                |place| known[place].as_value_ref(),
                |key| positions.find_or_insert(key, next, |at| &all[at].0),
            );
            if found == next {
                self.keep(bytes_of(&key))?;
                table.keys.push((key.into(), vec![at]));
            } else {
                table.keys[found].1.push(at);
            }
            MORE
        })?;
        Ok(table)
    }

    /// Gives the rows of a join whose right side is kept.
    fn looked_up<'t>(
        &self,
        join: &Join,
        right: &Kept<'_>,
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
        mut matches: impl FnMut(&[ValueRef<'_>]) -> Result<Matches<'t>>,
    ) -> Result<ControlFlow<()>> {
        let is_full = join.kind == JoinKind::Full;
        let mut met = vec![false; if is_full { right.len() } else { 0 }];
        let flow = self.node(join.left, outer, &mut |left| {
            let found = matches(left)?;
            let unknown = matches!(found, Matches::Unknown);
            self.one(join, left, (outer, unknown), sink, |pair| {
                let mut look = |at: usize| {
                    self.go_on()?;
                    let row = &right.rows()[at];
                    let value = |place: usize| row[place].as_value_ref();
                    let (flow, is_match) = with_values(row.len(), value, &mut *pair)?;
                    if is_full && is_match {
                        met[at] = true;
                    }
                    Ok(flow)
                };
                match found {
                    Matches::All => each_until(0..right.len(), &mut look),
                    Matches::These(rows) => {
                        each_until(rows.iter().map(|at| *at as usize), &mut look)
                    }
                    Matches::Unknown => Ok(()),
                }
            })
        })?;
        if flow.is_break() || !is_full {
            return Ok(flow);
        }
        for (row, _) in right.rows().iter().zip(&met).filter(|(_, met)| !**met) {
            let value = |place: usize| match place.checked_sub(join.widths.0) {
                None => ValueRef::Null,
                Some(place) => row[place].as_value_ref(),
            };
            if give(join, value, sink)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        MORE
    }

    /// Gives what a join makes of one left row. `rights` calls with the right rows that it may
    /// match; `unknown` says that a pair is unknown already.
    fn one(
        &self,
        join: &Join,
        left: &[ValueRef<'_>],
        (outer, unknown): (&[ValueRef<'_>], bool),
        sink: &mut Sink<'_>,
        rights: impl FnOnce(&mut Matcher<'_>) -> Result<()>,
    ) -> Result<ControlFlow<()>> {
        let (mut pairs, mut unknown) = (0, unknown);
        let mut flow = ControlFlow::Continue(());
        rights(&mut |right| {
            match self.truth(&join.on, &Pair(left, right), outer)? {
                Some(true) => pairs += 1,
                Some(false) => return Ok((ControlFlow::Continue(()), false)),
                None => {
                    unknown = true;
                    return Ok((ControlFlow::Continue(()), false));
                }
            }
            if !gives_pairs(join.kind) {
                // One match says all.
                return Ok((ControlFlow::Break(()), true));
            }
            if join.kind == JoinKind::Single && pairs > 1 {
                return Err(Error::ManyRows { rows: pairs });
            }
            flow = give_pair(join, left, right, sink)?;
            Ok((flow, true))
        })?;
        if flow.is_break() {
            return Ok(flow);
        }
        match join.kind {
            JoinKind::Semi if pairs > 0 => give_left(join, left, sink),
            JoinKind::Anti if pairs == 0 => give_left(join, left, sink),
            JoinKind::Mark(_) => {
                let mark = match (pairs, unknown) {
                    (0, true) => ValueRef::Null,
                    (pairs, _) => ValueRef::Bool(pairs > 0),
                };
                give_pair(join, left, &[mark], sink)
            }
            JoinKind::Left | JoinKind::Full | JoinKind::Single if pairs == 0 => {
                give_alone(join, left, sink)
            }
            _ => MORE,
        }
    }

    /// The left side is kept, and the rows of the right one are looked up in it.
    fn hash_left(
        &self,
        join: &Join,
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        let left = self.table(join.left, &join.left_keys, outer)?;
        let mut met = vec![0_usize; left.rows.len()];
        let flow = self.node(join.right, outer, &mut |right| {
            let mut key = self.key(&join.right_keys, right, outer)?;
            let mut any = false;
            let Matches::These(found) = left.matches(&mut key, false) else { return MORE };
            for at in found {
                let at = *at as usize;
                let row = &left.rows.rows()[at];
                let value = |place: usize| row[place].as_value_ref();
                let flow = with_values(row.len(), value, |left| {
                    if self.truth(&join.on, &Pair(left, right), outer)? != Some(true) {
                        return MORE;
                    }
                    any = true;
                    met[at] += 1;
                    if join.kind == JoinKind::Single && met[at] > 1 {
                        return Err(Error::ManyRows { rows: met[at] });
                    }
                    if gives_pairs(join.kind) { give_pair(join, left, right, sink) } else { MORE }
                })?;
                if flow.is_break() {
                    return Ok(flow);
                }
            }
            if join.kind == JoinKind::Full && !any {
                return with_values(
                    join.widths.0,
                    |_| ValueRef::Null,
                    |nulls| give_pair(join, nulls, right, sink),
                );
            }
            MORE
        })?;
        if flow.is_break() {
            return Ok(flow);
        }
        for (row, met) in left.rows.rows().iter().zip(met) {
            let is_wanted = match join.kind {
                JoinKind::Semi => met > 0,
                JoinKind::Inner => false,
                _ => met == 0,
            };
            if !is_wanted {
                continue;
            }
            let value = |place: usize| row[place].as_value_ref();
            let flow = with_values(row.len(), value, |left| match join.kind {
                JoinKind::Semi | JoinKind::Anti => give_left(join, left, sink),
                _ => give_alone(join, left, sink),
            })?;
            if flow.is_break() {
                return Ok(flow);
            }
        }
        MORE
    }
}

/// Calls `look` with each place until it breaks.
fn each_until(
    places: impl Iterator<Item = usize>,
    look: &mut dyn FnMut(usize) -> Result<ControlFlow<()>>,
) -> Result<()> {
    for place in places {
        if look(place)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn gives_pairs(kind: JoinKind) -> bool {
    matches!(kind, JoinKind::Inner | JoinKind::Left | JoinKind::Full | JoinKind::Single)
}

/// Gives what a join keeps of two rows side by side.
#[inline]
fn give<'r>(
    join: &Join,
    value: impl Fn(usize) -> ValueRef<'r>,
    sink: &mut Sink<'_>,
) -> Result<ControlFlow<()>> {
    with_values(join.given.len(), |place| value(join.given[place]), sink)
}

fn give_pair(
    join: &Join,
    left: &[ValueRef<'_>],
    right: &[ValueRef<'_>],
    sink: &mut Sink<'_>,
) -> Result<ControlFlow<()>> {
    let value = |place: usize| match place.checked_sub(left.len()) {
        None => left[place],
        Some(place) => right[place],
    };
    give(join, value, sink)
}

/// Gives a left row with nulls in the place of the right one.
fn give_alone(join: &Join, left: &[ValueRef<'_>], sink: &mut Sink<'_>) -> Result<ControlFlow<()>> {
    give(join, |place| left.get(place).copied().unwrap_or_default(), sink)
}

/// Gives a left row by itself.
fn give_left(join: &Join, left: &[ValueRef<'_>], sink: &mut Sink<'_>) -> Result<ControlFlow<()>> {
    if join.given.len() == left.len() { sink(left) } else { give_alone(join, left, sink) }
}

/// Whether two keys are unequal in no place where both have a value.
fn agree(one: &[Value], other: &[Value]) -> bool {
    let mut places = one.iter().zip(other);
    places.all(|(one, other)| one.is_null() || other.is_null() || one == other)
}
