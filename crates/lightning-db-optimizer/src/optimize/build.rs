//! Ways of a block as nodes of the plan.

use super::joiner::{Joiner, number};
use super::planner::{Draft, Request, Way, Ways, dearer};
use super::uses;
use super::ways::{How, JoinWay, Step};
use crate::plan::{JoinMethod, Operator, PlanId, Rejected};
use crate::query::{ColumnId, JoinKind, NodeId, Query, Scalar, ScalarId, SortKey};

enum Task {
    Way(u32),
    Make(u32),
}

/// By column, the uses that are still to come while a way is made from its leaves up: columns
/// without one are not handed on.
#[derive(Debug, Clone)]
struct Uses(Vec<u32>);

impl Uses {
    fn apply(&mut self, query: &Query, conditions: impl IntoIterator<Item = ScalarId>) {
        for condition in conditions {
            query.scalar_columns(condition).into_iter().for_each(|column| self.count(column));
        }
    }

    fn count(&mut self, column: ColumnId) {
        let uses = &mut self.0[column.index()];
        *uses = uses.saturating_sub(1);
    }
}

impl Joiner<'_, '_> {
    /// The best ways of a group as nodes.
    pub(super) fn finish(&mut self, group: u32, root: NodeId, request: &Request) -> Ways {
        let rows = self.groups[group as usize].known.rows;
        // Numbers of ways stand for nodes, which are made of those that are kept alone.
        let numbered = |way: u32| self.way(way, PlanId::new(way as usize));
        let list: Vec<Way> = self.groups[group as usize].ways.iter().map(numbered).collect();
        let mut list = self.planner.prune(list, request, &rows);
        let above_leaves = self.uses_above_leaves();
        for way in &mut list {
            way.id = self.build(number(way.id.index()), above_leaves.clone()).id;
            self.planner.nodes.borrow_mut()[way.id.index()].node = Some(root);
        }
        Ways { rows, list }
    }

    /// Uses of columns outside the leaves.
    fn uses_above_leaves(&self) -> Uses {
        let query = self.planner.query;
        let mut uses = Uses(self.planner.uses.clone());
        for leaf in &self.tree.leaves {
            uses::count_uses_below(query, leaf.node, &mut |column| uses.count(column));
            uses.apply(query, leaf.conditions.iter().copied());
        }
        uses
    }

    /// A way as nodes. Without recursion: a chain of ten thousand joins is deep.
    fn build(&mut self, way: u32, mut uses: Uses) -> Way {
        let mut tasks = vec![Task::Way(way)];
        let mut made: Vec<Way> = Vec::new();
        while let Some(task) = tasks.pop() {
            match task {
                Task::Way(number) => match self.ways[number as usize].how {
                    How::Leaf(id) => made.push(self.way(number, id)),
                    How::Join(step) => {
                        tasks.push(Task::Make(number));
                        if step.lookup.is_none() {
                            tasks.push(Task::Way(step.right.1));
                        }
                        tasks.push(Task::Way(step.left.1));
                    }
                },
                Task::Make(number) => {
                    let How::Join(step) = self.ways[number as usize].how else { continue };
                    let right = match step.lookup {
                        Some(lookup) => self.node_of(lookup),
                        None => made.pop().map(|way| way.id),
                    };
                    let (Some(right), Some(left)) = (right, made.pop()) else { continue };
                    let way = self.make(number, &step, (left.id, right), &mut uses);
                    made.push(way);
                }
            }
        }
        made.pop().unwrap_or_else(|| self.way(way, PlanId::new(0)))
    }

    fn way(&self, number: u32, id: PlanId) -> Way {
        let way = &self.ways[number as usize];
        Way { id, cost: way.cost, order: self.orders[way.order as usize].0.clone() }
    }

