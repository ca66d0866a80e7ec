//! The ways to each node's rows.

use std::cell::RefCell;
use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::Settings;
use super::estimates::Estimates;
use super::hinted::Hinted;
use super::uses;
use crate::access::Relation;
use crate::catalog::Catalog;
use crate::cost::Work;
use crate::estimate::Estimate;
use crate::hint::Hints;
use crate::plan::{Cost, Operator, Order, OrderKey, Part, Plan, PlanId, PlanNode, Rejected};
use crate::query::{ColumnId, Node, NodeId, Query, Scalar, ScalarId};

/// A query with all that plans use in it: no scalar is added while it is planned.
pub(super) struct Prepared {
    pub(super) query: Query,
    pub(super) relations: HashMap<NodeId, Relation, FixedState>,
    /// The scalar that each column is.
    pub(super) column_scalars: Vec<ScalarId>,
    /// The condition that the argument of a smallest or largest value is not null.
    pub(super) not_null: HashMap<ScalarId, ScalarId, FixedState>,
    /// What was said of the plan, if something was.
    pub(super) hinted: Option<Hinted>,
}

impl Prepared {
    pub(super) fn new(mut query: Query, catalog: &dyn Catalog, hints: Option<&Hints>) -> Self {
        let columns = query.column_ids();
        let add = |column: ColumnId| query.add_scalar(Scalar::Column(column));
        let column_scalars = columns.map(add).collect();
        let mut relations = HashMap::default();
        let nodes = query.root().map_or(Vec::new(), |root| uses::all_nodes(&query, root));
        let mut not_null = HashMap::default();
        for node in nodes {
            if let Some(relation) = Relation::new(&mut query, catalog, node) {
                relations.insert(node, relation);
            }
            let Node::Aggregate { aggregates, .. } = query.node(node) else { continue };
            let arguments: Vec<_> = aggregates.iter().filter_map(|(_, it)| it.argument).collect();
            for argument in arguments {
                let null = query.add_scalar(Scalar::IsNull(argument));
                not_null.insert(argument, query.add_scalar(Scalar::Not(null)));
            }
        }
        let hinted = hints.map(|hints| Hinted::new(&query, hints));
        Self { query, relations, column_scalars, not_null, hinted }
    }
}

/// What is wanted of a node's rows, beside that they are right.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    /// Orders that would be of use.
    pub(super) orders: Vec<Vec<OrderKey>>,
    /// Only so many of the first rows are read, as far as is known.
    pub(super) goal: Option<f64>,
    /// No more than so many of the first rows are read.
    pub(super) limit: Option<u64>,
}

/// A way to rows.
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) id: PlanId,
    pub(super) cost: Cost,
    pub(super) order: Order,
}

/// The ways to a node's rows: at least one.
#[derive(Debug, Clone)]
pub(super) struct Ways {
    pub(super) rows: Estimate,
    pub(super) list: Vec<Way>,
}

/// An operator that is about to be a node.
pub(super) struct Draft {
    pub(super) operator: Operator,
    pub(super) columns: Vec<ColumnId>,
    pub(super) rows: Estimate,
    pub(super) cost: Cost,
    pub(super) order: Order,
    pub(super) node: Option<NodeId>,
    pub(super) part: Option<Part>,
    pub(super) rejected: Vec<Rejected>,
}

