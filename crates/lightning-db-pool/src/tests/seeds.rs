//! Random lives of a pool, each replayed from a seed: faults in every call of the manager, callers
//! that give up, sizes and backends that change.
//!
//! `LIGHTNING_POOL_SEEDS` says how many, `LIGHTNING_POOL_START` from which on.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use super::line::Line;
use super::world::{World, ms};
use crate::runtime::Runtime;
use crate::{Backend, BreakerOptions, Error, Pool, Priority, RetryOptions, Strategy};

const STRATEGIES: [Strategy; 6] = [
    Strategy::RoundRobin,
    Strategy::LeastRecentlyUsed,
    Strategy::Random,
    Strategy::Weighted,
    Strategy::LeastLoaded,
    Strategy::PeakEwma,
];

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn no_life_of_a_pool_breaks_its_promises() {
    let (start, count) =
        (setting("LIGHTNING_POOL_START", 0), setting("LIGHTNING_POOL_SEEDS", 10_000));
    // The panics that are planted are not worth a line each.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let failed = (start..start + count).find_map(|seed| {
        let lived = catch_unwind(AssertUnwindSafe(|| live(seed)));
        lived.err().map(|panic| (seed, panic))
    });
    std::panic::set_hook(hook);
    if let Some((seed, panic)) = failed {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        panic!(
            "seed {seed}: {}; replay: LIGHTNING_POOL_START={seed} LIGHTNING_POOL_SEEDS=1 \
             cargo test -p lightning-db-pool no_life",
            text.unwrap_or_default()
        );
    }
}

fn live(seed: u64) {
    let world = World::new(seed);
    let max_size = 1 + usize::try_from(world.draw(5)).unwrap();
    let often = |often: f64| if world.happens(0.5) { often } else { 0.0 };
    let (errors, checks) = (often(0.3), often(0.3));
    let (hangs, panics) = (often(0.05), often(0.05));
    world.faults(|faults| {
        faults.connect_errors = errors;
        faults.check_errors = checks;
        faults.hangs = hangs;
        faults.panics = panics;
        faults.slow = ms(4);
    });
    let pool = make_pool(&world, max_size);
    let (line, left) = (Line::default(), Arc::new(AtomicUsize::new(0)));
    for _ in 0..2 + world.draw(12) {
        left.fetch_add(1, Ordering::Relaxed);
        let (world_of_user, pool, left) = (world.clone(), pool.clone(), Arc::clone(&left));
        let line = line.clone();
        world.spawn(async move {
            use_pool(&world_of_user, &pool, &line).await;
            left.fetch_sub(1, Ordering::Relaxed);
        });
    }
    world.run(async {
        let (mut limit, mut size) = (max_size, 0);
        while left.load(Ordering::Relaxed) > 0 {
            world.sleep(ms(20)).await;
            // Where it shrank, those that are too many go one by one, and none is added.
            let now = pool.statistics().size;
            assert!(now <= limit.max(size), "{now} connections, {size} before, of {limit}");
            size = now;
            meddle(&world, &pool, &mut limit);
            assert!(world.now() < Duration::from_hours(1), "users wait for ever");
        }
        let statistics = pool.statistics();
        assert_eq!((statistics.in_use, statistics.waiting), (0, 0), "{statistics:?}");
        let counts = statistics.counts;
        assert_eq!(counts.acquired, counts.released + counts.detached, "{statistics:?}");
        world.faults(|faults| *faults = super::world::Faults::default());
        let report = pool.close(Duration::from_secs(100)).await;
        assert_eq!(report.left, 0);
        assert_eq!(pool.statistics().size, 0, "{:?}", pool.statistics());
    });
    assert_eq!(world.live(), 0, "connections are left");
    // It grows to seven at most, by `meddle`.
    assert!(world.live_max() <= max_size.max(7), "{} live", world.live_max());
}

fn make_pool(world: &World, max_size: usize) -> Pool<World> {
    let strategy = STRATEGIES[usize::try_from(world.draw(6)).unwrap()];
    let min_idle = usize::try_from(world.draw(2)).unwrap();
    let backends = world.draw(3);
    let (check_after, lifetime) = (ms(world.draw(20)), ms(20 + world.draw(200)));
    world.pool(|options| {
        let names = ["b", "c"].iter().take(usize::try_from(backends).unwrap());
        let options =
            names.fold(options, |options, name| options.backend(Backend::new(*name).weight(2)));
        options
            .max_size(max_size)
            .min_idle(min_idle)
            .strategy(strategy)
            .acquire_timeout(ms(100))
            .connect_timeout(ms(10))
            .check_timeout(ms(10))
            .check_after(check_after)
            .keepalive(Some(ms(30)))
            .idle_timeout(Some(ms(80)))
            .max_lifetime(Some(lifetime))
            .maintenance_interval(ms(10))
            .connects_max(2)
            .retry(RetryOptions { attempts: 2, first: ms(1), factor: 2.0, max: ms(4) })
            .breaker(BreakerOptions { errors: 3, open: ms(20), open_max: ms(60), share_max: 0.5 })
    })
}

async fn use_pool(world: &World, pool: &Pool<World>, line: &Line) {
    for _ in 0..5 + world.draw(10) {
        let limit = ms(1 + world.draw(150));
        let started = world.now();
        let class = if world.happens(0.2) { Priority::High } else { Priority::Normal };
        let get = pin!(line.watch(pool.get().timeout(limit), class));
        let answer = if world.happens(0.3) {
            // Gives up after a while.
            until(get, world.runtime.sleep(ms(world.draw(20)))).await
        } else {
            Some(get.await)
        };
        let waited = world.since(started);
        assert!(waited <= limit + ms(1), "answered {:?} late", waited.saturating_sub(limit));
        match answer {
            Some(Ok(mut connection)) => {
                world.sleep(ms(world.draw(6))).await;
                match world.draw(10) {
                    0 => connection.is_dirty = true,
                    1 => connection.is_dead = true,
                    2 => connection.mark_broken(),
                    3 => drop(connection.detach()),
                    _ => {}
                }
            }
            Some(Err(Error::Closed | Error::Hook { .. } | Error::Option { .. })) => {
                panic!("an error that cannot be")
            }
            Some(Err(_)) | None => world.sleep(ms(world.draw(10))).await,
        }
    }
}

/// The future's result if it ends before the other one.
async fn until<T>(
    mut future: std::pin::Pin<&mut impl Future<Output = T>>,
    mut other: crate::BoxFuture<()>,
) -> Option<T> {
    std::future::poll_fn(move |context| {
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Poll::Ready(Some(value));
        }
        other.as_mut().poll(context).map(|()| None)
    })
    .await
}

fn meddle(world: &World, pool: &Pool<World>, limit: &mut usize) {
    match world.draw(12) {
        0 => {
            pool.invalidate();
        }
        1 => {
            *limit = 1 + usize::try_from(world.draw(7)).unwrap();
            pool.resize(*limit, 0).unwrap();
        }
        2 => pool.pause("a").unwrap(),
        3 | 4 => pool.resume("a").unwrap(),
        _ => {}
    }
    let statistics = pool.statistics();
    let parts = statistics.idle
        + statistics.in_use
        + statistics.connecting
        + statistics.checking
        + statistics.closing;
    assert_eq!(parts, statistics.size);
    let idle: usize = statistics.backends.iter().map(|backend| backend.idle).sum();
    let busy: usize = statistics.backends.iter().map(|backend| backend.busy).sum();
    assert_eq!(idle, statistics.idle, "{statistics:?}");
    assert_eq!(busy, statistics.in_use + statistics.connecting, "{statistics:?}");
}
