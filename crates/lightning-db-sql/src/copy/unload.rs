//! COPY TO: the rows of a table or query into a file, which is there when it is complete.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use lightning_db_query::ResultColumn;
use lightning_db_table::ColumnType;
use lightning_db_types::ValueRef;
use serde_json::Value as Json;
use sqlparser::ast::{self, CopySource};

use super::options::{Format, Options};
use crate::connection::Session;
use crate::error::{Error, Result};
#[cfg(feature = "vector")]
use crate::files::ParquetWriter;
use crate::files::{self, NewFile};
use crate::names::{self, folded};
use crate::parse::{self, Parsed};
use crate::planned::{Given, Host};
use crate::prepared::Prepared;

/// Bytes after which rows are given to the output.
const BUFFER: usize = 64 << 10;

/// Where the rows go.
pub(super) struct Target<'a> {
    pub(super) output: &'a mut dyn Write,
    /// What errors call it.
    pub(super) file: &'a str,
}

/// Writes the rows to a file; gives their number.
pub(super) fn to_file(
    parsed: &Parsed,
    source: &CopySource,
    options: &Options,
    path: &str,
    on: (&Host<'_>, &Session, &Given<'_>),
) -> Result<u64> {
    let mut file = NewFile::create(Path::new(path))?;
    let count = run(parsed, source, options, Target { output: &mut file, file: path }, on)?;
    file.finish()?;
    Ok(count)
}

