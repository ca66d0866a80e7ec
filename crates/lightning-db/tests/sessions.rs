//! Pools of sessions: one open store, many users.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use lightning_db::pool::{self, Error, Hooks, Pool, SessionError, SessionManager};
use lightning_db::{Keyspace, KeyspaceOptions, Store, TransactionOptions};

const ACCOUNTS: u64 = 10;
const EACH: u64 = 100;

fn options() -> TransactionOptions {
    TransactionOptions::default()
}

/// A store with accounts, and a pool of sessions of it.
fn bank(dir: &tempfile::TempDir, max_size: usize) -> (Store, Keyspace, Pool<SessionManager>) {
    let (store, _) = Store::open(dir.path()).unwrap();
    let accounts = store.keyspace("accounts", KeyspaceOptions::new()).unwrap();
    for account in 0..ACCOUNTS {
        accounts.insert(account.to_string(), EACH.to_string()).unwrap();
    }
    let pool = pool::sessions(&store).max_size(max_size).build().unwrap();
    (store, accounts, pool)
}

fn amount(bytes: &[u8]) -> u64 {
    std::str::from_utf8(bytes).unwrap().parse().unwrap()
}

fn total(accounts: &Keyspace) -> u64 {
    accounts.prefix("").map(|entry| amount(&entry.unwrap().1)).sum()
}

#[test]
fn many_threads_work_in_few_sessions_of_one_store() {
    let dir = tempfile::tempdir().unwrap();
    let (store, accounts, pool) = bank(&dir, 3);
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (accounts, pool) = (&accounts, &pool);
            scope.spawn(move || {
                for step in 0..20 {
                    let from = ((thread + step) % ACCOUNTS).to_string();
                    let to = ((thread * 3 + step * 7 + 1) % ACCOUNTS).to_string();
                    let mut session = pool.get_blocking().unwrap();
                    let transaction = session.begin(options()).unwrap();
                    let balance = amount(&transaction.get(accounts, &from).unwrap().unwrap());
                    transaction.insert(accounts, &from, (balance - 1).to_string()).unwrap();
                    let balance = amount(&transaction.get(accounts, &to).unwrap().unwrap());
                    transaction.insert(accounts, &to, (balance + 1).to_string()).unwrap();
                    match step % 4 {
                        // Left open: the pool rolls it back.
                        0 => {}
                        1 => assert!(session.rollback()),
                        // A conflict is rolled back as well.
                        _ => drop(session.commit().unwrap()),
                    }
                }
            });
        }
    });
    assert_eq!(total(&accounts), ACCOUNTS * EACH);
    let report = pool.close_blocking(Duration::from_secs(10));
    assert_eq!((report.in_use, report.left), (0, 0));
    let statistics = pool.statistics();
    assert_eq!(statistics.counts.acquired, 160);
    assert!(statistics.counts.connected <= 3, "{statistics:?}");
    // No session keeps an old state of the store alive.
    assert_eq!(store.oldest_reader_lsn(), store.last_lsn());
    store.close().unwrap();
}

#[test]
fn the_next_user_sees_nothing_of_what_was_left_open() {
    let dir = tempfile::tempdir().unwrap();
    let (store, accounts, pool) = bank(&dir, 1);
    let mut session = pool.get_blocking().unwrap();
    session.begin(options()).unwrap().insert(&accounts, "0", "0").unwrap();
    let again = session.begin(options()).unwrap_err();
    assert!(matches!(again, SessionError::TransactionOpen), "{again}");
    let id = session.id();
    drop(session);

    let mut session = pool.get_blocking().unwrap();
    assert_eq!(session.id(), id, "it was rolled back, and not replaced");
    assert!(session.transaction().is_none());
    let nothing = session.commit().unwrap_err();
    assert_eq!(nothing.to_string(), "commit: no transaction was begun");
    assert_eq!(total(&accounts), ACCOUNTS * EACH);
    assert_eq!(store.oldest_reader_lsn(), store.last_lsn());
    assert_eq!(pool.statistics().counts.checks, 1);
}

#[test]
fn a_pool_is_of_the_store_that_is_open_and_of_no_second_one() {
    let dir = tempfile::tempdir().unwrap();
    let (store, accounts, pool) = bank(&dir, 2);
    let (one, two) = (pool.get_blocking().unwrap(), pool.get_blocking().unwrap());
    let locked = Store::open(dir.path()).unwrap_err();
    assert!(matches!(locked, lightning_db::Error::Locked { .. }), "{locked}");
    // What one writes the other reads, at once.
    accounts.insert("0", "7").unwrap();
    for session in [&one, &two] {
        let read = session.engine().open_keyspace("accounts").unwrap().get("0").unwrap();
        assert_eq!(read.as_deref(), Some(&b"7"[..]));
    }
    drop((one, two));
    pool.close_blocking(Duration::from_secs(10));
    assert_eq!(total(&accounts), (ACCOUNTS - 1) * EACH + 7, "the store is still open");
    store.close().unwrap();
    Store::open(dir.path()).unwrap();
}

#[test]
fn sessions_of_a_closed_store_are_closed_and_callers_are_told_why() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _, pool) = bank(&dir, 2);
    drop(pool.get_blocking().unwrap());
    let held = pool.get_blocking().unwrap();
    store.close().unwrap();
    drop(held);
    let error = pool.get_blocking().unwrap_err();
    let Error::Connect { source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.to_string(), "use the store: it was closed");
    assert_eq!(pool.statistics().size, 0);
}

#[test]
fn a_transaction_that_is_kept_for_long_is_reported_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let hooks = Hooks::new().on_leak(move |leak| {
        sender.send((leak.acquired_at.file(), leak.acquired_at.line())).unwrap();
    });
    let pool = pool::sessions(&store)
        .leak_after(Some(Duration::from_millis(1)))
        .maintenance_interval(Duration::from_millis(1))
        .hooks(hooks)
        .build()
        .unwrap();
    let (mut session, line) = (pool.get_blocking().unwrap(), line!());
    let _open = session.begin(options()).unwrap();
    let (file, at) = receiver.recv_timeout(Duration::from_mins(1)).unwrap();
    assert!(file.ends_with("sessions.rs") && at == line, "{file}:{at}");
}

#[cfg(feature = "tables")]
#[test]
fn tables_have_sessions_too() {
    use lightning_db::tables::{ColumnDefinition, ColumnType, TableDefinition, Tables, Value};
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let (tables, _) = Tables::open(&store).unwrap();
    let definition = TableDefinition::new("numbers")
        .column(ColumnDefinition::new("n", ColumnType::I64))
        .primary_key([0]);
    let numbers = tables.create_table(definition).unwrap();
    let pool = pool::sessions(&tables).max_size(1).build().unwrap();
    for (n, is_kept) in [(1_i64, true), (2, false)] {
        let mut session = pool.get_blocking().unwrap();
        let transaction = session.begin(options()).unwrap();
        transaction.insert(&numbers, vec![Value::I64(n)]).unwrap();
        if is_kept {
            assert!(session.commit().unwrap().is_committed());
        }
    }
    let session = pool.get_blocking().unwrap();
    let snapshot = session.engine().snapshot();
    assert_eq!(snapshot.read(&numbers).unwrap().count().unwrap(), 1);
}
