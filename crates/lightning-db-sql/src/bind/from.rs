//! FROM: tables, subqueries and joins.

use lightning_db_optimizer::JoinType;
use lightning_db_query::QueryBuilder;
use lightning_db_query::build::{Term, column};
use lightning_db_types::{Value, ValueType};
use sqlparser::ast::{self, JoinConstraint, JoinOperator, TableFactor, TableWithJoins};

use super::expression::Place;
use super::information::SCHEMA;
use super::query::{as_relation, renamed};
use super::scope::{Relation, Scope};
use super::typed::{Typed, compared};
use super::{Binder, refuse, relation_of, series};
use crate::error::{Error, Position, Result};
use crate::names::{self, at, folded};

/// Relations that are joined, and whether the last of them sees those before it.
struct Side {
    builder: QueryBuilder,
    relations: Vec<(Relation, Option<Position>)>,
    lateral: bool,
}

impl Binder<'_> {
    /// The rows of a FROM clause, whose relations are added to the scope.
    pub(crate) fn from(
        &self,
        from: &[TableWithJoins],
        scope: &mut Scope<'_>,
    ) -> Result<QueryBuilder> {
        let mut builder: Option<QueryBuilder> = None;
        for table in from {
            let first = self.factor(&table.relation, scope)?;
            let lateral = first.lateral;
            let right = self.joined(first, &table.joins, scope)?;
            builder = Some(match builder {
                None => right,
                Some(left) if lateral => {
                    left.join_lateral(JoinType::Inner, right, Term::And(Vec::new()))
                }
                Some(left) => left.cross(right),
            });
        }
        Ok(builder.unwrap_or_else(|| {
            // One row, of which nothing is used.
            let none = [("#none", ValueType::Bool)];
            QueryBuilder::rows("#nothing", none, vec![vec![Value::Bool(true)]])
        }))
    }

    /// A relation with those that are joined to it; all are added to the scope.
    fn joined(
        &self,
        first: Side,
        joins: &[ast::Join],
        scope: &mut Scope<'_>,
    ) -> Result<QueryBuilder> {
        let before = scope.relations.len();
        let Side { mut builder, relations, .. } = first;
        for (relation, at) in relations {
            scope.add(relation, at)?;
        }
        for join in joins {
            refuse(join.global, "GLOBAL JOIN")?;
            let (kind, constraint) = kind_of(&join.join_operator)?;
            let Side { builder: right, relations, lateral } = self.factor(&join.relation, scope)?;
            let left = scope.relations.len();
            for (relation, at) in relations {
                scope.add(relation, at)?;
            }
            let on = match constraint {
                JoinConstraint::None => Term::And(Vec::new()),
                JoinConstraint::On(condition) => self.condition(condition, Place::rows(scope))?,
                JoinConstraint::Using(columns) => {
                    let names = columns.iter().map(names::plain);
                    let names = names.collect::<Result<Vec<_>>>()?;
                    using(scope, (before, left), &names, kind)?
                }
                JoinConstraint::Natural => {
                    let names = common_names(&scope.relations[before..], left - before);
                    using(scope, (before, left), &names, kind)?
                }
            };
            builder = if lateral {
                builder.join_lateral(kind, right, on)
            } else {
                builder.join(kind, right, on)
            };
        }
        Ok(builder)
    }

    fn factor(&self, factor: &TableFactor, scope: &Scope<'_>) -> Result<Side> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                self.table_factor(name, alias.as_ref())
            }
            TableFactor::Table {
                name,
                alias,
                args: Some(arguments),
                with_ordinality: false,
                ..
            } if names::plain(name).is_ok_and(|(name, _)| name == series::NAME) => {
                self.series_factor(&arguments.args, alias.as_ref(), names::plain(name)?.1)
            }
            // DataFusion would pass over these and say nothing.
            TableFactor::Table { with_ordinality: true, .. } => {
                let detail = "WITH ORDINALITY is not there; row_number() counts rows";
                Err(Error::invalid(detail, names::begin(ast::Spanned::span(factor))))
            }
            TableFactor::Table { sample: Some(_), .. }
            | TableFactor::Derived { sample: Some(_), .. } => {
                let detail = "TABLESAMPLE is not there";
                Err(Error::invalid(detail, names::begin(ast::Spanned::span(factor))))
            }
            TableFactor::Derived { lateral, subquery, alias, sample: None } => {
                let Some(alias) = alias else {
                    let detail = "a subquery in FROM needs an alias";
                    let at = names::begin(ast::Spanned::span(&**subquery));
                    return Err(Error::invalid(detail, at));
                };
                let outer = if *lateral { Some(scope) } else { scope.outer };
                let bound = self.query(subquery, outer)?;
                let at = at(&alias.name);
                let bound = renamed(bound, &alias.columns, at)?;
                let (builder, relation) = as_relation(bound, &folded(&alias.name));
                Ok(Side { builder, relations: vec![(relation, at)], lateral: *lateral })
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                let mut inner = Scope::within(scope.outer);
                let first = self.factor(&table_with_joins.relation, &inner)?;
                refuse(first.lateral, "LATERAL in parentheses")?;
                let builder = self.joined(first, &table_with_joins.joins, &mut inner)?;
                let relations = inner.relations.into_iter().map(|relation| (relation, None));
                Ok(Side { builder, relations: relations.collect(), lateral: false })
            }
            other => {
                let at = names::begin(ast::Spanned::span(other));
                Err(Error::unsupported("this form of a table in FROM", at))
            }
        }
    }

    fn series_factor(
        &self,
        arguments: &[ast::FunctionArg],
        alias: Option<&ast::TableAlias>,
        at: Option<Position>,
    ) -> Result<Side> {
        let called = alias.map_or_else(|| series::NAME.to_owned(), |alias| folded(&alias.name));
        let columns = alias.map_or(&[][..], |alias| &alias.columns);
        let bound = renamed(self.series(arguments, &called, at)?, columns, at)?;
        let (builder, relation) = as_relation(bound, &called);
        Ok(Side { builder, relations: vec![(relation, at)], lateral: false })
    }

    fn table_factor(
        &self,
        name: &ast::ObjectName,
        alias: Option<&ast::TableAlias>,
    ) -> Result<Side> {
        let information = names::within(name, SCHEMA);
        let is_information = information.is_some();
        let (table_name, at_name) = information.map_or_else(|| names::table(name), Ok)?;
        let called = alias.map_or_else(|| table_name.clone(), |alias| folded(&alias.name));
        let at = alias.map_or(at_name, |alias| at(&alias.name));
        let columns = alias.map_or(&[][..], |alias| &alias.columns);
        let known = match self.named(&table_name) {
            _ if is_information => Some(self.information(&table_name, at_name)?),
            None if self.source.table(&table_name).is_err() => self.view(&table_name, at_name)?,
            known => known,
        };
        if let Some(bound) = known {
            let bound = renamed(bound, columns, at)?;
            let (builder, relation) = as_relation(bound, &called);
            return Ok(Side { builder, relations: vec![(relation, at)], lateral: false });
        }
        let table = self.table_named(&table_name, at_name)?;
        let mut relation = relation_of(table.columns(), &called);
        let mut builder = QueryBuilder::numbered(table_name, &*called);
        if !columns.is_empty() {
            if columns.len() > relation.columns.len() {
                let (given, found) = (columns.len(), relation.columns.len());
                let detail = format!("{given} names are given, and there are {found} columns");
                return Err(Error::invalid(detail, at));
            }
            let old: Vec<String> = relation.columns.iter().map(|it| it.name.clone()).collect();
            for (column, name) in relation.columns.iter_mut().zip(columns) {
                column.name = folded(&name.name);
            }
            let items = old.iter().zip(&relation.columns);
            let items = items.map(|(old, new)| column(&**old).named(new.name.clone()));
            builder = builder.select(items.collect::<Vec<_>>()).alias(&*called);
        }
        Ok(Side { builder, relations: vec![(relation, at)], lateral: false })
    }
}

