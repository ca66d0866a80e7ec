//! What indexes answer: sets of rows for which functions are true.

use std::collections::HashMap;
#[cfg(not(feature = "spatial"))]
use std::ops::ControlFlow;

use foldhash::fast::FixedState;
use lightning_db_expression::Columns;
use lightning_db_table::TableReader;
use lightning_db_table::index::RowSet;
use lightning_db_types::{Value, ValueRef};

#[cfg(not(feature = "spatial"))]
use super::access::Found;
use super::{Run, text};
use crate::error::{Error, Result};
#[cfg(not(feature = "spatial"))]
use crate::program::Nearest;
use crate::program::{Asked, Computed, Frame, MemberSet, Values};
use crate::search::Function;

/// What an index found.
pub(crate) enum Member {
    Rows(RowSet),
    /// By the numbers of the rows.
    Scores(HashMap<u64, f64, FixedState>),
}

impl Run<'_> {
    /// The rows for which all functions are true.
    pub(super) fn functions(
        &self,
        reader: &TableReader<'_>,
        index: &str,
        asked: &[Asked],
        outer: &[ValueRef<'_>],
    ) -> Result<RowSet> {
        let mut all: Option<RowSet> = None;
        for one in asked {
            let rows = self.rows_of(reader, index, one, outer)?;
            all = Some(all.map_or_else(|| rows.clone(), |all| all.and(&rows)));
        }
        Ok(all.unwrap_or_default())
    }

    fn rows_of(
        &self,
        reader: &TableReader<'_>,
        index: &str,
        asked: &Asked,
        outer: &[ValueRef<'_>],
    ) -> Result<RowSet> {
        let given = asked.given.iter().map(|value| self.value(value, &Values(&[]), outer));
        let given = given.collect::<Result<Vec<_>>>()?;
        let kind = &reader.index(index)?.definition().kind;
        match asked.function.question(kind, asked.part, &given)? {
            Some(question) => Ok(reader.find(index, &question)?),
            None => Ok(RowSet::new()),
        }
    }

    /// The value of a function of values.
    pub(super) fn called(
        &self,
        function: &dyn Function,
        arguments: &[Computed],
        row: &dyn Columns,
        outer: &[ValueRef<'_>],
    ) -> Result<Value> {
        let frame = Frame { row, outer, parameters: self.parameters, parts: &[] };
        // Most have two or three plain arguments, which need not be copied.
        match arguments {
            [a, b] if a.is_plain() && b.is_plain() => {
                let (a, b) = (a.expression.evaluated(&frame)?, b.expression.evaluated(&frame)?);
                function.value(&[a.as_value_ref(), b.as_value_ref()])
            }
            [a, b, c] if a.is_plain() && b.is_plain() && c.is_plain() => {
                let (a, b) = (a.expression.evaluated(&frame)?, b.expression.evaluated(&frame)?);
                let c = c.expression.evaluated(&frame)?;
                function.value(&[a.as_value_ref(), b.as_value_ref(), c.as_value_ref()])
            }
            all => {
                let given = all.iter().map(|it| self.value(it, row, outer));
                let given = given.collect::<Result<Vec<_>>>()?;
                let given = given.iter().map(Value::as_value_ref);
                function.value(&given.collect::<Vec<_>>())
            }
        }
    }

    /// Calls `then` with a member, which is made when it is first asked for.
    fn with_member<T>(
        &self,
        set: usize,
        make: impl FnOnce(&TableReader<'_>, &MemberSet) -> Result<Member>,
        then: impl FnOnce(&Member) -> T,
    ) -> Result<T> {
        let Some(member) = self.program.members.get(set) else {
            return Err(Error::unsupported("a function", "it was not made ready"));
        };
        let is_known = self.members.borrow().get(set).is_some_and(Option::is_some);
        if !is_known {
            let found = make(&self.readers[member.table], member)?;
            let mut members = self.members.borrow_mut();
            if members.is_empty() {
                members.resize_with(self.program.members.len(), || None);
            }
            members[set] = Some(found);
        }
        match &self.members.borrow()[set] {
            Some(known) => Ok(then(known)),
            None => Err(Error::unsupported("a function", "it was not made ready")),
        }
    }

    /// Whether a row is among those that an index finds.
    pub(super) fn is_member(&self, set: usize, row_id: ValueRef<'_>) -> Result<Value> {
        let ValueRef::U64(row_id) = row_id else {
            return Err(Error::unsupported("a condition", "the row has no number here"));
        };
        let make = |reader: &TableReader<'_>, member: &MemberSet| {
            self.rows_of(reader, &member.index, &member.asked, &[]).map(Member::Rows)
        };
        self.with_member(set, make, |member| {
            Value::Bool(matches!(member, Member::Rows(rows) if rows.contains(row_id)))
        })
    }

    /// How well a row matches; null for one that does not, or is none.
    pub(super) fn score(&self, set: usize, row_id: &Value) -> Result<Value> {
        let Value::U64(row_id) = row_id else { return Ok(Value::Null) };
        let make = |reader: &TableReader<'_>, member: &MemberSet| {
            let index = reader.index(&member.index)?;
            let given = member.asked.given.iter();
            let given = given.map(|value| self.value(value, &Values(&[]), &[]));
            let given = given.collect::<Result<Vec<_>>>()?;
            let question =
                member.asked.function.question(&index.definition().kind, member.asked.part, &given);
            text::scores(reader, &member.index, question?).map(Member::Scores)
        };
        self.with_member(set, make, |member| match member {
            Member::Scores(scores) => scores.get(row_id).map_or(Value::Null, |it| Value::F64(*it)),
            Member::Rows(_) => Value::Null,
        })
    }

    /// The part of a text that shows the most of a query.
    pub(super) fn snippet(&self, set: usize, arguments: &[Value]) -> Result<Value> {
        let Some(member) = self.program.members.get(set) else {
            return Err(Error::unsupported("a function", "it was not made ready"));
        };
        let reader = &self.readers[member.table];
        let [Value::Text(found), query, Value::Text(before), Value::Text(behind)] = arguments
        else {
            return Ok(Value::Null);
        };
        let kind = &reader.index(&member.index)?.definition().kind;
        let question =
            member.asked.function.question(kind, member.asked.part, std::slice::from_ref(query))?;
        let place = (&*member.index, member.asked.part);
        text::snippet(reader, place, question, found, [before, behind])
    }

    /// Rows by distance are there with the feature `spatial` alone.
    #[cfg(not(feature = "spatial"))]
    pub(super) fn nearest(
        &self,
        reader: &TableReader<'_>,
        nearest: &Nearest,
        outer: &[ValueRef<'_>],
        found: &mut Found<'_>,
    ) -> Result<ControlFlow<()>> {
        self.best(reader, nearest, outer, found)
    }

    /// Scores that are known of some rows, all that were given so far among them.
    #[cfg(feature = "text")]
    pub(super) fn know_scores(&self, set: usize, scores: HashMap<u64, f64, FixedState>) {
        let mut members = self.members.borrow_mut();
        if members.is_empty() {
            members.resize_with(self.program.members.len(), || None);
        }
        let is_more = match &members[set] {
            Some(Member::Scores(known)) => scores.len() > known.len(),
            _ => true,
        };
        if is_more {
            members[set] = Some(Member::Scores(scores));
        }
    }
}
