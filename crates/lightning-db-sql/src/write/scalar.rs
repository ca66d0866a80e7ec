//! Terms as expressions over a row at hand, for what is evaluated without a plan: values that are
//! inserted, assignments, RETURNING, and the expressions in definitions.

use lightning_db_expression::{Columns, Expression};
use lightning_db_query::build::Term;
use lightning_db_types::{Value, ValueRef};

use crate::error::{Error, Result};

/// Columns of the row that was to be inserted stand from this position on.
pub(crate) const EXCLUDED: usize = 1 << 24;
/// Parameters stand from this position on.
pub(crate) const PARAMETERS: usize = 2 << 24;
const WITHIN: usize = (1 << 24) - 1;

/// What an expression is evaluated over.
pub(crate) struct Frame<'a> {
    /// The row, by column id.
    pub(crate) row: Option<&'a dyn Columns>,
    /// The row that was to be inserted, by position.
    pub(crate) excluded: &'a [Value],
    pub(crate) parameters: &'a [Value],
}

impl Columns for Frame<'_> {
    fn column(&self, position: usize) -> ValueRef<'_> {
        let at = |values: &'_ [Value]| -> Option<usize> {
            let place = position & WITHIN;
            (place < values.len()).then_some(place)
        };
        match position & !WITHIN {
            0 => self.row.map_or(ValueRef::Null, |row| row.column(position)),
            EXCLUDED => at(self.excluded)
                .map_or(ValueRef::Null, |place| self.excluded[place].as_value_ref()),
            _ => at(self.parameters)
                .map_or(ValueRef::Null, |place| self.parameters[place].as_value_ref()),
        }
    }
}

/// The term as an expression; `place` says where a column stands.
///
/// # Errors
/// [`Error::Unsupported`] for a subquery.
pub(crate) fn expression(term: &Term, place: &dyn Fn(&str) -> Option<usize>) -> Result<Expression> {
    let one = |term: &Term| expression(term, place).map(Box::new);
    let all = |terms: &[Term]| -> Result<Vec<Expression>> {
        terms.iter().map(|term| expression(term, place)).collect()
    };
    Ok(match term {
        Term::Column(name) => match place(name) {
            Some(place) => Expression::Column(place),
            None => return Err(Error::unsupported(format!("column {name} here"), None)),
        },
        Term::Literal(value) => Expression::Literal(value.clone()),
        Term::Parameter(number, _) => Expression::Column(PARAMETERS + (number & WITHIN)),
        Term::Compare(comparison, left, right) => {
            Expression::Compare(*comparison, one(left)?, one(right)?)
        }
        Term::And(terms) => Expression::And(all(terms)?),
        Term::Or(terms) => Expression::Or(all(terms)?),
        Term::Not(term) => Expression::Not(one(term)?),
        Term::IsNull(term) => Expression::IsNull(one(term)?),
        Term::In(term, list) => Expression::In(one(term)?, all(list)?),
        Term::Like { value, pattern, escape } => {
            Expression::Like { value: one(value)?, pattern: one(pattern)?, escape: *escape }
        }
        Term::Arithmetic(operation, left, right) => {
            Expression::Arithmetic(*operation, one(left)?, one(right)?)
        }
        Term::Negate(term) => Expression::Negate(one(term)?),
        Term::Call(function, arguments) => Expression::Call(*function, all(arguments)?),
        Term::Cast(term, value_type) => Expression::Cast(one(term)?, *value_type),
        Term::Case { branches, otherwise } => {
            let branches = branches.iter().map(|(condition, value)| {
                Ok((expression(condition, place)?, expression(value, place)?))
            });
            let branches = branches.collect::<Result<_>>()?;
            let otherwise = otherwise.as_ref().map(|term| one(term)).transpose()?;
            Expression::Case { branches, otherwise }
        }
        Term::External { function, .. } => {
            return Err(Error::unsupported(format!("the function {function} here"), None));
        }
        Term::Exists(_) | Term::Value(_) | Term::Any(..) | Term::All(..) => {
            return Err(Error::unsupported_hint(
                "a subquery here",
                "write the statement as INSERT .. SELECT or UPDATE .. FROM",
                None,
            ));
        }
    })
}
