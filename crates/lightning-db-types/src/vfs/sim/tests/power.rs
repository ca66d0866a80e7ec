//! Bytes across power cuts.

use super::{at, named_file, text};
use crate::vfs::{OpenMode, Persistence, PowerOff, SimVfs, Vfs};
use std::collections::BTreeSet;
use std::io::ErrorKind;

const SEEDS: u64 = 400;

#[test]
fn synced_bytes_survive_under_every_policy() {
    use Persistence::{All, None, Prefix, Random};
    for policy in [None, All, Prefix, Random] {
        for seed in 0..50 {
            let disk = SimVfs::new();
            let file = named_file(&disk, "/f");
            file.write_all_at(&[1; 2_000], 0).unwrap();
            file.set_len(1_500).unwrap();
            file.sync_data().unwrap();
            disk.power_cut(policy, seed);
            assert_eq!(disk.file_bytes(at("/f")).unwrap(), [1; 1_500], "{policy:?} seed {seed}");
        }
    }
}

#[test]
fn unsynced_bytes_are_lost_by_none_and_kept_by_all() {
    let disk = SimVfs::new();
    let file = named_file(&disk, "/f");
    file.write_all_at(b"durable", 0).unwrap();
    file.sync_all().unwrap();
    file.write_all_at(b"DUR", 0).unwrap();
    file.write_all_at(b"!", 7).unwrap();
    assert_eq!(text(&disk.crashed(Persistence::None, 0), "/f").unwrap(), "durable");
    assert_eq!(text(&disk.crashed(Persistence::All, 0), "/f").unwrap(), "DURable!");
    assert_eq!(text(&disk, "/f").unwrap(), "DURable!", "the disk itself goes on");
    file.sync_data().unwrap();
    assert_eq!(text(&disk.crashed(Persistence::None, 0), "/f").unwrap(), "DURable!");
}

#[test]
fn prefix_keeps_whole_writes_in_order_and_a_part_of_one() {
    let disk = SimVfs::new();
    let file = named_file(&disk, "/f");
    let other = named_file(&disk, "/g");
    for n in 0..4_u8 {
        file.write_all_at(&[b'a' + n; 1_024], u64::from(n) * 1_024).unwrap();
        other.write_all_at(&[b'a' + n; 512], u64::from(n) * 512).unwrap();
    }
    let mut lengths = BTreeSet::new();
    for seed in 0..SEEDS {
        let crashed = disk.crashed(Persistence::Prefix, seed);
        let bytes = crashed.file_bytes(at("/f")).unwrap();
        let whole = disk.file_bytes(at("/f")).unwrap();
        assert_eq!(bytes.len() % 512, 0, "seed {seed}");
        assert_eq!(bytes, whole[..bytes.len()], "seed {seed}");
        let of_other = crashed.file_bytes(at("/g")).unwrap().len();
        // The n-th write of the one file comes just before the n-th of the other.
        assert!(of_other.div_ceil(512) <= bytes.len() / 1_024, "seed {seed}");
        assert!(bytes.len() / 1_024 <= of_other / 512 + 1, "seed {seed}");
        lengths.insert(bytes.len());
    }
    assert_eq!(lengths.len(), 9, "all outcomes from 0 to 4096 in steps of 512: {lengths:?}");
}

#[test]
fn random_loses_keeps_reorders_and_tears() {
    let disk = SimVfs::new();
    let file = named_file(&disk, "/f");
    file.write_all_at(&[b'-'; 2_048], 0).unwrap();
    file.sync_data().unwrap();
    file.write_all_at(&[b'a'; 1_024], 0).unwrap();
    file.write_all_at(&[b'b'; 1_024], 1_024).unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let bytes = disk.crashed(Persistence::Random, seed).file_bytes(at("/f")).unwrap();
        let sectors: String = bytes.chunks(512).map(|sector| char::from(sector[0])).collect();
        let uniform = bytes.chunks(512).all(|sector| sector.iter().all(|&b| b == sector[0]));
        assert!(uniform, "a sector is old or new, seed {seed}");
        seen.insert(sectors);
    }
    // Each of the four sectors is old or new on its own.
    assert_eq!(seen.len(), 16, "{seen:?}");
    assert!(seen.contains("--bb"), "the later write without the earlier one");
}

