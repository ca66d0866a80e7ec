//! Many relations: the budget is obeyed, and nothing depends on chance.

use super::model::{self, Random, Shape, SumOfRows, all_parts};
use crate::join::{Budget, Condition, Edge, JoinGraph, JoinTree, Method, order};
use crate::query::JoinKind;

#[test]
fn the_budget_is_obeyed() {
    for shape in Shape::ALL {
        for relations in [9, 20, 70, 200] {
            if shape == Shape::Clique && relations > 70 {
                continue;
            }
            let (graph, mut model) = model::inner(shape, relations, &mut Random::new(7));
            for pairs in [0, 3_000, 200_000] {
                let budget = Budget { exact: pairs / 4, pairs };
                let found = order(&graph, &mut model, &budget).unwrap();
                let most = (pairs / 10 * 11).max(4 * relations);
                let what = format!("{shape:?} of {relations}, {pairs} pairs: {}", found.pairs);
                assert!(found.pairs <= most, "{what} by {:?}", found.method);
                assert_eq!(found.entry.parts, all_parts(&graph), "{what}");
                assert_eq!(found, order(&graph, &mut model, &budget).unwrap(), "{what}");
            }
        }
    }
}

#[test]
fn a_larger_budget_gives_no_worse_tree_of_a_chain() {
    let (graph, mut model) = model::inner(Shape::Chain, 40, &mut Random::new(3));
    let costs = [0, 1_000, 30_000, 200_000].map(|pairs| {
        let budget = Budget { exact: if pairs > 100_000 { pairs } else { 0 }, pairs };
        order(&graph, &mut model, &budget).unwrap().entry.cost
    });
    assert!(costs.is_sorted_by(|one, other| *one >= other * (1.0 - 1e-9)), "{costs:?}");
}

/// A graph of ten thousand relations.
fn check(edges: Vec<(usize, usize)>) {
    let relations = 10_000;
    let mut random = Random::new(11);
    let rows = (0..relations).map(|_| random.spread(10.0, 1e6)).collect();
    let selectivity = edges.iter().map(|_| random.spread(1e-6, 1e-3)).collect();
    let edges = edges.into_iter().enumerate().map(|(position, (left, right))| {
        Edge::new(JoinKind::Inner, &[left], &[right], &[position])
    });
    let graph = JoinGraph::new(relations, edges.collect()).unwrap();
    let mut model = SumOfRows::new(rows, selectivity);
    let found = order(&graph, &mut model, &Budget::default()).unwrap();
    assert_eq!(found.method, Method::Greedy);
    assert_eq!(found.entry.parts, all_parts(&graph));
    assert!(found.pairs <= 220_000, "{} pairs", found.pairs);
}

#[test]
fn ten_thousand_relations_are_joined() {
    let mut random = Random::new(5);
    check(Shape::Star.edges(10_000, &mut random));
    let mut dense = Shape::Cycle.edges(10_000, &mut random);
    dense.extend((0..20_000).map(|_| {
        let one = random.below(9_999);
        (one, one + 1 + random.below(9_999 - one))
    }));
    check(dense);
    check(Vec::new());
}

/// A tree of left joins, each against the relation that `partner` gives.
fn left_joins(relations: usize, partner: impl Fn(usize) -> usize) -> JoinGraph {
    let mut tree = JoinTree::new();
    let mut root = tree.leaf();
    for relation in 1..relations {
        let right = tree.leaf();
        let condition = Condition {
            handle: relation,
            relations: vec![partner(relation), relation],
            rejects: Vec::new(),
        };
        root = tree.join(JoinKind::Left, root, right, vec![condition]);
    }
    JoinGraph::of_tree(&tree, root).unwrap()
}

#[test]
fn many_outer_joins_are_ordered_or_kept() {
    for (relations, method) in
        [(60, Method::Exact), (300, Method::Greedy), (10_000, Method::AsWritten)]
    {
        let graph = left_joins(relations, |relation| relation - 1);
        let mut model = SumOfRows::new(vec![10.0; relations], vec![0.1; relations]);
        let found = order(&graph, &mut model, &Budget::default()).unwrap();
        assert_eq!((found.method, found.entry.parts), (method, all_parts(&graph)));
    }
}
