//! Conditions as words, numbers, texts and signs.

/// What a condition is made of, and where it stands, in characters from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) at: usize,
}

/// One word, number, text or sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A keyword, or the name of a column or function.
    Word(String),
    /// A name in double quotes: never a keyword.
    Name(String),
    /// Digits, perhaps with a point and an exponent.
    Number(String),
    /// A text in single quotes.
    Text(String),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// Longest first, so that `<=` is not `<`.
const SIGNS: [&str; 17] =
    ["<>", "!=", "<=", ">=", "==", "||", "=", "<", ">", "(", ")", ",", "+", "-", "*", "/", "%"];

/// Takes a text apart.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut lexer = Lexer { rest: text, at: 1 };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let is_end = token.kind == TokenKind::End;
        tokens.push(token);
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    at: usize,
}

impl Lexer<'_> {
    /// Takes so many bytes.
    fn take(&mut self, len: usize) -> &str {
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        self.at += taken.chars().count();
        taken
    }

    /// Takes characters as long as they fit.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &str {
        let len = self.rest.find(|char| !fits(char)).unwrap_or(self.rest.len());
        self.take(len)
    }

    fn next(&mut self) -> Result<Token, String> {
        self.take_while(char::is_whitespace);
        let at = self.at;
        let kind = match self.rest.chars().next() {
            None => TokenKind::End,
            Some('\'') => TokenKind::Text(self.quoted('\'')?),
            Some('"') => TokenKind::Name(self.quoted('"')?),
            Some(char) if char.is_ascii_digit() => TokenKind::Number(self.number()),
            Some(char) if char.is_alphabetic() || char == '_' => {
                let word = self.take_while(|char| char.is_alphanumeric() || char == '_');
                TokenKind::Word(word.to_owned())
            }
            Some(char) => {
                let sign = SIGNS.iter().find(|sign| self.rest.starts_with(**sign));
                let sign = sign.ok_or_else(|| format!("character {at}: unexpected {char:?}"))?;
                self.take(sign.len());
                TokenKind::Sign(sign)
            }
        };
        Ok(Token { kind, at })
    }

    fn number(&mut self) -> String {
        let digit = |char: char| char.is_ascii_digit();
        let mut number = self.take_while(digit).to_owned();
        if self.rest.starts_with('.') {
            number.push_str(self.take(1));
            number.push_str(self.take_while(digit));
        }
        let exponent = self.rest.strip_prefix(['e', 'E']);
        let signed = exponent.map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
        if let Some(digits) = signed.filter(|rest| rest.starts_with(digit)) {
            let sign = self.rest.len() - digits.len();
            number.push_str(self.take(sign));
            number.push_str(self.take_while(digit));
        }
        number
    }

    /// What stands between quotes; a quote that is doubled stands for itself.
    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let at = self.at;
        let mut text = String::new();
        self.take(1);
        loop {
            text.push_str(self.take_while(|char| char != quote));
            if self.rest.is_empty() {
                return Err(format!("character {at}: the quote {quote} is not closed"));
            }
            self.take(1);
            if !self.rest.starts_with(quote) {
                return Ok(text);
            }
            text.push_str(self.take(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[TokenKind]) {
        let kinds: Vec<_> = tokens(text).unwrap().into_iter().map(|token| token.kind).collect();
        assert_eq!(kinds, [expected, &[TokenKind::End]].concat(), "{text}");
    }

    #[test]
    fn words_numbers_texts_and_signs_are_told_apart() {
        use TokenKind::{Name, Number, Sign, Text, Word};
        check("a>=1.5e-3", &[Word("a".into()), Sign(">="), Number("1.5e-3".into())]);
        check("'it''s' \"x \"\"y\"", &[Text("it's".into()), Name("x \"y".into())]);
        check("1e x", &[Number("1".into()), Word("e".into()), Word("x".into())]);
        check(" ", &[]);
    }

    #[test]
    fn fault_is_named_by_its_character() {
        assert_eq!(tokens("\u{e9} = 'x").unwrap_err(), "character 5: the quote ' is not closed");
        assert_eq!(tokens("a ; b").unwrap_err(), "character 3: unexpected ';'");
    }
}
