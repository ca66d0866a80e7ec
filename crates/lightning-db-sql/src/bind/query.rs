//! Queries: WITH, set operations, VALUES, order and limits.

use lightning_db_optimizer::{SetOperation, ValueRows};
use lightning_db_query::QueryBuilder;
use lightning_db_query::build::{Item, Order, Term, column};
use lightning_db_types::{Value, ValueType};
use sqlparser::ast::{
    self, Expr, LimitClause, OrderByKind, Query, SetExpr, SetOperator, SetQuantifier,
};

use super::expression::{Place, place_of};
use super::scope::Scope;
use super::typed::{Typed, common};
use super::{Binder, Named, refuse};
use crate::error::{Error, Position, Result};
use crate::names::{at, folded};

/// A query, and the columns of its rows.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    pub(crate) builder: QueryBuilder,
    pub(crate) columns: Vec<OutputColumn>,
}

impl Bound {
    /// Rows that no table has, with columns of these names and types.
    pub(super) fn of_values(names: &[String], types: &[ValueType], rows: ValueRows) -> Self {
        let columns = names.iter().zip(types).enumerate().map(|(position, (name, value_type))| {
            let (name, inner) = (name.clone(), format!("#{position}"));
            OutputColumn { name, value_type: *value_type, inner }
        });
        let columns: Vec<_> = columns.collect();
        let of_rows = columns.iter().map(|column| (column.inner.clone(), column.value_type));
        let builder = QueryBuilder::values("#values", of_rows.collect::<Vec<_>>(), rows);
        Self { builder, columns }
    }
}

/// A column of a query's rows.
#[derive(Debug, Clone)]
pub(crate) struct OutputColumn {
    pub(crate) name: String,
    pub(crate) value_type: ValueType,
    /// How the builder calls it, where steps after the query name it.
    pub(crate) inner: String,
}

/// ORDER BY, LIMIT and OFFSET.
pub(super) struct Tail<'q> {
    pub(super) order: &'q [ast::OrderByExpr],
    pub(super) limit: Option<u64>,
    pub(super) offset: u64,
}

impl Tail<'_> {
    /// The same rows in order, where `term` says what is sorted by, and no more than so many.
    pub(super) fn sorted(
        &self,
        builder: QueryBuilder,
        term: impl FnMut(&Expr) -> Result<Term>,
    ) -> Result<QueryBuilder> {
        if self.order.is_empty() {
            return Ok(builder);
        }
        Ok(builder.order_by(self.orders(term)?))
    }

    /// What rows are sorted by, where `term` says what each is.
    pub(super) fn orders(&self, mut term: impl FnMut(&Expr) -> Result<Term>) -> Result<Vec<Order>> {
        let orders = self.order.iter().map(|order| {
            refuse(order.with_fill.is_some(), "WITH FILL")?;
            let descending = order.options.asc == Some(false);
            // As in PostgreSQL, nulls are above all values.
            let nulls_first = order.options.nulls_first.unwrap_or(descending);
            Ok(Order { term: term(&order.expr)?, descending, nulls_first })
        });
        orders.collect()
    }

    pub(super) fn limited(&self, builder: QueryBuilder) -> QueryBuilder {
        if self.limit.is_none() && self.offset == 0 {
            return builder;
        }
        builder.limit(self.limit, self.offset)
    }
}

/// The position of a column in the output that ORDER BY or GROUP BY means by a number.
pub(super) fn ordinal(expr: &Expr, count: usize) -> Result<Option<usize>> {
    let Expr::Value(value) = expr else { return Ok(None) };
    let ast::Value::Number(text, _) = &value.value else { return Ok(None) };
    let number = text.parse::<usize>().ok().filter(|number| (1..=count).contains(number));
    let Some(number) = number else {
        let detail = format!("{text} is no column: there are {count}");
        return Err(Error::invalid(detail, place_of(expr)));
    };
    Ok(Some(number - 1))
}

/// The position of the output column that a plain name means.
pub(super) fn output_named(expr: &Expr, names: &[&str]) -> Option<usize> {
    let Expr::Identifier(name) = expr else { return None };
    let name = folded(name);
    names.iter().position(|known| *known == name)
}

