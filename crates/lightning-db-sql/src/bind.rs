//! Statements of the text bound to tables: names become columns, values get types.
//!
//! A query becomes one for the query builder of the optimizer. What is not understood here is
//! [`Error::Unsupported`](crate::Error::Unsupported), and says so before anything is read.

mod expression;
mod from;
mod function;
mod grouped;
mod interval;
mod literals;
mod operators;
mod query;
mod scope;
mod search;
mod select;
mod typed;
mod types;
mod write;

use std::cell::RefCell;
use std::collections::BTreeSet;

use lightning_db_query::Source;
use lightning_db_table::Table;
use lightning_db_types::{Value, ValueType};
use sqlparser::ast;

pub(crate) use expression::{Place, place_of};
pub(crate) use query::Bound;
pub(crate) use scope::{Relation, Scope, ScopeColumn};
pub(crate) use types::{Declared, assigned, declared};

use crate::error::{Error, Position, Result};
use crate::names;

/// Binds one statement to the tables of a state.
pub(crate) struct Binder<'a> {
    source: Source<'a>,
    parameters: &'a [Value],
    types: Vec<ValueType>,
    /// Parameters whose values are part of the plan, such as that of LIMIT.
    by_value: RefCell<BTreeSet<usize>>,
    /// Queries that WITH names; later ones hide earlier ones.
    named: RefCell<Vec<Named>>,
}

/// A query that WITH names.
#[derive(Clone)]
struct Named {
    name: String,
    bound: Bound,
}

impl<'a> Binder<'a> {
    pub(crate) fn new(source: Source<'a>, parameters: &'a [Value]) -> Self {
        let types = parameters.iter().map(Value::value_type).collect();
        let (by_value, named) = (RefCell::default(), RefCell::default());
        Self { source, parameters, types, by_value, named }
    }

    /// Types of the parameters.
    fn types(&self) -> &[ValueType] {
        &self.types
    }

    /// Parameters, counted from zero, whose values are part of what was bound.
    pub(crate) fn into_by_value(self) -> BTreeSet<usize> {
        self.by_value.into_inner()
    }

    /// A table of this state, and its name.
    pub(crate) fn table(&self, name: &ast::ObjectName) -> Result<(Table, String)> {
        let (name, at) = names::table(name)?;
        Ok((self.table_named(&name, at)?, name))
    }

    fn table_named(&self, name: &str, at: Option<Position>) -> Result<Table> {
        self.source.table(name).map_err(|error| match error {
            lightning_db_query::Error::Table(lightning_db_table::Error::NotFound { .. }) => {
                names::unknown("table", name, self.source.names(), at)
            }
            error => error.into(),
        })
    }

    /// A value that is known before the plan is made, with the parameters in it by their values.
    pub(crate) fn constant(&self, expr: &ast::Expr) -> Result<Value> {
        let at = place_of(expr);
        let typed = self.expression(expr, Place::rows(&Scope::default()))?;
        note_parameters(expr, &mut self.by_value.borrow_mut());
        typed.constant(self.parameters, at)
    }
}

/// Notes the parameters of an expression that is a parameter itself or calculates with some.
fn note_parameters(expr: &ast::Expr, noted: &mut BTreeSet<usize>) {
    match expr {
        ast::Expr::Value(value) => {
            if let ast::Value::Placeholder(name) = &value.value
                && let Ok(number) = crate::parse::parameter_number(name, None)
            {
                noted.insert(number - 1);
            }
        }
        ast::Expr::Nested(one)
        | ast::Expr::UnaryOp { expr: one, .. }
        | ast::Expr::Cast { expr: one, .. } => note_parameters(one, noted),
        ast::Expr::BinaryOp { left, right, .. } => {
            note_parameters(left, noted);
            note_parameters(right, noted);
        }
        // Others might have some as well: all of them then.
        _ => noted.extend(0..u16::MAX.into()),
    }
}

/// A relation of a table's columns.
pub(crate) fn relation_of(table: &Table, name: &str) -> Relation {
    let columns = table.columns().map(|column| ScopeColumn {
        name: column.name.clone(),
        value_type: column.column_type.value_type(),
        merged: false,
    });
    Relation { name: name.to_owned(), columns: columns.collect() }
}

/// Refuses a clause that is there.
fn refuse(is_there: bool, what: &str) -> Result<()> {
    if is_there { Err(Error::unsupported(what, None)) } else { Ok(()) }
}
