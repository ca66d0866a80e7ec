//! Random catalogs with rows, and random queries over them: each a function of its seed.

mod query;
mod term;

use lightning_db_types::ValueType::{I64, Text};
use lightning_db_types::{Rng, SeededRng, Value};

use crate::build::Term;
use crate::catalog::{ForeignKey, IndexDefinition, IndexKind, TableId};
use crate::error::Result;
use crate::memory::MemoryCatalog;
use crate::query::Query;

/// What a random query may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// Steps after each source, at most.
    pub steps_max: u64,
    /// How deep joins and subqueries are nested, at most.
    pub depth_max: u32,
    /// Subqueries in conditions and results.
    pub subqueries: bool,
    /// Sorts with limits; those of the random queries are total orders, so that the rows are
    /// certain.
    pub limits: bool,
}

impl Default for Profile {
    fn default() -> Self {
        Self { steps_max: 3, depth_max: 2, subqueries: true, limits: true }
    }
}

/// Words of text columns.
const WORDS: [&str; 5] = ["ant", "bee", "cat", "b%", ""];

/// A small number, or null.
fn small(rng: &dyn Rng, nulls: bool) -> Value {
    if nulls && rng.one_in(5) {
        return Value::Null;
    }
    Value::I64(i64::try_from(rng.below(5)).unwrap_or(0))
}

fn word(rng: &dyn Rng, nulls: bool) -> Value {
    if nulls && rng.one_in(5) {
        return Value::Null;
    }
    let at = usize::try_from(rng.below(WORDS.len() as u64)).unwrap_or(0);
    Value::from(WORDS[at])
}

/// Four small tables with keys, foreign keys, indexes, nulls, and few distinct values.
///
/// # Errors
/// None that can happen: the names are right.
pub fn random_catalog(seed: u64) -> Result<MemoryCatalog> {
    let rng = SeededRng::new(seed);
    let mut catalog = MemoryCatalog::new();
    let mut sizes = Vec::new();
    for number in 0..4_usize {
        let name = format!("t{number}");
        let columns = [("id", I64), ("a", I64), ("b", I64), ("c", Text), ("ref", I64)];
        let table = catalog.add_table(name, &columns, &["id"])?;
        // The first table is never empty, so that every foreign key has something to refer to.
        let size = rng.below(6) + u64::from(number == 0);
        let strict = rng.one_in(2);
        let target = rng.below(number as u64 + 1);
        let target_size = if target == number as u64 { size } else { sizes[usize_of(target)] };
        catalog.change(table, |definition| {
            definition.columns[2].nullable = !strict;
            // A strict reference needs a row to refer to.
            definition.columns[4].nullable = !strict || target_size == 0;
        });
        let rows = (0..size).map(|id| {
            let nullable = !strict || target_size == 0;
            let reference = match target_size {
                0 => Value::Null,
                _ if nullable && rng.one_in(4) => Value::Null,
                size => Value::I64(i64::try_from(rng.below(size)).unwrap_or(0)),
            };
            let id = Value::I64(i64::try_from(id).unwrap_or(0));
            vec![id, small(&rng, true), small(&rng, !strict), word(&rng, true), reference]
        });
        catalog.set_rows(table, rows.collect());
        let references = TableId(u32::try_from(target).unwrap_or(0));
        let key = ForeignKey { columns: vec![4], references, referenced: vec![0] };
        catalog.add_foreign_key(table, key);
        for columns in [&[0][..], &[1], &[2, 1], &[4]] {
            if rng.one_in(2) {
                let name = format!("t{number}_{}", columns[0]);
                catalog.add_index(table, IndexDefinition::new(name, IndexKind::Ordered, columns));
            }
        }
        sizes.push(size);
    }
    Ok(catalog)
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A query, the same with a condition, its opposite, and whether it is unknown, and one whose only
/// column is the truth of the condition for each row.
#[derive(Debug, Clone)]
pub struct Partitions {
    /// All rows.
    pub whole: Query,
    /// The rows for which the condition is true, false, and unknown.
    pub parts: [Query; 3],
    /// The truth for each row.
    pub truth: Query,
}

/// A random query with a random condition over its columns.
///
/// # Errors
/// None that can happen: the queries are well formed.
pub fn random_partitions(
    seed: u64,
    profile: Profile,
    catalog: &MemoryCatalog,
) -> Result<Partitions> {
    let (whole, condition) = query::Writer::new(seed, profile).partitions();
    let part = |condition: Term| whole.clone().filter(condition).build(catalog);
    Ok(Partitions {
        parts: [
            part(condition.clone())?,
            part(condition.clone().not())?,
            part(condition.clone().is_null())?,
        ],
        truth: whole.clone().select([condition.named("truth")]).build(catalog)?,
        whole: whole.build(catalog)?,
    })
}

/// A query over the tables of [`random_catalog`]. Its rows are certain, but for their order.
///
/// # Errors
/// None that can happen: the queries are well formed.
pub fn random_query(seed: u64, profile: Profile, catalog: &MemoryCatalog) -> Result<Query> {
    query::Writer::new(seed, profile).query().build(catalog)
}
