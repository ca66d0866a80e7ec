//! Lines of JSON Lines: one object a line.

use std::fmt;
use std::io::{BufRead, BufReader, Read};

use super::failed;
use super::tape::ROW_LEN_MAX;
use crate::error::Result;

/// Reads the lines of a file. Empty ones are no rows.
pub struct JsonLines {
    source: BufReader<Box<dyn Read>>,
    file: String,
    line: u64,
    buffer: Vec<u8>,
    is_cut: bool,
}

impl fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, .. } = self;
        f.debug_struct("JsonLines").field("file", file).field("line", line).finish_non_exhaustive()
    }
}

impl JsonLines {
    /// Reads lines; `file` is what errors call their source.
    pub fn new(source: Box<dyn Read>, file: &str) -> Self {
        let source = BufReader::with_capacity(256 << 10, source);
        Self { source, file: file.to_owned(), line: 0, buffer: Vec::new(), is_cut: false }
    }

    /// Reads the next line that is not empty; `false` behind the last one.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File).
    pub fn next_line(&mut self) -> Result<bool> {
        loop {
            self.buffer.clear();
            let limit = ROW_LEN_MAX as u64;
            let read = (&mut self.source).take(limit).read_until(b'\n', &mut self.buffer);
            let read = read.map_err(failed("read", &self.file))?;
            if read == 0 {
                return Ok(false);
            }
            self.line += 1;
            self.is_cut = read as u64 == limit && self.buffer.last() != Some(&b'\n');
            if self.is_cut {
                self.source.skip_until(b'\n').map_err(failed("read", &self.file))?;
                self.buffer.truncate(64);
                return Ok(true);
            }
            if !self.text().is_empty() {
                return Ok(true);
            }
        }
    }

    /// The line that was read, without white space around it.
    pub fn text(&self) -> &[u8] {
        let text = self.buffer.trim_ascii();
        text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text)
    }

    /// Whether the line is longer than [`ROW_LEN_MAX`], and its text only the beginning of it.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Number of the line that was read, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_line_is_cut_and_passed_over() {
        let long = std::io::repeat(b'x').take(ROW_LEN_MAX as u64 + 10);
        let source = (&b"{}\n"[..]).chain(long).chain(&b"\n\n{\"a\":1}"[..]);
        let mut lines = JsonLines::new(Box::new(source), "x");
        let mut found = Vec::new();
        while lines.next_line().unwrap() {
            found.push((lines.line(), lines.is_cut(), lines.text().len()));
        }
        assert_eq!(found, [(1, false, 2), (2, true, 64), (4, false, 7)]);
    }
}
