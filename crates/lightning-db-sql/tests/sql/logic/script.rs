//! Files of logic tests: records of statements and queries, with conditions on the database.

use lightning_db_sql::types::Value;

/// Whose answers are expected: the dialect is that of `PostgreSQL`.
const DATABASE: &str = "postgresql";

/// A statement, and what is expected of it.
pub(crate) struct Record {
    /// Line of the file, from one.
    pub(crate) line: usize,
    pub(crate) sql: String,
    pub(crate) expected: Expected,
}

pub(crate) enum Expected {
    Done,
    Error,
    Rows {
        /// A letter for each column: `I` whole number, `R` number, `T` text.
        types: String,
        sort: Sort,
        /// The values, or how many there are and their hash.
        values: Vec<String>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    None,
    Rows,
    Values,
}

/// The records of a file that are meant for this database, up to a `halt`.
pub(crate) fn records(text: &str) -> Vec<Record> {
    let mut found = Vec::new();
    let mut lines = (1..).zip(text.lines()).peekable();
    let mut is_meant = true;
    while let Some((line, head)) = lines.next() {
        let words: Vec<&str> =
            head.split('#').next().unwrap_or_default().split_whitespace().collect();
        let expected = match words[..] {
            ["skipif", database] => {
                is_meant &= database != DATABASE;
                continue;
            }
            ["onlyif", database] => {
                is_meant &= database == DATABASE;
                continue;
            }
            ["halt"] if is_meant => return found,
            ["statement", "ok"] => Expected::Done,
            ["statement", "error"] => Expected::Error,
            ["query", types, ref rest @ ..] => {
                let sort = match rest.first() {
                    Some(&"rowsort") => Sort::Rows,
                    Some(&"valuesort") => Sort::Values,
                    _ => Sort::None,
                };
                Expected::Rows { types: types.to_owned(), sort, values: Vec::new() }
            }
            // Comments, empty lines, and what is said about hashes, which show themselves.
            _ => {
                is_meant |= matches!(words[..], ["halt"]);
                continue;
            }
        };
        let mut sql = Vec::new();
        let mut next = lines.next_if(|(_, line)| !line.is_empty());
        while let Some((_, text)) = next.filter(|(_, line)| *line != "----") {
            sql.push(text);
            next = lines.next_if(|(_, line)| !line.is_empty());
        }
        let mut record = Record { line, sql: sql.join("\n"), expected };
        while let Some((_, value)) = lines.next_if(|(_, line)| !line.is_empty()) {
            if let Expected::Rows { values, .. } = &mut record.expected {
                values.push(value.to_owned());
            }
        }
        if std::mem::replace(&mut is_meant, true) {
            found.push(record);
        }
    }
    found
}

/// A value as the files write it.
pub(crate) fn shown(value: &Value, wanted: char) -> String {
    let text = match value {
        Value::Null => return "NULL".to_owned(),
        Value::Bool(is) => i32::from(*is).to_string(),
        Value::I64(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        Value::F64(number) => number.to_string(),
        Value::Decimal(number) => number.to_string(),
        Value::Text(text) if text.is_empty() => return "(empty)".to_owned(),
        Value::Text(text) => {
            text.chars().map(|it| if (' '..='~').contains(&it) { it } else { '@' }).collect()
        }
        other => format!("{other:?}"),
    };
    match (wanted, text.parse::<f64>()) {
        ('I', Ok(number)) if text.contains('.') => format!("{:.0}", number.trunc() + 0.0),
        ('R', Ok(number)) => format!("{number:.3}"),
        _ => text,
    }
}
