//! The catalog as records, and back.
//!
//! | key | value |
//! |---|---|
//! | `M` | flushed commit, next table, next keyspace, next blob, store id (8 bytes each) |
//! | `K` + keyspace id (4, big-endian) | keyspace: see [`KeyspaceRecord`] |
//! | `T` + table id (8, big-endian) | order (8), bound's length (4), bound, the table's properties |

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::State;
use super::directory::Record;
use crate::error::{Error, Result};
use crate::table::{Compression, TableMeta};

/// A keyspace as the catalog knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyspaceRecord {
    pub(crate) name: String,
    pub(crate) compression: Compression,
    pub(crate) time_to_live: Option<Duration>,
    /// Commits that emptied the keyspace, ascending: versions below the last one at or before a
    /// reader's snapshot do not exist for it.
    pub(crate) floors: Vec<u64>,
}

/// A table as the catalog knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableRecord {
    /// Age of its run: higher is newer. Tables of one run share it and do not overlap.
    pub(crate) order: u64,
    /// Key before which nothing of it counts any more: a merge under way has written that part
    /// again. Empty if the whole table counts.
    pub(crate) from: Vec<u8>,
    pub(crate) meta: TableMeta,
}

impl TableRecord {
    /// A table that counts as a whole.
    pub(crate) fn whole(order: u64, meta: TableMeta) -> Self {
        Self { order, from: Vec::new(), meta }
    }

    /// A key that no key of it that counts comes before.
    pub(crate) fn first_key(&self) -> &[u8] {
        if self.from.is_empty() { &self.meta.key_min } else { &self.from }
    }
}

pub(super) fn encode(state: &State) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut records = BTreeMap::new();
    let numbers = [
        state.flushed_seq,
        state.next_table_id,
        u64::from(state.next_keyspace_id),
        state.next_blob_id,
        state.store_id,
    ];
    records.insert(b"M".to_vec(), numbers.map(u64::to_le_bytes).concat());
    for (id, keyspace) in &state.keyspaces {
        records.insert([b"K", &id.to_be_bytes()[..]].concat(), encode_keyspace(keyspace));
    }
    for (id, table) in &state.tables {
        let mut value = table.order.to_le_bytes().to_vec();
        value.extend_from_slice(&u32::try_from(table.from.len()).unwrap_or(0).to_le_bytes());
        value.extend_from_slice(&table.from);
        table.meta.encode(&mut value);
        records.insert([b"T", &id.to_be_bytes()[..]].concat(), value);
    }
    records
}

pub(super) fn decode(records: &[Record], path: &Path) -> Result<State> {
    let mut state = State::default();
    for (key, value) in records {
        let decoded = decode_record(&mut state, key, value);
        decoded.ok_or_else(|| {
            Error::corrupt(path, 0, format!("record {:?} cannot be read", key.escape_ascii()))
        })?;
    }
    Ok(state)
}

fn decode_record(state: &mut State, key: &[u8], value: &[u8]) -> Option<()> {
    let (tag, id) = key.split_first()?;
    match tag {
        b'M' => {
            let mut numbers = value.chunks_exact(8).map(|chunk| u64_of(chunk).unwrap_or(0));
            state.flushed_seq = numbers.next()?;
            state.next_table_id = numbers.next()?;
            state.next_keyspace_id = u32::try_from(numbers.next()?).ok()?;
            state.next_blob_id = numbers.next()?;
            state.store_id = numbers.next()?;
        }
        b'K' => {
            let id = u32::from_be_bytes(id.try_into().ok()?);
            state.keyspaces.insert(id, decode_keyspace(value)?);
        }
        b'T' => {
            let id = u64::from_be_bytes(id.try_into().ok()?);
            let (order, rest) = value.split_at_checked(8)?;
            let (from_len, rest) = rest.split_first_chunk()?;
            let (from, mut rest) = rest.split_at_checked(u32::from_le_bytes(*from_len) as usize)?;
            let (order, from) = (u64_of(order)?, from.to_vec());
            let meta = TableMeta::decode(&mut rest).filter(|_| rest.is_empty())?;
            state.tables.insert(id, TableRecord { order, from, meta });
        }
        _ => return None,
    }
    Some(())
}

/// Compression (1 byte), time to live in milliseconds (8, zero for none), number of floors (4),
/// floors (8 each), name.
fn encode_keyspace(keyspace: &KeyspaceRecord) -> Vec<u8> {
    let mut out = vec![match keyspace.compression {
        Compression::Off => 0,
        Compression::Lz4 => 1,
    }];
    let millis = keyspace.time_to_live.map_or(0, |ttl| ttl.as_millis());
    out.extend_from_slice(&u64::try_from(millis).unwrap_or(u64::MAX).to_le_bytes());
    out.extend_from_slice(&u32::try_from(keyspace.floors.len()).unwrap_or(0).to_le_bytes());
    for floor in &keyspace.floors {
        out.extend_from_slice(&floor.to_le_bytes());
    }
    out.extend_from_slice(keyspace.name.as_bytes());
    out
}

fn decode_keyspace(value: &[u8]) -> Option<KeyspaceRecord> {
    let (compression, rest) = value.split_first()?;
    let (millis, rest) = rest.split_at_checked(8)?;
    let (floors, rest) = rest.split_first_chunk()?;
    let (floors, name) = rest.split_at_checked(8 * u32::from_le_bytes(*floors) as usize)?;
    let millis = u64_of(millis)?;
    Some(KeyspaceRecord {
        name: String::from_utf8(name.to_vec()).ok()?,
        compression: match compression {
            0 => Compression::Off,
            1 => Compression::Lz4,
            _ => return None,
        },
        time_to_live: (millis != 0).then(|| Duration::from_millis(millis)),
        floors: floors.chunks_exact(8).filter_map(u64_of).collect(),
    })
}

fn u64_of(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}
