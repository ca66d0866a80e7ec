//! Damaged files: an error or the true data, never a panic and never anything else.

use lightning_db_types::{Fault, Persistence};

use super::*;
use crate::table::salvage::Salvage;

/// A small table of several blocks with all kinds of entries.
fn small(disk: &SimVfs, compression: Compression) -> (TableMeta, Vec<Entry>) {
    let entries = random_entries(&SeededRng::new(5), 60);
    (write(disk, options(1, 400, compression), &entries), entries)
}

fn salvaged(disk: &SimVfs) -> Result<(Salvage, Vec<Entry>)> {
    let mut entries = Vec::new();
    let result = Table::salvage(disk, &path_of(1), &mut |entry| {
        entries.push(Entry::whole(entry.into()));
        Ok(())
    })?;
    assert_eq!(result.entries, entries.len() as u64);
    Ok((result, entries))
}

/// Whether every entry of `found` is one of `entries`, in order.
fn is_part(found: &[Entry], entries: &[Entry]) -> bool {
    let mut rest = entries.iter();
    found.iter().all(|found| rest.any(|entry| entry.bytes() == found.bytes()))
}

/// Uses a file in every way; the true meta is known, as from the manifest. Gives what a deep check
/// says.
fn use_all(disk: &SimVfs, meta: &TableMeta, entries: &[Entry], context: &str) -> Result<u64> {
    let path = path_of(1);
    if let Ok(found) = Table::read_meta(disk, &path) {
        assert_eq!(found, *meta, "{context}");
    }
    let (result, found) = salvaged(disk).unwrap_or_default();
    assert!(is_part(&found, entries), "{context}");
    if found.len() < entries.len() {
        assert!(result.blocks_lost > 0 && !result.lost.is_empty(), "{context}: {result:?}");
    }
    let cache = Arc::new(BlockCache::new(1 << 20));
    let table = Arc::new(Table::open(disk, &path, meta.clone(), cache)?);
    for entry in entries {
        if let Ok(found) = get(&table, entry.key(), entry.seq()) {
            assert_eq!(found.unwrap().bytes(), entry.bytes(), "{context}");
        }
    }
    if let Ok(found) = scan(&[Arc::clone(&table)]) {
        assert_same(&found, entries, context);
    }
    table.verify(true)
}

#[test]
fn flipped_bit_of_any_byte_is_found_and_never_gives_other_data() {
    for compression in [Compression::Off, Compression::Lz4] {
        let disk = disk();
        let (meta, entries) = small(&disk, compression);
        assert!(use_all(&disk, &meta, &entries, "whole").is_ok());
        let whole = disk.file_bytes(&path_of(1)).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            disk.set_file_bytes(&path_of(1), &bytes).unwrap();
            let context = format!("{compression:?}, byte {at} of {}", whole.len());
            let result = use_all(&disk, &meta, &entries, &context);
            assert!(result.is_err(), "a deep check finds {context}");
        }
    }
}

#[test]
fn cut_file_is_an_error_at_every_length() {
    let disk = disk();
    let (meta, entries) = small(&disk, Compression::Lz4);
    let whole = disk.file_bytes(&path_of(1)).unwrap();
    for len in 0..whole.len() {
        disk.set_file_bytes(&path_of(1), &whole[..len]).unwrap();
        let context = format!("cut to {len} bytes");
        assert!(use_all(&disk, &meta, &entries, &context).is_err(), "{context}");
    }
}

#[test]
fn random_bytes_over_the_file_never_panic() {
    for seed in 0..300 {
        let rng = SeededRng::new(seed);
        let disk = disk();
        let (meta, entries) = small(&disk, Compression::Lz4);
        let mut bytes = disk.file_bytes(&path_of(1)).unwrap();
        let len = usize::try_from(1 + rng.below(200)).unwrap();
        let at = usize::try_from(rng.below((bytes.len() - len) as u64)).unwrap();
        for byte in &mut bytes[at..at + len] {
            *byte = rng.next_u64().to_le_bytes()[0];
        }
        disk.set_file_bytes(&path_of(1), &bytes).unwrap();
        assert!(use_all(&disk, &meta, &entries, &format!("seed {seed}")).is_err());
    }
}

