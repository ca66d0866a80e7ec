//! What indexes answer: sets of rows for which functions are true, and rows by distance.

use std::ops::ControlFlow;

use lightning_db_table::index::RowSet;
use lightning_db_table::{Row, TableReader};
use lightning_db_types::{Value, ValueRef};

use super::access::{Found, each, give_row};
use super::{MORE, Run};
use crate::error::{Error, Result};
use crate::program::{Asked, Nearest, Values};

/// Rows that are asked for at first by distance; each time that is not enough, more of them.
#[cfg(feature = "spatial")]
const NEAREST_FIRST: usize = 32;
#[cfg(feature = "spatial")]
const NEAREST_GROWTH: usize = 4;

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

    /// Rows by their distance from a point, the nearest first.
    #[cfg(feature = "spatial")]
    pub(super) fn nearest(
        &self,
        reader: &TableReader<'_>,
        nearest: &Nearest,
        outer: &[ValueRef<'_>],
        found: &mut Found<'_>,
    ) -> Result<ControlFlow<()>> {
        use lightning_db_table::index::Location;

        let asked = match &nearest.asked[..] {
            [] => None,
            asked => Some(self.functions(reader, &nearest.index, asked, outer)?),
        };
        let centre = match self.value(&nearest.centre, &Values(&[]), outer)? {
            Value::Point { x, y } => Location::new(x, y),
            // All are at no distance: any order will do.
            Value::Null => {
                let give = &mut |row: &Row| give_row(row, found);
                return match &asked {
                    Some(rows) => each(reader.fetch(rows), give),
                    None => each(reader.scan(), give),
                };
            }
            other => {
                let detail = format!("{} is no point", other.value_type());
                return Err(Error::unsupported("an order by distance", detail));
            }
        };
        let index = reader.index(&nearest.index)?;
        let Some(spatial) = index.as_spatial() else {
            return Err(Error::unsupported(&*nearest.index, "it has no distances"));
        };
        let admits = |row_id| asked.as_ref().is_none_or(|rows| rows.contains(row_id));
        let (mut given, mut count) = (0, NEAREST_FIRST);
        loop {
            let near = spatial.nearest_where(reader.reader(), centre, count, admits)?;
            for neighbor in &near[given.min(near.len())..] {
                if let Some(row) = reader.get_by_id(neighbor.row_id)?
                    && give_row(&row, found)?.is_break()
                {
                    return Ok(ControlFlow::Break(()));
                }
            }
            if near.len() < count {
                return MORE;
            }
            (given, count) = (count, count.saturating_mul(NEAREST_GROWTH));
        }
    }

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
