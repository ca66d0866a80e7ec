//! Records of CSV and TSV: columns below a header.

use std::io::Read;
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::rows::BadRow;
use super::tape::{ROW_LEN_MAX, Tape};
use crate::failure::Failure;

/// Reads the records of a file.
///
/// A row that spans lines and is wrong is wrong by its first line only, since a stray quote makes
/// one row of all lines up to the next quote: reading goes on with its second line.
pub(super) struct Separated {
    reader: Reader<Tape>,
    delimiter: u8,
    path: PathBuf,
    names: Vec<String>,
    record: ByteRecord,
    /// Where the reader was started: the place in bytes, and the line from 0.
    base: (u64, u64),
}

impl Separated {
    /// Reads the header.
    pub(super) fn new(source: Box<dyn Read>, delimiter: u8, path: &Path) -> Result<Self, Failure> {
        let mut rows = Self {
            reader: reader(Tape::new(source), delimiter),
            delimiter,
            path: path.to_owned(),
            names: Vec::new(),
            record: ByteRecord::new(),
            base: (0, 0),
        };
        let refuse = |what: String| Failure::Refused(format!("read {}: {what}", path.display()));
        if !rows.read_record()? {
            return Err(refuse("the file is empty, and needs a header".to_owned()));
        }
        let mut names: Vec<String> = Vec::new();
        for name in &rows.record {
            let name = std::str::from_utf8(name);
            let name = name.map_err(|_| refuse("the header is not UTF-8".to_owned()))?;
            let name = name.strip_prefix('\u{feff}').unwrap_or(name);
            if names.iter().any(|known| known == name) {
                return Err(refuse(format!("the header has the column {name:?} twice")));
            }
            names.push(name.to_owned());
        }
        rows.names = names;
        Ok(rows)
    }

    /// Names of the columns.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Reads the next record, which may be wrong in itself; `None` behind the last one.
    pub(super) fn next_record(&mut self) -> Result<Option<Result<(), BadRow>>, Failure> {
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
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        // They were checked when the record was read.
        self.record.iter().map(|field| std::str::from_utf8(field).unwrap_or_default())
    }

    /// Line of the record that was read, from 1, and its bytes in the file.
    pub(super) fn original(&self) -> (u64, Vec<u8>) {
        let (start, line) = self.start();
        let row = self.reader.get_ref().slice(start, self.place());
        (line + 1, row.trim_ascii_end().to_vec())
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

    /// What is wrong with the record itself.
    fn fault(&self) -> Option<String> {
        let (found, wanted) = (self.record.len(), self.names.len());
        if found != wanted {
            return Some(format!("the row has {found} columns, and the header has {wanted}"));
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
        let pieces = row.split(|byte| *byte == b'"').count();
        let has_odd_quotes = pieces % 2 == 0;
        has_odd_quotes && row.trim_ascii_end().contains(&b'\n')
    }

    /// Rejects the first line of the record, and goes on with the line behind it.
    pub(super) fn reject(&mut self, reason: String) -> BadRow {
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
        BadRow { line: line + 1, reason, original }
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

    /// Good records by their fields, bad ones by line and text.
    fn read(text: &'static [u8]) -> Vec<String> {
        let mut rows = Separated::new(Box::new(text), b',', Path::new("x")).unwrap();
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
        let mut rows = Separated::new(Box::new(&text[..]), b',', Path::new("x")).unwrap();
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
            assert!(Separated::new(Box::new(header), b',', Path::new("x")).is_err());
        }
    }
}
