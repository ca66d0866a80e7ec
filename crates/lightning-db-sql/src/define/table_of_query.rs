//! CREATE TABLE AS: a table with the columns and rows of a query.

use std::ops::ControlFlow;

use lightning_db_query::{ResultColumn, Source, Statement};
use lightning_db_table::{ColumnDefinition, ColumnType, TableDefinition};
use lightning_db_types::{Value, ValueType};
use sqlparser::ast;

use super::table::check_clauses;
use crate::connection::Session;
use crate::engine::SqlEngine;
use crate::error::{Error, Result};
use crate::planned::{Form, Given, plan};
use crate::{names, views};

/// Rows that are handed to the table at once.
const CHUNK: usize = 1_000;

/// Makes a table of a query's rows; gives how many there are. The rows are one commit, behind that
/// of the definition: a process that is killed between the two leaves an empty table.
pub(crate) fn create_as(
    create: &ast::CreateTable,
    query: &ast::Query,
    engine: &SqlEngine,
    session: &Session,
    given: &Given<'_>,
) -> Result<u64> {
    check_clauses(create)?;
    let tables = engine.tables();
    let (name, place) = names::table(&create.name)?;
    if create.if_not_exists && tables.names().contains(&name) {
        return Ok(0);
    }
    views::refuse(&name, place, tables)?;
    if !create.columns.is_empty() || !create.constraints.is_empty() {
        let hint = "name columns in the query, with AS";
        return Err(Error::unsupported_hint("CREATE TABLE AS with columns", hint, place));
    }
    let snapshot = tables.snapshot();
    let source = Source::from(&snapshot);
    let query = ast::Statement::Query(Box::new(query.clone()));
    let planned = plan(&query, engine, (source, session), given)?;
    let Form::Query { query, columns } = &planned.form else {
        return Err(Error::unsupported("CREATE TABLE AS of a query on DataFusion", place));
    };
    let mut definition = TableDefinition::new(&*name);
    for ResultColumn { name, value_type } in columns.iter() {
        let column = ColumnDefinition::new(&**name, column_type(*value_type)).nullable();
        definition = definition.column(column);
    }
    tables.create_table(definition)?;
    let filled = fill(&name, query, source, engine, session, given);
    if filled.is_err() {
        tables.drop_table(&name)?;
    }
    filled
}

fn fill(
    name: &str,
    query: &Statement,
    source: Source<'_>,
    engine: &SqlEngine,
    session: &Session,
    given: &Given<'_>,
) -> Result<u64> {
    let mut transaction = engine.tables().transaction_with(session.options);
    let table = transaction.table(name)?;
    let (mut count, mut chunk, mut refused) = (0, Vec::new(), None);
    query.for_each_until(source, given.run(), |row| {
        chunk.push(row.iter().map(|value| value.to_value()).collect::<Vec<Value>>());
        count += 1;
        if chunk.len() == CHUNK
            && let Err(error) = transaction.insert_many(&table, std::mem::take(&mut chunk))
        {
            refused = Some(error);
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if let Some(error) = refused {
        return Err(error.into());
    }
    transaction.insert_many(&table, chunk)?;
    if transaction.commit()?.is_committed() { Ok(count) } else { Err(Error::Conflict) }
}

fn column_type(value_type: ValueType) -> ColumnType {
    let plain = ColumnType::ALL.into_iter().find(|known| known.value_type() == value_type);
    // A column of nulls alone.
    plain.unwrap_or(ColumnType::Text)
}
