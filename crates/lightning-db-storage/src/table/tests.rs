//! Tables against the simplest model: a sorted list of entries.

mod cursors;
mod damage;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lightning_db_types::{Rng, SeededRng, SimVfs, Vfs};

use super::*;
use crate::entry::{EntryRef, KEY_LEN_MAX, Kind};

fn disk() -> SimVfs {
    let disk = SimVfs::new();
    disk.create_dir_all(Path::new("/t")).unwrap();
    disk
}

fn path_of(table_id: u64) -> PathBuf {
    PathBuf::from(format!("/t/{table_id}.table"))
}

fn options(table_id: u64, block_size: usize, compression: Compression) -> TableOptions {
    TableOptions { table_id, keyspace_id: 3, block_size, compression, created_unix_ms: 12_345 }
}

fn write(disk: &SimVfs, options: TableOptions, entries: &[Entry]) -> TableMeta {
    let path = path_of(options.table_id);
    let mut writer = TableWriter::create(disk, &path, options).unwrap();
    for entry in entries {
        writer.add(entry.bytes()).unwrap();
    }
    writer.finish().unwrap()
}

fn open(disk: &SimVfs, meta: TableMeta, cache: &Arc<BlockCache>) -> Arc<Table> {
    let path = path_of(meta.table_id);
    Arc::new(Table::open(disk, &path, meta, Arc::clone(cache)).unwrap())
}

fn put(key: &[u8], seq: u64, value: &[u8]) -> Entry {
    Entry::new(&EntryRef { key, seq, kind: Kind::Put, expires_at_ms: 0, value })
}

fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|a, b| entry::compare(a.bytes(), b.bytes()));
    entries.dedup_by(|a, b| entry::compare(a.bytes(), b.bytes()).is_eq());
    entries
}

/// Entries of all kinds and lengths over a small set of keys, many with several versions.
fn random_entries(rng: &SeededRng, count: u64) -> Vec<Entry> {
    let mut entries = Vec::new();
    for _ in 0..count {
        let key = random_key(rng);
        let (kind, value) = match rng.below(10) {
            0 => (Kind::Delete, vec![]),
            1 => (Kind::Blob, rng.below(5).to_le_bytes().repeat(2)),
            2 => (Kind::Put, vec![]),
            3 => (Kind::Put, random_bytes(rng, 600)),
            _ => (Kind::Put, vec![b'v'; usize::try_from(rng.below(100)).unwrap()]),
        };
        let expires_at_ms = if rng.one_in(5) { 1 + rng.below(1_000) } else { 0 };
        let seq = rng.below(40);
        let value = &value[..];
        entries.push(Entry::new(&EntryRef { key: &key, seq, kind, expires_at_ms, value }));
    }
    sorted(entries)
}

fn random_key(rng: &SeededRng) -> Vec<u8> {
    match rng.below(8) {
        0 => vec![b'k'; usize::try_from(rng.below(12)).unwrap()],
        1 => rng.below(300).to_be_bytes().to_vec(),
        2 => random_bytes(rng, 3),
        _ => format!("key/{:04}", rng.below(150)).into_bytes(),
    }
}

fn random_bytes(rng: &SeededRng, len_max: u64) -> Vec<u8> {
    (0..rng.below(len_max + 1)).map(|_| rng.next_u64().to_le_bytes()[0]).collect()
}

/// Tables that count as a whole, as a run.
fn whole(tables: &[Arc<Table>]) -> Arc<[Portion]> {
    tables.iter().map(|table| Portion::from(Arc::clone(table))).collect()
}

/// All entries of a run, front to back.
fn scan(tables: &[Arc<Table>]) -> Result<Vec<Entry>> {
    let mut cursor = RunCursor::new(whole(tables));
    cursor.seek_first()?;
    let mut entries = Vec::new();
    while let Some(entry) = cursor.to_entry() {
        entries.push(entry);
        cursor.next()?;
    }
    Ok(entries)
}

fn get(table: &Table, key: &[u8], seq_max: u64) -> Result<Option<Entry>> {
    table.get(key, hash_key(key), seq_max)
}

#[track_caller]
fn assert_same(found: &[Entry], expected: &[Entry], context: &str) {
    assert_eq!(found.len(), expected.len(), "number of entries, {context}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.bytes(), expected.bytes(), "entry {at}, {context}");
    }
}

