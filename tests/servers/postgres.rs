//! The pool over the server of `tokio-postgres`.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lightning_db_pool::managers::PostgresManager;
use lightning_db_pool::{Backend, BreakerOptions, Error, Pool, RetryOptions};
use tokio::sync::watch;

use crate::server::{Server, find, free_port, give_away, unprivileged};

const MS: Duration = Duration::from_millis(1);

struct Postgres {
    server: Server,
    address: String,
    /// Where its files are, as long as it runs.
    _folder: tempfile::TempDir,
}

/// A server of its own; `None` where there is no program. Restarted, its processes are ended
/// without a word to those who are connected, and none is left when the next one starts.
fn start() -> Option<Postgres> {
    let folders: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    let (initdb, postgres) = (find("initdb", &folders)?, find("postgres", &folders)?);
    let folder = tempfile::tempdir().unwrap();
    give_away(folder.path());
    let data = folder.path().join("data");
    let made = unprivileged(&initdb)
        .args(["--no-sync", "--auth=trust", "--username=test", "-D"])
        .arg(&data)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let port = free_port().to_string();
    let mut command: Command = unprivileged(&postgres);
    command.arg("-D").arg(&data).args(["-p", &port, "-h", "127.0.0.1", "-k", ""]);
    command.args(["-c", "fsync=off"]).current_dir(folder.path());
    let address = format!("host=127.0.0.1 port={port} user=test dbname=postgres");
    let mut stop = unprivileged(&postgres.with_file_name("pg_ctl"));
    stop.args(["stop", "-w", "-m", "immediate", "-D"]).arg(&data).current_dir(folder.path());
    Some(Postgres { server: Server::start(command, Some(stop)), address, _folder: folder })
}

fn pool(address: &str) -> Pool<PostgresManager> {
    // The circuit stays closed: callers wait for the next attempt, whose pauses are the pool's.
    let breaker = BreakerOptions { errors: u32::MAX, open: MS, open_max: MS, share_max: 1.0 };
    Pool::builder(PostgresManager::new())
        .backend(Backend::new(address))
        .max_size(4)
        .check_after(Duration::ZERO)
        .connect_timeout(Duration::from_secs(5))
        .acquire_timeout(Duration::from_mins(1))
        .maintenance_interval(10 * MS)
        .retry(RetryOptions { attempts: 3, first: 20 * MS, factor: 2.0, max: 200 * MS })
        .breaker(breaker)
        .build()
        .unwrap()
}

/// The first connection, however long the server takes to start.
async fn wait_for(pool: &Pool<PostgresManager>) {
    let started = async { while pool.get().await.is_err() {} };
    tokio::time::timeout(Duration::from_mins(1), started).await.expect("the server starts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_costs_errors_and_nothing_else() {
    let Some(mut postgres) = start() else { return };
    let pool = pool(&postgres.address);
    wait_for(&pool).await;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), watch::Sender::new(0_u64));
    let users: Vec<_> = (0..8)
        .map(|_| {
            let (pool, stop, done) = (pool.clone(), Arc::clone(&stop), done.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let Ok(client) = pool.get().await else { continue };
                    if let Ok(row) = client.query_one("SELECT 41 + 1", &[]).await {
                        assert_eq!(row.get::<_, i32>(0), 42);
                        done.send_modify(|done| *done += 1);
                    }
                }
            })
        })
        .collect();
    for round in 1..=3_u64 {
        let mut seen = done.subscribe();
        let wanted = *seen.borrow() + 100;
        let more = seen.wait_for(|done| *done >= wanted);
        tokio::time::timeout(Duration::from_mins(1), more)
            .await
            .unwrap_or_else(|_| panic!("round {round}: work goes on after a restart: {pool:?}"))
            .unwrap();
        postgres.server.restart();
    }
    stop.store(true, Ordering::Relaxed);
    for user in users {
        user.await.unwrap();
    }
    let statistics = pool.statistics();
    assert_eq!((statistics.in_use, statistics.waiting), (0, 0));
    assert!(statistics.size <= 4, "{statistics:?}");
    let report = pool.close(Duration::from_secs(30)).await;
    assert_eq!((report.left, pool.statistics().size), (0, 0));
}

#[tokio::test]
async fn a_slow_server_keeps_nobody_beyond_the_deadline() {
    let Some(postgres) = start() else { return };
    let pool = pool(&postgres.address);
    wait_for(&pool).await;
    pool.resize(1, 0).unwrap();
    let client = pool.get().await.unwrap();
    let slow = tokio::spawn(async move { client.batch_execute("SELECT pg_sleep(0.5)").await });
    let early = pool.get_timeout(50 * MS).await.unwrap();
    assert!(early.is_none());
    slow.await.unwrap().unwrap();
    assert!(pool.get().await.is_ok());
    assert_eq!(pool.statistics().counts.timed_out, 1);
}

#[tokio::test]
async fn a_refused_connection_says_so() {
    let address = format!("host=127.0.0.1 port={} user=test dbname=test", free_port());
    let pool = pool(&address);
    let error = pool.get().await.unwrap_err();
    let Error::Connect { backend, attempts, source } = error else { panic!("{error}") };
    assert_eq!((backend, attempts), (address, 3));
    assert!(source.to_string().contains("error connecting to server"), "{source}");
}

#[tokio::test]
async fn a_server_without_tls_refuses_those_who_need_it() {
    let Some(postgres) = start() else { return };
    wait_for(&pool(&postgres.address)).await;
    let pool = pool(&format!("{} sslmode=require", postgres.address));
    let error = pool.get().await.unwrap_err();
    let Error::Connect { source, .. } = error else { panic!("{error}") };
    assert!(source.to_string().contains("TLS"), "{source}");
}
