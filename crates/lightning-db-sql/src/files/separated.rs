//! Records of CSV and its like: columns with a separator between them.

use std::fmt;
use std::io::Read;

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::tape::{ROW_LEN_MAX, Tape};
use super::{BadRow, failed};
use crate::error::{Error, Result};

/// What stands between fields and around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separators {
    /// Between two fields.
    pub delimiter: u8,
    /// Around a field that holds one of the two or the end of a line; doubled within it.
    pub quote: u8,
}

/// How the columns of a file are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// As the first record says.
    Header,
    /// By these names, whatever the file says.
    Named {
        /// In the order of the file.
        names: Vec<String>,
        /// Whether the first record is a header, which is passed over.
        below_header: bool,
    },
}

/// Reads the records of a file.
///
/// A row that spans lines and is wrong is wrong by its first line only, since a stray quote makes
/// one row of all lines up to the next quote: reading goes on with its second line.
pub struct Separated {
    reader: Reader<Tape>,
    separators: Separators,
    file: String,
    names: Vec<String>,
    record: ByteRecord,
    /// Where the reader was started: the place in bytes, and the line from 0.
    base: (u64, u64),
}

impl fmt::Debug for Separated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, names, .. } = self;
        f.debug_struct("Separated")
            .field("file", file)
            .field("names", names)
            .finish_non_exhaustive()
    }
}

impl Separated {
    /// Reads the header, if there is one; `file` is what errors call the source.
    ///
    /// # Errors
    /// [`Error::File`], and [`Error::Line`] for a header that is not there, is no UTF-8 or has a
    /// column twice.
    pub fn new(
        source: Box<dyn Read>,
        separators: Separators,
        columns: Columns,
        file: &str,
    ) -> Result<Self> {
        let mut rows = Self {
            reader: reader(Tape::new(source), separators),
            separators,
            file: file.to_owned(),
            names: Vec::new(),
            record: ByteRecord::new(),
            base: (0, 0),
        };
        rows.names = match columns {
            Columns::Header => rows.header()?,
            Columns::Named { names, below_header } => {
                if below_header {
                    rows.read_record()?;
                }
                names
            }
        };
        Ok(rows)
    }

    fn header(&mut self) -> Result<Vec<String>> {
        let path = self.file.clone();
        let refuse = |detail: String| Error::Line { path: path.clone(), line: 1, detail };
        if !self.read_record()? {
            return Err(refuse("the file is empty, and needs a header".to_owned()));
        }
        let mut names: Vec<String> = Vec::new();
        for name in &self.record {
            let name = std::str::from_utf8(name);
            let name = name.map_err(|_| refuse("the header is not UTF-8".to_owned()))?;
            let name = name.strip_prefix('\u{feff}').unwrap_or(name);
            if names.iter().any(|known| known == name) {
                return Err(refuse(format!("the header has the column {name:?} twice")));
            }
            names.push(name.to_owned());
        }
        Ok(names)
    }

    /// Names of the columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Reads the next record, which may be wrong in itself; `None` behind the last one.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn next_record(&mut self) -> Result<Option<Result<(), BadRow>>> {
        let mark = self.place();
        self.reader.get_mut().mark(mark);
        if !self.read_record()? {
            return Ok(None);
        }
        let reason = if let Some(reason) = self.fault() {
            Some(reason)
        } else if self.reader.get_ref().is_cut() {
            Some(format!("longer than {ROW_LEN_MAX} bytes, or a quote is not closed"))
        } else {
            self.has_open_quote().then(|| "a quote is not closed".to_owned())
        };
        Ok(Some(reason.map_or(Ok(()), |reason| Err(self.reject(reason)))))
    }

    /// Fields of the record that was read, in the order of the columns.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        // They were checked when the record was read.
        self.record.iter().map(|field| std::str::from_utf8(field).unwrap_or_default())
    }

    /// Line of the record that was read, from 1, and its bytes in the file.
    pub fn original(&self) -> (u64, Vec<u8>) {
        let (start, line) = self.start();
        let row = self.reader.get_ref().slice(start, self.place());
        (line + 1, row.trim_ascii_end().to_vec())
    }

    /// Which fields of the record that was read stand in quotes.
    pub fn quoted(&self) -> Vec<bool> {
        let Separators { delimiter, quote } = self.separators;
        let (start, _) = self.start();
        let mut row = self.reader.get_ref().slice(start, self.place());
        let mut found = Vec::with_capacity(self.record.len());
        for _ in 0..self.record.len() {
            let is_quoted = row.first() == Some(&quote);
            found.push(is_quoted);
            let mut within = false;
            let end = row.iter().position(|byte| {
                // A quote that is doubled leaves the field and enters it again.
                within ^= is_quoted && *byte == quote;
                *byte == delimiter && !within
            });
            row = end.map_or(&[][..], |end| &row[end + 1..]);
        }
        found
    }

    fn read_record(&mut self) -> Result<bool> {
        let read = self.reader.read_byte_record(&mut self.record);
        read.map_err(|error| failed("read", &self.file)(error.into()))
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

    /// What is wrong with the record itself.
    fn fault(&self) -> Option<String> {
        let (found, wanted) = (self.record.len(), self.names.len());
        if found != wanted {
            return Some(format!("the row has {found} columns, and there are {wanted}"));
        }
        let mut fields = self.names.iter().zip(&self.record);
        fields.find_map(|(name, field)| {
            let error = std::str::from_utf8(field).err()?;
            Some(format!("column {name:?} is not UTF-8: {error}"))
        })
    }

    /// Whether the last row of the file ends within quotes.
    fn has_open_quote(&self) -> bool {
        if !self.reader.get_ref().is_at_end() {
            return false;
        }
        let (start, _) = self.start();
        let row = self.reader.get_ref().slice(start, self.place());
        let pieces = row.split(|byte| *byte == self.separators.quote).count();
        let has_odd_quotes = pieces % 2 == 0;
        has_odd_quotes && row.trim_ascii_end().contains(&b'\n')
    }

    /// Rejects the first line of the record, and goes on with the line behind it.
    pub fn reject(&mut self, reason: String) -> BadRow {
        let (start, line) = self.start();
        let end = self.place();
        let row = self.reader.get_ref().slice(start, end);
        let first = row.split(|byte| *byte == b'\n').next().unwrap_or(row);
        let next = start + first.len() as u64 + 1;
        let original = first.strip_suffix(b"\r").unwrap_or(first).to_vec();
        let spans_lines = next < end;
        if spans_lines {
            let idle = reader(Tape::new(Box::new(std::io::empty())), self.separators);
            let mut tape = std::mem::replace(&mut self.reader, idle).into_inner();
            tape.rewind(next);
            self.reader = reader(tape, self.separators);
            self.base = (next, line + 1);
        }
        BadRow { line: line + 1, reason, original }
    }
}

