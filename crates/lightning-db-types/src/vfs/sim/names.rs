//! Names and folders: those on the disk, those a reader sees, and the operations between.

use super::inode::NodeRef;
use crate::vfs::DirEntry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) type NameMap = BTreeMap<PathBuf, NodeRef>;

/// All names of the disk. Folders are durable at once, names of files when their folder is synced.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) dirs: BTreeSet<PathBuf>,
    pub(super) current: NameMap,
    pub(super) durable: NameMap,
    /// Operations that are not on the disk, oldest first.
    pub(super) pending: Vec<NameOp>,
}

/// A change of names that no folder sync has covered.
#[derive(Debug, Clone)]
pub(super) struct NameOp {
    /// Place in the order of all changes of the disk.
    pub(super) seq: u64,
    pub(super) node: NodeRef,
    /// Name that ceases to lead to the node.
    pub(super) from: Option<PathBuf>,
    /// Name that begins to lead to the node.
    pub(super) to: Option<PathBuf>,
    /// Folders that are to be synced until this is on the disk.
    waits_for: Vec<PathBuf>,
}

impl NameOp {
    pub(super) fn names(&self) -> impl Iterator<Item = &PathBuf> {
        self.from.iter().chain(&self.to)
    }

    pub(super) fn apply(&self, names: &mut NameMap) {
        if let Some(from) = &self.from {
            // The name may lead elsewhere if an earlier operation on it was lost.
            if names.get(from).is_some_and(|node| Arc::ptr_eq(node, &self.node)) {
                names.remove(from);
            }
        }
        if let Some(to) = &self.to {
            names.insert(to.clone(), Arc::clone(&self.node));
        }
    }
}

impl Names {
    pub(super) fn file(&self, path: &Path) -> Option<&NodeRef> {
        self.current.get(path)
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.current.keys()
    }

    pub(super) fn is_dir(&self, path: &Path) -> bool {
        path.as_os_str().is_empty() || path.parent().is_none() || self.dirs.contains(path)
    }

    pub(super) fn exists(&self, path: &Path) -> bool {
        self.is_dir(path) || self.current.contains_key(path)
    }

    /// The file, or why there is none.
    pub(super) fn open(&self, path: &Path) -> io::Result<&NodeRef> {
        self.current.get(path).ok_or_else(|| self.missing(path))
    }

    /// Whether a file of this name can be made.
    pub(super) fn check_parent(&self, path: &Path) -> io::Result<()> {
        let has_parent = path.parent().is_some_and(|parent| self.is_dir(parent));
        if has_parent { Ok(()) } else { Err(self.missing(path)) }
    }

    /// The error of looking for a name that is not there.
    pub(super) fn missing(&self, path: &Path) -> io::Error {
        let leads_through_file = path.ancestors().any(|dir| self.current.contains_key(dir));
        let kind =
            if leads_through_file { io::ErrorKind::NotADirectory } else { io::ErrorKind::NotFound };
        io::Error::new(kind, format!("no such file or folder: {}", path.display()))
    }

    pub(super) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        for dir in path.ancestors() {
            if self.current.contains_key(dir) {
                return Err(io::ErrorKind::NotADirectory.into());
            }
        }
        for dir in path.ancestors() {
            if !self.is_dir(dir) {
                self.dirs.insert(dir.to_path_buf());
            }
        }
        Ok(())
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        if !self.is_dir(path) {
            return Err(self.missing(path));
        }
        let name_in = |child: &Path| {
            child.parent().filter(|&parent| parent == path)?;
            child.file_name()?.to_str().map(str::to_owned)
        };
        let dirs = self
            .dirs
            .iter()
            .filter_map(|dir| Some(DirEntry { name: name_in(dir)?, len: 0, is_dir: true }));
        let files = self.current.iter().filter_map(|(file, node)| {
            let len = node.lock().current.len() as u64;
            Some(DirEntry { name: name_in(file)?, len, is_dir: false })
        });
        let mut entries: Vec<DirEntry> = dirs.chain(files).collect();
        entries.sort_unstable_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }

    /// Does an operation, to be brought to the disk by syncing the folders of its names.
    pub(super) fn change(
        &mut self,
        seq: u64,
        node: &NodeRef,
        from: Option<&Path>,
        to: Option<&Path>,
    ) {
        let mut waits_for: Vec<PathBuf> = from
            .iter()
            .chain(&to)
            .filter_map(|path| path.parent())
            .map(Path::to_path_buf)
            .collect();
        waits_for.dedup();
        let (from, to) = (from.map(Path::to_path_buf), to.map(Path::to_path_buf));
        let op = NameOp { seq, node: Arc::clone(node), from, to, waits_for };
        op.apply(&mut self.current);
        self.pending.push(op);
    }

    /// Brings the operations of a folder to the disk.
    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        if !self.is_dir(dir) {
            return Err(self.missing(dir));
        }
        for op in &mut self.pending {
            op.waits_for.retain(|waited| waited != dir);
        }
        self.settle(BTreeSet::new());
        Ok(())
    }

    /// Brings to the disk what waits for no folder and what touches a name of `due_names`.
    ///
    /// An operation never overtakes an earlier one on the same name, so a rename that still waits
    /// for its other folder comes along if a later operation on its names is due.
    pub(super) fn settle(&mut self, mut due_names: BTreeSet<PathBuf>) {
        let mut due = vec![false; self.pending.len()];
        for (due, op) in due.iter_mut().zip(&self.pending).rev() {
            *due = op.waits_for.is_empty() || op.names().any(|name| due_names.contains(name));
            if *due {
                due_names.extend(op.names().cloned());
            }
        }
        let mut due = due.into_iter();
        for op in self.pending.extract_if(.., |_| due.next().unwrap_or(false)) {
            op.apply(&mut self.durable);
        }
    }
}
