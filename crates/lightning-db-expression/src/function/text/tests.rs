//! Texts by characters, at their limits.

use lightning_db_types::Value;

use super::super::Function as F;
use super::BYTES_MAX;
use crate::Expression;
use crate::error::{Error, Result};

fn call(function: F, arguments: &[Value]) -> Result<Value> {
    let arguments = arguments.iter().map(|it| Expression::literal(it.clone())).collect();
    Expression::Call(function, arguments).evaluate(&Vec::new())
}

fn text(text: &str) -> Value {
    Value::from(text)
}

fn number(number: i64) -> Value {
    Value::I64(number)
}

fn check(function: F, arguments: &[Value], expected: impl Into<Value>) {
    let found = call(function, arguments).unwrap();
    assert_eq!(found, expected.into(), "{function:?} {arguments:?}");
}

fn check_refused(function: F, arguments: &[Value], expected: &str) {
    match call(function, arguments) {
        Err(Error::Evaluation { detail, .. }) => assert!(detail.contains(expected), "{detail}"),
        other => panic!("{function:?} {:?}", other.map(|it| it.value_type())),
    }
}

#[test]
fn a_null_makes_all_but_joined_texts_null() {
    let null = || Value::Null;
    for (function, arguments) in [
        (F::Reverse, vec![null()]),
        (F::PadStart, vec![text("a"), number(3), null()]),
        (F::PadEnd, vec![text("a"), null()]),
        (F::Repeat, vec![null(), number(2)]),
        (F::SplitPart, vec![text("a"), null(), number(1)]),
        (F::Capitalize, vec![null()]),
        (F::CodePoint, vec![null()]),
        (F::Character, vec![null()]),
        (F::Translate, vec![text("a"), text("a"), null()]),
        (F::ByteLength, vec![null()]),
        (F::Overlay, vec![text("a"), text("b"), number(1), null()]),
        (F::Hexadecimal, vec![null()]),
        (F::Trim, vec![text("a"), null()]),
        (F::ConcatSeparated, vec![null(), text("a")]),
    ] {
        check(function, &arguments, Value::Null);
    }
    let parts = [text(", "), null(), text("a"), text(""), null(), text("b")];
    check(F::ConcatSeparated, &parts, "a, , b");
    check(F::ConcatSeparated, &[text(","), null()], "");
    let wrong = call(F::ConcatSeparated, &[text(","), number(1)]).unwrap_err();
    assert!(matches!(wrong, Error::Type { .. }), "{wrong}");
}

#[test]
fn texts_are_filled_up_or_cut_to_a_length() {
    let pad = |whole, length, fill| [text(whole), number(length), text(fill)];
    check(F::PadStart, &pad("hi", 5, "xy"), "xyxhi");
    check(F::PadEnd, &pad("hi", 5, "xy"), "hixyx");
    check(F::PadStart, &pad("\u{fc}b", 4, "\u{e4}\u{f6}"), "\u{e4}\u{f6}\u{fc}b");
    for function in [F::PadStart, F::PadEnd] {
        check(function, &pad("\u{fc}ber", 2, "x"), "\u{fc}b");
        check(function, &pad("hi", 5, ""), "hi");
        check(function, &pad("hi", i64::MAX, ""), "hi");
        check(function, &pad("hi", 0, "x"), "");
        check(function, &pad("hi", i64::MIN, "x"), "");
        check_refused(function, &pad("hi", i64::MAX, "x"), "longer than 16777216 bytes");
        check_refused(function, &pad("\u{fc}", 16 << 20, "x"), "longer");
    }
    check(F::PadStart, &[text("hi"), number(4)], "  hi");
    check(F::PadEnd, &[text(""), number(2)], "  ");
}

#[test]
fn what_is_made_longer_has_a_limit() {
    check(F::Repeat, &[text("\u{fc}b"), number(3)], "\u{fc}b\u{fc}b\u{fc}b");
    check(F::Repeat, &[text("ab"), number(0)], "");
    check(F::Repeat, &[text("ab"), number(-1)], "");
    check(F::Repeat, &[text(""), number(i64::MAX)], "");
    let longest = call(F::Repeat, &[text("ab"), number(8 << 20)]).unwrap();
    assert!(matches!(&longest, Value::Text(made) if made.len() == BYTES_MAX));
    check_refused(F::Repeat, &[text("ab"), number((8 << 20) + 1)], "longer than");
    check_refused(F::Repeat, &[text("ab"), number(i64::MAX)], "longer than");
    let many = call(F::Repeat, &[text("a"), number(1 << 20)]).unwrap();
    let sixteen = text("0123456789abcdef");
    check_refused(F::Replace, &[longest.clone(), text("a"), text("bb")], "longer than");
    let made = call(F::Replace, &[many.clone(), text("a"), sixteen]).unwrap();
    assert!(matches!(made, Value::Text(made) if made.len() == BYTES_MAX));
    check_refused(F::Replace, &[many, text("a"), text("0123456789abcdefg")], "longer than");
    let same = call(F::Replace, &[longest.clone(), text("x"), text("yy")]).unwrap();
    assert!(same == longest);
}

