//! Turning names into columns, and steps into operators.

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::FixedState;
use lightning_db_types::{Value, ValueType};

use super::scope::{Named, Scope, nearest};
use super::term::{Item, Order, Term, WindowTerm};
use super::{AggregateTerm, JoinType, QueryBuilder, Source, Step, check};
use crate::catalog::{Catalog, ROW_NUMBER};
use crate::error::{Error, Result};
use crate::query::{
    Aggregate, AggregateFunction, Column, ColumnId, JoinKind, Node, NodeId, Origin, Query, Scalar,
    ScalarId, SetOperation, SortKey, ValueRows, WindowFunction,
};

/// Makes the query that a builder describes.
pub(super) fn bind(builder: &QueryBuilder, catalog: &dyn Catalog) -> Result<Query> {
    let mut binder =
        Binder { query: Query::new(), catalog, scopes: Vec::new(), nulled: HashSet::default() };
    let root = binder.relation(builder)?;
    binder.query.set_root(root);
    Ok(binder.query)
}

pub(super) struct Binder<'a> {
    pub(super) query: Query,
    catalog: &'a dyn Catalog,
    /// What names mean; the last scope is that of the rows at hand.
    pub(super) scopes: Vec<Scope>,
    /// Columns that an outer join fills with nulls.
    nulled: HashSet<ColumnId, FixedState>,
}

