//! MERGE, bound to the table that is changed and the source that it is compared with.

use lightning_db_optimizer::JoinType;
use lightning_db_query::build::{Item, Term, column};
use lightning_db_query::{QueryBuilder, QueryEngine};
use lightning_db_types::Value;
use sqlparser::ast::{self, MergeAction, MergeClauseKind, MergeInsertKind, TableWithJoins};

use super::expression::{Place, place_of};
use super::scope::{Relation, Scope};
use super::write::{ChangedTable, check_given, check_width, row_place, targets};
use super::{Binder, refuse, relation_of};
use crate::error::{Error, Result};
use crate::row_number;
use crate::write::{Action, Assignments, Clause, EXCLUDED, Merge, When, expression};

/// A column of the source that is null where a pair has no row of it.
const MARK: &str = "#mark";

impl Binder<'_> {
    pub(super) fn merge(&self, merge: &ast::Merge, engine: &QueryEngine) -> Result<Merge> {
        let as_from = |factor: &ast::TableFactor| TableWithJoins {
            relation: factor.clone(),
            joins: Vec::new(),
        };
        let target = self.target(&as_from(&merge.table))?;
        let mut scope = Scope::default();
        let rows = self.from(&[as_from(&merge.source)], &mut scope)?;
        let [source] = &scope.relations[..] else {
            return Err(Error::unsupported("a join as the source of MERGE: use a subquery", None));
        };
        let source = source.clone();
        scope.add(relation_of(target.table.columns(), &target.called), None)?;
        let on = self.condition(&merge.on, Place::rows(&scope))?;
        let bind = Bind { binder: self, target: &target, source: &source, both: &scope };
        let clauses = merge.clauses.iter().map(|clause| bind.clause(clause));
        let clauses = clauses.collect::<Result<Vec<_>>>()?;
        if clauses.is_empty() {
            return Err(Error::invalid("MERGE has no WHEN", None));
        }
        let query = bind.pairs(rows, on, &clauses);
        let returning = match &merge.output {
            None => None,
            Some(ast::OutputClause::Returning { select_items, .. }) => {
                self.returning(Some(select_items), &target.table, &target.called)?
            }
            Some(_) => return Err(Error::unsupported("OUTPUT: use RETURNING", None)),
        };
        let query = Box::new(engine.prepare(&query)?);
        Ok(Merge { table: target.name.clone(), query, clauses, returning })
    }
}

/// A MERGE that is being bound.
struct Bind<'b, 'a> {
    binder: &'b Binder<'a>,
    target: &'b ChangedTable,
    source: &'b Relation,
    /// The source, and behind it the table.
    both: &'b Scope<'b>,
}

impl Bind<'_, '_> {
    /// The query of all pairs.
    fn pairs(&self, rows: QueryBuilder, on: Term, clauses: &[Clause]) -> QueryBuilder {
        let ChangedTable { table, name, called } = self.target;
        let number = Item::from(column(row_number::column_of(table, called)));
        let of_source = clauses.iter().any(|clause| clause.when == When::NotMatchedBySource);
        let kind = if of_source { JoinType::Full } else { JoinType::Left };
        let names: Vec<&str> = self.source.columns.iter().map(|column| &*column.name).collect();
        let own = names.iter().map(|name| {
            let term = column(self.source.full_name(name));
            term.named(*name)
        });
        let mark = Term::Literal(Value::Bool(true)).named(MARK);
        let rows = rows.select(own.chain([mark]).collect::<Vec<_>>()).alias(&*self.source.name);
        let pairs = rows.join(kind, QueryBuilder::numbered(&**name, &**called), on);
        let of_source = [MARK].into_iter().chain(names).enumerate().map(|(number, name)| {
            let term = column(self.source.full_name(name));
            term.named(format!("#{number}"))
        });
        pairs.select(std::iter::once(number).chain(of_source).collect::<Vec<_>>())
    }

    /// Where a column stands in the frame of a pair.
    fn place(&self, name: &str) -> Option<usize> {
        let of_source = name.strip_prefix(&format!("{}.", self.source.name));
        match of_source.and_then(|name| self.source.columns.iter().position(|it| it.name == name)) {
            Some(position) => Some(EXCLUDED + position),
            None => row_place(&self.target.table, &self.target.called, name),
        }
    }

    fn clause(&self, clause: &ast::MergeClause) -> Result<Clause> {
        let of_target = || Scope {
            relations: vec![relation_of(self.target.table.columns(), &self.target.called)],
            ..Scope::default()
        };
        let of_source = || Scope { relations: vec![self.source.clone()], ..Scope::default() };
        let (when, part);
        let scope = match clause.clause_kind {
            MergeClauseKind::Matched => {
                when = When::Matched;
                self.both
            }
            MergeClauseKind::NotMatched | MergeClauseKind::NotMatchedByTarget => {
                (when, part) = (When::NotMatched, of_source());
                &part
            }
            MergeClauseKind::NotMatchedBySource => {
                (when, part) = (When::NotMatchedBySource, of_target());
                &part
            }
        };
        let place = |name: &str| self.place(name);
        let condition = clause.predicate.as_ref().map(|condition| {
            let term = self.binder.condition(condition, Place::rows(scope))?;
            expression(&term, &place).map_err(|error| error.or_at(place_of(condition)))
        });
        let action = match &clause.action {
            MergeAction::Delete { .. } => Action::Delete,
            MergeAction::Update(update) => {
                let has_more = update.update_predicate.is_some();
                refuse(has_more || update.delete_predicate.is_some(), "WHERE in WHEN: use AND")?;
                let table = &self.target.table;
                let set = self.binder.assignments(&update.assignments, table, scope)?;
                let set =
                    set.into_iter().map(|(name, term)| Ok((name, expression(&term, &place)?)));
                Action::Update(Assignments { set: set.collect::<Result<_>>()?, condition: None })
            }
            MergeAction::Insert(insert) => self.insert(insert, scope)?,
        };
        Ok(Clause { when, condition: condition.transpose()?, action })
    }

    fn insert(&self, insert: &ast::MergeInsertExpr, scope: &Scope<'_>) -> Result<Action> {
        refuse(insert.insert_predicate.is_some(), "WHERE in WHEN: use AND")?;
        let table = &self.target.table;
        let MergeInsertKind::Values(values) = &insert.kind else {
            return Err(Error::unsupported("INSERT ROW: write VALUES", None));
        };
        let [row] = &values.rows[..] else {
            return Err(Error::invalid("INSERT of MERGE has one row of VALUES", None));
        };
        let row = &row.content;
        let columns = targets(table, &insert.columns)?;
        check_width(row.len(), columns.len(), table, row.last().and_then(place_of))?;
        let place = |name: &str| self.place(name);
        let values = row.iter().zip(&columns).map(|(value, (column, position))| {
            let bound = self.binder.assigned_value(value, column, scope, &place)?;
            check_given(table, *position, bound.is_some(), place_of(value))?;
            Ok((*position, bound))
        });
        Ok(Action::Insert(values.collect::<Result<_>>()?))
    }
}
