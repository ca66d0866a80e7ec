//! Texts to statements.
//!
//! The text is cut into tokens once; each `?` becomes `$1`, `$2`, and so on; then the parser makes
//! a tree of them. Trees of hostile texts are bounded before they are made: the parser bounds what
//! it nests, and chains such as `1 + 1 + ..`, which it builds in a loop, are bounded here.

mod as_of;
mod distinct_from;

use sqlparser::ast;
use sqlparser::dialect::GenericDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, TokenizerError};

pub(crate) use as_of::AsOf;
pub(crate) use distinct_from::is_distinct;
#[cfg(feature = "vector")]
pub(crate) use distinct_from::plain;

use crate::error::{Error, Position, Result};

/// Bytes of a text.
const TEXT_LEN_MAX: usize = 4 << 20;
/// How deep the parser nests.
const NESTING_MAX: usize = 40;
/// Operators of the open parentheses, without AND and OR: each makes the tree one deeper.
const CHAIN_LEN_MAX: usize = 200;
/// ANDs and ORs of the open parentheses: they are bound in a loop, and dropped one in another.
const CONDITIONS_MAX: usize = 2_000;

/// A statement of a text.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The text that it was read from.
    pub(crate) text: String,
    pub(crate) statement: ast::Statement,
    /// Number of parameters: the largest that it uses.
    pub(crate) parameters: usize,
    /// Whether it may use `now()`.
    pub(crate) uses_moment: bool,
    /// The state that it reads, where it says so.
    pub(crate) as_of: Option<AsOf>,
}

/// Names of the moment that a transaction began.
pub(crate) const MOMENTS: [&str; 4] =
    ["current_timestamp", "localtimestamp", "now", "transaction_timestamp"];
/// The day of that moment.
pub(crate) const TODAY: &str = "current_date";

/// The statements of a text.
///
/// # Errors
/// [`Error::Syntax`], with the place in the text.
pub(crate) fn parse(text: &str) -> Result<Vec<Parsed>> {
    if text.len() > TEXT_LEN_MAX {
        let detail = format!("it has {} bytes; {TEXT_LEN_MAX} are possible", text.len());
        return Err(Error::Syntax { detail, at: None });
    }
    let dialect = GenericDialect {};
    let mut tokens = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|error| of_tokenizer(&error))?;
    let parameters = number_parameters(&mut tokens)?;
    check_chains(&tokens)?;
    distinct_from::as_operators(&mut tokens);
    let as_of = as_of::cut(&mut tokens)?;
    let uses_moment = tokens.iter().any(|token| names_moment(&token.token));
    let mut parser =
        Parser::new(&dialect).with_recursion_limit(NESTING_MAX).with_tokens_with_locations(tokens);
    let statements = parser.parse_statements();
    let near = parser.peek_token();
    let statements = statements.map_err(|error| of_parser(error, &near))?;
    let parsed = statements.into_iter().map(|statement| {
        let statement = crate::show::as_query(statement)?;
        Ok(Parsed { text: text.to_owned(), statement, parameters, uses_moment, as_of: None })
    });
    let mut parsed = parsed.collect::<Result<Vec<_>>>()?;
    if let (Some((as_of, place)), Some(last)) = (as_of, parsed.last_mut()) {
        as_of::check(&last.statement, place)?;
        last.as_of = Some(as_of);
    }
    Ok(parsed)
}

/// The one statement of a text.
///
/// # Errors
/// As [`parse`], and for none or several.
pub(crate) fn parse_one(text: &str) -> Result<Parsed> {
    let mut all = parse(text)?;
    match (all.pop(), all.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => Err(Error::Syntax { detail: "there is no statement".to_owned(), at: None }),
        (Some(_), more) => {
            let detail = format!("there are {} statements; run them as a batch", more + 1);
            Err(Error::Syntax { detail, at: None })
        }
    }
}

fn names_moment(token: &Token) -> bool {
    let Token::Word(word) = token else { return false };
    let mut names = MOMENTS.iter().chain([&TODAY]);
    word.quote_style.is_none() && names.any(|name| word.value.eq_ignore_ascii_case(name))
}

/// Turns each `?` into the parameter of its number; gives the largest number.
fn number_parameters(tokens: &mut [TokenWithSpan]) -> Result<usize> {
    let (mut unnumbered, mut largest) = (0, 0);
    for TokenWithSpan { token, span } in tokens {
        let Token::Placeholder(name) = token else { continue };
        if name == "?" {
            unnumbered += 1;
            *name = format!("${unnumbered}");
        }
        largest = largest.max(parameter_number(name, crate::names::begin(*span))?);
    }
    if unnumbered > 0 && largest > unnumbered {
        let detail = "some parameters are ?, and others have numbers".to_owned();
        return Err(Error::Syntax { detail, at: None });
    }
    Ok(largest)
}

