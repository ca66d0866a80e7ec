//! Values of rows as text and as JSON, and text as values: what is written is read back the same.

use std::fmt::Write as _;

use lightning_db_expression::Expression;
use lightning_db_table::ColumnType;
use lightning_db_types::{Value, ValueRef, ValueType};
use serde_json::Value as Json;

use super::records::Cell;
use super::separated::Separators;

/// A value as the text of a cell; `None` if it is null.
pub fn to_text(value: ValueRef<'_>) -> Option<String> {
    Some(match value {
        ValueRef::Null => return None,
        ValueRef::Text(text) => text.to_owned(),
        // The shortest digits that are this float, without the `.0` of a whole one.
        ValueRef::F64(number) => number.to_string(),
        ValueRef::Bytes(bytes) => hex(bytes),
        ValueRef::Point { x, y } => format!("({x}, {y})"),
        other => match cast(&other.to_value(), ValueType::Text) {
            Ok(Value::Text(text)) => text,
            _ => String::new(),
        },
    })
}

/// A value of a column as JSON: numbers with their digits, JSON as it was written, everything that
/// JSON has no type for as its text.
pub fn write_json(value: ValueRef<'_>, column_type: ColumnType, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = match value {
        ValueRef::Null => write!(out, "null"),
        ValueRef::Bool(truth) => write!(out, "{truth}"),
        ValueRef::I64(number) => write!(out, "{number}"),
        ValueRef::U64(number) => write!(out, "{number}"),
        ValueRef::Decimal(number) => write!(out, "{number}"),
        ValueRef::F64(number) if number.is_finite() => write!(out, "{number}"),
        ValueRef::Text(text) if column_type == ColumnType::Json => write!(out, "{text}"),
        ValueRef::Point { x, y } => write!(out, "[{x},{y}]"),
        other => write!(out, "{}", Json::from(to_text(other).unwrap_or_default())),
    };
}

/// The value of a column that a text stands for.
///
/// # Errors
/// Why it stands for none.
pub fn from_text(text: &str, column_type: ColumnType) -> Result<Value, String> {
    let refused = || format!("{:?} is no {}", shortened(text), column_type.name());
    match column_type {
        ColumnType::Text | ColumnType::Json => Ok(Value::from(text)),
        ColumnType::Bool => text.parse().map(Value::Bool).map_err(|_| refused()),
        ColumnType::I64 => text.parse().map(Value::I64).map_err(|_| refused()),
        ColumnType::U64 => text.parse().map(Value::U64).map_err(|_| refused()),
        ColumnType::F64 => text.parse().map(Value::F64).map_err(|_| refused()),
        ColumnType::Bytes => unhex(text).map(Value::Bytes).ok_or_else(refused),
        ColumnType::Point => point(text).ok_or_else(refused),
        ColumnType::Decimal | ColumnType::Date | ColumnType::Timestamp | ColumnType::Uuid => {
            cast(&Value::from(text), column_type.value_type()).map_err(|_| refused())
        }
    }
}

/// A cell as a value of a column. An empty text of CSV is null, but in a column of texts.
///
/// # Errors
/// Why it is none.
pub fn value_of(cell: &Cell, column_type: ColumnType) -> Result<Value, String> {
    match cell {
        Cell::Missing | Cell::Null => Ok(Value::Null),
        Cell::Plain(text) if text.is_empty() && column_type != ColumnType::Text => Ok(Value::Null),
        Cell::Quoted(text) if column_type == ColumnType::Json => {
            Ok(Value::Text(Json::from(text.as_str()).to_string()))
        }
        Cell::Plain(text)
        | Cell::Quoted(text)
        | Cell::Number(text)
        | Cell::Bool(text)
        | Cell::Nested(text) => from_text(text, column_type),
    }
}

