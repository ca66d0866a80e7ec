//! Statements that were read, with the plans that were made for them.

use std::ops::ControlFlow;
use std::sync::Arc;

use lightning_db_query::Source;
use lightning_db_table::TableTransaction;
use lightning_db_types::{Value, ValueRef};
use parking_lot::RwLock;
use sqlparser::ast;

use crate::connection::Session;
use crate::engine::SqlEngine;
use crate::error::{Error, Result};
use crate::parse::Parsed;
use crate::planned::{Form, Given, Host, Planned, Visit, plan};
use crate::rows::Rows;
#[cfg(feature = "vector")]
use crate::vector;
use crate::write::Written;
use crate::{copy, define, explain, named, past, session};

/// Plans that are kept of one statement, for different types of parameters and definitions.
const PLANS_MAX: usize = 8;
/// Tries of a write that is a transaction of its own.
pub(crate) const ATTEMPTS_MAX: u32 = 64;

/// A statement that was read.
#[derive(Debug)]
pub(crate) struct Prepared {
    parsed: Parsed,
    /// The newest last.
    plans: RwLock<Vec<Arc<Planned>>>,
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
    /// A write of this many rows, which gives none back.
    pub fn written(count: u64) -> Self {
        Self::Written { count, rows: None }
    }

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
            Form::Vector { .. } => false,
        })
    }

    /// Runs the statement.
    pub(crate) fn run(
        &self,
        host: Host<'_>,
        session: &mut Session,
        parameters: &[Value],
    ) -> Result<Outcome> {
        let statement = &self.parsed.statement;
        // Parameters of a statement that gets a name are given when it is executed.
        if named::is_about_named(statement) {
            return named::run(&self.parsed, host, session, parameters);
        }
        self.check_count(parameters)?;
        if is_query(statement) {
            let (mut rows, mut columns) = (Vec::new(), None);
            let given = Given::new(&self.parsed, parameters, host, session)?;
            self.read(&host, session, &given, &mut |found, row| {
                if columns.is_none() {
                    columns = Some(Arc::clone(found));
                }
                rows.extend(row.map(|row| row.iter().map(|value| value.to_value()).collect()));
                Ok(ControlFlow::Continue(()))
            })?;
            return Ok(Outcome::Rows(Rows::new(columns.unwrap_or_else(|| Arc::from([])), rows)));
        }
        if is_write(statement) {
            let given = Given::new(&self.parsed, parameters, host, session)?;
            return self.write(&host, session, &given);
        }
        if let ast::Statement::Copy { .. } = statement {
            return self.copy(host, session, parameters, copy::Stream::None);
        }
        if session::is_about_session(statement) {
            let as_of = self.parsed.as_of;
            let past = as_of.map(|as_of| host.past(as_of, parameters)).transpose()?;
            session::run(statement, past, session, host.tables())?;
            return Ok(Outcome::Done);
        }
        if define::is_definition(statement) {
            if let ast::Statement::CreateTable(create) = statement
                && let Some(query) = &create.query
            {
                let given = Given::new(&self.parsed, parameters, host, session)?;
                let count = define::create_as(create, query, &host, session, &given)?;
                return Ok(Outcome::Written { count, rows: None });
            }
            define::run(statement, &mut session.target(host.tables())?)?;
            if matches!(statement, ast::Statement::Analyze(_)) {
                host.queries().save_learned()?;
            }
            return Ok(Outcome::Done);
        }
        if let ast::Statement::Explain { .. } = statement {
            let given = Given::new(&self.parsed, parameters, host, session)?;
            return explain::run(statement, &host, session, &given).map(Outcome::Rows);
        }
        if let ast::Statement::ShowVariable { variable } = statement {
            return session.show(&host, variable).map(Outcome::Rows);
        }
        if let ast::Statement::Call(function) = statement {
            return past::call(function, &host, session, parameters);
        }
        let text = statement.to_string();
        let first = text.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        Err(Error::unsupported(first, None))
    }

    pub(crate) fn copies(&self) -> Option<copy::CopyStream> {
        copy::stream_of(&self.parsed.statement)
    }

    /// Runs a COPY, with what STDIN or STDOUT stands for.
    pub(crate) fn copy(
        &self,
        host: Host<'_>,
        session: &mut Session,
        parameters: &[Value],
        stream: copy::Stream<'_>,
    ) -> Result<Outcome> {
        self.check_count(parameters)?;
        let given = Given::new(&self.parsed, parameters, host, session)?;
        copy::run(&self.parsed, &host, session, &given, stream)
    }

    /// Calls `visit` with each row of a query, or of what a write gives back.
    pub(crate) fn for_each(
        &self,
        host: Host<'_>,
        session: &mut Session,
        parameters: &[Value],
        visit: &mut dyn FnMut(&[ValueRef<'_>]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        if is_query(&self.parsed.statement) {
            self.check_count(parameters)?;
            let given = Given::new(&self.parsed, parameters, host, session)?;
            return self.read(&host, session, &given, &mut |_, row| match row {
                Some(row) => visit(row),
                None => Ok(ControlFlow::Continue(())),
            });
        }
        let rows = self.run(host, session, parameters)?.into_rows();
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
        host: Host<'_>,
        session: &Session,
        parameters: &[Value],
    ) -> Result<Vec<datafusion::arrow::array::RecordBatch>> {
        self.check_count(parameters)?;
        let statement = &self.parsed.statement;
        if !is_query(statement) {
            return Err(Error::unsupported("a statement that is no query on DataFusion", None));
        }
        let given = Given::new(&self.parsed, parameters, host, session)?;
        let (state, mut batches) = (given.state(&host, session), Vec::new());
        let query = given.on_datafusion(statement, None, (&host, &state));
        vector::run(query, &mut |batch| {
            batches.extend(Some(batch).filter(|batch| batch.num_rows() > 0));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(batches)
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
    pub(crate) fn read(
        &self,
        engine: &SqlEngine,
        session: &Session,
        given: &Given<'_>,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        let seen = given.seen(engine, session);
        let source = seen.source();
        let planned = self.plan(engine, (source, session), given)?;
        planned.read(&self.parsed.statement, (engine, session, source), given, visit)
    }

    fn write(
        &self,
        engine: &SqlEngine,
        session: &mut Session,
        given: &Given<'_>,
    ) -> Result<Outcome> {
        session.check_writes()?;
        if let Some(transaction) = &session.transaction {
            let source = Source::from(&**transaction);
            let planned = self.plan(engine, (source, session), given)?;
            if let Some(transaction) = session.writable()? {
                return written(&planned, transaction, given);
            }
        }
        for attempt in 0..ATTEMPTS_MAX {
            let mut transaction = engine.tables().transaction_with(session.options);
            let source = Source::from(&transaction);
            let planned = self.plan(engine, (source, session), given)?;
            let outcome = written(&planned, &mut transaction, given)?;
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
        given: &Given<'_>,
    ) -> Result<Arc<Planned>> {
        let known = self
            .plans
            .read()
            .iter()
            .rev()
            .find(|it| it.is_for(source, given.all(), session))
            .cloned();
        engine.count_plan(known.is_some());
        if let Some(known) = known {
            return Ok(known);
        }
        let planned = plan(&self.parsed.statement, engine, (source, session), given)?;
        let planned = Arc::new(planned);
        let mut plans = self.plans.write();
        if plans.len() >= PLANS_MAX {
            plans.remove(0);
        }
        plans.push(Arc::clone(&planned));
        Ok(planned)
    }
}

fn written(
    planned: &Planned,
    transaction: &mut TableTransaction,
    given: &Given<'_>,
) -> Result<Outcome> {
    let Form::Write(write) = &planned.form else {
        return Err(Error::invalid("it is no write", None));
    };
    let Written { count, rows } = write.run(transaction, given)?;
    let columns = write.returning().map(|returning| Arc::clone(&returning.columns));
    Ok(Outcome::Written { count, rows: columns.map(|columns| Rows::new(columns, rows)) })
}

pub(crate) fn is_query(statement: &ast::Statement) -> bool {
    matches!(statement, ast::Statement::Query(_))
}

pub(crate) fn is_write(statement: &ast::Statement) -> bool {
    matches!(
        statement,
        ast::Statement::Insert(_)
            | ast::Statement::Update(_)
            | ast::Statement::Delete(_)
            | ast::Statement::Merge(_)
    )
}
