//! Joins that search a relation for each row of the other side.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::joiner::{Joiner, number};
use super::methods::{Conditions, Pair, Sizes};
use super::planner::{Request, Ways};
use super::ways::{How, Step};
use crate::access::Relation;
use crate::cost::Work;
use crate::plan::{Access, Cost, JoinMethod, Operator, PlanId};
use crate::query::{ColumnId, JoinKind, Query, Scalar, ScalarId};
use lightning_db_expression::Comparison;

/// A search in a relation for each row of another side.
#[derive(Debug, Clone)]
pub(super) struct Lookup {
    leaf: usize,
    /// Conditions that the search takes care of.
    pub(super) used: Vec<ScalarId>,
    /// The node, once it was made.
    id: Option<PlanId>,
    cost: Cost,
    rows: f64,
}

/// What is wanted of a relation by a condition: searches for different values of one scalar are
/// planned alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Wanted {
    /// A scalar of it equals something else.
    Equal(ScalarId),
    /// Another condition is true.
    Other(ScalarId),
}

/// Searches that were looked for.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    /// By leaf and list of edges.
    by_edges: HashMap<(usize, u32), Option<u32>, FixedState>,
    /// By leaf and conditions that are taken care of.
    by_use: HashMap<(usize, Vec<ScalarId>), Option<u32>, FixedState>,
    /// By leaf and what is wanted of it: the first search of this form.
    by_form: HashMap<(usize, Vec<Wanted>), Option<u32>, FixedState>,
    list: Vec<Lookup>,
}

impl Joiner<'_, '_> {
    /// A search in an index of the right side for each row of the left.
    pub(super) fn for_each(&mut self, pair: &Pair<'_>) {
        if matches!(pair.kind, JoinKind::Full | JoinKind::Mark(_)) {
            return;
        }
        let Some(leaf) = self.groups[pair.right as usize].leaf else { return };
        let Some(number) = self.lookup(leaf, pair.edges, pair.conditions) else { return };
        let lookup = &self.lookups.list[number as usize];
        let (each, rows_expected) = (lookup.cost, lookup.rows.max(1e-6));
        let first = matches!(pair.kind, JoinKind::Semi | JoinKind::Anti);
        let left_over = pair.conditions.keys.len() + pair.conditions.rest.len() - lookup.used.len();
        let scalars = super::rows::count(left_over);
        let own = |sizes: &Sizes, rows: f64| {
            // More rows of a search cost as the expected ones do, its start apart.
            let grown = rows / rows_expected;
            let total = each.start + (each.total - each.start) * grown;
            // The first match is enough to know that there is one.
            let share = if first { 1.0 / rows.max(1.0) } else { 1.0 };
            let one = each.start + (total - each.start) * share;
            let pairs = sizes.left.number * rows * share;
            sizes.left.number * one
                + self.work(Work::Evaluate { rows: pairs, scalars })
                + sizes.rows.emit
        };
        let [expected, more] = &pair.sizes;
        // What there is more is the result's: each search has its share of it. Where values that
        // have many rows are searched most often, that is so for the expected rows as well.
        let share =
            |sizes: &Sizes| (sizes.rows.number / sizes.left.number.max(1.0)).max(rows_expected);
        let all_found = pair.kind == JoinKind::Inner && left_over == 0;
        let rows = if all_found { share(expected) } else { rows_expected };
        let (expected, more) = (own(expected, rows), own(more, share(more)));
        let right = self.groups[pair.right as usize].ways.best();
        for left in self.groups[pair.left as usize].ways.iter() {
            let (start, cost) = (self.cost(left).start + each.start, self.cost(left));
            let total = cost.total + expected;
            let cost = Cost { start, total, high: (cost.high + more).max(total) };
            if self.is_hopeless(pair.into, self.rank(&cost), total) {
                continue;
            }
            let order = self.order_after(pair, self.order(left));
            let step = pair.step(JoinMethod::ForEach, left, right);
            self.offer(pair.into, cost, order, How::Join(Step { lookup: Some(number), ..step }));
        }
    }

    /// The search in a leaf for values of the other side, if an index has one.
    fn lookup(&mut self, leaf: usize, edges: u32, conditions: &Conditions) -> Option<u32> {
        // Which conditions say something of the leaf does not depend on the other side.
        if let Some(known) = self.lookups.by_edges.get(&(leaf, edges)) {
            return *known;
        }
        let found = self.lookup_on(leaf, conditions);
        self.lookups.by_edges.insert((leaf, edges), found);
        found
    }

