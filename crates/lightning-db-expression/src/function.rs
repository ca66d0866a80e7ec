//! Functions. Each gives the same for the same arguments, on every machine.

use lightning_db_types::{Value, ValueRef, ValueType};
use serde::{Deserialize, Serialize};

use super::evaluate::{Evaluated, Fault};
use super::{Expression, arithmetic, date, json};
use crate::columns::Columns;
use crate::error::Result;

/// A function. All but `Coalesce` are null if an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Function {
    /// A text in lower case, by Unicode.
    Lower,
    /// A text in upper case, by Unicode.
    Upper,
    /// Characters of a text, or number of bytes.
    Length,
    /// A text without spaces at its ends.
    Trim,
    /// Part of a text: from a character, counted from one, and optionally how many. Positions
    /// before the first character count, and give nothing.
    Substring,
    /// Texts one after the other.
    Concat,
    /// The first argument that is not null.
    Coalesce,
    /// A number without its sign.
    Abs,
    /// A number rounded, half away from zero, to digits behind the point (none if not given).
    Round,
    /// What stands at a path such as `$.a.b[0]` in a JSON text. A text, number, truth value or null
    /// comes as such, an object or array as its JSON text; null if there is nothing at the path.
    JsonExtract,
    /// Part of a date or timestamp, as a whole number.
    DatePart(DatePart),
    /// Whether a text starts with another.
    StartsWith,
}

/// Part of a date or timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DatePart {
    /// Year.
    Year,
    /// Quarter, 1 to 4.
    Quarter,
    /// Month, 1 to 12.
    Month,
    /// Day of the month, from 1.
    Day,
    /// Day of the year, from 1.
    DayOfYear,
    /// Day of the week, from Monday as 1 to Sunday as 7.
    Weekday,
    /// Hour, 0 to 23; 0 of a date.
    Hour,
    /// Minute, 0 to 59; 0 of a date.
    Minute,
    /// Second, 0 to 59; 0 of a date.
    Second,
    /// Microsecond of the second; 0 of a date.
    Microsecond,
    /// Whole seconds since 1970-01-01T00:00:00Z.
    Epoch,
}

impl Function {
    /// Name as it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Upper => "upper",
            Self::Length => "length",
            Self::Trim => "trim",
            Self::Substring => "substring",
            Self::Concat => "concat",
            Self::Coalesce => "coalesce",
            Self::Abs => "abs",
            Self::Round => "round",
            Self::JsonExtract => "json_extract",
            Self::DatePart(part) => part.name(),
            Self::StartsWith => "starts_with",
        }
    }

    /// Whether its result changes with the version of Unicode.
    pub(crate) fn uses_unicode(self) -> bool {
        matches!(self, Self::Lower | Self::Upper)
    }

    /// Whether it is null when an argument is.
    pub(crate) fn is_strict(self) -> bool {
        self != Self::Coalesce
    }

    /// How many arguments it takes.
    pub fn arguments(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Lower
            | Self::Upper
            | Self::Length
            | Self::Trim
            | Self::Abs
            | Self::DatePart(_) => 1..=1,
            Self::Round => 1..=2,
            Self::JsonExtract | Self::StartsWith => 2..=2,
            Self::Substring => 2..=3,
            Self::Concat | Self::Coalesce => 1..=usize::MAX,
        }
    }
}

impl DatePart {
    /// Name as it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
            Self::Day => "day",
            Self::DayOfYear => "day_of_year",
            Self::Weekday => "weekday",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
            Self::Microsecond => "microsecond",
            Self::Epoch => "epoch",
        }
    }
}

pub(crate) fn call<'a>(
    expression: &'a Expression,
    function: Function,
    arguments: &'a [Expression],
    row: &'a dyn Columns,
) -> Result<Evaluated<'a>> {
    if !function.arguments().contains(&arguments.len()) {
        let detail = format!("it does not take {} arguments", arguments.len());
        return Err(Fault::Detail(detail).of(expression));
    }
    if function == Function::Coalesce {
        for argument in arguments {
            let value = argument.evaluated(row)?;
            if !value.as_value_ref().is_null() {
                return Ok(value);
            }
        }
        return Ok(Evaluated::Borrowed(ValueRef::Null));
    }
    // Most functions have one argument, and none of these needs a vector.
    let first = arguments[0].evaluated(row)?;
    let rest: Vec<Evaluated<'_>> =
        arguments[1..].iter().map(|argument| argument.evaluated(row)).collect::<Result<_>>()?;
    let nulls = std::iter::once(&first).chain(&rest).any(|value| value.as_value_ref().is_null());
    if nulls {
        return Ok(Evaluated::Borrowed(ValueRef::Null));
    }
    let value = apply(function, first.as_value_ref(), &rest);
    value.map(Evaluated::Made).map_err(|fault| fault.of(expression))
}

