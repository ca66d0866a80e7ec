//! As much SQL as the Join Order Benchmark has.

use anyhow::{Context as _, Result, bail, ensure};
use lightning_db_optimizer::build::{AggregateTerm, Term, column, literal};
use lightning_db_optimizer::{AggregateFunction, QueryBuilder};
use lightning_db_types::ValueType;

/// A column: name, type, whether it may be null.
type Column = (String, ValueType, bool);

/// The tables of a schema.
pub(super) fn tables(text: &str) -> Result<Vec<(String, Vec<Column>)>> {
    let mut tables = Vec::new();
    for part in text.split("CREATE TABLE").skip(1) {
        let (name, rest) = part.split_once('(').context("a table without columns")?;
        let body = rest.split_once(");").map_or(rest, |(body, _)| body);
        let mut columns = Vec::new();
        for line in body.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.trim_end_matches(',').split_whitespace();
            let (Some(name), Some(of)) = (words.next(), words.next()) else {
                bail!("no column: {line}")
            };
            let of = if of == "integer" { ValueType::I64 } else { ValueType::Text };
            columns.push((name.to_owned(), of, !line.contains("NOT NULL")));
        }
        tables.push((name.trim().to_owned(), columns));
    }
    ensure!(!tables.is_empty(), "no tables in the schema");
    Ok(tables)
}

/// Indexes: name, table, column.
pub(super) fn indexes(text: &str) -> Result<Vec<(String, String, String)>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let one = |line: &str| {
        let rest = line.strip_prefix("create index ").context("no index")?;
        let (name, rest) = rest.split_once(" on ").context("an index on nothing")?;
        let (table, rest) = rest.split_once('(').context("an index without columns")?;
        let column = rest.split_once(')').context("an open bracket")?.0;
        Ok((name.to_owned(), table.trim().to_owned(), column.trim().to_owned()))
    };
    lines.map(one).collect()
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Number(i64),
    Text(String),
    Sign(String),
}

fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            char if char.is_whitespace() => {}
            '\'' => {
                let mut value = String::new();
                loop {
                    match chars.next().context("an open quote")? {
                        '\'' if chars.next_if_eq(&'\'').is_some() => value.push('\''),
                        '\'' => break,
                        char => value.push(char),
                    }
                }
                tokens.push(Token::Text(value));
            }
            char if char.is_ascii_digit() => {
                let mut digits = String::from(char);
                while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    digits.push(digit);
                }
                tokens.push(Token::Number(digits.parse()?));
            }
            char if char.is_alphabetic() || char == '_' => {
                let mut word = String::from(char);
                let more = |it: &char| it.is_alphanumeric() || matches!(it, '_' | '.');
                while let Some(char) = chars.next_if(more) {
                    word.push(char);
                }
                tokens.push(Token::Word(word));
            }
            '<' | '>' | '!' => {
                let mut sign = String::from(char);
                sign.extend(chars.next_if(|it| matches!(it, '=' | '>')));
                tokens.push(Token::Sign(sign));
            }
            sign => tokens.push(Token::Sign(sign.to_string())),
        }
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
}

impl Parser {
    fn take(&mut self) -> Result<Token> {
        let token = self.tokens.get(self.next).cloned().context("the query ends early")?;
        self.next += 1;
        Ok(token)
    }

    fn word(&mut self) -> Result<String> {
        match self.take()? {
            Token::Word(word) => Ok(word),
            other => bail!("{other:?} is no name"),
        }
    }

    /// Takes a keyword, or a sign, if it is next.
    fn is(&mut self, wanted: &str) -> bool {
        let is = match self.tokens.get(self.next) {
            Some(Token::Word(word)) => word.eq_ignore_ascii_case(wanted),
            Some(Token::Sign(sign)) => sign == wanted,
            _ => false,
        };
        self.next += usize::from(is);
        is
    }

    fn expect(&mut self, wanted: &str) -> Result<()> {
        let found = self.tokens.get(self.next).cloned();
        ensure!(self.is(wanted), "{wanted} is expected, not {found:?}");
        Ok(())
    }

