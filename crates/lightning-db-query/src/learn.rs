//! What runs teach of the rows that plans find.
//!
//! A statement counts the rows of its operators in a few of its runs: the second to the fourth, and
//! then each whose number is a power of two, up to a thousand. What was counted corrects the
//! estimates of all plans that are made from then on; a statement that was off is planned again,
//! and a plan that is changed so is on probation, as [`Feedback`] has it. A look-up by key has
//! nothing to teach, and counts nothing. Rows that a query gives never depend on any of it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lightning_db_optimizer::learning::{Feedback, Memory, Verdict};
use lightning_db_optimizer::{Actual, Catalog, Optimizer, Plan, PlanId, Query};
use lightning_db_storage::{KeyspaceOptions, Store};
use lightning_db_types::Value;
use parking_lot::RwLock;

use crate::error::Result;

/// Parts of queries that are remembered, of 40 bytes or so each.
const PARTS_MAX: usize = 10_000;
/// Queries whose plans are on trial, or were.
const QUERIES_MAX: usize = 1_000;
/// Runs of a plan after which nothing is counted any more.
const RUNS_MAX: u32 = 1_024;
/// Runs that are counted before a plan is made anew for what they taught.
const COUNTED_MIN: u32 = 3;
/// Estimates that are off by less are good enough.
const OFF_MIN: f64 = 2.0;

/// The keyspace of what is kept, and its one key.
const KEYSPACE: &str = "lightning/learned";
const KEY: &[u8] = b"memory";

/// What the runs of all statements of an engine have taught.
#[derive(Debug)]
pub(crate) struct Learned {
    feedback: RwLock<Feedback>,
}

/// The runs of one plan.
#[derive(Debug)]
pub(crate) struct Lessons {
    query: Query,
    runs: AtomicU32,
}

impl Lessons {
    pub(crate) fn new(query: &Query) -> Self {
        Self { query: query.clone(), runs: AtomicU32::new(0) }
    }

    /// The query as it was planned: with the values that the plan is for, if it is for some.
    pub(crate) fn query(&self) -> &Query {
        &self.query
    }

    /// Begins a run; says whether it is to be counted: a plan for some values is taught by runs
    /// with the very same. Runs that begin at one moment may be taken for one: it costs a lesson
    /// and no lock. Past the last lesson nothing is written any more, so that threads do not share
    /// a line of the cache that changes.
    pub(crate) fn begin_run(&self, values: &[Value]) -> bool {
        let run = self.runs.load(Ordering::Relaxed);
        let mut bound = self.query.bound();
        if run > RUNS_MAX || !bound.all(|(number, value)| values.get(number) == Some(value)) {
            return false;
        }
        self.runs.store(run + 1, Ordering::Relaxed);
        (1..=COUNTED_MIN).contains(&run) || (run > COUNTED_MIN && run.is_power_of_two())
    }

    /// Goes on where those of a plan for the same were.
    pub(crate) fn go_on_from(&self, other: &Self) {
        self.runs.store(other.runs.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Learned {
    /// What was kept in a store, or nothing. What cannot be read is as good as nothing: it is
    /// learned again.
    pub(crate) fn open(store: &Store) -> Self {
        let kept = store.open_keyspace(KEYSPACE).and_then(|keyspace| keyspace.get(KEY));
        let memory = kept.ok().flatten().and_then(|bytes| Memory::decode(&bytes).ok());
        let memory = memory.unwrap_or_else(|| Memory::new(PARTS_MAX));
        Self { feedback: RwLock::new(Feedback::with_memory(memory, QUERIES_MAX)) }
    }

    /// Keeps what was learned in a store.
    pub(crate) fn save(&self, store: &Store) -> Result<()> {
        let bytes = self.feedback.read().memory().encode()?;
        let of_tables = lightning_db_table::Error::from;
        let keyspace = store.keyspace(KEYSPACE, KeyspaceOptions::new()).map_err(of_tables)?;
        let mut batch = store.batch();
        batch.insert(&keyspace, KEY, bytes);
        batch.commit().map_err(of_tables)?;
        Ok(())
    }

    /// The plan of a query by what was learned.
    pub(crate) fn plan(
        &self,
        optimizer: &Optimizer,
        query: &Query,
        catalog: &dyn Catalog,
    ) -> Result<Plan> {
        Ok(self.feedback.read().plan(optimizer, query, catalog)?)
    }

    /// Takes what was counted of a plan's run; says whether its statement should be planned again.
    pub(crate) fn take(
        &self,
        lessons: &Lessons,
        plan: &Plan,
        counted: &[(PlanId, Actual)],
        time: Duration,
    ) -> bool {
        let time = time.as_secs_f64();
        let counted = || counted.iter().copied();
        let verdict = self.feedback.write().ran(&lessons.query, plan, counted(), time);
        let is_early = lessons.runs.load(Ordering::Relaxed) <= COUNTED_MIN;
        let is_off = || plan.explain().with_actual(counted()).q_error_max() >= Some(OFF_MIN);
        matches!(verdict, Verdict::RollBack(_)) || (!is_early && is_off())
    }
}
