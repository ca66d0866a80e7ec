//! Where statements of a text end: at semicolons that stand in no quotes and no comment.

/// A statement of a text, without its semicolon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    /// Where it starts in the text.
    pub(crate) start: usize,
    /// Whether a semicolon ends it.
    pub(crate) is_ended: bool,
}

impl Piece<'_> {
    /// Whether nothing stands in it but white space and comments.
    pub(crate) fn is_empty(&self) -> bool {
        let mut rest = self.text;
        while let Some(first) = rest.chars().next() {
            let skipped = match skip(rest) {
                Some(Skipped::Comment(len)) => len.unwrap_or(rest.len()),
                None if first.is_whitespace() => first.len_utf8(),
                Some(Skipped::Quoted(_)) | None => return false,
            };
            rest = &rest[skipped..];
        }
        true
    }
}

/// What stands at the start of a text, with its length; `None` if its end is not there.
enum Skipped {
    Comment(Option<usize>),
    Quoted(Option<usize>),
}

/// The pieces of a text; the last one is not ended, and may be empty.
pub(crate) fn split(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(next) = text[at..].chars().next() {
        match skip(&text[at..]) {
            Some(Skipped::Comment(len) | Skipped::Quoted(len)) => {
                at = len.map_or(text.len(), |len| at + len);
            }
            None if next == ';' => {
                pieces.push(Piece { text: &text[start..at], start, is_ended: true });
                at += 1;
                start = at;
            }
            None => at += next.len_utf8(),
        }
    }
    pieces.push(Piece { text: &text[start..], start, is_ended: false });
    pieces
}

/// What is passed over as a whole at the start of a text, if there is such a thing.
fn skip(rest: &str) -> Option<Skipped> {
    let until = |from: usize, end: &str| rest[from..].find(end).map(|at| from + at + end.len());
    if rest.starts_with("--") {
        return Some(Skipped::Comment(until(2, "\n")));
    }
    if rest.starts_with("/*") {
        return Some(Skipped::Comment(block_comment(rest)));
    }
    match rest.chars().next()? {
        // A quote that is doubled ends one text and begins the next, which comes to the same.
        '\'' => Some(Skipped::Quoted(until(1, "'"))),
        '"' => Some(Skipped::Quoted(until(1, "\""))),
        '$' => {
            let tag = rest[1..].find('$').map(|end| &rest[..end + 2])?;
            let is_tag = tag[1..tag.len() - 1].chars().all(|c| c.is_alphanumeric() || c == '_')
                && !tag[1..].starts_with(|c: char| c.is_ascii_digit());
            is_tag.then(|| Skipped::Quoted(until(tag.len(), tag)))
        }
        _ => None,
    }
}

/// Length of a comment that may hold others.
fn block_comment(rest: &str) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        let here = &rest[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += here.chars().next()?.len_utf8();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(&str, bool)> {
        let pieces = split(text).into_iter().filter(|piece| !piece.is_empty());
        pieces.map(|piece| (piece.text.trim(), piece.is_ended)).collect()
    }

    #[test]
    fn semicolons_end_statements_and_not_quotes_or_comments() {
        assert_eq!(texts("select 1; select 2"), [("select 1", true), ("select 2", false)]);
        let whole = [
            "select ';''; '",
            "select \"a;b\"",
            "select 1 -- one; two\n + 1",
            "select 1 /* a; /* b; */ c; */ + 1",
            "select $$ a; b $$, $tag$ ; $$ ; $tag$",
        ];
        for text in whole {
            assert_eq!(texts(&format!("{text};")), [(text, true)], "{text}");
        }
    }

    #[test]
    fn what_is_open_is_not_ended() {
        for text in ["select 'a;", "select /* ;", "select $x$ ;", "select \";"] {
            assert_eq!(texts(text), [(text, false)], "{text}");
        }
        // A parameter is no quote.
        assert_eq!(texts("select $1; select $2;").len(), 2);
    }

    #[test]
    fn empty_pieces_are_known() {
        assert!(texts(" ;; -- nothing;\n ; /* ; */ ").is_empty());
        let pieces = split("a;b");
        assert_eq!((pieces[1].start, pieces[1].text), (2, "b"));
    }
}