fn kind_of(operator: &JoinOperator) -> Result<(JoinType, &JoinConstraint)> {
    Ok(match operator {
        JoinOperator::Join(on) | JoinOperator::Inner(on) | JoinOperator::CrossJoin(on) => {
            (JoinType::Inner, on)
        }
        JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (JoinType::Left, on),
        JoinOperator::Right(on) | JoinOperator::RightOuter(on) => (JoinType::Right, on),
        JoinOperator::FullOuter(on) => (JoinType::Full, on),
        _ => return Err(Error::unsupported("this kind of join", None)),
    })
}

/// Names that the relations on both sides have.
fn common_names(relations: &[Relation], left: usize) -> Vec<(String, Option<Position>)> {
    let (left, right) = relations.split_at(left);
    let has = |name: &str| left.iter().any(|it| it.columns.iter().any(|it| it.name == name));
    let names = right.iter().flat_map(|relation| &relation.columns);
    let names = names.filter(|column| has(&column.name)).map(|column| (column.name.clone(), None));
    names.collect()
}

/// The condition of USING; its columns stand once in the rows.
fn using(
    scope: &mut Scope<'_>,
    (before, left): (usize, usize),
    names: &[(String, Option<Position>)],
    kind: JoinType,
) -> Result<Term> {
    if matches!(kind, JoinType::Right | JoinType::Full) {
        let hint = "write the condition with ON";
        return Err(Error::unsupported_hint("USING and NATURAL in this join", hint, None));
    }
    let mut equal = Vec::with_capacity(names.len());
    for (name, at) in names {
        let find = |relations: &[Relation]| {
            let part = Scope { relations: relations.to_vec(), ..Scope::default() };
            let found = part.resolve(None, name, *at)?;
            Ok::<_, Error>(Typed::new(column(found.full_name), found.value_type))
        };
        let one = find(&scope.relations[before..left])?;
        let other = find(&scope.relations[left..])?;
        let (one, other) = compared(one, other, *at)?;
        equal.push(one.term.equal(other.term));
        let merged = scope.relations[left..].iter_mut().flat_map(|it| &mut it.columns);
        for column in merged.filter(|column| column.name == *name) {
            column.merged = true;
        }
    }
    Ok(Term::And(equal))
}
