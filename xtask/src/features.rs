//! Which feature sets of a crate are worth a check of their own.

use std::collections::{BTreeMap, BTreeSet};

/// A feature that brings DataFusion. Its packages are built anew for each set of features of what
/// they need, minutes each time, so that no set here has it: lint checks it with all others, and
/// the tests of `ci` are built with it.
const LARGE: &str = "vector";

/// One set of features to check a crate with, as arguments of cargo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FeatureSet {
    /// `--no-default-features`
    None,
    /// `--no-default-features --features F`
    One(String),
    /// `--all-features`
    All,
    /// All but those that bring what is [`LARGE`].
    Others(Vec<String>),
}

impl FeatureSet {
    /// The arguments for cargo.
    pub(crate) fn args(&self) -> Vec<String> {
        match self {
            Self::None => vec!["--no-default-features".to_owned()],
            Self::One(feature) => {
                vec!["--no-default-features".to_owned(), "--features".to_owned(), feature.clone()]
            }
            Self::All => vec!["--all-features".to_owned()],
            Self::Others(features) => vec![
                "--no-default-features".to_owned(),
                "--features".to_owned(),
                features.join(","),
            ],
        }
    }
}

/// Plans the checks of a crate with these features: none, each alone, all.
///
/// A set that switches on the same features as an earlier one is left out, so that a crate
/// without features is checked once. `default` is no set of its own: all other steps use it.
pub(crate) fn plan(features: &BTreeMap<String, Vec<String>>) -> Vec<FeatureSet> {
    let mut seen: BTreeSet<BTreeSet<&str>> = BTreeSet::from([BTreeSet::new()]);
    let mut sets = vec![FeatureSet::None];
    let is_large = |feature: &str| closure(features, [feature]).contains(LARGE);
    let (large, others): (Vec<&String>, Vec<&String>) =
        features.keys().filter(|feature| *feature != "default").partition(|it| is_large(it));
    for feature in &others {
        if seen.insert(closure(features, [feature.as_str()])) {
            sets.push(FeatureSet::One((*feature).clone()));
        }
    }
    if seen.insert(closure(features, others.iter().map(|feature| feature.as_str()))) {
        sets.push(if large.is_empty() {
            FeatureSet::All
        } else {
            FeatureSet::Others(others.into_iter().cloned().collect())
        });
    }
    sets
}

/// The features that `start` switches on, with what they enable in other crates, without `default`.
fn closure<'a>(
    features: &'a BTreeMap<String, Vec<String>>,
    start: impl IntoIterator<Item = &'a str>,
) -> BTreeSet<&'a str> {
    let mut enabled = BTreeSet::new();
    let mut pending: Vec<&str> = start.into_iter().collect();
    while let Some(feature) = pending.pop() {
        if enabled.insert(feature) {
            pending.extend(features.get(feature).into_iter().flatten().map(String::as_str));
        }
    }
    enabled.remove("default");
    enabled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(features: &[(&str, &[&str])], expected: &[&str]) {
        let features = features
            .iter()
            .map(|(name, enables)| {
                ((*name).to_owned(), enables.iter().map(|it| (*it).to_owned()).collect())
            })
            .collect();
        let sets: Vec<String> = plan(&features).iter().map(|set| set.args().join(" ")).collect();
        assert_eq!(sets, expected);
    }

    #[test]
    fn crate_without_features_is_checked_once() {
        check(&[], &["--no-default-features"]);
        check(&[("default", &[])], &["--no-default-features"]);
    }

    #[test]
    fn only_feature_is_also_the_set_of_all() {
        let alone = ["--no-default-features", "--no-default-features --features lz4"];
        check(&[("default", &["lz4"]), ("lz4", &["dep:lz4_flex"])], &alone);
    }

    #[test]
    fn each_feature_is_checked_alone_and_then_all() {
        check(
            &[("default", &["a"]), ("a", &[]), ("b", &[])],
            &[
                "--no-default-features",
                "--no-default-features --features a",
                "--no-default-features --features b",
                "--all-features",
            ],
        );
    }

    #[test]
    fn feature_that_switches_on_the_rest_replaces_the_set_of_all() {
        check(
            &[("a", &[]), ("full", &["a"])],
            &[
                "--no-default-features",
                "--no-default-features --features a",
                "--no-default-features --features full",
            ],
        );
    }

    #[test]
    fn what_is_large_is_in_no_set() {
        check(
            &[("a", &[]), ("b", &[]), ("both", &["a", "vector"]), ("vector", &["dep:datafusion"])],
            &[
                "--no-default-features",
                "--no-default-features --features a",
                "--no-default-features --features b",
                "--no-default-features --features a,b",
            ],
        );
    }

    #[test]
    fn features_may_name_each_other() {
        let expected = ["--no-default-features", "--no-default-features --features a"];
        check(&[("a", &["b"]), ("b", &["a"])], &expected);
    }
}
