//! Small sets of relations: the bits of a word.

use std::fmt::Debug;
use std::ops::{BitAnd, BitOr, Not};

/// A set of numbers below [`CAPACITY`](Set::CAPACITY).
pub(super) trait Set:
    Copy + Eq + Debug + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self>
{
    /// The set without members.
    const EMPTY: Self;

    /// The set with one member.
    fn single(member: usize) -> Self;

    /// All members up to this one.
    fn up_to(member: usize) -> Self;

    /// The smallest member; the capacity if there is none.
    fn first(self) -> usize;

    /// The largest member, of a set that has one.
    fn last(self) -> usize;

    /// Number of members.
    fn len(self) -> usize;

    /// The subset of `of` that follows this one; after the last comes the empty set. Begun with the
    /// empty set, a subset comes after all of its own subsets.
    fn next_subset(self, of: Self) -> Self;

    /// A hash whose high bits are good.
    fn hash(self) -> u64;

    /// Whether it has no members.
    fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// Whether all members are in the other.
    fn within(self, other: Self) -> bool {
        self & other == self
    }

    /// Whether a member is in the other.
    fn meets(self, other: Self) -> bool {
        !(self & other).is_empty()
    }

    /// Members, ascending.
    fn members(self) -> Members<Self> {
        Members(self)
    }
}

/// Members of a set, ascending.
pub(super) struct Members<S>(S);

impl<S: Set> Iterator for Members<S> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0.is_empty() {
            return None;
        }
        let first = self.0.first();
        self.0 = self.0 & !S::single(first);
        Some(first)
    }
}

/// An odd number near 2^64 divided by the golden ratio: products spread over the high bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Set for u64 {
    const EMPTY: Self = 0;

    fn single(member: usize) -> Self {
        1 << member
    }

    fn up_to(member: usize) -> Self {
        u64::MAX >> (63 - member)
    }

    fn first(self) -> usize {
        self.trailing_zeros() as usize
    }

    fn last(self) -> usize {
        63 - self.leading_zeros() as usize
    }

    fn len(self) -> usize {
        self.count_ones() as usize
    }

    fn next_subset(self, of: Self) -> Self {
        self.wrapping_sub(of) & of
    }

    fn hash(self) -> u64 {
        self.wrapping_mul(SPREAD)
    }
}

impl Set for u128 {
    const EMPTY: Self = 0;

    fn single(member: usize) -> Self {
        1 << member
    }

    fn up_to(member: usize) -> Self {
        u128::MAX >> (127 - member)
    }

    fn first(self) -> usize {
        self.trailing_zeros() as usize
    }

    fn last(self) -> usize {
        127 - self.leading_zeros() as usize
    }

    fn len(self) -> usize {
        self.count_ones() as usize
    }

    fn next_subset(self, of: Self) -> Self {
        self.wrapping_sub(of) & of
    }

    fn hash(self) -> u64 {
        let half = |word: u128| u64::try_from(word).unwrap_or(0);
        let (low, high) = (half(self & u128::from(u64::MAX)), half(self >> 64));
        (low ^ high.wrapping_mul(SPREAD).rotate_left(32)).wrapping_mul(SPREAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<S: Set>(capacity: usize) {
        let set = S::single(2) | S::single(5) | S::single(capacity - 1);
        assert_eq!(set.members().collect::<Vec<_>>(), [2, 5, capacity - 1]);
        assert_eq!((set.first(), set.last(), set.len()), (2, capacity - 1, 3));
        assert!(set.within(S::up_to(capacity - 1)) && !set.within(S::up_to(capacity - 2)));
        assert!(set.meets(S::single(5)) && !set.meets(S::single(4)));
        let mut subsets = vec![S::EMPTY];
        loop {
            let next = subsets[subsets.len() - 1].next_subset(set);
            if next.is_empty() {
                break;
            }
            subsets.push(next);
        }
        assert_eq!(subsets.len(), 8);
        for (position, subset) in subsets.iter().enumerate() {
            assert!(subset.within(set));
            assert!(!subsets[position + 1..].iter().any(|later| later.within(*subset)));
        }
    }

    #[test]
    fn words_are_sets() {
        check::<u64>(64);
        check::<u128>(128);
    }
}
