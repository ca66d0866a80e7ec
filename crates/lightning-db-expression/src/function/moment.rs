//! Functions of dates and timestamps.

use lightning_db_types::{Value, ValueRef, ValueType};
use serde::{Deserialize, Serialize};

use super::super::evaluate::Fault;
use super::super::{arithmetic, date};

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

    /// Name of the function that gives the beginning of such a unit.
    pub(super) fn start_name(self) -> &'static str {
        match self {
            Self::Year => "start_of_year",
            Self::Quarter => "start_of_quarter",
            Self::Month => "start_of_month",
            Self::Weekday => "start_of_week",
            Self::Day | Self::DayOfYear => "start_of_day",
            Self::Hour => "start_of_hour",
            Self::Minute => "start_of_minute",
            Self::Second | Self::Epoch => "start_of_second",
            Self::Microsecond => "start_of_microsecond",
        }
    }
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

pub(super) fn start_of(part: DatePart, value: ValueRef<'_>) -> Result<Value, Fault> {
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

pub(super) fn date_part(part: DatePart, value: ValueRef<'_>) -> Result<i64, Fault> {
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
