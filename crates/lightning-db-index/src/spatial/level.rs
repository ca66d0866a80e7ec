//! Immutable levels: versions of places in R-trees that are packed when they are built.
//!
//! A level never loses or gains a version. When a row changes, the end of its version is set in the
//! level's slots, and readers of later commits pass it by; the tree is not touched. A reader at a
//! commit sees the versions with `begin <= lsn < end`.
//!
//! Source of the packing, which is rstar's: Lee and Lee, "OMT: overlap minimizing top-down bulk
//! loading algorithm for R-tree", 2003.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rstar::{
    AABB, Envelope as _, ParentNode, RStarInsertionStrategy, RTree, RTreeNode, RTreeObject,
    RTreeParams,
};

use super::place::{Bounds, Envelope, Location, Place};
use super::summary::Summary;

/// End of a version that no commit has replaced.
pub(super) const OPEN: u64 = u64::MAX;

/// Nodes of 32 children: a large window takes half the time that it takes with rstar's default
/// of 6.
#[derive(Debug)]
pub(super) struct Wide;

impl RTreeParams for Wide {
    const MIN_SIZE: usize = 12;
    const MAX_SIZE: usize = 32;
    const REINSERTION_COUNT: usize = 8;
    type DefaultInsertionStrategy = RStarInsertionStrategy;
}

pub(super) type Tree<L> = RTree<L, Wide>;

/// What the trees hold.
pub(super) trait Leaf: RTreeObject<Envelope = Envelope> {
    fn row_id(&self) -> u64;

    fn slot(&self) -> u32;

    fn place(&self) -> Place;

    fn meets(&self, window: &Envelope) -> bool;
}

/// A point in a tree.
#[derive(Debug)]
pub(super) struct PointLeaf {
    at: Location,
    row_id: u64,
    slot: u32,
}

impl RTreeObject for PointLeaf {
    type Envelope = Envelope;

    #[inline]
    fn envelope(&self) -> Envelope {
        AABB::from_point([self.at.x, self.at.y])
    }
}

impl Leaf for PointLeaf {
    #[inline]
    fn row_id(&self) -> u64 {
        self.row_id
    }

    #[inline]
    fn slot(&self) -> u32 {
        self.slot
    }

    #[inline]
    fn place(&self) -> Place {
        Place::Point(self.at)
    }

    #[inline]
    fn meets(&self, window: &Envelope) -> bool {
        let (lower, upper) = (window.lower(), window.upper());
        let Location { x, y } = self.at;
        x >= lower[0] && x <= upper[0] && y >= lower[1] && y <= upper[1]
    }
}

/// A box in a tree, or one piece of a box that crosses the antimeridian.
#[derive(Debug)]
pub(super) struct BoxLeaf {
    whole: Bounds,
    row_id: u64,
    slot: u32,
    is_east: bool,
}

impl RTreeObject for BoxLeaf {
    type Envelope = Envelope;

    fn envelope(&self) -> Envelope {
        match self.whole.pieces() {
            (_, Some(east)) if self.is_east => east,
            (piece, _) => piece,
        }
    }
}

impl Leaf for BoxLeaf {
    fn row_id(&self) -> u64 {
        self.row_id
    }

    fn slot(&self) -> u32 {
        self.slot
    }

    fn place(&self) -> Place {
        Place::Box(self.whole)
    }

    fn meets(&self, window: &Envelope) -> bool {
        let (own, other) = (self.envelope(), window);
        let (low, high) = (own.lower(), own.upper());
        let (lower, upper) = (other.lower(), other.upper());
        low[0] <= upper[0] && high[0] >= lower[0] && low[1] <= upper[1] && high[1] >= lower[1]
    }
}

/// One version of a row's place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Version {
    pub(super) row_id: u64,
    pub(super) place: Place,
    /// The commit that made it.
    pub(super) begin: u64,
    /// The commit that replaced it.
    pub(super) end: u64,
}

impl Version {
    pub(super) fn is_seen_at(&self, lsn: u64) -> bool {
        self.begin <= lsn && lsn < self.end
    }
}

