//! INSERT, UPDATE and DELETE, bound to their tables.

use lightning_db_expression::Expression;
use lightning_db_optimizer::JoinType;
use lightning_db_query::build::{Item, Term, column};
use lightning_db_query::{QueryBuilder, QueryEngine, ResultColumn};
use lightning_db_table::index::IndexKind;
use lightning_db_table::{ColumnDefinition, IndexState, Table};
use sqlparser::ast::{
    self, AssignmentTarget, ConflictTarget, Expr, FromTable, OnConflictAction, OnInsert, SetExpr,
    TableFactor, TableObject, TableWithJoins, UpdateTableFromKind,
};

use super::expression::{Place, place_of};
use super::scope::Scope;
use super::typed::Typed;
use super::{Binder, assigned, refuse, relation_of};
use crate::error::{Error, Position, Result};
use crate::names::{self, at, folded, unknown};
use crate::row_number;
use crate::write::{
    Assignments, Change, Conflict, ConflictKey, EXCLUDED, Insert, Returning, Source, Target, Write,
    expression, position_of,
};

impl Binder<'_> {
    /// A statement that writes, with the queries in it planned.
    pub(crate) fn write(&self, statement: &ast::Statement, engine: &QueryEngine) -> Result<Write> {
        match statement {
            ast::Statement::Insert(insert) => self.insert(insert, engine).map(Write::Insert),
            ast::Statement::Update(update) => self.update(update, engine).map(Write::Change),
            ast::Statement::Delete(delete) => self.delete(delete, engine).map(Write::Change),
            ast::Statement::Merge(merge) => self.merge(merge, engine).map(Write::Merge),
            other => Err(Error::unsupported(format!("{other}"), None)),
        }
    }

    fn insert(&self, insert: &ast::Insert, engine: &QueryEngine) -> Result<Insert> {
        check_insert(insert)?;
        let TableObject::TableName(name) = &insert.table else {
            return Err(Error::unsupported("INSERT into a function or query", None));
        };
        let (table, table_name) = self.table(name)?;
        let alias = insert.table_alias.as_ref().map(|alias| folded(&alias.alias));
        let columns = targets(&table, &insert.columns)?;
        let source = match &insert.source {
            None => Source::Values(vec![Vec::new()]),
            Some(query) => self.source(query, &table, &columns, engine)?,
        };
        for (given, (_, position)) in columns.iter().enumerate() {
            check_given(&table, *position, source.gives(given), None)?;
        }
        let columns = match insert.source {
            None => Vec::new(),
            Some(_) => columns,
        };
        let called = alias.as_deref().unwrap_or(&table_name);
        let conflict = match &insert.on {
            None => None,
            Some(OnInsert::OnConflict(conflict)) => Some(self.conflict(conflict, &table, called)?),
            Some(_) => {
                let hint = "use ON CONFLICT";
                return Err(Error::unsupported_hint("ON DUPLICATE KEY UPDATE", hint, None));
            }
        };
        let returning = self.returning(insert.returning.as_deref(), &table, called)?;
        let columns = columns.into_iter().map(|(_, position)| position).collect();
        Ok(Insert { table: table_name, columns, source, conflict, returning })
    }

    /// The rows of an INSERT: values one by one, or those of a query.
    fn source(
        &self,
        query: &ast::Query,
        table: &Table,
        columns: &[(ColumnDefinition, usize)],
        engine: &QueryEngine,
    ) -> Result<Source> {
        let width = |found: usize, at| check_width(found, columns.len(), table, at);
        let is_plain = query.with.is_none() && query.order_by.is_none();
        if let SetExpr::Values(values) = &*query.body
            && is_plain
            && query.limit_clause.is_none()
        {
            let scope = Scope::default();
            let rows = values.rows.iter().map(|row| {
                let row = &row.content;
                width(row.len(), row.last().and_then(place_of))?;
                let row = row.iter().zip(columns);
                let row = row.map(|(value, (column, _))| {
                    self.assigned_value(value, column, &scope, &|_| None)
                });
                row.collect::<Result<Vec<_>>>()
            });
            return Ok(Source::Values(rows.collect::<Result<_>>()?));
        }
        let bound = self.query(query, None)?;
        width(bound.columns.len(), names::begin(ast::Spanned::span(query)))?;
        let mut items: Vec<Item> = Vec::with_capacity(bound.columns.len());
        for (position, (output, (target, _))) in bound.columns.iter().zip(columns).enumerate() {
            let typed = Typed::new(column(output.inner.clone()), output.value_type);
            let typed = assigned(typed, target.column_type, None)?;
            items.push(typed.term.named(format!("#{position}")));
        }
        Ok(Source::Query(Box::new(engine.prepare(&bound.builder.select(items))?)))
    }

    /// A value for a column; `None` for DEFAULT.
    pub(super) fn assigned_value(
        &self,
        value: &Expr,
        column: &ColumnDefinition,
        scope: &Scope<'_>,
        place: &dyn Fn(&str) -> Option<usize>,
    ) -> Result<Option<Expression>> {
        if is_default(value) {
            return Ok(None);
        }
        let typed = self.expression(value, Place::rows(scope))?;
        let typed = assigned(typed, column.column_type, place_of(value))?;
        expression(&typed.term, place).map(Some).map_err(|error| error.or_at(place_of(value)))
    }

    fn conflict(
        &self,
        conflict: &ast::OnConflict,
        table: &Table,
        called: &str,
    ) -> Result<Conflict> {
        let key = match &conflict.conflict_target {
            None => None,
            Some(ConflictTarget::Columns(names)) => Some(conflict_key(table, names)?),
            Some(ConflictTarget::OnConstraint(name)) => Some(conflict_index(table, name)?),
        };
        let update = match &conflict.action {
            OnConflictAction::DoNothing => None,
            OnConflictAction::DoUpdate(_) if key.is_none() => {
                let detail = "ON CONFLICT DO UPDATE names the columns of a key";
                return Err(Error::invalid(detail, None));
            }
            OnConflictAction::DoUpdate(update) => {
                let mut scope = Scope::default();
                scope.add(relation_of(table.columns(), called), None)?;
                // Its columns are named with it alone.
                let mut excluded = relation_of(table.columns(), "excluded");
                excluded.columns.iter_mut().for_each(|column| column.merged = true);
                scope.add(excluded, None)?;
                let place = |name: &str| row_place(table, called, name);
                let set = self.assignments(&update.assignments, table, &scope)?;
                let set =
                    set.into_iter().map(|(name, term)| Ok((name, expression(&term, &place)?)));
                let set = set.collect::<Result<_>>()?;
                let condition = update.selection.as_ref().map(|condition| {
                    let term = self.condition(condition, Place::rows(&scope))?;
                    expression(&term, &place)
                });
                Some(Assignments { set, condition: condition.transpose()? })
            }
        };
        Ok(Conflict { key, update })
    }

    /// Columns that are set, by name, and what to.
    pub(super) fn assignments(
        &self,
        assignments: &[ast::Assignment],
        table: &Table,
        scope: &Scope<'_>,
    ) -> Result<Vec<(String, Term)>> {
        let mut set: Vec<(String, Term)> = Vec::with_capacity(assignments.len());
        for ast::Assignment { target, value } in assignments {
            let AssignmentTarget::ColumnName(name) = target else {
                return Err(Error::unsupported("several columns set at once", place_of(value)));
            };
            let target = targets(table, std::slice::from_ref(name))?;
            let [(target, position)] = &target[..] else { continue };
            check_given(table, *position, true, place_of(value))?;
            if set.iter().any(|(known, _)| *known == target.name) {
                let detail = format!("column {} is set twice", target.name);
                return Err(Error::invalid(detail, place_of(value)));
            }
            let term = if is_default(value) {
                Term::Literal(target.default.clone().unwrap_or_default())
            } else {
                let typed = self.expression(value, Place::rows(scope))?;
                assigned(typed, target.column_type, place_of(value))?.term
            };
            set.push((target.name.clone(), term));
        }
        Ok(set)
    }

    fn update(&self, update: &ast::Update, engine: &QueryEngine) -> Result<Change> {
        refuse(update.or.is_some(), "UPDATE OR")?;
        refuse(update.output.is_some(), "OUTPUT: use RETURNING")?;
        refuse(!update.order_by.is_empty() || update.limit.is_some(), "UPDATE with LIMIT")?;
        let from = match &update.from {
            None => &[][..],
            Some(UpdateTableFromKind::AfterSet(from) | UpdateTableFromKind::BeforeSet(from)) => {
                from
            }
        };
        let target = self.target(&update.table)?;
        let (scope, more) = self.with_target(&target, from)?;
        let set = self.assignments(&update.assignments, &target.table, &scope)?;
        let (columns, values): (Vec<String>, Vec<Term>) = set.into_iter().unzip();
        let condition = self.where_clause(update.selection.as_ref(), &scope)?;
        let rows = rows(&target, more, condition, values, engine)?;
        let returning =
            self.returning(update.returning.as_deref(), &target.table, &target.called)?;
        Ok(Change { table: target.name, rows, set: Some(columns), returning })
    }

    fn delete(&self, delete: &ast::Delete, engine: &QueryEngine) -> Result<Change> {
        refuse(!delete.tables.is_empty(), "DELETE from several tables")?;
        refuse(delete.output.is_some(), "OUTPUT: use RETURNING")?;
        refuse(!delete.order_by.is_empty() || delete.limit.is_some(), "DELETE with LIMIT")?;
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        let [table] = &tables[..] else {
            return Err(Error::unsupported("DELETE from several tables", None));
        };
        let target = self.target(table)?;
        let using = delete.using.as_deref().unwrap_or_default();
        let (scope, more) = self.with_target(&target, using)?;
        let condition = self.where_clause(delete.selection.as_ref(), &scope)?;
        let rows = rows(&target, more, condition, Vec::new(), engine)?;
        let returning =
            self.returning(delete.returning.as_deref(), &target.table, &target.called)?;
        Ok(Change { table: target.name, rows, set: None, returning })
    }

    fn where_clause(&self, condition: Option<&Expr>, scope: &Scope<'_>) -> Result<Option<Term>> {
        condition.map(|condition| self.condition(condition, Place::rows(scope))).transpose()
    }

    pub(super) fn target(&self, table: &TableWithJoins) -> Result<ChangedTable> {
        refuse(!table.joins.is_empty(), "a join as the table that is changed")?;
        let TableFactor::Table { name, alias, args: None, .. } = &table.relation else {
            return Err(Error::unsupported("changing anything but a table", None));
        };
        let (table, name) = self.table(name)?;
        let called = alias.as_ref().map_or_else(|| name.clone(), |alias| folded(&alias.name));
        Ok(ChangedTable { table, name, called })
    }

    /// The scope of the table that is changed and the relations beside it, and the rows of these.
    fn with_target(
        &self,
        target: &ChangedTable,
        from: &[TableWithJoins],
    ) -> Result<(Scope<'static>, Option<QueryBuilder>)> {
        let mut scope = Scope::default();
        scope.add(relation_of(target.table.columns(), &target.called), None)?;
        let more = if from.is_empty() { None } else { Some(self.from(from, &mut scope)?) };
        Ok((scope, more))
    }

    pub(super) fn returning(
        &self,
        items: Option<&[ast::SelectItem]>,
        table: &Table,
        called: &str,
    ) -> Result<Option<Returning>> {
        let Some(items) = items else { return Ok(None) };
        let mut scope = Scope::default();
        scope.add(relation_of(table.columns(), called), None)?;
        let place = |name: &str| row_place(table, called, name);
        let (mut columns, mut bound) = (Vec::new(), Vec::new());
        for (name, Typed { term, value_type }) in self.returned(items, &scope)? {
            columns.push(ResultColumn { name, value_type });
            bound.push(expression(&term, &place)?);
        }
        Ok(Some(Returning { columns: columns.into(), items: bound }))
    }
}

