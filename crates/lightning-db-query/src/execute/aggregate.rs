//! Groups, and what is computed over them.

use std::collections::HashSet;
use std::ops::ControlFlow;

use foldhash::fast::FixedState;
use lightning_db_expression::{Arithmetic, Expression, number};
use lightning_db_optimizer::AggregateFunction;
use lightning_db_types::{Value, ValueRef, ValueType};

use super::kept::{Charge, Row, bytes_of, row_of};
use super::{MORE, Run, Sink, with_values};
use crate::error::Result;
use crate::program::{Aggregated, Grouping, Values};

/// What is known of a group so far.
struct Group<'a> {
    key: Row,
    states: Vec<State>,
    charge: Charge<'a>,
}

/// What is known of an aggregate so far.
#[derive(Clone)]
pub(super) struct State {
    /// Values that were not null.
    count: u64,
    /// Sum, smallest, largest, or the truth that decides.
    value: Value,
    /// The average so far, and the squares of the distances from it together (Welford, 1962).
    moments: (f64, f64),
    /// Values that were seen, where each counts once.
    seen: Option<HashSet<Value, FixedState>>,
}

fn calculate(operation: Arithmetic, left: Value, right: Value) -> Result<Value> {
    let (left, right) = (Expression::Literal(left), Expression::Literal(right));
    Ok(Expression::Arithmetic(operation, Box::new(left), Box::new(right)).evaluate(&Vec::new())?)
}

fn count(count: u64) -> Value {
    Value::I64(i64::try_from(count).unwrap_or(i64::MAX))
}

impl State {
    /// Of an aggregate whose values are not looked at for being distinct.
    pub(super) fn of(count: u64, value: Value) -> Self {
        Self { count, value, moments: (0.0, 0.0), seen: None }
    }

    pub(super) fn new(aggregated: &Aggregated) -> Self {
        let seen = aggregated.distinct.then(HashSet::default);
        Self { count: 0, value: Value::Null, moments: (0.0, 0.0), seen }
    }

    /// Takes a value that is not null.
    pub(super) fn add(
        &mut self,
        charge: &mut Charge<'_>,
        function: AggregateFunction,
        value: Value,
    ) -> Result<()> {
        if let Some(seen) = &mut self.seen {
            if seen.contains(&value) {
                return Ok(());
            }
            charge.add(bytes_of(std::slice::from_ref(&value)))?;
            seen.insert(value.clone());
        }
        self.count += 1;
        let known = std::mem::take(&mut self.value);
        self.value = match function {
            AggregateFunction::Count => Value::Null,
            AggregateFunction::Sum if known.is_null() => value,
            AggregateFunction::Sum => sum(known, value)?,
            AggregateFunction::Average => {
                // Whole numbers have an exact average.
                let value = match value.value_type() {
                    ValueType::I64 | ValueType::U64 => {
                        let literal = Box::new(Expression::Literal(value));
                        Expression::Cast(literal, ValueType::Decimal).evaluate(&Vec::new())?
                    }
                    _ => value,
                };
                if known.is_null() { value } else { sum(known, value)? }
            }
            AggregateFunction::Min if known.is_null() || value < known => value,
            AggregateFunction::Max if known.is_null() || value > known => value,
            AggregateFunction::Min | AggregateFunction::Max => known,
            AggregateFunction::Any if known == Value::Bool(true) => known,
            AggregateFunction::Every if known == Value::Bool(false) => known,
            AggregateFunction::Any | AggregateFunction::Every => value,
            AggregateFunction::Spread(_) => {
                self.move_by(number::nearest(value.as_value_ref()).unwrap_or(f64::NAN));
                Value::Null
            }
        };
        Ok(())
    }

    /// Moves average and distances to where they are with one more number.
    #[expect(clippy::cast_precision_loss, reason = "of more than 2^53 values")]
    fn move_by(&mut self, number: f64) {
        let (average, squares) = self.moments;
        let distance = number - average;
        let average = average + distance / self.count as f64;
        self.moments = (average, squares + distance * (number - average));
    }

    pub(super) fn result(self, function: AggregateFunction) -> Result<Value> {
        match function {
            AggregateFunction::Count => Ok(count(self.count)),
            AggregateFunction::Average if self.count > 0 => {
                calculate(Arithmetic::Divide, self.value, count(self.count))
            }
            AggregateFunction::Spread(spread) => {
                Ok(spread.of(self.count, self.moments.1).map_or(Value::Null, Value::F64))
            }
            _ => Ok(self.value),
        }
    }
}

