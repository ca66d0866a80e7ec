//! The commands: each one starts cargo with the right arguments.

use std::ffi::OsString;

use anyhow::{Context as _, Result, bail};
use xshell::cmd;

use crate::features::plan;
use crate::flags::{Bench, Calibrate, Compare, Crash, Test};
use crate::steps::{Outcome, Steps};
use crate::tidy;
use crate::tidy::manifests::Manifest;
use crate::workspace::Context;
use crate::{machine, rocksdb};

/// The profile of all that runs or checks the workspace as a whole, where the root manifest defines
/// it: one for these steps, so that build scripts and macros are compiled once.
const TEST_PROFILE: &str = "ci-test";

/// Packages whose tests run queries on DataFusion as well, with their feature `vector`.
const DATAFUSION: [&str; 2] = ["lightning-db-sql", "lightning-db-cli"];

/// All tests, built once: another build without DataFusion would take as long again.
const EVERYTHING: Test = Test { package: Vec::new(), filter: Vec::new(), vector: true };

/// Runs all steps in order, and stops at the first that fails.
pub(crate) fn ci(context: &Context) -> Result<()> {
    type Step = fn(&Context) -> Result<Outcome>;
    let plan: [(&'static str, Step); 9] = [
        ("fmt", fmt),
        ("tidy", tidy),
        ("lint", lint),
        ("test", |context| test(context, &EVERYTHING)),
        ("models", models),
        ("sanitize", sanitize),
        ("docs", docs),
        ("deny", deny),
        ("features", features),
    ];
    // A build from nothing is faster without what would make the next one faster.
    context.shell.set_var("CARGO_INCREMENTAL", "0");
    let mut steps = Steps::default();
    let result = plan.into_iter().try_for_each(|(name, step)| steps.run(name, || step(context)));
    println!("\n{}", steps.table());
    result
}

/// Checks the formatting, also in the workspaces that stand beside this one.
pub(crate) fn fmt(context: &Context) -> Result<Outcome> {
    let sh = &context.shell;
    cmd!(sh, "cargo fmt --all --check").run()?;
    for workspace in tidy::OWN_WORKSPACES {
        let manifest = format!("{workspace}Cargo.toml");
        if sh.path_exists(&manifest) {
            cmd!(sh, "cargo fmt --manifest-path {manifest} --check").run()?;
        }
    }
    Ok(Outcome::Done)
}

/// Checks the rules that no compiler knows.
pub(crate) fn tidy(context: &Context) -> Result<Outcome> {
    tidy::run(context)?;
    Ok(Outcome::Done)
}

/// Runs clippy with all features, so that no code hides behind one. What a crate lacks when it
/// stands alone is found by [`features`].
pub(crate) fn lint(context: &Context) -> Result<Outcome> {
    let profile = test_profile_args(has_test_profile(context)?);
    let args = ["--workspace", "--all-targets", "--all-features"];
    cmd!(context.shell, "cargo clippy {profile...} {args...} -- -D warnings").run()?;
    Ok(Outcome::Done)
}

/// Runs the tests, then the examples of the documentation, which nextest does not run.
pub(crate) fn test(context: &Context, test: &Test) -> Result<Outcome> {
    let has_profile = has_test_profile(context)?;
    run_tests(context, has_profile, &selection(&test.package, test.vector), &test.filter)?;
    if test.filter.is_empty() {
        doc_tests(context, test, has_profile)?;
    }
    Ok(Outcome::Done)
}

/// Runs tests with nextest where it is installed, else with cargo.
fn run_tests(
    context: &Context,
    has_profile: bool,
    selection: &[String],
    filter: &[String],
) -> Result<()> {
    let sh = &context.shell;
    if context.has_cargo_command("nextest") {
        let profile = has_profile.then_some(["--cargo-profile", TEST_PROFILE]);
        let profile = profile.into_iter().flatten();
        cmd!(sh, "cargo nextest run {profile...} {selection...} {filter...}").run()?;
    } else {
        let profile = test_profile_args(has_profile);
        cmd!(sh, "cargo test --tests {profile...} {selection...} -- {filter...}").run()?;
    }
    Ok(())
}

/// Runs the concurrency models of loom, in every order: of the store group commit, the views of
/// keyspaces, what merges keep for readers, waiting for commits, and the requests to the threads;
/// of the connection pool those who wait, give up, shrink it and end it; of the shutdown what is in
/// hand when it begins; of metrics the registry of series. The flag changes all dependencies,
/// hence a folder of its own.
pub(crate) fn models(context: &Context) -> Result<Outcome> {
    let packages = ["lightning-db-storage", "lightning-db-pool", "lightning-db-ops"]
        .into_iter()
        .flat_map(|package| ["-p", package]);
    // Without the features of the pool: tokio has other parts under the flag.
    let args = ["--lib", "--release", "--no-default-features", "--target-dir", "target/loom"];
    // What is linked for these tests alone need not be optimized as a whole.
    cmd!(context.shell, "cargo test {packages...} {args...} models")
        .env("RUSTFLAGS", "--cfg loom")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .run()?;
    Ok(Outcome::Done)
}

/// Runs the tests of the one module with unsafe code under the address sanitizer, which only a
/// nightly toolchain offers.
pub(crate) fn sanitize(context: &Context) -> Result<Outcome> {
    let sh = &context.shell;
    let target = "x86_64-unknown-linux-gnu";
    let nightly = cmd!(sh, "cargo +nightly --version").quiet().ignore_stderr().read();
    if nightly.is_err() || !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Ok(Outcome::Skipped("it needs a nightly toolchain on x86-64 Linux".into()));
    }
    let place = ["--target", target, "--target-dir", "target/sanitize"];
    cmd!(sh, "cargo +nightly test -p lightning-db-types --lib {place...} mapped")
        .env("RUSTFLAGS", "-Zsanitizer=address")
        .run()?;
    Ok(Outcome::Done)
}

