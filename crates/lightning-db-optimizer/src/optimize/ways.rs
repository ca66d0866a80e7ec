//! The ways to a set of leaves: which are kept.

use super::hinted::penalize;
use super::joiner::{Joiner, number};
use crate::hint::inner_is_left;
use crate::plan::{Cost, JoinMethod, PlanId};
use crate::query::JoinKind;

/// Ways that are kept for a set.
const WAYS_MAX: usize = 6;

/// The ways of a set by number, the cheapest first.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BestWays {
    list: [u32; WAYS_MAX],
    count: usize,
}

/// A way to a set.
#[derive(Debug, Clone, Copy)]
pub(super) struct JoinWay {
    pub(super) cost: Cost,
    /// What ways are compared by.
    pub(super) rank: f64,
    /// Number of its order.
    pub(super) order: u32,
    pub(super) how: How,
}

/// How a way gets its rows.
#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    Leaf(PlanId),
    Join(Step),
}

/// A join of two ways.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) kind: JoinKind,
    pub(super) method: JoinMethod,
    pub(super) left: (u32, u32),
    pub(super) right: (u32, u32),
    /// Number of its list of edges.
    pub(super) edges: u32,
    /// The lookup that is the right side of a loop.
    pub(super) lookup: Option<u32>,
    /// Sides that are sorted before a merge, and the keys it goes by: its order's number.
    pub(super) sorts: (bool, bool),
    pub(super) keys: u32,
}

impl BestWays {
    /// All of them: at least one once the set has been joined.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + use<> {
        let Self { list, count } = *self;
        list.into_iter().take(count)
    }

    /// The cheapest.
    pub(super) fn best(&self) -> u32 {
        self.list[0]
    }

    /// Puts a way at a place; what is behind the last place falls out.
    fn insert(&mut self, place: usize, way: u32) {
        self.count = (self.count + 1).min(WAYS_MAX);
        self.list[place..self.count].rotate_right(1);
        self.list[place] = way;
    }

    fn retain(&mut self, mut is_kept: impl FnMut(u32) -> bool) {
        let all = *self;
        self.count = 0;
        for way in all.iter().filter(|way| is_kept(*way)) {
            self.list[self.count] = way;
            self.count += 1;
        }
    }
}

impl Joiner<'_, '_> {
    /// What ways are compared by.
    pub(super) fn rank(&self, cost: &Cost) -> f64 {
        self.planner.rank(cost, self.share)
    }

    /// The wanted orders that an order answers, as bits.
    pub(super) fn answers(&self, order: u32) -> u64 {
        self.orders[order as usize].1
    }

    /// Whether a hint speaks against a way.
    fn is_refused(&self, group: u32, how: &How) -> bool {
        let (Some(hinted), How::Join(step)) = (&self.planner.prepared.hinted, how) else {
            return false;
        };
        let relations = |group: u32| &self.groups[group as usize].relations;
        let (left, right) = (relations(step.left.0), relations(step.right.0));
        let inner = inner_is_left(step.method).map(|is| if is { left } else { right });
        hinted.refuses_pair(left, right)
            || hinted.refuses_method(relations(group), step.method, inner)
    }

    /// Whether no way of a group that is compared by this much, and costs that much, would be kept.
    pub(super) fn is_hopeless(&self, group: u32, rank: f64, total: f64) -> bool {
        let into = &self.groups[group as usize];
        if self.collected.is_some() || into.ways.count == 0 {
            return false;
        }
        let best = &self.ways[into.ways.best() as usize];
        let missing = into.useful & !self.answers(best.order);
        let sort = if missing == 0 { (0.0, 0.0) } else { into.sort };
        missing & !self.sortable == 0
            && best.rank + sort.0 <= rank
            && best.cost.total + sort.1 <= total
    }

    /// Less than no way of a group is compared by, and costs.
    pub(super) fn floor(&self, group: u32) -> (f64, f64) {
        let ways = &self.groups[group as usize].ways;
        let totals = ways.iter().map(|way| self.ways[way as usize].cost.total);
        (self.ways[ways.best() as usize].rank, totals.fold(f64::INFINITY, f64::min))
    }

    /// Keeps a way unless another is as good in every respect.
    pub(super) fn offer(&mut self, group: u32, mut cost: Cost, order: u32, how: How) {
        if self.is_refused(group, &how) {
            penalize(&mut cost);
        }
        let rank = self.rank(&cost);
        let way = JoinWay { cost, rank, order, how };
        if let Some(collected) = &mut self.collected {
            collected.push(way);
            return;
        }
        let into = &self.groups[group as usize];
        let (useful, sort) = (into.useful, into.sort);
        // An order that no join above has use for is none.
        let answers = self.answers(order) & useful;
        let as_good = |one: (f64, f64, u64), other: (f64, f64, u64)| {
            let missing = other.2 & !one.2;
            (one.0 <= other.0 && one.1 <= other.1 && missing == 0)
                || (one.0 + sort.0 <= other.0
                    && one.1 + sort.1 <= other.1
                    && missing & !self.sortable == 0)
        };
        let made = (rank, cost.total, answers);
        let known = |way: u32| {
            let way = &self.ways[way as usize];
            (way.rank, way.cost.total, self.answers(way.order) & useful)
        };
        let mut kept = self.groups[group as usize].ways;
        if kept.iter().any(|other| as_good(known(other), made)) {
            return;
        }
        kept.retain(|other| !as_good(made, known(other)));
        let place = kept.iter().take_while(|other| known(*other).0 <= rank).count();
        if place < WAYS_MAX {
            kept.insert(place, number(self.ways.len()));
            self.ways.push(way);
        }
        let group = &mut self.groups[group as usize];
        (group.ways, group.changes) = (kept, group.changes.wrapping_add(1));
    }

    /// All that a step could be, the cheapest first.
    pub(super) fn all_methods(&mut self, step: &Step, edges: &[usize]) -> Vec<JoinWay> {
        self.collected = Some(Vec::new());
        self.join_groups(step.kind, step.left.0, step.right.0, edges);
        let mut all = self.collected.take().unwrap_or_default();
        all.sort_by(|left, right| left.cost.total.total_cmp(&right.cost.total));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ways_fall_out() {
        let mut ways = BestWays::default();
        for way in 0..6 {
            ways.insert(usize::try_from(way).unwrap(), way);
        }
        ways.insert(2, 9);
        assert_eq!(ways.iter().collect::<Vec<_>>(), [0, 1, 9, 2, 3, 4]);
        ways.retain(|way| way % 2 == 0);
        assert_eq!(ways.iter().collect::<Vec<_>>(), [0, 2, 4]);
        ways.insert(3, 7);
        assert_eq!((ways.best(), ways.iter().last()), (0, Some(7)));
    }
}
