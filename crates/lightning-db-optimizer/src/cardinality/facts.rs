//! What a query says of its columns: which table they are of, which are equal, which conditions
//! each table has.

use std::sync::Arc;

use lightning_db_expression::Comparison;

use crate::catalog::{Catalog, TableDefinition, TableId};
use crate::estimate::{Estimate, Source};
use crate::query::{ColumnId, JoinKind, Node, NodeId, Query, Scalar, ScalarId, Subquery};
use crate::statistics::{ColumnStatistics, JoinSketch, TableStatistics};

/// Rows of a table of which nothing is known.
const ROWS_UNKNOWN: f64 = 1_000.0;

/// A table as it stands in a query.
#[derive(Debug)]
pub(super) struct Relation {
    pub table: TableId,
    pub definition: Arc<TableDefinition>,
    pub statistics: Option<Arc<TableStatistics>>,
    pub columns: Vec<ColumnId>,
    /// Rows of the table.
    pub rows: Estimate,
    /// Conditions that the query puts on this table alone.
    pub filters: Vec<ScalarId>,
}

impl Relation {
    pub(super) fn statistics_of(&self, position: usize) -> Option<&ColumnStatistics> {
        self.statistics.as_ref()?.column(position)
    }

    pub(super) fn sketch_of(&self, position: usize) -> Option<&JoinSketch> {
        self.statistics.as_ref()?.joins.iter().find(|sketch| sketch.column == position)
    }

    /// Whether these columns hold a key: no two rows are alike in them.
    pub(super) fn has_key(&self, positions: &[usize]) -> bool {
        let within = |key: &[usize]| key.iter().all(|column| positions.contains(column));
        let mut unique = self.definition.indexes.iter().filter(|it| it.unique);
        self.definition.keys.iter().any(|key| !key.is_empty() && within(key))
            || unique.any(|index| {
                let columns = index.parts.iter().map(|part| match &part.expression {
                    lightning_db_expression::Expression::Column(position) => Some(*position),
                    _ => None,
                });
                let columns: Option<Vec<usize>> = columns.collect();
                index.condition.is_none()
                    && columns.is_some_and(|columns| !columns.is_empty() && within(&columns))
            })
    }
}

/// What a query says of its columns.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub relations: Vec<Relation>,
    /// By node: the relation that a scan is.
    of_scan: Vec<Option<usize>>,
    /// By column: the relation and the position in it.
    of_column: Vec<Option<(usize, usize)>>,
    /// By column: a column that it equals, nearer to the class's first.
    class: Vec<usize>,
    /// Columns of the left side in conditions of joins that are not inner ones.
    left: Vec<(ScalarId, ColumnId)>,
}

impl Facts {
    pub(super) fn new(query: &Query, catalog: &dyn Catalog) -> Self {
        let mut facts = Self {
            of_scan: vec![None; query.node_count()],
            of_column: vec![None; query.column_count()],
            class: (0..query.column_count()).collect(),
            ..Self::default()
        };
        let nodes = reachable(query);
        for id in &nodes {
            if let Node::Scan { table, columns, .. } = query.node(*id) {
                facts.add_scan(*id, *table, columns, catalog);
            }
        }
        // A column that is passed on under another number has the same values; several passes find
        // those that are passed on more than once.
        while nodes.iter().any(|id| facts.pass_on(query, *id)) {}
        for id in &nodes {
            facts.add_conditions(query, *id);
        }
        facts
    }

    /// The relation that a scan is.
    pub(super) fn scan(&self, id: NodeId) -> Option<&Relation> {
        self.relations.get((*self.of_scan.get(id.index())?)?)
    }

    /// The relation of a column, its place, and the position in it.
    pub(super) fn column(&self, id: ColumnId) -> Option<(usize, &Relation, usize)> {
        let (relation, position) = (*self.of_column.get(id.index())?)?;
        Some((relation, &self.relations[relation], position))
    }

    /// A number that columns share whose values are equal in all rows of inner joins.
    pub(super) fn class(&self, id: ColumnId) -> usize {
        let mut at = id.index();
        while let Some(next) = self.class.get(at).copied().filter(|next| *next != at) {
            at = next;
        }
        at
    }

    /// Whether a column stands on the left in a condition of a join that is not an inner one.
    pub(super) fn is_left(&self, condition: ScalarId, column: ColumnId) -> bool {
        self.left.contains(&(condition, column))
    }

    fn add_scan(&mut self, id: NodeId, table: TableId, columns: &[ColumnId], of: &dyn Catalog) {
        let definition = of.definition(table);
        let statistics = of.statistics(table);
        let rows = rows_of(&definition, statistics.as_deref());
        let place = self.relations.len();
        self.of_scan[id.index()] = Some(place);
        for (position, column) in columns.iter().enumerate() {
            // A copy of a scan that a rewrite made has the same columns; either will do.
            self.of_column[column.index()].get_or_insert((place, position));
        }
        let columns = columns.to_vec();
        let filters = Vec::new();
        self.relations.push(Relation { table, definition, statistics, columns, rows, filters });
    }

