//! EXPLAIN and EXPLAIN ANALYZE: the plan as rows of text, as JSON, or as a picture.

use std::sync::Arc;

use lightning_db_query::{PlanFormat, ResultColumn};
use lightning_db_types::{Value, ValueType};
use sqlparser::ast;

use crate::connection::Session;
use crate::engine::SqlEngine;
use crate::error::{Error, Position, Result};
use crate::names::{at, folded, unknown};
use crate::planned::{Form, Given, plan};
use crate::prepared::{is_query, is_write};
use crate::rows::Rows;
#[cfg(feature = "vector")]
use crate::vector;

/// Explains the statement in an EXPLAIN; with ANALYZE it is a query, and runs.
pub(crate) fn run(
    statement: &ast::Statement,
    engine: &SqlEngine,
    session: &Session,
    given: &Given<'_>,
) -> Result<Rows> {
    let ast::Statement::Explain { statement: explained, .. } = statement else {
        return Err(Error::unsupported(format!("{statement}"), None));
    };
    let (statement, Wanted { analyze, format }) = (explained, Wanted::of(statement)?);
    if !is_query(statement) && !is_write(statement) {
        return Err(Error::unsupported(format!("EXPLAIN {statement}"), None));
    }
    let seen = given.seen(engine, session);
    let source = seen.source();
    let planned = plan(statement, engine, (source, session), given)?;
    let text = match &planned.form {
        #[cfg(feature = "vector")]
        Form::Vector { kept, reason } => {
            let state = given.state(engine, session);
            let query = given.on_datafusion(statement, kept.as_ref(), (engine, &state));
            vector::explain(query, reason, (format, analyze))?
        }
        Form::Query { query, .. } if analyze => match query.analyze(source, given.all()) {
            Ok(analyzed) => analyzed.explain_as(format),
            #[cfg(feature = "vector")]
            Err(error @ lightning_db_query::Error::Memory { .. }) if session.is_auto() => {
                let state = given.state(engine, session);
                let query = given.on_datafusion(statement, None, (engine, &state));
                vector::explain(query, &error.to_string(), (format, true))?
            }
            Err(error) => return Err(error.into()),
        },
        Form::Query { query, .. } => query.explain_as(format),
        Form::Write(_) if analyze || format != PlanFormat::Text => {
            let (what, hint) = (
                "EXPLAIN of a write with ANALYZE or a FORMAT",
                "EXPLAIN alone shows how its rows are found",
            );
            return Err(Error::unsupported_hint(what, hint, None));
        }
        Form::Write(write) => write.explain(),
    };
    let column = ResultColumn { name: "plan".to_owned(), value_type: ValueType::Text };
    let rows = text.lines().map(|line| vec![Value::from(line)]);
    Ok(Rows::new(Arc::from([column]), rows.collect()))
}

/// What is to be explained, and how.
#[derive(Debug, Clone, Copy, Default)]
struct Wanted {
    /// Whether it runs, and is shown with what there was.
    analyze: bool,
    format: PlanFormat,
}

impl Wanted {
    /// From `EXPLAIN [ANALYZE] [FORMAT f]` or `EXPLAIN (ANALYZE, FORMAT f)`.
    fn of(statement: &ast::Statement) -> Result<Self> {
        let ast::Statement::Explain { analyze, format, options, .. } = statement else {
            return Ok(Self::default());
        };
        let mut wanted = Self { analyze: *analyze, ..Self::default() };
        if let Some(kind) = format {
            let (ast::AnalyzeFormatKind::Keyword(format)
            | ast::AnalyzeFormatKind::Assignment(format)) = kind;
            wanted.format = format_named(&format.to_string(), None)?;
        }
        for option in options.iter().flatten() {
            let (name, place) = (folded(&option.name), at(&option.name));
            let value = option.arg.as_ref().map(|arg| arg.to_string().to_lowercase());
            match (name.as_str(), value.as_deref()) {
                ("analyze", None | Some("true" | "on")) => wanted.analyze = true,
                ("analyze", Some("false" | "off")) => wanted.analyze = false,
                ("format", Some(format)) => wanted.format = format_named(format, place)?,
                _ => return Err(unknown("option", &name, ["analyze", "format"], place)),
            }
        }
        Ok(wanted)
    }
}

fn format_named(name: &str, place: Option<Position>) -> Result<PlanFormat> {
    match name.to_lowercase().as_str() {
        "text" => Ok(PlanFormat::Text),
        "json" => Ok(PlanFormat::Json),
        "dot" | "graphviz" => Ok(PlanFormat::Graphviz),
        other => Err(unknown("format", other, ["text", "json", "dot"], place)),
    }
}
