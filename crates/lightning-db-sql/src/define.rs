//! Statements that define tables and indexes. Each is a commit of its own, so that none of them
//! runs within a transaction.

pub(crate) mod index;
pub(crate) mod table;
mod table_of_query;

use std::ops::ControlFlow;

use lightning_db_expression::Expression;
use lightning_db_query::Source;
use lightning_db_table::{Alteration, Tables};
use sqlparser::ast::{self, AlterTableOperation, ObjectType, RenameTableNameKind};

pub(crate) use table_of_query::create_as;

use crate::bind::{Binder, Place, Relation, Scope, place_of};
use crate::error::{Error, Result};
use crate::names::{self, at, folded, unknown};
use crate::views;
use crate::write::expression;

/// Whether a statement is one of these.
pub(crate) fn is_definition(statement: &ast::Statement) -> bool {
    matches!(
        statement,
        ast::Statement::CreateTable(_)
            | ast::Statement::CreateIndex(_)
            | ast::Statement::CreateView(_)
            | ast::Statement::AlterTable(_)
            | ast::Statement::Drop { .. }
            | ast::Statement::Analyze(_)
    )
}

/// Runs a statement that defines something.
pub(crate) fn run(statement: &ast::Statement, tables: &Tables) -> Result<()> {
    match statement {
        ast::Statement::CreateTable(create) => table::create(create, tables),
        ast::Statement::CreateIndex(create) => index::create(create, tables),
        ast::Statement::CreateView(create) => views::create(create, tables),
        ast::Statement::AlterTable(alter) => self::alter(alter, tables),
        ast::Statement::Drop { object_type, if_exists, names, cascade, .. } => {
            if *cascade {
                return Err(Error::unsupported("DROP .. CASCADE", None));
            }
            names.iter().try_for_each(|name| drop_one(*object_type, name, *if_exists, tables))
        }
        ast::Statement::Analyze(analyze) => {
            let names = match &analyze.table_name {
                Some(name) => vec![existing(name, tables)?],
                None => tables.names(),
            };
            names.iter().try_for_each(|name| Ok(tables.analyze(name)?))
        }
        other => Err(Error::unsupported(format!("{other}"), None)),
    }
}

/// The name of a table that is there.
fn existing(name: &ast::ObjectName, tables: &Tables) -> Result<String> {
    let (name, at) = names::table(name)?;
    let known = tables.names();
    if known.contains(&name) { Ok(name) } else { Err(unknown("table", &name, known, at)) }
}

/// The table that an index belongs to.
fn table_of_index(index: &str, tables: &Tables) -> Option<String> {
    let has = |name: &String| {
        let table = tables.table(name).ok()?;
        let found = table.indexes().any(|(known, _)| known.definition().name == index);
        found.then_some(())
    };
    tables.names().into_iter().find(|name| has(name).is_some())
}

fn drop_one(
    kind: ObjectType,
    name: &ast::ObjectName,
    if_exists: bool,
    tables: &Tables,
) -> Result<()> {
    let (plain, place) = names::table(name)?;
    match kind {
        ObjectType::Table => {
            if if_exists && !tables.names().contains(&plain) {
                return Ok(());
            }
            Ok(tables.drop_table(&existing(name, tables)?)?)
        }
        ObjectType::Index => match table_of_index(&plain, tables) {
            Some(table) => Ok(tables.drop_index(&table, &plain)?),
            None if if_exists => Ok(()),
            None => {
                let known = tables.names().into_iter().filter_map(|name| tables.table(&name).ok());
                let known = known.flat_map(|table| {
                    let names = table.indexes().map(|(index, _)| index.definition().name.clone());
                    names.collect::<Vec<_>>()
                });
                Err(unknown("index", &plain, known, place))
            }
        },
        ObjectType::View => views::drop(&plain, if_exists, place, tables),
        other => Err(Error::unsupported(format!("DROP {other}"), place)),
    }
}

fn alter(alter: &ast::AlterTable, tables: &Tables) -> Result<()> {
    let name = match existing(&alter.name, tables) {
        Err(Error::Unknown { .. }) if alter.if_exists => return Ok(()),
        name => name?,
    };
    let [operation] = &alter.operations[..] else {
        let hint = "write one ALTER TABLE for each: each is a commit of its own";
        return Err(Error::unsupported_hint("several changes at once", hint, None));
    };
    let alteration = match operation {
        AlterTableOperation::AddColumn {
            column_def, column_position: None, if_not_exists, ..
        } => {
            let column = folded(&column_def.name);
            let table = tables.table(&name)?;
            if *if_not_exists && table.columns().any(|known| known.name == column) {
                return Ok(());
            }
            Alteration::AddColumn(table::added(column_def, tables)?)
        }
        AlterTableOperation::DropColumn { column_names, if_exists, .. } => {
            let [column] = &column_names[..] else {
                return Err(Error::unsupported("several columns dropped at once", None));
            };
            let (column, place) = (folded(column), at(column));
            let table = tables.table(&name)?;
            let known: Vec<&str> = table.columns().map(|column| &*column.name).collect();
            match known.contains(&&*column) {
                true => Alteration::DropColumn(column),
                false if *if_exists => return Ok(()),
                false => return Err(unknown("column", &column, known, place)),
            }
        }
        AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
            let (from, to) = (folded(old_column_name), folded(new_column_name));
            Alteration::RenameColumn { from, to }
        }
        AlterTableOperation::RenameTable {
            table_name: RenameTableNameKind::To(to) | RenameTableNameKind::As(to),
        } => Alteration::Rename(names::table(to)?.0),
        other => {
            let hint = "columns can be added, dropped and renamed, and the table renamed";
            return Err(Error::unsupported_hint(format!("ALTER TABLE .. {other}"), hint, None));
        }
    };
    tables.alter_table(&name, alteration)?;
    Ok(())
}

/// An expression over the columns of a relation, which stand where `place` says.
fn over_columns(
    expr: &ast::Expr,
    relation: Relation,
    place: &dyn Fn(&str) -> Option<usize>,
    tables: &Tables,
    is_condition: bool,
) -> Result<Expression> {
    let snapshot = tables.snapshot();
    let binder = Binder::new(Source::from(&snapshot), &[]);
    let prefix = format!("{}.", relation.name);
    let mut scope = Scope::default();
    scope.add(relation, None)?;
    let rows = Place::rows(&scope);
    let term = if is_condition {
        binder.condition(expr, rows)?
    } else {
        binder.expression(expr, rows)?.term
    };
    let place = |name: &str| place(name.strip_prefix(&prefix)?);
    expression(&term, &place).map_err(|error| error.or_at(place_of(expr)))
}

/// Goes on with a build that nobody watches.
fn unwatched() -> impl FnMut(lightning_db_table::BuildStatus<'_>) -> ControlFlow<()> {
    |_| ControlFlow::Continue(())
}
