//! What is known of an aggregate, for all groups together.

use lightning_db_optimizer::AggregateFunction;
use lightning_db_types::{Decimal, Value};

use super::super::aggregate::{self, State};
use super::super::kept::Charge;
use super::vector::{Values, Vector, decimal};
use crate::error::{Error, Result};
use crate::program::Aggregated;

/// Mantissas of decimals are below.
const MANTISSA_END: u128 = 10_u128.pow(Decimal::SCALE_MAX as u32);

/// An aggregate, by group.
pub(super) struct Accumulator<'p> {
    aggregated: &'p Aggregated,
    /// Values that were not null.
    counts: Vec<u64>,
    form: Form,
}

/// A row whose value cannot be added, and why.
pub(super) type Refused = (u32, Box<Error>);

/// What is kept besides the counts.
enum Form {
    /// Nothing: a count, or no value has come yet.
    Counts,
    /// Sums of whole numbers.
    Whole(Vec<i64>),
    /// Sums of decimals of a scale; of whole numbers, for their average, at scale zero.
    Exact(u8, Vec<i128>),
    Floats(Vec<f64>),
    /// The smallest or largest, of values that are kept as whole numbers.
    Extremes(Extreme, Vec<i64>),
    /// The smallest or largest, of any values.
    Values(Vec<Value>),
    /// Whatever there is, value by value.
    States(Vec<State>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extreme {
    I64,
    Date,
    Timestamp,
    Decimal(u8),
}

impl Extreme {
    fn value(self, value: i64) -> Value {
        match self {
            Self::I64 => Value::I64(value),
            Self::Date => i32::try_from(value).map_or(Value::Null, Value::Date),
            Self::Timestamp => Value::Timestamp(value),
            Self::Decimal(scale) => Value::Decimal(decimal(value, scale)),
        }
    }
}

impl<'p> Accumulator<'p> {
    pub(super) fn new(aggregated: &'p Aggregated) -> Self {
        let form = if aggregated.distinct { Form::States(Vec::new()) } else { Form::Counts };
        Self { aggregated, counts: Vec::new(), form }
    }

    pub(super) fn aggregated(&self) -> &'p Aggregated {
        self.aggregated
    }

    /// Makes room for so many groups.
    pub(super) fn grow(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
        match &mut self.form {
            Form::Counts => {}
            Form::Whole(sums) | Form::Extremes(_, sums) => sums.resize(groups, 0),
            Form::Exact(_, sums) => sums.resize(groups, 0),
            Form::Floats(sums) => sums.resize(groups, 0.0),
            Form::Values(values) => values.resize(groups, Value::Null),
            Form::States(states) => {
                states.resize_with(groups, || State::new(self.aggregated));
            }
        }
    }

    /// Adds the values of rows, each to its group; `None` stands for values that are not null.
    ///
    /// # Errors
    /// That of the first row whose value cannot be added, with the row.
    pub(super) fn add(
        &mut self,
        charge: &mut Charge<'_>,
        vector: Option<&Vector>,
        (rows, groups): (&[u32], &[u32]),
    ) -> Result<(), Refused> {
        let function = self.aggregated.function;
        let Some(vector) = vector else {
            if let Form::States(states) = &mut self.form {
                return each(None, rows, groups, |_, group| {
                    states[group].add(charge, function, Value::Bool(true))
                });
            }
            match &mut self.counts[..] {
                [only] => *only += rows.len() as u64,
                counts => rows.iter().for_each(|row| counts[groups[*row as usize] as usize] += 1),
            }
            return Ok(());
        };
        if matches!(vector.values, Values::Null(_)) {
            return Ok(());
        }
        if !self.form.takes(function, &vector.values) {
            self.become_fit(function, &vector.values);
        }
        if let Form::States(states) = &mut self.form {
            return each(Some(vector), rows, groups, |row, group| {
                states[group].add(charge, function, vector.value(row).to_value())
            });
        }
        if !vector.has_nulls() && self.add_alone(vector, rows) {
            return Ok(());
        }
        self.add_values(vector, rows, groups)
    }

    /// Adds values that are of the form to the only group there is, in one loop without a branch
    /// on each. Adds nothing if there are other groups, or a sum might become too large on the way.
    fn add_alone(&mut self, vector: &Vector, rows: &[u32]) -> bool {
        let ([count], false) = (&mut self.counts[..], rows.is_empty()) else { return false };
        let is_first = *count == 0;
        match (&mut self.form, &vector.values) {
            (Form::Counts, _) => {}
            (Form::Whole(sums), Values::I64(values)) => {
                let sum = sum_below(sums[0].into(), values, rows, i64::MAX.unsigned_abs().into());
                let Some(sum) = sum.and_then(|sum| i64::try_from(sum).ok()) else { return false };
                sums[0] = sum;
            }
            (Form::Exact(_, sums), Values::I64(values) | Values::Decimal(_, values)) => {
                let Some(sum) = sum_below(sums[0], values, rows, MANTISSA_END) else {
                    return false;
                };
                sums[0] = sum;
            }
            (Form::Floats(sums), Values::F64(values)) => {
                let mut values = rows.iter().map(|row| values[*row as usize]);
                let first = if is_first { values.next() } else { Some(sums[0]) };
                let sum = values.fold(first.unwrap_or_default(), |sum, value| sum + value);
                if sum.is_infinite() {
                    return false;
                }
                sums[0] = sum;
            }
            (Form::Extremes(_, extremes), values) => {
                let is_min = self.aggregated.function == AggregateFunction::Min;
                let found = rows.iter().map(|row| ordered(values, *row as usize));
                let found = if is_min { found.min() } else { found.max() }.unwrap_or_default();
                let known = if is_first { found } else { extremes[0] };
                extremes[0] = if is_min { found.min(known) } else { found.max(known) };
            }
            _ => return false,
        }
        *count += rows.len() as u64;
        true
    }

    /// Adds values that are of the form.
    fn add_values(&mut self, vector: &Vector, rows: &[u32], groups: &[u32]) -> Result<(), Refused> {
        let is_min = self.aggregated.function == AggregateFunction::Min;
        let (counts, some) = (&mut self.counts, Some(vector));
        match (&mut self.form, &vector.values) {
            (Form::Counts, _) => each(some, rows, groups, |_, group| {
                counts[group] += 1;
                Ok(())
            }),
            (Form::Whole(sums), Values::I64(values)) => each(some, rows, groups, |row, group| {
                counts[group] += 1;
                let (known, value) = (sums[group], values[row]);
                match known.checked_add(value) {
                    Some(sum) => sums[group] = sum,
                    None => drop(aggregate::sum(Value::I64(known), Value::I64(value))?),
                }
                Ok(())
            }),
            (Form::Exact(scale, sums), Values::I64(values) | Values::Decimal(_, values)) => {
                each(some, rows, groups, |row, group| {
                    counts[group] += 1;
                    let sum = sums[group] + i128::from(values[row]);
                    if sum.unsigned_abs() >= MANTISSA_END {
                        let known = exact(sums[group], *scale);
                        drop(aggregate::sum(known, exact(values[row].into(), *scale))?);
                    }
                    sums[group] = sum;
                    Ok(())
                })
            }
            (Form::Floats(sums), Values::F64(values)) => each(some, rows, groups, |row, group| {
                counts[group] += 1;
                let (known, value) = (sums[group], values[row]);
                sums[group] = if counts[group] == 1 { value } else { known + value };
                if sums[group].is_infinite() && counts[group] > 1 {
                    drop(aggregate::sum(Value::F64(known), Value::F64(value))?);
                }
                Ok(())
            }),
            (Form::Extremes(_, extremes), values) => each(some, rows, groups, |row, group| {
                let (value, known) = (ordered(values, row), extremes[group]);
                let is_beyond = if is_min { value < known } else { value > known };
                if counts[group] == 0 || is_beyond {
                    extremes[group] = value;
                }
                counts[group] += 1;
                Ok(())
            }),
            (Form::Values(extremes), _) => each(some, rows, groups, |row, group| {
                let (value, known) = (vector.value(row), extremes[group].as_value_ref());
                let is_beyond = if is_min { value < known } else { value > known };
                if counts[group] == 0 || is_beyond {
                    extremes[group] = value.to_value();
                }
                counts[group] += 1;
                Ok(())
            }),
            // Values are of the form.
            _ => Ok(()),
        }
    }

    /// Adds the value of one row, whatever it is; not a null.
    pub(super) fn add_value(
        &mut self,
        charge: &mut Charge<'_>,
        group: usize,
        value: Value,
    ) -> Result<()> {
        match &mut self.form {
            Form::States(states) => states[group].add(charge, self.aggregated.function, value),
            _ => Ok(()),
        }
    }

    /// Takes the form for the first values, or the one for any values.
    #[cold]
    fn become_fit(&mut self, function: AggregateFunction, values: &Values) {
        let len = self.counts.len();
        let nothing_yet = matches!(self.form, Form::Counts);
        let zeros = || vec![0; len];
        self.form = match (function, values) {
            _ if !nothing_yet => return self.become_states(),
            (AggregateFunction::Sum, Values::I64(_)) => Form::Whole(zeros()),
            (AggregateFunction::Average, Values::I64(_)) => Form::Exact(0, vec![0; len]),
            (AggregateFunction::Sum | AggregateFunction::Average, Values::Decimal(scale, _)) => {
                Form::Exact(*scale, vec![0; len])
            }
            (AggregateFunction::Sum | AggregateFunction::Average, Values::F64(_)) => {
                Form::Floats(vec![0.0; len])
            }
            (AggregateFunction::Min | AggregateFunction::Max, values) => match extreme(values) {
                Some(extreme) => Form::Extremes(extreme, zeros()),
                None => Form::Values(vec![Value::Null; len]),
            },
            _ => return self.become_states(),
        };
    }

    /// From now on value by value.
    pub(super) fn become_states(&mut self) {
        if matches!(self.form, Form::States(_)) {
            return;
        }
        self.form = Form::States((0..self.counts.len()).map(|group| self.state(group)).collect());
    }

    /// What is known of a group.
    fn state(&self, group: usize) -> State {
        let count = self.counts[group];
        let value = match &self.form {
            Form::States(states) => return states[group].clone(),
            _ if count == 0 => Value::Null,
            Form::Counts => Value::Null,
            Form::Whole(sums) => Value::I64(sums[group]),
            Form::Exact(scale, sums) => exact(sums[group], *scale),
            Form::Floats(sums) => Value::F64(sums[group]),
            Form::Extremes(extreme, values) => extreme.value(values[group]),
            Form::Values(values) => values[group].clone(),
        };
        State::of(count, value)
    }

    /// The result for a group.
    pub(super) fn result(&self, group: usize) -> Result<Value> {
        self.state(group).result(self.aggregated.function)
    }
}

impl Form {
    fn takes(&self, function: AggregateFunction, values: &Values) -> bool {
        match (self, values) {
            (Self::Counts, _) => function == AggregateFunction::Count,
            (Self::States(_) | Self::Values(_), _)
            | (Self::Whole(_), Values::I64(_))
            | (Self::Floats(_), Values::F64(_)) => true,
            (Self::Exact(scale, _), Values::Decimal(same, _)) => scale == same,
            (Self::Exact(scale, _), Values::I64(_)) => {
                *scale == 0 && function == AggregateFunction::Average
            }
            (Self::Extremes(kept, _), values) => extreme(values) == Some(*kept),
            _ => false,
        }
    }
}

fn extreme(values: &Values) -> Option<Extreme> {
    Some(match values {
        Values::I64(_) => Extreme::I64,
        Values::Date(_) => Extreme::Date,
        Values::Timestamp(_) => Extreme::Timestamp,
        Values::Decimal(scale, _) => Extreme::Decimal(*scale),
        _ => return None,
    })
}

/// A value that is kept as a whole number.
#[inline]
fn ordered(values: &Values, row: usize) -> i64 {
    match values {
        Values::Date(values) => values[row].into(),
        Values::I64(values) | Values::Timestamp(values) | Values::Decimal(_, values) => values[row],
        _ => 0,
    }
}

/// A sum with the values of rows; `None` if what is added up, whatever the signs, is not below
/// `end`.
fn sum_below(known: i128, values: &[i64], rows: &[u32], end: u128) -> Option<i128> {
    let (mut sum, mut size) = (known, known.unsigned_abs());
    for row in rows {
        let value = values[*row as usize];
        sum += i128::from(value);
        size += u128::from(value.unsigned_abs());
    }
    (size < end).then_some(sum)
}

fn exact(mantissa: i128, scale: u8) -> Value {
    Decimal::new(mantissa, scale).map_or(Value::Null, Value::Decimal)
}

/// Calls `put` with each row whose value is not null, and its group.
#[inline]
fn each(
    vector: Option<&Vector>,
    rows: &[u32],
    groups: &[u32],
    mut put: impl FnMut(usize, usize) -> Result<()>,
) -> Result<(), Refused> {
    let nulls = vector.filter(|vector| vector.has_nulls());
    for row in rows {
        let at = *row as usize;
        if nulls.is_some_and(|vector| vector.is_null(at)) {
            continue;
        }
        put(at, groups[at] as usize).map_err(|error| (*row, Box::new(error)))?;
    }
    Ok(())
}
