//! Splits a Rust file into code and comments, so that rules do not stumble over string literals.

/// A Rust file in three views.
///
/// Whatever does not belong to a view is blank in it, so a line number means the same in all three.
#[derive(Debug)]
pub(crate) struct Source {
    /// The path relative to the root.
    pub(crate) path: String,
    /// The file as it is.
    pub(crate) text: String,
    /// Only the code: comments and the insides of literals are blank.
    pub(crate) code: String,
    /// Only the comments, documentation included.
    pub(crate) comments: String,
}

impl Source {
    /// Splits the text of the file at `path`.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let pieces = Scanner { text, at: 0 }.pieces();
        let view = |wanted: Kind| {
            pieces.iter().map(|&(kind, piece)| keep_or_blank(piece, kind == wanted)).collect()
        };
        let (code, comments) = (view(Kind::Code), view(Kind::Comment));
        Self { path: path.to_owned(), text: text.to_owned(), code, comments }
    }
}

/// The words of a line of code with the byte each one starts at. A word is a Rust identifier.
pub(crate) fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    line.split_inclusive(|c| !is_word(c)).filter_map(move |piece| {
        let start = at;
        at += piece.len();
        let word = piece.trim_end_matches(|c| !is_word(c));
        (!word.is_empty()).then_some((start, word))
    })
}

/// Whether a Rust identifier may contain the character.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn keep_or_blank(piece: &str, keep: bool) -> String {
    if keep {
        return piece.to_owned();
    }
    piece.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn pieces(mut self) -> Vec<(Kind, &'a str)> {
        let mut pieces = Vec::new();
        let mut start = 0;
        while self.at < self.text.len() {
            let Some((kind, length)) = self.special() else {
                self.at += self.rest().chars().next().map_or(1, char::len_utf8);
                continue;
            };
            pieces.push((Kind::Code, &self.text[start..self.at]));
            pieces.push((kind, &self.rest()[..length]));
            self.at += length;
            start = self.at;
        }
        pieces.push((Kind::Code, &self.text[start..]));
        pieces
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The kind and length of the comment or literal that starts here, if one does.
    fn special(&self) -> Option<(Kind, usize)> {
        let rest = self.rest();
        if rest.starts_with("//") {
            return Some((Kind::Comment, rest.find('\n').unwrap_or(rest.len())));
        }
        if rest.starts_with("/*") {
            return Some((Kind::Comment, block_comment(rest)));
        }
        let length = match rest.as_bytes()[0] {
            b'"' => Some(1 + quoted(&rest[1..], '"')),
            b'\'' => character(rest),
            b'r' if !self.is_inside_word() => raw_string(rest),
            _ => None,
        };
        length.map(|length| (Kind::Literal, length))
    }

    /// Whether the byte here continues a name, as the `r` of `for`. The prefixes of `br` and `cr`
    /// literals do not count as one.
    fn is_inside_word(&self) -> bool {
        let before = self.text[..self.at].trim_end_matches(['b', 'c']);
        let prefix = self.at - before.len();
        prefix > 1 || before.chars().next_back().is_some_and(is_word)
    }
}

/// The length up to and including the closing `quote`; a backslash escapes what follows it.
fn quoted(inside: &str, quote: char) -> usize {
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            return at + c.len_utf8();
        }
    }
    inside.len()
}

/// The length of a character literal, or nothing for a lifetime or label.
fn character(rest: &str) -> Option<usize> {
    let mut chars = rest[1..].chars();
    let first = chars.next()?;
    let is_literal = first == '\\' || chars.next() == Some('\'');
    is_literal.then(|| 1 + quoted(&rest[1..], '\''))
}

/// The length of a raw string, or nothing for a word that starts with `r`.
fn raw_string(rest: &str) -> Option<usize> {
    let hashes = rest[1..].bytes().take_while(|&byte| byte == b'#').count();
    let inside = rest[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(1 + hashes + 1 + length)
}

/// The length of a block comment; they nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let step = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, code: &str, comments: &str) {
        let source = Source::new("a.rs", text);
        assert_eq!(source.code.trim_end(), code, "code of {text:?}");
        assert_eq!(source.comments.trim(), comments, "comments of {text:?}");
        assert_eq!(source.code.lines().count(), text.lines().count());
        assert_eq!(source.comments.lines().count(), text.lines().count());
    }

    #[test]
    fn comments_leave_the_code() {
        check("let a = 1; // why\n", "let a = 1;", "// why");
        check("a /* b /* c */ d */ e", "a                   e", "/* b /* c */ d */");
        check("/* open", "", "/* open");
    }

    #[test]
    fn literals_leave_both() {
        check(r#"f("// no \" comment") // yes"#, "f(                  )", "// yes");
        check(r##"r#"a "quoted" b"# + c"##, "                  + c", "");
        check(r#"br"\" + x"#, "b     + x", "");
        check("('\"', '\\'', b'x', '/') // c", "(   ,     , b   ,    )", "// c");
    }

    #[test]
    fn lifetimes_labels_and_raw_names_are_code() {
        check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}", "");
        check("'outer: for r#type in 0..1 {}", "'outer: for r#type in 0..1 {}", "");
        check("for\"x\"", "for", "");
    }

    #[test]
    fn literal_over_lines_keeps_the_lines() {
        check("a(\"x\ny\");\nb // z", "a(  \n  );\nb", "// z");
    }

    #[test]
    fn words_are_identifiers_with_their_place() {
        let found: Vec<_> = words("use sled::Db; a_1").collect();
        assert_eq!(found, [(0, "use"), (4, "sled"), (10, "Db"), (14, "a_1")]);
    }
}
