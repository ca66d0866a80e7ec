//! The same work on threads that wait.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::contender::Blocking;
use super::measure::{Scale, Shared, User, reduced};
use super::{CONNECTIONS, TASKS};
use crate::clock::{nanos_u32, now, process_cpu};

fn filled<P: Blocking>() -> Result<P> {
    let pool = P::open()?;
    let held = (0..CONNECTIONS).map(|_| pool.get()).collect::<Result<Vec<_>>>()?;
    drop(held);
    Ok(pool)
}

/// One thread that acquires and releases.
pub(super) fn one_thread<P: Blocking>(scale: &Scale) -> Result<f64> {
    let pool = filled::<P>()?;
    let mut ops = 1_000_u64;
    loop {
        let (start, before) = (now(), process_cpu());
        for _ in 0..ops {
            black_box(pool.get()?);
        }
        let spent = process_cpu().saturating_sub(before);
        if start.elapsed() >= scale.time {
            return Ok(spent.as_nanos() as f64 / ops as f64);
        }
        ops *= 2;
    }
}

/// Many threads on few connections, each held while others run.
pub(super) fn held_over_yield<P: Blocking>(scale: &Scale) -> Result<Shared> {
    let pool = filled::<P>()?;
    let (cpu_ns, counted) = share(&pool, scale.time, false)?;
    let (_, timed) = share(&pool, scale.time / 2, true)?;
    let acquired = counted.iter().map(|user| user.acquired).collect();
    let waits = timed.into_iter().flat_map(|user| user.waits).collect();
    Ok(Shared { cpu_ns, acquired, waits })
}

#[expect(clippy::disallowed_methods, reason = "it measures for as long as it sleeps")]
fn share<P: Blocking>(pool: &P, time: Duration, timed: bool) -> Result<(f64, Vec<User>)> {
    let (stop, start) = (AtomicBool::new(false), Barrier::new(TASKS + 1));
    let work = || {
        start.wait();
        let mut user = User::default();
        while !stop.load(Ordering::Relaxed) {
            let asked = timed.then(now);
            let connection = pool.get()?;
            user.waits.extend(asked.map(|asked| nanos_u32(asked.elapsed())));
            std::thread::yield_now();
            drop(connection);
            user.acquired += 1;
        }
        anyhow::Ok(user)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..TASKS).map(|_| scope.spawn(work)).collect();
        start.wait();
        let before = process_cpu();
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let joined = threads.into_iter().map(|thread| {
            thread.join().map_err(|_| anyhow!("a thread of the benchmark panicked"))?
        });
        let users = joined.collect::<Result<Vec<_>>>()?;
        Ok(reduced(users, process_cpu().saturating_sub(before)))
    })
}
