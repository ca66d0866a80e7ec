//! Rows of JSON Lines for a keyspace: one object a line, stored as it is.

use lightning_db::sql::files::{JsonLines, ROW_LEN_MAX};
use serde_json::{Map, Value};

use super::rows::{Row, refuse_key};
use crate::failure::Failure;

/// The next row, with its key from a field; `None` behind the last one.
pub(super) fn next_row(lines: &mut JsonLines, key: &str) -> Result<Option<Row>, Failure> {
    if !lines.next_line()? {
        return Ok(None);
    }
    let text = lines.text();
    if lines.is_cut() {
        let reason = format!("longer than {ROW_LEN_MAX} bytes");
        return Ok(Some(Row::bad(lines.line(), reason, text)));
    }
    Ok(Some(match key_of(text, key) {
        Ok(key) => Row::Good { key, value: text.to_vec() },
        Err(reason) => Row::bad(lines.line(), reason, text),
    }))
}

fn key_of(text: &[u8], field: &str) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(text).map_err(|error| format!("not UTF-8: {error}"))?;
    let object: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))?;
    let key = match object.get(field) {
        Some(Value::String(key)) => key.clone(),
        Some(key @ (Value::Number(_) | Value::Bool(_))) => key.to_string(),
        Some(_) => return Err(format!("field {field:?} is no text, number or boolean")),
        None => return Err(format!("there is no field {field:?} for the key")),
    };
    match refuse_key(key.as_bytes()) {
        Some(reason) => Err(reason),
        None => Ok(key.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &'static [u8], expected: &[Result<&str, u64>]) {
        let mut rows = JsonLines::new(Box::new(text), "x");
        let mut found = Vec::new();
        while let Some(row) = next_row(&mut rows, "id").unwrap() {
            found.push(match row {
                Row::Good { key, .. } => Ok(String::from_utf8(key).unwrap()),
                Row::Bad(bad) => Err(bad.line),
            });
        }
        let expected: Vec<_> = expected.iter().map(|row| row.map(str::to_owned)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn keys_are_text_numbers_and_booleans() {
        check(b"{\"id\":\"a\"}\n\n{\"id\":7}\r\n{\"id\":true}", &[Ok("a"), Ok("7"), Ok("true")]);
    }

    #[test]
    fn bad_lines_are_numbered() {
        let text =
            b"{\"id\":1}\n[1]\n{\"x\":1}\n\n{\"id\":null}\n{\"id\":\"\xff\"}\n{\"id\":\"\"}\n{";
        check(text, &[Ok("1"), Err(2), Err(3), Err(5), Err(6), Err(7), Err(8)]);
    }

    #[test]
    fn object_is_stored_as_it_is() {
        let text: &[u8] = b"  {\"id\": 1, \"x\": 1.10}  \n";
        let mut rows = JsonLines::new(Box::new(text), "x");
        let value = b"{\"id\": 1, \"x\": 1.10}".to_vec();
        assert_eq!(
            next_row(&mut rows, "id").unwrap(),
            Some(Row::Good { key: b"1".to_vec(), value })
        );
    }
}
