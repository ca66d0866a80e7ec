//! Which hints a plan follows.

use super::pin::{Joined, Made, hint_method};
use super::relations::{Relations, Set};
use super::{Hint, Hints, JoinOrder, OrderPart, RELATIONS_MAX, Unmet, UnmetReason};
use crate::catalog::Catalog;
use crate::plan::{Operator, Plan};

/// The hints that a plan does not follow.
pub(crate) fn unmet(plan: &Plan, hints: &Hints, catalog: &dyn Catalog) -> Vec<Unmet> {
    let relations = Relations::new(plan.query());
    let joined = Joined::new(plan, &relations);
    let joins = joined.joins(plan);
    let checker = Checker { plan, catalog, relations, joined, joins };
    let reason = |hint: &Hint| checker.check(hint).err();
    let all = hints.list().iter();
    all.filter_map(|hint| Some(Unmet { reason: reason(hint)?, hint: hint.clone() })).collect()
}

struct Checker<'a> {
    plan: &'a Plan,
    catalog: &'a dyn Catalog,
    relations: Relations,
    joined: Joined,
    joins: Vec<Made>,
}

type Met = Result<(), UnmetReason>;

fn met(is: bool) -> Met {
    if is { Ok(()) } else { Err(UnmetReason::Impossible) }
}

impl Checker<'_> {
    fn check(&self, hint: &Hint) -> Met {
        match hint {
            Hint::Order(order) => self.order(order),
            Hint::Access { relation, indexes } => self.access(relation, indexes),
            Hint::Join { relations, inner, method } => {
                let (all, inner) = (self.set(relations)?, self.set(inner)?);
                let mut joins = self.joins.iter().filter(|join| join.all() == all);
                met(joins.any(|join| {
                    let kept = inner.is_empty() || join.inner().is_none_or(|it| *it == inner);
                    hint_method(join.method) == *method && kept
                }))
            }
            Hint::Aggregate(wanted) => {
                let grouped = self.plan.nodes().iter().filter_map(|node| match &node.operator {
                    Operator::Aggregate { groups, method, .. } if !groups.is_empty() => {
                        Some(*method)
                    }
                    _ => None,
                });
                let methods: Vec<_> = grouped.collect();
                met(!methods.is_empty() && methods.iter().all(|method| method == wanted))
            }
        }
    }

    /// The relations that names mean, all of which the plan reads.
    fn set(&self, names: &[String]) -> Result<Set, UnmetReason> {
        let unknown = |name: &str| UnmetReason::UnknownRelation(name.to_owned());
        self.relations.set(names).map_err(unknown)
    }

    fn order(&self, order: &JoinOrder) -> Met {
        let mut sets: Vec<Set> = Vec::new();
        for part in order.parts() {
            let set = match part {
                OrderPart::Relations(names) => self.set(names)?,
                OrderPart::Join => {
                    let (Some(right), Some(left)) = (sets.pop(), sets.pop()) else {
                        return Err(UnmetReason::Impossible);
                    };
                    let is_made = self.joins.iter().any(|join| {
                        (&join.left, &join.right) == (&left, &right)
                            || (&join.left, &join.right) == (&right, &left)
                    });
                    met(is_made)?;
                    let mut all = left;
                    all.extend(&right);
                    if all.members().count() > RELATIONS_MAX {
                        return Err(UnmetReason::TooLarge { limit: RELATIONS_MAX });
                    }
                    all
                }
            };
            sets.push(set);
        }
        Ok(())
    }

    fn access(&self, relation: &str, indexes: &[String]) -> Met {
        let numbers = self.relations.named(relation);
        if numbers.is_empty() {
            return Err(UnmetReason::UnknownRelation(relation.to_owned()));
        }
        for number in numbers {
            let definition = self.catalog.definition(self.relations.table(*number));
            let known = |name: &&String| definition.indexes.iter().any(|it| it.name == **name);
            if let Some(index) = indexes.iter().find(|name| !known(name)) {
                let (relation, index) = (relation.to_owned(), index.clone());
                return Err(UnmetReason::UnknownIndex { relation, index });
            }
            met(self.is_found_by(*number, indexes))?;
        }
        Ok(())
    }

    /// Whether the plan finds the rows of a relation by these indexes and no others.
    fn is_found_by(&self, number: usize, indexes: &[String]) -> bool {
        let mut found = false;
        for (place, node) in self.plan.nodes().iter().enumerate() {
            let used: Vec<&str> = match &node.operator {
                Operator::Access { access, .. } => {
                    access.index_scans().into_iter().map(|scan| &*scan.name).collect()
                }
                Operator::IndexAggregate { aggregates, .. } => {
                    aggregates.iter().map(|one| &*one.scan.name).collect()
                }
                _ => continue,
            };
            let below = self.joined.below(crate::plan::PlanId::new(place));
            if below.members().next() != Some(number) {
                continue;
            }
            found = true;
            if !same_names(&used, indexes) {
                return false;
            }
        }
        found
    }
}

/// Whether two lists have the same names, however often.
pub(crate) fn same_names<T: AsRef<str>>(used: &[T], wanted: &[String]) -> bool {
    used.iter().all(|name| wanted.iter().any(|it| it == name.as_ref()))
        && wanted.iter().all(|name| used.iter().any(|it| it.as_ref() == name))
}