impl Binder<'_> {
    /// A query within the rows of another, if there is one around it.
    pub(crate) fn query(&self, query: &Query, outer: Option<&Scope<'_>>) -> Result<Bound> {
        refuse(query.for_clause.is_some(), "FOR XML and FOR JSON")?;
        refuse(!query.locks.is_empty(), "FOR UPDATE: transactions find conflicts at commit")?;
        refuse(query.settings.is_some() || query.format_clause.is_some(), "SETTINGS and FORMAT")?;
        refuse(!query.pipe_operators.is_empty(), "the operator |>")?;
        let known = self.named.borrow().len();
        let bound = self.with(query, outer).and_then(|()| {
            let tail = self.tail(query)?;
            self.body(&query.body, outer, &tail)
        });
        self.named.borrow_mut().truncate(known);
        bound
    }

    fn with(&self, query: &Query, outer: Option<&Scope<'_>>) -> Result<()> {
        let Some(with) = &query.with else { return Ok(()) };
        for table in &with.cte_tables {
            let known = if with.recursive {
                self.recursive(table, self.first_rows(query, &folded(&table.alias.name))?)?
            } else {
                None
            };
            let bound = if let Some(bound) = known {
                bound
            } else {
                let bound = self.query(&table.query, outer)?;
                renamed(bound, &table.alias.columns, at(&table.alias.name))?
            };
            let name = folded(&table.alias.name);
            self.named.borrow_mut().push(Named::new(name, bound));
        }
        Ok(())
    }

    /// How many rows of what WITH names so are wanted, if a query gives its first rows alone.
    fn first_rows(&self, query: &Query, name: &str) -> Result<Option<u64>> {
        let SetExpr::Select(select) = &*query.body else { return Ok(None) };
        if query.order_by.is_some() || !super::recursive::passes_rows(select, name) {
            return Ok(None);
        }
        let Tail { limit, offset, .. } = self.tail(query)?;
        Ok(limit.map(|limit| limit.saturating_add(offset)))
    }

    /// The query that WITH names so.
    pub(super) fn named(&self, name: &str) -> Option<Bound> {
        let named = self.named.borrow();
        let found = named.iter().rev().find(|named| named.name == name)?;
        found.is_used.set(true);
        Some(found.bound.clone())
    }

    fn tail<'q>(&self, query: &'q Query) -> Result<Tail<'q>> {
        let order = match &query.order_by {
            None => &[][..],
            Some(order) => {
                refuse(order.interpolate.is_some(), "INTERPOLATE")?;
                match &order.kind {
                    OrderByKind::Expressions(all) => all,
                    OrderByKind::All(_) => {
                        return Err(Error::unsupported("ORDER BY ALL", None));
                    }
                }
            }
        };
        let mut tail = Tail { order, limit: None, offset: 0 };
        match &query.limit_clause {
            None => {}
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
                refuse(!limit_by.is_empty(), "LIMIT BY")?;
                tail.limit = limit.as_ref().map(|it| self.rows_count(it)).transpose()?.flatten();
                let offset = offset.as_ref().map(|offset| self.rows_count(&offset.value));
                tail.offset = offset.transpose()?.flatten().unwrap_or(0);
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                tail.limit = self.rows_count(limit)?;
                tail.offset = self.rows_count(offset)?.unwrap_or(0);
            }
        }
        if let Some(fetch) = &query.fetch {
            refuse(fetch.with_ties || fetch.percent, "FETCH WITH TIES and PERCENT")?;
            let quantity = fetch.quantity.as_ref().map(|quantity| self.rows_count(quantity));
            tail.limit = quantity.unwrap_or(Ok(Some(1)))?;
        }
        Ok(tail)
    }

    /// A number of rows; null is all of them.
    fn rows_count(&self, expr: &Expr) -> Result<Option<u64>> {
        let wrong = |detail: String| Error::invalid(detail, place_of(expr));
        match self.constant(expr)? {
            Value::Null => Ok(None),
            Value::U64(count) => Ok(Some(count)),
            Value::I64(count) => match u64::try_from(count) {
                Ok(count) => Ok(Some(count)),
                Err(_) => Err(wrong(format!("{count} rows are less than none"))),
            },
            other => Err(wrong(format!("a number of rows is no {}", other.value_type()))),
        }
    }

    pub(super) fn body(
        &self,
        body: &SetExpr,
        outer: Option<&Scope<'_>>,
        tail: &Tail<'_>,
    ) -> Result<Bound> {
        if let SetExpr::Select(select) = body {
            return self.select(select, outer, tail);
        }
        let bound = match body {
            SetExpr::Query(query) => self.query(query, outer)?,
            SetExpr::Values(values) => self.values(values, outer)?,
            SetExpr::SetOperation { op, set_quantifier, left, right } => {
                self.set((*op, *set_quantifier), left, right, outer)?
            }
            SetExpr::Table(table) => {
                return Err(Error::unsupported(format!("{table}"), None));
            }
            _ => return Err(Error::unsupported("a write within a query", None)),
        };
        with_tail(bound, tail)
    }

    fn set(
        &self,
        (op, quantifier): (SetOperator, SetQuantifier),
        left: &SetExpr,
        right: &SetExpr,
        outer: Option<&Scope<'_>>,
    ) -> Result<Bound> {
        let operation = match op {
            SetOperator::Union => SetOperation::Union,
            SetOperator::Intersect => SetOperation::Intersect,
            SetOperator::Except | SetOperator::Minus => SetOperation::Except,
        };
        let all = match quantifier {
            SetQuantifier::All => true,
            SetQuantifier::Distinct | SetQuantifier::None => false,
            _ => return Err(Error::unsupported("BY NAME", None)),
        };
        let none = Tail { order: &[], limit: None, offset: 0 };
        let (left, right) = (self.body(left, outer, &none)?, self.body(right, outer, &none)?);
        if left.columns.len() != right.columns.len() {
            let (left, right) = (left.columns.len(), right.columns.len());
            let detail = format!("the sides of {op} have {left} and {right} columns");
            return Err(Error::invalid(detail, None));
        }
        combined(operation, all, left, right)
    }

    /// Rows that stand in the query.
    fn values(&self, values: &ast::Values, outer: Option<&Scope<'_>>) -> Result<Bound> {
        let scope = Scope::within(outer);
        let mut rows = Vec::with_capacity(values.rows.len());
        let mut wanted: Vec<ValueType> = Vec::new();
        for (number, row) in values.rows.iter().enumerate() {
            if number == 0 {
                wanted = vec![ValueType::Null; row.content.len()];
            } else if row.content.len() != wanted.len() {
                let (found, others) = (row.content.len(), wanted.len());
                let detail = format!("row {} has {found} values, and others {others}", number + 1);
                return Err(Error::invalid(detail, row.content.first().and_then(place_of)));
            }
            let mut bound = Vec::with_capacity(wanted.len());
            for (expr, known) in row.content.iter().zip(&mut wanted) {
                let at = place_of(expr);
                let typed = self.expression(expr, Place::rows(&scope))?;
                if let Ok(value) = crate::write::expression(&typed.term, &|_| None) {
                    super::note_parameters(expr, &mut self.by_value.borrow_mut());
                    let frame = crate::write::Frame {
                        row: None,
                        excluded: &[],
                        parameters: self.parameters,
                    };
                    let value = value.evaluate(&frame);
                    let value = value.map_err(|error| Error::invalid(error.to_string(), at))?;
                    *known = common([*known, value.value_type()], at)?;
                    bound.push((value, at));
                } else {
                    return Err(Error::unsupported("a column or a subquery in VALUES", at));
                }
            }
            rows.push(bound);
        }
        let rows = rows.into_iter().map(|row| {
            let row = row.into_iter().zip(&wanted).map(|((value, at), to)| match value {
                Value::Null => Ok(Value::Null),
                value => {
                    let typed = Typed::value(value).cast(*to, at)?;
                    typed.constant(&[], at)
                }
            });
            row.collect::<Result<Vec<_>>>()
        });
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let columns = wanted.iter().enumerate().map(|(position, value_type)| {
            let name = format!("column{}", position + 1);
            OutputColumn { inner: name.clone(), name, value_type: *value_type }
        });
        let columns: Vec<_> = columns.collect();
        let named = columns.iter().map(|column| (column.name.clone(), column.value_type));
        Ok(Bound { builder: QueryBuilder::rows("values", named, rows), columns })
    }
}