/// Writes the rows; gives their number.
pub(super) fn run<'a>(
    parsed: &Parsed,
    source: &CopySource,
    options: &'a Options,
    target: Target<'a>,
    (host, session, given): (&Host<'_>, &Session, &Given<'_>),
) -> Result<u64> {
    let (query, types) = query(parsed, source, host, (session, given))?;
    let mut writer: Box<dyn RowWriter + 'a> = match options.format {
        #[cfg(feature = "vector")]
        Format::Parquet => Box::new(OfParquet { types, target: Some(target), writer: None }),
        Format::Csv { .. } | Format::JsonLines => {
            Box::new(TextWriter { options, types, target, buffer: Vec::with_capacity(BUFFER) })
        }
    };
    let mut count = 0;
    query.read(host, session, given, &mut |columns, row| {
        match row {
            None => writer.head(columns)?,
            Some(row) => {
                writer.row(columns, row)?;
                count += 1;
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    writer.finish()?;
    Ok(count)
}

/// The query whose rows are written, and the types of its columns where they are a table's.
fn query(
    parsed: &Parsed,
    source: &CopySource,
    host: &Host<'_>,
    (session, given): (&Session, &Given<'_>),
) -> Result<(Prepared, Vec<ColumnType>)> {
    let (parameters, uses_moment) = (parsed.parameters, parsed.uses_moment);
    match source {
        CopySource::Query(query) => {
            let statement = ast::Statement::Query(query.clone());
            let text = statement.to_string();
            let parsed = Parsed { text, statement, parameters, uses_moment, as_of: None };
            Ok((Prepared::new(parsed), Vec::new()))
        }
        CopySource::Table { table_name, columns } => {
            let (name, _) = names::table(table_name)?;
            let mut listed: Vec<String> = columns.iter().map(folded).collect();
            let mut types = Vec::new();
            // What is no table may be a view, or is not there, as the query finds.
            if let Ok(table) = given.seen(host, session).source().table(&name) {
                if listed.is_empty() {
                    let taken = table.columns().filter(|column| column.generated.is_none());
                    listed = taken.map(|column| column.name.clone()).collect();
                }
                let of = |name: &String| table.columns().find(|column| column.name == *name);
                let found = listed.iter().map(|name| of(name).map(|column| column.column_type));
                types = found.collect::<Option<_>>().unwrap_or_default();
            }
            let quoted = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
            let listed: Vec<String> = listed.iter().map(quoted).collect();
            let listed = if listed.is_empty() { "*".to_owned() } else { listed.join(", ") };
            let parsed = parse::parse_one(&format!("SELECT {listed} FROM {}", quoted(&name)))?;
            Ok((Prepared::new(parsed), types))
        }
    }
}

/// Writes rows in a format: the head, the rows, and what is left.
trait RowWriter {
    fn head(&mut self, columns: &[ResultColumn]) -> Result<()>;
    fn row(&mut self, columns: &[ResultColumn], row: &[ValueRef<'_>]) -> Result<()>;
    fn finish(&mut self) -> Result<()>;
}

/// Writes rows as CSV or JSON Lines.
struct TextWriter<'a> {
    options: &'a Options,
    /// Types of the columns, or none if they are not known.
    types: Vec<ColumnType>,
    target: Target<'a>,
    buffer: Vec<u8>,
}

impl RowWriter for TextWriter<'_> {
    fn head(&mut self, columns: &[ResultColumn]) -> Result<()> {
        if let Format::Csv { separators, header: true, .. } = &self.options.format {
            for (number, column) in columns.iter().enumerate() {
                if number > 0 {
                    self.buffer.push(separators.delimiter);
                }
                files::write_csv(Some(&column.name), "", *separators, &mut self.buffer);
            }
            self.buffer.push(b'\n');
        }
        Ok(())
    }

    fn row(&mut self, columns: &[ResultColumn], row: &[ValueRef<'_>]) -> Result<()> {
        if let Format::Csv { separators, null, .. } = &self.options.format {
            for (number, value) in row.iter().enumerate() {
                if number > 0 {
                    self.buffer.push(separators.delimiter);
                }
                let text = files::to_text(*value);
                if text.is_none() && null.is_empty() && row.len() == 1 {
                    let detail = "a null alone is an empty line, which is no row; give NULL";
                    return Err(Error::invalid(detail, None));
                }
                files::write_csv(text.as_deref(), null, *separators, &mut self.buffer);
            }
        } else {
            let mut object = String::from("{");
            for (number, (column, value)) in columns.iter().zip(row).enumerate() {
                if number > 0 {
                    object.push(',');
                }
                object.push_str(&Json::from(&*column.name).to_string());
                object.push(':');
                let of = self.types.get(number).copied().unwrap_or(ColumnType::Text);
                files::write_json(*value, of, &mut object);
            }
            object.push('}');
            self.buffer.extend_from_slice(object.as_bytes());
        }
        self.buffer.push(b'\n');
        if self.buffer.len() >= BUFFER { self.finish() } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<()> {
        let Target { output, file } = &mut self.target;
        let written = output.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(|source| Error::File {
            operation: "write",
            path: (*file).to_owned(),
            source,
        })
    }
}

/// Writes rows as Parquet, which has the types of the columns in it.
#[cfg(feature = "vector")]
struct OfParquet<'a> {
    /// Types of the columns, or none if they are not known before the first row.
    types: Vec<ColumnType>,
    /// Until the columns are known.
    target: Option<Target<'a>>,
    writer: Option<ParquetWriter<'a>>,
}

#[cfg(feature = "vector")]
impl RowWriter for OfParquet<'_> {
    fn head(&mut self, columns: &[ResultColumn]) -> Result<()> {
        let of = |column: &ResultColumn| {
            let mut all = ColumnType::ALL.into_iter();
            // A column of nulls alone has no type.
            all.find(|it| it.value_type() == column.value_type).unwrap_or(ColumnType::Text)
        };
        let types = columns.iter().enumerate();
        let types = types.map(|(at, column)| self.types.get(at).copied().unwrap_or(of(column)));
        let named = columns.iter().map(|column| column.name.clone()).zip(types).collect();
        if let Some(Target { output, file }) = self.target.take() {
            self.writer = Some(ParquetWriter::new(named, output, file)?);
        }
        Ok(())
    }

    fn row(&mut self, _: &[ResultColumn], row: &[ValueRef<'_>]) -> Result<()> {
        self.writer.as_mut().map_or(Ok(()), |writer| writer.row(row))
    }

    fn finish(&mut self) -> Result<()> {
        self.writer.take().map_or(Ok(()), ParquetWriter::finish)
    }
}
