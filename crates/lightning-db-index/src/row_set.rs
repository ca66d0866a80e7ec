//! Sets of rows, exact, combined without loss.

pub(crate) mod portable;
mod rows;
pub(crate) mod union;

use std::fmt;
use std::ops::{BitAndAssign, BitOrAssign, Deref, SubAssign};
use std::sync::Arc;

use roaring::{RoaringBitmap, RoaringTreemap};

pub(crate) use rows::Rows;

use crate::error::Result;

/// Looking one row up takes as long as passing so many containers.
const CONTAINERS_OF_LOOK: u64 = 16;

/// A set of row numbers, compressed (roaring bitmaps of 65,536 rows each).
///
/// Cost of an operation: by the container, not by the row; a set of dense rows takes one bit a row
/// at most (Lemire and others, "Roaring bitmaps: implementation of an optimized software library",
/// 2018). A set that a bitmap index keeps in memory is shared, and copied when it is changed.
///
/// # Examples
/// ```
/// use lightning_db_index::RowSet;
/// let even: RowSet = (0..100).step_by(2).collect();
/// let third: RowSet = (0..100).step_by(3).collect();
/// assert_eq!(even.and(&third).len(), 17);
/// assert_eq!(RowSet::union([&even, &third]).len(), 67);
/// assert_eq!(even.select(2), Some(4));
/// let bytes = even.to_portable_64();
/// assert_eq!(RowSet::from_portable_64(&bytes)?, even);
/// # Ok::<(), lightning_db_index::Error>(())
/// ```
#[derive(Clone)]
pub struct RowSet {
    rows: Held,
}

#[derive(Clone)]
enum Held {
    Own(Rows),
    Shared(Arc<SharedRows>),
}

/// Rows that do not change, with their number.
#[derive(Debug)]
pub(crate) struct SharedRows {
    rows: Rows,
    len: u64,
}

impl SharedRows {
    pub(crate) fn new(rows: Rows) -> Arc<Self> {
        Arc::new(Self { len: rows.len(), rows })
    }

    /// Number of rows, without counting them.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The rows that are in both.
    #[inline]
    pub(crate) fn and_shared(&self, other: &Self) -> RowSet {
        and((&self.rows, &|| self.len), (&other.rows, &|| other.len))
    }
}

impl Deref for SharedRows {
    type Target = Rows;

    fn deref(&self) -> &Rows {
        &self.rows
    }
}

impl Default for RowSet {
    fn default() -> Self {
        Rows::default().into()
    }
}

impl PartialEq for RowSet {
    fn eq(&self, other: &Self) -> bool {
        self.held() == other.held()
    }
}

impl Eq for RowSet {}

impl fmt::Debug for RowSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.iter().take(16);
        write!(f, "RowSet({} rows) ", self.len())?;
        f.debug_set().entries(shown).finish()
    }
}

