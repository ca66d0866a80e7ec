//! Orders against exhaustive search.

mod large;
mod model;
mod oracle;

use super::{Budget, Edge, JoinGraph, Method, order};
use crate::query::JoinKind;
use model::{Random, Shape, SumOfRows, exhaustive};

fn exact() -> Budget {
    Budget { exact: usize::MAX / 64, pairs: usize::MAX / 64 }
}

#[test]
fn no_tree_is_cheaper_than_the_exact_one() {
    for shape in Shape::ALL {
        for seed in 0..40 {
            let mut random = Random::new(seed);
            let relations = 2 + random.below(7);
            let (graph, mut model) = model::inner(shape, relations, &mut random);
            let found = order(&graph, &mut model, &exact()).unwrap();
            let best = exhaustive(&graph, &mut model).unwrap();
            assert_eq!(found.method, Method::Exact);
            assert!(
                (found.entry.cost - best.entry.cost).abs() <= best.entry.cost * 1e-9,
                "{shape:?}, {relations} relations, seed {seed}: {} for {}",
                found.entry.cost,
                best.entry.cost,
            );
            assert_eq!(found.pairs, best.pairs, "{shape:?}, {relations} relations, seed {seed}");
        }
    }
}

#[test]
fn numbers_of_pairs_are_the_published_ones() {
    let pairs = |shape, relations| {
        let (graph, mut model) = model::inner(shape, relations, &mut Random::new(1));
        order(&graph, &mut model, &exact()).unwrap().pairs
    };
    for n in [5_usize, 10, 12] {
        let chain = (n * n * n - n) / 6;
        assert_eq!(pairs(Shape::Chain, n), chain);
        assert_eq!(pairs(Shape::Cycle, n), n * (n - 1) * (n - 1) / 2);
        assert_eq!(pairs(Shape::Star, n), (n - 1) << (n - 2));
        let n32 = u32::try_from(n).unwrap();
        assert_eq!(pairs(Shape::Clique, n), 3_usize.pow(n32).div_ceil(2) - (1 << n));
    }
    assert_eq!(pairs(Shape::Chain, 100), (1_000_000 - 100) / 6);
}

#[test]
fn parts_that_nothing_connects_are_multiplied() {
    let edges = [(0, 1), (2, 3), (4, 5)]
        .map(|(left, right)| Edge::new(JoinKind::Inner, &[left], &[right], &[]))
        .to_vec();
    let graph = JoinGraph::new(7, edges).unwrap();
    let mut model = SumOfRows::new(vec![10.0, 20.0, 5.0, 9.0, 3.0, 8.0, 2.0], vec![0.1; 3]);
    let found = order(&graph, &mut model, &Budget::default()).unwrap();
    let best = exhaustive(&graph, &mut model).unwrap();
    assert_eq!(found.method, Method::Exact);
    assert!((found.entry.cost - best.entry.cost).abs() < 1e-9);
    let greedy = order(&graph, &mut model, &Budget { exact: 0, pairs: 1000 }).unwrap();
    assert!(greedy.entry.set == found.entry.set && greedy.entry.cost >= found.entry.cost * 0.999);
}

#[test]
fn bad_graphs_are_refused() {
    let refused = |relations, left: &[usize], right: &[usize]| {
        let edge = Edge::new(JoinKind::Inner, left, right, &[]);
        JoinGraph::new(relations, vec![edge]).unwrap_err().to_string()
    };
    assert!(refused(2, &[0], &[]).contains("edge 0 has an empty side"));
    assert!(refused(2, &[0], &[2]).contains("relation 2 of 2"));
    assert!(refused(2, &[0, 1], &[1]).contains("relation 1 on both sides"));
    let none = JoinGraph::new(0, Vec::new()).unwrap();
    let mut model = SumOfRows::new(Vec::new(), Vec::new());
    assert!(order(&none, &mut model, &Budget::default()).is_err());
}

/// Costs of orders found with a budget beside those of the best, for so many seeds: ascending.
fn losses(shape: Shape, relations_max: usize, seeds: u64, budget: &Budget) -> Vec<f64> {
    let mut losses: Vec<f64> = (0..seeds)
        .map(|seed| {
            let mut random = Random::new(seed);
            let relations = 4 + random.below(relations_max - 3);
            let (graph, mut model) = model::inner(shape, relations, &mut random);
            let best = order(&graph, &mut model, &exact()).unwrap();
            let found = order(&graph, &mut model, budget).unwrap();
            assert_ne!(found.method, Method::Exact);
            assert!(found.pairs <= budget.pairs, "{shape:?}, seed {seed}: {} pairs", found.pairs);
            found.entry.cost / best.entry.cost
        })
        .collect();
    losses.sort_by(f64::total_cmp);
    assert!(losses[0] > 1.0 - 1e-9, "{shape:?}: nothing is better than the best: {}", losses[0]);
    losses
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// A thousand seeds with `LIGHTNING_JOIN_SEEDS=20000`.
#[test]
fn linearised_orders_lose_little() {
    let seeds = oracle::seeds();
    let seeds = (seeds.end - seeds.start) / 20 + 10;
    for shape in Shape::ALL {
        let relations = if shape == Shape::Clique { 10 } else { 14 };
        let found = losses(shape, relations, seeds, &Budget { exact: 0, ..Budget::default() });
        let (p99, max) = (percentile(&found, 99), found[found.len() - 1]);
        println!("{shape:?}: p50 {}, p99 {p99}, max {max}", percentile(&found, 50));
        assert!(p99 <= 1.05, "{shape:?}: p99 {p99}, max {max}");
    }
}
