//! Tests of the simulated disk; the behaviour it shares with the real one is in
//! `tests/vfs_contract.rs`.

mod faults;
mod names;
mod power;

use super::SimVfs;
use crate::vfs::{OpenMode, Vfs, VfsFile};
use std::path::Path;
use std::sync::Arc;

/// A path of the test disk.
fn at(path: &str) -> &Path {
    Path::new(path)
}

/// A new file whose name is durable.
fn named_file(disk: &SimVfs, path: &str) -> Arc<dyn VfsFile> {
    let file = disk.open(at(path), OpenMode::CreateNew).unwrap();
    disk.sync_dir(at(path).parent().unwrap()).unwrap();
    file
}

/// The bytes of a file as text, or `None` if it is not there.
fn text(disk: &SimVfs, path: &str) -> Option<String> {
    disk.file_bytes(at(path)).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}
