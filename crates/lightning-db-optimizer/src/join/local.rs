//! A tree made better piece by piece.
//!
//! Source: T. Neumann, B. Radke, "Adaptive optimization of very large join queries", SIGMOD 2018,
//! section 4, after D. Kossmann, K. Stocker, "Iterative dynamic programming", TODS 2000: pieces of
//! the greedy tree are ordered anew. We go from the leaves to the root, once, so that each join is
//! in one piece.

use super::compiled::{Compiled, OUTSIDE};
use super::components::Disjoint;
use super::exact::{Listed, list};
use super::graph::JoinGraph;
use super::linear::{density, linear, pairs_max};
use super::tree::Tree;
use super::{JoinModel, better};

/// Most members of a piece: those of a word.
const MEMBERS_MAX: usize = 64;

/// Relations that are joined already, as a member of a piece.
struct Member<E> {
    /// One of the relations.
    relation: usize,
    /// Edges that leave it, and perhaps some that do not.
    leaving: Vec<u32>,
    entry: E,
}

/// A node of the tree: the members of the piece that it is the root of, from left to right.
struct Piece<E> {
    members: Vec<Member<E>>,
    entry: E,
}

struct Local<'a, M: JoinModel> {
    graph: &'a JoinGraph,
    model: &'a mut M,
    /// Relations of a member are one set.
    sets: Disjoint,
    /// Member of the piece at hand, for the relation that stands for a set.
    member: Vec<u32>,
    /// Joins that are in no piece yet.
    joins: usize,
    budget: usize,
    pairs: usize,
}

/// The entry of a tree whose pieces are ordered anew, with the number of pairs that were priced: at
/// most about `budget`, but at least one for each join.
pub(super) fn improve<M: JoinModel>(
    graph: &JoinGraph,
    tree: &Tree,
    leaves: &[M::Entry],
    model: &mut M,
    budget: usize,
) -> (Option<M::Entry>, usize) {
    let relations = graph.relations();
    let mut local = Local {
        graph,
        model,
        sets: Disjoint::new(relations),
        member: vec![OUTSIDE; relations],
        joins: relations.saturating_sub(1),
        budget: budget.saturating_sub(tree.joins.len()),
        pairs: 0,
    };
    let entry = local.tree(tree, leaves);
    (entry, local.pairs)
}

/// The size of pieces whose intervals together make about so many pairs, or take as long.
fn members_max(budget: usize, relations: usize, edges: usize) -> usize {
    let each = 6 * budget / relations.max(1) / density(relations, edges);
    each.isqrt().clamp(2, MEMBERS_MAX)
}

impl<M: JoinModel> Local<'_, M> {
    fn tree(&mut self, tree: &Tree, leaves: &[M::Entry]) -> Option<M::Entry> {
        let most = members_max(self.budget, leaves.len(), self.graph.edges().len());
        let leaving = self.graph.leaving();
        let pieces = leaves.iter().zip(leaving).enumerate().map(|(relation, (entry, leaving))| {
            let member = Member { relation, leaving, entry: entry.clone() };
            Some(Piece { members: vec![member], entry: entry.clone() })
        });
        let mut pieces: Vec<Option<Piece<M::Entry>>> = pieces.collect();
        for join in &tree.joins {
            let (mut left, mut right) = (pieces[join.left].take()?, pieces[join.right].take()?);
            while left.members.len() + right.members.len() > most {
                if left.members.len() >= right.members.len() {
                    left = self.collapse(left);
                } else {
                    right = self.collapse(right);
                }
            }
            self.pairs += 1;
            let entry = self.model.join(join.kind, &left.entry, &right.entry, &join.edges)?;
            left.members.extend(right.members);
            pieces.push(Some(Piece { members: left.members, entry }));
        }
        let root = pieces.pop().flatten()?;
        Some(self.collapse(root).entry)
    }

    /// Orders the members of a piece, and makes them one.
    fn collapse(&mut self, piece: Piece<M::Entry>) -> Piece<M::Entry> {
        let Piece { members, entry } = piece;
        let joins = members.len() - 1;
        let share = self.budget.saturating_sub(self.pairs) / self.joins.max(1) * joins;
        let mut edges: Vec<u32> =
            members.iter().flat_map(|it| it.leaving.iter().copied()).collect();
        edges.sort_unstable();
        edges.dedup();
        let found = if joins > 1 { self.order(&members, &edges, share) } else { None };
        self.joins -= joins;
        let entry = match found {
            Some(found) => better(self.model, Some(entry), found),
            None => entry,
        };
        let relation = members[0].relation;
        for member in &members {
            self.sets.join(relation, member.relation);
        }
        edges.retain(|edge| {
            let edge = self.graph.edge(*edge as usize);
            self.sets.common(edge.relations()).is_none()
        });
        let member = Member { relation, leaving: edges, entry: entry.clone() };
        Piece { members: vec![member], entry }
    }

    /// The best order of members that the budget lets it find.
    fn order(
        &mut self,
        members: &[Member<M::Entry>],
        edges: &[u32],
        budget: usize,
    ) -> Option<M::Entry> {
        for (number, member) in members.iter().enumerate() {
            let root = self.sets.find(member.relation);
            self.member[root] = u32::try_from(number).unwrap_or(OUTSIDE);
        }
        let member_of = |relation: usize| self.member[self.sets.root(relation)];
        let graph = Compiled::<u64>::new(self.graph, members.len(), edges, &member_of);
        for member in members {
            let root = self.sets.find(member.relation);
            self.member[root] = OUTSIDE;
        }
        let leaves: Vec<M::Entry> = members.iter().map(|member| member.entry.clone()).collect();
        // Pairs that are listed in vain take time too.
        match list(&graph, budget.min(2 * pairs_max(members.len()))) {
            Listed::All(pairs) => {
                self.pairs += pairs.len();
                pairs.price(&graph, leaves, self.model)
            }
            Listed::TooMany if pairs_max(members.len()) <= budget => {
                let sequence: Vec<usize> = (0..members.len()).collect();
                let (entry, pairs) = linear(&graph, &sequence, &leaves, self.model);
                self.pairs += pairs;
                entry
            }
            Listed::TooMany | Listed::Unreachable => None,
        }
    }
}
