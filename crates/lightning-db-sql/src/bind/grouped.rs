//! Expressions over groups: group expressions, and aggregates.

use std::cell::RefCell;

use lightning_db_optimizer::{AggregateFunction, Spread};
use lightning_db_query::build::{AggregateTerm, Item, Term, column};
use lightning_db_types::ValueType;
use sqlparser::ast::{self, Expr, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::Binder;
use super::expression::{Place, place_of};
use super::grouping;
use super::scope::{Resolved, Scope};
use super::typed::Typed;
use crate::error::{Error, Position, Result};

/// The groups of a query, and the aggregates that its expressions use.
#[derive(Debug, Default)]
pub(crate) struct Grouped {
    groups: Vec<Group>,
    aggregates: RefCell<Vec<(String, AggregateTerm)>>,
}

#[derive(Debug)]
struct Group {
    expr: Expr,
    /// Over the rows that are grouped.
    of_rows: Typed,
    /// Over the groups.
    of_groups: Typed,
    /// Whether it is null, since the rows are not grouped by it.
    is_absent: bool,
}

impl Grouped {
    /// Adds a group expression, which is `of_rows` over the rows.
    pub(crate) fn add(&mut self, expr: Expr, of_rows: Typed) {
        let of_groups = match &of_rows.term {
            // A column keeps its name, so that subqueries know it.
            Term::Column(name) => column(name.clone()),
            _ => column(format!("#group{}", self.groups.len())),
        };
        let of_groups = Typed::new(of_groups, of_rows.value_type);
        self.groups.push(Group { expr, of_rows, of_groups, is_absent: false });
    }

    /// Makes the last group expression null: the rows are not grouped by it.
    pub(super) fn leave_out_last(&mut self) {
        if let Some(last) = self.groups.last_mut() {
            last.of_groups = grouping::absent(last.of_rows.value_type);
            last.is_absent = true;
        }
    }

    /// Whether a column of the groups is one that they are grouped by.
    pub(super) fn is_group(&self, name: &str) -> bool {
        let mut columns = self.groups.iter().map(|group| &group.of_groups.term);
        columns.any(|term| matches!(term, Term::Column(known) if known == name))
    }

    /// The value of a group expression, if this is one.
    pub(crate) fn group_of(&self, expr: &Expr) -> Option<Typed> {
        let found = self.groups.iter().find(|group| group.expr == *expr);
        found.map(|group| group.of_groups.clone())
    }

    /// A column of the rows, which must be a group of its own.
    pub(crate) fn column(
        &self,
        found: &Resolved,
        at: Option<Position>,
        scope: &Scope<'_>,
    ) -> Result<Typed> {
        let name = &found.full_name;
        let is_it =
            |group: &&Group| matches!(&group.of_rows.term, Term::Column(known) if known == name);
        if let Some(group) = self.groups.iter().find(is_it) {
            return Ok(group.of_groups.clone());
        }
        let is_own = scope.relations.iter().any(|relation| {
            relation.columns.iter().any(|own| relation.full_name(&own.name) == found.full_name)
        });
        if !is_own {
            // One of a query around this one is the same for all rows.
            return Ok(Typed::new(column(found.full_name.clone()), found.value_type));
        }
        let detail = format!(
            "{} must stand in GROUP BY or in an aggregate: the rows of a group may differ in it",
            found.full_name
        );
        Err(Error::invalid(detail, at))
    }

    fn aggregate(&self, term: AggregateTerm) -> String {
        let mut all = self.aggregates.borrow_mut();
        let name = format!("#aggregate{}", all.len());
        all.push((name.clone(), term));
        name
    }

    /// What the query builder groups by and computes.
    pub(crate) fn into_parts(self) -> (Vec<Item>, Vec<(String, AggregateTerm)>) {
        let groups = self.groups.into_iter().filter(|group| !group.is_absent);
        let groups = groups.map(|group| match group.of_groups.term {
            Term::Column(name) if name.starts_with("#group") => group.of_rows.term.named(name),
            _ => group.of_rows.term.into(),
        });
        let (groups, mut aggregates): (Vec<_>, _) =
            (groups.collect(), self.aggregates.into_inner());
        if groups.is_empty() && aggregates.is_empty() {
            // One row of which nothing is used.
            aggregates.push(("#rows".to_owned(), AggregateTerm::count_rows()));
        }
        (groups, aggregates)
    }
}

/// The aggregate of a name.
pub(crate) fn function(name: &str) -> Option<AggregateFunction> {
    Some(match name {
        "count" => AggregateFunction::Count,
        "sum" => AggregateFunction::Sum,
        "min" => AggregateFunction::Min,
        "max" => AggregateFunction::Max,
        "avg" => AggregateFunction::Average,
        "bool_or" => AggregateFunction::Any,
        "bool_and" | "every" => AggregateFunction::Every,
        "variance" | "var_samp" => AggregateFunction::Spread(Spread::Variance),
        "var_pop" => AggregateFunction::Spread(Spread::VarianceOfAll),
        "stddev" | "stddev_samp" => AggregateFunction::Spread(Spread::Deviation),
        "stddev_pop" => AggregateFunction::Spread(Spread::DeviationOfAll),
        _ => return None,
    })
}

impl Binder<'_> {
    /// A call of an aggregate.
    pub(crate) fn aggregate(
        &self,
        whole: &Expr,
        of: AggregateFunction,
        called: &ast::Function,
        place: Place<'_>,
    ) -> Result<Typed> {
        let at = place_of(whole);
        let Some(grouped) = place.grouped else {
            let detail = "an aggregate stands in the select list, HAVING or ORDER BY";
            return Err(Error::invalid(detail, at));
        };
        if !called.within_group.is_empty() {
            return Err(Error::unsupported(format!("clauses of {}", called.name), at));
        }
        let FunctionArguments::List(list) = &called.args else {
            return Err(Error::invalid(format!("{} takes an argument", called.name), at));
        };
        if !list.clauses.is_empty() {
            return Err(Error::unsupported(format!("clauses in {}", called.name), at));
        }
        let rows = Place::rows(place.scope);
        let distinct = list.duplicate_treatment == Some(ast::DuplicateTreatment::Distinct);
        let (mut term, value_type) = match &list.args[..] {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]
                if of == AggregateFunction::Count && !distinct =>
            {
                (AggregateTerm::count_rows(), ValueType::I64)
            }
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] => {
                let argument_at = place_of(argument);
                let argument = self.expression(argument, rows)?;
                check(of, argument.value_type, argument_at)?;
                let value_type = of.value_type(argument.value_type);
                (AggregateTerm::new(of, argument.term), value_type)
            }
            _ => return Err(Error::invalid(format!("{} takes one argument", called.name), at)),
        };
        if distinct {
            term = term.distinct();
        }
        if let Some(filter) = &called.filter {
            term = term.filter(self.condition(filter, rows)?);
        }
        Ok(Typed::new(column(grouped.aggregate(term)), value_type))
    }
}

