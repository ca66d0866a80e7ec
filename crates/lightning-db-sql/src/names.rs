//! Names as they stand in a statement, and as tables are called.

use lightning_db_query::build::nearest;
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};
use sqlparser::tokenizer::Span;

use crate::error::{Error, Position, Result};

/// A name as it is meant: in lower case unless it is quoted, as in `PostgreSQL`.
pub(crate) fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// Where something begins, if that is known.
pub(crate) fn begin(span: Span) -> Option<Position> {
    let Span { start, .. } = span;
    (start.line > 0).then_some(Position { line: start.line, column: start.column })
}

/// Where a name stands.
pub(crate) fn at(ident: &Ident) -> Option<Position> {
    begin(ident.span)
}

/// A table's name, which may stand behind the schema `public`, and where it stands.
///
/// # Errors
/// [`Error::Unsupported`] for other schemas and databases.
pub(crate) fn table(name: &ObjectName) -> Result<(String, Option<Position>)> {
    let idents = parts(name)?;
    match idents[..] {
        [table] => Ok((folded(table), at(table))),
        [schema, table] if folded(schema) == "public" => Ok((folded(table), at(table))),
        _ => {
            let first = idents.first().and_then(|ident| at(ident));
            let hint = "tables stand in the schema public";
            Err(Error::unsupported_hint(format!("the name {name}"), hint, first))
        }
    }
}

/// The name of a table of another schema, and where it stands; `None` if it is in none or another.
pub(crate) fn within(name: &ObjectName, schema: &str) -> Option<(String, Option<Position>)> {
    match parts(name).ok()?[..] {
        [one, table] if folded(one) == schema => Some((folded(table), at(table))),
        _ => None,
    }
}

/// The name of a function or a type, in lower case.
pub(crate) fn plain(name: &ObjectName) -> Result<(String, Option<Position>)> {
    let idents = parts(name)?;
    match idents[..] {
        [one] => Ok((folded(one), at(one))),
        _ => Err(Error::unsupported(format!("the name {name}"), None)),
    }
}

fn parts(name: &ObjectName) -> Result<Vec<&Ident>> {
    let mut idents = Vec::with_capacity(name.0.len());
    for part in &name.0 {
        let ObjectNamePart::Identifier(ident) = part else {
            return Err(Error::unsupported(format!("the name {name}"), None));
        };
        idents.push(ident);
    }
    Ok(idents)
}

/// The error of a name that is not there, with the nearest one that is.
pub(crate) fn unknown(
    what: &'static str,
    name: &str,
    known: impl IntoIterator<Item = impl AsRef<str>>,
    at: Option<Position>,
) -> Error {
    Error::Unknown { what, name: name.to_owned(), suggestion: nearest(name, known), at }
}