impl RowSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A set that others hold too.
    pub(crate) fn shared(rows: Arc<SharedRows>) -> Self {
        Self { rows: Held::Shared(rows) }
    }

    /// Number of rows. They are counted by containers, but for a set that a bitmap index shares.
    pub fn len(&self) -> u64 {
        match &self.rows {
            Held::Own(rows) => rows.len(),
            Held::Shared(rows) => rows.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.held().is_empty()
    }

    /// Whether a row is in it.
    pub fn contains(&self, row_id: u64) -> bool {
        self.held().contains(row_id)
    }

    /// Adds a row; says whether it is new.
    pub fn insert(&mut self, row_id: u64) -> bool {
        self.change(|rows| rows.insert(row_id))
    }

    /// Takes a row out; says whether it was there.
    pub fn remove(&mut self, row_id: u64) -> bool {
        self.change(|rows| rows.remove(row_id))
    }

    /// The rows, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.held().iter()
    }

    /// The smallest row.
    pub fn first(&self) -> Option<u64> {
        self.held().first()
    }

    /// The largest row.
    pub fn last(&self) -> Option<u64> {
        self.held().last()
    }

    /// Number of rows that are at most `row_id`.
    pub fn rank(&self, row_id: u64) -> u64 {
        self.held().rank(row_id)
    }

    /// The row before which there are `n` others.
    pub fn select(&self, n: u64) -> Option<u64> {
        self.held().select(n)
    }

    /// The rows that are in both. A few rows are looked up one by one in a set of many containers.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let len = |set: &Self| match &set.rows {
            Held::Own(rows) => rows.len(),
            Held::Shared(rows) => rows.len(),
        };
        and((self.held(), &|| len(self)), (other.held(), &|| len(other)))
    }

    /// The rows that are in either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        self.held().or(other.held()).into()
    }

    /// The rows that are in this one and not in the other.
    #[must_use]
    pub fn and_not(&self, other: &Self) -> Self {
        self.held().and_not(other.held()).into()
    }

    /// How many rows are in both.
    pub fn and_len(&self, other: &Self) -> u64 {
        self.held().and_len(other.held())
    }

    /// The rows that are in any of the sets. Much faster than adding one after the other.
    #[must_use]
    pub fn union<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Self {
        let sets: Vec<&Rows> = sets.into_iter().map(Self::held).collect();
        union_of(&sets).into()
    }

    /// The set in the portable Roaring format of 32-bit numbers; `None` if a row is 2^32 or more.
    pub fn to_portable_32(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        if self.last().is_some_and(|last| last > u64::from(u32::MAX)) {
            return None;
        }
        let bitmap = self.held().parts().next().map(|(_, bitmap)| bitmap);
        portable::write_bitmap(bitmap.unwrap_or(&RoaringBitmap::new()), &mut bytes);
        Some(bytes)
    }

    /// The set in the portable Roaring format of 64-bit numbers.
    pub fn to_portable_64(&self) -> Vec<u8> {
        let parts = || self.held().parts().filter(|(_, bitmap)| !bitmap.is_empty());
        let mut bytes = Vec::with_capacity(self.held().serialized_size());
        bytes.extend_from_slice(&(parts().count() as u64).to_le_bytes());
        for (high, bitmap) in parts() {
            bytes.extend_from_slice(&high.to_le_bytes());
            portable::write_bitmap(bitmap, &mut bytes);
        }
        bytes
    }

    /// Puts containers into the form that takes the fewest bytes, runs among them. The other forms
    /// are faster to combine.
    #[must_use]
    pub fn optimized(&self) -> Self {
        let mut rows = self.held().clone();
        rows.optimize();
        rows.into()
    }

    /// Reads a set in the portable Roaring format of 32-bit numbers. Nothing of it is trusted.
    ///
    /// # Errors
    /// [`Error::BitmapFormat`](crate::Error::BitmapFormat).
    pub fn from_portable_32(bytes: &[u8]) -> Result<Self> {
        portable::read_32(bytes).map(Into::into)
    }

    /// Reads a set in the portable Roaring format of 64-bit numbers. Nothing of it is trusted.
    ///
    /// # Errors
    /// [`Error::BitmapFormat`](crate::Error::BitmapFormat).
    pub fn from_portable_64(bytes: &[u8]) -> Result<Self> {
        portable::read_64(bytes).map(Into::into)
    }

    /// The rows as a bitmap of the `roaring` crate.
    pub fn into_treemap(self) -> RoaringTreemap {
        match self.rows {
            Held::Own(rows) => rows.into_treemap(),
            Held::Shared(rows) => match Arc::try_unwrap(rows) {
                Ok(only) => only.rows.into_treemap(),
                Err(shared) => shared.rows.clone().into_treemap(),
            },
        }
    }

    #[inline]
    pub(crate) fn held(&self) -> &Rows {
        match &self.rows {
            Held::Own(rows) => rows,
            Held::Shared(rows) => rows,
        }
    }

    /// Changes the set, or a copy of it if it is shared.
    fn change<T>(&mut self, change: impl FnOnce(&mut Rows) -> T) -> T {
        match &mut self.rows {
            Held::Own(rows) => change(rows),
            Held::Shared(shared) => {
                let mut rows = shared.rows.clone();
                let result = change(&mut rows);
                self.rows = Held::Own(rows);
                result
            }
        }
    }
}

/// A set, and how to learn its length.
type Counted<'a> = (&'a Rows, &'a dyn Fn() -> u64);

/// The rows that are in both.
#[inline]
fn and(left: Counted<'_>, right: Counted<'_>) -> RowSet {
    let lookup = |few: &Rows, many: &Rows| few.iter().filter(|row| many.contains(*row)).collect();
    if is_few_beside(left, right) {
        return lookup(left.0, right.0);
    }
    if is_few_beside(right, left) {
        return lookup(right.0, left.0);
    }
    left.0.and(right.0).into()
}

/// Whether the rows of a set are looked up faster in another one than that one's containers are
/// passed.
#[inline]
fn is_few_beside((_, len): Counted<'_>, (many, many_len): Counted<'_>) -> bool {
    // Not less than it has, and known without counting.
    let containers = many.containers_max();
    let is_few = |rows: u64| rows.saturating_mul(CONTAINERS_OF_LOOK) < containers;
    is_few(1) && is_few(len()) && len() < many_len()
}

/// The rows that are in any of the sets.
pub(crate) fn union_of(sets: &[&Rows]) -> Rows {
    match sets {
        [] => Rows::default(),
        [only] => Rows::clone(only),
        [left, right] => left.or(right),
        // What was just written is read back, which does not fail; the slow way would do as well.
        _ => union::union_of(sets)
            .unwrap_or_else(|_| sets.iter().fold(Rows::default(), |union, set| union.or(set))),
    }
}

impl From<RoaringTreemap> for RowSet {
    fn from(rows: RoaringTreemap) -> Self {
        Rows::from(rows).into()
    }
}

impl From<Rows> for RowSet {
    fn from(rows: Rows) -> Self {
        Self { rows: Held::Own(rows) }
    }
}

impl FromIterator<u64> for RowSet {
    fn from_iter<I: IntoIterator<Item = u64>>(rows: I) -> Self {
        rows.into_iter().collect::<Rows>().into()
    }
}

impl BitAndAssign<&Self> for RowSet {
    /// Keeps the rows that are in both.
    fn bitand_assign(&mut self, other: &Self) {
        *self = self.and(other);
    }
}

impl BitOrAssign<&Self> for RowSet {
    /// Adds the rows of the other.
    fn bitor_assign(&mut self, other: &Self) {
        self.change(|rows| rows.add_all(other.held()));
    }
}

impl SubAssign<&Self> for RowSet {
    /// Takes the rows of the other out.
    fn sub_assign(&mut self, other: &Self) {
        self.change(|rows| rows.take_out(other.held()));
    }
}

#[cfg(test)]
pub(crate) mod tests;
