//! Functions. Each gives the same for the same arguments, on every machine.

use std::cmp::Ordering;

use lightning_db_types::{Decimal, Value, ValueRef, ValueType};
use serde::{Deserialize, Serialize};

use super::evaluate::{Evaluated, Fault};
use super::{Expression, arithmetic, date, json, number};
use crate::columns::Columns;
use crate::error::Result;

/// A function. All but `Coalesce`, `Greatest`, `Least` and `NullIf` are null if an argument is.
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
    /// A text with each occurrence of a second one replaced by a third; with none if the second is
    /// empty.
    Replace,
    /// At which character of a text another begins, counted from one; 0 if it is not in it.
    Position,
    /// The largest whole number that is no larger, of the same type.
    Floor,
    /// The smallest whole number that is no smaller, of the same type.
    Ceiling,
    /// A text without spaces at its beginning.
    TrimStart,
    /// A text without spaces at its end.
    TrimEnd,
    /// So many characters from the beginning of a text; with a negative number, all but so many.
    Left,
    /// So many characters from the end of a text; with a negative number, all but so many.
    Right,
    /// -1, 0 or 1 for a number below, equal to or above zero, of the same type.
    Sign,
    /// A number without what is behind its point, of the same type.
    Truncate,
    /// The largest of the arguments that are not null.
    Greatest,
    /// The smallest of the arguments that are not null.
    Least,
    /// The first argument, or null if it is equal to the second.
    NullIf,
    /// The moment at which a unit of a moment began; that of `Weekday` is the week, from Monday.
    DateTruncate(DatePart),
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
            Self::Replace => "replace",
            Self::Position => "position",
            Self::Floor => "floor",
            Self::Ceiling => "ceiling",
            Self::TrimStart => "trim_start",
            Self::TrimEnd => "trim_end",
            Self::Left => "left",
            Self::Right => "right",
            Self::Sign => "sign",
            Self::Truncate => "truncate",
            Self::Greatest => "greatest",
            Self::Least => "least",
            Self::NullIf => "nullif",
            Self::DateTruncate(part) => match part {
                DatePart::Year => "start_of_year",
                DatePart::Quarter => "start_of_quarter",
                DatePart::Month => "start_of_month",
                DatePart::Weekday => "start_of_week",
                DatePart::Day | DatePart::DayOfYear => "start_of_day",
                DatePart::Hour => "start_of_hour",
                DatePart::Minute => "start_of_minute",
                DatePart::Second | DatePart::Epoch => "start_of_second",
                DatePart::Microsecond => "start_of_microsecond",
            },
        }
    }

    /// Whether its result changes with the version of Unicode.
    pub(crate) fn uses_unicode(self) -> bool {
        matches!(self, Self::Lower | Self::Upper)
    }

    /// Whether it is null when an argument is.
    pub fn is_strict(self) -> bool {
        !matches!(self, Self::Coalesce | Self::Greatest | Self::Least | Self::NullIf)
    }

    /// How many arguments it takes.
    pub fn arguments(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Lower
            | Self::Upper
            | Self::Length
            | Self::Trim
            | Self::Abs
            | Self::Floor
            | Self::Ceiling
            | Self::TrimStart
            | Self::TrimEnd
            | Self::Sign
            | Self::Truncate
            | Self::DateTruncate(_)
            | Self::DatePart(_) => 1..=1,
            Self::Round => 1..=2,
            Self::JsonExtract
            | Self::StartsWith
            | Self::Position
            | Self::Left
            | Self::Right
            | Self::NullIf => 2..=2,
            Self::Replace => 3..=3,
            Self::Substring => 2..=3,
            Self::Concat | Self::Coalesce | Self::Greatest | Self::Least => 1..=usize::MAX,
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
    if !function.is_strict() {
        return choose(expression, function, arguments, row);
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

/// One of the arguments, or null.
fn choose<'a>(
    expression: &'a Expression,
    function: Function,
    arguments: &'a [Expression],
    row: &'a dyn Columns,
) -> Result<Evaluated<'a>> {
    let mut best: Option<Evaluated<'_>> = None;
    for argument in arguments {
        let value = argument.evaluated(row)?;
        if value.as_value_ref().is_null() {
            if function == Function::NullIf {
                break;
            }
            continue;
        }
        let Some(known) = &best else {
            if function == Function::Coalesce {
                return Ok(value);
            }
            best = Some(value);
            continue;
        };
        let (found, other) = (value.as_value_ref(), known.as_value_ref());
        let order = number::compare(found, other).ok_or_else(|| {
            let (expected, found) = (other.value_type().name(), found.value_type());
            Fault::Type { expected, found }.of(expression)
        })?;
        match (function, order) {
            (Function::NullIf, Ordering::Equal) => best = None,
            (Function::Greatest, Ordering::Greater) | (Function::Least, Ordering::Less) => {
                best = Some(value);
            }
            _ => {}
        }
    }
    Ok(best.unwrap_or(Evaluated::Borrowed(ValueRef::Null)))
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
        Function::Replace => {
            let (from, to) = (text(rest[0].as_value_ref())?, text(rest[1].as_value_ref())?);
            let whole = text(first)?;
            Ok(match from {
                "" => Value::from(whole),
                from => Value::Text(whole.replace(from, to)),
            })
        }
        Function::Position => {
            let (whole, part) = (text(first)?, text(rest[0].as_value_ref())?);
            let before = whole.find(part).map_or(0, |at| whole[..at].chars().count() + 1);
            Ok(Value::I64(i64::try_from(before).unwrap_or(i64::MAX)))
        }
        Function::Floor => bounded(first, f64::floor, i128::div_euclid),
        Function::Ceiling => bounded(first, f64::ceil, |digits, unit| -(-digits).div_euclid(unit)),
        Function::TrimStart => text(first).map(|text| Value::from(text.trim_start_matches(' '))),
        Function::TrimEnd => text(first).map(|text| Value::from(text.trim_end_matches(' '))),
        Function::Left => Ok(ends(text(first)?, whole(&rest[0])?, true)),
        Function::Right => Ok(ends(text(first)?, whole(&rest[0])?, false)),
        Function::Sign => sign(first),
        Function::Truncate => bounded(first, f64::trunc, |digits, unit| digits / unit),
        Function::DateTruncate(part) => start_of(part, first),
        Function::Coalesce | Function::Greatest | Function::Least | Function::NullIf => {
            Ok(first.to_value())
        }
    }
}