/// From when to when a version counts.
#[derive(Debug)]
struct Slot {
    row_id: u64,
    begin: u64,
    end: AtomicU64,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) points: Tree<PointLeaf>,
    pub(super) boxes: Tree<BoxLeaf>,
    pub(super) summaries: [Summary; 2],
    /// By row, then by begin.
    slots: Vec<Slot>,
    /// A bit for each slot whose version has ended: in one cache line for 512 versions.
    ended: Vec<AtomicU64>,
    ended_count: AtomicUsize,
    begin_max: u64,
}

/// Takes versions by row, then by begin.
#[derive(Debug, Default)]
pub(super) struct LevelBuilder {
    points: Vec<PointLeaf>,
    boxes: Vec<BoxLeaf>,
    slots: Vec<Slot>,
    ended: Vec<u32>,
    begin_max: u64,
}

impl LevelBuilder {
    /// With room for so many points.
    pub(super) fn with_capacity(points: usize) -> Self {
        Self {
            points: Vec::with_capacity(points),
            slots: Vec::with_capacity(points),
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, version: &Version) {
        let Version { row_id, place, begin, end } = *version;
        debug_assert!(
            self.slots.last().is_none_or(|last| (last.row_id, last.begin) < (row_id, begin))
        );
        // Four billion versions would take 300 GB of memory.
        let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(Slot { row_id, begin, end: AtomicU64::new(end) });
        if end != OPEN {
            self.ended.push(slot);
        }
        self.begin_max = self.begin_max.max(begin);
        match place {
            Place::Point(at) => self.points.push(PointLeaf { at, row_id, slot }),
            Place::Box(whole) => {
                self.boxes.push(BoxLeaf { whole, row_id, slot, is_east: false });
                if whole.is_split() {
                    self.boxes.push(BoxLeaf { whole, row_id, slot, is_east: true });
                }
            }
        }
    }

    pub(super) fn finish(mut self) -> Level {
        self.slots.shrink_to_fit();
        let ended: Vec<AtomicU64> = std::iter::repeat_with(AtomicU64::default)
            .take(self.slots.len().div_ceil(64))
            .collect();
        for slot in &self.ended {
            ended[*slot as usize / 64].fetch_or(1 << (slot % 64), Ordering::Relaxed);
        }
        let points = Tree::bulk_load_with_params(self.points);
        let boxes = Tree::bulk_load_with_params(self.boxes);
        Level {
            summaries: [Summary::of(&points), Summary::of(&boxes)],
            points,
            boxes,
            slots: self.slots,
            ended_count: AtomicUsize::new(self.ended.len()),
            ended,
            begin_max: self.begin_max,
        }
    }
}

/// Decides which versions of a level a reader sees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight<'a> {
    level: &'a Level,
    lsn: u64,
    sees_all: bool,
}

impl Sight<'_> {
    #[inline]
    pub(super) fn sees(&self, slot: u32) -> bool {
        self.sees_all || self.level.is_seen(slot, self.lsn)
    }
}

impl Level {
    /// From versions in any order.
    pub(super) fn of(mut versions: Vec<Version>) -> Self {
        versions.sort_unstable_by_key(|version| (version.row_id, version.begin));
        let mut builder = LevelBuilder::with_capacity(versions.len());
        for version in &versions {
            builder.push(version);
        }
        builder.finish()
    }

