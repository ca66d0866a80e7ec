//! The hash index: equality alone, for keys that are long or have many parts.
//!
//! The key of an entry is a 64-bit hash (xxh3) of the key of its row, and behind it the row's
//! number; the value is the whole key, which is compared with that of a query, so that keys with
//! one hash are told apart. In a unique index all rows with one hash share an entry, whose value is
//! a list of row numbers and keys, nearly always of one; keys with a null in them, which are never
//! equal, have entries of the first form.
//!
//! Numbers that are equal make one key, whatever their types.

use std::sync::Arc;

use lightning_db_expression::{Columns, number};
use lightning_db_storage::{Keyspace, KeyspaceOptions, Slice, Snapshot, Store, Transaction};
use lightning_db_types::{ColumnOrder, KeyDecoder, KeyEncoder, Value, ValueRef};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::estimate::Basis;
use super::key::{VALUE_LEN_MAX, text_of};
use super::query::KeyQuery;
use super::sketch::{Observed, Sketch};
use crate::definition::IndexDefinition;
use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::index::{IndexQuery, IndexStatistics, IndexedRows, Kind, Problem, wrong_query};
use crate::key_buffer::with_key_buffer;
use crate::loader::{Loader, Loading};
use crate::reader::Reader;
use crate::row::RowChange;
use crate::row_set::RowSet;

mod load;

/// Options of a hash index.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HashOptions {
    /// Whether two rows may not have one key. Nulls are never equal.
    pub unique: bool,
}

impl HashOptions {
    /// Not unique.
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses a second row with a key.
    #[must_use]
    pub fn unique(self) -> Self {
        Self { unique: true }
    }
}

/// A hash index, open.
#[derive(Debug)]
pub struct HashIndex {
    definition: Arc<IndexDefinition>,
    keyspace: Keyspace,
    store: Store,
    unique: bool,
    sketch: Arc<Sketch>,
    /// Bits of a hash that count: all, but in tests of collisions.
    hash_mask: u64,
}

/// Key of a row, and whether it is one that no other row may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct HashedKey<B = Vec<u8>> {
    encoded: B,
    exclusive: bool,
}

impl HashedKey {
    fn borrowed(&self) -> HashedKey<&[u8]> {
        HashedKey { encoded: &self.encoded, exclusive: self.exclusive }
    }
}

/// One of the rows in the value of a unique entry: number, length of the key, key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Member<'a> {
    row_id: u64,
    encoded: &'a [u8],
}

fn members(mut value: &[u8]) -> impl Iterator<Item = Member<'_>> {
    std::iter::from_fn(move || {
        let (row_id, rest) = value.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let (encoded, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        value = rest;
        Some(Member { row_id: u64::from_be_bytes(*row_id), encoded })
    })
}

fn push_member(value: &mut Vec<u8>, member: Member<'_>) {
    value.extend_from_slice(&member.row_id.to_be_bytes());
    let len = u32::try_from(member.encoded.len()).unwrap_or(u32::MAX);
    value.extend_from_slice(&len.to_le_bytes());
    value.extend_from_slice(member.encoded);
}

impl HashIndex {
    pub(crate) fn open(
        store: &Store,
        definition: &Arc<IndexDefinition>,
        options: &HashOptions,
    ) -> Result<Self> {
        let name = definition.keyspace_name("entries");
        let keyspace = store.keyspace(&name, KeyspaceOptions::new())?;
        let sketch = Sketch::new(1, keyspace.approximate_len());
        Ok(Self {
            definition: Arc::clone(definition),
            keyspace,
            store: store.clone(),
            unique: options.unique,
            sketch,
            hash_mask: u64::MAX,
        })
    }

    /// Where its entries are.
    pub fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    /// Appends a part of a key: equal numbers give equal bytes.
    fn push(key: &mut Vec<u8>, value: ValueRef<'_>) {
        let canonical = number::canonical(value);
        let value = canonical.as_ref().map_or(value, Value::as_value_ref);
        KeyEncoder::new(key).push(value, ColumnOrder::ASCENDING);
    }

    fn key(&self, row: &dyn Columns) -> Result<HashedKey> {
        let mut encoded = Vec::with_capacity(48);
        let mut null = false;
        for part in &self.definition.parts {
            let value = part.expression.evaluated(row)?;
            null |= value.as_value_ref().is_null();
            Self::push(&mut encoded, value.as_value_ref());
        }
        let max = VALUE_LEN_MAX - 12;
        if encoded.len() > max {
            let len = encoded.len();
            let detail = format!("a key of {len} bytes is longer than the limit of {max} bytes");
            return Err(Error::Value { index: self.definition.name.clone(), detail });
        }
        Ok(HashedKey { encoded, exclusive: self.unique && !null })
    }

    fn hash(&self, encoded: &[u8]) -> [u8; 8] {
        (xxh3_64(encoded) & self.hash_mask).to_be_bytes()
    }

