//! The tables of a state as DataFusion sees them: a catalog, a schema, tables, and their scans.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::array::RecordBatchOptions;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{CatalogProvider, SchemaProvider, Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{
    ColumnStatistics, DataFusionError, Result, Statistics, internal_err, not_impl_err,
};
use datafusion::datasource::{ViewTable, source_as_provider};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use lightning_db_query::build::{Term, column};
use lightning_db_query::{Hints, QueryBuilder, QueryEngine, Source, Statement, Watch};
use lightning_db_table::Table;
use lightning_db_table::index::RowSet;
use lightning_db_types::ValueRef;

use super::{State, arrow, filter};
use crate::{row_number, views};

/// Name of the one catalog.
pub(super) const CATALOG: &str = "lightning";
/// Name of the one schema.
pub(super) const SCHEMA: &str = "public";

/// Rows that filters leave are found first where at least so many times more are not wanted.
const FEW: f64 = 8.0;

/// All tables of a state. It is the catalog and the schema in one.
#[derive(Debug, Clone)]
pub(super) struct Catalog {
    engine: QueryEngine,
    state: State,
    /// Set when a view was read.
    views: Arc<ViewsRead>,
    /// Views that are being planned, one within another.
    depth: usize,
}

impl Catalog {
    pub(super) fn new(
        engine: QueryEngine,
        (state, views): (State, Arc<ViewsRead>),
        depth: usize,
    ) -> Self {
        Self { engine, state, views, depth }
    }
}

/// Whether views were read when a query was planned.
#[derive(Debug, Default)]
pub(super) struct ViewsRead(AtomicBool);

impl ViewsRead {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        vec![SCHEMA.to_owned()]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        (name == SCHEMA).then(|| Arc::new(self.clone()) as _)
    }
}

