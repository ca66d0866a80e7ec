//! Views: queries that stand under names.
//!
//! They are rows of a table of the store, [`TABLE`], which the first one makes: their names, and
//! the statements that made them. A query that names one is bound with the view's query in its
//! place, and its plan remembers the definition that it was made for.

use lightning_db_query::Source;
use lightning_db_table::{ColumnDefinition, ColumnType, TableDefinition};
use lightning_db_types::{Value, ValueRef};
use sqlparser::ast;

use crate::bind::Binder;
use crate::define::Target;
use crate::error::{Error, Position, Result};
use crate::names::{self, unknown};
use crate::parse;

/// The table that holds them.
pub(crate) const TABLE: &str = "lightning_views";

/// The statement that made a view, if there is one of this name.
///
/// # Errors
/// Those of the tables.
pub(crate) fn definition(source: Source<'_>, name: &str) -> Result<Option<String>> {
    let table = match source.table(TABLE) {
        Ok(table) => table,
        Err(lightning_db_query::Error::Table(lightning_db_table::Error::NotFound { .. })) => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let row = source.read(&table)?.get(&[Value::from(name)])?;
    let Some(row) = row else { return Ok(None) };
    match row.get("definition")? {
        ValueRef::Text(text) => Ok(Some(text.to_owned())),
        _ => Ok(None),
    }
}

/// Names of all views, in order.
///
/// # Errors
/// Those of the tables.
pub(crate) fn names(source: Source<'_>) -> Result<Vec<String>> {
    let Ok(table) = source.table(TABLE) else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for row in source.read(&table)?.scan() {
        if let ValueRef::Text(name) = row?.get("name")? {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The statement of a definition, read again.
///
/// # Errors
/// [`Error::Invalid`] for one that somebody else has written.
pub(crate) fn parsed(name: &str, definition: &str) -> Result<ast::CreateView> {
    match parse::parse_one(definition)?.statement {
        ast::Statement::CreateView(view) => Ok(view),
        _ => Err(Error::invalid(format!("the definition of the view {name} is none"), None)),
    }
}

/// The query of a definition, with the names that the view gives its columns.
///
/// # Errors
/// As [`parsed`].
#[cfg(feature = "vector")]
pub(crate) fn query(name: &str, definition: &str) -> Result<ast::Statement> {
    let ast::CreateView { query, columns, .. } = parsed(name, definition)?;
    if columns.is_empty() {
        return Ok(ast::Statement::Query(query));
    }
    let names: Vec<String> = columns.iter().map(|column| column.name.to_string()).collect();
    let text = format!("SELECT * FROM ({query}) AS renamed ({})", names.join(", "));
    Ok(parse::parse_one(&text)?.statement)
}

/// Makes a view; its query must be one that can be bound now.
pub(crate) fn create(create: &ast::CreateView, target: &mut Target<'_>) -> Result<()> {
    let (name, place) = names::table(&create.name)?;
    check_clauses(create, place)?;
    let seen = target.seen();
    let source = seen.source();
    let tables = source.names();
    if tables.contains(&name) {
        return Err(Error::invalid(format!("there is a table {name}"), place));
    }
    if definition(source, &name)?.is_some() && !create.or_replace {
        if create.if_not_exists {
            return Ok(());
        }
        let detail = format!("there is a view {name}; CREATE OR REPLACE VIEW makes it anew");
        return Err(Error::invalid(detail, place));
    }
    let bound = Binder::new(source, &[]).query(&create.query, None)?;
    if create.columns.len() > bound.columns.len() {
        let (given, found) = (create.columns.len(), bound.columns.len());
        let detail = format!("{given} names are given, and the query has {found} columns");
        return Err(Error::invalid(detail, place));
    }
    drop(seen);
    if !tables.iter().any(|known| known == TABLE) {
        let text = |name| ColumnDefinition::new(name, ColumnType::Text);
        let definition = TableDefinition::new(TABLE)
            .column(text("name"))
            .column(text("definition"))
            .primary_key([0]);
        target.create_table(definition)?;
    }
    target.upsert(TABLE, vec![Value::Text(name), Value::Text(create.to_string())])
}

/// Refuses a name that a view has.
pub(crate) fn refuse(name: &str, place: Option<Position>, source: Source<'_>) -> Result<()> {
    match definition(source, name)? {
        Some(_) => Err(Error::invalid(format!("there is a view {name}"), place)),
        None => Ok(()),
    }
}

/// Removes a view.
pub(crate) fn remove(
    name: &str,
    if_exists: bool,
    place: Option<Position>,
    target: &mut Target<'_>,
) -> Result<()> {
    let known = names(target.seen().source())?;
    if !known.iter().any(|known| known == name) {
        return if if_exists { Ok(()) } else { Err(unknown("view", name, known, place)) };
    }
    target.delete(TABLE, &[Value::from(name)])
}

fn check_clauses(create: &ast::CreateView, place: Option<Position>) -> Result<()> {
    let ast::CreateView { materialized, temporary, or_alter, secure, to, params, options, .. } =
        create;
    let is_plain = !or_alter
        && !secure
        && to.is_none()
        && params.is_none()
        && *options == ast::CreateTableOptions::None
        && create.cluster_by.is_empty()
        && create.comment.is_none();
    if *materialized || *temporary || !is_plain {
        let hint = "views are CREATE [OR REPLACE] VIEW [IF NOT EXISTS] name [(columns)] AS query";
        return Err(Error::unsupported_hint("this kind of view", hint, place));
    }
    if create.columns.iter().any(|it| it.data_type.is_some() || it.options.is_some()) {
        return Err(Error::unsupported("types of a view's columns", place));
    }
    Ok(())
}
