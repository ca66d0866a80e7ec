//! Both sides of a memtable agree, and hold every version.

use super::*;
use crate::entry::{EntryRef, Kind};

fn encoded(key: &[u8], seq: u64) -> Arc<[u8]> {
    let value = seq.to_le_bytes();
    let entry = EntryRef { key, seq, kind: Kind::Put, expires_at_ms: 0, value: &value };
    Arc::from(Entry::new(&entry).bytes())
}

fn newest(table: &Memtable, key: &[u8]) -> Option<Entry> {
    table.newest(key, hash_key(key))
}

#[test]
fn newest_version_is_the_last_one_inserted() {
    let table = Memtable::new();
    table.insert(encoded(b"a", 1));
    table.insert(encoded(b"a", 5));
    assert_eq!(newest(&table, b"a").unwrap().seq(), 5);
    assert_eq!(newest(&table, b"b").map(|found| found.seq()), None);
    assert_eq!((table.keys(), table.seq_max()), (1, 5));
}

#[test]
fn older_versions_stay_readable_by_sequence_number() {
    let table = Memtable::new();
    for seq in [1, 4, 9] {
        table.insert(encoded(b"a", seq));
        table.insert(encoded(b"b", seq + 1));
    }
    let seen: Vec<_> = (0..=10)
        .map(|seq| table.get(b"a", hash_key(b"a"), seq).map_or(0, |found| found.seq()))
        .collect();
    assert_eq!(seen, [0, 1, 1, 1, 4, 4, 4, 4, 4, 9, 9]);
}

#[test]
fn runs_hold_every_version_once_and_in_order() {
    let table = Memtable::new();
    let mut expected = Vec::new();
    for seq in 1..=1_000_u64 {
        let key = format!("{:03}", seq.wrapping_mul(7_919) % 250);
        table.insert(encoded(key.as_bytes(), seq));
        expected.push((key.into_bytes(), u64::MAX - seq));
        if seq % 37 == 0 {
            table.scan_cursors().count();
        }
    }
    expected.sort();
    let for_scans: Vec<_> = table.scan_cursors().collect();
    assert!(for_scans.len() <= 10, "{} runs", for_scans.len());
    for cursors in [for_scans, table.flush_cursors()] {
        assert_eq!(all_of(cursors), expected);
    }
}

#[test]
fn flush_sees_what_no_scan_has_sorted() {
    let table = Memtable::new();
    for seq in [3, 1, 2] {
        table.insert(encoded(&[seq], u64::from(seq)));
    }
    let keys: Vec<_> = all_of(table.flush_cursors()).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [[1], [2], [3]]);
}

fn all_of(cursors: Vec<MemCursor>) -> Vec<(Vec<u8>, u64)> {
    let mut seen = Vec::new();
    for mut cursor in cursors {
        cursor.seek_first();
        let from = seen.len();
        while let Some(entry) = cursor.to_entry() {
            seen.push((entry.key().to_vec(), u64::MAX - entry.seq()));
            cursor.next();
        }
        assert!(seen[from..].is_sorted());
    }
    seen.sort();
    seen
}

#[test]
fn cursor_stops_at_both_ends() {
    let table = Memtable::new();
    for seq in 1..=3 {
        table.insert(encoded(&[b'a' + u8::try_from(seq).unwrap()], seq));
    }
    let mut cursor = table.scan_cursors().next().unwrap();
    assert!(cursor.entry().is_none(), "unpositioned");
    cursor.seek(b"c", u64::MAX);
    assert_eq!(cursor.to_entry().unwrap().key(), b"c");
    cursor.seek_back(b"c", u64::MAX);
    assert_eq!(cursor.to_entry().unwrap().key(), b"b");
    cursor.prev();
    assert!(cursor.entry().is_none());
    cursor.seek(b"z", u64::MAX);
    assert!(cursor.entry().is_none());
    cursor.prev();
    assert_eq!(cursor.to_entry().unwrap().key(), b"d");
}
