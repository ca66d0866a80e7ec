//! The rows with one key of an ordered index.

use lightning_db_expression::number::{self, NUMBERS};
use lightning_db_storage::Slice;
use lightning_db_types::{KeyEncoder, Value, ValueRef};

use super::key::{KeyPlan, Types};
use super::ordered::{OrderedIndex, owner};
use super::query::KeyQuery;
use super::scan::Scan;
use crate::error::Result;
use crate::key_buffer::with_key_buffer;
use crate::reader::Reader;

/// Numbers of the rows with a key, in the order of the index.
#[derive(Debug)]
pub struct KeyRows<'i>(Found<'i>);

#[derive(Debug)]
enum Found<'i> {
    /// At most one: its key was read.
    One(Option<u64>),
    Many(Box<Scan<'i>>),
}

/// In how many forms the values of a key may stand in an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forms {
    None,
    One,
    Several,
}

impl KeyPlan {
    /// Appends the one form of a value of a part, if it has one.
    fn push_only_form(
        &self,
        part: usize,
        value: ValueRef<'_>,
        types: Types,
        key: &mut Vec<u8>,
    ) -> Forms {
        let (own, order) = (value.value_type(), self.orders[part]);
        if !number::is_number(own) {
            if !self.admits(part, own, types) {
                return Forms::None;
            }
            KeyEncoder::new(key).push(value, order);
            return Forms::One;
        }
        let mut seen = NUMBERS.into_iter().filter(|one| self.admits(part, *one, types));
        match (seen.next(), seen.next()) {
            (None, _) => return Forms::None,
            (Some(only), None) if only == own => KeyEncoder::new(key).push(value, order),
            (Some(only), None) => match number::convert(value, only) {
                Some(same) => KeyEncoder::new(key).push(&same, order),
                None => return Forms::None,
            },
            (Some(_), Some(_)) => return Forms::Several,
        }
        Forms::One
    }

    /// Appends the one key that values may stand for, if there is one.
    pub(super) fn push_only_key(&self, values: &[Value], types: Types, key: &mut Vec<u8>) -> Forms {
        for (part, value) in values.iter().enumerate() {
            match self.push_only_form(part, value.as_value_ref(), types, key) {
                Forms::One => {}
                other => return other,
            }
        }
        Forms::One
    }
}

impl OrderedIndex {
    /// The rows with a key, by the values of all its parts. Of a unique index this most often
    /// reads one key and allocates nothing, unless a number may stand in the key in several types.
    ///
    /// # Errors
    /// As [`scan`](Self::scan), also in the items.
    pub fn rows_with_key<'i>(
        &'i self,
        reader: Reader<'i>,
        values: &[Value],
    ) -> Result<KeyRows<'i>> {
        let exclusive = self.options().unique
            && values.len() == self.plan().orders.len()
            && !(self.options().nulls_distinct && values.iter().any(Value::is_null));
        // A transaction notes what it looks for, and has entries that are not in place yet.
        let is_noted = reader.transaction().is_some()
            && (self.options().deferrable || self.plan().has_unseen_values(values));
        if exclusive && !is_noted {
            let found =
                with_key_buffer(|key| match self.plan().push_only_key(values, Types::Seen, key) {
                    Forms::None => Ok(Some(None)),
                    Forms::One => reader.get(self.keyspace(), &key[..]).map(Some),
                    Forms::Several => Ok(None),
                });
            if let Some(found) = found? {
                return self.only(found).map(|row_id| KeyRows(Found::One(row_id)));
            }
        }
        let query = KeyQuery::equal(values.iter().cloned());
        let scan = Box::new(self.scan(reader, &query)?);
        Ok(KeyRows(Found::Many(scan)))
    }

    fn only(&self, found: Option<Slice>) -> Result<Option<u64>> {
        let Some(value) = found else { return Ok(None) };
        owner(&value).map(Some).ok_or_else(|| self.too_short())
    }
}

impl Iterator for KeyRows<'_> {
    type Item = Result<u64>;

    #[inline]
    fn next(&mut self) -> Option<Result<u64>> {
        match &mut self.0 {
            Found::One(row_id) => row_id.take().map(Ok),
            Found::Many(scan) => Some(scan.next()?.map(|hit| hit.row_id())),
        }
    }
}
