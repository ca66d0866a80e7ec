//! A small store with every kind of file, to be damaged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lightning_db_storage::{Depth, KeyspaceOptions, Lost, RepairReport, Store, StoreOptions};
use lightning_db_types::{Persistence, SimClock, SimVfs};

use crate::driver::{STORE, describe, store_options};
use crate::image::show;
use crate::sweep::parallel;
use crate::traced::TracedVfs;

/// Keys and values by keyspace.
pub type Data = BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>;

/// How a specimen was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Closed, with commits in the log.
    Closed,
    /// The process ended without closing it.
    Running,
    /// Closed, with a value in a file of its own and nothing else.
    WithBlob,
}

/// A store on a simulated disk, and what it holds.
#[derive(Debug)]
pub struct Specimen {
    disk: SimVfs,
    data: Data,
    /// Commit that wrote each key which is in the log alone.
    in_log: BTreeMap<Vec<u8>, u64>,
}

/// What a damaged store did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It gave all data, as if nothing had happened.
    Same,
    /// It opened, and some call gave an error.
    Reported,
    /// It did not open.
    Refused,
}

/// Outcomes by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Number of stores that gave all data.
    pub same: u64,
    /// Number of those that reported damage while they were open.
    pub reported: u64,
    /// Number of those that did not open.
    pub refused: u64,
}

type Checked<T = ()> = Result<T, String>;

fn text<E: std::error::Error>(error: E) -> String {
    describe(&error)
}

impl Specimen {
    /// Makes one.
    ///
    /// # Errors
    /// Whatever keeps it from being made.
    pub fn new(left: Left) -> Checked<Self> {
        let disk = SimVfs::new();
        let (store, _) = options(&disk).open().map_err(text)?;
        let mut specimen = Self { disk, data: Data::new(), in_log: BTreeMap::new() };
        if left == Left::WithBlob {
            specimen.put(&store, "files", b"large", &vec![b'b'; (1 << 20) + 9])?;
            store.checkpoint().map_err(text)?;
        } else {
            specimen.fill(&store)?;
        }
        if left == Left::Running {
            let disk = specimen.disk.crashed(Persistence::All, 0);
            drop(store);
            return Ok(Self { disk, ..specimen });
        }
        store.close().map_err(text)?;
        Ok(specimen)
    }

    /// Two runs of tables in one keyspace, a merged one in another, an ingested one in the third,
    /// and commits in the log.
    fn fill(&mut self, store: &Store) -> Checked {
        for at in 0..30_u32 {
            let value = format!("{at} Long Street, {}", "apartment ".repeat(at as usize % 5));
            self.put(store, "accounts", &key("account", at), value.as_bytes())?;
            self.put(store, "texts", &key("text", at), format!("text {at}").as_bytes())?;
        }
        store.compact().map_err(text)?;
        for at in (0..30).step_by(3) {
            self.put(store, "accounts", &key("account", at), b"moved away")?;
        }
        self.remove(store, "accounts", &key("account", 7))?;
        self.put(store, "edges", &key("edge", 5), b"replaced by the ingest")?;
        store.checkpoint().map_err(text)?;
        let edges: Vec<_> = (0..20_u32).map(|at| (key("edge", at), vec![b'e'; 30])).collect();
        let keyspace = store.keyspace("edges", KeyspaceOptions::new()).map_err(text)?;
        keyspace.ingest(edges.iter().map(|(key, value)| (key, value))).map_err(text)?;
        self.data.entry("edges".into()).or_default().extend(edges);
        for at in 0..12 {
            let name = key("recent", at);
            self.put(store, "accounts", &name, format!("value {at}").as_bytes())?;
            self.in_log.insert(name, store.last_lsn());
        }
        Ok(())
    }

