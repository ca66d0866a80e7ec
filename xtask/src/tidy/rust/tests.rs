//! A good and a bad sample for each rule.

use super::*;

const PATH: &str = "crates/lightning-db-storage/src/store.rs";

/// Checks a file at `path` and compares the problems as `line: start of the message`.
fn check_at(path: &str, text: &str, expected: &[&str]) {
    let problems = check(&Source::new(path, text));
    let found: Vec<String> =
        problems.iter().map(|problem| format!("{}: {}", problem.line, problem.message)).collect();
    let fits = found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected));
    assert!(fits, "found {found:#?}\nexpected {expected:#?}");
}

/// Checks a body below a valid head, so that its first line is line 2.
fn check_body(body: &str, expected: &[&str]) {
    check_at(PATH, &format!("//! Head.\n{body}\n"), expected);
}

#[test]
fn file_may_have_500_lines_and_no_more() {
    check_at(PATH, &format!("//! Head.\n{}", "\n".repeat(499)), &[]);
    check_at(PATH, &format!("//! Head.\n{}", "\n".repeat(500)), &["501: 501 lines, at most 500"]);
}

#[test]
fn file_starts_with_its_head_after_attributes() {
    check_at(PATH, "//! Head.\nmod a;\n", &[]);
    check_at(PATH, "#![cfg(loom)]\n\n//! Head.\n", &[]);
    check_at(PATH, "#![expect(\n    lint,\n    reason = \"x\"\n)]\n//! Head.\n", &[]);
    check_at(PATH, "mod a;\n//! Late.\n", &["1: the file does not start with `//!`"]);
    check_at(PATH, "#![cfg(loom)]\n/// Of an item.\n", &["2: the file does not start"]);
    check_at(PATH, "// A plain comment.\n", &["1: the file does not start"]);
    check_at(PATH, "", &["1: the file does not start"]);
}

#[test]
fn line_may_have_100_characters_and_no_more() {
    check_body(&format!("// {}", "x".repeat(97)), &[]);
    check_body(&format!("// {}", "x".repeat(98)), &["2: 101 characters, at most 100"]);
}

#[test]
fn addresses_and_tables_may_be_longer() {
    check_body(&format!("// https://example.org/{}", "x".repeat(98)), &[]);
    check_body(&format!("/// | a | {} |", "x".repeat(98)), &[]);
    check_body(&format!("// a | {} |", "x".repeat(98)), &["2: 107 characters"]);
}

#[test]
fn only_ascii_is_allowed() {
    check_body("const EURO: char = '\\u{20ac}';", &[]);
    check_body("const EURO: char = '\u{20ac}';", &["2: \\u{20ac} is not ASCII"]);
    check_body("// 20 \u{20ac}", &["2: \\u{20ac} is not ASCII"]);
}

#[test]
fn sled_is_used_in_one_file_only() {
    let bad = [
        "use sled::Db;",
        "pub use sled::Db;",
        "use sled;",
        "extern crate sled;",
        "let db = sled::open(path);",
        "let db = ::sled::open(path);",
        "use {std::fs, sled::Db};",
    ];
    for line in bad {
        check_body(line, &["2: sled is used outside of"]);
        for path in [SLED_FILE, "crates/lightning-db-storage/src/catalog/sled/tests.rs"] {
            check_at(path, &format!("//! Head.\n{line}\n"), &[]);
        }
        check_at("benches/compare/src/peers.rs", &format!("//! Head.\n{line}\n"), &[]);
        check_at("tests/crash/main.rs", &format!("//! Head.\n{line}\n"), &["2: sled is used"]);
    }
}

#[test]
fn our_own_module_called_sled_and_talk_of_sled_are_fine() {
    check_body("mod sled;", &[]);
    check_body("pub(crate) use self::sled::SledCatalog;", &[]);
    check_body("let catalog = catalog::sled::open(path);", &[]);
    check_body("// use sled::Db would leak.\nlet name = \"sled::Db\";", &[]);
    check_body("use unsled::Db;", &[]);
}

#[test]
fn unsafe_code_lives_in_one_file_only() {
    let line = "let map = unsafe { Mmap::map(&file) };";
    check_body(line, &["2: unsafe code outside of"]);
    check_at(UNSAFE_FILE, &format!("//! Head.\n{line}\n"), &[]);
    check_at("benches/compare/src/lmdb.rs", &format!("//! Head.\n{line}\n"), &[]);
    check_body("// unsafe is named here only.\nlet word = \"unsafe\"; let unsafe_code = 1;", &[]);
}

#[test]
fn unfinished_macros_are_refused() {
    check_body("fn f() { todo!() }", &["2: `todo!` marks"]);
    check_body("fn f() { unimplemented!(\"later\") }", &["2: `unimplemented!` marks"]);
    check_body("let a = dbg!(b);", &["2: `dbg!` marks"]);
    check_body("let same = dbg != todo; // todo!() is only named\nlet text = \"todo!()\";", &[]);
    check_body("unreachable!(\"the loop above returns\")", &[]);
}

#[test]
fn task_markers_need_an_issue() {
    check_body("// TODO: faster", &["2: TODO without an issue"]);
    check_body("/* a\nFIXME b */", &["3: FIXME without an issue"]);
    check_body("let a = 1; // XXX", &["2: XXX without an issue"]);
    check_body("// TODO(#12): faster", &[]);
    check_body("// FIXME: https://example.org/issues/12", &[]);
    check_body("// A TODOS list, and a todo.\nlet text = \"// TODO\";", &[]);
}
