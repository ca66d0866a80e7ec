//! Hints as text, and names.

use super::*;
use crate::error::Error;

fn check(text: &str, expected: &str) {
    let hints: Hints = text.parse().unwrap();
    assert_eq!(hints.to_string(), expected);
    assert_eq!(expected.parse::<Hints>().unwrap(), hints, "what is written is read again");
}

#[test]
fn text_comes_back() {
    check("order(a b)", "order(a b)");
    check("order((a b) [c d#2])", "order((a b) [c d#2])");
    check(" order ((a,b) (c \"d e\")) ", "order((a b) (c \"d e\"))");
    check("index(a by_x \"by\"\"y\") scan(b)", "index(a by_x \"by\"\"y\") scan(b)");
    check(
        "hash(a b / b) merge(a b) loop(a c / c) each(b c)",
        "hash(a b / b) merge(a b) loop(a c / c) each(b c)",
    );
    check("aggregate(hash) aggregate(stream)", "aggregate(hash) aggregate(stream)");
    check("", "");
    check("order(a)", "order(a)");
}

#[test]
fn what_is_no_hint_is_told_with_its_place() {
    let check = |text: &str, expected: usize| match text.parse::<Hints>() {
        Err(Error::Decode { what: "hints", offset, .. }) => assert_eq!(offset, expected, "{text}"),
        other => panic!("{text}: {other:?}"),
    };
    check("order(a b c)", 11);
    check("order((a) b)", 8);
    check("order(a (b c)", 13);
    check("hash(a)", 5);
    check("index(a)", 6);
    check("aggregate(fast)", 10);
    check("speed(a)", 0);
    check("scan(\"a)", 5);
    check("scan(a", 6);
    check("scan a", 5);
    check("scan(a); ", 7);
    check(&"order(".repeat(3), 18);
}

#[test]
fn deep_orders_need_no_deep_stack() {
    let deep = 100_000;
    let text = format!("order({}a{})", "(".repeat(deep), " b)".repeat(deep));
    let hints: Hints = text.parse().unwrap();
    assert_eq!(hints.list().len(), 1);
}
