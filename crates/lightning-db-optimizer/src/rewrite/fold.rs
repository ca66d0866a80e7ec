//! Constant folding, and a normal form that is safe where truth has three values.
//!
//! NOT moves inwards, AND and OR are flat, what is common to all sides of an OR stands before it,
//! equalities of one value are one IN, a constant stands on the right of a comparison. Nothing is
//! done that turns unknown into false or the reverse, since a NOT may stand around it.

use lightning_db_expression::{Comparison, Function};
use lightning_db_types::Value;

use super::tree::Rewriter;
use crate::query::{Node, NodeId, Query, Scalar, ScalarId};

pub(super) const RULE: &str = "fold constants";

impl Rewriter<'_> {
    /// Puts all scalars of a tree, and of the subqueries in it, into their normal form.
    pub(super) fn fold(&mut self, root: NodeId) -> NodeId {
        self.bottom_up(root, &mut |this, id| {
            let scalars = this.query.node(id).scalars();
            let turned: Vec<ScalarId> = scalars.iter().map(|id| this.simplified(*id)).collect();
            let changed = turned != scalars;
            let node = if changed { this.with_scalars(id, &turned) } else { id };
            let node = this.flat_conditions(node);
            if changed {
                let pairs = scalars.iter().zip(&turned).find(|(old, new)| old != new);
                let detail = pairs.map_or(String::new(), |(old, new)| {
                    format!("{} is {}", this.query.scalar_text(*old), this.query.scalar_text(*new))
                });
                this.record(RULE, node, detail);
            }
            node
        })
    }

    /// Conditions without AND at the top and without those that are always true, and without sides
    /// of OR that are never true; a filter that lets nothing pass is no rows.
    fn flat_conditions(&mut self, id: NodeId) -> NodeId {
        let (Node::Filter { conditions, .. } | Node::Join { on: conditions, .. }) =
            self.query.node(id)
        else {
            return id;
        };
        let conditions = conditions.clone();
        let mut flat = Vec::with_capacity(conditions.len());
        for condition in &conditions {
            match self.query.scalar(*condition) {
                Scalar::And(all) => flat.extend(all.iter().copied()),
                Scalar::Literal(Value::Bool(true)) => {}
                _ => flat.push(*condition),
            }
        }
        for condition in &mut flat {
            *condition = possible(self.query, *condition);
        }
        let mut seen = Vec::with_capacity(flat.len());
        flat.retain(|condition| {
            let new = !seen.contains(condition);
            seen.push(*condition);
            new
        });
        if flat == conditions {
            return self.without_rows(id);
        }
        let made = match self.query.node(id).clone() {
            Node::Filter { input, .. } if flat.is_empty() => return input,
            Node::Filter { input, .. } => Node::Filter { input, conditions: flat },
            Node::Join { kind, left, right, .. } => Node::Join { kind, left, right, on: flat },
            other => other,
        };
        let made = self.query.add_node(made);
        self.without_rows(made)
    }

    fn without_rows(&mut self, id: NodeId) -> NodeId {
        let Node::Filter { input, conditions } = self.query.node(id) else { return id };
        let never = |condition: &ScalarId| {
            matches!(
                self.query.scalar(*condition),
                Scalar::Literal(Value::Bool(false) | Value::Null)
            )
        };
        if !conditions.iter().any(never) {
            return id;
        }
        let input = *input;
        let none = self.empty(input);
        self.record(RULE, none, "no row passes");
        none
    }

    /// The normal form of a scalar.
    pub(super) fn simplified(&mut self, id: ScalarId) -> ScalarId {
        let scalar = self.query.scalar(id).clone();
        let operands = scalar.operands();
        let turned: Vec<ScalarId> = operands.iter().map(|id| self.simplified(*id)).collect();
        let mut scalar = if turned == operands { scalar } else { scalar.with_operands(&turned) };
        if let Scalar::Subquery(subquery) = &mut scalar {
            let node = subquery.node_mut();
            *node = self.fold(*node);
        }
        let id = self.query.add_scalar(scalar);
        if let Some(value) = constant(self.query, id) {
            return self.query.add_scalar(Scalar::Literal(value));
        }
        let made = one_step(self.query, id);
        if made == id { id } else { self.simplified(made) }
    }
}

fn literal(query: &Query, id: ScalarId) -> Option<&Value> {
    match query.scalar(id) {
        Scalar::Literal(value) => Some(value),
        _ => None,
    }
}

