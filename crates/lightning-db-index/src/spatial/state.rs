//! Levels of trees that follow the commits.
//!
//! New versions gather in a tail; a full tail becomes a level, and levels of one size class are
//! folded into a larger one (the logarithmic method). All levels are immutable, so a reader takes
//! the list of them, the few versions of the tail, and holds no lock while it searches. The commit
//! hook folds small levels itself; larger ones are folded by whoever calls [`State::fold`], beside
//! the commits.
//!
//! Source: Bentley and Saxe, "Decomposable searching problems I: static-to-dynamic transformation",
//! 1980.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::level::{Level, OPEN, Version};
use super::place::Place;
use crate::planted;

/// Versions in the tail, which readers copy.
const TAIL_MAX: usize = 64;
/// Levels of one class that are folded together; a class is so many times larger than the one
/// below.
const FAN_OUT: usize = 4;
/// Versions that a fold under the commit lock may have: it takes less than half a millisecond.
const HOOK_FOLD_MAX: usize = 1024;
/// Of a level's versions this share is dead before it is folded for that alone.
const DEAD_SHARE: usize = 4;

/// A change of one row's place by a commit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    pub(super) row_id: u64,
    pub(super) lsn: u64,
    pub(super) place: Option<Place>,
}

#[derive(Debug)]
struct Inner {
    levels: Arc<Vec<Arc<Level>>>,
    /// Versions that are in no level yet, oldest first.
    tail: Vec<Version>,
    /// Snapshots below this are not answered by the levels.
    known_from: u64,
    /// Nor are snapshots from this commit on: it changed the entries as a whole.
    known_below: u64,
    /// The last commit that changed the entries as a whole.
    whole_lsn: u64,
    /// Changes since the levels are no longer known.
    gathered: Vec<Change>,
    /// Rows that changed while a fold was going on, and when.
    ended: Option<Vec<(u64, u64)>>,
}

/// How much a fold may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// Versions that it may touch.
    pub(super) versions_max: usize,
    /// How many times as large as all smaller ones together a level must be to stay.
    pub(super) ratio: usize,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct State {
    inner: RwLock<Inner>,
    /// Held by the one fold or load that goes on.
    pub(super) folding: Mutex<()>,
}

/// What a reader gets.
#[derive(Debug)]
pub(super) enum Known {
    /// All that it sees.
    Seen {
        /// With versions that it does not see among them.
        levels: Arc<Vec<Arc<Level>>>,
        /// Only what it sees.
        tail: Vec<(u64, Place)>,
    },
    /// The levels must be loaded again.
    Unloaded,
    /// The snapshot is older than the levels.
    Older,
}

impl State {
    /// Without levels: everything is to be loaded.
    pub(super) fn new() -> Self {
        let inner = Inner {
            levels: Arc::default(),
            tail: Vec::new(),
            known_from: 0,
            known_below: 0,
            whole_lsn: 0,
            gathered: Vec::new(),
            ended: None,
        };
        Self { inner: RwLock::new(inner), folding: Mutex::default() }
    }

    pub(super) fn read(&self, lsn: u64) -> Known {
        let inner = self.inner.read();
        if lsn >= inner.known_below {
            return Known::Unloaded;
        }
        if lsn < inner.known_from {
            return Known::Older;
        }
        let lsn = if planted::is("see-places-of-later-commits") { OPEN - 1 } else { lsn };
        let seen = inner.tail.iter().filter(|version| version.is_seen_at(lsn));
        let tail = seen.map(|version| (version.row_id, version.place)).collect();
        Known::Seen { levels: Arc::clone(&inner.levels), tail }
    }

    /// Takes the changes of a commit, in commit order, before it is visible.
    pub(super) fn apply(&self, changes: impl Iterator<Item = Change>) {
        let mut changes = changes.peekable();
        if changes.peek().is_none() {
            return;
        }
        let mut inner = self.inner.write();
        for change in changes {
            if inner.known_below == OPEN {
                inner.apply(change);
            } else {
                inner.gathered.push(change);
            }
        }
    }

    /// Takes note of a commit after which the levels must be loaded again.
    pub(super) fn forget(&self, lsn: u64) {
        let mut inner = self.inner.write();
        inner.known_below = inner.known_below.min(lsn);
        inner.whole_lsn = lsn;
    }

    /// Whether the levels must be loaded for readers of this commit.
    pub(super) fn is_unloaded(&self, lsn: u64) -> bool {
        lsn >= self.inner.read().known_below
    }

    /// Puts what was loaded from a snapshot in the place of the levels, and the changes gathered
    /// since behind it. Says no if the entries were changed as a whole since the snapshot.
    pub(super) fn install(&self, level: Level, lsn: u64) -> bool {
        let level = Arc::new(level);
        let mut inner = self.inner.write();
        if inner.whole_lsn > lsn {
            return false;
        }
        inner.levels = Arc::new(if level.len() > 0 { vec![level] } else { Vec::new() });
        inner.tail.clear();
        inner.known_from = lsn;
        inner.known_below = OPEN;
        for change in std::mem::take(&mut inner.gathered) {
            if change.lsn > lsn {
                inner.apply(change);
            }
        }
        true
    }

    /// Folds levels, so that few are left. Says whether there was anything to do. The caller holds
    /// the lock of folds.
    pub(super) fn fold(&self, effort: Effort, oldest_lsn: u64) -> bool {
        let due = {
            let mut inner = self.inner.write();
            if inner.known_below != OPEN {
                return false;
            }
            let due = inner.untidy(effort, oldest_lsn);
            if due.is_empty() {
                return false;
            }
            inner.ended = Some(Vec::new());
            due
        };
        self.replace(&due, oldest_lsn);
        true
    }

