//! Plans of one statement for several values of its parameters.
//!
//! The plan of a statement is made for no values. Where columns are uneven, or ranges are asked
//! for, another may be far better for some: a run's values are turned into shares of rows, and the
//! plan for about these shares is looked up, or made. It is right for any other values.
//!
//! A statement that finds its rows by a key has nothing to choose, and pays nothing. One whose
//! plans turn out to be the same for the least and the most rows pays for its first runs alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use lightning_db_optimizer::cache::{
    CacheCounters, CacheKey, Lookup, ParameterShares, PlanCache, Question, SELECTIVITIES_MAX,
};
use lightning_db_optimizer::{Catalog, Plan, Query, StatisticsDigest, TableId};
use lightning_db_types::Value;
use parking_lot::Mutex;

use super::{Prepared, Statement};
use crate::catalog::TableCatalog;
use crate::source::Source;

/// Plans of all statements of an engine.
const PLANS_MAX: usize = 256;
/// Plans that are made for the values of one statement, until it is planned anew: values that are
/// in no region then run by the plan for any.
const PLANNED_MAX: u32 = 32;
/// Runs by plans for their values before it is tried whether all values have one plan.
const TRIED_AT: u32 = 16;

/// The plans of all statements of an engine.
#[derive(Debug)]
pub(crate) struct Variants {
    plans: Mutex<PlanCache<Variant>>,
    /// Numbers of statements, and of plans that others are compared with.
    numbers: AtomicU64,
}

/// A plan for some values.
#[derive(Debug, Clone)]
struct Variant {
    prepared: Arc<Prepared>,
    shape: String,
}

impl PartialEq for Variant {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape
    }
}

/// What a statement chooses its plan by.
#[derive(Debug)]
pub(crate) struct Choice {
    query: Query,
    shares: ParameterShares,
    statistics: Vec<(TableId, StatisticsDigest)>,
    version: u64,
    epoch: u64,
    /// What the plan for any values does.
    shape: String,
    planned: AtomicU32,
    runs: AtomicU32,
    is_settled: AtomicBool,
}

/// What a run should do.
pub(crate) enum Chosen {
    /// Run by the plan for any values.
    Any,
    Known(Arc<Prepared>),
    /// Make a plan for the values.
    New,
    /// Run by this one, and [try](Choice::settle) whether there is something to choose at all.
    Trial(Arc<Prepared>),
}

impl Variants {
    pub(crate) fn new() -> Self {
        Self { plans: Mutex::new(PlanCache::new(PLANS_MAX)), numbers: AtomicU64::new(0) }
    }

    /// A number that no other statement, and no other plan, has.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn counters(&self) -> CacheCounters {
        self.plans.lock().counters()
    }

    /// The plan of a statement for some values.
    pub(crate) fn choose(&self, statement: u64, choice: &Choice, values: &[Value]) -> Chosen {
        if choice.is_settled.load(Ordering::Relaxed) {
            return Chosen::Any;
        }
        let statement = statement.to_le_bytes();
        let mut shares = [0.0; SELECTIVITIES_MAX];
        let question = choice.question(&statement, choice.shares.of(values, &mut shares));
        let found = match self.plans.lock().find(&question, |table| choice.digest(table)) {
            Lookup::Hit(variant) => Some(Arc::clone(&variant.prepared)),
            _ => None,
        };
        let runs = choice.runs.load(Ordering::Relaxed);
        match found {
            // Runs that begin at one moment may be taken for one.
            Some(prepared) if runs < TRIED_AT => {
                choice.runs.store(runs + 1, Ordering::Relaxed);
                if runs + 1 == TRIED_AT { Chosen::Trial(prepared) } else { Chosen::Known(prepared) }
            }
            Some(prepared) => Chosen::Known(prepared),
            None => {
                let planned = choice.planned.load(Ordering::Relaxed);
                if planned >= PLANNED_MAX {
                    return Chosen::Any;
                }
                choice.planned.store(planned + 1, Ordering::Relaxed);
                Chosen::New
            }
        }
    }

    /// Keeps a plan that was made for some values.
    pub(crate) fn keep(
        &self,
        statement: u64,
        choice: &Choice,
        (values, prepared): (&[Value], &Arc<Prepared>),
    ) {
        let statement = statement.to_le_bytes();
        let mut shares = [0.0; SELECTIVITIES_MAX];
        let question = choice.question(&statement, choice.shares.of(values, &mut shares));
        let (prepared, shape) = (Arc::clone(prepared), shape(&prepared.plan));
        let variant = Variant { prepared, shape };
        self.plans.lock().insert(&question, choice.statistics.clone(), variant);
    }

    /// Forgets the plans of a statement that is no more, or has nothing to choose.
    pub(crate) fn forget(&self, statement: u64) {
        self.plans.lock().forget(&key(&statement.to_le_bytes(), 0));
    }
}