/// The rows of two queries with as many columns.
fn combined(operation: SetOperation, all: bool, left: Bound, right: Bound) -> Result<Bound> {
    let pairs = left.columns.iter().zip(&right.columns);
    let types = pairs.map(|(left, right)| common([left.value_type, right.value_type], None));
    let types = types.collect::<Result<Vec<_>>>()?;
    // The columns of the left side name those of the result, and lose their relations.
    let (left, right) = (as_types(left, &types, true)?, as_types(right, &types, false)?);
    Ok(Bound { builder: left.builder.set(operation, all, right.builder), ..left })
}

/// All rows of two queries with as many columns.
pub(super) fn union_all(left: Bound, right: Bound) -> Result<Bound> {
    combined(SetOperation::Union, true, left, right)
}

/// Rows in an order of their own columns.
pub(super) fn with_tail(bound: Bound, tail: &Tail<'_>) -> Result<Bound> {
    let Bound { builder, columns } = bound;
    let names: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
    let builder = tail.sorted(builder, |expr| {
        let position = ordinal(expr, columns.len())?.or_else(|| output_named(expr, &names));
        let Some(position) = position else {
            let detail = "the rows of a set operation are sorted by their own columns";
            return Err(Error::invalid(detail, place_of(expr)));
        };
        Ok(column(columns[position].inner.clone()))
    })?;
    Ok(Bound { builder: tail.limited(builder), columns })
}

