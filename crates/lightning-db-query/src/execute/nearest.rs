//! Rows by their distance from a point.

use std::ops::ControlFlow;

use lightning_db_table::index::Location;
use lightning_db_table::{Row, TableReader};
use lightning_db_types::{Value, ValueRef};

use super::access::{Found, each, give_row};
use super::{MORE, Run};
use crate::error::{Error, Result};
use crate::program::{Nearest, Values};
use crate::search::Form;

/// Rows that are asked for at first; each time that is not enough, more of them.
const NEAREST_FIRST: usize = 32;
const NEAREST_GROWTH: usize = 4;

impl Run<'_> {
    /// Rows by their distance from a point, the nearest first.
    pub(super) fn nearest(
        &self,
        reader: &TableReader<'_>,
        nearest: &Nearest,
        outer: &[ValueRef<'_>],
        found: &mut Found<'_>,
    ) -> Result<ControlFlow<()>> {
        if nearest.by.function.form() == Form::Score {
            return self.best(reader, nearest, outer, found);
        }
        let asked = match &nearest.asked[..] {
            [] => None,
            asked => Some(self.functions(reader, &nearest.index, asked, outer)?),
        };
        let centre = match self.value(&nearest.by.given[0], &Values(&[]), outer)? {
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
}
