//! Expressions of the text as terms with types.

use lightning_db_expression::{Comparison, Function};
use lightning_db_query::build::{Term, call, column, literal};
use lightning_db_types::{Value, ValueType};
use sqlparser::ast::{
    self, BinaryOperator, CastKind, Expr, FunctionArguments, Spanned, UnaryOperator,
};

use super::query::Bound;
use super::scope::{Resolved, Scope};
use super::typed::{Typed, compared, unified};
use super::window::Windows;
use super::{Binder, grouped::Grouped, literals};
use crate::error::{Error, Position, Result};
use crate::names::{at, begin, folded};
use crate::parse::is_distinct;

/// Where an expression stands: the columns that it may use, and the groups if there are any.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    pub(crate) scope: &'p Scope<'p>,
    pub(crate) grouped: Option<&'p Grouped>,
    /// Where window functions may stand: what is found of them.
    pub(crate) windows: Option<&'p Windows<'p>>,
}

impl<'p> Place<'p> {
    /// Over the rows of a scope.
    pub(crate) fn rows(scope: &'p Scope<'p>) -> Self {
        Self { scope, grouped: None, windows: None }
    }
}

/// Where an expression begins.
pub(crate) fn place_of(expr: &Expr) -> Option<Position> {
    begin(expr.span())
}

