//! Statements that define tables, indexes and views: each is a commit of its own, or part of the
//! transaction that is open.

pub(crate) mod index;
pub(crate) mod table;
mod table_of_query;
mod target;

use lightning_db_expression::Expression;
use lightning_db_query::Source;
use lightning_db_table::Alteration;
use sqlparser::ast::{self, AlterTableOperation, ObjectType, RenameTableNameKind};

pub(crate) use table_of_query::create_as;
pub(crate) use target::Target;

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
pub(crate) fn run(statement: &ast::Statement, target: &mut Target<'_>) -> Result<()> {
    match statement {
        ast::Statement::CreateTable(create) => table::create(create, target),
        ast::Statement::CreateIndex(create) => index::create(create, target),
        ast::Statement::CreateView(create) => views::create(create, target),
        ast::Statement::AlterTable(alter) => self::alter(alter, target),
        ast::Statement::Drop { object_type, if_exists, names, cascade, .. } => {
            if *cascade {
                return Err(Error::unsupported("DROP .. CASCADE", None));
            }
            names.iter().try_for_each(|name| drop_one(*object_type, name, *if_exists, target))
        }
        ast::Statement::Analyze(analyze) => self::analyze(analyze, target),
        other => Err(Error::unsupported(format!("{other}"), None)),
    }
}

fn analyze(analyze: &ast::Analyze, target: &Target<'_>) -> Result<()> {
    let Target::Commits(tables) = target else {
        let detail = "a transaction is open, and statistics are of what is committed";
        return Err(Error::Transaction { what: "ANALYZE", detail });
    };
    let names = match &analyze.table_name {
        Some(name) => vec![existing(name, target.seen().source())?],
        None => tables.names(),
    };
    names.iter().try_for_each(|name| Ok(tables.analyze(name)?))
}

/// The name of a table that is there.
fn existing(name: &ast::ObjectName, source: Source<'_>) -> Result<String> {
    let (name, at) = names::table(name)?;
    let known = source.names();
    if known.contains(&name) { Ok(name) } else { Err(unknown("table", &name, known, at)) }
}

/// The table that an index belongs to.
fn table_of_index(index: &str, source: Source<'_>) -> Option<String> {
    let has = |name: &String| {
        let table = source.table(name).ok()?;
        let found = table.indexes().any(|(known, _)| known.definition().name == index);
        found.then_some(())
    };
    source.names().into_iter().find(|name| has(name).is_some())
}

fn drop_one(
    kind: ObjectType,
    name: &ast::ObjectName,
    if_exists: bool,
    target: &mut Target<'_>,
) -> Result<()> {
    let (plain, place) = names::table(name)?;
    let seen = target.seen();
    let source = seen.source();
    match kind {
        ObjectType::Table => {
            if if_exists && !source.names().contains(&plain) {
                return Ok(());
            }
            let name = existing(name, source)?;
            drop(seen);
            target.drop_table(&name)
        }
        ObjectType::Index => match table_of_index(&plain, source) {
            Some(table) => {
                drop(seen);
                target.drop_index(&table, &plain)
            }
            None if if_exists => Ok(()),
            None => {
                let known = source.names().into_iter().filter_map(|name| source.table(&name).ok());
                let known = known.flat_map(|table| {
                    let names = table.indexes().map(|(index, _)| index.definition().name.clone());
                    names.collect::<Vec<_>>()
                });
                Err(unknown("index", &plain, known, place))
            }
        },
        ObjectType::View => {
            drop(seen);
            views::remove(&plain, if_exists, place, target)
        }
        other => Err(Error::unsupported(format!("DROP {other}"), place)),
    }
}

fn alter(alter: &ast::AlterTable, target: &mut Target<'_>) -> Result<()> {
    let seen = target.seen();
    let source = seen.source();
    let name = match existing(&alter.name, source) {
        Err(Error::Unknown { .. }) if alter.if_exists => return Ok(()),
        name => name?,
    };
    let [operation] = &alter.operations[..] else {
        let hint = "write one ALTER TABLE for each, within a transaction";
        return Err(Error::unsupported_hint("several changes at once", hint, None));
    };
    let Some(alteration) = alteration(operation, &name, source)? else { return Ok(()) };
    drop(seen);
    target.alter_table(&name, alteration)
}

/// What is to be done to a table; nothing if it is as it should be.
fn alteration(
    operation: &AlterTableOperation,
    name: &str,
    source: Source<'_>,
) -> Result<Option<Alteration>> {
    let alteration = match operation {
        AlterTableOperation::AddColumn {
            column_def, column_position: None, if_not_exists, ..
        } => {
            let column = folded(&column_def.name);
            let table = source.table(name)?;
            if *if_not_exists && table.columns().any(|known| known.name == column) {
                return Ok(None);
            }
            Alteration::AddColumn(table::added(column_def, source)?)
        }
        AlterTableOperation::DropColumn { column_names, if_exists, .. } => {
            let [column] = &column_names[..] else {
                return Err(Error::unsupported("several columns dropped at once", None));
            };
            let (column, place) = (folded(column), at(column));
            let table = source.table(name)?;
            let known: Vec<&str> = table.columns().map(|column| &*column.name).collect();
            match known.contains(&&*column) {
                true => Alteration::DropColumn(column),
                false if *if_exists => return Ok(None),
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
    Ok(Some(alteration))
}

/// An expression over the columns of a relation, which stand where `place` says.
fn over_columns(
    expr: &ast::Expr,
    relation: Relation,
    place: &dyn Fn(&str) -> Option<usize>,
    source: Source<'_>,
    is_condition: bool,
) -> Result<Expression> {
    let binder = Binder::new(source, &[]);
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
