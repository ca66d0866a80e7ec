//! Tables and indexes, searched as a plan says.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use lightning_db_expression::{Comparison, Expression};
use lightning_db_types::Value;

use super::{Executor, Parts, wrong};
use crate::catalog::{IndexDefinition, IndexKind, TableDefinition, TableId};
use crate::plan::{Access, BloomCheck, IndexScan, KeyPart, Operator, PlanNode, RowSet};
use crate::query::{ColumnId, ScalarId};
use crate::reference::Failure;
use crate::reference::scalar::Outer;

/// What stands where an index has no value: no condition is true of it.
const ABSENT: Value = Value::Uuid([0xee; 16]);

/// A table with the columns that it has in the query.
struct Table<'a> {
    rows: &'a [Vec<Value>],
    definition: &'a TableDefinition,
    columns: &'a [ColumnId],
}

fn key_order(index: &IndexDefinition, left: &[Value], right: &[Value]) -> Ordering {
    let parts = index.parts.iter().zip(left.iter().zip(right));
    let mut orders = parts.map(|(part, (left, right))| match (left.is_null(), right.is_null()) {
        (false, false) if part.descending => right.cmp(left),
        (false, false) => left.cmp(right),
        (left, right) if part.nulls_first => right.cmp(&left),
        (left, right) => left.cmp(&right),
    });
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn holds(left: &Value, comparison: Comparison, right: &Value) -> Result<bool, Failure> {
    let right = Expression::Literal(right.clone());
    let compared = Expression::Literal(left.clone()).compare(comparison, right);
    Ok(compared.is_true(&Vec::new())?)
}

impl Table<'_> {
    /// All rows; in the order of the clustered key if there is one.
    fn scan(&self) -> Result<Vec<Vec<Value>>, Failure> {
        let clustered = |index: &&IndexDefinition| {
            index.kind == IndexKind::Clustered && index.condition.is_none()
        };
        let Some(index) = self.definition.indexes.iter().find(clustered) else {
            return Ok(self.rows.to_vec());
        };
        let entries = self.entries(index)?;
        Ok(entries.into_iter().map(|(_, at)| self.rows[at].clone()).collect())
    }

    /// The entries of an index, in its order: keys with the rows' positions.
    fn entries(&self, index: &IndexDefinition) -> Result<Vec<(Vec<Value>, usize)>, Failure> {
        let mut entries = Vec::new();
        for (at, row) in self.rows.iter().enumerate() {
            let there = match &index.condition {
                Some(condition) => condition.is_true(row)?,
                None => true,
            };
            if there {
                let key = index.parts.iter().map(|part| part.expression.evaluate(row));
                entries.push((key.collect::<Result<Vec<_>, _>>()?, at));
            }
        }
        if matches!(index.kind, IndexKind::Ordered | IndexKind::Clustered) {
            entries.sort_by(|left, right| key_order(index, &left.0, &right.0));
        }
        Ok(entries)
    }
}

