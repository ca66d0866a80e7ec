//! Functions of texts. What they make is bounded: a number in a row must not take all memory.

use std::collections::BTreeMap;

use lightning_db_types::{Value, ValueRef};

use super::super::Expression;
use super::super::evaluate::{Evaluated, Fault};
use super::whole;
use crate::columns::Columns;
use crate::error::Result;

/// Most bytes of a text that is made longer than what it is made of.
const BYTES_MAX: usize = 16 << 20;

fn too_long() -> Fault {
    Fault::detail(format!("the text would be longer than {BYTES_MAX} bytes"))
}

/// Ends of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    Start,
    End,
    Both,
}

pub(super) fn text(value: ValueRef<'_>) -> Result<&str, Fault> {
    match value {
        ValueRef::Text(text) => Ok(text),
        other => Err(Fault::Type { expected: "text", found: other.value_type() }),
    }
}

fn count(number: usize) -> Value {
    Value::I64(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Characters of a text, or number of bytes.
pub(super) fn length(value: ValueRef<'_>) -> Result<Value, Fault> {
    match value {
        ValueRef::Bytes(bytes) => Ok(count(bytes.len())),
        other => Ok(count(text(other)?.chars().count())),
    }
}

/// Bytes of a text or of bytes.
pub(super) fn byte_length(value: ValueRef<'_>) -> Result<Value, Fault> {
    match value {
        ValueRef::Bytes(bytes) => Ok(count(bytes.len())),
        other => Ok(count(text(other)?.len())),
    }
}

/// At which character a part begins, counted from one.
pub(super) fn position(whole: &str, part: &str) -> Value {
    count(whole.find(part).map_or(0, |at| whole[..at].chars().count() + 1))
}

/// A text without some characters, or spaces, at its ends.
pub(super) fn trimmed(
    value: ValueRef<'_>,
    characters: Option<&Evaluated<'_>>,
    at: Ends,
) -> Result<Value, Fault> {
    let characters = characters.map_or(Ok(" "), |it| text(it.as_value_ref()))?;
    let mut kept = text(value)?;
    let is_cut = |character| characters.contains(character);
    if at != Ends::End {
        kept = kept.trim_start_matches(is_cut);
    }
    if at != Ends::Start {
        kept = kept.trim_end_matches(is_cut);
    }
    Ok(Value::from(kept))
}

/// Characters at the beginning or the end of a text.
pub(super) fn part_at(text: &str, count: i64, at: Ends) -> Value {
    let len = text.chars().count();
    let given = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let kept = if count < 0 { len.saturating_sub(given) } else { given.min(len) };
    let characters = text.chars();
    Value::Text(if at == Ends::Start {
        characters.take(kept).collect()
    } else {
        characters.skip(len - kept).collect()
    })
}

pub(super) fn substring(text: &str, start: i64, length: Option<i64>) -> Result<Value, Fault> {
    if length.is_some_and(|length| length < 0) {
        return Err(Fault::detail("a substring has no negative length"));
    }
    // Characters from `start` to before `end`, of which those before the first are not there.
    let end = length.map_or(i64::MAX, |length| start.saturating_add(length));
    let skip = usize::try_from(start.max(1) - 1).unwrap_or(usize::MAX);
    let take = usize::try_from(end.saturating_sub(start.max(1))).unwrap_or(0);
    Ok(Value::Text(text.chars().skip(skip).take(take).collect()))
}

/// The text with another in the place of `length` characters from `start` on.
pub(super) fn overlay(
    whole: &str,
    placed: &str,
    start: i64,
    length: Option<i64>,
) -> Result<Value, Fault> {
    if start < 1 {
        return Err(Fault::detail("the place in a text is counted from 1"));
    }
    let own = i64::try_from(placed.chars().count()).unwrap_or(i64::MAX);
    let before = usize::try_from(start - 1).unwrap_or(usize::MAX);
    // With a negative length, characters stand before and again behind what is placed.
    let behind = (start - 1).saturating_add(length.unwrap_or(own)).max(0);
    let behind = usize::try_from(behind).unwrap_or(usize::MAX);
    let mut made: String = whole.chars().take(before).collect();
    made.push_str(placed);
    made.extend(whole.chars().skip(behind));
    Ok(Value::Text(made))
}

pub(super) fn replaced(whole: &str, from: &str, to: &str) -> Result<Value, Fault> {
    if from.is_empty() {
        return Ok(Value::from(whole));
    }
    let longer = to.len().saturating_sub(from.len());
    let longest = (whole.len() / from.len()).saturating_mul(longer).saturating_add(whole.len());
    if longer > 0 && longest > BYTES_MAX {
        let found = whole.matches(from).count();
        if found > 0 && found.saturating_mul(longer).saturating_add(whole.len()) > BYTES_MAX {
            return Err(too_long());
        }
    }
    Ok(Value::Text(whole.replace(from, to)))
}

fn times(text: &str, times: usize) -> Result<String, Fault> {
    let len = text.len().checked_mul(times).filter(|len| *len <= BYTES_MAX);
    len.map(|_| text.repeat(times)).ok_or_else(too_long)
}

/// A number that counts something; a negative one counts nothing.
fn counted(number: i64) -> usize {
    usize::try_from(number.max(0)).unwrap_or(usize::MAX)
}

pub(super) fn repeated(text: &str, number: i64) -> Result<Value, Fault> {
    // The empty text stays empty, however often.
    let number = if text.is_empty() { 0 } else { counted(number) };
    times(text, number).map(Value::Text)
}

/// A text as one of so many characters: cut, or filled up at one end.
pub(super) fn padded(
    whole: &str,
    length: i64,
    fill: Option<&Evaluated<'_>>,
    at: Ends,
) -> Result<Value, Fault> {
    let fill = fill.map_or(Ok(" "), |it| text(it.as_value_ref()))?;
    let (length, there) = (counted(length), whole.chars().count());
    if length <= there || fill.is_empty() {
        return Ok(Value::Text(whole.chars().take(length).collect()));
    }
    let (missing, of_fill) = (length - there, fill.chars().count());
    let mut padding = times(fill, missing / of_fill)?;
    padding.extend(fill.chars().take(missing % of_fill));
    if padding.len().saturating_add(whole.len()) > BYTES_MAX {
        return Err(too_long());
    }
    Ok(Value::Text(match at {
        Ends::Start => padding + whole,
        _ => whole.to_owned() + &padding,
    }))
}

/// A field of a text, counted from one, or from the last as -1.
pub(super) fn split_part(whole: &str, separator: &str, field: i64) -> Result<Value, Fault> {
    if field == 0 {
        return Err(Fault::detail("fields are counted from 1, or from -1 at the end"));
    }
    if separator.is_empty() {
        return Ok(Value::from(if matches!(field, -1 | 1) { whole } else { "" }));
    }
    let number = usize::try_from(field.unsigned_abs()).unwrap_or(usize::MAX);
    // Where separators overlap, the first from the start counts: none are sought from the end.
    let index = if field > 0 {
        Some(number - 1)
    } else {
        whole.split(separator).count().checked_sub(number)
    };
    let part = index.and_then(|index| whole.split(separator).nth(index));
    Ok(Value::from(part.unwrap_or_default()))
}

/// The arguments behind the first that are not null, with the first between them.
pub(super) fn joined<'a>(
    expression: &'a Expression,
    arguments: &'a [Expression],
    row: &'a dyn Columns,
) -> Result<Evaluated<'a>> {
    let separator = arguments[0].evaluated(row)?;
    if separator.as_value_ref().is_null() {
        return Ok(Evaluated::Borrowed(ValueRef::Null));
    }
    let separator = text(separator.as_value_ref()).map_err(|fault| fault.of(expression))?;
    let mut made: Option<String> = None;
    for argument in &arguments[1..] {
        let value = argument.evaluated(row)?;
        if value.as_value_ref().is_null() {
            continue;
        }
        let part = text(value.as_value_ref()).map_err(|fault| fault.of(expression))?;
        match &mut made {
            None => made = Some(part.to_owned()),
            Some(made) => {
                made.push_str(separator);
                made.push_str(part);
            }
        }
    }
    Ok(Evaluated::Made(Value::Text(made.unwrap_or_default())))
}

