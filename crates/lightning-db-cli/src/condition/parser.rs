//! The grammar: what binds least is read first.

use lightning_db::tables::index::{Arithmetic, Comparison, Expression, KeyPart};
use lightning_db::tables::{ColumnOrder, Table, Value};
use lightning_db::types::ValueType;

use super::Condition;
use super::lexer::{Token, TokenKind, tokens};
use super::typing::{Columns, number};
use crate::failure::Failure;
use crate::spelling::did_you_mean;

/// Brackets within brackets, and operators in a row, that are followed.
const DEPTH_MAX: usize = 100;

/// Why a text was not read.
pub(super) enum Fault {
    /// What is wrong, and where.
    Syntax(String),
    /// A name that is not there.
    NotFound(String),
}

impl From<String> for Fault {
    fn from(detail: String) -> Self {
        Self::Syntax(detail)
    }
}

pub(super) type Parsed<T> = Result<T, Fault>;

/// Reads a text as a condition, a key or a list, over the columns of a table.
pub(super) struct Parser<'a> {
    pub(super) table: &'a Table,
    pub(super) columns: Columns,
    text: &'a str,
    /// What the text is to be, for messages.
    what: &'static str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(
        table: &'a Table,
        text: &'a str,
        what: &'static str,
    ) -> Result<Self, Failure> {
        let refused = |detail| Failure::Usage(format!("read the {what} {text:?}: {detail}"));
        let tokens = tokens(text).map_err(refused)?;
        let columns = Columns::new(table);
        Ok(Self { table, columns, text, what, tokens, next: 0, depth: 0 })
    }

    pub(super) fn whole_condition(mut self) -> Result<Condition, Failure> {
        let parsed = self.or().and_then(|condition| self.truth(condition));
        self.finish(parsed)
    }

    pub(super) fn whole_parts(mut self) -> Result<Vec<KeyPart>, Failure> {
        let parsed = self.list(|this| {
            let expression = this.value()?;
            Ok(KeyPart { expression, order: this.order()? })
        });
        self.finish(parsed)
    }

    pub(super) fn whole_list(mut self) -> Result<Vec<Expression>, Failure> {
        let parsed = self.list(Self::value);
        self.finish(parsed)
    }

    fn finish<T>(mut self, parsed: Parsed<T>) -> Result<T, Failure> {
        let parsed = parsed.and_then(|parsed| match self.peek() {
            TokenKind::End => Ok(parsed),
            _ => Err(self.unexpected("its end")),
        });
        parsed.map_err(|fault| match fault {
            Fault::Syntax(detail) => {
                Failure::Usage(format!("read the {} {:?}: {detail}", self.what, self.text))
            }
            Fault::NotFound(detail) => {
                Failure::NotFound(format!("read the {} {:?}: {detail}", self.what, self.text))
            }
        })
    }

    pub(super) fn peek(&self) -> &TokenKind {
        // The last token is the end, and is never passed.
        self.tokens.get(self.next).map_or(&TokenKind::End, |token| &token.kind)
    }

    pub(super) fn advance(&mut self) -> TokenKind {
        let kind = self.peek().clone();
        self.next += usize::from(kind != TokenKind::End);
        kind
    }

    pub(super) fn unexpected(&mut self, wanted: &str) -> Fault {
        let at = self.tokens.get(self.next).map_or(0, |token| token.at);
        let found = match self.peek() {
            TokenKind::Word(word) => format!("{word:?}"),
            TokenKind::Name(name) => format!("{name:?}"),
            TokenKind::Number(number) => number.clone(),
            TokenKind::Text(text) => format!("'{text}'"),
            TokenKind::Sign(sign) => format!("{sign:?}"),
            TokenKind::End => "the end".to_owned(),
        };
        Fault::Syntax(format!("character {at}: expected {wanted}, found {found}"))
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        matches!(self.peek(), TokenKind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let is_next = self.is_keyword(keyword);
        self.next += usize::from(is_next);
        is_next
    }

    pub(super) fn sign(&mut self, sign: &'static str) -> bool {
        let is_next = *self.peek() == TokenKind::Sign(sign);
        self.next += usize::from(is_next);
        is_next
    }

    pub(super) fn expect_keyword(&mut self, keyword: &str) -> Parsed<()> {
        if self.keyword(keyword) { Ok(()) } else { Err(self.unexpected(keyword)) }
    }

    pub(super) fn expect(&mut self, sign: &'static str) -> Parsed<()> {
        if self.sign(sign) { Ok(()) } else { Err(self.unexpected(&format!("{sign:?}"))) }
    }

    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.sign(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Goes one level deeper.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= DEPTH_MAX {
            return Err(Fault::Syntax(format!("it is nested more than {DEPTH_MAX} levels deep")));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// A value, where no question to an index can stand.
    pub(super) fn value(&mut self) -> Parsed<Expression> {
        match self.sum()? {
            Condition::Plain(expression) => Ok(expression),
            _ => Err(Fault::Syntax(
                "matches, near and inside are conditions: they have no value".to_owned(),
            )),
        }
    }

    /// A condition, if it is one.
    fn truth(&self, condition: Condition) -> Parsed<Condition> {
        let Condition::Plain(expression) = &condition else { return Ok(condition) };
        match self.columns.type_of(expression) {
            None | Some(ValueType::Bool | ValueType::Null) => Ok(condition),
            Some(other) => Err(Fault::Syntax(format!("it is of type {other}, and no condition"))),
        }
    }

    fn or(&mut self) -> Parsed<Condition> {
        self.deeper(|this| {
            let mut parts = vec![this.and()?];
            while this.keyword("OR") {
                parts.push(this.and()?);
            }
            this.joined(parts, Expression::Or, Condition::Or)
        })
    }

    fn and(&mut self) -> Parsed<Condition> {
        let mut parts = vec![self.not()?];
        while self.keyword("AND") {
            parts.push(self.not()?);
        }
        self.joined(parts, Expression::And, Condition::And)
    }

    /// Parts together: one expression, if each is.
    fn joined(
        &self,
        mut parts: Vec<Condition>,
        plain: impl Fn(Vec<Expression>) -> Expression,
        mixed: impl Fn(Vec<Condition>) -> Condition,
    ) -> Parsed<Condition> {
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        let parts = parts.into_iter().map(|part| self.truth(part)).collect::<Parsed<Vec<_>>>()?;
        let expressions = parts.iter().map(|part| match part {
            Condition::Plain(expression) => Some(expression.clone()),
            _ => None,
        });
        Ok(match expressions.collect::<Option<Vec<_>>>() {
            Some(expressions) => Condition::Plain(plain(expressions)),
            None => mixed(parts),
        })
    }

    fn not(&mut self) -> Parsed<Condition> {
        if !self.keyword("NOT") {
            return self.predicate();
        }
        let inner = self.deeper(Self::not)?;
        Ok(match self.truth(inner)? {
            Condition::Plain(expression) => Condition::Plain(expression.negated()),
            asked => Condition::Not(Box::new(asked)),
        })
    }

    fn predicate(&mut self) -> Parsed<Condition> {
        let left = match self.sum()? {
            Condition::Plain(expression) => expression,
            asked => return Ok(asked),
        };
        if let Some(comparison) = self.comparison() {
            let (mut left, mut right) = (left, self.value()?);
            self.columns.unify(&mut left, &mut right)?;
            return Ok(Condition::Plain(left.compare(comparison, right)));
        }
        if self.keyword("IS") {
            let is_not = self.keyword("NOT");
            self.expect_keyword("NULL")?;
            let is_null = left.is_null();
            return Ok(Condition::Plain(if is_not { is_null.negated() } else { is_null }));
        }
        let is_not = self.keyword("NOT");
        let Some(found) = self.list_or_range(left.clone())? else {
            if is_not {
                return Err(self.unexpected("IN, BETWEEN or LIKE"));
            }
            return Ok(Condition::Plain(left));
        };
        Ok(Condition::Plain(if is_not { found.negated() } else { found }))
    }

    /// `IN (..)`, `BETWEEN .. AND ..` or `LIKE ..` behind a value.
    fn list_or_range(&mut self, mut left: Expression) -> Parsed<Option<Expression>> {
        if self.keyword("IN") {
            self.expect("(")?;
            let mut list = self.list(Self::value)?;
            self.expect(")")?;
            for item in &mut list {
                self.columns.unify(&mut left, item)?;
            }
            return Ok(Some(left.is_in(list)));
        }
        if self.keyword("BETWEEN") {
            let mut low = self.value()?;
            self.expect_keyword("AND")?;
            let mut high = self.value()?;
            self.columns.unify(&mut left, &mut low)?;
            self.columns.unify(&mut left, &mut high)?;
            return Ok(Some(left.between(low, high)));
        }
        if self.keyword("LIKE") {
            let mut pattern = self.value()?;
            self.columns.unify(&mut left, &mut pattern)?;
            if !self.keyword("ESCAPE") {
                return Ok(Some(left.like(pattern)));
            }
            let escape = match self.peek() {
                TokenKind::Text(text) if text.chars().count() == 1 => text.chars().next(),
                _ => None,
            };
            let escape = escape.ok_or_else(|| self.unexpected("one character in quotes"))?;
            self.advance();
            return Ok(Some(left.like_escaped(pattern, escape)));
        }
        Ok(None)
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let comparison = match self.peek() {
            TokenKind::Sign("=" | "==") => Comparison::Equal,
            TokenKind::Sign("<>" | "!=") => Comparison::NotEqual,
            TokenKind::Sign("<") => Comparison::Less,
            TokenKind::Sign("<=") => Comparison::AtMost,
            TokenKind::Sign(">") => Comparison::Greater,
            TokenKind::Sign(">=") => Comparison::AtLeast,
            _ => return None,
        };
        self.advance();
        Some(comparison)
    }

    fn sum(&mut self) -> Parsed<Condition> {
        let signs = [("+", Arithmetic::Add), ("-", Arithmetic::Subtract)];
        self.chain(&signs, Self::product)
    }

    fn product(&mut self) -> Parsed<Condition> {
        let signs =
            [("*", Arithmetic::Multiply), ("/", Arithmetic::Divide), ("%", Arithmetic::Remainder)];
        self.chain(&signs, Self::signed)
    }

    fn chain(
        &mut self,
        signs: &[(&'static str, Arithmetic)],
        operand: fn(&mut Self) -> Parsed<Condition>,
    ) -> Parsed<Condition> {
        let mut left = operand(self)?;
        loop {
            let found = signs.iter().find(|(sign, _)| self.sign(sign));
            let Some((_, arithmetic)) = found else { return Ok(left) };
            match (left, operand(self)?) {
                (Condition::Plain(one), Condition::Plain(other)) => {
                    left = Condition::Plain(one.arithmetic(*arithmetic, other));
                }
                _ => return Err(Fault::Syntax("conditions are no numbers".to_owned())),
            }
        }
    }

    fn signed(&mut self) -> Parsed<Condition> {
        if !self.sign("-") {
            return self.primary();
        }
        // The smallest number has no positive one beside it.
        if let TokenKind::Number(digits) = self.peek().clone() {
            self.advance();
            return Ok(Condition::Plain(Expression::Literal(number(&format!("-{digits}"))?)));
        }
        match self.deeper(Self::signed)? {
            Condition::Plain(operand) => {
                Ok(Condition::Plain(Expression::Negate(Box::new(operand))))
            }
            _ => Err(Fault::Syntax("conditions are no numbers".to_owned())),
        }
    }

    fn primary(&mut self) -> Parsed<Condition> {
        if self.sign("(") {
            let inner = self.or()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let literal = |value: Value| Ok(Condition::Plain(Expression::Literal(value)));
        match self.peek().clone() {
            TokenKind::Number(digits) => {
                self.advance();
                literal(number(&digits)?)
            }
            TokenKind::Text(text) => {
                self.advance();
                literal(Value::Text(text))
            }
            TokenKind::Name(name) => {
                self.advance();
                self.column(&name)
            }
            TokenKind::Word(word) => {
                self.advance();
                match &*word.to_ascii_lowercase() {
                    "true" => literal(Value::Bool(true)),
                    "false" => literal(Value::Bool(false)),
                    "null" => literal(Value::Null),
                    name if self.sign("(") => self.call(name),
                    _ => self.column(&word),
                }
            }
            _ => Err(self.unexpected("a column, a value or a condition")),
        }
    }

    fn column(&self, name: &str) -> Parsed<Condition> {
        let found = self.columns.id(name);
        found.map(|id| Condition::Plain(Expression::column(id))).ok_or_else(|| {
            let meant = did_you_mean(name, self.columns.names());
            let table = self.table.name();
            Fault::NotFound(format!("there is no column {name} in table {table}{meant}"))
        })
    }

    /// How a part of a key sorts.
    fn order(&mut self) -> Parsed<ColumnOrder> {
        let mut order = ColumnOrder::ASCENDING;
        if self.keyword("DESC") {
            order = ColumnOrder::DESCENDING;
        } else {
            self.keyword("ASC");
        }
        if !self.keyword("NULLS") {
            return Ok(order);
        }
        if self.keyword("FIRST") {
            Ok(order.with_nulls_first())
        } else if self.keyword("LAST") {
            Ok(order.with_nulls_last())
        } else {
            Err(self.unexpected("FIRST or LAST"))
        }
    }
}
