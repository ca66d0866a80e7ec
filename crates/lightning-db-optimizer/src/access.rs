//! Ways to the rows of one relation for which its conditions are true.
//!
//! Every index that may serve is tried: key look-ups and ranges on a prefix of its parts, one
//! search for each value of a first part that nothing is known of, functions that the index
//! answers, its order, its entries instead of the rows; then sets of rows of several indexes
//! together. Those that cannot serve are kept with the reason.

mod condition;
mod cost;
mod found;
mod path;
mod sets;

use std::sync::Arc;

pub(crate) use path::{Path, paths};

use crate::catalog::{Catalog, IndexDefinition, TableDefinition, TableId};
use crate::cost::CostModel;
use crate::estimate::Estimate;
use crate::plan::{Access, OrderKey};
use crate::query::{ColumnId, Node, NodeId, Query, Scalar, ScalarId};
use crate::statistics::TableStatistics;

/// Rows on a page, where nothing is known of it.
const PAGE_ROWS: f64 = 100.0;

/// A relation of a query, with what is known of its table.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    /// The scan.
    pub(crate) node: NodeId,
    pub(crate) table: TableId,
    pub(crate) alias: Arc<str>,
    /// By position in the table.
    pub(crate) columns: Vec<ColumnId>,
    pub(crate) definition: Arc<TableDefinition>,
    pub(crate) statistics: Option<Arc<TableStatistics>>,
    /// The parts of each index, as scalars of the query.
    parts: Vec<Vec<Option<ScalarId>>>,
    /// The condition of each index that has one.
    conditions: Vec<Option<ScalarId>>,
    /// Rows of the table.
    pub(crate) rows: f64,
    pages: f64,
}

impl Relation {
    /// The relation of a scan; `None` if the node is none. Adds scalars for what its indexes are
    /// made of, so that those in conditions have the same handles.
    pub(crate) fn new(query: &mut Query, catalog: &dyn Catalog, node: NodeId) -> Option<Self> {
        let Node::Scan { table, alias, columns } = query.node(node) else { return None };
        let (table, alias, columns) = (*table, Arc::clone(alias), columns.clone());
        let definition = catalog.definition(table);
        let statistics = catalog.statistics(table);
        let column = |position: usize| columns.get(position).copied();
        let mut parts = Vec::with_capacity(definition.indexes.len());
        let mut conditions = Vec::with_capacity(definition.indexes.len());
        for index in &definition.indexes {
            let add =
                |part: &crate::catalog::IndexPart| query.add_expression(&part.expression, &column);
            parts.push(index.parts.iter().map(add).collect());
            let condition = index.condition.as_ref();
            conditions.push(condition.and_then(|it| query.add_expression(it, &column)));
        }
        let rows = statistics.as_ref().map_or(DEFAULT_ROWS, |known| as_f64(known.rows));
        let pages = statistics.as_ref().map_or(0.0, |known| as_f64(known.pages));
        let pages = if pages > 0.0 { pages } else { (rows / PAGE_ROWS).ceil().max(1.0) };
        let relation = Self {
            node,
            table,
            alias,
            columns,
            definition,
            statistics,
            parts,
            conditions,
            rows,
            pages,
        };
        Some(relation)
    }

    fn index(&self, position: usize) -> &IndexDefinition {
        &self.definition.indexes[position]
    }

    /// Position in the table of a scalar that is a column of it.
    fn position(&self, query: &Query, scalar: ScalarId) -> Option<usize> {
        match query.scalar(scalar) {
            Scalar::Column(column) => self.columns.iter().position(|known| known == column),
            _ => None,
        }
    }

    /// Whether an index may find rows by a condition that uses columns of others too.
    pub(crate) fn helps(&self, query: &Query, condition: ScalarId) -> bool {
        let indexes = self.definition.indexes.iter().zip(&self.parts);
        indexes.into_iter().any(|(index, parts)| {
            let parts = match index.kind {
                crate::catalog::IndexKind::Bloom => &[],
                _ => &parts[..],
            };
            let says = |part: &ScalarId| condition::says(query, self, *part, condition).is_some();
            parts.iter().flatten().any(says) || is_answered(query, index, condition)
        })
    }

    /// Whether a scalar has one value for all rows of the relation: it may use columns of others.
    pub(crate) fn is_fixed(&self, query: &Query, scalar: ScalarId) -> bool {
        match query.scalar(scalar) {
            Scalar::Literal(_) | Scalar::Parameter(..) => true,
            Scalar::Column(column) => !self.columns.contains(column),
            Scalar::Subquery(_) => false,
            other => {
                let mut fixed = true;
                other.each_operand(&mut |it| fixed = fixed && self.is_fixed(query, it));
                fixed
            }
        }
    }
}

/// Whether a condition is a function that an index answers.
fn is_answered(query: &Query, index: &IndexDefinition, condition: ScalarId) -> bool {
    match query.scalar(condition) {
        Scalar::External { function, .. } => index.answers.contains(function),
        _ => false,
    }
}

/// Rows of a table of which nothing is known.
pub(crate) const DEFAULT_ROWS: f64 = 1_000.0;

/// What is asked of a relation.
pub(crate) struct Search<'a> {
    pub(crate) query: &'a Query,
    pub(crate) catalog: &'a dyn Catalog,
    pub(crate) model: &'a dyn CostModel,
    /// Bytes of decoded columns that are kept between scans.
    pub(crate) column_cache: f64,
    pub(crate) relation: &'a Relation,
    /// What must be true of its rows; columns of other relations stand for values.
    pub(crate) conditions: &'a [ScalarId],
    /// By position, whether a column is needed beside the conditions.
    pub(crate) needed: &'a [bool],
    /// Orders that would be of use.
    pub(crate) orders: &'a [Vec<OrderKey>],
    /// Rows for which the conditions are true.
    pub(crate) rows: Estimate,
    /// Share of the rows for which some conditions are true.
    pub(crate) selectivity: &'a dyn Fn(&[ScalarId]) -> Estimate,
    /// Weight of the risk.
    pub(crate) risk: f64,
    /// How many of the rows are wanted, if not all.
    pub(crate) goal: Option<f64>,
    /// Whether a hint speaks against a way.
    pub(crate) refused: &'a dyn Fn(&Access) -> bool,
    /// Names of the indexes that a hint asks for.
    pub(crate) hinted: Option<&'a [String]>,
}

#[expect(clippy::cast_precision_loss, reason = "counts for estimates")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

/// What to reckon with where more comes than expected: half way to the upper bound, on the scale of
/// ratios on which estimates err.
pub(crate) fn pessimistic(estimate: &Estimate) -> f64 {
    let (point, high) = (estimate.point.max(1e-9), estimate.high.max(1e-9));
    if high.is_finite() { (point * high).sqrt().max(estimate.point) } else { estimate.point }
}
