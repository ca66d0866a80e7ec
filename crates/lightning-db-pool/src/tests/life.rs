//! Tests of how connections come and go: lifetimes, idle times, hooks, resizing, the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::world::{Link, World, ms};
use crate::{Backend, CloseReason, Error, Hooks, Pool, Strategy};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn idle_connections_are_made_kept_and_closed() {
    let world = World::new(1);
    world.faults(|faults| faults.slow = ms(5));
    let pool =
        world.pool(|options| options.min_idle(2).max_size(5).idle_timeout(Some(seconds(60))));
    world.run(async {
        pool.ready().await.unwrap();
        assert_eq!(pool.statistics().idle, 2);
        let mut all = Vec::new();
        for _ in 0..5 {
            all.push(pool.get().await.unwrap());
        }
        drop(all);
        assert_eq!(pool.statistics().idle, 5);
        world.sleep(seconds(62)).await;
        assert_eq!(pool.statistics().idle, 2);
        assert_eq!(pool.statistics().counts.closed, 3);
    });
}

#[test]
fn readiness_says_why_it_does_not_come() {
    let world = World::new(2);
    world.faults(|faults| faults.connect_errors = 1.0);
    let pool = world.pool(|options| options.min_idle(1));
    world.run(async {
        assert!(matches!(pool.ready().await, Err(Error::Connect { .. })));
        world.faults(|faults| faults.connect_errors = 0.0);
        pool.ready().await.unwrap();
    });
}

#[test]
fn lifetimes_end_apart_from_each_other() {
    let world = World::new(3);
    let pool = world.pool(|options| {
        options.min_idle(10).max_size(10).max_lifetime(Some(seconds(1000))).connects_max(10)
    });
    world.run(async {
        pool.ready().await.unwrap();
        world.sleep(seconds(890)).await;
        assert_eq!(pool.statistics().counts.closed, 0);
        world.sleep(seconds(110)).await;
        let closed = pool.statistics().counts.closed;
        assert!((1..10).contains(&closed), "{closed} of 10 in the middle of the jitter");
        world.sleep(seconds(110)).await;
        assert_eq!(pool.statistics().counts.closed, 10);
        assert_eq!(pool.statistics().idle, 10, "and others are there in their place");
    });
}

#[test]
fn idle_connections_are_asked_whether_they_work() {
    let world = World::new(4);
    let pool = world.pool(|options| options.min_idle(1).keepalive(Some(seconds(10))));
    world.run(async {
        pool.ready().await.unwrap();
        world.sleep(seconds(35)).await;
        assert_eq!(pool.statistics().counts.checks, 3);
        world.faults(|faults| faults.check_errors = 1.0);
        world.sleep(seconds(11)).await;
        let counts = pool.statistics().counts;
        assert_eq!((counts.check_errors, counts.connected), (1, 2));
    });
}

#[test]
fn connections_are_reset_closed_and_taken_out() {
    let world = World::new(5);
    let pool = world.pool(|options| options.max_size(1));
    world.run(async {
        let mut dirty = pool.get().await.unwrap();
        let first = dirty.id();
        dirty.is_dirty = true;
        drop(dirty);
        let mut clean = pool.get().await.unwrap();
        assert!(!clean.is_dirty);
        assert_eq!(clean.id(), first);
        clean.is_dead = true;
        drop(clean);
        let mut second = pool.get().await.unwrap();
        assert_ne!(second.id(), first);
        second.mark_broken();
        drop(second);
        let link: Link = pool.get().await.unwrap().detach();
        assert_eq!(pool.statistics().size, 0);
        drop(pool.get().await.unwrap());
        drop(link);
    });
    let counts = pool.statistics().counts;
    assert_eq!((counts.closed, counts.detached, counts.checks), (2, 1, 1));
}

#[test]
fn hooks_that_refuse_or_panic_cost_their_connection_alone() {
    let world = World::new(6);
    let closed = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&closed);
    let calls = AtomicUsize::new(0);
    let hooks = Hooks::new()
        .on_connect(
            |_: &mut Link, info| {
                if info.id == 1 { Err(Arc::new(super::world::Refused)) } else { Ok(()) }
            },
        )
        .on_acquire(move |_, _| match calls.fetch_add(1, Ordering::Relaxed) {
            0 => panic!("planted panic"),
            1 => Err(Arc::new(super::world::Refused)),
            _ => Ok(()),
        })
        .on_release(
            |link, _| {
                if link.is_dirty { Err(Arc::new(super::world::Refused)) } else { Ok(()) }
            },
        )
        .on_close(move |info, reason| noted.lock().push((info.id, reason)));
    let pool = world.pool(|options| options.max_size(1).hooks(hooks));
    world.run(async {
        let panicked = pool.get().await.unwrap_err();
        assert!(matches!(panicked, Error::Hook { hook: "acquire", .. }), "{panicked}");
        let refused = pool.get().await.unwrap_err();
        assert!(matches!(refused, Error::Hook { hook: "acquire", .. }), "{refused}");
        let mut third = pool.get().await.unwrap();
        third.is_dirty = true;
        drop(third);
        drop(pool.get().await.unwrap());
    });
    assert_eq!(pool.statistics().counts.connect_errors, 1);
    assert_eq!(
        *closed.lock(),
        [(2, CloseReason::Hook), (3, CloseReason::Hook), (4, CloseReason::Hook)]
    );
}

