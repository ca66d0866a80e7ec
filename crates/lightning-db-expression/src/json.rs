//! One value out of a JSON text, by its path. The whole text is checked, so that a damaged one is
//! an error whatever the path.

use lightning_db_types::Value;

use super::evaluate::Fault;

/// How deep objects and arrays may stand in each other.
const DEPTH_MAX: usize = 128;

/// One step of a path.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Element(usize),
}

/// Reads `$`, then `.name`, `."any name"` or `[index]`, as often as wanted.
fn path(text: &str) -> Result<Vec<Step>, Fault> {
    let refused = || Fault::detail(format!("{text:?} is no path such as $.a.b[0]"));
    let mut rest = text.strip_prefix('$').ok_or_else(refused)?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']').ok_or_else(refused)?;
            let plain = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
            let index = index.parse().ok().filter(|_| plain).ok_or_else(refused)?;
            steps.push(Step::Element(index));
            rest = after;
        } else if let Some(name) = rest.strip_prefix(".\"") {
            let (name, after) = name.split_once('"').ok_or_else(refused)?;
            steps.push(Step::Member(name.to_owned()));
            rest = after;
        } else {
            let name = rest.strip_prefix('.').ok_or_else(refused)?;
            let len = name.find(['.', '[']).unwrap_or(name.len());
            if len == 0 {
                return Err(refused());
            }
            steps.push(Step::Member(name[..len].to_owned()));
            rest = &name[len..];
        }
    }
    Ok(steps)
}

pub(crate) fn extract(text: &str, path_text: &str) -> Result<Value, Fault> {
    let steps = path(path_text)?;
    let mut reader = Reader { text, at: 0, found: None };
    reader.space();
    let read = reader.value(Some(&steps), 0).and_then(|()| {
        reader.space();
        if reader.at == text.len() { Ok(()) } else { Err(()) }
    });
    let at = reader.at;
    read.map_err(|()| Fault::detail(format!("the text is no JSON: see byte {at}")))?;
    match reader.found {
        None => Ok(Value::Null),
        Some((start, end)) => value(&text[start..end]),
    }
}

/// The value of a checked text.
fn value(text: &str) -> Result<Value, Fault> {
    Ok(match text.as_bytes().first() {
        Some(b'n') => Value::Null,
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'"') => Value::Text(unescape(&text[1..text.len() - 1])?),
        Some(b'{' | b'[') => Value::from(text),
        _ => {
            let whole = text.parse().map(Value::I64).or_else(|_| text.parse().map(Value::U64));
            // A number in JSON is always a float in Rust's syntax.
            whole.unwrap_or_else(|_| Value::F64(text.parse().unwrap_or(f64::NAN)))
        }
    })
}

fn unescape(text: &str) -> Result<String, Fault> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escaped = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
        rest = rest.get(at + 2..).unwrap_or_default();
        let char = match escaped {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => code_point(&mut rest)?,
            other => char::from(other),
        };
        out.push(char);
    }
    out.push_str(rest);
    Ok(out)
}

/// Takes four hexadecimal digits.
fn unit(rest: &mut &str) -> Option<u32> {
    let (digits, after) = rest.split_at_checked(4)?;
    *rest = after;
    u32::from_str_radix(digits, 16).ok()
}

/// The character of one or two units of UTF-16, behind the first `\u`.
fn code_point(rest: &mut &str) -> Result<char, Fault> {
    let mut read = || {
        let high = unit(rest)?;
        if !(0xD800..0xDC00).contains(&high) {
            return char::from_u32(high);
        }
        *rest = rest.strip_prefix("\\u")?;
        let low = unit(rest)?.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
        char::from_u32(0x10000 + ((high - 0xD800) << 10) + low)
    };
    read().ok_or_else(|| Fault::detail("a JSON text has half of a surrogate pair"))
}

