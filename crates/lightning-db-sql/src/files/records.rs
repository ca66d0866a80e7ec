//! Records of a file for a table: named cells, as they stand there.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json_lines::JsonLines;
use super::separated::Separated;
use super::tape::ROW_LEN_MAX;
use super::{BadRow, RowFormat};
use crate::error::Result;

/// What stands in a file for one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// A field that this row of JSON does not have.
    Missing,
    /// `null`, or a text that was said to stand for it.
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
pub struct Record {
    /// Its line in the file, from 1.
    pub line: u64,
    /// Its bytes in the file.
    pub original: Vec<u8>,
    /// Its cells, by position among the names; those at the end that are not here are missing.
    pub cells: Vec<Cell>,
}

/// Texts of CSV and its like that stand for null.
#[derive(Debug, Clone, Copy)]
pub enum Nulls<'a> {
    /// These, in quotes or not.
    Any(&'a [String]),
    /// This one, where it stands in no quotes.
    Unquoted(&'a str),
}

/// Reads the records of a file.
#[derive(Debug)]
pub struct Records<'a> {
    source: Source,
    names: Vec<String>,
    positions: HashMap<String, usize>,
    nulls: Nulls<'a>,
}

#[derive(Debug)]
enum Source {
    Separated(Box<Separated>),
    JsonLines(JsonLines),
}

impl<'a> Records<'a> {
    /// Starts to read; `file` is what errors call the source.
    ///
    /// # Errors
    /// As [`Separated::new`].
    pub fn new(
        source: Box<dyn Read>,
        format: RowFormat,
        file: &str,
        nulls: Nulls<'a>,
    ) -> Result<Self> {
        let (source, names) = match format {
            RowFormat::Separated(separators, columns) => {
                let separated = Separated::new(source, separators, columns, file)?;
                let names = separated.names().to_vec();
                (Source::Separated(Box::new(separated)), names)
            }
            RowFormat::JsonLines => (Source::JsonLines(JsonLines::new(source, file)), Vec::new()),
        };
        Ok(Self { source, names, positions: HashMap::new(), nulls })
    }

    /// Names of the columns: of all for CSV and its like, else of those that were seen, in this
    /// order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The next record; `None` behind the last one.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File).
    pub fn next_record(&mut self) -> Result<Option<Result<Record, BadRow>>> {
        match &mut self.source {
            Source::Separated(records) => Ok(match records.next_record()? {
                None => None,
                Some(Err(bad)) => Some(Err(bad)),
                Some(Ok(())) => {
                    let cells = separated_cells(records, self.nulls);
                    let (line, original) = records.original();
                    Some(Ok(Record { line, original, cells }))
                }
            }),
            Source::JsonLines(lines) => {
                if !lines.next_line()? {
                    return Ok(None);
                }
                let (line, original) = (lines.line(), lines.text().to_vec());
                if lines.is_cut() {
                    let reason = format!("longer than {ROW_LEN_MAX} bytes");
                    return Ok(Some(Err(BadRow { line, reason, original })));
                }
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
        Ok(cells.into_iter().map(|cell| cell.unwrap_or(Cell::Missing)).collect())
    }
}

fn separated_cells(records: &Separated, nulls: Nulls<'_>) -> Vec<Cell> {
    let plain = |field: &str| Cell::Plain(field.to_owned());
    match nulls {
        Nulls::Any(nulls) => {
            let is_null = |field: &str| nulls.iter().any(|null| null == field);
            let cell = |field| if is_null(field) { Cell::Null } else { plain(field) };
            records.fields().map(cell).collect()
        }
        Nulls::Unquoted(null) => {
            if !records.fields().any(|field| field == null) {
                return records.fields().map(plain).collect();
            }
            let fields = records.fields().zip(records.quoted());
            let cell = |(field, is_quoted): (&str, bool)| {
                if !is_quoted && field == null { Cell::Null } else { plain(field) }
            };
            fields.map(cell).collect()
        }
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
        let mut records = Records::new(source, RowFormat::JsonLines, "x", Nulls::Any(&[])).unwrap();
        let first = records.next_record().unwrap().unwrap().unwrap();
        assert_eq!(first.cells, [Cell::Number("1.10".into()), Cell::Quoted("xA".into())]);
        let second = records.next_record().unwrap().unwrap().unwrap();
        assert_eq!(second.cells, [Cell::Missing, Cell::Null, Cell::Nested("[1, 2.0]".into())]);
        assert_eq!((second.line, records.names().len()), (2, 3));
        let third = records.next_record().unwrap().unwrap().unwrap_err();
        assert_eq!((third.line, &*third.reason), (3, "it has the field \"a\" twice"));
        assert!(records.next_record().unwrap().is_none());
    }

    #[test]
    fn declared_texts_are_null() {
        let nulls = ["NA".to_owned()];
        let read = |nulls: Nulls<'_>| {
            let source = Box::new(&b"a,b,c\nNA,,\"\"\n"[..]);
            let format = RowFormat::below_header(b',');
            let mut records = Records::new(source, format, "x", nulls).unwrap();
            records.next_record().unwrap().unwrap().unwrap().cells
        };
        let empty = || Cell::Plain(String::new());
        assert_eq!(read(Nulls::Any(&nulls)), [Cell::Null, empty(), empty()]);
        assert_eq!(read(Nulls::Unquoted("")), [Cell::Plain("NA".to_owned()), Cell::Null, empty()]);
    }
}
