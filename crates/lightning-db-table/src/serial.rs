//! Numbers for the serial column of a table.
//!
//! Numbers are leased from the catalog in a commit of their own: as many at once as the process has
//! given before, and 1,024 at most. What is left of a lease when the process ends is never used, so
//! that no more numbers are passed over than were given. A number that is given by hand moves the
//! next one behind it; for a primary key the rows themselves say which numbers were.

use lightning_db_index::{Reader, row_id_of};
use lightning_db_storage::{Keyspace, Store};
use lightning_db_types::Value;
use parking_lot::Mutex;

use crate::error::{Error, Result, RowName};
use crate::schema::ColumnType;
use crate::table::{Identity, TableState};
use crate::tables::Inner;
use crate::values::Values;

/// Most numbers in a lease.
const LEASE_MAX: u64 = 1_024;
/// The greatest number that is given: it fits columns of both types.
const NUMBER_MAX: u64 = i64::MAX.cast_unsigned();

/// Gives out the numbers of one table.
#[derive(Debug)]
pub(crate) struct Sequence {
    key: Vec<u8>,
    leased: Mutex<Leased>,
}

#[derive(Debug, Default)]
struct Leased {
    /// The number that comes next, unless a lease begins behind it.
    next: u64,
    /// Behind the last number of the lease.
    end: u64,
    /// Numbers that were given since the process began.
    given: u64,
}

impl Sequence {
    pub(crate) fn new(table_id: u32) -> Self {
        let key = [b"serial/", &table_id.to_be_bytes()[..]].concat();
        Self { key, leased: Mutex::default() }
    }

    /// Key of the catalog that holds the end of the last lease.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// A number that was never given, from `least` on at the begin of a lease; `None` when they are
    /// used up. One lock; a lease is a commit.
    fn next(
        &self,
        (store, catalog): (&Store, &Keyspace),
        least: impl FnOnce() -> Result<u64>,
    ) -> Result<Option<u64>> {
        let mut leased = self.leased.lock();
        if leased.next >= leased.end {
            leased.next = leased.next.max(least()?).max(1);
            self.lease(&mut leased, store, catalog)?;
        }
        let next = leased.next;
        if next > NUMBER_MAX {
            return Ok(None);
        }
        leased.next += 1;
        leased.given += 1;
        Ok(Some(next))
    }

    /// Notes a number that was given by hand. `keeps` says whether a row will tell of it.
    fn pass(&self, store: &Store, catalog: &Keyspace, number: u64, keeps: bool) -> Result<()> {
        let mut leased = self.leased.lock();
        if number < leased.next {
            return Ok(());
        }
        leased.next = number.saturating_add(1);
        if !keeps && leased.next > leased.end {
            leased.given += 1;
            self.lease(&mut leased, store, catalog)?;
        }
        Ok(())
    }

    /// Leases numbers from `next` on, behind all earlier leases.
    fn lease(&self, leased: &mut Leased, store: &Store, catalog: &Keyspace) -> Result<()> {
        let (least, len) = (leased.next, leased.given.clamp(1, LEASE_MAX));
        leased.next = store.run(|transaction| {
            let end = transaction.get(catalog, &self.key)?;
            let end = end.as_deref().and_then(<[u8]>::first_chunk);
            let start = end.map_or(1, |end| u64::from_be_bytes(*end)).max(least);
            let end = start.saturating_add(len);
            transaction.insert(catalog, &self.key, end.to_be_bytes())?;
            Ok(start)
        })?;
        leased.end = leased.next.saturating_add(len);
        Ok(())
    }
}

/// Gives a new row the number of its serial column, unless it has one.
pub(crate) fn fill(inner: &Inner, table: &TableState, values: &mut Values) -> Result<()> {
    let Some(serial) = table.schema.record.serial else { return Ok(()) };
    let (store, catalog, sequence) = (&inner.store, &inner.catalog, &table.serial);
    let is_key =
        matches!(table.identity, Identity::Number { column, .. } if column == serial.column);
    let given = match values[serial.column] {
        Value::Null => None,
        Value::I64(number) => Some(u64::try_from(number).unwrap_or(0)),
        Value::U64(number) => Some(number),
        _ => return Ok(()),
    };
    if let Some(number) = given {
        return sequence.pass(store, catalog, number, is_key);
    }
    let least = || if is_key { behind_rows(store, table) } else { Ok(1) };
    let definition = table.schema.column(serial.column);
    let number = sequence.next((store, catalog), least)?.ok_or_else(|| Error::Value {
        table: table.name().to_owned(),
        column: definition.name.clone(),
        row: RowName::New,
        detail: "its numbers are used up".to_owned(),
    })?;
    values[serial.column] = match definition.column_type {
        ColumnType::U64 => Value::U64(number),
        _ => Value::I64(number.cast_signed()),
    };
    Ok(())
}

/// The number behind the greatest key of the rows that are there.
fn behind_rows(store: &Store, table: &TableState) -> Result<u64> {
    let snapshot = store.snapshot();
    let mut rows = Reader::Snapshot(&snapshot).range::<&[u8]>(&table.rows.keyspace, ..);
    let last = match rows.next_back() {
        None => return Ok(1),
        Some(last) => last.map_err(Error::of_index(table.name()))?,
    };
    let Some(row_id) = row_id_of(&last.0) else { return Ok(1) };
    Ok(table.key_of_number(row_id).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use lightning_db_storage::{Durability, KeyspaceOptions, StoreOptions};

    use super::*;

    #[test]
    fn leases_grow_with_use_and_no_number_comes_twice() {
        let dir = tempfile::tempdir().unwrap();
        let mut last = 0;
        for life in 0..6 {
            let options = StoreOptions::new(dir.path()).durability(Durability::Memory);
            let (store, _) = options.open().unwrap();
            let catalog = store.keyspace("catalog", KeyspaceOptions::new()).unwrap();
            let (sequence, begun) = (Sequence::new(3), last);
            let given = 4_u64.pow(life);
            for _ in 0..given {
                let next = sequence.next((&store, &catalog), || Ok(1)).unwrap().unwrap();
                assert!(next > last, "{next} behind {last}");
                last = next;
            }
            // The numbers that were passed over are those that the life before had left.
            let skipped = last - begun - given;
            assert!(skipped < (given / 4).clamp(1, LEASE_MAX + 1), "{skipped} of life {life}");
            store.close().unwrap();
        }
    }

    #[test]
    fn numbers_end_and_do_not_wrap() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(dir.path()).unwrap();
        let catalog = store.keyspace("catalog", KeyspaceOptions::new()).unwrap();
        let sequence = Sequence::new(3);
        sequence.pass(&store, &catalog, NUMBER_MAX - 1, false).unwrap();
        let next = || sequence.next((&store, &catalog), || Ok(1)).unwrap();
        assert_eq!([next(), next(), next()], [Some(NUMBER_MAX), None, None]);
        sequence.pass(&store, &catalog, u64::MAX, true).unwrap();
        assert_eq!(sequence.next((&store, &catalog), || Ok(1)).unwrap(), None);
    }
}
