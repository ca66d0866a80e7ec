//! The pool over Redis.

use std::process::Command;
use std::time::Duration;

use lightning_db_pool::managers::RedisManager;
use lightning_db_pool::{Backend, BreakerOptions, Pool};

use crate::server::{Server, find, free_port};

#[tokio::test]
async fn a_restarted_server_is_found_again() {
    let Some(program) = find("redis-server", &[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().to_string();
    let mut command = Command::new(program);
    command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--dir"]);
    command.arg(folder.path());
    let mut server = Server::start(command, None);
    // The circuit stays closed: callers wait for the next attempt, whose pauses are the pool's.
    let open = Duration::from_millis(1);
    let breaker = BreakerOptions { errors: u32::MAX, open, open_max: open, share_max: 1.0 };
    let pool = Pool::builder(RedisManager)
        .backend(Backend::new(format!("redis://127.0.0.1:{port}/")))
        .max_size(2)
        .check_after(Duration::ZERO)
        .breaker(breaker)
        .build()
        .unwrap();
    for round in 0..3 {
        let answered = async {
            loop {
                if let Ok(mut connection) = pool.get().await {
                    let mut set = redis::cmd("INCR");
                    let count = set.arg("rounds").query_async::<i64>(&mut *connection).await;
                    if let Ok(count) = count {
                        break count;
                    }
                    connection.mark_broken();
                }
            }
        };
        let count = tokio::time::timeout(Duration::from_mins(1), answered).await;
        assert_eq!(count.expect("it answers"), 1, "round {round}: memory is new each time");
        server.restart();
    }
    assert_eq!(pool.statistics().in_use, 0);
}
