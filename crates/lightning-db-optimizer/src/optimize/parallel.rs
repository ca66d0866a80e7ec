//! Plans shared among workers.
//!
//! What runs without a stop between rows is a pipeline: workers take pieces of the rows of its
//! first operator, and each runs the whole pipeline on its pieces. A pipeline ends where rows must
//! change hands, which is an exchange: partitioned by a hash so that equal values meet, handed to
//! all, or gathered, merged if they are sorted. A plan gets so many workers that each has enough to
//! do, which is 5 ms where cost is time; with less than twice that it stays on one.

mod operators;

use crate::cost::{CostModel, Work};
use crate::estimate::Estimate;
use crate::plan::{Cost, Exchange, JoinMethod, Operator, Plan, PlanId, PlanNode, SetMethod};
use crate::query::{ColumnId, Scalar, ScalarId, SortKey, WindowFunction};

/// Shares a plan among workers, if that is worth it.
pub(super) fn share(plan: Plan, model: &dyn CostModel, workers: u32) -> Plan {
    let total = plan.cost().total;
    let most = (total / model.worker_cost_min().max(1e-9)).floor();
    if workers < 2 || most < 2.0 {
        return plan;
    }
    // At most `workers`, which is a whole number.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
    let degree = most.min(f64::from(workers)) as u32;
    let shared = shared(&plan, model, degree);
    let starting = model.cost(&Work::Workers { count: f64::from(degree) });
    if shared.degree() > 1 && shared.elapsed() + starting < plan.elapsed() { shared } else { plan }
}

fn shared(plan: &Plan, model: &dyn CostModel, degree: u32) -> Plan {
    let mut sharer = Sharer { plan, model, degree, nodes: Vec::new(), unshared: Vec::new() };
    let subqueries = plan.subqueries.iter().map(|(node, id)| (*node, sharer.copy(*id))).collect();
    let root = sharer.share(plan.root);
    let root = sharer.gathered(root);
    Plan {
        query: plan.query.clone(),
        nodes: sharer.nodes,
        root,
        subqueries,
        applied: plan.applied.clone(),
        unmet: plan.unmet.clone(),
        unit: plan.unit,
        version: plan.version,
    }
}

struct Sharer<'a> {
    plan: &'a Plan,
    model: &'a dyn CostModel,
    degree: u32,
    nodes: Vec<PlanNode>,
    /// Stack of inputs that are made.
    unshared: Vec<PlanId>,
}