    /// Key of the entry of a row that shares its key with others.
    fn shared_key(&self, encoded: &[u8], row_id: u64) -> [u8; 16] {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&self.hash(encoded));
        key[8..].copy_from_slice(&row_id.to_be_bytes());
        key
    }

    fn text(encoded: &[u8]) -> String {
        let mut decoder = KeyDecoder::new(encoded);
        let values = std::iter::from_fn(|| {
            let more = !decoder.rest().is_empty();
            more.then(|| decoder.column(ColumnOrder::ASCENDING).ok()).flatten()
        });
        text_of(&values.collect::<Vec<_>>())
    }

    /// Encoded keys of a query.
    fn keys_of(&self, query: &KeyQuery) -> Result<Vec<HashedKey>> {
        if !query.is_whole(self.definition.parts.len()) {
            return Err(self.no_whole_key());
        }
        let mut keys: Vec<HashedKey> = Vec::with_capacity(query.keys.len());
        for values in &query.keys {
            let mut encoded = Vec::with_capacity(48);
            for value in values {
                Self::push(&mut encoded, value.into());
            }
            let null = values.iter().any(Value::is_null);
            keys.push(HashedKey { encoded, exclusive: self.unique && !null });
        }
        keys.sort_unstable_by(|left, right| left.encoded.cmp(&right.encoded));
        keys.dedup();
        Ok(keys)
    }

    /// Calls `found` with each row that has a key.
    fn find(
        &self,
        reader: Reader<'_>,
        key: HashedKey<&[u8]>,
        found: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let hash = self.hash(key.encoded);
        if key.exclusive {
            if let Some(value) = reader.get(&self.keyspace, hash)? {
                let equal = members(&value).filter(|member| member.encoded == key.encoded);
                equal.for_each(|member| found(member.row_id));
            }
            return Ok(());
        }
        for item in reader.prefix(&self.keyspace, hash) {
            let (entry, value) = item?;
            let row_id: Option<&[u8; 8]> = entry.get(8..).and_then(|id| id.try_into().ok());
            if let Some(row_id) = row_id.filter(|_| *value == *key.encoded) {
                found(u64::from_be_bytes(*row_id));
            }
        }
        Ok(())
    }

    /// The first row with a key, of a unique index the only one: one key is read then, and nothing
    /// is allocated.
    ///
    /// # Errors
    /// [`Error::Query`] if the values are not those of a whole key, those of the store.
    pub fn get<'v, V: Into<ValueRef<'v>>>(
        &self,
        reader: Reader<'_>,
        values: impl IntoIterator<Item = V>,
    ) -> Result<Option<u64>> {
        with_key_buffer(|encoded| {
            let (mut parts, mut null) = (0, false);
            for value in values {
                let value = value.into();
                (parts, null) = (parts + 1, null | value.is_null());
                Self::push(encoded, value);
            }
            if parts != self.definition.parts.len() {
                return Err(self.no_whole_key());
            }
            let mut first = None;
            let key = HashedKey { encoded: &encoded[..], exclusive: self.unique && !null };
            self.find(reader, key, &mut |row_id| first = first.or(Some(row_id)))?;
            Ok(first)
        })
    }

    #[cold]
    fn no_whole_key(&self) -> Error {
        let detail = "a hash index answers for whole keys only".to_owned();
        Error::Query { index: self.definition.name.clone(), detail }
    }

    fn remove(&self, transaction: &mut Transaction, row_id: u64, key: &HashedKey) -> Result<()> {
        if !key.exclusive {
            transaction.remove(&self.keyspace, self.shared_key(&key.encoded, row_id))?;
            return Ok(());
        }
        let hash = self.hash(&key.encoded);
        let Some(value) = transaction.get(&self.keyspace, hash)? else { return Ok(()) };
        let mut left = Vec::new();
        let gone = Member { row_id, encoded: &key.encoded };
        members(&value)
            .filter(|member| *member != gone)
            .for_each(|one| push_member(&mut left, one));
        if left.is_empty() {
            transaction.remove(&self.keyspace, hash)?;
        } else if left.len() < value.len() {
            transaction.insert(&self.keyspace, hash, left)?;
        }
        Ok(())
    }

    fn put(&self, transaction: &mut Transaction, row_id: u64, key: &HashedKey) -> Result<()> {
        let encoded = &key.encoded;
        if !key.exclusive {
            transaction.insert(&self.keyspace, self.shared_key(encoded, row_id), encoded)?;
            return Ok(());
        }
        let hash = self.hash(encoded);
        let found = transaction.get(&self.keyspace, hash)?;
        let mut value = Vec::with_capacity(12 + encoded.len());
        for member in found.iter().flat_map(|value| members(value)) {
            if member.encoded == encoded {
                if member.row_id == row_id {
                    return Ok(());
                }
                return Err(Error::Unique {
                    index: self.definition.name.clone(),
                    key: Self::text(encoded),
                    existing: member.row_id,
                });
            }
            push_member(&mut value, member);
        }
        push_member(&mut value, Member { row_id, encoded });
        transaction.insert(&self.keyspace, hash, value)?;
        Ok(())
    }

    /// Reads all entries for the statistics.
    fn rebuild_sketch(&self) -> Result<()> {
        self.sketch.rebuild(&self.store, |snapshot, known| {
            let mut entries = 0;
            for item in snapshot.iter(&self.keyspace) {
                let (entry, value) = item?;
                for (_, encoded) in rows_of(&entry, &value).unwrap_or_default() {
                    known.observe(&encoded, [encoded.len()]);
                    entries += 1;
                }
            }
            Ok(entries)
        })
    }

    fn query<'q>(&self, query: &'q IndexQuery) -> Result<&'q KeyQuery> {
        match query {
            IndexQuery::Key(query) => Ok(query),
            _ => Err(wrong_query(&self.definition, "hash")),
        }
    }
}

