//! Types of what terms are made of.

use lightning_db_expression::number::is_number;
use lightning_db_expression::{Argument, Arithmetic, Function};
use lightning_db_types::ValueType;

use crate::error::{Error, Result};
use crate::query::{
    Aggregate, AggregateFunction, Query, Scalar, ScalarId, Subquery, arithmetic_type,
};

/// Whether values of both types compare; what is not known before it is seen may.
pub(super) fn comparable(left: ValueType, right: ValueType) -> bool {
    left == right
        || left == ValueType::Null
        || right == ValueType::Null
        || (is_number(left) && is_number(right))
}

/// What an operand must be.
#[derive(Clone, Copy)]
enum Wanted {
    Truth,
    Text,
    TextOrBytes,
    Number,
    Whole,
    Moment,
    Point,
}

impl Wanted {
    fn takes(self, found: ValueType) -> bool {
        use ValueType::{Bool, Bytes, Date, I64, Null, Text, Timestamp, U64};
        found == Null
            || match self {
                Self::Truth => found == Bool,
                Self::Text => found == Text,
                Self::TextOrBytes => matches!(found, Text | Bytes),
                Self::Number => is_number(found),
                Self::Whole => matches!(found, I64 | U64),
                Self::Moment => matches!(found, Date | Timestamp),
                Self::Point => found == ValueType::Point,
            }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Truth => "bool",
            Self::Text => "text",
            Self::TextOrBytes => "text or bytes",
            Self::Number => "a number",
            Self::Whole => "a whole number",
            Self::Moment => "a date or timestamp",
            Self::Point => "a point",
        }
    }
}

/// Checks the operands of a scalar, which have been checked themselves.
pub(super) fn check(query: &Query, id: ScalarId) -> Result<()> {
    let scalar = query.scalar(id);
    let each = |operands: &[ScalarId], wanted: Wanted| {
        operands.iter().try_for_each(|operand| expect(query, id, *operand, wanted))
    };
    match scalar {
        Scalar::Compare(_, left, right) => compared(query, id, *left, *right),
        Scalar::In(one, list) => list.iter().try_for_each(|item| compared(query, id, *one, *item)),
        Scalar::And(all) | Scalar::Or(all) => each(all, Wanted::Truth),
        Scalar::Not(one) => each(&[*one], Wanted::Truth),
        Scalar::Like { value, pattern, .. } => each(&[*value, *pattern], Wanted::Text),
        Scalar::Arithmetic(operation, left, right) => {
            calculated(query, id, *operation, *left, *right)
        }
        Scalar::Negate(one) => each(&[*one], Wanted::Number),
        Scalar::Call(function, arguments) => called(query, id, *function, arguments),
        Scalar::Case { branches, otherwise } => {
            let conditions: Vec<ScalarId> =
                branches.iter().map(|(condition, _)| *condition).collect();
            each(&conditions, Wanted::Truth)?;
            let values = branches.iter().map(|(_, value)| *value).chain(*otherwise);
            same_type(query, id, values)
        }
        Scalar::Subquery(Subquery::Any(_, value, node) | Subquery::All(_, value, node)) => {
            let column = query.output(*node)[0];
            let found = query.column(column).value_type;
            let expected = query.value_type(*value);
            if comparable(expected, found) {
                Ok(())
            } else {
                wrong(query, id, expected.name(), found)
            }
        }
        Scalar::Column(_)
        | Scalar::Literal(_)
        | Scalar::Parameter(..)
        | Scalar::IsNull(_)
        | Scalar::Cast(..)
        | Scalar::External { .. }
        | Scalar::Subquery(_) => Ok(()),
    }
}

/// Checks that a scalar is a condition.
pub(super) fn condition(query: &Query, id: ScalarId) -> Result<()> {
    expect(query, id, id, Wanted::Truth)
}

