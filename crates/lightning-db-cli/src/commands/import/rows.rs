//! Rows of a file, whatever its format.

use std::io::Read;
use std::path::Path;

use lightning_db::sql::files::{BadRow, JsonLines, RowFormat, Separated};
use lightning_db::storage::KEY_LEN_MAX;

use super::json_lines;
use crate::failure::Failure;

/// A row as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// One that can be stored.
    Good {
        /// What the key column holds.
        key: Vec<u8>,
        /// The row as a JSON object.
        value: Vec<u8>,
    },
    /// One that cannot.
    Bad(BadRow),
}

impl Row {
    pub(super) fn bad(line: u64, reason: impl Into<String>, original: &[u8]) -> Self {
        Self::Bad(BadRow { line, reason: reason.into(), original: original.to_vec() })
    }
}

/// Reads the rows of a file, one after the other.
pub(super) enum Rows {
    /// Columns, and which of them holds the key.
    Separated { records: Box<Separated>, names: Vec<String>, key: usize },
    /// Objects, and which of their fields holds the key.
    JsonLines { lines: JsonLines, key: String },
}

impl Rows {
    /// Starts to read a file; fails if its header has no column `key`.
    pub(super) fn new(
        source: Box<dyn Read>,
        format: RowFormat,
        key: &str,
        path: &Path,
    ) -> Result<Self, Failure> {
        let file = path.display().to_string();
        let RowFormat::Separated(separators, columns) = format else {
            let lines = JsonLines::new(source, &file);
            return Ok(Self::JsonLines { lines, key: key.to_owned() });
        };
        let records = Box::new(Separated::new(source, separators, columns, &file)?);
        let names = records.names();
        let at = names.iter().position(|name| name == key).ok_or_else(|| {
            let names = names.join(", ");
            Failure::Refused(format!("read {file}: there is no column {key:?} among {names}"))
        })?;
        let names = names.iter().map(|name| serde_json::Value::from(&**name).to_string()).collect();
        Ok(Self::Separated { records, names, key: at })
    }

    /// The next row; `None` behind the last one.
    pub(super) fn next_row(&mut self) -> Result<Option<Row>, Failure> {
        match self {
            Self::Separated { records, names, key } => Ok(match records.next_record()? {
                None => None,
                Some(Err(bad)) => Some(Row::Bad(bad)),
                Some(Ok(())) => Some(match to_object(records, names, *key) {
                    Ok((key, value)) => Row::Good { key, value },
                    Err(reason) => Row::Bad(records.reject(reason)),
                }),
            }),
            Self::JsonLines { lines, key } => json_lines::next_row(lines, key),
        }
    }
}

/// The key of a record, and the record as an object of strings.
fn to_object(
    records: &Separated,
    names: &[String],
    key_at: usize,
) -> Result<(Vec<u8>, Vec<u8>), String> {
    let mut object = Vec::with_capacity(names.len() * 32);
    let mut key = Vec::new();
    for (at, (name, field)) in names.iter().zip(records.fields()).enumerate() {
        object.push(if object.is_empty() { b'{' } else { b',' });
        object.extend_from_slice(name.as_bytes());
        object.push(b':');
        serde_json::to_writer(&mut object, field)
            .map_err(|error| format!("column {name} is no JSON: {error}"))?;
        if at == key_at {
            key.extend_from_slice(field.as_bytes());
        }
    }
    object.push(b'}');
    match refuse_key(&key) {
        Some(reason) => Err(reason),
        None => Ok((key, object)),
    }
}

/// Why the store takes no such key, if it does not.
pub(super) fn refuse_key(key: &[u8]) -> Option<String> {
    match key.len() {
        0 => Some("the key is empty".to_owned()),
        len if len > KEY_LEN_MAX => {
            Some(format!("the key has {len} bytes, more than the limit of {KEY_LEN_MAX}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static [u8]) -> Vec<String> {
        let format = RowFormat::below_header(b',');
        let mut rows = Rows::new(Box::new(text), format, "id", Path::new("x")).unwrap();
        let mut found = Vec::new();
        while let Some(row) = rows.next_row().unwrap() {
            found.push(match row {
                Row::Good { value, .. } => String::from_utf8(value).unwrap(),
                Row::Bad(bad) => format!("{}: {}", bad.line, bad.original.escape_ascii()),
            });
        }
        found
    }

    #[test]
    fn records_become_objects_of_strings() {
        let found = read(b"id,\"a \"\"b\"\"\"\n1,\"x,\ny\"\n,d\n2,\n");
        let expected = [r#"{"id":"1","a \"b\"":"x,\ny"}"#, "4: ,d", r#"{"id":"2","a \"b\"":""}"#];
        assert_eq!(found, expected);
    }

    #[test]
    fn key_must_be_a_column() {
        let format = RowFormat::below_header(b',');
        assert!(Rows::new(Box::new(&b"a,b\n"[..]), format, "id", Path::new("x")).is_err());
    }
}
