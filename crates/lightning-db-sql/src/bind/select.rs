//! SELECT: what is selected, groups, and the order of the steps.

use lightning_db_query::QueryBuilder;
use lightning_db_query::build::{Item, Term, column};
use lightning_db_types::ValueType;
use sqlparser::ast::{
    self, Distinct, Expr, GroupByExpr, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
};

use super::distinct::first_of_each;
use super::expression::{Place, place_of};
use super::grouped::{Grouped, has_aggregate};
use super::grouping::{self, OneSet};
use super::query::{Bound, OutputColumn, Tail, ordinal, output_named};
use super::scope::{Relation, Scope};
use super::typed::Typed;
use super::window::Windows;
use super::{Binder, refuse};
use crate::error::{Error, Result};
use crate::names::{begin, folded};

/// What rows are sorted by.
enum By {
    /// What is selected at a position.
    Selected(usize),
    Other(Term),
}

impl By {
    fn term(&self, items: &[(String, Typed)]) -> Term {
        match self {
            Self::Selected(position) => items[*position].1.term.clone(),
            Self::Other(term) => term.clone(),
        }
    }
}

/// A selected value that is not bound yet.
enum Wanted<'q> {
    Expr(&'q Expr, Option<String>),
    /// A column that a `*` stands for.
    Column {
        full_name: String,
        name: String,
        value_type: ValueType,
    },
}

