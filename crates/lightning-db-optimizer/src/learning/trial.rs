//! Plans on probation: what is slower than the plan before it is taken back.

use std::collections::BTreeMap;

/// Times that a plan must have run before it is judged.
const RUNS_MIN: u32 = 3;
/// A plan that takes so many times as long as the one before it is taken back.
const SLOWER_MAX: f64 = 1.2;
/// A plan that takes so many times as long is taken back before it has run so often: one run may
/// be slow by chance, but a verdict that is wrong costs a gain, and waiting costs slow queries.
const SLOWER_AT_ONCE: f64 = 1.5;

/// What is to be done with a plan that ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the plan of its query.
    Keep,
    /// It must run more often before it is judged.
    Probation,
    /// It is slower: use the plan with this number instead, and this one no more.
    RollBack(u64),
}

/// How long the plans of queries took. Queries and plans are numbers that the caller chooses, such
/// as hashes of their text.
///
/// # Examples
/// ```
/// use lightning_db_optimizer::learning::{Trials, Verdict};
/// let mut trials = Trials::new(100);
/// for _ in 0..3 {
///     trials.ran(1, 10, 100.0);
/// }
/// assert_eq!(trials.ran(1, 11, 130.0), Verdict::Probation);
/// assert_eq!(trials.ran(1, 11, 131.0), Verdict::Probation);
/// assert_eq!(trials.ran(1, 11, 129.0), Verdict::RollBack(10));
/// assert!(trials.is_refused(1, 11));
/// // What is much slower is taken back at once.
/// assert_eq!(trials.ran(1, 12, 300.0), Verdict::RollBack(10));
/// ```
#[derive(Debug, Clone)]
pub struct Trials {
    queries: BTreeMap<u64, Trial>,
    queries_max: usize,
    now: u64,
}

#[derive(Debug, Clone)]
struct Trial {
    plan: Runs,
    /// The plan that may take its place.
    next: Option<Runs>,
    /// Plans that were slower than another.
    refused: Vec<u64>,
    used: u64,
}

/// A plan with its average time; the last runs count most.
#[derive(Debug, Clone, Copy)]
struct Runs {
    plan: u64,
    count: u32,
    time: f64,
}

/// Plans of a query that are remembered as slower; older ones may be tried again.
const REFUSED_MAX: usize = 8;

impl Runs {
    fn new(plan: u64, time: f64) -> Self {
        Self { plan, count: 1, time }
    }

    fn ran(&mut self, time: f64) {
        self.count = self.count.saturating_add(1);
        self.time += (time - self.time) / f64::from(self.count.min(16));
    }
}

impl Trials {
    /// Trials of at most so many queries, at least one. Those that did not run for longest are
    /// forgotten.
    pub fn new(queries_max: usize) -> Self {
        Self { queries: BTreeMap::new(), queries_max: queries_max.max(1), now: 0 }
    }

    /// Notes that a plan of a query took so long, in any unit, and judges it. The first plan of a
    /// query is kept; another is on probation for three runs, or until it takes half as long again.
    /// If the first has not run three times itself, there is nothing to compare with, and the other
    /// takes its place.
    pub fn ran(&mut self, query: u64, plan: u64, time: f64) -> Verdict {
        self.now += 1;
        let new =
            || Trial { plan: Runs::new(plan, time), next: None, refused: Vec::new(), used: 0 };
        let known = self.queries.contains_key(&query);
        let trial = self.queries.entry(query).or_insert_with(new);
        trial.used = self.now;
        let verdict = if known { trial.ran(plan, time) } else { Verdict::Keep };
        if self.queries.len() > self.queries_max {
            let oldest = self.queries.iter().min_by_key(|(_, trial)| trial.used);
            if let Some(oldest) = oldest.map(|(query, _)| *query) {
                self.queries.remove(&oldest);
            }
        }
        verdict
    }

    /// Whether a plan was slower than another one of its query.
    pub fn is_refused(&self, query: u64, plan: u64) -> bool {
        self.queries.get(&query).is_some_and(|trial| trial.refused.contains(&plan))
    }
}

impl Trial {
    fn ran(&mut self, plan: u64, time: f64) -> Verdict {
        if plan == self.plan.plan {
            self.plan.ran(time);
            return Verdict::Keep;
        }
        if self.refused.contains(&plan) {
            return Verdict::RollBack(self.plan.plan);
        }
        let next = match &mut self.next {
            Some(next) if next.plan == plan => {
                next.ran(time);
                *next
            }
            next => *next.insert(Runs::new(plan, time)),
        };
        if self.plan.count >= RUNS_MIN {
            let is_new = next.count < RUNS_MIN;
            let slower_max = if is_new { SLOWER_AT_ONCE } else { SLOWER_MAX };
            if next.time > self.plan.time * slower_max {
                self.refuse(plan);
                return Verdict::RollBack(self.plan.plan);
            }
            if is_new {
                return Verdict::Probation;
            }
        }
        self.next = None;
        self.plan = next;
        Verdict::Keep
    }

    fn refuse(&mut self, plan: u64) {
        self.next = None;
        if self.refused.len() == REFUSED_MAX {
            self.refused.remove(0);
        }
        self.refused.push(plan);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled() -> Trials {
        let mut trials = Trials::new(2);
        for _ in 0..3 {
            assert_eq!(trials.ran(1, 10, 100.0), Verdict::Keep);
        }
        trials
    }

    #[test]
    fn a_plan_that_is_as_fast_is_kept() {
        let mut trials = settled();
        for (time, verdict) in
            [(115.0, Verdict::Probation), (119.0, Verdict::Probation), (118.0, Verdict::Keep)]
        {
            assert_eq!(trials.ran(1, 11, time), verdict);
        }
        assert!(!trials.is_refused(1, 11));
        assert_eq!(trials.ran(1, 10, 140.0), Verdict::Probation, "the old one is the other now");
    }

    #[test]
    fn a_plan_that_was_taken_back_stays_refused() {
        let mut trials = settled();
        let verdicts = [(); 4].map(|()| trials.ran(1, 11, 125.0));
        let back = Verdict::RollBack(10);
        assert_eq!(verdicts, [Verdict::Probation, Verdict::Probation, back, back]);
        assert!(trials.is_refused(1, 11) && !trials.is_refused(1, 10) && !trials.is_refused(2, 11));
    }

    #[test]
    fn a_plan_that_is_much_slower_is_taken_back_at_once() {
        let mut trials = settled();
        assert_eq!(trials.ran(1, 11, 149.0), Verdict::Probation);
        assert_eq!(trials.ran(1, 11, 155.0), Verdict::RollBack(10), "152 in the middle");
        assert_eq!(trials.ran(1, 12, 151.0), Verdict::RollBack(10));
        assert!(trials.is_refused(1, 11) && trials.is_refused(1, 12));
    }

    #[test]
    fn without_a_comparison_the_new_plan_takes_over() {
        let mut trials = Trials::new(2);
        assert_eq!(trials.ran(1, 10, 1.0), Verdict::Keep);
        assert_eq!(trials.ran(1, 11, 100.0), Verdict::Keep);
    }

    #[test]
    fn queries_that_did_not_run_for_longest_are_forgotten() {
        let mut trials = settled();
        trials.ran(2, 1, 1.0);
        trials.ran(3, 1, 1.0);
        assert_eq!(trials.ran(1, 12, 900.0), Verdict::Keep, "query 1 is new again");
    }
}
