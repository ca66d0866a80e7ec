//! The ordered index: composite, unique, covering, partial and expression indexes are this one.
//!
//! The key of an entry is the key of its row, and behind it the row's number, 8 bytes big-endian;
//! the value is the stored columns. In a unique index the number stands before the stored columns
//! instead, and a second row with the key would have to write the same entry: two transactions that
//! try conflict in the store. A key with a null in it, if nulls are distinct, has the number in
//! both places.

use std::sync::Arc;

use lightning_db_expression::{Columns, Expression};
use lightning_db_storage::{Keyspace, KeyspaceOptions, Slice, Snapshot, Store, Transaction};
use lightning_db_types::Value;
use serde::{Deserialize, Serialize};

use super::check;
use super::key::{FIRST, KeyPlan, Types, VALUE_LEN_MAX};
use super::payload;
use super::query::{KeyQuery, Seek, Target};
use super::scan::{Hit, Scan};
use super::sketch::{Observed, Sketch};
use crate::definition::IndexDefinition;
use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::index::{IndexQuery, IndexStatistics, IndexedRows, Kind, Problem, wrong_query};
use crate::loader::{Loader, Loading};
use crate::planted;
use crate::reader::Reader;
use crate::row::{RowChange, RowStore};
use crate::row_set::RowSet;
use crate::runs::Place;

mod loader;

use loader::OrderedLoader;

/// Options of an ordered index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderedOptions {
    /// Whether two rows may not have one key. Keys are told apart by value within a type: a part
    /// should be of one numeric type.
    pub unique: bool,
    /// Whether rows with a null in their key never have one key, as in SQL. The default.
    pub nulls_distinct: bool,
    /// Whether uniqueness is checked before the commit and not with each change, so that two rows
    /// may exchange their keys: see [`Index::verify_deferred`](crate::Index::verify_deferred).
    pub deferrable: bool,
    /// Columns and expressions that are stored with the key, so that the row need not be read.
    pub include: Vec<Expression>,
}

impl Default for OrderedOptions {
    fn default() -> Self {
        Self { unique: false, nulls_distinct: true, deferrable: false, include: Vec::new() }
    }
}

impl OrderedOptions {
    /// Not unique, nothing stored.
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses a second row with a key.
    #[must_use]
    pub fn unique(self) -> Self {
        Self { unique: true, ..self }
    }

    /// Takes nulls for equal in a unique index.
    #[must_use]
    pub fn nulls_not_distinct(self) -> Self {
        Self { nulls_distinct: false, ..self }
    }

    /// Checks uniqueness before the commit.
    #[must_use]
    pub fn deferrable(self) -> Self {
        Self { deferrable: true, ..self }
    }

    /// Stores columns with the key.
    #[must_use]
    pub fn include<E: Into<Expression>>(self, include: impl IntoIterator<Item = E>) -> Self {
        Self { include: include.into_iter().map(Into::into).collect(), ..self }
    }
}

/// An ordered index, open. Scans are in key order and need no row: see [`scan`](Self::scan).
#[derive(Debug)]
pub struct OrderedIndex {
    plan: KeyPlan,
    options: OrderedOptions,
    store: Store,
    sketch: Arc<Sketch>,
}

/// What the index holds for a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// Whether no other row may have the key.
    pub(super) exclusive: bool,
}

/// Number of the row that a value of a unique index names.
pub(super) fn owner(value: &[u8]) -> Option<u64> {
    value.first_chunk().map(|number| u64::from_be_bytes(*number))
}

impl OrderedIndex {
    pub(crate) fn open(
        store: &Store,
        definition: &Arc<IndexDefinition>,
        options: &OrderedOptions,
        rows: &dyn RowStore,
    ) -> Result<Self> {
        if options.deferrable && !options.unique {
            return Err(definition.refuse("only a unique index is deferrable"));
        }
        let name = definition.keyspace_name("entries");
        let keyspace = store.keyspace(&name, KeyspaceOptions::new())?;
        let plan = KeyPlan::open(definition, keyspace, rows)?;
        let sketch = Sketch::new(definition.parts.len(), plan.keyspace.approximate_len());
        Ok(Self { plan, options: options.clone(), store: store.clone(), sketch })
    }

    /// Its options.
    pub fn options(&self) -> &OrderedOptions {
        &self.options
    }

    /// Where its entries are.
    pub fn keyspace(&self) -> &Keyspace {
        &self.plan.keyspace
    }

    pub(super) fn plan(&self) -> &KeyPlan {
        &self.plan
    }

    pub(super) fn sketch(&self) -> &Sketch {
        &self.sketch
    }

    /// Number of the row that an entry names; `None` if it is too short.
    #[inline]
    pub(super) fn row_id_of(&self, key: &[u8], value: &[u8]) -> Option<u64> {
        let number = if self.options.unique { value.first_chunk() } else { key.last_chunk() };
        number.map(|number| u64::from_be_bytes(*number))
    }

