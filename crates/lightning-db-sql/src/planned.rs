//! Plans of statements, and what they were made for.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::{ControlFlow, Deref};
use std::sync::Arc;
#[cfg(feature = "vector")]
use std::sync::OnceLock;

use lightning_db_query::{Hints, ResultColumn, Source, Statement as Query, Watch};
use lightning_db_table::TableSnapshot;
use lightning_db_types::{Value, ValueRef, ValueType};
use sqlparser::ast;

use crate::bind::{Binder, Bound, Runner};
#[cfg(feature = "vector")]
use crate::connection::Executor;
use crate::connection::Session;
use crate::engine::SqlEngine;
use crate::error::{Error, Result};
use crate::names;
use crate::parse::Parsed;
use crate::session::Seen;
#[cfg(feature = "vector")]
use crate::vector;
use crate::views;
use crate::write::Write;

/// What a statement runs on: the engine, and what watches the runs of the connection.
#[derive(Clone, Copy)]
pub(crate) struct Host<'a> {
    pub(crate) engine: &'a SqlEngine,
    pub(crate) watch: &'a Arc<Watch>,
}

impl Deref for Host<'_> {
    type Target = SqlEngine;

    fn deref(&self) -> &SqlEngine {
        self.engine
    }
}

/// What a statement runs with: the values of its parameters, and behind them the moment that
/// `now()` means, if it uses that; and the state that AS OF names.
pub(crate) struct Given<'a> {
    values: Cow<'a, [Value]>,
    has_moment: bool,
    watch: &'a Arc<Watch>,
    /// The older state that is read.
    past: Option<Arc<TableSnapshot>>,
}

impl<'a> Given<'a> {
    pub(crate) fn new(
        parsed: &Parsed,
        parameters: &'a [Value],
        host: Host<'a>,
        session: &Session,
    ) -> Result<Self> {
        let past = match parsed.as_of {
            Some(as_of) => Some(host.past(as_of, parameters)?),
            None => session.past.clone(),
        };
        let has_moment = parsed.uses_moment;
        let mut values = Cow::Borrowed(parameters);
        if has_moment {
            values.to_mut().push(session.moment(&host));
        }
        Ok(Self { values, has_moment, watch: host.watch, past })
    }

    /// The state that is read.
    pub(crate) fn seen<'s>(&self, engine: &SqlEngine, session: &'s Session) -> Seen<'s> {
        match &self.past {
            Some(past) => Seen::Snapshot(TableSnapshot::clone(past)),
            None => session.seen(engine),
        }
    }

    /// The state that is read, for as long as the statement runs.
    #[cfg(feature = "vector")]
    pub(crate) fn state(&self, engine: &SqlEngine, session: &Session) -> vector::State {
        match (&self.past, &session.transaction) {
            (Some(past), _) => vector::State::Snapshot(TableSnapshot::clone(past)),
            (None, Some(transaction)) => vector::State::Transaction(Arc::clone(transaction)),
            (None, None) => vector::State::Snapshot(engine.tables().snapshot()),
        }
    }

    /// The parameters, and the moment behind them.
    pub(crate) fn all(&self) -> &[Value] {
        &self.values
    }

    /// All values, and what watches the run.
    pub(crate) fn run(&self) -> (&[Value], Option<&Watch>) {
        (&self.values, Some(self.watch))
    }

    /// Counts rows of a file for who sees how far the statement is.
    pub(crate) fn read(&self, rows: u64) {
        self.watch.read(rows);
    }

    /// Ends what was cancelled.
    pub(crate) fn go_on(&self) -> Result<()> {
        if self.watch.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// The rows of a query.
    pub(crate) fn rows<'s>(
        &self,
        query: &Query,
        source: impl Into<Source<'s>>,
    ) -> Result<Vec<Vec<Value>>> {
        let mut rows = Vec::new();
        query.for_each_watched(source, self.run(), |row| {
            rows.push(row.iter().map(|value| value.to_value()).collect());
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }

    /// A query on DataFusion, with the parameters alone.
    #[cfg(feature = "vector")]
    pub(crate) fn on_datafusion<'q>(
        &'q self,
        statement: &'q ast::Statement,
        kept: Option<&'q vector::Plan>,
        (engine, state): (&'q SqlEngine, &'q vector::State),
    ) -> vector::Query<'q> {
        let parameters = &self.values[..self.values.len() - usize::from(self.has_moment)];
        let (engine, watch) = (engine.queries(), self.watch);
        vector::Query { statement, kept, engine, state, parameters, watch }
    }

    /// Position of the moment.
    pub(crate) fn moment(&self) -> Option<usize> {
        self.has_moment.then(|| self.values.len() - 1)
    }
}