/// Checks the argument of an aggregate.
pub(super) fn aggregate(query: &Query, aggregate: &Aggregate) -> Result<()> {
    let Some(argument) = aggregate.argument else {
        if aggregate.function == AggregateFunction::Count && !aggregate.distinct {
            return Ok(());
        }
        let detail = format!("{} needs an argument", aggregate.function);
        return Err(Error::Shape { what: "an aggregate", detail });
    };
    let wanted = match aggregate.function {
        AggregateFunction::Sum | AggregateFunction::Average | AggregateFunction::Spread(_) => {
            Wanted::Number
        }
        AggregateFunction::Any | AggregateFunction::Every => Wanted::Truth,
        AggregateFunction::Count | AggregateFunction::Min | AggregateFunction::Max => return Ok(()),
    };
    let found = query.value_type(argument);
    if wanted.takes(found) {
        return Ok(());
    }
    let expression = query.aggregate_text(aggregate);
    Err(Error::Type { expression, expected: wanted.name().to_owned(), found })
}

fn wrong(query: &Query, id: ScalarId, expected: &str, found: ValueType) -> Result<()> {
    let expression = query.scalar_text(id);
    Err(Error::Type { expression, expected: expected.to_owned(), found })
}

fn expect(query: &Query, id: ScalarId, operand: ScalarId, wanted: Wanted) -> Result<()> {
    let found = query.value_type(operand);
    if wanted.takes(found) { Ok(()) } else { wrong(query, id, wanted.name(), found) }
}

fn compared(query: &Query, id: ScalarId, left: ScalarId, right: ScalarId) -> Result<()> {
    let (expected, found) = (query.value_type(left), query.value_type(right));
    if comparable(expected, found) { Ok(()) } else { wrong(query, id, expected.name(), found) }
}

fn same_type(
    query: &Query,
    id: ScalarId,
    values: impl IntoIterator<Item = ScalarId>,
) -> Result<()> {
    let mut expected = ValueType::Null;
    for value in values {
        let found = query.value_type(value);
        if expected == ValueType::Null {
            expected = found;
        } else if found != ValueType::Null && found != expected {
            return wrong(query, id, expected.name(), found);
        }
    }
    Ok(())
}

fn calculated(
    query: &Query,
    id: ScalarId,
    operation: Arithmetic,
    left: ScalarId,
    right: ScalarId,
) -> Result<()> {
    let (left, right) = (query.value_type(left), query.value_type(right));
    let unknown = left == ValueType::Null || right == ValueType::Null;
    if unknown || arithmetic_type(operation, left, right) != ValueType::Null {
        return Ok(());
    }
    let moment = Wanted::Moment.takes(left);
    let expected = if moment { "a whole number of days or microseconds" } else { "a number" };
    wrong(query, id, expected, if moment || is_number(left) { right } else { left })
}

fn called(query: &Query, id: ScalarId, function: Function, arguments: &[ScalarId]) -> Result<()> {
    if !function.arguments().contains(&arguments.len()) {
        let (name, given) = (function.name(), arguments.len());
        let (least, most) = function.arguments().into_inner();
        let wanted = if least == most { least.to_string() } else { format!("at least {least}") };
        let detail = format!("{name} takes {wanted} arguments, not {given}");
        return Err(Error::Shape { what: "a call", detail });
    }
    let wanted = |position: usize| match function.argument(position) {
        Argument::TextOrBytes => Wanted::TextOrBytes,
        Argument::Whole => Wanted::Whole,
        Argument::Number => Wanted::Number,
        Argument::Moment => Wanted::Moment,
        Argument::Point => Wanted::Point,
        _ => Wanted::Text,
    };
    if let (Function::NullIf, [left, right]) = (function, arguments) {
        return compared(query, id, *left, *right);
    }
    if !function.is_strict() {
        return same_type(query, id, arguments.iter().copied());
    }
    let mut all = arguments.iter().enumerate();
    all.try_for_each(|(position, argument)| expect(query, id, *argument, wanted(position)))
}
