//! Rows of CSV and TSV: columns below a header, stored as an object of strings.

use std::io::Read;
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::rows::{Row, refuse_key};
use super::tape::{ROW_LEN_MAX, Tape};
use crate::failure::Failure;

/// Reads the rows of a file.
///
/// A row that spans lines and is wrong is wrong by its first line only, since a stray quote makes
/// one row of all lines up to the next quote: reading goes on with its second line.
pub(super) struct Separated {
    reader: Reader<Tape>,
    delimiter: u8,
    path: PathBuf,
    /// Column names as JSON strings.
    columns: Vec<String>,
    key: usize,
    record: ByteRecord,
    /// Where the reader was started: the place in bytes, and the line from 0.
    base: (u64, u64),
}

impl Separated {
    /// Reads the header.
    pub(super) fn new(
        source: Box<dyn Read>,
        delimiter: u8,
        key: &str,
        path: &Path,
    ) -> Result<Self, Failure> {
        let mut rows = Self {
            reader: reader(Tape::new(source), delimiter),
            delimiter,
            path: path.to_owned(),
            columns: Vec::new(),
            key: 0,
            record: ByteRecord::new(),
            base: (0, 0),
        };
        let refuse = |what: String| Failure::Refused(format!("read {}: {what}", path.display()));
        if !rows.read_record()? {
            return Err(refuse("the file is empty, and needs a header".to_owned()));
        }
        let mut names = Vec::new();
        for name in &rows.record {
            let name = std::str::from_utf8(name);
            let name = name.map_err(|_| refuse("the header is not UTF-8".to_owned()))?;
            let name = name.strip_prefix('\u{feff}').unwrap_or(name);
            if names.contains(&name) {
                return Err(refuse(format!("the header has the column {name:?} twice")));
            }
            names.push(name);
        }
        let missing = || refuse(format!("there is no column {key:?} among {}", names.join(", ")));
        rows.key = names.iter().position(|name| *name == key).ok_or_else(missing)?;
        rows.columns =
            names.iter().map(|name| serde_json::Value::from(*name).to_string()).collect();
        Ok(rows)
    }

    /// The next row; `None` behind the last one.
    pub(super) fn next_row(&mut self) -> Result<Option<Row>, Failure> {
        let mark = self.place();
        self.reader.get_mut().mark(mark);
        if !self.read_record()? {
            return Ok(None);
        }
        let is_cut = self.reader.get_ref().is_cut();
        let row = match self.to_object() {
            Ok((key, value)) if !is_cut && !self.has_open_quote() => Row::Good { key, value },
            Ok(_) if is_cut => {
                self.reject(format!("longer than {ROW_LEN_MAX} bytes, or a quote is not closed"))
            }
            Ok(_) => self.reject("a quote is not closed"),
            Err(reason) => self.reject(reason),
        };
        Ok(Some(row))
    }

    fn read_record(&mut self) -> Result<bool, Failure> {
        let read = self.reader.read_byte_record(&mut self.record);
        read.map_err(|error| Failure::file("read", &self.path)(error.into()))
    }

    /// How far the source was read, in bytes.
    fn place(&self) -> u64 {
        self.base.0 + self.reader.position().byte()
    }

    /// Where the row begins: the place in bytes, and the line from 0.
    fn start(&self) -> (u64, u64) {
        let (bytes, lines) = self.base;
        let position = self.record.position();
        let (byte, line) = position.map_or((0, 0), |at| (at.byte(), at.line() - 1));
        let (mut start, mut line) = (bytes + byte, lines + line);
        // Ends of lines before a row are read together with it.
        for byte in self.reader.get_ref().slice(start, self.place()) {
            match byte {
                b'\n' => line += 1,
                b'\r' => {}
                _ => break,
            }
            start += 1;
        }
        (start, line)
    }

