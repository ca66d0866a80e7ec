//! Types of columns, found from what stands in a file.
//!
//! A type fits a column only if each of its texts is what that type writes for the value: so `007`,
//! `1e5` and `2024-1-5` stay texts, `1.10` becomes a decimal and not a float, and nothing that was
//! read is lost. An empty field of CSV fits every type; it is null, but in columns of text.

use lightning_db::sql::files::{Cell, from_text, to_text};
use lightning_db::tables::{ColumnType, Value};

/// Types that are tried, the first that fits is taken.
const TRIED: [ColumnType; 10] = [
    ColumnType::Bool,
    ColumnType::I64,
    ColumnType::U64,
    ColumnType::F64,
    ColumnType::Decimal,
    ColumnType::Date,
    ColumnType::Timestamp,
    ColumnType::Uuid,
    ColumnType::Text,
    ColumnType::Json,
];

/// What is known of a column so far.
#[derive(Debug, Clone)]
pub(super) struct Inference {
    fitting: Vec<ColumnType>,
    is_empty: bool,
}

impl Inference {
    pub(super) fn new() -> Self {
        Self { fitting: TRIED.to_vec(), is_empty: true }
    }

    pub(super) fn see(&mut self, cell: &Cell) {
        match cell {
            Cell::Missing | Cell::Null => return,
            Cell::Plain(text) if text.is_empty() => return,
            _ => self.is_empty = false,
        }
        self.fitting.retain(|column_type| fits(cell, *column_type));
    }

    /// The type that fits everything that was seen: text, if that is nothing.
    pub(super) fn column_type(&self) -> ColumnType {
        match self.fitting.first() {
            Some(column_type) if !self.is_empty => *column_type,
            _ => ColumnType::Text,
        }
    }
}

fn fits(cell: &Cell, column_type: ColumnType) -> bool {
    match (cell, column_type) {
        (Cell::Missing | Cell::Null, _)
        | (Cell::Plain(_) | Cell::Quoted(_), ColumnType::Text)
        | (Cell::Quoted(_) | Cell::Number(_) | Cell::Bool(_) | Cell::Nested(_), ColumnType::Json)
        | (Cell::Bool(_), ColumnType::Bool) => true,
        (Cell::Plain(text), column_type) => {
            column_type != ColumnType::Json && is_same(text, column_type)
        }
        (Cell::Quoted(text), ColumnType::Date | ColumnType::Timestamp | ColumnType::Uuid)
        | (
            Cell::Number(text),
            ColumnType::I64 | ColumnType::U64 | ColumnType::F64 | ColumnType::Decimal,
        ) => is_same(text, column_type),
        _ => false,
    }
}

/// Whether a text is what a type writes for its value.
fn is_same(text: &str, column_type: ColumnType) -> bool {
    match from_text(text, column_type) {
        // "NaN" and "inf" are words more often than numbers.
        Ok(Value::F64(number)) if !number.is_finite() => false,
        Ok(value) => to_text(value.as_value_ref()).as_deref() == Some(text),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use lightning_db::sql::files::value_of;

    use super::*;

    fn check(texts: &[&str], expected: ColumnType) {
        let mut column = Inference::new();
        for text in texts {
            column.see(&Cell::Plain((*text).to_owned()));
        }
        assert_eq!(column.column_type(), expected, "{texts:?}");
        for text in texts.iter().filter(|text| !text.is_empty()) {
            let value = value_of(&Cell::Plain((*text).to_owned()), expected).unwrap();
            assert_eq!(to_text(value.as_value_ref()).as_deref(), Some(*text));
        }
    }

    #[test]
    fn type_is_the_first_that_keeps_every_text() {
        check(&["1", "-2", ""], ColumnType::I64);
        check(&["1", "18446744073709551615"], ColumnType::U64);
        check(&["1", "2.5"], ColumnType::F64);
        check(&["1", "-0"], ColumnType::F64);
        check(&["2.5", "1.10"], ColumnType::Decimal);
        check(&["123456789012345678901234567890"], ColumnType::Decimal);
        check(&["true", "false"], ColumnType::Bool);
        check(&["2024-02-29"], ColumnType::Date);
        check(&["2024-02-29T10:00:00Z"], ColumnType::Timestamp);
        check(&["00000000-0000-0000-0000-00000000000a"], ColumnType::Uuid);
    }

    #[test]
    fn what_a_number_would_lose_stays_text() {
        for text in
            ["007", "+1", "1e5", "1.", ".5", " 1", "NaN", "inf", "0x1", "True", "2023-02-29"]
        {
            check(&["1", text], ColumnType::Text);
        }
        check(&["1.10", "-0"], ColumnType::Text);
        check(&["", ""], ColumnType::Text);
    }

    #[test]
    fn json_strings_are_no_numbers() {
        let mut column = Inference::new();
        column.see(&Cell::Quoted("1".to_owned()));
        assert_eq!(column.column_type(), ColumnType::Text);
        column.see(&Cell::Number("1".to_owned()));
        assert_eq!(column.column_type(), ColumnType::Json);
    }
}