/// Words, of letters and digits, with a first capital and small letters behind it.
pub(super) fn capitalized(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut in_word = false;
    for character in text.chars() {
        if in_word {
            made.extend(character.to_lowercase());
        } else {
            // The capital of a sharp s is two letters, with which no word begins: it stays.
            let mut capital = character.to_uppercase();
            let one = capital.next().filter(|_| capital.next().is_none());
            made.push(one.unwrap_or(character));
        }
        in_word = character.is_alphanumeric();
    }
    made
}

/// The number of the first character; 0 if there is none.
pub(super) fn code_point(text: &str) -> Value {
    Value::I64(text.chars().next().map_or(0, |character| u32::from(character).into()))
}

/// The character of a number.
pub(super) fn character(number: i64) -> Result<Value, Fault> {
    let of_number = u32::try_from(number).ok().filter(|it| *it > 0).and_then(char::from_u32);
    let character =
        of_number.ok_or_else(|| Fault::detail(format!("no character has the number {number}")))?;
    Ok(Value::Text(character.to_string()))
}

/// The text with other characters in the place of some, or none where there is no other.
pub(super) fn translated(text: &str, from: &str, to: &str) -> Value {
    let mut others = BTreeMap::new();
    let mut to = to.chars();
    for character in from.chars() {
        let other = to.next();
        // Of a character that is named twice, the first counts.
        others.entry(character).or_insert(other);
    }
    let made = text.chars().filter_map(|it| others.get(&it).copied().unwrap_or(Some(it)));
    Value::Text(made.collect())
}

/// A whole number in hexadecimal digits, a negative one as its 64 bits.
pub(super) fn hexadecimal(value: ValueRef<'_>) -> Result<Value, Fault> {
    match value {
        ValueRef::U64(number) => Ok(Value::Text(format!("{number:x}"))),
        other => Ok(Value::Text(format!("{:x}", whole(&Evaluated::Borrowed(other))?))),
    }
}

#[cfg(test)]
mod tests;
