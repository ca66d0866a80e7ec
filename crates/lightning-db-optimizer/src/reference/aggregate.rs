//! Aggregates and windows.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;
use lightning_db_expression::number::nearest;
use lightning_db_expression::{Arithmetic, Expression};
use lightning_db_types::{Value, ValueType};

use super::Failure;
use super::interpret::{Interpreter, Relation, sort};
use super::scalar::Outer;
use crate::query::{Aggregate, AggregateFunction, ColumnId, Spread, WindowFunction};

/// Rows by the values of some of their columns, in the order in which these came first.
pub(super) fn grouped(rows: &[Vec<Value>], positions: &[usize]) -> Vec<(Vec<Value>, Vec<usize>)> {
    let mut known: HashMap<Vec<Value>, usize, FixedState> = HashMap::default();
    let mut groups: Vec<(Vec<Value>, Vec<usize>)> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let key: Vec<Value> = positions.iter().map(|position| row[*position].clone()).collect();
        let group = *known.entry(key.clone()).or_insert_with(|| {
            groups.push((key, Vec::new()));
            groups.len() - 1
        });
        groups[group].1.push(at);
    }
    groups
}

fn calculate(operation: Arithmetic, left: Value, right: Value) -> Result<Value, Failure> {
    let (left, right) = (Expression::Literal(left), Expression::Literal(right));
    let both = Expression::Arithmetic(operation, Box::new(left), Box::new(right));
    Ok(both.evaluate(&Vec::new())?)
}

fn sum(values: Vec<Value>) -> Result<Value, Failure> {
    let mut values = values.into_iter();
    let Some(first) = values.next() else { return Ok(Value::Null) };
    values.try_fold(first, |sum, value| calculate(Arithmetic::Add, sum, value))
}

fn average(values: Vec<Value>) -> Result<Value, Failure> {
    let count = Value::I64(i64::try_from(values.len()).unwrap_or(i64::MAX));
    let exact = |value: Value| match value.value_type() {
        ValueType::I64 | ValueType::U64 => {
            let literal = Box::new(Expression::Literal(value));
            Expression::Cast(literal, ValueType::Decimal).evaluate(&Vec::new())
        }
        _ => Ok(value),
    };
    let values = values.into_iter().map(exact).collect::<Result<Vec<_>, _>>()?;
    match sum(values)? {
        Value::Null => Ok(Value::Null),
        sum => calculate(Arithmetic::Divide, sum, count),
    }
}

/// In two passes: the average, then what is apart from it.
#[expect(clippy::cast_precision_loss, reason = "few values")]
fn spread_of(spread: Spread, values: &[Value]) -> Value {
    let numbers: Vec<f64> =
        values.iter().filter_map(|value| nearest(value.as_value_ref())).collect();
    let average = numbers.iter().sum::<f64>() / numbers.len() as f64;
    let squares = numbers.iter().map(|number| (number - average).powi(2)).sum();
    spread.of(numbers.len() as u64, squares).map_or(Value::Null, Value::F64)
}

/// An aggregate of values, among which is no null.
pub(super) fn fold(function: AggregateFunction, values: Vec<Value>) -> Result<Value, Failure> {
    let truth = |wanted: bool| {
        if values.is_empty() {
            return Value::Null;
        }
        Value::Bool(values.contains(&Value::Bool(wanted)) == wanted)
    };
    match function {
        AggregateFunction::Count => Ok(Value::I64(i64::try_from(values.len()).unwrap_or(i64::MAX))),
        AggregateFunction::Sum => sum(values),
        AggregateFunction::Average => average(values),
        AggregateFunction::Min => Ok(values.into_iter().min().unwrap_or_default()),
        AggregateFunction::Max => Ok(values.into_iter().max().unwrap_or_default()),
        AggregateFunction::Any => Ok(truth(true)),
        AggregateFunction::Every => Ok(truth(false)),
        AggregateFunction::Spread(spread) => Ok(spread_of(spread, &values)),
    }
}

