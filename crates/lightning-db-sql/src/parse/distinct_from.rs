//! IS DISTINCT FROM as an operator: the parser takes all that follows for its right side, also
//! `AND c` of `a IS DISTINCT FROM b AND c`. An operator of our own binds as IS does.

use sqlparser::ast::BinaryOperator;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

const DISTINCT: &str = "IS DISTINCT FROM";
const NOT_DISTINCT: &str = "IS NOT DISTINCT FROM";

/// Makes one token of the words of each IS [NOT] DISTINCT FROM.
pub(super) fn as_operators(tokens: &mut Vec<TokenWithSpan>) {
    let mut from = 0;
    while let Some(at) = tokens[from..].iter().position(|it| is(it, Keyword::IS)) {
        let begin = from + at;
        from = begin + 1;
        let Some((operator, end)) = operator(tokens, begin) else { continue };
        let span = tokens[begin].span;
        let token = Token::CustomBinaryOperator(operator.to_owned());
        tokens.splice(begin..end, [TokenWithSpan { token, span }]);
    }
}

/// The operator that begins with a word IS, and where it ends.
fn operator(tokens: &[TokenWithSpan], begin: usize) -> Option<(&'static str, usize)> {
    let words = tokens.iter().enumerate().skip(begin + 1);
    let mut words = words.filter(|(_, it)| !matches!(it.token, Token::Whitespace(_)));
    let (_, mut word) = words.next()?;
    let operator = if is(word, Keyword::NOT) {
        word = words.next()?.1;
        NOT_DISTINCT
    } else {
        DISTINCT
    };
    let (end, last) = words.next()?;
    (is(word, Keyword::DISTINCT) && is(last, Keyword::FROM)).then_some((operator, end + 1))
}

fn is(token: &TokenWithSpan, keyword: Keyword) -> bool {
    matches!(&token.token, Token::Word(word) if word.keyword == keyword)
}

/// Whether an operator is IS DISTINCT FROM, or else IS NOT DISTINCT FROM.
pub(crate) fn is_distinct(operator: &BinaryOperator) -> Option<bool> {
    match operator {
        BinaryOperator::Custom(name) if name == DISTINCT => Some(true),
        BinaryOperator::Custom(name) if name == NOT_DISTINCT => Some(false),
        _ => None,
    }
}

/// The statement with these operators as the parser has them, for who knows nothing of ours.
#[cfg(feature = "vector")]
pub(crate) fn plain(statement: &sqlparser::ast::Statement) -> sqlparser::ast::Statement {
    use sqlparser::ast::{Expr, visit_expressions_mut};
    let mut statement = statement.clone();
    let _ = visit_expressions_mut(&mut statement, |expr| {
        if let Expr::BinaryOp { left, op, right } = expr
            && let Some(is_distinct) = is_distinct(op)
        {
            let sides = (left.clone(), right.clone());
            *expr = if is_distinct {
                Expr::IsDistinctFrom(sides.0, sides.1)
            } else {
                Expr::IsNotDistinctFrom(sides.0, sides.1)
            };
        }
        std::ops::ControlFlow::<()>::Continue(())
    });
    statement
}