impl Executor<'_> {
    pub(super) fn access(&self, node: &PlanNode, outer: &Outer) -> Result<Parts, Failure> {
        let Operator::Access { table, relation, access, checks, filter, .. } = &node.operator
        else {
            return Err(wrong("an access that is none"));
        };
        let definition = self.catalog.definition(*table);
        let rows = self.source.rows(*table);
        let table = Table { rows, definition: &definition, columns: relation };
        for check in checks {
            if !self.perhaps(&table, check, outer)? {
                return Ok(vec![Vec::new(); node.degree as usize]);
            }
        }
        let found = match access {
            Access::Scan => table.scan()?,
            Access::Index(scan) => self.index(&table, scan, outer)?,
            Access::Sets(set) => {
                let set = self.set_of(&table, set, outer)?;
                set.into_iter().map(|at| table.rows[at].clone()).collect()
            }
        };
        let rows = self.filter(found, table.columns, filter, outer)?;
        let positions = node.columns.iter().map(|column| {
            let position = table.columns.iter().position(|known| known == column);
            position.ok_or_else(|| wrong("a column of another table"))
        });
        let positions = positions.collect::<Result<Vec<_>, _>>()?;
        let turn =
            |row: Vec<Value>| positions.iter().map(|at| row[*at].clone()).collect::<Vec<_>>();
        let rows: Vec<Vec<Value>> = rows.into_iter().map(turn).collect();
        // Each worker takes pieces that lie in one order.
        let mut parts = vec![Vec::new(); node.degree as usize];
        let workers = parts.len();
        for (at, row) in rows.into_iter().enumerate() {
            parts[at % workers].push(row);
        }
        Ok(parts)
    }

    /// Positions of the rows that a search gives, in its order.
    fn search(
        &self,
        table: &Table<'_>,
        scan: &IndexScan,
        outer: &Outer,
    ) -> Result<Vec<usize>, Failure> {
        let index = &table.definition.indexes[scan.index];
        let mut found = Vec::new();
        for (key, at) in table.entries(index)? {
            let parts = scan.key.iter().zip(&key);
            let mut fits = true;
            for (part, value) in parts {
                fits = fits && self.fits(part, value, outer)?;
            }
            if fits {
                found.push(at);
            }
        }
        let row = |at: &usize| table.rows[*at].clone();
        if !scan.functions.is_empty() {
            let mut kept = Vec::new();
            for at in found {
                let one = vec![row(&at)];
                if !self.filter(one, table.columns, &scan.functions, outer)?.is_empty() {
                    kept.push(at);
                }
            }
            found = kept;
        }
        if let Some(nearest) = scan.nearest {
            let by = self.interpreter().compile(nearest, table.columns, outer)?;
            let mut by_value = Vec::new();
            for at in found {
                let value = self.interpreter().value(&by, table.columns, &row(&at), outer)?;
                if !value.is_null() {
                    by_value.push((value, at));
                }
            }
            by_value.sort();
            found = by_value.into_iter().map(|(_, at)| at).collect();
        }
        if scan.reverse {
            found.reverse();
        }
        Ok(found)
    }

    fn fits(&self, part: &KeyPart, value: &Value, outer: &Outer) -> Result<bool, Failure> {
        let fixed = |id: ScalarId| self.fixed(id, outer);
        Ok(match part {
            KeyPart::Equal(wanted) => holds(value, Comparison::Equal, &fixed(*wanted)?)?,
            KeyPart::In(list) => {
                let mut one = false;
                for wanted in list {
                    one = one || holds(value, Comparison::Equal, &fixed(*wanted)?)?;
                }
                one
            }
            KeyPart::Null => value.is_null(),
            KeyPart::Range { low, high } => {
                let mut inside = !value.is_null();
                let ends = [
                    (low, Comparison::AtLeast, Comparison::Greater),
                    (high, Comparison::AtMost, Comparison::Less),
                ];
                for (bound, with, without) in ends {
                    if let Some(bound) = bound {
                        let comparison = if bound.included { with } else { without };
                        inside = inside && holds(value, comparison, &fixed(bound.value)?)?;
                    }
                }
                inside
            }
            KeyPart::StartsWith(prefix) => match value {
                Value::Text(text) => text.starts_with(prefix.as_str()),
                _ => false,
            },
            KeyPart::Any => true,
        })
    }

    /// A scalar that has one value for all rows.
    fn fixed(&self, id: ScalarId, outer: &Outer) -> Result<Value, Failure> {
        let compiled = self.interpreter().compile(id, &[], outer)?;
        self.interpreter().value(&compiled, &[], &[], outer)
    }

    /// Rows of a search; where none are fetched, with what the entries hold alone.
    fn index(
        &self,
        table: &Table<'_>,
        scan: &IndexScan,
        outer: &Outer,
    ) -> Result<Vec<Vec<Value>>, Failure> {
        let index = &table.definition.indexes[scan.index];
        let mut there = index.include.clone();
        for part in &index.parts {
            if let Expression::Column(position) = part.expression {
                there.push(position);
            }
        }
        let mut rows = Vec::new();
        for at in self.search(table, scan, outer)? {
            let entry: Vec<Value> = table.rows[at]
                .iter()
                .enumerate()
                .map(
                    |(position, value)| {
                        if there.contains(&position) { value.clone() } else { ABSENT }
                    },
                )
                .collect();
            if self.filter(vec![entry.clone()], table.columns, &scan.filter, outer)?.is_empty() {
                continue;
            }
            rows.push(if scan.covering { entry } else { table.rows[at].clone() });
        }
        Ok(rows)
    }

    fn set_of(
        &self,
        table: &Table<'_>,
        set: &RowSet,
        outer: &Outer,
    ) -> Result<BTreeSet<usize>, Failure> {
        let all = |sets: &[RowSet]| {
            sets.iter().map(|set| self.set_of(table, set, outer)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match set {
            RowSet::Index(scan) => self.search(table, scan, outer)?.into_iter().collect(),
            RowSet::All(sets) => {
                let all = all(sets)?;
                let in_all = |at: &usize| all.iter().all(|set| set.contains(at));
                (0..table.rows.len()).filter(in_all).collect()
            }
            RowSet::Any(sets) => all(sets)?.into_iter().flatten().collect(),
        })
    }

    /// Whether a Bloom filter, one that never errs, has a key.
    fn perhaps(
        &self,
        table: &Table<'_>,
        check: &BloomCheck,
        outer: &Outer,
    ) -> Result<bool, Failure> {
        let key = check.values.iter().map(|id| KeyPart::Equal(*id)).collect();
        let (index, name) = (check.index, Arc::clone(&check.name));
        let scan = IndexScan { index, name, key, ..IndexScan::default() };
        Ok(!self.search(table, &scan, outer)?.is_empty())
    }

    /// The first entries of the searches, in one row.
    pub(super) fn index_aggregate(
        &self,
        node: &PlanNode,
        outer: &Outer,
    ) -> Result<Vec<Value>, Failure> {
        let Operator::IndexAggregate { table, relation, aggregates, .. } = &node.operator else {
            return Err(wrong("an index aggregate that is none"));
        };
        let table: TableId = *table;
        let definition = self.catalog.definition(table);
        let rows = self.source.rows(table);
        let table = Table { rows, definition: &definition, columns: relation };
        let answer = |one: &crate::plan::IndexAggregate| {
            let rows = self.index(&table, &one.scan, outer)?;
            let (Some(row), Some(argument)) = (rows.first(), one.aggregate.argument) else {
                return Ok(Value::Null);
            };
            let compiled = self.interpreter().compile(argument, table.columns, outer)?;
            self.interpreter().value(&compiled, table.columns, row, outer)
        };
        aggregates.iter().map(answer).collect()
    }
}
