//! Reads queries as people write them.
//!
//! `words`, `"a phrase"~slop`, `+must -not`, `prefix*`, `fuzzy~1`, `field:word`, `(groups)`,
//! `^boost`, `a AND b OR NOT c`, `/regex/`, and `*` for every row. A backslash takes the meaning
//! from the character behind it. `AND` binds closer than `OR`, and words side by side are joined
//! by "or" ([`TextQuery::parse`]) or by "and" ([`TextQuery::parse_all`]).

use super::query::TextQuery;
use crate::error::{Error, Result};

/// Deepest nesting of groups.
const DEPTH_MAX: usize = 64;

/// What ends a word, unless a backslash stands before it.
const ENDS: &[char] = &['"', '(', ')', '^', '~', '*', ':'];

impl TextQuery {
    /// Reads a query: words side by side are alternatives, as in `lightning storm`.
    ///
    /// # Errors
    /// [`Error::Query`] with the position, in bytes, of what cannot be read.
    pub fn parse(text: &str) -> Result<Self> {
        Parser::new(text, false, false).query()
    }

    /// Reads a query: words side by side must all match.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_all(text: &str) -> Result<Self> {
        Parser::new(text, true, false).query()
    }

    /// Reads what can be read of a query, and says what was passed over.
    pub fn parse_lenient(text: &str) -> (Self, Vec<String>) {
        let mut parser = Parser::new(text, false, true);
        let query = parser.query().unwrap_or_else(|_| Self::any([]));
        (query, parser.problems)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    all: bool,
    lenient: bool,
    problems: Vec<String>,
}

