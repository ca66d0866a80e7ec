//! Which columns a name may mean.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::error::{Error, Result};
use crate::query::ColumnId;

/// A column that can be named.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) relation: Option<Arc<str>>,
    pub(super) name: Arc<str>,
    pub(super) column: ColumnId,
}

/// The columns of the rows at one place of a query, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    columns: Vec<Named>,
    by_name: HashMap<Arc<str>, Vec<usize>, FixedState>,
    by_full_name: HashMap<String, Vec<usize>, FixedState>,
    /// Relations, with the number of their columns.
    relations: HashMap<Arc<str>, usize, FixedState>,
}

impl Named {
    fn full_name(&self) -> String {
        match &self.relation {
            Some(relation) => format!("{relation}.{}", self.name),
            None => self.name.to_string(),
        }
    }
}

impl Scope {
    pub(super) fn new(columns: Vec<Named>) -> Self {
        let mut scope = Self::default();
        scope.extend(columns);
        scope
    }

    pub(super) fn columns(&self) -> &[Named] {
        &self.columns
    }

    pub(super) fn extend(&mut self, columns: impl IntoIterator<Item = Named>) {
        for column in columns {
            let position = self.columns.len();
            self.by_name.entry(Arc::clone(&column.name)).or_default().push(position);
            if let Some(relation) = &column.relation {
                *self.relations.entry(Arc::clone(relation)).or_default() += 1;
                self.by_full_name.entry(column.full_name()).or_default().push(position);
            }
            self.columns.push(column);
        }
    }

    /// The first `len` columns alone.
    pub(super) fn truncate(&mut self, len: usize) {
        for column in self.columns.drain(len..) {
            let full_name = column.full_name();
            if let Some(count) = column.relation.and_then(|name| self.relations.get_mut(&name)) {
                *count -= 1;
            }
            if let Some(positions) = self.by_name.get_mut(&column.name) {
                positions.retain(|position| *position < len);
            }
            if let Some(positions) = self.by_full_name.get_mut(&full_name) {
                positions.retain(|position| *position < len);
            }
        }
    }

    /// A relation that is in both scopes.
    pub(super) fn relation_in_both(&self, other: &Self) -> Option<Arc<str>> {
        let mut names = other.columns.iter().filter_map(|column| column.relation.as_ref());
        names.find(|name| self.relations.get(*name).is_some_and(|count| *count > 0)).cloned()
    }

    /// The column that a name means; `None` if it means none here.
    fn find(&self, name: &str) -> Result<Option<ColumnId>> {
        let full = self.by_full_name.get(name).filter(|found| !found.is_empty());
        let Some(found) = full.or_else(|| self.by_name.get(name)) else { return Ok(None) };
        let Some((first, others)) = found.split_first() else { return Ok(None) };
        let first = self.columns[*first].column;
        if others.iter().all(|other| self.columns[*other].column == first) {
            return Ok(Some(first));
        }
        let candidates = found.iter().map(|at| self.columns[*at].full_name()).collect();
        Err(Error::AmbiguousColumn { name: name.to_owned(), candidates })
    }
}

/// The column that a name means in the innermost scope that knows it; the last scope is innermost.
pub(super) fn resolve(scopes: &[Scope], name: &str) -> Result<ColumnId> {
    for scope in scopes.iter().rev() {
        if let Some(column) = scope.find(name)? {
            return Ok(column);
        }
    }
    let full = name.contains('.');
    let known = scopes
        .iter()
        .rev()
        .flat_map(|scope| &scope.columns)
        .map(|column| if full { column.full_name() } else { column.name.to_string() });
    Err(Error::UnknownColumn { name: name.to_owned(), suggestion: nearest(name, known) })
}

/// The known name that is nearest to one that is not known, if one is near.
pub fn nearest(name: &str, known: impl IntoIterator<Item = impl AsRef<str>>) -> Option<String> {
    let limit = name.chars().count().div_ceil(3).max(1);
    let rated = known.into_iter().filter_map(|known| {
        let distance = distance(&name.to_lowercase(), &known.as_ref().to_lowercase());
        (distance <= limit).then(|| (distance, known.as_ref().to_owned()))
    });
    rated.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// Characters that must be put in, left out, replaced or exchanged with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let replaced = last[j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            let exchanged =
                i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
            if exchanged {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}
