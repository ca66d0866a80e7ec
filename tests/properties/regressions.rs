//! Sequences that failed once.

use lightning_db_storage::Durability;
use lightning_db_types::Persistence;

use crate::machine::Machine;
use crate::operation::{Operation, ValueRecipe, Write};
use crate::without_defects;

fn write(len: u32, durability: Durability) -> Operation {
    let value = Some(ValueRecipe { tag: 0, len });
    Operation::Write(Write { keyspace: 0, key: 0, value, time_to_live: None }, durability)
}

fn check(operations: &[Operation]) {
    let _guard = without_defects();
    for change_log_limit in [0, 64 << 20] {
        Machine::new(change_log_limit).run(operations.iter().cloned());
    }
}

/// Symptom: keys of an emptied keyspace came back in a backup. Mechanism: the commit that empties
/// it is in no memtable, so the checkpoint of the backup ended before it. Fix: a checkpoint records
/// such a commit by itself.
#[test]
fn regression_backup_holds_a_clear() {
    for clears in 1..3 {
        let mut operations = vec![write(5, Durability::Sync), Operation::Checkpoint];
        operations.extend(std::iter::repeat_n(Operation::Clear { keyspace: 0 }, clears));
        operations.push(Operation::Backup);
        check(&operations);
    }
}

/// Symptom: a large value could not be written after an open. Mechanism: the number of a blob that
/// the log alone refers to was handed out again. Fix: open skips the numbers of all blobs.
#[test]
fn regression_numbers_of_blobs_are_not_handed_out_twice() {
    let large = write(1 << 20, Durability::Sync);
    check(&[large.clone(), Operation::Reopen { close: false }, large]);
}

/// Symptom: an intact store was refused after a power cut. Mechanism: a new log segment noted that
/// all before it was synced. Fix: it notes what was.
#[test]
fn regression_unsynced_segment_is_a_torn_tail() {
    let buffered = [write(64_421, Durability::Buffered), write(5, Durability::Buffered)];
    let [first, second] = buffered;
    check(&[first, second, Operation::Crash(Persistence::None, 0)]);
}

/// Symptom: an update was lost. Mechanism: a merge took the number of the commit that came between,
/// since the update's reader was not registered. Fix: it is.
#[test]
fn regression_update_sees_a_commit_that_was_merged_meanwhile() {
    let value = Some(ValueRecipe { tag: 0, len: 0 });
    let write = Write { keyspace: 0, key: 0, value, time_to_live: None };
    check(&[Operation::FetchUpdate { write, disturbed: true }]);
}

/// Symptom: a check found a blob missing in an intact store. Mechanism: the keyspace of a large
/// value was dropped, and the next opening removed the blob, while the log still had the commit
/// that refers to it. Fix: a check leaves blobs of keyspaces that are gone out.
#[test]
fn regression_check_does_not_miss_blobs_of_dropped_keyspaces() {
    check(&[
        write(1 << 20, Durability::Sync),
        Operation::DropKeyspace { keyspace: 0 },
        Operation::Reopen { close: false },
        Operation::Check,
    ]);
}