    fn query(&mut self) -> Result<QueryBuilder> {
        self.expect("SELECT")?;
        let mut results = Vec::new();
        loop {
            self.expect("MIN")?;
            self.expect("(")?;
            let of = self.word()?;
            self.expect(")")?;
            let name = if self.is("AS") { self.word()? } else { of.replace('.', "_") };
            results.push((name, AggregateTerm::new(AggregateFunction::Min, column(of))));
            if !self.is(",") {
                break;
            }
        }
        self.expect("FROM")?;
        let mut from: Option<QueryBuilder> = None;
        loop {
            let table = self.word()?;
            let alias = if self.is("AS") { self.word()? } else { table.clone() };
            let scan = QueryBuilder::scan(table, alias);
            from = Some(match from {
                Some(from) => from.cross(scan),
                None => scan,
            });
            if !self.is(",") {
                break;
            }
        }
        self.expect("WHERE")?;
        let conditions = self.either()?;
        self.expect(";")?;
        ensure!(self.next == self.tokens.len(), "something follows the end");
        let none: [&str; 0] = [];
        let from = from.context("no tables")?;
        Ok(from.filter(conditions).aggregate(none, results))
    }

    fn either(&mut self) -> Result<Term> {
        let mut one = self.all()?;
        while self.is("OR") {
            one = one.or(self.all()?);
        }
        Ok(one)
    }

    fn all(&mut self) -> Result<Term> {
        let mut all = vec![self.condition()?];
        while self.is("AND") {
            all.push(self.condition()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Term::And(all) })
    }

    fn value(&mut self) -> Result<Term> {
        Ok(match self.take()? {
            Token::Word(word) => column(word),
            Token::Number(number) => literal(number),
            Token::Text(text) => literal(text),
            Token::Sign(sign) => bail!("{sign} is no value"),
        })
    }

    fn condition(&mut self) -> Result<Term> {
        if self.is("(") {
            let inside = self.either()?;
            self.expect(")")?;
            return Ok(inside);
        }
        let value = self.value()?;
        if self.is("IS") {
            let not = self.is("NOT");
            self.expect("NULL")?;
            return Ok(if not { value.is_null().not() } else { value.is_null() });
        }
        let not = self.is("NOT");
        let found = if self.is("LIKE") {
            value.like(self.value()?)
        } else if self.is("BETWEEN") {
            let low = self.value()?;
            self.expect("AND")?;
            value.between(low, self.value()?)
        } else if self.is("IN") {
            self.expect("(")?;
            let mut list = vec![self.value()?];
            while self.is(",") {
                list.push(self.value()?);
            }
            self.expect(")")?;
            value.is_in(list)
        } else {
            let Token::Sign(sign) = self.take()? else { bail!("a comparison is expected") };
            let other = self.value()?;
            match sign.as_str() {
                "=" => value.equal(other),
                "!=" | "<>" => value.not_equal(other),
                "<" => value.less(other),
                "<=" => value.at_most(other),
                ">" => value.greater(other),
                ">=" => value.at_least(other),
                sign => bail!("{sign} is no comparison"),
            }
        };
        Ok(if not { found.not() } else { found })
    }
}

/// A query.
pub(super) fn query(text: &str) -> Result<QueryBuilder> {
    Parser { tokens: tokens(text)?, next: 0 }.query()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_and_indexes_are_read() {
        let schema = "CREATE TABLE a (\n  id integer NOT NULL PRIMARY KEY,\n  note text\n);\n";
        let columns = vec![
            ("id".to_owned(), ValueType::I64, false),
            ("note".to_owned(), ValueType::Text, true),
        ];
        assert_eq!(tables(schema).unwrap(), [("a".to_owned(), columns)]);
        let found = indexes("create index by on a(note);\n").unwrap();
        assert_eq!(found, [("by".to_owned(), "a".to_owned(), "note".to_owned())]);
        assert!(indexes("create view v").is_err());
    }

    #[test]
    fn queries_are_read() {
        let text = "SELECT MIN(a.x) AS x, MIN(b.y) FROM one AS a, two b WHERE a.id = b.id;";
        assert!(query(text).is_err(), "an alias without AS is none of the benchmark's");
        let text = "SELECT MIN(a.x) AS x FROM one AS a, two AS b WHERE a.id = b.id \
                    AND (a.x LIKE '%it''s%' OR a.x NOT IN ('y', 'z')) AND b.n BETWEEN 1 AND 2 \
                    AND a.x IS NOT NULL AND b.n >= 1;";
        query(text).unwrap();
        assert!(query("SELECT MIN(a.x) FROM a WHERE a.x = 1").is_err(), "no end");
    }
}