/// A table that is changed.
pub(super) struct ChangedTable {
    pub(super) table: Table,
    pub(super) name: String,
    /// How the statement calls it.
    pub(super) called: String,
}

/// How the rows that are changed are found.
fn rows(
    target: &ChangedTable,
    more: Option<QueryBuilder>,
    condition: Option<Term>,
    values: Vec<Term>,
    engine: &QueryEngine,
) -> Result<Target> {
    let ChangedTable { table, name, called } = target;
    let mut query = QueryBuilder::numbered(&**name, &**called);
    let once = more.is_some();
    if let Some(more) = more {
        query = query.join(JoinType::Inner, more, Term::And(Vec::new()));
    }
    if let Some(condition) = condition {
        query = query.filter(condition);
    }
    let number = Item::from(column(row_number::column_of(table, called)));
    let values = values.into_iter().enumerate();
    let values = values.map(|(position, value)| value.named(format!("#{position}")));
    let query = query.select(std::iter::once(number).chain(values).collect::<Vec<_>>());
    Ok(Target { query: Box::new(engine.prepare(&query)?), once })
}

/// Where a column stands in the frame of a row that is written.
pub(super) fn row_place(table: &Table, called: &str, name: &str) -> Option<usize> {
    let (relation, name) = name.split_once('.')?;
    if relation == called {
        return table.column_id(name).ok();
    }
    let position = table.columns().position(|column| column.name == name)?;
    (relation == "excluded").then_some(EXCLUDED + position)
}

