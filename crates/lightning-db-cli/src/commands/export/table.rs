//! `export FILE --table NAME`: a table into a file that `import` can load again.

use std::io::Write;
use std::path::Path;

use lightning_db::sql::files::{self, RowFormat};
use lightning_db::tables::{ColumnType, TableReader, Tables, ValueRef};
use serde_json::json;

use crate::commands::rows::object;
use crate::context::{self, Context};
use crate::failure::Failure;
#[cfg(feature = "vector")]
use crate::format;
use crate::format::Format;
use crate::progress::Progress;
use crate::stream::NewFile;
use crate::text;

/// Rows between two looks at the progress.
const PROGRESS_EVERY: u64 = 1_000;

/// The columns of a table: their place in the row, name and type.
type Columns = [(usize, String, ColumnType)];

/// Writes all rows of a table.
pub(super) fn run(
    context: &Context,
    name: &str,
    path: &Path,
    null: Option<&str>,
) -> Result<(), Failure> {
    let (store, tables) = context.open_tables()?;
    let written = to_file(context, &tables, name, (path, null));
    drop(tables);
    store.close()?;
    written
}

/// Writes all rows of a table of an open store.
pub(crate) fn to_file(
    context: &Context,
    tables: &Tables,
    name: &str,
    (path, null): (&Path, Option<&str>),
) -> Result<(), Failure> {
    let format = Target::of(path)?;
    if null.is_some()
        && !matches!(format, Target::Lines(Format { rows: RowFormat::Separated(..), .. }))
    {
        return Err(Failure::Usage(
            "export: JSON Lines and Parquet have a null, and need no --null".to_owned(),
        ));
    }
    let started = context.elapsed();
    let table = context::table(tables, name)?;
    let snapshot = tables.snapshot();
    let reader = snapshot.read(&table)?;
    let columns: Vec<(usize, String, ColumnType)> = (0..)
        .zip(table.columns())
        .map(|(at, column)| (at, column.name.clone(), column.column_type))
        .collect();
    let progress = Progress::of(context, reader.approximate_count());
    let rows = match format {
        #[cfg(feature = "vector")]
        Target::Parquet => parquet(&reader, &columns, path, &progress)?,
        Target::Lines(format) => {
            lines(context, (&reader, &columns), &format, (path, null), &progress)?
        }
    };
    drop(progress);

    let time = context.elapsed().saturating_sub(started);
    let rate = text::rate(rows, time);
    let (took, per_second) = (text::time(time), text::number(rate));
    let (counted, target) = (text::count(rows, "row"), path.display());
    let summary = format!("exported {counted} to {target} in {took}, {per_second} rows/s");
    let json = json!({
        "table": name,
        "file": target.to_string(),
        "rows": rows,
        "seconds": time.as_secs_f64(),
        "rows_per_second": rate,
    });
    context.print_summary(&summary, &json)
}

/// What the file is to hold.
enum Target {
    Lines(Format),
    #[cfg(feature = "vector")]
    Parquet,
}

impl Target {
    fn of(path: &Path) -> Result<Self, Failure> {
        #[cfg(feature = "vector")]
        if format::is_parquet(path) {
            return Ok(Self::Parquet);
        }
        Format::of(path).map(Self::Lines)
    }
}

#[cfg(feature = "vector")]
fn parquet(
    reader: &TableReader<'_>,
    columns: &Columns,
    path: &Path,
    progress: &Progress,
) -> Result<u64, Failure> {
    let mut file = files::NewFile::create(path)?;
    let named = columns.iter().map(|(_, name, of)| (name.clone(), *of)).collect();
    let shown = path.display().to_string();
    let mut writer = files::ParquetWriter::new(named, &mut file, &shown)?;
    let mut rows = 0;
    for row in reader.scan() {
        let row = row?;
        let values: Vec<ValueRef<'_>> = columns.iter().map(|(at, ..)| row.at(*at)).collect();
        writer.row(&values)?;
        count(&mut rows, progress);
    }
    writer.finish()?;
    file.finish()?;
    Ok(rows)
}

/// Writes rows as text; gives their number.
fn lines(
    context: &Context,
    (reader, columns): (&TableReader<'_>, &Columns),
    format: &Format,
    (path, null): (&Path, Option<&str>),
    progress: &Progress,
) -> Result<u64, Failure> {
    let file = NewFile::create(path, format.compression)?;
    let RowFormat::Separated(by, _) = &format.rows else {
        return json_lines(reader, columns, file, path, progress);
    };
    let null = null.unwrap_or_default();
    let (rows, is_ambiguous) =
        separated(reader, columns, (file, path), (by.delimiter, null), progress)?;
    if is_ambiguous {
        context.note(&format!(
            "some texts are {null:?}, as nulls are: choose another text with --null"
        ));
    }
    Ok(rows)
}

fn json_lines(
    reader: &TableReader<'_>,
    columns: &Columns,
    mut file: NewFile,
    path: &Path,
    progress: &Progress,
) -> Result<u64, Failure> {
    let mut rows = 0;
    for row in reader.scan() {
        let line = object(&row?, columns);
        writeln!(file, "{line}").map_err(Failure::file("write", path))?;
        count(&mut rows, progress);
    }
    file.finish(path)?;
    Ok(rows)
}

/// Gives the number of rows, and whether a text was written that reads as null.
fn separated(
    reader: &TableReader<'_>,
    columns: &Columns,
    (file, path): (NewFile, &Path),
    (by, null): (u8, &str),
    progress: &Progress,
) -> Result<(u64, bool), Failure> {
    let write = |error: csv::Error| Failure::file("write", path)(error.into());
    let mut writer = csv::WriterBuilder::new().delimiter(by).from_writer(file);
    writer.write_record(columns.iter().map(|(_, name, _)| name)).map_err(write)?;
    let mut rows = 0;
    let mut nulls = vec![(false, false); columns.len()];
    for row in reader.scan() {
        let row = row?;
        for ((at, ..), (has_null, has_same)) in columns.iter().zip(&mut nulls) {
            let cell = files::to_text(row.at(*at));
            *has_null |= cell.is_none();
            *has_same |= matches!(row.at(*at), ValueRef::Text(text) if text == null);
            writer.write_field(cell.as_deref().unwrap_or(null)).map_err(write)?;
        }
        writer.write_record(None::<&[u8]>).map_err(write)?;
        count(&mut rows, progress);
    }
    let file = writer.into_inner().map_err(csv::IntoInnerError::into_error);
    file.map_err(Failure::file("write", path))?.finish(path)?;
    Ok((rows, nulls.iter().any(|(has_null, has_same)| *has_null && *has_same)))
}

fn count(rows: &mut u64, progress: &Progress) {
    *rows += 1;
    if rows.is_multiple_of(PROGRESS_EVERY) {
        progress.set_position(*rows);
        progress.set_rows(*rows);
    }
}