fn doc_tests(context: &Context, test: &Test, has_profile: bool) -> Result<()> {
    // Cargo refuses `--doc` for a package that is named and has no library.
    let mut named = Vec::new();
    if !test.package.is_empty() {
        let packages = context.packages()?;
        named.extend(test.package.iter().filter(|name| {
            packages.iter().any(|package| package.name == **name && package.has_doc_tests())
        }));
        if named.is_empty() {
            return Ok(());
        }
    }
    let profile = test_profile_args(has_profile);
    let selection = selection(&named, test.vector);
    cmd!(context.shell, "cargo test --doc {profile...} {selection...}").run()?;
    Ok(())
}

/// Builds the documentation; a broken link or a bare address is an error.
pub(crate) fn docs(context: &Context) -> Result<Outcome> {
    let profile = test_profile_args(has_test_profile(context)?);
    cmd!(context.shell, "cargo doc {profile...} --workspace --no-deps --all-features")
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    Ok(Outcome::Done)
}

/// Checks dependencies against deny.toml, where cargo-deny is installed.
pub(crate) fn deny(context: &Context) -> Result<Outcome> {
    if !context.has_cargo_command("deny") {
        return Ok(Outcome::Skipped("cargo-deny is not installed".to_owned()));
    }
    cmd!(context.shell, "cargo deny check").run()?;
    Ok(Outcome::Done)
}

/// Checks each library crate alone with each set of features that differs.
///
/// Only the library is checked, and with clippy, so that dependencies come from the lint step.
pub(crate) fn features(context: &Context) -> Result<Outcome> {
    let has_profile = has_test_profile(context)?;
    for package in context.packages()? {
        if !(package.dir.starts_with("crates/") && package.has_library()) {
            continue;
        }
        let name = &package.name;
        for set in plan(&package.features) {
            let set = set.args();
            let profile = test_profile_args(has_profile);
            cmd!(
                context.shell,
                "cargo clippy {profile...} --lib -p {name} {set...} -- -D warnings"
            )
            .run()?;
        }
    }
    Ok(Outcome::Done)
}

/// Runs benchmarks and saves them under the name of the commit.
pub(crate) fn bench(context: &Context, bench: &Bench) -> Result<()> {
    let name = bench.name.iter().flat_map(|name| ["--bench", name]);
    let commit = context.commit();
    cmd!(
        context.shell,
        "cargo bench -p lightning-db-benches {name...} -- --save-baseline {commit}"
    )
    .run()?;
    let again = "cargo bench -p lightning-db-benches -- --baseline";
    println!("saved as baseline {commit}; `{again} {commit}` compares with it");
    Ok(())
}

/// Measures work, and fits the constants of the cost model to it.
pub(crate) fn calibrate(context: &Context, calibrate: &Calibrate) -> Result<()> {
    let quick = calibrate.quick.then_some("--quick");
    // The program runs in the root; the person who typed the path may stand elsewhere.
    let out = calibrate.out.as_ref().map(std::path::absolute).transpose()?;
    let place = ["--release", "-p", "lightning-db-benches", "--bin", "calibrate"];
    cmd!(context.shell, "cargo run {place...} -- {quick...} {out...}").run()?;
    Ok(())
}

