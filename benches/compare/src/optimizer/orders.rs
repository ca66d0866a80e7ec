//! What linearised dynamic programming loses against all orders.
//!
//! Inner joins of 4 to 16 relations (12 in a clique) of 10 to 1,000,000 rows, most on keys, under a
//! model that sums the rows of all results. Each seed is another graph.

use anyhow::{Context as _, Result};
use lightning_db_optimizer::JoinKind;
use lightning_db_optimizer::join::{Budget, Edge, JoinGraph, JoinModel, Method, order};
use lightning_db_types::{Rng as _, SeededRng};

/// Shapes of graphs, with the most relations that they are tried with.
pub(crate) const SHAPES: [(&str, u64); 5] =
    [("chain", 16), ("star", 16), ("cycle", 16), ("tree", 16), ("clique", 12)];

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
fn spread(rng: &SeededRng, from: f64, to: f64) -> f64 {
    from * (to / from).powf(rng.below(1 << 20) as f64 / f64::from(1 << 20))
}

fn edges(shape: &str, relations: usize, rng: &SeededRng) -> Vec<(usize, usize)> {
    let chain = (1..relations).map(|it| (it - 1, it));
    let below = |limit: usize| usize::try_from(rng.below(limit as u64)).unwrap_or(0);
    match shape {
        "chain" => chain.collect(),
        "star" => (1..relations).map(|it| (0, it)).collect(),
        "cycle" => chain.chain([(0, relations - 1)]).collect(),
        "tree" => (1..relations).map(|it| (below(it), it)).collect(),
        _ => (0..relations).flat_map(|one| (0..one).map(move |other| (other, one))).collect(),
    }
}

fn graph(shape: &str, most: u64, seed: u64) -> Result<(JoinGraph, SumOfRows)> {
    let rng = SeededRng::new(seed);
    let relations = usize::try_from(4 + rng.below(most - 3))?;
    let rows: Vec<f64> = (0..relations).map(|_| spread(&rng, 10.0, 1e6)).collect();
    let (mut selectivity, mut made) = (Vec::new(), Vec::new());
    for (position, (left, right)) in edges(shape, relations, &rng).into_iter().enumerate() {
        let key = 1.0 / rows[left].max(rows[right]);
        let other = spread(&rng, key, (key * 100.0).min(1.0));
        selectivity.push(if rng.one_in(3) { other } else { key });
        made.push(Edge::new(JoinKind::Inner, &[left], &[right], &[position]));
    }
    Ok((JoinGraph::new(relations, made)?, SumOfRows { rows, selectivity }))
}

/// How many times as much the order costs that is found without looking at all of them, for so many
/// graphs of a shape, in ascending order.
///
/// # Errors
///
/// Does not happen: every graph has an order.
pub(crate) fn losses(shape: &str, most: u64, seeds: u64) -> Result<Vec<f64>> {
    let all = Budget { exact: usize::MAX, pairs: usize::MAX };
    let some = Budget { exact: 0, ..Budget::default() };
    let mut losses = Vec::new();
    for seed in 0..seeds {
        let (graph, mut model) = graph(shape, most, seed)?;
        let exact = order(&graph, &mut model, &all)?;
        let found = order(&graph, &mut model, &some)?;
        let exact_is = exact.method == Method::Exact && found.method == Method::Linearised;
        exact_is.then_some(()).context("the budgets did not choose the methods")?;
        losses.push((found.entry.cost / exact.entry.cost).max(1.0));
    }
    losses.sort_by(f64::total_cmp);
    Ok(losses)
}
