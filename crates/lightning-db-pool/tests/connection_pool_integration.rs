//! A pool as a service uses it: on tokio, over sockets of this machine.

#![cfg(feature = "tokio")]
#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is not there")]

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lightning_db_pool::{Backend, Error, Manager, Pool, PoolOptions, Strategy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Connections to a server that answers each byte with the same.
struct Echo;

impl Manager for Echo {
    type Connection = TcpStream;
    type Error = io::Error;

    async fn connect(&self, backend: &Backend) -> io::Result<TcpStream> {
        TcpStream::connect(&backend.address).await
    }

    async fn check(&self, connection: &mut TcpStream) -> io::Result<()> {
        say(connection, 1).await
    }
}

async fn say(connection: &mut TcpStream, byte: u8) -> io::Result<()> {
    connection.write_all(&[byte]).await?;
    let mut answer = [0];
    connection.read_exact(&mut answer).await?;
    if answer == [byte] { Ok(()) } else { Err(io::Error::other("another byte came back")) }
}

/// A server, and how many connections it has.
async fn serve() -> (Backend, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let backend = Backend::new(listener.local_addr().unwrap().to_string());
    let open = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&open);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let counted = Arc::clone(&counted);
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut byte = [0];
                while socket.read_exact(&mut byte).await.is_ok()
                    && socket.write_all(&byte).await.is_ok()
                {}
                counted.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (backend, open)
}

async fn pool(set: impl FnOnce(PoolOptions<Echo>) -> PoolOptions<Echo>) -> Pool<Echo> {
    let (backend, _) = serve().await;
    set(Pool::builder(Echo).backend(backend)).build().unwrap()
}

#[tokio::test]
async fn two_acquires_are_two_in_use_and_none_idle() {
    let pool = pool(|options| options.max_size(5)).await;
    let (mut one, mut two) = (pool.get().await.unwrap(), pool.get().await.unwrap());
    assert_eq!((pool.statistics().in_use, pool.statistics().idle), (2, 0));
    say(&mut one, 7).await.unwrap();
    say(&mut two, 8).await.unwrap();
    drop((one, two));
    assert_eq!((pool.statistics().in_use, pool.statistics().idle), (0, 2));
}

#[tokio::test]
async fn the_fourth_of_three_times_out_and_comes_when_one_is_given_back() {
    let timeout = Duration::from_millis(100);
    let pool = pool(|options| options.max_size(3).acquire_timeout(timeout)).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(pool.get().await.unwrap());
    }
    let error = pool.get().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { in_use: 3, max_size: 3, .. }), "{error}");
    assert!(pool.get_timeout(2 * timeout).await.unwrap().is_none());
    drop(held.pop());
    say(&mut pool.get().await.unwrap(), 9).await.unwrap();
    assert_eq!(pool.statistics().counts.timed_out, 2);
}

#[tokio::test]
async fn connections_are_checked_in_the_background() {
    let interval = Duration::from_millis(10);
    let pool = pool(|options| {
        options.min_idle(2).keepalive(Some(interval)).maintenance_interval(interval)
    });
    let pool = pool.await;
    pool.ready().await.unwrap();
    let mut ticks = tokio::time::interval(interval);
    while pool.statistics().counts.checks < 6 {
        ticks.tick().await;
    }
    assert_eq!(pool.statistics().counts.check_errors, 0);
    assert!(pool.is_available());
}

#[tokio::test]
async fn load_is_spread_by_weight() {
    let ((light, _), (heavy, _)) = (serve().await, serve().await);
    let (light_name, heavy_name) = (light.name.clone(), heavy.name.clone());
    let pool = Pool::builder(Echo).backend(light).backend(heavy.weight(3));
    let pool = pool.strategy(Strategy::Weighted).max_size(10).build().unwrap();
    let mut seen = BTreeMap::new();
    for _ in 0..100 {
        *seen.entry(pool.get().await.unwrap().backend().to_owned()).or_insert(0) += 1;
    }
    assert_eq!((seen[&light_name], seen[&heavy_name]), (25, 75));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_tasks_acquire_ten_times_each() {
    let pool = pool(|options| options.max_size(20)).await;
    let tasks: Vec<_> = (0..10)
        .map(|task| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    say(&mut pool.get().await.unwrap(), task).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let statistics = pool.statistics();
    assert_eq!((statistics.counts.acquired, statistics.counts.released), (100, 100));
    assert!(statistics.size <= 20);
    assert_eq!(statistics.in_use, 0);
}

#[tokio::test]
async fn a_closed_pool_has_nothing_and_gives_nothing() {
    let (backend, open) = serve().await;
    let pool = Pool::builder(Echo).backend(backend).min_idle(3).build().unwrap();
    pool.ready().await.unwrap();
    drop(pool.get().await.unwrap());
    let report = pool.close(Duration::from_secs(10)).await;
    assert_eq!((report.in_use, report.left), (0, 0));
    assert_eq!((pool.statistics().in_use, pool.statistics().idle), (0, 0));
    assert!(matches!(pool.get().await, Err(Error::Closed)));
    // The server hears of it.
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    while open.load(Ordering::SeqCst) > 0 {
        ticks.tick().await;
    }
}
