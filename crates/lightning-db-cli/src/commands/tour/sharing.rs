//! Steps with two parties: transactions that meet, and a reader beside a writer.

use std::sync::atomic::{AtomicBool, Ordering};

use lightning_db::{CommitOutcome, Keyspace, KeyspaceOptions, Snapshot, Transaction};

use super::{BATCH_PLACES, Tour, city_key, ensure};
use crate::failure::Failure;
use crate::text;

/// Places that the writer changes.
const CHANGED: u64 = 20_000;
/// What it makes of them.
const VISITED: &str = "visited";

impl Tour<'_> {
    pub(super) fn conflict(&mut self) -> Result<(), Failure> {
        self.report.start("Transactions that meet")?;
        let visits = self.store.keyspace("visits", KeyspaceOptions::new())?;
        let mut first = self.store.transaction();
        let mut second = self.store.transaction();
        visit(&mut first, &visits)?;
        visit(&mut second, &visits)?;
        let first = first.commit()?;
        let CommitOutcome::Committed { lsn } = first else {
            return ensure(false, "the first of two transactions commits");
        };
        self.report.fact("first, Zug + 1", &format!("committed as {}", text::number(lsn)))?;
        let second = second.commit()?;
        ensure(second == CommitOutcome::Conflict, "the second transaction sees the conflict")?;
        self.report.fact("second, Zug + 1", "conflict, nothing was changed")?;
        self.store.run(|again| visit(again, &visits))?;
        let count = visits.get("Zug")?;
        ensure(count.as_deref() == Some(b"2"), "no visit is lost")?;
        self.report.fact("second, run again", "committed")?;
        self.report.fact("get visits Zug", "2")?;
        self.report.end("of two that read the same value, one has to look again: no visit is lost")
    }

    pub(super) fn read_beside_a_writer(&mut self) -> Result<(), Failure> {
        self.report.start("A snapshot beside a writer")?;
        let snapshot = self.store.snapshot();
        let is_done = AtomicBool::new(false);
        let (scans, time) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let written = self.timed(|| self.mark_as_visited());
                is_done.store(true, Ordering::Release);
                written.map(|((), time)| time)
            });
            let mut scans = 0;
            loop {
                let is_last = is_done.load(Ordering::Acquire);
                let (places, visited) = count(&snapshot, &self.cities)?;
                ensure(places == self.places && visited == 0, "a snapshot does not change")?;
                scans += 1;
                if is_last {
                    break;
                }
            }
            match writer.join() {
                Ok(written) => Ok::<_, Failure>((scans, written?)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })?;
        let (_, visited) = count(&self.store.snapshot(), &self.cities)?;
        ensure(visited == CHANGED, "the newest state has all changes")?;
        self.report.timing("writer", time, Some((CHANGED, "changes")))?;
        self.report.fact("snapshot scanned", &text::count(scans, "time"))?;
        self.report.fact("changes in the snapshot", "0")?;
        self.report.fact("changes in the store", &text::number(visited))?;
        self.report.end("a reader sees one state, however long it reads, and nobody waits")
    }

    fn mark_as_visited(&self) -> Result<(), Failure> {
        for start in (0..CHANGED).step_by(BATCH_PLACES) {
            let mut batch = self.store.batch();
            for id in start..CHANGED.min(start + BATCH_PLACES as u64) {
                batch.insert(&self.cities, city_key(id), VISITED);
            }
            batch.commit()?;
        }
        Ok(())
    }
}

/// Adds one to the visits to Zug.
fn visit(transaction: &mut Transaction, visits: &Keyspace) -> lightning_db::Result<()> {
    let count = transaction.get(visits, "Zug")?;
    let count = count.as_deref().and_then(|count| std::str::from_utf8(count).ok());
    let count: u64 = count.and_then(|count| count.parse().ok()).unwrap_or(0);
    transaction.insert(visits, "Zug", (count + 1).to_string())
}

/// Places, and those among them that were visited.
fn count(snapshot: &Snapshot, cities: &Keyspace) -> Result<(u64, u64), Failure> {
    let (mut places, mut visited) = (0, 0);
    for entry in snapshot.iter(cities) {
        places += 1;
        visited += u64::from(entry?.1 == VISITED);
    }
    Ok((places, visited))
}
