//! How many rows operators give.
//!
//! A table's conditions are estimated as one: the common values and the histogram of each column
//! say what is likely, the sample what is so for all conditions at once, and Bayes' rule puts both
//! together. Joins go by foreign keys, by the degrees of values that both sides' sketches share,
//! or by numbers of distinct values.

mod belief;
mod distinct;
mod facts;
mod groups;
mod join;
mod matching;
mod node;
mod pairs;
mod range;
mod scan;
mod shares;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use foldhash::fast::FixedState;

use crate::catalog::Catalog;
use crate::estimate::{Estimate, Source};
use crate::fingerprint::Signature;
use crate::query::{ColumnId, JoinKind, Node, NodeId, Query, ScalarId};
use facts::{Facts, Relation};
use join::{Combined, Edge};
pub(crate) use node::values;
use pairs::Seen;
use scan::Scan;

pub use shares::ParameterShares;

/// What was seen when the same was run before.
pub trait Learned: fmt::Debug {
    /// Rows of a part of a query, where `estimated` are those that statistics alone expect; or of a
    /// filter over a table the share of the table's rows, where `estimated` is a share.
    ///
    /// An answer replaces the estimate, as far as it is a number and not above what is certain.
    /// Plans are right whatever it is.
    fn corrected(&self, part: Signature, estimated: Estimate) -> Option<Estimate>;
}

/// Two columns whose rows were compared: on equalities, and other conditions.
type Compared = ([ColumnId; 2], Vec<ScalarId>, Vec<ScalarId>);

/// No operator is held to give more rows, whatever was learned: costs stay numbers.
const ROWS_MAX: f64 = 1e18;

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
    /// The same by statistics alone, if something was learned.
    plain: Option<Box<Self>>,
    facts: Facts,
    rows: RefCell<Vec<Option<Estimate>>>,
    selected: RefCell<HashMap<(NodeId, Vec<ScalarId>), Estimate, FixedState>>,
    edges: RefCell<Vec<Option<Edge>>>,
    combinations: RefCell<HashMap<Box<[ScalarId]>, Combined, FixedState>>,
    seen: RefCell<HashMap<Compared, Option<Seen>, FixedState>>,
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
            plain: learned.map(|_| Box::new(Self::new(query, catalog, None))),
            facts: Facts::new(query, catalog),
            rows: RefCell::new(vec![None; query.node_count()]),
            selected: RefCell::default(),
            edges: RefCell::new(vec![None; query.scalar_count()]),
            combinations: RefCell::default(),
            seen: RefCell::default(),
            restrictions: RefCell::default(),
        }
    }

    /// Rows that a node gives.
    pub fn rows(&self, node: NodeId) -> Estimate {
        if let Some(known) = self.rows.borrow().get(node.index()).copied().flatten() {
            return known;
        }
        // How many rows a table has the engine knows.
        let learned = match self.query.node(node) {
            Node::Scan { .. } => None,
            _ => self.corrected(|| self.query.signature(node), |plain| plain.rows(node)),
        };
        let rows = learned.unwrap_or_else(|| self.rows_of(node));
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
        let learned = self.corrected(
            || self.query.signature_of_filter(scan, &key.1),
            |plain| plain.selectivity(scan, &key.1),
        );
        let share = learned.unwrap_or_else(|| self.scan(relation).selectivity(&key.1)).at_most(1.0);
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

    /// Share of the rows of a table that have the value that has most of them, as far as a column's
    /// statistics tell.
    pub(crate) fn most_of_a_value(&self, scan: NodeId, column: ColumnId) -> f64 {
        let relation = self.facts.scan(scan);
        let place = |relation: &Relation| relation.columns.iter().position(|it| *it == column);
        match relation.and_then(|relation| Some((relation, place(relation)?))) {
            Some((relation, position)) => {
                matching::Side { relation, position }.degree() / relation.rows.point.max(1.0)
            }
            None => 1.0,
        }
    }

    /// What statistics say, without what was learned.
    pub(crate) fn by_statistics(&self) -> &Self {
        self.plain.as_deref().unwrap_or(self)
    }

    /// What was learned of a part.
    pub(crate) fn corrected(
        &self,
        part: impl FnOnce() -> Signature,
        estimated: impl FnOnce(&Self) -> Estimate,
    ) -> Option<Estimate> {
        let estimated = estimated(self.plain.as_deref()?);
        let learned = self.learned?.corrected(part(), estimated)?;
        let most = if estimated.source == Source::Exact { estimated.high } else { ROWS_MAX };
        learned.point.is_finite().then(|| learned.at_most(most))
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

#[cfg(test)]
mod accuracy;
#[cfg(test)]
mod tests;
