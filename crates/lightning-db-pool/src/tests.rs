//! Tests of the whole pool, most of them on a simulated runtime.

mod life;
mod line;
mod seeds;
mod threads;
mod world;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use parking_lot::Mutex;

use self::world::{World, ms};
use crate::{BreakerOptions, Circuit, Error, Priority};

#[test]
fn connections_go_to_those_who_wait_in_order() {
    let world = World::new(1);
    let pool = world.pool(|options| options.max_size(1));
    let order = Arc::new(Mutex::new(Vec::new()));
    world.run(async {
        let first = pool.get().await.unwrap();
        for number in 0..5_u32 {
            let (pool, order) = (pool.clone(), Arc::clone(&order));
            let priority = if number == 4 { Priority::High } else { Priority::Normal };
            let mut get = Box::pin(pool.get().priority(priority));
            // In line now, in this order.
            assert!(get.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            world.spawn(async move {
                let connection = get.await.unwrap();
                order.lock().push(number);
                drop(connection);
            });
        }
        drop(first);
        // Somebody who comes later takes nothing away from those in line.
        assert!(pool.try_get().unwrap().is_none());
        world.sleep(ms(10)).await;
    });
    assert_eq!(*order.lock(), [4, 0, 1, 2, 3]);
    assert_eq!(pool.statistics().counts.waited, 6);
}

#[test]
fn a_dropped_get_passes_its_connection_on() {
    let world = World::new(2);
    let pool = world.pool(|options| options.max_size(1));
    world.run(async {
        let held = pool.get().await.unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let mut first = Box::pin(pool.get());
        let mut second = Box::pin(pool.get());
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        let id = held.id();
        drop(held);
        // The first one has been handed it and never looks.
        drop(first);
        assert_eq!(second.await.unwrap().id(), id);
    });
    let counts = pool.statistics().counts;
    assert_eq!((counts.cancelled, counts.acquired, counts.released), (1, 2, 2));
    assert_eq!((world.created(), pool.statistics().idle), (1, 1));
}

#[test]
fn a_storm_of_cancelled_acquires_makes_no_connection_more() {
    let world = World::new(3);
    world.faults(|faults| faults.slow = ms(3));
    let pool = world.pool(|options| options.max_size(8).check_after(Duration::ZERO));
    let acquires = std::env::var("LIGHTNING_POOL_STORM").map_or(100_000, |n| n.parse().unwrap());
    world.run(async {
        for number in 0..acquires {
            let mut get = Box::pin(pool.get());
            // Dropped while it waits for a connect or a check, at one moment or another.
            let mut context = Context::from_waker(Waker::noop());
            if get.as_mut().poll(&mut context).is_pending() && number % 3 > 0 {
                world.sleep(Duration::from_micros(number % 4001)).await;
            }
        }
        world.sleep(ms(100)).await;
        let all: Vec<_> = {
            let mut all = Vec::new();
            for _ in 0..8 {
                all.push(pool.get().await.unwrap());
            }
            all
        };
        drop(all);
    });
    assert_eq!(world.created(), 8);
    assert_eq!(pool.statistics().in_use, 0);
}

#[test]
fn everyone_is_answered_by_the_deadline() {
    let world = World::new(4);
    let pool = world.pool(|options| options.max_size(1).acquire_timeout(ms(200)));
    world.run(async {
        let held = pool.get().await.unwrap();
        let started = world.now();
        let short = pool.get().timeout(ms(50)).await;
        assert!(matches!(short, Err(Error::Timeout { in_use: 1, max_size: 1, waiting: 0, .. })));
        assert_eq!(world.since(started), ms(50));
        let started = world.now();
        assert!(pool.get().await.unwrap_err().is_retryable());
        assert_eq!(world.since(started), ms(200));
        assert!(pool.get_timeout(ms(5)).await.unwrap().is_none());
        drop(held);
        assert!(pool.get_timeout(ms(5)).await.unwrap().is_some());
    });
    assert_eq!(pool.statistics().counts.timed_out, 3);
}

#[test]
fn many_deadlines_are_kept_by_one_task() {
    let world = World::new(14);
    let pool = world.pool(|options| options.max_size(1));
    world.run(async {
        let _held = pool.get().await.unwrap();
        let mut patient = Box::pin(pool.get());
        assert!(patient.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        for _ in 0..100 {
            assert!(pool.get_timeout(ms(5)).await.unwrap().is_none());
        }
        // Those that others have taken over from end at their first look.
        world.sleep(Duration::from_secs(40)).await;
        assert!(matches!(patient.await, Err(Error::Timeout { .. })));
        let mut last = Box::pin(pool.get());
        assert!(last.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(world.runtime.tasks(), 2, "maintenance, and one sweep");
    });
    assert_eq!(pool.statistics().counts.timed_out, 101);
}

#[test]
fn a_connect_error_reaches_the_one_who_waits_with_its_cause() {
    let world = World::new(5);
    world.faults(|faults| faults.connect_errors = 1.0);
    let pool = world.pool(|options| options);
    world.run(async {
        let error = pool.get().await.unwrap_err();
        let Error::Connect { backend, attempts, source } = error else { panic!("{error}") };
        assert_eq!((&*backend, attempts), ("a", 3));
        assert_eq!(source.to_string(), "refused by the test");
    });
    assert_eq!(pool.statistics().counts.connect_errors, 3);
    assert_eq!(pool.statistics().size, 0);
}

#[test]
fn an_open_circuit_refuses_at_once_and_is_tried_again_later() {
    let world = World::new(6);
    world.faults(|faults| faults.connect_errors = 1.0);
    let pool = world.pool(|options| options);
    world.run(async {
        for _ in 0..2 {
            assert!(matches!(pool.get().await, Err(Error::Connect { .. })));
        }
        assert_eq!(pool.statistics().backends[0].circuit, Circuit::Open);
        assert!(!pool.is_available());
        let started = world.now();
        let error = pool.get().await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { ejected: 1, source: Some(_), .. }), "{error}");
        assert_eq!(world.now(), started);
        world.faults(|faults| faults.connect_errors = 0.0);
        world.sleep(Duration::from_secs(11)).await;
        assert_eq!(pool.statistics().backends[0].circuit, Circuit::HalfOpen);
        drop(pool.get().await.unwrap());
        assert_eq!(pool.statistics().backends[0].circuit, Circuit::Closed);
    });
}

#[test]
fn of_several_backends_the_one_with_errors_is_left_alone() {
    let world = World::new(7);
    world.faults(|faults| faults.bad_backend = Some("b".to_owned()));
    let pool = world.pool(|options| {
        let options = options.backend(crate::Backend::new("b")).backend(crate::Backend::new("c"));
        let seconds = Duration::from_secs;
        let (open, open_max) = (seconds(10), seconds(300));
        options.max_size(6).breaker(BreakerOptions { errors: 2, open, open_max, share_max: 0.5 })
    });
    world.run(async {
        for _ in 0..40 {
            let mut all = Vec::new();
            for _ in 0..4 {
                all.push(pool.get().await.unwrap());
            }
            assert!(all.iter().all(|connection| connection.backend() != "b"));
        }
    });
    let statistics = pool.statistics();
    let b = &statistics.backends[1];
    assert!(b.ejections >= 1 && b.acquired == 0, "{b:?}");
    assert!(statistics.counts.connect_errors < 20, "{statistics:?}");
}

#[test]
fn a_connection_that_fails_its_check_is_replaced_unseen() {
    let world = World::new(8);
    let pool = world.pool(|options| options.max_size(2).check_after(ms(10)));
    world.run(async {
        let first = pool.get().await.unwrap().id();
        world.sleep(ms(20)).await;
        assert_eq!(pool.get().await.unwrap().id(), first, "checked, and the same");
        world.sleep(ms(20)).await;
        world.faults(|faults| faults.check_errors = 1.0);
        assert_ne!(pool.get().await.unwrap().id(), first);
    });
    let counts = pool.statistics().counts;
    assert_eq!((counts.checks, counts.check_errors, counts.closed), (2, 1, 1));
}

#[test]
fn a_manager_that_panics_or_hangs_costs_one_attempt_and_no_place() {
    let world = World::new(9);
    let pool = world.pool(|options| options.max_size(2).connect_timeout(ms(100)));
    world.run(async {
        world.faults(|faults| faults.panics = 1.0);
        assert!(matches!(pool.get().await, Err(Error::Connect { .. })));
        world.faults(|faults| {
            faults.panics = 0.0;
            faults.hangs = 1.0;
        });
        let error = pool.get().await.unwrap_err();
        let Error::Connect { source, .. } = &error else { panic!("{error}") };
        assert_eq!(source.to_string(), "no answer within 100ms");
        world.faults(|faults| faults.hangs = 0.0);
        let both = (pool.get().await.unwrap(), pool.get().await.unwrap());
        assert_ne!(both.0.id(), both.1.id());
    });
    assert_eq!(pool.statistics().size, 2);
}

#[test]
fn try_get_takes_only_what_is_idle() {
    let world = World::new(10);
    let pool = world.pool(|options| options);
    assert!(pool.try_get().unwrap().is_none());
    world.run(async { drop(pool.get().await.unwrap()) });
    let held = pool.try_get().unwrap().unwrap();
    assert!(pool.try_get().unwrap().is_none());
    drop(held);
    let mut closing = pin!(pool.close(ms(9)));
    assert!(closing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(matches!(pool.try_get(), Err(Error::Closed)));
}
