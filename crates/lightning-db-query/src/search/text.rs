//! Text that matches a query.

use lightning_db_optimizer::build::Term;
use lightning_db_table::index::{IndexKind, IndexQuery, TextQuery};
use lightning_db_types::{Value, ValueType};

use super::{Function, refuse};
use crate::error::{Error, Result};

/// Whether the text of a column matches a query such as `+lightning storm* -"heavy rain"~2`: see
/// [`TextQuery::parse`]. A text index must have the column; words pass through its analyzer.
pub fn matches(text: impl Into<Term>, query: impl Into<Term>) -> Term {
    Term::External {
        function: Match.name().into(),
        arguments: vec![text.into(), query.into()],
        value_type: ValueType::Bool,
    }
}

#[derive(Debug)]
pub(super) struct Match;

impl Function for Match {
    fn name(&self) -> &'static str {
        "match"
    }

    fn is_answered_by(&self, kind: &IndexKind) -> bool {
        matches!(kind, IndexKind::Text(_))
    }

    fn question(
        &self,
        kind: &IndexKind,
        part: usize,
        given: &[Value],
    ) -> Result<Option<IndexQuery>> {
        let IndexKind::Text(options) = kind else { return Err(refuse(self, "no text index")) };
        let query = match given {
            [Value::Text(query)] => TextQuery::parse(query),
            [Value::Null] => return Ok(None),
            _ => return Err(refuse(self, "a column of text and a query are expected")),
        };
        let query = query.map_err(Error::Index)?;
        Ok(Some(IndexQuery::Text(query.in_field(&options.field_name(part)))))
    }

    fn is_computed(&self) -> bool {
        false
    }

    fn value(&self, _arguments: &[Value]) -> Result<Value> {
        Err(refuse(self, "only an index knows it"))
    }
}