#[test]
fn tearing_follows_the_sectors_of_the_disk() {
    let disk = SimVfs::new();
    let file = named_file(&disk, "/f");
    file.write_all_at(&[b'-'; 1_024], 0).unwrap();
    file.sync_data().unwrap();
    file.write_all_at(&[b'x'; 200], 412).unwrap();
    let seen: BTreeSet<(usize, usize)> = (0..SEEDS)
        .map(|seed| {
            let bytes = disk.crashed(Persistence::Random, seed).file_bytes(at("/f")).unwrap();
            let count = |part: &[u8]| part.split(|&byte| byte == b'x').count() - 1;
            (count(&bytes[..512]), count(&bytes[512..]))
        })
        .collect();
    assert_eq!(seen, BTreeSet::from([(0, 0), (0, 100), (100, 0), (100, 100)]));
}

#[test]
fn a_longer_file_may_end_in_zeros_or_keep_its_old_length() {
    let disk = SimVfs::new();
    let file = named_file(&disk, "/f");
    file.write_all_at(b"12", 0).unwrap();
    file.sync_data().unwrap();
    file.write_all_at(b"34", 2).unwrap();
    let seen: BTreeSet<String> = (0..SEEDS)
        .filter_map(|seed| text(&disk.crashed(Persistence::Random, seed), "/f"))
        .collect();
    assert_eq!(seen, BTreeSet::from(["12".into(), "1234".into(), "12\0\0".into()]));
}

#[test]
fn an_unsynced_cut_may_or_may_not_have_happened() {
    let disk = SimVfs::new();
    let file = named_file(&disk, "/f");
    file.write_all_at(b"1234", 0).unwrap();
    file.sync_data().unwrap();
    file.set_len(1).unwrap();
    let seen: BTreeSet<String> = (0..SEEDS)
        .filter_map(|seed| text(&disk.crashed(Persistence::Random, seed), "/f"))
        .collect();
    assert_eq!(seen, BTreeSet::from(["1".into(), "1234".into()]));
}

#[test]
fn the_same_seed_gives_the_same_disk() {
    let disk = SimVfs::new();
    for name in ["/a", "/b", "/c"] {
        let file = disk.open(at(name), OpenMode::CreateNew).unwrap();
        file.write_all_at(&[7; 5_000], 0).unwrap();
    }
    for policy in [Persistence::Prefix, Persistence::Random] {
        for seed in 0..50 {
            let (one, two) = (disk.crashed(policy, seed), disk.crashed(policy, seed));
            assert_eq!(one.files(), two.files());
            for path in one.files() {
                assert_eq!(one.file_bytes(&path).unwrap(), two.file_bytes(&path).unwrap());
            }
        }
    }
}