#[test]
fn file_of_another_table_is_refused() {
    let disk = disk();
    let (meta, entries) = small(&disk, Compression::Off);
    write(&disk, options(2, 400, Compression::Off), &entries);
    let other = disk.file_bytes(&path_of(2)).unwrap();
    disk.set_file_bytes(&path_of(1), &other).unwrap();
    let table = open(&disk, meta, &Arc::new(BlockCache::new(0)));
    assert!(table.verify(false).unwrap_err().is_corruption());
    assert!(get(&table, entries[0].key(), u64::MAX).unwrap_err().is_corruption());
}

/// Offsets of the data blocks and of the filter behind them.
fn block_offsets(disk: &SimVfs) -> Vec<usize> {
    let file = disk.open(&path_of(1), OpenMode::Read).unwrap();
    let len = file.len().unwrap();
    let (footer, parts) = read_parts(&*file, &path_of(1), len).unwrap();
    let handles = (0..parts.index.count()).filter_map(|at| parts.index.handle(at));
    let offsets = handles.map(|handle| handle.extent.offset).chain([footer.filter.offset]);
    offsets.map(|offset| usize::try_from(offset).unwrap()).collect()
}

/// Entries of each block.
fn block_entries(disk: &SimVfs) -> Vec<Vec<Entry>> {
    let file = disk.open(&path_of(1), OpenMode::Read).unwrap();
    let (_, parts) = read_parts(&*file, &path_of(1), file.len().unwrap()).unwrap();
    let block = |number| read_data(&*file, &path_of(1), 1, &parts.index, number).unwrap();
    let entries =
        |block: Block| (0..block.count()).map(|at| Entry::whole(block.entry(at).into())).collect();
    (0..parts.index.count()).map(block).map(entries).collect()
}

#[test]
fn salvage_loses_one_block_and_names_the_keys_around_it() {
    // The third damage leaves neither header nor footer nor properties: block headers are enough.
    for without in ["nothing", "footer", "ends"] {
        let disk = disk();
        small(&disk, Compression::Lz4);
        let (offsets, blocks) = (block_offsets(&disk), block_entries(&disk));
        let whole = disk.file_bytes(&path_of(1)).unwrap();
        for (number, lost) in blocks.iter().enumerate() {
            for damage in [40, 0] {
                let mut bytes = whole.clone();
                bytes[offsets[number] + damage] ^= 0x10;
                match without {
                    "footer" => bytes.truncate(whole.len() - FOOTER_LEN_HALF),
                    "ends" => {
                        bytes[..64].fill(0);
                        bytes.truncate(*offsets.last().unwrap() + 40);
                    }
                    _ => {}
                }
                disk.set_file_bytes(&path_of(1), &bytes).unwrap();
                let (result, found) = salvaged(&disk).unwrap();
                let context = format!("without {without}, block {number}, {result:?}");
                let mut kept = blocks.clone();
                kept.remove(number);
                assert_same(&found, &kept.concat(), &context);
                assert_eq!(result.blocks_read, blocks.len() as u64 - 1, "{context}");
                let range = &result.lost[0];
                let key_after = number.checked_sub(1).and_then(|at| blocks[at].last());
                let key_before = blocks.get(number + 1).map(|block| &block[0]);
                assert_eq!(range.key_after.as_deref(), key_after.map(Entry::key), "{context}");
                assert_eq!(range.key_before.as_deref(), key_before.map(Entry::key), "{context}");
                assert_eq!(range.offset, offsets[number] as u64, "{context}");
                if without == "ends" {
                    // It is not known that no block followed.
                    assert!(result.blocks_lost <= 2, "{context}");
                    continue;
                }
                assert_eq!((result.blocks_lost, result.lost.len()), (1, 1), "{context}");
                assert_eq!(range.len, (offsets[number + 1] - offsets[number]) as u64, "{context}");
                assert!(result.meta.is_some(), "{context}");
                assert!(!lost.is_empty());
            }
        }
    }
}

