//! Plans: what an engine does, operator by operator, with what is expected of each.
//!
//! A plan holds the query that it was made for, since its operators use the scalars and columns of
//! it. Its nodes stand after their inputs, so that one pass from the first to the last sees each
//! input before its user.

mod access;
mod display;
mod operator;
mod order;

pub use access::{Access, BloomCheck, IndexScan, KeyBound, KeyPart, RowSet};
pub use operator::{
    AggregateMethod, Exchange, IndexAggregate, JoinMethod, Operator, Phase, SetMethod,
};

pub(crate) use order::{Order, OrderKey, OrderPart};

use crate::estimate::Estimate;
use crate::fingerprint::Signature;
use crate::hint::Unmet;
use crate::query::{ColumnId, NodeId, Query, SortKey};
use crate::rewrite::Applied;

/// A node of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanId(u32);

impl PlanId {
    /// Position in the plan.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) fn new(position: usize) -> Self {
        // More than 2^32 nodes do not fit into memory.
        Self(u32::try_from(position).unwrap_or(u32::MAX))
    }
}

/// What an operator is expected to cost, with all below it, in units of the cost model. Work that
/// several workers share counts once; see [`Plan::elapsed`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Until its first row.
    pub start: f64,
    /// Until its last row: never less than `start`.
    pub total: f64,
    /// The same if there are more rows than expected, towards the upper bounds: never less than
    /// `total`.
    pub high: f64,
}

/// A node of a plan: an operator, and what is expected of it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanNode {
    /// What is done.
    pub operator: Operator,
    /// Columns that it gives, in order.
    pub columns: Vec<ColumnId>,
    /// Rows that it gives each time it runs.
    pub rows: Estimate,
    /// What it costs each time it runs, with its inputs.
    pub cost: Cost,
    /// The order of its rows; of several workers' rows, that of each.
    pub order: Vec<SortKey>,
    /// Workers that run it together.
    pub degree: u32,
    /// The node of the query whose rows it gives, if it gives those of one.
    pub node: Option<NodeId>,
    /// What part of the query its rows are, if they are those of one whatever the plan: what is
    /// counted of it may be learned from.
    pub part: Option<Part>,
    /// Other ways to the same rows, and why they were not taken.
    pub rejected: Vec<Rejected>,
    /// Whether `order` is all of the rows' order: operators above may rely on more than columns.
    pub(crate) order_is_whole: bool,
}

/// A part of a query, in a form that is the same in other queries and plans.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it is.
    pub signature: Signature,
    /// Its rows as statistics alone expect them.
    pub by_statistics: Estimate,
    /// Positions of the columns that conditions are on, ascending, if it is a filter of one table.
    pub columns: Vec<usize>,
}

/// A way that was not taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected {
    /// What it is, as text.
    pub what: String,
    /// What it would cost, if it could be taken.
    pub cost: Option<f64>,
    /// Why it was not taken.
    pub reason: String,
}

/// How a query is run.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) query: Query,
    pub(crate) nodes: Vec<PlanNode>,
    pub(crate) root: PlanId,
    pub(crate) subqueries: Vec<(NodeId, PlanId)>,
    pub(crate) applied: Vec<Applied>,
    pub(crate) unmet: Vec<Unmet>,
    pub(crate) unit: &'static str,
    pub(crate) version: u64,
}

impl Plan {
    /// The query, as rewrites left it: the plan's scalars and columns are its own.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The node whose rows are those of the query.
    pub fn root(&self) -> PlanId {
        self.root
    }

    /// A node.
    pub fn node(&self, id: PlanId) -> &PlanNode {
        &self.nodes[id.index()]
    }

    /// All nodes, each after its inputs.
    pub fn nodes(&self) -> &[PlanNode] {
        &self.nodes
    }

    /// Plans of the subqueries that are left in scalars, by the node they have there. They run for
    /// each row that a scalar with them is evaluated for.
    pub fn subqueries(&self) -> &[(NodeId, PlanId)] {
        &self.subqueries
    }

    /// What the query was rewritten by, in order.
    pub fn applied(&self) -> &[Applied] {
        &self.applied
    }

    /// Hints that it does not follow, and why not.
    pub fn unmet(&self) -> &[Unmet] {
        &self.unmet
    }

    /// Unit of the costs.
    pub fn unit(&self) -> &'static str {
        self.unit
    }

    /// Version of the catalog that it was made for.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Rows and cost of the query.
    pub fn rows(&self) -> Estimate {
        self.node(self.root).rows
    }

    /// Expected cost of the query.
    pub fn cost(&self) -> Cost {
        self.node(self.root).cost
    }

    /// Workers that the widest part runs on.
    pub fn degree(&self) -> u32 {
        self.nodes.iter().map(|node| node.degree).max().unwrap_or(1)
    }

    /// Whether rows of several workers can be merged in the order that a node's rows have.
    pub(crate) fn can_merge(&self, id: PlanId) -> bool {
        self.node(id).order_is_whole
    }

    /// The cost of an operator alone, without its inputs.
    pub fn own_cost(&self, id: PlanId) -> f64 {
        let node = self.node(id);
        let inputs = node.operator.inputs();
        let below: f64 = inputs.iter().map(|input| self.node(*input).cost.total).sum();
        (node.cost.total - below).max(0.0)
    }

    /// Expected cost with the work of each operator shared among its workers: time, where the unit
    /// is time.
    pub fn elapsed(&self) -> f64 {
        let ids = self.below(self.root);
        ids.into_iter().map(|id| self.own_cost(id) / f64::from(self.node(id).degree.max(1))).sum()
    }

    /// A node and all that it reads from, each after its inputs.
    pub fn below(&self, root: PlanId) -> Vec<PlanId> {
        let (mut stack, mut order) = (vec![root], Vec::new());
        while let Some(id) = stack.pop() {
            order.push(id);
            stack.extend(self.node(id).operator.inputs());
        }
        order.reverse();
        order
    }
}

impl Cost {
    /// What plans are compared by: the expected cost, and a share of what more rows would add.
    pub fn weighted(&self, risk: f64) -> f64 {
        self.total + risk * (self.high - self.total)
    }
}
