//! The vector path: queries on DataFusion, over batches of the tables' rows.
//!
//! A query that the binder does not understand is planned and run here, on a thread of its own:
//! DataFusion is asynchronous, and its callers may be in a runtime already. Tables are read as
//! Arrow batches from the state that the statement sees, a snapshot's or the open transaction's.

pub(crate) mod arrow;
mod explain;
mod filter;
mod provider;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::task::Poll;
use std::thread::{Scope, ScopedJoinHandle};

use datafusion::arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement;
use futures::stream::poll_fn;
use futures::{Stream, StreamExt};
use lightning_db_query::{PlanFormat, QueryEngine, ResultColumn, Source, Watch};
use lightning_db_table::{TableSnapshot, TableTransaction};
use lightning_db_types::Value;
use sqlparser::ast::{self, visit_expressions};

use crate::bind::VIEW_DEPTH_MAX;
use crate::error::{Error, Result};
use crate::parse::plain;
use crate::views;
use provider::ViewsRead;

/// Rows of a batch, at most.
const BATCH_ROWS: usize = 8_192;
/// Bytes of memory for each row of a batch, at least.
const BATCH_SHARE: usize = 4 << 10;
/// Batches that are computed ahead of who reads them.
const AHEAD: usize = 1;
/// Bytes of memory that a sort keeps to merge what it has written aside, at most.
const MERGE_MEMORY: usize = 10 << 20;
/// Bytes of the stack of the thread that plans and runs: plans are trees.
const STACK_LEN: usize = 16 << 20;

/// Why DataFusion does not run something.
#[derive(Debug)]
pub(crate) struct Failure(Box<DataFusionError>);

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.find_root() {
            // Errors of the tables come back as they went in.
            DataFusionError::External(error) => error.fmt(f),
            other => f.write_str(&other.strip_backtrace()),
        }
    }
}

impl Failure {
    fn new(detail: impl Into<String>) -> Self {
        DataFusionError::Execution(detail.into()).into()
    }
}

impl From<DataFusionError> for Failure {
    fn from(error: DataFusionError) -> Self {
        Self(Box::new(error))
    }
}

impl From<datafusion::arrow::error::ArrowError> for Failure {
    fn from(error: datafusion::arrow::error::ArrowError) -> Self {
        DataFusionError::from(error).into()
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Vector { detail: failure.to_string() }
    }
}

/// What a query reads, for as long as it runs.
#[derive(Debug, Clone)]
pub(crate) enum State {
    Snapshot(TableSnapshot),
    Transaction(Arc<TableTransaction>),
}

impl State {
    pub(crate) fn source(&self) -> Source<'_> {
        match self {
            Self::Snapshot(snapshot) => Source::from(snapshot),
            Self::Transaction(transaction) => Source::from(&**transaction),
        }
    }
}

/// The columns of a batch as those of other results.
pub(crate) fn columns(batch: &RecordBatch) -> Arc<[ResultColumn]> {
    let schema = batch.schema();
    let column = schema.fields().iter().map(|field| ResultColumn {
        name: field.name().clone(),
        value_type: arrow::value_type(field.data_type()),
    });
    column.collect()
}

/// The values of a batch, row by row.
pub(crate) fn rows(batch: &RecordBatch) -> Result<Vec<Vec<Value>>> {
    Ok(arrow::rows(batch)?)
}

/// A query, and what it runs on.
#[derive(Clone, Copy)]
pub(crate) struct Query<'a> {
    pub(crate) statement: &'a ast::Statement,
    /// Its plan, if that was kept.
    pub(crate) kept: Option<&'a Plan>,
    pub(crate) engine: &'a QueryEngine,
    pub(crate) state: &'a State,
    pub(crate) parameters: &'a [Value],
    /// Sees its runs, and ends them.
    pub(crate) watch: &'a Arc<Watch>,
}

/// The plan of a query before it is optimized: for all states with the same definitions.
#[derive(Debug)]
pub(crate) struct Plan(LogicalPlan);

/// Runs a query; calls `visit` with its batches until it breaks, first with an empty one, which has
/// the columns.
pub(crate) fn run(
    query: Query<'_>,
    visit: &mut dyn FnMut(RecordBatch) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let (sender, receiver) = sync_channel(AHEAD);
    let work = async move || {
        let session = query.session()?;
        let plan = query.physical(&session, query.logical(&session).await?).await?;
        let mut batch = Some(RecordBatch::new_empty(plan.schema()));
        let mut batches = query.batches(plan, &session)?;
        while let Some(found) = batch {
            if sender.send(found).is_err() {
                break;
            }
            batch = batches.next().await.transpose()?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let thread = spawn(scope, work)?;
        let mut outcome = Ok(ControlFlow::Continue(()));
        for batch in receiver {
            outcome = visit(batch);
            if !matches!(outcome, Ok(ControlFlow::Continue(()))) {
                break;
            }
        }
        let done = thread.join();
        outcome.and_then(|_| ended(done))?;
        query.go_on()
    })
}

/// The plan of a query, and why it runs here; with what there was, if it is to run.
pub(crate) fn explain(
    query: Query<'_>,
    reason: &str,
    (format, analyze): (PlanFormat, bool),
) -> Result<String> {
    let shown = on_thread(|| async move {
        let session = query.session()?;
        let plan = query.physical(&session, query.logical(&session).await?).await?;
        if analyze {
            let mut batches = query.batches(Arc::clone(&plan), &session)?;
            while batches.next().await.transpose()?.is_some() {}
        }
        Ok(explain::write(&plan, reason, (format, analyze)))
    })?;
    query.go_on().map(|()| shown)
}

