//! Row values, `(a, b)`: comparisons of them, which are those of their values in order.

use lightning_db_expression::Comparison;
use lightning_db_query::build::Term;
use sqlparser::ast::Expr;

use super::Binder;
use super::expression::{Place, place_of};
use super::typed::compared;
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