/// Value of a scalar over constants; `None` if it is no such scalar, or fails.
fn constant(query: &Query, id: ScalarId) -> Option<Value> {
    let scalar = query.scalar(id);
    let operands = scalar.operands();
    let plain = !matches!(scalar, Scalar::External { .. } | Scalar::Parameter(..))
        && !matches!(scalar, Scalar::Literal(_) | Scalar::Column(_) | Scalar::Subquery(_));
    if !plain || !operands.iter().all(|operand| literal(query, *operand).is_some()) {
        return None;
    }
    query.expression(id, &|_| None)?.evaluate(&Vec::new()).ok()
}

/// One step towards the normal form; the scalar itself if it has it.
fn one_step(query: &mut Query, id: ScalarId) -> ScalarId {
    match query.scalar(id).clone() {
        Scalar::And(all) => connected(query, id, &all, true),
        Scalar::Or(all) => connected(query, id, &all, false),
        Scalar::Not(one) => negated(query, id, one),
        Scalar::Compare(comparison, left, right) => {
            let null = |operand| literal(query, operand).is_some_and(Value::is_null);
            if null(left) || null(right) {
                return query.add_scalar(Scalar::Literal(Value::Null));
            }
            if is_fixed(query, left) && !is_fixed(query, right) {
                return query.add_scalar(Scalar::Compare(comparison.exchanged(), right, left));
            }
            id
        }
        Scalar::In(one, list) => in_list(query, id, one, &list),
        Scalar::Call(Function::Coalesce, arguments) => coalesced(query, id, &arguments),
        Scalar::Case { branches, otherwise } => chosen(query, id, branches, otherwise),
        _ => id,
    }
}

/// A condition, where unknown is as good as false, without sides of OR that are never true.
fn possible(query: &mut Query, id: ScalarId) -> ScalarId {
    let Scalar::Or(all) = query.scalar(id) else { return id };
    let kept: Vec<ScalarId> =
        all.iter().copied().filter(|side| !is_never_true(query, *side)).collect();
    match kept.as_slice() {
        [] => query.add_scalar(Scalar::Literal(Value::Bool(false))),
        [one] => *one,
        _ if kept.len() == all.len() => id,
        _ => query.add_scalar(Scalar::Or(kept)),
    }
}

fn is_never_true(query: &Query, id: ScalarId) -> bool {
    let never = |value: &Value| matches!(value, Value::Bool(false) | Value::Null);
    conjuncts(query, id).into_iter().any(|one| literal(query, one).is_some_and(never))
}

fn is_fixed(query: &Query, id: ScalarId) -> bool {
    matches!(query.scalar(id), Scalar::Literal(_) | Scalar::Parameter(..))
}

/// AND and OR: flat, each operand once, without what does not matter.
fn connected(query: &mut Query, id: ScalarId, all: &[ScalarId], and: bool) -> ScalarId {
    let mut flat: Vec<ScalarId> = Vec::with_capacity(all.len());
    for operand in all {
        match query.scalar(*operand) {
            Scalar::And(inner) if and => flat.extend(inner),
            Scalar::Or(inner) if !and => flat.extend(inner),
            Scalar::Literal(Value::Bool(value)) if *value == and => {}
            Scalar::Literal(Value::Bool(_)) => return *operand,
            _ => flat.push(*operand),
        }
    }
    let mut kept: Vec<ScalarId> = Vec::with_capacity(flat.len());
    for operand in flat {
        if !kept.contains(&operand) {
            kept.push(operand);
        }
    }
    match kept.as_slice() {
        [] => return query.add_scalar(Scalar::Literal(Value::Bool(and))),
        [one] => return *one,
        _ => {}
    }
    if !and {
        if let Some(factored) = factored(query, &kept) {
            return factored;
        }
        kept = alternatives(query, kept);
        if let [one] = kept.as_slice() {
            return *one;
        }
    }
    if kept == all {
        return id;
    }
    query.add_scalar(if and { Scalar::And(kept) } else { Scalar::Or(kept) })
}

fn conjuncts(query: &Query, id: ScalarId) -> Vec<ScalarId> {
    match query.scalar(id) {
        Scalar::And(all) => all.clone(),
        _ => vec![id],
    }
}

/// `(a AND b) OR (a AND c)` as `a AND (b OR c)`, which is the same in three values as well.
fn factored(query: &mut Query, all: &[ScalarId]) -> Option<ScalarId> {
    let sides: Vec<Vec<ScalarId>> = all.iter().map(|side| conjuncts(query, *side)).collect();
    let (first, others) = sides.split_first()?;
    let common: Vec<ScalarId> = first
        .iter()
        .copied()
        .filter(|part| others.iter().all(|side| side.contains(part)))
        .collect();
    if common.is_empty() {
        return None;
    }
    let rests: Vec<ScalarId> = sides
        .into_iter()
        .map(|side| {
            let rest = side.into_iter().filter(|part| !common.contains(part)).collect();
            query.add_scalar(Scalar::And(rest))
        })
        .collect();
    let rest = query.add_scalar(Scalar::Or(rests));
    Some(query.add_scalar(Scalar::And(common.into_iter().chain([rest]).collect())))
}

