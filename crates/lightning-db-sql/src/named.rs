//! Statements with names: PREPARE, EXECUTE, DEALLOCATE.

use std::sync::Arc;

use lightning_db_query::Source;
use lightning_db_types::Value;
use sqlparser::ast;

use crate::bind::Binder;
use crate::connection::Session;
use crate::error::{Error, Result};
use crate::names::{self, at, folded, unknown};
use crate::parse::Parsed;
use crate::planned::Host;
use crate::prepared::{Outcome, Prepared};

/// Whether a statement is one of these.
pub(crate) fn is_about_named(statement: &ast::Statement) -> bool {
    matches!(
        statement,
        ast::Statement::Prepare { .. }
            | ast::Statement::Execute { .. }
            | ast::Statement::Deallocate { .. }
    )
}

/// Runs one of them. `parsed` has the parameters of a statement that is named.
pub(crate) fn run(
    parsed: &Parsed,
    host: Host<'_>,
    session: &mut Session,
    parameters: &[Value],
) -> Result<Outcome> {
    match &parsed.statement {
        ast::Statement::Prepare { name, data_types, statement } => {
            if !data_types.is_empty() {
                let hint = "leave the types out: they are those of the values given to EXECUTE";
                return Err(Error::unsupported_hint("types of parameters", hint, at(name)));
            }
            prepare(parsed, name, statement, session)
        }
        ast::Statement::Execute { .. } => execute(&parsed.statement, host, session, parameters),
        ast::Statement::Deallocate { name, .. } => deallocate(name, session),
        other => Err(Error::unsupported(format!("{other}"), None)),
    }
}

fn prepare(
    parsed: &Parsed,
    name: &ast::Ident,
    statement: &ast::Statement,
    session: &mut Session,
) -> Result<Outcome> {
    let known = folded(name);
    if session.named.contains_key(&known) {
        let detail = format!("there is a statement {known}; DEALLOCATE forgets it");
        return Err(Error::invalid(detail, at(name)));
    }
    let prepared = Prepared::new(Parsed {
        text: statement.to_string(),
        statement: statement.clone(),
        parameters: parsed.parameters,
        uses_moment: parsed.uses_moment,
        as_of: parsed.as_of,
    });
    if !prepared.is_planned() {
        return Err(Error::unsupported(format!("PREPARE of {}", prepared.text()), at(name)));
    }
    session.named.insert(known, Arc::new(prepared));
    Ok(Outcome::Done)
}

fn execute(
    statement: &ast::Statement,
    host: Host<'_>,
    session: &mut Session,
    parameters: &[Value],
) -> Result<Outcome> {
    let ast::Statement::Execute {
        name: Some(name),
        parameters: given,
        immediate: false,
        into,
        using,
        output: false,
        default: false,
        ..
    } = statement
    else {
        return Err(Error::unsupported(format!("{statement}"), None));
    };
    if !into.is_empty() || !using.is_empty() {
        return Err(Error::unsupported("EXECUTE with INTO or USING", None));
    }
    let (wanted, place) = names::plain(name)?;
    let Some(prepared) = session.named.get(&wanted).map(Arc::clone) else {
        return Err(unknown("statement", &wanted, session.named.keys(), place));
    };
    let snapshot = host.tables().snapshot();
    let binder = Binder::new(Source::from(&snapshot), parameters);
    let values = given.iter().map(|expr| binder.constant(expr)).collect::<Result<Vec<_>>>()?;
    prepared.run(host, session, &values)
}

fn deallocate(name: &ast::Ident, session: &mut Session) -> Result<Outcome> {
    let wanted = folded(name);
    if wanted == "all" {
        session.named.clear();
    } else if session.named.remove(&wanted).is_none() {
        return Err(unknown("statement", &wanted, session.named.keys(), at(name)));
    }
    Ok(Outcome::Done)
}