/// Shows that a query can be planned; gives its plan, if that may be kept.
pub(crate) fn prepare(query: Query<'_>) -> Result<Option<Plan>> {
    on_thread(|| async move {
        let session = query.session()?;
        let plan = query.logical(&session).await?;
        query.physical(&session, plan.clone()).await?;
        // The query of a view becomes a part of the plan, and may be another the next time.
        let views = session.config().get_extension::<ViewsRead>();
        let may_be_kept = views.is_some_and(|views| !views.is_set());
        Ok((may_be_kept && provider::reads_tables_alone(&plan)?).then_some(Plan(plan)))
    })
}

impl<'a> Query<'a> {
    fn session(self) -> Result<SessionState, Failure> {
        session((self.engine, self.watch), self.state, 0)
    }

    /// Ends what was cancelled.
    fn go_on(self) -> Result<()> {
        if self.watch.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// The batches of a plan, up to the end of the run or of who waits for it.
    fn batches(
        self,
        plan: Arc<dyn ExecutionPlan>,
        session: &SessionState,
    ) -> Result<impl Stream<Item = Result<RecordBatch, DataFusionError>> + Unpin + use<'a>, Failure>
    {
        self.watch.expect(provider::expected_reads(&plan));
        let mut stream = execute_stream(plan, session.task_ctx())?;
        Ok(poll_fn(move |context| {
            if self.watch.is_cancelled() {
                return Poll::Ready(None);
            }
            stream.poll_next_unpin(context)
        }))
    }

    async fn logical(self, session: &SessionState) -> Result<LogicalPlan, Failure> {
        if let Some(Plan(kept)) = self.kept {
            return Ok(kept.clone());
        }
        let has_all = visit_expressions(self.statement, |expr| match expr {
            ast::Expr::AllOp { .. } => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        if has_all.is_break() {
            return Err(Failure::new("a comparison with ALL of a query gives other rows there"));
        }
        let statement = Statement::Statement(Box::new(plain(self.statement)));
        Ok(session.statement_to_plan(statement).await?)
    }

    async fn physical(
        self,
        session: &SessionState,
        plan: LogicalPlan,
    ) -> Result<Arc<dyn ExecutionPlan>, Failure> {
        let values = self.parameters.iter().map(arrow::scalar).collect::<Result<Vec<_>, _>>()?;
        Ok(session.create_physical_plan(&plan.with_param_values(values)?).await?)
    }
}

/// The plan of a view's query, if there is a view of this name. Views may name others; `depth` is
/// how many of them are being planned.
async fn view(
    name: &str,
    engine: &QueryEngine,
    state: &State,
    depth: usize,
) -> Result<Option<LogicalPlan>, DataFusionError> {
    let failed = |error: Error| DataFusionError::External(Box::new(error));
    let definition = views::definition(state.source(), name).map_err(failed)?;
    let Some(definition) = definition else { return Ok(None) };
    if depth > VIEW_DEPTH_MAX {
        let detail = format!("views nest more than {VIEW_DEPTH_MAX} deep, or in a circle");
        return Err(DataFusionError::Plan(detail));
    }
    let query = views::query(name, &definition).map_err(failed)?;
    let session =
        session((engine, &Arc::default()), state, depth).map_err(|Failure(error)| *error)?;
    let plan = session.statement_to_plan(Statement::Statement(Box::new(plain(&query)))).await?;
    Ok(Some(plan))
}

fn session(
    (engine, watch): (&QueryEngine, &Arc<Watch>),
    state: &State,
    depth: usize,
) -> Result<SessionState, Failure> {
    // What does not fit into memory goes to files in a folder for temporary ones.
    let files = DiskManagerBuilder::default().with_mode(DiskManagerMode::OsTmpDirectory);
    let (memory, views) = (engine.memory_limit(), Arc::<ViewsRead>::default());
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(memory)))
        .with_disk_manager_builder(files)
        .build_arc()?;
    let mut config = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size((memory / BATCH_SHARE).clamp(1, BATCH_ROWS))
        .with_sort_spill_reservation_bytes(MERGE_MEMORY.min(memory / 8))
        .with_information_schema(true)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(provider::CATALOG, provider::SCHEMA)
        .with_extension(Arc::new(state.clone()))
        .with_extension(Arc::clone(watch))
        .with_extension(Arc::clone(&views));
    // A number with a point is exact, as it is for the binder.
    config.options_mut().sql_parser.parse_float_as_decimal = true;
    let builder = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features();
    let session = builder.build();
    let catalog = Arc::new(provider::Catalog::new(engine.clone(), (state.clone(), views), depth));
    session.catalog_list().register_catalog(provider::CATALOG.to_owned(), catalog);
    Ok(session)
}

/// Runs a future on a thread of its own, until it is done.
fn on_thread<T, F>(future: impl FnOnce() -> F + Send) -> Result<T>
where
    T: Send,
    F: Future<Output = Result<T, Failure>>,
{
    std::thread::scope(|scope| ended(spawn(scope, future)?.join()))
}

/// Starts a thread that runs a future.
fn spawn<'scope, T, F>(
    scope: &'scope Scope<'scope, '_>,
    future: impl FnOnce() -> F + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, Result<T, Failure>>>
where
    T: Send + 'scope,
    F: Future<Output = Result<T, Failure>>,
{
    let work = || -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(DataFusionError::from)?;
        runtime.block_on(future())
    };
    let thread = std::thread::Builder::new().name("lightning-vector".to_owned());
    let thread = thread.stack_size(STACK_LEN).spawn_scoped(scope, work);
    Ok(thread.map_err(|error| Failure::from(DataFusionError::from(error)))?)
}

/// What a thread that has ended gives.
fn ended<T>(done: std::thread::Result<Result<T, Failure>>) -> Result<T> {
    match done {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(Error::Vector { detail: "the query ended in a panic".to_owned() }),
    }
}
