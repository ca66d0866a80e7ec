//! Window functions, made ready.

use lightning_db_optimizer::{ColumnId, Operator, PlanId, WindowFunction as Planned};

use super::{Aggregated, Compiler, Computed, Scope, Sorted, numbered};
use crate::error::{Error, Result};
use crate::window::{Frame, WindowFunction};

/// Rows with what window functions make of them behind their columns.
#[derive(Debug)]
pub(crate) struct Windows {
    pub(crate) input: PlanId,
    pub(crate) functions: Vec<Window>,
}

/// A window function.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) function: WindowFunction,
    pub(crate) arguments: Vec<Computed>,
    /// Of an aggregate: how it is computed.
    pub(crate) aggregated: Option<Aggregated>,
    /// Columns of the partition, and behind them those of the order in it.
    pub(crate) sorted: Vec<Sorted>,
    /// How many of them are of the partition.
    pub(crate) partition: usize,
    pub(crate) frame: Frame,
}

impl Compiler<'_> {
    pub(super) fn windows(&mut self, operator: &Operator, outer: &[ColumnId]) -> Result<Windows> {
        let Operator::Window { input, functions } = operator else {
            return Err(Error::unsupported("a window function", "it is none"));
        };
        let functions = functions.iter().map(|(_, planned)| self.window(*input, planned, outer));
        Ok(Windows { input: *input, functions: functions.collect::<Result<_>>()? })
    }

    fn window(&mut self, input: PlanId, planned: &Planned, outer: &[ColumnId]) -> Result<Window> {
        let known = WindowFunction::named(&planned.name).zip(Frame::parse(&planned.frame));
        let Some((function, frame)) = known else {
            let what = format!("the window function {}", planned.name);
            return Err(Error::unsupported(what, "it is not known here"));
        };
        let own = numbered(&self.plan.node(input).columns);
        let arguments = self.scalars(&planned.arguments, Scope::new(&own, outer))?;
        let (fewest, most) = function.arguments();
        if !(fewest..=most).contains(&arguments.len()) {
            return Err(Error::unsupported(function.name(), "it takes other arguments"));
        }
        let aggregated = match function {
            WindowFunction::Aggregate(function) => Some(Aggregated {
                function,
                argument: arguments.first().cloned(),
                distinct: false,
                filter: Vec::new(),
            }),
            _ => None,
        };
        let mut sorted = Vec::with_capacity(planned.partition.len() + planned.order.len());
        for column in &planned.partition {
            let position = self.position(input, *column)?;
            sorted.push(Sorted { position, descending: false, nulls_first: false });
        }
        sorted.extend(self.sorted(input, &planned.order)?);
        let partition = planned.partition.len();
        Ok(Window { function, arguments, aggregated, sorted, partition, frame })
    }
}
