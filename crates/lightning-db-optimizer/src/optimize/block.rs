//! Blocks of joins and the relations in them.

use super::joiner::Joiner;
use super::planner::{Draft, Planner, Request, Way, Ways, share};
use super::rows::count;
use super::tree::{Leaf, Tree};
use crate::access::{Relation, Search, paths, pessimistic};
use crate::cost::Work;
use crate::estimate::{Estimate, Source};
use crate::plan::{Cost, JoinMethod, Operator, OrderKey};
use crate::query::{ColumnId, JoinKind, Node, NodeId, ScalarId};

impl Planner<'_> {
    /// The ways to the rows of a block.
    pub(super) fn block(&self, root: NodeId, request: &Request) -> Ways {
        if let Node::Join { kind, left, right, on } = self.query.node(root)
            && self.places.is_lateral(root)
        {
            return self.lateral(root, *kind, (*left, *right), on, request);
        }
        let tree = self.tree(root);
        if let [leaf] = &tree.leaves[..] {
            return self.leaf(leaf, request, Some(root));
        }
        self.joins(root, &tree, request)
    }

    fn joins(&self, root: NodeId, tree: &Tree, request: &Request) -> Ways {
        let share = request.goal.map_or(1.0, |_| share(request.goal, &self.estimates.rows(root)));
        let mut joiner = Joiner::new(self, tree, &request.orders, share);
        // A graph that the search makes nothing of keeps its order.
        let group = match joiner.ordered() {
            Ok(ordered) => ordered.entry,
            Err(_) => joiner.in_order_written(tree),
        };
        joiner.finish(group, root, request)
    }

    /// The ways to a leaf's rows.
    pub(super) fn leaf(&self, leaf: &Leaf, request: &Request, node: Option<NodeId>) -> Ways {
        if let Some(relation) = self.prepared.relations.get(&leaf.node) {
            let node = node.or_else(|| leaf.conditions.is_empty().then_some(leaf.node));
            return self.relation(relation, &leaf.conditions, request, node);
        }
        let inner = Request { limit: None, ..request.clone() };
        let ways = self.plan(leaf.node, &inner);
        if leaf.conditions.is_empty() { ways } else { self.filter(ways, &leaf.conditions, None) }
    }

    /// By position, whether a column of a relation is needed beside these conditions on it.
    fn needed(&self, relation: &Relation, conditions: &[ScalarId]) -> Vec<bool> {
        let used: Vec<ColumnId> =
            conditions.iter().flat_map(|id| self.query.scalar_columns(*id)).collect();
        let used_here = |column: &ColumnId| used.iter().filter(|it| *it == column).count();
        let all = relation.columns.iter();
        all.map(|column| self.uses[column.index()] as usize > used_here(column)).collect()
    }

    pub(super) fn relation(
        &self,
        relation: &Relation,
        conditions: &[ScalarId],
        request: &Request,
        node: Option<NodeId>,
    ) -> Ways {
        let own = |keys: &&Vec<OrderKey>| {
            keys.first().is_some_and(|key| !relation.is_fixed(self.query, key.scalar))
        };
        let orders: Vec<Vec<OrderKey>> = request.orders.iter().filter(own).cloned().collect();
        let needed = self.needed(relation, conditions);
        let share = self.estimates.selectivity(relation, conditions);
        let rows = share.times(self.estimates.rows(relation.node));
        let part = self.estimates.part_of(relation, conditions);
        let selectivity = |some: &[ScalarId]| {
            let found = self.estimates.selectivity(relation, some);
            // What was learned of all conditions holds for each of them too.
            let is_part = share.source == Source::Learned && found.point < share.point;
            if is_part && some.iter().all(|id| conditions.contains(id)) { share } else { found }
        };
        let hinted = self.prepared.hinted.as_ref();
        let search = Search {
            query: self.query,
            catalog: self.catalog,
            model: &*self.settings.cost_model,
            column_cache: count(self.settings.column_cache),
            relation,
            conditions,
            needed: &needed,
            orders: &orders,
            rows,
            selectivity: &selectivity,
            risk: self.settings.risk_weight,
            goal: request.goal,
            refused: &|access| hinted.is_some_and(|it| it.refuses_access(relation.node, access)),
            hinted: hinted.and_then(|it| it.indexes(relation.node)),
        };
        let (paths, mut rejected) = paths(&search);
        let rows = paths.first().map_or(rows, |path| path.rows);
        let list = paths.into_iter().map(|path| {
            self.add(Draft {
                operator: Operator::Access {
                    table: relation.table,
                    alias: std::sync::Arc::clone(&relation.alias),
                    relation: relation.columns.clone(),
                    access: path.access,
                    checks: path.checks,
                    filter: path.filter,
                },
                columns: path.columns,
                rows: path.rows,
                cost: path.cost,
                order: path.order,
                node,
                part: part.clone(),
                // The cheapest one, which is the first, tells of the others.
                rejected: std::mem::take(&mut rejected),
            })
        });
        let list = list.collect();
        Ways { rows, list }
    }

    /// A join whose right side is evaluated for each row of the left.
    fn lateral(
        &self,
        node: NodeId,
        kind: JoinKind,
        (left, right): (NodeId, NodeId),
        on: &[ScalarId],
        request: &Request,
    ) -> Ways {
        let inner = Request { limit: None, ..request.clone() };
        let left = self.plan(left, &inner);
        let right = self.plan(right, &Request::default());
        let best = self.cheapest(&right.list, 1.0);
        let rows = self.estimates.rows(node);
        let columns = |way: &Way| {
            let mut columns = self.columns(way.id);
            match kind {
                JoinKind::Semi | JoinKind::Anti => {}
                JoinKind::Mark(mark) => columns.push(mark),
                _ => columns.extend(self.columns(best.id)),
            }
            columns
        };
        let own = |left: f64, each: f64, right: f64, rows: f64| {
            let scalars = count(on.len());
            left * each
                + self.work(Work::Evaluate { rows: left * right, scalars })
                + self.work(Work::Emit { rows })
        };
        let of = |cost: Cost, rows: &Estimate| {
            let expected = own(left.rows.point, best.cost.total, right.rows.point, rows.point);
            let (many, more) = (pessimistic(&left.rows), pessimistic(&right.rows));
            let high = own(many, best.cost.high, more, pessimistic(rows));
            super::rows::plus(cost, best.cost.start, expected, high)
        };
        let list = left.list.iter().map(|way| {
            self.add(Draft {
                operator: Operator::Join {
                    kind,
                    method: JoinMethod::ForEach,
                    left: way.id,
                    right: best.id,
                    keys: Vec::new(),
                    on: on.to_vec(),
                },
                columns: columns(way),
                rows,
                cost: of(way.cost, &rows),
                order: way.order.clone(),
                node: Some(node),
                part: None,
                rejected: Vec::new(),
            })
        });
        let list = list.collect();
        Ways { rows, list }
    }
}
