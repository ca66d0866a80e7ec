//! Indexes that a query might have use for.

use std::collections::{BTreeMap, BTreeSet};

use lightning_db_expression::Comparison;

use crate::catalog::{Catalog, IndexDefinition, IndexKind, TableId};
use crate::query::{ColumnId, Node, NodeId, Origin, Query, Scalar, ScalarId};

/// Columns that an index holds beside its key, at most.
const INCLUDE_MAX: usize = 4;

/// A key over columns by position, and columns beside it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    pub(super) table: TableId,
    pub(super) key: Vec<usize>,
    pub(super) include: Vec<usize>,
}

/// How a query uses the columns of one relation.
#[derive(Debug, Default)]
struct Uses {
    /// Compared for equality with constants.
    fixed: BTreeSet<usize>,
    /// Compared for equality with columns of others.
    joined: BTreeSet<usize>,
    /// Compared otherwise.
    ranged: BTreeSet<usize>,
    /// What rows are sorted or grouped by, in order.
    orders: Vec<Vec<usize>>,
}

/// The candidates of a query as rewrites left it. Those that begin an index that is there are left
/// out, unless they hold more beside.
pub(super) fn candidates(query: &Query, catalog: &dyn Catalog) -> BTreeSet<Candidate> {
    let Some(root) = query.root() else { return BTreeSet::new() };
    let mut finder = Finder { query, scans: BTreeMap::new(), uses: BTreeMap::new() };
    let nodes = crate::optimize::all_nodes(query, root);
    for id in &nodes {
        if let Node::Scan { columns, .. } = query.node(*id) {
            finder.scans.extend(columns.iter().map(|column| (*column, *id)));
        }
    }
    let mut used: BTreeSet<ColumnId> = query.output(root).into_iter().collect();
    for id in &nodes {
        let node = query.node(*id);
        used.extend(node.scalars().into_iter().flat_map(|scalar| query.scalar_columns(scalar)));
        finder.look_at(node);
    }
    let mut found = BTreeSet::new();
    for (scan, uses) in &finder.uses {
        let Node::Scan { table, columns, .. } = query.node(*scan) else { continue };
        let wanted = columns.iter().enumerate().filter(|(_, column)| used.contains(column));
        let wanted: Vec<usize> = wanted.map(|(position, _)| position).collect();
        let indexes = &catalog.definition(*table).indexes;
        for key in keys(uses) {
            let rest = wanted.iter().filter(|position| !key.contains(position));
            let include: Vec<usize> = rest.copied().collect();
            if !include.is_empty() && include.len() <= INCLUDE_MAX {
                let (table, key) = (*table, key.clone());
                found.insert(Candidate { table, key, include });
            }
            if !indexes.iter().any(|index| begins(index, &key)) {
                found.insert(Candidate { table: *table, key, include: Vec::new() });
            }
        }
    }
    found
}

/// Whether an index is ordered by a key.
fn begins(index: &IndexDefinition, key: &[usize]) -> bool {
    let ordered = matches!(index.kind, IndexKind::Ordered | IndexKind::Clustered);
    let is = |(part, position): (&crate::catalog::IndexPart, &usize)| {
        part.expression == lightning_db_expression::Expression::column(*position)
    };
    ordered
        && index.condition.is_none()
        && index.parts.len() >= key.len()
        && index.parts.iter().zip(key).all(is)
}

/// Keys that serve some uses: what is equal first, then one range or an order.
fn keys(uses: &Uses) -> BTreeSet<Vec<usize>> {
    let fixed: Vec<usize> = uses.fixed.iter().copied().collect();
    let ends = uses.joined.iter().chain(&uses.ranged).map(|position| vec![*position]);
    let ends: Vec<Vec<usize>> = ends.chain(uses.orders.iter().cloned()).collect();
    let mut keys: BTreeSet<Vec<usize>> = fixed.iter().map(|position| vec![*position]).collect();
    keys.insert(fixed.clone());
    for end in ends {
        let both = fixed.iter().chain(end.iter().filter(|it| !uses.fixed.contains(it)));
        keys.insert(both.copied().collect());
        keys.insert(end);
    }
    keys.retain(|key| !key.is_empty());
    keys
}

struct Finder<'a> {
    query: &'a Query,
    /// The scan that each column is of.
    scans: BTreeMap<ColumnId, NodeId>,
    uses: BTreeMap<NodeId, Uses>,
}

impl Finder<'_> {
    fn look_at(&mut self, node: &Node) {
        match node {
            Node::Filter { conditions, .. } | Node::Join { on: conditions, .. } => {
                for condition in conditions {
                    self.condition(*condition);
                }
            }
            Node::Sort { keys, .. } => {
                let one_way = keys.windows(2).all(|pair| pair[0].descending == pair[1].descending);
                let columns: Vec<ColumnId> = keys.iter().map(|key| key.column).collect();
                if one_way {
                    self.order(&columns);
                }
            }
            Node::Aggregate { groups, .. } => self.order(groups),
            _ => {}
        }
    }

    fn order(&mut self, columns: &[ColumnId]) {
        let places: Option<Vec<(NodeId, usize)>> =
            columns.iter().map(|column| self.place(*column)).collect();
        let Some(places) = places else { return };
        let Some((scan, _)) = places.first().copied() else { return };
        if places.iter().all(|(other, _)| *other == scan) {
            let order = places.into_iter().map(|(_, position)| position).collect();
            self.uses.entry(scan).or_default().orders.push(order);
        }
    }

    /// The scan that a column is of, and its position in the table.
    fn place(&self, column: ColumnId) -> Option<(NodeId, usize)> {
        match self.query.column(column).origin {
            Origin::Table(_, position) => Some((*self.scans.get(&column)?, position)),
            Origin::Computed => None,
        }
    }

    fn column(&self, scalar: ScalarId) -> Option<(NodeId, usize)> {
        match self.query.scalar(scalar) {
            Scalar::Column(column) => self.place(*column),
            _ => None,
        }
    }

    fn condition(&mut self, condition: ScalarId) {
        match self.query.scalar(condition) {
            Scalar::And(all) | Scalar::Or(all) => {
                for one in all {
                    self.condition(*one);
                }
            }
            Scalar::Compare(comparison, left, right) => {
                for (side, other) in [(*left, *right), (*right, *left)] {
                    let Some((scan, position)) = self.column(side) else { continue };
                    let alone = self.query.scalar_columns(other).is_empty();
                    let uses = self.uses.entry(scan).or_default();
                    match comparison {
                        Comparison::Equal if alone => uses.fixed.insert(position),
                        Comparison::Equal => uses.joined.insert(position),
                        Comparison::NotEqual => false,
                        _ => uses.ranged.insert(position),
                    };
                }
            }
            Scalar::In(value, _) => {
                if let Some((scan, position)) = self.column(*value) {
                    self.uses.entry(scan).or_default().fixed.insert(position);
                }
            }
            Scalar::IsNull(value) | Scalar::Like { value, .. } => {
                if let Some((scan, position)) = self.column(*value) {
                    self.uses.entry(scan).or_default().ranged.insert(position);
                }
            }
            _ => {}
        }
    }
}
