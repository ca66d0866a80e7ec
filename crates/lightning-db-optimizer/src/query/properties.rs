//! What holds for all rows of a node, derived from the operators below it.

mod derive;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::{ColumnId, NodeId, Query, ScalarId, SortKey};
use crate::catalog::Catalog;

/// A set of columns, in order.
pub type ColumnSet = BTreeSet<ColumnId>;

/// What holds for all rows of a node, whatever the values in the tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    /// Sets of columns of which no two rows have the same values, null counting as a value. The
    /// empty set says that there is at most one row.
    pub keys: Vec<ColumnSet>,
    /// Columns whose values determine those of others.
    pub dependencies: Vec<(ColumnSet, ColumnSet)>,
    /// Columns that are equal in each row, or null together.
    pub classes: Vec<ColumnSet>,
    /// Columns that have the value of a constant in each row.
    pub constants: BTreeMap<ColumnId, ScalarId>,
    /// Columns that may be null.
    pub nullable: ColumnSet,
    /// The order of the rows; empty if they have none that must be kept.
    pub order: Vec<SortKey>,
}

/// How often dependencies are followed: fewer columns are a smaller claim, never a wrong one.
const ROUNDS_MAX: usize = 16;

/// Keys of a node that are kept.
const KEYS_MAX: usize = 8;

impl Properties {
    /// The columns and what they determine; of a very long chain of dependencies not all.
    pub fn closure(&self, columns: &ColumnSet) -> ColumnSet {
        let mut closure: ColumnSet = columns.clone();
        closure.extend(self.constants.keys());
        for _ in 0..ROUNDS_MAX {
            let before = closure.len();
            for class in &self.classes {
                if !class.is_disjoint(&closure) {
                    closure.extend(class);
                }
            }
            for (determinant, dependents) in &self.dependencies {
                if determinant.is_subset(&closure) {
                    closure.extend(dependents);
                }
            }
            if closure.len() == before {
                break;
            }
        }
        closure
    }

    /// Whether no two rows have the same values of these columns.
    pub fn is_key(&self, columns: &ColumnSet) -> bool {
        if self.keys.is_empty() {
            return false;
        }
        let closure = self.closure(columns);
        self.keys.iter().any(|key| key.is_subset(&closure))
    }

    /// Whether there is at most one row.
    pub fn is_single(&self) -> bool {
        self.is_key(&ColumnSet::new())
    }

    fn equal(&mut self, one: ColumnId, other: ColumnId) {
        let (met, mut rest): (Vec<ColumnSet>, Vec<ColumnSet>) = std::mem::take(&mut self.classes)
            .into_iter()
            .partition(|class| class.contains(&one) || class.contains(&other));
        let mut class: ColumnSet = met.into_iter().flatten().collect();
        class.extend([one, other]);
        rest.push(class);
        self.classes = rest;
    }

    fn add_key(&mut self, key: ColumnSet) {
        if self.keys.iter().any(|known| known.is_subset(&key)) {
            return;
        }
        self.keys.retain(|known| !key.is_subset(known));
        if self.keys.len() < KEYS_MAX {
            self.keys.push(key);
        }
    }
}

/// Properties of nodes, derived once: a node never changes.
#[derive(Debug, Default)]
pub struct PropertyCache {
    known: HashMap<NodeId, Arc<Properties>, FixedState>,
}

impl PropertyCache {
    /// Properties of a node. Costs as much as the node has columns and keys, and the same for each
    /// node below it that was not asked for before.
    pub fn of(&mut self, query: &Query, catalog: &dyn Catalog, id: NodeId) -> Arc<Properties> {
        let mut stack = vec![id];
        while let Some(next) = stack.last().copied() {
            let inputs = query.node(next).inputs();
            let missing: Vec<NodeId> =
                inputs.iter().copied().filter(|input| !self.known.contains_key(input)).collect();
            if missing.is_empty() {
                stack.pop();
                let inputs: Vec<Arc<Properties>> =
                    inputs.iter().map(|input| Arc::clone(&self.known[input])).collect();
                let made = derive::derive(query, catalog, next, &inputs);
                self.known.insert(next, Arc::new(made));
            }
            stack.extend(missing);
        }
        Arc::clone(&self.known[&id])
    }
}