impl Binder<'_> {
    pub(super) fn select(
        &self,
        select: &Select,
        outer: Option<&Scope<'_>>,
        tail: &Tail<'_>,
    ) -> Result<Bound> {
        check_clauses(select)?;
        match grouping::sets(&select.group_by)? {
            Some(sets) => self.of_sets(select, &sets, outer, tail),
            None => self.select_from(select, outer, tail, None),
        }
    }

    /// A SELECT whose rows are grouped by what GROUP BY says, or by one set of it.
    pub(super) fn select_from(
        &self,
        select: &Select,
        outer: Option<&Scope<'_>>,
        tail: &Tail<'_>,
        set: Option<OneSet<'_>>,
    ) -> Result<Bound> {
        let mut scope = Scope::within(outer);
        let mut builder = self.from(&select.from, &mut scope)?;
        if let Some(condition) = &select.selection {
            scope.searches = self.searches(condition, &scope);
            builder = builder.filter(self.condition(condition, Place::rows(&scope))?);
        }
        let wanted = wanted(select, &scope)?;
        let grouped = self.grouped((select, set), &wanted, tail, &scope)?;
        let windows = Windows::new(&select.named_window);
        let rows = Place { scope: &scope, grouped: grouped.as_ref(), windows: None };
        let place = Place { windows: Some(&windows), ..rows };
        let items = wanted.iter().map(|wanted| self.item(wanted, place));
        let items = items.collect::<Result<Vec<_>>>()?;
        let having = select.having.as_ref().map(|having| self.condition(having, rows));
        let having = having.transpose()?;
        let names: Vec<&str> = items.iter().map(|(name, _)| &**name).collect();
        let is_distinct = matches!(select.distinct, Some(Distinct::Distinct));
        // Orders are bound before the groups are made: they may have aggregates of their own.
        let by = |expr: &Expr| {
            let selected = ordinal(expr, items.len())?
                .or_else(|| output_named(expr, &names))
                .or_else(|| wanted.iter().position(|it| it.is(expr)));
            Ok(match selected {
                Some(position) => By::Selected(position),
                None if is_distinct => {
                    let detail = "SELECT DISTINCT is sorted by what it selects";
                    return Err(Error::invalid(detail, place_of(expr)));
                }
                None => By::Other(self.expression(expr, place)?.term),
            })
        };
        let orders = tail.order.iter().map(|order| by(&order.expr)).collect::<Result<Vec<_>>>()?;
        let one_of = match &select.distinct {
            Some(Distinct::On(exprs)) => exprs.iter().map(by).collect::<Result<Vec<_>>>()?,
            _ => Vec::new(),
        };
        if let Some(grouped) = grouped {
            let (groups, aggregates) = grouped.into_parts();
            builder = builder.aggregate(groups, aggregates);
        }
        if let Some(having) = having {
            builder = builder.filter(having);
        }
        let windows = windows.into_found();
        if !windows.is_empty() {
            builder = builder.window(windows);
        }
        if !one_of.is_empty() {
            let values = one_of.iter().map(|by| by.term(&items)).collect();
            let mut terms = orders.iter().map(|by| by.term(&items));
            let order = tail.orders(|_| Ok(terms.next().unwrap_or(Term::And(Vec::new()))))?;
            builder = first_of_each(builder, values, order)?;
        }
        finish(builder, items, orders, tail, is_distinct)
    }

    fn item(&self, wanted: &Wanted<'_>, place: Place<'_>) -> Result<(String, Typed)> {
        match wanted {
            Wanted::Column { full_name, name, value_type } => {
                let typed = match place.grouped {
                    None => Typed::new(column(full_name.clone()), *value_type),
                    Some(grouped) => {
                        let (full_name, value_type) = (full_name.clone(), *value_type);
                        let found = super::scope::Resolved { full_name, value_type };
                        grouped.column(&found, None, place.scope)?
                    }
                };
                Ok((name.clone(), typed))
            }
            Wanted::Expr(expr, name) => {
                let typed = self.expression(expr, place)?;
                Ok((name.clone().unwrap_or_else(|| name_of(expr)), typed))
            }
        }
    }

    /// The groups, if the query has any.
    fn grouped(
        &self,
        (select, set): (&Select, Option<OneSet<'_>>),
        wanted: &[Wanted<'_>],
        tail: &Tail<'_>,
        scope: &Scope<'_>,
    ) -> Result<Option<Grouped>> {
        let exprs: Vec<&Expr> = match (&select.group_by, set) {
            (_, Some(set)) => set.exprs.to_vec(),
            (GroupByExpr::Expressions(exprs, modifiers), None) if modifiers.is_empty() => {
                exprs.iter().collect()
            }
            _ => return Err(Error::unsupported("GROUP BY with modifiers", None)),
        };
        let selected = wanted.iter().filter_map(|wanted| match wanted {
            Wanted::Expr(expr, _) => Some(*expr),
            Wanted::Column { .. } => None,
        });
        let mut all = selected.chain(&select.having).chain(tail.order.iter().map(|it| &it.expr));
        if set.is_none() && exprs.is_empty() && select.having.is_none() && !all.any(has_aggregate) {
            return Ok(None);
        }
        let mut grouped = Grouped::default();
        for (number, expr) in exprs.into_iter().enumerate() {
            // A name is a column of the rows, else one of the output.
            let of_rows = self.expression(expr, Place::rows(scope));
            let position = match ordinal(expr, wanted.len())? {
                None if of_rows.is_err() => wanted.iter().position(|it| it.is_named(expr)),
                position => position,
            };
            match position.map(|position| &wanted[position]) {
                Some(Wanted::Expr(selected, _)) => {
                    let typed = self.expression(selected, Place::rows(scope))?;
                    grouped.add((*selected).clone(), typed);
                }
                Some(Wanted::Column { full_name, value_type, .. }) => {
                    grouped.add(expr.clone(), Typed::new(column(full_name.clone()), *value_type));
                }
                None => grouped.add(expr.clone(), of_rows?),
            }
            if set.is_some_and(|set| !set.has[number]) {
                grouped.leave_out_last();
            }
        }
        Ok(Some(grouped))
    }

    /// The items of RETURNING over the columns of a table: names and terms.
    pub(crate) fn returned(
        &self,
        items: &[SelectItem],
        scope: &Scope<'_>,
    ) -> Result<Vec<(String, Typed)>> {
        let mut wanted = Vec::new();
        for item in items {
            want(item, scope, &mut wanted)?;
        }
        wanted.iter().map(|wanted| self.item(wanted, Place::rows(scope))).collect()
    }
}

impl Wanted<'_> {
    fn is(&self, other: &Expr) -> bool {
        matches!(self, Self::Expr(expr, _) if *expr == other)
    }

    fn is_named(&self, other: &Expr) -> bool {
        let Expr::Identifier(other) = other else { return false };
        match self {
            Self::Expr(_, name) => name.as_ref().is_some_and(|name| *name == folded(other)),
            Self::Column { name, .. } => *name == folded(other),
        }
    }
}

