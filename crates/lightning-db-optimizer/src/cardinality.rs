//! How many rows operators give.
//!
//! A table's conditions are estimated as one: the common values and the histogram of each column
//! say what is likely, the sample what is so for all conditions at once, and Bayes' rule puts both
//! together. Joins go by foreign keys, by the degrees of values that both sides' sketches share,
//! or by numbers of distinct values.

mod belief;
mod distinct;
mod facts;
mod join;
mod matching;
mod node;
mod pairs;
mod range;
mod scan;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use foldhash::fast::FixedState;

use crate::catalog::Catalog;
use crate::estimate::{Estimate, Source};
use crate::query::{ColumnId, JoinKind, NodeId, Query, ScalarId};
use facts::{Facts, Relation};
use join::{Combined, Edge};
use scan::Scan;

/// What was seen when the same was run before. An answer replaces the estimate, within its bounds.
pub trait Learned: fmt::Debug {
    /// Share of a table's rows for which all conditions are true; `estimated` is what statistics
    /// say of it.
    fn selected(
        &self,
        query: &Query,
        scan: NodeId,
        conditions: &[ScalarId],
        estimated: Estimate,
    ) -> Option<Estimate>;

    /// Rows of a node; `estimated` is what statistics say of it.
    fn rows(&self, query: &Query, node: NodeId, estimated: Estimate) -> Option<Estimate>;
}

/// Estimates for the operators of one query. Every answer is remembered.
///
/// # Examples
/// ```
/// use lightning_db_optimizer::{Cardinality, Query};
/// # use lightning_db_optimizer::{Catalog, Column, Node, NodeId};
/// fn show(query: &Query, catalog: &dyn Catalog, node: NodeId) -> String {
///     let rows = Cardinality::new(query, catalog, None).rows(node);
///     format!("{} to {} rows, likely {}: {}", rows.low, rows.high, rows.point, rows.source)
/// }
/// ```
pub struct Cardinality<'a> {
    query: &'a Query,
    catalog: &'a dyn Catalog,
    learned: Option<&'a dyn Learned>,
    facts: Facts,
    rows: RefCell<Vec<Option<Estimate>>>,
    selected: RefCell<HashMap<(NodeId, Vec<ScalarId>), Estimate, FixedState>>,
    edges: RefCell<Vec<Option<Edge>>>,
    combinations: RefCell<HashMap<Box<[ScalarId]>, Combined, FixedState>>,
    restrictions: RefCell<HashMap<ColumnId, f64, FixedState>>,
}

impl<'a> Cardinality<'a> {
    /// Estimates over what a catalog knows. Reads definitions and statistics of all tables of the
    /// query once.
    pub fn new(
        query: &'a Query,
        catalog: &'a dyn Catalog,
        learned: Option<&'a dyn Learned>,
    ) -> Self {
        Self {
            query,
            catalog,
            learned,
            facts: Facts::new(query, catalog),
            rows: RefCell::new(vec![None; query.node_count()]),
            selected: RefCell::default(),
            edges: RefCell::new(vec![None; query.scalar_count()]),
            combinations: RefCell::default(),
            restrictions: RefCell::default(),
        }
    }

    /// Rows that a node gives.
    pub fn rows(&self, node: NodeId) -> Estimate {
        if let Some(known) = self.rows.borrow().get(node.index()).copied().flatten() {
            return known;
        }
        let estimated = self.rows_of(node);
        let learned = self.learned.and_then(|it| it.rows(self.query, node, estimated));
        let rows = learned.map_or(estimated, |learned| within(learned, estimated));
        if let Some(slot) = self.rows.borrow_mut().get_mut(node.index()) {
            *slot = Some(rows);
        }
        rows
    }

    /// Share of the rows of a scan for which all conditions are true, 0 to 1. One for a node that
    /// is no scan.
    ///
    /// Time: that of evaluating the conditions on each row of the table's sample, the first time.
    pub fn selectivity(&self, scan: NodeId, conditions: &[ScalarId]) -> Estimate {
        let Some(relation) = self.facts.scan(scan) else { return Estimate::exact(1.0) };
        let mut key = conditions.to_vec();
        key.sort_unstable();
        let key = (scan, key);
        if let Some(known) = self.selected.borrow().get(&key) {
            return *known;
        }
        let estimated = self.scan(relation).selectivity(&key.1);
        let learned = self.learned.and_then(|it| it.selected(self.query, scan, &key.1, estimated));
        let share = learned.map_or(estimated, |learned| within(learned, estimated)).at_most(1.0);
        self.selected.borrow_mut().insert(key, share);
        share
    }

    /// Rows of a join of so many rows, on conditions that must all be true. The conditions on each
    /// table alone, which the query has, count as done.
    ///
    /// Time: two look-ups in a hash table once the conditions have been seen together.
    pub fn join(
        &self,
        kind: JoinKind,
        left: Estimate,
        right: Estimate,
        on: &[ScalarId],
    ) -> Estimate {
        join::join_rows(kind, left, right, &self.combined(on))
    }

    /// Share of all pairs of rows of two inputs for which one condition is true, 0 to 1.
    ///
    /// Time: a look-up in a table, once the condition has been seen.
    pub fn edge_selectivity(&self, condition: ScalarId) -> f64 {
        self.edge(condition).selectivity
    }

    /// Distinct combinations of values that columns have among so many rows; 1 for no columns.
    pub fn distinct(&self, columns: &[ColumnId], rows: Estimate) -> Estimate {
        distinct::among(&self.facts, columns, rows, &|column| self.restricted(column))
    }

    fn scan<'s>(&'s self, relation: &'s Relation) -> Scan<'s> {
        Scan { query: self.query, catalog: self.catalog, relation }
    }

    /// Share of a column's rows that the conditions on this column alone leave.
    fn restricted(&self, column: ColumnId) -> f64 {
        if let Some(known) = self.restrictions.borrow().get(&column) {
            return *known;
        }
        let share = match self.facts.column(column) {
            Some((_, relation, position)) => {
                self.scan(relation).column_share(position, &relation.filters).point
            }
            None => 1.0,
        };
        self.restrictions.borrow_mut().insert(column, share);
        share
    }
}

impl fmt::Debug for Cardinality<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cardinality").field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// What was learned, kept within the bounds of what is certain.
fn within(learned: Estimate, estimated: Estimate) -> Estimate {
    let high = if estimated.source == Source::Exact { estimated.high } else { f64::INFINITY };
    learned.at_most(high)
}

#[cfg(test)]
mod accuracy;
#[cfg(test)]
mod tests;
