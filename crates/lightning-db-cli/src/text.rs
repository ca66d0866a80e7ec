//! Bytes, numbers and times as text.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

/// Bytes for people: UTF-8 as it is, any other byte as `\xNN`.
pub(crate) fn display(bytes: &[u8]) -> Cow<'_, str> {
    escape(bytes, |_| false)
}

/// Bytes as part of one line: as [`display()`], with control characters escaped, so that no value
/// can break the line or steer a terminal. Tabs stay.
pub(crate) fn line(bytes: &[u8]) -> Cow<'_, str> {
    escape(bytes, |character| character.is_control() && character != '\t')
}

/// Bytes as a column: as [`line()`], with tabs escaped too.
pub(crate) fn column(bytes: &[u8]) -> Cow<'_, str> {
    escape(bytes, char::is_control)
}

fn escape(bytes: &[u8], is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    let text = std::str::from_utf8(bytes).ok();
    if let Some(text) = text.filter(|text| !text.contains(&is_escaped)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_escaped(character) {
                push_bytes(&mut escaped, character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                escaped.push(character);
            }
        }
        push_bytes(&mut escaped, chunk.invalid());
    }
    Cow::Owned(escaped)
}

fn push_bytes(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

/// Hexadecimal digits of bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Writes `"name":"text"`, or `"name_hex":".."` if the bytes are not UTF-8.
pub(crate) fn write_field(out: &mut impl Write, name: &str, bytes: &[u8]) -> io::Result<()> {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            write!(out, "\"{name}\":")?;
            serde_json::to_writer(out, text).map_err(io::Error::from)
        }
        Err(_) => write!(out, "\"{name}_hex\":\"{}\"", hex(bytes)),
    }
}

/// A whole number with a comma between groups of three digits.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and its unit, in the plural unless it is one.
pub(crate) fn count(count: u64, unit: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {unit}{plural}", number(count))
}

/// A size in the largest unit that leaves a whole part.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1 << 10 {
        return format!("{bytes} B");
    }
    let mut whole = bytes;
    let mut tenths = 0;
    let mut unit = "";
    for name in UNITS {
        if whole < 1 << 10 {
            break;
        }
        (whole, tenths, unit) = (whole >> 10, ((whole & 0x3ff) * 10) >> 10, name);
    }
    format!("{}.{tenths} {unit}", number(whole))
}

/// A time with three digits.
pub(crate) fn time(time: Duration) -> String {
    let (number, unit) = match time.as_secs_f64() {
        seconds if seconds < 1e-6 => (seconds * 1e9, "ns"),
        seconds if seconds < 1e-3 => (seconds * 1e6, "us"),
        seconds if seconds < 1.0 => (seconds * 1e3, "ms"),
        seconds => (seconds, "s"),
    };
    let decimals = match number {
        number if number < 10.0 => 2,
        number if number < 100.0 => 1,
        _ => 0,
    };
    format!("{number:.decimals$} {unit}")
}

/// How many of `count` there are in a second.
pub(crate) fn rate(count: u64, time: Duration) -> u64 {
    let nanos = time.as_nanos().max(1);
    u64::try_from(u128::from(count) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_escaped() {
        assert_eq!(display(b"a\xffb\n"), "a\\xffb\n");
        assert_eq!(line(b"a\xffb\n\t"), "a\\xffb\\x0a\t");
        assert_eq!(column("\u{85}\t\u{e9}".as_bytes()), "\\xc2\\x85\\x09\u{e9}");
        assert!(matches!(line(b"plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn fields_are_lossless() {
        let mut out = Vec::new();
        write_field(&mut out, "key", b"a\"b").unwrap();
        write_field(&mut out, "value", b"\xff\x01").unwrap();
        assert_eq!(out, br#""key":"a\"b""value_hex":"ff01""#);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(171_075), "171,075");
        assert_eq!(number(1_000_000), "1,000,000");
        assert_eq!(count(1, "row"), "1 row");
        assert_eq!(count(2_000, "row"), "2,000 rows");
    }

    #[test]
    fn sizes_times_and_rates_keep_their_scale() {
        assert_eq!(bytes(1_023), "1023 B");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(bytes(5 << 30), "5.0 GiB");
        assert_eq!(bytes(u64::MAX), "16,777,215.9 TiB");
        assert_eq!(time(Duration::from_nanos(812)), "812 ns");
        assert_eq!(time(Duration::from_micros(1_710)), "1.71 ms");
        assert_eq!(time(Duration::from_millis(12_345)), "12.3 s");
        assert_eq!(rate(10, Duration::from_millis(500)), 20);
        assert_eq!(rate(10, Duration::ZERO), 10_000_000_000);
    }
}
