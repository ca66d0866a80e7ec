//! What indexes answer: sets of rows for which functions are true.

#[cfg(not(feature = "spatial"))]
use std::ops::ControlFlow;

use lightning_db_table::TableReader;
use lightning_db_table::index::RowSet;
use lightning_db_types::{Value, ValueRef};

use super::Run;
#[cfg(not(feature = "spatial"))]
use super::access::Found;
use crate::error::{Error, Result};
#[cfg(not(feature = "spatial"))]
use crate::program::Nearest;
use crate::program::{Asked, Values};

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

    /// Whether a row is in a set that is made when it is first asked for.
    pub(super) fn is_member(&self, set: usize, row_id: ValueRef<'_>) -> Result<Value> {
        let member = self.program.members.get(set);
        let (Some(member), ValueRef::U64(row_id)) = (member, row_id) else {
            return Err(Error::unsupported("a condition", "the row has no number here"));
        };
        let mut members = self.members.borrow_mut();
        if members.is_empty() {
            members.resize(self.program.members.len(), None);
        }
        if members[set].is_none() {
            let reader = &self.readers[member.table];
            members[set] = Some(self.rows_of(reader, &member.index, &member.asked, &[])?);
        }
        Ok(Value::Bool(members[set].as_ref().is_some_and(|rows| rows.contains(row_id))))
    }

    /// Rows by distance are there with the feature `spatial` alone.
    #[cfg(not(feature = "spatial"))]
    #[expect(clippy::unused_self, reason = "it is called as the other one is")]
    pub(super) fn nearest(
        &self,
        _reader: &TableReader<'_>,
        nearest: &Nearest,
        _outer: &[ValueRef<'_>],
        _found: &mut Found<'_>,
    ) -> Result<ControlFlow<()>> {
        let _ = (&nearest.centre, &nearest.asked);
        Err(Error::unsupported(&*nearest.index, "the feature `spatial` is off"))
    }
}