impl Binder<'_> {
    /// A query on its own: its output is exactly the columns in scope, in their order.
    pub(super) fn relation(&mut self, builder: &QueryBuilder) -> Result<NodeId> {
        let (node, scope) = self.scoped(builder)?;
        let columns = distinct(ids(&scope));
        Ok(self.exactly(node, &columns))
    }

    fn scoped(&mut self, builder: &QueryBuilder) -> Result<(NodeId, Scope)> {
        let (mut node, scope) = self.source(&builder.source)?;
        self.scopes.push(scope);
        for step in &builder.steps {
            node = self.step(node, step)?;
        }
        let scope = self.scopes.pop().unwrap_or_default();
        Ok((node, scope))
    }

    fn scope(&mut self) -> &mut Scope {
        if self.scopes.is_empty() {
            self.scopes.push(Scope::default());
        }
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    fn source(&mut self, source: &Source) -> Result<(NodeId, Scope)> {
        match source {
            Source::Table { name, alias, numbered } => self.table(name, alias, *numbered),
            Source::Rows { alias, columns, rows } => self.rows(alias, columns, rows),
        }
    }

    fn table(&mut self, name: &str, alias: &str, numbered: bool) -> Result<(NodeId, Scope)> {
        let Some(table) = self.catalog.table(name) else {
            let suggestion = nearest(name, self.catalog.table_names());
            return Err(Error::UnknownTable { name: name.to_owned(), suggestion });
        };
        let definition = self.catalog.definition(table);
        let alias: Arc<str> = alias.into();
        let mut named = Vec::with_capacity(definition.columns.len());
        let columns = definition.columns.iter().enumerate();
        for (position, column) in columns.filter(|(_, it)| numbered || it.name != ROW_NUMBER) {
            let name: Arc<str> = column.name.as_str().into();
            let id = self.query.add_column(Column {
                name: Arc::clone(&name),
                relation: Some(Arc::clone(&alias)),
                value_type: column.value_type,
                nullable: column.nullable,
                origin: Origin::Table(table, position),
            });
            named.push(Named { relation: Some(Arc::clone(&alias)), name, column: id });
        }
        let columns = named.iter().map(|named| named.column).collect();
        let node = self.query.add_node(Node::Scan { table, alias, columns });
        Ok((node, Scope::new(named)))
    }

    fn rows(
        &mut self,
        alias: &str,
        columns: &[(String, ValueType)],
        rows: &ValueRows,
    ) -> Result<(NodeId, Scope)> {
        let alias: Arc<str> = alias.into();
        let known: &[Vec<Value>] = match rows {
            ValueRows::Known(known) => known,
            ValueRows::Series(_) => &[vec![Value::I64(0)]],
            ValueRows::Given { .. } => &[],
        };
        for row in known {
            if row.len() != columns.len() {
                let detail = format!("{alias} has {} columns, a row {}", columns.len(), row.len());
                return Err(Error::Shape { what: "rows", detail });
            }
            for (value, (name, value_type)) in row.iter().zip(columns) {
                if !value.is_null() && value.value_type() != *value_type {
                    let (expression, found) = (format!("{alias}.{name}"), value.value_type());
                    return Err(Error::Type {
                        expression,
                        expected: value_type.to_string(),
                        found,
                    });
                }
            }
        }
        let mut named = Vec::with_capacity(columns.len());
        for (position, (name, value_type)) in columns.iter().enumerate() {
            let nullable = rows.may_be_null(position);
            let relation = Some(Arc::clone(&alias));
            let column = self.computed(name, relation.clone(), *value_type, nullable);
            named.push(Named { relation, name: name.as_str().into(), column });
        }
        let columns = named.iter().map(|named| named.column).collect();
        let node = self.query.add_node(Node::Values { columns, rows: rows.clone() });
        Ok((node, Scope::new(named)))
    }

    fn computed(
        &mut self,
        name: &str,
        relation: Option<Arc<str>>,
        value_type: ValueType,
        nullable: bool,
    ) -> ColumnId {
        let origin = Origin::Computed;
        self.query.add_column(Column { name: name.into(), relation, value_type, nullable, origin })
    }

    /// A column that holds a scalar.
    fn column_of(&mut self, name: &str, scalar: ScalarId) -> ColumnId {
        let value_type = self.query.value_type(scalar);
        let nullable = |column| self.query.column(column).nullable || self.nulled.contains(&column);
        let nullable = self.query.may_be_null(scalar, &nullable);
        self.computed(name, None, value_type, nullable)
    }

    /// The node with exactly these columns.
    fn exactly(&mut self, input: NodeId, columns: &[ColumnId]) -> NodeId {
        if self.query.output(input) == columns {
            return input;
        }
        let columns = columns.iter().map(|column| (*column, self.query.column_scalar(*column)));
        let columns = columns.collect();
        self.query.add_node(Node::Project { input, columns })
    }

    fn step(&mut self, input: NodeId, step: &Step) -> Result<NodeId> {
        match step {
            Step::Filter(term) => {
                let conditions = self.conditions(term)?;
                Ok(self.query.add_node(Node::Filter { input, conditions }))
            }
            Step::Select(items) => self.select(input, items),
            Step::Join { join, lateral, right, on } => self.join(input, *join, *lateral, right, on),
            Step::Aggregate { groups, aggregates } => self.aggregate(input, groups, aggregates),
            Step::Distinct => {
                let (groups, aggregates) = (distinct(ids(self.scope())), Vec::new());
                Ok(self.query.add_node(Node::Aggregate { input, groups, aggregates }))
            }
            Step::Set { operation, all, right } => self.set(input, *operation, *all, right),
            Step::Sort(order) => self.sort(input, order),
            Step::Limit { limit, offset } => {
                let (limit, offset) = (*limit, *offset);
                Ok(self.query.add_node(Node::Limit { input, limit, offset }))
            }
            Step::Window(functions) => self.window(input, functions),
            Step::Alias(alias) => {
                let alias: Arc<str> = alias.as_str().into();
                let mut named = self.scope().columns().to_vec();
                for column in &mut named {
                    column.relation = Some(Arc::clone(&alias));
                }
                *self.scope() = Scope::new(named);
                Ok(input)
            }
        }
    }

    fn select(&mut self, input: NodeId, items: &[Item]) -> Result<NodeId> {
        let mut columns = Vec::with_capacity(items.len());
        let mut named: Vec<Named> = Vec::with_capacity(items.len());
        for item in items {
            let scalar = self.term(&item.term)?;
            let plain = match self.query.scalar(scalar) {
                Scalar::Column(column) => Some(*column),
                _ => None,
            };
            let known = plain.and_then(|plain| {
                self.scope().columns().iter().find(|named| named.column == plain).cloned()
            });
            let taken = |known: &Named| named.iter().any(|named| named.column == known.column);
            match known {
                // A column of these rows that keeps its name passes through.
                Some(known) if item.name.is_none() && !taken(&known) => {
                    columns.push((known.column, scalar));
                    named.push(known);
                }
                known => {
                    let own = known.map(|known| known.name.to_string());
                    let name = item.name.clone().or(own);
                    let name = name.unwrap_or_else(|| self.query.scalar_text(scalar));
                    let column = self.column_of(&name, scalar);
                    columns.push((column, scalar));
                    named.push(Named { relation: None, name: name.into(), column });
                }
            }
        }
        *self.scope() = Scope::new(named);
        Ok(self.query.add_node(Node::Project { input, columns }))
    }

    fn join(
        &mut self,
        left: NodeId,
        join: JoinType,
        lateral: bool,
        right: &QueryBuilder,
        on: &Term,
    ) -> Result<NodeId> {
        if lateral && matches!(join, JoinType::Right | JoinType::Full) {
            let detail = "its right side has no rows without a left one".to_owned();
            return Err(Error::Shape { what: "a lateral join", detail });
        }
        let (right, added) = if lateral {
            self.scoped(right)?
        } else {
            let here = self.scopes.pop();
            let made = self.scoped(right);
            self.scopes.extend(here);
            made?
        };
        let right = self.exactly(right, &distinct(ids(&added)));
        if let Some(name) = self.scope().relation_in_both(&added) {
            return Err(Error::DuplicateRelation { name: name.to_string() });
        }
        let kept = self.scope().columns().len();
        self.scope().extend(added.columns().to_vec());
        let on = self.conditions(on)?;
        let kind = match join {
            JoinType::Inner => JoinKind::Inner,
            JoinType::Left | JoinType::Right => JoinKind::Left,
            JoinType::Full => JoinKind::Full,
            JoinType::Semi => JoinKind::Semi,
            JoinType::Anti => JoinKind::Anti,
        };
        if matches!(join, JoinType::Semi | JoinType::Anti) {
            self.scope().truncate(kept);
        }
        if matches!(join, JoinType::Left | JoinType::Full) {
            self.nulled.extend(self.query.output(right));
        }
        if matches!(join, JoinType::Right | JoinType::Full) {
            self.nulled.extend(self.query.output(left));
        }
        let (left, right) = if join == JoinType::Right { (right, left) } else { (left, right) };
        Ok(self.query.add_node(Node::Join { kind, left, right, on }))
    }

    /// Columns for terms; those that are none yet are computed below.
    fn columns_for<'t>(
        &mut self,
        input: NodeId,
        terms: impl IntoIterator<Item = &'t Term>,
    ) -> Result<(NodeId, Vec<ColumnId>)> {
        let own = self.query.output(input);
        let mut made: Vec<(ColumnId, ScalarId)> = Vec::new();
        let mut columns = Vec::new();
        for term in terms {
            let scalar = self.term(term)?;
            let plain = match self.query.scalar(scalar) {
                Scalar::Column(column) if own.contains(column) => Some(*column),
                _ => made.iter().find(|(_, known)| *known == scalar).map(|(column, _)| *column),
            };
            columns.push(plain.unwrap_or_else(|| {
                let column = self.column_of(&self.query.scalar_text(scalar), scalar);
                made.push((column, scalar));
                column
            }));
        }
        if made.is_empty() {
            return Ok((input, columns));
        }
        let mut all = Vec::with_capacity(own.len() + made.len());
        for column in own {
            all.push((column, self.query.column_scalar(column)));
        }
        all.extend(made);
        Ok((self.query.add_node(Node::Project { input, columns: all }), columns))
    }

    fn aggregate(
        &mut self,
        input: NodeId,
        items: &[Item],
        terms: &[(String, AggregateTerm)],
    ) -> Result<NodeId> {
        let (input, groups) = self.columns_for(input, items.iter().map(|item| &item.term))?;
        let mut named = Vec::with_capacity(groups.len() + terms.len());
        for (item, column) in items.iter().zip(&groups) {
            let known = self.scope().columns().iter().find(|named| named.column == *column);
            let own = known.cloned().unwrap_or_else(|| {
                let name = Arc::clone(&self.query.column(*column).name);
                Named { relation: None, name, column: *column }
            });
            named.push(match &item.name {
                Some(name) => Named { relation: None, name: name.as_str().into(), ..own },
                None => own,
            });
        }
        let mut aggregates = Vec::with_capacity(terms.len());
        for (name, term) in terms {
            let argument = term.argument.as_ref().map(|term| self.term(term)).transpose()?;
            let filter = term.filter.as_ref().map(|term| self.condition(term)).transpose()?;
            let (function, distinct) = (term.function, term.distinct);
            let aggregate = Aggregate { function, argument, distinct, filter };
            check::aggregate(&self.query, &aggregate)?;
            let argument = argument.map_or(ValueType::Null, |id| self.query.value_type(id));
            let nullable = function != AggregateFunction::Count;
            let column = self.computed(name, None, function.value_type(argument), nullable);
            aggregates.push((column, aggregate));
            named.push(Named { relation: None, name: name.as_str().into(), column });
        }
        *self.scope() = Scope::new(named);
        let groups = distinct(groups);
        Ok(self.query.add_node(Node::Aggregate { input, groups, aggregates }))
    }

    fn set(
        &mut self,
        left: NodeId,
        operation: SetOperation,
        all: bool,
        right: &QueryBuilder,
    ) -> Result<NodeId> {
        let here = self.scopes.pop().unwrap_or_default();
        let (right, other) = self.scoped(right)?;
        let (left_columns, right_columns) = (ids(&here), ids(&other));
        if left_columns.len() != right_columns.len() {
            let (left, right) = (left_columns.len(), right_columns.len());
            let detail = format!("the left side has {left} columns, the right side {right}");
            return Err(Error::Shape { what: "a set operation", detail });
        }
        let mut named = Vec::with_capacity(left_columns.len());
        for (known, other) in here.columns().iter().zip(&right_columns) {
            let (left, right) = (self.query.column(known.column), self.query.column(*other));
            let known_types =
                left.value_type != ValueType::Null && right.value_type != ValueType::Null;
            if known_types && left.value_type != right.value_type {
                let expression = format!("{} {operation}", known.name);
                let (expected, found) = (left.value_type.to_string(), right.value_type);
                return Err(Error::Type { expression, expected, found });
            }
            let value_type = left.value_type.max(right.value_type);
            let nulled = self.nulled.contains(&known.column) || self.nulled.contains(other);
            let nullable = left.nullable || right.nullable || nulled;
            let column = self.computed(&known.name, None, value_type, nullable);
            named.push(Named { relation: None, name: Arc::clone(&known.name), column });
        }
        let columns = named.iter().map(|named| named.column).collect();
        self.scopes.push(Scope::new(named));
        let (left, right) = ((left, left_columns), (right, right_columns));
        Ok(self.query.add_node(Node::Set { operation, all, left, right, columns }))
    }

    fn sort(&mut self, input: NodeId, order: &[Order]) -> Result<NodeId> {
        let output = self.query.output(input);
        let (input, columns) = self.columns_for(input, order.iter().map(|order| &order.term))?;
        let keys = sort_keys(order, &columns);
        let sorted = self.query.add_node(Node::Sort { input, keys });
        Ok(self.exactly(sorted, &output))
    }

    fn window(&mut self, input: NodeId, terms: &[(String, WindowTerm)]) -> Result<NodeId> {
        let mut output = self.query.output(input);
        let mut node = input;
        let mut functions = Vec::with_capacity(terms.len());
        let mut named = Vec::with_capacity(terms.len());
        for (name, term) in terms {
            let partition;
            (node, partition) = self.columns_for(node, &term.partition)?;
            let order;
            (node, order) = self.columns_for(node, term.order.iter().map(|order| &order.term))?;
            let order = sort_keys(&term.order, &order);
            let arguments = term.arguments.iter().map(|term| self.term(term));
            let arguments = arguments.collect::<Result<_>>()?;
            let column = self.computed(name, None, term.value_type, true);
            let (frame, name): (Arc<str>, Arc<str>) =
                (term.frame.as_str().into(), name.as_str().into());
            let function = Arc::from(term.name.as_str());
            let function = WindowFunction { name: function, arguments, partition, order, frame };
            functions.push((column, function));
            output.push(column);
            named.push(Named { relation: None, name, column });
        }
        self.scope().extend(named);
        let node = self.query.add_node(Node::Window { input: node, functions });
        Ok(self.exactly(node, &output))
    }
}

fn ids(scope: &Scope) -> Vec<ColumnId> {
    scope.columns().iter().map(|named| named.column).collect()
}

fn distinct(mut columns: Vec<ColumnId>) -> Vec<ColumnId> {
    let mut seen: HashSet<ColumnId, FixedState> = HashSet::default();
    columns.retain(|column| seen.insert(*column));
    columns
}

fn sort_keys(order: &[Order], columns: &[ColumnId]) -> Vec<SortKey> {
    let keys = order.iter().zip(columns).map(|(order, column)| SortKey {
        column: *column,
        descending: order.descending,
        nulls_first: order.nulls_first,
    });
    keys.collect()
}
