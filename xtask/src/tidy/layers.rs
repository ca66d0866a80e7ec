//! The layers: which crate of ours may depend on which.
//!
//! The table here is the one of CONTRIBUTING.md. Dependencies for tests count as well: a test that
//! needs a higher layer belongs to the package in `tests/`.

use super::Problem;
use crate::workspace::Package;

const PREFIX: &str = "lightning-db-";

/// The library crates, lowest layer first, with the crates of ours that each may use. All names
/// are without the prefix `lightning-db-`.
const LIBRARIES: [(&str, &[&str]); 12] = [
    ("types", &[]),
    ("expression", &["types"]),
    ("storage", &["types"]),
    ("optimizer", &["types", "expression"]),
    ("cache", &["types"]),
    ("pool", &[]),
    ("ops", &[]),
    ("derive", &[]),
    ("index", &["types", "expression", "storage"]),
    ("table", &["types", "expression", "storage", "index", "derive"]),
    ("query", &["types", "expression", "storage", "index", "table", "optimizer"]),
    ("sql", &["types", "expression", "storage", "index", "table", "optimizer", "query"]),
];

/// The crate that re-exports all libraries, and may use them all.
const FACADE: &str = "lightning-db";

/// Packages at the top: they may use anything, and nothing may use them.
const TOP: [&str; 4] = ["lightning-db-cli", "lightning-db-tests", "lightning-db-benches", "xtask"];

/// The only crate that may depend on sled.
const SLED_USER: &str = "lightning-db-storage";

/// Checks the dependencies of one package; `manifest` is the text of its Cargo.toml.
pub(super) fn check(package: &Package, manifest: &str) -> Vec<Problem> {
    let path = package.manifest();
    if !is_known(&package.name) {
        let message = format!(
            "{} has no layer: add it to the table in xtask/src/tidy/layers.rs and to the one in \
             CONTRIBUTING.md",
            package.name
        );
        return vec![Problem::new(path, line_of(manifest, "name"), message)];
    }
    let refused = package.dependencies.iter().filter_map(|dependency| {
        let message = refusal(&package.name, dependency)?;
        Some(Problem::new(&path, line_of(manifest, dependency), message))
    });
    refused.collect()
}

fn is_known(name: &str) -> bool {
    name == FACADE || TOP.contains(&name) || library(name).is_some()
}

fn library(name: &str) -> Option<&'static (&'static str, &'static [&'static str])> {
    let short = name.strip_prefix(PREFIX)?;
    LIBRARIES.iter().find(|(library, _)| *library == short)
}

/// Why `package` may not depend on `dependency`; nothing when it may.
fn refusal(package: &str, dependency: &str) -> Option<String> {
    if dependency == "sled" && package != SLED_USER {
        return Some(format!("only {SLED_USER} may depend on sled: use its public items"));
    }
    let is_ours = dependency.starts_with(PREFIX) || is_known(dependency);
    if !is_ours || package == dependency {
        return None;
    }
    if TOP.contains(&dependency) {
        return Some(format!(
            "nothing may depend on {dependency}: move what is shared to a library"
        ));
    }
    let (_, allowed) = library(package)?;
    let is_allowed = dependency.strip_prefix(PREFIX).is_some_and(|short| allowed.contains(&short));
    (!is_allowed).then(|| {
        let allowed = match allowed {
            [] => "no crate of ours".to_owned(),
            allowed => format!("only {PREFIX}{{{}}}", allowed.join(", ")),
        };
        format!("{package} may use {allowed}, not {dependency}: see the layers in CONTRIBUTING.md")
    })
}

/// The line that mentions `key` first as a key or as the end of a table's name; line 1 if none.
fn line_of(manifest: &str, key: &str) -> usize {
    let is_key = |line: &str| {
        let line = line.trim().trim_start_matches('[').trim_start_matches("dependencies.");
        let rest = line.strip_prefix(key).map(str::trim_start);
        rest.is_some_and(|rest| rest.starts_with(['=', '.', ']']))
    };
    manifest.lines().position(is_key).map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_dependencies(name: &str, dependencies: &[&str], expected: &[&str]) {
        let package = Package {
            name: name.to_owned(),
            dir: "p".to_owned(),
            dependencies: dependencies.iter().map(|it| (*it).to_owned()).collect(),
            ..Package::default()
        };
        let keys: Vec<String> =
            dependencies.iter().map(|name| format!("{name}.workspace = true\n")).collect();
        let manifest = format!("[package]\nname = \"{name}\"\n[dependencies]\n{}", keys.concat());
        let problems = check(&package, &manifest);
        let found: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let fits = found.len() == expected.len()
            && found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected));
        assert!(fits, "found {found:#?}\nexpected {expected:#?}");
    }

    #[test]
    fn lower_layers_may_be_used() {
        check_dependencies("lightning-db-types", &["crc32c"], &[]);
        check_dependencies("lightning-db-storage", &["lightning-db-types", "sled"], &[]);
        check_dependencies("lightning-db-sql", &["lightning-db-query", "lightning-db-types"], &[]);
    }

    #[test]
    fn higher_and_neighbouring_layers_may_not() {
        check_dependencies(
            "lightning-db-types",
            &["crc32c", "lightning-db-storage"],
            &["p/Cargo.toml:5: lightning-db-types may use no crate of ours, not lightning-db-st"],
        );
        check_dependencies(
            "lightning-db-optimizer",
            &["lightning-db-types", "lightning-db-storage", "lightning-db"],
            &[
                "p/Cargo.toml:5: lightning-db-optimizer may use only lightning-db-{types, exp",
                "p/Cargo.toml:6: lightning-db-optimizer may use only lightning-db-{types, exp",
            ],
        );
        check_dependencies("lightning-db-pool", &["lightning-db-ops"], &["p/Cargo.toml:4: "]);
    }

    #[test]
    fn top_may_use_anything_and_nobody_uses_the_top() {
        check_dependencies("lightning-db-tests", &["lightning-db", "lightning-db-storage"], &[]);
        check_dependencies("lightning-db-cli", &["lightning-db"], &[]);
        check_dependencies("lightning-db", &["lightning-db-sql", "lightning-db-types"], &[]);
        for top in TOP {
            let expected = [format!("p/Cargo.toml:4: nothing may depend on {top}")];
            let expected = expected.each_ref().map(String::as_str);
            check_dependencies("lightning-db", &[top], &expected);
            check_dependencies("lightning-db-storage", &[top], &expected);
        }
    }

    #[test]
    fn only_storage_may_depend_on_sled() {
        for name in ["lightning-db-index", "lightning-db", "lightning-db-tests"] {
            let expected = ["p/Cargo.toml:4: only lightning-db-storage may depend on sled"];
            check_dependencies(name, &["sled"], &expected);
        }
    }

    #[test]
    fn crate_without_a_layer_is_reported() {
        let expected = ["p/Cargo.toml:2: lightning-db-graph has no layer"];
        check_dependencies("lightning-db-graph", &["lightning-db-types"], &expected);
        check_dependencies("lightning-db-sql", &["lightning-db-graph"], &["p/Cargo.toml:4: "]);
    }

    #[test]
    fn table_names_only_lower_layers() {
        for (index, (name, allowed)) in LIBRARIES.iter().enumerate() {
            for below in *allowed {
                let place = LIBRARIES.iter().position(|(other, _)| other == below);
                assert!(place.is_some_and(|place| place < index), "{name} uses {below}");
            }
        }
    }
}
