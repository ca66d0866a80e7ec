//! Days and moments of the Gregorian calendar, without time zones.
//!
//! Source: Hinnant, "chrono-compatible low-level date algorithms": days are counted in eras of 400
//! years that begin on the first of March, so that the leap day is last.

use super::evaluate::Fault;

pub(crate) const MICROS_A_DAY: i64 = 86_400_000_000;

/// Year, month and day of a number of days since 1970-01-01.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Days since 1970-01-01 of a date; `None` if there is no such day.
pub(crate) fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year.abs() > 6_000_000 {
        return None;
    }
    let shifted = year - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    (civil(days) == (year, month, day)).then_some(days)
}

pub(crate) fn date_text(days: i64) -> String {
    let (year, month, day) = civil(days);
    if (0..=9_999).contains(&year) {
        return format!("{year:04}-{month:02}-{day:02}");
    }
    format!("{year:+05}-{month:02}-{day:02}")
}

pub(crate) fn timestamp_text(micros: i64) -> String {
    let date = date_text(micros.div_euclid(MICROS_A_DAY));
    let of_day = micros.rem_euclid(MICROS_A_DAY);
    let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let fraction = match fraction {
        0 => String::new(),
        fraction => format!(".{fraction:06}").trim_end_matches('0').to_owned(),
    };
    format!("{date}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Reads `YYYY-MM-DD`, with a sign before a year of other than four digits.
pub(crate) fn parse_date(text: &str) -> Result<i64, Fault> {
    let read = || {
        let (sign, rest) = match text.as_bytes().first()? {
            b'-' => (-1, &text[1..]),
            b'+' => (1, &text[1..]),
            _ => (1, text),
        };
        let mut parts = rest.split('-');
        let year = number(parts.next()?, 4..=7)?;
        let (month, day) = (number(parts.next()?, 2..=2)?, number(parts.next()?, 2..=2)?);
        if parts.next().is_some() {
            return None;
        }
        days(sign * year, month, day)
    };
    read().ok_or_else(|| Fault::detail(format!("{text:?} is no date such as 2026-11-23")))
}

/// Reads a date, optionally followed by `T` or a space, `HH:MM` and perhaps `:SS` with a fraction,
/// and `Z` or the distance from it, as in `+02`, `-0530` or `+05:30`.
pub(crate) fn parse_timestamp(text: &str) -> Result<i64, Fault> {
    let read = || {
        let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
        let (time, ahead) = match (time.strip_suffix('Z'), time.find(['+', '-'])) {
            (Some(time), _) => (time, 0),
            (None, Some(sign)) => {
                let minutes = zone(&time[sign + 1..])?;
                (
                    time[..sign].trim_end(),
                    if time[sign..].starts_with('-') { -minutes } else { minutes },
                )
            }
            (None, None) => (time, 0),
        };
        let (time, fraction) = match time.split_once('.') {
            Some((time, fraction)) => (time, micros_of(fraction)?),
            None => (time, 0),
        };
        let mut parts = time.split(':').map(|part| number(part, 2..=2));
        let (hour, minute) = (parts.next()??, parts.next()??);
        let second = if fraction > 0 { parts.next()?? } else { parts.next().unwrap_or(Some(0))? };
        if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let of_day = ((hour * 60 + minute - ahead) * 60 + second) * 1_000_000 + fraction;
        parse_date(date).ok()?.checked_mul(MICROS_A_DAY)?.checked_add(of_day)
    };
    read().ok_or_else(|| {
        Fault::detail(format!("{text:?} is no timestamp such as 2026-11-23T10:30:00Z"))
    })
}

/// The digits behind the point of a second, of which those behind the sixth are rounded.
fn micros_of(fraction: &str) -> Option<i64> {
    let digits = number(fraction, 1..=9)?;
    let missing = u32::try_from(9 - fraction.len()).ok()?;
    Some((digits * 10_i64.pow(missing) + 500) / 1_000)
}

/// Minutes of `HH`, `HHMM` or `HH:MM`.
fn zone(text: &str) -> Option<i64> {
    let (hours, minutes) = match text.len() {
        2 => (text, "00"),
        4 => text.split_at_checked(2)?,
        _ => text.split_once(':')?,
    };
    let (hours, minutes) = (number(hours, 2..=2)?, number(minutes, 2..=2)?);
    (hours <= 15 && minutes <= 59).then_some(hours * 60 + minutes)
}

fn number(text: &str, len: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let digits = len.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_eight_centuries_goes_there_and_back() {
        let mut last = None;
        for day in -146_097..146_097 {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), Some(day));
            assert!(last < Some((year, month, of_month)));
            last = Some((year, month, of_month));
            assert_eq!(parse_date(&date_text(day)).unwrap(), day);
        }
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(days(1900, 2, 29), None);
    }

    #[test]
    fn moments_go_there_and_back() {
        for micros in [0, -1, 1, 1_700_000_000_123_456, -62_135_596_800_000_000, 1_500_000] {
            assert_eq!(parse_timestamp(&timestamp_text(micros)).unwrap(), micros);
        }
        assert_eq!(timestamp_text(1_500_000), "1970-01-01T00:00:01.5Z");
        let read = |text: &str| parse_timestamp(text).map(timestamp_text).unwrap();
        for (text, expected) in [
            ("2024-02-29", "2024-02-29T00:00:00Z"),
            ("2024-02-29 10:30", "2024-02-29T10:30:00Z"),
            ("2024-02-29T10:30Z", "2024-02-29T10:30:00Z"),
            ("2024-02-29 00:30:00.5+02", "2024-02-28T22:30:00.5Z"),
            ("2024-02-29 23:00:01 -0530", "2024-03-01T04:30:01Z"),
            ("2024-02-29T23:00:00.25+05:45", "2024-02-29T17:15:00.25Z"),
            ("2024-02-29T23:59:59.999999500Z", "2024-03-01T00:00:00Z"),
            ("2024-02-29T00:00:00.000000499", "2024-02-29T00:00:00Z"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        for bad in [
            "1970-01-01T24:00:00Z",
            "1970-01-01T",
            "1970-01-01T00",
            "1970-01-01T00:00.5",
            "1970-01-01T00:00:00+2",
            "1970-01-01T00:00:00+02:60",
            "1970-01-01T00:00:00+\u{e9}\u{e9}",
            "1970-01-01T00:00:00.0000000001",
            "1970-01-01Z",
            "1970-13-01",
            "x",
            "",
        ] {
            assert!(parse_timestamp(bad).is_err(), "{bad}");
        }
    }
}
