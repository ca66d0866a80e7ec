//! Hints, as planning asks for them: what does not follow one is made so dear that it is chosen
//! only where there is nothing else.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::hint::{Hint, HintMethod, Hints, JoinOrder, OrderPart, Relations, Set, same_names};
use crate::plan::{Access, AggregateMethod, Cost};
use crate::query::{NodeId, Query};

/// What is added to the cost of what does not follow a hint: far more than any work costs.
const PENALTY: f64 = 1e30;

/// Whether a cost has a penalty in it.
pub(super) fn is_penalty(cost: f64) -> bool {
    cost >= PENALTY / 2.0
}

/// Adds the penalty to a cost.
pub(crate) fn penalize(cost: &mut Cost) {
    cost.start += PENALTY;
    cost.total += PENALTY;
    cost.high += PENALTY;
}

/// The hints for a query, by what they are about.
#[derive(Debug)]
pub(super) struct Hinted {
    relations: Relations,
    orders: Vec<Vec<Part>>,
    joins: HashMap<Vec<usize>, (HintMethod, Set), FixedState>,
    indexes: HashMap<usize, Vec<String>, FixedState>,
    aggregate: Option<AggregateMethod>,
}

/// A part of an order of joins: parts stand before those that are made of them.
#[derive(Debug)]
struct Part {
    set: Set,
    sides: Option<(usize, usize)>,
}

/// An order over relations by number; `None` if there is a name that means nothing, or too much.
fn compiled(order: &JoinOrder, relations: &Relations) -> Option<Vec<Part>> {
    let (mut parts, mut stack): (Vec<Part>, Vec<usize>) = (Vec::new(), Vec::new());
    for part in order.parts() {
        let part = match part {
            OrderPart::Relations(names) => Part { set: relations.set(names).ok()?, sides: None },
            OrderPart::Join => {
                let (right, left) = (stack.pop()?, stack.pop()?);
                let mut set = parts[left].set.clone();
                if set.meets(&parts[right].set) {
                    return None;
                }
                set.extend(&parts[right].set);
                Part { set, sides: Some((left, right)) }
            }
        };
        parts.push(part);
        stack.push(parts.len() - 1);
    }
    let whole = parts.last()?.set.members().count();
    (stack.len() == 1 && whole <= crate::hint::RELATIONS_MAX).then_some(parts)
}

impl Hinted {
    pub(super) fn new(query: &Query, hints: &Hints) -> Self {
        let relations = Relations::new(query);
        let mut made = Self {
            relations,
            orders: Vec::new(),
            joins: HashMap::default(),
            indexes: HashMap::default(),
            aggregate: None,
        };
        for hint in hints.list() {
            made.add(hint);
        }
        made
    }

    /// What a hint cannot mean is found when the plan is compared with it.
    fn add(&mut self, hint: &Hint) {
        match hint {
            Hint::Order(order) => self.orders.extend(compiled(order, &self.relations)),
            Hint::Access { relation, indexes } => {
                for number in self.relations.named(relation) {
                    self.indexes.insert(*number, indexes.clone());
                }
            }
            Hint::Join { relations, inner, method } => {
                let sets = (self.relations.set(relations), self.relations.set(inner));
                if let (Ok(all), Ok(inner)) = sets {
                    self.joins.insert(all.members().collect(), (*method, inner.clone()));
                    // Both are to be made, so nothing is to be joined across them.
                    let together = [all, inner].map(|set| vec![Part { set, sides: None }]);
                    self.orders.extend(together);
                }
            }
            Hint::Aggregate(method) => self.aggregate = Some(*method),
        }
    }

    pub(super) fn aggregate(&self) -> Option<AggregateMethod> {
        self.aggregate
    }

    /// The relations at or below a node.
    pub(super) fn below(&self, query: &Query, node: NodeId) -> Set {
        self.relations.below(query, node)
    }

    /// The indexes that a hint asks for, for the rows of a scan; none for a scan of the table.
    pub(super) fn indexes(&self, scan: NodeId) -> Option<&[String]> {
        let number = self.relations.of_scan(scan)?;
        self.indexes.get(&number).map(Vec::as_slice)
    }

    /// Whether a way to the rows of a scan is another than it should be.
    pub(super) fn refuses_access(&self, scan: NodeId, access: &Access) -> bool {
        let wanted = self.indexes(scan);
        let used: Vec<&str> = access.index_scans().into_iter().map(|scan| &*scan.name).collect();
        wanted.is_some_and(|wanted| !same_names(&used, wanted))
    }

    /// Whether a join of two sets should be made in another order.
    pub(super) fn refuses_pair(&self, left: &Set, right: &Set) -> bool {
        self.orders.iter().any(|order| !allows(order, left, right))
    }

    /// Whether a join of sets should be made by another method.
    pub(super) fn refuses_method(
        &self,
        all: &Set,
        method: crate::plan::JoinMethod,
        inner: Option<&Set>,
    ) -> bool {
        let wanted = self.joins.get(&all.members().collect::<Vec<usize>>());
        wanted.is_some_and(|(wanted, kept)| {
            crate::hint::hint_method(method) != *wanted
                || !kept.is_empty() && inner.is_some_and(|inner| inner != kept)
        })
    }

    /// The tree of an order over leaves with these relations, if it is of all of them: leaves by
    /// position, and `None` for a join of the two parts before.
    pub(super) fn tree(&self, leaves: &[&Set]) -> Option<Vec<Option<usize>>> {
        self.orders.iter().find_map(|order| tree(order, leaves))
    }
}

fn tree(order: &[Part], leaves: &[&Set]) -> Option<Vec<Option<usize>>> {
    let (mut made, mut stack) = (Vec::new(), vec![(order.len().checked_sub(1)?, false)]);
    let mut found = 0;
    while let Some((at, ready)) = stack.pop() {
        let part = &order[at];
        if ready {
            made.push(None);
        } else if let Some(leaf) = leaves.iter().position(|leaf| **leaf == part.set) {
            made.push(Some(leaf));
            found += 1;
        } else {
            let (left, right) = part.sides?;
            stack.extend([(at, true), (right, false), (left, false)]);
        }
    }
    (found == leaves.len()).then_some(made)
}

/// Whether two sets may be joined, if relations are to be joined in an order.
fn allows(order: &[Part], left: &Set, right: &Set) -> bool {
    if left.is_empty() || right.is_empty() {
        return true;
    }
    let mut all = left.clone();
    all.extend(right);
    let Some(mut at) = order.len().checked_sub(1) else { return true };
    loop {
        let part = &order[at];
        if !all.meets(&part.set) {
            return true;
        }
        if all == part.set {
            let Some((one, other)) = part.sides else { return true };
            let (one, other) = (&order[one].set, &order[other].set);
            return (left, right) == (one, other) || (left, right) == (other, one);
        }
        if part.set.within(&all) {
            return part.set.within(left) || part.set.within(right);
        }
        let Some((one, other)) = part.sides.filter(|_| all.within(&part.set)) else {
            return all.within(&part.set);
        };
        if all.within(&order[one].set) {
            at = one;
        } else if all.within(&order[other].set) {
            at = other;
        } else {
            return false;
        }
    }
}
