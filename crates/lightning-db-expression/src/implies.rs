//! Whether one condition makes another true: the planner asks so before it uses a partial index.
//!
//! What is known becomes cases, of which each is a list of facts that are true together. A case
//! proves a condition if its facts leave an expression no value, or no relation, that the condition
//! does not allow. Whatever is not understood is a fact by its form alone.

use std::cmp::Ordering;

use lightning_db_types::Value;

use super::domain::Domain;
use super::like::{self, Sign};
use super::{Comparison, Expression, Function};

/// Known conditions with more cases than this are taken as they stand.
const CASES_MAX: usize = 64;

pub(crate) fn implies(known: &Expression, wanted: &Expression) -> bool {
    let known = normal(known, true);
    let wanted = normal(wanted, true);
    let cases = cases(&known).unwrap_or_else(|| vec![vec![&known]]);
    cases.iter().all(|case| match Facts::of(case) {
        Some(facts) => facts.prove(&wanted),
        // It is never true.
        None => true,
    })
}

/// Relations of two values, as a set of orders.
const LESS: u8 = 1;
const EQUAL: u8 = 2;
const GREATER: u8 = 4;

/// A condition without NOT: `true` for a row exactly if the expression it was made from is.
#[derive(Debug, PartialEq)]
enum Condition<'e> {
    All(Vec<Self>),
    Any(Vec<Self>),
    /// The expression has one of these values.
    Values(&'e Expression, Domain),
    /// The first compares so with the second.
    Relation(&'e Expression, u8, &'e Expression),
    Null(&'e Expression),
    NotNull(&'e Expression),
    /// The expression has this truth.
    Plain(&'e Expression, bool),
}

const NEVER: Condition<'static> = Condition::Any(Vec::new());

/// Makes the condition that an expression is true, or that it is false.
fn normal(expression: &Expression, truth: bool) -> Condition<'_> {
    match expression {
        Expression::Literal(Value::Bool(value)) if *value == truth => Condition::All(Vec::new()),
        Expression::Literal(Value::Bool(_) | Value::Null) => NEVER,
        Expression::And(all) => gathered(all, truth, truth),
        Expression::Or(all) => gathered(all, truth, !truth),
        Expression::Not(operand) => normal(operand, !truth),
        Expression::IsNull(operand) if truth => Condition::Null(operand),
        Expression::IsNull(operand) => Condition::NotNull(operand),
        Expression::Compare(comparison, left, right) => {
            compared(left, if truth { *comparison } else { comparison.opposite() }, right)
        }
        Expression::Between { value, low, high } => {
            let (from, to) = if truth {
                (Comparison::AtLeast, Comparison::AtMost)
            } else {
                (Comparison::Less, Comparison::Greater)
            };
            let both = vec![compared(value, from, low), compared(value, to, high)];
            if truth { all(both) } else { any(both) }
        }
        Expression::In(operand, list) => {
            let comparison = if truth { Comparison::Equal } else { Comparison::NotEqual };
            let each = list.iter().map(|item| compared(operand, comparison, item));
            if truth { any(each.collect()) } else { all(each.collect()) }
        }
        Expression::Like { value, pattern, escape } if truth => like_domain(pattern, *escape)
            .map_or(Condition::Plain(expression, true), |domain| Condition::Values(value, domain)),
        Expression::Call(Function::StartsWith, arguments) if truth => match &arguments[..] {
            [value, Expression::Literal(Value::Text(prefix))] => {
                Condition::Values(value, Domain::starting_with(prefix))
            }
            _ => Condition::Plain(expression, true),
        },
        Expression::Column(_) => Domain::compared(Comparison::Equal, &Value::Bool(truth))
            .map_or(NEVER, |domain| Condition::Values(expression, domain)),
        other => Condition::Plain(other, truth),
    }
}

fn gathered(list: &[Expression], truth: bool, together: bool) -> Condition<'_> {
    let each = list.iter().map(|operand| normal(operand, truth)).collect();
    if together { all(each) } else { any(each) }
}

/// All of these.
fn all(list: Vec<Condition<'_>>) -> Condition<'_> {
    let joined = joined(list, |one, other| one.intersection(&other));
    if joined.len() == 1 { first(joined) } else { Condition::All(joined) }
}

/// One of these.
fn any(list: Vec<Condition<'_>>) -> Condition<'_> {
    let joined = joined(list, Domain::union);
    if joined.len() == 1 { first(joined) } else { Condition::Any(joined) }
}

fn first(list: Vec<Condition<'_>>) -> Condition<'_> {
    list.into_iter().next().unwrap_or(NEVER)
}

/// Values of one expression become one set, so that `x < 5 OR x >= 5` is whole.
fn joined(
    list: Vec<Condition<'_>>,
    join: impl Fn(Domain, Domain) -> Option<Domain>,
) -> Vec<Condition<'_>> {
    let mut joined: Vec<Condition<'_>> = Vec::with_capacity(list.len());
    for condition in list {
        let Condition::Values(expression, domain) = condition else {
            joined.push(condition);
            continue;
        };
        let same = joined.iter_mut().find_map(|one| match one {
            Condition::Values(of, into) if *of == expression => Some(into),
            _ => None,
        });
        let both = same.as_ref().and_then(|into| join((**into).clone(), domain.clone()));
        match (same, both) {
            (Some(into), Some(both)) => *into = both,
            _ => joined.push(Condition::Values(expression, domain)),
        }
    }
    joined
}

impl Comparison {
    /// What holds where this does not.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::AtLeast,
            Self::AtMost => Self::Greater,
            Self::Greater => Self::AtMost,
            Self::AtLeast => Self::Less,
        }
    }

    /// What holds with the sides exchanged.
    #[must_use]
    pub fn exchanged(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::AtMost => Self::AtLeast,
            Self::Greater => Self::Less,
            Self::AtLeast => Self::AtMost,
            same => same,
        }
    }

    fn relations(self) -> u8 {
        let of = |order, relation| if self.holds(order) { relation } else { 0 };
        of(Ordering::Less, LESS) | of(Ordering::Equal, EQUAL) | of(Ordering::Greater, GREATER)
    }
}

