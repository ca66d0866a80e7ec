//! Joins: one side is looked up, or run, for each row of the other.

use std::ops::ControlFlow;

use lightning_db_expression::number;
use lightning_db_optimizer::{JoinKind, JoinMethod, PlanId};
use lightning_db_types::{Value, ValueRef};

use super::kept::Kept;
use super::keys::{KeyTable, canonical};
use super::{MORE, Run, Sink, with_around, with_values};
use crate::error::{Error, Result};
use crate::program::{Computed, Join, Pair, Values};

/// Behind the last row of a key.
const END: u32 = u32::MAX;

/// One side of a join, by its keys.
struct Table<'a> {
    /// Each row with its key behind it.
    rows: Kept<'a>,
    /// Values of a row, without its key.
    width: usize,
    /// The first row of each key.
    first: KeyTable,
    /// For each row the next one of its key, and for the first one of a key the last.
    links: Vec<Link>,
    /// Rows whose key has a null, which equals nothing.
    unknown: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Link {
    next: u32,
    last: u32,
}

/// Rows of a kept side that a row may match.
enum Matches<'t> {
    All,
    /// From this one on, as the links say.
    From(u32, &'t [Link]),
    None,
    /// None is known to: a null might be equal.
    Unknown,
}

impl Table<'_> {
    /// Adds a row with its key behind it.
    fn add(&mut self, mut row: Vec<Value>) -> Result<()> {
        let (at, width) = (self.rows.len(), self.width);
        let place = u32::try_from(at).unwrap_or(END);
        self.links.push(Link { next: END, last: place });
        if canonical(&mut row[width..]).is_none() {
            self.unknown.push(place);
            return self.rows.push_row(row.into());
        }
        self.rows.push_row(row.into())?;
        let rows = self.rows.rows();
        let key = &rows[at][width..];
        let (first, value) = (&mut self.first, |place: usize| key[place].as_value_ref());
        let found = with_values(key.len(), value, |key| {
            first.find_or_insert(key, at, |other| &rows[other][width..])
        });
        if found < at {
            let last = std::mem::replace(&mut self.links[found].last, place);
            self.links[last as usize].next = place;
        }
        Ok(())
    }

    /// The rows with a key, or whether there is an unknown pair where that is asked for. The key
    /// takes the form of those that it equals.
    fn matches(&self, key: &mut [Value], asks_unknown: bool) -> Matches<'_> {
        let (rows, width) = (self.rows.rows(), self.width);
        if canonical(key).is_none() {
            for value in key.iter_mut() {
                if let Some(same) = number::canonical(value.as_value_ref()) {
                    *value = same;
                }
            }
            let unknown = asks_unknown && rows.iter().any(|other| agree(key, &other[width..]));
            return if unknown { Matches::Unknown } else { Matches::None };
        }
        let value = |place: usize| key[place].as_value_ref();
        let found = with_values(key.len(), value, |key| {
            self.first.find(key, |other| &rows[other][width..])
        });
        match found {
            Some(found) => Matches::From(u32::try_from(found).unwrap_or(END), &self.links),
            None if asks_unknown => {
                let mut unknown = self.unknown.iter().map(|at| &rows[*at as usize][width..]);
                let any = unknown.any(|other| agree(key, other));
                if any { Matches::Unknown } else { Matches::None }
            }
            None => Matches::None,
        }
    }
}

impl Matches<'_> {
    /// The places of the rows, of so many in all.
    fn places(&self, len: usize) -> impl Iterator<Item = usize> {
        let (all, mut next, links) = match *self {
            Self::All => (0..len, END, &[][..]),
            Self::From(first, links) => (0..0, first, links),
            Self::None | Self::Unknown => (0..0, END, &[][..]),
        };
        let linked = std::iter::from_fn(move || {
            let at = next as usize;
            next = links.get(at)?.next;
            Some(at)
        });
        all.chain(linked)
    }
}

/// Takes a row of the right side; says whether more are wanted, and whether it matches.
type Matcher<'s> = dyn FnMut(&[ValueRef<'_>]) -> Result<(ControlFlow<()>, bool)> + 's;

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
                let side = (join.right, join.widths.1);
                let right = self.table(side, &join.right_keys, outer)?;
                let (asks_unknown, mut key) = (matches!(join.kind, JoinKind::Mark(_)), Vec::new());
                self.looked_up(join, &right.rows, outer, sink, |left| {
                    key.clear();
                    self.add_key(&join.left_keys, left, outer, &mut key)?;
                    Ok(right.matches(&mut key, asks_unknown))
                })
            }
        }
    }

    fn kept(&self, input: PlanId, outer: &[ValueRef<'_>]) -> Result<Kept<'_>> {
        let mut rows = Kept::new(self);
        self.read(input, outer, &mut |row| rows.push(row).map(ControlFlow::Continue))?;
        Ok(rows)
    }

    /// Appends the key of a row.
    fn add_key(
        &self,
        keys: &[Computed],
        row: &[ValueRef<'_>],
        outer: &[ValueRef<'_>],
        to: &mut Vec<Value>,
    ) -> Result<()> {
        for key in keys {
            to.push(match key.position() {
                Some(position) => row[position].to_value(),
                None => self.value(key, &Values(row), outer)?,
            });
        }
        Ok(())
    }

    fn table(
        &self,
        (input, width): (PlanId, usize),
        keys: &[Computed],
        outer: &[ValueRef<'_>],
    ) -> Result<Table<'_>> {
        let (rows, first) = (Kept::new(self), KeyTable::default());
        let mut table = Table { rows, width, first, links: Vec::new(), unknown: Vec::new() };
        self.read(input, outer, &mut |row| {
            let mut kept = Vec::with_capacity(width + keys.len());
            kept.extend(row.iter().map(|value| value.to_value()));
            self.add_key(keys, row, outer, &mut kept)?;
            table.add(kept)?;
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
                for at in found.places(right.len()) {
                    self.go_on()?;
                    let row = &right.rows()[at];
                    let value = |place: usize| row[place].as_value_ref();
                    let (flow, is_match) = with_values(join.widths.1, value, &mut *pair)?;
                    if is_full && is_match {
                        met[at] = true;
                    }
                    if flow.is_break() {
                        break;
                    }
                }
                Ok(())
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
        let width = join.widths.0;
        let left = self.table((join.left, width), &join.left_keys, outer)?;
        let (mut met, mut key) = (vec![0_usize; left.rows.len()], Vec::new());
        let flow = self.node(join.right, outer, &mut |right| {
            key.clear();
            self.add_key(&join.right_keys, right, outer, &mut key)?;
            let mut any = false;
            for at in left.matches(&mut key, false).places(left.rows.len()) {
                let row = &left.rows.rows()[at];
                let value = |place: usize| row[place].as_value_ref();
                let flow = with_values(width, value, |left| {
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
                    width,
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
            let flow = with_values(width, value, |left| match join.kind {
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
