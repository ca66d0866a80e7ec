//! Aggregates: in a hash table, over sorted rows, or from an index alone.

use super::hinted::{Hinted, penalize};
use super::planner::{Draft, Planner, Request, Way, Ways, dearer};
use super::rows::{count, plus};
use crate::access::{Path, Relation, Search, paths, pessimistic};
use crate::cost::Work;
use crate::estimate::Estimate;
use crate::plan::{
    Access, AggregateMethod, Cost, IndexAggregate, Operator, Order, OrderKey, OrderPart, Phase,
    Rejected,
};
use crate::query::{Aggregate, AggregateFunction, ColumnId, Node, NodeId, Scalar, ScalarId};

/// Groups of so many columns are looked for in each order that they may come in.
const PERMUTED_MAX: usize = 3;

impl Planner<'_> {
    pub(super) fn aggregate(
        &self,
        node: NodeId,
        input: NodeId,
        groups: &[ColumnId],
        aggregates: &[(ColumnId, Aggregate)],
        request: &Request,
    ) -> Ways {
        let rows = self.estimates.rows(node);
        let scalars: Vec<ScalarId> = groups.iter().map(|column| self.scalar(*column)).collect();
        let mut orders = permutations(&scalars);
        orders.splice(0..0, request.orders.iter().cloned());
        let below = self.plan(input, &Request { orders, goal: None, limit: None });
        let mut made = self.gathered((Some(node), rows), &below, groups, aggregates);
        let mut rejected = Vec::new();
        if groups.is_empty() {
            let columns = aggregates.iter().map(|(column, _)| *column).collect::<Vec<_>>();
            match self.by_indexes(node, input, aggregates, &columns) {
                Ok(way) => made.push(way),
                Err(Some(reason)) => {
                    let what = "index aggregate".to_owned();
                    rejected.push(Rejected { what, cost: None, reason });
                }
                Err(None) => {}
            }
        }
        let kept = self.prune(made.clone(), request, &rows);
        self.note_aggregates(&kept, &made, rejected);
        Ways { rows, list: kept }
    }

    /// The ways to gather rows into groups: by each way of the rows that brings a group's together,
    /// and in a table. `node` and `rows` are those of the groups.
    fn gathered(
        &self,
        (node, rows): (Option<NodeId>, Estimate),
        below: &Ways,
        groups: &[ColumnId],
        aggregates: &[(ColumnId, Aggregate)],
    ) -> Vec<Way> {
        let columns: Vec<ColumnId> =
            groups.iter().copied().chain(aggregates.iter().map(|(column, _)| *column)).collect();
        let scalars: Vec<ScalarId> = groups.iter().map(|column| self.scalar(*column)).collect();
        let mut list = Vec::new();
        for way in &below.list {
            if groups.is_empty() || way.order.groups(&scalars) {
                list.push((way, AggregateMethod::Stream));
            }
        }
        if !groups.is_empty() {
            list.push((self.cheapest(&below.list, 1.0), AggregateMethod::Hash));
        }
        let made = list.into_iter().map(|(way, method)| {
            let mut cost = self.aggregate_cost(below, way, method, (groups, &rows), aggregates);
            let wanted = self.prepared.hinted.as_ref().and_then(Hinted::aggregate);
            if !groups.is_empty() && wanted.is_some_and(|wanted| wanted != method) {
                penalize(&mut cost);
            }
            let order = match method {
                AggregateMethod::Stream => order_of_groups(&way.order, &scalars),
                AggregateMethod::Hash => Order::default(),
            };
            let groups = groups.to_vec();
            let (input, phase) = (way.id, Phase::Complete);
            let aggregates = aggregates.to_vec();
            self.add(Draft {
                operator: Operator::Aggregate { input, groups, aggregates, method, phase },
                columns: columns.clone(),
                rows,
                cost,
                order,
                node,
                part: None,
                rejected: Vec::new(),
            })
        });
        made.collect()
    }

    /// The relation that an aggregate groups, if it groups one, and what is asked of its rows.
    pub(super) fn grouped(&self, node: NodeId) -> Option<(&Relation, Vec<ScalarId>)> {
        match self.query.node(node) {
            Node::Aggregate { input, groups, .. } if !groups.is_empty() => {
                self.filtered_relation(*input)
            }
            _ => None,
        }
    }

    /// The ways to the groups of such an aggregate whose columns fulfil these conditions, which
    /// are asked of the rows before they are grouped.
    pub(super) fn groups_where(&self, node: NodeId, conditions: &[ScalarId]) -> Option<Ways> {
        let (relation, own) = self.grouped(node)?;
        let Node::Aggregate { groups, aggregates, .. } = self.query.node(node) else { return None };
        let all = [&own[..], conditions].concat();
        let below = self.relation(relation, &all, &Request::default(), None);
        let share =
            |conditions: &[ScalarId]| self.estimates.selectivity(relation, conditions).point;
        let found = share(&all) / share(&own).max(f64::MIN_POSITIVE);
        let rows = self.estimates.rows(node).scaled(found).at_most(below.rows.point);
        let made = self.gathered((None, rows), &below, groups, aggregates);
        let list = self.prune(made, &Request::default(), &rows);
        Some(Ways { rows, list })
    }

    /// The relation that a node reads, with nothing but filters between, and their conditions.
    fn filtered_relation(&self, node: NodeId) -> Option<(&Relation, Vec<ScalarId>)> {
        let (mut scan, mut conditions) = (node, Vec::new());
        while let Node::Filter { input, conditions: more } = self.query.node(scan) {
            conditions.extend(more.iter().copied());
            scan = *input;
        }
        Some((self.prepared.relations.get(&scan)?, conditions))
    }

    fn aggregate_cost(
        &self,
        below: &Ways,
        way: &Way,
        method: AggregateMethod,
        (keys, groups): (&[ColumnId], &Estimate),
        aggregates: &[(ColumnId, Aggregate)],
    ) -> Cost {
        let scalars: Vec<ScalarId> =
            aggregates.iter().flat_map(|(_, it)| [it.argument, it.filter]).flatten().collect();
        let computed: Vec<ScalarId> = scalars
            .into_iter()
            .filter(|id| !matches!(self.query.scalar(*id), Scalar::Column(_)))
            .collect();
        let distinct = aggregates.iter().filter(|(_, it)| it.distinct).count();
        let (keys, aggregates) = (count(keys.len()), count(aggregates.len()));
        let own = |rows: f64, groups: f64| {
            let gather = match method {
                AggregateMethod::Hash => Work::HashAggregate { rows, groups, aggregates },
                AggregateMethod::Stream => Work::StreamAggregate { rows, keys, aggregates },
            };
            let sets = Work::HashBuild { rows: rows * count(distinct), width: 8.0 };
            self.work(gather)
                + self.work(sets)
                + self.evaluate(&computed, rows)
                + self.work(Work::Emit { rows: groups })
        };
        let expected = own(below.rows.point, groups.point);
        let more = own(pessimistic(&below.rows), pessimistic(groups));
        let until_first = match method {
            // The first group is complete once the second one starts.
            AggregateMethod::Stream => {
                (way.cost.total - way.cost.start + expected) / groups.point.max(1.0)
            }
            AggregateMethod::Hash => way.cost.total - way.cost.start + expected,
        };
        plus(way.cost, until_first, expected, more)
    }

    fn note_aggregates(&self, kept: &[Way], made: &[Way], rejected: Vec<Rejected>) {
        let Some(best) = kept.first() else { return };
        let mut nodes = self.nodes.borrow_mut();
        let others = made.iter().filter(|way| kept.iter().all(|it| it.id != way.id));
        let others: Vec<Rejected> = others
            .map(|way| Rejected {
                what: nodes[way.id.index()].operator.name().to_lowercase(),
                cost: Some(way.cost.total),
                reason: dearer(self.rank(&way.cost, 1.0), self.rank(&best.cost, 1.0)),
            })
            .collect();
        let list = &mut nodes[best.id.index()].rejected;
        list.extend(others);
        list.extend(rejected);
    }

    /// Smallest and largest values, each from the end of an index; why not, if there is something
    /// to say.
    fn by_indexes(
        &self,
        node: NodeId,
        input: NodeId,
        aggregates: &[(ColumnId, Aggregate)],
        columns: &[ColumnId],
    ) -> Result<Way, Option<String>> {
        let Some((relation, conditions)) = self.filtered_relation(input) else { return Err(None) };
        if aggregates.is_empty() || !aggregates.iter().all(|(_, it)| is_extreme(it)) {
            return Err(None);
        }
        let mut answers = Vec::new();
        let mut cost = Cost::default();
        for (column, aggregate) in aggregates {
            let found = self.extreme(relation, &conditions, aggregate);
            let Some((path, scan)) = found else {
                let text = self.query.aggregate_text(aggregate);
                return Err(Some(format!("no index has {text} at an end of what is wanted")));
            };
            let share = 1.0 / path.rows.point.max(1.0);
            let of = |total: f64| path.cost.start + (total - path.cost.start) * share;
            cost = plus(cost, of(path.cost.total), of(path.cost.total), of(path.cost.high));
            answers.push(IndexAggregate { column: *column, aggregate: aggregate.clone(), scan });
        }
        Ok(self.add(Draft {
            operator: Operator::IndexAggregate {
                table: relation.table,
                alias: std::sync::Arc::clone(&relation.alias),
                relation: relation.columns.clone(),
                aggregates: answers,
            },
            columns: columns.to_vec(),
            rows: Estimate::exact(1.0),
            cost,
            order: Order::default(),
            node: Some(node),
            part: None,
            rejected: Vec::new(),
        }))
    }

    /// The search whose first entry is the smallest or largest value.
    fn extreme(
        &self,
        relation: &Relation,
        conditions: &[ScalarId],
        aggregate: &Aggregate,
    ) -> Option<(Path, crate::plan::IndexScan)> {
        let argument = aggregate.argument?;
        let descending = aggregate.function == AggregateFunction::Max;
        let key = OrderKey { scalar: argument, descending: Some(descending), nulls_first: None };
        let orders = [vec![key]];
        // Nulls are left out, which a range without ends does: IS NOT NULL.
        let not_null = self.not_null(argument);
        let mut all = conditions.to_vec();
        all.extend(not_null);
        let needed: Vec<bool> = relation
            .columns
            .iter()
            .map(|column| self.query.scalar_columns(argument).contains(column))
            .collect();
        let rows = self.estimates.selectivity(relation, &all).scaled(relation.rows);
        let search = Search {
            query: self.query,
            catalog: self.catalog,
            model: &*self.settings.cost_model,
            column_cache: count(self.settings.column_cache),
            relation,
            conditions: &all,
            needed: &needed,
            orders: &orders,
            rows,
            selectivity: &|conditions| self.estimates.selectivity(relation, conditions),
            risk: self.settings.risk_weight,
            goal: Some(1.0),
            refused: &|_| false,
            hinted: None,
        };
        paths(&search).0.into_iter().find_map(|path| {
            let sorted = path.order.satisfied(&orders[0]) == 1;
            let no_nulls =
                path.order.parts.first().is_some_and(|part| {
                    part.scalars.contains(&argument) && part.nulls_first.is_none()
                });
            match &path.access {
                Access::Index(scan) if sorted && no_nulls && path.filter.is_empty() => {
                    let scan = scan.clone();
                    Some((path, scan))
                }
                _ => None,
            }
        })
    }

    /// The condition that a scalar is not null, if the query has it and it may be.
    fn not_null(&self, scalar: ScalarId) -> Option<ScalarId> {
        self.prepared.not_null.get(&scalar).copied()
    }
}

