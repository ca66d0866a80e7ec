//! EXPLAIN and EXPLAIN ANALYZE: the plan as rows of text.

use std::sync::Arc;

use lightning_db_query::{ResultColumn, Source};
use lightning_db_types::{Value, ValueType};
use sqlparser::ast;

use crate::connection::Session;
use crate::engine::SqlEngine;
use crate::error::{Error, Result};
#[cfg(feature = "vector")]
use crate::prepared::state;
use crate::prepared::{Form, is_query, is_write, plan};
use crate::rows::Rows;
#[cfg(feature = "vector")]
use crate::vector;

/// Explains the statement in an EXPLAIN; with ANALYZE it is a query, and runs.
pub(crate) fn run(
    statement: &ast::Statement,
    engine: &SqlEngine,
    session: &Session,
    parameters: &[Value],
) -> Result<Rows> {
    let ast::Statement::Explain { analyze, statement, format, options, .. } = statement else {
        return Err(Error::unsupported(format!("{statement}"), None));
    };
    if format.is_some() || options.is_some() {
        return Err(Error::unsupported("EXPLAIN with options", None));
    }
    if !is_query(statement) && !is_write(statement) {
        return Err(Error::unsupported(format!("EXPLAIN {statement}"), None));
    }
    let snapshot;
    let source = if let Some(transaction) = &session.transaction {
        Source::from(&**transaction)
    } else {
        snapshot = engine.tables().snapshot();
        Source::from(&snapshot)
    };
    let planned = plan(statement, engine, (source, session), parameters)?;
    let text = match &planned.form {
        #[cfg(feature = "vector")]
        Form::Vector if *analyze => {
            return Err(Error::unsupported("EXPLAIN ANALYZE of a query on DataFusion", None));
        }
        #[cfg(feature = "vector")]
        Form::Vector => {
            let (state, limit) = (state(engine, session), engine.memory_limit());
            vector::explain(statement, &state, parameters, limit)?
        }
        Form::Query { query, .. } if *analyze => query.analyze(source, parameters)?.explain(),
        Form::Query { query, .. } => query.explain(),
        Form::Write(_) if *analyze => {
            let hint = "EXPLAIN shows how its rows are found";
            return Err(Error::unsupported_hint("EXPLAIN ANALYZE of a write", hint, None));
        }
        Form::Write(write) => write.explain(),
    };
    let column = ResultColumn { name: "plan".to_owned(), value_type: ValueType::Text };
    let rows = text.lines().map(|line| vec![Value::from(line)]);
    Ok(Rows::new(Arc::from([column]), rows.collect()))
}