fn text(value: ValueRef<'_>) -> Result<&str, Fault> {
    match value {
        ValueRef::Text(text) => Ok(text),
        other => Err(Fault::Type { expected: "text", found: other.value_type() }),
    }
}

fn whole(value: &Evaluated<'_>) -> Result<i64, Fault> {
    match value.as_value_ref() {
        ValueRef::I64(value) => Ok(value),
        ValueRef::U64(value) => Ok(i64::try_from(value).unwrap_or(i64::MAX)),
        other => Err(Fault::Type { expected: "whole number", found: other.value_type() }),
    }
}

fn apply(function: Function, first: ValueRef<'_>, rest: &[Evaluated<'_>]) -> Result<Value, Fault> {
    match function {
        Function::Lower => text(first).map(|text| Value::Text(text.to_lowercase())),
        Function::Upper => text(first).map(|text| Value::Text(text.to_uppercase())),
        Function::Trim => text(first).map(|text| Value::from(text.trim_matches(' '))),
        Function::Length => {
            let length = match first {
                ValueRef::Bytes(bytes) => bytes.len(),
                other => text(other)?.chars().count(),
            };
            Ok(Value::I64(i64::try_from(length).unwrap_or(i64::MAX)))
        }
        Function::Substring => {
            let length = rest.get(1).map(whole).transpose()?;
            substring(text(first)?, whole(&rest[0])?, length)
        }
        Function::Concat => {
            let mut whole = text(first)?.to_owned();
            for part in rest {
                whole.push_str(text(part.as_value_ref())?);
            }
            Ok(Value::Text(whole))
        }
        Function::Abs => match first {
            ValueRef::I64(value) if value < 0 => arithmetic::negate(first),
            ValueRef::F64(value) => Ok(Value::F64(value.abs())),
            ValueRef::Decimal(value) if value.mantissa() < 0 => arithmetic::negate(first),
            ValueRef::I64(_) | ValueRef::U64(_) | ValueRef::Decimal(_) => Ok(first.to_value()),
            other => Err(Fault::Type { expected: "number", found: other.value_type() }),
        },
        Function::Round => {
            let digits = rest.first().map(whole).transpose()?.unwrap_or(0);
            arithmetic::round(first, digits)
        }
        Function::JsonExtract => json::extract(text(first)?, text(rest[0].as_value_ref())?),
        Function::DatePart(part) => date_part(part, first).map(Value::I64),
        Function::StartsWith => {
            Ok(Value::Bool(text(first)?.starts_with(text(rest[0].as_value_ref())?)))
        }
        Function::Coalesce => Ok(first.to_value()),
    }
}

fn substring(text: &str, start: i64, length: Option<i64>) -> Result<Value, Fault> {
    if length.is_some_and(|length| length < 0) {
        return Err(Fault::detail("a substring has no negative length"));
    }
    // Characters from `start` to before `end`, of which those before the first are not there.
    let end = length.map_or(i64::MAX, |length| start.saturating_add(length));
    let skip = usize::try_from(start.max(1) - 1).unwrap_or(usize::MAX);
    let take = usize::try_from(end.saturating_sub(start.max(1))).unwrap_or(0);
    Ok(Value::Text(text.chars().skip(skip).take(take).collect()))
}

fn date_part(part: DatePart, value: ValueRef<'_>) -> Result<i64, Fault> {
    let (day, of_day) = match value {
        ValueRef::Date(day) => (i64::from(day), 0),
        ValueRef::Timestamp(micros) => arithmetic::day_of(micros),
        other => {
            let expected = ValueType::Timestamp.name();
            return Err(Fault::Type { expected, found: other.value_type() });
        }
    };
    let (year, month, of_month) = date::civil(day);
    let seconds = of_day / 1_000_000;
    Ok(match part {
        DatePart::Year => year,
        DatePart::Quarter => (month - 1) / 3 + 1,
        DatePart::Month => month,
        DatePart::Day => of_month,
        DatePart::DayOfYear => day - date::days(year, 1, 1).unwrap_or(day) + 1,
        // The first day that counts from zero was a Thursday.
        DatePart::Weekday => (day + 3).rem_euclid(7) + 1,
        DatePart::Hour => seconds / 3_600,
        DatePart::Minute => seconds / 60 % 60,
        DatePart::Second => seconds % 60,
        DatePart::Microsecond => of_day % 1_000_000,
        DatePart::Epoch => day * 86_400 + seconds,
    })
}
