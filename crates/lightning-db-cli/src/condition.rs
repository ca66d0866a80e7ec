//! Conditions, key parts and orders as they are written on the command line.
//!
//! The language is that of SQL conditions, over the columns of one table, with three functions
//! more, which are answered by an index alone: `matches(index, 'words')`, `near(index, x, y,
//! distance)` and `inside(index, x1, y1, x2, y2)`. Texts that are compared with a column are read
//! as its type, so that `born < '2001-01-01'` compares dates; what cannot be compared is refused
//! before a row is read.

mod call;
mod lexer;
mod parser;
mod plan;
mod typing;

use lightning_db::tables::index::{Columns, Expression, IndexQuery, KeyPart, RowSet};
use lightning_db::tables::{Row, Table};

use crate::failure::Failure;
use parser::Parser;

pub(crate) use plan::Plan;

/// A condition on rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    /// One that the values of the row decide.
    Plain(Expression),
    /// Rows that an index gives for a query.
    Asked {
        /// Name of the index.
        index: String,
        query: IndexQuery,
    },
    /// Rows that an index gave.
    Found(RowSet),
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
}

impl Condition {
    /// Reads a condition on the rows of a table.
    pub(crate) fn parse(table: &Table, text: &str) -> Result<Self, Failure> {
        Parser::new(table, text, "condition")?.whole_condition()
    }

    /// Reads a condition that the values of a row decide, as one for an index is.
    pub(crate) fn parse_plain(table: &Table, text: &str) -> Result<Expression, Failure> {
        match Self::parse(table, text)? {
            Self::Plain(expression) => Ok(expression),
            _ => Err(Failure::Usage(format!(
                "read the condition {text:?}: matches, near and inside ask another index, and \
                 cannot stand here"
            ))),
        }
    }

    /// Whether it is true for a row, false, or unknown. Queries of indexes must have been answered.
    fn truth(&self, row: &Row) -> Result<Option<bool>, Failure> {
        match self {
            Self::Plain(expression) => {
                let truth = expression.truth(row as &dyn Columns);
                truth.map_err(|error| Failure::Refused(format!("evaluate the condition: {error}")))
            }
            Self::Found(rows) => Ok(Some(rows.contains(row.row_id()))),
            Self::Asked { index, .. } => Err(Failure::Refused(format!(
                "evaluate the condition: index {index} was not asked"
            ))),
            Self::And(parts) => Self::until(parts, false, row),
            Self::Or(parts) => Self::until(parts, true, row),
            Self::Not(inner) => Ok(inner.truth(row)?.map(|truth| !truth)),
        }
    }

    /// The end of a chain of parts of which `ends` decides.
    fn until(parts: &[Self], ends: bool, row: &Row) -> Result<Option<bool>, Failure> {
        let mut truth = Some(!ends);
        for part in parts {
            match part.truth(row)? {
                Some(found) if found == ends => return Ok(Some(ends)),
                Some(_) => {}
                None => truth = None,
            }
        }
        Ok(truth)
    }
}

/// Reads the parts of a key: expressions, each with `ASC` or `DESC`, `NULLS FIRST` or `NULLS LAST`.
pub(crate) fn parse_parts(table: &Table, text: &str) -> Result<Vec<KeyPart>, Failure> {
    Parser::new(table, text, "key")?.whole_parts()
}

/// Reads a list of expressions.
pub(crate) fn parse_list(table: &Table, text: &str) -> Result<Vec<Expression>, Failure> {
    let parts = Parser::new(table, text, "list of columns")?.whole_list()?;
    Ok(parts)
}
