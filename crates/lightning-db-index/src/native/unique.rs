//! Deferred uniqueness.
//!
//! A row that takes a key which another row still has writes a *claim*: the entry, under a key that
//! starts with a byte below all entries, and ends with the row's number. When the other row leaves
//! the key, the claim becomes the entry. Claims are writes of the transaction like any others, so
//! savepoints take them back; one that is left before the commit is a violation.

use lightning_db_storage::{Slice, Transaction};

use super::ordered::{Entry, OrderedIndex, owner};
use super::query::Target;
use crate::error::Result;
use crate::reader::Reader;

/// What the keys of claims start with.
const CLAIM: [u8; 2] = [0x00, 0x01];

fn claim_key(key: &[u8], row_id: u64) -> Vec<u8> {
    [&CLAIM[..], key, &row_id.to_be_bytes()].concat()
}

/// Key of the entry that a claim is for, and number of the row.
fn parts(claim: &[u8]) -> Option<(&[u8], u64)> {
    let (key, row_id) = claim.strip_prefix(&CLAIM)?.split_last_chunk()?;
    Some((key, u64::from_be_bytes(*row_id)))
}

impl OrderedIndex {
    /// Own claims of a transaction: key of the claim, and value of the entry.
    fn claims<'t>(
        &self,
        transaction: &'t Transaction,
    ) -> impl Iterator<Item = (&'t [u8], &'t [u8])> + use<'t, '_> {
        let writes = transaction.writes(self.keyspace());
        let claims = writes.take_while(|(key, _)| key.starts_with(&CLAIM));
        claims.filter_map(|(key, value)| Some((key, value?)))
    }

    pub(super) fn claim(
        &self,
        transaction: &mut Transaction,
        row_id: u64,
        entry: &Entry,
    ) -> Result<()> {
        Ok(transaction.insert(self.keyspace(), claim_key(&entry.key, row_id), &entry.value)?)
    }

    pub(super) fn remove_claim(
        &self,
        transaction: &mut Transaction,
        row_id: u64,
        entry: &Entry,
    ) -> Result<()> {
        if self.options().deferrable {
            let claim = claim_key(&entry.key, row_id);
            if transaction.get(self.keyspace(), &claim)?.is_some() {
                transaction.remove(self.keyspace(), &claim)?;
            }
        }
        Ok(())
    }

    /// Entries that are claimed within targets.
    pub(super) fn claims_within(
        &self,
        reader: Reader<'_>,
        targets: &[Target],
    ) -> Vec<(Slice, Slice)> {
        let transaction = reader.transaction().filter(|_| self.options().deferrable);
        let Some(transaction) = transaction else { return Vec::new() };
        let claims = self.claims(transaction).filter_map(|(claim, value)| {
            let (key, _) = parts(claim)?;
            let wanted = targets.iter().any(|target| target.holds(key));
            wanted.then(|| (Slice::from(key), Slice::from(value)))
        });
        claims.collect()
    }

    /// Gives a key that has become free to the first row that claims it.
    pub(super) fn settle_claim(&self, transaction: &mut Transaction, key: &[u8]) -> Result<()> {
        if !self.options().deferrable {
            return Ok(());
        }
        let of_key = |claim: &[u8]| parts(claim).is_some_and(|(of, _)| of == key);
        let first = self.claims(transaction).find(|(claim, _)| of_key(claim));
        let first = first.map(|(claim, value)| (claim.to_vec(), value.to_vec()));
        if let Some((claim, value)) = first {
            transaction.remove(self.keyspace(), claim)?;
            transaction.insert(self.keyspace(), key, value)?;
        }
        Ok(())
    }

    /// Fails if a claim is left.
    pub(super) fn verify_claims(&self, transaction: &Transaction) -> Result<()> {
        let Some((key, _)) = self.claims(transaction).find_map(|(claim, _)| parts(claim)) else {
            return Ok(());
        };
        let owner = transaction.get(self.keyspace(), key)?.and_then(|value| owner(&value));
        Err(self.unique_error(key, owner.unwrap_or_default()))
    }
}
