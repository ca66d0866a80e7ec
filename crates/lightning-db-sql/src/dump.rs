//! The tables of a store as SQL text that makes them anew: definitions, rows, indexes and views.
//!
//! Each definition is read again before it is written, and must come out as the one that is there:
//! what SQL cannot say is an error, never another table.

mod definition;

use std::collections::{BTreeSet, HashSet};
use std::io::{self, Write};

use lightning_db_query::Source;
use lightning_db_table::{Row, Table, TableDefinition};
use lightning_db_types::Value;

use crate::error::{Error, Result};
use crate::files::Separators;
use crate::{files, views};
use definition::quoted;

/// Rows of one COPY, which is one commit.
const ROWS_MAX: usize = 10_000;
/// Bytes of them.
const BYTES_MAX: usize = 8 << 20;

/// How rows are written: as COPY reads them by itself, with a null of their own, so that a line is
/// never empty.
const CSV: Separators = Separators { delimiter: b',', quote: b'"' };
const NULL: &str = "\\N";

/// What errors call the output.
const OUTPUT: &str = "the dump";

/// Writes all tables and views that a source sees, or one table.
pub(crate) fn write(source: Source<'_>, only: Option<&str>, output: &mut dyn Write) -> Result<()> {
    let mut dump = Dump { source, output };
    if let Some(name) = only {
        return dump.table(&source.table(name)?);
    }
    let mut done = BTreeSet::new();
    for name in source.names() {
        dump.after_those_it_names(&name, &mut done)?;
    }
    dump.views()
}

struct Dump<'a> {
    source: Source<'a>,
    output: &'a mut dyn Write,
}

impl Dump<'_> {
    fn put(&mut self, text: &[u8]) -> Result<()> {
        let written = self.output.write_all(text);
        written.map_err(failed)
    }

    /// Writes a table behind those that its foreign keys name.
    fn after_those_it_names(&mut self, name: &str, done: &mut BTreeSet<String>) -> Result<()> {
        if name == views::TABLE || !done.insert(name.to_owned()) {
            return Ok(());
        }
        let table = self.source.table(name)?;
        for key in table.foreign_keys() {
            self.after_those_it_names(&key.table, done)?;
        }
        self.table(&table)
    }

    fn table(&mut self, table: &Table) -> Result<()> {
        let definition = table.definition();
        self.put(definition::table(&definition, self.source)?.as_bytes())?;
        // Foreign keys of other tables, and of this one, may name unique keys.
        let (first, last): (Vec<_>, Vec<_>) =
            definition.indexes.iter().partition(|index| definition::is_unique(index));
        for index in first {
            self.put(definition::index(index, &definition, self.source)?.as_bytes())?;
        }
        self.rows(table, &definition)?;
        for index in last {
            self.put(definition::index(index, &definition, self.source)?.as_bytes())?;
        }
        Ok(())
    }

    fn rows(&mut self, table: &Table, definition: &TableDefinition) -> Result<()> {
        let given = definition.columns.iter().enumerate();
        let given = given.filter(|(_, column)| column.generated.is_none());
        let (columns, listed): (Vec<usize>, Vec<String>) =
            given.map(|(at, column)| (at, quoted(&column.name))).unzip();
        let (name, listed) = (quoted(&definition.name), listed.join(", "));
        let head = format!("COPY {name} ({listed}) FROM STDIN (NULL '{NULL}');\n");
        let source = self.source;
        let mut rows = Rows { head, dump: self, columns, text: Vec::new(), count: 0 };
        let reader = source.read(table)?;
        let own = definition.foreign_keys.iter().filter(|key| key.table == definition.name);
        let own: Vec<_> = own.collect();
        if own.is_empty() {
            for row in reader.scan() {
                rows.add(&row?)?;
            }
            return rows.flush();
        }
        // Rows that name others of the table come behind those.
        let mut waiting = reader.scan().collect::<Result<Vec<_>, _>>()?;
        let values = |row: &Row, names: &[String]| -> Result<Vec<Value>> {
            names.iter().map(|name| Ok(row.get(name)?.to_value())).collect()
        };
        let mut there: Vec<HashSet<String>> = vec![HashSet::new(); own.len()];
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut still = Vec::new();
            for row in waiting {
                let mut may = true;
                let mut keys = Vec::with_capacity(own.len());
                for (key, there) in own.iter().zip(&there) {
                    let wanted = values(&row, &key.columns)?;
                    let named = format!("{wanted:?}");
                    let itself = format!("{:?}", values(&row, &key.references)?);
                    may &= wanted.iter().any(Value::is_null)
                        || named == itself
                        || there.contains(&named);
                    keys.push(itself);
                }
                if may {
                    rows.add(&row)?;
                    there.iter_mut().zip(keys).for_each(|(there, key)| there.extend([key]));
                } else {
                    still.push(row);
                }
            }
            if still.len() == before {
                let name = &definition.name;
                let what = format!("a dump of {name}, whose rows name each other in a circle");
                return Err(Error::unsupported(what, None));
            }
            waiting = still;
        }
        rows.flush()
    }

    /// Views come behind those that they may name.
    fn views(&mut self) -> Result<()> {
        let mut all = Vec::new();
        for name in views::names(self.source)? {
            if let Some(text) = views::definition(self.source, &name)? {
                all.push((name, text));
            }
        }
        let mut done = BTreeSet::new();
        for (name, _) in &all {
            self.view(name, &all, &mut done)?;
        }
        Ok(())
    }

    fn view(
        &mut self,
        name: &str,
        all: &[(String, String)],
        done: &mut BTreeSet<String>,
    ) -> Result<()> {
        let Some((_, text)) = all.iter().find(|(known, _)| known == name) else { return Ok(()) };
        if !done.insert(name.to_owned()) {
            return Ok(());
        }
        for (other, _) in all.iter().filter(|(other, _)| text.contains(&**other)) {
            self.view(other, all, done)?;
        }
        self.put(format!("{text};\n").as_bytes())
    }
}

/// The rows of a table, in statements of bounded size.
struct Rows<'r, 'a> {
    head: String,
    dump: &'r mut Dump<'a>,
    /// Places of the columns.
    columns: Vec<usize>,
    text: Vec<u8>,
    count: usize,
}

impl Rows<'_, '_> {
    fn add(&mut self, row: &Row) -> Result<()> {
        for (number, at) in self.columns.iter().enumerate() {
            if number > 0 {
                self.text.push(CSV.delimiter);
            }
            let field = files::to_text(row.at(*at));
            files::write_csv(field.as_deref(), NULL, CSV, &mut self.text);
        }
        self.text.push(b'\n');
        self.count += 1;
        if self.count >= ROWS_MAX || self.text.len() >= BYTES_MAX { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        self.dump.put(self.head.as_bytes())?;
        self.dump.put(&self.text)?;
        self.dump.put(b"\\.\n")?;
        self.text.clear();
        self.count = 0;
        Ok(())
    }
}

fn failed(source: io::Error) -> Error {
    Error::File { operation: "write", path: OUTPUT.to_owned(), source }
}
