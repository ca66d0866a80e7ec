//! Operators, one after the other.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;
use lightning_db_types::Value;

use super::scalar::{Compiled, Outer};
use super::{Failure, Rows};
use crate::query::{ColumnId, JoinKind, Node, NodeId, Query, ScalarId, SetOperation, SortKey};

/// Rows of a query, in its order where it has one.
///
/// # Errors
/// [`Failure`]
pub fn evaluate(query: &Query, source: &dyn Rows) -> Result<Vec<Vec<Value>>, Failure> {
    let Some(root) = query.root() else { return Ok(Vec::new()) };
    evaluate_node(query, root, source)
}

/// Rows of a node that uses no columns of others.
///
/// # Errors
/// [`Failure`]
pub fn evaluate_node(
    query: &Query,
    node: NodeId,
    source: &dyn Rows,
) -> Result<Vec<Vec<Value>>, Failure> {
    Ok(Interpreter { query, source, nested: None }.node(node, &Outer::default())?.rows)
}

/// What gives the rows of subqueries.
pub(super) trait Nested {
    /// Rows of the subquery with this root, for values of columns of rows around it.
    ///
    /// # Errors
    /// [`Failure`]
    fn rows(&self, root: NodeId, outer: &Outer) -> Result<Vec<Vec<Value>>, Failure>;
}

pub(super) struct Interpreter<'a> {
    pub(super) query: &'a Query,
    pub(super) source: &'a dyn Rows,
    /// What subqueries in scalars are run by; they are interpreted if it is not there.
    pub(super) nested: Option<&'a dyn Nested>,
}

/// Rows with their columns.
pub(super) struct Relation {
    pub(super) columns: Vec<ColumnId>,
    pub(super) rows: Vec<Vec<Value>>,
}

/// Positions to sort by, each with its key.
type Positions = Vec<(usize, SortKey)>;