/// Runs a comparison with other engines in its own workspace and target folder.
pub(crate) fn compare(context: &Context, compare: &Compare) -> Result<()> {
    let args = compare_args(compare)?;
    let place =
        ["--manifest-path", "benches/compare/Cargo.toml", "--target-dir", "benches/compare/target"];
    let mut features: Vec<String> = compare.features.iter().cloned().collect();
    let rocksdb = rocksdb::find();
    features.extend(rocksdb.iter().map(|_| "rocksdb".to_owned()));
    let features = features.iter().flat_map(|list| ["--features", list]);
    let mut run = cmd!(context.shell, "cargo run --release {place...} {features...} -- {args...}")
        .env("LIGHTNING_COMMIT", context.commit())
        .env("LIGHTNING_MACHINE", machine::description());
    if let Some(found) = &rocksdb {
        run = run.env("ROCKSDB_LIB_DIR", &found.lib).env("ROCKSDB_INCLUDE_DIR", &found.include);
    }
    run.run()?;
    Ok(())
}

fn compare_args(compare: &Compare) -> Result<Vec<OsString>> {
    let mut args = vec![compare.subject.clone().into()];
    if let Some(keys) = compare.keys {
        args.extend(["--keys".into(), keys.to_string().into()]);
    }
    if compare.quick {
        args.push("--quick".into());
    }
    if let Some(json) = &compare.json {
        // The program runs in the root; the person who typed the path may stand elsewhere.
        let json = std::path::absolute(json)
            .with_context(|| format!("cannot make the path {} absolute", json.display()))?;
        args.extend(["--json".into(), json.into()]);
    }
    args.extend(compare.args.iter().cloned());
    Ok(args)
}

/// Runs the crash suite over a range of seeds.
pub(crate) fn crash(context: &Context, crash: &Crash) -> Result<()> {
    let start = crash.start.unwrap_or(0);
    if crash.seeds == 0 {
        bail!("--seeds is 0: name at least one seed to run");
    }
    if start.checked_add(crash.seeds).is_none() {
        bail!("--start {start} and --seeds {} go past the last seed", crash.seeds);
    }
    let profile = test_profile_args(has_test_profile(context)?);
    cmd!(context.shell, "cargo test {profile...} -p lightning-db-tests --test crash")
        .env("LIGHTNING_CRASH_SEEDS", crash.seeds.to_string())
        .env("LIGHTNING_CRASH_START", start.to_string())
        .run()?;
    Ok(())
}

fn has_test_profile(context: &Context) -> Result<bool> {
    let manifest = Manifest::parse(&context.shell.read_file("Cargo.toml")?);
    Ok(manifest.has_table(&format!("profile.{TEST_PROFILE}")))
}

fn test_profile_args(has_profile: bool) -> impl Iterator<Item = &'static str> {
    has_profile.then_some(["--profile", TEST_PROFILE]).into_iter().flatten()
}

/// `--package` for each name, or the whole workspace when there is none.
fn selection<S: AsRef<str>>(packages: &[S], vector: bool) -> Vec<String> {
    let packages: Vec<&str> = packages.iter().map(AsRef::as_ref).collect();
    let mut selection: Vec<String> =
        packages.iter().flat_map(|name| ["--package", name]).map(str::to_owned).collect();
    if selection.is_empty() {
        selection.push("--workspace".to_owned());
    }
    let is_selected = |name: &str| packages.is_empty() || packages.contains(&name);
    for name in DATAFUSION.iter().filter(|name| vector && is_selected(name)) {
        selection.extend(["--features".to_owned(), format!("{name}/vector")]);
    }
    selection
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_package_selects_the_workspace() {
        assert_eq!(selection::<&str>(&[], false), ["--workspace"]);
        assert_eq!(selection(&["a", "b"], true), ["--package", "a", "--package", "b"]);
        let with_datafusion =
            ["--package", "lightning-db-sql", "--features", "lightning-db-sql/vector"];
        assert_eq!(selection(&["lightning-db-sql"], true), with_datafusion);
    }

    #[test]
    fn compare_passes_its_options_on_and_makes_the_file_absolute() {
        let compare = Compare {
            subject: "storage".to_owned(),
            args: vec!["--peers".into(), "redb".into()],
            features: None,
            keys: Some(1_000),
            quick: true,
            json: Some("out.json".into()),
        };
        let json = std::env::current_dir().unwrap().join("out.json");
        let args = compare_args(&compare).unwrap();
        let first: [OsString; 5] =
            ["storage".into(), "--keys".into(), "1000".into(), "--quick".into(), "--json".into()];
        assert_eq!(args[..5], first);
        assert_eq!(args[5..], [json.into_os_string(), "--peers".into(), "redb".into()]);
    }
}
