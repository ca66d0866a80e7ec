//! Texts that differ in their values alone: the values are lifted out, and one plan serves all.
//!
//! A literal is lifted where a parameter means the same: behind a comparison, and as an item of
//! IN or VALUES. A number behind ORDER BY is a column, one behind LIMIT shapes the plan, and a text
//! behind a word may be a date: they stay. So does everything in a text that this small lexer does
//! not read for sure, such as one with comments.

use std::fmt::Write as _;

use lightning_db_types::{Decimal, Value};

/// Bytes of a text in which values are looked for.
const TEXT_LEN_MAX: usize = 4 << 10;
/// Values of a text: more are a bulk load, of which no two texts are alike.
const VALUES_MAX: usize = 64;

/// A text with parameters in the place of values.
#[derive(Debug, PartialEq)]
pub(crate) struct Lifted {
    pub(crate) text: String,
    pub(crate) values: Vec<Value>,
}

/// What stood before a place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// A comparison, so that a value may come.
    Comparison,
    /// IN or VALUES, so that a list may come.
    List,
    /// An opening parenthesis or a comma.
    Item,
    Other,
}

/// Lifts the values out of a statement; `None` if there are none, or the text is not understood.
pub(crate) fn lift(text: &str) -> Option<Lifted> {
    if text.len() > TEXT_LEN_MAX || !is_planned(text) {
        return None;
    }
    let mut lifted = Lifted { text: String::with_capacity(text.len()), values: Vec::new() };
    let mut context = Context { before: Before::Other, depth: 0, list: None, rows: false };
    let (mut at, mut copied) = (0, 0);
    while let Some(byte) = text.as_bytes().get(at) {
        if byte.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let takes_value = context.takes_value();
        let len = token_len(&text.as_bytes()[at..], takes_value)?;
        let token = &text[at..at + len];
        if let Some(value) = takes_value.then(|| value_of(token)).flatten() {
            lifted.values.push(value);
            if lifted.values.len() > VALUES_MAX {
                return None;
            }
            lifted.text.push_str(&text[copied..at]);
            // Writing to a string cannot fail.
            let _ = write!(lifted.text, "${}", lifted.values.len());
            copied = at + len;
        }
        context.pass(token)?;
        at += len;
    }
    if lifted.values.is_empty() {
        return None;
    }
    lifted.text.push_str(&text[copied..]);
    Some(lifted)
}

/// What is known of the place that is read.
struct Context {
    before: Before,
    /// Open parentheses.
    depth: usize,
    /// How deep the items of a list of values stand, within one.
    list: Option<usize>,
    /// Whether rows of VALUES are read, of which another may follow.
    rows: bool,
}

impl Context {
    /// Whether a literal that comes now may be a parameter as well.
    fn takes_value(&self) -> bool {
        match self.before {
            Before::Comparison => true,
            Before::Item => self.list == Some(self.depth),
            Before::List | Before::Other => false,
        }
    }

    /// Goes on behind a token; `None` if there is none that it may close.
    fn pass(&mut self, token: &str) -> Option<()> {
        self.before = match token {
            "=" | "<" | ">" | "!" => Before::Comparison,
            "(" => {
                self.depth += 1;
                let is_row = self.rows && self.before == Before::Item && self.list.is_none();
                if self.before == Before::List || is_row {
                    self.list = Some(self.depth);
                }
                Before::Item
            }
            ")" => {
                if self.list == Some(self.depth) {
                    self.list = None;
                }
                self.depth = self.depth.checked_sub(1)?;
                Before::Other
            }
            "," => Before::Item,
            word if word.eq_ignore_ascii_case("values") => {
                self.rows = true;
                Before::List
            }
            word if word.eq_ignore_ascii_case("in") => Before::List,
            word => {
                // What follows the rows of VALUES begins with a word.
                self.rows = self.rows && (self.list.is_some() || !is_word(word.as_bytes()[0]));
                Before::Other
            }
        };
        Some(())
    }
}

/// Length of the token that bytes begin with; `None` for what is not read for sure.
fn token_len(bytes: &[u8], takes_value: bool) -> Option<usize> {
    let next = bytes.get(1);
    match bytes[0] {
        b'$' | b'?' | b'@' | b'\\' | b'#' => None,
        b'-' if next == Some(&b'-') => None,
        b'/' if next == Some(&b'*') => None,
        b'\'' | b'"' => quoted_len(bytes),
        b'-' if takes_value && next.is_some_and(u8::is_ascii_digit) => {
            number_len(&bytes[1..]).map(|len| len + 1)
        }
        byte if byte.is_ascii_digit() => number_len(bytes),
        byte if is_word(byte) => Some(bytes.iter().take_while(|byte| is_word(**byte)).count()),
        _ => Some(1),
    }
}

