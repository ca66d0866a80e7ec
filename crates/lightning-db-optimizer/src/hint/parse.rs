//! Hints from text.

use std::str::FromStr;

use super::{Hint, HintMethod, Hints, JoinOrder, OrderPart};
use crate::error::{Error, Result};
use crate::plan::AggregateMethod;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    Sign(char),
}

/// Tokens with the places where they start.
struct Tokens {
    list: Vec<(usize, Token)>,
    next: usize,
    end: usize,
}

fn wrong(offset: usize, detail: impl Into<String>) -> Error {
    Error::Decode { what: "hints", offset, detail: detail.into() }
}

impl Tokens {
    fn new(text: &str) -> Result<Self> {
        let mut list = Vec::new();
        let mut chars = text.char_indices().peekable();
        while let Some((at, char)) = chars.next() {
            let token = match char {
                char if char.is_whitespace() || char == ',' => continue,
                '(' | ')' | '[' | ']' | '/' => Token::Sign(char),
                '"' => {
                    let mut name = String::new();
                    loop {
                        match chars.next() {
                            Some((_, '"')) if chars.next_if(|(_, it)| *it == '"').is_some() => {
                                name.push('"');
                            }
                            Some((_, '"')) => break,
                            Some((_, char)) => name.push(char),
                            None => return Err(wrong(at, "a name has no closing quote")),
                        }
                    }
                    Token::Name(name)
                }
                char => {
                    let mut name = String::from(char);
                    while let Some((_, char)) =
                        chars.next_if(|(_, it)| super::is_bare(&it.to_string()))
                    {
                        name.push(char);
                    }
                    if !super::is_bare(&name) {
                        return Err(wrong(at, format!("{name} is no name; put it in quotes")));
                    }
                    Token::Name(name)
                }
            };
            list.push((at, token));
        }
        Ok(Self { list, next: 0, end: text.len() })
    }

    fn place(&self) -> usize {
        self.list.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    fn take(&mut self, sign: char) -> bool {
        let is = matches!(self.list.get(self.next), Some((_, Token::Sign(it))) if *it == sign);
        self.next += usize::from(is);
        is
    }

    fn expect(&mut self, sign: char) -> Result<()> {
        let at = self.place();
        if self.take(sign) { Ok(()) } else { Err(wrong(at, format!("{sign} is expected"))) }
    }

    fn name(&mut self) -> Option<String> {
        let Some((_, Token::Name(name))) = self.list.get(self.next) else { return None };
        self.next += 1;
        Some(name.clone())
    }

    fn names(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.name()).collect()
    }

    /// A tree of joins, up to the end of its list. Sides are counted, so that no depth of the text
    /// is a depth of the stack.
    fn order(&mut self) -> Result<JoinOrder> {
        let (mut parts, mut sides) = (Vec::new(), vec![0]);
        loop {
            let at = self.place();
            if self.take('(') {
                sides.push(0);
                continue;
            }
            if self.take('[') {
                parts.push(OrderPart::Relations(self.names()));
                self.expect(']')?;
            } else if let Some(name) = self.name() {
                parts.push(OrderPart::Relations(vec![name]));
            } else if self.take(')') {
                let inside = sides.pop().unwrap_or(0);
                if inside == 2 {
                    parts.push(OrderPart::Join);
                } else if inside != 1 || !sides.is_empty() {
                    return Err(wrong(at, format!("a join has two sides, not {inside}")));
                }
                if sides.is_empty() {
                    return Ok(JoinOrder { parts });
                }
            } else {
                return Err(wrong(at, "a relation, ( or ) is expected"));
            }
            if let Some(count) = sides.last_mut() {
                *count += 1;
            }
        }
    }

    fn hint(&mut self) -> Result<Hint> {
        let at = self.place();
        let word = self.name().ok_or_else(|| wrong(at, "the name of a hint is expected"))?;
        self.expect('(')?;
        if word == "order" {
            return Ok(Hint::Order(self.order()?));
        }
        let (inside, mut names) = (self.place(), self.names());
        let method = HintMethod::ALL.iter().find(|(_, name)| *name == word);
        let hint = match (word.as_str(), method) {
            (_, Some((method, _))) => {
                let inner = if self.take('/') { self.names() } else { Vec::new() };
                if names.len() < 2 {
                    return Err(wrong(inside, "a join has at least two relations"));
                }
                Hint::Join { relations: names, inner, method: *method }
            }
            ("scan", _) if names.len() == 1 => {
                Hint::Access { relation: names.remove(0), indexes: Vec::new() }
            }
            ("index", _) if names.len() > 1 => {
                Hint::Access { relation: names.remove(0), indexes: names }
            }
            ("aggregate", _) if names == ["hash"] => Hint::Aggregate(AggregateMethod::Hash),
            ("aggregate", _) if names == ["stream"] => Hint::Aggregate(AggregateMethod::Stream),
            ("scan" | "index" | "aggregate", _) => {
                let detail = "scan takes a relation, index a relation and indexes, aggregate hash \
                              or stream";
                return Err(wrong(inside, detail));
            }
            _ => return Err(wrong(at, format!("no hint is called {word}"))),
        };
        self.expect(')')?;
        Ok(hint)
    }
}

impl FromStr for Hints {
    type Err = Error;

    /// Hints as [`Hints`] describes them.
    ///
    /// # Errors
    /// [`Error::Decode`] with the place of what is no hint.
    fn from_str(text: &str) -> Result<Self> {
        let mut tokens = Tokens::new(text)?;
        let mut list = Vec::new();
        while tokens.next < tokens.list.len() {
            list.push(tokens.hint()?);
        }
        Ok(Self { list })
    }
}
