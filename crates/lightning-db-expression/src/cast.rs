//! Values as other types: the same value, or an error.

use lightning_db_types::{Decimal, Value, ValueRef, ValueType};

use super::arithmetic::day_of;
use super::date::{self, MICROS_A_DAY};
use super::evaluate::Fault;
use super::number;

pub(crate) fn cast(value: ValueRef<'_>, to: ValueType) -> Result<Value, Fault> {
    let found = value.value_type();
    if value.is_null() || found == to {
        return Ok(value.to_value());
    }
    let cast = match (value, to) {
        (ValueRef::Text(text), to) => return from_text(text, to),
        (value, ValueType::Text) => to_text(value),
        (value, to) if number::is_number(found) && number::is_number(to) => {
            let text = || to_text(value).and_then(|value| text_of(&value)).unwrap_or_default();
            return number::convert(value, to)
                .ok_or_else(|| Fault::detail(format!("{} is no {to} exactly", text())));
        }
        (ValueRef::Bool(truth), ValueType::I64) => Some(Value::I64(truth.into())),
        (ValueRef::Bool(truth), ValueType::U64) => Some(Value::U64(truth.into())),
        (ValueRef::I64(0) | ValueRef::U64(0), ValueType::Bool) => Some(Value::Bool(false)),
        (ValueRef::I64(1) | ValueRef::U64(1), ValueType::Bool) => Some(Value::Bool(true)),
        (ValueRef::Uuid(bytes), ValueType::Bytes) => Some(Value::Bytes(bytes.to_vec())),
        (ValueRef::Bytes(bytes), ValueType::Uuid) => bytes.try_into().ok().map(Value::Uuid),
        (ValueRef::Date(day), ValueType::Timestamp) => {
            i64::from(day).checked_mul(MICROS_A_DAY).map(Value::Timestamp)
        }
        (ValueRef::Timestamp(micros), ValueType::Date) => match day_of(micros) {
            (day, 0) => i32::try_from(day).ok().map(Value::Date),
            _ => None,
        },
        _ => None,
    };
    cast.ok_or_else(|| Fault::detail(format!("this {found} is no {to}")))
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// `None` if it has no text.
pub(crate) fn to_text(value: ValueRef<'_>) -> Option<Value> {
    Some(Value::Text(match value {
        ValueRef::Null | ValueRef::Point { .. } => return None,
        ValueRef::Bool(truth) => truth.to_string(),
        ValueRef::I64(value) => value.to_string(),
        ValueRef::U64(value) => value.to_string(),
        ValueRef::F64(value) => format!("{value:?}"),
        ValueRef::Decimal(value) => value.to_string(),
        ValueRef::Text(text) => text.to_owned(),
        ValueRef::Bytes(bytes) => String::from_utf8(bytes.to_vec()).ok()?,
        ValueRef::Date(day) => date::date_text(day.into()),
        ValueRef::Timestamp(micros) => date::timestamp_text(micros),
        ValueRef::Uuid(bytes) => uuid_text(bytes),
    }))
}

pub(crate) fn uuid_text(bytes: [u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    let (a, b, c) = (&hex[..8], &hex[8..12], &hex[12..16]);
    format!("{a}-{b}-{c}-{}-{}", &hex[16..20], &hex[20..])
}

fn parse_uuid(text: &str) -> Option<Value> {
    let hex: String = text.chars().filter(|char| *char != '-').collect();
    let plain = hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = u128::from_str_radix(&hex, 16).ok().filter(|_| plain)?;
    let bytes = value.to_be_bytes();
    let wanted = if text.len() == 32 { hex } else { uuid_text(bytes) };
    text.eq_ignore_ascii_case(&wanted).then_some(Value::Uuid(bytes))
}

fn from_text(text: &str, to: ValueType) -> Result<Value, Fault> {
    let cast = match to {
        ValueType::Bool => text.parse().ok().map(Value::Bool),
        ValueType::I64 => text.parse().ok().map(Value::I64),
        ValueType::U64 => text.parse().ok().map(Value::U64),
        ValueType::F64 => text.parse().ok().map(Value::F64),
        ValueType::Decimal => text.parse::<Decimal>().ok().map(Value::Decimal),
        ValueType::Bytes => Some(Value::Bytes(text.as_bytes().to_vec())),
        ValueType::Uuid => parse_uuid(text),
        ValueType::Timestamp => return date::parse_timestamp(text).map(Value::Timestamp),
        ValueType::Date => {
            let day = date::parse_date(text)?;
            i32::try_from(day).ok().map(Value::Date)
        }
        ValueType::Null | ValueType::Text | ValueType::Point => None,
    };
    cast.ok_or_else(|| {
        let shown: String = text.chars().take(64).collect();
        Fault::detail(format!("{shown:?} is no {to}"))
    })
}