#[test]
fn power_goes_off_at_the_given_step_and_every_call_fails_from_there() {
    let disk = SimVfs::new();
    let file = named_file(&disk, "/f");
    let steps = disk.steps();
    assert_eq!(steps, 2, "the creation and the folder sync");
    disk.cut_at_step(steps + 2);
    file.write_all_at(b"1", 0).unwrap();
    file.read_exact_at(&mut [0], 0).unwrap();
    file.sync_data().unwrap();
    assert!(!disk.is_powered_off());
    let error = file.write_all_at(b"2", 1).unwrap_err();
    assert!(PowerOff::is(&error), "{error}");
    assert!(disk.is_powered_off());
    let errors = [
        file.read_exact_at(&mut [0], 0).unwrap_err(),
        file.len().unwrap_err(),
        file.set_len(0).unwrap_err(),
        file.sync_data().unwrap_err(),
        disk.open(at("/f"), OpenMode::Read).unwrap_err(),
        disk.read_dir(at("/")).unwrap_err(),
        disk.exists(at("/f")).unwrap_err(),
        disk.sync_dir(at("/")).unwrap_err(),
        disk.rename(at("/f"), at("/g")).unwrap_err(),
        disk.remove_file(at("/f")).unwrap_err(),
        disk.hard_link(at("/f"), at("/g")).unwrap_err(),
        disk.create_dir_all(at("/d")).unwrap_err(),
        disk.lock(at("/l")).unwrap_err(),
    ];
    assert!(errors.iter().all(PowerOff::is), "{errors:?}");
    assert_eq!(disk.steps(), steps + 2, "calls without power are not counted");
    disk.power_cut(Persistence::All, 0);
    assert_eq!(text(&disk, "/f").unwrap(), "1", "the write without power left nothing");
    disk.open(at("/f"), OpenMode::Write).unwrap().write_all_at(b"2", 1).unwrap();
}

#[test]
fn handles_and_locks_die_with_the_power() {
    let disk = SimVfs::new();
    let file = named_file(&disk, "/f");
    let lock = disk.lock(at("/lock")).unwrap();
    disk.sync_dir(at("/")).unwrap();
    assert_eq!(disk.lock(at("/lock")).unwrap_err().kind(), ErrorKind::WouldBlock);
    disk.power_cut(Persistence::None, 1);
    assert!(PowerOff::is(&file.write_all_at(b"ghost", 0).unwrap_err()));
    assert!(PowerOff::is(&file.len().unwrap_err()));
    let held = disk.lock(at("/lock")).unwrap();
    // The guard of the time before must not free the lock of the new holder.
    drop(lock);
    drop(file);
    assert_eq!(disk.lock(at("/lock")).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(held);
    disk.lock(at("/lock")).unwrap();
    assert_eq!(text(&disk, "/f").unwrap(), "");
}

#[test]
fn a_mapped_file_has_its_length_on_the_disk_once_synced() {
    let disk = SimVfs::new();
    let file = disk.open(at("/m"), OpenMode::Mapped { len: 2_048 }).unwrap();
    disk.sync_dir(at("/")).unwrap();
    file.write_all_at(b"synced", 0).unwrap();
    let mut lens = BTreeSet::new();
    for seed in 0..50 {
        let crashed = disk.crashed(Persistence::Random, seed);
        let bytes = crashed.file_bytes(at("/m")).unwrap();
        lens.insert(bytes.len());
        assert!(bytes.is_empty() || bytes[0] == 0 || &bytes[..6] == b"synced");
    }
    assert_eq!(lens, BTreeSet::from([0, 2_048]), "no byte is there without the length");
    file.sync_data().unwrap();
    file.write_all_at(b"unsynced", 1_024).unwrap();
    assert_eq!(
        disk.open(at("/m"), OpenMode::Mapped { len: 4_096 }).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    for seed in 0..50 {
        let crashed = disk.crashed(Persistence::Random, seed);
        let bytes = crashed.file_bytes(at("/m")).unwrap();
        assert_eq!(bytes.len(), 2_048);
        assert_eq!(&bytes[..6], b"synced");
        assert!(bytes[1_024] == 0 || &bytes[1_024..1_032] == b"unsynced");
    }
    drop(file);
    disk.open(at("/m"), OpenMode::Write).unwrap().write_all_at(b"not", 0).unwrap();
    disk.open(at("/m"), OpenMode::Mapped { len: 4 }).unwrap();
    disk.power_cut(Persistence::None, 0);
    let bytes = disk.file_bytes(at("/m")).unwrap();
    assert_eq!((bytes.len(), &bytes[..6]), (2_048, &b"synced"[..]), "mapping syncs nothing");
}
