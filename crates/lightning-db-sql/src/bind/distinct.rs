//! DISTINCT ON: the first row of each group of equal values.

use lightning_db_query::QueryBuilder;
use lightning_db_query::build::{Order, Term, WindowTerm, column};
use lightning_db_query::window::{Frame, WindowFunction};
use lightning_db_types::{Value, ValueType};

use super::select::has_subquery;
use crate::error::{Error, Result};

/// The number of a row among those that are equal.
const NUMBER: &str = "#number";

/// The rows that are the first of those with the same values, in an order.
pub(super) fn first_of_each(
    builder: QueryBuilder,
    values: Vec<Term>,
    order: Vec<Order>,
) -> Result<QueryBuilder> {
    if values.iter().chain(order.iter().map(|order| &order.term)).any(has_subquery) {
        let hint = "select it in a subquery in FROM";
        return Err(Error::unsupported_hint("a subquery in DISTINCT ON or its order", hint, None));
    }
    let number = WindowTerm {
        name: WindowFunction::RowNumber.name().to_owned(),
        arguments: Vec::new(),
        partition: values,
        order,
        frame: Frame::default().to_string(),
        value_type: ValueType::I64,
    };
    let first = column(NUMBER).equal(Term::Literal(Value::I64(1)));
    Ok(builder.window([(NUMBER, number)]).filter(first))
}
