//! The pool with two and three users, in every order of their locks, under loom.
//!
//! In a model time stands still and tasks run where they are spawned, so that a caller who is
//! forgotten is left waiting, which loom reports as a deadlock.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use loom::model::Builder;
use loom::thread;

use super::*;
use crate::{Backend, Priority};

/// Tasks run up to their first wait and end there; nothing ever waits but for time.
#[derive(Debug)]
struct Still;

impl Runtime for Still {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> BoxFuture<()> {
        Box::pin(std::future::pending())
    }

    fn spawn(&self, mut task: BoxFuture<()>) {
        let _ = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }

    fn seed(&self) -> u64 {
        0
    }
}

/// Connections that count themselves.
#[derive(Debug, Default, Clone)]
struct Counted {
    made: Arc<AtomicUsize>,
    in_use: Arc<AtomicUsize>,
}

impl Manager for Counted {
    type Connection = usize;
    type Error = Infallible;

    async fn connect(&self, _: &Backend) -> std::result::Result<usize, Infallible> {
        Ok(self.made.fetch_add(1, Ordering::SeqCst))
    }

    async fn check(&self, _: &mut usize) -> std::result::Result<(), Infallible> {
        Ok(())
    }
}

impl Counted {
    /// Uses a connection of at most so many, and gives it back.
    fn use_one(&self, pool: &Pool<Self>, most: usize) {
        let connection = pool.get_blocking().unwrap();
        assert!(self.in_use.fetch_add(1, Ordering::SeqCst) < most, "too many are given out");
        // Takes the lock, so that others may come between.
        assert!(pool.is_available());
        self.in_use.fetch_sub(1, Ordering::SeqCst);
        drop(connection);
    }
}

fn model(max_size: usize, scene: impl Fn(&Pool<Counted>, &Counted) + Sync + Send + 'static) {
    let mut builder = Builder::new();
    // Most of all: a lost wake-up needs two.
    builder.preemption_bound = Some(4);
    builder.check(move || {
        let manager = Counted::default();
        let pool = Pool::builder(manager.clone()).backend(Backend::new("a")).max_size(max_size);
        let pool = pool.runtime(Arc::new(Still)).build().unwrap();
        scene(&pool, &manager);
        let statistics = pool.statistics();
        assert_eq!((statistics.in_use, statistics.waiting), (0, 0), "{statistics:?}");
        let counts = statistics.counts;
        assert_eq!(counts.acquired, counts.released, "{statistics:?}");
    });
}

fn beside(pool: &Pool<Counted>, work: impl FnOnce(Pool<Counted>) + 'static) -> impl FnOnce() {
    let pool = pool.clone();
    let thread = thread::spawn(move || work(pool));
    move || thread.join().unwrap()
}

#[test]
fn everyone_in_line_is_served() {
    model(1, |pool, manager| {
        let users: Vec<_> = (0..2)
            .map(|_| {
                let manager = manager.clone();
                beside(pool, move |pool| manager.use_one(&pool, 1))
            })
            .collect();
        manager.use_one(pool, 1);
        users.into_iter().for_each(|join| join());
        assert_eq!(manager.made.load(Ordering::SeqCst), 1);
        assert_eq!(pool.statistics().idle, 1);
    });
}

#[test]
fn a_hand_off_to_one_who_gives_up_reaches_the_next() {
    model(1, |pool, manager| {
        let held = pool.get_blocking().unwrap();
        let gives_up = beside(pool, |pool| {
            let mut get = pin!(pool.get().priority(Priority::High));
            let _ = get.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        });
        let user = manager.clone();
        let waits = beside(pool, move |pool| user.use_one(&pool, 1));
        drop(held);
        gives_up();
        waits();
        assert_eq!(manager.made.load(Ordering::SeqCst), 1);
        assert_eq!(pool.statistics().idle, 1);
    });
}

#[test]
fn a_release_beside_a_resize_leaves_as_many_as_there_may_be() {
    model(2, |pool, manager| {
        let (one, other) = (pool.get_blocking().unwrap(), pool.get_blocking().unwrap());
        let releases = beside(pool, move |_| drop(one));
        let shrinks = beside(pool, |pool| pool.resize(1, 0).unwrap());
        drop(other);
        manager.use_one(pool, 2);
        releases();
        shrinks();
        let statistics = pool.statistics();
        assert_eq!((statistics.size, statistics.idle), (1, 1), "{statistics:?}");
        assert_eq!(manager.made.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn one_whose_time_ends_beside_a_hand_off_is_answered_once() {
    model(1, |pool, manager| {
        let held = pool.get_blocking().unwrap();
        let waits = beside(pool, |pool| match pool.get_blocking() {
            Ok(_) | Err(Error::Timeout { .. }) => {}
            Err(error) => panic!("{error}"),
        });
        let ends = beside(pool, |pool| {
            pool.0.shared.change(|state, _, actions| state.expire(Duration::MAX, actions));
        });
        drop(held);
        ends();
        waits();
        let statistics = pool.statistics();
        let counts = statistics.counts;
        assert_eq!(counts.acquired + counts.timed_out, 2, "{statistics:?}");
        assert_eq!((statistics.idle, manager.made.load(Ordering::SeqCst)), (1, 1));
    });
}

#[test]
fn an_end_beside_a_user_leaves_nothing() {
    model(1, |pool, _| {
        let user = beside(pool, |pool| match pool.get_blocking() {
            Ok(_) | Err(Error::Closed) => {}
            Err(error) => panic!("{error}"),
        });
        let report = pool.close_blocking(Duration::MAX);
        assert!(report.in_use <= 1 && report.left == 0, "{report:?}");
        user();
        assert_eq!(pool.statistics().size, 0);
    });
}
