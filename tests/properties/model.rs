//! The simplest store that could be right: every version of every key, and every commit in a list.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

/// A key or a value, shared with the operations that wrote it.
pub(crate) type Bytes = Rc<[u8]>;

/// Both ends of a range.
pub(crate) type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Whether a key lies within bounds; bounds that cross hold no key.
pub(crate) fn within(key: &[u8], (start, end): &Bounds) -> bool {
    let behind_start = match start {
        Bound::Included(start) => key >= &start[..],
        Bound::Excluded(start) => key > &start[..],
        Bound::Unbounded => true,
    };
    let before_end = match end {
        Bound::Included(end) => key <= &end[..],
        Bound::Excluded(end) => key < &end[..],
        Bound::Unbounded => true,
    };
    behind_start && before_end
}

/// What a commit does to one key, or to a keyspace as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    Put { value: Bytes, expires_at_ms: u64 },
    Removed,
    Cleared,
    Ingested(Vec<(Vec<u8>, Bytes)>),
}

/// One change of a commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change {
    /// Place of the keyspace in [`Model::keyspaces`].
    pub(crate) keyspace: usize,
    pub(crate) key: Vec<u8>,
    pub(crate) effect: Effect,
}

#[derive(Debug)]
struct Version {
    lsn: u64,
    value: Option<Bytes>,
    expires_at_ms: u64,
}

/// A keyspace that is there, or was: dropping one makes it unreachable by its name only.
#[derive(Debug)]
pub(crate) struct KeyspaceModel {
    pub(crate) name: &'static str,
    pub(crate) time_to_live_ms: Option<u64>,
    pub(crate) is_live: bool,
    cleared_at: u64,
    keys: BTreeMap<Vec<u8>, Vec<Version>>,
}

impl KeyspaceModel {
    /// Value of a key for a reader of the commit `lsn`, at a time.
    pub(crate) fn get(&self, key: &[u8], lsn: u64, now_ms: u64) -> Option<Bytes> {
        Self::newest(self.keys.get(key)?, lsn, now_ms)
    }

    fn newest(versions: &[Version], lsn: u64, now_ms: u64) -> Option<Bytes> {
        let newest = versions.iter().rev().find(|version| version.lsn <= lsn)?;
        let expired = newest.expires_at_ms != 0 && newest.expires_at_ms <= now_ms;
        newest.value.clone().filter(|_| !expired)
    }

    /// Keys and values within bounds, ascending.
    pub(crate) fn range(&self, bounds: &Bounds, lsn: u64, now_ms: u64) -> Vec<(Vec<u8>, Bytes)> {
        let inside = self.keys.iter().filter(|(key, _)| within(key, bounds));
        inside
            .filter_map(|(key, versions)| Some((key.clone(), Self::newest(versions, lsn, now_ms)?)))
            .collect()
    }

    /// Whether a commit above `lsn` touched the key. Emptying the keyspace touches every key.
    pub(crate) fn changed_since(&self, key: &[u8], lsn: u64) -> bool {
        let newest = self.keys.get(key).and_then(|versions| versions.last());
        self.cleared_at > lsn || newest.is_some_and(|newest| newest.lsn > lsn)
    }

    /// Whether a commit above `lsn` touched a key within bounds.
    pub(crate) fn range_changed_since(&self, bounds: &Bounds, lsn: u64) -> bool {
        let mut inside = self.keys.keys().filter(|key| within(key, bounds));
        self.cleared_at > lsn || inside.any(|key| self.changed_since(key, lsn))
    }

    fn push(&mut self, key: Vec<u8>, lsn: u64, value: Option<Bytes>, expires_at_ms: u64) {
        self.keys.entry(key).or_default().push(Version { lsn, value, expires_at_ms });
    }

    fn apply(&mut self, lsn: u64, change: &Change) {
        match &change.effect {
            Effect::Put { value, expires_at_ms } => {
                self.push(change.key.clone(), lsn, Some(Rc::clone(value)), *expires_at_ms);
            }
            Effect::Removed => self.push(change.key.clone(), lsn, None, 0),
            Effect::Cleared => {
                self.cleared_at = lsn;
                for versions in self.keys.values_mut() {
                    versions.push(Version { lsn, value: None, expires_at_ms: 0 });
                }
            }
            Effect::Ingested(entries) => {
                for (key, value) in entries {
                    self.push(key.clone(), lsn, Some(Rc::clone(value)), 0);
                }
            }
        }
    }
}

/// All keyspaces that ever were, and all commits.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) keyspaces: Vec<KeyspaceModel>,
    commits: Vec<Vec<Change>>,
    /// Newest commit that a power cut must not take.
    pub(crate) durable_lsn: u64,
}

impl Model {
    pub(crate) fn last_lsn(&self) -> u64 {
        self.commits.len() as u64
    }

    /// Changes of a commit, in the order of keyspace and key.
    pub(crate) fn commit_at(&self, lsn: u64) -> &[Change] {
        &self.commits[usize::try_from(lsn - 1).unwrap()]
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = (usize, &KeyspaceModel)> {
        self.keyspaces.iter().enumerate().filter(|(_, keyspace)| keyspace.is_live)
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.live().find(|(_, keyspace)| keyspace.name == name).map(|(id, _)| id)
    }

    pub(crate) fn create(&mut self, name: &'static str, time_to_live_ms: Option<u64>) -> usize {
        self.keyspaces.push(KeyspaceModel {
            name,
            time_to_live_ms,
            is_live: true,
            cleared_at: 0,
            keys: BTreeMap::new(),
        });
        self.keyspaces.len() - 1
    }

    /// Commits changes of different keys; returns the commit's number.
    pub(crate) fn commit(&mut self, mut changes: Vec<Change>) -> u64 {
        changes.sort();
        let lsn = self.last_lsn() + 1;
        for change in &changes {
            self.keyspaces[change.keyspace].apply(lsn, change);
        }
        self.commits.push(changes);
        lsn
    }

    /// Forgets every commit above `lsn`, as a power cut does.
    pub(crate) fn truncate(&mut self, lsn: u64) {
        assert!(lsn <= self.last_lsn(), "commit {lsn} was never made");
        self.commits.truncate(usize::try_from(lsn).unwrap());
        for keyspace in &mut self.keyspaces {
            keyspace.cleared_at = keyspace.cleared_at.min(lsn);
            keyspace.keys.retain(|_, versions| {
                versions.retain(|version| version.lsn <= lsn);
                !versions.is_empty()
            });
        }
    }
}
