//! The options of COPY.

use std::path::Path;

use sqlparser::ast::{CopyLegacyCsvOption, CopyLegacyOption, CopyOption};

use crate::error::{Error, Result};
use crate::files::Separators;
use crate::names::{at, folded, unknown};

/// Formats of files.
const FORMATS: [&str; 3] = ["csv", "jsonl", "parquet"];

/// How a file is read or written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) format: Format,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Format {
    Csv {
        separators: Separators,
        /// Whether the first record names the columns.
        header: bool,
        /// What stands for null, where it stands in no quotes.
        null: String,
    },
    JsonLines,
    #[cfg(feature = "vector")]
    Parquet,
}

/// Options as they are given, before it is known whether they fit together.
#[derive(Default)]
struct Given {
    format: Option<&'static str>,
    delimiter: Option<char>,
    quote: Option<char>,
    header: Option<bool>,
    null: Option<String>,
    escape: Option<char>,
}

impl Options {
    /// Reads options; without a format, the end of the file's name tells it, and else it is CSV.
    pub(super) fn read(
        options: &[CopyOption],
        legacy: &[CopyLegacyOption],
        path: Option<&str>,
    ) -> Result<Self> {
        let mut given = Given::default();
        options.iter().try_for_each(|option| given.take(option))?;
        legacy.iter().try_for_each(|option| given.take_legacy(option))?;
        given.whole(path)
    }
}

impl Given {
    fn take(&mut self, option: &CopyOption) -> Result<()> {
        match option {
            CopyOption::Format(name) => {
                let wanted = folded(name).to_lowercase();
                let known = FORMATS.into_iter().find(|known| *known == wanted);
                let known = known.ok_or_else(|| unknown("format", &wanted, FORMATS, at(name)))?;
                return once(&mut self.format, known, "FORMAT");
            }
            CopyOption::Delimiter(delimiter) => {
                return once(&mut self.delimiter, *delimiter, "DELIMITER");
            }
            CopyOption::Null(null) => return once(&mut self.null, null.clone(), "NULL"),
            CopyOption::Header(header) => return once(&mut self.header, *header, "HEADER"),
            CopyOption::Quote(quote) => return once(&mut self.quote, *quote, "QUOTE"),
            CopyOption::Escape(escape) => return once(&mut self.escape, *escape, "ESCAPE"),
            CopyOption::Encoding(name)
                if matches!(&*name.to_lowercase(), "utf8" | "utf-8" | "unicode") => {}
            other => return Err(Error::unsupported(format!("COPY with {other}"), None)),
        }
        Ok(())
    }

    /// Options without parentheses, as in `CSV HEADER`.
    fn take_legacy(&mut self, option: &CopyLegacyOption) -> Result<()> {
        match option {
            CopyLegacyOption::Csv(options) => {
                once(&mut self.format, "csv", "CSV")?;
                options.iter().try_for_each(|option| match option {
                    CopyLegacyCsvOption::Header => once(&mut self.header, true, "HEADER"),
                    CopyLegacyCsvOption::Quote(quote) => once(&mut self.quote, *quote, "QUOTE"),
                    CopyLegacyCsvOption::Escape(escape) => {
                        once(&mut self.escape, *escape, "ESCAPE")
                    }
                    other => Err(Error::unsupported(format!("COPY with {other}"), None)),
                })
            }
            CopyLegacyOption::Header => once(&mut self.header, true, "HEADER"),
            CopyLegacyOption::Delimiter(delimiter) => {
                once(&mut self.delimiter, *delimiter, "DELIMITER")
            }
            CopyLegacyOption::Null(null) => once(&mut self.null, null.clone(), "NULL"),
            other => {
                let hint = "options stand in parentheses: (FORMAT csv, HEADER)";
                Err(Error::unsupported_hint(format!("COPY with {other}"), hint, None))
            }
        }
    }

    fn whole(self, path: Option<&str>) -> Result<Options> {
        let ending = path.and_then(|path| Path::new(path).extension());
        let ending = ending.map(|ending| ending.to_string_lossy().to_lowercase());
        let named = match ending.as_deref() {
            Some("jsonl" | "ndjson") => "jsonl",
            Some("parquet") => "parquet",
            _ => "csv",
        };
        let Self { format, delimiter, quote, header, null, escape } = self;
        let quote = byte(quote.unwrap_or('"'), "QUOTE")?;
        let format = format.unwrap_or(named);
        if format != "csv" {
            let is_plain = delimiter.is_none() && header.is_none() && null.is_none();
            if !is_plain || quote != b'"' || escape.is_some() {
                let options = "DELIMITER, QUOTE, ESCAPE, HEADER and NULL";
                let detail = format!("{options} are for csv, not for {format}");
                return Err(Error::invalid(detail, None));
            }
            let format = if format == "jsonl" { Format::JsonLines } else { parquet()? };
            return Ok(Options { format });
        }
        let between = if ending.as_deref() == Some("tsv") { '\t' } else { ',' };
        let delimiter = byte(delimiter.unwrap_or(between), "DELIMITER")?;
        if delimiter == quote {
            return Err(Error::invalid("DELIMITER and QUOTE are the same", None));
        }
        if escape.is_some_and(|escape| escape != char::from(quote)) {
            let hint = "a quote in quotes is doubled";
            return Err(Error::unsupported_hint("an ESCAPE that is not QUOTE", hint, None));
        }
        let null = null.unwrap_or_default();
        let breaks = |byte: u8| byte == delimiter || byte == quote || matches!(byte, b'\n' | b'\r');
        if null.bytes().any(breaks) {
            let detail = "NULL has DELIMITER, QUOTE or the end of a line in it";
            return Err(Error::invalid(detail, None));
        }
        let separators = Separators { delimiter, quote };
        let header = header.unwrap_or(false);
        Ok(Options { format: Format::Csv { separators, header, null } })
    }
}

#[cfg(feature = "vector")]
#[expect(clippy::unnecessary_wraps, reason = "a build without it has an error")]
fn parquet() -> Result<Format> {
    Ok(Format::Parquet)
}

#[cfg(not(feature = "vector"))]
fn parquet() -> Result<Format> {
    let hint = "build with the feature vector, or copy csv or jsonl";
    Err(Error::unsupported_hint("COPY of Parquet", hint, None))
}

fn once<T>(place: &mut Option<T>, value: T, name: &str) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::invalid(format!("{name} is given twice"), None)),
    }
}

/// A character of one byte that ends no line.
fn byte(character: char, name: &str) -> Result<u8> {
    let byte = u8::try_from(character).ok().filter(u8::is_ascii);
    byte.filter(|byte| !matches!(byte, b'\n' | b'\r' | 0)).ok_or_else(|| {
        Error::invalid(format!("{name} {character:?} is no ASCII character within a line"), None)
    })
}