    fn pass_on(&mut self, query: &Query, id: NodeId) -> bool {
        let mut pairs: Vec<(ColumnId, ColumnId)> = Vec::new();
        match query.node(id) {
            Node::Project { columns, .. } => {
                pairs.extend(columns.iter().filter_map(
                    |(to, scalar)| match query.scalar(*scalar) {
                        Scalar::Column(from) if from != to => Some((*to, *from)),
                        _ => None,
                    },
                ));
            }
            Node::Set { left, columns, .. } => {
                pairs.extend(columns.iter().copied().zip(left.1.iter().copied()));
            }
            _ => {}
        }
        let mut moved = false;
        for (to, from) in pairs {
            if self.of_column[to.index()].is_none() && self.of_column[from.index()].is_some() {
                self.of_column[to.index()] = self.of_column[from.index()];
                moved = true;
            }
        }
        moved
    }

    fn add_conditions(&mut self, query: &Query, id: NodeId) {
        match query.node(id) {
            Node::Filter { conditions, .. } => {
                for condition in conjuncts(query, conditions) {
                    self.add_condition(query, condition, true);
                }
            }
            Node::Join { kind, left, on, .. } => {
                if *kind == JoinKind::Inner {
                    for condition in conjuncts(query, on) {
                        self.add_condition(query, condition, true);
                    }
                    return;
                }
                let columns = query.output(*left);
                for condition in conjuncts(query, on) {
                    let used = query.scalar_columns(condition);
                    let of_left = used.iter().filter(|column| columns.contains(column));
                    self.left.extend(of_left.map(|column| (condition, *column)));
                }
            }
            _ => {}
        }
    }

    fn add_condition(&mut self, query: &Query, condition: ScalarId, inner: bool) {
        if let (true, Some((one, other))) = (inner, equality(query, condition)) {
            let (one, other) = (self.class(one), self.class(other));
            self.class[one.max(other)] = one.min(other);
        }
        let columns = query.scalar_columns(condition);
        let mut relations = columns.iter().map(|column| Some(self.column(*column)?.0));
        let Some(Some(first)) = relations.next() else { return };
        let alone = relations.all(|relation| relation == Some(first));
        let filters = &mut self.relations[first].filters;
        if alone && !filters.contains(&condition) {
            filters.push(condition);
        }
    }
}

/// The two columns of a condition that says that they are equal.
pub(super) fn equality(query: &Query, condition: ScalarId) -> Option<(ColumnId, ColumnId)> {
    let Scalar::Compare(Comparison::Equal, left, right) = query.scalar(condition) else {
        return None;
    };
    match (query.scalar(*left), query.scalar(*right)) {
        (Scalar::Column(left), Scalar::Column(right)) if left != right => Some((*left, *right)),
        _ => None,
    }
}

/// The conditions, with those that are joined by AND taken apart; each once.
pub(super) fn conjuncts(query: &Query, conditions: &[ScalarId]) -> Vec<ScalarId> {
    let mut found = Vec::with_capacity(conditions.len());
    for condition in conditions {
        match query.scalar(*condition) {
            Scalar::And(all) => {
                for inner in conjuncts(query, all) {
                    if !found.contains(&inner) {
                        found.push(inner);
                    }
                }
            }
            _ if found.contains(condition) => {}
            _ => found.push(*condition),
        }
    }
    found
}

/// Rows of a table, as far as anything is known.
fn rows_of(definition: &TableDefinition, statistics: Option<&TableStatistics>) -> Estimate {
    if let Some(known) = statistics {
        let rows = number(known.rows);
        if known.rows_exact {
            return Estimate::exact(rows);
        }
        return Estimate::new(rows, rows / 2.0, (rows * 2.0).max(1.0), Source::Sample);
    }
    // An index of all rows has as many entries.
    let whole = definition.indexes.iter().filter(|index| index.condition.is_none());
    match whole.filter_map(|index| index.entries).max() {
        Some(entries) => {
            let rows = number(entries);
            Estimate::new(rows, rows / 2.0, (rows * 2.0).max(1.0), Source::Index)
        }
        None => Estimate::guess(ROWS_UNKNOWN, 1e9),
    }
}

/// The nodes that the root needs, or all if there is no root.
fn reachable(query: &Query) -> Vec<NodeId> {
    let Some(root) = query.root() else {
        return query.node_ids().collect();
    };
    let mut seen = vec![false; query.node_count()];
    let mut seen_scalars = vec![false; query.scalar_count()];
    let (mut found, mut waiting) = (Vec::new(), vec![root]);
    while let Some(id) = waiting.pop() {
        if std::mem::replace(&mut seen[id.index()], true) {
            continue;
        }
        found.push(id);
        waiting.extend(query.node(id).inputs());
        let mut scalars = query.node(id).scalars();
        while let Some(scalar) = scalars.pop() {
            if std::mem::replace(&mut seen_scalars[scalar.index()], true) {
                continue;
            }
            scalars.extend(query.scalar(scalar).operands());
            if let Scalar::Subquery(subquery) = query.scalar(scalar) {
                let (Subquery::Exists(inner)
                | Subquery::Value(inner)
                | Subquery::Any(_, _, inner)
                | Subquery::All(_, _, inner)) = subquery;
                waiting.push(*inner);
            }
        }
    }
    found.sort_unstable();
    found
}

#[expect(clippy::cast_precision_loss, reason = "numbers of rows need not be exact")]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}