    /// Puts one level in the place of several, without the versions that nobody can see.
    fn replace(&self, due: &[Arc<Level>], oldest_lsn: u64) {
        let folded = merged(due, oldest_lsn);
        let mut inner = self.inner.write();
        let ended = inner.ended.take().unwrap_or_default();
        // The levels may have been loaded anew meanwhile.
        if !due.iter().all(|level| inner.levels.iter().any(|other| Arc::ptr_eq(level, other))) {
            return;
        }
        for (row_id, lsn) in ended {
            folded.end(row_id, lsn);
        }
        inner.exchange(due, folded);
    }

    /// Levels, with the versions that wait to get into one.
    pub(super) fn levels(&self) -> (Arc<Vec<Arc<Level>>>, usize) {
        let inner = self.inner.read();
        (Arc::clone(&inner.levels), inner.tail.len() + inner.gathered.len())
    }

    /// Changes that were gathered because the levels must be loaded again.
    pub(super) fn gathered_len(&self) -> usize {
        self.inner.read().gathered.len()
    }
}

impl Inner {
    fn apply(&mut self, change: Change) {
        let Change { row_id, lsn, place } = change;
        self.end(row_id, lsn);
        if let Some(place) = place {
            self.tail.push(Version { row_id, place, begin: lsn, end: OPEN });
            if self.tail.len() >= TAIL_MAX {
                self.flush();
            }
        }
    }

    /// Ends the version of a row that counts until now.
    fn end(&mut self, row_id: u64, lsn: u64) {
        let counts = |version: &&mut Version| version.row_id == row_id && version.end == OPEN;
        if let Some(version) = self.tail.iter_mut().rev().find(counts) {
            version.end = lsn;
            return;
        }
        let ended = self.levels.iter().rev().any(|level| level.end(row_id, lsn));
        if ended && let Some(noted) = &mut self.ended {
            noted.push((row_id, lsn));
        }
    }

    fn flush(&mut self) {
        let level = Arc::new(Level::of(std::mem::take(&mut self.tail)));
        Arc::make_mut(&mut self.levels).push(level);
        // While a fold goes on, the levels that it folds must stay.
        while self.ended.is_none() {
            let due = self.due();
            if due.is_empty() {
                break;
            }
            let folded = merged(&due, 0);
            self.exchange(&due, folded);
        }
    }

    /// The levels of the smallest class that is full; none if they are too large together for a
    /// fold under the commit lock.
    fn due(&self) -> Vec<Arc<Level>> {
        let classes = self.levels.iter().map(|level| class(level.len()));
        let largest = classes.max().unwrap_or(0);
        for wanted in 0..=largest {
            let of_class = self.levels.iter().filter(|level| class(level.len()) == wanted);
            let due: Vec<Arc<Level>> = of_class.map(Arc::clone).collect();
            let versions: usize = due.iter().map(|level| level.len()).sum();
            if due.len() >= FAN_OUT && versions <= HOOK_FOLD_MAX {
                return due;
            }
        }
        Vec::new()
    }

    /// The levels to fold so that each is much larger than all smaller ones together, or one that
    /// is dead to a good part.
    fn untidy(&self, effort: Effort, oldest_lsn: u64) -> Vec<Arc<Level>> {
        let Effort { versions_max, ratio } = effort;
        let mut by_len: Vec<Arc<Level>> = self.levels.iter().map(Arc::clone).collect();
        by_len.retain(|level| level.len() <= versions_max);
        by_len.sort_by_key(|level| level.len());
        let mut versions = 0;
        let mut due = 0;
        for (index, level) in by_len.iter().enumerate() {
            if versions + level.len() > versions_max {
                break;
            }
            if index > 0 && level.len() < versions * ratio {
                due = index + 1;
            }
            versions += level.len();
        }
        if due == 0 {
            let is_dead =
                |level: &&Arc<Level>| level.dead_len(oldest_lsn) * DEAD_SHARE > level.len();
            return by_len.iter().find(is_dead).map(Arc::clone).into_iter().collect();
        }
        by_len.truncate(due);
        by_len
    }

    fn exchange(&mut self, due: &[Arc<Level>], folded: Level) {
        let is_due = |level: &Arc<Level>| due.iter().any(|other| Arc::ptr_eq(level, other));
        let levels = Arc::make_mut(&mut self.levels);
        levels.retain(|level| !is_due(level));
        if folded.len() > 0 {
            // The smallest stand last: changes are looked for there first.
            let at = levels.partition_point(|level| level.len() >= folded.len());
            levels.insert(at, Arc::new(folded));
        }
    }
}

/// Size class of a level.
fn class(versions: usize) -> u32 {
    (versions / TAIL_MAX).max(1).ilog2() / FAN_OUT.ilog2()
}

/// One level of the versions of several that a reader at `oldest_lsn` or later may see.
fn merged(levels: &[Arc<Level>], oldest_lsn: u64) -> Level {
    let mut versions = Vec::with_capacity(levels.iter().map(|level| level.len()).sum());
    let drops_seen = planted::is("fold-drops-places-that-are-seen");
    let oldest_lsn = if drops_seen { OPEN - 1 } else { oldest_lsn };
    for level in levels {
        versions.extend(level.versions().filter(|version| version.end > oldest_lsn));
    }
    Level::of(versions)
}
