//! Window functions: what they are over, and what they look at.

use std::cell::RefCell;

use lightning_db_query::build::{Order, Term, WindowTerm, column};
use lightning_db_query::window::{Bound, Frame, WindowFunction};
use lightning_db_types::{Value, ValueType};
use sqlparser::ast::{
    self, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, NamedWindowDefinition,
    NamedWindowExpr, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};

use super::expression::{Place, place_of};
use super::select::has_subquery;
use super::typed::Typed;
use super::{Binder, refuse};
use crate::error::{Error, Position, Result};
use crate::names::{self, at, folded, unknown};

/// The window functions of a query, as they are found.
pub(crate) struct Windows<'q> {
    /// Those that WINDOW names.
    named: &'q [NamedWindowDefinition],
    found: RefCell<Vec<(String, WindowTerm)>>,
}

impl<'q> Windows<'q> {
    pub(super) fn new(named: &'q [NamedWindowDefinition]) -> Self {
        Self { named, found: RefCell::default() }
    }

    pub(super) fn into_found(self) -> Vec<(String, WindowTerm)> {
        self.found.into_inner()
    }

    fn spec<'s>(&'s self, over: &'s WindowType) -> Result<&'s WindowSpec> {
        let name = match over {
            WindowType::WindowSpec(spec) => match &spec.window_name {
                None => return Ok(spec),
                Some(name) => {
                    let hint = "write OVER name, or all of the window";
                    return Err(Error::unsupported_hint("a window of a window", hint, at(name)));
                }
            },
            WindowType::NamedWindow(name) => name,
        };
        let wanted = folded(name);
        let found = self.named.iter().find(|known| folded(&known.0) == wanted);
        match found.map(|NamedWindowDefinition(_, window)| window) {
            Some(NamedWindowExpr::WindowSpec(spec)) => Ok(spec),
            Some(NamedWindowExpr::NamedWindow(other)) => {
                Err(Error::unsupported("a window of a window", at(other)))
            }
            None => {
                let known = self.named.iter().map(|known| folded(&known.0));
                Err(unknown("window", &wanted, known, at(name)))
            }
        }
    }
}

