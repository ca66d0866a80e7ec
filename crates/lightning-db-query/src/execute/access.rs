//! Rows of tables and entries of indexes.

use std::cmp::Ordering;
use std::ops::{Bound, ControlFlow};

use lightning_db_expression::{Columns, Comparison, Expression, number};
use lightning_db_optimizer::IndexKind;
use lightning_db_table::index::{HitRef, Index, IndexQuery, RowSet};
use lightning_db_table::{Row, RowView, TableReader};
use lightning_db_types::{Value, ValueRef};

use super::wanted::{Next, Wanted, bitmap_query, key_query};
use super::{MORE, Run, Sink, with_values};
use crate::error::{Error, Result};
use crate::program::{
    Access, Check, Computed, Entries, First, Key, KeyPart, KeyScan, Path, Place, ROW_ID, Set,
    Values,
};

/// Who takes what was found: a row, or an entry with the columns that it has.
pub(super) type Found<'s> = dyn FnMut(&dyn Columns) -> Result<ControlFlow<()>> + 's;

/// An entry of an index as a row: with the columns that it has, by number.
struct Entry<'a> {
    hit: HitRef<'a>,
    places: &'a [(usize, Place)],
    /// Parts of the key, decoded.
    key: &'a [Value],
}

impl Columns for Entry<'_> {
    fn column(&self, id: usize) -> ValueRef<'_> {
        if id == ROW_ID {
            return ValueRef::U64(self.hit.row_id());
        }
        let place = self.places.iter().find(|(known, _)| *known == id);
        match place.map(|(_, place)| *place) {
            Some(Place::Included(position)) => self.hit.included(position).unwrap_or_default(),
            Some(Place::Key(part)) => {
                self.key.get(part).map_or(ValueRef::Null, Value::as_value_ref)
            }
            None => ValueRef::Null,
        }
    }
}

/// A row of a table, which has its number as well.
struct Numbered<'a>(&'a Row);

impl Columns for Numbered<'_> {
    #[inline]
    fn column(&self, id: usize) -> ValueRef<'_> {
        if id == ROW_ID { ValueRef::U64(self.0.row_id()) } else { self.0.column(id) }
    }
}

/// The same of a row where it stands.
struct Lent<'a>(&'a RowView<'a>);

impl Columns for Lent<'_> {
    #[inline]
    fn column(&self, id: usize) -> ValueRef<'_> {
        if id == ROW_ID { ValueRef::U64(self.0.row_id()) } else { self.0.column(id) }
    }
}

