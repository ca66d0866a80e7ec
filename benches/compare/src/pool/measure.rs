//! Processor time, waits and fairness of tasks that share a pool.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::runtime::Runtime;
use tokio::sync::Barrier;

use super::contender::{Awaited, Behaviour};
use super::pools::Links;
use super::{CONNECTIONS, TASKS, plain};
use crate::clock::{nanos_u32, now, process_cpu};
use crate::stats::{Percentiles, Sample, histogram};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// The time that each measurement takes at least.
    pub time: Duration,
    /// Acquires that are given up.
    pub cancelled: u64,
}

impl Scale {
    pub(super) fn new(quick: bool, cancelled: Option<u64>) -> Self {
        let (time, otherwise) = if quick { (60, 30_000) } else { (1_000, 1_000_000) };
        Self { time: Duration::from_millis(time), cancelled: cancelled.unwrap_or(otherwise) }
    }
}

/// What users of a pool got who share it.
#[derive(Debug)]
pub(super) struct Shared {
    /// Processor time of all threads for one acquire and release.
    pub cpu_ns: f64,
    /// Acquires of each user in the same time.
    pub acquired: Vec<u64>,
    /// Times until a connection came, in nanoseconds.
    pub waits: Vec<u32>,
}

impl Shared {
    /// The processor time with the waits beside it, how far the 99th percentile of these is from
    /// the middle, and the share of the most served user that the least served one got.
    pub(super) fn samples(&self) -> Result<Vec<Sample>> {
        let mut times = histogram()?;
        for wait in &self.waits {
            times.record(u64::from(*wait).max(1))?;
        }
        let percentiles = Percentiles::of(&times);
        ensure!(percentiles.is_some(), "no wait was timed");
        let tail = times.value_at_quantile(0.99) as f64 / times.value_at_quantile(0.5) as f64;
        let bounds = self.acquired.iter().min().zip(self.acquired.iter().max());
        let fairness = bounds.map_or(0.0, |(min, max)| *min as f64 / (*max).max(1) as f64);
        let cpu = Sample { value: self.cpu_ns, latency: percentiles };
        Ok(vec![cpu, plain(tail), plain(fairness)])
    }
}

/// Two threads for tasks, as the prototypes were measured with.
pub(super) fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?)
}

/// A pool that holds all its connections.
async fn filled<P: Awaited>() -> Result<P> {
    let links = Links::new(Behaviour::FAST);
    let pool = P::open(links.clone()).await?;
    {
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS {
            held.push(pool.get().await?);
        }
    }
    ensure!(links.made() == CONNECTIONS, "{} connections were made", links.made());
    Ok(pool)
}

/// One task that acquires and releases.
pub(super) fn one_task<P: Awaited>(scale: &Scale) -> Result<f64> {
    let time = scale.time;
    runtime()?.block_on(async {
        let pool = filled::<P>().await?;
        // Among the workers, as a task of a service is, and not on the thread that blocks.
        tokio::spawn(async move {
            let mut ops = 1_000_u64;
            loop {
                let (start, before) = (now(), process_cpu());
                for _ in 0..ops {
                    black_box(pool.get().await?);
                }
                let spent = process_cpu().saturating_sub(before);
                if start.elapsed() >= time {
                    return Ok(spent.as_nanos() as f64 / ops as f64);
                }
                ops *= 2;
            }
        })
        .await?
    })
}

/// Many tasks on few connections, each held while others run.
pub(super) fn held_over_yield<P: Awaited>(scale: &Scale) -> Result<Shared> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let pool = filled::<P>().await?;
        // A clock in the loop would be a good part of what it measures: the waits come second.
        let (cpu_ns, counted) = share(&pool, scale.time, false).await?;
        let (_, timed) = share(&pool, scale.time / 2, true).await?;
        let acquired = counted.iter().map(|user| user.acquired).collect();
        let waits = timed.into_iter().flat_map(|user| user.waits).collect();
        Ok(Shared { cpu_ns, acquired, waits })
    })
}

/// What one user got.
#[derive(Debug, Default)]
pub(super) struct User {
    pub acquired: u64,
    pub waits: Vec<u32>,
}

/// Processor time of an acquire, and what each user got.
pub(super) fn reduced(users: Vec<User>, spent: Duration) -> (f64, Vec<User>) {
    let all: u64 = users.iter().map(|user| user.acquired).sum();
    (spent.as_nanos() as f64 / all.max(1) as f64, users)
}

async fn share<P: Awaited>(pool: &P, time: Duration, timed: bool) -> Result<(f64, Vec<User>)> {
    let (stop, start) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(TASKS + 1)));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (pool, stop, start) = (pool.clone(), Arc::clone(&stop), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                let mut user = User::default();
                while !stop.load(Ordering::Relaxed) {
                    let asked = timed.then(now);
                    let connection = pool.get().await?;
                    user.waits.extend(asked.map(|asked| nanos_u32(asked.elapsed())));
                    tokio::task::yield_now().await;
                    drop(connection);
                    user.acquired += 1;
                }
                anyhow::Ok(user)
            })
        })
        .collect();
    start.wait().await;
    let before = process_cpu();
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut users = Vec::new();
    for task in tasks {
        users.push(task.await??);
    }
    Ok(reduced(users, process_cpu().saturating_sub(before)))
}