/// Equalities of one value with constants as one IN.
fn alternatives(query: &mut Query, all: Vec<ScalarId>) -> Vec<ScalarId> {
    let of = |query: &Query, id: ScalarId| match query.scalar(id) {
        Scalar::Compare(Comparison::Equal, one, other) if is_fixed(query, *other) => {
            Some((*one, vec![*other]))
        }
        Scalar::In(one, list) if list.iter().all(|item| is_fixed(query, *item)) => {
            Some((*one, list.clone()))
        }
        _ => None,
    };
    let mut made: Vec<ScalarId> = Vec::with_capacity(all.len());
    for operand in all {
        let Some((one, list)) = of(query, operand) else {
            made.push(operand);
            continue;
        };
        let known = made.iter().position(|id| of(query, *id).is_some_and(|(same, _)| same == one));
        let Some(at) = known else {
            made.push(operand);
            continue;
        };
        let known = of(query, made[at]).map_or(Vec::new(), |(_, list)| list);
        made[at] = query.add_scalar(Scalar::In(one, known.into_iter().chain(list).collect()));
    }
    made
}

fn negated(query: &mut Query, id: ScalarId, one: ScalarId) -> ScalarId {
    let each = |query: &mut Query, all: Vec<ScalarId>| -> Vec<ScalarId> {
        all.into_iter().map(|operand| query.add_scalar(Scalar::Not(operand))).collect()
    };
    let scalar = match query.scalar(one).clone() {
        Scalar::Not(inner) => return inner,
        Scalar::And(all) => Scalar::Or(each(query, all)),
        Scalar::Or(all) => Scalar::And(each(query, all)),
        Scalar::Compare(comparison, left, right) => {
            Scalar::Compare(comparison.opposite(), left, right)
        }
        Scalar::Literal(Value::Null) => return one,
        _ => return id,
    };
    query.add_scalar(scalar)
}

fn in_list(query: &mut Query, id: ScalarId, one: ScalarId, list: &[ScalarId]) -> ScalarId {
    let mut kept: Vec<ScalarId> = Vec::with_capacity(list.len());
    for item in list {
        if !kept.contains(item) {
            kept.push(*item);
        }
    }
    match kept.as_slice() {
        // Nothing equals one of nothing, not even null.
        [] => query.add_scalar(Scalar::Literal(Value::Bool(false))),
        [item] => query.add_scalar(Scalar::Compare(Comparison::Equal, one, *item)),
        _ if kept.len() < list.len() => query.add_scalar(Scalar::In(one, kept)),
        _ => id,
    }
}

fn coalesced(query: &mut Query, id: ScalarId, arguments: &[ScalarId]) -> ScalarId {
    let mut kept = Vec::with_capacity(arguments.len());
    for argument in arguments {
        match literal(query, *argument) {
            Some(Value::Null) => {}
            Some(_) => {
                kept.push(*argument);
                break;
            }
            None => kept.push(*argument),
        }
    }
    match kept.as_slice() {
        [] => query.add_scalar(Scalar::Literal(Value::Null)),
        [one] => *one,
        _ if kept.len() < arguments.len() => {
            query.add_scalar(Scalar::Call(Function::Coalesce, kept))
        }
        _ => id,
    }
}

/// CASE without branches that are never, or always, taken.
fn chosen(
    query: &mut Query,
    id: ScalarId,
    mut branches: Vec<(ScalarId, ScalarId)>,
    mut otherwise: Option<ScalarId>,
) -> ScalarId {
    let before = branches.len();
    branches.retain(|(condition, _)| {
        !matches!(literal(query, *condition), Some(Value::Bool(false) | Value::Null))
    });
    let always = branches
        .iter()
        .position(|(condition, _)| literal(query, *condition) == Some(&Value::Bool(true)));
    if let Some(at) = always {
        otherwise = Some(branches[at].1);
        branches.truncate(at);
    }
    if branches.is_empty() {
        return otherwise.unwrap_or_else(|| query.add_scalar(Scalar::Literal(Value::Null)));
    }
    if branches.len() == before {
        return id;
    }
    query.add_scalar(Scalar::Case { branches, otherwise })
}