/// Number of a parameter, counted from one.
pub(crate) fn parameter_number(name: &str, at: Option<Position>) -> Result<usize> {
    let number = name.strip_prefix(['$', '?']).and_then(|number| number.parse().ok());
    number.filter(|number| (1..=65_535).contains(number)).ok_or_else(|| {
        let detail = format!("{name} is no parameter; they are $1 to $65535, or ?");
        Error::Syntax { detail, at }
    })
}

/// Operators and conditions of a level of parentheses.
#[derive(Clone, Copy, Default)]
struct Level {
    operators: usize,
    conditions: usize,
}

/// Refuses chains of operators whose trees would be too deep.
fn check_chains(tokens: &[TokenWithSpan]) -> Result<()> {
    let mut open = vec![Level::default()];
    // Of all open levels together.
    let mut sum = Level::default();
    for TokenWithSpan { token, span } in tokens {
        let Some(level) = open.last_mut() else { break };
        match token {
            Token::LParen | Token::LBracket => {
                open.push(Level::default());
                continue;
            }
            Token::RParen | Token::RBracket => {
                // An operand in parentheses is no chain of its own for what follows.
                if open.len() > 1
                    && let Some(closed) = open.pop()
                {
                    sum.operators -= closed.operators;
                    sum.conditions -= closed.conditions;
                }
                continue;
            }
            Token::Comma | Token::SemiColon => {
                sum.operators -= level.operators;
                sum.conditions -= level.conditions;
                *level = Level::default();
                continue;
            }
            Token::Word(word) => match word.keyword {
                Keyword::AND | Keyword::OR => {
                    level.conditions += 1;
                    sum.conditions += 1;
                    // Each condition has operators of its own.
                    sum.operators -= level.operators;
                    level.operators = 0;
                }
                Keyword::UNION
                | Keyword::EXCEPT
                | Keyword::INTERSECT
                | Keyword::MINUS
                | Keyword::IS
                | Keyword::NOT
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::IN
                | Keyword::BETWEEN
                | Keyword::COLLATE
                | Keyword::AT
                | Keyword::XOR
                | Keyword::DIV => {
                    level.operators += 1;
                    sum.operators += 1;
                }
                _ => {}
            },
            Token::Whitespace(_)
            | Token::Number(..)
            | Token::Placeholder(_)
            | Token::SingleQuotedString(_)
            | Token::EOF => {}
            _ => {
                level.operators += 1;
                sum.operators += 1;
            }
        }
        if sum.operators > CHAIN_LEN_MAX || sum.conditions > CONDITIONS_MAX {
            let detail = format!(
                "an expression has more than {CHAIN_LEN_MAX} operators in a row, or \
                 {CONDITIONS_MAX} conditions; use IN, or put parts of it into subqueries"
            );
            return Err(Error::Syntax { detail, at: crate::names::begin(*span) });
        }
    }
    Ok(())
}

fn of_tokenizer(error: &TokenizerError) -> Error {
    let at = Position { line: error.location.line, column: error.location.column };
    Error::Syntax { detail: lowered(&error.message), at: Some(at) }
}

/// The parser writes the place into its message, or leaves it to where it stopped.
fn of_parser(error: ParserError, near: &TokenWithSpan) -> Error {
    let (message, at) = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            match message.split_once(" at Line: ") {
                Some((message, place)) => (message.to_owned(), position_of(place)),
                None => (message, crate::names::begin(near.span)),
            }
        }
        ParserError::RecursionLimitExceeded => {
            let detail = format!("it nests more than about {NESTING_MAX} levels");
            (detail, crate::names::begin(near.span))
        }
    };
    Error::Syntax { detail: lowered(&message), at }
}

/// `3, Column: 14`
fn position_of(place: &str) -> Option<Position> {
    let (line, column) = place.split_once(", Column: ")?;
    let digits = |text: &str| text.trim().parse::<u64>().ok();
    Some(Position { line: digits(line)?, column: digits(column)? })
}

/// Messages are parts of sentences.
fn lowered(message: &str) -> String {
    let message = message.strip_prefix("sql parser error: ").unwrap_or(message);
    let mut characters = message.chars();
    let first = characters.next().into_iter().flat_map(char::to_lowercase);
    first.chain(characters).collect::<String>().trim_end_matches('.').to_owned()
}
