//! Expressions over batches: each operator is a loop over the vectors of its operands.
//!
//! `None` stands for what a loop does not do or cannot have: the caller then goes by rows, which
//! find the same or the error.

use std::borrow::Cow;

use lightning_db_expression::{Columns, Comparison, Expression, Pattern};
use lightning_db_types::{Value, ValueRef};

use super::super::Run;
use super::vector::{Values, Vector};
use super::{Batch, BatchRow, arithmetic, compare};
use crate::program::{Computed, Located, located};

/// Longest list of an IN that is made ready for each batch; what a longer one takes of memory is
/// not worth it.
const LISTED_MAX: usize = 64;

/// A value for each row of a batch.
#[derive(Debug)]
pub(super) enum Operand<'b> {
    Each(Cow<'b, Vector>),
    /// The same for all.
    Same(Cow<'b, Value>),
    /// The same, where it stands.
    Lent(ValueRef<'b>),
}

impl Operand<'_> {
    #[inline]
    pub(super) fn at(&self, row: usize) -> ValueRef<'_> {
        match self {
            Self::Each(vector) => vector.value(row),
            Self::Same(value) => value.as_value_ref(),
            Self::Lent(value) => *value,
        }
    }

    /// The value that all rows have.
    pub(super) fn same(&self) -> Option<ValueRef<'_>> {
        match self {
            Self::Each(_) => None,
            Self::Same(value) => Some(value.as_value_ref()),
            Self::Lent(value) => Some(*value),
        }
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Each(vector) => vector.is_null(row),
            other => other.at(row).is_null(),
        }
    }

    pub(super) fn has_nulls(&self) -> bool {
        match self {
            Self::Each(vector) => vector.has_nulls(),
            other => other.at(0).is_null(),
        }
    }

    fn into_vector(self, rows: &[u32]) -> Vector {
        match self {
            Self::Each(vector) => vector.into_owned(),
            other => {
                let mut vector = Vector::default();
                for row in rows {
                    vector.put(*row as usize, other.at(0));
                }
                vector
            }
        }
    }
}

/// Which rows are null for one of two operands; empty if none is.
pub(super) fn nulls(operands: [&Operand<'_>; 2], rows: &[u32], len: usize) -> Vec<bool> {
    let mut nulls = Vec::new();
    for operand in operands.into_iter().filter(|operand| operand.has_nulls()) {
        nulls.resize(len, false);
        for row in rows {
            nulls[*row as usize] |= operand.is_null(*row as usize);
        }
    }
    nulls
}

/// What a scalar is computed from for a batch.
struct Frame<'b> {
    run: &'b Run<'b>,
    batch: &'b Batch<'b>,
    outer: &'b [ValueRef<'b>],
    /// Values of the parts that are no expression.
    parts: &'b [Vector],
}

/// One row of it.
struct FrameRow<'b>(&'b Frame<'b>, usize);

impl Columns for FrameRow<'_> {
    fn column(&self, position: usize) -> ValueRef<'_> {
        let Self(frame, row) = self;
        match located(position) {
            Located::Own(number) => {
                frame.batch.column(number).map_or(ValueRef::Null, |vector| vector.value(*row))
            }
            Located::Outer(place) => frame.outer.get(place).copied().unwrap_or_default(),
            Located::Parameter(number) => frame.run.parameters.column(number),
            Located::Part(number) => {
                frame.parts.get(number).map_or(ValueRef::Null, |vector| vector.value(*row))
            }
        }
    }
}

