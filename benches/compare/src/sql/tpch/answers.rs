//! Answers of any engine, and whether two are alike.

use anyhow::{Result, bail, ensure};
use lightning_db_expression::Expression;
use lightning_db_sql::types::{Value, ValueType};
use rusqlite::types::ValueRef;
use serde_json::Value as Json;

/// A value for comparison.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Null,
    Text(String),
    Number(f64),
}

impl Answer {
    #[expect(clippy::cast_precision_loss, reason = "counts and keys are below 2^53")]
    pub(super) fn of_ours(value: &Value) -> Result<Self> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::I64(number) => Self::Number(*number as f64),
            Value::F64(number) => Self::Number(*number),
            Value::Decimal(number) => Self::Number(number.to_string().parse()?),
            Value::Text(text) => Self::Text(text.clone()),
            Value::Date(_) => {
                let day = Box::new(Expression::Literal(value.clone()));
                Self::of_ours(&Expression::Cast(day, ValueType::Text).evaluate(&Vec::new())?)?
            }
            other => bail!("{other:?} is in an answer"),
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "counts and keys are below 2^53")]
    pub(super) fn of_sqlite(value: ValueRef<'_>) -> Result<Self> {
        Ok(match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Number(number as f64),
            ValueRef::Real(number) => Self::Number(number),
            ValueRef::Text(text) => Self::Text(String::from_utf8(text.to_vec())?),
            ValueRef::Blob(_) => bail!("a blob is in an answer"),
        })
    }

    pub(super) fn of_json(value: &Json) -> Result<Self> {
        Ok(match (value, value.as_f64()) {
            (Json::Null, _) => Self::Null,
            (_, Some(number)) => Self::Number(number),
            (Json::String(text), _) => Self::Text(text.clone()),
            (other, _) => bail!("{other} is in an answer"),
        })
    }

    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => {
                (one - other).abs() <= 1e-6 * one.abs().max(other.abs()).max(1.0)
            }
            _ => self == other,
        }
    }
}

/// The rows of an answer.
pub(super) type Rows = Vec<Vec<Answer>>;

/// Rows in an order that does not depend on the engine.
pub(super) fn sorted(mut rows: Rows) -> Rows {
    rows.sort_by_cached_key(|row| format!("{row:.0?}"));
    rows
}

/// Compares the [`sorted`] rows of ours with those of a peer.
///
/// # Errors
///
/// When they differ.
pub(super) fn agree(ours: &Rows, (peer, theirs): (&str, &Rows)) -> Result<()> {
    let is_like = |(one, other): (&Vec<Answer>, &Vec<Answer>)| {
        one.len() == other.len() && one.iter().zip(other).all(|(one, it)| one.is_like(it))
    };
    let first = ours.iter().zip(theirs).position(|pair| !is_like(pair));
    let same = ours.len() == theirs.len() && first.is_none();
    let shown = |rows: &Rows| {
        let first = first.unwrap_or(ours.len().min(theirs.len()));
        format!("{:?} in row {first} of {}", rows.get(first), rows.len())
    };
    ensure!(same, "ours says {}, {peer} says {}", shown(ours), shown(theirs));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[(&str, f64)]) -> Rows {
        let row = |(text, number): &(&str, f64)| {
            vec![Answer::Text((*text).to_owned()), Answer::Number(*number)]
        };
        sorted(values.iter().map(row).collect())
    }

    #[test]
    fn numbers_agree_to_six_digits_in_any_order() {
        let ours = rows(&[("a", 1.0), ("b", 3_000_000.0)]);
        agree(&ours, ("peer", &rows(&[("b", 3_000_001.0), ("a", 1.0)]))).unwrap();
        let error = agree(&ours, ("peer", &rows(&[("a", 1.0), ("b", 3_000_009.0)]))).unwrap_err();
        assert!(error.to_string().contains("in row 1 of 2, peer says"), "{error}");
        let error = agree(&ours, ("peer", &rows(&[("a", 1.0)]))).unwrap_err().to_string();
        assert!(error.ends_with("peer says None in row 1 of 1"), "{error}");
    }

    #[test]
    fn values_of_json_are_nulls_numbers_and_texts() {
        let of = |text: &str| Answer::of_json(&serde_json::from_str(text).unwrap());
        assert_eq!(of("null").unwrap(), Answer::Null);
        assert_eq!(of("2.50").unwrap(), Answer::Number(2.5));
        assert_eq!(of("7").unwrap(), Answer::Number(7.0));
        assert_eq!(of("\"1995-03-15\"").unwrap(), Answer::Text("1995-03-15".to_owned()));
        assert!(of("true").is_err());
    }
}