#[test]
fn fields_stand_between_separators() {
    let part = |whole, separator, field| [text(whole), text(separator), number(field)];
    for (field, expected) in [(1, "a"), (2, ""), (3, "c"), (4, ""), (-1, "c"), (-3, "a"), (-4, "")]
    {
        check(F::SplitPart, &part("a--c", "-", field), expected);
    }
    check(F::SplitPart, &part("", "-", 1), "");
    check(F::SplitPart, &part("abc", "", 1), "abc");
    check(F::SplitPart, &part("abc", "", -1), "abc");
    check(F::SplitPart, &part("abc", "", 2), "");
    check(F::SplitPart, &part("aaa", "aa", -1), "a");
    check(F::SplitPart, &part("abc", "b", i64::MAX), "");
    check(F::SplitPart, &part("abc", "b", i64::MIN), "");
    check(F::SplitPart, &part("abc", "", i64::MIN), "");
    check_refused(F::SplitPart, &part("abc", "b", 0), "counted from 1");
}

#[test]
fn characters_are_named_by_number_and_exchanged() {
    check(F::Reverse, &[text("\u{fc}ber")], "reb\u{fc}");
    check(F::Reverse, &[text("")], "");
    check(F::Capitalize, &[text("hELLO wORLD 2nd o'neil")], "Hello World 2nd O'Neil");
    check(F::Capitalize, &[text("\u{fc}BER-\u{df}a")], "\u{dc}ber-\u{df}a");
    check(F::CodePoint, &[text("\u{fc}x")], number(0xfc));
    check(F::CodePoint, &[text("")], number(0));
    check(F::Character, &[number(0xfc)], "\u{fc}");
    for wrong in [0, -1, 0xd800, 0x11_0000, i64::MIN, i64::MAX] {
        check_refused(F::Character, &[number(wrong)], "no character has the number");
    }
    check(F::Translate, &[text("12345"), text("143"), text("ax")], "a2x5");
    check(F::Translate, &[text("aab"), text("aa"), text("xy")], "xxb");
    check(F::Translate, &[text("abc"), text(""), text("xy")], "abc");
    check(F::ByteLength, &[text("\u{fc}b")], number(3));
    check(F::ByteLength, &[Value::Bytes(vec![1, 2])], number(2));
    check(F::Hexadecimal, &[number(255)], "ff");
    check(F::Hexadecimal, &[number(-1)], "ffffffffffffffff");
    check(F::Hexadecimal, &[Value::U64(u64::MAX)], "ffffffffffffffff");
    let wrong = call(F::Hexadecimal, &[Value::F64(1.0)]).unwrap_err();
    assert!(matches!(wrong, Error::Type { .. }), "{wrong}");
}

#[test]
fn chosen_characters_are_cut_from_the_ends() {
    let both = || [text("xy\u{fc}-xaxy"), text("yx\u{fc}")];
    check(F::Trim, &both(), "-xa");
    check(F::TrimStart, &both(), "-xaxy");
    check(F::TrimEnd, &both(), "xy\u{fc}-xa");
    check(F::Trim, &[text("xyx"), text("xy")], "");
    check(F::Trim, &[text(" a "), text("")], " a ");
    check(F::Trim, &[text(" \t ")], "\t");
}

#[test]
fn a_text_is_laid_over_another() {
    let over = |start| vec![text("Txxxx\u{fc}s"), text("hom"), number(start)];
    let long = |length| [over(2), vec![number(length)]].concat();
    check(F::Overlay, &over(2), "Thomx\u{fc}s");
    check(F::Overlay, &long(4), "Thom\u{fc}s");
    check(F::Overlay, &long(0), "Thomxxxx\u{fc}s");
    check(F::Overlay, &long(-1), "ThomTxxxx\u{fc}s");
    check(F::Overlay, &long(i64::MAX), "Thom");
    check(F::Overlay, &long(i64::MIN), "ThomTxxxx\u{fc}s");
    check(F::Overlay, &over(i64::MAX), "Txxxx\u{fc}shom");
    check_refused(F::Overlay, &over(0), "counted from 1");
}
