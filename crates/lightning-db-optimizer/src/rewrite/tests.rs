//! Rewritten queries against the reference, over random queries and rows.

mod golden;
mod subqueries;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use lightning_db_types::Value;

use super::*;
use crate::build::{JoinType, QueryBuilder, column};
use crate::memory::MemoryCatalog;
use crate::query::{PropertyCache, Scalar, SortKey};
use crate::reference::{
    Failure, Profile, evaluate, random_catalog, random_partitions, random_query,
};
use crate::rewrite::tree::Rewriter;

/// Seeds that are tried, from `LIGHTNING_REWRITE_START` on, as many as `LIGHTNING_REWRITE_SEEDS`.
fn seeds() -> std::ops::Range<u64> {
    let number = |name, default| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let start: u64 = number("LIGHTNING_REWRITE_START", 0);
    start..start + number("LIGHTNING_REWRITE_SEEDS", 2_000)
}

/// Whether rows are in an order.
fn in_order(query: &Query, rows: &[Vec<Value>], keys: &[SortKey]) -> bool {
    let output = query.output(query.root().unwrap());
    let place = |key: &SortKey| output.iter().position(|column| *column == key.column).unwrap();
    let order = |left: &[Value], right: &[Value]| {
        let orders = keys.iter().map(|key| {
            let (left, right) = (&left[place(key)], &right[place(key)]);
            match (left.is_null(), right.is_null()) {
                (false, false) if key.descending => right.cmp(left),
                (false, false) => left.cmp(right),
                (left, right) if key.nulls_first => right.cmp(&left),
                (left, right) => left.cmp(&right),
            }
        });
        orders.fold(Ordering::Equal, Ordering::then)
    };
    rows.windows(2).all(|pair| order(&pair[0], &pair[1]).is_le())
}

fn sorted(mut rows: Vec<Vec<Value>>) -> Vec<Vec<Value>> {
    rows.sort();
    rows
}

/// Checks that a rewrite gives the rows of the query it was made from.
fn check_same(seed: u64, query: &Query, catalog: &MemoryCatalog) -> Option<(Query, Vec<Applied>)> {
    let Ok(expected) = evaluate(query, catalog) else { return None };
    let wanted = PropertyCache::default().of(query, catalog, query.root()?);
    let mut rewritten = query.clone();
    let applied = rewrite(&mut rewritten, catalog);
    let replay = format!(
        "replay: LIGHTNING_REWRITE_START={seed} LIGHTNING_REWRITE_SEEDS=1 cargo test -p \
         lightning-db-optimizer rewrite\n{query}\n{rewritten}\n{applied:#?}"
    );
    match evaluate(&rewritten, catalog) {
        Ok(rows) => {
            assert_eq!(
                query.output(query.root()?).len(),
                rewritten.output(rewritten.root()?).len(),
                "other columns\n{replay}"
            );
            assert!(
                sorted(rows.clone()) == sorted(expected.clone()),
                "other rows\n{expected:?}\n{rows:?}\n{replay}"
            );
            assert!(in_order(query, &rows, &wanted.order), "other order\n{rows:?}\n{replay}");
        }
        // A subquery may be evaluated though there is no row that needs it.
        Err(Failure::ManyRows(_)) => return None,
        Err(failure) => panic!("{failure}\n{replay}"),
    }
    Some((rewritten, applied))
}

#[test]
fn rewritten_random_queries_give_the_same_rows() {
    let mut checked = 0;
    let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in seeds() {
        let catalog = random_catalog(seed).unwrap();
        let query = random_query(seed, Profile::default(), &catalog).unwrap();
        if let Some((rewritten, applied)) = check_same(seed, &query, &catalog) {
            checked += 1;
            assert_no_subqueries(seed, &rewritten);
            for applied in applied {
                *rules.entry(applied.rule).or_default() += 1;
            }
        }
    }
    if seeds().count() >= 1_000 {
        // Random queries are too small for these; they have tests of their own.
        let early = |rule: &&str| [push_aggregate::RULE, balance::RULE].contains(rule);
        let often = |rule: &&str| early(rule) || rules.get(rule).is_some_and(|count| *count >= 5);
        let rare: Vec<&&str> = RULES.iter().filter(|rule| !often(rule)).collect();
        assert!(rare.is_empty(), "rarely applied: {rare:?} of {rules:?}");
    }
    assert!(checked * 10 >= seeds().count() * 8 || seeds().count() < 10, "only {checked} ran");
}

