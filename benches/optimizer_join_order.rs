//! How long does it take to find a join order?
//!
//! Inner joins of relations of 10 to 1,000,000 rows (uniform logarithm, seed 1), most on keys,
//! under a model that sums the rows of all results (`C_out`). The budget is the one by default.
//! Good: a chain of 10 in 60 us and of 20 in 500 us, a clique of 10 in 4 ms, all three exact; a
//! star of 20 in 5 ms, whose 4,980,736 pairs are past the budget, so that it is linearised; 100
//! relations of any shape in 20 ms, 1,000 in 300 ms. Names say which method was taken.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use lightning_db_benches::mix;
use lightning_db_optimizer::JoinKind;
use lightning_db_optimizer::join::{Budget, Edge, JoinGraph, JoinModel, order};

/// The rows of all results.
struct SumOfRows {
    rows: Vec<f64>,
    selectivity: Vec<f64>,
}

#[derive(Clone, Copy)]
struct Entry {
    rows: f64,
    cost: f64,
}

impl JoinModel for SumOfRows {
    type Entry = Entry;

    fn leaf(&mut self, relation: usize) -> Entry {
        Entry { rows: self.rows[relation], cost: 0.0 }
    }

    fn join(&mut self, _: JoinKind, left: &Entry, right: &Entry, edges: &[usize]) -> Option<Entry> {
        let selectivity: f64 = edges.iter().map(|edge| self.selectivity[*edge]).product();
        let rows = left.rows * right.rows * selectivity;
        Some(Entry { rows, cost: left.cost + right.cost + rows })
    }

    fn cost(&self, entry: &Entry) -> f64 {
        entry.cost
    }

    fn rows(&self, entry: &Entry) -> f64 {
        entry.rows
    }
}

/// A number of a random size between both.
fn spread(seed: u64, from: f64, to: f64) -> f64 {
    let share = f64::from(u32::try_from(mix(seed) >> 32).unwrap_or(0)) / f64::from(u32::MAX);
    from * (to / from).powf(share)
}

fn pairs(shape: &str, relations: usize) -> Vec<(usize, usize)> {
    let chain = (1..relations).map(|it| (it - 1, it));
    match shape {
        "chain" => chain.collect(),
        "star" => (1..relations).map(|it| (0, it)).collect(),
        "cycle" => chain.chain([(0, relations - 1)]).collect(),
        "tree" => (1..relations).map(|it| (below(it as u64 + 1000, it), it)).collect(),
        _ => (0..relations).flat_map(|one| (0..one).map(move |other| (other, one))).collect(),
    }
}

fn below(seed: u64, limit: usize) -> usize {
    usize::try_from(mix(seed) % limit as u64).unwrap_or(0)
}

fn graph(shape: &str, relations: usize) -> (JoinGraph, SumOfRows) {
    let rows: Vec<f64> = (0..relations as u64).map(|it| spread(it, 10.0, 1e6)).collect();
    let mut selectivity = Vec::new();
    let mut edges = Vec::new();
    for (position, (left, right)) in pairs(shape, relations).into_iter().enumerate() {
        let key = 1.0 / rows[left].max(rows[right]);
        let seed = position as u64 + 1_000_000;
        let other = spread(seed, key, (key * 100.0).min(1.0));
        selectivity.push(if below(seed, 3) == 0 { other } else { key });
        edges.push(Edge::new(JoinKind::Inner, &[left], &[right], &[position]));
    }
    let graph = JoinGraph::new(relations, edges).unwrap_or_else(|error| panic!("{error}"));
    (graph, SumOfRows { rows, selectivity })
}

const CASES: [(&str, &[usize]); 5] = [
    ("chain", &[5, 10, 20, 40, 100, 1_000]),
    ("star", &[10, 20, 100, 1_000]),
    ("cycle", &[10, 20, 100, 1_000]),
    ("tree", &[20, 100, 1_000]),
    ("clique", &[10, 20, 100]),
];

fn join_order(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("optimizer_join_order");
    group.sample_size(20);
    for (shape, sizes) in CASES {
        for relations in sizes {
            let (graph, mut model) = graph(shape, *relations);
            let budget = Budget::default();
            let found = order(&graph, &mut model, &budget);
            let method = found.unwrap_or_else(|error| panic!("{error}")).method;
            group.bench_function(format!("{shape}/n={relations}/{method:?}"), |bencher| {
                bencher.iter(|| order(black_box(&graph), &mut model, &budget));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, join_order);
criterion_main!(benches);