impl Sharer<'_> {
    fn push(&mut self, node: PlanNode) -> PlanId {
        self.nodes.push(node);
        PlanId::new(self.nodes.len() - 1)
    }

    fn node(&self, id: PlanId) -> &PlanNode {
        &self.nodes[id.index()]
    }

    fn is_shared(&self, id: PlanId) -> bool {
        self.node(id).degree > 1
    }

    /// Copies a node and all below it, to be run by one worker.
    fn copy(&mut self, root: PlanId) -> PlanId {
        for id in self.plan.below(root) {
            let mut node = self.plan.node(id).clone();
            let from = self.unshared.len() - node.operator.inputs().len();
            let mut inputs = self.unshared.split_off(from).into_iter();
            node.operator.change_inputs(|input| *input = inputs.next().unwrap_or(*input));
            let id = self.push(node);
            self.unshared.push(id);
        }
        self.unshared.pop().unwrap_or(root)
    }

    /// A node and all below it, where it is of use by several workers.
    fn share(&mut self, root: PlanId) -> PlanId {
        let mut made: Vec<PlanId> = Vec::new();
        let mut tasks = vec![(root, false)];
        while let Some((id, ready)) = tasks.pop() {
            let operator = &self.plan.node(id).operator;
            let inputs = match operator {
                // The right side of a loop runs for each row, by the worker that has the row.
                Operator::Join { method: JoinMethod::ForEach, left, .. } => vec![*left],
                operator => operator.inputs(),
            };
            if ready {
                let from = made.len() - inputs.len();
                let inputs = made.split_off(from);
                let id = self.operator(id, &inputs);
                made.push(id);
            } else {
                tasks.push((id, true));
                tasks.extend(inputs.into_iter().rev().map(|input| (input, false)));
            }
        }
        made.pop().unwrap_or(root)
    }

    /// An operator over inputs that are shared or not.
    fn operator(&mut self, id: PlanId, inputs: &[PlanId]) -> PlanId {
        let node = self.plan.node(id).clone();
        match (&node.operator, inputs) {
            (Operator::Access { .. }, _) => self.access(id, node),
            (Operator::Filter { .. } | Operator::Project { .. }, [input]) => {
                let degree = self.node(*input).degree;
                self.finish(node, &[*input], degree)
            }
            (Operator::Join { kind, method, keys, .. }, _) => {
                self.join(id, (*kind, *method), self.key_columns(keys), inputs)
            }
            (Operator::Aggregate { groups, aggregates, .. }, [input]) if self.is_shared(*input) => {
                let (groups, aggregates) = (groups.clone(), aggregates.clone());
                self.aggregate(node, &groups, &aggregates, *input)
            }
            (Operator::Sort { keys, limit, .. }, [input]) if self.is_shared(*input) => {
                let (keys, limit) = (keys.clone(), *limit);
                self.sort(node, keys, limit, *input)
            }
            (Operator::Window { functions, .. }, [input])
                if self.is_shared(*input) && common_partition(functions).is_some() =>
            {
                let by = common_partition(functions).unwrap_or_default().to_vec();
                let input = self.partitioned(*input, &by);
                self.finish(node, &[input], self.degree)
            }
            (Operator::Set { method, left, right, .. }, [one, other]) => {
                let (left, right) = (left.1.clone(), right.1.clone());
                let append = *method == SetMethod::Append;
                self.set(node, append, [(*one, left), (*other, right)])
            }
            _ => {
                let inputs: Vec<PlanId> =
                    inputs.iter().map(|input| self.gathered(*input)).collect();
                self.finish(node, &inputs, 1)
            }
        }
    }

    /// A node over other inputs, by so many workers. Costs stay those of all work together; what
    /// exchanges add comes through the inputs.
    fn finish(&mut self, mut node: PlanNode, inputs: &[PlanId], degree: u32) -> PlanId {
        let mut added = 0.0;
        let mut places = inputs.iter();
        let plan = self.plan;
        let nodes = &self.nodes;
        node.operator.change_inputs(|input| {
            if let Some(place) = places.next() {
                added += nodes[place.index()].cost.total - plan.node(*input).cost.total;
                *input = *place;
            }
        });
        let added = added.max(0.0);
        node.cost.total += added;
        node.cost.high += added;
        node.degree = degree;
        self.push(node)
    }

    /// A search that finds enough rows is taken in pieces.
    fn access(&mut self, id: PlanId, node: PlanNode) -> PlanId {
        // An order that cannot be merged by is kept by one worker.
        let enough =
            self.plan.own_cost(id) >= self.model.worker_cost_min() && self.plan.can_merge(id);
        let degree = if enough { self.degree } else { 1 };
        self.finish(node, &[], degree)
    }

    fn exchange(
        &mut self,
        input: PlanId,
        exchange: Exchange,
        rows: Estimate,
        degree: u32,
    ) -> PlanId {
        let below = self.node(input).clone();
        let width = 8.0 * crate::optimize::rows::count(below.columns.len());
        let copies = match exchange {
            Exchange::Broadcast => f64::from(self.degree),
            _ => 1.0,
        };
        let work = |rows: f64| self.model.cost(&Work::Exchange { rows: rows * copies, width });
        let (expected, more) = (work(rows.point), work(crate::access::pessimistic(&rows)));
        let order = match &exchange {
            Exchange::GatherMerge(keys) => keys.clone(),
            Exchange::Local => below.order,
            Exchange::Hash(_) | Exchange::Broadcast => Vec::new(),
        };
        let total = below.cost.total + expected;
        self.push(PlanNode {
            operator: Operator::Exchange { input, exchange },
            columns: below.columns,
            rows,
            cost: Cost {
                start: below.cost.start,
                total,
                high: (below.cost.high + more).max(total),
            },
            order_is_whole: true,
            order,
            degree,
            node: None,
            part: None,
            rejected: Vec::new(),
        })
    }

    /// The rows of all workers with one, in their order.
    fn gathered(&mut self, input: PlanId) -> PlanId {
        if !self.is_shared(input) {
            return input;
        }
        let node = self.node(input);
        let (rows, known) = (node.rows, &node.columns);
        // What is not handed on cannot be merged by.
        let order: Vec<SortKey> =
            node.order.iter().take_while(|key| known.contains(&key.column)).copied().collect();
        self.exchange(input, Exchange::GatherMerge(order), rows, 1)
    }

    /// Rows with equal values of columns with the same worker.
    fn partitioned(&mut self, input: PlanId, by: &[ColumnId]) -> PlanId {
        let rows = self.node(input).rows;
        self.exchange(input, Exchange::Hash(by.to_vec()), rows, self.degree)
    }

    /// All rows with each worker.
    fn handed_to_all(&mut self, input: PlanId) -> PlanId {
        let input = self.gathered(input);
        let rows = self.node(input).rows;
        self.exchange(input, Exchange::Broadcast, rows, self.degree)
    }

    /// The columns of a join's keys, if all are columns of one type on both sides.
    fn key_columns(&self, keys: &[(ScalarId, ScalarId)]) -> operators::Keys {
        let column = |id| match self.plan.query.scalar(id) {
            Scalar::Column(column) => Some(*column),
            _ => None,
        };
        let both = keys.iter().map(|(left, right)| Some((column(*left)?, column(*right)?)));
        let both = both.collect::<Option<Vec<_>>>()?;
        (!both.is_empty()).then(|| both.into_iter().unzip())
    }
}

/// The columns that all functions partition by, if they do so by the same.
fn common_partition(functions: &[(ColumnId, WindowFunction)]) -> Option<&[ColumnId]> {
    let (_, first) = functions.first()?;
    let all = functions.iter().all(|(_, function)| function.partition == first.partition);
    (all && !first.partition.is_empty()).then_some(&first.partition[..])
}