/// Rows of a query after its rewrites; `None` if a subquery fails.
fn rewritten_rows(query: &Query, catalog: &MemoryCatalog) -> Option<Vec<Vec<Value>>> {
    let mut query = query.clone();
    rewrite(&mut query, catalog);
    evaluate(&query, catalog).ok().map(sorted)
}

/// Rows for which a condition is true, false and unknown are all rows (ternary logic partitioning,
/// TLP), and it is true for as many rows as it lets pass (`NoREC`): each query is rewritten alone,
/// so that a rule that is wrong would have to be wrong in the same way in all of them.
#[test]
fn rewritten_partitions_are_the_whole() {
    let mut checked = 0;
    let profile = Profile { limits: false, ..Profile::default() };
    for seed in seeds().take(500) {
        let catalog = random_catalog(seed).unwrap();
        let partitions = random_partitions(seed, profile, &catalog).unwrap();
        let rows = |query: &Query| rewritten_rows(query, &catalog);
        let parts: Option<Vec<_>> = partitions.parts.iter().map(rows).collect();
        let (Some(whole), Some(parts), Some(truth)) =
            (rows(&partitions.whole), parts, rows(&partitions.truth))
        else {
            continue;
        };
        let passed = parts[0].len();
        assert_eq!(sorted(parts.concat()), whole, "TLP, seed {seed}\n{}", partitions.parts[0]);
        let held = truth.iter().filter(|row| row[0] == Value::Bool(true)).count();
        assert_eq!(held, passed, "NoREC, seed {seed}\n{}", partitions.truth);
        checked += 1;
    }
    assert!(checked * 2 > seeds().take(500).count(), "only {checked} ran");
}

/// Checks a rule alone, which is left to itself only for large tables or queries: here it is
/// applied wherever it can be.
fn check_alone(rule: &dyn Fn(&mut Rewriter<'_>, NodeId) -> NodeId) {
    let mut applied = 0;
    let profile = Profile { subqueries: false, ..Profile::default() };
    for seed in seeds() {
        let catalog = random_catalog(seed).unwrap();
        let query = random_query(seed, profile, &catalog).unwrap();
        let Ok(expected) = evaluate(&query, &catalog) else { continue };
        let mut made = query.clone();
        let mut rewriter = Rewriter::new(&mut made, &catalog);
        (rewriter.reduction_min, rewriter.chain_max) = (0.0, 1);
        let root = rule(&mut rewriter, query.root().unwrap());
        applied += rewriter.applied.len();
        made.set_root(root);
        let rows = evaluate(&made, &catalog).unwrap();
        assert_eq!(sorted(rows), sorted(expected), "seed {seed}\n{query}\n{made}");
    }
    assert!(applied > 10 || seeds().count() < 1_000, "only {applied} times");
}

#[test]
fn aggregates_before_joins_give_the_same_rows() {
    check_alone(&|rewriter, root| rewriter.push_aggregates(root));
}

#[test]
fn balanced_joins_give_the_same_rows() {
    check_alone(&|rewriter, root| rewriter.balance(root));
}

fn assert_no_subqueries(seed: u64, query: &Query) {
    for node in query.post_order(query.root().unwrap()) {
        for scalar in query.node(node).scalars() {
            query.visit_scalar(scalar, &mut |scalar| {
                let nested = matches!(scalar, Scalar::Subquery(_));
                assert!(!nested, "seed {seed} keeps a subquery\n{query}");
            });
        }
    }
}

/// A chain of joins is a deep tree as it is written, and must not take a deep stack to rewrite.
#[test]
fn a_thousand_joins_are_rewritten_on_a_small_stack() {
    let catalog = random_catalog(0).unwrap();
    let mut chain = QueryBuilder::scan("t0", "r0");
    for number in 1..1_000 {
        let on = column(format!("r{}.id", number - 1)).equal(column(format!("r{number}.ref")));
        chain = chain.join(JoinType::Inner, QueryBuilder::scan("t1", format!("r{number}")), on);
    }
    let filtered = chain.filter(column("r0.id").equal(3)).select(["r0.b"]);
    let mut query = filtered.build(&catalog).unwrap();
    let applied = rewrite(&mut query, &catalog);
    let rules: Vec<&str> = applied.iter().map(|applied| applied.rule).collect();
    assert!(rules.contains(&balance::RULE) && rules.contains(&transitive::RULE), "{rules:?}");
    assert!(depth(&query, query.root().unwrap()) < 20);
}
