//! Tests on real threads, without an async runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
#[cfg(feature = "tokio")]
use std::task::Poll;
use std::time::Duration;

use crate::{Backend, Error, Manager, Pool, ThreadRuntime};

/// Connections that count how many are used at once.
#[derive(Debug, Default, Clone)]
struct Counting {
    made: Arc<AtomicUsize>,
}

impl Manager for Counting {
    type Connection = usize;
    type Error = std::io::Error;

    async fn connect(&self, _: &Backend) -> Result<usize, std::io::Error> {
        Ok(self.made.fetch_add(1, Ordering::Relaxed))
    }

    async fn check(&self, _: &mut usize) -> Result<(), std::io::Error> {
        Ok(())
    }
}

#[test]
fn threads_share_connections_without_a_runtime_of_their_own() {
    let manager = Counting::default();
    let made = Arc::clone(&manager.made);
    let runtime = Arc::new(ThreadRuntime::new(2));
    let pool = Pool::builder(manager).backend(Backend::new("a")).runtime(runtime).max_size(3);
    let pool = pool.check_after(Duration::ZERO).build().unwrap();
    let in_use = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let connection = pool.get_blocking().unwrap();
                    assert!(in_use.fetch_add(1, Ordering::SeqCst) < 3);
                    std::thread::yield_now();
                    in_use.fetch_sub(1, Ordering::SeqCst);
                    drop(connection);
                }
            });
        }
    });
    assert!(made.load(Ordering::Relaxed) <= 3);
    let counts = pool.statistics().counts;
    assert_eq!((counts.acquired, counts.released), (4000, 4000));
    let report = pool.close_blocking(Duration::from_secs(10));
    assert_eq!((report.in_use, report.left), (0, 0));
    assert!(matches!(pool.get_blocking(), Err(Error::Closed)));
}

#[test]
fn a_thread_that_waits_is_answered_by_its_deadline() {
    let pool = Pool::builder(Counting::default()).backend(Backend::new("a"));
    let pool = pool.runtime(Arc::new(ThreadRuntime::new(1))).max_size(1).build().unwrap();
    let held = pool.get_blocking().unwrap();
    let answer = pool.get().timeout(Duration::from_millis(30)).wait();
    let Err(Error::Timeout { waited, .. }) = answer else { panic!("{answer:?}") };
    assert!(waited >= Duration::from_millis(30));
    drop(held);
    assert!(pool.get_blocking().is_ok());
}

#[cfg(feature = "tokio")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_of_tokio_share_connections() {
    let pool = Pool::builder(Counting::default()).backend(Backend::new("a")).max_size(2);
    let pool = pool.build().unwrap();
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for _ in 0..200 {
                    let connection = pool.get().await.unwrap();
                    tokio::task::yield_now().await;
                    drop(connection);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let statistics = pool.statistics();
    assert_eq!((statistics.counts.acquired, statistics.in_use), (3200, 0));
    assert!(statistics.counts.connected <= 2);
}

#[cfg(feature = "tokio")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_tasks_that_give_up_makes_no_connection_more() {
    let manager = Counting::default();
    let made = Arc::clone(&manager.made);
    let pool = Pool::builder(manager).backend(Backend::new("a")).max_size(8);
    let pool = pool.check_after(Duration::ZERO).build().unwrap();
    let tasks: Vec<_> = (0..64_u32)
        .map(|task| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for number in 0..1_600 {
                    let mut get = std::pin::pin!(pool.get());
                    let mut rounds = (task + number) % 7;
                    let answer = std::future::poll_fn(|context| {
                        if let Poll::Ready(answer) = get.as_mut().poll(context) {
                            return Poll::Ready(Some(answer));
                        }
                        let Some(left) = rounds.checked_sub(1) else { return Poll::Ready(None) };
                        rounds = left;
                        context.waker().wake_by_ref();
                        Poll::Pending
                    });
                    if let Some(connection) = answer.await {
                        drop(connection.unwrap());
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(pool.get().await.unwrap());
    }
    let statistics = pool.statistics();
    assert_eq!((statistics.in_use, statistics.waiting), (8, 0), "{statistics:?}");
    assert!(statistics.counts.cancelled > 1_000, "{statistics:?}");
    assert_eq!(made.load(Ordering::Relaxed), 8);
}
