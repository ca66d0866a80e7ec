//! The workspace as `cargo metadata` tells it, and the shell that commands run in.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use xshell::{Shell, cmd};

/// Where commands run: a shell in the root of the repository.
#[derive(Debug)]
pub(crate) struct Context {
    /// Starts programs; its directory is `root`.
    pub(crate) shell: Shell,
    /// The folder of the root manifest.
    pub(crate) root: PathBuf,
}

impl Context {
    /// Finds the repository from where cargo says that this package lies.
    ///
    /// # Errors
    ///
    /// When the folder cannot be determined or the shell cannot be started in it.
    pub(crate) fn new() -> Result<Self> {
        // Cargo sets the variable for `cargo run`; a binary started without it knows where it was
        // built.
        let manifest_dir = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest_dir.parent().context("xtask has no parent folder")?.to_owned();
        let shell = Shell::new()?;
        shell.change_dir(&root);
        Ok(Self { shell, root })
    }

    /// Asks cargo for the members of the workspace. Resolves no dependencies, needs no network.
    ///
    /// # Errors
    ///
    /// When a manifest is broken, which cargo explains.
    pub(crate) fn packages(&self) -> Result<Vec<Package>> {
        let json =
            cmd!(self.shell, "cargo metadata --no-deps --format-version 1").quiet().read()?;
        parse(&json, &self.root)
    }

    /// The short commit, with `-dirty` behind it when files differ from it. Before the first
    /// commit and outside git it is `uncommitted`.
    pub(crate) fn commit(&self) -> String {
        let sh = &self.shell;
        let commit = cmd!(sh, "git rev-parse --short HEAD").quiet().ignore_stderr().read();
        let Ok(commit) = commit else {
            return "uncommitted".to_owned();
        };
        let changes = cmd!(sh, "git status --porcelain").quiet().ignore_stderr().read();
        if changes.is_ok_and(|changes| changes.is_empty()) {
            commit
        } else {
            format!("{commit}-dirty")
        }
    }

    /// Whether cargo knows this subcommand, such as `nextest`.
    pub(crate) fn has_cargo_command(&self, name: &str) -> bool {
        let version = cmd!(self.shell, "cargo {name} --version").quiet();
        version.ignore_stdout().ignore_stderr().run().is_ok()
    }
}

/// A member of the workspace. Paths are relative to the root and use `/`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Package {
    /// The name in the manifest.
    pub(crate) name: String,
    /// The folder of the manifest, such as `crates/lightning-db`.
    pub(crate) dir: String,
    /// What the manifest says the package is for.
    pub(crate) description: Option<String>,
    /// The licence expression.
    pub(crate) license: Option<String>,
    /// Each feature with what it switches on.
    pub(crate) features: BTreeMap<String, Vec<String>>,
    /// The names of all dependencies of every kind, those for tests included.
    pub(crate) dependencies: Vec<String>,
    /// What cargo compiles.
    pub(crate) targets: Vec<Target>,
}

impl Package {
    /// The path of the manifest.
    pub(crate) fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.dir)
    }

    /// Whether the package has a library.
    pub(crate) fn has_library(&self) -> bool {
        self.targets.iter().any(|target| target.is_library)
    }

    /// Whether `cargo test --doc` accepts the package.
    pub(crate) fn has_doc_tests(&self) -> bool {
        self.targets.iter().any(|target| target.is_library && target.has_doc_tests)
    }
}

/// One thing that cargo compiles: a library, binary, test or benchmark.
#[derive(Debug, Clone, Default)]
pub(crate) struct Target {
    /// The root file.
    pub(crate) path: String,
    /// Whether it is the library.
    pub(crate) is_library: bool,
    /// Whether its documentation is tested.
    pub(crate) has_doc_tests: bool,
}

fn parse(json: &str, root: &Path) -> Result<Vec<Package>> {
    let metadata: Value = serde_json::from_str(json).context("cargo metadata is not JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    packages.iter().map(|package| parse_package(package, root)).collect()
}

fn parse_package(package: &Value, root: &Path) -> Result<Package> {
    let manifest = relative(text(&package["manifest_path"])?, root)?;
    let dir = manifest.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned();
    let features = package["features"].as_object().into_iter().flatten();
    let targets = package["targets"].as_array().into_iter().flatten();
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    Ok(Package {
        name: text(&package["name"])?.to_owned(),
        dir,
        description: package["description"].as_str().map(ToOwned::to_owned),
        license: package["license"].as_str().map(ToOwned::to_owned),
        features: features.map(|(name, enables)| (name.clone(), strings(enables))).collect(),
        dependencies: dependencies
            .map(|dependency| text(&dependency["name"]).map(ToOwned::to_owned))
            .collect::<Result<_>>()?,
        targets: targets.map(|target| parse_target(target, root)).collect::<Result<_>>()?,
    })
}

fn parse_target(target: &Value, root: &Path) -> Result<Target> {
    let kinds = strings(&target["kind"]);
    Ok(Target {
        path: relative(text(&target["src_path"])?, root)?,
        is_library: kinds.iter().any(|kind| kind == "proc-macro" || kind.ends_with("lib")),
        has_doc_tests: target["doctest"].as_bool().unwrap_or(false),
    })
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("cargo metadata has {value} where a string belongs"))
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect()
}

/// `path` as seen from `root`, with `/` between its parts.
pub(crate) fn relative(path: impl AsRef<Path>, root: &Path) -> Result<String> {
    let path = path.as_ref();
    let Ok(inside) = path.strip_prefix(root) else {
        bail!("{} lies outside of {}", path.display(), root.display());
    };
    let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#"{"packages": [{
        "name": "lightning-db-storage",
        "manifest_path": "/repo/crates/lightning-db-storage/Cargo.toml",
        "description": "Storage", "license": "MIT", "features": {"a": ["b"], "b": []},
        "dependencies": [{"name": "lightning-db-types", "kind": null}],
        "targets": [
            {"kind": ["lib"], "src_path": "/repo/crates/lightning-db-storage/src/lib.rs",
             "doctest": true},
            {"kind": ["bench"], "src_path": "/repo/crates/lightning-db-storage/b.rs"}]
    }]}"#;

    #[test]
    fn metadata_becomes_packages_with_relative_paths() {
        let packages = parse(METADATA, Path::new("/repo")).unwrap();
        let package = &packages[0];
        assert_eq!(package.name, "lightning-db-storage");
        assert_eq!(package.dir, "crates/lightning-db-storage");
        assert_eq!(package.manifest(), "crates/lightning-db-storage/Cargo.toml");
        assert_eq!(package.dependencies, ["lightning-db-types"]);
        assert_eq!(package.features["a"], ["b"]);
        assert!(package.has_library() && package.has_doc_tests());
        assert_eq!(package.targets[1].path, "crates/lightning-db-storage/b.rs");
        assert!(!package.targets[1].is_library);
    }

    #[test]
    fn package_outside_of_the_root_is_an_error() {
        let error = parse(METADATA, Path::new("/elsewhere")).unwrap_err();
        assert!(error.to_string().contains("lies outside of /elsewhere"), "{error}");
    }

    #[test]
    fn metadata_without_packages_is_an_error() {
        assert!(parse("{}", Path::new("/repo")).is_err());
        assert!(parse("not json", Path::new("/repo")).is_err());
    }
}
