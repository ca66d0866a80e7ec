//! Statements that were read, with the plans that were made for them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use lightning_db_query::{ResultColumn, Source, Statement as Query};
use lightning_db_table::TableTransaction;
use lightning_db_types::{Value, ValueRef, ValueType};
use parking_lot::RwLock;
use sqlparser::ast;

use crate::bind::{Binder, Bound};
#[cfg(feature = "vector")]
use crate::connection::Executor;
use crate::connection::Session;
use crate::engine::SqlEngine;
use crate::error::{Error, Result};
use crate::parse::Parsed;
use crate::rows::Rows;
#[cfg(feature = "vector")]
use crate::vector;
use crate::write::{Write, Written};
use crate::{define, explain, named, session};

/// Plans that are kept of one statement, for different types of parameters and definitions.
const PLANS_MAX: usize = 8;
/// Tries of a write that is a transaction of its own.
const ATTEMPTS_MAX: u32 = 64;

/// What is called with the columns of a result, and then with each row.
type Visit<'v> =
    dyn FnMut(&Arc<[ResultColumn]>, Option<&[ValueRef<'_>]>) -> Result<ControlFlow<()>> + 'v;

/// A statement that was read.
#[derive(Debug)]
pub(crate) struct Prepared {
    parsed: Parsed,
    /// The newest last.
    plans: RwLock<Vec<Arc<Planned>>>,
}

/// A plan, and what it was made for.
#[derive(Debug)]
pub(crate) struct Planned {
    /// State of the definitions.
    version: u64,
    /// Types of the parameters.
    types: Vec<ValueType>,
    /// Parameters whose values are part of it.
    values: Vec<(usize, Value)>,
    /// What the session wants to run queries on.
    #[cfg(feature = "vector")]
    executor: Executor,
    pub(crate) form: Form,
}

/// What a plan does.
#[derive(Debug)]
pub(crate) enum Form {
    Query {
        query: Query,
        columns: Arc<[ResultColumn]>,
    },
    /// A query that DataFusion plans whenever it runs.
    #[cfg(feature = "vector")]
    Vector,
    Write(Write),
}

/// What a statement gives.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The rows of a query.
    Rows(Rows),
    /// A write.
    Written {
        /// How many rows it wrote.
        count: u64,
        /// What RETURNING gives of them.
        rows: Option<Rows>,
    },
    /// A statement that gives nothing, such as one that defines.
    Done,
}

impl Outcome {
    /// Rows that were written.
    pub fn count(&self) -> u64 {
        match self {
            Self::Written { count, .. } => *count,
            Self::Rows(_) | Self::Done => 0,
        }
    }

    /// Rows of the result; none for a statement without one.
    pub fn into_rows(self) -> Rows {
        match self {
            Self::Rows(rows) | Self::Written { rows: Some(rows), .. } => rows,
            Self::Written { rows: None, .. } | Self::Done => Rows::new(Arc::from([]), Vec::new()),
        }
    }
}

impl Planned {
    fn is_for(&self, version: u64, parameters: &[Value], session: &Session) -> bool {
        #[cfg(feature = "vector")]
        if self.executor != session.executor {
            return false;
        }
        #[cfg(not(feature = "vector"))]
        let _ = session;
        let types = || self.types.iter().zip(parameters);
        self.version == version
            && self.types.len() == parameters.len()
            && types().all(|(known, value)| *known == value.value_type())
            && self.values.iter().all(|(number, value)| parameters.get(*number) == Some(value))
    }
}

impl Prepared {
    pub(crate) fn new(parsed: Parsed) -> Self {
        Self { parsed, plans: RwLock::new(Vec::new()) }
    }

    pub(crate) fn text(&self) -> &str {
        &self.parsed.text
    }

    pub(crate) fn parameter_count(&self) -> usize {
        self.parsed.parameters
    }

    /// Whether plans are made for it, which are worth being kept.
    pub(crate) fn is_planned(&self) -> bool {
        is_query(&self.parsed.statement) || is_write(&self.parsed.statement)
    }

    /// Whether its newest plan finds each row by a key, so that none is better for other values.
    pub(crate) fn finds_by_key(&self) -> bool {
        let plans = self.plans.read();
        plans.last().is_some_and(|planned| match &planned.form {
            Form::Query { query, .. } => query.finds_by_key(),
            Form::Write(write) => write.finds_by_key(),
            #[cfg(feature = "vector")]
            Form::Vector => false,
        })
    }

    /// Runs the statement.
    pub(crate) fn run(
        &self,
        engine: &SqlEngine,
        session: &mut Session,
        parameters: &[Value],
    ) -> Result<Outcome> {
        let statement = &self.parsed.statement;
        // Parameters of a statement that gets a name are given when it is executed.
        if named::is_about_named(statement) {
            return named::run(&self.parsed, engine, session, parameters);
        }
        self.check_count(parameters)?;
        if is_query(statement) {
            let (mut rows, mut columns) = (Vec::new(), None);
            self.read(engine, session, parameters, &mut |found, row| {
                if columns.is_none() {
                    columns = Some(Arc::clone(found));
                }
                rows.extend(row.map(|row| row.iter().map(|value| value.to_value()).collect()));
                Ok(ControlFlow::Continue(()))
            })?;
            return Ok(Outcome::Rows(Rows::new(columns.unwrap_or_else(|| Arc::from([])), rows)));
        }
        if is_write(statement) {
            return self.write(engine, session, parameters);
        }
        if session::is_about_session(statement) {
            session::run(statement, session, engine.tables())?;
            return Ok(Outcome::Done);
        }
        if define::is_definition(statement) {
            if session.transaction.is_some() {
                let detail = "a transaction is open, and definitions are commits of their own";
                return Err(Error::Transaction { what: "CREATE, ALTER, DROP, ANALYZE", detail });
            }
            define::run(statement, engine.tables())?;
            return Ok(Outcome::Done);
        }
        if let ast::Statement::Explain { .. } = statement {
            return explain::run(statement, engine, session, parameters).map(Outcome::Rows);
        }
        let text = statement.to_string();
        let first = text.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        Err(Error::unsupported(first, None))
    }

    /// Calls `visit` with each row of a query, or of what a write gives back.
    pub(crate) fn for_each(
        &self,
        engine: &SqlEngine,
        session: &mut Session,
        parameters: &[Value],
        visit: &mut dyn FnMut(&[ValueRef<'_>]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        if is_query(&self.parsed.statement) {
            self.check_count(parameters)?;
            return self.read(engine, session, parameters, &mut |_, row| match row {
                Some(row) => visit(row),
                None => Ok(ControlFlow::Continue(())),
            });
        }
        let rows = self.run(engine, session, parameters)?.into_rows();
        for row in rows.values() {
            let row: Vec<ValueRef<'_>> = row.iter().map(Value::as_value_ref).collect();
            if visit(&row)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The rows of a query as Arrow batches.
    #[cfg(feature = "vector")]
    pub(crate) fn batches(
        &self,
        engine: &SqlEngine,
        session: &Session,
        parameters: &[Value],
    ) -> Result<Vec<datafusion::arrow::array::RecordBatch>> {
        self.check_count(parameters)?;
        let statement = &self.parsed.statement;
        if !is_query(statement) {
            return Err(Error::unsupported("a statement that is no query on DataFusion", None));
        }
        let (state, limit) = (state(engine, session), engine.memory_limit());
        Ok(vector::run(statement, &state, parameters, limit)?.batches)
    }

    fn check_count(&self, parameters: &[Value]) -> Result<()> {
        let (given, wanted) = (parameters.len(), self.parsed.parameters);
        if given == wanted {
            return Ok(());
        }
        let number = given.min(wanted) + 1;
        let detail = format!("{given} values are given, and the statement has {wanted} parameters");
        Err(Error::Parameter { number, detail })
    }

    /// Calls `visit` with the columns, and then with each row.
    fn read(
        &self,
        engine: &SqlEngine,
        session: &Session,
        parameters: &[Value],
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        let snapshot;
        let source = if let Some(transaction) = &session.transaction {
            Source::from(&**transaction)
        } else {
            snapshot = engine.tables().snapshot();
            Source::from(&snapshot)
        };
        let planned = self.plan(engine, (source, session), parameters)?;
        let (query, columns) = match &planned.form {
            Form::Query { query, columns } => (query, columns),
            #[cfg(feature = "vector")]
            Form::Vector => {
                let limit = engine.memory_limit();
                let state = state(engine, session);
                let found = vector::run(&self.parsed.statement, &state, parameters, limit)?;
                return visit_all(&found, visit);
            }
            Form::Write(_) => return Err(Error::invalid("it is no query", None)),
        };
        if visit(columns, None)?.is_break() {
            return Ok(());
        }
        // What the visitor says goes around the executor, which has errors of its own.
        let mut refused = None;
        query.for_each(source, parameters, |row| {
            Ok(visit(columns, Some(row)).unwrap_or_else(|error| {
                refused = Some(error);
                ControlFlow::Break(())
            }))
        })?;
        refused.map_or(Ok(()), Err)
    }

    fn write(
        &self,
        engine: &SqlEngine,
        session: &mut Session,
        parameters: &[Value],
    ) -> Result<Outcome> {
        if let Some(transaction) = &session.transaction {
            let source = Source::from(&**transaction);
            let planned = self.plan(engine, (source, session), parameters)?;
            if let Some(transaction) = session.writable()? {
                return written(&planned, transaction, parameters);
            }
        }
        for attempt in 0..ATTEMPTS_MAX {
            let mut transaction = engine.tables().transaction_with(session.options);
            let source = Source::from(&transaction);
            let planned = self.plan(engine, (source, session), parameters)?;
            let outcome = written(&planned, &mut transaction, parameters)?;
            if transaction.commit()?.is_committed() {
                return Ok(outcome);
            }
            engine.tables().store().back_off(attempt);
        }
        let error = lightning_db_storage::Error::Contention { attempts: ATTEMPTS_MAX };
        Err(lightning_db_table::Error::from(error).into())
    }

    /// The plan for a state of the tables and parameters of these types, from before if there is
    /// one.
    pub(crate) fn plan(
        &self,
        engine: &SqlEngine,
        (source, session): (Source<'_>, &Session),
        parameters: &[Value],
    ) -> Result<Arc<Planned>> {
        let version = source.version();
        let known = self
            .plans
            .read()
            .iter()
            .rev()
            .find(|it| it.is_for(version, parameters, session))
            .cloned();
        engine.count_plan(known.is_some());
        if let Some(known) = known {
            return Ok(known);
        }
        let planned = plan(&self.parsed.statement, engine, (source, session), parameters)?;
        let planned = Arc::new(planned);
        let mut plans = self.plans.write();
        if plans.len() >= PLANS_MAX {
            plans.remove(0);
        }
        plans.push(Arc::clone(&planned));
        Ok(planned)
    }
}

/// Plans a statement.
pub(crate) fn plan(
    statement: &ast::Statement,
    engine: &SqlEngine,
    (source, session): (Source<'_>, &Session),
    parameters: &[Value],
) -> Result<Planned> {
    let binder = Binder::new(source, parameters);
    let form = if let ast::Statement::Query(query) = statement {
        let bound = match bind(&binder, query, session) {
            Ok(bound) => bound,
            Err(error) => {
                return otherwise(statement, engine, (source, session), parameters, error);
            }
        };
        let query = engine.queries().prepare(&bound.builder)?;
        let types = query.columns().into_iter().map(|column| column.value_type);
        let columns = bound.columns.into_iter().zip(types);
        let columns = columns.map(|(output, value_type)| {
            let value_type = match output.value_type {
                ValueType::Null => value_type,
                known => known,
            };
            ResultColumn { name: output.name, value_type }
        });
        Form::Query { query, columns: columns.collect() }
    } else {
        Form::Write(binder.write(statement, engine.queries())?)
    };
    let by_value: BTreeSet<usize> = binder.into_by_value();
    let values = by_value.into_iter().map_while(|it| Some((it, parameters.get(it)?.clone())));
    let (version, values) = (source.version(), values.collect());
    let types = parameters.iter().map(Value::value_type).collect();
    #[cfg(feature = "vector")]
    let executor = session.executor;
    Ok(Planned {
        version,
        types,
        values,
        #[cfg(feature = "vector")]
        executor,
        form,
    })
}

/// Binds a query, unless the session wants it on DataFusion.
fn bind(binder: &Binder<'_>, query: &ast::Query, session: &Session) -> Result<Bound> {
    #[cfg(feature = "vector")]
    if session.executor == Executor::DataFusion {
        return Err(Error::unsupported("the row executor", None));
    }
    #[cfg(not(feature = "vector"))]
    let _ = session;
    binder.query(query, None)
}

/// A plan for a query that the binder refuses, if it does so for what DataFusion may know.
#[cfg(feature = "vector")]
fn otherwise(
    statement: &ast::Statement,
    engine: &SqlEngine,
    (source, session): (Source<'_>, &Session),
    parameters: &[Value],
    error: Error,
) -> Result<Planned> {
    if !matches!(error, Error::Unsupported { .. }) || session.executor == Executor::Rows {
        return Err(error);
    }
    let checked =
        vector::check(statement, &state(engine, session), parameters, engine.memory_limit());
    if let Err(refused) = checked {
        // Whichever says more: ours has the place in the text, and perhaps the nearest name.
        let is_better = matches!(&error, Error::Unsupported { hint, .. } if !hint.is_empty());
        return Err(if is_better { error } else { refused });
    }
    let types = parameters.iter().map(Value::value_type).collect();
    let version = source.version();
    let (values, executor) = (Vec::new(), session.executor);
    Ok(Planned { version, types, values, executor, form: Form::Vector })
}

#[cfg(not(feature = "vector"))]
fn otherwise(
    _: &ast::Statement,
    _: &SqlEngine,
    _: (Source<'_>, &Session),
    _: &[Value],
    error: Error,
) -> Result<Planned> {
    Err(error)
}

/// What a query of a session reads, for as long as it runs.
#[cfg(feature = "vector")]
pub(crate) fn state(engine: &SqlEngine, session: &Session) -> vector::State {
    match &session.transaction {
        Some(transaction) => vector::State::Transaction(Arc::clone(transaction)),
        None => vector::State::Snapshot(engine.tables().snapshot()),
    }
}

#[cfg(feature = "vector")]
fn visit_all(found: &vector::Batches, visit: &mut Visit<'_>) -> Result<()> {
    let columns: Arc<[ResultColumn]> = found.columns().into();
    if visit(&columns, None)?.is_break() {
        return Ok(());
    }
    for row in found.rows()? {
        let row: Vec<ValueRef<'_>> = row.iter().map(Value::as_value_ref).collect();
        if visit(&columns, Some(&row))?.is_break() {
            break;
        }
    }
    Ok(())
}

fn written(
    planned: &Planned,
    transaction: &mut TableTransaction,
    parameters: &[Value],
) -> Result<Outcome> {
    let Form::Write(write) = &planned.form else {
        return Err(Error::invalid("it is no write", None));
    };
    let Written { count, rows } = write.run(transaction, parameters)?;
    let columns = write.returning().map(|returning| Arc::clone(&returning.columns));
    Ok(Outcome::Written { count, rows: columns.map(|columns| Rows::new(columns, rows)) })
}

pub(crate) fn is_query(statement: &ast::Statement) -> bool {
    matches!(statement, ast::Statement::Query(_))
}

pub(crate) fn is_write(statement: &ast::Statement) -> bool {
    matches!(
        statement,
        ast::Statement::Insert(_) | ast::Statement::Update(_) | ast::Statement::Delete(_)
    )
}
