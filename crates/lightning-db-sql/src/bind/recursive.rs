//! WITH RECURSIVE: queries over their own rows.
//!
//! The rows are made while the statement is planned, round by round, up to the first that brings no
//! new one, or the one behind which no more are wanted; the plan then has them in it, and is good
//! for one run.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use lightning_db_optimizer::ValueRows;
use lightning_db_query::{QueryEngine, Statement, Watch};
use lightning_db_types::{Value, ValueType};
use sqlparser::ast::{
    Cte, Expr, GroupByExpr, ObjectNamePart, Query, Select, SelectItem, SetExpr, SetOperator,
    SetQuantifier, TableFactor, TableWithJoins,
};

use super::query::{Bound, Tail, as_types};
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

/// A round of so many times the rows that the plan was made for has a plan of its own.
const PLANNED_ROUND: usize = 16;

impl Binder<'_> {
    /// The rows of a query that WITH RECURSIVE names, if it reads its own: at least so many of the
    /// first ones, or all.
    pub(super) fn recursive(&self, table: &Cte, wanted: Option<u64>) -> Result<Option<Bound>> {
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
        let (reads_itself, step) = self.step(&name, given(&names, &types, 1), right)?;
        if !reads_itself {
            return Ok(None);
        }
        let place = at(&table.alias.name);
        if step.columns.len() != names.len() {
            let (found, wanted) = (step.columns.len(), names.len());
            let detail = format!("the sides of UNION have {wanted} and {found} columns");
            return Err(Error::invalid(detail, place));
        }
        refuse(
            order_by.is_some() || limit_clause.is_some(),
            "ORDER BY and LIMIT of WITH RECURSIVE",
        )?;
        let Some(runner) = self.runner else {
            // Of a view, the columns are wanted when it is made, and the rows when it is read.
            return Ok(Some(given(&names, &types, 1)));
        };
        self.is_once();
        let mut rounds = Rounds { runner, binder: self, seen: BTreeSet::new(), all, bytes: 0 };
        let mut new = rounds.run(&rounds.prepare(&base)?, &[])?;
        let (mut rows, mut planned) = (Vec::new(), 0);
        let mut query = None;
        while !new.is_empty() {
            if runner.watch.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let prepared = match &query {
                Some(query) if new.len() < planned * PLANNED_ROUND => query,
                _ => {
                    planned = new.len();
                    let (_, step) = self.step(&name, given(&names, &types, planned), right)?;
                    query.insert(rounds.prepare(&as_types(step, &types, true)?)?)
                }
            };
            let next = rounds.run(prepared, &new)?;
            rows.append(&mut new);
            new = next;
            if wanted.is_some_and(|wanted| (rows.len() + new.len()) as u64 >= wanted) {
                rows.append(&mut new);
            }
        }
        Ok(Some(known(&names, &types, rows)))
    }

    /// The query of a round over the rows of the one before; says whether it reads them.
    fn step(&self, name: &str, rows: Bound, step: &SetExpr) -> Result<(bool, Bound)> {
        let known = self.named.borrow().len();
        self.named.borrow_mut().push(Named::new(name.to_owned(), rows));
        let none = Tail { order: &[], limit: None, offset: 0 };
        let bound = self.body(step, None, &none);
        let is_used = self.named.borrow().get(known).is_some_and(Named::is_used);
        self.named.borrow_mut().truncate(known);
        Ok((is_used, bound?))
    }
}

/// Whether a query gives a row for each row of what is named so, in its order.
pub(super) fn passes_rows(select: &Select, name: &str) -> bool {
    let is_grouped = match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(by, sets) => !by.is_empty() || !sets.is_empty(),
    };
    let is_from = match &select.from[..] {
        [TableWithJoins { relation: TableFactor::Table { name: of, args, sample, .. }, joins }] => {
            let is_named =
                matches!(&of.0[..], [ObjectNamePart::Identifier(of)] if folded(of) == name);
            is_named && joins.is_empty() && args.is_none() && sample.is_none()
        }
        _ => false,
    };
    let passes = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => is_of_row(expr),
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => true,
        SelectItem::ExprWithAliases { .. } => false,
    };
    is_from
        && !is_grouped
        && select.distinct.is_none()
        && select.selection.is_none()
        && select.having.is_none()
        && select.qualify.is_none()
        && select.projection.iter().all(passes)
}

/// Whether an expression is made of the columns of a row and values alone, without a function,
/// which might take in many rows.
fn is_of_row(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) => true,
        Expr::Nested(of) | Expr::UnaryOp { expr: of, .. } | Expr::Cast { expr: of, .. } => {
            is_of_row(of)
        }
        Expr::BinaryOp { left, right, .. } => is_of_row(left) && is_of_row(right),
        _ => false,
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
    fn prepare(&self, bound: &Bound) -> Result<Statement> {
        let items = bound.columns.iter().map(|it| lightning_db_query::build::column(&*it.inner));
        let items = items.collect::<Vec<_>>();
        Ok(self.runner.engine.prepare(&bound.builder.clone().select(items))?)
    }

    /// Rows of a round over those of the one before, without those that were there already.
    fn run(&mut self, query: &Statement, given: &[Vec<Value>]) -> Result<Vec<Vec<Value>>> {
        let input = (self.binder.parameters, Some(self.runner.watch));
        let (binder, limit) = (self.binder, self.runner.engine.memory_limit());
        let mut rows = Vec::new();
        let mut bytes = self.bytes;
        query.for_each_given(binder.source, given, input, |row| {
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

/// Rows that each round gives to the next one, about so many.
fn given(names: &[String], types: &[ValueType], expected: usize) -> Bound {
    Bound::of_values(names, types, ValueRows::Given { expected: expected as u64 })
}

fn known(names: &[String], types: &[ValueType], rows: Vec<Vec<Value>>) -> Bound {
    Bound::of_values(names, types, ValueRows::Known(rows.into()))
}
