//! From a query to a plan.
//!
//! A query is rewritten, then planned from its leaves to its root. Every node gives a few ways to
//! its rows: the cheapest, and those that are dearer but sorted in an order that an operator above
//! has use for. Blocks of joins are ordered as one. What is cheapest at the root is the plan; if it
//! is long, it is shared among workers.

mod aggregate;
mod block;
mod build;
mod estimates;
mod finish;
mod hinted;
mod joiner;
mod leaves;
mod lookups;
mod methods;
mod ordering;
mod parallel;
mod planner;
mod rows;
mod sort;
mod tree;
mod uses;
mod ways;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use hinted::penalize;
pub(crate) use planner::dearer;
pub(crate) use uses::all_nodes;

use crate::cardinality::Learned;
use crate::catalog::Catalog;
use crate::cost::{CostModel, Nanoseconds};
use crate::error::{Error, Result};
use crate::hint::{self, Hints, Unmet, UnmetReason};
use crate::join::Budget;
use crate::plan::Plan;
use crate::query::{NodeId, Query};
use crate::rewrite::rewrite;

/// What plans are made by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What work costs.
    pub cost_model: Arc<dyn CostModel>,
    /// How much of what a plan costs more, if there are more rows than expected, is added to what
    /// plans are compared by: 0 for expected costs alone, 1 for the worst case alone.
    pub risk_weight: f64,
    /// Workers that a plan may run on.
    pub workers: u32,
    /// Bytes of decoded columns that the engine keeps between scans: scans of tables that fit are
    /// expected to find most of theirs.
    pub column_cache: usize,
    /// Whether queries are rewritten first.
    pub rewrites: bool,
    /// How much work ordering each block of joins may be.
    pub join_budget: Budget,
    /// Nodes that a query may have.
    pub nodes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cost_model: Arc::new(Nanoseconds::default()),
            risk_weight: 0.1,
            workers: 1,
            column_cache: 0,
            rewrites: true,
            join_budget: Budget::default(),
            nodes_max: 100_000,
        }
    }
}

/// What queries are planned by, beside settings.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// What the engine says.
    pub catalog: &'a dyn Catalog,
    /// What was seen when the same was run before.
    pub learned: Option<&'a dyn Learned>,
    /// What the plan should be like.
    pub hints: Option<&'a Hints>,
}

impl<'a> Context<'a> {
    /// A catalog alone.
    pub fn new(catalog: &'a dyn Catalog) -> Self {
        Self { catalog, learned: None, hints: None }
    }

    /// With what was learned, such as a [`Memory`](crate::learning::Memory).
    #[must_use]
    pub fn with_learned(mut self, learned: &'a dyn Learned) -> Self {
        self.learned = Some(learned);
        self
    }

    /// With hints. Those that the plan does not follow are in [`Plan::unmet`].
    #[must_use]
    pub fn with_hints(mut self, hints: &'a Hints) -> Self {
        self.hints = Some(hints);
        self
    }
}

/// Hints that no plan followed are left out so often, then all of them.
const ROUNDS_MAX: usize = 4;

/// Makes plans. Without state: it may be shared.
#[derive(Debug, Clone, Default)]
pub struct Optimizer {
    settings: Settings,
}

impl Optimizer {
    /// An optimizer with settings.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The plan of a query.
    ///
    /// # Errors
    /// [`Error::Shape`] for a query without a root, [`Error::TooLarge`] for one with more nodes
    /// than the settings allow, or with operators more than 400 deep, joins and filters excepted.
    pub fn optimize(&self, query: &Query, catalog: &dyn Catalog) -> Result<Plan> {
        self.optimize_with(query, &Context::new(catalog))
    }

    /// The plan of a query, by more than the catalog says.
    ///
    /// # Errors
    /// Those of [`optimize`](Self::optimize).
    pub fn optimize_with(&self, query: &Query, context: &Context<'_>) -> Result<Plan> {
        let catalog = context.catalog;
        let Some(root) = query.root() else {
            let detail = "there is no root; set one with set_root".to_owned();
            return Err(Error::Shape { what: "a plan", detail });
        };
        let limit = self.settings.nodes_max;
        if query.node_count() > limit {
            return Err(Error::TooLarge { what: "nodes", found: query.node_count(), limit });
        }
        uses::check_depth(query, root)?;
        let mut query = query.clone();
        let applied =
            if self.settings.rewrites { rewrite(&mut query, catalog) } else { Vec::new() };
        let root = query.root().unwrap_or(root);
        let plan = match context.hints.filter(|hints| !hints.is_empty()) {
            Some(hints) => self.plan_hinted((&query, root), context, hints),
            None => self.plan((query, root), context, None),
        };
        Ok(Plan { applied, ..plan })
    }

    fn plan(
        &self,
        (query, root): (Query, NodeId),
        context: &Context<'_>,
        hints: Option<&Hints>,
    ) -> Plan {
        let catalog = context.catalog;
        let prepared = planner::Prepared::new(query, catalog, hints);
        let estimates = estimates::Estimates::new(&prepared.query, catalog, context.learned);
        let planner = planner::Planner::new(&prepared, catalog, &estimates, &self.settings);
        let plan = planner.plan_root(root);
        drop(estimates);
        let plan = Plan { query: prepared.query, ..plan };
        parallel::share(plan, &*self.settings.cost_model, self.settings.workers)
    }

    /// A plan by hints: those that it does not follow are left out, so that they do not stand in
    /// the way of the others.
    fn plan_hinted(
        &self,
        (query, root): (&Query, NodeId),
        context: &Context<'_>,
        hints: &Hints,
    ) -> Plan {
        let (mut hints, mut unmet) = (hints.clone(), Vec::new());
        for _ in 0..ROUNDS_MAX {
            let plan = self.plan((query.clone(), root), context, Some(&hints));
            let found = hint::unmet(&plan, &hints, context.catalog);
            if found.is_empty() {
                return Plan { unmet, ..plan };
            }
            // What is no order may be met once an order that is impossible is gone.
            let orders: Vec<Unmet> = found.iter().filter(|it| it.comes_first()).cloned().collect();
            let found = if orders.is_empty() { found } else { orders };
            hints = hints.without(&found);
            unmet.extend(found);
        }
        let reason = UnmetReason::Impossible;
        let rest = hints.list().iter();
        unmet.extend(rest.map(|hint| Unmet { hint: hint.clone(), reason: reason.clone() }));
        Plan { unmet, ..self.plan((query.clone(), root), context, None) }
    }
}