    fn lookup_on(&mut self, leaf: usize, conditions: &Conditions) -> Option<u32> {
        let (planner, node) = (self.planner, self.tree.leaves[leaf].node);
        let query = planner.query;
        // Of the rows of an aggregate its groups are searched for, before they are grouped.
        let (relation, groups) = match planner.prepared.relations.get(&node) {
            Some(relation) => (relation, None),
            None => (planner.grouped(node)?.0, Some(planner.query.output(node))),
        };
        let is_of_groups = |id: ScalarId| {
            let Some(output) = &groups else { return true };
            let used = query.scalar_columns(id);
            let of_leaf =
                |column: &ColumnId| output.contains(column) || relation.columns.contains(column);
            let is_group =
                |column: &ColumnId| output.contains(column) && relation.columns.contains(column);
            used.iter().filter(|column| of_leaf(column)).all(is_group)
        };
        let (mut used, mut form) = (Vec::new(), Vec::new());
        for id in conditions.of_keys.iter().chain(&conditions.rest) {
            if !is_of_groups(*id) || !relation.helps(query, *id) {
                continue;
            }
            // Of two values that one scalar equals, the second finds nothing more.
            let wanted = wanted(query, relation, *id);
            if !form.contains(&wanted) {
                form.push(wanted);
                used.push(*id);
            }
        }
        if used.is_empty() {
            return None;
        }
        let key = (leaf, used);
        if let Some(known) = self.lookups.by_use.get(&key) {
            return *known;
        }
        form.sort_unstable();
        let form = (leaf, form);
        let found = if let Some(first) = self.lookups.by_form.get(&form).copied() {
            first.map(|first| {
                let first = self.lookups.list[first as usize].clone();
                self.add_lookup(Lookup { used: key.1.clone(), id: None, ..first })
            })
        } else {
            let found = self.search(leaf, &key.1);
            self.lookups.by_form.insert(form, found);
            found
        };
        self.lookups.by_use.insert(key, found);
        found
    }

    fn add_lookup(&mut self, lookup: Lookup) -> u32 {
        self.lookups.list.push(lookup);
        number(self.lookups.list.len() - 1)
    }

    fn search(&mut self, leaf: usize, used: &[ScalarId]) -> Option<u32> {
        let found = self.searched(leaf, used)?;
        let way = &found.list[0];
        let by_index = self.is_by_index(way.id);
        let (used, rows) = (used.to_vec(), found.rows.point);
        let (id, cost) = (Some(way.id), way.cost);
        by_index.then(|| self.add_lookup(Lookup { leaf, used, id, cost, rows }))
    }

    /// Whether the rows are found by an index, and maybe grouped.
    fn is_by_index(&self, id: PlanId) -> bool {
        let nodes = self.planner.nodes.borrow();
        let mut id = id;
        loop {
            match &nodes[id.index()].operator {
                Operator::Aggregate { input, .. } | Operator::Filter { input, .. } => id = *input,
                Operator::Access { access, .. } => {
                    return matches!(access, Access::Index(_) | Access::Sets(_));
                }
                _ => return false,
            }
        }
    }

    fn searched(&self, leaf: usize, used: &[ScalarId]) -> Option<Ways> {
        let leaf = &self.tree.leaves[leaf];
        let Some(relation) = self.planner.prepared.relations.get(&leaf.node) else {
            let ways = self.planner.groups_where(leaf.node, used)?;
            return Some(match &leaf.conditions[..] {
                [] => ways,
                conditions => self.planner.filter(ways, conditions, None),
            });
        };
        let together = [&leaf.conditions[..], used].concat();
        Some(self.planner.relation(relation, &together, &Request::default(), None))
    }

    /// The conditions that a search takes care of.
    pub(super) fn used_by(&self, lookup: u32) -> &[ScalarId] {
        &self.lookups.list[lookup as usize].used
    }

    /// The node of a search.
    pub(super) fn node_of(&self, lookup: u32) -> Option<PlanId> {
        let lookup = &self.lookups.list[lookup as usize];
        let made = || Some(self.searched(lookup.leaf, &lookup.used)?.list.first()?.id);
        lookup.id.or_else(made)
    }
}

/// What a condition wants of a relation.
fn wanted(query: &Query, relation: &Relation, condition: ScalarId) -> Wanted {
    if let Scalar::Compare(Comparison::Equal, left, right) = query.scalar(condition) {
        match (relation.is_fixed(query, *left), relation.is_fixed(query, *right)) {
            (true, false) => return Wanted::Equal(*right),
            (false, true) => return Wanted::Equal(*left),
            _ => {}
        }
    }
    Wanted::Other(condition)
}