    #[inline]
    pub(super) fn payload_of<'v>(&self, value: &'v [u8]) -> &'v [u8] {
        if self.options.unique { value.get(8..).unwrap_or_default() } else { value }
    }

    /// What the index holds for a row.
    pub(super) fn entry(&self, row_id: u64, row: &dyn Columns) -> Result<Entry> {
        let mut key = Vec::with_capacity(48);
        let null = self.plan.encode(row, &mut key)?;
        let exclusive = self.options.unique && !(null && self.options.nulls_distinct);
        if !exclusive {
            key.extend_from_slice(&row_id.to_be_bytes());
        }
        let mut value = Vec::new();
        if self.options.unique {
            value.extend_from_slice(&row_id.to_be_bytes());
        }
        for expression in &self.options.include {
            payload::push(expression.evaluated(row)?.as_value_ref(), &mut value);
        }
        let (len, max) = (value.len(), VALUE_LEN_MAX);
        if len > max {
            let detail =
                format!("stored columns of {len} bytes are longer than the limit of {max} bytes");
            return Err(Error::Value { index: self.plan.definition.name.clone(), detail });
        }
        Ok(Entry { key, value, exclusive })
    }

    /// The error of an entry without the number of a row.
    #[cold]
    pub(super) fn too_short(&self) -> Error {
        self.plan.corrupt(&"it is too short to hold the number of a row")
    }

    pub(super) fn unique_error(&self, key: &[u8], existing: u64) -> Error {
        let index = self.plan.definition.name.clone();
        Error::Unique { index, key: self.plan.text(key), existing }
    }

    fn unique_nulls(&self) -> Option<bool> {
        self.options.unique.then_some(!self.options.nulls_distinct)
    }

    pub(super) fn targets(&self, query: &KeyQuery) -> Result<Vec<Target>> {
        self.plan.targets(query, self.unique_nulls(), Types::Seen)
    }

    /// Has a transaction notice keys that match and are of types that the index has never had: they
    /// are not looked for.
    fn watch_unseen(
        &self,
        transaction: &Transaction,
        query: &KeyQuery,
        seen: &[Target],
    ) -> Result<()> {
        if !self.plan.has_unseen(query) {
            return Ok(());
        }
        let all = self.plan.targets(query, self.unique_nulls(), Types::Any)?;
        for target in all.iter().filter(|target| !seen.contains(target)) {
            transaction.watch::<&[u8]>(&self.plan.keyspace, target.bounds());
        }
        Ok(())
    }

    /// Entries that match a query, in its order.
    ///
    /// # Errors
    /// [`Error::Query`] if more parts are asked for than the index has, or bounds that do not
    /// compare; those of the store, also in the items.
    pub fn scan<'i>(&'i self, reader: Reader<'i>, query: &KeyQuery) -> Result<Scan<'i>> {
        let targets = self.targets(query)?;
        if let Some(transaction) = reader.transaction() {
            self.watch_unseen(transaction, query, &targets)?;
        }
        let claims = self.claims_within(reader, &targets);
        let scan = Scan::new(self, reader, targets, query.reverse, query.limit);
        if claims.is_empty() { Ok(scan) } else { scan.with(claims) }
    }

    /// The entry nearest to a key, in the order of the index. `values` are those of the first parts
    /// of a key; numbers may be of another type than the part holds.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    pub fn seek<'i>(
        &'i self,
        reader: Reader<'i>,
        values: &[Value],
        seek: Seek,
    ) -> Result<Option<Hit<'i>>> {
        let reverse = seek == Seek::AtOrBefore;
        let range = self.plan.nearest(values, reverse);
        let targets = vec![Target::Range(range)];
        let claims = self.claims_within(reader, &targets);
        let scan = Scan::new(self, reader, targets, reverse, Some(1));
        let mut scan = if claims.is_empty() { scan } else { scan.with(claims)? };
        scan.next().transpose()
    }

    fn put(&self, transaction: &mut Transaction, row_id: u64, entry: &Entry) -> Result<()> {
        let keyspace = &self.plan.keyspace;
        if entry.exclusive {
            let found = transaction.get(keyspace, &entry.key)?;
            let other = found.and_then(|value| owner(&value)).filter(|owner| *owner != row_id);
            if let Some(existing) = other.filter(|_| !planted::is("share-unique-key")) {
                if self.options.deferrable {
                    return self.claim(transaction, row_id, entry);
                }
                return Err(self.unique_error(&entry.key, existing));
            }
        }
        transaction.insert(keyspace, &entry.key, &entry.value)?;
        Ok(())
    }

    fn remove(&self, transaction: &mut Transaction, row_id: u64, entry: &Entry) -> Result<()> {
        let keyspace = &self.plan.keyspace;
        if entry.exclusive {
            let found = transaction.get(keyspace, &entry.key)?;
            if found.and_then(|value| owner(&value)) != Some(row_id) {
                // Another row has taken the key over, or this one only ever claimed it.
                return self.remove_claim(transaction, row_id, entry);
            }
        }
        transaction.remove(keyspace, &entry.key)?;
        if entry.exclusive { self.settle_claim(transaction, &entry.key) } else { Ok(()) }
    }
}

