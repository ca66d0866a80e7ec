//! Cursors against positions in a sorted list.

use super::*;

/// Cuts the entries into tables at keys, so that their ranges do not overlap.
fn run(disk: &SimVfs, entries: &[Entry], tables: usize, capacity: u64) -> Vec<Arc<Table>> {
    let cache = Arc::new(BlockCache::new(capacity));
    let mut parts: Vec<Vec<Entry>> = vec![vec![]];
    for entry in entries {
        let part = parts.last().unwrap();
        let next_key = part.last().is_some_and(|last| last.key() != entry.key());
        if next_key && part.len() >= entries.len().div_ceil(tables) {
            parts.push(vec![]);
        }
        parts.last_mut().unwrap().push(entry.clone());
    }
    let write = |(id, part): (u64, &Vec<Entry>)| {
        let meta = write(disk, options(id, 200, Compression::Lz4), part);
        open(disk, meta, &cache)
    };
    (1..).zip(&parts).map(write).collect()
}

/// Where the cursor should stand: an index, -1 before the first, or the length.
fn check_at(cursor: &RunCursor, entries: &[Entry], at: i64, context: &str) {
    let expected = usize::try_from(at).ok().and_then(|at| entries.get(at));
    let expected = expected.map(Entry::bytes);
    assert_eq!(cursor.entry(), expected, "{context}");
    assert_eq!(cursor.to_entry().as_ref().map(Entry::bytes), expected, "{context}");
}

/// Takes the front off tables, as a merge under way does, and its entries off the list. At most a
/// front: an entry of each table stays.
fn take_fronts(rng: &SeededRng, tables: &[Arc<Table>], entries: &mut Vec<Entry>) -> Arc<[Portion]> {
    let cut = |table: &Arc<Table>| {
        let (first, last) = (&table.meta.key_min, &table.meta.key_max);
        let within = |key: &[u8]| key > &first[..] && key <= &last[..];
        let bound = match rng.below(4) {
            0 => Some(random_key(rng)).filter(|key| within(key)),
            1 => Some(entries[usize::try_from(rng.below(entries.len() as u64)).unwrap()].key())
                .filter(|key| within(key))
                .map(<[u8]>::to_vec),
            2 => Some(last.clone()).filter(|key| within(key)),
            _ => None,
        };
        Portion::new(Arc::clone(table), &bound.unwrap_or_default())
    };
    let portions: Arc<[Portion]> = tables.iter().map(cut).collect();
    entries.retain(|entry| {
        let at = portions.partition_point(|portion| portion.last_key() < entry.key());
        portions[at].first_key() <= entry.key()
    });
    portions
}

#[test]
fn cursor_goes_where_the_model_goes() {
    for seed in 0..80 {
        let rng = SeededRng::new(seed);
        let disk = disk();
        let mut entries = random_entries(&rng, 1 + rng.below(500));
        let tables = usize::try_from(1 + rng.below(5)).unwrap();
        let tables = run(&disk, &entries, tables, [0, 1 << 20][usize::from(rng.one_in(2))]);
        let tables =
            if seed < 40 { whole(&tables) } else { take_fronts(&rng, &tables, &mut entries) };
        let mut cursor = RunCursor::new(tables).with_cache_fill(rng.one_in(2));
        check_at(&cursor, &entries, -1, "unpositioned");
        let len = i64::try_from(entries.len()).unwrap();
        let mut at = 0;
        cursor.seek_first().unwrap();
        for step in 0..2_000 {
            let operation = rng.below(16);
            let key = random_key(&rng);
            let seq = [0, rng.below(45), u64::MAX][usize::try_from(rng.below(3)).unwrap()];
            let before = |entry: &Entry| entry::compare_at(entry.bytes(), &key, seq).is_lt();
            let found = i64::try_from(entries.partition_point(before)).unwrap();
            match operation {
                0 => (cursor.seek_first().unwrap(), at = 0),
                1 => (cursor.seek_last().unwrap(), at = len - 1),
                2..=4 => (cursor.seek(&key, seq).unwrap(), at = found),
                5..=7 => (cursor.seek_back(&key, seq).unwrap(), at = found - 1),
                8..=11 => (cursor.next().unwrap(), at = (at + 1).min(len)),
                _ => (cursor.prev().unwrap(), at = (at - 1).max(-1)),
            };
            let context = format!("seed {seed}, step {step}, operation {operation} to {at}");
            check_at(&cursor, &entries, at, &context);
        }
    }
}

#[test]
fn cursor_walks_many_versions_of_one_key_over_many_blocks() {
    let disk = disk();
    let mut entries = vec![put(b"a", 5, b"first"), put(b"z", 5, b"last")];
    entries.extend((1..=1_000).map(|seq| put(b"key", seq, &[b'v'; 30])));
    let entries = sorted(entries);
    let mut cursor = RunCursor::new(whole(&run(&disk, &entries, 3, 1 << 20)));
    for seq in 0..=1_001 {
        // Version 1000 stands at index 1, version 1 at index 1000.
        let at = i64::try_from(1_001 - seq.clamp(0, 1_000)).unwrap();
        cursor.seek(b"key", seq).unwrap();
        check_at(&cursor, &entries, at, &format!("seek {seq}"));
        cursor.seek_back(b"key", seq).unwrap();
        check_at(&cursor, &entries, at - 1, &format!("seek back {seq}"));
    }
}

#[test]
fn cursor_over_nothing_stays_nowhere() {
    let disk = disk();
    let empty = run(&disk, &[], 1, 0);
    for tables in [vec![], empty] {
        let mut cursor = RunCursor::new(whole(&tables));
        cursor.next().unwrap();
        cursor.prev().unwrap();
        cursor.seek_first().unwrap();
        assert_eq!(cursor.entry(), None);
        cursor.prev().unwrap();
        cursor.seek_last().unwrap();
        assert_eq!(cursor.entry(), None);
        cursor.seek(b"k", 1).unwrap();
        cursor.seek_back(b"k", 1).unwrap();
        assert!(cursor.to_entry().is_none());
    }
}

#[test]
fn cursor_that_meets_damage_gives_nothing_more() {
    let disk = disk();
    let entries: Vec<Entry> =
        (0..100).map(|key| put(format!("{key:04}").as_bytes(), 1, b"value")).collect();
    let tables = run(&disk, &entries, 1, 0);
    let mut bytes = disk.file_bytes(&path_of(1)).unwrap();
    bytes[600] ^= 1;
    disk.set_file_bytes(&path_of(1), &bytes).unwrap();
    let mut cursor = RunCursor::new(whole(&tables));
    cursor.seek_first().unwrap();
    let error = loop {
        assert!(cursor.entry().is_some());
        if let Err(error) = cursor.next() {
            break error;
        }
    };
    assert!(error.is_corruption());
    cursor.next().unwrap();
    assert_eq!(cursor.entry(), None);
    cursor.seek_last().unwrap();
    assert_eq!(cursor.entry().unwrap(), entries[99].bytes());
}
