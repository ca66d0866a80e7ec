//! The keys that a search asks for, as values.

use std::ops::Bound;

use lightning_db_table::index::{BitmapQuery, KeyQuery};
use lightning_db_types::{Value, ValueRef};

use super::Run;
use crate::error::Result;
use crate::program::{Computed, Key, KeyPart, Values};

/// What is asked of the part behind the equal ones.
pub(super) enum Next {
    Anything,
    Range(Bound<Value>, Bound<Value>),
    StartsWith(Value),
}

/// The keys that are asked for; there may be none.
pub(super) struct Wanted {
    pub(super) keys: Vec<Vec<Value>>,
    pub(super) next: Next,
}

impl Run<'_> {
    /// The keys that are asked for; `None` if a value is null that something is to equal.
    pub(super) fn wanted(&self, key: &Key, outer: &[ValueRef<'_>]) -> Result<Option<Wanted>> {
        let mut keys = vec![Vec::with_capacity(key.parts.len())];
        let mut next = Next::Anything;
        for part in &key.parts {
            match part {
                KeyPart::In(values) if values.len() == 1 => {
                    let value = self.value(&values[0], &Values(&[]), outer)?;
                    if value.is_null() {
                        keys.clear();
                    }
                    follow(&mut keys, value);
                }
                KeyPart::In(values) => {
                    let mut given = Vec::with_capacity(values.len());
                    for value in values {
                        let value = self.value(value, &Values(&[]), outer)?;
                        if !value.is_null() {
                            given.push(value);
                        }
                    }
                    keys = combined(&keys, &given);
                }
                KeyPart::Null => follow(&mut keys, Value::Null),
                KeyPart::Range(low, high) => {
                    let (Some(low), Some(high)) =
                        (self.bound(low.as_ref(), outer)?, self.bound(high.as_ref(), outer)?)
                    else {
                        return Ok(None);
                    };
                    next = Next::Range(low, high);
                }
                KeyPart::StartsWith(prefix) => next = Next::StartsWith(prefix.clone()),
            }
        }
        Ok((!keys.is_empty()).then_some(Wanted { keys, next }))
    }

    /// A bound; `None` if it is null, which no value is beyond.
    pub(super) fn bound(
        &self,
        bound: Option<&(Computed, bool)>,
        outer: &[ValueRef<'_>],
    ) -> Result<Option<Bound<Value>>> {
        let Some((value, included)) = bound else { return Ok(Some(Bound::Unbounded)) };
        let value = self.value(value, &Values(&[]), outer)?;
        if value.is_null() {
            return Ok(None);
        }
        Ok(Some(if *included { Bound::Included(value) } else { Bound::Excluded(value) }))
    }
}

/// Each key followed by a value.
fn follow(keys: &mut [Vec<Value>], value: Value) {
    if let Some((last, others)) = keys.split_last_mut() {
        for key in others {
            key.push(value.clone());
        }
        last.push(value);
    }
}

/// Each key followed by each value.
fn combined(keys: &[Vec<Value>], values: &[Value]) -> Vec<Vec<Value>> {
    let with = |key: &Vec<Value>, value: &Value| {
        let mut key = key.clone();
        key.push(value.clone());
        key
    };
    keys.iter().flat_map(|key| values.iter().map(move |value| with(key, value))).collect()
}

pub(super) fn key_query(wanted: Wanted) -> KeyQuery {
    let query = KeyQuery::any_of(wanted.keys);
    match wanted.next {
        Next::Anything => query,
        Next::Range(low, high) => query.range((low, high)),
        Next::StartsWith(prefix) => query.starts_with(prefix),
    }
}

pub(super) fn bitmap_query(wanted: Wanted) -> BitmapQuery {
    let Wanted { keys, next } = wanted;
    match next {
        Next::Range(low, high) => BitmapQuery::Range { low, high },
        Next::Anything | Next::StartsWith(_) => {
            let values = keys.into_iter().flatten();
            let one = |value: Value| match value {
                Value::Null => BitmapQuery::IsNull,
                value => BitmapQuery::Equal(value),
            };
            BitmapQuery::Or(values.map(one).collect())
        }
    }
}
