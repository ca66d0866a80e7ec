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
    let signs = signs(pattern, escape)?;
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
            (None, None) => return Ok(true),
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
        let Some((after, from)) = &mut retry else { return Ok(false) };
        if from.next().is_none() {
            return Ok(false);
        }
        at = *after;
        rest = from.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        let check = |text: &str, pattern: &str, expected: bool| {
            assert_eq!(matches(text, pattern, Some('\\')).unwrap(), expected, "{text} {pattern}");
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
        assert!(matches("a", "a\\", Some('\\')).is_err());
        assert!(matches("a\\", "a\\", None).unwrap());
    }
}