fn compared<'e>(
    left: &'e Expression,
    comparison: Comparison,
    right: &'e Expression,
) -> Condition<'e> {
    match (left, right) {
        (Expression::Literal(left), Expression::Literal(right)) => {
            let order = super::number::compare(left.into(), right.into());
            let known = !left.is_null() && !right.is_null();
            let holds = known && order.is_some_and(|order| comparison.holds(order));
            if holds { Condition::All(Vec::new()) } else { NEVER }
        }
        (value, Expression::Literal(literal)) => Domain::compared(comparison, literal)
            .map_or(NEVER, |domain| Condition::Values(value, domain)),
        (Expression::Literal(_), value) => compared(value, comparison.exchanged(), left),
        (left, right) => Condition::Relation(left, comparison.relations(), right),
    }
}

/// The texts that are like a pattern, if these are one text or those with a prefix.
fn like_domain(pattern: &Expression, escape: Option<char>) -> Option<Domain> {
    let Expression::Literal(Value::Text(pattern)) = pattern else { return None };
    let signs = like::signs(pattern, escape).ok()?;
    let char = |sign: &Sign| match sign {
        Sign::Char(char) => Some(*char),
        Sign::AnyChar | Sign::AnyText => None,
    };
    match &signs[..] {
        [fixed @ .., Sign::AnyText] => {
            let prefix: Option<String> = fixed.iter().map(char).collect();
            Some(Domain::starting_with(&prefix?))
        }
        fixed => {
            let text: Option<String> = fixed.iter().map(char).collect();
            Domain::compared(Comparison::Equal, &Value::Text(text?))
        }
    }
}

/// Lists of conditions without `All` and `Any`, of which one is true; `None` if there are too many.
fn cases<'c, 'e>(condition: &'c Condition<'e>) -> Option<Vec<Vec<&'c Condition<'e>>>> {
    match condition {
        Condition::All(all) => {
            let mut gathered = vec![Vec::new()];
            for one in all {
                let more = cases(one)?;
                if gathered.len().saturating_mul(more.len()) > CASES_MAX {
                    return None;
                }
                gathered = gathered
                    .iter()
                    .flat_map(|case| more.iter().map(move |more| [&case[..], more].concat()))
                    .collect();
            }
            Some(gathered)
        }
        Condition::Any(list) => {
            let mut gathered = Vec::new();
            for one in list {
                gathered.extend(cases(one)?);
                if gathered.len() > CASES_MAX {
                    return None;
                }
            }
            Some(gathered)
        }
        plain => Some(vec![vec![plain]]),
    }
}

