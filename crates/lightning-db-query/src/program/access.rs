//! Ways to the rows of a table, made ready.

use std::sync::Arc;

use lightning_db_expression::Expression;
use lightning_db_optimizer::{
    Access as Planned, BloomCheck, ColumnId, IndexKind, IndexScan, KeyBound, KeyPart, Operator,
    PlanNode, RowSet, TableId,
};
use lightning_db_types::Value;

use super::{Asked, Compiler, Computed, Nearest, Scope};
use crate::catalog::{Known, KnownIndex};
use crate::error::{Error, Result};

/// Rows of a table.
#[derive(Debug)]
pub(crate) struct Access {
    /// Its place among the program's tables.
    pub(crate) table: usize,
    pub(crate) path: Path,
    pub(crate) checks: Vec<Check>,
    /// Over the table's columns, by number.
    pub(crate) filter: Vec<Computed>,
    /// Numbers of the columns that are given.
    pub(crate) columns: Vec<usize>,
    /// Numbers of the columns that conditions look at, each once.
    pub(crate) looked_at: Vec<usize>,
    /// Numbers of the columns that are given or looked at, each once.
    pub(crate) read: Vec<usize>,
}

/// How rows are found.
#[derive(Debug)]
pub(crate) enum Path {
    /// All of them, in the order of their numbers.
    All,
    /// By their key, in its order or against it.
    Keys { key: Key, reverse: bool },
    /// By the entries of an index, in its order.
    Entries(Entries),
    /// By sets of rows.
    Set(Set),
    /// By their distance from a point.
    Nearest(Nearest),
}

/// A search in an ordered index whose entries are looked at.
#[derive(Debug)]
pub(crate) struct Entries {
    pub(crate) scan: KeyScan,
    pub(crate) reverse: bool,
    /// Where the entries have columns, by number.
    pub(crate) places: Vec<(usize, Place)>,
    /// What is evaluated on entries before rows are fetched.
    pub(crate) filter: Vec<Computed>,
    /// Whether no rows are fetched.
    pub(crate) covering: bool,
}

/// Where an entry has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A part of its key.
    Key(usize),
    /// A column that is stored beside the key.
    Included(usize),
}

/// Entries of an index by their keys.
#[derive(Debug)]
pub(crate) struct KeyScan {
    pub(crate) index: Arc<str>,
    pub(crate) kind: IndexKind,
    pub(crate) key: Key,
}

/// What is wanted of a key: of its first parts together, and of later ones by themselves.
#[derive(Debug, Default)]
pub(crate) struct Key {
    /// Equal parts, each with one of these values; then perhaps a range or a beginning.
    pub(crate) parts: Vec<Part>,
    /// What is wanted of parts behind one that may be anything, by position.
    pub(crate) later: Vec<(usize, Part)>,
}

/// What is wanted of a part of a key.
#[derive(Debug)]
pub(crate) enum Part {
    /// It equals one of these.
    In(Vec<Computed>),
    /// It is null.
    Null,
    /// It lies between these.
    Range(Option<(Computed, bool)>, Option<(Computed, bool)>),
    /// It starts with this.
    StartsWith(Value),
}

/// A set of rows.
#[derive(Debug)]
pub(crate) enum Set {
    /// By the key of the rows.
    Keys(Key),
    Index(KeyScan),
    /// By functions that an index answers, which are all true.
    Functions {
        index: Arc<str>,
        asked: Vec<Asked>,
    },
    All(Vec<Set>),
    Any(Vec<Set>),
}

/// A question to a Bloom filter.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) index: Arc<str>,
    pub(crate) values: Vec<Computed>,
}

/// One row with the first entries of searches.
#[derive(Debug)]
pub(crate) struct First {
    pub(crate) table: usize,
    pub(crate) searches: Vec<Search>,
}

/// A search whose first row is asked for.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) path: Path,
    /// What must be true of the row.
    pub(crate) filter: Vec<Computed>,
    /// What is computed of it.
    pub(crate) value: Computed,
}

/// A relation of a plan.
pub(super) struct Relation<'a> {
    pub(super) known: &'a Known,
    /// Its columns with their numbers in the table.
    own: Vec<(ColumnId, usize)>,
    outer: &'a [ColumnId],
}

