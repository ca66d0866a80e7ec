//! Row values, `(a, b)`: comparisons of them, which are those of their values in order.

use lightning_db_expression::Comparison;
use lightning_db_query::build::{Term, column, exists};
use lightning_db_types::Value;
use sqlparser::ast::{self, Expr};

use super::Binder;
use super::expression::{Place, place_of};
use super::typed::{Typed, compared};
use crate::error::{Error, Position, Result};

impl Binder<'_> {
    /// A comparison of two row values.
    pub(super) fn rows_compared(
        &self,
        comparison: Comparison,
        (left, right): (&[Expr], &[Expr]),
        place: Place<'_>,
        at: Option<Position>,
    ) -> Result<Term> {
        let (len, other) = (left.len(), right.len());
        if len != other {
            let detail = format!("{len} values are compared with {other}");
            return Err(Error::invalid(detail, at));
        }
        let pairs = left.iter().zip(right).map(|(left, right)| {
            let (one, other) = (self.expression(left, place)?, self.expression(right, place)?);
            let (one, other) = compared(one, other, place_of(left).or(at))?;
            Ok((one.term, other.term))
        });
        let pairs = pairs.collect::<Result<Vec<_>>>()?;
        let each = |comparison| pairs.iter().map(move |pair| compare(comparison, pair)).collect();
        Ok(match comparison {
            Comparison::Equal => Term::And(each(Comparison::Equal)),
            Comparison::NotEqual => Term::Or(each(Comparison::NotEqual)),
            Comparison::Less | Comparison::AtMost => {
                ordered(&pairs, (Comparison::Less, Comparison::AtMost), comparison)
            }
            Comparison::Greater | Comparison::AtLeast => {
                ordered(&pairs, (Comparison::Greater, Comparison::AtLeast), comparison)
            }
        })
    }

    /// Whether a row value is one of the rows of a subquery: unknown if it is none, but may be one
    /// by what nulls stand for.
    pub(super) fn row_in_query(
        &self,
        row: &[Expr],
        query: &ast::Query,
        place: Place<'_>,
        at: Option<Position>,
    ) -> Result<Typed> {
        let bound = self.subquery(query, place)?;
        let (len, found) = (row.len(), bound.columns.len());
        if len != found {
            let detail = format!("{len} values are compared with {found} columns");
            return Err(Error::invalid(detail, at));
        }
        // Under names that nothing around the subquery has.
        let name = |position: usize| format!("#in{position}");
        let items = bound.columns.iter().enumerate();
        let items = items.map(|(position, it)| column(&*it.inner).named(name(position)));
        let rows = bound.builder.select(items.collect::<Vec<_>>());
        let pairs = row.iter().zip(&bound.columns).enumerate().map(|(position, (value, inner))| {
            let inner = Typed::new(column(name(position)), inner.value_type);
            let (value, inner) = compared(self.expression(value, place)?, inner, place_of(value))?;
            Ok((value.term, inner.term))
        });
        let pairs = pairs.collect::<Result<Vec<_>>>()?;
        let equal = |pair: &(Term, Term)| compare(Comparison::Equal, pair);
        let perhaps = |pair: &(Term, Term)| {
            let (value, inner) = pair.clone();
            Term::Or(vec![equal(pair), value.is_null(), inner.is_null()])
        };
        let is_one = rows.clone().filter(Term::And(pairs.iter().map(equal).collect()));
        let may_be = rows.filter(Term::And(pairs.iter().map(perhaps).collect()));
        let unknown = Term::And(vec![exists(may_be), Term::Literal(Value::Null)]);
        Ok(Typed::truth(Term::Or(vec![exists(is_one), unknown])))
    }

    /// Whether a row value is one of a list.
    pub(super) fn row_in_list(
        &self,
        row: &[Expr],
        list: &[Expr],
        place: Place<'_>,
    ) -> Result<Term> {
        let terms = list.iter().map(|item| match item {
            Expr::Tuple(values) => {
                self.rows_compared(Comparison::Equal, (row, values), place, place_of(item))
            }
            _ => Err(Error::invalid("it is compared with a row of values", place_of(item))),
        });
        Ok(Term::Or(terms.collect::<Result<_>>()?))
    }
}

fn compare(comparison: Comparison, (left, right): &(Term, Term)) -> Term {
    Term::Compare(comparison, Box::new(left.clone()), Box::new(right.clone()))
}

/// An order by the first values that differ.
fn ordered(
    pairs: &[(Term, Term)],
    (strict, loose): (Comparison, Comparison),
    wanted: Comparison,
) -> Term {
    let [first, rest @ ..] = pairs else { return Term::And(Vec::new()) };
    if rest.is_empty() {
        return compare(wanted, first);
    }
    let behind = ordered(rest, (strict, loose), wanted);
    let equal = Term::And(vec![compare(Comparison::Equal, first), behind]);
    // What follows of it for the first values alone is a range that an index answers.
    Term::And(vec![compare(loose, first), Term::Or(vec![compare(strict, first), equal])])
}
