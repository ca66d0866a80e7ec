//! Tests of mapped files.

use super::{MappedFile, rewrite};
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

fn open(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).open(path).unwrap()
}

#[test]
fn all_blocks_are_there_before_the_first_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let mapped = MappedFile::new(open(&path), 1 << 20).unwrap();
    let meta = std::fs::metadata(&path).unwrap();
    assert_eq!(meta.len(), 1 << 20);
    assert!(meta.blocks() * 512 >= 1 << 20, "{} blocks", meta.blocks());
    let mut buf = [1_u8; 64];
    mapped.read_exact_at(&mut buf, (1 << 20) - 64).unwrap();
    assert_eq!(buf, [0; 64]);
}

#[test]
fn holes_are_filled_before_mapping() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let file = open(&path);
    file.write_all_at(b"head", 0).unwrap();
    file.set_len(1 << 20).unwrap();
    drop(file);
    let _mapped = MappedFile::new(open(&path), 1 << 20).unwrap();
    assert!(std::fs::metadata(&path).unwrap().blocks() * 512 >= 1 << 20);
    assert_eq!(&std::fs::read(&path).unwrap()[..4], b"head");
}

#[test]
fn writes_are_seen_by_other_readers_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let mapped = MappedFile::new(open(&path), 10_000).unwrap();
    mapped.write_all_at(b"hello", 4_094).unwrap();
    assert_eq!(&std::fs::read(&path).unwrap()[4_094..4_099], b"hello");
    mapped.sync_data().unwrap();
    mapped.sync_all().unwrap();
    let mut buf = [0_u8; 5];
    mapped.read_exact_at(&mut buf, 4_094).unwrap();
    assert_eq!(&buf, b"hello");
}

#[test]
fn ranges_outside_the_file_are_refused_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let mapped = MappedFile::new(open(&path), 100).unwrap();
    for offset in [97, 100, 4_096, u64::MAX - 1, u64::MAX] {
        let error = mapped.write_all_at(b"abcd", offset).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "write at {offset}");
        let error = mapped.read_exact_at(&mut [0; 4], offset).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "read at {offset}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), [0; 100]);
    mapped.write_all_at(b"abcd", 96).unwrap();
    mapped.write_all_at(b"", 100).unwrap();
    mapped.read_exact_at(&mut [], 100).unwrap();
}

#[test]
fn lengths_without_a_mapping_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    for len in [0, u64::MAX] {
        let error = MappedFile::new(open(&path), len).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn a_second_mapping_waits_for_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let first = MappedFile::new(open(&path), 100).unwrap();
    first.write_all_at(b"kept", 0).unwrap();
    // A shorter second one would cut the pages under the first.
    let error = MappedFile::new(open(&path), 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert_eq!(first.len(), 100);
    first.write_all_at(b"end", 97).unwrap();
    drop(first);
    let second = MappedFile::new(open(&path), 10).unwrap();
    assert_eq!(second.len(), 10);
    assert_eq!(std::fs::read(&path).unwrap(), b"kept\0\0\0\0\0\0");
}

#[test]
fn allocating_by_writing_keeps_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let file = open(&path);
    let old: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    file.write_all_at(&old, 0).unwrap();
    rewrite(&file, 100_000, 200_001).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 200_001);
    assert_eq!(&bytes[..100_000], &old[..]);
    assert!(bytes[100_000..].iter().all(|&byte| byte == 0));
}
