//! Operators that look at one row after the other, and those that put inputs together.

use super::planner::{Draft, Planner, Request, Ways};
use super::uses;
use crate::access::pessimistic;
use crate::cardinality::values;
use crate::cost::Work;
use crate::estimate::Estimate;
use crate::plan::{Cost, Operator, Order, OrderKey, OrderPart, SetMethod};
use crate::query::{
    ColumnId, NodeId, Scalar, ScalarId, SetOperation, SortKey, ValueRows, WindowFunction,
};

#[expect(clippy::cast_precision_loss, reason = "few")]
pub(super) fn count(things: usize) -> f64 {
    things as f64
}

/// A cost with more of it for expected and for more rows.
pub(super) fn plus(cost: Cost, start: f64, total: f64, high: f64) -> Cost {
    let total_cost = cost.total + total;
    Cost { start: cost.start + start, total: total_cost, high: (cost.high + high).max(total_cost) }
}

impl Planner<'_> {
    /// What evaluating scalars costs for each row: subqueries run for each.
    pub(super) fn evaluate(&self, scalars: &[ScalarId], rows: f64) -> f64 {
        let mut cost = self.work(Work::Evaluate { rows, scalars: count(scalars.len()) });
        let mut nested = Vec::new();
        for scalar in scalars {
            uses::subqueries(self.query, *scalar, &mut nested);
        }
        for node in nested {
            let planned = self.subqueries.iter().find(|(known, _)| *known == node);
            let total = planned.map(|(_, id)| self.nodes.borrow()[id.index()].cost.total);
            cost += rows * total.unwrap_or(0.0);
        }
        cost
    }

    pub(super) fn values(&self, node: NodeId, columns: &[ColumnId], rows: &ValueRows) -> Ways {
        let estimate = values(rows);
        let total = self.work(Work::Emit { rows: estimate.point });
        let way = self.add(Draft {
            operator: Operator::Values { rows: rows.clone() },
            columns: columns.to_vec(),
            rows: estimate,
            cost: Cost { start: 0.0, total, high: total },
            order: Order::default(),
            node: Some(node),
            part: None,
            rejected: Vec::new(),
        });
        Ways { rows: estimate, list: vec![way] }
    }

    /// Rows of some ways for which conditions are true.
    pub(super) fn filter(
        &self,
        input: Ways,
        conditions: &[ScalarId],
        node: Option<NodeId>,
    ) -> Ways {
        let rows = match node {
            Some(node) => self.estimates.rows(node),
            None => self.estimates.join(
                crate::query::JoinKind::Inner,
                input.rows,
                Estimate::exact(1.0),
                conditions,
            ),
        };
        let rows = rows.at_most(input.rows.high);
        let emit = self.work(Work::Emit { rows: rows.point });
        let expected = self.evaluate(conditions, input.rows.point) + emit;
        let more = self.evaluate(conditions, pessimistic(&input.rows))
            + self.work(Work::Emit { rows: pessimistic(&rows) });
        let list = input.list.into_iter().map(|way| {
            self.add(Draft {
                operator: Operator::Filter { input: way.id, conditions: conditions.to_vec() },
                columns: self.columns(way.id),
                rows,
                cost: plus(way.cost, 0.0, expected, more),
                order: way.order,
                node,
                part: None,
                rejected: Vec::new(),
            })
        });
        let list = list.collect();
        Ways { rows, list }
    }

    pub(super) fn project(
        &self,
        node: NodeId,
        input: NodeId,
        made: &[(ColumnId, ScalarId)],
        request: &Request,
    ) -> Ways {
        let source = |scalar: ScalarId| match self.query.scalar(scalar) {
            Scalar::Column(column) => {
                made.iter().find(|(known, _)| known == column).map(|(_, scalar)| *scalar)
            }
            _ => None,
        };
        // An order by what is made is one by what it is made of, as far as all keys are made here.
        let below = |wanted: &Vec<OrderKey>| {
            let keys = wanted
                .iter()
                .map_while(|key| source(key.scalar).map(|scalar| OrderKey { scalar, ..*key }));
            keys.collect::<Vec<_>>()
        };
        let orders: Vec<_> = request.orders.iter().map(below).filter(|it| !it.is_empty()).collect();
        let input = self.plan(input, &Request { orders, ..request.clone() });
        let computed: Vec<ScalarId> = made
            .iter()
            .map(|(_, scalar)| *scalar)
            .filter(|scalar| !matches!(self.query.scalar(*scalar), Scalar::Column(_)))
            .collect();
        let columns: Vec<ColumnId> = made.iter().map(|(column, _)| *column).collect();
        let expected = self.evaluate(&computed, input.rows.point);
        let more = self.evaluate(&computed, pessimistic(&input.rows));
        let list = input.list.into_iter().map(|way| {
            self.add(Draft {
                operator: Operator::Project { input: way.id, columns: made.to_vec() },
                columns: columns.clone(),
                rows: input.rows,
                cost: plus(way.cost, 0.0, expected, more),
                order: self.order_above(&way.order, made),
                node: Some(node),
                part: None,
                rejected: Vec::new(),
            })
        });
        let list = list.collect();
        Ways { rows: input.rows, list }
    }

    /// An order in terms of what is made of its scalars.
    fn order_above(&self, order: &Order, made: &[(ColumnId, ScalarId)]) -> Order {
        let above = |scalars: &[ScalarId]| -> Vec<ScalarId> {
            let from = made.iter().filter(|(_, scalar)| scalars.contains(scalar));
            from.map(|(column, _)| self.scalar(*column)).collect()
        };
        let parts = order.parts.iter().map_while(|part| {
            let scalars = above(&part.scalars);
            (!scalars.is_empty()).then(|| OrderPart { scalars, ..part.clone() })
        });
        Order { parts: parts.collect(), constants: above(&order.constants) }
    }

    pub(super) fn set(
        &self,
        node: NodeId,
        (operation, all): (SetOperation, bool),
        left: &(NodeId, Vec<ColumnId>),
        right: &(NodeId, Vec<ColumnId>),
        columns: &[ColumnId],
    ) -> Ways {
        let one = self.plan(left.0, &Request::default());
        let other = self.plan(right.0, &Request::default());
        let (best, second) = (self.cheapest(&one.list, 1.0), self.cheapest(&other.list, 1.0));
        let rows = self.estimates.rows(node);
        let append = operation == SetOperation::Union && all;
        let width = self.estimates.width(columns);
        let own = |left: f64, right: f64, rows: f64| {
            let emit = self.work(Work::Emit { rows });
            emit + match operation {
                _ if append => 0.0,
                SetOperation::Union => self.work(Work::HashBuild { rows: left + right, width }),
                SetOperation::Intersect | SetOperation::Except => {
                    let probe =
                        Work::HashProbe { rows: left, build_rows: right, build_width: width };
                    self.work(Work::HashBuild { rows: right, width }) + self.work(probe)
                }
            }
        };
        let expected = own(one.rows.point, other.rows.point, rows.point);
        let more = own(pessimistic(&one.rows), pessimistic(&other.rows), pessimistic(&rows));
        let total = best.cost.total + second.cost.total + expected;
        let start = match operation {
            SetOperation::Union => best.cost.start,
            SetOperation::Intersect | SetOperation::Except => best.cost.start + second.cost.total,
        };
        let high = (best.cost.high + second.cost.high + more).max(total);
        let way = self.add(Draft {
            operator: Operator::Set {
                operation,
                all,
                method: if append { SetMethod::Append } else { SetMethod::Hash },
                left: (best.id, left.1.clone()),
                right: (second.id, right.1.clone()),
            },
            columns: columns.to_vec(),
            rows,
            cost: Cost { start, total, high },
            order: Order::default(),
            node: Some(node),
            part: None,
            rejected: Vec::new(),
        });
        Ways { rows, list: vec![way] }
    }

    pub(super) fn window(
        &self,
        node: NodeId,
        input: NodeId,
        functions: &[(ColumnId, WindowFunction)],
    ) -> Ways {
        let input = self.plan(input, &Request::default());
        let best = self.cheapest(&input.list, 1.0);
        let mut columns = self.columns(best.id);
        let width = self.estimates.width(&columns);
        // Functions over the same partitions and order share a sort.
        let mut sorts: Vec<(&[ColumnId], &[SortKey])> = Vec::new();
        for (_, function) in functions {
            let sort = (&function.partition[..], &function.order[..]);
            if !sorts.contains(&sort) {
                sorts.push(sort);
            }
        }
        let own = |rows: f64| {
            let sort = self.work(Work::Sort { rows, width, kept: rows });
            let scalars = count(functions.len());
            count(sorts.len()) * sort + self.work(Work::Evaluate { rows, scalars })
        };
        let (expected, more) = (own(input.rows.point), own(pessimistic(&input.rows)));
        columns.extend(functions.iter().map(|(column, _)| *column));
        let cost = plus(best.cost, best.cost.total - best.cost.start + expected, expected, more);
        let way = self.add(Draft {
            operator: Operator::Window { input: best.id, functions: functions.to_vec() },
            columns,
            rows: input.rows,
            cost,
            order: Order::default(),
            node: Some(node),
            part: None,
            rejected: Vec::new(),
        });
        Ways { rows: input.rows, list: vec![way] }
    }
}
