//! Requests and the threads that serve them, in every order, with the real [`Work`].
//!
//! In a model time stands still, so that a wait with a limit ends by a wake-up only: a lost one
//! leaves a thread waiting, which loom reports as a deadlock.

// Not loom's, which would count its owners while a found deadlock ends the threads.
use std::sync::Arc as Shared;

use loom::model::Builder;
use loom::thread;

use super::*;
use crate::published::Published;
use crate::sync::AtomicU64;

/// What was asked for, what was done, and the requests between.
struct Scene {
    work: Work<()>,
    asked: AtomicU64,
    done: AtomicU64,
    published: Published,
}

impl Scene {
    /// As a commit does it: what is to be done is there, and published, before the request.
    fn ask(&self, request: impl Fn(&Work<()>)) {
        self.asked.fetch_add(1, Ordering::Release);
        self.published.notify();
        request(&self.work);
    }

    /// The loop of a thread: each round does all that was asked for when it began.
    fn serve(&self, next: impl Fn(&Work<()>) -> bool) {
        while next(&self.work) {
            self.done.store(self.asked.load(Ordering::Acquire), Ordering::Release);
            self.published.notify();
        }
    }

    fn wait_until_done(&self, seq: u64) {
        assert!(self.published.wait_past(&self.done, seq, Duration::MAX, || Duration::ZERO));
    }
}

type Next = fn(&Work<()>) -> bool;

/// All kinds of work but flushes, with what asks for them.
const KINDS: [(Next, fn(&Work<()>)); 3] = [
    (Work::next_merge, Work::request_merge),
    (Work::next_spare, Work::request_spare),
    (next_sync, Work::request_sync),
];

/// Commits gather for some time in the store, which a model does not have.
fn next_sync(work: &Work<()>) -> bool {
    work.next_sync(Duration::ZERO)
}

/// Runs a scene beside a thread, closes, and waits for the thread to end.
fn model(
    thread: impl Fn(&Scene) + Copy + Send + Sync + 'static,
    scene: impl Fn(&Shared<Scene>) + Send + Sync + 'static,
) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let shared = Shared::new(Scene {
            work: Work::default(),
            asked: AtomicU64::new(0),
            done: AtomicU64::new(0),
            published: Published::default(),
        });
        let serving = Shared::clone(&shared);
        let server = thread::spawn(move || thread(&serving));
        scene(&shared);
        shared.work.close();
        server.join().unwrap();
    });
}

/// The second request comes before, during or after the round of the first one.
#[test]
fn a_request_during_the_work_is_served() {
    for (next, request) in KINDS {
        model(
            move |scene| scene.serve(next),
            move |scene| {
                scene.ask(request);
                scene.ask(request);
                scene.wait_until_done(2);
            },
        );
    }
}

#[test]
fn requests_of_two_threads_are_served() {
    for (next, request) in KINDS {
        model(
            move |scene| scene.serve(next),
            move |scene| {
                let other = Shared::clone(scene);
                let other = thread::spawn(move || other.ask(request));
                scene.ask(request);
                other.join().unwrap();
                scene.wait_until_done(2);
            },
        );
    }
}

#[test]
fn closing_ends_a_thread_that_waits_or_works() {
    for (next, request) in KINDS {
        model(move |scene| scene.serve(next), |_| {});
        model(move |scene| scene.serve(next), move |scene| scene.ask(request));
    }
    model(|scene| scene.serve(Work::next_flush), |_| {});
}

/// Takes set after set; the first so many flushes fail.
fn flush(scene: &Scene, failures: u64) {
    let mut failed = 0;
    while scene.work.next_flush() {
        if failed < failures {
            failed += 1;
            scene.work.note_failure(Error::Closed);
        } else {
            scene.work.pop_frozen();
        }
    }
}

#[test]
fn a_writer_that_waits_for_room_goes_on_when_a_flush_made_it() {
    model(
        |scene| flush(scene, 0),
        |scene| {
            for _ in 0..2 {
                scene.work.push(());
                scene.work.wait_for_flush(1).unwrap();
            }
            assert_eq!(scene.work.frozen_len(), 0);
        },
    );
}

/// The writer learns of the failure, and its coming back has the flush tried again.
#[test]
fn a_failed_flush_is_tried_again_for_who_asks() {
    model(
        |scene| flush(scene, 1),
        |scene| {
            scene.work.push(());
            let refused = scene.work.wait_for_flush(1);
            assert!(matches!(refused, Err(Error::Flush { .. })), "{refused:?}");
            // Until the thread has begun, there is only the old failure to tell of.
            while scene.work.wait_for_flush(1).is_err() {
                thread::yield_now();
            }
        },
    );
}

#[test]
fn closing_ends_a_writer_that_waits_for_room() {
    model(
        |_| {},
        |scene| {
            scene.work.push(());
            let waiting = Shared::clone(scene);
            let waiting = thread::spawn(move || waiting.work.wait_for_flush(1));
            scene.work.close();
            assert!(matches!(waiting.join().unwrap(), Err(Error::Closed)));
        },
    );
}

/// What the model is worth: a thread that takes the flag down behind its work loses a request.
#[test]
#[should_panic(expected = "deadlock")]
fn a_flag_that_is_taken_down_behind_the_work_is_caught() {
    let serve = |scene: &Scene| {
        let work = &scene.work;
        loop {
            let mut queue = work.queue.lock();
            while !queue.wanted.merge && !queue.closing {
                work.merge_asked.wait(&mut queue);
            }
            if queue.closing {
                return;
            }
            drop(queue);
            scene.done.store(scene.asked.load(Ordering::Acquire), Ordering::Release);
            scene.published.notify();
            work.queue.lock().wanted.merge = false;
        }
    };
    model(serve, |scene| {
        scene.ask(Work::request_merge);
        scene.ask(Work::request_merge);
        scene.wait_until_done(2);
    });
}