/// Puts order, selection and limit on the rows. They are selected before they are sorted if they
/// must differ, or if a subquery is selected, which may become a join.
fn finish(
    builder: QueryBuilder,
    items: Vec<(String, Typed)>,
    orders: Vec<By>,
    tail: &Tail<'_>,
    is_distinct: bool,
) -> Result<Bound> {
    let selects_first = is_distinct || items.iter().any(|(_, typed)| has_subquery(&typed.term));
    let mut columns = Vec::with_capacity(items.len());
    let mut selected: Vec<Item> = Vec::with_capacity(items.len());
    for (position, (name, Typed { term, value_type })) in items.into_iter().enumerate() {
        let inner = match &term {
            // A column that is selected once keeps its name, which plans then show.
            Term::Column(full)
                if !selects_first && columns.iter().all(|it: &OutputColumn| it.inner != *full) =>
            {
                full.clone()
            }
            _ => format!("#{position}"),
        };
        let keeps = matches!(&term, Term::Column(full) if *full == inner);
        selected.push(if keeps { term.into() } else { term.named(inner.clone()) });
        columns.push(OutputColumn { name, value_type, inner });
    }
    let mut terms = Vec::with_capacity(orders.len());
    let mut more = 0;
    for by in orders {
        terms.push(match by {
            By::Selected(position) if selects_first => column(columns[position].inner.clone()),
            By::Selected(position) => selected[position].term.clone(),
            By::Other(term) if selects_first => {
                more += 1;
                let name = format!("#order{more}");
                selected.push(term.named(name.clone()));
                column(name)
            }
            By::Other(term) => term,
        });
    }
    let mut terms = terms.into_iter();
    let mut sorted = |builder: QueryBuilder| {
        tail.sorted(builder, |expr| {
            terms.next().ok_or_else(|| Error::invalid("an order is missing", place_of(expr)))
        })
    };
    let builder = match (selects_first, is_distinct) {
        (false, _) => sorted(builder)?.select(selected),
        (true, true) => sorted(builder.select(selected).distinct())?,
        (true, false) => sorted(builder.select(selected))?,
    };
    let mut builder = tail.limited(builder);
    if more > 0 {
        let plain = columns.iter().map(|output| Item::from(column(output.inner.clone())));
        builder = builder.select(plain.collect::<Vec<_>>());
    }
    Ok(Bound { builder, columns })
}

/// Whether a subquery is in a term.
pub(super) fn has_subquery(term: &Term) -> bool {
    match term {
        Term::Exists(_) | Term::Value(_) | Term::Any(..) | Term::All(..) => true,
        Term::Column(_) | Term::Literal(_) | Term::Parameter(..) => false,
        Term::Not(one) | Term::IsNull(one) | Term::Negate(one) | Term::Cast(one, _) => {
            has_subquery(one)
        }
        Term::Compare(_, left, right) | Term::Arithmetic(_, left, right) => {
            has_subquery(left) || has_subquery(right)
        }
        Term::Like { value, pattern, .. } => has_subquery(value) || has_subquery(pattern),
        Term::And(all) | Term::Or(all) | Term::Call(_, all) => all.iter().any(has_subquery),
        Term::External { arguments, .. } => arguments.iter().any(has_subquery),
        Term::In(one, list) => has_subquery(one) || list.iter().any(has_subquery),
        Term::Case { branches, otherwise } => {
            branches.iter().any(|(test, value)| has_subquery(test) || has_subquery(value))
                || otherwise.as_deref().is_some_and(has_subquery)
        }
    }
}

/// The name of a column that is given none.
fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(name) => folded(name),
        Expr::CompoundIdentifier(names) => names.last().map(folded).unwrap_or_default(),
        Expr::Nested(inner) => name_of(inner),
        Expr::Function(called) => {
            crate::names::plain(&called.name).map_or_else(|_| String::new(), |(name, _)| name)
        }
        Expr::Cast { expr, .. } => name_of(expr),
        Expr::Case { .. } => "case".to_owned(),
        Expr::Exists { .. } => "exists".to_owned(),
        Expr::Subquery(query) => match &*query.body {
            SetExpr::Select(select) => match &select.projection[..] {
                [SelectItem::UnnamedExpr(expr)] => name_of(expr),
                [SelectItem::ExprWithAlias { alias, .. }] => folded(alias),
                _ => "?column?".to_owned(),
            },
            _ => "?column?".to_owned(),
        },
        _ => "?column?".to_owned(),
    }
}