/// What is true together.
#[derive(Debug, Default)]
struct Facts<'c, 'e> {
    conditions: Vec<&'c Condition<'e>>,
    values: Vec<(&'e Expression, Domain)>,
    not_null: Vec<&'e Expression>,
}

impl<'c, 'e> Facts<'c, 'e> {
    /// `None` if the conditions are never true together.
    fn of(conditions: &[&'c Condition<'e>]) -> Option<Self> {
        let mut facts = Self { conditions: conditions.to_vec(), ..Self::default() };
        let mut relevant = conditions.to_vec();
        while let Some(condition) = relevant.pop() {
            match condition {
                Condition::Values(expression, domain) => {
                    facts.add_not_null(expression);
                    if !facts.add_values(expression, domain) {
                        return None;
                    }
                }
                Condition::Relation(left, _, right) => {
                    facts.add_not_null(left);
                    facts.add_not_null(right);
                }
                // What is true or false is not null, and so are the operands that would make it so.
                Condition::NotNull(expression) | Condition::Plain(expression, _) => {
                    facts.add_not_null(expression);
                }
                // What `cases` would not take apart still holds, part by part.
                Condition::All(all) => {
                    relevant.extend(all);
                    facts.conditions.extend(all);
                }
                Condition::Null(_) | Condition::Any(_) => {}
            }
        }
        let null = |condition: &&Condition<'_>| match condition {
            Condition::Null(expression) => facts.not_null.contains(expression),
            _ => false,
        };
        if facts.conditions.iter().any(null) { None } else { Some(facts) }
    }

    /// Says whether a value is left.
    fn add_values(&mut self, expression: &'e Expression, domain: &Domain) -> bool {
        let Some((_, known)) = self.values.iter_mut().find(|(of, _)| *of == expression) else {
            self.values.push((expression, domain.clone()));
            return !domain.is_empty();
        };
        // Comparisons with values that do not compare are an error, and never true together.
        if let Some(both) = known.intersection(domain) {
            *known = both;
        }
        !known.is_empty()
    }

    /// Notes that an expression is not null, and so all that would make it null are not.
    fn add_not_null(&mut self, expression: &'e Expression) {
        if self.not_null.contains(&expression) {
            return;
        }
        self.not_null.push(expression);
        let strict = match expression {
            Expression::Call(function, _) => function.is_strict(),
            Expression::Arithmetic(..)
            | Expression::Negate(_)
            | Expression::Cast(..)
            | Expression::Compare(..)
            | Expression::Like { .. } => true,
            // Unknown AND false is false, and so on: what is not null may have null operands.
            _ => false,
        };
        if strict {
            for operand in expression.operands() {
                self.add_not_null(operand);
            }
        }
    }

    fn prove(&self, wanted: &Condition<'_>) -> bool {
        if self.conditions.contains(&wanted) {
            return true;
        }
        match wanted {
            Condition::All(all) => all.iter().all(|one| self.prove(one)),
            Condition::Any(list) => list.iter().any(|one| self.prove(one)),
            Condition::Values(expression, domain) => {
                self.values.iter().any(|(of, known)| of == expression && known.is_within(domain))
            }
            Condition::Relation(left, relations, right) => {
                self.relations(left, right) & !relations == 0
            }
            Condition::NotNull(expression) => {
                self.not_null.contains(expression)
                    || matches!(expression, Expression::Literal(value) if !value.is_null())
            }
            Condition::Null(expression) => {
                matches!(expression, Expression::Literal(Value::Null))
            }
            Condition::Plain(..) => false,
        }
    }

    /// How two expressions may compare; more than all orders if one may be null.
    fn relations(&self, left: &Expression, right: &Expression) -> u8 {
        let mut relations = u8::MAX;
        for condition in &self.conditions {
            if let Condition::Relation(one, known, other) = condition {
                if *one == left && *other == right {
                    relations &= known;
                } else if *one == right && *other == left {
                    let exchanged =
                        (known & EQUAL) | ((known & LESS) << 2) | ((known & GREATER) >> 2);
                    relations &= exchanged;
                }
            }
        }
        relations
    }
}

#[cfg(test)]
mod tests;