impl Run<'_> {
    /// The rows for which all conditions are true. Each is looked at where none before it is
    /// false.
    pub(super) fn narrowed(
        &self,
        conditions: &[Computed],
        batch: &Batch<'_>,
        outer: &[ValueRef<'_>],
    ) -> Option<Vec<u32>> {
        let mut rows = batch.rows.to_vec();
        let mut unknown: Vec<u32> = Vec::new();
        for condition in conditions {
            if rows.is_empty() {
                break;
            }
            let truth = self.over(condition, &batch.with_rows(&rows), outer, |frame, rows| {
                frame.truth(&condition.expression, rows)
            })?;
            let Values::Bool(values) = &truth.values else {
                // It is unknown for all.
                unknown.extend(&rows);
                continue;
            };
            if truth.nulls.is_empty() {
                rows.retain(|row| values[*row as usize]);
                continue;
            }
            rows.retain(|row| truth.nulls[*row as usize] || values[*row as usize]);
            unknown.extend(rows.iter().filter(|row| truth.nulls[**row as usize]));
        }
        if !unknown.is_empty() {
            let mut is_unknown = vec![false; batch.len];
            for row in &unknown {
                is_unknown[*row as usize] = true;
            }
            rows.retain(|row| !is_unknown[*row as usize]);
        }
        Some(rows)
    }

    /// Values of a scalar for the rows of a batch.
    pub(super) fn vector_of(
        &self,
        computed: &Computed,
        batch: &Batch<'_>,
        outer: &[ValueRef<'_>],
    ) -> Option<Vector> {
        self.over(computed, batch, outer, |frame, rows| {
            Some(frame.evaluate(&computed.expression, rows)?.into_vector(rows))
        })
    }

    fn over<T>(
        &self,
        computed: &Computed,
        batch: &Batch<'_>,
        outer: &[ValueRef<'_>],
        then: impl FnOnce(&Frame<'_>, &[u32]) -> Option<T>,
    ) -> Option<T> {
        let mut parts = vec![Vector::default(); computed.parts.len()];
        for (part, vector) in computed.parts.iter().zip(&mut parts) {
            for row in batch.rows {
                let value = self.part(part, &BatchRow(batch, *row as usize), outer).ok()?;
                vector.put(*row as usize, value.as_value_ref());
            }
        }
        then(&Frame { run: self, batch, outer, parts: &parts }, batch.rows)
    }
}

impl<'b> Frame<'b> {
    fn evaluate(&'b self, expression: &'b Expression, rows: &[u32]) -> Option<Operand<'b>> {
        match expression {
            Expression::Column(position) => match located(*position) {
                Located::Own(number) => {
                    self.batch.column(number).map(|it| Operand::Each(Cow::Borrowed(it)))
                }
                Located::Part(number) => {
                    self.parts.get(number).map(|it| Operand::Each(Cow::Borrowed(it)))
                }
                Located::Outer(place) => {
                    Some(Operand::Lent(self.outer.get(place).copied().unwrap_or_default()))
                }
                Located::Parameter(number) => {
                    Some(Operand::Lent(self.run.parameters.column(number)))
                }
            },
            Expression::Literal(value) => Some(Operand::Same(Cow::Borrowed(value))),
            _ if rows.is_empty() => Some(Operand::Lent(ValueRef::Null)),
            other if is_fixed(other) => {
                let value = other.evaluate(&FrameRow(self, 0)).ok()?;
                Some(Operand::Same(Cow::Owned(value)))
            }
            Expression::Arithmetic(operation, left, right) => {
                let (left, right) = (self.evaluate(left, rows)?, self.evaluate(right, rows)?);
                let made = arithmetic::apply(*operation, [&left, &right], rows, self.batch.len);
                made.or_else(|| self.by_rows(expression, rows)).map(owned)
            }
            Expression::Case { branches, otherwise } => {
                self.case(branches, otherwise.as_deref(), rows).map(owned)
            }
            Expression::Call(..) | Expression::Cast(..) | Expression::Negate(_) => {
                self.by_rows(expression, rows).map(owned)
            }
            _ => self.truth(expression, rows).map(owned),
        }
    }

    /// Row by row.
    fn by_rows(&self, expression: &Expression, rows: &[u32]) -> Option<Vector> {
        let mut vector = Vector::default();
        for row in rows {
            let row = *row as usize;
            let at = FrameRow(self, row);
            vector.put(row, expression.evaluated(&at).ok()?.as_value_ref());
        }
        Some(vector)
    }

    fn case(
        &self,
        branches: &[(Expression, Expression)],
        otherwise: Option<&Expression>,
        rows: &[u32],
    ) -> Option<Vector> {
        let mut rest = rows.to_vec();
        let mut made = Vec::with_capacity(branches.len() + 1);
        // Which of the values a row has.
        let mut choices = vec![branches.len(); self.batch.len];
        for (number, (condition, value)) in branches.iter().enumerate() {
            let truth = self.truth(condition, &rest)?;
            let is_true = |row: &u32| is_true(&truth, *row as usize);
            let these: Vec<u32> = rest.iter().copied().filter(is_true).collect();
            rest.retain(|row| !is_true(row));
            for row in &these {
                choices[*row as usize] = number;
            }
            made.push(self.evaluate(value, &these)?);
        }
        made.push(match otherwise {
            Some(value) => self.evaluate(value, &rest)?,
            None => Operand::Lent(ValueRef::Null),
        });
        let mut vector = Vector::default();
        for row in rows {
            let row = *row as usize;
            vector.put(row, made[choices[row]].at(row));
        }
        Some(vector)
    }

    /// Truth of a condition for rows: booleans or nulls.
    fn truth(&self, expression: &Expression, rows: &[u32]) -> Option<Vector> {
        let len = self.batch.len;
        match expression {
            _ if rows.is_empty() => Some(Vector::new(Values::Null(len))),
            Expression::Compare(comparison, left, right) => {
                let (left, right) = (self.evaluate(left, rows)?, self.evaluate(right, rows)?);
                compare::compared(*comparison, [&left, &right], rows, len)
            }
            Expression::And(all) => self.gathered(all, rows, false),
            Expression::Or(all) => self.gathered(all, rows, true),
            Expression::Not(operand) => {
                let mut truth = self.truth(operand, rows)?;
                if let Values::Bool(values) = &mut truth.values {
                    for value in values {
                        *value = !*value;
                    }
                }
                Some(truth)
            }
            Expression::IsNull(operand) => {
                let operand = self.evaluate(operand, rows)?;
                Some(truths(rows, len, |row| operand.is_null(row)))
            }
            Expression::In(_, list) if list.len() > LISTED_MAX => {
                self.truth_by_rows(expression, rows)
            }
            Expression::In(operand, list) => {
                let operand = self.evaluate(operand, rows)?;
                let list = list.iter().map(|item| self.evaluate(item, rows));
                let list = list.collect::<Option<Vec<_>>>()?;
                compare::among(&operand, &list, rows, len)
                    .or_else(|| self.truth_by_rows(expression, rows))
            }
            Expression::Between { value, low, high } => {
                let value = self.evaluate(value, rows)?;
                let (low, high) = (self.evaluate(low, rows)?, self.evaluate(high, rows)?);
                let above = compare::compared(Comparison::AtLeast, [&value, &low], rows, len)?;
                let below = compare::compared(Comparison::AtMost, [&value, &high], rows, len)?;
                Some(both(&above, &below, rows, len))
            }
            Expression::Like { value, pattern, escape } => {
                let (value, pattern) = (self.evaluate(value, rows)?, self.evaluate(pattern, rows)?);
                let (Operand::Each(texts), Some(ValueRef::Text(pattern))) =
                    (&value, pattern.same())
                else {
                    return self.truth_by_rows(expression, rows);
                };
                let Values::Text(texts) = &texts.values else {
                    return self.truth_by_rows(expression, rows);
                };
                let pattern = Pattern::new(pattern, *escape)?;
                let found = truths(rows, len, |row| pattern.matches(texts.at(row)));
                Some(found.with_nulls(nulls([&value, &value], rows, len)))
            }
            other => {
                let truth = self.by_value(other, rows)?;
                matches!(truth.values, Values::Bool(_) | Values::Null(_)).then_some(truth)
            }
        }
    }

    /// A value that is to be a truth.
    fn by_value(&self, expression: &Expression, rows: &[u32]) -> Option<Vector> {
        Some(self.evaluate(expression, rows)?.into_vector(rows))
    }

    fn truth_by_rows(&self, expression: &Expression, rows: &[u32]) -> Option<Vector> {
        let mut vector = Vector::new(Values::Bool(Vec::new()));
        for row in rows {
            let row = *row as usize;
            let truth = expression.truth(&FrameRow(self, row)).ok()?;
            vector.put(row, truth.map_or(ValueRef::Null, ValueRef::Bool));
        }
        Some(vector)
    }

    /// `And` and `Or`: an operand is looked at where none before it has the truth that decides.
    fn gathered(&self, all: &[Expression], rows: &[u32], decides: bool) -> Option<Vector> {
        let len = self.batch.len;
        let mut gathered = vec![!decides; len];
        let mut nulls = Vec::new();
        let mut rest = rows.to_vec();
        for operand in all {
            let truth = self.truth(operand, &rest)?;
            let Values::Bool(values) = &truth.values else {
                nulls.resize(len, false);
                for row in &rest {
                    nulls[*row as usize] = true;
                }
                continue;
            };
            let is_null = |row: usize| truth.nulls.get(row).copied().unwrap_or(false);
            rest.retain(|row| {
                let row = *row as usize;
                if is_null(row) {
                    nulls.resize(len, false);
                    nulls[row] = true;
                    return true;
                }
                if values[row] == decides {
                    gathered[row] = decides;
                    if let Some(null) = nulls.get_mut(row) {
                        *null = false;
                    }
                }
                values[row] != decides
            });
        }
        Some(Vector::new(Values::Bool(gathered)).with_nulls(nulls))
    }
}

fn owned<'b>(vector: Vector) -> Operand<'b> {
    Operand::Each(Cow::Owned(vector))
}

/// Whether it is the same for all rows of a batch.
fn is_fixed(expression: &Expression) -> bool {
    let mut is_fixed = true;
    expression.visit(&mut |part| {
        if let Expression::Column(position) = part {
            is_fixed &= !matches!(located(*position), Located::Own(_) | Located::Part(_));
        }
    });
    is_fixed
}

/// A truth for each row.
pub(super) fn truths(rows: &[u32], len: usize, truth: impl Fn(usize) -> bool) -> Vector {
    let mut values = vec![false; len];
    for row in rows {
        values[*row as usize] = truth(*row as usize);
    }
    Vector::new(Values::Bool(values))
}

pub(super) fn is_true(truth: &Vector, row: usize) -> bool {
    match &truth.values {
        Values::Bool(values) => values[row] && !truth.is_null(row),
        _ => false,
    }
}

/// Whether two are true: false if one is false, else unknown if one is.
fn both(one: &Vector, other: &Vector, rows: &[u32], len: usize) -> Vector {
    let is_false = |truth: &Vector, row: usize| !truth.is_null(row) && !is_true(truth, row);
    let found = truths(rows, len, |row| is_true(one, row) && is_true(other, row));
    if !one.has_nulls() && !other.has_nulls() {
        return found;
    }
    let mut nulls = vec![false; len];
    for row in rows {
        let row = *row as usize;
        let decided = is_false(one, row) || is_false(other, row);
        nulls[row] = !decided && (one.is_null(row) || other.is_null(row));
    }
    found.with_nulls(nulls)
}