fn reader(tape: Tape, separators: Separators) -> Reader<Tape> {
    ReaderBuilder::new()
        .delimiter(separators.delimiter)
        .quote(separators.quote)
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(64 << 10)
        .from_reader(tape)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: Separators = Separators { delimiter: b',', quote: b'"' };

    fn open(text: &'static [u8]) -> Result<Separated> {
        Separated::new(Box::new(text), CSV, Columns::Header, "x")
    }

    /// Good records by their fields, bad ones by line and text.
    fn read(text: &'static [u8]) -> Vec<String> {
        let mut rows = open(text).unwrap();
        let mut found = Vec::new();
        while let Some(row) = rows.next_record().unwrap() {
            found.push(match row {
                Ok(()) => rows.fields().collect::<Vec<_>>().join("|"),
                Err(bad) => format!("{}: {}", bad.line, bad.original.escape_ascii()),
            });
        }
        found
    }

    #[test]
    fn records_have_lines_and_bytes() {
        let text = b"\xef\xbb\xbfid,\"a \"\"b\"\"\"\n1,\"x,\ny\"\r\n\r\n2,\n";
        let mut rows = open(text).unwrap();
        assert_eq!(rows.names(), ["id", "a \"b\""]);
        assert!(rows.next_record().unwrap().unwrap().is_ok());
        assert!(rows.fields().eq(["1", "x,\ny"]));
        assert_eq!(rows.original(), (2, b"1,\"x,\ny\"".to_vec()));
        assert!(rows.next_record().unwrap().unwrap().is_ok());
        assert_eq!(rows.original(), (5, b"2,".to_vec()));
        assert!(rows.next_record().unwrap().is_none());
    }

    #[test]
    fn bad_records_keep_their_line_and_their_bytes() {
        let found = read(b"id,n\r\n1,a\r\n2\r\n\r\n3,b,c\r\n4,\xff\r\n5,e\r\n");
        assert_eq!(found, ["1|a", "3: 2", "5: 3,b,c", "6: 4,\\xff", "5|e"]);
    }

    #[test]
    fn stray_quote_costs_one_line() {
        let found = read(b"id,n\n1,a\n\"2,b\n3,c\n4,\"d\"\n5,\"e\n6,f\n");
        assert_eq!(found, ["1|a", "3: \\\"2,b", "3|c", "4|d", "6: 5,\\\"e", "6|f"]);
    }

    #[test]
    fn header_is_text_and_has_each_column_once() {
        for header in [&b""[..], b"id,id\n", b"id,\xff\n"] {
            assert!(open(header).is_err());
        }
    }

    #[test]
    fn quotes_and_names_are_told() {
        let separators = Separators { delimiter: b';', quote: b'\'' };
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        let columns = Columns::Named { names, below_header: true };
        let text = b"x;y;z\n'';;'p'';q'\n1;2\n";
        let mut rows = Separated::new(Box::new(&text[..]), separators, columns, "x").unwrap();
        assert!(rows.next_record().unwrap().unwrap().is_ok());
        assert!(rows.fields().eq(["", "", "p';q"]));
        assert_eq!(rows.quoted(), [true, false, true]);
        let bad = rows.next_record().unwrap().unwrap().unwrap_err();
        assert_eq!((bad.line, &*bad.reason), (3, "the row has 2 columns, and there are 3"));
    }
}
