//! The simplest model of a store: maps, and one state for each commit.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A value, and when it stops being one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The bytes.
    pub bytes: Arc<[u8]>,
    /// Milliseconds since the Unix epoch; `None` for a value that stays.
    pub expires_at_ms: Option<u64>,
}

impl Value {
    /// Whether it is there at a moment.
    pub fn is_live(&self, now_ms: u64) -> bool {
        self.expires_at_ms.is_none_or(|at| at > now_ms)
    }
}

/// Keys and values of one keyspace.
pub type Contents = BTreeMap<Vec<u8>, Value>;

/// Names of keyspaces, and which keyspace of that name it is: one that was dropped and made again
/// is another one.
pub type Registry = BTreeMap<String, u32>;

/// A change of one key.
#[derive(Debug, Clone)]
pub struct Change {
    /// Name of the keyspace.
    pub keyspace: String,
    /// The key.
    pub key: Vec<u8>,
    /// The new value; `None` removes the key.
    pub value: Option<Value>,
}

/// The states of a store, one for each commit, and the keyspaces after each change of them.
///
/// The two are apart because a store makes them durable apart: a keyspace is on the disk when the
/// call returns, a commit when its level says so.
#[derive(Debug, Clone)]
pub struct History {
    contents: Vec<BTreeMap<u32, Arc<Contents>>>,
    registries: Vec<Registry>,
    instances: u32,
}

impl Default for History {
    fn default() -> Self {
        Self { contents: vec![BTreeMap::new()], registries: vec![Registry::new()], instances: 0 }
    }
}

impl History {
    /// The history up to a commit, whose state is that of `applied`, and to a change of keyspaces.
    #[must_use]
    pub fn cut(&self, commits: usize, applied: usize, registries: usize) -> Self {
        let mut contents = self.contents[..=commits].to_vec();
        contents[commits].clone_from(&self.contents[applied]);
        let registries = self.registries[..=registries].to_vec();
        Self { contents, registries, instances: self.instances }
    }

    /// Number of commits.
    pub fn commits(&self) -> usize {
        self.contents.len() - 1
    }

    /// Number of changes of the keyspaces.
    pub fn registries(&self) -> usize {
        self.registries.len() - 1
    }

    /// Keyspaces after a number of changes.
    pub fn registry(&self, changes: usize) -> &Registry {
        &self.registries[changes]
    }

    /// Keyspaces now.
    pub fn last_registry(&self) -> &Registry {
        self.registry(self.registries())
    }

    /// Contents of a keyspace after a number of commits.
    pub fn contents(&self, commits: usize, instance: u32) -> Arc<Contents> {
        self.contents[commits].get(&instance).map(Arc::clone).unwrap_or_default()
    }

    /// Contents of a keyspace now.
    pub fn last_contents(&self, keyspace: &str) -> Arc<Contents> {
        let instance = self.last_registry().get(keyspace).copied().unwrap_or(0);
        self.contents(self.commits(), instance)
    }

    /// Adds a commit. Changes of keyspaces that are not there are left out.
    pub fn commit(&mut self, changes: &[Change]) {
        let mut next = self.contents[self.commits()].clone();
        for change in changes {
            let Some(instance) = self.last_registry().get(&change.keyspace) else { continue };
            let contents = Arc::make_mut(next.entry(*instance).or_default());
            match &change.value {
                Some(value) => contents.insert(change.key.clone(), value.clone()),
                None => contents.remove(&change.key),
            };
        }
        self.contents.push(next);
    }

    /// Adds a commit that empties a keyspace.
    pub fn clear(&mut self, keyspace: &str) {
        let mut next = self.contents[self.commits()].clone();
        if let Some(instance) = self.last_registry().get(keyspace) {
            next.remove(instance);
        }
        self.contents.push(next);
    }

    /// Makes a keyspace.
    pub fn create(&mut self, keyspace: &str) {
        let mut next = self.last_registry().clone();
        self.instances += 1;
        next.insert(keyspace.to_owned(), self.instances);
        self.registries.push(next);
    }

    /// Drops a keyspace.
    pub fn drop_keyspace(&mut self, keyspace: &str) {
        let mut next = self.last_registry().clone();
        next.remove(keyspace);
        self.registries.push(next);
    }
}
