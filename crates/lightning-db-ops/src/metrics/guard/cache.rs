//! Handles that a thread has had before, so that it finds them without a lock.

use std::cell::RefCell;

use metrics::{Counter, Gauge, Histogram, Key};

/// Handles that a thread remembers: 11 KiB, taken when it asks for the first one. A power of two.
const SLOTS: usize = 128;

thread_local! {
    static CACHE: RefCell<Vec<Option<Slot>>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone)]
pub(super) enum Handle {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

struct Slot {
    /// The number of the recorder that the handle is of.
    recorder: u64,
    key: Key,
    handle: Handle,
}

/// What `take` makes of the handle of this key that the thread remembers, if it does.
pub(super) fn find<T>(recorder: u64, key: &Key, take: impl Fn(&Handle) -> Option<T>) -> Option<T> {
    let find = |cache: &RefCell<Vec<Option<Slot>>>| {
        let cache = cache.try_borrow().ok()?;
        let first = place(key);
        let found = [first, first ^ 1].into_iter().filter_map(|at| cache.get(at)?.as_ref());
        let mut found = found.filter(|slot| slot.recorder == recorder && is_same(&slot.key, key));
        take(&found.next()?.handle)
    };
    CACHE.try_with(find).ok().flatten()
}

/// Remembers a handle; of those whose place it takes, the one that was remembered last stays.
pub(super) fn remember(recorder: u64, key: &Key, handle: &Handle) {
    let new = Slot { recorder, key: key.to_retained(), handle: handle.clone() };
    let remember = |cache: &RefCell<Vec<Option<Slot>>>| {
        let mut cache = cache.try_borrow_mut().ok()?;
        if cache.is_empty() {
            cache.resize_with(SLOTS, || None);
        }
        let first = place(key);
        let before = cache[first].replace(new);
        // What leaves is dropped without the borrow.
        std::mem::replace(&mut cache[first ^ 1], before)
    };
    // A thread that ends remembers nothing.
    drop(CACHE.try_with(remember));
}

fn place(key: &Key) -> usize {
    usize::try_from(key.get_hash() % SLOTS as u64).unwrap_or(0)
}

/// Whether two keys are equal. The known one is alive, so that what lies where its parts lie is
/// its parts: keys that a macro makes of literals need no comparison of texts.
fn is_same(known: &Key, key: &Key) -> bool {
    if known.get_hash() != key.get_hash() {
        return false;
    }
    let is_identical = std::ptr::eq(known.name(), key.name())
        && std::ptr::eq(known.labels().as_slice(), key.labels().as_slice());
    is_identical || known == key
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn counter(recorder: u64, key: &Key) -> Option<Counter> {
        find(recorder, key, |handle| match handle {
            Handle::Counter(counter) => Some(counter.clone()),
            _ => None,
        })
    }

    #[test]
    fn handles_are_found_by_recorder_key_and_kind() {
        let key = Key::from_parts("a", vec![metrics::Label::new("x", "1")]);
        let same = Key::from_parts("a".to_owned(), vec![metrics::Label::new("x", "1".to_owned())]);
        let cell = Arc::new(AtomicU64::new(0));
        assert!(counter(1, &key).is_none());
        remember(1, &key, &Handle::Counter(Counter::from_arc(Arc::clone(&cell))));
        counter(1, &key).unwrap().increment(1);
        counter(1, &same).unwrap().increment(1);
        assert_eq!(cell.load(Ordering::Relaxed), 2);
        assert!(counter(2, &key).is_none());
        assert!(counter(1, &Key::from_name("a")).is_none());
        let is_gauge = |handle: &Handle| matches!(handle, Handle::Gauge(_)).then_some(());
        assert!(find(1, &key, is_gauge).is_none());
    }

    #[test]
    fn more_keys_than_places_drive_each_other_out() {
        let held = Arc::new(AtomicU64::new(0));
        let keys: Vec<Key> = (0..1_000).map(|n| Key::from_name(format!("k{n}"))).collect();
        for key in &keys {
            remember(7, key, &Handle::Counter(Counter::from_arc(Arc::clone(&held))));
            assert!(counter(7, key).is_some());
        }
        let kept = keys.iter().filter(|key| counter(7, key).is_some()).count();
        assert!(kept <= SLOTS, "{kept}");
        // The cells of those that are gone are given back.
        assert_eq!(Arc::strong_count(&held), kept + 1);
    }
}
