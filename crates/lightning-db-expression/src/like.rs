//! `LIKE`.

use super::evaluate::Fault;

/// One sign of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Char(char),
    AnyChar,
    AnyText,
}

/// Reads a pattern.
pub(crate) fn signs(pattern: &str, escape: Option<char>) -> Result<Vec<Sign>, Fault> {
    let mut signs = Vec::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        signs.push(match char {
            char if Some(char) == escape => match chars.next() {
                Some(literal) => Sign::Char(literal),
                None => return Err(Fault::detail("the pattern ends with its escape character")),
            },
            '%' => Sign::AnyText,
            '_' => Sign::AnyChar,
            char => Sign::Char(char),
        });
    }
    Ok(signs)
}

/// Whether the whole text is like the pattern. When a sign does not fit, the search goes back to
/// the last `%` only, which is enough: at most length of text times length of pattern steps.
pub(crate) fn matches(text: &str, pattern: &str, escape: Option<char>) -> Result<bool, Fault> {
    Ok(signs_match(text, &signs(pattern, escape)?))
}

fn signs_match(text: &str, signs: &[Sign]) -> bool {
    let mut rest = text.chars();
    let (mut at, mut retry) = (0, None);
    loop {
        let here = rest.clone();
        match (signs.get(at), rest.next()) {
            (Some(Sign::AnyText), _) => {
                rest = here.clone();
                at += 1;
                retry = Some((at, here));
                continue;
            }
            (None, None) => return true,
            (Some(Sign::AnyChar), Some(_)) => {
                at += 1;
                continue;
            }
            (Some(Sign::Char(wanted)), Some(found)) if *wanted == found => {
                at += 1;
                continue;
            }
            _ => {}
        }
        let Some((after, from)) = &mut retry else { return false };
        if from.next().is_none() {
            return false;
        }
        at = *after;
        rest = from.clone();
    }
}

/// A pattern of `LIKE` that is looked for in many texts.
///
/// # Examples
/// ```
/// use lightning_db_expression::Pattern;
/// let pattern = Pattern::new("%special%requests", None).unwrap();
/// assert!(pattern.matches("no special requests"));
/// assert!(!pattern.matches("special requests, none"));
/// ```
#[derive(Debug, Clone)]
pub struct Pattern(Form);

#[derive(Debug, Clone)]
enum Form {
    /// Texts with any text between them, and before the first or behind the last if that is empty.
    Parts(Vec<String>),
    Signs(Vec<Sign>),
}

impl Pattern {
    /// Reads a pattern; see [`Expression::Like`](crate::Expression::Like). `None` if it ends with
    /// its escape character.
    pub fn new(pattern: &str, escape: Option<char>) -> Option<Self> {
        let signs = signs(pattern, escape).ok()?;
        if signs.contains(&Sign::AnyChar) {
            return Some(Self(Form::Signs(signs)));
        }
        let mut parts = vec![String::new()];
        for sign in signs {
            match (sign, parts.last_mut()) {
                (Sign::Char(char), Some(part)) => part.push(char),
                _ => parts.push(String::new()),
            }
        }
        Some(Self(Form::Parts(parts)))
    }

    /// Whether the whole of a text is like it.
    pub fn matches(&self, text: &str) -> bool {
        let parts = match &self.0 {
            Form::Parts(parts) => &parts[..],
            Form::Signs(signs) => return signs_match(text, signs),
        };
        let [first, between @ .., last] = parts else { return parts.iter().eq([text]) };
        let Some(mut rest) = text.strip_prefix(&**first) else { return false };
        // Each as early as it can be leaves most for those behind it.
        for part in between {
            let Some(at) = rest.find(&**part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(&**last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        let check = |text: &str, pattern: &str, expected: bool| {
            assert_eq!(matches(text, pattern, Some('\\')).unwrap(), expected, "{text} {pattern}");
            let read = Pattern::new(pattern, Some('\\')).unwrap();
            assert_eq!(read.matches(text), expected, "{text} {pattern}");
        };
        check("", "", true);
        check("", "%", true);
        check("a", "", false);
        check("abc", "a%", true);
        check("abc", "%c", true);
        check("abc", "a_c", true);
        check("abc", "a_", false);
        check("aXbXc", "a%b%c", true);
        check("mississippi", "m%iss%ip%i", true);
        check("mississippi", "m%iss%iss%iss%i", false);
        check("100%", "100\\%", true);
        check("1000", "100\\%", false);
        check("a_b", "a\\_b", true);
        check("\u{e9}", "_", true);
        check("ABC", "abc", false);
        check("aaa", "%a%a%a%a%", false);
        check("aba", "ab%ba", false);
        check("abba", "ab%ba", true);
        assert!(matches("a", "a\\", Some('\\')).is_err());
        assert!(Pattern::new("a\\", Some('\\')).is_none());
        assert!(matches("a\\", "a\\", None).unwrap());
    }
}
