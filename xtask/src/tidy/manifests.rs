//! Rules for the Cargo.toml of a member: lints, versions, what it says about itself.

use super::Problem;
use crate::workspace::Package;

/// The one crate that does not inherit the lints, because one module of it needs unsafe code.
const OWN_LINTS: &str = "lightning-db-types";

/// The one lint that it sets differently.
const OWN_LINT: (&str, &str, &str) = ("lints.rust", "unsafe_code", "\"deny\"");

/// A manifest as a flat list of keys, enough for the rules here and no TOML parser: values are
/// text, and one that spans lines is its first line.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    tables: Vec<String>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    table: String,
    key: String,
    value: String,
    line: usize,
}

impl Manifest {
    /// Reads the text of a Cargo.toml.
    pub(crate) fn parse(text: &str) -> Self {
        let mut manifest = Self::default();
        let mut table = String::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
                // A table in an array has two brackets, and counts as a table of that name.
                name.trim_start_matches('[').clone_into(&mut table);
                manifest.tables.push(table.clone());
            } else if let Some((key, value)) = line.split_once('=')
                && !line.starts_with('#')
            {
                let entry = Entry {
                    table: table.clone(),
                    key: key.trim().to_owned(),
                    value: value.trim().to_owned(),
                    line: index + 1,
                };
                manifest.entries.push(entry);
            }
        }
        manifest
    }

    /// Whether there is a table of this name, such as `profile.release`.
    pub(crate) fn has_table(&self, name: &str) -> bool {
        self.tables.iter().any(|table| table == name)
    }

    fn value(&self, table: &str, key: &str) -> Option<&str> {
        let mut entries = self.entries.iter();
        let entry = entries.find(|entry| entry.table == table && entry.key == key)?;
        Some(&entry.value)
    }
}

/// Checks the manifest of one package, given as text, against the root manifest.
pub(super) fn check(package: &Package, text: &str, root: &Manifest) -> Vec<Problem> {
    let path = package.manifest();
    let manifest = Manifest::parse(text);
    let mut found: Vec<(usize, String)> = Vec::new();
    if package.name == OWN_LINTS {
        own_lints(&manifest, root, &mut found);
    } else if manifest.value("lints", "workspace") != Some("true")
        && manifest.value("", "lints.workspace") != Some("true")
    {
        found
            .push((1, "the lints are not inherited: add `[lints]` with `workspace = true`".into()));
    }
    for (key, value) in [("description", &package.description), ("license", &package.license)] {
        if value.as_deref().is_none_or(str::is_empty) {
            found.push((1, format!("`{key}` is missing: add it under [package]")));
        }
    }
    versions(&manifest, &mut found);
    found.into_iter().map(|(line, message)| Problem::new(&path, line, message)).collect()
}

/// The crate with lints of its own has every lint of the workspace but one.
fn own_lints(manifest: &Manifest, root: &Manifest, found: &mut Vec<(usize, String)>) {
    for entry in &root.entries {
        let Some(table) = entry.table.strip_prefix("workspace.") else {
            continue;
        };
        if !table.starts_with("lints.") {
            continue;
        }
        let is_own = (table, entry.key.as_str()) == (OWN_LINT.0, OWN_LINT.1);
        let wanted = if is_own { OWN_LINT.2 } else { &entry.value };
        if manifest.value(table, &entry.key) != Some(wanted) {
            found.push((
                1,
                format!("lints drift apart: [{table}] needs `{} = {wanted}`", entry.key),
            ));
        }
    }
}