/// Characters at the beginning or the end of a text.
fn ends(text: &str, count: i64, from_start: bool) -> Value {
    let len = text.chars().count();
    let given = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let kept = if count < 0 { len.saturating_sub(given) } else { given.min(len) };
    let characters = text.chars();
    Value::Text(if from_start {
        characters.take(kept).collect()
    } else {
        characters.skip(len - kept).collect()
    })
}

fn sign(value: ValueRef<'_>) -> Result<Value, Fault> {
    match value {
        ValueRef::I64(value) => Ok(Value::I64(value.signum())),
        ValueRef::U64(value) => Ok(Value::U64(value.min(1))),
        ValueRef::F64(value) if value == 0.0 || value.is_nan() => Ok(Value::F64(value)),
        ValueRef::F64(value) => Ok(Value::F64(value.signum())),
        ValueRef::Decimal(value) => {
            let sign = Decimal::new(value.mantissa().signum(), 0);
            Ok(Value::Decimal(sign.map_err(|error| Fault::detail(error.to_string()))?))
        }
        other => Err(Fault::Type { expected: "number", found: other.value_type() }),
    }
}

/// The whole number on one side of another, of the same type.
fn bounded(
    value: ValueRef<'_>,
    of_float: fn(f64) -> f64,
    of_digits: fn(i128, i128) -> i128,
) -> Result<Value, Fault> {
    match value {
        ValueRef::I64(_) | ValueRef::U64(_) => Ok(value.to_value()),
        ValueRef::F64(value) => Ok(Value::F64(of_float(value))),
        ValueRef::Decimal(value) => {
            let whole = of_digits(value.mantissa(), 10_i128.pow(value.scale().into()));
            let whole = Decimal::new(whole, 0).map_err(|error| Fault::detail(error.to_string()))?;
            Ok(Value::Decimal(whole))
        }
        other => Err(Fault::Type { expected: "number", found: other.value_type() }),
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

/// Day since 1970, and microseconds of that day.
fn moment(value: ValueRef<'_>) -> Result<(i64, i64), Fault> {
    match value {
        ValueRef::Date(day) => Ok((i64::from(day), 0)),
        ValueRef::Timestamp(micros) => Ok(arithmetic::day_of(micros)),
        other => {
            let expected = ValueType::Timestamp.name();
            Err(Fault::Type { expected, found: other.value_type() })
        }
    }
}

fn start_of(part: DatePart, value: ValueRef<'_>) -> Result<Value, Fault> {
    let (day, of_day) = moment(value)?;
    let (year, month, _) = date::civil(day);
    let first = |month: i64| date::days(year, month, 1).unwrap_or(day);
    let (day, of_day) = match part {
        DatePart::Year => (first(1), 0),
        DatePart::Quarter => (first((month - 1) / 3 * 3 + 1), 0),
        DatePart::Month => (first(month), 0),
        DatePart::Weekday => (day - (day + 3).rem_euclid(7), 0),
        DatePart::Day | DatePart::DayOfYear => (day, 0),
        DatePart::Hour => (day, of_day - of_day % 3_600_000_000),
        DatePart::Minute => (day, of_day - of_day % 60_000_000),
        DatePart::Second | DatePart::Epoch => (day, of_day - of_day % 1_000_000),
        DatePart::Microsecond => (day, of_day),
    };
    let micros = day.checked_mul(date::MICROS_A_DAY).and_then(|it| it.checked_add(of_day));
    let micros = micros.ok_or_else(|| Fault::detail("the moment does not fit"))?;
    Ok(Value::Timestamp(micros))
}

fn date_part(part: DatePart, value: ValueRef<'_>) -> Result<i64, Fault> {
    let (day, of_day) = moment(value)?;
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
