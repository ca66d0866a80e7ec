//! `export`: a keyspace or a table into a file that `import` can load again.
//!
//! The keyspace is read several times in one snapshot: to learn whether rows hold their keys, to
//! learn their columns for CSV and TSV, and to write them.

pub(crate) mod table;

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

use lightning_db::sql::files::RowFormat;
use lightning_db::{Keyspace, Snapshot};
use serde_json::{Map, Value, json};

use crate::args::Export;
use crate::context::Context;
use crate::failure::Failure;
use crate::format::Format;
use crate::progress::Progress;
use crate::stream::NewFile;
use crate::text;

/// Rows between two looks at the progress.
const PROGRESS_EVERY: u64 = 1_000;

type Row = Map<String, Value>;

/// Writes a keyspace or a table.
pub(crate) fn run(context: &Context, export: &Export) -> Result<(), Failure> {
    match (&export.table, &export.targets[..]) {
        (Some(table), [file]) => table::run(context, table, file.as_ref(), export.null.as_deref()),
        (None, [keyspace, file]) => keyspace_to_file(context, keyspace, file.as_ref()),
        _ => Err(Failure::Usage(
            "export: give a keyspace and a file, or a file and --table NAME".to_owned(),
        )),
    }
}

/// Writes all entries of a keyspace.
fn keyspace_to_file(context: &Context, keyspace: &str, path: &Path) -> Result<(), Failure> {
    let format = Format::of(path)?;
    let (store, keyspace) = context.open_keyspace(keyspace)?;
    let started = context.elapsed();
    let snapshot = store.snapshot();
    let looking = Progress::of_work(context, "looking for the key among the fields");
    let survey = Survey::of(&snapshot, &keyspace)?;
    drop(looking);

    let file = NewFile::create(path, format.compression)?;
    let progress = Progress::of(context, survey.rows);
    let writer = Writer { snapshot: &snapshot, keyspace: &keyspace, survey: &survey, path };
    match format.rows {
        RowFormat::JsonLines => writer.json_lines(file, &progress)?,
        RowFormat::Separated(by, _) => writer.separated(file, by.delimiter, &progress)?,
    }
    drop(progress);
    drop(snapshot);
    store.close()?;

    let time = context.elapsed().saturating_sub(started);
    let rate = text::rate(survey.rows, time);
    let rows = text::count(survey.rows, "row");
    let (took, per_second) = (text::time(time), text::number(rate));
    let target = path.display();
    let summary = format!("exported {rows} to {target} in {took}, {per_second} rows/s");
    let json = json!({
        "keyspace": keyspace.name(),
        "file": target.to_string(),
        "rows": survey.rows,
        "seconds": time.as_secs_f64(),
        "rows_per_second": rate,
    });
    context.print_summary(&summary, &json)
}

/// What all rows have in common.
#[derive(Debug)]
struct Survey {
    rows: u64,
    /// Whether some field holds the key in every row, so that none has to be added.
    holds_keys: bool,
}

impl Survey {
    fn of(snapshot: &Snapshot, keyspace: &Keyspace) -> Result<Self, Failure> {
        // Fields that hold the key in every row so far; `None` before the first.
        let mut key_fields: Option<Vec<String>> = None;
        let mut rows = 0;
        for entry in snapshot.iter(keyspace) {
            let (key, value) = entry?;
            rows += 1;
            if key_fields.as_ref().is_some_and(Vec::is_empty) {
                continue;
            }
            let fields = parse_object(&value);
            let holds = |field: &String| {
                let value = fields.as_ref().and_then(|fields| fields.get(field));
                value.is_some_and(|value| cell(value).as_bytes() == &key[..])
            };
            if let Some(known) = &mut key_fields {
                known.retain(holds);
            } else {
                let names = fields.iter().flat_map(Row::keys);
                key_fields = Some(names.filter(|name| holds(name)).cloned().collect());
            }
        }
        Ok(Self { rows, holds_keys: key_fields.is_none_or(|fields| !fields.is_empty()) })
    }

    /// The row that an entry becomes.
    fn row(&self, key: &[u8], value: &[u8]) -> Row {
        let mut fields = parse_object(value);
        if let Some(fields) = fields.take_if(|_| self.holds_keys) {
            return fields;
        }
        let mut row = Row::new();
        insert_bytes(&mut row, "key", key);
        match fields {
            Some(fields) if !fields.keys().any(|name| row.contains_key(name)) => row.extend(fields),
            _ => insert_bytes(&mut row, "value", value),
        }
        row
    }
}

struct Writer<'a> {
    snapshot: &'a Snapshot,
    keyspace: &'a Keyspace,
    survey: &'a Survey,
    path: &'a Path,
}

impl Writer<'_> {
    fn json_lines(&self, mut file: NewFile, progress: &Progress) -> Result<(), Failure> {
        self.each_row(progress, |key, value| {
            if self.survey.holds_keys && !value.contains(&b'\n') {
                file.write_all(value)?;
            } else {
                serde_json::to_writer(&mut file, &self.survey.row(key, value))?;
            }
            file.write_all(b"\n")
        })?;
        file.finish(self.path)
    }

    /// All columns, in the order in which they are first seen.
    fn columns(&self) -> Result<Vec<String>, Failure> {
        let mut columns = Vec::new();
        let mut seen = HashSet::new();
        for entry in self.snapshot.iter(self.keyspace) {
            let (key, value) = entry?;
            for (name, _) in self.survey.row(&key, &value) {
                if !seen.contains(&name) {
                    seen.insert(name.clone());
                    columns.push(name);
                }
            }
        }
        Ok(columns)
    }

    fn separated(&self, file: NewFile, by: u8, progress: &Progress) -> Result<(), Failure> {
        let mut writer = csv::WriterBuilder::new().delimiter(by).from_writer(file);
        let columns = self.columns()?;
        let header = writer.write_record(&columns);
        header.map_err(|error| Failure::file("write", self.path)(error.into()))?;
        self.each_row(progress, |key, value| {
            let row = self.survey.row(key, value);
            for column in &columns {
                let cell = row.get(column).map_or(Cow::Borrowed(""), cell);
                writer.write_field(&*cell)?;
            }
            Ok(writer.write_record(None::<&[u8]>)?)
        })?;
        let file = writer.into_inner().map_err(csv::IntoInnerError::into_error);
        file.map_err(Failure::file("write", self.path))?.finish(self.path)
    }

    fn each_row(
        &self,
        progress: &Progress,
        mut write: impl FnMut(&[u8], &[u8]) -> std::io::Result<()>,
    ) -> Result<(), Failure> {
        progress.restart();
        let mut rows = 0_u64;
        for entry in self.snapshot.iter(self.keyspace) {
            let (key, value) = entry?;
            write(&key, &value).map_err(Failure::file("write", self.path))?;
            rows += 1;
            if rows.is_multiple_of(PROGRESS_EVERY) {
                progress.set_position(rows);
                progress.set_rows(rows);
            }
        }
        Ok(())
    }
}

fn parse_object(value: &[u8]) -> Option<Row> {
    if !value.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    serde_json::from_slice(value).ok()
}

fn insert_bytes(row: &mut Row, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => row.insert(name.to_owned(), text.into()),
        Err(_) => row.insert(format!("{name}_hex"), text::hex(bytes).into()),
    };
}

/// A value as the text of a cell.
fn cell(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null => Cow::Borrowed(""),
        value => Cow::Owned(value.to_string()),
    }
}