#[async_trait]
impl SchemaProvider for Catalog {
    fn table_names(&self) -> Vec<String> {
        let source = self.state.source();
        let tables = source.names().into_iter().filter(|name| name != views::TABLE);
        // Views that cannot be read have no names here.
        tables.chain(views::names(source).unwrap_or_default()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Ok(table) = self.state.source().table(name) {
            return Ok(Some(Arc::new(Rows::new(self.engine.clone(), table))));
        }
        let plan = super::view(name, &self.engine, &self.state, self.depth + 1).await?;
        self.views.0.fetch_or(plan.is_some(), Ordering::Relaxed);
        Ok(plan.map(|plan| Arc::new(ViewTable::new(plan, None)) as _))
    }

    fn table_exist(&self, name: &str) -> bool {
        let source = self.state.source();
        let is_view = || matches!(views::definition(source, name), Ok(Some(_)));
        source.table(name).is_ok() || is_view()
    }
}

/// Whether a plan reads nothing but tables, of whatever state.
pub(super) fn reads_tables_alone(plan: &LogicalPlan) -> Result<bool> {
    let mut are_all = true;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            are_all &= source_as_provider(&scan.source)?.is::<Rows>();
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(are_all)
}

/// The rows of a table, whose state is that of the session that plans.
#[derive(Debug, Clone)]
struct Rows {
    engine: QueryEngine,
    table: Table,
    schema: SchemaRef,
}

impl Rows {
    fn new(engine: QueryEngine, table: Table) -> Self {
        let fields = table.columns().map(|column| {
            Field::new(&column.name, arrow::data_type(column.column_type), column.nullable)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self { engine, table, schema }
    }

    /// What is known of the rows that are read, of which there are `narrowed`, or all: by the
    /// statistics of the newest commit, which may be another than the state's.
    #[expect(clippy::cast_precision_loss, reason = "a count, not exact")]
    fn known(&self, state: &State, columns: &[String], narrowed: Option<f64>) -> Statistics {
        let Ok(reader) = state.source().read(&self.table) else {
            let column_statistics = vec![ColumnStatistics::new_unknown(); columns.len()];
            return Statistics { column_statistics, ..Statistics::default() };
        };
        let rows = narrowed.unwrap_or(reader.approximate_count() as f64);
        let of = |name: &String| {
            let known = reader.column_statistics(name).ok().flatten();
            known.map_or_else(ColumnStatistics::new_unknown, |known| ColumnStatistics {
                null_count: about(known.null_fraction * rows),
                distinct_count: about(known.distinct.min(rows)),
                ..ColumnStatistics::new_unknown()
            })
        };
        let column_statistics = columns.iter().map(of).collect();
        Statistics { num_rows: about(rows), column_statistics, ..Statistics::default() }
    }

    /// The rows that filters leave, where they are few: to be found first, by what indexes there
    /// are.
    fn narrowed(&self, state: &State, filters: &[Expr]) -> Option<Narrowed> {
        let terms = filters.iter().filter_map(|filter| filter::term(filter, &self.schema));
        let condition = terms.reduce(Term::and)?;
        // What cannot be planned is read as a whole, and filtered behind that.
        let keys = QueryBuilder::numbered(self.table.name(), filter::TABLE)
            .filter(condition)
            .select([column(row_number::column_of(&self.table, filter::TABLE))]);
        let query = self.engine.prepare_for(state.source(), &keys, Hints::default()).ok()?;
        let all = state.source().read(&self.table).ok()?.approximate_count();
        let rows = query.estimated_rows();
        #[expect(clippy::cast_precision_loss, reason = "a count, not exact")]
        let is_few = rows * FEW <= all as f64;
        is_few.then(|| Narrowed { query: Arc::new(query), rows })
    }
}

/// How the rows that filters leave are found.
#[derive(Debug, Clone)]
struct Narrowed {
    /// Their keys.
    query: Arc<Statement>,
    /// How many there may be.
    rows: f64,
}

/// A number that is known about.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, not exact")]
fn about(number: f64) -> Precision<usize> {
    Precision::Inexact(number.max(0.0) as usize)
}

#[async_trait]
impl TableProvider for Rows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let how = filters.iter().map(|filter| match filter::term(filter, &self.schema) {
            // Rows that are not wanted may come, where all are read.
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        });
        Ok(how.collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let config = session.config();
        let (Some(state), Some(watch)) =
            (config.get_extension::<State>(), config.get_extension::<Watch>())
        else {
            return internal_err!("a session has no state");
        };
        let narrowed = self.narrowed(&state, filters);
        let of = (self.clone(), state, watch);
        Ok(Arc::new(Scan::new(of, projection.cloned(), (narrowed, limit))?))
    }
}

/// Rows of tables that a run of a plan is expected to read.
pub(super) fn expected_reads(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let own = match plan.downcast_ref::<Scan>() {
        Some(scan) => scan.expected_rows() as u64,
        None => 0,
    };
    own + plan.children().into_iter().map(expected_reads).sum::<u64>()
}

/// A scan of some columns of a table.
#[derive(Debug)]
struct Scan {
    rows: Rows,
    state: Arc<State>,
    /// Sees what is read.
    watch: Arc<Watch>,
    metrics: ExecutionPlanMetricsSet,
    /// Names of the columns that are read.
    columns: Vec<String>,
    /// At most so many rows.
    limit: Option<usize>,
    /// How the rows are found, if not all are read.
    narrowed: Option<Narrowed>,
    properties: Arc<PlanProperties>,
}

impl Scan {
    fn new(
        (rows, state, watch): (Rows, Arc<State>, Arc<Watch>),
        projection: Option<Vec<usize>>,
        (narrowed, limit): (Option<Narrowed>, Option<usize>),
    ) -> Result<Self> {
        let projection = projection.unwrap_or_else(|| (0..rows.schema.fields().len()).collect());
        let schema = Arc::new(rows.schema.project(&projection)?);
        let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let (properties, metrics) = (Arc::new(properties), ExecutionPlanMetricsSet::new());
        Ok(Self { rows, state, watch, metrics, columns, limit, narrowed, properties })
    }

