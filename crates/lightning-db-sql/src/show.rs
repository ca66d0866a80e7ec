//! SHOW TABLES and SHOW COLUMNS, which are queries over `information_schema`.

use sqlparser::ast::{self, ShowStatementIn, ShowStatementOptions, Statement};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;

use crate::error::{Error, Result};
use crate::names;

const TABLES: &str = "SELECT table_name, table_type FROM information_schema.tables \
     WHERE table_schema = 'public' ORDER BY table_name";
const COLUMNS: &str = "SELECT column_name, data_type, is_nullable FROM information_schema.columns \
     WHERE table_schema = 'public' AND table_name = ";

/// The query that a SHOW stands for; other statements as they are.
///
/// # Errors
/// [`Error::Unsupported`] for clauses that are not understood.
pub(crate) fn as_query(statement: Statement) -> Result<Statement> {
    let text = match &statement {
        Statement::ShowTables { terse, history, extended, full, external, show_options } => {
            let is_plain = !(*terse || *history || *extended || *full || *external);
            if !is_plain || show_options.show_in.is_some() || !is_bare(show_options) {
                return Err(unsupported(&statement));
            }
            TABLES.to_owned()
        }
        Statement::ShowColumns { extended: false, full: false, show_options } => {
            match &show_options.show_in {
                Some(ShowStatementIn { parent_name: Some(name), .. }) if is_bare(show_options) => {
                    let (table, _) = names::table(name)?;
                    format!("{COLUMNS}'{}' ORDER BY ordinal_position", table.replace('\'', "''"))
                }
                _ => return Err(unsupported(&statement)),
            }
        }
        _ => return Ok(statement),
    };
    let parsed = Parser::parse_sql(&GenericDialect {}, &text).ok();
    parsed.and_then(|mut all| all.pop()).ok_or_else(|| unsupported(&statement))
}

fn is_bare(options: &ShowStatementOptions) -> bool {
    let ShowStatementOptions { show_in: _, starts_with, limit, limit_from, filter_position } =
        options;
    starts_with.is_none() && limit.is_none() && limit_from.is_none() && filter_position.is_none()
}

fn unsupported(statement: &ast::Statement) -> Error {
    let hint =
        "there are SHOW TABLES and SHOW COLUMNS FROM table; query information_schema for more";
    Error::unsupported_hint(format!("{statement}"), hint, None)
}
