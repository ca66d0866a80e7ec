//! A filter in the store, so that an open need not read all rows.
//!
//! ```text
//! key   = 00                             -> head, CRC-32C (4 bytes)
//!       | 01, block (4), piece (4)       -> up to 256 KiB of a block, CRC-32C (4 bytes)
//! ```
//! The head is in the postcard format. All of it is one commit. Nothing is believed that can be
//! counted again: a filter whose bits were lost would answer "certainly not" for a row that is
//! there, and a filter that cannot be vouched for is made again from the rows.

use std::collections::BTreeSet;

use bloomfilter::Bloom;
use lightning_db_storage::{Keyspace, Snapshot, Store};
use lightning_db_types::checksum::{crc32c, crc32c_append};
use serde::{Deserialize, Serialize};

use super::filter::{Block, Filter, block_len, is_sound_seed};
use crate::error::Result;

/// Raised with any change of the format, of the hash, or of what is hashed.
const VERSION: u16 = 1;
const HEAD: [u8; 1] = [0];
const PIECE: u8 = 1;
const PIECE_LEN: usize = 256 << 10;
/// Filters above this are made again from the rows: one commit would be too large.
const BYTES_MAX: u64 = 256 << 20;
/// How far the number of keys may be from what the bits say, as a share and in keys.
const ITEMS_OFF: (f64, f64) = (0.1, 64.0);

/// What is known of a filter besides its bits.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    version: u16,
    /// Of the definition: a filter of other keys is worth nothing.
    definition: u64,
    /// Number of the last commit whose rows are in it.
    applied: u64,
    /// Readers of commits before this one may see rows that are not in it.
    valid_from: u64,
    removed: u64,
    salt: u64,
    blocks: Vec<BlockHead>,
}

#[derive(Debug, Serialize, Deserialize)]
struct BlockHead {
    len: u64,
    hashes: u32,
    seed: [u8; 32],
    capacity: u64,
    rate: f64,
    items: u64,
    ones: u64,
    crc: u32,
}

/// A filter with what it covers.
#[derive(Debug, Clone)]
pub(super) struct Saved {
    pub(super) filter: Filter,
    pub(super) applied: u64,
    pub(super) valid_from: u64,
    pub(super) removed: u64,
}

/// Writes a filter in one commit.
pub(super) fn save(
    store: &Store,
    keyspace: &Keyspace,
    definition: u64,
    saved: &Saved,
) -> Result<()> {
    if saved.filter.bytes() > BYTES_MAX {
        return Ok(());
    }
    let mut batch = store.batch();
    let mut blocks = Vec::new();
    let mut written = BTreeSet::from([HEAD.to_vec()]);
    for (index, block) in saved.filter.blocks.iter().enumerate() {
        let bytes = block.bloom.as_slice();
        for (piece, part) in bytes.chunks(PIECE_LEN).enumerate() {
            let key = piece_key(index, piece);
            let mut value = part.to_vec();
            value.extend_from_slice(&crc32c(part).to_le_bytes());
            batch.insert(keyspace, &key, value);
            written.insert(key);
        }
        blocks.push(BlockHead {
            len: bytes.len() as u64,
            hashes: block.hashes(),
            seed: block.bloom.seed(),
            capacity: block.capacity,
            rate: block.rate,
            items: block.items,
            ones: block.ones(),
            crc: crc32c(bytes),
        });
    }
    let Saved { filter, applied, valid_from, removed } = saved;
    let (applied, valid_from, removed) = (*applied, *valid_from, *removed);
    let salt = filter.salt;
    let head = Head { version: VERSION, definition, applied, valid_from, removed, salt, blocks };
    // Into memory, which does not fail.
    let mut value = postcard::to_stdvec(&head).unwrap_or_default();
    value.extend_from_slice(&crc32c(&value).to_le_bytes());
    batch.insert(keyspace, HEAD, value);
    for entry in keyspace {
        let (key, _) = entry?;
        if !written.contains(&key[..]) {
            batch.remove(keyspace, &key);
        }
    }
    batch.commit()?;
    Ok(())
}

