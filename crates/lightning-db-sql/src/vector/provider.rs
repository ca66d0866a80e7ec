//! The tables of a state as DataFusion sees them: a catalog, a schema, tables, and their scans.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::array::RecordBatchOptions;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{CatalogProvider, SchemaProvider, Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, Statistics, not_impl_err};
use datafusion::datasource::ViewTable;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use lightning_db_table::Table;

use super::{BATCH_ROWS, State, arrow};
use crate::views;

/// Name of the one catalog.
pub(super) const CATALOG: &str = "lightning";
/// Name of the one schema.
pub(super) const SCHEMA: &str = "public";

/// All tables of a state. It is the catalog and the schema in one.
#[derive(Debug, Clone)]
pub(super) struct Catalog {
    state: State,
    memory_limit: usize,
    /// Views that are being planned, one within another.
    depth: usize,
}

impl Catalog {
    pub(super) fn new(state: State, memory_limit: usize, depth: usize) -> Self {
        Self { state, memory_limit, depth }
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
            return Ok(Some(Arc::new(Rows::new(self.state.clone(), table))));
        }
        let plan = super::view(name, &self.state, self.memory_limit, self.depth + 1).await?;
        Ok(plan.map(|plan| Arc::new(ViewTable::new(plan, None)) as _))
    }

    fn table_exist(&self, name: &str) -> bool {
        let source = self.state.source();
        let is_view = || matches!(views::definition(source, name), Ok(Some(_)));
        source.table(name).is_ok() || is_view()
    }
}

/// The rows of a table.
#[derive(Debug, Clone)]
struct Rows {
    state: State,
    table: Table,
    schema: SchemaRef,
}

impl Rows {
    fn new(state: State, table: Table) -> Self {
        let fields = table.columns().map(|column| {
            Field::new(&column.name, arrow::data_type(column.column_type), column.nullable)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self { state, table, schema }
    }

    fn count(&self) -> Precision<usize> {
        let reader = self.state.source().read(&self.table);
        let count = reader.map(|reader| reader.approximate_count());
        let count = count.ok().and_then(|count| usize::try_from(count).ok());
        // That of the newest commit, which may be another than the state's.
        count.map_or(Precision::Absent, Precision::Inexact)
    }
}

#[async_trait]
impl TableProvider for Rows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn statistics(&self) -> Option<Statistics> {
        let unknown = Statistics::new_unknown(&self.schema);
        Some(Statistics { num_rows: self.count(), ..unknown })
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Scan::new(self.clone(), projection.cloned(), limit)?))
    }
}

/// A scan of some columns of a table.
#[derive(Debug)]
struct Scan {
    rows: Rows,
    /// Names of the columns that are read.
    columns: Vec<String>,
    /// At most so many rows.
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl Scan {
    fn new(rows: Rows, projection: Option<Vec<usize>>, limit: Option<usize>) -> Result<Self> {
        let projection = projection.unwrap_or_else(|| (0..rows.schema.fields().len()).collect());
        let schema = Arc::new(rows.schema.project(&projection)?);
        let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self { rows, columns, limit, properties: Arc::new(properties) })
    }
}

impl DisplayAs for Scan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (table, columns) = (self.rows.table.name(), self.columns.join(", "));
        write!(f, "Scan {table} ({columns})")?;
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

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (rows, columns) = (self.rows.clone(), self.columns.clone());
        let schema = self.schema();
        let mut next = Some(0);
        let mut left = self.limit.unwrap_or(usize::MAX);
        let read = {
            let schema = Arc::clone(&schema);
            // Nothing is read before it is asked for.
            move || {
                let batch = read(&rows, &columns, &schema, (&mut next, &mut left)).transpose()?;
                if batch.is_err() {
                    next = None;
                }
                Some(batch)
            }
        };
        let stream = futures::stream::iter(std::iter::from_fn(read));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }

    fn partition_statistics(&self, _: Option<usize>) -> Result<Arc<Statistics>> {
        let unknown = Statistics::new_unknown(&self.schema());
        Ok(Arc::new(Statistics { num_rows: self.rows.count(), ..unknown }))
    }
}

/// Reads the next batch: the rows from a number on, as far as some are left to be read.
fn read(
    rows: &Rows,
    columns: &[String],
    schema: &SchemaRef,
    (next, left): (&mut Option<u64>, &mut usize),
) -> Result<Option<RecordBatch>> {
    let Some(first) = next.filter(|_| *left > 0) else { return Ok(None) };
    let external = |error: lightning_db_query::Error| DataFusionError::External(Box::new(error));
    let reader = rows.state.source().read(&rows.table).map_err(external)?;
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let batch = reader.read_vectors(&names, first, BATCH_ROWS.min(*left));
    let batch = batch.map_err(|error| external(error.into()))?;
    let Some(last) = batch.row_ids.last() else {
        *next = None;
        return Ok(None);
    };
    *next = last.checked_add(1);
    let count = batch.row_ids.len();
    *left -= count;
    let arrays = batch.columns.into_iter().map(|vector| arrow::array(vector, count));
    let arrays = arrays.collect::<Result<Vec<_>, _>>().map_err(|failure| *failure.0)?;
    // A count of rows needs no column.
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    Ok(Some(RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?))
}
