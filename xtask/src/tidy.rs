//! The rules of the house that no compiler knows, each checked over the whole tree.
//!
//! A rule is a function from what it reads to a list of [`Problem`]s, so that each one is tested
//! with a good and a bad sample. CONTRIBUTING.md gives the reasons behind them.

pub(crate) mod manifests;

mod layers;
mod links;
mod modules;
mod rust;

mod scan;

use std::fmt;

use anyhow::{Context as _, Result, bail};

use crate::workspace::{Context, relative};
use scan::Source;

/// Workspaces of their own: the rules for text hold there, the rules for members do not.
pub(crate) const OWN_WORKSPACES: [&str; 2] = ["benches/compare/", "fuzz/"];

/// A breach of a rule: where it is, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// The file, relative to the root.
    path: String,
    /// The line, counted from 1.
    line: usize,
    /// What is wrong and how to repair it.
    message: String,
}

impl Problem {
    fn new(path: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Checks the whole tree and prints every problem.
///
/// # Errors
///
/// When there is a problem, or a file cannot be read.
pub(crate) fn run(context: &Context) -> Result<()> {
    let paths = files(context)?;
    let packages = context.packages()?;
    let root_manifest = manifests::Manifest::parse(&context.shell.read_file("Cargo.toml")?);
    let mut problems = Vec::new();

    let mut sources = Vec::new();
    for path in paths.iter().filter(|path| has_extension(path, "rs")) {
        sources.push(Source::new(path, &read(context, path)?));
    }
    problems.extend(sources.iter().flat_map(rust::check));
    problems.extend(modules::check(&sources, &packages));

    for package in &packages {
        let text = read(context, &package.manifest())?;
        problems.extend(layers::check(package, &text));
        problems.extend(manifests::check(package, &text, &root_manifest));
    }

    let exists = |path: &str| context.root.join(path).exists();
    for path in paths.iter().filter(|path| links::is_checked(path)) {
        problems.extend(links::check(path, &read(context, path)?, exists));
    }

    problems.sort();
    for problem in &problems {
        eprintln!("{problem}");
    }
    match problems.len() {
        0 => println!("tidy: {} files, no problem", paths.len()),
        1 => bail!("tidy found 1 problem"),
        count => bail!("tidy found {count} problems"),
    }
    Ok(())
}

fn read(context: &Context, path: &str) -> Result<String> {
    let bytes = context.shell.read_binary_file(path)?;
    String::from_utf8(bytes).with_context(|| format!("{path} is not UTF-8"))
}

fn has_extension(path: &str, extension: &str) -> bool {
    std::path::Path::new(path).extension().is_some_and(|found| found == extension)
}

/// All files below the root, sorted, relative, without hidden folders and build results.
fn files(context: &Context) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let mut pending = vec![context.root.clone()];
    while let Some(dir) = pending.pop() {
        for path in context.shell.read_dir(dir)? {
            let kind = path.symlink_metadata()?.file_type();
            let relative = relative(&path, &context.root)?;
            if kind.is_dir() && !is_skipped(&relative) {
                pending.push(path);
            } else if kind.is_file() {
                files.push(relative);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The folders that .gitignore names, and hidden ones.
fn is_skipped(dir: &str) -> bool {
    let name = dir.rsplit('/').next().unwrap_or(dir);
    name.starts_with('.') || name == "target" || dir == "results"
}

/// Whether the file belongs to a member of this workspace, not to one of the workspaces beside it.
fn is_member_file(path: &str) -> bool {
    !OWN_WORKSPACES.iter().any(|workspace| path.starts_with(workspace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_reads_as_file_line_message() {
        let problem = Problem::new("src/lib.rs", 7, "too long");
        assert_eq!(problem.to_string(), "src/lib.rs:7: too long");
    }

    #[test]
    fn build_results_and_hidden_folders_are_skipped() {
        for dir in ["target", "benches/compare/target", ".git", "results"] {
            assert!(is_skipped(dir), "{dir}");
        }
        for dir in ["crates", "docs/results", "benches/targets"] {
            assert!(!is_skipped(dir), "{dir}");
        }
    }

    #[test]
    fn peers_and_fuzz_targets_are_no_members() {
        assert!(is_member_file("benches/storage_point_read.rs"));
        assert!(!is_member_file("benches/compare/src/main.rs"));
        assert!(!is_member_file("fuzz/fuzz_targets/wal.rs"));
    }

    #[test]
    fn extension_is_matched_whole() {
        assert!(has_extension("a/b.rs", "rs"));
        assert!(!has_extension("a/b.rst", "rs") && !has_extension("rs", "rs"));
    }
}