impl Run<'_> {
    pub(super) fn access(
        &self,
        access: &Access,
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        let reader = &self.readers[access.table];
        if !self.passes(reader, access, outer)? {
            return MORE;
        }
        self.path(reader, &access.path, outer, &mut |row| {
            self.go_on_behind(1)?;
            if !self.holds(&access.filter, row, outer)? {
                return MORE;
            }
            let value = |place: usize| row.column(access.columns[place]);
            with_values(access.columns.len(), value, &mut *sink)
        })
    }

    /// Whether there may be rows, as far as Bloom filters know.
    pub(super) fn passes(
        &self,
        reader: &TableReader<'_>,
        access: &Access,
        outer: &[ValueRef<'_>],
    ) -> Result<bool> {
        for check in &access.checks {
            if !self.perhaps(reader, check, outer)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// One row with what is computed of the first rows of searches.
    pub(super) fn first(
        &self,
        first: &First,
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        let reader = &self.readers[first.table];
        let mut found = Vec::with_capacity(first.searches.len());
        for search in &first.searches {
            let mut value = Value::Null;
            let first = &mut |row: &dyn Columns| {
                if !self.holds(&search.filter, row, outer)? {
                    return MORE;
                }
                value = self.value(&search.value, row, outer)?;
                Ok(ControlFlow::Break(()))
            };
            self.path(reader, &search.path, outer, first).map(drop)?;
            found.push(value);
        }
        with_values(found.len(), |place| found[place].as_value_ref(), sink)
    }

    pub(super) fn path(
        &self,
        reader: &TableReader<'_>,
        path: &Path,
        outer: &[ValueRef<'_>],
        found: &mut Found<'_>,
    ) -> Result<ControlFlow<()>> {
        match path {
            Path::All => reader.visit_all(&mut |row| found(&Lent(row))),
            Path::Keys { key, reverse } => self.keys(reader, key, *reverse, outer, found),
            Path::Entries(entries) => self.entries(reader, entries, outer, found),
            Path::Set(set) => {
                let rows = self.row_set(reader, set, outer)?;
                each(reader.fetch(&rows), &mut |row| found(&Numbered(row)))
            }
            Path::Nearest(nearest) => self.nearest(reader, nearest, outer, found),
        }
    }

    /// Rows by their key of one whole number.
    fn keys(
        &self,
        reader: &TableReader<'_>,
        key: &Key,
        reverse: bool,
        outer: &[ValueRef<'_>],
        found: &mut Found<'_>,
    ) -> Result<ControlFlow<()>> {
        // The one value that a look-up nearly always has is not copied into a list.
        if let Some(only) = only_value(key) {
            return self.with_value(only, outer, |value| by_key(reader, value, found));
        }
        if let [KeyPart::Range(low, high)] = &key.parts[..]
            && !reverse
        {
            let low = self.bound(low.as_ref(), outer)?;
            let high = self.bound(high.as_ref(), outer)?;
            let Some((low, high)) = low.zip(high) else { return MORE };
            let found = &mut |row: &RowView<'_>| found(&Lent(row));
            return reader.visit_keys(low.as_ref(), high.as_ref(), found);
        }
        self.rows_by_key(reader, key, (reverse, outer), &mut |row| found(&Numbered(row)))
    }

    fn rows_by_key(
        &self,
        reader: &TableReader<'_>,
        key: &Key,
        (reverse, outer): (bool, &[ValueRef<'_>]),
        found: &mut dyn FnMut(&Row) -> Result<ControlFlow<()>>,
    ) -> Result<ControlFlow<()>> {
        let Some(wanted) = self.wanted(key, outer)? else { return MORE };
        if let Next::Range(low, high) = &wanted.next {
            let rows = reader.scan_keys(low.as_ref(), high.as_ref())?;
            return if reverse { each(rows.rev(), found) } else { each(rows, found) };
        }
        if key.parts.is_empty() {
            let rows = reader.scan_keys(Bound::Unbounded, Bound::Unbounded)?;
            return if reverse { each(rows.rev(), found) } else { each(rows, found) };
        }
        let mut keys: Vec<Value> = wanted.keys.into_iter().flatten().collect();
        keys.sort_by(compare);
        keys.dedup_by(|one, other| compare(one, other).is_eq());
        if reverse {
            keys.reverse();
        }
        for key in keys {
            if let Some(row) = get(reader, key)?
                && found(&row)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        MORE
    }

    /// Rows by entries of an ordered index, or the entries themselves.
    fn entries(
        &self,
        reader: &TableReader<'_>,
        entries: &Entries,
        outer: &[ValueRef<'_>],
        found: &mut Found<'_>,
    ) -> Result<ControlFlow<()>> {
        let Some(wanted) = self.wanted(&entries.scan.key, outer)? else { return MORE };
        let index = reader.index(&entries.scan.index)?;
        let Some(ordered) = index.as_ordered() else {
            return Err(Error::unsupported(&*entries.scan.index, "it has no order"));
        };
        let query = key_query(wanted);
        let query = if entries.reverse { query.reverse() } else { query };
        let decodes = !entries.filter.is_empty()
            || !entries.scan.key.later.is_empty()
            || entries.covering && entries.places.iter().any(|(_, it)| matches!(it, Place::Key(_)));
        let mut scan = ordered.scan(reader.reader(), &query)?;
        while let Some(hit) = scan.lend_next()? {
            self.go_on()?;
            let key = if decodes { hit.key_values()? } else { Vec::new() };
            if !self.fits(&entries.scan.key.later, &key, outer)? {
                continue;
            }
            let entry = Entry { hit, places: &entries.places, key: &key };
            if !self.holds(&entries.filter, &entry, outer)? {
                continue;
            }
            let flow =
                if entries.covering { found(&entry)? } else { one(reader, hit.row_id(), found)? };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        MORE
    }

    /// The rows that searches give, together.
    fn row_set(
        &self,
        reader: &TableReader<'_>,
        set: &Set,
        outer: &[ValueRef<'_>],
    ) -> Result<RowSet> {
        match set {
            Set::Keys(key) => {
                let mut rows = RowSet::new();
                let insert = &mut |row: &Row| {
                    rows.insert(row.row_id());
                    MORE
                };
                self.rows_by_key(reader, key, (false, outer), insert).map(drop)?;
                Ok(rows)
            }
            Set::Index(scan) => self.search(reader, scan, outer),
            Set::Functions { index, asked } => self.functions(reader, index, asked, outer),
            Set::All(sets) => {
                let mut all: Option<RowSet> = None;
                for set in sets {
                    if all.as_ref().is_some_and(RowSet::is_empty) {
                        break;
                    }
                    let rows = self.row_set(reader, set, outer)?;
                    all = Some(all.map_or_else(|| rows.clone(), |all| all.and(&rows)));
                }
                Ok(all.unwrap_or_default())
            }
            Set::Any(sets) => {
                let sets = sets.iter().map(|set| self.row_set(reader, set, outer));
                Ok(RowSet::union(&sets.collect::<Result<Vec<_>>>()?))
            }
        }
    }

    /// The rows that one search gives.
    fn search(
        &self,
        reader: &TableReader<'_>,
        scan: &KeyScan,
        outer: &[ValueRef<'_>],
    ) -> Result<RowSet> {
        let Some(wanted) = self.wanted(&scan.key, outer)? else { return Ok(RowSet::new()) };
        let index = reader.index(&scan.index)?;
        if scan.kind == IndexKind::Bitmap {
            let query = bitmap_query(wanted);
            return Ok(index.rows(reader.reader(), &IndexQuery::Bitmap(query))?);
        }
        if !scan.key.later.is_empty() {
            return self.search_entries(reader, index, (scan, wanted), outer);
        }
        Ok(index.rows(reader.reader(), &IndexQuery::Key(key_query(wanted)))?)
    }

    fn search_entries(
        &self,
        reader: &TableReader<'_>,
        index: &Index,
        (scan, wanted): (&KeyScan, Wanted),
        outer: &[ValueRef<'_>],
    ) -> Result<RowSet> {
        let Some(ordered) = index.as_ordered() else {
            return Err(Error::unsupported(&*scan.index, "its keys have no order"));
        };
        let mut rows = RowSet::new();
        let mut entries = ordered.scan(reader.reader(), &key_query(wanted))?;
        while let Some(hit) = entries.lend_next()? {
            if self.fits(&scan.key.later, &hit.key_values()?, outer)? {
                rows.insert(hit.row_id());
            }
        }
        Ok(rows)
    }

    /// Whether a Bloom filter may have a key.
    fn perhaps(
        &self,
        reader: &TableReader<'_>,
        check: &Check,
        outer: &[ValueRef<'_>],
    ) -> Result<bool> {
        let values = check.values.iter().map(|value| self.value(value, &Values(&[]), outer));
        let values = values.collect::<Result<Vec<_>>>()?;
        match reader.index(&check.index)?.as_bloom() {
            Some(bloom) => Ok(bloom.may_contain(reader.reader(), &values)?),
            None => Ok(true),
        }
    }

    /// Whether a key has what is wanted of its later parts.
    fn fits(
        &self,
        later: &[(usize, KeyPart)],
        key: &[Value],
        outer: &[ValueRef<'_>],
    ) -> Result<bool> {
        for (place, part) in later {
            let value = key.get(*place).unwrap_or(&Value::Null);
            let given = |computed: &Computed| self.value(computed, &Values(&[]), outer);
            let fits = match part {
                KeyPart::In(values) => {
                    let mut one = false;
                    for wanted in values {
                        one = one || holds(value, Comparison::Equal, &given(wanted)?)?;
                    }
                    one
                }
                KeyPart::Null => value.is_null(),
                KeyPart::Range(low, high) => {
                    let ends = [
                        (low, Comparison::AtLeast, Comparison::Greater),
                        (high, Comparison::AtMost, Comparison::Less),
                    ];
                    let mut inside = !value.is_null();
                    for (bound, with, without) in ends {
                        if let Some((bound, included)) = bound {
                            let comparison = if *included { with } else { without };
                            inside = inside && holds(value, comparison, &given(bound)?)?;
                        }
                    }
                    inside
                }
                KeyPart::StartsWith(prefix) => match (value, prefix) {
                    (Value::Text(text), Value::Text(prefix)) => text.starts_with(&**prefix),
                    _ => false,
                },
            };
            if !fits {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The value that a key of one part is to equal, if there is only one.
pub(super) fn only_value(key: &Key) -> Option<&Computed> {
    match &key.parts[..] {
        [KeyPart::In(values)] if values.len() == 1 => values.first(),
        _ => None,
    }
}

pub(super) fn each(
    rows: impl Iterator<Item = lightning_db_table::Result<Row>>,
    found: &mut dyn FnMut(&Row) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    for row in rows {
        if found(&row?)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    MORE
}

/// Gives the row with a key of one whole number, if it is there.
#[inline]
pub(super) fn by_key(
    reader: &TableReader<'_>,
    key: ValueRef<'_>,
    found: &mut Found<'_>,
) -> Result<ControlFlow<()>> {
    match key {
        ValueRef::Null => MORE,
        ValueRef::I64(_) | ValueRef::U64(_) => {
            let row_id = reader.row_id_of_key(key);
            row_id.map_or(MORE, |row_id| one(reader, row_id, found))
        }
        other => {
            let row = get(reader, other.to_value())?;
            row.map_or(MORE, |row| found(&Numbered(&row)))
        }
    }
}

/// Gives the row with a number, if it is there.
#[inline]
fn one(reader: &TableReader<'_>, row_id: u64, found: &mut Found<'_>) -> Result<ControlFlow<()>> {
    reader.visit(row_id, |row| found(&Lent(row)))
}

/// Gives a row with its number.
#[cfg(any(feature = "spatial", feature = "text"))]
pub(super) fn give_row(row: &Row, found: &mut Found<'_>) -> Result<ControlFlow<()>> {
    found(&Numbered(row))
}

/// The row with a key, which may be given as a number of another type.
#[inline]
fn get(reader: &TableReader<'_>, key: Value) -> Result<Option<Row>> {
    if matches!(key, Value::I64(_) | Value::U64(_)) {
        return Ok(reader.get(&[key])?);
    }
    let only = Bound::Included(&key);
    Ok(reader.scan_keys(only, only)?.next().transpose()?)
}

/// Order of key values: that of numbers, whatever their types.
fn compare(one: &Value, other: &Value) -> Ordering {
    number::compare(one.as_value_ref(), other.as_value_ref()).unwrap_or_else(|| one.cmp(other))
}

fn holds(value: &Value, comparison: Comparison, wanted: &Value) -> Result<bool> {
    let wanted = Expression::Literal(wanted.clone());
    let compared = Expression::Literal(value.clone()).compare(comparison, wanted);
    Ok(compared.is_true(&Values(&[]))?)
}