impl Binder<'_> {
    /// A condition: it is true, false, or unknown.
    pub(crate) fn condition(&self, expr: &Expr, place: Place<'_>) -> Result<Term> {
        let typed = self.expression(expr, place)?.used_as(ValueType::Bool, place_of(expr))?;
        match typed.value_type {
            ValueType::Bool | ValueType::Null => Ok(typed.term),
            found => {
                let detail = format!("a condition is true or false, and this is a {found}");
                Err(Error::invalid(detail, place_of(expr)))
            }
        }
    }

    pub(crate) fn expression(&self, expr: &Expr, place: Place<'_>) -> Result<Typed> {
        if let Some(grouped) = place.grouped
            && let Some(known) = grouped.group_of(expr)
        {
            return Ok(known);
        }
        match expr {
            Expr::Nested(inner) => self.expression(inner, place),
            Expr::Identifier(name) => column_of(None, name, place),
            Expr::CompoundIdentifier(names) => match &names[..] {
                [relation, name] => column_of(Some(relation), name, place),
                [schema, relation, name] if folded(schema) == "public" => {
                    column_of(Some(relation), name, place)
                }
                _ => Err(Error::unsupported(format!("the name {expr}"), place_of(expr))),
            },
            Expr::Value(value) => literals::value(value, self.types()),
            Expr::TypedString(typed) => literals::typed_string(typed),
            Expr::BinaryOp { left, op, right } => self.binary(expr, (left, op, right), place),
            Expr::UnaryOp { op, expr: operand } => self.unary(expr, *op, operand, place),
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr: operand,
                data_type,
                array: false,
                format: None,
            } => {
                let typed = self.expression(operand, place)?;
                super::types::cast(typed, data_type, place_of(expr))
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), place)
            }
            Expr::Function(_)
            | Expr::Extract { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Overlay { .. }
            | Expr::Floor { .. }
            | Expr::Ceil { .. }
            | Expr::Position { .. } => self.function(expr, place),
            Expr::Subquery(query) => {
                let bound = self.one_column(query, place)?;
                let value_type = bound.columns[0].value_type;
                Ok(Typed::new(Term::Value(Box::new(bound.builder)), value_type))
            }
            _ => self.test(expr, place),
        }
    }

    /// An expression that is true, false or unknown.
    fn test(&self, expr: &Expr, place: Place<'_>) -> Result<Typed> {
        match expr {
            Expr::IsNull(operand) | Expr::IsUnknown(operand) => self.is_null(operand, place),
            Expr::IsNotNull(operand) | Expr::IsNotUnknown(operand) => {
                self.is_null(operand, place).map(negated)
            }
            Expr::IsTrue(operand) => self.is_truth(operand, true, place),
            Expr::IsNotTrue(operand) => self.is_truth(operand, true, place).map(negated),
            Expr::IsFalse(operand) => self.is_truth(operand, false, place),
            Expr::IsNotFalse(operand) => self.is_truth(operand, false, place).map(negated),
            Expr::InList { expr: operand, list, negated } => {
                let found = self.in_list(operand, list, place)?;
                Ok(negated_if(found, *negated))
            }
            Expr::Between { expr: operand, negated, low, high } => {
                let found = self.between(operand, low, high, place)?;
                Ok(negated_if(found, *negated))
            }
            Expr::Like { .. } | Expr::ILike { .. } => self.like(expr, place),
            Expr::Exists { subquery, negated } => {
                let bound = self.subquery(subquery, place)?;
                let term = Term::Exists(Box::new(bound.builder));
                Ok(negated_if(Typed::truth(term), *negated))
            }
            Expr::InSubquery { expr: operand, subquery, negated } => {
                let found = match &**operand {
                    Expr::Tuple(row) => self.row_in_query(row, subquery, place, place_of(expr))?,
                    _ => self.quantified((operand, subquery), Comparison::Equal, true, place)?,
                };
                Ok(negated_if(found, *negated))
            }
            Expr::AnyOp { left, compare_op, right, .. } => {
                self.any_or_all(expr, (left, compare_op, right), true, place)
            }
            Expr::AllOp { left, compare_op, right } => {
                self.any_or_all(expr, (left, compare_op, right), false, place)
            }
            _ => Err(Error::unsupported(format!("the expression {}", cut(expr)), place_of(expr))),
        }
    }

    /// Chains of AND and OR are bound in a loop: they may be long.
    fn binary(
        &self,
        whole: &Expr,
        (left, op, right): (&Expr, &BinaryOperator, &Expr),
        place: Place<'_>,
    ) -> Result<Typed> {
        if matches!(op, BinaryOperator::And | BinaryOperator::Or) {
            let mut operands = vec![right];
            let mut rest = left;
            while let Expr::BinaryOp { left, op: other, right } = rest
                && other == op
            {
                operands.push(right);
                rest = left;
            }
            operands.push(rest);
            let terms = operands.into_iter().rev().map(|operand| self.condition(operand, place));
            let terms = terms.collect::<Result<Vec<_>>>()?;
            let all = *op == BinaryOperator::And;
            return Ok(Typed::truth(if all { Term::And(terms) } else { Term::Or(terms) }));
        }
        if let Some(is_distinct) = is_distinct(op) {
            let found = self.distinct_from(whole, left, right, place)?;
            return Ok(negated_if(found, !is_distinct));
        }
        let (from, left_at) = (place_of(whole), place_of(left));
        if let (Expr::Interval(interval), BinaryOperator::Plus | BinaryOperator::Minus) =
            (right, op)
        {
            let sign = if *op == BinaryOperator::Plus { 1 } else { -1 };
            let moment = self.expression(left, place)?;
            return super::interval::moved(moment, sign, interval, place_of(right).or(from));
        }
        if let (Expr::Tuple(one), Expr::Tuple(other), Some(comparison)) =
            (left, right, comparison(op))
        {
            return self.rows_compared(comparison, (one, other), place, from).map(Typed::truth);
        }
        let (left, right) = (self.expression(left, place)?, self.expression(right, place)?);
        if let Some(comparison) = comparison(op) {
            let (left, right) = compared(left, right, left_at)?;
            let (left, right) = (Box::new(left.term), Box::new(right.term));
            return Ok(Typed::truth(Term::Compare(comparison, left, right)));
        }
        if *op == BinaryOperator::StringConcat {
            let left = left.cast(ValueType::Text, from)?;
            let right = right.cast(ValueType::Text, from)?;
            let joined = call(Function::Concat, [left.term, right.term]);
            return Ok(Typed::new(joined, ValueType::Text));
        }
        super::operators::arithmetic(op, left, right, from)
    }

    fn unary(
        &self,
        whole: &Expr,
        op: UnaryOperator,
        operand: &Expr,
        place: Place<'_>,
    ) -> Result<Typed> {
        match op {
            UnaryOperator::Not => Ok(Typed::truth(self.condition(operand, place)?.not())),
            UnaryOperator::Minus => {
                // The smallest whole number has no positive counterpart.
                if let Expr::Value(value) = operand
                    && let ast::Value::Number(text, _) = &value.value
                {
                    return literals::number(&format!("-{text}"), begin(value.span));
                }
                let typed = self.expression(operand, place)?;
                super::operators::negated(typed, place_of(whole))
            }
            UnaryOperator::Plus => self.expression(operand, place),
            _ => Err(Error::unsupported(format!("the operator {op}"), place_of(whole))),
        }
    }

    fn is_null(&self, operand: &Expr, place: Place<'_>) -> Result<Typed> {
        Ok(Typed::truth(self.expression(operand, place)?.term.is_null()))
    }

    fn is_truth(&self, operand: &Expr, wanted: bool, place: Place<'_>) -> Result<Typed> {
        let condition = self.condition(operand, place)?;
        let condition = if wanted { condition } else { condition.not() };
        Ok(Typed::truth(call(Function::Coalesce, [condition, literal(false)])))
    }

    fn distinct_from(
        &self,
        whole: &Expr,
        left: &Expr,
        right: &Expr,
        place: Place<'_>,
    ) -> Result<Typed> {
        let (left, right) = (self.expression(left, place)?, self.expression(right, place)?);
        let (left, right) = compared(left, right, place_of(whole))?;
        let (left, right) = (left.term, right.term);
        let branches = vec![
            (left.clone().is_null(), right.clone().is_null().not()),
            (right.clone().is_null(), literal(true)),
        ];
        let otherwise = Some(Box::new(left.not_equal(right)));
        Ok(Typed::truth(Term::Case { branches, otherwise }))
    }

    fn in_list(&self, operand: &Expr, list: &[Expr], place: Place<'_>) -> Result<Typed> {
        if let Expr::Tuple(row) = operand {
            return self.row_in_list(row, list, place).map(Typed::truth);
        }
        let mut operand_typed = self.expression(operand, place)?;
        let mut terms = Vec::with_capacity(list.len());
        for item in list {
            let (one, other) =
                compared(operand_typed, self.expression(item, place)?, place_of(item))?;
            operand_typed = one;
            terms.push(other.term);
        }
        Ok(Typed::truth(Term::In(Box::new(operand_typed.term), terms)))
    }

    fn between(&self, operand: &Expr, low: &Expr, high: &Expr, place: Place<'_>) -> Result<Typed> {
        let typed = self.expression(operand, place)?;
        let (value, low) = compared(typed.clone(), self.expression(low, place)?, place_of(low))?;
        let (other, high) = compared(typed, self.expression(high, place)?, place_of(high))?;
        let terms = vec![value.term.at_least(low.term), other.term.at_most(high.term)];
        Ok(Typed::truth(Term::And(terms)))
    }

    fn like(&self, whole: &Expr, place: Place<'_>) -> Result<Typed> {
        let (Expr::Like { negated, any: false, expr, pattern, escape_char }
        | Expr::ILike { negated, any: false, expr, pattern, escape_char }) = whole
        else {
            return Err(Error::unsupported("LIKE ANY", place_of(whole)));
        };
        let text = |operand: &Expr| {
            let typed = self.expression(operand, place)?;
            match typed.value_type {
                ValueType::Text | ValueType::Null => Ok(typed.term),
                found => {
                    let detail = format!("LIKE compares texts, and this is a {found}");
                    Err(Error::invalid(detail, place_of(operand)))
                }
            }
        };
        let (mut value, mut pattern) = (text(expr)?, text(pattern)?);
        if matches!(whole, Expr::ILike { .. }) {
            value = call(Function::Lower, [value]);
            pattern = call(Function::Lower, [pattern]);
        }
        // As in PostgreSQL a backslash escapes unless another character is named.
        let escape = match escape_char {
            None if matches!(&pattern, Term::Literal(Value::Text(it)) if !it.contains('\\')) => {
                None
            }
            None => Some('\\'),
            Some(value) => literals::escape(value)?,
        };
        let term = Term::Like { value: Box::new(value), pattern: Box::new(pattern), escape };
        Ok(negated_if(Typed::truth(term), *negated))
    }

    fn case(
        &self,
        operand: Option<&Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&Expr>,
        place: Place<'_>,
    ) -> Result<Typed> {
        let from = conditions.first().and_then(|branch| place_of(&branch.condition));
        let mut tests = Vec::with_capacity(conditions.len());
        let mut values = Vec::with_capacity(conditions.len() + 1);
        for ast::CaseWhen { condition, result } in conditions {
            tests.push(match operand {
                None => self.condition(condition, place)?,
                Some(operand) => {
                    let operand = self.expression(operand, place)?;
                    let value = self.expression(condition, place)?;
                    let (operand, value) = compared(operand, value, place_of(condition))?;
                    operand.term.equal(value.term)
                }
            });
            values.push(self.expression(result, place)?);
        }
        let has_else = otherwise.is_some();
        values.extend(otherwise.map(|value| self.expression(value, place)).transpose()?);
        let (mut values, value_type) = unified(values, from)?;
        let otherwise = if has_else { values.pop().map(Box::new) } else { None };
        let branches = tests.into_iter().zip(values).collect();
        Ok(Typed::new(Term::Case { branches, otherwise }, value_type))
    }

    pub(crate) fn subquery(&self, query: &ast::Query, place: Place<'_>) -> Result<Bound> {
        self.query(query, Some(place.scope))
    }

    fn one_column(&self, query: &ast::Query, place: Place<'_>) -> Result<Bound> {
        let bound = self.subquery(query, place)?;
        match bound.columns.len() {
            1 => Ok(bound),
            found => {
                let detail = format!("a subquery for a value has one column, and this has {found}");
                Err(Error::invalid(detail, begin(query.span())))
            }
        }
    }

    fn quantified(
        &self,
        (operand, query): (&Expr, &ast::Query),
        comparison: Comparison,
        any: bool,
        place: Place<'_>,
    ) -> Result<Typed> {
        let bound = self.one_column(query, place)?;
        let wanted = bound.columns[0].value_type;
        let operand_at = place_of(operand);
        let operand = self.expression(operand, place)?.used_as(wanted, operand_at)?;
        if !super::typed::comparable(operand.value_type, wanted) {
            return Err(Error::types(operand.value_type, wanted, operand_at));
        }
        let (value, query) = (Box::new(operand.term), Box::new(bound.builder));
        let term = if any {
            Term::Any(comparison, value, query)
        } else {
            Term::All(comparison, value, query)
        };
        Ok(Typed::truth(term))
    }

    fn any_or_all(
        &self,
        whole: &Expr,
        (left, op, right): (&Expr, &BinaryOperator, &Expr),
        any: bool,
        place: Place<'_>,
    ) -> Result<Typed> {
        match (comparison(op), right) {
            (Some(comparison), Expr::Subquery(query)) => {
                self.quantified((left, query), comparison, any, place)
            }
            _ => Err(Error::unsupported(cut(whole), place_of(whole))),
        }
    }
}