    fn put(&mut self, store: &Store, name: &str, key: &[u8], value: &[u8]) -> Checked {
        let keyspace = store.keyspace(name, KeyspaceOptions::new()).map_err(text)?;
        keyspace.insert(key, value).map_err(text)?;
        self.data.entry(name.to_owned()).or_default().insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn remove(&mut self, store: &Store, name: &str, key: &[u8]) -> Checked {
        let keyspace = store.open_keyspace(name).map_err(text)?;
        keyspace.remove(key).map_err(text)?;
        self.data.entry(name.to_owned()).or_default().remove(key);
        Ok(())
    }

    /// Files of the store that hold bytes.
    pub fn files(&self) -> Vec<PathBuf> {
        let has_bytes = |path: &PathBuf| !self.bytes(path).is_empty();
        self.disk.files().into_iter().filter(has_bytes).collect()
    }

    fn bytes(&self, path: &Path) -> Vec<u8> {
        self.disk.file_bytes(path).unwrap_or_default()
    }

    /// Flips one bit of each byte of a file for which `wanted` says so, and looks at what the store
    /// does; if it does not open, repairs it too.
    ///
    /// # Errors
    /// The first thing that is wrong, with the file and the byte.
    pub fn flip(&self, path: &Path, wanted: impl Fn(u64) -> bool + Sync) -> Checked<Outcomes> {
        let bytes = self.bytes(path);
        let counts = parallel(0..bytes.len() as u64, |at| {
            if !wanted(at) {
                return Ok(0);
            }
            let mut damaged = bytes.clone();
            damaged[usize::try_from(at).unwrap_or(0)] ^= 1 << (at % 8);
            let outcome = self.examine(path, &damaged).map_err(|text| {
                format!("bit {} of byte {at} of {} is flipped: {text}", at % 8, path.display())
            })?;
            // Three counts in one number: no file here has a million bytes that are flipped.
            Ok(match outcome {
                Outcome::Same => 1,
                Outcome::Reported => 1 << 20,
                Outcome::Refused => 1 << 40,
            })
        })?;
        let count = |at: u32| (counts >> at) & 0xf_ffff;
        Ok(Outcomes { same: count(0), reported: count(20), refused: count(40) })
    }

    fn examine(&self, path: &Path, damaged: &[u8]) -> Checked<Outcome> {
        let image = self.disk.crashed(Persistence::All, 0);
        image.set_file_bytes(path, damaged).map_err(|error| error.to_string())?;
        let traced = TracedVfs::new(Arc::new(image.clone()));
        let opened = options(&image).vfs(Arc::new(traced.clone())).open();
        let outcome = match &opened {
            Err(_) => Outcome::Refused,
            Ok((store, _)) if self.read_all(store)? => Outcome::Reported,
            Ok(_) => Outcome::Same,
        };
        for call in traced.calls() {
            // A segment of the log that this opening made is not in the specimen, and a leftover
            // is no longer in the image.
            let made = image.file_bytes(&call.path).map_or(0, |bytes| bytes.len());
            let len = made.max(self.bytes(&call.path).len()) as u64;
            if call.read_len > 2 * len.max(64) {
                return Err(format!("{} of {len} bytes were asked for", call.read_len));
            }
        }
        drop(opened);
        if outcome != Outcome::Same {
            let image = self.disk.crashed(Persistence::All, 0);
            image.set_file_bytes(path, damaged).map_err(|error| error.to_string())?;
            self.repair(&image).map_err(|text| format!("repair: {text}"))?;
        }
        Ok(outcome)
    }

    /// Reads everything in every way; fails if anything is wrong, and says whether anything was an
    /// error.
    fn read_all(&self, store: &Store) -> Checked<bool> {
        if !store.keyspaces().iter().eq(self.data.keys()) {
            return Err(format!("keyspaces {:?} are there", store.keyspaces()));
        }
        let mut damaged = false;
        for (name, expected) in &self.data {
            let keyspace = store.open_keyspace(name).map_err(text)?;
            for (key, value) in expected {
                match keyspace.get(key) {
                    Ok(found) if found.as_deref() == Some(&value[..]) => {}
                    Ok(found) => return Err(format!("get of {}: {found:?}", show(key))),
                    Err(_) => damaged = true,
                }
            }
            match keyspace.get("account-007") {
                Ok(None) => {}
                Ok(Some(_)) => return Err("a removed key is there".into()),
                Err(_) => damaged = true,
            }
            let (up, down) = (keyspace.iter(), keyspace.iter().rev());
            damaged |= agree(up, expected.iter())?;
            damaged |= agree(down, expected.iter().rev())?;
        }
        let report = store.check(Depth::Deep).map_err(text)?;
        if damaged && report.is_ok() {
            return Err("reading gave an error, and a check finds nothing".into());
        }
        Ok(damaged || !report.is_ok())
    }

    /// Repairs a damaged store; what is not in the damaged part must be there.
    fn repair(&self, image: &SimVfs) -> Checked {
        let report = Store::repair(options(image)).map_err(text)?;
        let (store, _) = options(image).open().map_err(text)?;
        for (name, expected) in &self.data {
            let found = match store.open_keyspace(name) {
                Ok(keyspace) => keyspace
                    .iter()
                    .map(|item| item.map(|(key, value)| (key.to_vec(), value.to_vec())))
                    .collect::<Result<BTreeMap<_, _>, _>>()
                    .map_err(text)?,
                Err(error) => return Err(text(error)),
            };
            for key in expected.keys().chain(found.keys()) {
                if found.get(key) != expected.get(key) && !self.is_lost(name, key, &report) {
                    let shown = show(key);
                    return Err(format!("{shown} is not as it was, and not in {report:?}"));
                }
            }
        }
        let checked = store.check(Depth::Deep).map_err(text)?;
        if checked.is_ok() { Ok(()) } else { Err(format!("{:?}", checked.problems)) }
    }

    /// Whether a report says that a key may be lost.
    fn is_lost(&self, keyspace: &str, key: &[u8], report: &RepairReport) -> bool {
        report.lost.iter().any(|lost| {
            if lost.path.starts_with(Path::new(STORE).join("wal")) {
                return self.in_log.get(key).is_some_and(|commit| names_commit(lost, *commit));
            }
            lost.keyspace.as_deref() == Some(keyspace)
                && lost.key_after.as_deref().is_none_or(|after| after <= key)
                && lost.key_before.as_deref().is_none_or(|before| key <= before)
        })
    }
}

/// Whether the loss is of all commits of a segment, or of this one.
fn names_commit(lost: &Lost, commit: u64) -> bool {
    let mut numbers = lost.detail.split(|char: char| !char.is_ascii_digit());
    let mut number = || numbers.by_ref().find_map(|word| word.parse::<u64>().ok());
    let (from, to) = (number(), number());
    lost.detail.starts_with("all ")
        || from.is_some_and(|from| (from..=to.unwrap_or(from)).contains(&commit))
}

/// Compares items up to the first error; says whether there was one.
fn agree<'a>(
    mut found: impl Iterator<
        Item = lightning_db_storage::Result<(
            lightning_db_storage::Slice,
            lightning_db_storage::Slice,
        )>,
    >,
    mut expected: impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>,
) -> Checked<bool> {
    loop {
        match (found.next(), expected.next()) {
            (Some(Err(_)), _) => return Ok(true),
            (None, None) => return Ok(false),
            (Some(Ok((key, value))), Some((wanted, bytes)))
                if key[..] == wanted[..] && value[..] == bytes[..] => {}
            (found, expected) => {
                let expected = expected.map(|(key, _)| key.escape_ascii().to_string());
                return Err(format!("{found:?} stands where {expected:?} must be"));
            }
        }
    }
}

fn key(kind: &str, number: u32) -> Vec<u8> {
    format!("{kind}-{number:03}").into_bytes()
}

fn options(disk: &SimVfs) -> StoreOptions {
    let clock = SimClock::default();
    store_options(Arc::new(disk.clone()), &clock, 1, disk.steps()).block_size(512)
}