/// The same rows with other names of columns.
pub(super) fn renamed(
    mut bound: Bound,
    names: &[ast::TableAliasColumnDef],
    at: Option<Position>,
) -> Result<Bound> {
    if names.len() > bound.columns.len() {
        let (given, found) = (names.len(), bound.columns.len());
        let detail = format!("{given} names are given, and there are {found} columns");
        return Err(Error::invalid(detail, at));
    }
    for (column, name) in bound.columns.iter_mut().zip(names) {
        column.name = folded(&name.name);
    }
    Ok(bound)
}

/// The same rows with values of these types; with `plain`, under names without relations.
pub(super) fn as_types(bound: Bound, wanted: &[ValueType], plain: bool) -> Result<Bound> {
    let same =
        !plain && bound.columns.iter().zip(wanted).all(|(column, to)| column.value_type == *to);
    if same {
        return Ok(bound);
    }
    let Bound { builder, mut columns } = bound;
    let mut items: Vec<Item> = Vec::with_capacity(columns.len());
    for (position, (output, to)) in columns.iter_mut().zip(wanted).enumerate() {
        let term = column(std::mem::replace(&mut output.inner, format!("#{position}")));
        let typed = match output.value_type {
            ValueType::Null => Typed::new(term, *to),
            found => Typed::new(term, found).cast(*to, None)?,
        };
        output.value_type = *to;
        items.push(typed.term.named(output.inner.clone()));
    }
    Ok(Bound { builder: builder.select(items), columns })
}

/// The rows as a relation of a name, whose columns are called as the query calls them.
pub(super) fn as_relation(bound: Bound, name: &str) -> (QueryBuilder, super::Relation) {
    let Bound { builder, columns } = bound;
    let items = columns.iter().map(|output| {
        let term = column(output.inner.clone());
        term.named(output.name.clone())
    });
    let builder = builder.select(items.collect::<Vec<_>>()).alias(name);
    let columns = columns.into_iter().map(|output| super::ScopeColumn {
        name: output.name,
        value_type: output.value_type,
        merged: false,
    });
    (builder, super::Relation { name: name.to_owned(), columns: columns.collect() })
}
