//! Inserts into a table with a primary key and a secondary index. Commits survive a killed process
//! and wait for no disk: `Buffered`, and `synchronous = OFF`.

use anyhow::Result;
use lightning_db_sql::params;

use super::{Both, SQLITE};
use crate::comparison::{Case, OURS};
use crate::contest::Contest;
use crate::workload::mix;

/// Customers that events are spread over.
const CUSTOMERS: u64 = 10_000;
/// Rows of a transaction of many.
const MANY: usize = 1_000;
/// Questions whose answers are compared.
const QUESTIONS: usize = 10;

/// Rows that one engine gets, each once.
#[derive(Default)]
struct Events(u64);

impl Events {
    fn next(&mut self) -> (i64, i64, String) {
        let id = self.0;
        self.0 += 1;
        let customer = mix(id) % CUSTOMERS;
        (id.cast_signed(), customer.cast_signed(), format!("payment {:016x}", mix(id ^ 1)))
    }
}

/// Makes a table in both; gives the statement that inserts a row.
fn make(both: &Both, name: &str) -> Result<String> {
    let create = format!(
        "CREATE TABLE {name} (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, \
             note TEXT NOT NULL);
         CREATE INDEX {name}_customer ON {name} (customer)"
    );
    both.ours.execute_batch(&create)?;
    both.theirs.execute_batch(&create)?;
    Ok(format!("INSERT INTO {name} VALUES ($1, $2, $3)"))
}

/// A transaction for each row.
pub(super) fn one(both: &Both, case: Case) -> Result<Contest<'_>> {
    let insert = make(both, "single")?;
    let (statement, mut peer) = (both.ours.prepare(&insert)?, both.theirs.prepare(&insert)?);
    let (mut ours, mut theirs) = (Events::default(), Events::default());
    Ok(Contest::new(case, QUESTIONS)
        .lane(OURS, move |_| {
            let (id, customer, note) = ours.next();
            Ok(statement.execute(params![id, customer, note])?)
        })
        .lane(SQLITE, move |_| Ok(peer.execute(theirs.next())? as u64)))
}

/// A transaction for each thousand rows.
pub(super) fn thousand(both: &Both, case: Case) -> Result<Contest<'_>> {
    let insert = make(both, "many")?;
    let (statement, mut peer) = (both.ours.prepare(&insert)?, both.theirs.prepare(&insert)?);
    let (mut ours, mut theirs) = (Events::default(), Events::default());
    let (connection, other) = (&both.ours, &both.theirs);
    let contest = Contest::new(case, QUESTIONS)
        .parts(MANY)
        .lane(OURS, move |_| {
            let mut written = 0;
            connection.execute("BEGIN", ())?;
            for _ in 0..MANY {
                let (id, customer, note) = ours.next();
                written += statement.execute(params![id, customer, note])?;
            }
            connection.execute("COMMIT", ())?;
            Ok(written)
        })
        .lane(SQLITE, move |_| {
            let mut written = 0;
            let transaction = other.unchecked_transaction()?;
            for _ in 0..MANY {
                written += peer.execute(theirs.next())? as u64;
            }
            transaction.commit()?;
            Ok(written)
        });
    Ok(contest)
}
