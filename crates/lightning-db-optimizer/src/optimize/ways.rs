//! The ways to a set of leaves: which are kept.

use super::hinted::penalize;
use super::joiner::{Group, Joiner, number};
use crate::hint::inner_is_left;
use crate::plan::{Cost, JoinMethod, PlanId};
use crate::query::JoinKind;

/// Ways that are kept for a set.
const WAYS_MAX: usize = 6;

/// The ways of a set by number, the cheapest first.
#[derive(Debug, Default)]
pub(super) struct BestWays {
    list: [u32; WAYS_MAX],
    /// What each of them is compared by: offers look at these alone, and most come to nothing.
    marks: [Mark; WAYS_MAX],
    count: usize,
}

/// What a way is compared by.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    /// What it costs with the risk.
    rank: f64,
    /// What it costs.
    total: f64,
    /// The wanted orders that it answers, as bits.
    answers: u64,
}

/// What counts where ways of a group are compared.
struct Comparison {
    /// The wanted orders that are of use: an order that no join above has use for is none.
    useful: u64,
    /// Those that a sort gives as well.
    sortable: u64,
    /// What that sort adds to rank and cost.
    sort: (f64, f64),
}

impl Comparison {
    /// Whether one way is as good as another in every respect, sorted where need be.
    fn is_as_good(&self, one: &Mark, other: &Mark) -> bool {
        let missing = self.useful & other.answers & !one.answers;
        let (rank, total) = match missing {
            0 => (0.0, 0.0),
            _ if missing & !self.sortable == 0 => self.sort,
            _ => return false,
        };
        one.rank + rank <= other.rank && one.total + total <= other.total
    }
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
        let Self { list, count, .. } = *self;
        list.into_iter().take(count)
    }

    /// The cheapest.
    pub(super) fn best(&self) -> u32 {
        self.list[0]
    }

    fn marks(&self) -> &[Mark] {
        &self.marks[..self.count]
    }

    /// Puts a way at a place; what is behind the last place falls out.
    fn insert(&mut self, place: usize, way: u32, mark: Mark) {
        self.count = (self.count + 1).min(WAYS_MAX);
        self.list[place..self.count].rotate_right(1);
        self.list[place] = way;
        self.marks[place..self.count].rotate_right(1);
        self.marks[place] = mark;
    }

    /// Leaves out ways from a place on.
    fn leave_out(&mut self, from: usize, is_left_out: impl Fn(&Mark) -> bool) {
        let all = self.count;
        self.count = from;
        for place in from..all {
            if is_left_out(&self.marks[place]) {
                continue;
            }
            if self.count < place {
                self.list[self.count] = self.list[place];
                self.marks[self.count] = self.marks[place];
            }
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

    fn comparison(&self, group: u32) -> Comparison {
        let Group { useful, sort, .. } = self.groups[group as usize];
        Comparison { useful, sortable: self.sortable, sort }
    }

    /// Whether no way of a group that is compared by this much, and costs that much, would be kept.
    pub(super) fn is_hopeless(&self, group: u32, rank: f64, total: f64) -> bool {
        if self.collected.is_some() {
            return false;
        }
        let comparison = self.comparison(group);
        let made = Mark { rank, total, answers: u64::MAX };
        let best = self.groups[group as usize].ways.marks().first();
        best.is_some_and(|best| comparison.is_as_good(best, &made))
    }

    /// Less than no way of a group is compared by, and costs.
    pub(super) fn floor(&self, group: u32) -> (f64, f64) {
        let marks = self.groups[group as usize].ways.marks();
        let totals = marks.iter().map(|mark| mark.total);
        (marks.first().map_or(0.0, |mark| mark.rank), totals.fold(f64::INFINITY, f64::min))
    }

    /// Keeps a way unless another is as good in every respect. Most come to nothing: it is inlined
    /// so that they are not even put together.
    #[inline]
    pub(super) fn offer(&mut self, group: u32, cost: Cost, order: u32, how: How) {
        if !self.is_outdone(group, &cost, order) {
            self.keep(group, cost, order, how);
        }
    }

    fn mark(&self, cost: &Cost, order: u32) -> Mark {
        Mark { rank: self.rank(cost), total: cost.total, answers: self.answers(order) }
    }

    /// Whether another way of a group is as good as one in every respect.
    fn is_outdone(&self, group: u32, cost: &Cost, order: u32) -> bool {
        if self.collected.is_some() {
            return false;
        }
        let (made, comparison) = (self.mark(cost, order), self.comparison(group));
        let marks = self.groups[group as usize].ways.marks();
        // They stand by rank: those behind are not as good.
        let mut before = marks.iter().take_while(|other| other.rank <= made.rank);
        before.any(|other| comparison.is_as_good(other, &made))
    }

    /// Keeps a way that is not outdone, unless a hint against it makes it so.
    fn keep(&mut self, group: u32, mut cost: Cost, order: u32, how: How) {
        if self.is_refused(group, &how) {
            penalize(&mut cost);
            if self.is_outdone(group, &cost, order) {
                return;
            }
        }
        let made = self.mark(&cost, order);
        let way = JoinWay { cost, rank: made.rank, order, how };
        if let Some(collected) = &mut self.collected {
            collected.push(way);
            return;
        }
        let comparison = self.comparison(group);
        let into = &mut self.groups[group as usize];
        into.changes = into.changes.wrapping_add(1);
        let kept = &mut into.ways;
        let first = kept.marks().iter().take_while(|other| other.rank < made.rank).count();
        kept.leave_out(first, |other| comparison.is_as_good(&made, other));
        let equal = kept.marks()[first..].iter().take_while(|other| other.rank <= made.rank);
        let place = first + equal.count();
        if place < WAYS_MAX {
            kept.insert(place, number(self.ways.len()), made);
            self.ways.push(way);
        }
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
        let mark = |rank: f64| Mark { rank, ..Mark::default() };
        let mut ways = BestWays::default();
        for way in 0..6 {
            ways.insert(usize::try_from(way).unwrap(), way, mark(f64::from(way)));
        }
        ways.insert(2, 9, mark(9.0));
        assert_eq!(ways.iter().collect::<Vec<_>>(), [0, 1, 9, 2, 3, 4]);
        ways.leave_out(1, |mark| mark.rank % 2.0 != 0.0);
        assert_eq!(ways.iter().collect::<Vec<_>>(), [0, 2, 4]);
        ways.insert(3, 7, mark(7.0));
        assert_eq!((ways.best(), ways.iter().last()), (0, Some(7)));
    }
}