impl Kind for OrderedIndex {
    fn maintain(&self, transaction: &mut Transaction, change: &RowChange<'_>) -> Result<()> {
        let row_id = change.row_id;
        let old = change.old.map(|row| self.entry(row_id, row)).transpose()?;
        let new = change.new.map(|row| self.entry(row_id, row)).transpose()?;
        if old == new {
            self.sketch.leave(transaction);
            return Ok(());
        }
        let same_key = matches!((&old, &new), (Some(old), Some(new)) if old.key == new.key);
        if let Some(old) = &old
            && (!same_key || old.exclusive)
            && !(new.is_some() && planted::is("keep-old-key"))
        {
            self.remove(transaction, row_id, old)?;
        }
        if let Some(new) = &new
            && let Err(error) = self.put(transaction, row_id, new)
        {
            // The call that fails writes nothing: what was removed is as it was.
            if let Some(old) = &old {
                self.put(transaction, row_id, old)?;
            }
            return Err(error);
        }
        if !same_key {
            let count = i64::from(new.is_some()) - i64::from(old.is_some());
            let added = new.as_ref().map(|new| Observed::new(&new.key, self.plan.ends(&new.key)));
            self.sketch.change(transaction, count, added);
        }
        Ok(())
    }

    fn verify_deferred(&self, transaction: &Transaction) -> Result<()> {
        self.verify_claims(transaction)
    }

    fn rows(&self, reader: Reader<'_>, query: &IndexQuery) -> Result<RowSet> {
        let IndexQuery::Key(query) = query else {
            return Err(wrong_query(&self.plan.definition, "ordered"));
        };
        let mut rows = Vec::new();
        let mut scan = self.scan(reader, query)?;
        while let Some(hit) = scan.lend_next()? {
            rows.push(hit.row_id());
        }
        rows.sort_unstable();
        Ok(rows.into_iter().collect())
    }

    fn rows_without(
        &self,
        reader: Reader<'_>,
        query: &IndexQuery,
        hidden: &RowSet,
    ) -> Result<RowSet> {
        let IndexQuery::Key(key_query) = query else {
            return Err(wrong_query(&self.plan.definition, "ordered"));
        };
        let Some((all, limit)) = key_query.take_limit() else {
            return Ok(self.rows(reader, query)?.and_not(hidden));
        };
        let mut rows = Vec::new();
        let mut scan = self.scan(reader, &all)?;
        while rows.len() < limit
            && let Some(hit) = scan.lend_next()?
        {
            let row_id = hit.row_id();
            if !hidden.contains(row_id) {
                rows.push(row_id);
            }
        }
        rows.sort_unstable();
        Ok(rows.into_iter().collect())
    }

    fn estimate(&self, reader: Reader<'_>, query: &IndexQuery) -> Result<Estimate> {
        let IndexQuery::Key(query) = query else {
            return Err(wrong_query(&self.plan.definition, "ordered"));
        };
        super::estimate::ordered(self, reader, query)
    }

    fn loader(&self, loading: Loading) -> Result<Box<dyn Loader + '_>> {
        Ok(Box::new(OrderedLoader::new(self, loading)?))
    }

    fn doubt_counts(&self) {
        self.sketch.doubt();
    }

    fn check(&self, snapshot: &Snapshot, rows: &mut IndexedRows<'_>) -> Result<Vec<Problem>> {
        let entry = |row_id: u64, row: &dyn Columns| {
            let entry = self.entry(row_id, row)?;
            Ok((entry.key, entry.value))
        };
        let row_id = |key: &Slice, value: &Slice| {
            let readable = self.plan.decode(key).is_ok();
            let hit = Hit::new(self, (key.clone(), value.clone())).ok()?;
            readable.then_some(hit.row_id())
        };
        let shape =
            check::Shape { entry: &entry, row_id: &row_id, text: &|key| self.plan.text(key) };
        check::check(snapshot, &self.plan.keyspace, rows, &shape)
    }

    fn upkeep(&self) -> Result<bool> {
        if !self.sketch.is_stale() {
            return Ok(false);
        }
        self.rebuild_sketch()?;
        Ok(true)
    }

    fn statistics(&self) -> Result<IndexStatistics> {
        Ok(IndexStatistics {
            entries: self.sketch.entries(),
            entries_exact: self.sketch.is_exact(),
            disk_bytes: super::estimate::disk_bytes(&self.store, &self.plan.keyspace),
            memory_bytes: self.sketch.memory_bytes(),
            unchanged: self.sketch.unchanged(),
            ..IndexStatistics::default()
        })
    }
}

impl OrderedIndex {
    pub(super) fn place(&self) -> Place<'_> {
        let (definition, keyspace) = (&*self.plan.definition, &self.plan.keyspace);
        Place { store: &self.store, definition, keyspace }
    }

    /// Reads all entries for the statistics.
    pub(super) fn rebuild_sketch(&self) -> Result<()> {
        self.sketch.rebuild(&self.store, |snapshot, known| {
            let mut entries = 0;
            for item in snapshot.range(&self.plan.keyspace, FIRST..) {
                let (key, _) = item?;
                known.observe(&key, self.plan.ends(&key));
                entries += 1;
            }
            Ok(entries)
        })
    }
}