/// Whether a text begins as a statement for which a plan is made.
fn is_planned(text: &str) -> bool {
    let first = text.split_ascii_whitespace().next().unwrap_or_default();
    ["select", "insert", "update", "delete"].iter().any(|word| first.eq_ignore_ascii_case(word))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Length of a text or name in quotes; a quote in it is doubled.
fn quoted_len(bytes: &[u8]) -> Option<usize> {
    let quote = bytes[0];
    let mut at = 1;
    loop {
        let end = at + bytes.get(at..)?.iter().position(|byte| *byte == quote)?;
        if bytes.get(end + 1) != Some(&quote) {
            return Some(end + 1);
        }
        at = end + 2;
    }
}

/// Length of a plain number; `None` for one that goes on as something else.
fn number_len(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| bytes[from..].iter().take_while(|it| it.is_ascii_digit()).count();
    let mut len = digits(0);
    if bytes.get(len) == Some(&b'.') {
        let behind = digits(len + 1);
        if behind == 0 {
            return None;
        }
        len += 1 + behind;
    }
    let ends = bytes.get(len).is_none_or(|byte| !is_word(*byte) && *byte != b'.');
    ends.then_some(len)
}

/// The value of a literal; `None` for everything else.
fn value_of(token: &str) -> Option<Value> {
    if let Some(inner) = token.strip_prefix('\'') {
        return Some(Value::Text(inner.strip_suffix('\'')?.replace("''", "'")));
    }
    let is_number = |byte: u8| byte.is_ascii_digit() || byte == b'.' || byte == b'-';
    if !token.bytes().all(is_number) || !token.ends_with(|last: char| last.is_ascii_digit()) {
        return None;
    }
    match token.parse() {
        Ok(whole) => Some(Value::I64(whole)),
        Err(_) => token.parse::<Decimal>().ok().map(Value::Decimal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str, values: &[Value]) {
        let lifted = lift(text);
        let lifted = lifted.as_ref().map(|it| (it.text.as_str(), &it.values[..]));
        assert_eq!(lifted, Some((expected, values)), "{text}");
    }

    #[test]
    fn values_behind_comparisons_and_in_lists_are_lifted() {
        let text = |text: &str| Value::from(text);
        check("SELECT * FROM t WHERE id = 42", "SELECT * FROM t WHERE id = $1", &[Value::I64(42)]);
        check(
            "select a from t where b >= -1.50 and c <> 'it''s' limit 5",
            "select a from t where b >= $1 and c <> $2 limit 5",
            &[Value::Decimal("-1.50".parse().unwrap()), text("it's")],
        );
        check(
            "select 1 from t where a in (1, 'x', f(2), b + 3) order by 2",
            "select 1 from t where a in ($1, $2, f(2), b + 3) order by 2",
            &[Value::I64(1), text("x")],
        );
        check(
            "INSERT INTO t (a, b) VALUES (1, 'x'), (-2, NULL) ON CONFLICT (a) DO NOTHING",
            "INSERT INTO t (a, b) VALUES ($1, $2), ($3, NULL) ON CONFLICT (a) DO NOTHING",
            &[Value::I64(1), text("x"), Value::I64(-2)],
        );
        check(
            "update t set a = 1, b = a - 2 where \"x = 5\" = 3",
            "update t set a = $1, b = a - 2 where \"x = 5\" = $2",
            &[Value::I64(1), Value::I64(3)],
        );
        check(
            "delete from t where (a, b) = (1, 2) and c='\u{fc}'",
            "delete from t where (a, b) = (1, 2) and c=$1",
            &[text("\u{fc}")],
        );
    }

    #[test]
    fn what_a_parameter_would_change_stays() {
        for text in [
            "select a from t order by 1 limit 3",
            "select a from t where b like 'x%'",
            "select a from t where d > date '2024-01-01'",
            "select a from t where b = x'00'",
            "select a, 1 from t group by 2",
            "select a from t where b between 1 and 2",
        ] {
            assert_eq!(lift(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_read_for_sure_is_left_alone() {
        for text in [
            "select a from t where b = $1 and c = 2",
            "select a from t where b = 1 -- all",
            "select a from t where b = 1 /* all */",
            "select a from t where b = 1e5",
            "select a from t where b = 1.",
            "select a from t where b = 12ab",
            "select a from t where b = 'open",
            "select a from t where b = 1)",
            "create table t (a int default 1 check (a = 1))",
            "explain select a from t where b = 1",
            "",
        ] {
            assert_eq!(lift(text), None, "{text}");
        }
        let many = format!("select a from t where b in ({})", vec!["1"; 65].join(", "));
        assert_eq!(lift(&many), None);
    }
}
