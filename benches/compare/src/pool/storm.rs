//! Acquires that are given up: what they cost in connections.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use anyhow::Result;

use super::contender::{Awaited, Behaviour};
use super::measure::{Scale, runtime};
use super::pools::Links;
use super::{CONNECTIONS, TASKS};
use crate::workload::Rng;

/// How long each connection is waited for afterwards.
const WAIT: Duration = Duration::from_secs(5);

/// Most rounds of the scheduler that an acquire is given.
const ROUNDS_MAX: u64 = 8;

/// What a storm left behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storm {
    /// Connections that were made in all.
    pub made: u64,
    /// Connections that can be had at once afterwards.
    pub obtainable: u64,
}

/// Many tasks acquire and give up after a random time, until so many acquires were given up.
/// Connects and checks take a few rounds of the scheduler.
pub(super) fn cancelled<P: Awaited>(scale: &Scale) -> Result<Storm> {
    let wanted = scale.cancelled;
    let links = Links::new(Behaviour { yields: 3, is_checked: true });
    runtime()?.block_on(async {
        let pool = P::open(links.clone()).await?;
        let given_up = Arc::new(AtomicU64::new(0));
        let tasks: Vec<_> = (0..TASKS as u64)
            .map(|seed| {
                let (pool, given_up) = (pool.clone(), Arc::clone(&given_up));
                tokio::spawn(storm(pool, given_up, wanted, Rng::new(seed)))
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS {
            if let Ok(connection) = tokio::time::timeout(WAIT, pool.get()).await {
                held.push(connection?);
            }
        }
        Ok(Storm { made: links.made(), obtainable: held.len() as u64 })
    })
}

async fn storm<P: Awaited>(
    pool: P,
    given_up: Arc<AtomicU64>,
    wanted: u64,
    mut random: Rng,
) -> Result<()> {
    while given_up.load(Ordering::Relaxed) < wanted {
        match within_rounds(random.below(ROUNDS_MAX + 1), pool.get()).await {
            Some(connection) => {
                let connection = connection?;
                tokio::task::yield_now().await;
                drop(connection);
            }
            None => {
                given_up.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        }
    }
    Ok(())
}

/// The result of a future if it comes within so many rounds of the scheduler.
async fn within_rounds<T>(rounds: u64, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = rounds;
    poll_fn(move |context| {
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Poll::Ready(Some(value));
        }
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}
