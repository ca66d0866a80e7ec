//! All orders: dynamic programming over the pairs of connected sets.
//!
//! Source: G. Moerkotte, T. Neumann, "Analysis of two existing and one new dynamic programming
//! algorithm for the generation of optimal bushy join trees without cross products", VLDB 2006
//! (connected subgraphs and their complements); "Dynamic programming strikes back", SIGMOD 2008
//! (hyperedges). We list the pairs first and price them afterwards: a list that grows past the
//! limit has cost no call of the model, and pricing needs no look-up by set.

use super::compiled::{Compiled, Fit, bits};
use super::set::Set;
use super::{JoinModel, better};
use crate::query::JoinKind;

/// Sets by number, open-addressed.
#[derive(Debug)]
struct Table<S> {
    sets: Vec<S>,
    /// Number of a set plus one, at a place near that of its hash; zero where there is none.
    slots: Vec<u32>,
    /// A hash is shifted so far for a place.
    shift: u32,
}

impl<S: Set> Table<S> {
    fn new() -> Self {
        Self { sets: Vec::new(), slots: vec![0; 64], shift: 58 }
    }

    /// Number of a set, or the place where it would stand.
    fn find(&self, set: S) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let mut place = usize::try_from(set.hash() >> self.shift).unwrap_or(0);
        loop {
            match self.slots[place & mask] {
                0 => return Err(place & mask),
                number if self.sets[number as usize - 1] == set => return Ok(number - 1),
                _ => place += 1,
            }
        }
    }

    fn insert(&mut self, set: S, place: usize) -> u32 {
        self.sets.push(set);
        let number = number(self.sets.len());
        self.slots[place] = number;
        if self.sets.len() * 2 > self.slots.len() {
            self.slots = vec![0; self.slots.len() * 2];
            self.shift -= 1;
            for position in 0..self.sets.len() {
                if let Err(place) = self.find(self.sets[position]) {
                    self.slots[place] = self::number(position + 1);
                }
            }
        }
        number - 1
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Two sets that are joined, and their union, by number.
type Pair = (u32, u32, u32);

/// The pairs of a graph, each after all pairs that its sides need.
#[derive(Debug)]
pub(super) struct Pairs {
    list: Vec<Pair>,
    sets: usize,
    /// Edges inside of each set, so many words each.
    inside: Vec<u64>,
    /// Number of the set of all members.
    all: u32,
}

/// What listing came to.
#[derive(Debug)]
pub(super) enum Listed {
    /// The pairs.
    All(Pairs),
    /// There are more than the limit.
    TooMany,
    /// The set of all members cannot be made.
    Unreachable,
}

/// The walk over pairs.
struct Walk<'a, S> {
    graph: &'a Compiled<S>,
    table: Table<S>,
    inside: Vec<u64>,
    pairs: Vec<Pair>,
    limit: usize,
    /// Subsets that may still be looked at: hyperedges lead to some that are not connected.
    steps: usize,
}

/// Subsets that are looked at for each pair of the limit.
const STEPS_PER_PAIR: usize = 8;

/// The pairs of a graph, up to a limit. Costs about as much as it finds, at most as much as the
/// limit.
pub(super) fn list<S: Set>(graph: &Compiled<S>, limit: usize) -> Listed {
    // The edges of one member alone give d * 2^(d-1) pairs.
    let degree = graph.near.iter().map(|near| near.len()).max().unwrap_or(0);
    if graph.plain && degree > 1 && degree << (degree - 1).min(40) > limit {
        return Listed::TooMany;
    }
    let mut walk = Walk {
        graph,
        table: Table::new(),
        inside: Vec::new(),
        pairs: Vec::new(),
        limit,
        steps: STEPS_PER_PAIR.saturating_mul(limit).saturating_add(1000),
    };
    for member in 0..graph.count {
        walk.number_of(S::single(member));
    }
    let done = (0..graph.count).rev().all(|member| {
        let set = S::single(member);
        walk.complements_of(set) && walk.grow(set, S::up_to(member))
    });
    if !done {
        return Listed::TooMany;
    }
    match walk.table.find(graph.all()) {
        Ok(all) => Listed::All(Pairs {
            list: walk.pairs,
            sets: walk.table.sets.len(),
            inside: walk.inside,
            all,
        }),
        Err(_) => Listed::Unreachable,
    }
}

