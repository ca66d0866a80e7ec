//! The vector path: queries on DataFusion, over batches of the tables' rows.
//!
//! A query that the binder does not understand is planned and run here, on a thread of its own:
//! DataFusion is asynchronous, and its callers may be in a runtime already. Tables are read as
//! Arrow batches from the state that the statement sees, a snapshot's or the open transaction's.

pub(crate) mod arrow;
mod provider;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SessionState, SessionStateBuilder, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, displayable, execute_stream};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement;
use futures::StreamExt;
use lightning_db_query::{ResultColumn, Source};
use lightning_db_table::{TableSnapshot, TableTransaction};
use lightning_db_types::Value;
use sqlparser::ast;

use crate::bind::VIEW_DEPTH_MAX;
use crate::error::{Error, Result};
use crate::parse::plain;
use crate::views;

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;
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

/// The rows of a query, in batches.
#[derive(Debug)]
pub(crate) struct Batches {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
}

impl Batches {
    /// The columns as those of other results.
    pub(crate) fn columns(&self) -> Vec<ResultColumn> {
        let fields = self.schema.fields().iter();
        let column = fields.map(|field| ResultColumn {
            name: field.name().clone(),
            value_type: arrow::value_type(field.data_type()),
        });
        column.collect()
    }

    /// The values, row by row.
    pub(crate) fn rows(&self) -> Result<Vec<Vec<Value>>> {
        let mut rows = Vec::new();
        for batch in &self.batches {
            rows.extend(arrow::rows(batch)?);
        }
        Ok(rows)
    }
}

/// Plans a query, and runs it.
pub(crate) fn run(
    statement: &ast::Statement,
    state: &State,
    (parameters, cancel): (&[Value], &AtomicBool),
    memory_limit: usize,
) -> Result<Batches> {
    on_thread(|| async {
        let (plan, task) = planned(statement, state, parameters, memory_limit).await?;
        let schema = plan.schema();
        let mut stream = execute_stream(plan, task)?;
        let mut batches = Vec::new();
        while let Some(batch) = stream.next().await {
            batches.push(batch?);
            if cancel.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(Batches { schema, batches })
    })
    .and_then(|batches| {
        if cancel.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(batches) }
    })
}

/// The plan of a query as text.
pub(crate) fn explain(
    statement: &ast::Statement,
    state: &State,
    parameters: &[Value],
    memory_limit: usize,
) -> Result<String> {
    on_thread(|| async {
        let (plan, _) = planned(statement, state, parameters, memory_limit).await?;
        Ok(format!("DataFusion\n{}", displayable(&*plan).indent(false)))
    })
}

/// Names and types of the columns of a query, which shows that it can be planned.
pub(crate) fn check(
    statement: &ast::Statement,
    state: &State,
    parameters: &[Value],
    memory_limit: usize,
) -> Result<()> {
    on_thread(|| async {
        planned(statement, state, parameters, memory_limit).await?;
        Ok(())
    })
}

async fn planned(
    statement: &ast::Statement,
    state: &State,
    parameters: &[Value],
    memory_limit: usize,
) -> Result<(Arc<dyn ExecutionPlan>, Arc<TaskContext>), Failure> {
    let session = session(state, memory_limit, 0)?;
    let statement = Statement::Statement(Box::new(plain(statement)));
    let plan = session.statement_to_plan(statement).await?;
    let parameters = parameters.iter().map(arrow::scalar).collect::<Result<Vec<_>, _>>()?;
    let plan = plan.with_param_values(parameters)?;
    let plan = session.create_physical_plan(&plan).await?;
    Ok((plan, session.task_ctx()))
}

/// The plan of a view's query, if there is a view of this name. Views may name others; `depth` is
/// how many of them are being planned.
async fn view(
    name: &str,
    state: &State,
    memory_limit: usize,
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
    let session = session(state, memory_limit, depth).map_err(|Failure(error)| *error)?;
    let plan = session.statement_to_plan(Statement::Statement(Box::new(plain(&query)))).await?;
    Ok(Some(plan))
}

fn session(state: &State, memory_limit: usize, depth: usize) -> Result<SessionState, Failure> {
    // Nothing is written outside of the store: what does not fit into memory is an error.
    let no_files = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(memory_limit)))
        .with_disk_manager_builder(no_files)
        .build_arc()?;
    let mut config = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(BATCH_ROWS)
        .with_information_schema(true)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(provider::CATALOG, provider::SCHEMA);
    // A number with a point is exact, as it is for the binder.
    config.options_mut().sql_parser.parse_float_as_decimal = true;
    let builder = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features();
    let session = builder.build();
    let catalog = Arc::new(provider::Catalog::new(state.clone(), memory_limit, depth));
    session.catalog_list().register_catalog(provider::CATALOG.to_owned(), catalog);
    Ok(session)
}

/// Runs a future on a thread of its own, until it is done.
fn on_thread<T, F>(future: impl FnOnce() -> F + Send) -> Result<T>
where
    T: Send,
    F: Future<Output = Result<T, Failure>>,
{
    let work = || -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(DataFusionError::from)?;
        runtime.block_on(future())
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("lightning-vector".to_owned());
        let thread = thread.stack_size(STACK_LEN).spawn_scoped(scope, work);
        let done = thread.map_err(|error| Failure::from(DataFusionError::from(error)))?;
        match done.join() {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(Error::Vector { detail: "the query ended in a panic".to_owned() }),
        }
    })
}