impl Binder<'_> {
    /// A function with OVER.
    pub(super) fn windowed(
        &self,
        called: &ast::Function,
        over: &WindowType,
        place: Place<'_>,
    ) -> Result<Typed> {
        let (name, name_at) = names::plain(&called.name)?;
        let Some(windows) = place.windows else {
            let detail = "a window function stands in the select list or in ORDER BY, by itself";
            return Err(Error::invalid(detail, name_at));
        };
        let known = if name == "every" { "bool_and" } else { &*name };
        let Some(function) = WindowFunction::named(known) else {
            return Err(Error::unsupported(format!("{name} over a window"), name_at));
        };
        // One in another would be over rows that are not there yet.
        let place = Place { windows: None, ..place };
        let arguments = self.window_arguments(function, called, place, name_at)?;
        let spec = windows.spec(over)?;
        let all = |exprs: &[Expr]| -> Result<Vec<Term>> {
            exprs.iter().map(|expr| Ok(self.expression(expr, place)?.term)).collect()
        };
        let (mut order, mut types) = (Vec::new(), Vec::new());
        for by in &spec.order_by {
            refuse(by.with_fill.is_some(), "WITH FILL")?;
            let descending = by.options.asc == Some(false);
            let nulls_first = by.options.nulls_first.unwrap_or(descending);
            let Typed { term, value_type } = self.expression(&by.expr, place)?;
            types.push(value_type);
            order.push(Order { term, descending, nulls_first });
        }
        let frame = self.frame(spec, &types, name_at)?;
        let argument = arguments.first().map_or(ValueType::Null, |it| it.value_type);
        let value_type = function.value_type(argument);
        let term = WindowTerm {
            name: function.name().to_owned(),
            arguments: arguments.into_iter().map(|it| it.term).collect(),
            partition: all(&spec.partition_by)?,
            order,
            frame: frame.to_string(),
            value_type,
        };
        let mut terms = term.arguments.iter().chain(&term.partition);
        let orders = term.order.iter().map(|order| &order.term);
        if terms.any(has_subquery) || orders.into_iter().any(has_subquery) {
            let hint = "select it in a subquery in FROM";
            return Err(Error::unsupported_hint("a subquery in a window", hint, name_at));
        }
        let mut found = windows.found.borrow_mut();
        let name = format!("#window{}", found.len());
        found.push((name.clone(), term));
        Ok(Typed::new(column(name), value_type))
    }

    fn window_arguments(
        &self,
        function: WindowFunction,
        called: &ast::Function,
        place: Place<'_>,
        at: Option<Position>,
    ) -> Result<Vec<Typed>> {
        let name = function.name();
        if !called.within_group.is_empty() || called.null_treatment.is_some() {
            return Err(Error::unsupported(format!("{name} with clauses"), at));
        }
        let list = match &called.args {
            FunctionArguments::List(list) => Some(list),
            _ => None,
        };
        if list.is_some_and(|it| it.duplicate_treatment.is_some() || !it.clauses.is_empty()) {
            return Err(Error::unsupported(format!("{name} with clauses over a window"), at));
        }
        let mut arguments = Vec::new();
        for argument in list.map_or(&[][..], |list| &list.args) {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => {
                    arguments.push(self.expression(expr, place)?);
                }
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "count" => {}
                _ => return Err(Error::unsupported(format!("an argument of {name}"), at)),
            }
        }
        let (fewest, most) = function.arguments();
        if !(fewest..=most).contains(&arguments.len()) {
            let given = arguments.len();
            let detail =
                format!("{name} takes {fewest} to {most} arguments, and {given} are given");
            return Err(Error::invalid(detail, at));
        }
        if let (WindowFunction::Aggregate(of), Some(argument)) = (function, arguments.first()) {
            super::grouped::check(of, argument.value_type, at)?;
        }
        if let [value, _, default] = &arguments[..] {
            let default = default.clone().used_as(value.value_type, at)?;
            let default = default.cast(value.value_type, at)?;
            arguments[2] = default;
        }
        let Some(filter) = &called.filter else { return Ok(arguments) };
        if !matches!(function, WindowFunction::Aggregate(_)) {
            return Err(Error::invalid(format!("FILTER is for aggregates, not {name}"), at));
        }
        let condition = self.condition(filter, place)?;
        let counted = arguments.pop().unwrap_or_else(|| Typed::value(Value::Bool(true)));
        let value_type = counted.value_type;
        let term = Term::Case { branches: vec![(condition, counted.term)], otherwise: None };
        Ok(vec![Typed::new(term, value_type)])
    }

    fn frame(&self, spec: &WindowSpec, order: &[ValueType], at: Option<Position>) -> Result<Frame> {
        let Some(frame) = &spec.window_frame else { return Ok(Frame::default()) };
        let rows = match frame.units {
            WindowFrameUnits::Rows => true,
            WindowFrameUnits::Range => false,
            WindowFrameUnits::Groups => return Err(Error::unsupported("a frame of GROUPS", at)),
        };
        let bound = |bound: &WindowFrameBound| -> Result<Bound> {
            let (expr, is_before) = match bound {
                WindowFrameBound::CurrentRow => return Ok(Bound::Current),
                WindowFrameBound::Preceding(None) | WindowFrameBound::Following(None) => {
                    return Ok(Bound::Unbounded);
                }
                WindowFrameBound::Preceding(Some(expr)) => (expr, true),
                WindowFrameBound::Following(Some(expr)) => (expr, false),
            };
            let length = if rows { self.rows(expr)? } else { self.distance(expr, order, at)? };
            Ok(if is_before { Bound::Before(length) } else { Bound::Behind(length) })
        };
        let end = match &frame.end_bound {
            None => Bound::Current,
            Some(WindowFrameBound::Preceding(None)) => {
                return Err(Error::invalid("a frame does not end before it begins", at));
            }
            Some(end) => bound(end)?,
        };
        if matches!(frame.start_bound, WindowFrameBound::Following(None)) {
            return Err(Error::invalid("a frame does not begin behind its end", at));
        }
        Ok(Frame { rows, start: bound(&frame.start_bound)?, end })
    }

    /// So many rows.
    fn rows(&self, expr: &Expr) -> Result<usize> {
        let count = match self.constant(expr)? {
            Value::I64(count) => usize::try_from(count).ok(),
            Value::U64(count) => usize::try_from(count).ok(),
            _ => None,
        };
        count.ok_or_else(|| Error::invalid("a frame is so many rows long", place_of(expr)))
    }

    /// A distance between values of the order.
    fn distance(&self, expr: &Expr, order: &[ValueType], at: Option<Position>) -> Result<usize> {
        let [by] = order else {
            let detail = "RANGE by a distance has one value in ORDER BY";
            return Err(Error::invalid(detail, place_of(expr)));
        };
        let found = match (by, expr) {
            (ValueType::I64 | ValueType::U64, _) => return self.rows(expr),
            (ValueType::Date | ValueType::Timestamp, Expr::Interval(interval)) => {
                super::interval::distance(interval, *by, at)?
            }
            _ => None,
        };
        let found = found.and_then(|length| usize::try_from(length).ok());
        let hint = "there are whole numbers, and INTERVAL of days and shorter units";
        found.ok_or_else(|| Error::unsupported_hint("a frame of RANGE by this distance", hint, at))
    }
}