    fn make(
        &mut self,
        number: u32,
        step: &Step,
        (mut left, mut right): (PlanId, PlanId),
        uses: &mut Uses,
    ) -> Way {
        let edges = self.lists[step.edges as usize].clone();
        let conditions = self.conditions(step.left.0, step.right.0, &edges);
        let (mut keys, mut on) = (conditions.keys.clone(), conditions.rest.clone());
        match step.method {
            JoinMethod::HashRight | JoinMethod::HashLeft => {}
            JoinMethod::Merge => {
                let order = self.lists[step.keys as usize].clone();
                keys = order.iter().map(|key| conditions.keys[*key]).collect();
                let rest = conditions.of_keys.iter().enumerate();
                on.extend(rest.filter(|(key, _)| !order.contains(key)).map(|(_, id)| *id));
                let sides: (Vec<ScalarId>, Vec<ScalarId>) = keys.iter().copied().unzip();
                if step.sorts.0 {
                    left = self.sort(step.left, left, &sides.0);
                }
                if step.sorts.1 {
                    right = self.sort(step.right, right, &sides.1);
                }
            }
            JoinMethod::NestedLoop => {
                keys.clear();
                on.splice(0..0, conditions.of_keys.iter().copied());
            }
            JoinMethod::ForEach => {
                keys.clear();
                on.splice(0..0, conditions.of_keys.iter().copied());
                if let Some(lookup) = step.lookup {
                    let searched = self.used_by(lookup);
                    on.retain(|id| !searched.contains(id));
                }
            }
        }
        let rejected = self.others(number, step, &edges);
        let group = self.group_of(step);
        let way = &self.ways[number as usize];
        let order = self.orders[way.order as usize].0.clone();
        let (cost, known) = (way.cost, self.groups[group as usize].known);
        let of_edges = edges.iter().flat_map(|edge| &self.edges[*edge].conditions);
        uses.apply(self.planner.query, of_edges.map(|it| it.scalar));
        let columns = self.columns_of(step.kind, (left, right), uses);
        let (kind, method) = (step.kind, step.method);
        self.planner.add(Draft {
            operator: Operator::Join { kind, method, left, right, keys, on },
            columns,
            rows: known.rows,
            cost,
            order,
            node: None,
            part: Some(known.part()),
            rejected,
        })
    }

    /// The columns of both sides that are used above.
    fn columns_of(&self, kind: JoinKind, sides: (PlanId, PlanId), uses: &Uses) -> Vec<ColumnId> {
        let nodes = self.planner.nodes.borrow();
        let [left, right] = [sides.0, sides.1].map(|side| nodes[side.index()].columns.iter());
        let is_used = |column: &&ColumnId| uses.0[column.index()] > 0;
        let left = left.filter(is_used);
        match kind {
            JoinKind::Semi | JoinKind::Anti => left.copied().collect(),
            JoinKind::Mark(mark) => left.copied().chain([mark]).collect(),
            _ => left.chain(right.filter(is_used)).copied().collect(),
        }
    }

    fn sort(&mut self, (group, way): (u32, u32), id: PlanId, by: &[ScalarId]) -> PlanId {
        let query = self.planner.query;
        let keys: Vec<SortKey> = by
            .iter()
            .filter_map(|scalar| match query.scalar(*scalar) {
                Scalar::Column(column) => Some(SortKey::ascending(*column)),
                _ => None,
            })
            .collect();
        let input = self.way(way, id);
        let rows = self.groups[group as usize].known.rows;
        self.planner.sorted(rows, &input, &keys, 0, None, None).id
    }

    /// The other methods for the same two sides, and what they would cost.
    fn others(&mut self, number: u32, step: &Step, edges: &[usize]) -> Vec<Rejected> {
        let chosen = self.rank(&self.ways[number as usize].cost);
        let others = self.all_methods(step, edges);
        let mut named = Vec::new();
        let mut rejected: Vec<Rejected> = Vec::new();
        for JoinWay { cost: other, how, .. } in others {
            let How::Join(way) = how else { continue };
            // The cheapest of each name tells of all others: only its text is made.
            let exchanged = way.left.0 != step.left.0;
            let is_same = way.method == step.method && !exchanged;
            if is_same || named.contains(&(way.method, exchanged)) {
                continue;
            }
            named.push((way.method, exchanged));
            let reason = dearer(self.rank(&other), chosen);
            let what = name(way.method, exchanged);
            rejected.push(Rejected { what, cost: Some(other.total), reason });
        }
        rejected
    }
}

fn name(method: JoinMethod, exchanged: bool) -> String {
    let method = match method {
        JoinMethod::HashRight => "hash join, right side in the table",
        JoinMethod::HashLeft => "hash join, left side in the table",
        JoinMethod::Merge => "merge join",
        JoinMethod::NestedLoop => "nested loop",
        JoinMethod::ForEach => "index search for each row",
    };
    if exchanged { format!("{method}, sides exchanged") } else { method.to_owned() }
}