/// Writes a field of CSV, in quotes if it could be read as another one: as null, as several
/// fields, or as the beginning of one in quotes.
pub fn write_csv(field: Option<&str>, null: &str, separators: Separators, out: &mut Vec<u8>) {
    let Separators { delimiter, quote } = separators;
    let Some(text) = field else {
        out.extend_from_slice(null.as_bytes());
        return;
    };
    let breaks = |byte: u8| byte == delimiter || byte == quote || matches!(byte, b'\n' | b'\r');
    // A line without anything is no row.
    if text != null && !text.is_empty() && !text.bytes().any(breaks) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(quote);
    for byte in text.bytes() {
        if byte == quote {
            out.push(quote);
        }
        out.push(byte);
    }
    out.push(quote);
}

/// A value as another type, exactly.
fn cast(value: &Value, to: ValueType) -> Result<Value, String> {
    let cast = Expression::literal(value.clone()).cast(to);
    cast.evaluate(&Vec::<Value>::new()).map_err(|error| error.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text.to_owned(),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        // A sign would be read as well.
        let is_hex = pair.bytes().all(|byte| byte.is_ascii_hexdigit());
        u8::from_str_radix(pair, 16).ok().filter(|_| is_hex)
    });
    bytes.collect()
}

fn point(text: &str) -> Option<Value> {
    let inner = text.strip_prefix(['(', '['])?.strip_suffix([')', ']'])?;
    let (x, y) = inner.split_once(',')?;
    Some(Value::Point { x: x.trim().parse().ok()?, y: y.trim().parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, column_type: ColumnType) {
        let value = from_text(text, column_type).unwrap();
        assert_eq!(to_text(value.as_value_ref()).as_deref(), Some(text), "{column_type:?}");
    }

    #[test]
    fn text_comes_back_as_it_was() {
        check("-7", ColumnType::I64);
        check("18446744073709551615", ColumnType::U64);
        check("0.1", ColumnType::F64);
        check("2", ColumnType::F64);
        check("1.10", ColumnType::Decimal);
        check("2024-02-29", ColumnType::Date);
        check("2024-02-29T12:00:00.5Z", ColumnType::Timestamp);
        check("00ff", ColumnType::Bytes);
        check("(7.45, 46.95)", ColumnType::Point);
        check("00000000-0000-0000-0000-00000000000a", ColumnType::Uuid);
        check("{\"a\": 1.10}", ColumnType::Json);
    }

    #[test]
    fn what_is_no_value_is_named() {
        let error = from_text("x", ColumnType::I64).unwrap_err();
        assert_eq!(error, "\"x\" is no i64");
        for (text, of) in [("+f", ColumnType::Bytes), ("1", ColumnType::Point)] {
            assert!(from_text(text, of).is_err(), "{text}");
        }
    }

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let written = |field: Option<&str>, null: &str| {
            let mut out = Vec::new();
            write_csv(field, null, Separators { delimiter: b',', quote: b'"' }, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(None, ""), "");
        assert_eq!(written(Some(""), ""), "\"\"");
        assert_eq!(written(Some("NA"), "NA"), "\"NA\"");
        assert_eq!(written(Some("a b"), ""), "a b");
        assert_eq!(written(Some("a,\"b\"\n"), ""), "\"a,\"\"b\"\"\n\"");
    }

    #[test]
    fn json_strings_stay_strings() {
        let quoted = value_of(&Cell::Quoted("1".to_owned()), ColumnType::Json).unwrap();
        assert_eq!(quoted, Value::from("\"1\""));
        let empty = Cell::Plain(String::new());
        assert_eq!(value_of(&empty, ColumnType::I64).unwrap(), Value::Null);
        assert_eq!(value_of(&empty, ColumnType::Text).unwrap(), Value::from(""));
    }

    #[test]
    fn json_keeps_digits() {
        let mut out = String::new();
        let decimal = from_text("1.10", ColumnType::Decimal).unwrap();
        write_json(decimal.as_value_ref(), ColumnType::Decimal, &mut out);
        write_json(ValueRef::Text("a\"b"), ColumnType::Text, &mut out);
        write_json(ValueRef::Text("[1]"), ColumnType::Json, &mut out);
        write_json(ValueRef::F64(f64::NAN), ColumnType::F64, &mut out);
        assert_eq!(out, r#"1.10"a\"b"[1]"NaN""#);
    }
}
