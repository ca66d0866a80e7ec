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
        sets.extend(self.search.unions(&|_| true));
        let alone = |set: &&Set| match &set.rows_of {
            RowSet::Index(scan) => self.search.relation.index(scan.index).kind == IndexKind::Bitmap,
            RowSet::All(_) | RowSet::Any(_) => true,
        };
        let mut paths: Vec<Path> = sets.iter().filter(alone).map(|set| self.of_set(set)).collect();
        paths.extend(self.search.intersection(sets).map(|set| self.of_set(&set)));
        let asked = self.search.hinted.and_then(|names| self.search.asked(found, names));
        paths.extend(asked.map(|set| self.of_set(&set)));
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
    fn intersection(&self, sets: Vec<Set>) -> Option<Set> {
        let mut sets = self.ranked(sets).into_iter();
        let mut all = sets.next()?;
        let mut parts = vec![all.rows_of.clone()];
        for set in sets {
            let known = |id: &ScalarId| all.narrowing.contains(id);
            if parts.len() == SETS_MAX || set.narrowing.iter().any(known) {
                continue;
            }
            let both = self.both(&all, &set);
            if self.set_rank(both.cost, &both.rows) < self.set_rank(all.cost, &all.rows) {
                parts.push(set.rows_of);
                all = Set { rows_of: RowSet::All(parts.clone()), ..both };
            }
        }
        (parts.len() > 1).then_some(all)
    }

    /// The sets together of exactly the indexes that a hint asks for, whether that pays or not;
    /// `None` if one of them has no use, or if it is one index alone.
    fn asked(&self, found: &[Found], names: &[String]) -> Option<Set> {
        let is_asked = |index: usize| names.contains(&self.relation.index(index).name);
        let asked = found.iter().filter(|one| is_asked(one.scan.index));
        let mut sets: Vec<Set> = asked.filter_map(|one| self.set(one)).collect();
        sets.extend(self.unions(&is_asked));
        let mut sets = self.ranked(sets).into_iter();
        let mut all = sets.next()?;
        let mut parts = vec![all.rows_of.clone()];
        let mut used = indexes(&all.rows_of);
        for set in sets {
            let more = indexes(&set.rows_of);
            if more.iter().any(|index| !used.contains(index)) {
                used.extend(more);
                parts.push(set.rows_of.clone());
                all = Set { rows_of: RowSet::All(parts.clone()), ..self.both(&all, &set) };
            }
        }
        let is_used = |name: &String| used.iter().any(|it| self.relation.index(*it).name == *name);
        (used.len() > 1 && names.iter().all(is_used)).then_some(all)
    }

    fn ranked(&self, mut sets: Vec<Set>) -> Vec<Set> {
        let rank = |set: &Set| self.set_rank(set.cost, &set.rows);
        sets.sort_by(|left, right| rank(left).total_cmp(&rank(right)));
        sets
    }

    /// The rows that are in both sets, as a set that is still to be named.
    fn both(&self, one: &Set, other: &Set) -> Set {
        let mut narrowing = one.narrowing.clone();
        narrowing.extend(other.narrowing.iter().filter(|id| !one.narrowing.contains(id)));
        let rows = self.set_rows(&narrowing, one.rows.high.min(other.rows.high));
        let combine = self.model.cost(&Work::SetCombine { rows: one.rows.point, table_rows: 0.0 });
        let cost = one.cost + other.cost + combine;
        let exact = [&one.exact[..], &other.exact].concat();
        Set { rows_of: one.rows_of.clone(), cost, rows, exact, narrowing }
    }

    /// The conditions of which each case has an index.
    fn unions(&self, may_use: &dyn Fn(usize) -> bool) -> Vec<Set> {
        self.conditions.iter().filter_map(|condition| self.union(*condition, may_use)).collect()
    }

    fn union(&self, condition: ScalarId, may_use: &dyn Fn(usize) -> bool) -> Option<Set> {
        let Scalar::Or(cases) = self.query.scalar(condition) else { return None };
        let (mut sets, mut cost, mut exact) = (Vec::new(), 0.0, true);
        let mut rows = Estimate::exact(0.0);
        for case in cases {
            let all = match self.query.scalar(*case) {
                Scalar::And(all) => all.clone(),
                _ => vec![*case],
            };
            let set = self.best_set(&all, may_use)?;
            exact &= all.iter().all(|id| set.exact.contains(id));
            cost += set.cost;
            rows = rows.plus(set.rows);
            sets.push(set.rows_of);
        }
        if sets.is_empty() {
            return None;
        }
        let rows = rows.at_most(self.relation.rows);
        cost += self.model.cost(&Work::SetCombine { rows: rows.point, table_rows: 0.0 });
        Some(Set {
            rows_of: RowSet::Any(sets),
            cost,
            rows,
            exact: if exact { vec![condition] } else { Vec::new() },
            narrowing: vec![condition],
        })
    }

    fn best_set(&self, conditions: &[ScalarId], may_use: &dyn Fn(usize) -> bool) -> Option<Set> {
        let indexes = (0..self.relation.definition.indexes.len()).filter(|it| may_use(*it));
        let found = indexes.filter_map(|position| self.find(position, conditions).ok());
        let sets = found.filter_map(|found| self.set(&found));
        let rank = |set: &Set| self.set_rank(set.cost, &set.rows);
        sets.min_by(|left, right| rank(left).total_cmp(&rank(right)))
    }
}

/// Positions of the indexes that a set is made of.
fn indexes(set: &RowSet) -> Vec<usize> {
    set.index_scans().into_iter().map(|scan| scan.index).collect()
}