pub(super) struct Planner<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) query: &'a Query,
    pub(super) catalog: &'a dyn Catalog,
    pub(super) estimates: &'a Estimates<'a>,
    pub(super) settings: &'a Settings,
    pub(super) uses: Vec<u32>,
    pub(super) places: uses::Places,
    pub(super) nodes: RefCell<Vec<PlanNode>>,
    /// Plans of subqueries in scalars.
    pub(super) subqueries: Vec<(NodeId, PlanId)>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        prepared: &'a Prepared,
        catalog: &'a dyn Catalog,
        estimates: &'a Estimates<'a>,
        settings: &'a Settings,
    ) -> Self {
        let query = &prepared.query;
        let nodes = RefCell::default();
        let (uses, subqueries) = (Vec::new(), Vec::new());
        let places = uses::Places::default();
        Self { prepared, query, catalog, estimates, settings, uses, places, nodes, subqueries }
    }

    pub(super) fn plan_root(mut self, root: NodeId) -> Plan {
        self.uses = uses::count_uses(self.query, root);
        self.places = uses::Places::new(self.query, root);
        let mut nested = Vec::new();
        for id in uses::all_nodes(self.query, root) {
            for scalar in self.query.node(id).scalars() {
                uses::subqueries(self.query, scalar, &mut nested);
            }
        }
        // Inner ones come first, so that those around them know what they cost.
        for node in nested {
            if self.subqueries.iter().all(|(known, _)| *known != node) {
                let id = self.best(node);
                self.subqueries.push((node, id));
            }
        }
        let id = self.best(root);
        super::finish::finish(&self, id)
    }

    /// The best way to a node's rows, with its columns in order.
    fn best(&self, node: NodeId) -> PlanId {
        let ways = self.plan(node, &Request::default());
        let best = self.cheapest(&ways.list, 1.0);
        let wanted = self.query.output(node);
        if self.columns(best.id) == wanted {
            return best.id;
        }
        let made = wanted.iter().map(|column| (*column, self.scalar(*column))).collect();
        let operator = Operator::Project { input: best.id, columns: made };
        let (columns, rows, cost) = (wanted, ways.rows, best.cost);
        let draft = Draft {
            operator,
            columns,
            rows,
            cost,
            order: best.order.clone(),
            node: Some(node),
            part: None,
            rejected: Vec::new(),
        };
        self.add(draft).id
    }

    /// The ways to a node's rows.
    pub(super) fn plan(&self, node: NodeId, request: &Request) -> Ways {
        match self.query.node(node) {
            Node::Scan { .. } | Node::Join { .. } => self.block(node, request),
            Node::Filter { input, .. } if self.is_open(*input) => self.block(node, request),
            Node::Filter { input, conditions } => {
                let input = self.plan(*input, &Request { limit: None, ..request.clone() });
                self.filter(input, conditions, Some(node))
            }
            Node::Values { columns, rows } => self.values(node, columns, rows),
            Node::Project { input, columns } => self.project(node, *input, columns, request),
            Node::Aggregate { input, groups, aggregates } => {
                self.aggregate(node, *input, groups, aggregates, request)
            }
            Node::Set { operation, all, left, right, columns } => {
                self.set(node, (*operation, *all), left, right, columns)
            }
            Node::Sort { input, keys } => self.sort(node, *input, keys, request),
            Node::Limit { input, limit, offset } => {
                self.limit(node, *input, *limit, *offset, request)
            }
            Node::Window { input, functions } => self.window(node, *input, functions),
        }
    }

    /// The scalar that a column is.
    pub(super) fn scalar(&self, column: ColumnId) -> ScalarId {
        self.prepared.column_scalars[column.index()]
    }

    /// Columns of a node that was added.
    pub(super) fn columns(&self, id: PlanId) -> Vec<ColumnId> {
        self.nodes.borrow()[id.index()].columns.clone()
    }

    pub(super) fn work(&self, work: Work) -> f64 {
        self.settings.cost_model.cost(&work)
    }

    /// What ways are compared by, if this share of the rows is read.
    pub(super) fn rank(&self, cost: &Cost, share: f64) -> f64 {
        cost.start + (cost.weighted(self.settings.risk_weight) - cost.start) * share
    }

    pub(super) fn cheapest<'w>(&self, list: &'w [Way], share: f64) -> &'w Way {
        let rank = |way: &&Way| self.rank(&way.cost, share);
        let best = list.iter().min_by(|left, right| rank(left).total_cmp(&rank(right)));
        // There is always one: every table can be scanned, and every operator has a way that asks
        // nothing of its inputs.
        best.unwrap_or(&list[0])
    }

    pub(super) fn add(&self, draft: Draft) -> Way {
        let mut nodes = self.nodes.borrow_mut();
        let id = PlanId::new(nodes.len());
        let order = draft.order.sort_keys(self.query, &draft.columns);
        nodes.push(PlanNode {
            order_is_whole: order.len() == draft.order.parts.len(),
            operator: draft.operator,
            columns: draft.columns,
            rows: draft.rows,
            cost: draft.cost,
            order,
            degree: 1,
            node: draft.node,
            part: draft.part,
            rejected: draft.rejected,
        });
        Way { id, cost: draft.cost, order: draft.order }
    }

    /// Leaves out ways that another is as good as in every respect. Where all rows are wanted, what
    /// ways are compared by is their rank alone, whatever is done with the rows.
    pub(super) fn prune(&self, list: Vec<Way>, request: &Request, rows: &Estimate) -> Vec<Way> {
        let share = share(request.goal, rows);
        let mut ranked: Vec<(f64, Way)> =
            list.into_iter().map(|way| (self.rank(&way.cost, share), way)).collect();
        ranked.sort_by(|left, right| left.0.total_cmp(&right.0));
        let mut kept: Vec<Way> = Vec::new();
        for (_, way) in ranked {
            let dominated = kept.iter().any(|other| {
                let sorted = |wanted: &Vec<OrderKey>| {
                    other.order.satisfied(wanted) >= way.order.satisfied(wanted)
                };
                (request.goal.is_none() || other.cost.total <= way.cost.total)
                    && request.orders.iter().all(sorted)
            });
            if !dominated {
                kept.push(way);
            }
        }
        kept
    }
}

/// The share of rows that is read.
pub(super) fn share(goal: Option<f64>, rows: &Estimate) -> f64 {
    goal.map_or(1.0, |goal| (goal / rows.point.max(1e-9)).min(1.0))
}

/// Why a way was not taken: what plans are compared by, which counts the risk, set against that of
/// the one that was.
pub(crate) fn dearer(other: f64, chosen: f64) -> String {
    let ratio = other / chosen.max(1e-9);
    match ratio {
        _ if ratio >= 100.0 => format!("costs {ratio:.0} times as much"),
        _ if ratio >= 1.005 => format!("costs {ratio:.2} times as much"),
        _ => "costs as much".to_owned(),
    }
}
