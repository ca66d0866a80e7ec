//! GROUPING SETS, ROLLUP and CUBE: the groups of each set, one behind the other.

use lightning_db_query::build::Term;
use lightning_db_types::{Value, ValueType};
use sqlparser::ast::{self, Expr, GroupByExpr, Select};

use super::expression::Place;
use super::query::{Bound, Tail};
use super::scope::Scope;
use super::typed::Typed;
use super::{Binder, query};
use crate::error::{Error, Position, Result};

/// Sets of one query: each reads its rows anew.
const SETS_MAX: usize = 128;

/// What is grouped by, and which of it each set has.
pub(super) struct Sets<'q> {
    exprs: Vec<&'q Expr>,
    sets: Vec<Vec<bool>>,
}

/// One of the sets.
#[derive(Clone, Copy)]
pub(super) struct OneSet<'s> {
    pub(super) exprs: &'s [&'s Expr],
    pub(super) has: &'s [bool],
}

/// The sets of GROUP BY; `None` if it is a plain one.
pub(super) fn sets(group_by: &GroupByExpr) -> Result<Option<Sets<'_>>> {
    let GroupByExpr::Expressions(items, modifiers) = group_by else { return Ok(None) };
    let is_set =
        |expr: &Expr| matches!(expr, Expr::GroupingSets(_) | Expr::Rollup(_) | Expr::Cube(_));
    if !modifiers.is_empty() || !items.iter().any(is_set) {
        return Ok(None);
    }
    let mut all: Vec<Vec<&Expr>> = vec![Vec::new()];
    for item in items {
        let choices = choices(item)?;
        if all.len() * choices.len() > SETS_MAX {
            let detail = format!("there are more than {SETS_MAX} grouping sets");
            return Err(Error::invalid(detail, super::place_of(item)));
        }
        all = all
            .iter()
            .flat_map(|set| choices.iter().map(move |more| [&set[..], &more[..]].concat()))
            .collect();
    }
    let mut exprs: Vec<&Expr> = Vec::new();
    for expr in all.iter().flatten() {
        if !exprs.contains(expr) {
            exprs.push(expr);
        }
    }
    let sets = all.iter().map(|set| exprs.iter().map(|expr| set.contains(expr)).collect());
    let sets = sets.collect();
    Ok(Some(Sets { exprs, sets }))
}

fn flat<'q>(parts: &[&'q Vec<Expr>]) -> Vec<&'q Expr> {
    parts.iter().copied().flatten().collect()
}

/// The sets that one item stands for.
fn choices(item: &Expr) -> Result<Vec<Vec<&Expr>>> {
    Ok(match item {
        Expr::GroupingSets(sets) => sets.iter().map(|set| set.iter().collect()).collect(),
        Expr::Rollup(parts) => {
            let parts: Vec<&Vec<Expr>> = parts.iter().collect();
            (0..=parts.len()).rev().map(|count| flat(&parts[..count])).collect()
        }
        Expr::Cube(parts) => {
            let parts: Vec<&Vec<Expr>> = parts.iter().collect();
            let count = u32::try_from(parts.len()).ok().filter(|count| *count < 12);
            let Some(count) = count else {
                return Err(Error::invalid("CUBE takes up to 11 parts", super::place_of(item)));
            };
            let subset = |bits: usize| {
                let parts = parts.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
                flat(&parts.map(|(_, part)| *part).collect::<Vec<_>>())
            };
            (0..1_usize << count).rev().map(subset).collect()
        }
        plain => vec![vec![plain]],
    })
}

impl Binder<'_> {
    /// The rows of all sets, sorted and cut together.
    pub(super) fn of_sets(
        &self,
        select: &Select,
        sets: &Sets<'_>,
        outer: Option<&Scope<'_>>,
        tail: &Tail<'_>,
    ) -> Result<Bound> {
        let is_on = matches!(select.distinct, Some(ast::Distinct::On(_)));
        super::refuse(is_on, "DISTINCT ON with grouping sets")?;
        let none = Tail { order: &[], limit: None, offset: 0 };
        let mut all: Option<Bound> = None;
        for has in &sets.sets {
            let one = OneSet { exprs: &sets.exprs, has };
            let bound = self.select_from(select, outer, &none, Some(one))?;
            all = Some(match all {
                None => bound,
                Some(before) => query::union_all(before, bound)?,
            });
        }
        let Some(mut all) = all else { return Err(Error::invalid("GROUP BY has no sets", None)) };
        if matches!(select.distinct, Some(ast::Distinct::Distinct)) {
            all.builder = all.builder.distinct();
        }
        query::with_tail(all, tail)
    }

    /// `grouping(a, ..)`: a bit for each argument, set if its set has it not.
    pub(super) fn grouping(
        &self,
        arguments: &[&Expr],
        place: Place<'_>,
        at: Option<Position>,
    ) -> Result<Typed> {
        let Some(grouped) = place.grouped else {
            return Err(Error::invalid("grouping stands in a query with groups", at));
        };
        if arguments.is_empty() || arguments.len() > 31 {
            return Err(Error::invalid("grouping takes 1 to 31 arguments", at));
        }
        let mut bits = 0_i64;
        for argument in arguments {
            let known = self.expression(argument, place)?;
            let is_group = grouped.group_of(argument).is_some()
                || matches!(&known.term, Term::Column(name) if grouped.is_group(name))
                || is_absent(&known);
            if !is_group {
                return Err(Error::invalid("an argument of grouping is not in GROUP BY", at));
            }
            bits = bits << 1 | i64::from(is_absent(&known));
        }
        Ok(Typed::value(Value::I64(bits)))
    }
}

/// A group expression in the rows of a set that has it not.
pub(super) fn absent(value_type: ValueType) -> Typed {
    Typed::new(Term::Literal(Value::Null), value_type)
}

fn is_absent(typed: &Typed) -> bool {
    matches!(typed.term, Term::Literal(Value::Null))
}
