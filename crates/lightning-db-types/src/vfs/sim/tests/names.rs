//! Names across power cuts.

use super::{at, named_file, text};
use crate::vfs::{OpenMode, Persistence, SimVfs, Vfs};
use std::collections::BTreeSet;
use std::path::PathBuf;

const SEEDS: u64 = 200;

/// All outcomes of a power cut now, as the names and texts of the files.
fn outcomes(disk: &SimVfs, policy: Persistence) -> BTreeSet<Vec<String>> {
    let outcome = |seed| {
        let crashed = disk.crashed(policy, seed);
        let show = |path: &PathBuf| {
            let path = path.to_str().unwrap();
            format!("{path}={}", text(&crashed, path).unwrap())
        };
        crashed.files().iter().map(show).collect()
    };
    (0..SEEDS).map(outcome).collect()
}

/// A file with these bytes, all of it durable.
fn durable_file(disk: &SimVfs, path: &str, bytes: &str) {
    let file = named_file(disk, path);
    file.write_all_at(bytes.as_bytes(), 0).unwrap();
    file.sync_all().unwrap();
}

fn set(outcomes: &[&[&str]]) -> BTreeSet<Vec<String>> {
    outcomes.iter().map(|one| one.iter().map(ToString::to_string).collect()).collect()
}

#[test]
fn a_synced_file_without_a_synced_name_may_vanish() {
    let disk = SimVfs::new();
    let file = disk.open(at("/f"), OpenMode::CreateNew).unwrap();
    file.write_all_at(b"x", 0).unwrap();
    file.sync_all().unwrap();
    assert_eq!(outcomes(&disk, Persistence::None), set(&[&[]]));
    assert_eq!(outcomes(&disk, Persistence::All), set(&[&["/f=x"]]));
    assert_eq!(outcomes(&disk, Persistence::Random), set(&[&[], &["/f=x"]]));
    disk.sync_dir(at("/")).unwrap();
    assert_eq!(outcomes(&disk, Persistence::None), set(&[&["/f=x"]]));
}

#[test]
fn an_unsynced_rename_happens_as_one_or_not_at_all() {
    let disk = SimVfs::new();
    durable_file(&disk, "/new", "2");
    durable_file(&disk, "/cur", "1");
    disk.rename(at("/new"), at("/cur")).unwrap();
    let both = set(&[&["/cur=1", "/new=2"], &["/cur=2"]]);
    assert_eq!(outcomes(&disk, Persistence::Random), both);
    assert_eq!(outcomes(&disk, Persistence::Prefix), both);
    assert_eq!(outcomes(&disk, Persistence::None), set(&[&["/cur=1", "/new=2"]]));
    disk.sync_dir(at("/")).unwrap();
    assert_eq!(outcomes(&disk, Persistence::Random), set(&[&["/cur=2"]]));
}

#[test]
fn a_rename_may_come_before_the_bytes_it_was_to_publish() {
    // The classic mistake: no sync of the file before the rename.
    let disk = SimVfs::new();
    durable_file(&disk, "/cur", "1");
    let file = disk.open(at("/tmp"), OpenMode::CreateNew).unwrap();
    file.write_all_at(b"2", 0).unwrap();
    disk.rename(at("/tmp"), at("/cur")).unwrap();
    disk.sync_dir(at("/")).unwrap();
    assert_eq!(outcomes(&disk, Persistence::None), set(&[&["/cur="]]));
}

#[test]
fn a_later_operation_on_a_name_never_survives_an_earlier_one() {
    let disk = SimVfs::new();
    let file = disk.open(at("/a"), OpenMode::CreateNew).unwrap();
    file.write_all_at(b"x", 0).unwrap();
    file.sync_all().unwrap();
    disk.rename(at("/a"), at("/b")).unwrap();
    disk.rename(at("/b"), at("/c")).unwrap();
    assert_eq!(outcomes(&disk, Persistence::Random), set(&[&[], &["/a=x"], &["/b=x"], &["/c=x"]]));
}

