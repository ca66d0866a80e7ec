//! Values that stand in the text.

use lightning_db_query::build::Term;
use lightning_db_types::{Decimal, Value, ValueType};
use sqlparser::ast::{self, TypedString, ValueWithSpan};

use super::expression::null;
use super::typed::Typed;
use crate::error::{Error, Position, Result};
use crate::names::begin;
use crate::parse::parameter_number;

/// A value, or a parameter, whose type is among `types`.
pub(crate) fn value(value: &ValueWithSpan, types: &[ValueType]) -> Result<Typed> {
    let at = begin(value.span);
    Ok(match &value.value {
        ast::Value::Null => null(),
        ast::Value::Boolean(truth) => Typed::value(Value::Bool(*truth)),
        ast::Value::Number(text, _) => number(text, at)?,
        ast::Value::SingleQuotedString(text)
        | ast::Value::EscapedStringLiteral(text)
        | ast::Value::UnicodeStringLiteral(text)
        | ast::Value::NationalStringLiteral(text) => Typed::value(Value::Text(text.clone())),
        ast::Value::DollarQuotedString(text) => Typed::value(Value::Text(text.value.clone())),
        ast::Value::HexStringLiteral(hex) => Typed::value(Value::Bytes(bytes(hex, at)?)),
        ast::Value::Placeholder(name) => {
            let number = parameter_number(name, at)?;
            let Some(value_type) = types.get(number - 1) else {
                let detail = format!("it has no value; {} were given", types.len());
                return Err(Error::Parameter { number, detail });
            };
            Typed::new(Term::Parameter(number - 1, *value_type), *value_type)
        }
        other => return Err(Error::unsupported(format!("the value {other}"), at)),
    })
}

/// A number: whole, exact with a point, a double with an exponent.
pub(crate) fn number(text: &str, at: Option<Position>) -> Result<Typed> {
    let plain: String = text.chars().filter(|character| *character != '_').collect();
    if let Ok(whole) = plain.parse::<i64>() {
        return Ok(Typed::value(Value::I64(whole)));
    }
    let decimal = plain.strip_prefix("-.").map(|part| format!("-0.{part}"));
    let decimal = decimal.or_else(|| plain.strip_prefix('.').map(|part| format!("0.{part}")));
    let decimal = decimal.as_deref().unwrap_or(&plain);
    let decimal = decimal.strip_suffix('.').unwrap_or(decimal);
    if let Ok(exact) = decimal.parse::<Decimal>() {
        return Ok(Typed::value(Value::Decimal(exact)));
    }
    match plain.parse::<f64>() {
        Ok(float) if float.is_finite() => Ok(Typed::value(Value::F64(float))),
        _ => Err(Error::invalid(format!("the number {text} does not fit"), at)),
    }
}

fn bytes(hex: &str, at: Option<Position>) -> Result<Vec<u8>> {
    let refused = || Error::invalid(format!("x'{hex}' is no sequence of hexadecimal pairs"), at);
    if !hex.len().is_multiple_of(2) || !hex.is_ascii() {
        return Err(refused());
    }
    let pair = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).map_err(|_| refused());
    (0..hex.len()).step_by(2).map(pair).collect()
}

/// `DATE '2001-02-03'`
pub(crate) fn typed_string(typed: &TypedString) -> Result<Typed> {
    let at = begin(typed.value.span);
    match value(&typed.value, &[])? {
        text @ Typed { value_type: ValueType::Text, .. } => {
            super::types::cast(text, &typed.data_type, at)
        }
        _ => Err(Error::unsupported(format!("the value {}", typed.value), at)),
    }
}

/// The character of an ESCAPE clause; none for an empty one.
pub(crate) fn escape(escape: &ValueWithSpan) -> Result<Option<char>> {
    let at = begin(escape.span);
    let typed = value(escape, &[])?;
    let Term::Literal(Value::Text(text)) = &typed.term else {
        return Err(Error::invalid("ESCAPE takes a character in quotes", at));
    };
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (escape, None) => Ok(escape),
        _ => Err(Error::invalid("ESCAPE takes one character", at)),
    }
}