#[test]
fn a_connection_that_is_kept_for_long_is_reported_once_with_its_place() {
    let world = World::new(7);
    let found = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&found);
    let hooks = Hooks::new().on_leak(move |leak| {
        noted.lock().push((leak.acquired_at.file(), leak.acquired_at.line(), leak.in_use));
    });
    let pool = world.pool(|options| options.leak_after(Some(seconds(5))).hooks(hooks));
    let line = world.run(async {
        let (held, line) = (pool.get().await.unwrap(), line!());
        world.sleep(seconds(20)).await;
        drop(held);
        line
    });
    let found = found.lock();
    assert_eq!(found.len(), 1);
    assert!(found[0].0.ends_with("life.rs") && found[0].1 == line, "{found:?}");
    assert_eq!(pool.statistics().counts.leaks, 1);
}

#[test]
fn size_follows_at_run_time() {
    let world = World::new(8);
    let pool = world.pool(|options| options.max_size(4));
    world.run(async {
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(pool.get().await.unwrap());
        }
        pool.resize(2, 0).unwrap();
        all.truncate(3);
        world.sleep(ms(1)).await;
        assert_eq!(pool.statistics().size, 3);
        drop(all);
        world.sleep(ms(1)).await;
        assert_eq!((pool.statistics().size, pool.statistics().idle), (2, 2));
        pool.resize(3, 3).unwrap();
        world.sleep(ms(1)).await;
        assert_eq!(pool.statistics().idle, 3);
        assert!(matches!(pool.resize(1, 2), Err(Error::Option { option: "min_idle", .. })));
        assert!(matches!(pool.resize(0, 0), Err(Error::Option { option: "max_size", .. })));
    });
    assert_eq!(world.live_max(), 4);
}

#[test]
fn a_paused_backend_rests_and_a_new_generation_replaces_all() {
    let world = World::new(9);
    let pool = world.pool(|options| options.backend(Backend::new("b")).max_size(4));
    world.run(async {
        pool.pause("a").unwrap();
        for _ in 0..4 {
            assert_eq!(pool.get().await.unwrap().backend(), "b");
        }
        pool.pause("b").unwrap();
        assert!(pool.get_timeout(seconds(5)).await.unwrap().is_none());
        pool.resume("a").unwrap();
        let held = pool.get().await.unwrap();
        assert_eq!(held.backend(), "a");
        let error = pool.resume("c").unwrap_err();
        assert_eq!(error.to_string(), "set backend: there is none named c, but a, b");
        pool.resume("b").unwrap();
        assert_eq!(pool.invalidate(), 1);
        drop(held);
        world.sleep(ms(1)).await;
        assert_eq!(pool.statistics().size, 0);
        assert_eq!(pool.get().await.unwrap().generation(), 1);
    });
}

#[test]
fn the_zone_comes_first_while_it_can() {
    let world = World::new(10);
    let pool = world.pool(|options| {
        options.backend(Backend::new("b").zone("near")).zone("near").strategy(Strategy::Random)
    });
    world.run(async {
        for _ in 0..10 {
            assert_eq!(pool.get().await.unwrap().backend(), "b");
        }
        pool.pause("b").unwrap();
        assert_eq!(pool.get().await.unwrap().backend(), "a");
    });
}

#[test]
fn the_end_waits_for_those_who_use_connections_until_its_deadline() {
    let world = World::new(11);
    world.faults(|faults| faults.slow = ms(2));
    let pool = world.pool(|options| options.max_size(2));
    let close = pool.closer();
    world.run(async {
        let (quick, slow) = (pool.get().await.unwrap(), pool.get().await.unwrap());
        let mut waiting = Box::pin(pool.get());
        std::future::poll_fn(|context| {
            assert!(waiting.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        let runtime = world.clone();
        world.spawn(async move {
            runtime.sleep(ms(50)).await;
            drop(quick);
        });
        let report = close(ms(100)).await;
        assert_eq!((report.in_use, report.left), (2, 1));
        assert!(matches!(waiting.await, Err(Error::Closed)));
        drop(slow);
        let report = pool.close(ms(100)).await;
        assert_eq!((report.in_use, report.left), (0, 0));
    });
    assert_eq!((world.live(), pool.statistics().size), (0, 0));
}

#[test]
fn the_last_handle_closes_what_is_idle() {
    let world = World::new(12);
    let pool = world.pool(|options| options);
    world.run(async {
        let held = pool.get().await.unwrap();
        drop(pool.get().await.unwrap());
        drop(pool);
        world.sleep(ms(1)).await;
        assert_eq!(world.live(), 1);
        drop(held);
        world.sleep(ms(1)).await;
        assert_eq!(world.live(), 0);
    });
}

#[test]
fn options_that_cannot_be_are_refused() {
    let build = |set: &dyn Fn(crate::PoolOptions<World>) -> crate::PoolOptions<World>| {
        let world = World::new(13);
        let options = Pool::builder(world.clone()).runtime(Arc::new(world.runtime));
        set(options).build().map(|_| ()).unwrap_err().to_string()
    };
    let a = || Backend::new("a");
    assert_eq!(build(&|it| it), "set backend: a pool needs at least one");
    assert_eq!(build(&|it| it.backend(a()).backend(a())), "set backend: two are named a");
    assert_eq!(
        build(&|it| it.backend(a()).min_idle(3).max_size(2)),
        "set min_idle: it is 3, more than max_size, 2"
    );
    assert_eq!(
        build(&|it| it.backend(a()).max_size(0)),
        "set max_size: it is 0, and must be at least 1"
    );
    assert_eq!(
        build(&|it| it.backend(a().weight(0))),
        "set weight: it is 0 for a; pause a backend that rests"
    );
    assert_eq!(
        build(&|it| it.backend(a()).lifetime_jitter(f64::NAN)),
        "set lifetime_jitter: it is NaN, and must be from 0 to 1"
    );
    assert_eq!(
        build(&|it| it.backend(a()).connect_timeout(Duration::ZERO)),
        "set connect_timeout: it is zero"
    );
}
