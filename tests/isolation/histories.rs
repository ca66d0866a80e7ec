//! Histories of many threads.

use adya::Error;
use adya::r#gen::{GenOpts, Kind, TxnOp};
use adya::run::{Client, Outcome, RunOpts, Stats, run};
use adya::{History, Opts, Report, Valid, Workload, check};
use lightning_db_storage::{
    CommitOutcome, Isolation, Keyspace, Result, Store, Transaction, TransactionOptions,
};

use crate::{Bench, first_seed, without_defects};

const THREADS: usize = 8;
/// Transactions in one history.
const TRANSACTIONS: usize = 10_000;
/// In one where the checker's time grows with the square.
const TRANSACTIONS_SHORT: usize = 1_500;
/// Histories of each kind at each level: 200,000 transactions at the serializable level.
const SERIALIZABLE_HISTORIES: u64 = 10;
const SNAPSHOT_HISTORIES: u64 = 3;

/// One thread's connection to the store.
struct Connection {
    store: Store,
    keyspace: Keyspace,
    isolation: Isolation,
}

impl Connection {
    fn execute(&self, operations: &[TxnOp]) -> Result<Option<Vec<Option<Vec<i64>>>>> {
        let options = TransactionOptions { isolation: self.isolation, durability: None };
        let mut transaction = self.store.transaction_with(options);
        let mut reads = vec![None; operations.len()];
        for (operation, read) in operations.iter().zip(&mut reads) {
            match *operation {
                TxnOp::Read(key) => *read = Some(self.read(&transaction, key)?),
                TxnOp::Write(key, value) => self.write(&mut transaction, key, &[value])?,
                TxnOp::Append(key, value) => {
                    let mut list = self.read(&transaction, key)?;
                    list.push(value);
                    self.write(&mut transaction, key, &list)?;
                }
            }
            // Lets transactions overlap on a machine of few cores too.
            std::thread::yield_now();
        }
        match transaction.commit()? {
            CommitOutcome::Committed { .. } => Ok(Some(reads)),
            CommitOutcome::Conflict => Ok(None),
        }
    }

    fn read(&self, transaction: &Transaction, key: i64) -> Result<Vec<i64>> {
        let value = transaction.get(&self.keyspace, key.to_be_bytes())?;
        let value = value.as_deref().unwrap_or_default();
        let (words, rest) = value.as_chunks();
        assert!(rest.is_empty(), "a value is cut short");
        Ok(words.iter().map(|word| i64::from_le_bytes(*word)).collect())
    }

    fn write(&self, transaction: &mut Transaction, key: i64, list: &[i64]) -> Result<()> {
        let value: Vec<u8> = list.iter().flat_map(|element| element.to_le_bytes()).collect();
        transaction.insert(&self.keyspace, key.to_be_bytes(), value)
    }
}

impl Client for Connection {
    fn txn(&mut self, operations: &[TxnOp]) -> Outcome {
        match self.execute(operations) {
            Ok(Some(reads)) => Outcome::Ok(reads),
            Ok(None) => Outcome::Fail("conflict".into()),
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Runs transactions of all threads and records what they asked for and got.
fn record(isolation: Isolation, kind: Kind, seed: u64, transactions: usize) -> (History, Stats) {
    let bench = Bench::new();
    let connect = || {
        let (store, keyspace) = (bench.store.clone(), bench.keyspace.clone());
        Ok::<Box<dyn Client>, Error>(Box::new(Connection { store, keyspace, isolation }))
    };
    let workload = GenOpts { kind, key_count: 8, max_txn_len: 5, ..GenOpts::default() };
    let options = RunOpts {
        processes: THREADS,
        txns: transactions,
        r#gen: workload,
        seed,
        ..RunOpts::default()
    };
    let (lines, stats) = run(&connect, &options).unwrap();
    assert_eq!(stats.ok + stats.fail, transactions, "each thread ran to its end");
    (History::from_json(&lines).unwrap(), stats)
}

/// `real_time` tells the checker that a register's values came in the order of the calls: it finds
/// more, in a time that grows with the square of the history.
fn judge(history: &History, kind: Kind, model: &str, real_time: bool) -> Report {
    let workload = match kind {
        Kind::ListAppend => Workload::ListAppend,
        Kind::RwRegister => Workload::RwRegister,
    };
    let options = Opts {
        models: vec![model.into()],
        wfr_keys: true,
        linearizable_keys: real_time,
        timeout: std::time::Duration::from_secs(30),
        ..Opts::default()
    };
    check(history, workload, &options)
}

#[expect(clippy::print_stdout, reason = "shows how much was tried")]
fn serializable_histories(kind: Kind) {
    let _guard = without_defects();
    let (mut committed, mut conflicts) = (0, 0);
    for seed in first_seed()..first_seed() + SERIALIZABLE_HISTORIES {
        let (history, stats) = record(Isolation::Serializable, kind, seed, TRANSACTIONS);
        committed += stats.ok;
        conflicts += stats.fail;
        let report = judge(&history, kind, "strict-serializable", false);
        assert_eq!(report.valid, Valid::True, "seed {seed}: {:?}", report.anomalies);
    }
    println!("{kind:?}: {committed} committed, {conflicts} conflicts, no anomaly");
    assert!(conflicts > 0, "transactions never met, so nothing was shown");
}

#[test]
fn serializable_transactions_on_lists_show_no_anomaly() {
    serializable_histories(Kind::ListAppend);
}

#[test]
fn serializable_transactions_on_registers_show_no_anomaly() {
    serializable_histories(Kind::RwRegister);
}

#[test]
fn serializable_transactions_on_registers_show_no_anomaly_in_real_time() {
    let _guard = without_defects();
    for seed in first_seed()..first_seed() + SERIALIZABLE_HISTORIES {
        let kind = Kind::RwRegister;
        let (history, _) = record(Isolation::Serializable, kind, seed, TRANSACTIONS_SHORT);
        let report = judge(&history, kind, "strict-serializable", true);
        assert_eq!(report.valid, Valid::True, "seed {seed}: {:?}", report.anomalies);
    }
}

#[expect(clippy::print_stdout, reason = "shows how much was tried")]
fn snapshot_histories(kind: Kind) {
    let _guard = without_defects();
    let mut skewed = 0;
    for seed in first_seed()..first_seed() + SNAPSHOT_HISTORIES {
        let (history, _) = record(Isolation::Snapshot, kind, seed, TRANSACTIONS);
        let report = judge(&history, kind, "strong-snapshot-isolation", false);
        assert_eq!(report.valid, Valid::True, "seed {seed}: {:?}", report.anomalies);
        // All that keeps it from being serializable is write skew.
        let report = judge(&history, kind, "serializable", false);
        let only = report.anomaly_types.iter().all(|anomaly| anomaly == "G2-item");
        assert!(only, "seed {seed}: {:?}", report.anomaly_types);
        skewed += u64::from(report.valid == Valid::False);
    }
    println!("{kind:?}: write skew in {skewed} of {SNAPSHOT_HISTORIES} histories");
}

#[test]
fn snapshot_transactions_on_lists_show_write_skew_only() {
    snapshot_histories(Kind::ListAppend);
}

#[test]
fn snapshot_transactions_on_registers_show_write_skew_only() {
    snapshot_histories(Kind::RwRegister);
}