#[test]
fn operations_on_different_names_are_lost_independently() {
    let disk = SimVfs::new();
    for name in ["/a", "/b"] {
        disk.open(at(name), OpenMode::CreateNew).unwrap();
    }
    assert_eq!(
        outcomes(&disk, Persistence::Random),
        set(&[&[], &["/a="], &["/a=", "/b="], &["/b="]])
    );
    assert_eq!(outcomes(&disk, Persistence::Prefix), set(&[&[], &["/a="], &["/a=", "/b="]]));
}

#[test]
fn an_unsynced_remove_may_bring_the_file_back() {
    let disk = SimVfs::new();
    durable_file(&disk, "/f", "x");
    disk.remove_file(at("/f")).unwrap();
    assert!(!disk.exists(at("/f")).unwrap());
    assert_eq!(outcomes(&disk, Persistence::Random), set(&[&[], &["/f=x"]]));
    disk.sync_dir(at("/")).unwrap();
    assert_eq!(outcomes(&disk, Persistence::Random), set(&[&[]]));
}

#[test]
fn both_names_of_a_link_share_the_bytes_after_the_cut() {
    let disk = SimVfs::new();
    durable_file(&disk, "/f", "x");
    disk.hard_link(at("/f"), at("/g")).unwrap();
    assert_eq!(outcomes(&disk, Persistence::Random), set(&[&["/f=x"], &["/f=x", "/g=x"]]));
    disk.sync_dir(at("/")).unwrap();
    disk.power_cut(Persistence::None, 0);
    disk.open(at("/g"), OpenMode::Write).unwrap().write_all_at(b"y", 0).unwrap();
    assert_eq!(text(&disk, "/f").unwrap(), "y");
}

#[test]
fn only_the_synced_folder_is_durable() {
    let disk = SimVfs::new();
    disk.create_dir_all(at("/d/e")).unwrap();
    disk.open(at("/d/f"), OpenMode::CreateNew).unwrap();
    disk.open(at("/d/e/f"), OpenMode::CreateNew).unwrap();
    disk.sync_dir(at("/d")).unwrap();
    disk.power_cut(Persistence::None, 0);
    assert_eq!(disk.files(), [PathBuf::from("/d/f")]);
    assert!(disk.exists(at("/d/e")).unwrap(), "folders are durable at once");
}

#[test]
fn a_rename_between_folders_needs_both_synced() {
    let disk = SimVfs::new();
    disk.create_dir_all(at("/a")).unwrap();
    disk.create_dir_all(at("/b")).unwrap();
    durable_file(&disk, "/a/f", "x");
    disk.rename(at("/a/f"), at("/b/f")).unwrap();
    disk.sync_dir(at("/b")).unwrap();
    assert_eq!(outcomes(&disk, Persistence::Random), set(&[&["/a/f=x"], &["/b/f=x"]]));
    disk.sync_dir(at("/a")).unwrap();
    assert_eq!(outcomes(&disk, Persistence::Random), set(&[&["/b/f=x"]]));
}

#[test]
fn a_later_synced_operation_takes_an_earlier_rename_along() {
    let disk = SimVfs::new();
    disk.create_dir_all(at("/a")).unwrap();
    disk.create_dir_all(at("/b")).unwrap();
    durable_file(&disk, "/a/f", "old");
    disk.rename(at("/a/f"), at("/b/f")).unwrap();
    durable_file(&disk, "/a/f", "new");
    let expected = set(&[&["/a/f=new", "/b/f=old"]]);
    assert_eq!(outcomes(&disk, Persistence::Random), expected, "nothing was overwritten");
}

#[test]
fn planted_bytes_are_durable_at_once() {
    let disk = SimVfs::new();
    disk.set_file_bytes(at("/deep/down/f"), b"planted").unwrap();
    let file = disk.open(at("/deep/down/f"), OpenMode::Write).unwrap();
    file.write_all_at(b"?", 0).unwrap();
    disk.set_file_bytes(at("/deep/down/f"), b"damage").unwrap();
    assert_eq!(file.len().unwrap(), 6);
    assert_eq!(disk.used_bytes(), 6);
    disk.power_cut(Persistence::None, 0);
    assert_eq!(text(&disk, "/deep/down/f").unwrap(), "damage");
    assert!(disk.set_file_bytes(at("/deep"), b"").is_err());
    assert!(disk.set_file_bytes(at("/deep/down/f/g"), b"").is_err());
}
