//! Every Rust file of a member is compiled: it is the root of a target or reached from one.
//!
//! Cargo is silent about a test file that no target lists, and its tests never run.

use std::collections::{BTreeMap, BTreeSet};

use super::scan::{Source, words};
use super::{Problem, is_member_file};
use crate::workspace::Package;

/// Finds the files of members that no target of theirs reaches, and modules without a file.
pub(super) fn check(sources: &[Source], packages: &[Package]) -> Vec<Problem> {
    let by_path: BTreeMap<&str, &Source> =
        sources.iter().map(|source| (source.path.as_str(), source)).collect();
    let roots = packages.iter().flat_map(|package| &package.targets).map(|target| &target.path);
    let roots: BTreeSet<String> = roots.cloned().collect();

    let mut problems = Vec::new();
    let mut reached = BTreeSet::new();
    let mut pending: Vec<String> = roots.iter().cloned().collect();
    while let Some(path) = pending.pop() {
        let Some(source) = by_path.get(path.as_str()) else {
            continue;
        };
        if !reached.insert(path.clone()) {
            continue;
        }
        for module in declarations(source) {
            let candidates = module.candidates(&path, roots.contains(&path));
            match candidates.iter().find(|file| by_path.contains_key(file.as_str())) {
                Some(file) => pending.push(file.clone()),
                None => problems.push(Problem::new(
                    &path,
                    module.line,
                    format!("module `{}` has no file: expected {}", module.name, candidates[0]),
                )),
            }
        }
    }

    let is_in_package =
        |path: &str| packages.iter().any(|package| path.starts_with(&format!("{}/", package.dir)));
    let orphans = by_path
        .keys()
        .filter(|path| is_member_file(path) && is_in_package(path) && !reached.contains(**path));
    problems.extend(orphans.map(|path| {
        Problem::new(
            *path,
            1,
            "no target compiles this file: list it in the Cargo.toml of its package, or declare \
             it with `mod` in a file that is compiled",
        )
    }));
    problems
}

/// A `mod name;` whose body lies in a file.
#[derive(Debug, PartialEq, Eq)]
struct Declaration {
    name: String,
    line: usize,
    /// The value of `#[path = ".."]`.
    path: Option<String>,
}

impl Declaration {
    /// Where the body may lie; `is_root` says that the declaring file is the root of a target.
    fn candidates(&self, file: &str, is_root: bool) -> Vec<String> {
        let (folder, file_name) = file.rsplit_once('/').unwrap_or(("", file));
        if let Some(path) = &self.path {
            return vec![normalise(folder, path)];
        }
        let stem = file_name.strip_suffix(".rs").unwrap_or(file_name);
        let below =
            if is_root || stem == "mod" { folder.to_owned() } else { normalise(folder, stem) };
        let name = &self.name;
        vec![normalise(&below, &format!("{name}.rs")), normalise(&below, &format!("{name}/mod.rs"))]
    }
}

/// The modules of a file that lie in other files. Those inside an inline module are looked for in
/// the wrong folder and reported, never passed over: the house has none.
fn declarations(source: &Source) -> Vec<Declaration> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut found = Vec::new();
    for (index, code) in source.code.lines().enumerate() {
        let mut words = words(code).skip_while(|(_, word)| *word != "mod").skip(1);
        let Some((at, name)) = words.next() else {
            continue;
        };
        if !code[at + name.len()..].trim_start().starts_with(';') {
            continue;
        }
        let mut attributes = lines[..index].iter().rev().take_while(|line| {
            let line = line.trim_start();
            line.starts_with("#[") || line.starts_with("//")
        });
        let path = attributes.find_map(|line| path_attribute(line));
        found.push(Declaration { name: name.to_owned(), line: index + 1, path });
    }
    found
}

fn path_attribute(line: &str) -> Option<String> {
    let value = line.trim().strip_prefix("#[path")?.trim_start().strip_prefix('=')?;
    let value = value.trim_start().strip_prefix('"')?;
    value.split('"').next().map(ToOwned::to_owned)
}

/// Joins a folder and a path, and resolves `.` and `..`.
pub(super) fn normalise(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Target;

    /// Checks files (path, text) of a package in `tests/` with the given target roots.
    fn check_tree(files: &[(&str, &str)], roots: &[&str], expected: &[&str]) {
        let sources: Vec<Source> =
            files.iter().map(|(path, text)| Source::new(path, text)).collect();
        let targets = roots
            .iter()
            .map(|root| Target { path: (*root).to_owned(), ..Target::default() })
            .collect();
        let package = Package { dir: "tests".to_owned(), targets, ..Package::default() };
        let problems = check(&sources, &[package]);
        let found: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let fits = found.len() == expected.len()
            && found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected));
        assert!(fits, "found {found:#?}\nexpected {expected:#?}");
    }

    #[test]
    fn modules_of_a_target_are_reached() {
        let files = [
            ("tests/crash/main.rs", "mod child;\n#[cfg(test)]\npub(crate) mod disk;\n"),
            ("tests/crash/child.rs", "mod exit;"),
            ("tests/crash/child/exit.rs", ""),
            ("tests/crash/disk/mod.rs", "mod torn;"),
            ("tests/crash/disk/torn.rs", ""),
        ];
        check_tree(&files, &["tests/crash/main.rs"], &[]);
    }

    #[test]
    fn file_that_no_target_lists_is_reported() {
        let files = [("tests/crash/main.rs", "// mod smoke;\n"), ("tests/smoke.rs", "")];
        check_tree(&files, &["tests/crash/main.rs"], &["tests/smoke.rs:1: no target compiles"]);
        check_tree(&files, &["tests/crash/main.rs", "tests/smoke.rs"], &[]);
    }

    #[test]
    fn module_in_the_wrong_folder_is_reported_twice() {
        let files = [("tests/a.rs", ""), ("tests/b/c.rs", "mod a;")];
        check_tree(
            &files,
            &["tests/b/c.rs"],
            &["tests/b/c.rs:1: module `a` has no file: expected tests/b/a.rs", "tests/a.rs:1: no"],
        );
    }

    #[test]
    fn path_attribute_leads_to_the_file() {
        let root = "/// Shared.\n#[path = \"../support/disk.rs\"]\n#[cfg(test)]\nmod disk;\n";
        let files = [("tests/crash/main.rs", root), ("tests/support/disk.rs", "")];
        check_tree(&files, &["tests/crash/main.rs"], &[]);
    }

    #[test]
    fn inline_modules_need_no_file() {
        check_tree(&[("tests/a.rs", "mod tests {\n}\n")], &["tests/a.rs"], &[]);
    }

    #[test]
    fn files_of_other_workspaces_and_outside_of_packages_are_left_alone() {
        let files = [("fuzz/targets/a.rs", ""), ("docs/sample.rs", ""), ("testsuite.rs", "")];
        check_tree(&files, &[], &[]);
    }
}