// Each step answers whether the limit allows another.
impl<S: Set> Walk<'_, S> {
    fn number_of(&mut self, set: S) -> u32 {
        match self.table.find(set) {
            Ok(number) => number,
            Err(place) => {
                self.graph.push_inside(set, &mut self.inside);
                self.table.insert(set, place)
            }
        }
    }

    /// Members through which a set may grow. An edge to several leads to the first of them.
    fn neighbours(&self, set: S, excluded: S) -> S {
        let blocked = set | excluded;
        let mut found = self.graph.around(set) & !blocked;
        for (near, far) in &self.graph.complex {
            if near.within(set) && !far.meets(blocked) && !far.meets(found) {
                found = found | S::single(far.first());
            }
        }
        found
    }

    fn step(&mut self) -> bool {
        self.steps = self.steps.saturating_sub(1);
        self.steps > 0
    }

    /// Finds the connected sets above a set, and their complements.
    fn grow(&mut self, set: S, excluded: S) -> bool {
        let neighbours = self.neighbours(set, excluded);
        let mut more = S::EMPTY.next_subset(neighbours);
        while !more.is_empty() {
            if !self.step() {
                return false;
            }
            let grown = set | more;
            if self.table.find(grown).is_ok() && !self.complements_of(grown) {
                return false;
            }
            more = more.next_subset(neighbours);
        }
        let mut more = S::EMPTY.next_subset(neighbours);
        while !more.is_empty() {
            if !self.grow(set | more, excluded | neighbours) {
                return false;
            }
            more = more.next_subset(neighbours);
        }
        true
    }

    /// Finds the sets that a connected set may be joined with, of members after its first.
    fn complements_of(&mut self, set: S) -> bool {
        let excluded = set | S::up_to(set.first());
        let mut neighbours = self.neighbours(set, excluded);
        let all = neighbours;
        while !neighbours.is_empty() {
            let last = neighbours.last();
            neighbours = neighbours & !S::single(last);
            let other = S::single(last);
            if self.joined(set, other) && !self.pair(set, other) {
                return false;
            }
            if !self.grow_complement(set, other, excluded | (all & S::up_to(last))) {
                return false;
            }
        }
        true
    }

    fn grow_complement(&mut self, set: S, other: S, excluded: S) -> bool {
        let neighbours = self.neighbours(other, excluded | set);
        let mut more = S::EMPTY.next_subset(neighbours);
        while !more.is_empty() {
            if !self.step() {
                return false;
            }
            let grown = other | more;
            if self.table.find(grown).is_ok() && self.joined(set, grown) && !self.pair(set, grown) {
                return false;
            }
            more = more.next_subset(neighbours);
        }
        let mut more = S::EMPTY.next_subset(neighbours);
        while !more.is_empty() {
            if !self.grow_complement(set, other | more, excluded | neighbours) {
                return false;
            }
            more = more.next_subset(neighbours);
        }
        true
    }

    fn joined(&self, set: S, other: S) -> bool {
        self.graph.connected(self.graph.around(set), set, other)
    }

    /// Adds a pair if it may be joined.
    fn pair(&mut self, set: S, other: S) -> bool {
        let (Ok(one), Ok(two)) = (self.table.find(set), self.table.find(other)) else {
            return true;
        };
        let (mut left, mut right) = (one, two);
        let union;
        if self.graph.plain {
            union = self.number_of(set | other);
        } else {
            // The union is numbered only if it can be made: sets that are known are connected.
            let known = self.table.find(set | other);
            if known.is_err() {
                self.graph.push_inside(set | other, &mut self.inside);
            }
            let words = self.graph.words;
            let at = |number: u32| &self.inside[number as usize * words..][..words];
            let both = known.map_or(&self.inside[self.inside.len() - words..], at);
            let fit = self.graph.fit(set, other, bits(applied(at(one), at(two), both)));
            match (fit, known) {
                (None, Ok(_)) => return true,
                (None, Err(_)) => {
                    self.inside.truncate(self.inside.len() - words);
                    return true;
                }
                (Some(_), Ok(number)) => union = number,
                (Some(_), Err(place)) => union = self.table.insert(set | other, place),
            }
            if fit == Some(Fit::Exchanged) {
                (left, right) = (right, left);
            }
        }
        self.pairs.push((left, right, union));
        self.pairs.len() <= self.limit
    }
}

/// Edges that get inside when two sets become one, as words.
pub(super) fn applied<'a>(
    one: &'a [u64],
    other: &'a [u64],
    both: &'a [u64],
) -> impl Iterator<Item = u64> + 'a {
    both.iter().zip(one.iter().zip(other)).map(|(both, (one, other))| both & !one & !other)
}

impl Pairs {
    /// Number of pairs.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The cheapest entry of all members, if the model takes one.
    pub(super) fn price<S: Set, M: JoinModel>(
        &self,
        graph: &Compiled<S>,
        leaves: Vec<M::Entry>,
        model: &mut M,
    ) -> Option<M::Entry> {
        let mut entries: Vec<Option<M::Entry>> = leaves.into_iter().map(Some).collect();
        entries.resize_with(self.sets, || None);
        let words = graph.words;
        let at = |number: u32| &self.inside[number as usize * words..][..words];
        let mut edges = Vec::new();
        for (one, other, both) in &self.list {
            let (Some(left), Some(right)) = (&entries[*one as usize], &entries[*other as usize])
            else {
                continue;
            };
            let mut kind = JoinKind::Inner;
            edges.clear();
            for edge in bits(applied(at(*one), at(*other), at(*both))) {
                kind = graph.edges[edge].kind;
                edges.push(graph.edges[edge].position);
            }
            if let Some(made) = model.join(kind, left, right, &edges) {
                let kept = entries[*both as usize].take();
                entries[*both as usize] = Some(better(model, kept, made));
            }
        }
        entries.swap_remove(self.all as usize)
    }
}
