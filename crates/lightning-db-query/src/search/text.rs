//! Text that matches a query, how well, and where.

use lightning_db_optimizer::build::Term;
use lightning_db_table::index::{IndexKind, IndexQuery, TextQuery};
use lightning_db_types::{Value, ValueRef, ValueType};

use super::{Form, Function, refuse};
use crate::error::{Error, Result};

/// Whether the text of a column matches a query such as `+lightning storm* -"heavy rain"~2`: see
/// [`TextQuery::parse`]. A text index must have the column; words pass through its analyzer.
pub fn matches(text: impl Into<Term>, query: impl Into<Term>) -> Term {
    Term::External {
        function: MATCH.name.into(),
        arguments: vec![text.into(), query.into()],
        value_type: ValueType::Bool,
    }
}

/// How well the text of a column matches a query, by BM25: the higher the better, and null for a
/// row that does not match. `row` is the number of the row, which a query has that begins at
/// [`QueryBuilder::numbered`](crate::QueryBuilder::numbered).
pub fn score(text: impl Into<Term>, query: impl Into<Term>, row: impl Into<Term>) -> Term {
    Term::External {
        function: SCORE.name.into(),
        arguments: vec![text.into(), query.into(), row.into()],
        value_type: ValueType::F64,
    }
}

/// The part of a text that shows the most different words of a query, in about 150 bytes, with a
/// text before and one behind each word that matches, and `..` where it was cut.
pub fn snippet(text: impl Into<Term>, query: impl Into<Term>, [before, behind]: [Term; 2]) -> Term {
    Term::External {
        function: SNIPPET.name.into(),
        arguments: vec![text.into(), query.into(), before, behind],
        value_type: ValueType::Text,
    }
}

/// A function of a text and a query.
#[derive(Debug)]
pub(super) struct OfText {
    name: &'static str,
    form: Form,
}

pub(super) const MATCH: OfText = OfText { name: "match", form: Form::Member };
pub(super) const SCORE: OfText = OfText { name: "score", form: Form::Score };
pub(super) const SNIPPET: OfText = OfText { name: "snippet", form: Form::Snippet };

impl Function for OfText {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_answered_by(&self, kind: &IndexKind) -> bool {
        self.form == Form::Member && matches!(kind, IndexKind::Text(_))
    }

    fn orders(&self, kind: &IndexKind) -> bool {
        self.form == Form::Score && matches!(kind, IndexKind::Text(_))
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

    fn form(&self) -> Form {
        self.form
    }

    fn value(&self, _arguments: &[ValueRef<'_>]) -> Result<Value> {
        Err(refuse(self, "only an index knows it"))
    }
}
