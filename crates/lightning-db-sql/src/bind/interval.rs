//! Moments moved by intervals: `date '1995-01-31' + interval '1' month`.
//!
//! Days and shorter units move any date or timestamp. Months and years, which are of no one length,
//! move moments that stand in the statement; a day that the month does not have becomes its last
//! one, as in `PostgreSQL`. A date moved by whole days, months or years stays a date.

use lightning_db_expression::Arithmetic;
use lightning_db_query::build::Term;
use lightning_db_types::{Value, ValueType};
use sqlparser::ast::{self, Expr, Interval};

use super::typed::Typed;
use crate::error::{Error, Position, Result};

const MICROS_A_SECOND: i64 = 1_000_000;
const MICROS_A_DAY: i64 = 86_400 * MICROS_A_SECOND;
const MONTHS_A_YEAR: i64 = 12;

/// A length of time in its three units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Span {
    months: i64,
    days: i64,
    micros: i64,
}

/// A moment and an interval; `sign` is 1 or -1.
pub(super) fn moved(
    moment: Typed,
    sign: i64,
    interval: &Interval,
    at: Option<Position>,
) -> Result<Typed> {
    let span = span_of(interval, at)?;
    let moment = moment.used_as(ValueType::Timestamp, at)?;
    if !matches!(moment.value_type, ValueType::Date | ValueType::Timestamp) {
        let detail = format!("an interval does not move a {}", moment.value_type);
        return Err(Error::invalid(detail, at));
    }
    let moment = by_months(moment, sign * span.months, at)?;
    if moment.value_type == ValueType::Date && span.micros == 0 {
        return Ok(plus(moment, sign * span.days));
    }
    let moment = moment.cast(ValueType::Timestamp, at)?;
    let days = span.days.checked_mul(MICROS_A_DAY);
    let micros = days.and_then(|days| days.checked_add(span.micros));
    let micros = micros.ok_or_else(|| Error::invalid("the interval is too long", at))?;
    Ok(plus(moment, sign * micros))
}

/// How long an interval is in the unit of a type: days or microseconds; `None` for months.
pub(super) fn distance(
    interval: &Interval,
    value_type: ValueType,
    at: Option<Position>,
) -> Result<Option<i64>> {
    let span = span_of(interval, at)?;
    Ok(match value_type {
        ValueType::Date if span.micros == 0 && span.months == 0 => Some(span.days),
        ValueType::Timestamp if span.months == 0 => {
            span.days.checked_mul(MICROS_A_DAY).and_then(|days| days.checked_add(span.micros))
        }
        _ => None,
    })
}

fn plus(moment: Typed, units: i64) -> Typed {
    if units == 0 {
        return moment;
    }
    let units = Box::new(Term::Literal(Value::I64(units)));
    let term = Term::Arithmetic(Arithmetic::Add, Box::new(moment.term), units);
    Typed::new(term, moment.value_type)
}

/// A moment in the text, moved by months.
fn by_months(moment: Typed, months: i64, at: Option<Position>) -> Result<Typed> {
    if months == 0 {
        return Ok(moment);
    }
    if !matches!(moment.term, Term::Literal(_)) {
        let hint = "months and years move a moment that stands in the statement";
        return Err(Error::unsupported_hint("this interval", hint, at));
    }
    let value_type = moment.value_type;
    let text = moment.cast(ValueType::Text, at)?.constant(&[], at)?;
    let refused = || Error::invalid("the moment cannot be moved so far", at);
    let Value::Text(text) = text else { return Err(refused()) };
    // `2024-01-31`, and for a timestamp what comes behind it.
    let (day, rest) = text.split_at_checked(10).ok_or_else(refused)?;
    let numbers: Option<Vec<i64>> = day.split('-').map(|part| part.parse().ok()).collect();
    let Some([year, month, day]) = numbers.as_deref() else { return Err(refused()) };
    let sum = year.checked_mul(MONTHS_A_YEAR).and_then(|it| it.checked_add(month - 1 + months));
    let sum = sum.ok_or_else(refused)?;
    let (year, month) = (sum.div_euclid(MONTHS_A_YEAR), sum.rem_euclid(MONTHS_A_YEAR) + 1);
    let day = (*day).min(month_len(year, month));
    let text = format!("{year:04}-{month:02}-{day:02}{rest}");
    Typed::value(Value::Text(text)).cast(value_type, at)
}

fn month_len(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The length of an interval: `'3' month`, or `'1 year 2 days'`.
fn span_of(interval: &Interval, at: Option<Position>) -> Result<Span> {
    let refused = || Error::unsupported(format!("the expression {interval}"), at);
    let text = match &*interval.value {
        Expr::Value(value) => match &value.value {
            ast::Value::SingleQuotedString(text) | ast::Value::Number(text, _) => text,
            _ => return Err(refused()),
        },
        _ => return Err(refused()),
    };
    if interval.last_field.is_some() || interval.leading_precision.is_some() {
        return Err(refused());
    }
    let mut span = Span::default();
    if let Some(unit) = &interval.leading_field {
        span.add(text, &unit.to_string()).ok_or_else(refused)?;
        return Ok(span);
    }
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (pairs, []) = words.as_chunks::<2>() else { return Err(refused()) };
    if pairs.is_empty() {
        return Err(refused());
    }
    for [count, unit] in pairs {
        span.add(count, unit).ok_or_else(refused)?;
    }
    Ok(span)
}

impl Span {
    /// Adds so many of a unit, if there is such a unit and they fit.
    fn add(&mut self, count: &str, unit: &str) -> Option<()> {
        let count: i64 = count.trim().parse().ok()?;
        let unit = unit.to_ascii_lowercase();
        let (field, each) = match unit.strip_suffix('s').unwrap_or(&unit) {
            "year" => (&mut self.months, MONTHS_A_YEAR),
            "month" | "mon" => (&mut self.months, 1),
            "week" => (&mut self.days, 7),
            "day" => (&mut self.days, 1),
            "hour" => (&mut self.micros, 3_600 * MICROS_A_SECOND),
            "minute" | "min" => (&mut self.micros, 60 * MICROS_A_SECOND),
            "second" | "sec" => (&mut self.micros, MICROS_A_SECOND),
            _ => return None,
        };
        let units = count.checked_mul(each)?;
        // Far enough from the ends that a sign cannot overflow.
        *field = field.checked_add(units).filter(|sum| sum.unsigned_abs() < 1 << 62)?;
        Some(())
    }
}
