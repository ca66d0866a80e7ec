//! Injected errors, the full disk, and the counters.

use super::{at, named_file, text};
use crate::vfs::{Fault, OpenMode, Persistence, SimVfs, Vfs};
use std::collections::BTreeSet;
use std::io::{self, ErrorKind};

#[test]
fn only_the_call_of_the_index_fails() {
    let disk = SimVfs::new();
    let file = named_file(&disk, "/f");
    disk.fail_at(disk.calls() + 1, Fault::Eio);
    file.write_all_at(b"1", 0).unwrap();
    assert_eq!(file.write_all_at(b"2", 1).unwrap_err().raw_os_error(), Some(5));
    assert_eq!(text(&disk, "/f").unwrap(), "1");
    file.write_all_at(b"2", 1).unwrap();
    disk.fail_at(disk.calls(), Fault::Enospc);
    let error = file.write_all_at(b"3", 2).unwrap_err();
    assert_eq!((error.raw_os_error(), error.kind()), (Some(28), ErrorKind::StorageFull));
    disk.fail_at(disk.calls(), Fault::Eio);
    disk.clear_faults();
    file.write_all_at(b"3", 2).unwrap();
}

#[test]
fn a_short_write_leaves_half_of_the_bytes() {
    let disk = SimVfs::new();
    let file = named_file(&disk, "/f");
    disk.fail_at(disk.calls(), Fault::ShortWrite);
    let error = file.write_all_at(b"abcde", 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteZero);
    assert_eq!(text(&disk, "/f").unwrap(), "ab");
    file.sync_data().unwrap();
    assert_eq!(text(&disk.crashed(Persistence::None, 0), "/f").unwrap(), "ab");
    disk.fail_at(disk.calls(), Fault::ShortWrite);
    assert_eq!(file.sync_data().unwrap_err().raw_os_error(), Some(5));
}

/// Every kind of call, so that a fault can be put at each.
fn all_calls(disk: &SimVfs) -> io::Result<()> {
    disk.create_dir_all(at("/d"))?;
    let file = disk.open(at("/d/f"), OpenMode::CreateNew)?;
    file.write_all_at(b"hello", 0)?;
    file.read_exact_at(&mut [0; 5], 0)?;
    file.set_len(3)?;
    file.len()?;
    file.is_empty()?;
    file.sync_data()?;
    file.sync_all()?;
    disk.sync_dir(at("/d"))?;
    disk.rename(at("/d/f"), at("/d/g"))?;
    disk.hard_link(at("/d/g"), at("/d/h"))?;
    disk.remove_file(at("/d/g"))?;
    disk.exists(at("/d/h"))?;
    disk.read_dir(at("/d"))?;
    disk.open(at("/d/h"), OpenMode::Read)?;
    disk.open(at("/d/m"), OpenMode::Mapped { len: 8 })?;
    disk.lock(at("/d/l"))?;
    Ok(())
}

#[test]
fn a_fault_strikes_at_every_call() {
    let disk = SimVfs::new();
    all_calls(&disk).unwrap();
    assert_eq!((disk.calls(), disk.steps()), (18, 12));
    for call in 0..disk.calls() {
        for (fault, code) in [(Fault::Eio, 5), (Fault::Enospc, 28)] {
            let disk = SimVfs::new();
            disk.fail_at(call, fault);
            let error = all_calls(&disk).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(code), "call {call}");
            assert_eq!(disk.calls(), call + 1, "the run stopped at the fault");
        }
    }
}

#[test]
fn a_cut_strikes_at_every_step() {
    for step in 0..12 {
        let disk = SimVfs::new();
        disk.cut_at_step(step);
        all_calls(&disk).unwrap_err();
        assert!(disk.is_powered_off());
        assert_eq!(disk.steps(), step);
        disk.power_cut(Persistence::Random, step);
        disk.read_dir(at("/")).unwrap();
    }
}

#[test]
fn a_failed_sync_loses_bytes_for_good_though_they_are_still_read() {
    let mut seen = BTreeSet::new();
    for seed in 0..100 {
        let disk = SimVfs::with_seed(seed);
        let file = named_file(&disk, "/f");
        file.write_all_at(b"ab", 0).unwrap();
        file.sync_data().unwrap();
        file.write_all_at(b"AB", 0).unwrap();
        disk.fail_at(disk.calls(), Fault::Eio);
        file.sync_data().unwrap_err();
        file.write_all_at(b"cd", 2).unwrap();
        file.sync_data().unwrap();
        assert_eq!(text(&disk, "/f").unwrap(), "ABcd");
        disk.power_cut(Persistence::All, 0);
        seen.insert(text(&disk, "/f").unwrap());
    }
    assert_eq!(seen, BTreeSet::from(["ABcd".into(), "abcd".into()]));
}

#[test]
fn a_full_disk_refuses_growth_and_nothing_else() {
    let disk = SimVfs::new();
    disk.set_capacity(Some(10));
    let file = named_file(&disk, "/f");
    file.write_all_at(b"12345678", 0).unwrap();
    assert_eq!(file.write_all_at(b"abc", 8).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.set_len(11).unwrap_err().kind(), ErrorKind::StorageFull);
    let mapped = disk.open(at("/m"), OpenMode::Mapped { len: 3 });
    assert_eq!(mapped.unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(text(&disk, "/f").unwrap(), "12345678");
    file.write_all_at(b"ab", 8).unwrap();
    file.write_all_at(b"overwritten", 0).unwrap_err();
    file.write_all_at(b"same place", 0).unwrap();
    assert_eq!(disk.used_bytes(), 10);
    file.set_len(4).unwrap();
    assert_eq!(disk.used_bytes(), 4);
    disk.open(at("/m"), OpenMode::Mapped { len: 6 }).unwrap();
}

#[test]
fn room_comes_back_when_the_last_name_and_handle_are_gone() {
    let disk = SimVfs::new();
    let file = named_file(&disk, "/f");
    file.write_all_at(&[1; 100], 0).unwrap();
    disk.hard_link(at("/f"), at("/g")).unwrap();
    disk.remove_file(at("/f")).unwrap();
    disk.remove_file(at("/g")).unwrap();
    assert_eq!(disk.used_bytes(), 100, "still open");
    drop(file);
    assert_eq!(disk.used_bytes(), 0);
    let old = named_file(&disk, "/old");
    old.write_all_at(&[1; 50], 0).unwrap();
    drop(old);
    let new = named_file(&disk, "/new");
    new.write_all_at(&[1; 7], 0).unwrap();
    disk.rename(at("/new"), at("/old")).unwrap();
    assert_eq!(disk.used_bytes(), 7, "the replaced file is gone");
    disk.power_cut(Persistence::All, 0);
    assert_eq!(disk.used_bytes(), 7);
}

#[test]
fn a_wild_offset_is_an_error_and_not_a_demand_for_memory() {
    let disk = SimVfs::new();
    let file = named_file(&disk, "/f");
    for offset in [u64::MAX, u64::MAX - 1, 1 << 40] {
        assert_eq!(file.write_all_at(b"ab", offset).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(file.set_len(offset).unwrap_err().kind(), ErrorKind::FileTooLarge);
        let error = file.read_exact_at(&mut [0; 2], offset).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}
