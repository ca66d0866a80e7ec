//! Functions that indexes answer, made ready.

use std::sync::Arc;

use lightning_db_expression::Expression;
use lightning_db_optimizer::{IndexKind, IndexPart, IndexScan, Origin, Scalar, ScalarId};

use super::access::Relation;
use super::{Compiler, Computed, Part, Scope, Set};
use crate::catalog::{Known, KnownIndex};
use crate::error::{Error, Result};
use crate::search::{self, Form, Function};

/// A function with its values besides that of the row.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) function: &'static dyn Function,
    /// Which part of the index's key the row's value is.
    pub(crate) part: usize,
    pub(crate) given: Vec<Computed>,
}

/// Rows by their distance from a point, or by how well they match a query.
#[derive(Debug)]
pub(crate) struct Nearest {
    pub(crate) index: Arc<str>,
    /// The distance or the score, with the point or the query.
    pub(crate) by: Asked,
    /// What must be true besides, or of what the score is.
    pub(crate) asked: Vec<Asked>,
    /// The scores of the run.
    #[cfg_attr(not(feature = "text"), expect(dead_code, reason = "texts have scores alone"))]
    pub(crate) scores: Option<usize>,
}

/// The rows of a table that an index finds, or their scores: the same for all rows of a run.
#[derive(Debug)]
pub(crate) struct MemberSet {
    pub(crate) table: usize,
    pub(crate) index: Arc<str>,
    pub(crate) asked: Asked,
    /// The text and the query of a score.
    of: Vec<ScalarId>,
}