/// Order of two rows.
pub(super) fn sort(order: &Positions, left: &[Value], right: &[Value]) -> Ordering {
    let mut orders = order.iter().map(|(position, key)| {
        let (left, right) = (&left[*position], &right[*position]);
        match (left.is_null(), right.is_null()) {
            (false, false) if key.descending => right.cmp(left),
            (false, false) => left.cmp(right),
            (left, right) if key.nulls_first => right.cmp(&left),
            (left, right) => left.cmp(&right),
        }
    });
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

impl Relation {
    pub(super) fn positions(&self, columns: &[ColumnId]) -> Result<Vec<usize>, Failure> {
        let of = |column: &ColumnId| self.columns.iter().position(|known| known == column);
        let unknown = |column: &ColumnId| Failure::Unknown(format!("column {}", column.index()));
        columns.iter().map(|column| of(column).ok_or_else(|| unknown(column))).collect()
    }

    pub(super) fn order(&self, keys: &[SortKey]) -> Result<Positions, Failure> {
        let columns: Vec<ColumnId> = keys.iter().map(|key| key.column).collect();
        Ok(self.positions(&columns)?.into_iter().zip(keys.iter().copied()).collect())
    }
}

impl Interpreter<'_> {
    pub(super) fn node(&self, id: NodeId, outer: &Outer) -> Result<Relation, Failure> {
        match self.query.node(id) {
            Node::Scan { table, columns, .. } => {
                let rows = self.source.rows(*table).iter();
                let rows = rows.map(|row| row[..columns.len()].to_vec()).collect();
                Ok(Relation { columns: columns.clone(), rows })
            }
            Node::Values { columns, rows } => {
                let rows = rows.listed().ok_or_else(super::given)?;
                Ok(Relation { columns: columns.clone(), rows })
            }
            Node::Filter { input, conditions } => {
                let Relation { columns, rows } = self.node(*input, outer)?;
                let conditions = self.compile_all(conditions, &columns, outer)?;
                let mut kept = Vec::new();
                for row in rows {
                    if self.holds(&conditions, &columns, &row, outer)? {
                        kept.push(row);
                    }
                }
                Ok(Relation { columns, rows: kept })
            }
            Node::Project { input, columns } => self.project(*input, columns, outer),
            Node::Join { kind, left, right, on } => self.join(*kind, *left, *right, on, outer),
            Node::Aggregate { input, groups, aggregates } => {
                self.aggregate(&self.node(*input, outer)?, groups, aggregates, outer)
            }
            Node::Set { operation, all, left, right, columns } => {
                let (left, right) = (self.side(left, outer)?, self.side(right, outer)?);
                let rows = put_together(*operation, *all, left, right);
                Ok(Relation { columns: columns.clone(), rows })
            }
            Node::Sort { input, keys } => {
                let mut relation = self.node(*input, outer)?;
                let order = relation.order(keys)?;
                relation.rows.sort_by(|left, right| sort(&order, left, right));
                Ok(relation)
            }
            Node::Limit { input, limit, offset } => {
                let mut relation = self.node(*input, outer)?;
                let offset = usize::try_from(*offset).unwrap_or(usize::MAX);
                relation.rows.drain(..offset.min(relation.rows.len()));
                if let Some(limit) = limit {
                    relation.rows.truncate(usize::try_from(*limit).unwrap_or(usize::MAX));
                }
                Ok(relation)
            }
            Node::Window { input, functions } => {
                self.window(self.node(*input, outer)?, functions, outer)
            }
        }
    }

    pub(super) fn subquery(&self, root: NodeId, outer: &Outer) -> Result<Vec<Vec<Value>>, Failure> {
        match self.nested {
            Some(nested) => nested.rows(root, outer),
            None => Ok(self.node(root, outer)?.rows),
        }
    }

    fn compile_all(
        &self,
        scalars: &[ScalarId],
        columns: &[ColumnId],
        outer: &Outer,
    ) -> Result<Vec<Compiled>, Failure> {
        scalars.iter().map(|id| self.compile(*id, columns, outer)).collect()
    }

    fn project(
        &self,
        input: NodeId,
        projected: &[(ColumnId, ScalarId)],
        outer: &Outer,
    ) -> Result<Relation, Failure> {
        let Relation { columns, rows } = self.node(input, outer)?;
        let (made, scalars): (Vec<ColumnId>, Vec<ScalarId>) = projected.iter().copied().unzip();
        let scalars = self.compile_all(&scalars, &columns, outer)?;
        let project = |row: &Vec<Value>| {
            scalars.iter().map(|scalar| self.value(scalar, &columns, row, outer)).collect()
        };
        Ok(Relation { columns: made, rows: rows.iter().map(project).collect::<Result<_, _>>()? })
    }

    fn side(
        &self,
        side: &(NodeId, Vec<ColumnId>),
        outer: &Outer,
    ) -> Result<Vec<Vec<Value>>, Failure> {
        let relation = self.node(side.0, outer)?;
        let positions = relation.positions(&side.1)?;
        let turn = |row: Vec<Value>| positions.iter().map(|at| row[*at].clone()).collect();
        Ok(relation.rows.into_iter().map(turn).collect())
    }

    fn join(
        &self,
        kind: JoinKind,
        left: NodeId,
        right: NodeId,
        on: &[ScalarId],
        outer: &Outer,
    ) -> Result<Relation, Failure> {
        let left = self.node(left, outer)?;
        let lateral =
            self.query.free_columns(right).into_iter().any(|column| left.columns.contains(&column));
        let right_columns = self.query.output(right);
        let mut right_rows = if lateral { Vec::new() } else { self.node(right, outer)?.rows };
        let columns: Vec<ColumnId> = left.columns.iter().chain(&right_columns).copied().collect();
        let on = self.compile_all(on, &columns, outer)?;
        let nulls = vec![Value::Null; right_columns.len()];
        let mut met = vec![false; right_rows.len()];
        let mut rows = Vec::new();
        for row in &left.rows {
            if lateral {
                let mut inner = outer.clone();
                inner.extend(left.columns.iter().copied().zip(row.iter().cloned()));
                right_rows = self.node(right, &inner)?.rows;
                met = vec![false; right_rows.len()];
            }
            let (mut pairs, mut unknown) = (0, false);
            for (other, met) in right_rows.iter().zip(&mut met) {
                let pair: Vec<Value> = row.iter().chain(other).cloned().collect();
                match self.truth(&on, &columns, &pair, outer)? {
                    Some(true) => {
                        pairs += 1;
                        *met = true;
                        if gives_pairs(kind) {
                            rows.push(pair);
                        }
                    }
                    Some(false) => {}
                    None => unknown = true,
                }
            }
            match kind {
                JoinKind::Semi if pairs > 0 => rows.push(row.clone()),
                JoinKind::Anti if pairs == 0 => rows.push(row.clone()),
                JoinKind::Mark(_) => {
                    let mark = if pairs == 0 && unknown { None } else { Some(pairs > 0) };
                    rows.push(row.iter().cloned().chain([Value::from(mark)]).collect());
                }
                JoinKind::Single if pairs > 1 => return Err(Failure::ManyRows(pairs)),
                JoinKind::Left | JoinKind::Full | JoinKind::Single if pairs == 0 => {
                    rows.push(row.iter().chain(&nulls).cloned().collect());
                }
                _ => {}
            }
        }
        if kind == JoinKind::Full {
            let nulls = vec![Value::Null; left.columns.len()];
            let alone = right_rows.iter().zip(&met).filter(|(_, met)| !**met);
            rows.extend(alone.map(|(row, _)| nulls.iter().chain(row).cloned().collect()));
        }
        let columns = match kind {
            JoinKind::Semi | JoinKind::Anti => left.columns,
            JoinKind::Mark(mark) => left.columns.into_iter().chain([mark]).collect(),
            _ => columns,
        };
        Ok(Relation { columns, rows })
    }
}

fn gives_pairs(kind: JoinKind) -> bool {
    matches!(kind, JoinKind::Inner | JoinKind::Left | JoinKind::Full | JoinKind::Single)
}

pub(super) fn put_together(
    operation: SetOperation,
    all: bool,
    mut left: Vec<Vec<Value>>,
    right: Vec<Vec<Value>>,
) -> Vec<Vec<Value>> {
    let mut counts: HashMap<Vec<Value>, usize, FixedState> = HashMap::default();
    if operation == SetOperation::Union {
        left.extend(right);
    } else {
        for row in right {
            *counts.entry(row).or_default() += 1;
        }
        left.retain(|row| {
            let found = counts.get_mut(row).filter(|count| **count > 0);
            let is_there = found.is_some();
            if let (true, Some(count)) = (all, found) {
                *count -= 1;
            }
            is_there == (operation == SetOperation::Intersect)
        });
    }
    if !all {
        let mut seen: HashSet<Vec<Value>, FixedState> = HashSet::default();
        left.retain(|row| seen.insert(row.clone()));
    }
    left
}