fn is_extreme(aggregate: &Aggregate) -> bool {
    matches!(aggregate.function, AggregateFunction::Min | AggregateFunction::Max)
        && aggregate.filter.is_none()
}

/// The orders in which groups come together.
fn permutations(groups: &[ScalarId]) -> Vec<Vec<OrderKey>> {
    if groups.is_empty() {
        return Vec::new();
    }
    if groups.len() > PERMUTED_MAX {
        return vec![groups.iter().map(|group| OrderKey::any(*group)).collect()];
    }
    let mut all = Vec::new();
    for (position, first) in groups.iter().enumerate() {
        let mut rest = groups.to_vec();
        rest.remove(position);
        let mut behind = permutations(&rest);
        if behind.is_empty() {
            behind.push(Vec::new());
        }
        for mut keys in behind {
            keys.insert(0, OrderKey::any(*first));
            all.push(keys);
        }
    }
    all
}

/// The order of groups, if rows came in this order: its parts up to the first that is no group.
fn order_of_groups(order: &Order, groups: &[ScalarId]) -> Order {
    let kept = |scalars: &[ScalarId]| -> Vec<ScalarId> {
        scalars.iter().copied().filter(|scalar| groups.contains(scalar)).collect()
    };
    let parts = order.parts.iter().map_while(|part| {
        let scalars = kept(&part.scalars);
        (!scalars.is_empty()).then(|| OrderPart { scalars, ..part.clone() })
    });
    Order { parts: parts.collect(), constants: kept(&order.constants) }
}