#[track_caller]
fn check(options: TableOptions, entries: &[Entry], cache_capacity: u64) {
    let disk = disk();
    let table_id = options.table_id;
    let context = format!("{options:?}, cache of {cache_capacity}");
    let meta = write(&disk, options, entries);
    assert_eq!(Table::read_meta(&disk, &path_of(table_id)).unwrap(), meta);
    let cache = Arc::new(BlockCache::new(cache_capacity));
    let table = open(&disk, meta.clone(), &cache);
    assert_eq!(table.verify(false).unwrap(), 3);
    assert!(table.verify(true).unwrap() >= 3);
    assert_same(&scan(&[Arc::clone(&table)]).unwrap(), entries, &context);
    for entry in entries {
        let found = get(&table, entry.key(), entry.seq()).unwrap();
        assert_eq!(found.unwrap().bytes(), entry.bytes(), "{context}");
    }
    let mut salvaged = Vec::new();
    let result = Table::salvage(&disk, &path_of(table_id), &mut |entry| {
        salvaged.push(Entry::whole(entry.into()));
        Ok(())
    });
    let result = result.unwrap();
    assert_same(&salvaged, entries, &context);
    assert_eq!((result.blocks_lost, result.lost.len()), (0, 0));
    assert_eq!(result.meta, Some(meta));
}

#[test]
fn entries_of_all_sizes_come_back() {
    let rng = SeededRng::new(1);
    let mut entries = vec![put(b"", 1, b""), put(b"", 7, b"x")];
    for len in [0, 1, 100, 16_000, 16_384, 20_000, 100_000] {
        entries.push(put(format!("zeros {len}").as_bytes(), 5, &vec![0; len]));
        let noise: Vec<u8> = (0..len).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
        entries.push(put(format!("noise {len}").as_bytes(), 6, &noise));
    }
    entries.push(put(&vec![b'a'; KEY_LEN_MAX], 9, b"longest"));
    entries.push(put(&vec![b'b'; KEY_LEN_MAX], 9, &vec![7; 70_000]));
    entries.push(put(&vec![b'b'; KEY_LEN_MAX - 1], 9, b""));
    let entries = sorted(entries);
    for compression in [Compression::Off, Compression::Lz4] {
        for block_size in [1, 4 << 10, 16 << 10, 1 << 20] {
            // The smaller cache has no room for the longest blocks.
            let capacity = if compression == Compression::Off { 64 << 20 } else { 50_000 };
            check(options(8, block_size, compression), &entries, capacity);
        }
    }
}

#[test]
fn table_without_entries_is_whole_and_answers_nothing() {
    check(options(1, 4096, Compression::Lz4), &[], 1 << 20);
    let disk = disk();
    let meta = write(&disk, options(1, 4096, Compression::Lz4), &[]);
    assert_eq!((meta.entries, meta.seq_min, meta.seq_max), (0, 0, 0));
    let table = open(&disk, meta, &Arc::new(BlockCache::new(0)));
    assert!(get(&table, b"", u64::MAX).unwrap().is_none());
}

#[test]
fn random_tables_come_back_with_and_without_cache() {
    for seed in 0..20 {
        let rng = SeededRng::new(seed);
        let entries = random_entries(&rng, 10 + rng.below(900));
        let block_size = [64, 256, 1_024, 4_096][usize::try_from(rng.below(4)).unwrap()];
        let compression = if rng.one_in(2) { Compression::Lz4 } else { Compression::Off };
        let capacity = [0, 20_000, 1 << 20][usize::try_from(rng.below(3)).unwrap()];
        check(options(seed, block_size, compression), &entries, capacity);
    }
}

#[test]
fn get_sees_the_newest_version_of_every_snapshot() {
    for seed in 0..6 {
        let rng = SeededRng::new(seed);
        let mut entries = random_entries(&rng, 600);
        entries.extend((1..500).map(|seq| put(b"key/0070", seq * 2, &[b'x'; 20])));
        let entries = sorted(entries);
        let mut model: BTreeMap<&[u8], BTreeMap<u64, &Entry>> = BTreeMap::new();
        for entry in &entries {
            model.entry(entry.key()).or_default().insert(entry.seq(), entry);
        }
        let disk = disk();
        let meta = write(&disk, options(4, 512, Compression::Lz4), &entries);
        let table = open(&disk, meta, &Arc::new(BlockCache::new(1 << 20)));
        let absent = (0..200).map(|_| random_key(&rng)).collect::<Vec<_>>();
        for key in model.keys().copied().chain(absent.iter().map(Vec::as_slice)) {
            for seq_max in (0..45).chain([999, u64::MAX]) {
                let expected = model
                    .get(key)
                    .and_then(|versions| versions.range(..=seq_max).next_back())
                    .map(|(_, entry)| entry.bytes());
                let found = get(&table, key, seq_max).unwrap();
                let found = found.as_ref().map(Entry::bytes);
                assert_eq!(found, expected, "seed {seed}, {key:?} at {seq_max}");
            }
        }
    }
}