/// What is called with the columns of a result, and then with each row.
pub(crate) type Visit<'v> =
    dyn FnMut(&Arc<[ResultColumn]>, Option<&[ValueRef<'_>]>) -> Result<ControlFlow<()>> + 'v;

/// A plan, and what it was made for.
#[derive(Debug)]
pub(crate) struct Planned {
    /// State of the definitions.
    version: u64,
    /// Types of the parameters.
    types: Vec<ValueType>,
    /// Parameters whose values are part of it.
    values: Vec<(usize, Value)>,
    /// Views that are part of it, with their definitions.
    views: Vec<(String, String)>,
    /// Whether it is good for one run alone.
    once: bool,
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
        /// Set once it has needed more memory than there may be: it runs on DataFusion then, with
        /// a plan if that is not made whenever it runs.
        #[cfg(feature = "vector")]
        aside: OnceLock<Option<vector::Plan>>,
    },
    /// A query on DataFusion.
    #[cfg(feature = "vector")]
    Vector {
        /// Its plan, if that is not made whenever it runs.
        kept: Option<vector::Plan>,
        /// Why it runs there.
        reason: String,
    },
    Write(Write),
}

impl Planned {
    pub(crate) fn is_for(
        &self,
        source: Source<'_>,
        parameters: &[Value],
        session: &Session,
    ) -> bool {
        #[cfg(feature = "vector")]
        if self.executor != session.executor {
            return false;
        }
        #[cfg(not(feature = "vector"))]
        let _ = session;
        let types = || self.types.iter().zip(parameters);
        let is_view = |(name, text): &(String, String)| {
            views::definition(source, name).is_ok_and(|now| now.as_ref() == Some(text))
        };
        !self.once
            && self.version == source.version()
            && self.types.len() == parameters.len()
            && types().all(|(known, value)| *known == value.value_type())
            && self.values.iter().all(|(number, value)| parameters.get(*number) == Some(value))
            && self.views.iter().all(is_view)
    }
}

impl Planned {
    /// Runs a query that was planned for `statement`; calls `visit` with the columns, and then with
    /// each row. What does not fit into memory goes on with DataFusion, which writes it aside,
    /// unless rows were given before.
    #[cfg_attr(not(feature = "vector"), expect(unused_variables, reason = "for DataFusion"))]
    pub(crate) fn read(
        &self,
        statement: &ast::Statement,
        (engine, session, source): (&SqlEngine, &Session, Source<'_>),
        given: &Given<'_>,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        match &self.form {
            Form::Query {
                query,
                columns,
                #[cfg(feature = "vector")]
                aside,
            } => {
                #[cfg(feature = "vector")]
                if let Some(kept) = aside.get() {
                    return on_datafusion((statement, kept), (engine, session), given, visit);
                }
                let mut begun = false;
                let outcome = rows((query, columns), source, given, &mut begun, visit);
                #[cfg(feature = "vector")]
                if !begun && session.is_auto() && outcome.as_ref().is_err_and(is_memory) {
                    let state = given.state(engine, session);
                    // What DataFusion does not know either fails for want of memory.
                    let query = given.on_datafusion(statement, None, (engine, &state));
                    if let Ok(kept) = vector::prepare(query) {
                        let kept = aside.get_or_init(|| kept);
                        return on_datafusion((statement, kept), (engine, session), given, visit);
                    }
                }
                outcome
            }
            #[cfg(feature = "vector")]
            Form::Vector { kept, .. } => {
                on_datafusion((statement, kept), (engine, session), given, visit)
            }
            Form::Write(_) => Err(Error::invalid("it is no query", None)),
        }
    }
}

/// Calls `visit` with the columns of a query, when its first row is there or there is none, and
/// with each row; says in any case whether it was called.
fn rows(
    (query, columns): (&Query, &Arc<[ResultColumn]>),
    source: Source<'_>,
    given: &Given<'_>,
    begun: &mut bool,
    visit: &mut Visit<'_>,
) -> Result<()> {
    // What the visitor says goes around the executor, which has errors of its own.
    let mut refused = None;
    query.for_each_watched(source, given.run(), |row| {
        let mut flow = Ok(ControlFlow::Continue(()));
        if !*begun {
            *begun = true;
            flow = visit(columns, None);
        }
        if let Ok(ControlFlow::Continue(())) = flow {
            flow = visit(columns, Some(row));
        }
        Ok(flow.unwrap_or_else(|error| {
            refused = Some(error);
            ControlFlow::Break(())
        }))
    })?;
    match refused {
        Some(error) => Err(error),
        None if *begun => Ok(()),
        None => visit(columns, None).map(drop),
    }
}

/// Runs a query on DataFusion.
#[cfg(feature = "vector")]
fn on_datafusion(
    (statement, kept): (&ast::Statement, &Option<vector::Plan>),
    (engine, session): (&SqlEngine, &Session),
    given: &Given<'_>,
    visit: &mut Visit<'_>,
) -> Result<()> {
    let state = given.state(engine, session);
    let query = given.on_datafusion(statement, kept.as_ref(), (engine, &state));
    let mut columns = None;
    vector::run(query, &mut |batch| match &columns {
        None => visit(columns.insert(vector::columns(&batch)), None),
        Some(columns) => visit_rows(&batch, columns, visit),
    })
}

/// Whether more memory was needed than there may be.
#[cfg(feature = "vector")]
fn is_memory(error: &Error) -> bool {
    let Error::Query(error) = error else { return false };
    matches!(**error, lightning_db_query::Error::Memory { .. })
}

/// Calls `visit` with each row of a batch.
#[cfg(feature = "vector")]
fn visit_rows(
    batch: &datafusion::arrow::array::RecordBatch,
    columns: &Arc<[ResultColumn]>,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>> {
    for row in vector::rows(batch)? {
        let row: Vec<ValueRef<'_>> = row.iter().map(Value::as_value_ref).collect();
        if visit(columns, Some(&row))?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Plans a statement.
pub(crate) fn plan(
    statement: &ast::Statement,
    engine: &SqlEngine,
    (source, session): (Source<'_>, &Session),
    given: &Given<'_>,
) -> Result<Planned> {
    let parameters = given.all();
    let runner = Runner { engine: engine.queries(), watch: given.watch };
    let binder = Binder::new(source, parameters).with_moment(given.moment()).with_runner(runner);
    let form = if let ast::Statement::Query(query) = statement {
        let bound = match bind(&binder, query, session) {
            Ok(bound) => bound,
            #[cfg(feature = "vector")]
            Err(error) => return otherwise(statement, engine, (source, session), given, error),
            #[cfg(not(feature = "vector"))]
            Err(error) => return Err(error),
        };
        let query = engine.queries().prepare_for(source, &bound.builder, hints(&query.body)?)?;
        let types = query.columns().into_iter().map(|column| column.value_type);
        let columns = bound.columns.into_iter().zip(types);
        let columns = columns.map(|(output, value_type)| {
            let value_type = match output.value_type {
                ValueType::Null => value_type,
                known => known,
            };
            ResultColumn { name: output.name, value_type }
        });
        Form::Query {
            query,
            columns: columns.collect(),
            #[cfg(feature = "vector")]
            aside: OnceLock::new(),
        }
    } else {
        Form::Write(binder.write(statement, engine.queries())?)
    };
    let once = binder.is_for_once();
    let (by_value, views): (BTreeSet<usize>, _) = binder.into_noted();
    let values = by_value.into_iter().map_while(|it| Some((it, parameters.get(it)?.clone())));
    let (version, values) = (source.version(), values.collect());
    let types = parameters.iter().map(Value::value_type).collect();
    #[cfg(feature = "vector")]
    let executor = session.executor;
    Ok(Planned {
        version,
        types,
        values,
        views: views.into_iter().collect(),
        once,
        #[cfg(feature = "vector")]
        executor,
        form,
    })
}

/// What comments `/*+ .. */` behind the first SELECT of a query say of its plan.
fn hints(body: &ast::SetExpr) -> Result<Hints> {
    let select = match body {
        ast::SetExpr::Select(select) => select,
        ast::SetExpr::Query(query) => return hints(&query.body),
        ast::SetExpr::SetOperation { left, .. } => return hints(left),
        _ => return Ok(Hints::default()),
    };
    let meant = select.optimizer_hints.iter().filter(|hint| hint.prefix.is_empty());
    let text = meant.map(|hint| &*hint.text).collect::<Vec<_>>().join(" ");
    text.parse().map_err(|error: lightning_db_optimizer::Error| {
        Error::invalid(error.to_string(), names::begin(select.select_token.0.span))
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
    given: &Given<'_>,
    error: Error,
) -> Result<Planned> {
    if !matches!(error, Error::Unsupported { .. }) || session.executor == Executor::Rows {
        return Err(error);
    }
    let reason = match session.executor {
        Executor::DataFusion => "SET executor asks for it".to_owned(),
        _ => format!("the row executor fails to {error}"),
    };
    let state = given.state(engine, session);
    let query = given.on_datafusion(statement, None, (engine, &state));
    let kept = vector::prepare(query).map_err(|refused| {
        // Whichever says more: ours has the place in the text, and perhaps the nearest name.
        let is_better = matches!(&error, Error::Unsupported { hint, .. } if !hint.is_empty());
        if is_better { error } else { refused }
    })?;
    let types = given.all().iter().map(Value::value_type).collect();
    let version = source.version();
    let (values, views, executor) = (Vec::new(), Vec::new(), session.executor);
    let form = Form::Vector { kept, reason };
    Ok(Planned { version, types, values, views, once: false, executor, form })
}
