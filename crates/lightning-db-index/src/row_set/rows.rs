//! Rows as 32-bit bitmaps, one for each upper half of their numbers.
//!
//! Nearly all tables have one upper half. It stands by itself, so that making a set of a few
//! containers allocates nothing else: a tree would cost more than many an intersection.

use roaring::{RoaringBitmap, RoaringTreemap};

/// Upper half of the numbers, and the lower halves.
pub(crate) type Part = (u32, RoaringBitmap);

/// Bitmaps by upper half, ascending; none is empty, but the first if there are no rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    first: Part,
    more: Vec<Part>,
}

impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        // The upper half of no rows means nothing.
        (self.is_empty() && other.is_empty())
            || (self.first == other.first && self.more == other.more)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "each half keeps its 32 bits")]
fn split(row_id: u64) -> (u32, u32) {
    ((row_id >> 32) as u32, row_id as u32)
}

fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

impl Rows {
    /// Of parts, by ascending upper half; empty ones are left out.
    pub(crate) fn of_parts(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut parts = parts.into_iter().filter(|(_, bitmap)| !bitmap.is_empty());
        let first = parts.next().unwrap_or_default();
        Self { first, more: parts.collect() }
    }

    /// The parts.
    pub(crate) fn parts(&self) -> impl DoubleEndedIterator<Item = (u32, &RoaringBitmap)> {
        std::iter::once(&self.first).chain(&self.more).map(|(high, bitmap)| (*high, bitmap))
    }

    fn part(&self, high: u32) -> Option<&RoaringBitmap> {
        if self.first.0 == high {
            return Some(&self.first.1);
        }
        let at = self.more.binary_search_by_key(&high, |part| part.0).ok()?;
        Some(&self.more[at].1)
    }

    fn part_mut(&mut self, high: u32) -> &mut RoaringBitmap {
        if self.is_empty() {
            self.first.0 = high;
        }
        if high < self.first.0 {
            let second = std::mem::replace(&mut self.first, (high, RoaringBitmap::new()));
            self.more.insert(0, second);
        }
        if self.first.0 == high {
            return &mut self.first.1;
        }
        let at = match self.more.binary_search_by_key(&high, |part| part.0) {
            Ok(at) => at,
            Err(at) => {
                self.more.insert(at, (high, RoaringBitmap::new()));
                at
            }
        };
        &mut self.more[at].1
    }

    pub(crate) fn insert(&mut self, row_id: u64) -> bool {
        let (high, low) = split(row_id);
        self.part_mut(high).insert(low)
    }

    /// As `insert`, and faster if the row is behind all others.
    pub(crate) fn push(&mut self, row_id: u64) {
        let (high, low) = split(row_id);
        let part = self.part_mut(high);
        if part.try_push(low).is_err() {
            part.insert(low);
        }
    }

    pub(crate) fn remove(&mut self, row_id: u64) -> bool {
        let (high, low) = split(row_id);
        if self.part(high).is_none() {
            return false;
        }
        let part = self.part_mut(high);
        let removed = part.remove(low);
        if part.is_empty() {
            self.drop_empty();
        }
        removed
    }

    fn drop_empty(&mut self) {
        self.more.retain(|(_, bitmap)| !bitmap.is_empty());
        if self.first.1.is_empty() && !self.more.is_empty() {
            self.first = self.more.remove(0);
        }
    }

    pub(crate) fn add_all(&mut self, other: &Self) {
        for (high, bitmap) in other.parts().filter(|(_, bitmap)| !bitmap.is_empty()) {
            *self.part_mut(high) |= bitmap;
        }
    }

    pub(crate) fn take_out(&mut self, other: &Self) {
        for (high, bitmap) in std::iter::once(&mut self.first).chain(&mut self.more) {
            if let Some(less) = other.part(*high) {
                *bitmap -= less;
            }
        }
        self.drop_empty();
    }

    pub(crate) fn contains(&self, row_id: u64) -> bool {
        let (high, low) = split(row_id);
        self.part(high).is_some_and(|part| part.contains(low))
    }

    pub(crate) fn len(&self) -> u64 {
        self.parts().map(|(_, bitmap)| bitmap.len()).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.1.is_empty()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.parts().flat_map(|(high, bitmap)| bitmap.iter().map(move |low| join(high, low)))
    }

    pub(crate) fn first(&self) -> Option<u64> {
        self.first.1.min().map(|low| join(self.first.0, low))
    }

    pub(crate) fn last(&self) -> Option<u64> {
        let (high, bitmap) = self.more.last().unwrap_or(&self.first);
        bitmap.max().map(|low| join(*high, low))
    }