    /// Versions, ended ones too.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn ended_len(&self) -> usize {
        self.ended_count.load(Ordering::Relaxed)
    }

    pub(super) fn sight(&self, lsn: u64) -> Sight<'_> {
        let sees_all = self.begin_max <= lsn && self.ended_len() == 0;
        Sight { level: self, lsn, sees_all }
    }

    fn is_seen(&self, slot: u32, lsn: u64) -> bool {
        let index = slot as usize;
        let has_ended = self.ended[index / 64].load(Ordering::Relaxed) >> (index % 64) & 1 == 1;
        if !has_ended && self.begin_max <= lsn {
            return true;
        }
        let slot = &self.slots[index];
        slot.begin <= lsn && lsn < slot.end.load(Ordering::Relaxed)
    }

    /// Ends the version of a row that counts until now; says whether there is one. The commit that
    /// ends it becomes visible behind this, so that readers who must see the end do.
    pub(super) fn end(&self, row_id: u64, lsn: u64) -> bool {
        let behind = match (self.slots.first(), self.slots.last()) {
            (Some(first), Some(last)) if first.row_id <= row_id && row_id <= last.row_id => {
                self.slots.partition_point(|slot| slot.row_id <= row_id)
            }
            _ => return false,
        };
        let Some(index) = behind.checked_sub(1) else { return false };
        let slot = &self.slots[index];
        if slot.row_id != row_id || slot.end.load(Ordering::Relaxed) != OPEN {
            return false;
        }
        slot.end.store(lsn, Ordering::Relaxed);
        self.ended[index / 64].fetch_or(1 << (index % 64), Ordering::Relaxed);
        self.ended_count.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Versions that have ended before any reader's commit.
    pub(super) fn dead_len(&self, oldest_lsn: u64) -> usize {
        if self.ended_len() == 0 {
            return 0;
        }
        let ends = self.slots.iter().map(|slot| slot.end.load(Ordering::Relaxed));
        ends.filter(|end| *end <= oldest_lsn).count()
    }

    /// All versions, in the order of the trees.
    pub(super) fn versions(&self) -> impl Iterator<Item = Version> + '_ {
        let points = self.points.iter().map(|leaf| self.version(leaf));
        let boxes = self.boxes.iter().filter(|leaf| !leaf.is_east);
        points.chain(boxes.map(|leaf| self.version(leaf)))
    }

    fn version(&self, leaf: &impl Leaf) -> Version {
        let slot = &self.slots[leaf.slot() as usize];
        let end = slot.end.load(Ordering::Relaxed);
        Version { row_id: leaf.row_id(), place: leaf.place(), begin: slot.begin, end }
    }

    /// Bytes in memory, nearly.
    pub(super) fn memory_bytes(&self) -> usize {
        let leaves = self.points.size() * size_of::<RTreeNode<PointLeaf>>()
            + self.boxes.size() * size_of::<RTreeNode<BoxLeaf>>();
        let inner = self.summaries.iter().map(Summary::memory_bytes).sum::<usize>() * 2;
        leaves + inner + self.slots.len() * size_of::<Slot>() + self.ended.len() * 8
    }

    /// What is wrong inside, if anything is.
    pub(super) fn damage(&self) -> Option<String> {
        let sorted = self.slots.is_sorted_by(|a, b| (a.row_id, a.begin) < (b.row_id, b.begin));
        if !sorted {
            return Some("the slots of a level are not sorted".to_owned());
        }
        let mut found = vec![false; self.slots.len()];
        let sound = self.is_sound(self.points.root(), &mut found)
            && self.is_sound(self.boxes.root(), &mut found);
        if !sound {
            return Some("a node of a level's tree does not fit its parent or its slot".to_owned());
        }
        if found.contains(&false) {
            return Some("a version of a level is in no tree".to_owned());
        }
        let ended = self.slots.iter().filter(|slot| slot.end.load(Ordering::Relaxed) != OPEN);
        if ended.count() < self.ended_len() {
            return Some("a level counts more ended versions than it has".to_owned());
        }
        None
    }

    fn is_sound<L: Leaf>(&self, node: &ParentNode<L>, found: &mut [bool]) -> bool {
        let around = node.envelope();
        node.children().iter().all(|child| {
            let fits = around.contains_envelope(&child.envelope());
            fits && match child {
                RTreeNode::Parent(parent) => self.is_sound(parent, found),
                RTreeNode::Leaf(leaf) => {
                    let slot = leaf.slot() as usize;
                    let fits = self.slots.get(slot).is_some_and(|s| s.row_id == leaf.row_id());
                    if fits {
                        found[slot] = true;
                    }
                    fits
                }
            }
        })
    }
}
