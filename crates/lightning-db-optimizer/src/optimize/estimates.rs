//! Estimates, as planning asks for them.

use std::collections::BTreeSet;
use std::fmt;

use crate::access::Relation;
use crate::cardinality::{Cardinality, Learned};
use crate::catalog::Catalog;
use crate::estimate::{Estimate, Source};
use crate::fingerprint::Sum;
use crate::plan::Part;
use crate::query::{ColumnId, JoinKind, Node, NodeId, Origin, Query, Scalar, ScalarId};
use lightning_db_expression::Comparison;
use lightning_db_types::ValueType;

/// Share of rows for which a condition holds of which nothing is known.
const UNKNOWN: f64 = 1.0 / 3.0;
/// Width of a value of no fixed width, where nothing is known.
const WIDTH: f64 = 24.0;

/// A part of a query that is joined with others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Rows, with what was learned.
    pub(super) rows: Estimate,
    /// Rows by statistics alone.
    pub(super) by_statistics: Estimate,
    /// What it adds up to.
    pub(super) sum: Sum,
}

impl Known {
    /// What is noted of it in a plan.
    pub(super) fn part(&self) -> Part {
        Part {
            signature: self.sum.signature(),
            by_statistics: self.by_statistics,
            columns: Vec::new(),
        }
    }
}

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
    pub(super) fn new(
        query: &'a Query,
        catalog: &'a dyn Catalog,
        learned: Option<&'a dyn Learned>,
    ) -> Self {
        let widths = query.column_ids().map(|column| width(query, catalog, column)).collect();
        Self { query, cardinality: Cardinality::new(query, catalog, learned), widths }
    }

    /// Rows of a node by statistics alone.
    pub(super) fn rows_by_statistics(&self, node: NodeId) -> Estimate {
        self.cardinality.by_statistics().rows(node)
    }

    /// Rows of a join of two parts that is a part of the query itself: as they are expected, and by
    /// statistics alone.
    pub(super) fn joined(
        &self,
        kind: JoinKind,
        [left, right]: [&Known; 2],
        on: &[ScalarId],
        sum: Sum,
    ) -> Known {
        let mut rows = self.cardinality.join(kind, left.rows, right.rows, on);
        let mut by_statistics = rows;
        if left.by_statistics != left.rows || right.by_statistics != right.rows {
            let plain = self.cardinality.by_statistics();
            by_statistics = plain.join(kind, left.by_statistics, right.by_statistics, on);
        }
        if let Some(learned) = self.cardinality.corrected(|| sum.signature(), |_| by_statistics) {
            let most = match kind {
                JoinKind::Semi | JoinKind::Anti => left.rows.high,
                _ => f64::INFINITY,
            };
            rows = learned.at_most(most);
        }
        Known { rows, by_statistics, sum }
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
        let (own, outer): (Vec<ScalarId>, Vec<ScalarId>) =
            conditions.iter().partition(|id| self.is_own(relation, **id));
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
        let most = |column: &ColumnId| self.cardinality.most_of_a_value(relation.node, *column);
        let most = equal.iter().map(most).fold(1.0 / distinct.low.max(1.0), f64::min);
        let outer = Estimate::new(point, 0.0, (rest * most).max(point), Source::Distinct);
        share.times(outer)
    }

    /// Whether a condition uses columns of a relation alone.
    fn is_own(&self, relation: &Relation, id: ScalarId) -> bool {
        let columns = self.query.scalar_columns(id);
        columns.iter().all(|column| relation.columns.contains(column))
    }

    /// What is noted in a plan of a relation's rows for which conditions are true, if that depends
    /// on no others.
    pub(super) fn part_of(&self, relation: &Relation, conditions: &[ScalarId]) -> Option<Part> {
        if !conditions.iter().all(|id| self.is_own(relation, *id)) {
            return None;
        }
        let used = conditions.iter().flat_map(|id| self.query.scalar_columns(*id));
        let place = |used| relation.columns.iter().position(|column| *column == used);
        let columns: BTreeSet<usize> = used.filter_map(place).collect();
        let known = self.known(relation.node, conditions, Estimate::exact(0.0));
        Some(Part { columns: columns.into_iter().collect(), ..known.part() })
    }

    /// What is known of a node's rows for which conditions are true, of which so many are expected.
    pub(super) fn known(&self, node: NodeId, conditions: &[ScalarId], rows: Estimate) -> Known {
        let plain = self.cardinality.by_statistics();
        let by_statistics = match self.query.node(node) {
            Node::Scan { .. } => plain.selectivity(node, conditions).times(plain.rows(node)),
            _ if conditions.is_empty() => plain.rows(node),
            _ => plain.join(JoinKind::Inner, plain.rows(node), Estimate::exact(1.0), conditions),
        };
        Known { rows, by_statistics, sum: self.query.filter_sum(node, conditions) }
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