fn wanted<'q>(select: &'q Select, scope: &Scope<'_>) -> Result<Vec<Wanted<'q>>> {
    let mut wanted = Vec::with_capacity(select.projection.len());
    for item in &select.projection {
        want(item, scope, &mut wanted)?;
    }
    if wanted.is_empty() {
        let at = begin(select.select_token.0.span);
        return Err(Error::invalid("nothing is selected", at));
    }
    Ok(wanted)
}

fn want<'q>(item: &'q SelectItem, scope: &Scope<'_>, to: &mut Vec<Wanted<'q>>) -> Result<()> {
    let all = |relation: &Relation, merged: bool| {
        let columns = relation.columns.iter().filter(|column| merged || !column.merged);
        let columns = columns.map(|column| Wanted::Column {
            full_name: relation.full_name(&column.name),
            name: column.name.clone(),
            value_type: column.value_type,
        });
        columns.collect::<Vec<_>>()
    };
    match item {
        SelectItem::UnnamedExpr(expr) => to.push(Wanted::Expr(expr, None)),
        SelectItem::ExprWithAlias { expr, alias } => {
            to.push(Wanted::Expr(expr, Some(folded(alias))));
        }
        SelectItem::Wildcard(options) => {
            check_wildcard(options)?;
            if scope.relations.is_empty() {
                return Err(Error::invalid("* needs a FROM clause", at_token(options)));
            }
            to.extend(scope.relations.iter().flat_map(|relation| all(relation, false)));
        }
        SelectItem::QualifiedWildcard(of, options) => {
            check_wildcard(options)?;
            let SelectItemQualifiedWildcardKind::ObjectName(name) = of else {
                return Err(Error::unsupported("* of an expression", at_token(options)));
            };
            let (name, at) = crate::names::table(name)?;
            to.extend(all(scope.relation(&name, at)?, true));
        }
        SelectItem::ExprWithAliases { expr, .. } => {
            return Err(Error::unsupported("several aliases", place_of(expr)));
        }
    }
    Ok(())
}

fn at_token(options: &ast::WildcardAdditionalOptions) -> Option<crate::error::Position> {
    begin(options.wildcard_token.0.span)
}

fn check_wildcard(options: &ast::WildcardAdditionalOptions) -> Result<()> {
    let has_options = options.opt_ilike.is_some()
        || options.opt_exclude.is_some()
        || options.opt_except.is_some()
        || options.opt_replace.is_some()
        || options.opt_rename.is_some()
        || options.opt_alias.is_some();
    if has_options {
        return Err(Error::unsupported("* with options", at_token(options)));
    }
    Ok(())
}

fn check_clauses(select: &Select) -> Result<()> {
    refuse(select.top.is_some(), "TOP: use LIMIT")?;
    refuse(select.into.is_some(), "SELECT INTO: use INSERT .. SELECT")?;
    refuse(!select.lateral_views.is_empty(), "LATERAL VIEW")?;
    refuse(select.prewhere.is_some(), "PREWHERE")?;
    refuse(!select.connect_by.is_empty(), "CONNECT BY")?;
    refuse(!select.cluster_by.is_empty() || !select.distribute_by.is_empty(), "CLUSTER BY")?;
    refuse(!select.sort_by.is_empty(), "SORT BY")?;
    refuse(select.qualify.is_some(), "QUALIFY: use a subquery")?;
    refuse(select.value_table_mode.is_some(), "AS STRUCT and AS VALUE")?;
    refuse(select.exclude.is_some(), "EXCLUDE")?;
    let modified = select.select_modifiers.as_ref().is_some_and(ast::SelectModifiers::is_any_set);
    refuse(modified, "a modifier of MySQL")?;
    refuse(select.flavor != ast::SelectFlavor::Standard, "FROM before SELECT")?;
    Ok(())
}