    fn to_object(&self) -> Result<(Vec<u8>, Vec<u8>), String> {
        let (found, wanted) = (self.record.len(), self.columns.len());
        if found != wanted {
            return Err(format!("the row has {found} columns, and the header has {wanted}"));
        }
        let mut object = Vec::with_capacity(self.record.as_slice().len() + wanted * 16);
        for (column, field) in self.columns.iter().zip(&self.record) {
            object.push(if object.is_empty() { b'{' } else { b',' });
            object.extend_from_slice(column.as_bytes());
            object.push(b':');
            let field = std::str::from_utf8(field)
                .map_err(|error| format!("column {column} is not UTF-8: {error}"))?;
            serde_json::to_writer(&mut object, field)
                .map_err(|error| format!("column {column} is no JSON: {error}"))?;
        }
        object.push(b'}');
        let key = &self.record[self.key];
        match refuse_key(key) {
            Some(reason) => Err(reason),
            None => Ok((key.to_vec(), object)),
        }
    }

    /// Whether the last row of the file ends within quotes.
    fn has_open_quote(&self) -> bool {
        if !self.reader.get_ref().is_at_end() {
            return false;
        }
        let (start, _) = self.start();
        let row = self.reader.get_ref().slice(start, self.place());
        let pieces = row.split(|byte| *byte == b'"').count();
        let has_odd_quotes = pieces % 2 == 0;
        has_odd_quotes && row.trim_ascii_end().contains(&b'\n')
    }

    /// Rejects the first line of the row, and goes on with the line behind it.
    fn reject(&mut self, reason: impl Into<String>) -> Row {
        let (start, line) = self.start();
        let end = self.place();
        let row = self.reader.get_ref().slice(start, end);
        let first = row.split(|byte| *byte == b'\n').next().unwrap_or(row);
        let next = start + first.len() as u64 + 1;
        let original = first.strip_suffix(b"\r").unwrap_or(first).to_vec();
        let spans_lines = next < end;
        if spans_lines {
            let idle = reader(Tape::new(Box::new(std::io::empty())), self.delimiter);
            let mut tape = std::mem::replace(&mut self.reader, idle).into_inner();
            tape.rewind(next);
            self.reader = reader(tape, self.delimiter);
            self.base = (next, line + 1);
        }
        Row::bad(line + 1, reason, &original)
    }
}

fn reader(tape: Tape, delimiter: u8) -> Reader<Tape> {
    ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(64 << 10)
        .from_reader(tape)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Good rows by their value, bad ones by line and text.
    fn read(text: &'static [u8]) -> Vec<String> {
        let mut rows = Separated::new(Box::new(text), b',', "id", Path::new("x")).unwrap();
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
    fn rows_become_objects_of_strings() {
        let found = read(b"\xef\xbb\xbfid,\"a \"\"b\"\"\"\n1,\"x,\ny\"\r\n\r\n2,\n");
        assert_eq!(found[0], r#"{"id":"1","a \"b\"":"x,\ny"}"#);
        assert_eq!(found[1], r#"{"id":"2","a \"b\"":""}"#);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn bad_rows_keep_their_line_and_their_bytes() {
        let found = read(b"id,n\r\n1,a\r\n2\r\n\r\n3,b,c\r\n,d\r\n4,\xff\r\n5,e\r\n");
        let expected = [
            r#"{"id":"1","n":"a"}"#,
            "3: 2",
            "5: 3,b,c",
            "6: ,d",
            "7: 4,\\xff",
            r#"{"id":"5","n":"e"}"#,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn stray_quote_costs_one_line() {
        let found = read(b"id,n\n1,a\n\"2,b\n3,c\n4,\"d\"\n5,\"e\n6,f\n");
        let expected = [
            r#"{"id":"1","n":"a"}"#,
            r#"3: \"2,b"#,
            r#"{"id":"3","n":"c"}"#,
            r#"{"id":"4","n":"d"}"#,
            r#"6: 5,\"e"#,
            r#"{"id":"6","n":"f"}"#,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn header_must_have_the_key_once() {
        for header in [&b""[..], b"a,b\n", b"id,id\n", b"id,\xff\n"] {
            assert!(Separated::new(Box::new(header), b',', "id", Path::new("x")).is_err());
        }
    }
}