#[test]
fn meta_counts_what_the_entries_say() {
    let entry = |key: &'static [u8], seq, kind, expires_at_ms, value: &'static [u8]| {
        Entry::new(&EntryRef { key, seq, kind, expires_at_ms, value })
    };
    let entries = [
        entry(b"a", 9, Kind::Delete, 0, b""),
        entry(b"a", 5, Kind::Put, 70, b"v"),
        entry(b"b", 7, Kind::Blob, 90, b"\x02\0\0\0\0\0\0\0rest"),
        entry(b"c", 6, Kind::Blob, 0, b"\x01\0\0\0\0\0\0\0rest"),
        entry(b"d", 6, Kind::Blob, 0, b"\x02\0\0\0\0\0\0\0"),
    ];
    let disk = disk();
    let meta = write(&disk, options(11, 4096, Compression::Off), &entries);
    let expected = TableMeta {
        table_id: 11,
        keyspace_id: 3,
        file_len: disk.file_bytes(&path_of(11)).unwrap().len() as u64,
        entries: 5,
        older: 1,
        tombstones: 1,
        expiring: 2,
        max_expires_at_ms: 90,
        raw_len: entries.iter().map(|entry| entry.bytes().len() as u64).sum(),
        key_min: b"a".to_vec(),
        key_max: b"d".to_vec(),
        seq_min: 5,
        seq_max: 9,
        stamp: 0,
        blobs: vec![1, 2],
    };
    assert_eq!(meta, expected);
    let mut bytes = Vec::new();
    meta.encode(&mut bytes);
    bytes.extend_from_slice(b"what follows");
    let mut rest = &bytes[..];
    assert_eq!(TableMeta::decode(&mut rest), Some(meta));
    assert_eq!(rest, b"what follows");
    for len in 0..bytes.len() - rest.len() {
        assert_eq!(TableMeta::decode(&mut &bytes[..len]), None, "cut to {len} bytes");
    }
}

#[test]
fn writer_refuses_entries_that_do_not_come_next() {
    let disk = disk();
    let refused = |entries: &[Entry]| {
        let path = path_of(1);
        let options = options(1, 4096, Compression::Off);
        let mut writer = TableWriter::create(&disk, &path, options).unwrap();
        let (last, good) = entries.split_last().unwrap();
        for entry in good {
            writer.add(entry.bytes()).unwrap();
        }
        assert!(writer.add(last.bytes()).unwrap_err().is_corruption());
        disk.remove_file(&path).unwrap();
    };
    refused(&[put(b"b", 1, b""), put(b"a", 1, b"")]);
    refused(&[put(b"b", 1, b""), put(b"b", 1, b"")]);
    refused(&[put(b"b", 1, b""), put(b"b", 2, b"")]);
    let (key, value) = (&b"c"[..], &b"short"[..]);
    refused(&[Entry::new(&EntryRef { key, seq: 1, kind: Kind::Blob, expires_at_ms: 0, value })]);
    write(&disk, options(1, 4096, Compression::Off), &[]);
    let error = TableWriter::create(&disk, &path_of(1), options(1, 4096, Compression::Off));
    assert!(error.is_err(), "the name is taken");
}

#[test]
fn estimate_of_the_length_is_near() {
    let disk = disk();
    for compression in [Compression::Off, Compression::Lz4] {
        let path = path_of(1);
        let mut writer = TableWriter::create(&disk, &path, options(1, 4096, compression)).unwrap();
        for key in 0..20_000 {
            writer.add(put(format!("{key:08}").as_bytes(), 1, &[b'v'; 100]).bytes()).unwrap();
        }
        let estimate = writer.file_len_estimate();
        let file_len = writer.finish().unwrap().file_len;
        assert!(estimate.abs_diff(file_len) < file_len / 10, "{estimate} {file_len}");
        disk.remove_file(&path).unwrap();
    }
}

#[test]
fn cache_counts_is_bounded_and_forgets_dropped_tables() {
    let disk = disk();
    let entries: Vec<Entry> =
        (0..4_000).map(|key| put(format!("{key:08}").as_bytes(), 1, &[b'v'; 250])).collect();
    let meta = write(&disk, options(1, 4096, Compression::Lz4), &entries);
    let cache = Arc::new(BlockCache::new(200_000));
    let table = open(&disk, meta.clone(), &cache);
    assert_eq!(table.memory(), 0, "nothing is read before the first use");
    for _ in 0..2 {
        get(&table, entries[5].key(), 1).unwrap();
    }
    assert_eq!((cache.stats().hits, cache.stats().misses), (1, 1));
    assert!(table.memory() > 4_000);
    scan(&[Arc::clone(&table)]).unwrap();
    let stats = cache.stats();
    assert!((50_000..=200_000).contains(&stats.bytes), "{stats:?}");
    drop(table);
    assert_eq!(cache.stats().bytes, 0);

    let table = open(&disk, meta, &cache);
    let before = cache.stats();
    let mut cursor = RunCursor::new(whole(&[Arc::clone(&table)])).with_cache_fill(false);
    cursor.seek_last().unwrap();
    assert_eq!(cursor.entry().unwrap(), entries[3_999].bytes());
    assert_eq!(cache.stats(), before);
}
