//! Waiting for a commit while it is published, in every order, with the real [`Published`].

use loom::sync::Arc;
use loom::thread;

use super::*;

/// A lost wake-up leaves the waiter waiting, since time stands still in a model: loom reports it as
/// a deadlock.
#[test]
fn no_wake_up_is_lost() {
    loom::model(|| {
        let shared = Arc::new((Published::default(), AtomicU64::new(0)));
        let publishing = Arc::clone(&shared);
        let publisher = thread::spawn(move || {
            let (published, visible) = &*publishing;
            for seq in 1..=2 {
                visible.store(seq, Ordering::Release);
                published.notify();
            }
        });
        let (published, visible) = &*shared;
        assert!(published.wait_past(visible, 2, Duration::MAX, || Duration::ZERO));
        publisher.join().unwrap();
    });
}
