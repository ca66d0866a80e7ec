//! AS OF at the end of a statement: the parser does not know it, so that it is cut off before.

use sqlparser::ast::Statement;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{Error, Position, Result};

/// The state that a statement wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AsOf {
    /// Behind the commit of this number.
    Lsn(u64),
    /// Behind that whose number this parameter is, counted from zero.
    Parameter(usize),
}

/// Cuts AS OF and what it names off the last statement; gives it with its place.
///
/// # Errors
/// [`Error::Syntax`] for what is neither a number nor a parameter.
pub(super) fn cut(tokens: &mut Vec<TokenWithSpan>) -> Result<Option<(AsOf, Option<Position>)>> {
    let is_said = |token: &&TokenWithSpan| {
        !matches!(token.token, Token::Whitespace(_) | Token::SemiColon | Token::EOF)
    };
    let said = tokens.iter().enumerate().rev().filter(|(_, token)| is_said(token));
    let [value, of, word] = said.take(3).collect::<Vec<_>>()[..] else { return Ok(None) };
    if !is(word.1, Keyword::AS) || !is(of.1, Keyword::OF) {
        return Ok(None);
    }
    let place = crate::names::begin(word.1.span);
    let as_of = match &value.1.token {
        Token::Number(digits, _) => digits.parse().ok().map(AsOf::Lsn),
        Token::Placeholder(name) => {
            super::parameter_number(name, place).ok().map(|number| AsOf::Parameter(number - 1))
        }
        _ => None,
    };
    let as_of = as_of.ok_or_else(|| {
        let detail = "AS OF takes the number of a commit, or a parameter".to_owned();
        Error::Syntax { detail, at: crate::names::begin(value.1.span) }
    })?;
    let (begin, end) = (word.0, value.0);
    tokens.drain(begin..=end);
    Ok(Some((as_of, place)))
}

fn is(token: &TokenWithSpan, keyword: Keyword) -> bool {
    matches!(&token.token, Token::Word(word) if word.keyword == keyword)
}

/// Refuses AS OF in a statement that does more than to read, or to begin a transaction.
pub(super) fn check(statement: &Statement, place: Option<Position>) -> Result<()> {
    let reads = match statement {
        Statement::Query(_)
        | Statement::Copy { to: true, .. }
        | Statement::StartTransaction { .. } => true,
        Statement::Explain { statement, .. } | Statement::Prepare { statement, .. } => {
            matches!(**statement, Statement::Query(_))
        }
        _ => false,
    };
    if reads {
        return Ok(());
    }
    let hint = "queries, EXPLAIN of them, COPY TO and BEGIN read older states";
    Err(Error::unsupported_hint("AS OF in this statement", hint, place))
}
