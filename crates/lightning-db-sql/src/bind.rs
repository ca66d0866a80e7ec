//! Statements of the text bound to tables: names become columns, values get types.
//!
//! A query becomes one for the query builder of the optimizer. What is not understood here is
//! [`Error::Unsupported`](crate::Error::Unsupported), and says so before anything is read.

mod distinct;
mod expression;
mod from;
mod function;
mod grouped;
mod grouping;
mod information;
mod interval;
mod literals;
mod merge;
mod operators;
mod query;
mod recursive;
mod row_values;
mod scalar;
mod scope;
mod search;
mod select;
mod series;
mod typed;
mod types;
mod window;
mod write;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use lightning_db_query::Source;
use lightning_db_query::build::Term;
use lightning_db_table::{ColumnDefinition, Table};
use lightning_db_types::{Value, ValueType};
use sqlparser::ast;

pub(crate) use expression::{Place, place_of};
pub(crate) use query::Bound;
pub(crate) use recursive::Runner;
pub(crate) use scope::{Relation, Scope, ScopeColumn};
pub(crate) use types::{Declared, assigned, declared};

use crate::error::{Error, Position, Result};
use crate::parse::{MOMENTS, TODAY};
use crate::{names, views};
use typed::Typed;

/// Binds one statement to the tables of a state.
pub(crate) struct Binder<'a> {
    source: Source<'a>,
    parameters: &'a [Value],
    types: Vec<ValueType>,
    /// The parameter that holds the moment of `now()`.
    moment: Option<usize>,
    /// What runs queries while one is planned; a definition has none.
    runner: Option<Runner<'a>>,
    /// Parameters whose values are part of the plan, such as that of LIMIT.
    by_value: RefCell<BTreeSet<usize>>,
    /// Queries that WITH names; later ones hide earlier ones.
    named: RefCell<Vec<Named>>,
    /// Views that were found, with their definitions.
    views: RefCell<BTreeMap<String, String>>,
    /// Whether what was bound is good for this run alone.
    once: Cell<bool>,
    /// Views that are being bound, one within another.
    view_depth: Cell<usize>,
}

/// Views that may be bound one within another.
pub(crate) const VIEW_DEPTH_MAX: usize = 16;

/// A query that WITH names.
struct Named {
    name: String,
    bound: Bound,
    /// Whether a query has read it.
    is_used: Cell<bool>,
}

impl Named {
    fn new(name: String, bound: Bound) -> Self {
        Self { name, bound, is_used: Cell::new(false) }
    }

    fn is_used(&self) -> bool {
        self.is_used.get()
    }
}

impl<'a> Binder<'a> {
    pub(crate) fn new(source: Source<'a>, parameters: &'a [Value]) -> Self {
        let types = parameters.iter().map(Value::value_type).collect();
        Self {
            source,
            parameters,
            types,
            moment: None,
            runner: None,
            by_value: RefCell::default(),
            named: RefCell::default(),
            views: RefCell::default(),
            once: Cell::new(false),
            view_depth: Cell::new(0),
        }
    }

    /// The same, where a parameter holds the moment of `now()`.
    pub(crate) fn with_moment(self, moment: Option<usize>) -> Self {
        Self { moment, ..self }
    }

    /// The same, where queries can be run while one is planned.
    pub(crate) fn with_runner(self, runner: Runner<'a>) -> Self {
        Self { runner: Some(runner), ..self }
    }

    /// What was bound is good for one run alone.
    fn is_once(&self) {
        self.once.set(true);
    }

    /// The moment that a function without arguments means.
    fn moment(&self, name: &str, at: Option<Position>) -> Result<Option<Typed>> {
        if !MOMENTS.contains(&name) && name != TODAY {
            return Ok(None);
        }
        let Some(number) = self.moment else {
            return Err(Error::unsupported(format!("{name} in a definition"), at));
        };
        let moment =
            Typed::new(Term::Parameter(number, ValueType::Timestamp), ValueType::Timestamp);
        if name == TODAY { moment.cast(ValueType::Date, at).map(Some) } else { Ok(Some(moment)) }
    }

    /// The query of a view, if there is one of this name.
    fn view(&self, name: &str, at: Option<Position>) -> Result<Option<Bound>> {
        let Some(definition) = views::definition(self.source, name)? else { return Ok(None) };
        if self.view_depth.get() == VIEW_DEPTH_MAX {
            let detail = format!("views nest more than {VIEW_DEPTH_MAX} deep, or in a circle");
            return Err(Error::invalid(detail, at));
        }
        let view = views::parsed(name, &definition)?;
        // It does not see what WITH names around it.
        let named = self.named.take();
        self.view_depth.set(self.view_depth.get() + 1);
        let bound = self.query(&view.query, None);
        self.view_depth.set(self.view_depth.get() - 1);
        self.named.replace(named);
        let mut bound = bound?;
        for (column, given) in bound.columns.iter_mut().zip(&view.columns) {
            column.name = names::folded(&given.name);
        }
        self.views.borrow_mut().insert(name.to_owned(), definition);
        Ok(Some(bound))
    }

    /// Types of the parameters.
    fn types(&self) -> &[ValueType] {
        &self.types
    }

    /// Whether what was bound is good for one run alone.
    pub(crate) fn is_for_once(&self) -> bool {
        self.once.get()
    }

    /// What was bound depends on: parameters, counted from zero, by their values, and views by
    /// their definitions.
    pub(crate) fn into_noted(self) -> (BTreeSet<usize>, BTreeMap<String, String>) {
        (self.by_value.into_inner(), self.views.into_inner())
    }

    /// A table of this state, and its name.
    pub(crate) fn table(&self, name: &ast::ObjectName) -> Result<(Table, String)> {
        let (name, at) = names::table(name)?;
        Ok((self.table_named(&name, at)?, name))
    }

    fn table_named(&self, name: &str, at: Option<Position>) -> Result<Table> {
        self.source.table(name).map_err(|error| match error {
            lightning_db_query::Error::Table(lightning_db_table::Error::NotFound { .. }) => {
                if let Ok(Some(_)) = views::definition(self.source, name) {
                    let what = format!("a write to the view {name}");
                    return Error::unsupported_hint(what, "write to its tables", at);
                }
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
pub(crate) fn relation_of<'c>(
    columns: impl IntoIterator<Item = &'c ColumnDefinition>,
    name: &str,
) -> Relation {
    let columns = columns.into_iter().map(|column| ScopeColumn {
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
