//! Sets of the leaves of a block.

use std::rc::Rc;

/// A set of leaves. Sets of one block are equal if they have the same form and content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Leaves {
    /// Of the first 64, as bits.
    Few(u64),
    /// Some of many, ascending.
    List(Rc<[u32]>),
    /// Many of many, as bits of words.
    Words(Rc<[u64]>),
}

/// Some leaves that are looked for in many sets.
#[derive(Debug, Clone)]
pub(super) struct LeafList {
    list: Vec<usize>,
    /// Those among the first 64, as bits: all of them where sets are of this form.
    bits: u64,
}

impl From<Vec<usize>> for LeafList {
    fn from(list: Vec<usize>) -> Self {
        let few = list.iter().filter(|leaf| **leaf < 64);
        let bits = few.fold(0, |bits, leaf| bits | 1 << leaf);
        Self { list, bits }
    }
}

/// Words for so many leaves.
fn words(count: usize) -> usize {
    count.div_ceil(64)
}

impl Leaves {
    /// One leaf, in a block of so many.
    pub(super) fn single(leaf: usize, count: usize) -> Self {
        if count <= 64 {
            return Self::Few(1 << leaf);
        }
        Self::of_list(vec![super::joiner::number(leaf)], count)
    }

    /// A list as long as the words would be is kept as words.
    fn of_list(list: Vec<u32>, count: usize) -> Self {
        if list.len() < 2 * words(count) {
            return Self::List(list.into());
        }
        let mut all = vec![0; words(count)];
        for leaf in list {
            all[leaf as usize / 64] |= 1 << (leaf % 64);
        }
        Self::Words(all.into())
    }

    /// The leaves of both, which have none in common, in a block of so many.
    pub(super) fn union(&self, other: &Self, count: usize) -> Self {
        match (self, other) {
            (Self::Few(one), Self::Few(other)) => Self::Few(one | other),
            (Self::List(one), Self::List(other)) => {
                let mut both = [&one[..], other].concat();
                both.sort_unstable();
                Self::of_list(both, count)
            }
            (Self::Words(one), Self::Words(other)) => {
                Self::Words(one.iter().zip(&other[..]).map(|(one, other)| one | other).collect())
            }
            (Self::Words(many), Self::List(some)) | (Self::List(some), Self::Words(many)) => {
                let mut all = many.to_vec();
                for leaf in some.iter() {
                    all[*leaf as usize / 64] |= 1 << (leaf % 64);
                }
                Self::Words(all.into())
            }
            // All sets of a block are of few leaves, or none is.
            (one, _) => one.clone(),
        }
    }

    /// Whether all of these leaves are in the set.
    #[inline]
    pub(super) fn contain(&self, leaves: &LeafList) -> bool {
        let mut all = leaves.list.iter();
        match self {
            Self::Few(bits) => leaves.bits & !bits == 0,
            Self::List(list) => {
                all.all(|leaf| list.binary_search(&super::joiner::number(*leaf)).is_ok())
            }
            Self::Words(words) => all.all(|leaf| words[leaf / 64] >> (leaf % 64) & 1 == 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_all_forms_hold_what_was_put_in() {
        for count in [64, 65, 1_000] {
            let of = |leaves: &[usize]| {
                let sets = leaves.iter().map(|leaf| Leaves::single(*leaf, count));
                sets.reduce(|one, other| one.union(&other, count)).unwrap()
            };
            let all: Vec<usize> = (0..count).step_by(2).collect();
            let (some, rest) = all.split_at(3);
            let set = of(&all);
            let holds = |set: &Leaves, leaves: &[usize]| set.contain(&leaves.to_vec().into());
            assert!(holds(&set, &all) && !holds(&set, &[1]) && !holds(&set, &[0, 63]), "{count}");
            assert_eq!(set, of(rest).union(&of(some), count));
            assert_eq!(set, of(some).union(&of(rest), count));
            assert!(holds(&of(some), some) && !holds(&of(some), &[0, 6]));
            let backwards: Vec<usize> = all.iter().rev().copied().collect();
            assert_eq!(set, of(&backwards));
        }
    }
}