pub(super) fn sum(known: Value, value: Value) -> Result<Value> {
    if let (Value::I64(known), Value::I64(value)) = (&known, &value)
        && let Some(sum) = known.checked_add(*value)
    {
        return Ok(Value::I64(sum));
    }
    calculate(Arithmetic::Add, known, value)
}

impl Run<'_> {
    pub(super) fn aggregate(
        &self,
        grouping: &Grouping,
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        if grouping.groups.is_empty() {
            self.whole(grouping, outer, sink)
        } else if grouping.streams {
            self.streamed(grouping, outer, sink)
        } else {
            self.hashed(grouping, outer, sink)
        }
    }

    fn group(&self, grouping: &Grouping, row: &[ValueRef<'_>]) -> Result<Group<'_>> {
        let key: Vec<ValueRef<'_>> = grouping.groups.iter().map(|place| row[*place]).collect();
        let key = row_of(&key);
        let mut charge = Charge::new(self);
        charge.add(bytes_of(&key) + size_of::<State>() * grouping.aggregates.len())?;
        Ok(Group { key, states: grouping.aggregates.iter().map(State::new).collect(), charge })
    }

    fn add(
        &self,
        grouping: &Grouping,
        group: &mut Group<'_>,
        row: &[ValueRef<'_>],
        outer: &[ValueRef<'_>],
    ) -> Result<()> {
        for (aggregated, state) in grouping.aggregates.iter().zip(&mut group.states) {
            if !self.holds(&aggregated.filter, &Values(row), outer)? {
                continue;
            }
            let value = match &aggregated.argument {
                None => Value::Bool(true),
                Some(argument) => match argument.position() {
                    Some(position) => row[position].to_value(),
                    None => self.value(argument, &Values(row), outer)?,
                },
            };
            if !value.is_null() {
                state.add(&mut group.charge, aggregated.function, value)?;
            }
        }
        Ok(())
    }

    /// All rows are one group, also if there are none.
    fn whole(
        &self,
        grouping: &Grouping,
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        let mut group = self.group(grouping, &[])?;
        self.read(grouping.input, outer, &mut |row| {
            self.add(grouping, &mut group, row, outer).map(ControlFlow::Continue)
        })?;
        give(grouping, group, sink)
    }

    /// A group ends where the next one begins.
    fn streamed(
        &self,
        grouping: &Grouping,
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        let mut current: Option<Group<'_>> = None;
        let flow = self.node(grouping.input, outer, &mut |row| {
            let same = |group: &Group<'_>| {
                let places = grouping.groups.iter().zip(&group.key);
                places.into_iter().all(|(place, value)| row[*place] == value.as_value_ref())
            };
            if let Some(done) = current.take_if(|group| !same(group))
                && give(grouping, done, sink)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            let group = match &mut current {
                Some(group) => group,
                none => none.insert(self.group(grouping, row)?),
            };
            self.add(grouping, group, row, outer).map(ControlFlow::Continue)
        })?;
        match current {
            Some(last) if flow.is_continue() => give(grouping, last, sink),
            _ => Ok(flow),
        }
    }

    /// Groups in a hash table, given in the order in which they came.
    fn hashed(
        &self,
        grouping: &Grouping,
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        let mut table = super::keys::KeyTable::default();
        let mut groups: Vec<Group<'_>> = Vec::new();
        self.read(grouping.input, outer, &mut |row| {
            let key = |place: usize| row[grouping.groups[place]];
            let found = with_values(grouping.groups.len(), key, |key| {
                table.find_or_insert(key, groups.len(), |at| &groups[at].key)
            });
            if found == groups.len() {
                groups.push(self.group(grouping, row)?);
            }
            self.add(grouping, &mut groups[found], row, outer).map(ControlFlow::Continue)
        })?;
        for group in groups {
            if give(grouping, group, sink)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        MORE
    }
}

fn give(grouping: &Grouping, group: Group<'_>, sink: &mut Sink<'_>) -> Result<ControlFlow<()>> {
    let Group { key, states, charge: _charge } = group;
    let functions = grouping.aggregates.iter().map(|aggregated| aggregated.function);
    let results = states.into_iter().zip(functions).map(|(state, of)| state.result(of));
    let results = results.collect::<Result<Vec<Value>>>()?;
    let value = |position: usize| match position.checked_sub(key.len()) {
        None => key[position].as_value_ref(),
        Some(position) => results[position].as_value_ref(),
    };
    with_values(key.len() + results.len(), value, sink)
}