impl Relation<'_> {
    pub(super) fn scope(&self) -> Scope<'_> {
        Scope { table: Some(self.known), ..Scope::new(&self.own, self.outer) }
    }

    /// For values that are the same for all rows.
    pub(super) fn outside(&self) -> Scope<'_> {
        Scope::new(&[], self.outer)
    }
}

impl<'a> Compiler<'a> {
    fn relation<'r>(
        &self,
        table: TableId,
        columns: &[ColumnId],
        outer: &'r [ColumnId],
    ) -> Result<Relation<'r>>
    where
        'a: 'r,
    {
        let known = self.catalog.known(table);
        let known = known.ok_or_else(|| Error::unsupported("a table", "it is not known"))?;
        let own = columns.iter().copied().zip(known.ids.iter().copied()).collect();
        Ok(Relation { known, own, outer })
    }

    pub(super) fn access(&mut self, node: &PlanNode, outer: &[ColumnId]) -> Result<Access> {
        let Operator::Access { table, relation, access, checks, filter, .. } = &node.operator
        else {
            return Err(Error::unsupported("an access", "it is none"));
        };
        let relation = self.relation(*table, relation, outer)?;
        let columns = node.columns.iter().map(|column| {
            let own = relation.own.iter().find(|(known, _)| known == column);
            own.map(|(_, id)| *id)
                .ok_or_else(|| Error::unsupported("a column", "it is of another table"))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let checks =
            checks.iter().map(|check| self.check(check, &relation)).collect::<Result<_>>()?;
        let (mut path, first) = match access {
            Planned::Scan => (Path::All, Vec::new()),
            Planned::Index(scan) => self.path(scan, &relation)?,
            Planned::Sets(set) => (Path::Set(self.set(set, &relation)?), Vec::new()),
        };
        let filter = [first, self.scalars(filter, relation.scope())?].concat();
        let mut looked_at = Vec::new();
        let mut look = |number| looked_at.push(number);
        for condition in &filter {
            condition.each_column(&mut look);
        }
        let looked_at = each_once(looked_at);
        let read = each_once([&columns[..], &looked_at].concat());
        if let Path::Entries(entries) = &mut path {
            // What nobody asks for is not decoded.
            let mut wanted = read.clone();
            let mut want = |number| wanted.push(number);
            for condition in &entries.filter {
                condition.each_column(&mut want);
            }
            entries.places.retain(|(number, _)| wanted.contains(number));
        }
        Ok(Access { table: self.table(*table), path, checks, filter, columns, looked_at, read })
    }

    pub(super) fn first(&mut self, node: &PlanNode, outer: &[ColumnId]) -> Result<First> {
        let Operator::IndexAggregate { table, relation, aggregates, .. } = &node.operator else {
            return Err(Error::unsupported("an index aggregate", "it is none"));
        };
        let relation = self.relation(*table, relation, outer)?;
        let mut searches = Vec::with_capacity(aggregates.len());
        for one in aggregates {
            let (path, filter) = self.path(&one.scan, &relation)?;
            let Some(argument) = one.aggregate.argument else {
                return Err(Error::unsupported("an index aggregate", "it is over no column"));
            };
            let value = self.scalar(argument, relation.scope())?;
            searches.push(Search { path, filter, value });
        }
        Ok(First { table: self.table(*table), searches })
    }

    fn check(&mut self, check: &BloomCheck, relation: &Relation<'_>) -> Result<Check> {
        let values = self.scalars(&check.values, relation.outside())?;
        Ok(Check { index: Self::name(&check.name), values })
    }

    /// The way of a search, and what must be true of the rows that it gives.
    fn path(&mut self, scan: &IndexScan, relation: &Relation<'_>) -> Result<(Path, Vec<Computed>)> {
        let filter = self.scalars(&scan.filter, relation.scope())?;
        if let Some(KnownIndex::Rows) = relation.known.indexes.get(scan.index) {
            let key = self.key(&scan.key, relation)?;
            return Ok((Path::Keys { key, reverse: scan.reverse }, filter));
        }
        if scan.nearest.is_some() {
            return Ok((Path::Nearest(self.nearest(scan, relation)?), filter));
        }
        if !scan.functions.is_empty() {
            return Ok((Path::Set(self.functions(scan, relation)?), filter));
        }
        let keys = self.key_scan(scan, relation)?;
        if keys.kind != IndexKind::Ordered {
            return Ok((Path::Set(Set::Index(keys)), filter));
        }
        let (reverse, covering) = (scan.reverse, scan.covering);
        let places = places(relation.known, scan.index);
        let entries = Entries { scan: keys, reverse, places, filter, covering };
        Ok((Path::Entries(entries), Vec::new()))
    }

    fn key_scan(&mut self, scan: &IndexScan, relation: &Relation<'_>) -> Result<KeyScan> {
        let unknown = || Error::unsupported(format!("index {}", scan.name), "it is not known");
        let definition = relation.known.definition.indexes.get(scan.index).ok_or_else(unknown)?;
        let known = relation.known.indexes.get(scan.index).ok_or_else(unknown)?;
        let KnownIndex::Named(name, _) = known else { return Err(unknown()) };
        let key = self.key(&scan.key, relation)?;
        Ok(KeyScan { index: Self::name(name), kind: definition.kind, key })
    }

    fn set(&mut self, set: &RowSet, relation: &Relation<'_>) -> Result<Set> {
        Ok(match set {
            RowSet::Index(scan)
                if relation.known.indexes.get(scan.index) == Some(&KnownIndex::Rows) =>
            {
                Set::Keys(self.key(&scan.key, relation)?)
            }
            RowSet::Index(scan) if !scan.functions.is_empty() => self.functions(scan, relation)?,
            RowSet::Index(scan) => Set::Index(self.key_scan(scan, relation)?),
            RowSet::All(sets) => {
                Set::All(sets.iter().map(|set| self.set(set, relation)).collect::<Result<_>>()?)
            }
            RowSet::Any(sets) => {
                Set::Any(sets.iter().map(|set| self.set(set, relation)).collect::<Result<_>>()?)
            }
        })
    }

    fn key(&mut self, parts: &[KeyPart], relation: &Relation<'_>) -> Result<Key> {
        let mut key = Key::default();
        let mut together = true;
        for (place, part) in parts.iter().enumerate() {
            let Some(part) = self.key_part(part, relation)? else {
                together = false;
                continue;
            };
            let ends = matches!(part, Part::Range(..) | Part::StartsWith(_));
            if together {
                key.parts.push(part);
            } else {
                key.later.push((place, part));
            }
            together &= !ends;
        }
        Ok(key)
    }

    fn key_part(&mut self, part: &KeyPart, relation: &Relation<'_>) -> Result<Option<Part>> {
        let outside = relation.outside();
        Ok(Some(match part {
            KeyPart::Equal(value) => Part::In(vec![self.scalar(*value, outside)?]),
            KeyPart::In(values) => Part::In(self.scalars(values, outside)?),
            KeyPart::Null => Part::Null,
            KeyPart::Range { low, high } => {
                let mut bound = |bound: &Option<KeyBound>| {
                    let of = |bound: KeyBound| {
                        Ok::<_, Error>((self.scalar(bound.value, outside)?, bound.included))
                    };
                    bound.map(of).transpose()
                };
                Part::Range(bound(low)?, bound(high)?)
            }
            KeyPart::StartsWith(prefix) => Part::StartsWith(Value::from(prefix.as_str())),
            KeyPart::Any => return Ok(None),
        }))
    }
}

fn each_once(mut numbers: Vec<usize>) -> Vec<usize> {
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Where the entries of an index have columns, by number.
fn places(known: &Known, index: usize) -> Vec<(usize, Place)> {
    let Some(definition) = known.definition.indexes.get(index) else { return Vec::new() };
    let mut places = Vec::new();
    // Stored columns first: they are exactly as they were in the row.
    if let Some(KnownIndex::Named(_, stored)) = known.indexes.get(index) {
        for (column, place) in definition.include.iter().zip(stored) {
            places.extend(known.ids.get(*column).map(|id| (*id, Place::Included(*place))));
        }
    }
    for (place, part) in definition.parts.iter().enumerate() {
        if let Expression::Column(column) = part.expression
            && let Some(id) = known.ids.get(column)
            && !places.iter().any(|(other, _)| other == id)
        {
            places.push((*id, Place::Key(place)));
        }
    }
    places
}