/// Reads a filter; `None` if there is none, or one that is not beyond doubt.
pub(super) fn load(
    snapshot: &Snapshot,
    keyspace: &Keyspace,
    definition: u64,
) -> Result<Option<Saved>> {
    let Some(head) = snapshot.get(keyspace, HEAD)? else { return Ok(None) };
    let head = unsealed(&head).and_then(|head| postcard::from_bytes::<Head>(head).ok());
    let Some(head) = head.filter(|head| head.version == VERSION && head.definition == definition)
    else {
        return Ok(None);
    };
    let mut filter = Filter { blocks: Vec::new(), salt: head.salt };
    for (index, block) in head.blocks.iter().enumerate() {
        let Some(block) = load_block(snapshot, keyspace, index, block)? else { return Ok(None) };
        filter.blocks.push(block);
    }
    let Head { applied, valid_from, removed, .. } = head;
    let sound = !filter.blocks.is_empty() && applied <= snapshot.lsn() && valid_from <= applied;
    Ok(sound.then_some(Saved { filter, applied, valid_from, removed }))
}

fn load_block(
    snapshot: &Snapshot,
    keyspace: &Keyspace,
    index: usize,
    head: &BlockHead,
) -> Result<Option<Block>> {
    let mut bytes = Vec::new();
    let mut crc = 0;
    while (bytes.len() as u64) < head.len {
        let piece = piece_key(index, bytes.len() / PIECE_LEN);
        let Some(piece) = snapshot.get(keyspace, piece)? else { return Ok(None) };
        let Some(part) = unsealed(&piece).filter(|part| !part.is_empty()) else { return Ok(None) };
        crc = crc32c_append(crc, part);
        bytes.extend_from_slice(part);
    }
    let rate_is_sound = head.rate > 0.0 && head.rate < 1.0;
    if bytes.len() as u64 != head.len || crc != head.crc || !rate_is_sound {
        return Ok(None);
    }
    let Ok(bloom) = Bloom::from_bytes(bytes) else { return Ok(None) };
    let bits = block_len(head.capacity, head.rate) as u64 * 8;
    let block = Block { bloom, items: head.items, capacity: head.capacity, rate: head.rate };
    let ones = block.ones();
    let items = block.items_of(ones);
    #[expect(clippy::cast_precision_loss, reason = "counts of keys are far below 2^52")]
    let off = (items - head.items as f64).abs();
    let sound = block.bloom.len() == bits
        && block.bloom.seed() == head.seed
        && is_sound_seed(&head.seed)
        && block.hashes() == head.hashes
        && ones == head.ones
        && off <= items * ITEMS_OFF.0 + ITEMS_OFF.1;
    Ok(sound.then_some(block))
}

fn piece_key(block: usize, piece: usize) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
    let mut key = vec![PIECE];
    key.extend_from_slice(&number(block));
    key.extend_from_slice(&number(piece));
    key
}

/// What stands before a checksum, if it is right.
fn unsealed(sealed: &[u8]) -> Option<&[u8]> {
    let (bytes, crc) = sealed.split_last_chunk::<4>()?;
    (crc32c(bytes) == u32::from_le_bytes(*crc)).then_some(bytes)
}

/// Writes a filter whose head says something else, for the tests.
#[cfg(test)]
pub(super) fn tamper(keyspace: &Keyspace, change: impl FnOnce(&mut TestHead)) {
    let sealed = keyspace.get(HEAD).unwrap().unwrap();
    let mut head: Head = postcard::from_bytes(unsealed(&sealed).unwrap()).unwrap();
    let block = &head.blocks[0];
    let mut of = TestHead { items: block.items, ones: block.ones, hashes: block.hashes };
    change(&mut of);
    (head.blocks[0].items, head.blocks[0].ones, head.blocks[0].hashes) =
        (of.items, of.ones, of.hashes);
    let mut value = postcard::to_stdvec(&head).unwrap();
    value.extend_from_slice(&crc32c(&value).to_le_bytes());
    keyspace.insert(HEAD, value).unwrap();
}

/// What a test may change.
#[cfg(test)]
pub(super) struct TestHead {
    pub(super) items: u64,
    pub(super) ones: u64,
    pub(super) hashes: u32,
}
