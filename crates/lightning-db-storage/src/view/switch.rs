//! How a view takes the place of another while readers read and a writer writes.
//!
//! Readers take no lock, so they rely on orders: a commit is in the active memtable before it is
//! visible; a new active memtable is in the view before the next commit goes to it; a run is in the
//! view when the memtable from which it was made leaves it; and a reader of the present takes the
//! view before the number of the newest commit. Memtables and runs are of any type here, so that
//! the models can run all of it with small ones.

use std::sync::Arc;

use arc_swap::Guard;

use super::View;
use crate::sync::{ArcSwap, Mutex};

impl<M, R: Clone> Clone for View<M, R> {
    fn clone(&self) -> Self {
        Self {
            active: Arc::clone(&self.active),
            frozen: self.frozen.clone(),
            runs: self.runs.clone(),
            floors: self.floors.clone(),
        }
    }
}

impl<M, R> View<M, R> {
    /// Has an empty memtable take the writes; returns the one that did, which is frozen now.
    pub(crate) fn freeze(&mut self, empty: M) -> Arc<M> {
        let full = std::mem::replace(&mut self.active, Arc::new(empty));
        self.frozen.insert(0, Arc::clone(&full));
        full
    }

    /// Puts the run that a flush made in the place of a frozen memtable; `None` if nothing of it
    /// had to be kept.
    pub(crate) fn install(&mut self, flushed: &Arc<M>, run: Option<R>) {
        self.frozen.retain(|memtable| !Arc::ptr_eq(memtable, flushed));
        if let Some(run) = run {
            self.runs.insert(0, run);
        }
    }
}

/// Replaces a view by one made from it. All who do it take turns, or a change would be lost.
pub(crate) fn replace<V: Clone>(turn: &Mutex<()>, place: &ArcSwap<V>, change: impl FnOnce(&mut V)) {
    let _turn = turn.lock();
    let mut view = V::clone(&place.load());
    change(&mut view);
    place.store(Arc::new(view));
}

/// The view, and the number up to which its reader sees commits.
///
/// The number is asked for when the view has been taken. A reader of the present, which is in no
/// registry, must not take it before: a flush might drop, in between, the version that this number
/// sees. The view holds all commits made before it was taken, and what was dropped to make it had
/// been replaced by one of them.
#[inline]
pub(crate) fn take<V>(place: &ArcSwap<V>, seq_max: impl Fn() -> u64) -> (Guard<Arc<V>>, u64) {
    let view = place.load();
    let seq = seq_max();
    (view, seq)
}

#[cfg(all(test, loom))]
mod models;
