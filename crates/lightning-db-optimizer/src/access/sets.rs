//! Sets of rows: what several indexes find, put together.

use super::Search;
use super::found::Found;
use super::path::{Maker, Path};
use crate::catalog::IndexKind;
use crate::cost::Work;
use crate::estimate::Estimate;
use crate::plan::{KeyPart, RowSet};
use crate::query::{Scalar, ScalarId};

/// Sets that are put together, at most.
const SETS_MAX: usize = 4;

/// A set of rows, and what is known of it.
#[derive(Debug, Clone)]
struct Set {
    rows_of: RowSet,
    cost: f64,
    rows: Estimate,
    exact: Vec<ScalarId>,
    narrowing: Vec<ScalarId>,
}

impl Maker<'_, '_> {
    /// The ways by sets: of one bitmap index, and of several indexes of any kind.
    pub(super) fn of_sets(&self, found: &[Found]) -> Vec<Path> {
        let mut sets: Vec<Set> = found.iter().filter_map(|one| self.search.set(one)).collect();
        sets.extend(self.search.unions());
        let alone = |set: &&Set| match &set.rows_of {
            RowSet::Index(scan) => self.search.relation.index(scan.index).kind == IndexKind::Bitmap,
            RowSet::All(_) | RowSet::Any(_) => true,
        };
        let mut paths: Vec<Path> = sets.iter().filter(alone).map(|set| self.of_set(set)).collect();
        paths.extend(self.search.intersection(sets).map(|set| self.of_set(&set)));
        paths
    }

    fn of_set(&self, set: &Set) -> Path {
        self.by_set(set.rows_of.clone(), set.cost, set.rows, &set.exact)
    }
}

impl Search<'_> {
    fn set(&self, found: &Found) -> Option<Set> {
        let skips = found.scan.key.contains(&KeyPart::Any) && found.kind != IndexKind::Bitmap;
        if !found.narrows() || skips {
            return None;
        }
        Some(Set {
            rows_of: RowSet::Index(found.scan.clone()),
            cost: self.set_cost(found),
            rows: found.entries,
            exact: found.exact.clone(),
            narrowing: found.narrowing.clone(),
        })
    }

    /// The sets together that make what is fetched so few that it pays: the best one first, then
    /// each that makes it better.
    fn intersection(&self, mut sets: Vec<Set>) -> Option<Set> {
        let rank = |set: &Set| self.set_rank(set.cost, &set.rows);
        sets.sort_by(|left, right| rank(left).total_cmp(&rank(right)));
        let mut sets = sets.into_iter();
        let mut all = sets.next()?;
        let mut parts = vec![all.rows_of.clone()];
        for set in sets {
            let known = |id: &ScalarId| all.narrowing.contains(id);
            if parts.len() == SETS_MAX || set.narrowing.iter().any(known) {
                continue;
            }
            let narrowing = [&all.narrowing[..], &set.narrowing].concat();
            let rows = self.set_rows(&narrowing, all.rows.high.min(set.rows.high));
            let combine = self.model.cost(&Work::SetCombine { rows: all.rows.point });
            let cost = all.cost + set.cost + combine;
            if self.set_rank(cost, &rows) < rank(&all) {
                let exact = [&all.exact[..], &set.exact].concat();
                parts.push(set.rows_of.clone());
                all = Set { rows_of: RowSet::All(parts.clone()), cost, rows, exact, narrowing };
            }
        }
        (parts.len() > 1).then_some(all)
    }

    /// The conditions of which each case has an index.
    fn unions(&self) -> Vec<Set> {
        self.conditions.iter().filter_map(|condition| self.union(*condition)).collect()
    }

    fn union(&self, condition: ScalarId) -> Option<Set> {
        let Scalar::Or(cases) = self.query.scalar(condition) else { return None };
        let (mut sets, mut cost, mut exact) = (Vec::new(), 0.0, true);
        let mut rows = Estimate::exact(0.0);
        for case in cases {
            let all = match self.query.scalar(*case) {
                Scalar::And(all) => all.clone(),
                _ => vec![*case],
            };
            let set = self.best_set(&all)?;
            exact &= all.iter().all(|id| set.exact.contains(id));
            cost += set.cost;
            rows = rows.plus(set.rows);
            sets.push(set.rows_of);
        }
        if sets.is_empty() {
            return None;
        }
        let rows = rows.at_most(self.relation.rows);
        cost += self.model.cost(&Work::SetCombine { rows: rows.point });
        Some(Set {
            rows_of: RowSet::Any(sets),
            cost,
            rows,
            exact: if exact { vec![condition] } else { Vec::new() },
            narrowing: vec![condition],
        })
    }

    fn best_set(&self, conditions: &[ScalarId]) -> Option<Set> {
        let indexes = 0..self.relation.definition.indexes.len();
        let found = indexes.filter_map(|position| self.find(position, conditions).ok());
        let sets = found.filter_map(|found| self.set(&found));
        let rank = |set: &Set| self.set_rank(set.cost, &set.rows);
        sets.min_by(|left, right| rank(left).total_cmp(&rank(right)))
    }
}