pub(super) fn check(of: AggregateFunction, found: ValueType, at: Option<Position>) -> Result<()> {
    let takes = match of {
        AggregateFunction::Sum | AggregateFunction::Average | AggregateFunction::Spread(_) => {
            lightning_db_expression::number::is_number(found)
        }
        AggregateFunction::Any | AggregateFunction::Every => found == ValueType::Bool,
        AggregateFunction::Count | AggregateFunction::Min | AggregateFunction::Max => true,
    };
    if takes || found == ValueType::Null {
        return Ok(());
    }
    Err(Error::invalid(format!("{of} does not take a {found}"), at))
}

/// Whether an expression has an aggregate of its own level in it.
pub(crate) fn has_aggregate(expr: &Expr) -> bool {
    let mut found = false;
    visit(expr, &mut |expr| {
        if let Expr::Function(called) = expr
            && called.over.is_none()
            && let Ok((name, _)) = crate::names::plain(&called.name)
        {
            found |= function(&name).is_some();
        }
    });
    found
}

/// Calls `each` with an expression and those in it, but for subqueries.
fn visit(expr: &Expr, each: &mut dyn FnMut(&Expr)) {
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        each(expr);
        match expr {
            Expr::Nested(one)
            | Expr::IsNull(one)
            | Expr::IsNotNull(one)
            | Expr::IsTrue(one)
            | Expr::IsNotTrue(one)
            | Expr::IsFalse(one)
            | Expr::IsNotFalse(one)
            | Expr::IsUnknown(one)
            | Expr::IsNotUnknown(one)
            | Expr::UnaryOp { expr: one, .. }
            | Expr::Cast { expr: one, .. }
            | Expr::Extract { expr: one, .. }
            | Expr::Ceil { expr: one, .. }
            | Expr::Floor { expr: one, .. }
            | Expr::InSubquery { expr: one, .. } => open.push(one),
            Expr::BinaryOp { left, right, .. }
            | Expr::AnyOp { left, right, .. }
            | Expr::AllOp { left, right, .. }
            | Expr::Position { expr: left, r#in: right }
            | Expr::Like { expr: left, pattern: right, .. }
            | Expr::ILike { expr: left, pattern: right, .. } => open.extend([&**left, &**right]),
            Expr::Between { expr, low, high, .. } => open.extend([&**expr, &**low, &**high]),
            Expr::InList { expr, list, .. } => {
                open.push(expr);
                open.extend(list);
            }
            Expr::Tuple(all) => open.extend(all),
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                open.push(expr);
                open.extend(substring_from.as_deref());
                open.extend(substring_for.as_deref());
            }
            Expr::Trim { expr, trim_what, .. } => {
                open.push(expr);
                open.extend(trim_what.as_deref());
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                open.extend([&**expr, &**overlay_what, &**overlay_from]);
                open.extend(overlay_for.as_deref());
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                open.extend(operand.as_deref());
                open.extend(else_result.as_deref());
                open.extend(
                    conditions.iter().flat_map(|branch| [&branch.condition, &branch.result]),
                );
            }
            Expr::Function(called) => {
                if let FunctionArguments::List(list) = &called.args {
                    open.extend(list.args.iter().filter_map(|argument| match argument {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                        _ => None,
                    }));
                }
            }
            _ => {}
        }
    }
}
