//! MERGE: rows of a source are compared with those of a table, which is changed by what is found.

use std::collections::BTreeSet;

use lightning_db_expression::Expression;
use lightning_db_query::Statement as Query;
use lightning_db_table::{Row, Table, TableTransaction};
use lightning_db_types::Value;

use super::insert::{Assignments, Placed};
use super::returning::{Returning, Written};
use super::scalar::Frame;
use crate::error::{Error, Result};
use crate::planned::Given;

/// A MERGE, bound to its tables.
#[derive(Debug)]
pub(crate) struct Merge {
    pub(crate) table: String,
    /// Pairs of rows: the number of the table's, a mark of the source's, and its values. What a
    /// pair lacks is null.
    pub(crate) query: Box<Query>,
    pub(crate) clauses: Vec<Clause>,
    pub(crate) returning: Option<Returning>,
}

/// What is done with a pair, if it is the first clause for it.
#[derive(Debug)]
pub(crate) struct Clause {
    pub(crate) when: When,
    /// Over the row of the table and that of the source, which stands where `excluded` does.
    pub(crate) condition: Option<Expression>,
    pub(crate) action: Action,
}

/// Which rows there are of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Matched,
    NotMatched,
    NotMatchedBySource,
}

#[derive(Debug)]
pub(crate) enum Action {
    /// Positions of columns, and their values; `None` for the column's default.
    Insert(Vec<(usize, Option<Expression>)>),
    Update(Assignments),
    Delete,
}

/// A pair of rows.
struct Pair<'a> {
    row: Option<&'a Row>,
    source: &'a [Value],
    parameters: &'a [Value],
}

impl Pair<'_> {
    fn frame(&self) -> Frame<'_> {
        let row = self.row.map(|row| row as _);
        Frame { row, excluded: self.source, parameters: self.parameters }
    }
}

impl Merge {
    pub(crate) fn run(
        &self,
        transaction: &mut TableTransaction,
        given: &Given<'_>,
    ) -> Result<Written> {
        let table = transaction.table(&self.table)?;
        let (mut written, mut changed) = (Written::default(), BTreeSet::new());
        // All pairs are found before the first row is changed.
        for pair in given.rows(&self.query, &*transaction)? {
            given.go_on()?;
            let [number, mark, source @ ..] = &pair[..] else { continue };
            let (has_source, is_matched) = (!mark.is_null(), !number.is_null());
            let when = match (is_matched, has_source) {
                (true, true) => When::Matched,
                (true, false) => When::NotMatchedBySource,
                (false, _) => When::NotMatched,
            };
            let row = super::row_of(&table, &transaction.read(&table)?, number)?;
            let is_gone = is_matched && row.is_none();
            let pair = Pair { row: row.as_ref(), source, parameters: given.all() };
            let Some(clause) = self.clause(when, &pair)? else { continue };
            if is_matched && !changed.insert(number.clone()) {
                let name = table.name();
                let detail = format!("a row of {name} is matched by several rows of the source");
                return Err(Error::invalid(detail, None));
            }
            if !is_gone {
                self.act(&clause.action, transaction, &table, &pair, &mut written)?;
            }
        }
        Ok(written)
    }

    /// The first clause for a pair.
    fn clause(&self, when: When, pair: &Pair<'_>) -> Result<Option<&Clause>> {
        for clause in self.clauses.iter().filter(|clause| clause.when == when) {
            let holds = match &clause.condition {
                Some(condition) => condition.is_true(&pair.frame())?,
                None => true,
            };
            if holds {
                return Ok(Some(clause));
            }
        }
        Ok(None)
    }

    fn act(
        &self,
        action: &Action,
        transaction: &mut TableTransaction,
        table: &Table,
        pair: &Pair<'_>,
        written: &mut Written,
    ) -> Result<()> {
        let returning = self.returning.as_ref();
        match (action, pair.row) {
            (Action::Insert(values), _) => {
                let values = values.iter().filter_map(|(place, value)| {
                    let value = value.as_ref()?.evaluate(&pair.frame());
                    Some(value.map(|value| (*place, value)))
                });
                let values = values.collect::<Result<Vec<_>, _>>()?;
                let row_id = transaction.insert(table, Placed(values))?;
                let row = transaction.read(table)?.get_by_id(row_id)?;
                written.add(returning, row.as_ref().map(|row| row as _), pair.parameters)
            }
            (Action::Update(set), Some(row)) => {
                let found = (row, pair.source);
                let changed = set.run(transaction, table, found, pair.parameters)?;
                written.add(returning, changed.as_ref().map(|row| row as _), pair.parameters)
            }
            (Action::Delete, Some(row)) => {
                transaction.remove_row(table, row.row_id())?;
                written.add(returning, Some(row), pair.parameters)
            }
            (Action::Update(_) | Action::Delete, None) => Ok(()),
        }
    }
}