/// The column that a name means.
fn column_of(relation: Option<&ast::Ident>, name: &ast::Ident, place: Place<'_>) -> Result<Typed> {
    let from = at(relation.unwrap_or(name));
    let relation = relation.map(folded);
    let found = place.scope.resolve(relation.as_deref(), &folded(name), from)?;
    if let Some(grouped) = place.grouped {
        return grouped.column(&found, from, place.scope);
    }
    let Resolved { full_name, value_type } = found;
    Ok(Typed::new(column(full_name), value_type))
}

/// The text of an expression, for messages.
pub(crate) fn cut(expr: &Expr) -> String {
    let text = expr.to_string();
    if text.chars().count() <= 60 {
        text
    } else {
        text.chars().take(57).chain("...".chars()).collect()
    }
}

fn comparison(op: &BinaryOperator) -> Option<Comparison> {
    Some(match op {
        BinaryOperator::Eq => Comparison::Equal,
        BinaryOperator::NotEq => Comparison::NotEqual,
        BinaryOperator::Lt => Comparison::Less,
        BinaryOperator::LtEq => Comparison::AtMost,
        BinaryOperator::Gt => Comparison::Greater,
        BinaryOperator::GtEq => Comparison::AtLeast,
        _ => return None,
    })
}

fn negated(typed: Typed) -> Typed {
    Typed::truth(typed.term.not())
}

fn negated_if(typed: Typed, is_negated: bool) -> Typed {
    if is_negated { negated(typed) } else { typed }
}

/// The arguments of a call that has nothing but arguments.
pub(crate) fn plain_arguments(arguments: &FunctionArguments) -> Option<Vec<&Expr>> {
    let list = match arguments {
        FunctionArguments::None => return Some(Vec::new()),
        FunctionArguments::Subquery(_) => return None,
        FunctionArguments::List(list) => list,
    };
    if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return None;
    }
    let plain = |argument: &'_ ast::FunctionArg| {
        matches!(argument, ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(_)))
    };
    if !list.args.iter().all(plain) {
        return None;
    }
    let expr = |argument| match argument {
        &ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(ref expr)) => Some(expr),
        _ => None,
    };
    Some(list.args.iter().filter_map(expr).collect())
}

/// A null whose type is not known.
pub(crate) fn null() -> Typed {
    Typed::value(Value::Null)
}
