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
mod joiner;
mod methods;
mod ordering;
mod parallel;
mod planner;
mod rows;
mod sort;
mod tree;
mod uses;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use planner::dearer;

use crate::catalog::Catalog;
use crate::cost::{CostModel, Nanoseconds};
use crate::error::{Error, Result};
use crate::join::Budget;
use crate::plan::Plan;
use crate::query::Query;
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
            rewrites: true,
            join_budget: Budget::default(),
            nodes_max: 100_000,
        }
    }
}

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
        let prepared = planner::Prepared::new(query, catalog);
        let estimates = estimates::Estimates::new(&prepared.query, catalog);
        let planner = planner::Planner::new(&prepared, catalog, &estimates, &self.settings);
        let plan = Plan { applied, ..planner.plan_root(root) };
        Ok(parallel::share(plan, &*self.settings.cost_model, self.settings.workers))
    }
}