impl Interpreter<'_> {
    pub(super) fn aggregate(
        &self,
        input: &Relation,
        groups: &[ColumnId],
        aggregates: &[(ColumnId, Aggregate)],
        outer: &Outer,
    ) -> Result<Relation, Failure> {
        let positions = input.positions(groups)?;
        let mut grouped = grouped(&input.rows, &positions);
        if groups.is_empty() && grouped.is_empty() {
            grouped.push((Vec::new(), Vec::new()));
        }
        let mut rows = Vec::with_capacity(grouped.len());
        for (key, members) in grouped {
            let mut row = key;
            for (_, aggregate) in aggregates {
                row.push(self.one_aggregate(aggregate, input, &members, outer)?);
            }
            rows.push(row);
        }
        let made = aggregates.iter().map(|(column, _)| *column);
        Ok(Relation { columns: groups.iter().copied().chain(made).collect(), rows })
    }

    fn one_aggregate(
        &self,
        aggregate: &Aggregate,
        input: &Relation,
        members: &[usize],
        outer: &Outer,
    ) -> Result<Value, Failure> {
        let columns = &input.columns;
        let compile = |id| self.compile(id, columns, outer);
        let filter = aggregate.filter.into_iter().map(compile).collect::<Result<Vec<_>, _>>()?;
        let argument = aggregate.argument.map(compile).transpose()?;
        let mut values = Vec::new();
        for member in members {
            let row = &input.rows[*member];
            if !self.holds(&filter, columns, row, outer)? {
                continue;
            }
            let value = match &argument {
                Some(argument) => self.value(argument, columns, row, outer)?,
                None => Value::Bool(true),
            };
            if !value.is_null() {
                values.push(value);
            }
        }
        if aggregate.distinct {
            let mut seen: HashSet<Value, FixedState> = HashSet::default();
            values.retain(|value| seen.insert(value.clone()));
        }
        fold(aggregate.function, values)
    }

    /// `row_number` and `rank` by the order, and the aggregates over the whole partition.
    pub(super) fn window(
        &self,
        mut input: Relation,
        functions: &[(ColumnId, WindowFunction)],
        outer: &Outer,
    ) -> Result<Relation, Failure> {
        let columns = input.columns.clone();
        for (column, function) in functions {
            let positions = input.positions(&function.partition)?;
            let mut values = vec![Value::Null; input.rows.len()];
            for (_, mut members) in grouped(&input.rows, &positions) {
                let order = input.order(&function.order)?;
                members
                    .sort_by(|left, right| sort(&order, &input.rows[*left], &input.rows[*right]));
                let whole = self.over_partition(function, &input, &columns, &members, outer)?;
                let mut rank = 0;
                for (at, member) in members.iter().enumerate() {
                    let same = at > 0 && {
                        let (last, row) = (&input.rows[members[at - 1]], &input.rows[*member]);
                        sort(&order, last, row).is_eq()
                    };
                    rank = if same { rank } else { at + 1 };
                    let number = |number: usize| Value::I64(i64::try_from(number).unwrap_or(0));
                    values[*member] = match &*function.name {
                        "row_number" => number(at + 1),
                        "rank" => number(rank),
                        _ => whole.clone(),
                    };
                }
            }
            for (row, value) in input.rows.iter_mut().zip(values) {
                row.push(value);
            }
            input.columns.push(*column);
        }
        Ok(input)
    }

    fn over_partition(
        &self,
        function: &WindowFunction,
        input: &Relation,
        columns: &[ColumnId],
        members: &[usize],
        outer: &Outer,
    ) -> Result<Value, Failure> {
        let kind = match &*function.name {
            "row_number" | "rank" => return Ok(Value::Null),
            "count" => AggregateFunction::Count,
            "sum" => AggregateFunction::Sum,
            "min" => AggregateFunction::Min,
            "max" => AggregateFunction::Max,
            other => return Err(Failure::Unknown(other.to_owned())),
        };
        let Some(argument) = function.arguments.first() else {
            return Err(Failure::Unknown(format!("{} without an argument", function.name)));
        };
        let argument = self.compile(*argument, columns, outer)?;
        let values = members.iter().map(|member| {
            let row = &input.rows[*member][..columns.len()];
            self.value(&argument, columns, row, outer)
        });
        let values = values.collect::<Result<Vec<_>, _>>()?;
        fold(kind, values.into_iter().filter(|value| !value.is_null()).collect())
    }
}