impl Compiler<'_> {
    /// The set of rows for which functions are true.
    pub(super) fn functions(&mut self, scan: &IndexScan, relation: &Relation<'_>) -> Result<Set> {
        let index = named(relation.known, scan.index)?;
        Ok(Set::Functions { index, asked: self.all_asked(scan, relation)? })
    }

    /// The way by distance or score.
    pub(super) fn nearest(&mut self, scan: &IndexScan, relation: &Relation<'_>) -> Result<Nearest> {
        let index = named(relation.known, scan.index)?;
        let plan = self.plan;
        let Some(Scalar::External { function, arguments, .. }) =
            scan.nearest.map(|id| plan.query().scalar(id))
        else {
            return Err(Error::unsupported("an order", "it is that of no function"));
        };
        let function = search::named(function)?;
        let of_index = |id: &ScalarId| self.part_of(*id, relation, scan.index);
        let part = arguments.iter().find_map(of_index).unwrap_or(0);
        // The last argument of a score is the number of the row.
        let by_score = function.form() == Form::Score;
        let arguments = &arguments[..arguments.len() - usize::from(by_score)];
        let by = self.asked(function, part, arguments, relation.outside())?;
        if by.given.len() != 1 {
            return Err(Error::unsupported(format!("function {}", function.name()), "its values"));
        }
        let scores = if by_score {
            let asked = self.asked(function, part, arguments, Scope::new(&[], &[])).ok();
            asked.map(|it| self.score_set(relation.known, Arc::clone(&index), it, arguments))
        } else {
            None
        };
        Ok(Nearest { index, by, asked: self.all_asked(scan, relation)?, scores })
    }

    fn all_asked(&mut self, scan: &IndexScan, relation: &Relation<'_>) -> Result<Vec<Asked>> {
        let plan = self.plan;
        let mut asked = Vec::with_capacity(scan.functions.len());
        for id in &scan.functions {
            let Scalar::External { function, arguments, .. } = plan.query().scalar(*id) else {
                return Err(Error::unsupported(plan.query().scalar_text(*id), "no function"));
            };
            let of_index = |id: &ScalarId| self.part_of(*id, relation, scan.index);
            let part = arguments.iter().find_map(of_index).unwrap_or(0);
            let function = search::named(function)?;
            asked.push(self.asked(function, part, arguments, relation.outside())?);
        }
        Ok(asked)
    }

    /// A function with those of its arguments that are values outside of the row.
    pub(super) fn asked(
        &mut self,
        function: &'static dyn Function,
        part: usize,
        arguments: &[ScalarId],
        outside: Scope<'_>,
    ) -> Result<Asked> {
        let mut given = Vec::with_capacity(arguments.len());
        let mut of_row = 0;
        for argument in arguments {
            match self.scalar(*argument, outside) {
                Ok(value) => given.push(value),
                Err(error) if of_row > 0 => return Err(error),
                Err(_) => of_row += 1,
            }
        }
        Ok(Asked { function, part, given })
    }

    /// Which part of an index's key a scalar over the relation's columns is.
    fn part_of(&self, id: ScalarId, relation: &Relation<'_>, index: usize) -> Option<usize> {
        self.part_among(id, relation.known, index, relation.scope())
    }

    fn part_among(
        &self,
        id: ScalarId,
        known: &Known,
        index: usize,
        scope: Scope<'_>,
    ) -> Option<usize> {
        let query = self.plan.query();
        let place = |column| {
            let (_, number) = scope.own.iter().find(|(own, _)| *own == column)?;
            known.ids.iter().position(|id| id == number)
        };
        let column = |id: ScalarId| match query.scalar(id) {
            Scalar::Column(column) => place(*column).map(Expression::Column),
            _ => None,
        };
        let expression = query.expression_with(id, &column)?;
        let parts = &known.definition.indexes.get(index)?.parts;
        parts.iter().position(|part| part.expression == expression)
    }

    /// An index of all rows that answers a function of a scalar, and which part of its key that is.
    pub(super) fn answering(
        &self,
        function: &'static dyn Function,
        argument: ScalarId,
        known: &Known,
        scope: Scope<'_>,
    ) -> Option<(Arc<str>, usize)> {
        let indexes = known.definition.indexes.iter().enumerate();
        let mut answering = indexes.filter(|(_, index)| {
            index.condition.is_none() && index.answers.iter().any(|name| **name == *function.name())
        });
        answering.find_map(|(position, _)| {
            let part = self.part_among(argument, known, position, scope)?;
            Some((named(known, position).ok()?, part))
        })
    }

    /// The score of a row or a snippet of its text, which the text index of the column knows.
    pub(super) fn of_text(
        &mut self,
        function: &'static dyn Function,
        arguments: &[ScalarId],
        scope: Scope<'_>,
    ) -> Result<Part> {
        let plan = self.plan;
        let nowhere = || {
            let detail = "it is of a column of a table that has a text index";
            Error::unsupported(format!("function {}", function.name()), detail)
        };
        let (Some(first), Some(last)) = (arguments.first(), arguments.last()) else {
            return Err(nowhere());
        };
        let Scalar::Column(column) = plan.query().scalar(*first) else { return Err(nowhere()) };
        let Origin::Table(table, position) = plan.query().column(*column).origin else {
            return Err(nowhere());
        };
        let known = self.catalog.known(table).ok_or_else(nowhere)?;
        let indexes = known.definition.indexes.iter().enumerate();
        let mut indexes =
            indexes.filter(|(_, index)| index.kind == IndexKind::Text && index.condition.is_none());
        let of_column = |part: &IndexPart| part.expression == Expression::Column(position);
        let found =
            indexes.find_map(|(at, index)| Some((at, index.parts.iter().position(of_column)?)));
        let (index, part) = found.ok_or_else(nowhere)?;
        let index = named(known, index)?;
        if function.form() == Form::Score {
            let row = self.scalar(*last, scope)?;
            let of = &arguments[..arguments.len() - 1];
            let asked = self.asked(function, part, of, Scope::new(&[], &[]))?;
            return Ok(Part::Score { row, set: self.score_set(known, index, asked, of) });
        }
        let asked = Asked { function, part, given: Vec::new() };
        let arguments = self.scalars(arguments, scope)?;
        Ok(Part::Snippet { arguments, set: self.member_set(known, index, asked) })
    }

    /// The place of a set among those that the program asks for.
    pub(super) fn member_set(&mut self, known: &Known, index: Arc<str>, asked: Asked) -> usize {
        let table = self.table(known.id);
        self.members.push(MemberSet { table, index, asked, of: Vec::new() });
        self.members.len() - 1
    }

    /// The place of the scores of a text and a query, which is one for all that ask for them.
    fn score_set(
        &mut self,
        known: &Known,
        index: Arc<str>,
        asked: Asked,
        of: &[ScalarId],
    ) -> usize {
        let table = self.table(known.id);
        let is_same = |set: &MemberSet| set.table == table && set.index == index && set.of == of;
        if let Some(there) = self.members.iter().position(is_same) {
            return there;
        }
        let set = self.member_set(known, index, asked);
        self.members[set].of = of.to_vec();
        set
    }
}

fn named(known: &Known, index: usize) -> Result<Arc<str>> {
    match known.indexes.get(index) {
        Some(KnownIndex::Named(name, _)) => Ok(Arc::from(&**name)),
        _ => Err(Error::unsupported("a search", "its index is not known")),
    }
}
