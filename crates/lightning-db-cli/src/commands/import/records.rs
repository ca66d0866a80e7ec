//! Records of a file for a table: named cells, as they stand there.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json_lines::JsonLines;
use super::rows::BadRow;
use super::separated::Separated;
use crate::failure::Failure;
use crate::format::RowFormat;

/// What stands in a file for one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    /// Nothing, `null`, or a text that was said to stand for it.
    Null,
    /// Text of CSV and TSV, whatever it means.
    Plain(String),
    /// A string of JSON.
    Quoted(String),
    /// A number of JSON, with its digits.
    Number(String),
    /// `true` or `false` of JSON.
    Bool(String),
    /// An object or array of JSON, as it was written.
    Nested(String),
}

/// One record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Its line in the file, from 1.
    pub(super) line: u64,
    /// Its bytes in the file.
    pub(super) original: Vec<u8>,
    /// Its cells, by position among the names; those that are missing at the end are null.
    pub(super) cells: Vec<Cell>,
}

/// Reads the records of a file.
pub(super) struct Records<'a> {
    source: Source,
    names: Vec<String>,
    positions: HashMap<String, usize>,
    /// Texts of CSV and TSV that stand for null.
    nulls: &'a [String],
}

enum Source {
    Separated(Box<Separated>),
    JsonLines(JsonLines),
}

impl<'a> Records<'a> {
    pub(super) fn new(
        source: Box<dyn Read>,
        format: RowFormat,
        path: &Path,
        nulls: &'a [String],
    ) -> Result<Self, Failure> {
        let (source, names) = match format {
            RowFormat::Separated { by } => {
                let separated = Separated::new(source, by, path)?;
                let names = separated.names().to_vec();
                (Source::Separated(Box::new(separated)), names)
            }
            RowFormat::JsonLines => (Source::JsonLines(JsonLines::new(source, path)), Vec::new()),
        };
        Ok(Self { source, names, positions: HashMap::new(), nulls })
    }

    /// Names of the columns: of all for CSV and TSV, else of those that were seen, in this order.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The next record; `None` behind the last one.
    pub(super) fn next_record(&mut self) -> Result<Option<Result<Record, BadRow>>, Failure> {
        match &mut self.source {
            Source::Separated(records) => Ok(match records.next_record()? {
                None => None,
                Some(Err(bad)) => Some(Err(bad)),
                Some(Ok(())) => {
                    let is_null = |field: &str| self.nulls.iter().any(|null| null == field);
                    let cell = |field: &str| {
                        if is_null(field) { Cell::Null } else { Cell::Plain(field.to_owned()) }
                    };
                    let cells = records.fields().map(cell).collect();
                    let (line, original) = records.original();
                    Some(Ok(Record { line, original, cells }))
                }
            }),
            Source::JsonLines(lines) => {
                if !lines.next_line()? {
                    return Ok(None);
                }
                let (line, original) = (lines.line(), lines.text().to_vec());
                Ok(Some(match self.cells_of(&original) {
                    Ok(cells) => Ok(Record { line, original, cells }),
                    Err(reason) => Err(BadRow { line, reason, original }),
                }))
            }
        }
    }

    fn cells_of(&mut self, text: &[u8]) -> Result<Vec<Cell>, String> {
        let text = std::str::from_utf8(text).map_err(|error| format!("not UTF-8: {error}"))?;
        let Fields(fields) =
            serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))?;
        let mut cells = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            let next = self.names.len();
            let at = *self.positions.entry(name).or_insert_with_key(|name| {
                self.names.push(name.clone());
                next
            });
            if cells.len() <= at {
                cells.resize(at + 1, None);
            }
            if cells[at].is_some() {
                return Err(format!("it has the field {:?} twice", self.names[at]));
            }
            cells[at] = Some(cell(&value)?);
        }
        Ok(cells.into_iter().map(|cell| cell.unwrap_or(Cell::Null)).collect())
    }
}

/// A value of JSON as a cell.
fn cell(value: &RawValue) -> Result<Cell, String> {
    let raw = value.get();
    Ok(match raw.as_bytes().first() {
        Some(b'n') => Cell::Null,
        Some(b't' | b'f') => Cell::Bool(raw.to_owned()),
        Some(b'{' | b'[') => Cell::Nested(raw.to_owned()),
        Some(b'"') => {
            let text = serde_json::from_str(raw).map_err(|error| error.to_string())?;
            Cell::Quoted(text)
        }
        _ => Cell::Number(raw.to_owned()),
    })
}

/// Fields of an object in their order, twice if they are there twice.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_keep_digits_and_nested_text() {
        let text =
            b"{\"a\":1.10,\"b\":\"x\\u0041\"}\n{\"b\":null,\"c\":[1, 2.0]}\n{\"a\":1,\"a\":2}";
        let source = Box::new(&text[..]);
        let mut records = Records::new(source, RowFormat::JsonLines, Path::new("x"), &[]).unwrap();
        let first = records.next_record().unwrap().unwrap().unwrap();
        assert_eq!(first.cells, [Cell::Number("1.10".into()), Cell::Quoted("xA".into())]);
        let second = records.next_record().unwrap().unwrap().unwrap();
        assert_eq!(second.cells, [Cell::Null, Cell::Null, Cell::Nested("[1, 2.0]".into())]);
        assert_eq!((second.line, records.names().len()), (2, 3));
        let third = records.next_record().unwrap().unwrap().unwrap_err();
        assert_eq!((third.line, &*third.reason), (3, "it has the field \"a\" twice"));
        assert!(records.next_record().unwrap().is_none());
    }

    #[test]
    fn declared_texts_are_null() {
        let nulls = ["NA".to_owned()];
        let format = RowFormat::Separated { by: b',' };
        let source = Box::new(&b"a,b\nNA,\n"[..]);
        let mut records = Records::new(source, format, Path::new("x"), &nulls).unwrap();
        let record = records.next_record().unwrap().unwrap().unwrap();
        assert_eq!(record.cells, [Cell::Null, Cell::Plain(String::new())]);
    }
}
