//! What a file holds and how it is compressed, by its name.

use std::path::Path;

use lightning_db::sql::files::RowFormat;

use crate::failure::Failure;

/// Format and compression of a file of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) rows: RowFormat,
    pub(crate) compression: Compression,
}

/// How the whole file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Format {
    /// The format that a file's name stands for.
    pub(crate) fn of(path: &Path) -> Result<Self, Failure> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let (name, compression) = if let Some(name) = name.strip_suffix(".gz") {
            (name, Compression::Gzip)
        } else if let Some(name) = name.strip_suffix(".zst") {
            (name, Compression::Zstd)
        } else {
            (&name[..], Compression::None)
        };
        let rows = match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("csv") => RowFormat::below_header(b','),
            Some("tsv") => RowFormat::below_header(b'\t'),
            Some("jsonl" | "ndjson") => RowFormat::JsonLines,
            Some("parquet") => {
                let path = path.display();
                let hint = if cfg!(feature = "vector") {
                    "Parquet has the rows of tables; give one with --table"
                } else {
                    "Parquet needs a `lightning` that was built with --features vector"
                };
                return Err(Failure::Usage(format!("read or write {path}: {hint}")));
            }
            _ => {
                let path = path.display();
                return Err(Failure::Usage(format!(
                    "tell the format of {path}: its name must end in .csv, .tsv, .jsonl or \
                     .ndjson, with .gz or .zst behind it if it is compressed, or in .parquet"
                )));
            }
        };
        Ok(Self { rows, compression })
    }
}

/// Whether a file's name says that it is Parquet.
#[cfg(feature = "vector")]
pub(crate) fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Option<(RowFormat, Compression)>) {
        let found = Format::of(Path::new(name)).ok();
        let expected = expected.map(|(rows, compression)| Format { rows, compression });
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn name_tells_the_format() {
        let (csv, tsv) = (RowFormat::below_header(b','), RowFormat::below_header(b'\t'));
        check("a.csv", Some((csv, Compression::None)));
        check("/x/a.b.TSV.gz", Some((tsv, Compression::Gzip)));
        check("a.jsonl.zst", Some((RowFormat::JsonLines, Compression::Zstd)));
        check("a.ndjson", Some((RowFormat::JsonLines, Compression::None)));
        for unknown in ["a.json", "csv", "a.gz", "a.csv.bz2", "a.parquet", "a.parquet.gz", ""] {
            check(unknown, None);
        }
    }
}
