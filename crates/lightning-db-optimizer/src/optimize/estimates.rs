//! Estimates, as planning asks for them.

use std::fmt;

use crate::access::Relation;
use crate::cardinality::Cardinality;
use crate::catalog::Catalog;
use crate::estimate::{Estimate, Source};
use crate::query::{ColumnId, JoinKind, NodeId, Origin, Query, Scalar, ScalarId};
use lightning_db_expression::Comparison;
use lightning_db_types::ValueType;

/// Share of rows for which a condition holds of which nothing is known.
const UNKNOWN: f64 = 1.0 / 3.0;
/// Width of a value of no fixed width, where nothing is known.
const WIDTH: f64 = 24.0;

pub(super) struct Estimates<'a> {
    query: &'a Query,
    cardinality: Cardinality<'a>,
    widths: Vec<f64>,
}

impl fmt::Debug for Estimates<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Estimates").finish_non_exhaustive()
    }
}

fn width(query: &Query, catalog: &dyn Catalog, column: ColumnId) -> f64 {
    let column = query.column(column);
    match column.value_type {
        ValueType::Null | ValueType::Bool => 1.0,
        ValueType::Date => 4.0,
        ValueType::I64 | ValueType::U64 | ValueType::F64 | ValueType::Timestamp => 8.0,
        ValueType::Decimal | ValueType::Uuid | ValueType::Point => 16.0,
        ValueType::Text | ValueType::Bytes => {
            let Origin::Table(table, position) = column.origin else { return WIDTH };
            let statistics = catalog.statistics(table);
            let known = statistics.as_ref().and_then(|it| it.column(position)).map(|it| it.width);
            known.filter(|width| *width > 0.0).unwrap_or(WIDTH)
        }
    }
}

impl<'a> Estimates<'a> {
    pub(super) fn new(query: &'a Query, catalog: &'a dyn Catalog) -> Self {
        let widths = query.column_ids().map(|column| width(query, catalog, column)).collect();
        Self { query, cardinality: Cardinality::new(query, catalog, None), widths }
    }

    /// Rows of a node.
    pub(super) fn rows(&self, node: NodeId) -> Estimate {
        self.cardinality.rows(node)
    }

    pub(super) fn join(
        &self,
        kind: JoinKind,
        left: Estimate,
        right: Estimate,
        on: &[ScalarId],
    ) -> Estimate {
        self.cardinality.join(kind, left, right, on)
    }

    pub(super) fn distinct(&self, columns: &[ColumnId], rows: Estimate) -> Estimate {
        self.cardinality.distinct(columns, rows)
    }

    /// Width of a row of these columns.
    pub(super) fn width(&self, columns: &[ColumnId]) -> f64 {
        columns.iter().map(|column| self.widths[column.index()]).sum()
    }

    /// Share of a relation's rows for which conditions are true that may use columns of others,
    /// which stand for values.
    pub(super) fn selectivity(&self, relation: &Relation, conditions: &[ScalarId]) -> Estimate {
        let own = |id: &ScalarId| {
            let columns = self.query.scalar_columns(*id);
            columns.iter().all(|column| relation.columns.contains(column))
        };
        let (own, outer): (Vec<ScalarId>, Vec<ScalarId>) =
            conditions.iter().partition(|id| own(id));
        let share = self.cardinality.selectivity(relation.node, &own);
        if outer.is_empty() {
            return share;
        }
        let mut equal = Vec::new();
        let mut rest = 1.0;
        for id in outer {
            match self.equal_column(relation, id) {
                Some(column) if equal.contains(&column) => {}
                Some(column) => equal.push(column),
                None => rest *= UNKNOWN,
            }
        }
        let rows = Estimate::exact(relation.rows.max(1.0));
        let distinct = self.distinct(&equal, rows);
        let point = rest / distinct.point.max(1.0);
        // A value may be the most common one.
        let outer =
            Estimate::new(point, 0.0, (rest / distinct.low.max(1.0)).max(point), Source::Distinct);
        share.times(outer)
    }

    /// The column of a relation that a condition says is equal to something else.
    fn equal_column(&self, relation: &Relation, id: ScalarId) -> Option<ColumnId> {
        let Scalar::Compare(Comparison::Equal, left, right) = self.query.scalar(id) else {
            return None;
        };
        let own = |side: &ScalarId| match self.query.scalar(*side) {
            Scalar::Column(column) if relation.columns.contains(column) => Some(*column),
            _ => None,
        };
        own(left).or_else(|| own(right))
    }
}
