//! Turning terms into scalars.

use std::sync::Arc;

use lightning_db_expression::Comparison;

use super::bind::Binder;
use super::scope::resolve;
use super::{QueryBuilder, Term, check};
use crate::error::{Error, Result};
use crate::query::{NodeId, Scalar, ScalarId, Subquery};

impl Binder<'_> {
    /// Conditions that are true together exactly if the term is.
    pub(super) fn conditions(&mut self, term: &Term) -> Result<Vec<ScalarId>> {
        let mut conditions = Vec::new();
        self.gather(term, &mut conditions)?;
        Ok(conditions)
    }

    fn gather(&mut self, term: &Term, conditions: &mut Vec<ScalarId>) -> Result<()> {
        if let Term::And(all) = term {
            return all.iter().try_for_each(|term| self.gather(term, conditions));
        }
        conditions.push(self.condition(term)?);
        Ok(())
    }

    pub(super) fn condition(&mut self, term: &Term) -> Result<ScalarId> {
        let scalar = self.term(term)?;
        check::condition(&self.query, scalar)?;
        Ok(scalar)
    }

    /// The scalar of a term over the columns in scope.
    pub(super) fn term(&mut self, term: &Term) -> Result<ScalarId> {
        let scalar = self.form(term)?;
        let id = self.query.add_scalar(scalar);
        check::check(&self.query, id)?;
        Ok(id)
    }

    fn terms(&mut self, terms: &[Term]) -> Result<Vec<ScalarId>> {
        terms.iter().map(|term| self.term(term)).collect()
    }

    fn form(&mut self, term: &Term) -> Result<Scalar> {
        Ok(match term {
            Term::Column(name) => Scalar::Column(resolve(&self.scopes, name)?),
            Term::Literal(value) => Scalar::Literal(value.clone()),
            Term::Parameter(number, value_type) => Scalar::Parameter(*number, *value_type),
            Term::Compare(comparison, left, right) => {
                Scalar::Compare(*comparison, self.term(left)?, self.term(right)?)
            }
            Term::And(all) => Scalar::And(self.terms(all)?),
            Term::Or(all) => Scalar::Or(self.terms(all)?),
            Term::Not(one) => Scalar::Not(self.term(one)?),
            Term::IsNull(one) => Scalar::IsNull(self.term(one)?),
            Term::In(one, list) => Scalar::In(self.term(one)?, self.terms(list)?),
            Term::Like { value, pattern, escape } => Scalar::Like {
                value: self.term(value)?,
                pattern: self.term(pattern)?,
                escape: *escape,
            },
            Term::Arithmetic(operation, left, right) => {
                Scalar::Arithmetic(*operation, self.term(left)?, self.term(right)?)
            }
            Term::Negate(one) => Scalar::Negate(self.term(one)?),
            Term::Call(function, arguments) => Scalar::Call(*function, self.terms(arguments)?),
            Term::Cast(one, value_type) => Scalar::Cast(self.term(one)?, *value_type),
            Term::Case { branches, otherwise } => self.case(branches, otherwise.as_deref())?,
            Term::External { function, arguments, value_type } => Scalar::External {
                function: Arc::clone(function),
                arguments: self.terms(arguments)?,
                value_type: *value_type,
            },
            Term::Exists(query) => Scalar::Subquery(Subquery::Exists(self.relation(query)?)),
            Term::Value(query) => Scalar::Subquery(Subquery::Value(self.one_column(query)?)),
            Term::Any(comparison, value, query) => {
                let (comparison, value, node) = self.quantified(*comparison, value, query)?;
                Scalar::Subquery(Subquery::Any(comparison, value, node))
            }
            Term::All(comparison, value, query) => {
                let (comparison, value, node) = self.quantified(*comparison, value, query)?;
                Scalar::Subquery(Subquery::All(comparison, value, node))
            }
        })
    }

    fn case(&mut self, branches: &[(Term, Term)], otherwise: Option<&Term>) -> Result<Scalar> {
        let branches = branches
            .iter()
            .map(|(condition, value)| Ok((self.term(condition)?, self.term(value)?)));
        let branches = branches.collect::<Result<_>>()?;
        let otherwise = otherwise.map(|term| self.term(term)).transpose()?;
        Ok(Scalar::Case { branches, otherwise })
    }

    fn quantified(
        &mut self,
        comparison: Comparison,
        value: &Term,
        query: &QueryBuilder,
    ) -> Result<(Comparison, ScalarId, NodeId)> {
        Ok((comparison, self.term(value)?, self.one_column(query)?))
    }

    fn one_column(&mut self, query: &QueryBuilder) -> Result<NodeId> {
        let node = self.relation(query)?;
        match self.query.output(node).len() {
            1 => Ok(node),
            found => {
                let detail = format!("it has {found} columns: select the one whose value is meant");
                Err(Error::Shape { what: "a subquery", detail })
            }
        }
    }
}
