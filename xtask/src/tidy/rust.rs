//! Rules for one Rust file: its size, its head, its characters, and words that must not occur.

use super::scan::{Source, is_word, words};
use super::{Problem, is_member_file};

const LINES_MAX: usize = 500;
const LINE_CHARS_MAX: usize = 100;

/// The one file that talks to sled; its tests may lie in the folder beside it.
const SLED_FILE: &str = "crates/lightning-db-storage/src/catalog/sled.rs";
const SLED_DIR: &str = "crates/lightning-db-storage/src/catalog/sled/";

/// The one file that may contain unsafe code.
const UNSAFE_FILE: &str = "crates/lightning-db-types/src/vfs/mapped.rs";

/// Macros that mark unfinished work.
const UNFINISHED_MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// Words in comments that mark unfinished work.
const TASK_MARKERS: [&str; 3] = ["TODO", "FIXME", "XXX"];

/// Checks one file against every rule of this module.
pub(super) fn check(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    length(source, &mut problems);
    head(source, &mut problems);
    for (index, text) in source.text.lines().enumerate() {
        problems.extend(
            [line_length(text), ascii(text)]
                .into_iter()
                .flatten()
                .map(|message| Problem::new(&source.path, index + 1, message)),
        );
    }
    for (index, code) in source.code.lines().enumerate() {
        problems.extend(
            [sled(&source.path, code), unsafe_code(&source.path, code), unfinished(code)]
                .into_iter()
                .flatten()
                .map(|message| Problem::new(&source.path, index + 1, message)),
        );
    }
    for (index, comment) in source.comments.lines().enumerate() {
        problems.extend(
            task_marker(comment).map(|message| Problem::new(&source.path, index + 1, message)),
        );
    }
    problems
}

fn length(source: &Source, problems: &mut Vec<Problem>) {
    let count = source.text.lines().count();
    if count > LINES_MAX {
        problems.push(Problem::new(
            &source.path,
            count,
            format!(
                "{count} lines, at most {LINES_MAX} allowed: move a part with a name of its own, \
                 or the tests, to a module below this one"
            ),
        ));
    }
}

fn head(source: &Source, problems: &mut Vec<Problem>) {
    let mut lines = source.text.lines().enumerate();
    let mut is_in_attribute = false;
    let first = lines.find(|(_, line)| {
        is_in_attribute |= line.starts_with("#![");
        let is_skipped = is_in_attribute || line.trim().is_empty();
        is_in_attribute &= !line.ends_with(']');
        !is_skipped
    });
    let (index, line) = first.unwrap_or((0, ""));
    if !line.starts_with("//!") {
        problems.push(Problem::new(
            &source.path,
            index + 1,
            "the file does not start with `//!`: say in a sentence what it holds",
        ));
    }
}

/// Addresses and rows of a table cannot be broken, so they may be longer.
fn line_length(line: &str) -> Option<String> {
    let count = line.chars().count();
    let content = line.trim_start().trim_start_matches(['/', '!']).trim_start();
    let is_exempt = line.contains("://") || content.starts_with('|');
    (count > LINE_CHARS_MAX && !is_exempt)
        .then(|| format!("{count} characters, at most {LINE_CHARS_MAX} allowed: break the line"))
}

fn ascii(line: &str) -> Option<String> {
    let c = line.chars().find(|c| !c.is_ascii())?;
    Some(format!(
        "{} is not ASCII: write it as `{}` in a literal, and in words elsewhere",
        c.escape_unicode(),
        c.escape_unicode()
    ))
}

fn sled(path: &str, code: &str) -> Option<String> {
    if path == SLED_FILE || path.starts_with(SLED_DIR) || !is_member_file(path) {
        return None;
    }
    let names_crate = words(code).any(|(at, word)| {
        let (before, after) = (code[..at].trim_end(), &code[at + word.len()..]);
        let is_import = before.ends_with("use") || before.ends_with("crate");
        // `catalog::sled::X` is our module of that name, `::sled::X` is the crate.
        let scope = before.strip_suffix("::");
        let is_ours = scope.is_some_and(|scope| scope.ends_with(is_word));
        word == "sled" && !is_ours && (is_import || after.starts_with("::"))
    });
    names_crate.then(|| {
        format!(
            "sled is used outside of {SLED_FILE}: go through the catalog trait there, and write \
             `self::sled` for the module of that name"
        )
    })
}

fn unsafe_code(path: &str, code: &str) -> Option<String> {
    if path == UNSAFE_FILE || !is_member_file(path) {
        return None;
    }
    words(code).any(|(_, word)| word == "unsafe").then(|| {
        format!("unsafe code outside of {UNSAFE_FILE}: write it safely, or record a decision first")
    })
}

fn unfinished(code: &str) -> Option<String> {
    let (_, word) = words(code).find(|&(at, word)| {
        let after = &code[at + word.len()..];
        UNFINISHED_MACROS.contains(&word) && after.starts_with('!') && !after.starts_with("!=")
    })?;
    Some(format!("`{word}!` marks unfinished work: finish it or leave it out"))
}

/// A marker with a link or an issue number is a reference, not a loose end.
fn task_marker(comment: &str) -> Option<String> {
    let (_, word) = words(comment).find(|(_, word)| TASK_MARKERS.contains(word))?;
    let has_issue = comment
        .match_indices('#')
        .any(|(at, _)| comment[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
    (!has_issue && !comment.contains("://"))
        .then(|| format!("{word} without an issue: do it, or link the issue that tracks it"))
}

#[cfg(test)]
mod tests;