impl Choice {
    /// What there is to choose for a query with this plan for any values; `None` if there is
    /// nothing.
    pub(crate) fn new(
        query: &Query,
        (plan, tables): (&Plan, &[TableId]),
        catalog: &TableCatalog,
        variants: &Variants,
    ) -> Option<Self> {
        let shares = ParameterShares::new(plan.query(), catalog)?;
        let digest = |table: &TableId| Some((*table, catalog.statistics(*table)?.digest()));
        let statistics = tables.iter().filter_map(digest).collect();
        Some(Self {
            query: query.clone(),
            shares,
            statistics,
            version: plan.version(),
            epoch: variants.number(),
            shape: shape(plan),
            planned: AtomicU32::new(0),
            runs: AtomicU32::new(0),
            is_settled: AtomicBool::new(false),
        })
    }

    /// The query, with the values that matter.
    pub(crate) fn bound(&self, values: &[Value]) -> Query {
        let known = self.shares.parameters().iter();
        self.bind(known.filter_map(|number| Some((*number, values.get(*number)?.clone()))))
    }

    fn bind(&self, values: impl IntoIterator<Item = (usize, Value)>) -> Query {
        let mut query = self.query.clone();
        for (number, value) in values {
            query.bind(number, value);
        }
        query
    }

    /// Where the plan is the same for values that leave few rows and for those that leave many,
    /// nothing is looked up any more. Says so.
    pub(crate) fn settle(&self, plan: impl Fn(&Query) -> Option<Plan>) -> bool {
        let is_same = |values| plan(&self.bind(values)).is_some_and(|it| shape(&it) == self.shape);
        let is_settled = self.shares.corners().all(is_same);
        self.is_settled.store(is_settled, Ordering::Relaxed);
        is_settled
    }

    fn question<'q>(&self, statement: &'q [u8], selectivities: &'q [f64]) -> Question<'q> {
        Question { key: key(statement, self.version), selectivities, epoch: self.epoch }
    }

    fn digest(&self, table: TableId) -> Option<StatisticsDigest> {
        let known = self.statistics.iter().find(|(known, _)| *known == table);
        known.map(|(_, digest)| digest.clone())
    }
}

impl Statement {
    /// The plan for the values of a run; `None` if that for any values is to be used.
    pub(super) fn choose(
        &self,
        (any, choice): (&Prepared, &Choice),
        source: Source<'_>,
        values: &[Value],
    ) -> Option<Arc<Prepared>> {
        let variants = self.engine.variants.as_ref()?;
        match variants.choose(self.number, choice, values) {
            Chosen::Any => None,
            Chosen::Known(prepared) => Some(prepared),
            Chosen::New => {
                any.check_parameters(values).ok()?;
                // Shares of tables that have moved since say nothing of the plans of now.
                if !any.is_near(source).ok()? {
                    return self.prepare_again(source).ok();
                }
                let (query, catalog) = (choice.bound(values), self.engine.catalog_of(source).ok()?);
                // What cannot be planned or run for these values is run by the plan for any.
                let made = Prepared::of_query(&self.engine, (&query, &self.hints), &catalog);
                let made = Arc::new(made.ok()?);
                self.keep(choice, values, &made);
                Some(made)
            }
            Chosen::Trial(prepared) => {
                let catalog = self.engine.catalog_of(source).ok()?;
                if choice.settle(|query| self.engine.plan((query, &self.hints), &catalog).ok()) {
                    variants.forget(self.number);
                }
                Some(prepared)
            }
        }
    }

    /// Keeps the plan for some values as if it were that for others.
    #[cfg(test)]
    pub(crate) fn poison<'s>(
        &self,
        source: impl Into<Source<'s>>,
        (values, others): (&[Value], &[Value]),
    ) {
        let known = self.prepared.load();
        let Some(choice) = &known.choice else { return };
        let (query, catalog) = (choice.bound(values), self.engine.catalog_of(source.into()));
        let made = Prepared::of_query(&self.engine, (&query, &self.hints), &catalog.unwrap());
        self.keep(choice, others, &Arc::new(made.unwrap()));
    }

    /// Keeps a plan that was made for some values.
    pub(super) fn keep(&self, choice: &Choice, values: &[Value], prepared: &Arc<Prepared>) {
        if let Some(variants) = &self.engine.variants {
            variants.keep(self.number, choice, (values, prepared));
        }
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        if let Some(variants) = &self.engine.variants {
            variants.forget(self.number);
        }
    }
}

/// A statement has one query, and settings and types are its own.
fn key(statement: &[u8], version: u64) -> CacheKey<'_> {
    CacheKey { query: statement, types: &[], settings: 0, version }
}

/// What a plan does, whatever it costs.
fn shape(plan: &Plan) -> String {
    plan.explain().without_costs().to_string()
}
