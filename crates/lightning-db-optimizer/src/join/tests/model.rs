//! A model that counts rows, random graphs, and exhaustive search.

use std::collections::BTreeMap;

use crate::join::compiled::{Compiled, Fit, bits};
use crate::join::exact::applied;
use crate::join::{Edge, JoinGraph, JoinModel};
use crate::query::JoinKind;

/// Costs are the rows of all results: `C_out`.
#[derive(Debug, Clone)]
pub(super) struct SumOfRows {
    rows: Vec<f64>,
    selectivity: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) rows: f64,
    pub(super) cost: f64,
    pub(super) set: u128,
    /// Sum of a number for each relation, and for each edge that was applied.
    pub(super) parts: u64,
}

impl SumOfRows {
    pub(super) fn new(rows: Vec<f64>, selectivity: Vec<f64>) -> Self {
        Self { rows, selectivity }
    }
}

fn part(class: u64, number: usize) -> u64 {
    Random::new(2 * u64::try_from(number).unwrap() + class).next()
}

/// What the parts of an entry of a whole graph are.
pub(super) fn all_parts(graph: &JoinGraph) -> u64 {
    let relations = (0..graph.relations()).map(|relation| part(0, relation));
    let edges = (0..graph.edges().len()).map(|edge| part(1, edge));
    relations.chain(edges).fold(0, u64::wrapping_add)
}

impl JoinModel for SumOfRows {
    type Entry = Entry;

    fn leaf(&mut self, relation: usize) -> Entry {
        let set = 1_u128.checked_shl(u32::try_from(relation).unwrap()).unwrap_or(0);
        Entry { rows: self.rows[relation], cost: 0.0, set, parts: part(0, relation) }
    }

    fn join(
        &mut self,
        kind: JoinKind,
        left: &Entry,
        right: &Entry,
        edges: &[usize],
    ) -> Option<Entry> {
        assert_eq!(left.set & right.set, 0);
        let selectivity: f64 = edges.iter().map(|edge| self.selectivity[*edge]).product();
        let pairs = left.rows * right.rows * selectivity;
        let rows = match kind {
            JoinKind::Inner => pairs,
            JoinKind::Left => pairs.max(left.rows),
            JoinKind::Full => pairs.max(left.rows + right.rows),
            JoinKind::Semi => left.rows * (right.rows * selectivity).min(1.0),
            JoinKind::Anti => left.rows * (1.0 - (right.rows * selectivity).min(0.9)),
            JoinKind::Mark(_) | JoinKind::Single => left.rows,
        };
        let cost = left.cost + right.cost + rows;
        let applied = edges.iter().fold(0, |sum: u64, edge| sum.wrapping_add(part(1, *edge)));
        let parts = left.parts.wrapping_add(right.parts).wrapping_add(applied);
        Some(Entry { rows, cost, set: left.set | right.set, parts })
    }

    fn cost(&self, entry: &Entry) -> f64 {
        entry.cost
    }

    fn rows(&self, entry: &Entry) -> f64 {
        entry.rows
    }
}

/// Numbers of a seed: `SplitMix64`.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    /// A number of a random size between both: its logarithm is uniform.
    pub(super) fn spread(&mut self, from: f64, to: f64) -> f64 {
        let share = f64::from(u32::try_from(self.next() >> 32).unwrap()) / f64::from(u32::MAX);
        from * (to / from).powf(share)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Chain,
    Star,
    Cycle,
    Clique,
    Tree,
}

impl Shape {
    pub(super) const ALL: [Self; 5] =
        [Self::Chain, Self::Star, Self::Cycle, Self::Clique, Self::Tree];

    pub(super) fn edges(self, relations: usize, random: &mut Random) -> Vec<(usize, usize)> {
        let chain = (1..relations).map(|it| (it - 1, it));
        match self {
            Self::Star => (1..relations).map(|it| (0, it)).collect(),
            Self::Cycle if relations > 2 => chain.chain([(0, relations - 1)]).collect(),
            Self::Chain | Self::Cycle => chain.collect(),
            Self::Clique => {
                (0..relations).flat_map(|one| (0..one).map(move |other| (other, one))).collect()
            }
            Self::Tree => (1..relations).map(|it| (random.below(it), it)).collect(),
        }
    }
}

/// A graph of inner joins with random rows. Selectivities are those of keys, now and then others.
pub(super) fn inner(shape: Shape, relations: usize, random: &mut Random) -> (JoinGraph, SumOfRows) {
    let pairs = shape.edges(relations, random);
    let rows: Vec<f64> = (0..relations).map(|_| random.spread(10.0, 1e6).round()).collect();
    let mut selectivity = Vec::new();
    let mut edges = Vec::new();
    for (position, (left, right)) in pairs.iter().enumerate() {
        let key = 1.0 / rows[*left].max(rows[*right]);
        let other = random.spread(key, 1.0_f64.min(key * 100.0));
        selectivity.push(if random.below(3) == 0 { other } else { key });
        edges.push(Edge::new(JoinKind::Inner, &[*left], &[*right], &[position]));
    }
    (JoinGraph::new(relations, edges).unwrap(), SumOfRows::new(rows, selectivity))
}

/// What exhaustive search found.
pub(super) struct Best {
    pub(super) entry: Entry,
    pub(super) pairs: usize,
}

/// The cheapest of all trees: every split of every set.
pub(super) fn exhaustive(graph: &JoinGraph, model: &mut SumOfRows) -> Option<Best> {
    [false, true].into_iter().find_map(|with_crosses| {
        let compiled = Compiled::<u64>::whole(graph, with_crosses);
        let mut best: BTreeMap<u64, Entry> = BTreeMap::new();
        let mut pairs = 0;
        for relation in 0..graph.relations() {
            best.insert(1 << relation, model.leaf(relation));
        }
        for set in 1..1_u64 << graph.relations() {
            for one in (1..set).filter(|one| one & set == *one && *one < set ^ one) {
                let other = set ^ one;
                let (Some(left), Some(right)) = (best.get(&one), best.get(&other)) else {
                    continue;
                };
                let Some((kind, fit, edges)) = joined(&compiled, one, other) else { continue };
                let (left, right) = if fit == Fit::AsGiven { (left, right) } else { (right, left) };
                pairs += 1;
                let made = model.join(kind, left, right, &edges).unwrap();
                if best.get(&set).is_none_or(|kept| made.cost < kept.cost) {
                    best.insert(set, made);
                }
            }
        }
        let entry = best.remove(&((1 << graph.relations()) - 1))?;
        Some(Best { entry, pairs })
    })
}

/// How two sets may be joined, with the edges that are applied.
pub(super) fn joined(
    graph: &Compiled<u64>,
    one: u64,
    other: u64,
) -> Option<(JoinKind, Fit, Vec<usize>)> {
    let mut words = Vec::new();
    for set in [one, other, one | other] {
        graph.push_inside(set, &mut words);
    }
    let count = graph.words;
    let edges: Vec<usize> =
        bits(applied(&words[..count], &words[count..2 * count], &words[2 * count..])).collect();
    let fit = graph.fit(one, other, edges.iter().copied())?;
    let kind = edges.first().map_or(JoinKind::Inner, |edge| graph.edges[*edge].kind);
    Some((kind, fit, edges.iter().map(|edge| graph.edges[*edge].position).collect()))
}
