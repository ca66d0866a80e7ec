//! Plans of statements, and what they were made for.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::{ControlFlow, Deref};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lightning_db_query::{Hints, ResultColumn, Source, Statement as Query};
use lightning_db_table::TableSnapshot;
use lightning_db_types::{Value, ValueType};
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

/// What a statement runs on: the engine, and the flag that ends what runs on the connection.
#[derive(Clone, Copy)]
pub(crate) struct Host<'a> {
    pub(crate) engine: &'a SqlEngine,
    pub(crate) cancel: &'a AtomicBool,
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
    cancel: &'a AtomicBool,
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
        let past = parsed.as_of.map(|as_of| host.past(as_of, parameters)).transpose()?;
        let has_moment = parsed.uses_moment;
        let mut values = Cow::Borrowed(parameters);
        if has_moment {
            values.to_mut().push(session.moment(&host));
        }
        Ok(Self { values, has_moment, cancel: host.cancel, past })
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

    /// All values, and what ends the run.
    pub(crate) fn run(&self) -> (&[Value], Option<&AtomicBool>) {
        (&self.values, Some(self.cancel))
    }

    /// Ends what was cancelled.
    pub(crate) fn go_on(&self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// The rows of a query.
    pub(crate) fn rows<'s>(
        &self,
        query: &Query,
        source: impl Into<Source<'s>>,
    ) -> Result<Vec<Vec<Value>>> {
        let mut rows = Vec::new();
        query.for_each_until(source, self.run(), |row| {
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
        vector::Query { statement, kept, engine: engine.queries(), state, parameters }
    }

    /// What ends the run.
    #[cfg(feature = "vector")]
    pub(crate) fn cancel(&self) -> &AtomicBool {
        self.cancel
    }

    /// Position of the moment.
    pub(crate) fn moment(&self) -> Option<usize> {
        self.has_moment.then(|| self.values.len() - 1)
    }
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
    },
    /// A query on DataFusion, with its plan if that is not made whenever it runs.
    #[cfg(feature = "vector")]
    Vector(Option<vector::Plan>),
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

/// Plans a statement.
pub(crate) fn plan(
    statement: &ast::Statement,
    engine: &SqlEngine,
    (source, session): (Source<'_>, &Session),
    given: &Given<'_>,
) -> Result<Planned> {
    let parameters = given.all();
    let runner = Runner { engine: engine.queries(), cancel: given.cancel };
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
        Form::Query { query, columns: columns.collect() }
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
    Ok(Planned { version, types, values, views, once: false, executor, form: Form::Vector(kept) })
}
