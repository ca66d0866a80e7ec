//! Statements of tasks, on threads that are bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use lightning_db_sql::{AsyncSql, Error};
use tokio::runtime::{Builder, Runtime};

use crate::database;

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

#[test]
fn no_more_run_at_a_time_than_the_bound_allows() {
    let db = database("CREATE TABLE t (a BIGINT PRIMARY KEY)");
    let sql = AsyncSql::new(db.engine().clone(), 2);
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    runtime().block_on(async {
        let calls = (0..20_i64).map(|key| {
            let (sql, running, most) = (sql.clone(), Arc::clone(&running), Arc::clone(&most));
            tokio::spawn(async move {
                sql.run(move |connection| {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let written = connection.execute("INSERT INTO t VALUES ($1)", [key]);
                    running.fetch_sub(1, Ordering::SeqCst);
                    written
                })
                .await
            })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap().unwrap(), 1);
        }
        let rows = sql.query("SELECT count(*) AS rows FROM t", ()).await.unwrap();
        assert_eq!(rows.first().unwrap().get::<i64>("rows").unwrap(), 20);
    });
    assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
}

#[test]
fn a_future_that_is_dropped_ends_its_statement() {
    let rows: Vec<String> = (0..30).map(|row| format!("({row})")).collect();
    let create = "CREATE TABLE n (i BIGINT PRIMARY KEY)";
    let db = database(&format!("{create}; INSERT INTO n VALUES {}", rows.join(", ")));
    let sql = AsyncSql::new(db.engine().clone(), 1);
    let (begun, has_begun) = channel();
    let (ended, has_ended) = channel();
    let runtime = runtime();
    let call = runtime.spawn(async move {
        sql.run(move |connection| {
            // More rows than anybody waits for.
            let text = "SELECT a.i FROM n a, n b, n c, n d, n e, n f, n g, n h";
            let mut begun = Some(begun);
            let outcome = connection.prepare(text)?.for_each((), |_| {
                if let Some(begun) = begun.take() {
                    begun.send(()).unwrap();
                }
                Ok(std::ops::ControlFlow::Continue(()))
            });
            ended.send(matches!(outcome, Err(Error::Cancelled))).unwrap();
            outcome
        })
        .await
    });
    has_begun.recv().unwrap();
    call.abort();
    assert!(has_ended.recv().unwrap());
}