    /// Number of containers.
    pub(crate) fn containers(&self) -> u64 {
        self.parts().map(|(_, bitmap)| u64::from(bitmap.statistics().n_containers)).sum()
    }

    /// As many containers as there may be between the first row and the last.
    pub(crate) fn containers_max(&self) -> u64 {
        let [first, last] = [self.first(), self.last()].map(|row_id| row_id.unwrap_or(0) >> 16);
        last - first + 1
    }

    pub(crate) fn rank(&self, row_id: u64) -> u64 {
        let (high, low) = split(row_id);
        let parts = self.parts().take_while(|(of, _)| *of <= high);
        parts.map(|(of, part)| if of == high { part.rank(low) } else { part.len() }).sum()
    }

    pub(crate) fn select(&self, mut n: u64) -> Option<u64> {
        for (high, bitmap) in self.parts() {
            if n < bitmap.len() {
                let low = bitmap.select(u32::try_from(n).ok()?)?;
                return Some(join(high, low));
            }
            n -= bitmap.len();
        }
        None
    }

    /// Puts containers into the form that takes the fewest bytes.
    pub(crate) fn optimize(&mut self) {
        self.first.1.optimize();
        self.more.iter_mut().for_each(|(_, bitmap)| {
            bitmap.optimize();
        });
    }

    /// Puts arrays and bits in the place of runs.
    pub(crate) fn remove_runs(&mut self) {
        self.first.1.remove_run_compression();
        self.more.iter_mut().for_each(|(_, bitmap)| {
            bitmap.remove_run_compression();
        });
    }

    /// Bytes of the portable format of 64-bit numbers.
    pub(crate) fn serialized_size(&self) -> usize {
        self.parts().map(|(_, bitmap)| 4 + bitmap.serialized_size()).sum::<usize>() + 8
    }

    pub(crate) fn into_treemap(self) -> RoaringTreemap {
        let parts = std::iter::once(self.first).chain(self.more);
        RoaringTreemap::from_bitmaps(parts.filter(|(_, bitmap)| !bitmap.is_empty()))
    }

    /// Combines two sets by upper halves; those of one side alone are kept or not.
    pub(crate) fn pairwise(
        &self,
        other: &Self,
        keep: (bool, bool),
        combine: impl Fn(&RoaringBitmap, &RoaringBitmap) -> RoaringBitmap,
    ) -> Self {
        if self.first.0 == other.first.0 && self.more.is_empty() && other.more.is_empty() {
            let first = (self.first.0, combine(&self.first.1, &other.first.1));
            return Self { first, more: Vec::new() };
        }
        let (mut lefts, mut rights) = (self.parts().peekable(), other.parts().peekable());
        let mut parts = Vec::new();
        loop {
            let order = match (lefts.peek(), rights.peek()) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some((left, _)), Some((right, _))) => left.cmp(right),
            };
            let left = if order.is_le() { lefts.next() } else { None };
            let right = if order.is_ge() { rights.next() } else { None };
            match (left, right) {
                (Some((high, left)), Some((_, right))) => parts.push((high, combine(left, right))),
                (Some((high, left)), None) if keep.0 => parts.push((high, left.clone())),
                (None, Some((high, right))) if keep.1 => parts.push((high, right.clone())),
                _ => {}
            }
        }
        Self::of_parts(parts)
    }

    /// How many rows are in both.
    pub(crate) fn and_len(&self, other: &Self) -> u64 {
        let both = |(high, bitmap): (u32, &RoaringBitmap)| {
            other.part(high).map_or(0, |part| bitmap.intersection_len(part))
        };
        self.parts().map(both).sum()
    }

    pub(crate) fn and(&self, other: &Self) -> Self {
        self.pairwise(other, (false, false), |left, right| left & right)
    }

    pub(crate) fn or(&self, other: &Self) -> Self {
        self.pairwise(other, (true, true), |left, right| left | right)
    }

    pub(crate) fn and_not(&self, other: &Self) -> Self {
        self.pairwise(other, (true, false), |left, right| left - right)
    }
}

impl From<RoaringTreemap> for Rows {
    fn from(rows: RoaringTreemap) -> Self {
        Self::of_parts(rows.bitmaps().map(|(high, bitmap)| (high, bitmap.clone())))
    }
}

impl FromIterator<u64> for Rows {
    fn from_iter<I: IntoIterator<Item = u64>>(rows: I) -> Self {
        let mut all = Self::default();
        rows.into_iter().for_each(|row_id| all.push(row_id));
        all
    }
}