    /// How many rows there may be.
    fn expected_rows(&self) -> usize {
        let rows = self.narrowed.as_ref().map(|narrowed| narrowed.rows);
        let known = self.rows.known(&self.state, &[], rows).num_rows;
        known.get_value().map_or(0, |rows| (*rows).min(self.limit.unwrap_or(usize::MAX)))
    }
}

impl DisplayAs for Scan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (table, columns) = (self.rows.table.name(), self.columns.join(", "));
        write!(f, "Scan {table} ({columns})")?;
        if let Some(Narrowed { query, rows }) = &self.narrowed {
            let plan = query.explain();
            let how = plan.lines().map(str::trim).collect::<Vec<_>>().join("; ");
            write!(f, ", about {rows:.0} rows by {how}")?;
        }
        match self.limit {
            Some(limit) => write!(f, ", at most {limit} rows"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for Scan {
    fn name(&self) -> &'static str {
        "Scan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { not_impl_err!("a scan has no inputs") }
    }

    fn execute(
        &self,
        partition: usize,
        task: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let most = task.session_config().batch_size();
        let (table, columns) = (self.rows.table.clone(), self.columns.clone());
        let (state, watch) = (Arc::clone(&self.state), Arc::clone(&self.watch));
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let schema = self.schema();
        let mut left = self.limit.unwrap_or(usize::MAX);
        let mut place = match &self.narrowed {
            None => Place::From(0),
            Some(narrowed) => Place::Unknown(Arc::clone(&narrowed.query)),
        };
        let read = {
            let schema = Arc::clone(&schema);
            // Nothing is read before it is asked for.
            move || {
                let _timer = metrics.elapsed_compute().timer();
                let from = (state.source(), &table);
                let batch =
                    read(from, &columns, &schema, (&mut place, &mut left, most)).transpose()?;
                match &batch {
                    Ok(batch) => {
                        metrics.record_output(batch.num_rows());
                        watch.read(batch.num_rows() as u64);
                    }
                    Err(_) => place = Place::End,
                }
                Some(batch)
            }
        };
        let stream = futures::stream::iter(std::iter::from_fn(read));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn partition_statistics(&self, _: Option<usize>) -> Result<Arc<Statistics>> {
        let rows = self.narrowed.as_ref().map(|narrowed| narrowed.rows);
        Ok(Arc::new(self.rows.known(&self.state, &self.columns, rows)))
    }
}

/// Where a scan goes on.
enum Place {
    /// At the row of this number.
    From(u64),
    /// At the first of the rows that a query has yet to give.
    Unknown(Arc<Statement>),
    /// At the next of these.
    At(Box<dyn Iterator<Item = u64> + Send>),
    End,
}

/// Reads the next batch, as far as some rows are left to be read.
fn read(
    (source, table): (Source<'_>, &Table),
    columns: &[String],
    schema: &SchemaRef,
    (place, left, most): (&mut Place, &mut usize, usize),
) -> Result<Option<RecordBatch>> {
    let external = |error: lightning_db_query::Error| DataFusionError::External(Box::new(error));
    if *left == 0 {
        return Ok(None);
    }
    let reader = source.read(table).map_err(external)?;
    if let Place::Unknown(query) = place {
        let mut found = RowSet::new();
        let mut visit = |row: &[ValueRef<'_>]| {
            if let Some(number) = row.first().and_then(|value| row_number::row_id(table, *value)) {
                found.insert(number);
            }
            Ok(ControlFlow::Continue(()))
        };
        query.for_each(source, &[], &mut visit).map_err(external)?;
        *place = Place::At(Box::new(found.into_treemap().into_iter()));
    }
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let most = most.min(*left);
    let batch = match place {
        Place::From(first) => reader.read_vectors(&names, *first, most),
        Place::At(found) => reader.read_vectors_of(&names, found, most),
        Place::Unknown(_) | Place::End => return Ok(None),
    };
    let batch = batch.map_err(|error| external(error.into()))?;
    let Some(last) = batch.row_ids.last() else {
        *place = Place::End;
        return Ok(None);
    };
    if let Place::From(first) = place {
        match last.checked_add(1) {
            Some(next) => *first = next,
            None => *place = Place::End,
        }
    }
    let count = batch.row_ids.len();
    *left -= count;
    let arrays = batch.columns.into_iter().map(|vector| arrow::array(vector, count));
    let arrays = arrays.collect::<Result<Vec<_>, _>>().map_err(|failure| *failure.0)?;
    // A count of rows needs no column.
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    Ok(Some(RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?))
}
