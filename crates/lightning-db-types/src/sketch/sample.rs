//! Some of many values, each with the same chance.
//!
//! Source: Vitter, "Random sampling with a reservoir", TOMS 11(1), 1985, algorithm R.

use crate::rng::Rng;

/// Up to `capacity` of all items that were offered, each with the same chance.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Sample<T> {
    capacity: usize,
    seen: u64,
    items: Vec<T>,
}

impl<T: Clone> Sample<T> {
    /// An empty sample.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, seen: 0, items: Vec::new() }
    }

    /// Offers an item, which is made only if it is taken.
    pub fn offer(&mut self, rng: &dyn Rng, make: impl FnOnce() -> T) {
        self.seen += 1;
        if self.items.len() < self.capacity {
            self.items.push(make());
            return;
        }
        let place = usize::try_from(rng.below(self.seen)).unwrap_or(usize::MAX);
        if let Some(slot) = self.items.get_mut(place) {
            *slot = make();
        }
    }

    /// Items that were offered.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The items that were taken, in no order.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// The same sample of the items that a function makes of these.
    pub fn map<U>(&self, make: impl FnMut(&T) -> U) -> Sample<U> {
        let items = self.items.iter().map(make).collect();
        Sample { capacity: self.capacity, seen: self.seen, items }
    }

    /// Makes it a sample of what both have seen.
    pub fn merge(&mut self, other: &Self, rng: &dyn Rng) {
        let (mut own, mut others) = (std::mem::take(&mut self.items), other.items.clone());
        let (mut own_seen, mut other_seen) = (self.seen, other.seen);
        self.capacity = self.capacity.max(other.capacity);
        self.seen += other.seen;
        while self.items.len() < self.capacity && !(own.is_empty() && others.is_empty()) {
            // Draws from each side as often as it stands for items; none is drawn twice.
            let from_own = rng.below(own_seen + other_seen) < own_seen;
            let take_own = (from_own && !own.is_empty()) || others.is_empty();
            let (from, seen) =
                if take_own { (&mut own, &mut own_seen) } else { (&mut others, &mut other_seen) };
            let place = usize::try_from(rng.below(from.len() as u64)).unwrap_or(0);
            self.items.push(from.swap_remove(place));
            *seen = seen.saturating_sub(1);
        }
    }
}
