//! Which series there are: each is made once, and of one metric there are at most so many.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

use crate::sync::Mutex;

/// What a series is found by.
pub(crate) trait Series: Eq + Hash {
    /// Name of its metric.
    fn metric(&self) -> &str;

    /// Itself, to be kept.
    fn kept(&self) -> Self;
}

/// Handles of series, by key.
pub(crate) struct Registry<K, H, S> {
    series_max: usize,
    state: Mutex<State<K, H, S>>,
}

struct State<K, H, S> {
    handles: HashMap<K, H, S>,
    of_metric: HashMap<String, usize>,
}

impl<K: Series, H: Clone, S: BuildHasher + Default> Registry<K, H, S> {
    pub(crate) fn new(series_max: usize) -> Self {
        let state = State { handles: HashMap::default(), of_metric: HashMap::new() };
        Self { series_max, state: Mutex::new(state) }
    }

    /// The handle of a series, made by the first who asks; `None` if it would be one too many.
    pub(crate) fn handle(&self, key: &K, make: impl FnOnce() -> H) -> Option<H> {
        let mut state = self.state.lock();
        if let Some(handle) = state.handles.get(key) {
            return Some(handle.clone());
        }
        let count = match state.of_metric.get_mut(key.metric()) {
            Some(count) => count,
            None => state.of_metric.entry(key.metric().to_owned()).or_default(),
        };
        if *count >= self.series_max {
            return None;
        }
        *count += 1;
        let handle = make();
        state.handles.insert(key.kept(), handle.clone());
        Some(handle)
    }
}

#[cfg(all(test, loom))]
mod models {
    use std::hash::RandomState;
    use std::sync::Arc;

    use loom::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(PartialEq, Eq, Hash, Clone, Copy)]
    struct Number(u8);

    impl Series for Number {
        fn metric(&self) -> &'static str {
            "of all"
        }

        fn kept(&self) -> Self {
            *self
        }
    }

    type Cells = Registry<Number, Arc<AtomicUsize>, RandomState>;

    /// Counts one in the cell of a series; false if it would be one too many.
    fn count(cells: &Cells, made: &AtomicUsize, key: u8) -> bool {
        let make = || {
            made.fetch_add(1, Ordering::Relaxed);
            Arc::new(AtomicUsize::new(0))
        };
        let cell = cells.handle(&Number(key), make);
        cell.map(|cell| cell.fetch_add(1, Ordering::Relaxed)).is_some()
    }

    /// Two threads ask for the same series, and each for one of its own, for which there is room
    /// once: those of one key count in one cell, there are never more cells than the bound, and who
    /// gets none is told so.
    #[test]
    fn models_a_series_has_one_cell_and_none_is_made_past_the_bound() {
        loom::model(|| {
            let cells = Arc::new(Cells::new(2));
            let made = Arc::new(AtomicUsize::new(0));
            let workers: Vec<_> = (1..3)
                .map(|own| {
                    let (cells, made) = (Arc::clone(&cells), Arc::clone(&made));
                    loom::thread::spawn(move || [0, own].map(|key| count(&cells, &made, key)))
                })
                .collect();
            let counted: Vec<[bool; 2]> =
                workers.into_iter().map(|worker| worker.join().unwrap()).collect();
            assert_eq!(made.load(Ordering::Relaxed), 2);
            let in_cell = |key| {
                let cell = cells.handle(&Number(key), || unreachable!("there is no room"));
                cell.map_or(0, |cell| cell.load(Ordering::Relaxed))
            };
            assert_eq!(in_cell(0), 2);
            for (own, [of_shared, of_own]) in (1..3).zip(counted) {
                assert!(of_shared);
                assert_eq!(in_cell(own), usize::from(of_own));
            }
        });
    }
}