/// Refuses a value that is given for a column whose numbers the table alone gives.
pub(super) fn check_given(
    table: &Table,
    position: usize,
    is_given: bool,
    at: Option<Position>,
) -> Result<()> {
    let always = table.serial().filter(|serial| serial.always && serial.column == position);
    if !is_given || always.is_none() {
        return Ok(());
    }
    let name = table.columns().nth(position).map_or("", |column| &column.name);
    let detail = format!("column {name} is GENERATED ALWAYS: leave it out, or write DEFAULT");
    Err(Error::invalid(detail, at))
}

/// Refuses more values than columns.
pub(super) fn check_width(
    found: usize,
    wanted: usize,
    table: &Table,
    at: Option<Position>,
) -> Result<()> {
    if found <= wanted {
        return Ok(());
    }
    let table = table.name();
    let detail = format!("{found} values are given for {wanted} columns of {table}");
    Err(Error::invalid(detail, at))
}

fn is_default(value: &Expr) -> bool {
    matches!(value, Expr::Identifier(name)
        if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default"))
}

/// The columns of these names, or all, with their positions.
pub(super) fn targets(
    table: &Table,
    names: &[ast::ObjectName],
) -> Result<Vec<(ColumnDefinition, usize)>> {
    let all: Vec<&ColumnDefinition> = table.columns().collect();
    if names.is_empty() {
        return Ok(all.into_iter().cloned().zip(0..).collect());
    }
    let mut found: Vec<(ColumnDefinition, usize)> = Vec::with_capacity(names.len());
    for name in names {
        let (name, at) = names::plain(name)?;
        let Some(position) = all.iter().position(|column| column.name == name) else {
            return Err(unknown("column", &name, all.iter().map(|column| &*column.name), at));
        };
        if found.iter().any(|(_, known)| *known == position) {
            return Err(Error::invalid(format!("column {name} is named twice"), at));
        }
        found.push((all[position].clone(), position));
    }
    Ok(found)
}

/// The primary key or unique index over exactly these columns.
fn conflict_key(table: &Table, names: &[ast::Ident]) -> Result<ConflictKey> {
    let columns = names.iter().map(|name| ast::ObjectName::from(vec![name.clone()]));
    let columns = targets(table, &columns.collect::<Vec<_>>())?;
    let is_same = |parts: &[Expression]| {
        let has = |position: usize| {
            parts.iter().any(|part| matches!(part, Expression::Column(it) if *it == position))
        };
        parts.len() == columns.len() && columns.iter().all(|(_, position)| has(*position))
    };
    let key = table.primary_key().map(|name| table.columns().position(|it| it.name == name));
    let parts: Vec<Expression> = key.flatten().map(Expression::Column).collect();
    if is_same(&parts) {
        return Ok(ConflictKey { index: None, parts, condition: None });
    }
    let plain = |key: &ConflictKey| key.condition.is_none() && is_same(&key.parts);
    unique_indexes(table).find(plain).ok_or_else(|| {
        let wanted = columns.iter().map(|(column, _)| &*column.name).collect::<Vec<_>>();
        let (wanted, table) = (wanted.join(", "), table.name());
        let detail = format!("({wanted}) is no primary key and no unique index of {table}");
        Error::invalid(detail, names.first().and_then(at))
    })
}

fn conflict_index(table: &Table, name: &ast::ObjectName) -> Result<ConflictKey> {
    let (name, at) = names::plain(name)?;
    let found = unique_indexes(table).find(|key| key.index.as_ref() == Some(&name));
    found.ok_or_else(|| {
        let known = unique_indexes(table).filter_map(|key| key.index);
        unknown("unique index", &name, known, at)
    })
}

/// The unique indexes of a table that are checked with each row.
fn unique_indexes(table: &Table) -> impl Iterator<Item = ConflictKey> {
    table.indexes().filter_map(move |(index, state)| {
        let definition = index.definition();
        let is_deferred = matches!(&definition.kind, IndexKind::Ordered(it) if it.deferrable);
        if !definition.is_unique() || is_deferred || state != IndexState::Ready {
            return None;
        }
        let by_position =
            |expression: &Expression| expression.map_columns(&|id| position_of(table, id));
        let parts = definition.parts.iter().map(|part| by_position(&part.expression));
        let condition = definition.condition.as_ref().map(by_position);
        Some(ConflictKey {
            index: Some(definition.name.clone()),
            parts: parts.collect(),
            condition,
        })
    })
}

fn check_insert(insert: &ast::Insert) -> Result<()> {
    let is_or = insert.or.is_some() || insert.replace_into || insert.ignore;
    refuse(is_or, "INSERT OR and REPLACE: use ON CONFLICT")?;
    refuse(insert.overwrite || insert.partitioned.is_some(), "INSERT OVERWRITE")?;
    refuse(!insert.assignments.is_empty(), "INSERT .. SET")?;
    refuse(insert.output.is_some(), "OUTPUT: use RETURNING")?;
    refuse(insert.settings.is_some() || insert.format_clause.is_some(), "SETTINGS and FORMAT")?;
    refuse(insert.insert_alias.is_some(), "an alias of the new row: it is called excluded")?;
    let several = insert.multi_table_insert_type.is_some();
    refuse(several, "INSERT into several tables")
}
