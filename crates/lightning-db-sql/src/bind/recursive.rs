//! WITH RECURSIVE: queries over their own rows.
//!
//! The rows are made while the statement is planned, round by round, up to the first that brings no
//! new one; the plan then has them in it, and is good for one run.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use lightning_db_query::{QueryBuilder, QueryEngine, Watch};
use lightning_db_types::{Value, ValueType};
use sqlparser::ast::{Cte, Query, SetExpr, SetOperator, SetQuantifier};

use super::query::{Bound, OutputColumn, Tail, as_types};
use super::{Binder, Named, refuse};
use crate::error::{Error, Result};
use crate::names::{at, folded};

/// What runs queries while a statement is planned.
#[derive(Clone, Copy)]
pub(crate) struct Runner<'a> {
    pub(crate) engine: &'a QueryEngine,
    pub(crate) watch: &'a Watch,
}

/// Bytes that a row is counted with besides its values.
const ROW_BYTES: usize = 48;

impl Binder<'_> {
    /// The rows of a query that WITH RECURSIVE names, if it reads its own.
    pub(super) fn recursive(&self, table: &Cte) -> Result<Option<Bound>> {
        let Query { with: None, body, order_by, limit_clause, fetch: None, .. } = &*table.query
        else {
            return Ok(None);
        };
        let SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, left, right } = &**body
        else {
            return Ok(None);
        };
        let all = match set_quantifier {
            SetQuantifier::All => true,
            SetQuantifier::None | SetQuantifier::Distinct => false,
            _ => return Ok(None),
        };
        let name = folded(&table.alias.name);
        let none = Tail { order: &[], limit: None, offset: 0 };
        let base = self.body(left, None, &none)?;
        let base = super::query::renamed(base, &table.alias.columns, at(&table.alias.name))?;
        // Nulls of no type are texts, as in PostgreSQL.
        let types = base.columns.iter().map(|column| match column.value_type {
            ValueType::Null => ValueType::Text,
            known => known,
        });
        let types: Vec<ValueType> = types.collect();
        let base = as_types(base, &types, true)?;
        let names: Vec<String> = base.columns.iter().map(|column| column.name.clone()).collect();
        let (reads_itself, _) = self.round(&name, rows_of(&names, &types, Vec::new()), right)?;
        if !reads_itself {
            return Ok(None);
        }
        let place = at(&table.alias.name);
        let Some(runner) = self.runner else {
            return Err(Error::unsupported("WITH RECURSIVE in a definition", place));
        };
        refuse(
            order_by.is_some() || limit_clause.is_some(),
            "ORDER BY and LIMIT of WITH RECURSIVE",
        )?;
        self.is_once();
        let mut rounds = Rounds { runner, binder: self, seen: BTreeSet::new(), all, bytes: 0 };
        let mut new = rounds.run(&base)?;
        let mut rows = Vec::new();
        while !new.is_empty() {
            if runner.watch.is_cancelled() {
                return Err(Error::Cancelled);
            }
            rows.extend(new.iter().cloned());
            let (_, step) = self.round(&name, rows_of(&names, &types, new), right)?;
            if step.columns.len() != names.len() {
                let (found, wanted) = (step.columns.len(), names.len());
                let detail = format!("the sides of UNION have {wanted} and {found} columns");
                return Err(Error::invalid(detail, place));
            }
            new = rounds.run(&as_types(step, &types, true)?)?;
        }
        Ok(Some(rows_of(&names, &types, rows)))
    }

    /// The query of a round over the rows of the one before; says whether it reads them.
    fn round(&self, name: &str, rows: Bound, step: &SetExpr) -> Result<(bool, Bound)> {
        let known = self.named.borrow().len();
        self.named.borrow_mut().push(Named::new(name.to_owned(), rows));
        let none = Tail { order: &[], limit: None, offset: 0 };
        let bound = self.body(step, None, &none);
        let is_used = self.named.borrow().get(known).is_some_and(Named::is_used);
        self.named.borrow_mut().truncate(known);
        Ok((is_used, bound?))
    }
}

/// Rounds of one query.
struct Rounds<'r, 'b> {
    runner: Runner<'r>,
    binder: &'r Binder<'b>,
    /// Rows of all rounds, where each is wanted once.
    seen: BTreeSet<Vec<Value>>,
    all: bool,
    /// What the rows of all rounds need.
    bytes: usize,
}

impl Rounds<'_, '_> {
    /// Rows of a round, without those that were there before.
    fn run(&mut self, bound: &Bound) -> Result<Vec<Vec<Value>>> {
        let Runner { engine, watch } = self.runner;
        let items = bound.columns.iter().map(|it| lightning_db_query::build::column(&*it.inner));
        let items = items.collect::<Vec<_>>();
        let query = engine.prepare(&bound.builder.clone().select(items))?;
        let (binder, limit) = (self.binder, engine.memory_limit());
        let mut rows = Vec::new();
        let mut bytes = self.bytes;
        query.for_each_watched(binder.source, (binder.parameters, Some(watch)), |row| {
            let row: Vec<Value> = row.iter().map(|value| value.to_value()).collect();
            if self.all || self.seen.insert(row.clone()) {
                bytes += ROW_BYTES + row.iter().map(size_of).sum::<usize>();
                if bytes > limit {
                    return Err(lightning_db_query::Error::Memory { limit });
                }
                rows.push(row);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        self.bytes = bytes;
        Ok(rows)
    }
}

fn size_of(value: &Value) -> usize {
    let own = std::mem::size_of::<Value>();
    match value {
        Value::Text(text) => own + text.len(),
        Value::Bytes(bytes) => own + bytes.len(),
        _ => own,
    }
}

fn rows_of(names: &[String], types: &[ValueType], rows: Vec<Vec<Value>>) -> Bound {
    let columns = names.iter().zip(types).enumerate().map(|(position, (name, value_type))| {
        let (name, inner) = (name.clone(), format!("#{position}"));
        OutputColumn { name, value_type: *value_type, inner }
    });
    let columns: Vec<_> = columns.collect();
    let given = columns.iter().map(|column| (column.inner.clone(), column.value_type));
    let builder = QueryBuilder::rows("#recursive", given.collect::<Vec<_>>(), rows);
    Bound { builder, columns }
}
