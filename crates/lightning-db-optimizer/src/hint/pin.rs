//! A plan as hints: pinned.

use super::relations::{Relations, Set};
use super::{Hint, HintMethod, Hints, JoinOrder, RELATIONS_MAX};
use crate::plan::{JoinMethod, Operator, Plan, PlanId};

impl Hints {
    /// Hints that only this plan follows, as far as hints go: the order and methods of joins, how
    /// the rows of each relation are found, and how groups are. With them the query is planned so
    /// again, whatever the statistics say then; as text they can be kept. The order of blocks of
    /// more than 128 relations is left out.
    pub fn pin(plan: &Plan) -> Self {
        let relations = Relations::new(plan.query());
        let joined = Joined::new(plan, &relations);
        let mut list = Vec::new();
        let nested = plan.subqueries().iter().map(|(_, id)| *id);
        for root in nested.chain([plan.root()]) {
            joined.orders(plan, root, &mut list);
        }
        let mut methods = Vec::new();
        for (place, node) in plan.nodes().iter().enumerate() {
            match &node.operator {
                Operator::Access { access, .. } => {
                    let indexes = access.index_scans();
                    let names = indexes.iter().map(|scan| scan.name.to_string());
                    list.extend(joined.access(&relations, PlanId::new(place), names.collect()));
                }
                Operator::IndexAggregate { aggregates, .. } => {
                    let names = aggregates.iter().map(|one| one.scan.name.to_string());
                    list.extend(joined.access(&relations, PlanId::new(place), names.collect()));
                }
                Operator::Aggregate { groups, method, .. } if !groups.is_empty() => {
                    methods.push(*method);
                }
                _ => {}
            }
        }
        methods.dedup();
        if let [method] = methods[..] {
            list.push(Hint::Aggregate(method));
        }
        Self { list }
    }
}

/// The relations below each node of a plan.
pub(super) struct Joined {
    below: Vec<Set>,
    names: Vec<String>,
}

/// A join of a plan.
pub(super) struct Made {
    pub(super) left: Set,
    pub(super) right: Set,
    pub(super) method: JoinMethod,
}

impl Made {
    pub(super) fn all(&self) -> Set {
        let mut all = self.left.clone();
        all.extend(&self.right);
        all
    }

    /// The side that is kept or searched; none for a merge.
    pub(super) fn inner(&self) -> Option<&Set> {
        inner_is_left(self.method).map(|left| if left { &self.left } else { &self.right })
    }
}

/// Whether a method keeps the left side; `None` if it keeps none.
pub(crate) fn inner_is_left(method: JoinMethod) -> Option<bool> {
    match method {
        JoinMethod::HashLeft => Some(true),
        JoinMethod::HashRight | JoinMethod::NestedLoop | JoinMethod::ForEach => Some(false),
        JoinMethod::Merge => None,
    }
}

/// The method of a hint that a method is.
pub(crate) fn hint_method(method: JoinMethod) -> HintMethod {
    match method {
        JoinMethod::HashLeft | JoinMethod::HashRight => HintMethod::Hash,
        JoinMethod::Merge => HintMethod::Merge,
        JoinMethod::NestedLoop => HintMethod::Loop,
        JoinMethod::ForEach => HintMethod::Each,
    }
}

impl Joined {
    pub(super) fn new(plan: &Plan, relations: &Relations) -> Self {
        let mut below: Vec<Set> = Vec::with_capacity(plan.nodes().len());
        for node in plan.nodes() {
            let mut set = Set::default();
            if let Operator::Access { relation, .. } | Operator::IndexAggregate { relation, .. } =
                &node.operator
            {
                let number = relation.first().and_then(|column| relations.of_column(*column));
                if let Some(number) = number {
                    set.add(number);
                }
            }
            for input in node.operator.inputs() {
                set.extend(&below[input.index()]);
            }
            below.push(set);
        }
        let most = below.iter().flat_map(Set::members).max().map_or(0, |most| most + 1);
        Self { below, names: (0..most).map(|it| relations.name(it).to_owned()).collect() }
    }

    pub(super) fn below(&self, id: PlanId) -> &Set {
        &self.below[id.index()]
    }

    fn names(&self, set: &Set) -> Vec<String> {
        set.members().map(|number| self.names[number].clone()).collect()
    }

    /// The joins of a plan.
    pub(super) fn joins(&self, plan: &Plan) -> Vec<Made> {
        let joins = plan.nodes().iter().filter_map(|node| match &node.operator {
            Operator::Join { method, left, right, .. } => {
                let [left, right] = [left, right].map(|side| self.below(*side).clone());
                Some(Made { left, right, method: *method })
            }
            _ => None,
        });
        joins.collect()
    }

    fn access(&self, relations: &Relations, id: PlanId, indexes: Vec<String>) -> Option<Hint> {
        let number = self.below(id).members().next()?;
        Some(Hint::Access { relation: relations.name(number).to_owned(), indexes })
    }

    /// The joins at or below a node: one order for each block of them, and their methods.
    fn orders(&self, plan: &Plan, root: PlanId, list: &mut Vec<Hint>) {
        // Nodes with whether the join that uses them takes them for a part of its block.
        let mut stack = vec![(root, false)];
        while let Some((id, inside)) = stack.pop() {
            let operator = &plan.node(id).operator;
            let is_join = matches!(operator, Operator::Join { .. });
            // Larger ones are not looked at again in the same order.
            if is_join && self.below(id).members().count() > RELATIONS_MAX {
                stack.extend(operator.inputs().into_iter().map(|input| (input, false)));
                continue;
            }
            if is_join && !inside {
                list.push(Hint::Order(self.order(plan, id)));
            }
            if let Operator::Join { method, left, right, .. } = operator {
                let [left, right] = [left, right].map(|side| self.below(*side).clone());
                let made = Made { left, right, method: *method };
                // A side without relations has no name to be called by.
                let is_named = !made.left.is_empty() && !made.right.is_empty();
                let inner = made.inner().map_or_else(Vec::new, |inner| self.names(inner));
                let (relations, method) = (self.names(&made.all()), hint_method(*method));
                list.extend(is_named.then_some(Hint::Join { relations, inner, method }));
            }
            let passes = inside && is_passed(operator);
            let inputs = operator.inputs().into_iter();
            stack.extend(inputs.map(|input| (input, is_join || passes)));
        }
    }

    fn order(&self, plan: &Plan, root: PlanId) -> JoinOrder {
        let mut parts: Vec<JoinOrder> = Vec::new();
        let mut tasks = vec![(root, false)];
        while let Some((id, ready)) = tasks.pop() {
            match &plan.node(id).operator {
                Operator::Join { .. } if ready => {
                    let (Some(right), Some(left)) = (parts.pop(), parts.pop()) else { break };
                    parts.push(left.join(right));
                }
                Operator::Join { left, right, .. } => {
                    tasks.extend([(id, true), (*right, false), (*left, false)]);
                }
                operator if is_passed(operator) => {
                    tasks.extend(operator.inputs().into_iter().map(|input| (input, false)));
                }
                _ => parts.push(JoinOrder::relations(self.names(self.below(id)))),
            }
        }
        parts.pop().unwrap_or_else(|| JoinOrder::relations([]))
    }
}

/// Whether rows pass an operator on the way from one join of a block to the next.
fn is_passed(operator: &Operator) -> bool {
    matches!(operator, Operator::Sort { limit: None, .. } | Operator::Exchange { .. })
}