const FOOTER_LEN_HALF: usize = 32;

#[test]
fn salvage_without_footer_loses_no_entry() {
    for compression in [Compression::Off, Compression::Lz4] {
        let disk = disk();
        let (meta, entries) = small(&disk, compression);
        let mut bytes = disk.file_bytes(&path_of(1)).unwrap();
        bytes.truncate(bytes.len() - 20);
        disk.set_file_bytes(&path_of(1), &bytes).unwrap();
        let (result, found) = salvaged(&disk).unwrap();
        assert_same(&found, &entries, "without footer");
        assert_eq!((result.blocks_lost, result.lost.len()), (0, 0), "{result:?}");
        assert_eq!(result.meta, Some(meta));
    }
}

#[test]
fn salvage_does_not_take_a_table_in_a_value_for_blocks() {
    let disk = disk();
    // Same table id, higher block numbers, keys that would fit: only its place tells.
    let inner: Vec<Entry> =
        (0..200).map(|key| put(format!("m{key:04}").as_bytes(), 1, &[b'v'; 40])).collect();
    write(&disk, options(1, 400, Compression::Off), &inner);
    let inner = disk.file_bytes(&path_of(1)).unwrap();
    disk.remove_file(&path_of(1)).unwrap();
    let entries = [put(b"a", 1, b"first"), put(b"b", 1, &inner), put(b"z", 1, b"last")];
    write(&disk, options(1, 400, Compression::Off), &entries);
    let offsets = block_offsets(&disk);
    let mut bytes = disk.file_bytes(&path_of(1)).unwrap();
    bytes[offsets[1] + 33] ^= 1;
    bytes.truncate(bytes.len() - 20);
    disk.set_file_bytes(&path_of(1), &bytes).unwrap();
    let (result, found) = salvaged(&disk).unwrap();
    assert!(is_part(&found, &entries), "{result:?}");
    assert_eq!(found.len(), 2);
}

#[test]
fn failing_disk_is_an_io_error_and_a_later_try_works() {
    let disk = disk();
    let (meta, entries) = small(&disk, Compression::Lz4);
    let table = open(&disk, meta, &Arc::new(BlockCache::new(1 << 20)));
    disk.fail_at(disk.calls(), Fault::Eio);
    let error = get(&table, entries[9].key(), u64::MAX).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(get(&table, entries[9].key(), u64::MAX).unwrap().is_some());
}

#[test]
fn failing_disk_never_lets_a_table_be_finished() {
    let entries = random_entries(&SeededRng::new(5), 60);
    for fault in [Fault::Eio, Fault::Enospc, Fault::ShortWrite] {
        for call in 0.. {
            let disk = disk();
            disk.fail_at(disk.calls() + call, fault);
            let finish = || {
                let options = options(1, 400, Compression::Lz4);
                let mut writer = TableWriter::create(&disk, &path_of(1), options)?;
                for entry in &entries {
                    writer.add(entry.bytes())?;
                }
                writer.finish()
            };
            match finish() {
                Err(error) => assert!(matches!(error, Error::Io { .. }), "call {call}: {error}"),
                Ok(meta) => {
                    assert!(call >= 3, "create, write and sync can fail");
                    disk.clear_faults();
                    let table = open(&disk, meta, &Arc::new(BlockCache::new(0)));
                    table.verify(true).unwrap();
                    break;
                }
            }
        }
    }
}

#[test]
fn table_survives_a_power_cut_after_finish() {
    let disk = disk();
    let (meta, entries) = small(&disk, Compression::Lz4);
    disk.sync_dir(Path::new("/t")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk.power_cut(Persistence::None, 1);
    assert!(use_all(&disk, &meta, &entries, "after the power cut").is_ok());
}