/// How a clause stands in its group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Plain,
    Must,
    Not,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, all: bool, lenient: bool) -> Self {
        Self { text, at: 0, depth: 0, all, lenient, problems: Vec::new() }
    }

    /// Reports what is wrong; reading goes on if it is lenient.
    fn wrong(&mut self, at: usize, detail: &str) -> Result<()> {
        let detail = format!("at byte {at}: {detail}");
        if self.lenient {
            self.problems.push(detail);
            return Ok(());
        }
        Err(Error::Query { index: "(query text)".to_owned(), detail })
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn skip_white(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Takes an operator, if it stands here as a word of its own.
    fn operator(&mut self, word: &str) -> bool {
        let Some(behind) = self.rest().strip_prefix(word) else { return false };
        let ends = behind.chars().next().is_none_or(|c| c.is_whitespace() || "(\"+-".contains(c));
        if ends {
            self.at += word.len();
        }
        ends
    }

    fn query(&mut self) -> Result<TextQuery> {
        let mut query = self.alternatives()?;
        while self.at < self.text.len() {
            // Only a bracket that closes nothing ends the alternatives early.
            self.wrong(self.at, "nothing is open that `)` could close")?;
            self.eat(')');
            let more = self.alternatives()?;
            query = TextQuery::any([query, more]);
        }
        Ok(query)
    }

    /// Clauses up to the end of the group, joined by `OR`.
    fn alternatives(&mut self) -> Result<TextQuery> {
        let mut groups = Vec::new();
        loop {
            let at = self.at;
            let clauses = self.clauses()?;
            let had_some = !clauses.is_empty();
            if had_some {
                groups.push(self.join(clauses));
            }
            self.skip_white();
            let at_or = self.at;
            if !self.operator("OR") {
                if !had_some && !groups.is_empty() {
                    self.wrong(at, "nothing stands behind `OR`")?;
                }
                break;
            }
            if !had_some {
                self.wrong(at_or, "nothing stands before `OR`")?;
            }
        }
        if groups.len() == 1 {
            return Ok(groups.remove(0));
        }
        Ok(TextQuery::any(groups))
    }

    /// Clauses side by side, and those that `AND` joins.
    fn clauses(&mut self) -> Result<Vec<(Mark, TextQuery)>> {
        let mut clauses: Vec<(Mark, TextQuery)> = Vec::new();
        loop {
            self.skip_white();
            let start = self.at;
            let and = self.operator("AND");
            if and {
                match clauses.last_mut() {
                    Some((mark @ Mark::Plain, _)) => *mark = Mark::Must,
                    Some(_) => {}
                    None => self.wrong(start, "nothing stands before `AND`")?,
                }
                self.skip_white();
            }
            let clause = self.clause()?;
            match clause {
                Some((Mark::Plain, query)) if and => clauses.push((Mark::Must, query)),
                Some(clause) => clauses.push(clause),
                None if and => {
                    self.wrong(start, "nothing stands behind `AND`")?;
                    break;
                }
                None => break,
            }
        }
        Ok(clauses)
    }

    fn join(&self, mut clauses: Vec<(Mark, TextQuery)>) -> TextQuery {
        if let [(Mark::Plain | Mark::Must, _)] = &clauses[..]
            && let Some((_, query)) = clauses.pop()
        {
            return query;
        }
        let (mut must, mut should, mut must_not) = (Vec::new(), Vec::new(), Vec::new());
        for (mark, query) in clauses {
            match mark {
                Mark::Plain if self.all => must.push(query),
                Mark::Plain => should.push(query),
                Mark::Must => must.push(query),
                Mark::Not => must_not.push(query),
            }
        }
        TextQuery::Bool { must, should, must_not, minimum_should_match: 0 }
    }

    /// One clause; `None` at the end of the group, or before `OR`.
    fn clause(&mut self) -> Result<Option<(Mark, TextQuery)>> {
        loop {
            self.skip_white();
            let start = self.at;
            let mut mark = Mark::Plain;
            if self.operator("NOT") || self.eat('-') {
                mark = Mark::Not;
            } else if self.eat('+') {
                mark = Mark::Must;
            }
            self.skip_white();
            let ahead = self.at;
            let at_or = self.operator("OR");
            self.at = ahead;
            if self.rest().is_empty() || self.peek() == Some(')') || at_or {
                if mark != Mark::Plain {
                    self.wrong(start, "nothing stands behind the sign")?;
                }
                return Ok(None);
            }
            if let Some(query) = self.element()? {
                return Ok(Some((mark, query)));
            }
        }
    }

    /// A group, phrase or word with what follows it; `None` if it was passed over.
    fn element(&mut self) -> Result<Option<TextQuery>> {
        let start = self.at;
        let query = match self.peek() {
            Some('(') => self.group()?,
            Some('"') => Some(self.phrase()?),
            Some('/') => self.slashed()?,
            _ => self.word()?,
        };
        let Some(mut query) = query else { return Ok(None) };
        if self.eat('^') {
            let at = self.at;
            match self.number() {
                Some(factor) if factor.is_finite() => query = query.boost(factor),
                _ => self.wrong(at, "a number must follow `^`")?,
            }
        }
        debug_assert!(self.at > start);
        Ok(Some(query))
    }

    fn group(&mut self) -> Result<Option<TextQuery>> {
        let start = self.at;
        self.eat('(');
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            // The rest is passed over: it would be read as deep as it goes.
            self.wrong(start, "more than 64 groups in one another")?;
            self.at = self.text.len();
            self.depth -= 1;
            return Ok(None);
        }
        let query = self.alternatives()?;
        self.depth -= 1;
        if !self.eat(')') {
            self.wrong(start, "the bracket is not closed")?;
        }
        Ok(Some(query))
    }

    fn phrase(&mut self) -> Result<TextQuery> {
        let start = self.at;
        self.eat('"');
        let mut text = String::new();
        loop {
            let Some(c) = self.peek() else {
                self.wrong(start, "the quote is not closed")?;
                break;
            };
            self.at += c.len_utf8();
            match c {
                '"' => break,
                '\\' => text.extend(self.take()),
                c => text.push(c),
            }
        }
        let mut slop = 0;
        if self.eat('~') {
            let at = self.at;
            match self.digits().parse() {
                Ok(given) => slop = given,
                Err(_) => self.wrong(at, "a whole number must follow `~`")?,
            }
        }
        Ok(TextQuery::phrase(text, slop))
    }

    /// A regular expression between slashes; a facet path if there is no second slash.
    fn slashed(&mut self) -> Result<Option<TextQuery>> {
        let start = self.at;
        let rest = &self.rest()[1..];
        let mut escaped = false;
        let end = rest.char_indices().find(|(_, c)| {
            let ends = *c == '/' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        let Some((end, _)) = end else {
            self.wrong(start, "the regular expression is not closed")?;
            self.at += 1;
            return Ok(None);
        };
        self.at = start + end + 2;
        Ok(Some(TextQuery::regex(rest[..end].replace("\\/", "/"))))
    }

    fn word(&mut self) -> Result<Option<TextQuery>> {
        let start = self.at;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            if c.is_whitespace() || ENDS.contains(&c) {
                break;
            }
            self.at += c.len_utf8();
            if c == '\\' { text.extend(self.take()) } else { text.push(c) }
        }
        if self.at == start {
            return self.odd_start();
        }
        if self.eat(':') {
            return match self.peek() {
                Some(c) if !c.is_whitespace() && c != ')' => {
                    Ok(self.element()?.map(|query| query.in_field(&text)))
                }
                _ => self.wrong(start, "nothing stands behind the field").map(|()| None),
            };
        }
        if self.eat('*') {
            return Ok(Some(TextQuery::prefix(text)));
        }
        if self.eat('~') {
            let at = self.at;
            let distance = match self.digits() {
                "1" => 1,
                "" | "2" => 2,
                _ => {
                    self.wrong(at, "the distance can be 1 or 2")?;
                    2
                }
            };
            let prefix = self.eat('*');
            return Ok(Some(TextQuery::Fuzzy { field: None, text, distance, prefix }));
        }
        Ok(Some(TextQuery::term(text)))
    }

    /// A sign where a word should be.
    fn odd_start(&mut self) -> Result<Option<TextQuery>> {
        let start = self.at;
        if self.eat('*') {
            return Ok(Some(TextQuery::Everything));
        }
        self.wrong(start, "a word, a phrase or a group should stand here")?;
        self.at += self.peek().map_or(0, char::len_utf8);
        Ok(None)
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn digits(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn number(&mut self) -> Option<f32> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        self.at += end;
        rest[..end].parse().ok()
    }
}

#[cfg(test)]
mod tests;
