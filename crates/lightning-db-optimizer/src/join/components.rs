//! Which relations belong together: union by size over numbers.

use super::graph::Edge;

/// Disjoint sets of the numbers below a limit.
#[derive(Debug, Clone)]
pub(super) struct Disjoint {
    parents: Vec<usize>,
    sizes: Vec<usize>,
}

impl Disjoint {
    /// A set for each number.
    pub(super) fn new(count: usize) -> Self {
        Self { parents: (0..count).collect(), sizes: vec![1; count] }
    }

    /// The number that stands for the set of this one.
    pub(super) fn find(&mut self, mut member: usize) -> usize {
        while self.parents[member] != member {
            self.parents[member] = self.parents[self.parents[member]];
            member = self.parents[member];
        }
        member
    }

    /// The same without making the way shorter.
    pub(super) fn root(&self, mut member: usize) -> usize {
        while self.parents[member] != member {
            member = self.parents[member];
        }
        member
    }

    /// Puts two sets together; gives the number that stands for both.
    pub(super) fn join(&mut self, one: usize, other: usize) -> usize {
        let (mut large, mut small) = (self.find(one), self.find(other));
        if large == small {
            return large;
        }
        if self.sizes[large] < self.sizes[small] {
            (large, small) = (small, large);
        }
        self.parents[small] = large;
        self.sizes[large] += self.sizes[small];
        large
    }

    /// The set of all of these, if they are in one.
    pub(super) fn common(&mut self, mut members: impl Iterator<Item = usize>) -> Option<usize> {
        let first = members.next()?;
        let root = self.find(first);
        members.all(|member| self.find(member) == root).then_some(root)
    }
}

/// Sets of relations that edges connect: each ascending, by smallest member. An edge connects when
/// each of its sides is within one set.
pub(super) fn components(relations: usize, edges: &[Edge]) -> Vec<Vec<usize>> {
    let mut sets = Disjoint::new(relations);
    let mut open: Vec<&Edge> = edges.iter().collect();
    loop {
        let before = open.len();
        open.retain(|edge| {
            let left = sets.common(edge.left().iter().copied());
            let right = sets.common(edge.right().iter().copied());
            let (Some(left), Some(right)) = (left, right) else { return true };
            sets.join(left, right);
            false
        });
        if open.len() == before {
            break;
        }
    }
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut part_of = vec![usize::MAX; relations];
    for relation in 0..relations {
        let root = sets.find(relation);
        if part_of[root] == usize::MAX {
            part_of[root] = parts.len();
            parts.push(Vec::new());
        }
        parts[part_of[root]].push(relation);
    }
    parts
}