/// Reads once from left to right; `found` is where the value at the path stands.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    found: Option<(usize, usize)>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), ()> {
        if self.peek() != Some(byte) {
            return Err(());
        }
        self.at += 1;
        Ok(())
    }

    /// Passes a value. `steps` is what is left of the path if the value lies on it.
    fn value(&mut self, steps: Option<&[Step]>, depth: usize) -> Result<(), ()> {
        let start = self.at;
        match self.peek() {
            Some(b'{') => self.object(steps, depth + 1)?,
            Some(b'[') => self.array(steps, depth + 1)?,
            Some(b'"') => self.string().map(|_| ())?,
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            _ => self.number()?,
        }
        // Of several members of one name, the first counts.
        if steps.is_some_and(<[Step]>::is_empty) && self.found.is_none() {
            self.found = Some((start, self.at));
        }
        Ok(())
    }

    fn object(&mut self, steps: Option<&[Step]>, depth: usize) -> Result<(), ()> {
        let mut wanted = match steps {
            Some([Step::Member(name), rest @ ..]) => Some((name, rest)),
            _ => None,
        };
        self.list((b'{', b'}'), depth, |reader, _| {
            let (start, end) = reader.string()?;
            let name = unescape(&reader.text[start..end]).map_err(|_| ())?;
            let below = match wanted {
                Some((wanted_name, rest)) if *wanted_name == name => {
                    wanted = None;
                    Some(rest)
                }
                _ => None,
            };
            reader.space();
            reader.take(b':')?;
            reader.space();
            reader.value(below, depth)
        })
    }

    fn array(&mut self, steps: Option<&[Step]>, depth: usize) -> Result<(), ()> {
        let wanted = match steps {
            Some([Step::Element(index), rest @ ..]) => Some((*index, rest)),
            _ => None,
        };
        self.list((b'[', b']'), depth, |reader, index| {
            let below = wanted.filter(|(at, _)| *at == index).map(|(_, rest)| rest);
            reader.value(below, depth)
        })
    }

    fn list(
        &mut self,
        (open, close): (u8, u8),
        depth: usize,
        mut item: impl FnMut(&mut Self, usize) -> Result<(), ()>,
    ) -> Result<(), ()> {
        if depth > DEPTH_MAX {
            return Err(());
        }
        self.take(open)?;
        self.space();
        if self.peek() == Some(close) {
            return self.take(close);
        }
        for index in 0.. {
            self.space();
            item(self, index)?;
            self.space();
            if self.peek() == Some(close) {
                break;
            }
            self.take(b',')?;
        }
        self.take(close)
    }

    /// Passes a string; says where its inside stands.
    fn string(&mut self) -> Result<(usize, usize), ()> {
        self.take(b'"')?;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    let escaped = self.peek().ok_or(())?;
                    let digits = if escaped == b'u' { 4 } else { 0 };
                    let known = b"\"\\/bfnrtu".contains(&escaped);
                    let hex = self.text.as_bytes().get(self.at + 1..self.at + 1 + digits);
                    let hex = hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
                    if !known || !hex {
                        return Err(());
                    }
                    self.at += 1 + digits;
                }
                Some(byte) if byte >= b' ' => self.at += 1,
                _ => return Err(()),
            }
        }
        self.at += 1;
        Ok((start, self.at - 1))
    }

    fn word(&mut self, word: &str) -> Result<(), ()> {
        if !self.text[self.at..].starts_with(word) {
            return Err(());
        }
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> Result<usize, ()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(()) } else { Ok(self.at - start) }
    }

    fn number(&mut self) -> Result<(), ()> {
        let _ = self.take(b'-');
        let zero = self.peek() == Some(b'0');
        if self.digits()? > 1 && zero {
            return Err(());
        }
        if self.take(b'.').is_ok() {
            self.digits()?;
        }
        if self.take(b'e').is_ok() || self.take(b'E').is_ok() {
            let _ = self.take(b'-').or_else(|()| self.take(b'+'));
            self.digits()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_path() {
        let check = |text: &str, path: &str, expected: Value| {
            assert_eq!(extract(text, path).unwrap(), expected, "{text} {path}");
        };
        let text = r#" {"a":{"b":[1,-2.5,"x\u00e9\n",true,null,{"c":[]}]},
            "a b":18446744073709551615, "a":7, "s":"\ud83d\ude00"} "#;
        check(text, "$.a.b[0]", Value::I64(1));
        check(text, "$.a.b[1]", Value::F64(-2.5));
        check(text, "$.a.b[2]", Value::from("x\u{e9}\n"));
        check(text, "$.a.b[3]", Value::Bool(true));
        check(text, "$.a.b[4]", Value::Null);
        check(text, "$.a.b[5]", Value::from(r#"{"c":[]}"#));
        check(text, "$.a.b[6]", Value::Null);
        check(text, "$.a.c", Value::Null);
        check(text, "$.\"a b\"", Value::U64(u64::MAX));
        check(text, "$.s", Value::from("\u{1F600}"));
        check("3", "$", Value::I64(3));
        check("1e2", "$", Value::F64(100.0));
        check("[[1],[2,3]]", "$[1][1]", Value::I64(3));
        check("[1]", "$.a", Value::Null);
    }

    #[test]
    fn damaged_texts_and_paths_are_refused() {
        let deep = "[".repeat(100_000);
        let bad = [
            "",
            "{",
            "{\"a\"}",
            "[1,]",
            "01",
            "1.",
            "tru",
            "\"\\x\"",
            "\"a",
            "1 2",
            "{a:1}",
            "-",
            "\"\u{1}\"",
            "nul",
            "\"\\u12\"",
            &deep,
        ];
        for text in bad {
            assert!(extract(text, "$.a").is_err(), "{text}");
        }
        assert!(extract("\"\\ud800\"", "$").is_err());
        for path in ["", "a", "$a", "$.", "$[", "$[x]", "$[-1]", "$.a[", "$.\"a", "$[]"] {
            assert!(extract("{}", path).is_err(), "{path}");
        }
    }
}
