//! Functions. Each gives the same for the same arguments, on every machine.

use std::cmp::Ordering;

use lightning_db_types::{Decimal, Value, ValueRef};
use serde::{Deserialize, Serialize};

use super::evaluate::{Evaluated, Fault};
use super::{Expression, arithmetic, json, number};
use crate::columns::Columns;
use crate::error::Result;

mod math;
mod moment;
mod text;
mod truncate;
mod types;

pub use math::MathFunction;
pub use moment::DatePart;
use text::{Ends, text};
pub use types::Argument;

/// A function. All but `Coalesce`, `Greatest`, `Least`, `NullIf` and `ConcatSeparated` are null if
/// an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Function {
    /// A text in lower case, by Unicode.
    Lower,
    /// A text in upper case, by Unicode.
    Upper,
    /// Characters of a text, or number of bytes.
    Length,
    /// A text without spaces, or the characters of a second one, at its ends.
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
    /// A text without spaces, or the characters of a second one, at its beginning.
    TrimStart,
    /// A text without spaces, or the characters of a second one, at its end.
    TrimEnd,
    /// So many characters from the beginning of a text; with a negative number, all but so many.
    Left,
    /// So many characters from the end of a text; with a negative number, all but so many.
    Right,
    /// -1, 0 or 1 for a number below, equal to or above zero, of the same type.
    Sign,
    /// A number without what is behind its point, or behind digits behind it, of the same type.
    Truncate,
    /// The largest of the arguments that are not null.
    Greatest,
    /// The smallest of the arguments that are not null.
    Least,
    /// The first argument, or null if it is equal to the second.
    NullIf,
    /// The moment at which a unit of a moment began; that of `Weekday` is the week, from Monday.
    DateTruncate(DatePart),
    /// A function of real numbers.
    Math(MathFunction),
    /// A quotient without what is behind its point.
    Quotient,
    /// A text as one of so many characters: cut at its end, or filled up at its beginning with
    /// spaces or a third text.
    PadStart,
    /// A text as one of so many characters: cut at its end, or filled up there with spaces or a
    /// third text.
    PadEnd,
    /// A text so many times.
    Repeat,
    /// The characters of a text from the last to the first.
    Reverse,
    /// A field of a text between separators, counted from one, or from the last as -1; empty if it
    /// is not there.
    SplitPart,
    /// Texts one after the other, with the first between them; without those that are null.
    ConcatSeparated,
    /// A text whose words, of letters and digits, begin with a capital, by Unicode.
    Capitalize,
    /// The number of the first character of a text in Unicode; 0 of the empty one.
    CodePoint,
    /// The character of a number in Unicode.
    Character,
    /// A text with the characters of a second one replaced by those at the same places of a third,
    /// or by nothing where it is shorter.
    Translate,
    /// Bytes of a text, or number of bytes.
    ByteLength,
    /// A text with a second one in the place of its characters from a place on, counted from one;
    /// as many as the second has, or a number.
    Overlay,
    /// A whole number in hexadecimal digits, a negative one as its 64 bits.
    Hexadecimal,
    /// The point of two numbers: x, then y.
    Point,
    /// The x of a point.
    PointX,
    /// The y of a point.
    PointY,
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
            Self::DateTruncate(part) => part.start_name(),
            Self::Math(function) => function.name(),
            Self::Quotient => "div",
            Self::PadStart => "lpad",
            Self::PadEnd => "rpad",
            Self::Repeat => "repeat",
            Self::Reverse => "reverse",
            Self::SplitPart => "split_part",
            Self::ConcatSeparated => "concat_ws",
            Self::Capitalize => "initcap",
            Self::CodePoint => "ascii",
            Self::Character => "chr",
            Self::Translate => "translate",
            Self::ByteLength => "octet_length",
            Self::Overlay => "overlay",
            Self::Hexadecimal => "to_hex",
            Self::Point => "point",
            Self::PointX => "st_x",
            Self::PointY => "st_y",
        }
    }

    /// Whether its result changes with the version of Unicode.
    pub(crate) fn uses_unicode(self) -> bool {
        matches!(self, Self::Lower | Self::Upper | Self::Capitalize)
    }

    /// Whether it is null when an argument is.
    pub fn is_strict(self) -> bool {
        !matches!(
            self,
            Self::Coalesce | Self::Greatest | Self::Least | Self::NullIf | Self::ConcatSeparated
        )
    }

    /// How many arguments it takes.
    pub fn arguments(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Lower
            | Self::Upper
            | Self::Length
            | Self::Abs
            | Self::Floor
            | Self::Ceiling
            | Self::Sign
            | Self::DateTruncate(_)
            | Self::DatePart(_)
            | Self::Reverse
            | Self::Capitalize
            | Self::CodePoint
            | Self::Character
            | Self::ByteLength
            | Self::Hexadecimal
            | Self::PointX
            | Self::PointY => 1..=1,
            Self::Trim | Self::TrimStart | Self::TrimEnd | Self::Truncate | Self::Round => 1..=2,
            Self::JsonExtract
            | Self::StartsWith
            | Self::Position
            | Self::Left
            | Self::Right
            | Self::Quotient
            | Self::Repeat
            | Self::NullIf
            | Self::Point => 2..=2,
            Self::Math(function) => function.arguments()..=function.arguments(),
            Self::Replace | Self::SplitPart | Self::Translate => 3..=3,
            Self::Substring | Self::PadStart | Self::PadEnd => 2..=3,
            Self::Overlay => 3..=4,
            Self::ConcatSeparated => 2..=usize::MAX,
            Self::Concat | Self::Coalesce | Self::Greatest | Self::Least => 1..=usize::MAX,
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
    if function == Function::ConcatSeparated {
        return text::joined(expression, arguments, row);
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

fn whole(value: &Evaluated<'_>) -> Result<i64, Fault> {
    match value.as_value_ref() {
        ValueRef::I64(value) => Ok(value),
        ValueRef::U64(value) => Ok(i64::try_from(value).unwrap_or(i64::MAX)),
        other => Err(Fault::Type { expected: "whole number", found: other.value_type() }),
    }
}

fn point(value: ValueRef<'_>) -> Result<(f64, f64), Fault> {
    match value {
        ValueRef::Point { x, y } => Ok((x, y)),
        other => Err(Fault::Type { expected: "point", found: other.value_type() }),
    }
}

fn apply(function: Function, first: ValueRef<'_>, rest: &[Evaluated<'_>]) -> Result<Value, Fault> {
    let given = |at: usize| text(rest[at].as_value_ref());
    match function {
        Function::Lower => text(first).map(|text| Value::Text(text.to_lowercase())),
        Function::Upper => text(first).map(|text| Value::Text(text.to_uppercase())),
        Function::Capitalize => text(first).map(|text| Value::Text(text::capitalized(text))),
        Function::Reverse => text(first).map(|text| Value::Text(text.chars().rev().collect())),
        Function::Trim => text::trimmed(first, rest.first(), Ends::Both),
        Function::TrimStart => text::trimmed(first, rest.first(), Ends::Start),
        Function::TrimEnd => text::trimmed(first, rest.first(), Ends::End),
        Function::Length => text::length(first),
        Function::ByteLength => text::byte_length(first),
        Function::Substring => {
            let length = rest.get(1).map(whole).transpose()?;
            text::substring(text(first)?, whole(&rest[0])?, length)
        }
        Function::Concat => {
            let mut whole = text(first)?.to_owned();
            for part in rest {
                whole.push_str(text(part.as_value_ref())?);
            }
            Ok(Value::Text(whole))
        }
        Function::JsonExtract => json::extract(text(first)?, given(0)?),
        Function::DatePart(part) => moment::date_part(part, first).map(Value::I64),
        Function::DateTruncate(part) => moment::start_of(part, first),
        Function::StartsWith => Ok(Value::Bool(text(first)?.starts_with(given(0)?))),
        Function::Replace => text::replaced(text(first)?, given(0)?, given(1)?),
        Function::Translate => Ok(text::translated(text(first)?, given(0)?, given(1)?)),
        Function::Position => Ok(text::position(text(first)?, given(0)?)),
        Function::Left => Ok(text::part_at(text(first)?, whole(&rest[0])?, Ends::Start)),
        Function::Right => Ok(text::part_at(text(first)?, whole(&rest[0])?, Ends::End)),
        Function::PadStart => {
            text::padded(text(first)?, whole(&rest[0])?, rest.get(1), Ends::Start)
        }
        Function::PadEnd => text::padded(text(first)?, whole(&rest[0])?, rest.get(1), Ends::End),
        Function::Repeat => text::repeated(text(first)?, whole(&rest[0])?),
        Function::SplitPart => text::split_part(text(first)?, given(0)?, whole(&rest[1])?),
        Function::Overlay => {
            let length = rest.get(2).map(whole).transpose()?;
            text::overlay(text(first)?, given(0)?, whole(&rest[1])?, length)
        }
        Function::CodePoint => text(first).map(text::code_point),
        Function::Character => text::character(whole(&Evaluated::Borrowed(first))?),
        Function::Hexadecimal => text::hexadecimal(first),
        Function::Point => {
            let of = arithmetic::to_float;
            Ok(Value::Point { x: of(first)?, y: of(rest[0].as_value_ref())? })
        }
        Function::PointX => point(first).map(|(x, _)| Value::F64(x)),
        Function::PointY => point(first).map(|(_, y)| Value::F64(y)),
        _ => of_numbers(function, first, rest),
    }
}

fn of_numbers(
    function: Function,
    first: ValueRef<'_>,
    rest: &[Evaluated<'_>],
) -> Result<Value, Fault> {
    match function {
        Function::Math(function) => math::apply(function, first, rest),
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
        Function::Floor => bounded(first, f64::floor, i128::div_euclid),
        Function::Ceiling => bounded(first, f64::ceil, |digits, unit| -(-digits).div_euclid(unit)),
        Function::Truncate => match rest.first() {
            Some(digits) => truncate::truncate(first, whole(digits)?),
            None => bounded(first, f64::trunc, |digits, unit| digits / unit),
        },
        Function::Quotient => truncate::quotient(first, rest[0].as_value_ref()),
        Function::Sign => sign(first),
        // Those that choose among their arguments have been called already.
        _ => Ok(first.to_value()),
    }
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
