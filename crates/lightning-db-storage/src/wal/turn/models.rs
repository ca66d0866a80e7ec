//! Group commit in every order of its threads, with the real [`Turn`] and a disk of three numbers.

use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::AtomicUsize;

/// Committers: the thread of the model is one of them.
const COMMITTERS: usize = 3;

struct Disk {
    /// The commit lock, and the last sequence number.
    commit: Mutex<u64>,
    appended: AtomicU64,
    /// What a power cut would leave.
    synced: AtomicU64,
    syncs: AtomicUsize,
    fails: bool,
    poisoned: AtomicUsize,
    turn: Turn,
}

impl Disk {
    fn new(fails: bool) -> Self {
        Self {
            commit: Mutex::new(0),
            appended: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            syncs: AtomicUsize::new(0),
            fails,
            poisoned: AtomicUsize::new(0),
            turn: Turn::new(0),
        }
    }

    fn sync(&self) -> Result<u64, ()> {
        let upto = self.appended.load(Ordering::Acquire);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        if self.fails {
            return Err(());
        }
        self.synced.fetch_max(upto, Ordering::AcqRel);
        Ok(upto)
    }

    /// Appends under the commit lock and waits for the disk without it, as a commit does.
    fn commit(&self) -> Result<(), ()> {
        let seq = {
            let mut last = self.commit.lock();
            *last += 1;
            self.appended.store(*last, Ordering::Release);
            *last
        };
        let check = || if self.poisoned.load(Ordering::Acquire) > 0 { Err(()) } else { Ok(()) };
        let fail = |(): &()| self.poisoned.store(1, Ordering::Release);
        self.turn.reach(seq, check, || self.sync(), fail)?;
        assert!(self.synced.load(Ordering::Acquire) >= seq, "commit {seq} is not on the disk");
        Ok(())
    }
}

/// Runs all committers in every order; `judge` sees what became of them. A lost wake-up leaves a
/// committer waiting, which loom reports as a deadlock.
fn model(fails: bool, judge: fn(&Disk, Vec<Result<(), ()>>)) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let disk = Arc::new(Disk::new(fails));
        let others: Vec<_> = (1..COMMITTERS)
            .map(|_| {
                let disk = Arc::clone(&disk);
                thread::spawn(move || disk.commit())
            })
            .collect();
        let mut outcomes = vec![disk.commit()];
        outcomes.extend(others.into_iter().map(|other| other.join().unwrap()));
        judge(&disk, outcomes);
    });
}

#[test]
fn nobody_returns_before_a_sync_that_began_after_its_append() {
    model(false, |disk, outcomes| {
        assert!(outcomes.iter().all(Result::is_ok));
        let syncs = disk.syncs.load(Ordering::Relaxed);
        assert!((1..=COMMITTERS).contains(&syncs), "{syncs} syncs");
    });
}

#[test]
fn a_failed_sync_fails_all_who_wait_and_is_not_tried_again() {
    model(true, |disk, outcomes| {
        assert!(outcomes.iter().all(Result::is_err));
        assert_eq!(disk.syncs.load(Ordering::Relaxed), 1);
    });
}
