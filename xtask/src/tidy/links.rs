//! Links in Markdown: a link to a file of the repository leads somewhere.

use super::Problem;
use super::modules::normalise;

/// Whether the links of this file are checked: the documents a reader starts from, and the book.
pub(super) fn is_checked(path: &str) -> bool {
    let is_book = path.starts_with("docs/") && super::has_extension(path, "md");
    is_book || path == "README.md" || path == "CONTRIBUTING.md"
}

/// Checks the links of one file; `exists` answers for paths relative to the root.
pub(super) fn check(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Problem> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut problems = Vec::new();
    for (line, target) in targets(text) {
        let file = target.split(['#', '?']).next().unwrap_or_default();
        let is_elsewhere = target.contains("://") || target.starts_with("mailto:");
        if is_elsewhere || file.is_empty() {
            continue;
        }
        let resolved = match file.strip_prefix('/') {
            Some(from_root) => normalise("", from_root),
            None => normalise(folder, file),
        };
        if resolved.starts_with("..") || !exists(&resolved) {
            let message =
                format!("the link to `{target}` leads nowhere: {resolved} does not exist");
            problems.push(Problem::new(path, line, message));
        }
    }
    problems
}

/// The targets of all links with their lines. Code, in fences and in backticks, has none.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    let mut fence: Option<&str> = None;
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
        match (fence, mark) {
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, Some(mark)) => fence = Some(mark),
            (None, None) => {
                let line = without_code(line);
                targets.extend(inline(&line).map(|target| (index + 1, target.to_owned())));
                targets.extend(definition(&line).map(|target| (index + 1, target.to_owned())));
            }
            (Some(_), _) => {}
        }
    }
    targets
}

/// The line without what stands between backticks.
fn without_code(line: &str) -> String {
    let mut pieces = line.split('`');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    while let Some(code) = pieces.next() {
        match pieces.next() {
            Some(after) => text.push_str(after),
            // A backtick without a partner is a character like any other.
            None => text.push_str(code),
        }
    }
    text
}

/// The targets of `[text](target "title")` and of images.
fn inline(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| destination(rest.split(')').next()?))
}

/// The target of `[label]: target`.
fn definition(line: &str) -> Option<&str> {
    let (label, rest) = line.trim_start().strip_prefix('[')?.split_once("]:")?;
    // A footnote, `[^1]: text`, is no link.
    if label.contains(']') || label.starts_with('^') {
        return None;
    }
    destination(rest)
}

fn destination(text: &str) -> Option<&str> {
    let text = text.trim();
    match text.strip_prefix('<') {
        Some(inside) => inside.split('>').next(),
        None => text.split_whitespace().next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_links(path: &str, text: &str, expected: &[&str]) {
        let files = ["README.md", "docs", "docs/book.md", "docs/decisions/0001.md", "LICENSE-MIT"];
        let problems = check(path, text, |path| files.contains(&path));
        let found: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let fits = found.len() == expected.len()
            && found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected));
        assert!(fits, "found {found:#?}\nexpected {expected:#?}");
    }

    #[test]
    fn links_to_files_resolve_from_their_folder() {
        check_links(
            "README.md",
            "[book](docs/book.md#top) [d](docs/) ![i](LICENSE-MIT \"t\")",
            &[],
        );
        check_links("docs/decisions/0001.md", "[up](../book.md), [root](/README.md)", &[]);
        check_links("README.md", "[book]\n\n[book]: <docs/book.md>\n", &[]);
    }

    #[test]
    fn broken_links_are_reported_with_their_line() {
        check_links(
            "docs/book.md",
            "[a](decisions/0001.md)\n[b](docs/book.md) [c](gone.md#x)\n\n[d]: ../gone.md\n",
            &[
                "docs/book.md:2: the link to `docs/book.md` leads nowhere: docs/docs/book.md",
                "docs/book.md:2: the link to `gone.md#x` leads nowhere: docs/gone.md",
                "docs/book.md:4: the link to `../gone.md` leads nowhere: gone.md",
            ],
        );
        check_links("README.md", "[out](../other/README.md)", &["README.md:1: "]);
    }

    #[test]
    fn addresses_anchors_and_code_are_left_alone() {
        check_links("README.md", "[a](https://example.org/x) [b](#top) [c](mailto:a@b.c)", &[]);
        check_links("README.md", "`[a](gone.md)` and\n```md\n[a](gone.md)\n```\n", &[]);
        check_links("README.md", "~~~\n```\n[a](gone.md)\n~~~\n[b](gone.md)\n", &["README.md:5: "]);
        check_links("README.md", "[^1]: a footnote\n", &[]);
        check_links("README.md", "a ` b [a](gone.md)\n", &["README.md:1: "]);
    }

    #[test]
    fn documents_and_the_book_are_checked() {
        for path in ["README.md", "CONTRIBUTING.md", "docs/decisions/0001.md"] {
            assert!(is_checked(path), "{path}");
        }
        for path in ["docs/sample.rs", "crates/a/README.md", "documents/a.md"] {
            assert!(!is_checked(path), "{path}");
        }
    }
}