/// Versions stand in the root manifest, once, and members inherit them.
fn versions(manifest: &Manifest, found: &mut Vec<(usize, String)>) {
    for entry in &manifest.entries {
        // Tables of a platform, `target.'cfg(..)'.dependencies`, end in the same way.
        let table = entry.table.rsplit('.').next().unwrap_or_default();
        let is_list = table.ends_with("dependencies");
        let is_inherited = entry.key.ends_with(".workspace") && entry.value == "true"
            || entry.value.replace(' ', "").contains("workspace=true");
        let is_of_one = entry.key == "version" && entry.table.contains("dependencies.");
        if (is_list && !is_inherited) || is_of_one {
            found.push((
                entry.line,
                format!(
                    "`{}` brings a version of its own: put it into [workspace.dependencies] and \
                     write `workspace = true` here",
                    entry.key
                ),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\nmissing_docs = \"warn\"\n\
                        [workspace.lints.clippy]\npedantic = { level = \"warn\" }\n";
    const GOOD: &str = "[package]\nname = \"a\"\n[lints]\nworkspace = true\n";

    fn check_manifest(name: &str, text: &str, expected: &[&str]) {
        let package = Package {
            name: name.to_owned(),
            dir: "p".to_owned(),
            description: Some("What it is".to_owned()),
            license: Some("MIT".to_owned()),
            ..Package::default()
        };
        compare(&check(&package, text, &Manifest::parse(ROOT)), expected);
    }

    fn compare(problems: &[Problem], expected: &[&str]) {
        let found: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let fits = found.len() == expected.len()
            && found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected));
        assert!(fits, "found {found:#?}\nexpected {expected:#?}");
    }

    #[test]
    fn lints_are_inherited() {
        check_manifest("a", GOOD, &[]);
        check_manifest("a", "lints.workspace = true\n[package]\n", &[]);
        let missing = ["p/Cargo.toml:1: the lints are not inherited"];
        check_manifest("a", "[package]\nname = \"a\"\n", &missing);
        check_manifest("a", "[lints]\n# workspace = true\n", &missing);
        check_manifest("a", "[lints]\nworkspace = false\n", &missing);
    }

    #[test]
    fn types_repeats_the_lints_with_one_difference() {
        let same = "[lints.rust]\nunsafe_code = \"deny\"\nmissing_docs = \"warn\"\n\
                    [lints.clippy]\npedantic = { level = \"warn\" }\n";
        check_manifest(OWN_LINTS, same, &[]);
        let drifted = same.replace("missing_docs = \"warn\"", "missing_docs = \"allow\"");
        let expected = ["p/Cargo.toml:1: lints drift apart: [lints.rust] needs `missing_d"];
        check_manifest(OWN_LINTS, &drifted, &expected);
        let loose = same.replace("\"deny\"", "\"allow\"");
        let expected = ["p/Cargo.toml:1: lints drift apart: [lints.rust] needs `unsafe_code"];
        check_manifest(OWN_LINTS, &loose, &expected);
    }

    #[test]
    fn versions_are_inherited() {
        let good = "[dependencies]\na.workspace = true\nb = { workspace = true, optional = true }\n\
                    [dev-dependencies]\nc = { workspace=true }\n\
                    [dependencies.d]\nworkspace = true\n[features]\ndefault = [\"e\"]\n";
        check_manifest("a", &format!("{GOOD}{good}"), &[]);
        for (bad, line) in [
            ("[dependencies]\na = \"1\"\n", 6),
            ("[dev-dependencies]\nb = { version = \"1\" }\n", 6),
            ("[target.'cfg(unix)'.dependencies]\nc = \"1\"\n", 6),
            ("[build-dependencies.d]\nversion = \"1\"\n", 6),
        ] {
            let expected = format!("p/Cargo.toml:{line}: `");
            check_manifest("a", &format!("{GOOD}{bad}"), &[&expected]);
        }
    }

    #[test]
    fn description_and_license_are_given() {
        let package = Package {
            name: "a".to_owned(),
            dir: "p".to_owned(),
            description: Some(String::new()),
            ..Package::default()
        };
        compare(
            &check(&package, GOOD, &Manifest::parse(ROOT)),
            &["p/Cargo.toml:1: `description` is missing", "p/Cargo.toml:1: `license` is missing"],
        );
    }

    #[test]
    fn tables_are_found_by_name() {
        let manifest = Manifest::parse("[profile.ci-test]\ninherits = \"test\"\n[[bench]]\n");
        assert!(manifest.has_table("profile.ci-test") && manifest.has_table("bench"));
        assert!(!manifest.has_table("profile.ci"));
    }
}
