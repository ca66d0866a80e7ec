//! How good plans are, told by their costs under the true numbers of rows, and how much better they
//! become when what was counted is learned.
//!
//! Source: V. Leis et al., "How good are query optimizers, really?", PVLDB 2015, for plans under
//! true cardinalities; P. Negi et al., "Flow-loss", PVLDB 2021, for the ratio to the best plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, ensure};
use lightning_db_optimizer::learning::{Feedback, Memory};
use lightning_db_optimizer::{
    Actual, Catalog, Context, Hints, IndexDefinition, IndexKind, Optimizer, Plan, PlanId, Query,
    Settings, Signature, TableDefinition, TableId, TableStatistics,
};

use super::subplans::{Joins, SubPlan};

/// A query with the rows of all of its sub-plans.
pub(crate) struct Known {
    /// The query.
    pub joins: Joins,
    /// Rows of its sub-plans, in their order.
    pub rows: Vec<u64>,
}

/// A catalog whose statistics lack samples and what columns have in common, as those of most
/// engines do: there is something to be learned.
#[derive(Debug)]
pub(crate) struct Bare<'a> {
    base: &'a dyn Catalog,
    tables: BTreeMap<TableId, (Arc<TableDefinition>, Option<Arc<TableStatistics>>)>,
}

impl<'a> Bare<'a> {
    /// What is left of a catalog.
    pub(crate) fn new(base: &'a dyn Catalog) -> Self {
        let ids = base.table_names().into_iter().filter_map(|name| base.table(&name));
        let without = |table| {
            let mut definition = (*base.definition(table)).clone();
            definition.foreign_keys.clear();
            let known = base.statistics(table).map(|known| {
                let mut known = (*known).clone();
                (known.sample, known.groups, known.joins) = (Vec::new(), Vec::new(), Vec::new());
                Arc::new(known)
            });
            (table, (Arc::new(definition), known))
        };
        Self { base, tables: ids.map(without).collect() }
    }
}

impl Catalog for Bare<'_> {
    fn table(&self, name: &str) -> Option<TableId> {
        self.base.table(name)
    }

    fn table_names(&self) -> Vec<String> {
        self.base.table_names()
    }

    fn definition(&self, table: TableId) -> Arc<TableDefinition> {
        self.tables.get(&table).map_or_else(|| self.base.definition(table), |it| Arc::clone(&it.0))
    }

    fn statistics(&self, table: TableId) -> Option<Arc<TableStatistics>> {
        self.tables.get(&table)?.1.clone()
    }

    fn version(&self) -> u64 {
        self.base.version()
    }
}

/// Indexes on keys and references, as `SQLite` has them here.
pub(crate) fn indexed(catalog: &dyn Catalog) -> lightning_db_optimizer::WhatIf<'_> {
    let mut with = lightning_db_optimizer::WhatIf::new(catalog);
    let tables = catalog.table_names().into_iter().filter_map(|name| catalog.table(&name));
    for table in tables {
        let definition = catalog.definition(table);
        let foreign = definition.foreign_keys.iter().map(|key| &key.columns);
        for (number, columns) in definition.keys.iter().chain(foreign).enumerate() {
            let name = format!("{}_{number}", definition.name);
            let index = IndexDefinition {
                unique: number == 0,
                ..IndexDefinition::new(name, IndexKind::Ordered, columns)
            };
            with = with.with_index(table, index);
        }
    }
    with
}

/// Queries as they stand, so that the parts of plans are the sub-plans that were counted.
fn optimizer() -> Optimizer {
    Optimizer::new(Settings { rewrites: false, ..Settings::default() })
}

/// The truth about a query, as something learned.
struct Truth {
    memory: Memory,
    rows: BTreeMap<Signature, u64>,
}

impl Truth {
    fn new(known: &Known, catalog: &dyn Catalog) -> Self {
        let mut memory = Memory::new(usize::MAX);
        let mut rows = BTreeMap::new();
        let plans: Vec<SubPlan> = known.joins.sub_plans(catalog);
        for (SubPlan { part, .. }, actual) in plans.iter().zip(&known.rows) {
            // What was seen three times counts.
            (0..3).for_each(|_| memory.observe(part, None, *actual as f64));
            rows.insert(part.signature, *actual);
        }
        Self { memory, rows }
    }

    /// What a plan costs under the truth.
    fn cost(&self, query: &Query, catalog: &dyn Catalog, plan: Option<&Plan>) -> Result<f64> {
        let pins = plan.map(Hints::pin).unwrap_or_default();
        let context = Context::new(catalog).with_learned(&self.memory).with_hints(&pins);
        let costed = optimizer().optimize_with(query, &context)?;
        ensure!(
            costed.unmet().is_empty(),
            "not pinned: {:?}\n{}",
            costed.unmet(),
            costed.explain()
        );
        Ok(costed.cost().total)
    }

    /// What would be counted if a plan ran.
    fn counted(&self, plan: &Plan) -> Vec<(PlanId, Actual)> {
        let rows = |id: &PlanId| {
            let part = plan.node(*id).part.as_ref()?;
            let rows = self.rows.get(&part.signature)?;
            Some((*id, Actual::rows(*rows)))
        };
        plan.below(plan.root()).iter().filter_map(rows).collect()
    }
}

/// How many times as much as the best plan the chosen one costs under the truth, for each query, in
/// ascending order.
///
/// # Errors
///
/// When a query has no plan, or one that cannot be pinned.
pub(crate) fn plan_errors(known: &[Known], catalog: &dyn Catalog) -> Result<Vec<f64>> {
    let mut errors = Vec::new();
    for one in known {
        let truth = Truth::new(one, catalog);
        let query = one.joins.query();
        let chosen = optimizer().optimize(query, catalog)?;
        let best = truth.cost(query, catalog, None)?;
        let cost = truth.cost(query, catalog, Some(&chosen))?;
        errors.push((cost / best).max(1.0));
    }
    errors.sort_by(f64::total_cmp);
    Ok(errors)
}

/// Rounds of the queries.
pub(crate) const ROUNDS: usize = 5;

/// For each query, what its plan costs under the truth in each round, while what was counted is
/// learned.
///
/// # Errors
///
/// When a query has no plan, or one that cannot be pinned.
pub(crate) fn rounds(known: &[Known], catalog: &dyn Catalog) -> Result<Vec<Vec<f64>>> {
    let truths: Vec<Truth> = known.iter().map(|one| Truth::new(one, catalog)).collect();
    let mut feedback = Feedback::new(100_000, 1_000);
    let mut costs = vec![Vec::new(); known.len()];
    for _ in 0..ROUNDS {
        for ((one, truth), costs) in known.iter().zip(&truths).zip(&mut costs) {
            let query = one.joins.query();
            let plan = feedback.plan(&optimizer(), query, catalog)?;
            let cost = truth.cost(query, catalog, Some(&plan))?;
            feedback.ran(query, &plan, truth.counted(&plan), cost);
            costs.push(cost);
        }
    }
    Ok(costs)
}