impl Kind for HashIndex {
    fn maintain(&self, transaction: &mut Transaction, change: &RowChange<'_>) -> Result<()> {
        let old = change.old.map(|row| self.key(row)).transpose()?;
        let new = change.new.map(|row| self.key(row)).transpose()?;
        if old == new {
            self.sketch.leave(transaction);
            return Ok(());
        }
        if let Some(old) = &old {
            self.remove(transaction, change.row_id, old)?;
        }
        if let Some(new) = &new
            && let Err(error) = self.put(transaction, change.row_id, new)
        {
            // The call that fails writes nothing: what was removed is as it was.
            if let Some(old) = &old {
                self.put(transaction, change.row_id, old)?;
            }
            return Err(error);
        }
        let more = i64::from(new.is_some()) - i64::from(old.is_some());
        let added = new.as_ref().map(|new| Observed::new(&new.encoded, [new.encoded.len()]));
        self.sketch.change(transaction, more, added);
        Ok(())
    }

    fn rows(&self, reader: Reader<'_>, query: &IndexQuery) -> Result<RowSet> {
        self.rows_without(reader, query, &RowSet::new())
    }

    fn rows_without(
        &self,
        reader: Reader<'_>,
        query: &IndexQuery,
        hidden: &RowSet,
    ) -> Result<RowSet> {
        let query = self.query(query)?;
        let mut rows = Vec::new();
        for key in self.keys_of(query)? {
            self.find(reader, key.borrowed(), &mut |row_id| rows.push(row_id))?;
        }
        if !hidden.is_empty() {
            rows.retain(|row_id| !hidden.contains(*row_id));
        }
        // A hash has no order, so it is that of the rows which a limit follows.
        rows.sort_unstable();
        if query.reverse {
            rows.reverse();
        }
        rows.truncate(query.limit.unwrap_or(usize::MAX));
        rows.sort_unstable();
        Ok(rows.into_iter().collect())
    }

    fn estimate(&self, reader: Reader<'_>, query: &IndexQuery) -> Result<Estimate> {
        let query = self.query(query)?;
        let keys = self.keys_of(query)?;
        if let (Reader::Snapshot(_), [key]) = (reader, &keys[..])
            && key.exclusive
        {
            let mut rows = 0;
            self.find(reader, key.borrowed(), &mut |_| rows += 1)?;
            return Ok(Estimate::exact(rows.min(query.limit.unwrap_or(usize::MAX) as u64)));
        }
        if !self.sketch.is_ready() {
            self.rebuild_sketch()?;
        }
        let hashes: Vec<_> = keys.iter().map(|key| self.hash(&key.encoded)).collect();
        let basis = Basis::new(&self.sketch, reader, &self.keyspace, |entry| {
            hashes.iter().any(|hash| entry.starts_with(hash))
        });
        let keys = keys.into_iter().map(|key| key.encoded).collect();
        Ok(super::estimate::hashed(basis, keys, query))
    }

    fn loader(&self, loading: Loading) -> Result<Box<dyn Loader + '_>> {
        Ok(Box::new(load::loader(self, loading)?))
    }

    fn doubt_counts(&self) {
        self.sketch.doubt();
    }

    fn check(&self, snapshot: &Snapshot, rows: &mut IndexedRows<'_>) -> Result<Vec<Problem>> {
        load::check(self, snapshot, rows)
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
            memory_bytes: self.sketch.memory_bytes(),
            disk_bytes: super::estimate::disk_bytes(&self.store, &self.keyspace),
            unchanged: self.sketch.unchanged(),
            ..IndexStatistics::default()
        })
    }
}

#[cfg(test)]
impl HashIndex {
    pub(super) fn rebuild(&self) {
        self.rebuild_sketch().unwrap();
    }

    /// Leaves only some bits of each hash.
    pub(super) fn narrow(&mut self, hash_mask: u64) {
        self.hash_mask = hash_mask;
    }
}

/// Rows that an entry stands for, with their keys; `None` if it cannot be read.
fn rows_of(entry: &Slice, value: &Slice) -> Option<Vec<(u64, Vec<u8>)>> {
    match entry.len() {
        16 => Some(vec![(u64::from_be_bytes(*entry.last_chunk()?), value.to_vec())]),
        8 => {
            let all: Vec<_> =
                members(value).map(|member| (member.row_id, member.encoded.to_vec())).collect();
            let whole: usize = all.iter().map(|(_, encoded)| encoded.len() + 12).sum();
            (whole == value.len() && !all.is_empty()).then_some(all)
        }
        _ => None,
    }
}
