//! Plans of queries that run again and again.

use std::collections::BTreeMap;

use super::{Memory, Trials, Verdict};
use crate::catalog::Catalog;
use crate::error::Result;
use crate::explain::Actual;
use crate::hint::Hints;
use crate::optimize::{Context, Optimizer};
use crate::plan::{Plan, PlanId};
use crate::query::Query;

/// What was learned of queries, with the plans that proved good: a plan that is changed by what was
/// learned is on probation, and one that is slower than the plan before it is taken back.
///
/// Queries that differ only in the magnitude of constants count as one. What is kept of a plan are
/// [`Hints`], so that no plan of another query is ever run; where they no longer fit,
/// [`Plan::unmet`] says so.
///
/// # Examples
/// ```
/// use lightning_db_optimizer::learning::{Feedback, Verdict};
/// use lightning_db_optimizer::{Actual, MemoryCatalog, Optimizer, QueryBuilder};
/// let mut catalog = MemoryCatalog::new();
/// catalog.add_table("city", &[("id", lightning_db_optimizer::types::ValueType::I64)], &[])?;
/// let query = QueryBuilder::scan("city", "c").build(&catalog)?;
/// let mut feedback = Feedback::new(10_000, 1_000);
/// let plan = feedback.plan(&Optimizer::default(), &query, &catalog)?;
/// // It runs, and gives seven rows in 50 us.
/// let counted = [(plan.root(), Actual::rows(7))];
/// assert_eq!(feedback.ran(&query, &plan, counted, 50.0), Verdict::Keep);
/// # Ok::<(), lightning_db_optimizer::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Feedback {
    memory: Memory,
    trials: Trials,
    /// By query, the plan that is kept.
    kept: BTreeMap<u64, Kept>,
    queries_max: usize,
    now: u64,
}

#[derive(Debug, Clone)]
struct Kept {
    pins: Hints,
    used: u64,
}

impl Feedback {
    /// Of at most so many parts of queries, and queries.
    pub fn new(parts_max: usize, queries_max: usize) -> Self {
        Self::with_memory(Memory::new(parts_max), queries_max)
    }

    /// With what was learned before, such as one that was [decoded](Memory::decode).
    pub fn with_memory(memory: Memory, queries_max: usize) -> Self {
        let queries_max = queries_max.max(1);
        let (trials, kept) = (Trials::new(queries_max), BTreeMap::new());
        Self { memory, trials, kept, queries_max, now: 0 }
    }

    /// What was learned.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The plan that a query is to be run by: the best by what was learned, unless that was slower
    /// than the one before.
    ///
    /// # Errors
    /// Those of [`Optimizer::optimize`].
    pub fn plan(
        &self,
        optimizer: &Optimizer,
        query: &Query,
        catalog: &dyn Catalog,
    ) -> Result<Plan> {
        let context = Context::new(catalog).with_learned(&self.memory);
        let plan = optimizer.optimize_with(query, &context)?;
        let id = number(query);
        match self.kept.get(&id) {
            Some(kept) if self.trials.is_refused(id, shape(&Hints::pin(&plan))) => {
                optimizer.optimize_with(query, &context.with_hints(&kept.pins))
            }
            _ => Ok(plan),
        }
    }

    /// Notes that a plan ran, what was counted of its nodes, and how long it took, in any unit;
    /// judges it. `query` is the one that was planned.
    pub fn ran(
        &mut self,
        query: &Query,
        plan: &Plan,
        actual: impl IntoIterator<Item = (PlanId, Actual)>,
        time: f64,
    ) -> Verdict {
        self.now += 1;
        self.memory.observe_plan(plan, actual);
        let (id, pins) = (number(query), Hints::pin(plan));
        let verdict = self.trials.ran(id, shape(&pins), time);
        match (&verdict, self.kept.get_mut(&id)) {
            (Verdict::Keep, _) => {
                self.kept.insert(id, Kept { pins, used: self.now });
            }
            (_, Some(kept)) => kept.used = self.now,
            (_, None) => {}
        }
        if self.kept.len() > self.queries_max {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                self.kept.remove(&oldest);
            }
        }
        verdict
    }
}

/// A number for a query, the same for those that differ in what their signature leaves out.
fn number(query: &Query) -> u64 {
    query.root().map_or(0, |root| query.signature(root).number())
}

/// A number for what is pinned of a plan.
fn shape(pins: &Hints) -> u64 {
    crate::fingerprint::text(&pins.to_string())
}
