//! What the next process finds.

use std::fs;
use std::path::Path;

use crate::shutdown::{Component, Coordinator, Phase, ShutdownOptions};

fn open(path: &Path) -> Coordinator {
    ShutdownOptions::new().save_state(path).build().unwrap()
}

#[test]
fn the_next_start_finds_what_was_saved_and_how_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    let first = open(&path);
    assert_eq!(first.previous(), None);
    let cache = Component::new("cache").on_persist(|saved| {
        saved.insert("hot".to_owned(), vec!["a", "b"].into());
        Ok(())
    });
    let _kept = first.register(cache).unwrap();
    let report = first.shutdown_blocking();
    assert!(report.is_clean(), "{report}");

    let second = open(&path);
    let previous = second.previous().unwrap();
    assert!(previous.was_clean && previous.damage.is_none());
    assert_eq!(previous.saved["cache"]["hot"], serde_json::json!(["a", "b"]));
    assert_eq!(previous.report.as_ref(), Some(&*report));
    assert_eq!(previous.process, std::process::id());

    // The second process is killed here: the third finds that, and what the second had found.
    let third = open(&path);
    let previous = third.previous().unwrap();
    assert!(!previous.was_clean && previous.report.is_none());
    assert_eq!(previous.saved["cache"]["hot"][0], "a");
}

#[test]
fn a_failed_shutdown_is_not_clean() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    let first = open(&path);
    let fails = Component::new("disk").on_persist(|_| Err("it is full".into()));
    let _kept = first.register(fails).unwrap();
    assert_eq!(first.shutdown_blocking().phase, Phase::Failed);
    let second = open(&path);
    let previous = second.previous().unwrap();
    assert!(!previous.was_clean && previous.report.is_some());
}

#[test]
fn a_file_that_nobody_can_read_is_damage_and_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    drop(open(&path));
    let whole = fs::read(&path).unwrap();
    for len in 0..whole.len() - 1 {
        fs::write(&path, &whole[..len]).unwrap();
        let found = open(&path);
        let previous = found.previous().unwrap();
        assert!(!previous.was_clean && previous.damage.is_some(), "{len} bytes of it");
    }
    fs::write(&path, String::from_utf8(whole).unwrap().replace("\"version\": 1", "\"version\": 2"))
        .unwrap();
    let damage = open(&path).previous().unwrap().damage.clone().unwrap();
    assert_eq!(damage, "its version is 2, and this is 1");
    assert!(open(&path).previous().unwrap().damage.is_none());
}

#[test]
fn a_half_written_file_beside_it_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    assert!(open(&path).shutdown_blocking().is_clean());
    fs::write(dir.path().join("state.json.new"), "{\"version").unwrap();
    assert!(open(&path).previous().unwrap().was_clean);
}

#[test]
fn an_end_that_cannot_be_saved_fails_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("inner").join("state.json");
    fs::create_dir(dir.path().join("inner")).unwrap();
    let first = open(&path);
    fs::remove_dir_all(dir.path().join("inner")).unwrap();
    let report = first.shutdown_blocking();
    assert_eq!(report.phase, Phase::Failed);
    let error = report.state_error.clone().unwrap();
    assert!(error.contains("inner/state.json: No such file"), "{error}");
}
